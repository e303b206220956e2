package loadgen

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestMilliseconds(t *testing.T) {
	for seconds, want := range map[float64]string{0: "0", 0.0000004: "0.00040", 0.000042: "0.042", 0.00042: "0.42", 0.0042: "4.2", 0.0123: "12", 1.5: "1500"} {
		if got := Milliseconds(seconds); got != want {
			t.Errorf("%v s: got %s ms, want %s", seconds, got, want)
		}
	}
}

func TestTable(t *testing.T) {
	times := func(p50 float64) Times { return Times{p50, 2 * p50, 3 * p50, 4 * p50, 5 * p50, p50} }
	s := Summary{Totals: Totals{Requests: 3000, Failures: 3, RequestsPerSecond: 1234.5, ResponseTime: times(0.00042)}, ByRequest: []RequestTotals{
		{Request: "Log in", Totals: Totals{Requests: 0}},
		{Request: "Browse", Totals: Totals{Requests: 2999, Failures: 2, RequestsPerSecond: 1234, ResponseTime: times(0.00042)}, Reasons: map[Outcome]int64{Slow: 1, BadStatus: 1}},
		{Request: "Buy", Totals: Totals{Requests: 1, Failures: 1, RequestsPerSecond: 0.5, ResponseTime: times(1.2345)}, Reasons: map[Outcome]int64{TimedOut: 1}},
	}}
	var out strings.Builder
	if err := s.WriteTable(&out); err != nil {
		t.Fatal(err)
	}
	want := `  requests     failures  req/s  mean ms   p50   p95   p99  p99.9   max  request
         0    0 (0.00%)      0        -     -     -     -      -     -  Log in
      2999    2 (0.07%)  1,234     0.42  0.42  0.84   1.3    1.7   2.1  Browse
         1  1 (100.00%)    0.5     1234  1234  2469  3704   4938  6172  Buy
      3000    3 (0.10%)  1,235     0.42  0.42  0.84   1.3    1.7   2.1  Aggregated
failures of Browse: 1 × slow, 1 × status
failures of Buy: 1 × timeout
`
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
