// Package querytest holds the tests that every [promql.Querier] passes.
package querytest

import (
	"errors"
	"math"
	"testing"
	"time"

	"github.com/plumbline/plumbline/pkg/promql"
	"github.com/plumbline/plumbline/pkg/run"
)

// An Opener makes a Querier over series in Prometheus' test notation.
type Opener func(t *testing.T, load string) promql.Querier

const scrape = 5 * time.Second

// Test runs the suite. Native histograms are left out where the Querier's server has none.
func Test(t *testing.T, open Opener, native bool) {
	t.Run("queries", func(t *testing.T) { testQueries(t, open) })
	t.Run("increments", func(t *testing.T) { testIncrements(t, open) })
	t.Run("coverage", func(t *testing.T) { testCoverage(t, open) })
	t.Run("distributions", func(t *testing.T) { testClassic(t, open) })
	if native {
		t.Run("native distributions", func(t *testing.T) { testNative(t, open) })
	}
}

func at(seconds float64) time.Time { return time.UnixMilli(int64(seconds * 1000)) }

func testQueries(t *testing.T, open Opener) {
	q := open(t, "load 5s\n  x{a=\"1\"} 0+1x20\n  x{a=\"2\"} 5 NaN Inf -Inf\n")
	for expr, want := range map[string][]float64{
		`x{a="1"}`:      {3},
		`x`:             {3, math.Inf(-1)},
		`absent_metric`: nil,
		`1 + 1`:         {2},
		`x{a="1"}[14s]`: {1, 2, 3}, // at 15s: no sample on the left edge, which 2.x counts and 3.x does not
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

func testIncrements(t *testing.T, open Opener) {
	for _, c := range []struct {
		name, series string
		want         float64
	}{
		{"steady", "0+3x20", 60},
		{"reset", "0 3 6 1 4", 10},
		{"gap", "0 3 6 _ _ _ 18 21", 21},
		{"born at 3 counts its first value", "_ _ _ 3 5", 5},
		{"an injected zero adds nothing twice", "_ _ 0 3 5", 5},
		{"vanished and returned counts once", "2 4 stale _ 4 6", 4},
		{"vanished, returned after a reset", "2 4 stale _ 1 2", 4},
		{"no traffic", "7x20", 0},
	} {
		for _, shift := range []float64{0, 1.7, 4.9} {
			q := open(t, "load 5s\n"+up+"  c_total{job=\"j\",instance=\"i\"} "+c.series+"\n")
			w := run.Window{Start: at(0.001 + shift), End: at(100 + shift)}
			if got := total(t, q, w); got != c.want {
				t.Errorf("%s, shifted by %v s: got %v, want %v", c.name, shift, got, c.want)
			}
		}
	}
	q := open(t, "load 5s\n  c_total{job=\"j\",instance=\"i\"} _ _ 3 5\n")
	if got := total(t, q, run.Window{Start: at(1), End: at(60)}); got != 2 {
		t.Errorf("born at a target without up: got %v, want 2", got)
	}
	q = open(t, "load 5s\n  up{job=\"j\",instance=\"i\"} 0 0 1 1\n  c_total{job=\"j\",instance=\"i\"} _ _ 300 302\n")
	if got := total(t, q, run.Window{Start: at(1), End: at(60)}); got != 2 {
		t.Errorf("target came late: got %v, want 2", got)
	}
}

func total(t *testing.T, q promql.Querier, w run.Window) float64 {
	t.Helper()
	sel, err := promql.ParseSelector("c_total", nil)
	if err != nil {
		t.Fatal(err)
	}
	inc, err := promql.NewMeter(q, scrape).Increments(t.Context(), sel, nil, w)
	if err != nil {
		t.Fatal(err)
	}
	sum := 0.0
	for _, v := range inc.Values() {
		sum += v
	}
	return sum
}

func testCoverage(t *testing.T, open Opener) {
	for _, c := range []struct {
		name, series string
		want         float64
	}{
		{"whole", "0+1x24", 1},
		{"one missed scrape", "0+1x9 _ 11+1x13", 1},
		{"a gap of 50 s", "0+1x5 _x9 15+1x9", 0.5},
		{"nothing in the last half", "0+1x10", 0.5},
		{"known before, gone in the window", "5", 0},
	} {
		q := open(t, "load 5s\n"+"  c_total{job=\"j\",instance=\"i\"} "+c.series+"\n")
		sel, err := promql.ParseSelector("c_total", nil)
		if err != nil {
			t.Fatal(err)
		}
		w := run.Window{Start: at(0), End: at(100)}
		if c.want == 0 {
			w = run.Window{Start: at(5), End: at(105)}
		}
		got, err := promql.NewMeter(q, scrape).Coverage(t.Context(), sel, w)
		if err != nil || math.Abs(got.Ratio-c.want) > 1e-9 {
			t.Errorf("%s: got %+v, %v, want %v", c.name, got, err, c.want)
		}
	}
}

func testClassic(t *testing.T, open Opener) {
	q := open(t, "load 5s\n"+up+
		"  h_bucket{job=\"j\",instance=\"i\",le=\"0.1\"} 0+5x20\n  h_bucket{job=\"j\",instance=\"i\",le=\"0.5\"} 0+9x20\n"+
		"  h_bucket{job=\"j\",instance=\"i\",le=\"+Inf\"} 0+10x20\n  h_sum{job=\"j\",instance=\"i\"} 0+2x20\n")
	d, native := distribution(t, q)
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
}

func testNative(t *testing.T, open Opener) {
	const first = "{{schema:0 count:0 sum:0}}"
	q := open(t, "load 5s\n"+up+"  h{job=\"j\",instance=\"i\"} "+first+"+{{schema:0 count:3 sum:5 buckets:[1 2]}}x20\n")
	d, native := distribution(t, q)
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
}

func distribution(t *testing.T, q promql.Querier) (promql.Distribution, bool) {
	t.Helper()
	sel, err := promql.ParseSelector("h", nil)
	if err != nil {
		t.Fatal(err)
	}
	grid, spreads, err := promql.NewMeter(q, scrape).Spreads(t.Context(), sel, nil, run.Window{Start: at(0), End: at(100)})
	if err != nil || len(spreads) != 1 {
		t.Fatalf("got %+v, %v, want one group", spreads, err)
	}
	d := spreads[0].Over(0, grid.N)
	return d, d.Native()
}

func check(t *testing.T, what string, got, want float64) {
	t.Helper()
	if math.Abs(got-want) > 1e-9 {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}
