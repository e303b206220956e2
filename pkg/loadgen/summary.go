package loadgen

import (
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/plumbline/plumbline/pkg/run"
)

// A Summary is what the generator itself counted; times are in seconds.
type Summary struct {
	Run               string           `json:"run"`
	Scenario          string           `json:"scenario"`
	Profile           string           `json:"profile"`
	DurationSeconds   float64          `json:"duration_seconds"`
	Requests          int64            `json:"requests"`
	Failures          int64            `json:"failures"`
	RequestsPerSecond float64          `json:"requests_per_second"`
	ResponseTime      *Times           `json:"response_time"`
	ServiceTime       *Times           `json:"service_time"`
	ByRequest         []RequestSummary `json:"by_request"`
	Validity          run.Generator    `json:"validity"`
}

// A RequestSummary is the summary of one request name.
type RequestSummary struct {
	Request           string            `json:"request"`
	Requests          int64             `json:"requests"`
	Failures          int64             `json:"failures"`
	RequestsPerSecond float64           `json:"requests_per_second"`
	ResponseTime      *Times            `json:"response_time"`
	ServiceTime       *Times            `json:"service_time"`
	Reasons           map[Outcome]int64 `json:"reasons,omitempty"`
}

// Times sums up times, in seconds; quantiles are within 0.6 %.
type Times struct {
	P50  float64 `json:"p50"`
	P95  float64 `json:"p95"`
	P99  float64 `json:"p99"`
	P999 float64 `json:"p999"`
	Max  float64 `json:"max"`
	Mean float64 `json:"mean"`
}

// Summary is what has been counted so far.
func (g *Generator) Summary() Summary {
	validity := g.Validity()
	m := g.metrics
	g.mu.Lock()
	end := g.ended
	if end.IsZero() {
		end = time.Now()
	}
	seconds := end.Sub(g.started).Seconds()
	g.mu.Unlock()
	m.mu.Lock()
	defer m.mu.Unlock()
	all := m.all.summary("", seconds)
	s := Summary{
		Run: m.runID, Scenario: m.scenario, Profile: g.opts.Profile.Name, DurationSeconds: seconds,
		Requests: all.Requests, Failures: all.Failures, RequestsPerSecond: all.RequestsPerSecond,
		ResponseTime: all.ResponseTime, ServiceTime: all.ServiceTime, Validity: validity,
	}
	for _, name := range g.opts.Scenario.Requests() {
		s.ByRequest = append(s.ByRequest, m.byName[name].summary(name, seconds))
	}
	return s
}

func (t *tally) summary(name string, seconds float64) RequestSummary {
	return RequestSummary{name, t.requests, t.failures, float64(t.requests) / seconds, t.response.times(), t.service.times(), mapsClone(t.reasons)}
}

func mapsClone(m map[Outcome]int64) map[Outcome]int64 {
	out := map[Outcome]int64{}
	for k, v := range m {
		out[k] = v
	}
	return out
}

// times is nil when nothing was measured.
func (d *durations) times() *Times {
	if d.n == 0 {
		return nil
	}
	return &Times{d.quantile(.5), d.quantile(.95), d.quantile(.99), d.quantile(.999), d.max.Seconds(), d.mean()}
}

// Progress is the state of a test for a line on a terminal.
type Progress struct {
	Elapsed, Total     time.Duration
	Users              int
	Requests, Failures int64
	P50, P95, P99      float64 // seconds
}

// Progress tells how far the test is.
func (g *Generator) Progress() Progress {
	p := Progress{Total: g.opts.Profile.Duration(), Users: g.count()}
	g.mu.Lock()
	if !g.started.IsZero() {
		p.Elapsed = time.Since(g.started)
	}
	g.mu.Unlock()
	m := g.metrics
	m.mu.Lock()
	defer m.mu.Unlock()
	p.Requests, p.Failures = m.all.requests, m.all.failures
	p.P50, p.P95, p.P99 = m.all.response.quantile(.5), m.all.response.quantile(.95), m.all.response.quantile(.99)
	return p
}

// WriteTable writes the summary as a table by request name.
func (s Summary) WriteTable(w io.Writer) error {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(tw, "request\trequests\tfailures\treq/s\tp50\tp95\tp99\tmax\t")
	rows := append(slices.Clone(s.ByRequest), RequestSummary{"all", s.Requests, s.Failures, s.RequestsPerSecond, s.ResponseTime, s.ServiceTime, nil})
	for _, r := range rows {
		t := r.ResponseTime
		if t == nil {
			fmt.Fprintf(tw, "%s\t0\t0\t–\t–\t–\t–\t–\t\n", r.Request)
			continue
		}
		fmt.Fprintf(tw, "%s\t%d\t%d\t%.1f\t%s\t%s\t%s\t%s\t\n", r.Request, r.Requests, r.Failures, r.RequestsPerSecond, ms(t.P50), ms(t.P95), ms(t.P99), ms(t.Max))
	}
	return tw.Flush()
}

func ms(seconds float64) string { return fmt.Sprintf("%.0f ms", seconds*1000) }
