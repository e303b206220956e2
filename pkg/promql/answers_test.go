package promql_test

import (
	"math"
	"testing"
	"time"

	"github.com/prometheus/prometheus/promql/promqltest"

	"github.com/plumbline/plumbline/pkg/promql"
	"github.com/plumbline/plumbline/pkg/promql/embedded"
)

// TestExpressionsAnswer asks what the builder builds: two instances with 2 and
// 1 req/s for 20 minutes, of which the last ten have no success.
func TestExpressionsAnswer(t *testing.T) {
	q := embedded.New(promqltest.LoadedStorage(t, `load 15s
  x_total{instance="a",ok="y"} 0+30x40 1200x40
  x_total{instance="a",ok="n"} 0x40 0+30x40
  x_total{instance="b",ok="y"} 0+15x40 600x40
  x_total{instance="b",ok="n"} 0x40 0+15x40
  d_seconds_bucket{instance="a",le="1"} 0+10x80
  d_seconds_bucket{instance="a",le="+Inf"} 0+10x80
  d_seconds_bucket{instance="b",le="1"} 0+5x80
  d_seconds_bucket{instance="b",le="+Inf"} 0+5x80
  d_seconds_sum{instance="a"} 0+5x80
  d_seconds_count{instance="a"} 0+10x80
  began_seconds{instance="a"} 7x40 1500x40
  began_seconds{instance="b"} 7x80
  n_seconds{instance="a"} {{schema:0 count:0 sum:0}}+{{schema:0 count:4 sum:6 buckets:[4]}}x80
`))
	for _, c := range []struct {
		name, expr string
		want       float64
	}{
		{"a rate", promql.Rate("x_total", "5m"), 3},
		{"an increase", promql.Increase(`x_total{ok="n"}`, "5m"), 900},
		{"a share", promql.Share(`x_total{ok="n"}`, "x_total", "5m"), 1},
		{"a share of which nothing ever was", promql.Share(`x_total{ok="never"}`, "x_total", "5m"), 0},
		{"a quantile of a classic histogram", promql.Quantile(0.5, "d_seconds", promql.Classic, "5m"), 0.5},
		{"a quantile of a native histogram", promql.Quantile(0.5, "n_seconds", promql.Native, "5m"), math.Sqrt(0.5)},
		{"a mean of a classic histogram", promql.Mean("d_seconds", promql.Classic, "5m"), 0.5},
		{"a mean of a native histogram", promql.Mean("n_seconds", promql.Native, "5m"), 1.5},
		{"an uptime", promql.ShareOfIntervals(`x_total{ok="y"}`, "x_total", "1m", "20m"), 0.5},
		{"an uptime without any success", promql.ShareOfIntervals(`x_total{ok="never"}`, "x_total", "1m", "20m"), 0},
		{"restarts", promql.Restarts("began_seconds", "20m"), 1},
		{"the greatest rate", promql.OverTime("max", promql.Rate(`x_total{ok="y"}`, "2m"), "20m", "15s"), 3},
	} {
		res, err := q.Query(t.Context(), c.expr, time.Unix(1200, 0))
		if err != nil || len(res.Series) != 1 {
			t.Errorf("%s: %s: got %v, %v, want one series", c.name, c.expr, res.Series, err)
			continue
		}
		if got := res.Series[0].Points[0].Value; math.Abs(got-c.want) > 0.06*max(c.want, 0.01) {
			t.Errorf("%s: %s: got %v, want %v", c.name, c.expr, got, c.want)
		}
	}
}

func TestScrapeInterval(t *testing.T) {
	for load, want := range map[string]time.Duration{
		"load 15s\n  up{instance=\"a\"} 1x80\n  up{instance=\"b\"} 1x80\n": 15 * time.Second,
		"load 5s\n  up 1x20\n":    5 * time.Second,
		"load 61s\n  up 1x20\n":   time.Minute,
		"load 40s\n  up 1x30\n":   40 * time.Second,
		"load 5s\n  other 1x20\n": 0,
		"load 5s\n  up 1\n":       0,
	} {
		at := time.Unix(0, 0)
		if want > 0 {
			at = time.Unix(100, 0)
		}
		if want >= 15*time.Second {
			at = time.Unix(1200, 0)
		}
		got, err := promql.ScrapeInterval(t.Context(), embedded.New(promqltest.LoadedStorage(t, load)), at)
		if err != nil || got != want {
			t.Errorf("%q: got %s, %v, want %s", load, got, err, want)
		}
	}
}
