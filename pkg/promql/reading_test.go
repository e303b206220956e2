package promql_test

import (
	"math"
	"testing"
	"time"

	"github.com/prometheus/prometheus/promql/promqltest"

	"github.com/plumbline/plumbline/pkg/promql"
	"github.com/plumbline/plumbline/pkg/promql/embedded"
	"github.com/plumbline/plumbline/pkg/run"
)

// TestReadingsSayWhatTheirExpressionsSay holds readings against PromQL, over a part
// of the window and at its steps: of what grows evenly rate() extrapolates the truth.
func TestReadingsSayWhatTheirExpressionsSay(t *testing.T) {
	q := embedded.New(promqltest.LoadedStorage(t, `load 5s
  up{job="j",instance="a"} 1x260
  x_total{job="j",instance="a",ok="y",zone="1"} 0+10x260
  x_total{job="j",instance="a",ok="y",zone="2"} 0+3x260
  x_total{job="j",instance="a",ok="n",zone="1"} 0+1x260
  d_seconds_bucket{job="j",instance="a",zone="1",le="1"} 0+8x260
  d_seconds_bucket{job="j",instance="a",zone="1",le="2"} 0+9x260
  d_seconds_bucket{job="j",instance="a",zone="1",le="+Inf"} 0+10x260
  d_seconds_sum{job="j",instance="a",zone="1"} 0+5x260
  d_seconds_count{job="j",instance="a",zone="1"} 0+10x260
  n_seconds{job="j",instance="a",zone="1"} {{schema:0 count:0 sum:0}}+{{schema:0 count:4 sum:6 buckets:[1 3]}}x260
`))
	m := promql.NewMeter(q, 5*time.Second)
	selector := func(text string) promql.Selector {
		sel, err := promql.ParseSelector(text, nil)
		if err != nil {
			t.Fatal(err)
		}
		return sel
	}
	by := []string{"zone"}
	ctx := t.Context()
	whole := run.Window{Start: time.Unix(0, 0), End: time.Unix(1200, 0)}
	part := run.Window{Start: time.Unix(300, 0), End: time.Unix(900, 0)}
	bad, all, classic, native := `x_total{ok="n"}`, "x_total", "d_seconds", "n_seconds"
	for _, c := range []struct {
		name string
		expr func(window string) string
		read func() (promql.Reading, error)
	}{
		{"a rate", func(w string) string { return promql.Rate(all, w) },
			func() (promql.Reading, error) { return m.Rate(ctx, selector(all), nil, whole) }},
		{"a rate by a label", func(w string) string { return promql.Rate(all, w, by...) },
			func() (promql.Reading, error) { return m.Rate(ctx, selector(all), by, whole) }},
		{"a rate of what is not there", func(w string) string { return promql.Rate("absent_total", w) },
			func() (promql.Reading, error) { return m.Rate(ctx, selector("absent_total"), nil, whole) }},
		{"a share", func(w string) string { return promql.Share(bad, all, w) },
			func() (promql.Reading, error) { return m.Share(ctx, selector(bad), selector(all), nil, whole) }},
		{"a share of which nothing ever was", func(w string) string { return promql.Share(`x_total{ok="never"}`, all, w) },
			func() (promql.Reading, error) {
				return m.Share(ctx, selector(`x_total{ok="never"}`), selector(all), nil, whole)
			}},
		{"a mean", func(w string) string { return promql.Mean(classic, promql.Classic, w, by...) },
			func() (promql.Reading, error) { return m.Mean(ctx, selector(classic), promql.Classic, by, whole) }},
		{"a mean of a native histogram", func(w string) string { return promql.Mean(native, promql.Native, w, by...) },
			func() (promql.Reading, error) { return m.Mean(ctx, selector(native), promql.Native, by, whole) }},
		{"a quantile", func(w string) string { return promql.Quantile(.85, classic, promql.Classic, w, by...) },
			func() (promql.Reading, error) {
				return m.Quantile(ctx, .85, selector(classic), promql.Classic, by, whole)
			}},
		{"a quantile of a native histogram", func(w string) string { return promql.Quantile(.85, native, promql.Native, w) },
			func() (promql.Reading, error) {
				return m.Quantile(ctx, .85, selector(native), promql.Native, nil, whole)
			}},
		{"a mean in another unit", func(w string) string { return promql.Mean(classic, promql.Classic, w) + " / 1000" },
			func() (promql.Reading, error) {
				r, err := m.Mean(ctx, selector(classic), promql.Classic, nil, whole)
				return r.DividedBy(1000), err
			}},
	} {
		r, err := c.read()
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		want, err := q.Query(ctx, c.expr("10m"), part.End)
		if err != nil {
			t.Fatal(err)
		}
		alike(t, c.name, r.Over(part), want.Series, 0)
		steps, err := q.QueryRange(ctx, c.expr("1m"), promql.Range{Start: whole.Start, End: whole.End, Step: time.Minute})
		if err != nil {
			t.Fatal(err)
		}
		alike(t, c.name+", step by step", r.Range(time.Minute, time.Minute), steps.Series, 2)
	}
}

// alike holds points from a number on against those of the same times.
func alike(t *testing.T, name string, got, want []promql.Series, from int) {
	t.Helper()
	if len(got) != len(want) {
		t.Errorf("%s: got %v, want %v", name, got, want)
		return
	}
	for i := range want {
		at := map[int64]float64{}
		for _, p := range got[i].Points {
			at[p.Time.UnixMilli()] = p.Value
		}
		if len(want[i].Points) <= from || got[i].Labels.String() != want[i].Labels.String() {
			t.Errorf("%s: got %s, want %s with points", name, got[i].Labels, want[i].Labels)
			continue
		}
		for _, p := range want[i].Points[from:] {
			if v, ok := at[p.Time.UnixMilli()]; !ok || math.Abs(v-p.Value) > 1e-2*math.Abs(p.Value) {
				t.Errorf("%s at %s: got %v, want %v", name, p.Time.UTC(), v, p.Value)
			}
		}
	}
}
