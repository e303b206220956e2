package lint_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/common/config"
	"github.com/prometheus/prometheus/promql/promqltest"

	"github.com/plumbline/plumbline/pkg/promql"
	"github.com/plumbline/plumbline/pkg/promql/embedded"
	"github.com/plumbline/plumbline/pkg/promql/lint"
	"github.com/plumbline/plumbline/pkg/promql/querytest"
	"github.com/plumbline/plumbline/pkg/run"
)

const server = `load 5s
  up{job="api",instance="a:1"} 1x120
  up{job="api",instance="b:1"} 1x120
  process_start_time_seconds{job="api",instance="a:1"} 1000x60 1300x60
  process_start_time_seconds{job="api",instance="b:1"} 1000x120
  http_requests_total{job="api",instance="a:1",code="200",handler="/x"} 0+10x60 0+10x60
  http_requests_total{job="api",instance="b:1",code="200",handler="/x"} 0+10x120
  http_requests_total{job="api",instance="b:1",code="404",handler="/x"} 0+1x120
  errors_total{job="api",instance="b:1",kind="io"} 0+1x120
  late_total{job="api",instance="b:1"} 0+1x40 _x40 41+1x40
  queue_length{job="api",instance="a:1",pod="p1"} 3x120
  queue_length{job="api",instance="b:1",pod="p2"} 3x120
  x_seconds_bucket{job="api",instance="b:1",le="0.1"} 0+5x120
  x_seconds_bucket{job="api",instance="b:1",le="0.5"} 0+9x120
  x_seconds_bucket{job="api",instance="b:1",le="1"} 0+10x120
  x_seconds_bucket{job="api",instance="b:1",le="+Inf"} 0+10x120
  y_seconds_bucket{pod="p1",le="1"} 0+10x120
  y_seconds_bucket{pod="p1",le="+Inf"} 0+10x120
  y_seconds_bucket{pod="p2",le="1"} 0+10x120
  y_seconds_bucket{pod="p2",le="+Inf"} 0+10x120
  short_lived _x20 1x12 stale
  native_seconds{job="api",instance="b:1"} {{schema:0 count:0 sum:0}}+{{schema:0 count:3 sum:5 buckets:[1 2]}}x120
`

func TestLiveFinds(t *testing.T) {
	testLive(t, embedded.New(promqltest.LoadedStorage(t, server)))
}

// TestLiveFindsOnPrometheus2 leaves out what Prometheus 2.42 has not: native
// histograms and remarks.
func TestLiveFindsOnPrometheus2(t *testing.T) {
	c, err := promql.NewClient(querytest.Prometheus(t, server), config.DefaultHTTPClientConfig)
	if err != nil {
		t.Fatal(err)
	}
	testLive(t, c, "the name of a native histogram", "le of native histograms", "Prometheus' own remark")
}

func testLive(t *testing.T, q promql.Querier, without ...string) {
	l := &lint.Live{Meter: promql.NewMeter(q, 5*time.Second), Window: run.Window{Start: time.Unix(10, 0), End: time.Unix(590, 0)}}
	const quantile = `histogram_quantile(0.9, sum by (le) (rate(x_seconds_bucket[1m])))`
	for _, c := range []struct {
		name  string
		query lint.Query
		want  []string
	}{
		{"all is there", lint.Query{Expr: `sum(rate(errors_total{job="api"}[1m]))`, One: true}, nil},
		{"a metric that was there for a minute", lint.Query{Expr: `max(short_lived)`}, nil},
		{"a misspelt metric", lint.Query{Expr: `sum(rate(http_request_total[1m]))`}, []string{`error missing-metric: there is no http_request_total; did you mean http_requests_total?`}},
		{"a metric without its suffix", lint.Query{Expr: `sum(rate(http_requests[1m]))`}, []string{`error missing-metric: there is no http_requests; there is http_requests_total`}},
		{"either of two metrics, of which one is there", lint.Query{Expr: `histogram_quantile(0.9, sum(rate(x_seconds[1m]))) or histogram_quantile(0.9, sum by (le) (rate(x_seconds_bucket[1m])))`}, nil},
		{"either of two metrics, of which none is there", lint.Query{Expr: `queue_lngth or queue_lengh`}, []string{
			`error missing-metric: there is no queue_lngth; did you mean queue_length?`, `error missing-metric: there is no queue_lengh; did you mean queue_length?`}},
		{"the name of a native histogram", lint.Query{Expr: `sum(rate(native_seconds_bucket[1m]))`}, []string{`error missing-metric: there is no native_seconds_bucket; there is native_seconds`}},
		{"a metric that must be absent", lint.Query{Expr: `absent(nothing_here)`}, nil},
		{"a label by another name", lint.Query{Expr: `sum(rate(http_requests_total{status=~"5..",instance="b:1"}[1m]))`}, []string{`error missing-label: no series of http_requests_total has the label status; there is code`}},
		{"no errors of a kind are no mistake", lint.Query{Expr: `sum(rate(http_requests_total{code=~"5..",instance="b:1"}[1m]))`}, nil},
		{"a group by another name", lint.Query{Expr: `sum by (endpoint) (rate(http_requests_total{instance="b:1"}[1m]))`}, []string{`error missing-label: no series to group has the label endpoint; there is handler`}},
		{"a label that a function makes", lint.Query{Expr: `sum by (p) (label_replace(queue_length, "p", "$1", "pod", "p(.*)"))`}, []string{
			`warning target-restart: a target restarted in the window at {instance="a:1", job="api"}`}},
		{"a value that nobody has", lint.Query{Expr: `sum(rate(errors_total{job="api2"}[1m]))`}, []string{`warning missing-value: no series of errors_total has job="api2"; job is "api"`}},
		{"values that nobody has at once", lint.Query{Expr: `queue_length{pod="p2",instance="a:1"}`}, []string{`warning missing-value: no series of queue_length has all of these labels at once`}},
		{"a value that is not known", lint.Query{Expr: `sum(rate(errors_total{job="__any__"}[1m]))`}, nil},
		{"several series", lint.Query{Expr: `queue_length{job="api"}`, One: true}, []string{
			`error several-series-answer: 2 series answer, which differ in instance, pod`,
			`warning target-restart: a target restarted in the window at {instance="a:1", job="api"}`}},
		{"one quantile of many", lint.Query{Expr: `histogram_quantile(0.9, rate(x_seconds_bucket[1m]))`}, nil},
		{"many quantiles", lint.Query{Expr: `1 + histogram_quantile(0.9, rate(y_seconds_bucket[1m]))`}, []string{`error several-series-answer: 2 quantiles answer, which differ in pod`}},
		{"one series that is not aggregated", lint.Query{Expr: `queue_length{pod="p2"}`, One: true}, nil},
		{"sides that don't pair", lint.Query{Expr: `rate(errors_total[1m]) / rate(http_requests_total{instance="b:1"}[1m])`}, []string{`error no-pairs: 1 series on the left and 2 on the right, and no two pair`}},
		{"a threshold on an edge", lint.Query{Expr: quantile, Bounds: []float64{0.5}}, nil},
		{"a threshold off the edges", lint.Query{Expr: quantile, Bounds: []float64{0.3}}, []string{`info threshold-off-edge: the threshold 0.3 lies between the buckets of x_seconds_bucket that end at 0.1 and 0.5`}},
		{"a threshold beyond the buckets", lint.Query{Expr: quantile + ` > 2`}, []string{`error threshold-beyond-buckets: the threshold 2 lies at or beyond the last finite bucket of x_seconds_bucket, 1`}},
		{"a threshold in milliseconds", lint.Query{Expr: quantile + ` * 1000 > 500`}, nil},
		{"a restart", lint.Query{Expr: `sum(rate(http_requests_total{instance="a:1"}[1m]))`}, []string{
			`warning target-restart: a target restarted in the window at {instance="a:1", job="api"}`,
			`info counter-reset: http_requests_total was reset in the window at {instance="a:1", job="api"}`}},
		{"a gap", lint.Query{Expr: `sum(rate(late_total[1m]))`, Scrape: 5 * time.Second}, []string{`warning scrape-gap: scrapes cover 65 % of the window at {instance="b:1", job="api"}`}},
		{"Prometheus' own remark", lint.Query{Expr: `sum(rate(queue_length{pod="p2"}[1m]))`}, []string{
			`info prometheus: PromQL info: metric might not be a counter, name does not end in _total/_sum/_count/_bucket: "queue_length" (1:10)`}},
		{"le of native histograms", lint.Query{Expr: `histogram_quantile(0.9, sum by (le) (rate(native_seconds[1m])))`}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			if slices.Contains(without, c.name) {
				t.Skip("not on this server")
			}
			finds, err := l.Check(t.Context(), c.query)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, f := range finds {
				got = append(got, fmt.Sprintf("%s %s: %s", f.Severity, f.Rule, f.Text))
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("%s: (-want +got)\n%s", c.query.Expr, diff)
			}
		})
	}
}
