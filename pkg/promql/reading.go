package promql

import (
	"context"
	"math"
	"slices"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/plumbline/plumbline/pkg/run"
)

// A Reading is what an expression of counters or histograms ([Rate], [Share],
// [Mean], [Quantile]) gives over any part of a window, taken from their
// increments: without a further question where those are known, and exact where
// rate() extrapolates.
type Reading struct {
	grid   Grid
	window run.Window
	groups []read // sorted by labels
}

// A read gives the number of one group over a stretch; NaN is no data.
type read struct {
	labels labels.Labels
	over   func(stretch) float64
}

// A stretch is the intervals [from, to) of a grid.
type stretch struct {
	from, to int
	seconds  float64
}

func (r Reading) stretch(from, to int) stretch {
	return stretch{from, to, (time.Duration(to-from) * r.grid.Step).Seconds()}
}

// Over gives each group's number over a part of the window, one point at its end.
func (r Reading) Over(w run.Window) []Series {
	part := r.stretch(r.grid.Cells(w))
	if !w.End.Before(r.window.End) { // what happened at the end is seen by the scrape that follows
		part.to, part.seconds = r.grid.N, w.End.Sub(r.grid.End(part.from-1)).Seconds()
	}
	return r.series([]stretch{part}, []time.Time{w.End})
}

// Range gives each group's numbers at every step of the window, each over some
// time before it that lies in the window, as QueryRange does.
func (r Reading) Range(step, over time.Duration) []Series {
	until := func(t time.Time) int { // the intervals that end by then
		_, to := r.grid.Cells(run.Window{Start: r.window.Start, End: t})
		return to
	}
	var parts []stretch
	var ends []time.Time
	for t := r.window.Start; !t.After(r.window.End); t = t.Add(step) {
		parts, ends = append(parts, r.stretch(until(t.Add(-over)), until(t))), append(ends, t)
	}
	return r.series(parts, ends)
}

func (r Reading) series(parts []stretch, ends []time.Time) []Series {
	all := make([]Series, len(r.groups))
	for i, g := range r.groups {
		all[i] = Series{g.labels, make([]Point, len(parts))}
		for k, part := range parts {
			all[i].Points[k] = Point{Time: ends[k], Value: g.over(part)}
		}
	}
	return all
}

// DividedBy is the reading in a unit that is so many times as large.
func (r Reading) DividedBy(n int) Reading {
	groups := make([]read, len(r.groups))
	for i, g := range r.groups {
		groups[i] = read{g.labels, func(s stretch) float64 { return g.over(s) / float64(n) }}
	}
	r.groups = groups
	return r
}

// Reads reports whether raw samples of w are at hand, so that a reading costs
// less than its expression.
func (m *Meter) Reads(ctx context.Context, w run.Window) (bool, error) {
	_, err := m.upTimes(ctx, gridOver(w, m.scrape))
	return err == nil, unlessNoSamples(err)
}

// Rate reads how often per second the events of a counter happened.
func (m *Meter) Rate(ctx context.Context, counter Selector, by []string, w run.Window) (Reading, error) {
	inc, err := m.Increments(ctx, counter, by, w)
	r := Reading{grid: inc.Grid, window: w}
	for _, g := range inc.Groups {
		r.groups = append(r.groups, read{g.Labels, func(s stretch) float64 { return g.Total(s.from, s.to) / s.seconds }})
	}
	return r, err
}

// Share reads the events of part in those of whole, in [0, 1].
func (m *Meter) Share(ctx context.Context, part, whole Selector, by []string, w run.Window) (Reading, error) {
	return m.quotient(ctx, part, whole, 0, by, w)
}

// Mean reads the mean of the values that a histogram, given by its base name, saw.
func (m *Meter) Mean(ctx context.Context, histogram Selector, form HistogramForm, by []string, w run.Window) (Reading, error) {
	if form == Native {
		return m.distributions(ctx, histogram, form, by, w, Distribution.Mean)
	}
	return m.quotient(ctx, histogram.Named(histogram.Metric+"_sum"), histogram.Named(histogram.Metric+"_count"), math.NaN(), by, w)
}

// Quantile reads the quantile q of a histogram, given by its base name.
func (m *Meter) Quantile(ctx context.Context, q float64, histogram Selector, form HistogramForm, by []string, w run.Window) (Reading, error) {
	return m.distributions(ctx, histogram, form, by, w, func(d Distribution) float64 { return d.Quantile(q) })
}

// quotient divides what counters gained, group by group; absent stands for each
// interval of a dividend that is not there.
func (m *Meter) quotient(ctx context.Context, dividend, divisor Selector, absent float64, by []string, w run.Window) (Reading, error) {
	above, err := m.Increments(ctx, dividend, by, w)
	if err != nil {
		return Reading{}, err
	}
	below, err := m.Increments(ctx, divisor, by, w)
	r := Reading{grid: below.Grid, window: w}
	for _, n := range below.Groups {
		x := Gain{Values: slices.Repeat([]float64{absent}, below.Grid.N)}
		for _, g := range above.Groups {
			if labels.Equal(g.Labels, n.Labels) {
				x = g
			}
		}
		r.groups = append(r.groups, read{n.Labels, func(s stretch) float64 { return x.Total(s.from, s.to) / n.Total(s.from, s.to) }})
	}
	return r, err
}

// distributions reads a number of how the values of a histogram spread.
func (m *Meter) distributions(ctx context.Context, histogram Selector, form HistogramForm, by []string, w run.Window, number func(Distribution) float64) (Reading, error) {
	take := m.classicSpreads
	if form == Native {
		take = m.nativeSpreads
	}
	grid, spreads, err := take(ctx, histogram, by, w)
	r := Reading{grid: grid, window: w}
	for _, s := range spreads {
		r.groups = append(r.groups, read{s.Labels, func(part stretch) float64 { return number(s.Over(part.from, part.to)) }})
	}
	return r, err
}
