package promql

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/plumbline/plumbline/pkg/run"
)

// A Grid is the intervals over which increments are taken: interval i reaches
// from Start + i·Step, exclusive, up to Start + (i+1)·Step.
type Grid struct {
	Start time.Time
	Step  time.Duration
	N     int
}

// gridOver covers a window and one step more, since what happened at its end is
// seen by the scrape that follows.
func gridOver(w run.Window, step time.Duration) Grid {
	return Grid{w.Start, step, int(math.Ceil(float64(w.Duration())/float64(step))) + 1}
}

// End is the end of interval i.
func (g Grid) End(i int) time.Time { return g.Start.Add(time.Duration(i+1) * g.Step) }

// Cells gives the intervals [from, to) that lie wholly inside w.
func (g Grid) Cells(w run.Window) (from, to int) {
	from = int(math.Ceil(float64(w.Start.Sub(g.Start)) / float64(g.Step)))
	to = int(math.Floor(float64(w.End.Sub(g.Start)) / float64(g.Step)))
	from = min(max(from, 0), g.N)
	return from, max(min(to, g.N), from)
}

// Increments is what counters gained in each interval of a grid, by group. All
// totals, means, peaks and quantiles are sums over it, so they agree.
type Increments struct {
	Grid     Grid
	Groups   []Gain // sorted by labels
	Warnings []string
}

// A Gain is what the counters, or histograms, of one group gained in each interval.
type Gain struct {
	Labels     labels.Labels
	Values     []float64                   // of counters; 0 where nothing happened
	Histograms []*histogram.FloatHistogram // of native histograms; nil where nothing happened
}

// Total adds up the intervals [from, to).
func (g Gain) Total(from, to int) float64 {
	total := 0.0
	for _, v := range g.Values[from:to] {
		total += v
	}
	return total
}

// Values adds up the groups, interval by interval.
func (inc Increments) Values() []float64 {
	sum := make([]float64, inc.Grid.N)
	for _, g := range inc.Groups {
		for i, v := range g.Values {
			sum[i] += v
		}
	}
	return sum
}

// maxRawSamples is how many raw samples are fetched from a server that can't
// take exact increments itself, before the intervals are widened.
const maxRawSamples = 1_000_000

// lookback is how far back Prometheus looks for the last sample of a series.
const lookback = 5 * time.Minute

// increments asks for the gains of the series of sel, summed by labels.
func (m *Meter) increments(ctx context.Context, sel Selector, by []string, w run.Window) (Increments, error) {
	inc := Increments{Grid: gridOver(w, m.scrape)}
	anchored, err := m.canAnchor(ctx)
	if err != nil {
		return inc, err
	}
	gains := newGains(by)
	if anchored {
		err = m.addRange(ctx, gains, &inc, sumBy(by, fmt.Sprintf("increase(%s[%s] anchored)", sel, promDuration(inc.Grid.Step))))
	} else {
		err = m.addDifferences(ctx, gains, &inc, sel)
	}
	if err != nil {
		return inc, err
	}
	if err := m.addBirths(ctx, gains, &inc, sel, by); err != nil {
		return inc, err
	}
	inc.Groups = gains.sorted()
	return inc, nil
}

// addBirths adds the first value of each counter that was born inside the
// window at a target that was up at the scrape before: increase() sees only
// what came after it. In our recordings that first value is 0. Series of a
// target without an up series (federated, remote-written) are left as increase()
// has them, since nothing tells a birth there from a target that came late.
// Whether a candidate was there earlier, vanished and returned is asked only
// when there are candidates, since it looks back over the whole window.
func (m *Meter) addBirths(ctx context.Context, gains *gains, inc *Increments, sel Selector, by []string) error {
	step := promDuration(inc.Grid.Step)
	wasUp := fmt.Sprintf("and on (job, instance) (up offset %s == 1)", step)
	first := fmt.Sprintf("(min_over_time(%s[%s]) > 0)", sel, step)
	if gains.native {
		// A first histogram can't be told from a second within one interval; injected zeros bring two.
		first = fmt.Sprintf("((%s and histogram_count(%s) > 0) and count_over_time(%s[%s]) == 1)", sel, sel, sel, step)
	}
	born := fmt.Sprintf("(%s unless %s offset %s) %s", first, sel, step, wasUp)
	candidates, err := m.addedRange(ctx, inc, "count("+born+")")
	if err != nil || len(candidates.Series) == 0 {
		return err
	}
	before := promDuration(time.Duration(inc.Grid.N)*inc.Grid.Step + lookback)
	return m.addRange(ctx, gains, inc, sumBy(by, fmt.Sprintf("(%s) unless present_over_time(%s[%s] offset %s)", born, sel, before, step)))
}

// addedRange asks expr at the end of each interval and keeps the warnings.
func (m *Meter) addedRange(ctx context.Context, inc *Increments, expr string) (Result, error) {
	res, err := m.QueryRange(ctx, expr, Range{inc.Grid.End(0), inc.Grid.End(inc.Grid.N - 1), inc.Grid.Step})
	for _, w := range res.Warnings {
		if !slices.Contains(inc.Warnings, w) {
			inc.Warnings = append(inc.Warnings, w)
		}
	}
	return res, err
}

// addRange adds the points of a range query over the grid to the gains.
func (m *Meter) addRange(ctx context.Context, gains *gains, inc *Increments, expr string) error {
	res, err := m.addedRange(ctx, inc, expr)
	if err != nil {
		return err
	}
	for _, s := range res.Series {
		gain := gains.of(s.Labels, inc.Grid.N)
		for _, p := range s.Points {
			i := int(math.Round(float64(p.Time.Sub(inc.Grid.Start))/float64(inc.Grid.Step))) - 1
			if i >= 0 && i < inc.Grid.N {
				gains.add(gain, i, p.Value, p.Histogram)
			}
		}
	}
	return nil
}

// addDifferences fetches the raw samples in pages and differences them here.
func (m *Meter) addDifferences(ctx context.Context, gains *gains, inc *Increments, sel Selector) error {
	grid := inc.Grid
	count, err := m.Query(ctx, fmt.Sprintf("count(%s)", sel), grid.End(grid.N-1))
	if err != nil {
		return err
	}
	if n := count.scalar(); n*float64(grid.N) > maxRawSamples {
		return m.addWide(ctx, gains, inc, sel, n)
	}
	type last struct {
		at time.Time
		v  float64
		h  *histogram.FloatHistogram
	}
	lasts := map[string]last{}
	end := grid.End(grid.N - 1)
	for at := grid.Start; ; at = at.Add(lookback) { // the first page holds what the counters were before
		at = minTime(at, end)
		page, err := m.q.Query(ctx, fmt.Sprintf("%s[%s]", sel, promDuration(lookback)), at)
		if err != nil {
			return err
		}
		for _, s := range page.Series {
			key := s.Labels.String()
			gain := gains.of(s.Labels, grid.N)
			for _, p := range s.Points {
				l, seen := lasts[key]
				if seen && !p.Time.After(l.at) {
					continue // on both pages
				}
				if i := int(math.Ceil(float64(p.Time.Sub(grid.Start))/float64(grid.Step))) - 1; seen && i >= 0 && i < grid.N && l.at.After(grid.End(i-1).Add(-lookback)) {
					v, h := difference(l.v, p.Value, l.h, p.Histogram)
					gains.add(gain, i, v, h)
				}
				lasts[key] = last{p.Time, p.Value, p.Histogram}
			}
		}
		if !at.Before(end) {
			return nil
		}
	}
}

// difference is what a counter gained from one sample to the next; after a reset, all that it shows.
func difference(v0, v float64, h0, h *histogram.FloatHistogram) (float64, *histogram.FloatHistogram) {
	if h != nil {
		if h0 == nil || h.DetectReset(h0) {
			return 0, h
		}
		if d, _, _, err := h.Copy().Sub(h0); err == nil {
			return 0, d
		}
		return 0, h
	}
	if v < v0 {
		return v, nil
	}
	return v - v0, nil
}

// addWide asks for plain increases over stretches of many scrapes, where raw samples would be too many.
func (m *Meter) addWide(ctx context.Context, gains *gains, inc *Increments, sel Selector, series float64) error {
	wide := 12 * inc.Grid.Step
	inc.Grid = Grid{inc.Grid.Start, wide, int(math.Ceil(float64(inc.Grid.N) / 12))}
	inc.Warnings = append(inc.Warnings, fmt.Sprintf("%s has %.0f series: increments are extrapolated over %s, since this Prometheus can't take them exactly", sel, series, wide))
	return m.addRange(ctx, gains, inc, sumBy(gains.by, fmt.Sprintf("increase(%s[%s])", sel, promDuration(wide))))
}

// canAnchor finds out, once, whether the Querier takes exact increments: Prometheus 3 with extended range selectors does.
func (m *Meter) canAnchor(ctx context.Context) (bool, error) {
	m.anchorMu.Lock()
	defer m.anchorMu.Unlock()
	if m.anchor == nil {
		_, err := m.q.Query(ctx, "increase(up[1m] anchored)", time.Unix(0, 0))
		if err != nil && !errors.Is(err, ErrBadQuery) {
			return false, err
		}
		can := err == nil
		m.anchor = &can
	}
	return *m.anchor, nil
}

// gains collects sums by label group.
type gains struct {
	by     []string
	groups map[string]*Gain
	native bool // histograms were seen
}

func newGains(by []string) *gains { return &gains{by: by, groups: map[string]*Gain{}} }

// of is the group that a series with these labels belongs to.
func (g *gains) of(ls labels.Labels, n int) *Gain {
	kept := labels.NewBuilder(labels.EmptyLabels())
	for _, name := range g.by {
		kept.Set(name, ls.Get(name))
	}
	group := kept.Labels()
	key := group.String()
	if g.groups[key] == nil {
		g.groups[key] = &Gain{Labels: group, Values: make([]float64, n)}
	}
	return g.groups[key]
}

func (g *gains) add(gain *Gain, i int, v float64, h *histogram.FloatHistogram) {
	if h == nil {
		if !math.IsNaN(v) {
			gain.Values[i] += v
		}
		return
	}
	g.native = true
	if gain.Histograms == nil {
		gain.Histograms = make([]*histogram.FloatHistogram, len(gain.Values))
	}
	if gain.Histograms[i] == nil {
		gain.Histograms[i] = h.Copy()
	} else if sum, _, _, err := gain.Histograms[i].Add(h); err == nil {
		gain.Histograms[i] = sum
	}
}

func (g *gains) sorted() []Gain {
	out := make([]Gain, 0, len(g.groups))
	for _, gain := range g.groups {
		out = append(out, *gain)
	}
	slices.SortFunc(out, func(a, b Gain) int { return labels.Compare(a.Labels, b.Labels) })
	return out
}

// Spread is how the values of one group of histograms spread in each interval of a grid.
type Spread struct {
	Labels    labels.Labels
	Intervals []Distribution
}

// Over adds up the intervals [from, to).
func (s Spread) Over(from, to int) Distribution {
	var d Distribution
	for _, part := range s.Intervals[from:to] {
		d.Add(part)
	}
	return d
}

// classicSpreads turns the increments of bucket counters, grouped by le among others, into spreads.
func classicSpreads(inc, sums Increments) []Spread {
	var spreads []Spread
	byGroup := map[string]int{}
	for _, g := range inc.Groups {
		upper, err := strconv.ParseFloat(g.Labels.Get(model.BucketLabel), 64)
		if err != nil {
			continue // a series without le is no bucket
		}
		group := labels.NewBuilder(g.Labels).Del(model.BucketLabel).Labels()
		i, known := byGroup[group.String()]
		if !known {
			i = len(spreads)
			byGroup[group.String()] = i
			spreads = append(spreads, Spread{group, make([]Distribution, inc.Grid.N)})
		}
		for k, v := range g.Values {
			d := &spreads[i].Intervals[k]
			if d.classic == nil {
				d.classic = map[float64]float64{}
			}
			d.classic[upper] += v
		}
	}
	for _, g := range sums.Groups {
		if i, known := byGroup[g.Labels.String()]; known {
			for k, v := range g.Values[:min(len(g.Values), inc.Grid.N)] {
				spreads[i].Intervals[k].sum += v
			}
		}
	}
	return spreads
}

// nativeSpreads turns the increments of native histograms into spreads.
func nativeSpreads(inc Increments) []Spread {
	var spreads []Spread
	for _, g := range inc.Groups {
		if g.Histograms == nil {
			continue
		}
		s := Spread{g.Labels, make([]Distribution, inc.Grid.N)}
		for i, h := range g.Histograms {
			s.Intervals[i].native = h
		}
		spreads = append(spreads, s)
	}
	return spreads
}

func promDuration(d time.Duration) string { return model.Duration(d).String() }

func minTime(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}
