package promql

import (
	"math"
	"slices"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/value"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
)

// A tally adds up what counters gained in each interval of a grid, by group.
type tally struct {
	grid     Grid
	by       []string // as asked
	sorted   []string // the same, in order
	groups   map[string]*Gain
	native   bool // histograms were seen
	births   int  // first values that were added
	warnings []string
	key      []byte // of a group; its memory is used again
}

func newTally(grid Grid, by []string) *tally {
	return &tally{grid: grid, by: by, sorted: slices.Sorted(slices.Values(by)), groups: map[string]*Gain{}}
}

// group is the one that a series with these labels belongs to.
func (t *tally) group(ls labels.Labels) *Gain {
	t.key = ls.BytesWithLabels(t.key, t.sorted...)
	if g := t.groups[string(t.key)]; g != nil {
		return g
	}
	kept := labels.NewScratchBuilder(len(t.sorted))
	for _, name := range t.sorted {
		if v := ls.Get(name); v != "" {
			kept.Add(name, v)
		}
	}
	g := &Gain{Labels: kept.Labels(), Values: make([]float64, t.grid.N)}
	t.groups[string(t.key)] = g
	return g
}

// notNumbers says that NaN or Inf stood where a counter should.
const notNumbers = "some samples of a counter are NaN or infinite; they are left out"

// add puts a gain into interval i of a group.
func (t *tally) add(g *Gain, i int, v float64, h *histogram.FloatHistogram) {
	if h == nil {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			t.warn(notNumbers)
			return
		}
		g.Values[i] += v
		return
	}
	t.native = true
	if g.Histograms == nil {
		g.Histograms = make([]*histogram.FloatHistogram, len(g.Values))
	}
	switch {
	case h.Count == 0: // its schema says nothing, and may be another
	case g.Histograms[i] == nil:
		g.Histograms[i] = h.Copy()
	default:
		if sum, _, _, err := g.Histograms[i].Add(h); err == nil {
			g.Histograms[i] = sum
		}
	}
}

// warn keeps a warning, once.
func (t *tally) warn(warnings ...string) {
	t.warnings = merge(t.warnings, warnings)
}

// increments are the sums.
func (t *tally) increments() Increments {
	inc := Increments{Grid: t.grid, Groups: make([]Gain, 0, len(t.groups)), Warnings: t.warnings}
	for _, g := range t.groups {
		inc.Groups = append(inc.Groups, *g)
	}
	slices.SortFunc(inc.Groups, func(a, b Gain) int { return labels.Compare(a.Labels, b.Labels) })
	return inc
}

// A counter is one series on its way through a tally, sample by sample.
type counter struct {
	tally *tally
	ls    labels.Labels
	gain  *Gain  // nil until there is a sample in the grid
	wasUp []bool // whether its target was up at the start of each interval; nil when not known

	cell    int   // interval of the latest sample; -1 before the grid
	cellEnd int64 // in ms, as all times here
	step    int64

	seen bool // a sample came already
	at   int64
	v    float64
	h    *histogram.FloatHistogram
}

func (t *tally) counter(ls labels.Labels, ups upTimes) *counter {
	return &counter{
		tally: t, ls: ls, wasUp: ups[targetOf(ls)],
		cell: -1, cellEnd: t.grid.Start.UnixMilli(), step: t.grid.Step.Milliseconds(),
	}
}

// walk takes the samples of an iterator.
func (c *counter) walk(it Iterator) error {
	var spare *histogram.FloatHistogram
	for kind := it.Next(); kind != chunkenc.ValNone; kind = it.Next() {
		if kind == chunkenc.ValFloat {
			at, v := it.At()
			c.sample(at, v, nil)
			continue
		}
		before := c.h
		at, h := it.AtFloatHistogram(spare)
		c.sample(at, 0, h)
		if spare = before; c.h != h { // it was not taken
			spare = h
		}
	}
	return it.Err()
}

// sample takes the next sample; it keeps h until the one after. A stale marker
// counts as nothing: a series that vanished and returned is held against what it
// was, as increase() with an anchor does.
func (c *counter) sample(at int64, v float64, h *histogram.FloatHistogram) {
	if c.seen && at <= c.at || isStale(v, h) {
		return
	}
	if h == nil && (math.IsNaN(v) || math.IsInf(v, 0)) {
		c.tally.warn(notNumbers)
		return
	}
	for at > c.cellEnd {
		c.cell++
		c.cellEnd += c.step
	}
	if c.cell >= 0 && c.cell < c.tally.grid.N {
		c.gained(v, h)
	}
	c.seen, c.at, c.v, c.h = true, at, v, h
}

// gained adds what a sample inside the grid shows to its interval.
func (c *counter) gained(v float64, h *histogram.FloatHistogram) {
	if c.gain == nil {
		c.gain = c.tally.group(c.ls)
	}
	anchored := c.seen && c.at > c.cellEnd-c.step-lookback.Milliseconds()
	switch {
	case anchored:
		dv, dh := difference(c.v, v, c.h, h)
		c.tally.add(c.gain, c.cell, dv, dh)
	case !c.seen && c.born() && (v > 0 || h != nil && h.Count > 0):
		c.tally.births++
		c.tally.add(c.gain, c.cell, v, h)
	case h != nil:
		c.tally.add(c.gain, c.cell, 0, &histogram.FloatHistogram{}) // it is native, and gained nothing
	}
}

// isStale is true of the marker of a series that is not there any more.
func isStale(v float64, h *histogram.FloatHistogram) bool {
	if h != nil {
		v = h.Sum
	}
	return value.IsStaleNaN(v)
}

// born reports whether the first sample of a series shows what it gained since
// the scrape before: its target was up then, and it was not there. In our
// recordings such a first sample is 0. Series of a target without an up series
// (federated, remote-written) are left as increase() has them, since nothing
// tells a birth there from a target that came late.
func (c *counter) born() bool { return c.wasUp != nil && c.wasUp[c.cell] }

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

// A target is what a scrape asks.
type target struct{ job, instance string }

func targetOf(ls labels.Labels) target {
	return target{ls.Get(model.JobLabel), ls.Get(model.InstanceLabel)}
}

func (t target) labels() labels.Labels {
	b := labels.NewScratchBuilder(2)
	for _, l := range []labels.Label{{Name: model.InstanceLabel, Value: t.instance}, {Name: model.JobLabel, Value: t.job}} {
		if l.Value != "" {
			b.Add(l.Name, l.Value)
		}
	}
	return b.Labels()
}

// upTimes tells of each target whether it was up at the start of each interval.
type upTimes map[target][]bool

// walk takes the samples of one up series.
func (u upTimes) walk(ls labels.Labels, it Iterator, grid Grid) error {
	was := u[targetOf(ls)]
	if was == nil {
		was = make([]bool, grid.N)
		u[targetOf(ls)] = was
	}
	last, up := int64(math.MinInt64), false
	next := 0 // interval whose start has not been passed
	pass := func(until int64) {
		for ; next < grid.N && grid.start(next) < until; next++ {
			was[next] = was[next] || up && grid.start(next)-last < lookback.Milliseconds()
		}
	}
	for it.Next() == chunkenc.ValFloat {
		at, v := it.At()
		pass(at)
		last, up = at, v == 1
	}
	pass(math.MaxInt64)
	return it.Err()
}

// A scrapeTimes collects when targets were scraped: the latest time in each interval of a grid.
type scrapeTimes struct {
	grid    Grid
	targets map[target]*targetTimes
}

type targetTimes struct {
	at      []int64 // in ms; 0 for none
	missing int     // intervals without one
	there   bool    // at the start of the grid, or later
}

func newScrapeTimes(grid Grid) *scrapeTimes {
	return &scrapeTimes{grid, map[target]*targetTimes{}}
}

// of is what is known of the target behind a series; whole tells that nothing is missing.
func (s *scrapeTimes) of(ls labels.Labels) (t *targetTimes, whole bool) {
	t = s.targets[targetOf(ls)]
	if t == nil {
		t = &targetTimes{at: make([]int64, s.grid.N), missing: s.grid.N}
		s.targets[targetOf(ls)] = t
	}
	return t, t.missing == 0
}

// walk notes when a series was scraped.
func (s *scrapeTimes) walk(ls labels.Labels, it Iterator) error {
	t, whole := s.of(ls)
	if whole {
		return nil
	}
	before := false // there when the grid starts
	cell, end, step := -1, s.grid.start(0), s.grid.Step.Milliseconds()
	for kind := it.Next(); kind != chunkenc.ValNone; kind = it.Next() {
		stale := false
		if kind == chunkenc.ValFloat {
			_, v := it.At()
			stale = value.IsStaleNaN(v)
		}
		at := it.AtT()
		for at > end {
			cell++
			end += step
		}
		switch {
		case cell < 0:
			before = !stale
		case stale || cell >= s.grid.N:
		default:
			if t.at[cell] == 0 {
				t.missing--
			}
			t.at[cell], t.there = max(t.at[cell], at), true
		}
	}
	t.there = t.there || before
	return it.Err()
}

// times are the times of the scrapes.
func (t *targetTimes) times() []time.Time {
	var all []time.Time
	for _, at := range t.at {
		if at != 0 {
			all = append(all, time.UnixMilli(at))
		}
	}
	return all
}
