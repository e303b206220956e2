// Package querytest holds the tests that every [promql.Querier] passes.
package querytest

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/plumbline/plumbline/pkg/promql"
	"github.com/plumbline/plumbline/pkg/run"
)

// An Opener makes a Querier over series in Prometheus' test notation.
type Opener func(t *testing.T, load string) promql.Querier

const scrape = 5 * time.Second

// A Way takes increments from a Querier; all of them must give the same.
type Way struct {
	Name   string
	Only   func(promql.Querier) promql.Querier // what is left of the Querier; nil for all of it
	Meter  func(*promql.Meter)
	Native bool // native histograms too
}

// Ways are all that a Meter knows. A Querier that can't go one goes the next.
func Ways(native bool) []Way {
	return []Way{
		{Name: "at its best", Native: native},
		{Name: "by PromQL", Only: promQL, Native: native},
		{Name: "by pages", Only: plain, Native: native},
		{Name: "by subtraction", Only: plain, Meter: func(m *promql.Meter) { m.MaxRawSamples = 0 }, Native: native},
	}
}

// promQL hides that a Querier gives raw samples.
func promQL(q promql.Querier) promql.Querier { return struct{ promql.Querier }{q} }

// plain hides that it takes exact increments, as well.
func plain(q promql.Querier) promql.Querier { return unanchored{q} }

type unanchored struct{ promql.Querier }

func (u unanchored) Query(ctx context.Context, expr string, at time.Time) (promql.Result, error) {
	if strings.Contains(expr, "anchored") {
		return promql.Result{}, promql.QueryError(expr, promql.ErrBadQuery)
	}
	return u.Querier.Query(ctx, expr, at)
}

// Test runs the suite, in every way. Native histograms are left out where the Querier's server has none.
func Test(t *testing.T, open Opener, native bool) {
	t.Run("queries", func(t *testing.T) { testQueries(t, open) })
	t.Run("ranges", func(t *testing.T) { testRanges(t, open) })
	for _, way := range Ways(native) {
		t.Run(way.Name, func(t *testing.T) {
			s := suite{way, open}
			t.Run("increments", s.increments)
			t.Run("not numbers", s.notNumbers)
			t.Run("births", s.births)
			t.Run("groups", s.groups)
			t.Run("coverage", s.coverage)
			t.Run("distributions", s.classic)
			if way.Native {
				t.Run("native distributions", s.native)
			}
		})
	}
}

// A suite goes one way.
type suite struct {
	way  Way
	open Opener
}

func (s suite) meter(t *testing.T, load string) *promql.Meter {
	t.Helper()
	q := s.open(t, load)
	if s.way.Only != nil {
		q = s.way.Only(q)
	}
	m := promql.NewMeter(q, scrape)
	if s.way.Meter != nil {
		s.way.Meter(m)
	}
	return m
}

func at(seconds float64) time.Time { return time.UnixMilli(int64(seconds * 1000)) }

func testQueries(t *testing.T, open Opener) {
	q := open(t, "load 5s\n  x{a=\"1\"} 0+1x20\n  x{a=\"2\"} 5 NaN Inf -Inf\n")
	for expr, want := range map[string][]float64{
		`x{a="1"}`:      {3},
		`x`:             {3, math.Inf(-1)},
		`absent_metric`: nil,
		`1 + 1`:         {2},
		`x{a="1"}[14s]`: {1, 2, 3}, // none on the left edge (see leftEdge)
		`x{a="2"}[16s]`: {5, math.NaN(), math.Inf(1), math.Inf(-1)},
	} {
		res, err := q.Query(t.Context(), expr, at(15))
		if err != nil {
			t.Errorf("%s: %v", expr, err)
			continue
		}
		var got []float64
		for _, s := range res.Series {
			for _, p := range s.Points {
				got = append(got, p.Value)
			}
		}
		if !same(got, want) {
			t.Errorf("%s: got %v, want %v", expr, got, want)
		}
	}
	res, err := q.QueryRange(t.Context(), `x{a="1"}`, promql.Range{Start: at(0), End: at(20), Step: scrape})
	if err != nil || len(res.Series) != 1 || len(res.Series[0].Points) != 5 {
		t.Errorf("range: got %v, %v, want one series of 5 points", res.Series, err)
	}
	if _, err := q.Query(t.Context(), `sum(`, at(0)); !errors.Is(err, promql.ErrBadQuery) {
		t.Errorf("sum(: got %v, want ErrBadQuery", err)
	}
}

// leftEdge is how many samples more than (from, to] holds a range may show:
// Prometheus 2 counts a sample that lies exactly on the left edge as well, and
// Prometheus 3 doesn't. Nothing else is tolerated, and where no sample lies on
// the edge, nothing at all. Increments are taken so that no edge matters.
const leftEdge = 1

// samplesDiffer says how a count of samples in a range is wrong; empty if it isn't.
func samplesDiffer(got, want float64, onEdge bool) string {
	tolerated := 0.0
	if onEdge {
		tolerated = leftEdge
	}
	if got >= want && got <= want+tolerated {
		return ""
	}
	return fmt.Sprintf("got %v samples, want %v, or %v on Prometheus 2, which counts the left edge", got, want, want+tolerated)
}

func testRanges(t *testing.T, open Opener) {
	q := open(t, "load 5s\n  x 0+1x20\n")
	for _, c := range []struct {
		name   string
		at     float64
		onEdge bool
	}{
		{"a sample on the left edge", 60, true},
		{"none on the left edge", 62, false},
	} {
		res, err := q.Query(t.Context(), "count_over_time(x[1m])", at(c.at))
		if err != nil || len(res.Series) != 1 {
			t.Fatalf("%s: got %v, %v, want one series", c.name, res.Series, err)
		}
		if wrong := samplesDiffer(res.Series[0].Points[0].Value, 12, c.onEdge); wrong != "" {
			t.Errorf("%s: %s", c.name, wrong)
		}
	}
}

func same(a, b []float64) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] && !(math.IsNaN(a[i]) && math.IsNaN(b[i])) {
			return false
		}
	}
	return true
}

const up = "  up{job=\"j\",instance=\"i\"} 1x40\n"

func (s suite) increments(t *testing.T) {
	const load = "load 5s\n"
	cases := []struct {
		name, series string
		want         float64
	}{
		{"steady", "0+3x20", 60},
		{"reset", "0 3 6 1 4", 10},
		{"reset to what it was", "0 3 6 6 2 2 9", 15},
		{"gap", "0 3 6 _ _ _ 18 21", 21},
		{"gap with a reset", "0 3 6 _ _ _ 2 5", 11},
		{"born at 3 counts its first value", "_ _ _ 3 5", 5},
		{"an injected zero adds nothing twice", "_ _ 0 3 5", 5},
		{"vanished and returned counts once", "2 4 stale _ 4 6", 4},
		{"vanished, returned after a reset", "2 4 stale _ 1 2", 4},
		{"no traffic", "7x20", 0},
	}
	all := load + up
	for i, c := range cases {
		all += fmt.Sprintf("  c%d_total{job=\"j\",instance=\"i\"} %s\n", i, c.series)
	}
	m := s.meter(t, all)
	for i, c := range cases {
		for _, shift := range []float64{0, 1.7, 4.9} {
			w := run.Window{Start: at(0.001 + shift), End: at(100 + shift)}
			if got := total(t, m, fmt.Sprintf("c%d_total", i), w); got != c.want {
				t.Errorf("%s, shifted by %v s: got %v, want %v", c.name, shift, got, c.want)
			}
		}
	}
}

// notNumbers: walks skip what is no number. PromQL can't, and loses the intervals
// at both sides of it; it must never make more of them.
func (s suite) notNumbers(t *testing.T) {
	cases := []struct {
		series string
		truth  float64
	}{{"1 2 NaN 4 5", 4}, {"1 2 Inf Inf", 1}, {"NaN NaN", 0}}
	load := "load 5s\n" + up
	for i, c := range cases {
		load += fmt.Sprintf("  c%d_total{job=\"j\",instance=\"i\"} %s\n", i, c.series)
	}
	m := s.meter(t, load)
	for i, c := range cases {
		if got := total(t, m, fmt.Sprintf("c%d_total", i), run.Window{Start: at(0.001), End: at(100)}); !(got <= c.truth && got >= c.truth/2) {
			t.Errorf("%s: got %v, want %v, or the half of it that PromQL can see", c.series, got, c.truth)
		}
	}
}

func (s suite) births(t *testing.T) {
	m := s.meter(t, "load 5s\n"+
		"  up{job=\"late\",instance=\"i\"} 0 0 1 1\n"+
		"  up{job=\"there\",instance=\"i\"} 1x200\n"+
		"  without_up_total{job=\"j\",instance=\"i\"} _ _ 3 5\n"+
		"  target_late_total{job=\"late\",instance=\"i\"} _ _ 300 302\n"+
		"  returned_total{job=\"there\",instance=\"i\"} 40 41 stale _x97 50 53\n"+
		"  born_total{job=\"there\",instance=\"i\"} _x100 50 53\n"+
		"  before_total{job=\"there\",instance=\"i\"} _x80 7x40\n")
	for _, c := range []struct {
		name, metric string
		from, to     float64
		want         float64
	}{
		{"born at a target without up", "without_up_total", 1, 60, 2},
		{"target came late", "target_late_total", 1, 60, 2},
		{"returned after more than the lookback", "returned_total", 400, 600, 3},
		{"born in the window", "born_total", 400, 600, 53},
		{"born before the window", "before_total", 410, 600, 0},
	} {
		if got := total(t, m, c.metric, run.Window{Start: at(c.from), End: at(c.to)}); got != c.want {
			t.Errorf("%s: got %v, want %v", c.name, got, c.want)
		}
	}
}

func (s suite) groups(t *testing.T) {
	m := s.meter(t, "load 5s\n"+up+
		"  c_total{job=\"j\",instance=\"i\",code=\"200\",path=\"/a\"} 0+2x20\n"+
		"  c_total{job=\"j\",instance=\"i\",code=\"200\",path=\"/b\"} 0+3x20\n"+
		"  c_total{job=\"j\",instance=\"i\",code=\"500\",path=\"/b\"} 0+1x20\n"+
		"  c_total{job=\"j\",instance=\"i\",path=\"it's \\\"<b>\\\"\\n\"} 0+4x20\n")
	for _, c := range []struct {
		selector string
		by       []string
		want     map[string]float64
	}{
		{`c_total`, nil, map[string]float64{`{}`: 200}},
		{`c_total`, []string{"code"}, map[string]float64{`{}`: 80, `{code="200"}`: 100, `{code="500"}`: 20}},
		{`c_total{code=~"2..|5.."}`, []string{"path", "code"}, map[string]float64{`{code="200", path="/a"}`: 40, `{code="200", path="/b"}`: 60, `{code="500", path="/b"}`: 20}},
		{`c_total{code=""}`, []string{"path"}, map[string]float64{`{path="it's \"<b>\"\n"}`: 80}},
		{`c_total{code="404"}`, []string{"path"}, map[string]float64{}},
	} {
		inc, err := m.Increments(t.Context(), selector(t, c.selector), c.by, run.Window{Start: at(1), End: at(100)})
		if err != nil {
			t.Fatal(err)
		}
		got := map[string]float64{}
		for _, g := range inc.Groups {
			got[g.Labels.String()] = g.Total(0, inc.Grid.N)
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s by %v: (-want +got)\n%s", c.selector, c.by, diff)
		}
	}
}

func selector(t *testing.T, text string) promql.Selector {
	t.Helper()
	sel, err := promql.ParseSelector(text, nil)
	if err != nil {
		t.Fatal(err)
	}
	return sel
}

func total(t *testing.T, m *promql.Meter, metric string, w run.Window) float64 {
	t.Helper()
	inc, err := m.Increments(t.Context(), selector(t, metric), nil, w)
	if err != nil {
		t.Fatal(err)
	}
	sum := 0.0
	for _, v := range inc.Values() {
		sum += v
	}
	return sum
}

func (s suite) coverage(t *testing.T) {
	window := run.Window{Start: at(0), End: at(100)}
	cases := []struct {
		name, series string
		window       run.Window
		want         float64
	}{
		{"whole", "0+1x24", window, 1},
		{"one missed scrape", "0+1x9 _ 11+1x13", window, 1},
		{"a gap of 50 s", "0+1x5 _x9 15+1x9", window, 0.5},
		{"nothing in the last half", "0+1x10", window, 0.5},
		{"known before, gone in the window", "5", run.Window{Start: at(5), End: at(105)}, 0},
		{"gone before, and said so", "5 stale", run.Window{Start: at(25), End: at(125)}, 0},
	}
	load := "load 5s\n"
	for i, c := range cases {
		load += fmt.Sprintf("  c%d_total{job=\"j\",instance=\"i\"} %s\n", i, c.series)
	}
	m := s.meter(t, load)
	for i, c := range cases {
		got, err := m.Coverage(t.Context(), selector(t, fmt.Sprintf("c%d_total", i)), c.window)
		if err != nil || math.Abs(got.Ratio-c.want) > 1e-9 {
			t.Errorf("%s: got %+v, %v, want %v", c.name, got, err, c.want)
		}
	}
}

func (s suite) classic(t *testing.T) {
	m := s.meter(t, "load 5s\n"+up+
		"  h_bucket{job=\"j\",instance=\"i\",le=\"0.1\"} 0+5x20\n  h_bucket{job=\"j\",instance=\"i\",le=\"0.5\"} 0+9x20\n"+
		"  h_bucket{job=\"j\",instance=\"i\",le=\"+Inf\"} 0+10x20\n  h_sum{job=\"j\",instance=\"i\"} 0+2x20\n")
	d, native := distribution(t, m)
	if native {
		t.Error("got a native histogram, want a classic one")
	}
	check(t, "count", d.Count(), 200)
	check(t, "sum", d.Sum(), 40)
	check(t, "median", d.Quantile(0.5), 0.1)
	check(t, "p99, in the open bucket", d.Quantile(0.99), 0.5)
	share, exact := d.FractionBelow(0.5)
	check(t, "share", share, 0.9)
	if !exact {
		t.Error("0.5 is an edge: got an interpolated share")
	}
	low, high := d.Edges(150)
	check(t, "low", low, 0.1)
	check(t, "high", high, 0.5)
	got, err := m.Coverage(t.Context(), selector(t, `h_bucket{le="0.1"}`), run.Window{Start: at(0), End: at(100)})
	if err != nil || got.Ratio != 1 {
		t.Errorf("coverage without a count: got %+v, %v, want 1", got, err)
	}
}

func (s suite) native(t *testing.T) {
	const first = "{{schema:0 count:0 sum:0}}"
	m := s.meter(t, "load 5s\n"+up+"  h{job=\"j\",instance=\"i\"} "+first+"+{{schema:0 count:3 sum:5 buckets:[1 2]}}x20\n"+
		"  reset{job=\"j\",instance=\"i\"} {{schema:0 count:9 sum:9 buckets:[4 5]}} {{schema:0 count:2 sum:2 buckets:[1 1]}} {{schema:0 count:5 sum:5 buckets:[2 3]}}\n"+
		"  born{job=\"j\",instance=\"i\"} _ _ {{schema:0 count:2 sum:2 buckets:[1 1]}} {{schema:0 count:5 sum:5 buckets:[2 3]}}\n")
	d, native := distribution(t, m)
	if !native {
		t.Error("got a classic histogram, want a native one")
	}
	check(t, "count", d.Count(), 60)
	check(t, "sum", d.Sum(), 100)
	share, exact := d.FractionBelow(1)
	check(t, "share", share, 1.0/3)
	if !exact {
		t.Error("1 is an edge: got an interpolated share")
	}
	check(t, "count over a reset", spread(t, m, "reset").Count(), 5)
	check(t, "count of one that was born", spread(t, m, "born").Count(), 5)
}

func distribution(t *testing.T, m *promql.Meter) (promql.Distribution, bool) {
	t.Helper()
	d := spread(t, m, "h")
	return d, d.Form() == promql.Native
}

func spread(t *testing.T, m *promql.Meter, name string) promql.Distribution {
	t.Helper()
	grid, spreads, err := m.Spreads(t.Context(), selector(t, name), nil, run.Window{Start: at(0), End: at(100)})
	if err != nil || len(spreads) != 1 {
		t.Fatalf("%s: got %+v, %v, want one group", name, spreads, err)
	}
	return spreads[0].Over(0, grid.N)
}

func check(t *testing.T, what string, got, want float64) {
	t.Helper()
	if math.Abs(got-want) > 1e-9 {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}
