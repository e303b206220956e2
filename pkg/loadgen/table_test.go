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
		{Request: "Never sent", Totals: Totals{Requests: 5, Failures: 5, RequestsPerSecond: 2}, Reasons: map[Outcome]int64{Unset: 5}},
		{Request: "Browse", Totals: Totals{Requests: 2999, Failures: 2, RequestsPerSecond: 1234, ResponseTime: times(0.00042)}, Reasons: map[Outcome]int64{Slow: 1, BadStatus: 1}, Statuses: map[string]int64{"503": 1}},
		{Request: "Buy", Totals: Totals{Requests: 1, Failures: 1, RequestsPerSecond: 0.5, ResponseTime: times(1.2345)}, Reasons: map[Outcome]int64{TimedOut: 1}},
	}}
	var out strings.Builder
	if err := s.WriteTable(&out); err != nil {
		t.Fatal(err)
	}
	want := `  requests     failures  req/s  mean ms   p50   p95   p99  p99.9   max  request
         0    0 (0.00%)      0        -     -     -     -      -     -  Log in
         5  5 (100.00%)      2        -     -     -     -      -     -  Never sent
      2999    2 (0.07%)  1,234     0.42  0.42  0.84   1.3    1.7   2.1  Browse
         1  1 (100.00%)    0.5     1234  1234  2469  3704   4938  6172  Buy
      3000    3 (0.10%)  1,235     0.42  0.42  0.84   1.3    1.7   2.1  Aggregated
failures of Never sent: 5 × unset
failures of Browse: 1 × slow, 1 × status 503
failures of Buy: 1 × timeout
`
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// What is rare is not shown as nothing, and nearly all not as all.
func TestPercent(t *testing.T) {
	for _, tt := range []struct {
		part, whole int64
		want        string
	}{{0, 0, "0.00%"}, {0, 7, "0.00%"}, {7, 7, "100.00%"}, {1, 3, "33.33%"}, {1, 23400, "0.004%"}, {23399, 23400, "99.996%"}, {1, 10_000_000, "0.00001%"}} {
		if got := Percent(tt.part, tt.whole); got != tt.want {
			t.Errorf("%d of %d: got %s, want %s", tt.part, tt.whole, got, tt.want)
		}
	}
}

// Of many statuses the most frequent ones are told apart.
func TestReasons(t *testing.T) {
	r := RequestTotals{Reasons: map[Outcome]int64{BadStatus: 127, TimedOut: 3}, Statuses: map[string]int64{"500": 1, "503": 64, "502": 32, "429": 16, "404": 8, "401": 4, "403": 2}}
	want := []string{"64 × status 503", "32 × status 502", "16 × status 429", "8 × status 404", "4 × status 401", "3 × other statuses", "3 × timeout"}
	if diff := cmp.Diff(want, r.reasons()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
