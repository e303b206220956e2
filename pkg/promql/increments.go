package promql

import (
	"context"
	"errors"
	"fmt"
	"math"
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
// seen by the scrape that follows. It starts at a whole millisecond, as samples do.
func gridOver(w run.Window, step time.Duration) Grid {
	start := time.UnixMilli(w.Start.UnixMilli())
	return Grid{start, step, int(math.Ceil(float64(w.End.Sub(start))/float64(step))) + 1}
}

// End is the end of interval i.
func (g Grid) End(i int) time.Time { return g.Start.Add(time.Duration(i+1) * g.Step) }

// start is the start of interval i, in ms.
func (g Grid) start(i int) int64 { return g.Start.UnixMilli() + int64(i)*g.Step.Milliseconds() }

// Cells gives the intervals [from, to) that lie wholly inside w, whose start counts
// to the millisecond as the grid's does.
func (g Grid) Cells(w run.Window) (from, to int) {
	from = int(math.Ceil(float64(w.Start.UnixMilli()-g.Start.UnixMilli()) / float64(g.Step.Milliseconds())))
	to = int(math.Floor(float64(w.End.Sub(g.Start)) / float64(g.Step)))
	from = min(max(from, 0), g.N)
	return from, max(min(to, g.N), from)
}

// since is the grid's stretch and some time before it.
func (g Grid) since(before time.Duration) run.Window {
	return run.Window{Start: g.Start.Add(-before), End: g.End(g.N - 1)}
}

// lead is how far before the grid the latest samples before it lie; the same for
// all that is read of a series, so that it is read once.
func (g Grid) lead() time.Duration { return lookback + 3*g.Step }

// history is how far before the grid a series can have been that then vanished
// and returned, so that it isn't taken for one that was born.
func (g Grid) history() time.Duration { return time.Duration(g.N)*g.Step + lookback }

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

// lookback is how far back Prometheus looks for the last sample of a series.
const lookback = 5 * time.Minute

// increments takes the gains of the series of sel, summed by labels, in the way
// that costs least where the series are. All ways give the same; package
// querytest holds them to it.
func (m *Meter) increments(ctx context.Context, sel Selector, by []string, w run.Window) (Increments, error) {
	grid := gridOver(w, m.scrape)
	for _, way := range []func(context.Context, *tally, Selector) (taken bool, err error){
		m.walked, m.anchored, m.subtracted, m.paged,
	} {
		t := newTally(grid, by)
		if taken, err := way(ctx, t, sel); err != nil {
			return Increments{Grid: grid}, err
		} else if taken {
			return t.increments(), nil
		}
	}
	return Increments{Grid: grid}, nil
}

// walked walks over the raw samples where they lie: in a recording, or sent by a
// server as it stores them.
func (m *Meter) walked(ctx context.Context, t *tally, sel Selector) (bool, error) {
	ups, err := m.upTimes(ctx, t.grid)
	if err != nil {
		return false, unlessNoSamples(err)
	}
	for _, before := range []time.Duration{t.grid.lead(), t.grid.history()} {
		*t = *newTally(t.grid, t.by)
		asked := Asked{Query: sumBy(t.by, increase(sel, t.grid)+" anchored)"), Start: t.grid.End(0), At: t.grid.End(t.grid.N - 1), Step: t.grid.Step}
		err := m.walk(ctx, &asked, sel, t.grid.since(before), func(ls labels.Labels, it Iterator) error {
			err := t.counter(ls, ups).walk(it)
			asked.Warnings = t.warnings
			return err
		})
		if err != nil {
			return false, unlessNoSamples(err)
		}
		if t.births == 0 { // else look whether they were there earlier
			break
		}
	}
	return true, nil
}

// unlessNoSamples is the error, but for one that only says to take another way.
func unlessNoSamples(err error) error {
	if errors.Is(err, ErrNoSamples) {
		return nil
	}
	return err
}

// upTimes tells when the targets were up.
func (m *Meter) upTimes(ctx context.Context, grid Grid) (upTimes, error) {
	return once(m, fmt.Sprintf("up %d %d", grid.start(0), grid.start(grid.N)), func() (upTimes, error) {
		ups := upTimes{}
		asked := Asked{Query: "up", Start: grid.Start, At: grid.End(grid.N - 1), Step: grid.Step}
		err := m.walk(ctx, &asked, Selector{Metric: "up"}, grid.since(lookback), func(ls labels.Labels, it Iterator) error {
			return ups.walk(ls, it, grid)
		})
		return ups, err
	})
}

// increase is the increase over a grid's step, but for what closes it.
func increase(sel Selector, g Grid) string {
	return fmt.Sprintf("increase(%s[%s]", sel, promDuration(g.Step))
}

// anchored has the server take exact increments, where it can: Prometheus 3 with extended range selectors.
func (m *Meter) anchored(ctx context.Context, t *tally, sel Selector) (bool, error) {
	can, err := m.can(ctx, "increase(up[1m] anchored)")
	if err != nil || !can {
		return false, err
	}
	if err := m.addRange(ctx, t, sumBy(t.by, increase(sel, t.grid)+" anchored)")); err != nil {
		return false, err
	}
	return true, m.addBirths(ctx, t, sel)
}

// can finds out, once, whether the Querier takes an expression that not every server knows.
func (m *Meter) can(ctx context.Context, expr string) (bool, error) {
	return once(m, "can "+expr, func() (bool, error) {
		_, err := m.q.Query(ctx, expr, time.Unix(0, 0))
		if errors.Is(err, ErrBadQuery) {
			return false, nil
		}
		return err == nil, err
	})
}

// subtracted has the server subtract what each series was a step before from
// what it is, where the raw samples are too many to fetch: only sums are sent.
// It misses a reset that a second scrape within the same interval hides, and
// can't tell resets of native histograms, which are therefore left to the pages.
func (m *Meter) subtracted(ctx context.Context, t *tally, sel Selector) (bool, error) {
	is := fmt.Sprintf("last_over_time(%s[%s])", sel, promDuration(lookback))
	was := fmt.Sprintf("last_over_time(%s[%s] offset %s)", sel, promDuration(lookback), promDuration(t.grid.Step))
	end := t.grid.End(t.grid.N - 1)
	count, err := m.Query(ctx, fmt.Sprintf("count(%s)", is), end)
	if err != nil || count.scalar()*float64(t.grid.N) <= float64(m.MaxRawSamples) {
		return false, err
	}
	native, err := m.Query(ctx, fmt.Sprintf("count(histogram_count(%s))", is), end)
	if err != nil && !errors.Is(err, ErrBadQuery) || native.scalar() > 0 {
		return false, err
	}
	if err := m.addRange(ctx, t, sumBy(t.by, fmt.Sprintf("(%s - %s >= 0) or (%s < %s)", is, was, is, was))); err != nil {
		return false, err
	}
	return true, m.addBirths(ctx, t, sel)
}

// paged fetches the raw samples in pages and differences them here.
func (m *Meter) paged(ctx context.Context, t *tally, sel Selector) (bool, error) {
	counters := map[string]*counter{}
	warnings, err := Pages(ctx, noting{m}, sel, t.grid.since(lookback), func(s Series) error {
		key := s.Labels.String()
		c := counters[key]
		if c == nil {
			c = t.counter(s.Labels, nil)
			counters[key] = c
		}
		for _, p := range s.Points {
			c.sample(p.Time.UnixMilli(), p.Value, p.Histogram)
		}
		return nil
	})
	t.warn(warnings...)
	if err != nil {
		return false, err
	}
	return true, m.addBirths(ctx, t, sel)
}

// Pages asks q for the raw samples of sel over w, five minutes at a time, so that
// a server without remote read can give them too. A series comes once for each
// page, in order of time, and may repeat samples at the edges of pages.
func Pages(ctx context.Context, q Querier, sel Selector, w run.Window, take func(Series) error) (warnings []string, err error) {
	for at := w.Start; at.Before(w.End); {
		end := minTime(at.Add(lookback), w.End)
		page, err := q.Query(ctx, fmt.Sprintf("%s[%s]", sel, promDuration(end.Sub(at))), end)
		if err != nil {
			return warnings, err
		}
		warnings = merge(warnings, page.Warnings)
		for _, s := range page.Series {
			if err := take(s); err != nil {
				return warnings, err
			}
		}
		at = end
	}
	return warnings, nil
}

// addBirths adds the first value of each counter that was born inside the grid,
// as [counter.born] has it. Whether a candidate was there earlier, vanished and
// returned is asked only when there are candidates, since it looks back over
// the whole window.
func (m *Meter) addBirths(ctx context.Context, t *tally, sel Selector) error {
	step := promDuration(t.grid.Step)
	wasUp := fmt.Sprintf("and on (job, instance) (up offset %s == 1)", step)
	first := fmt.Sprintf("(min_over_time(%s[%s]) > 0)", sel, step)
	if t.native {
		// A first histogram can't be told from a second within one interval; injected zeros bring two.
		first = fmt.Sprintf("((%s and histogram_count(%s) > 0) and count_over_time(%s[%s]) == 1)", sel, sel, sel, step)
	}
	born := fmt.Sprintf("(%s unless %s offset %s) %s", first, sel, step, wasUp)
	candidates, err := m.gridRange(ctx, t, "count("+born+")")
	if err != nil || len(candidates.Series) == 0 {
		return err
	}
	before := promDuration(time.Duration(t.grid.N)*t.grid.Step + lookback)
	return m.addRange(ctx, t, sumBy(t.by, fmt.Sprintf("(%s) unless present_over_time(%s[%s] offset %s)", born, sel, before, step)))
}

// gridRange asks expr at the end of each interval and keeps the warnings.
func (m *Meter) gridRange(ctx context.Context, t *tally, expr string) (Result, error) {
	res, err := m.QueryRange(ctx, expr, Range{t.grid.End(0), t.grid.End(t.grid.N - 1), t.grid.Step})
	t.warn(res.Warnings...)
	return res, err
}

// addRange adds the points of a range query over the grid to the gains.
func (m *Meter) addRange(ctx context.Context, t *tally, expr string) error {
	res, err := m.gridRange(ctx, t, expr)
	if err != nil {
		return err
	}
	for _, s := range res.Series {
		gain := t.group(s.Labels)
		for _, p := range s.Points {
			i := int(math.Round(float64(p.Time.Sub(t.grid.Start))/float64(t.grid.Step))) - 1
			if i >= 0 && i < t.grid.N {
				t.add(gain, i, p.Value, p.Histogram)
			}
		}
	}
	return nil
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
