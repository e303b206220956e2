package lint_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/plumbline/plumbline/pkg/promql"
	"github.com/plumbline/plumbline/pkg/promql/catalog"
	"github.com/plumbline/plumbline/pkg/promql/lint"
)

// rulesOf lists the ids of the rules that found something, with the text at its place.
func rulesOf(q lint.Query) []string {
	var ids []string
	for _, f := range lint.Check(q) {
		ids = append(ids, fmt.Sprintf("%s %s: %s", f.Severity, f.Rule, q.Expr[f.Start:f.End]))
	}
	return ids
}

func TestFinds(t *testing.T) {
	for _, c := range []struct {
		name  string
		query lint.Query
		want  []string
	}{
		{"a syntax error, where it is", lint.Query{Expr: `sum(rate(x_total[5m])`}, []string{`error parse: `}},
		{"an unknown function", lint.Query{Expr: `1 + rat(x_total[5m])`}, []string{`error parse: rat`}},
		{"a rate over less than two scrapes", lint.Query{Expr: `sum(rate(x_total[15s]))`, Scrape: 15 * time.Second}, []string{`error rate-window: x_total[15s]`}},
		{"a rate over less than four scrapes", lint.Query{Expr: `sum(rate(x_total[45s]))`, Scrape: 15 * time.Second}, []string{`warning rate-window: x_total[45s]`}},
		{"irate with one sample", lint.Query{Expr: `sum(irate(x_total[20s]))`, Scrape: 15 * time.Second}, []string{`error rate-window: x_total[20s]`}},
		{"a bare counter", lint.Query{Expr: `sum(http_requests_total{job="a"})`}, []string{`error counter-without-rate: http_requests_total{job="a"}`}},
		{"the average of a counter over time", lint.Query{Expr: `avg_over_time(http_requests_total[5m])`}, []string{`error counter-without-rate: http_requests_total`}},
		{"delta of a counter", lint.Query{Expr: `sum(delta(http_requests_total[5m]))`}, []string{`error counter-without-rate: http_requests_total`}},
		{"buckets without rate", lint.Query{Expr: `histogram_quantile(0.9, sum by (le) (x_seconds_bucket))`}, []string{`error counter-without-rate: x_seconds_bucket`}},
		{"a counter without its suffix", lint.Query{Expr: `sum(nginx_ingress_controller_requests)`}, []string{`error counter-without-rate: nginx_ingress_controller_requests`}},
		{"the count of a histogram that is there", lint.Query{Expr: `sum(gc_count)`, Exists: func(metric string) bool { return metric == "gc_count" || metric == "gc_sum" }}, []string{`error counter-without-rate: gc_count`}},
		{"a count that is no histogram's", lint.Query{Expr: `sum(thread_count)`, Exists: func(metric string) bool { return metric == "thread_count" }}, nil},
		{"rate of a gauge", lint.Query{Expr: `sum(rate(node_memory_MemFree_bytes[5m]))`}, []string{`error rate-of-gauge: node_memory_MemFree_bytes`}},
		{"rate of k6's rate", lint.Query{Expr: `rate(k6_http_req_failed_rate[1m])`}, []string{`error rate-of-gauge: k6_http_req_failed_rate`}},
		{"k6's rate over a window", lint.Query{Expr: `avg_over_time(k6_checks_rate[1m])`}, []string{`error misread-metric: k6_checks_rate`}},
		{"rate of a sum", lint.Query{Expr: `max(rate(sum(x_total)[5m:30s]))`}, []string{`error rate-of-sum: rate(sum(x_total)[5m:30s])`}},
		{"rate of a sum as people write it", lint.Query{Expr: `2 * rate( sum(x_total)[5m])`}, []string{`error rate-of-sum: rate( sum`}},
		{"le lost by sum", lint.Query{Expr: `histogram_quantile(0.9, sum(rate(x_seconds_bucket[5m])))`}, []string{`error quantile-without-le: sum(rate(x_seconds_bucket[5m]))`}},
		{"le lost by by", lint.Query{Expr: `histogram_quantile(0.9, sum by (pod) (rate(x_seconds_bucket[5m])))`}, []string{`error quantile-without-le: sum by (pod) (rate(x_seconds_bucket[5m]))`}},
		{"le lost by without", lint.Query{Expr: `histogram_quantile(0.9, sum without (le, pod) (rate(x_seconds_bucket[5m])))`}, []string{`error quantile-without-le: sum without (le, pod) (rate(x_seconds_bucket[5m]))`}},
		{"the greatest of each bucket", lint.Query{Expr: `histogram_quantile(0.9, max by (le) (rate(x_seconds_bucket[5m])))`}, []string{`error quantile-without-le: max by (le) (rate(x_seconds_bucket[5m]))`}},
		{"buckets that were not added up", lint.Query{Expr: `histogram_quantile(0.9, rate(x_seconds_bucket[5m])) > 1`}, []string{`warning quantile-unaggregated: histogram_quantile(0.9, rate(x_seconds_bucket[5m]))`}},
		{"native histograms that were not added up, scored", lint.Query{Expr: `histogram_quantile(0.9, rate(x_seconds[5m]))`, One: true}, []string{`error quantile-unaggregated: histogram_quantile(0.9, rate(x_seconds[5m]))`}},
		{"a quantile of means", lint.Query{Expr: `quantile(0.95, rate(x_seconds_sum[5m]) / rate(x_seconds_count[5m]))`}, []string{`error quantile-of-averages: quantile(0.95, rate(x_seconds_sum[5m]) / rate(x_seconds_count[5m]))`}},
		{"a quantile of means over time", lint.Query{Expr: `quantile_over_time(0.95, (sum(rate(x_seconds_sum[5m])) / sum(rate(x_seconds_count[5m])))[1h:1m])`}, []string{`error quantile-of-averages: quantile_over_time(0.95, (sum(rate(x_seconds_sum[5m])) / sum(rate(x_seconds_count[5m])))[1h:1m])`}},
		{"an average of quantiles", lint.Query{Expr: `avg(histogram_quantile(0.9, sum by (pod, le) (rate(x_seconds_bucket[5m]))))`}, []string{`error average-of-quantiles: avg(histogram_quantile(0.9, sum by (pod, le) (rate(x_seconds_bucket[5m]))))`}},
		{"an average of a summary's quantiles", lint.Query{Expr: `avg(rpc_seconds{quantile="0.99"} * 1000)`}, []string{`error average-of-quantiles: avg(rpc_seconds{quantile="0.99"} * 1000)`}},
		{"quantiles averaged over time", lint.Query{Expr: `avg_over_time(job:request_seconds:p99[1h])`}, []string{`warning average-of-quantiles: avg_over_time(job:request_seconds:p99[1h])`}},
		{"each error series divided by itself", lint.Query{Expr: `rate(x_total{code="500"}[5m]) / rate(x_total[5m])`}, []string{
			`error ratio-labels: rate(x_total{code="500"}[5m]) / rate(x_total[5m])`, `warning vanishing-numerator: rate(x_total{code="500"}[5m])`}},
		{"sides that exclude each other", lint.Query{Expr: `rate(x_total{code="500"}[5m]) / rate(x_total{code="200"}[5m])`}, []string{`error ratio-labels: rate(x_total{code="500"}[5m]) / rate(x_total{code="200"}[5m])`}},
		{"sides aggregated by different labels", lint.Query{Expr: `sum by (pod) (rate(a_total[5m])) / sum(rate(b_total[5m]))`}, []string{`error ratio-labels: sum by (pod) (rate(a_total[5m])) / sum(rate(b_total[5m]))`}},
		{"one side aggregated", lint.Query{Expr: `rate(a_total[5m]) / sum(rate(b_total[5m]))`}, []string{`error ratio-labels: rate(a_total[5m]) / sum(rate(b_total[5m]))`}},
		{"a comparison that never pairs", lint.Query{Expr: `max by (pod) (queue_length) > max(queue_capacity)`}, []string{`error ratio-labels: max by (pod) (queue_length) > max(queue_capacity)`}},
		{"no errors, no share", lint.Query{Expr: `sum(rate(x_total{status=~"5.."}[5m])) / sum(rate(x_total[5m]))`}, []string{`warning vanishing-numerator: sum(rate(x_total{status=~"5.."}[5m]))`}},
		{"no success, no alert", lint.Query{Expr: `sum(rate(x_total{outcome="success"}[5m])) / sum(rate(x_total[5m])) < 0.99`}, []string{`warning vanishing-numerator: sum(rate(x_total{outcome="success"}[5m]))`}},
		{"availability from the errors", lint.Query{Expr: `1 - sum(rate(x_total{code=~"5.."}[5m])) / sum(rate(x_total[5m]))`}, []string{`warning vanishing-numerator: sum(rate(x_total{code=~"5.."}[5m]))`}},
		{"the mean rate of _sum", lint.Query{Expr: `avg by (path) (rate(x_seconds_sum[5m]))`}, []string{`error sum-as-latency: rate(x_seconds_sum[5m])`}},
		{"the rate of _sum read in seconds", lint.Query{Expr: `sum(rate(x_seconds_sum[5m]))`, Unit: "s"}, []string{`error sum-as-latency: rate(x_seconds_sum[5m])`}},
		{"the rate of _sum alone", lint.Query{Expr: `rate(request_seconds_sum[5m])`}, []string{`warning sum-as-latency: rate(request_seconds_sum[5m])`}},
		{"seconds read as milliseconds", lint.Query{Expr: `histogram_quantile(0.9, sum by (le) (rate(x_seconds_bucket[5m])))`, Unit: "ms"}, []string{`error unit: histogram_quantile(0.9, sum by (le) (rate(x_seconds_bucket[5m])))`}},
		{"milliseconds read as seconds", lint.Query{Expr: `sum(rate(x_milliseconds_sum[5m])) / sum(rate(x_milliseconds_count[5m]))`, Unit: "s"}, []string{`error unit: sum(rate(x_milliseconds_sum[5m])) / sum(rate(x_milliseconds_count[5m]))`}},
		{"GiB read as GB", lint.Query{Expr: `sum(redis_memory_used_bytes) / 1024^3`, Unit: "GB"}, []string{`warning unit: sum(redis_memory_used_bytes) / 1024^3`}},
		{"bytes read as seconds", lint.Query{Expr: `max(process_resident_memory_bytes)`, Unit: "s"}, []string{`error unit: max(process_resident_memory_bytes)`}},
		{"a ratio read as percent", lint.Query{Expr: `max(loadgen_cpu_ratio)`, Unit: "percent"}, []string{`error unit: max(loadgen_cpu_ratio)`}},
		{"a threshold in milliseconds", lint.Query{Expr: `histogram_quantile(0.9, sum by (le) (rate(request_seconds_bucket[5m]))) > 500`}, []string{`warning unit: 500`}},
		{"a share over 5", lint.Query{Expr: `sum(rate(x_total{code=~"5.."}[5m])) / sum(rate(x_total[5m])) > 5`}, []string{`warning unit: 5`}},
		{"several series scored", lint.Query{Expr: `max by (pod) (queue_length)`, One: true}, []string{`error several-series: max by (pod) (queue_length)`}},
		{"cAdvisor's pods and containers", lint.Query{Expr: `sum(container_memory_working_set_bytes{pod="a"})`}, []string{`warning cadvisor-twice: container_memory_working_set_bytes{pod="a"}`}},
		{"percent of one core", lint.Query{Expr: `100 * max by (pod) (rate(process_cpu_seconds_total[5m]))`}, []string{`warning share-of-one-core: 100 * max by (pod) (rate(process_cpu_seconds_total[5m]))`}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, rulesOf(c.query)); diff != "" {
				t.Errorf("%s: (-want +got)\n%s", c.query.Expr, diff)
			}
		})
	}
}

// TestGoodExpressions holds expressions that are right: a false alarm is as bad as a miss.
func TestGoodExpressions(t *testing.T) {
	for _, q := range []lint.Query{
		{Expr: `sum(rate(http_requests_total[1m]))`, Unit: "req/s", One: true},
		{Expr: `sum by (endpoint) (rate(http_requests_total{job="api"}[1m]))`},
		{Expr: `rate(http_requests_total[1m])`},
		{Expr: `histogram_quantile(0.95, sum by (le) (rate(http_request_duration_seconds_bucket[1m])))`, Unit: "s", One: true},
		{Expr: `histogram_quantile(0.95, sum(rate(http_request_duration_seconds_bucket[1m])) by (endpoint, le)) * 1000`, Unit: "ms"},
		{Expr: `histogram_quantile(0.95, sum without (instance, pod) (rate(x_seconds_bucket[1m])))`},
		{Expr: `histogram_quantile(0.95, sum(rate(x_seconds[1m])))`, Unit: "s"},
		{Expr: `histogram_quantile(0.95, sum by (le) (rate(a_seconds_bucket[1m])) + sum by (le) (rate(b_seconds_bucket[1m])))`},
		{Expr: `histogram_quantile(0.99, job:request_seconds_bucket:rate5m)`},
		{Expr: `max(histogram_quantile(0.95, sum by (pod, le) (rate(x_seconds_bucket[5m]))))`},
		{Expr: `max_over_time(histogram_quantile(0.95, sum by (le) (rate(x_seconds_bucket[5m])))[1h:1m])`},
		{Expr: `histogram_quantile(0.95, sum by (le) (rate(x_seconds_bucket[5m]))) > 0.5`},
		{Expr: `rpc_seconds{quantile="0.99"}`, Unit: "s"},
		{Expr: `sum(rate(x_seconds_sum[5m])) / sum(rate(x_seconds_count[5m]))`, Unit: "s"},
		{Expr: `rate(x_seconds_sum[5m]) / rate(x_seconds_count[5m])`, Unit: "s"},
		{Expr: `sum(rate(x_seconds_sum[5m]))`}, // by Little's law: how many are in flight
		{Expr: `(sum(rate(x_total{status=~"5.."}[5m])) or 0 * sum(rate(x_total[5m]))) / sum(rate(x_total[5m]))`, Unit: "ratio", One: true},
		{Expr: `(sum(rate(x_total{status=~"5.."}[5m])) or vector(0)) / sum(rate(x_total[5m])) * 100`, Unit: "percent"},
		{Expr: `sum(rate(x_total{status=~"5.."}[5m])) / sum(rate(x_total[5m])) or vector(0)`},
		{Expr: `sum(rate(x_total{status=~"5.."}[5m])) / sum(rate(x_total[5m])) > 0.01`},
		{Expr: `sum by (pod) (rate(a_total[5m])) / on (pod) group_left sum by (pod) (rate(b_total[5m]))`},
		{Expr: `sum by (pod) (rate(a_total[5m])) / ignoring (pod) group_left sum(rate(b_total[5m]))`},
		{Expr: `sum by (pod) (rate(a_total[5m])) / scalar(sum(rate(b_total[5m])))`},
		{Expr: `rate(errors_total[5m]) / rate(requests_total[5m])`},
		{Expr: `rate(x_total[5m]) / rate(x_total[5m] offset 1w)`},
		{Expr: `rate(x_total{code="500"}[5m]) / rate(x_total{code="500"}[1h]) > 2`},
		{Expr: `sum(increase(x_total[$scrape] anchored))`, Scrape: 5 * time.Second},
		{Expr: `sum(rate(x_total[1m]))`, Scrape: 15 * time.Second},
		{Expr: `increase(x_total[1h]) > 0 unless x_total offset 1h`},
		{Expr: `count(http_requests_total)`},
		{Expr: `count by (job) (http_requests_total) > 0`},
		{Expr: `absent(http_requests_total{job="api"})`},
		{Expr: `http_requests_total[5m]`},
		{Expr: `http_requests_total - http_requests_total offset 5m`},
		{Expr: `resets(http_requests_total[1h])`},
		{Expr: `sum(pg_stat_activity_count)`, One: true},
		{Expr: `sum(pg_stat_activity_count{state="active"}) / max(pg_settings_max_connections)`},
		{Expr: `100 - avg by (instance) (rate(node_cpu_seconds_total{mode="idle"}[5m])) * 100`},
		{Expr: `1 - node_memory_MemAvailable_bytes / node_memory_MemTotal_bytes`, Unit: "ratio"},
		{Expr: `sum by (pod) (container_memory_working_set_bytes{container!=""}) / 1024^3`, Unit: "GiB"},
		{Expr: `sum by (pod, container) (rate(container_cpu_usage_seconds_total[5m]))`},
		{Expr: `sum by (instance, job) (queue_length) / queue_capacity`},
		{Expr: `quantile(0.9, avg by (instance) (rate(node_cpu_seconds_total[5m])))`},
		{Expr: `avg(node_load1)`, One: true},
		{Expr: `avg_over_time(node_load1[5m])`},
		{Expr: `deriv(process_resident_memory_bytes[10m])`},
		{Expr: `predict_linear(node_filesystem_avail_bytes[6h], 4 * 3600) < 0`},
		{Expr: `topk(5, sum by (endpoint) (rate(http_requests_total[5m])))`},
		{Expr: `sum(rate(node_network_receive_bytes_total[5m]))`, Unit: "bytes/s"},
		{Expr: `max(loadgen_response_time_max_seconds{run="R1"})`, Unit: "s", One: true},
		{Expr: `up == 0`},
		{Expr: `sum by (job) (rate(a_total[5m])) and on (job) up == 1`},
		{Expr: `min_over_time((sum(rate(x_total[1m])))[10m:1m])`},
		{Expr: `label_replace(sum by (pod) (rate(x_total[5m])), "p", "$1", "pod", "(.*)")`},
		{Expr: `time() - process_start_time_seconds`, Unit: "s"},
		{Expr: `vector(1)`, One: true},
		// From the rules that people share.
		{Expr: `100 * sum by (job) (rate(x_seconds_count{status_code="500"}[5m])) / sum by (job) (rate(x_seconds_count[5m])) > 20`},
		{Expr: `sum(rate(x_total{code="5xx"}[1m]) * 100) / sum(rate(x_total[1m])) > 5`},
		{Expr: `x_length_seconds{quantile="0.9"} / on (job) x_length_seconds{quantile="0.5"} > 1.05`},
		{Expr: `histogram_quantile(0.01, sum by (job, le) (rate(certificate_expiration_seconds_bucket[5m]))) < 604800`},
		{Expr: `sum(rate(x_total{code!~"2.."}[5m])) / sum(rate(x_total[5m])) == 1`},
		{Expr: `1 - sum by (instance) (container_fs_inodes_free) / sum by (instance) (container_fs_inodes_total)`},
		{Expr: `envoy_cluster_membership_healthy / envoy_cluster_membership_total * 100 < 75`},
		{Expr: `rate(go_gc_duration_seconds_sum[5m]) > 0.05`},
		{Expr: `sum by (instance) (pg_locks_count) / on (instance) (pg_settings_max_locks_per_transaction * pg_settings_max_connections) > 0.2`},
	} {
		q.Expr = strings.ReplaceAll(q.Expr, "$scrape", "5s")
		if got := rulesOf(q); len(got) > 0 {
			t.Errorf("%s: got %q, want silence", q.Expr, got)
		}
	}
}

// TestTheGuidesQueries holds what is wrong with each of the guide's queries; the
// forms that answer its questions have nothing wrong.
func TestTheGuidesQueries(t *testing.T) {
	want := map[string][]string{
		"latency-p50": {"quantile-unaggregated"}, "latency-p95": {"quantile-unaggregated"}, "latency-p99": {"quantile-unaggregated"},
		"llm-latency-p95":         {"quantile-unaggregated"},
		"latency-avg-by-endpoint": {"sum-as-latency"},
		"error-percentage":        {"ratio-labels", "vanishing-numerator"},
		"cpu":                     {"share-of-one-core", "cadvisor-twice"},
		"memory":                  {"unit", "cadvisor-twice", "misread-metric"},
		"db-connections":          {"misread-metric"},
		"db-max-connections":      {"misread-metric"},
		"redis-memory":            {"unit"},
	}
	axes := map[string]string{"memory": "GB", "redis-memory": "GB"} // as the guide's dashboard labels them
	for _, q := range catalog.Queries {
		var got []string
		for _, f := range lint.Check(lint.Query{Expr: q.Guide, Scrape: 15 * time.Second, Unit: axes[q.ID]}) {
			got = append(got, f.Rule)
		}
		if slices.Sort(got); !slices.Equal(got, sorted(want[q.ID])) {
			t.Errorf("%s: %s: got %q, want %q", q.ID, q.Guide, got, want[q.ID])
		}
		for _, p := range catalog.Presets {
			text := promql.Expand(q.Form(p), map[string]string{"api": `job="a"`, "pods": `pod=~"a.*"`, "llm": "", "rate": "1m"})
			if text == "" {
				continue
			}
			if got := rulesOf(lint.Query{Expr: text, Scrape: 15 * time.Second, Unit: q.Unit}); len(got) > 0 {
				t.Errorf("%s for %s: %s: got %q, want silence", q.ID, p.Name, text, got)
			}
		}
	}
	if got := rulesOf(lint.Query{Expr: catalog.Queries[5].Guide, Unit: "ms"}); len(got) != 2 {
		t.Errorf("the dashboard's p95 on an axis in ms: got %q, want its unit and its series", got)
	}
}

func TestResources(t *testing.T) {
	for _, r := range catalog.Resources {
		for _, text := range []string{r.Used, r.Limit} {
			if text == "" {
				continue
			}
			expr := promql.Expand(text, map[string]string{"api": `job="a"`, "pods": `pod=~"a.*"`, "rate": "1m"})
			if got := rulesOf(lint.Query{Expr: expr, Scrape: 15 * time.Second}); len(got) > 0 {
				t.Errorf("%s: %s: got %q, want silence", r.ID, expr, got)
			}
		}
	}
}

func sorted(list []string) []string {
	list = slices.Clone(list)
	slices.Sort(list)
	return list
}

func TestRulesAreToldApart(t *testing.T) {
	seen := map[string]bool{}
	for _, r := range lint.Rules {
		if seen[r.ID] {
			t.Errorf("%s stands twice", r.ID)
		}
		seen[r.ID] = true
		if r.What == "" || r.Why == "" || r.Mend == "" {
			t.Errorf("%s: what, why and how to mend must be said", r.ID)
		}
	}
}

func FuzzCheck(f *testing.F) {
	for _, q := range catalog.Queries {
		f.Add(q.Guide, int64(time.Minute), "ms")
	}
	f.Add(`sum by (le) (x[5m:]) / ignoring (a) group_left (b) -y @ end() or vector(1e3)`, int64(0), "GB")
	f.Add(`histogram_quantile(0.9, max without (le) (x_bucket))`, int64(1), "percent")
	f.Add(`{__name__=~"a.*"} > bool 3 ^ -2`, int64(1), "s")
	f.Fuzz(func(t *testing.T, expr string, scrape int64, unit string) {
		for _, find := range lint.Check(lint.Query{Expr: expr, Scrape: time.Duration(scrape), Unit: unit, One: true}) {
			if find.Start < 0 || find.End < find.Start || find.End > len(expr) {
				t.Errorf("%q: %s: got the bytes from %d to %d of %d", expr, find.Rule, find.Start, find.End, len(expr))
			}
		}
	})
}
