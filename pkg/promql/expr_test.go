package promql

import "testing"

func TestExpressions(t *testing.T) {
	for got, want := range map[string]string{
		Rate(`x_total{a="b"}`, "5m"):                                                   `sum(rate(x_total{a="b"}[5m]))`,
		Rate(`x_total`, "$rate", "pod", "zone"):                                        `sum by (pod, zone) (rate(x_total[$rate]))`,
		Increase(`x_total{$api}`, "$window"):                                           `sum(increase(x_total{$api}[$window]))`,
		Quantile(0.95, `d_seconds{$api}`, Classic, "1m"):                               `histogram_quantile(0.95, sum by (le) (rate(d_seconds_bucket{$api}[1m])))`,
		Quantile(0.5, `d_seconds`, Classic, "1m", "endpoint"):                          `histogram_quantile(0.5, sum by (endpoint, le) (rate(d_seconds_bucket[1m])))`,
		Quantile(0.999, `d_seconds{$api}`, Native, "1m"):                               `histogram_quantile(0.999, sum(rate(d_seconds{$api}[1m])))`,
		Mean(`d_seconds{a="b"}`, Classic, "1m", "endpoint"):                            `sum by (endpoint) (rate(d_seconds_sum{a="b"}[1m])) / sum by (endpoint) (rate(d_seconds_count{a="b"}[1m]))`,
		Mean(`d_seconds`, Native, "1m"):                                                `histogram_sum(sum(rate(d_seconds[1m]))) / histogram_count(sum(rate(d_seconds[1m])))`,
		Share(`x{status="500"}`, `x`, "1m"):                                            `(sum(rate(x{status="500"}[1m])) or 0 * sum(rate(x[1m]))) / sum(rate(x[1m]))`,
		Share(`x{status="500"}`, `x`, "1m", "pod"):                                     `(sum by (pod) (rate(x{status="500"}[1m])) or 0 * sum by (pod) (rate(x[1m]))) / sum by (pod) (rate(x[1m]))`,
		OverTime("min", Rate("x", "10m"), "30m", "15s"):                                `min_over_time((sum(rate(x[10m])))[30m:15s])`,
		ShareOfIntervals(`x{ok="y"}`, `x`, "1m", "30m"):                                `avg_over_time((((sum(increase(x{ok="y"}[1m])) or 0 * sum(increase(x[1m]))) > bool 0) and sum(increase(x[1m])) > 0)[30m:1m])`,
		WithSuffix(`d {a="{"}`, "_count"):                                              `d_count{a="{"}`,
		WithSuffix(`d`, "_count"):                                                      `d_count`,
		Expand(Rate("x{$none}", "$rate"), map[string]string{"none": "", "rate": "4s"}): `sum(rate(x{}[4s]))`,
	} {
		if got != want {
			t.Errorf("got %s, want %s", got, want)
		}
		if _, err := NewParser().ParseExpr(Expand(got, map[string]string{"api": `job="a"`, "rate": "4s", "window": "4s"})); err != nil {
			t.Errorf("%s: %v", got, err)
		}
	}
}
