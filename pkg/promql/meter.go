package promql

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/plumbline/plumbline/pkg/run"
)

// A Meter reads counters and histograms through a Querier: exactly, interval by
// interval, and with their coverage. It asks a shared question once and
// remembers what it asked. It may be used by several goroutines.
type Meter struct {
	// MaxRawSamples is how many samples are fetched in pages from a server that
	// neither sends them as they are stored nor takes exact increments; beyond,
	// it has to subtract itself.
	MaxRawSamples int

	q      Querier
	scrape time.Duration

	mu    sync.Mutex
	calls map[string]*call
	asked []Asked
}

type call struct {
	once  sync.Once
	value any
	err   error
}

// Asked is one question that was asked, and what came back.
type Asked struct {
	Query    string
	Start    time.Time // zero for an instant query
	At       time.Time // of an instant query, or the end of a range
	Step     time.Duration
	Series   int
	Took     time.Duration
	Warnings []string
	Err      error
}

// NewMeter makes a Meter for series that are scraped at an interval.
func NewMeter(q Querier, scrape time.Duration) *Meter {
	return &Meter{MaxRawSamples: 1_000_000, q: q, scrape: scrape, calls: map[string]*call{}}
}

// Scrape is the interval of the Meter's grids.
func (m *Meter) Scrape() time.Duration { return m.scrape }

// Asked lists the questions that were asked, in order.
func (m *Meter) Asked() []Asked {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.asked)
}

// once runs ask for a key only the first time.
func once[T any](m *Meter, key string, ask func() (T, error)) (T, error) {
	m.mu.Lock()
	c := m.calls[key]
	if c == nil {
		c = &call{}
		m.calls[key] = c
	}
	m.mu.Unlock()
	c.once.Do(func() { c.value, c.err = ask() })
	value, _ := c.value.(T)
	return value, c.err
}

// Query evaluates expr at one time.
func (m *Meter) Query(ctx context.Context, expr string, at time.Time) (Result, error) {
	return once(m, fmt.Sprintf("i %s %d", expr, at.UnixMilli()), func() (Result, error) {
		start := time.Now()
		res, err := m.q.Query(ctx, expr, at)
		m.note(Asked{Query: expr, At: at, Series: len(res.Series), Took: time.Since(start), Warnings: res.Warnings, Err: err})
		return res, err
	})
}

// QueryRange evaluates expr over a range.
func (m *Meter) QueryRange(ctx context.Context, expr string, r Range) (Result, error) {
	return once(m, fmt.Sprintf("r %s %d %d %d", expr, r.Start.UnixMilli(), r.End.UnixMilli(), r.Step), func() (Result, error) {
		start := time.Now()
		res, err := m.q.QueryRange(ctx, expr, r)
		m.note(Asked{expr, r.Start, r.End, r.Step, len(res.Series), time.Since(start), res.Warnings, err})
		return res, err
	})
}

// Present tells, with one question, which metrics have samples in a window.
func (m *Meter) Present(ctx context.Context, metrics []string, w run.Window) (map[string]bool, error) {
	expr := fmt.Sprintf(`count by (__name__) (last_over_time({__name__=~%q}[%s]))`, strings.Join(metrics, "|"), promDuration(max(w.Duration(), time.Millisecond)))
	res, err := m.Query(ctx, expr, w.End)
	present := map[string]bool{}
	for _, s := range res.Series {
		present[s.Labels.Get(model.MetricNameLabel)] = true
	}
	return present, err
}

// QuantilesRange evaluates quantiles of histograms over a range, at the cost of
// one: the result of histogram_quantile(q, histograms) for each. The error is
// ErrBadQuery where the Querier doesn't know histogram_quantiles, as the embedded
// engine does, and Prometheus 3 when told so.
func (m *Meter) QuantilesRange(ctx context.Context, histograms string, qs []float64, r Range) (map[float64]Result, error) {
	const label = "quantile"
	expr := fmt.Sprintf("histogram_quantiles(%s, %q", histograms, label)
	for _, q := range qs {
		expr += fmt.Sprintf(", %v", q)
	}
	if can, err := m.can(ctx, `histogram_quantiles(up, "quantile", 0.5)`); err != nil || !can {
		return nil, cmp.Or(err, ErrBadQuery)
	}
	res, err := m.QueryRange(ctx, expr+")", r)
	all := map[float64]Result{}
	for _, q := range qs {
		one := Result{Warnings: res.Warnings}
		for _, s := range res.Series {
			if s.Labels.Get(label) == labels.FormatOpenMetricsFloat(q) {
				one.Series = append(one.Series, Series{labels.NewBuilder(s.Labels).Del(label).Labels(), s.Points})
			}
		}
		all[q] = one
	}
	return all, err
}

// noting asks every question anew and remembers that it did.
type noting struct{ *Meter }

func (n noting) Query(ctx context.Context, expr string, at time.Time) (Result, error) {
	start := time.Now()
	res, err := n.q.Query(ctx, expr, at)
	n.note(Asked{Query: expr, At: at, Series: len(res.Series), Took: time.Since(start), Warnings: res.Warnings, Err: err})
	return res, err
}

// walk visits the raw samples of sel over w, where the Querier gives them; the
// error is ErrNoSamples where it doesn't. asked is the question that the walk answers.
func (m *Meter) walk(ctx context.Context, asked *Asked, sel Selector, w run.Window, visit Visit) error {
	sampler, ok := m.q.(Sampler)
	if !ok {
		return ErrNoSamples
	}
	start := time.Now()
	asked.Err = sampler.Samples(ctx, sel, w, func(ls labels.Labels, it Iterator) error {
		asked.Series++
		return visit(ls, it)
	})
	asked.Took = time.Since(start)
	if !errors.Is(asked.Err, ErrNoSamples) {
		m.note(*asked)
	}
	return asked.Err
}

func (m *Meter) note(a Asked) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.asked = append(m.asked, a)
}

// Increments is what the counters of sel gained in each interval over w, summed by labels.
func (m *Meter) Increments(ctx context.Context, sel Selector, by []string, w run.Window) (Increments, error) {
	return once(m, fmt.Sprintf("inc %s %v %d %d", sel, by, w.Start.UnixMilli(), w.End.UnixMilli()), func() (Increments, error) {
		return m.increments(ctx, sel, by, w)
	})
}

// Spreads is how the values of the histogram sel (its base name) spread in each
// interval over w, summed by labels. A native histogram wins over a classic one of
// the same name; [Distribution.Form] says which it was.
func (m *Meter) Spreads(ctx context.Context, sel Selector, by []string, w run.Window) (Grid, []Spread, error) {
	if grid, spreads, err := m.nativeSpreads(ctx, sel, by, w); err != nil || spreads != nil {
		return grid, spreads, err
	}
	return m.classicSpreads(ctx, sel, by, w)
}

func (m *Meter) nativeSpreads(ctx context.Context, sel Selector, by []string, w run.Window) (Grid, []Spread, error) {
	inc, err := m.Increments(ctx, sel, by, w)
	return inc.Grid, nativeSpreads(inc), err
}

func (m *Meter) classicSpreads(ctx context.Context, sel Selector, by []string, w run.Window) (Grid, []Spread, error) {
	inc, err := m.Increments(ctx, sel.Named(sel.Metric+"_bucket"), append(slices.Clone(by), model.BucketLabel), w)
	if err != nil {
		return Grid{}, nil, err
	}
	sums, err := m.Increments(ctx, sel.Named(sel.Metric+"_sum"), by, w)
	return inc.Grid, classicSpreads(inc, sums), err
}

// Coverage is how much of a window the scrapes of a selector's targets cover.
type Coverage struct {
	Ratio   float64 // of the target covered least, in [0, 1]; 0 without targets
	Targets []TargetCoverage
}

// TargetCoverage is how much of a window the scrapes of one target cover.
type TargetCoverage struct {
	Labels labels.Labels // job and instance
	Ratio  float64
	Gaps   []run.Window // longer than two scrape intervals
}

// Coverage tells how much of w the scrapes of the targets behind sel cover:
// all but gaps of more than two scrape intervals, those at the edges of the window
// included. A target that was there just before w and not in it covers nothing.
func (m *Meter) Coverage(ctx context.Context, sel Selector, w run.Window) (Coverage, error) {
	if base, is := strings.CutSuffix(sel.Metric, "_bucket"); is {
		// The same scrapes bring a histogram's count, in one series instead of one for each bucket.
		if c, err := m.Coverage(ctx, sel.without(model.BucketLabel).Named(base+"_count"), w); err != nil || len(c.Targets) > 0 {
			return c, err
		}
	}
	return once(m, fmt.Sprintf("cov %s %d %d", sel, w.Start.UnixMilli(), w.End.UnixMilli()), func() (Coverage, error) {
		grid := gridOver(w, m.scrape)
		lead := Grid{grid.Start.Add(-3 * m.scrape), m.scrape, grid.N + 3}
		asked := Asked{Query: fmt.Sprintf("max by (job, instance) (timestamp(%s))", sel), Start: lead.End(0), At: grid.End(grid.N - 1), Step: m.scrape}
		times := newScrapeTimes(lead)
		err := m.walk(ctx, &asked, sel, grid.since(grid.lead()), times.walk)
		if errors.Is(err, ErrNoSamples) {
			return m.askCoverage(ctx, asked, w)
		}
		c := Coverage{Ratio: 1}
		for target, t := range times.targets {
			if t.there {
				c.add(target.labels(), t.times(), w, m.scrape)
			}
		}
		return c.settled(), err
	})
}

// askCoverage has the server find the times of the scrapes.
func (m *Meter) askCoverage(ctx context.Context, q Asked, w run.Window) (Coverage, error) {
	res, err := m.QueryRange(ctx, q.Query, Range{q.Start, q.At, q.Step})
	c := Coverage{Ratio: 1}
	for _, s := range res.Series {
		var times []time.Time
		for _, p := range s.Points {
			times = append(times, time.UnixMilli(int64(math.Round(p.Value*1000))))
		}
		c.add(s.Labels, times, w, m.scrape)
	}
	return c.settled(), err
}

// add works out how much of w the scrapes of one more target cover; times may repeat.
func (c *Coverage) add(ls labels.Labels, times []time.Time, w run.Window, scrape time.Duration) {
	t := TargetCoverage{Labels: ls, Ratio: 1}
	last := w.Start
	scraped := func(at time.Time) {
		if gap := (run.Window{Start: last, End: at}).Intersect(w); at.Sub(last) > 2*scrape+scrape/10 && !gap.IsZero() {
			t.Gaps = append(t.Gaps, gap)
			t.Ratio -= gap.Duration().Seconds() / w.Duration().Seconds()
		}
		last = at
	}
	for _, at := range times {
		if at.After(last) {
			scraped(at)
		}
	}
	if w.End.After(last) {
		scraped(w.End)
	}
	c.Targets = append(c.Targets, t)
	c.Ratio = max(min(c.Ratio, t.Ratio), 0)
}

// settled is the coverage in order, and none without targets.
func (c Coverage) settled() Coverage {
	if len(c.Targets) == 0 {
		return Coverage{}
	}
	slices.SortFunc(c.Targets, func(a, b TargetCoverage) int { return labels.Compare(a.Labels, b.Labels) })
	return c
}
