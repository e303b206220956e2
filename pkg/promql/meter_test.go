package promql_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/prometheus/promql/promqltest"

	"github.com/plumbline/plumbline/pkg/promql"
	"github.com/plumbline/plumbline/pkg/promql/embedded"
	"github.com/plumbline/plumbline/pkg/run"
)

// A counting counts what it is asked.
type counting struct {
	promql.Querier
	n atomic.Int32
}

func (c *counting) Query(ctx context.Context, expr string, at time.Time) (promql.Result, error) {
	c.n.Add(1)
	return c.Querier.Query(ctx, expr, at)
}

func (c *counting) QueryRange(ctx context.Context, expr string, r promql.Range) (promql.Result, error) {
	c.n.Add(1)
	return c.Querier.QueryRange(ctx, expr, r)
}

// A sampling counts walks as well.
type sampling struct {
	*counting
	promql.Sampler
}

func (s sampling) Samples(ctx context.Context, sel promql.Selector, w run.Window, visit promql.Visit) error {
	s.n.Add(1)
	return s.Sampler.Samples(ctx, sel, w, visit)
}

func TestSharedQuestionsAreAskedOnce(t *testing.T) {
	db := embedded.New(promqltest.LoadedStorage(t, "load 5s\n  up{job=\"j\",instance=\"i\"} 1x40\n"+
		"  h_bucket{job=\"j\",instance=\"i\",le=\"0.1\"} 0+5x40\n  h_bucket{job=\"j\",instance=\"i\",le=\"+Inf\"} 0+10x40\n  h_sum{job=\"j\",instance=\"i\"} 0+2x40\n  h_count{job=\"j\",instance=\"i\"} 0+10x40\n"))
	h, err := promql.ParseSelector("h", nil)
	if err != nil {
		t.Fatal(err)
	}
	w := run.Window{Start: time.Unix(10, 0), End: time.Unix(150, 0)}
	ask := func(m *promql.Meter) {
		if _, _, err := m.Spreads(t.Context(), h, nil, w); err != nil {
			t.Error(err)
		}
		if _, err := m.Coverage(t.Context(), h.Named("h_bucket"), w); err != nil {
			t.Error(err)
		}
	}
	for _, c := range []struct {
		name string
		q    func(*counting) promql.Querier
		want int32
	}{
		{"by walks", func(c *counting) promql.Querier { return sampling{c, db} }, 5}, // up, h, h_bucket, h_sum; scrapes of h_count
		{"by PromQL", func(c *counting) promql.Querier { return c }, 8},              // can it anchor; h, h_bucket, h_sum and what was born of them; scrapes
	} {
		counted := &counting{Querier: db}
		m := promql.NewMeter(c.q(counted), 5*time.Second)
		done := make(chan struct{})
		for range 4 { // the quantiles of one histogram
			go func() {
				ask(m)
				done <- struct{}{}
			}()
		}
		for range 4 {
			<-done
		}
		if got := counted.n.Load(); got != c.want {
			t.Errorf("%s: got %d questions for four quantiles, want %d: %v", c.name, got, c.want, m.Asked())
		}
	}
}

// BenchmarkIncrements takes the increments of 8,640 series over 30 minutes at a
// scrape every 5 s, 3.1 million samples, in one pass.
func BenchmarkIncrements(b *testing.B) {
	const series = 8640
	load := "load 5s\n  up{job=\"j\",instance=\"i\"} 1x361\n"
	for i := range series {
		load += fmt.Sprintf("  c_total{job=\"j\",instance=\"i\",le=\"%d\",path=\"%d\"} 0+%dx361\n", i%12, i/12, i%7)
	}
	db := embedded.New(promqltest.LoadedStorage(b, load))
	c, err := promql.ParseSelector("c_total", nil)
	if err != nil {
		b.Fatal(err)
	}
	for name, q := range map[string]promql.Querier{"walk": db, "promql": struct{ promql.Querier }{db}} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				w := run.Window{Start: time.Unix(1, 0), End: time.Unix(1801, 0)}
				if _, err := promql.NewMeter(q, 5*time.Second).Increments(b.Context(), c, []string{"le"}, w); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func TestCells(t *testing.T) {
	at := time.UnixMilli(1_000)
	grid := promql.Grid{Start: at, Step: time.Second, N: 5}
	for _, c := range []struct {
		name       string
		start, end time.Duration // after the grid's start
		from, to   int
	}{
		{"the whole window", 0, 4 * time.Second, 0, 4},
		{"a window that starts within a millisecond, as the clock has it", 597 * time.Microsecond, 4*time.Second + 597*time.Microsecond, 0, 4},
		{"parts of intervals", time.Second + time.Millisecond, 3500 * time.Millisecond, 2, 3},
		{"less than an interval", 1200 * time.Millisecond, 1900 * time.Millisecond, 2, 2},
		{"more than the grid", -time.Second, time.Minute, 0, 5},
	} {
		if from, to := grid.Cells(run.Window{Start: at.Add(c.start), End: at.Add(c.end)}); from != c.from || to != c.to {
			t.Errorf("%s: got [%d, %d), want [%d, %d)", c.name, from, to, c.from, c.to)
		}
	}
}
