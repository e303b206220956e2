package loadgen

import (
	"cmp"
	"encoding/csv"
	"io"
	"maps"
	"slices"
	"strconv"
	"sync"
	"time"
)

// LocustCSV writes results in the form of Locust's CSV files, so that what
// reads those can read these. Times are in milliseconds; those under ten keep
// their decimals, where Locust would round them to 0.
type LocustCSV struct {
	history *csv.Writer

	mu       sync.Mutex
	recent   []Snapshot       // of the last seconds of the load, the oldest first; none before it begins
	start    time.Time        // of the load; zero until it begins
	bytes    map[string]int64 // of bodies, by request
	failures map[failedAs]int64
}

// A failedAs is a row of Locust's failures: what failed, and why.
type failedAs struct{ method, request, cause string }

// locustWindow is the stretch over which Locust gives current values.
const locustWindow = 10 * time.Second

// maxFailures caps the distinct causes that are kept; further ones are counted as "other".
const maxFailures = 1000

var locustQuantiles = []struct {
	name string
	q    float64
}{{"50%", 0.5}, {"66%", 0.66}, {"75%", 0.75}, {"80%", 0.8}, {"90%", 0.9}, {"95%", 0.95}, {"98%", 0.98}, {"99%", 0.99}, {"99.9%", 0.999}, {"99.99%", 0.9999}, {"100%", 1}}

func locustQuantileNames() (names []string) {
	for _, q := range locustQuantiles {
		names = append(names, q.name)
	}
	return names
}

// NewLocustCSV begins the history: from Begin on, a row a second is written to it.
func NewLocustCSV(history io.Writer) (*LocustCSV, error) {
	c := &LocustCSV{history: newLocustWriter(history), bytes: map[string]int64{}, failures: map[failedAs]int64{}}
	head := append([]string{"Timestamp", "User Count", "Type", "Name", "Requests/s", "Failures/s"}, locustQuantileNames()...)
	head = append(head, "Total Request Count", "Total Failure Count", "Total Median Response Time", "Total Average Response Time",
		"Total Min Response Time", "Total Max Response Time", "Total Average Content Size")
	return c, c.write(c.history, head)
}

func newLocustWriter(w io.Writer) *csv.Writer {
	cw := csv.NewWriter(w)
	cw.UseCRLF = true // as Python's csv module
	return cw
}

func (c *LocustCSV) write(w *csv.Writer, row []string) error {
	if err := w.Write(row); err != nil {
		return err
	}
	w.Flush()
	return w.Error()
}

// Begin starts the load: what comes before, such as the logins of an open model, is no part of it.
func (c *LocustCSV) Begin(at time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.start = at
	c.recent = []Snapshot{{At: at}}
}

// Observe takes one result; safe for many at once.
func (c *LocustCSV) Observe(s Sample) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.start.IsZero() {
		return
	}
	c.bytes[s.Request] += int64(s.Bytes)
	if s.Outcome == Success {
		return
	}
	f := failedAs{s.Method, s.Request, s.Cause}
	if _, known := c.failures[f]; !known && len(c.failures) >= maxFailures {
		f.cause = "other"
	}
	c.failures[f]++
}

// Second takes the state of a second and adds its row to the history.
func (c *LocustCSV) Second(s Snapshot) error {
	if row := c.row(s); row != nil {
		return c.write(c.history, row)
	}
	return nil
}

// row is that of a state; nil when it is of no part of the load.
func (c *LocustCSV) row(s Snapshot) []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.start.IsZero() || !s.At.After(c.start) {
		return nil
	}
	c.recent = append(c.recent, s)
	for len(c.recent) > 2 && s.At.Sub(c.recent[1].At) >= locustWindow {
		c.recent = c.recent[1:]
	}
	from := c.recent[0]
	current, took := s.Total.since(from.Total), s.At.Sub(from.At).Seconds()
	row := []string{strconv.FormatInt(s.At.Unix(), 10), strconv.Itoa(s.Users), "", "Aggregated", perSecond(current.Requests, took), perSecond(current.Failures, took)}
	row = append(row, quantiles(current)...)
	row = append(row, count10(s.Total.Requests), count10(s.Total.Failures))
	return append(row, c.times(s.Total)...)
}

// WriteStats writes a row for each request and one for all, as of the last second.
func (c *LocustCSV) WriteStats(w io.Writer) error {
	cw := newLocustWriter(w)
	head := append([]string{"Type", "Name", "Request Count", "Failure Count", "Median Response Time", "Average Response Time", "Min Response Time",
		"Max Response Time", "Average Content Size", "Requests/s", "Failures/s"}, locustQuantileNames()...)
	if err := c.write(cw, head); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	last := Snapshot{At: c.start}
	if n := len(c.recent); n > 0 {
		last = c.recent[n-1]
	}
	took := last.At.Sub(c.start).Seconds()
	all := last.Total
	all.Request = "Aggregated"
	for _, r := range append(slices.Clone(last.ByRequest), all) {
		row := append([]string{r.Method, r.Request, count10(r.Requests), count10(r.Failures)}, c.times(r)...)
		row = append(row, perSecond(r.Requests, took), perSecond(r.Failures, took))
		if err := c.write(cw, append(row, quantiles(r)...)); err != nil {
			return err
		}
	}
	return nil
}

// WriteFailures writes a row for each cause, the most frequent first.
func (c *LocustCSV) WriteFailures(w io.Writer) error {
	cw := newLocustWriter(w)
	if err := c.write(cw, []string{"Method", "Name", "Error", "Occurrences"}); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	order := slices.SortedFunc(maps.Keys(c.failures), func(a, b failedAs) int {
		return cmp.Or(cmp.Compare(c.failures[b], c.failures[a]), cmp.Compare(a.request, b.request), cmp.Compare(a.cause, b.cause))
	})
	for _, f := range order {
		if err := c.write(cw, []string{f.method, f.request, f.cause, count10(c.failures[f])}); err != nil {
			return err
		}
	}
	return nil
}

// WriteExceptions writes the header that Locust's readers may look for. There are
// no rows: what fails here is a failure, and no exception of a script.
func (c *LocustCSV) WriteExceptions(w io.Writer) error {
	return c.write(newLocustWriter(w), []string{"Count", "Message", "Traceback", "Nodes"})
}

// times are the median, mean, shortest and longest response time and the mean size of bodies.
func (c *LocustCSV) times(r Count) []string {
	size := int64(0)
	for name, n := range c.bytes {
		if r.Request == name || r.Request == "" || r.Request == "Aggregated" {
			size += n
		}
	}
	mean := float64(size) / float64(max(r.Requests, 1))
	return []string{Milliseconds(r.Quantile(0.5)), Milliseconds(r.Mean()), Milliseconds(r.Min()), Milliseconds(r.Max()), strconv.FormatFloat(mean, 'f', -1, 64)}
}

func quantiles(r Count) (row []string) {
	for _, q := range locustQuantiles {
		text := "N/A"
		if r.Requests > 0 {
			text = Milliseconds(r.Quantile(q.q))
		}
		row = append(row, text)
	}
	return row
}

func count10(n int64) string { return strconv.FormatInt(n, 10) }

func perSecond(n int64, seconds float64) string {
	if seconds <= 0 {
		return "0"
	}
	return strconv.FormatFloat(float64(n)/seconds, 'f', 6, 64)
}
