// Package catalog holds every query of the performance baseline guide: verbatim,
// as it should be asked, and why the two differ. It is what the report's
// appendix and the dashboards are made from.
package catalog

import "github.com/plumbline/plumbline/pkg/promql"

// A Query is one question that the guide asks.
type Query struct {
	ID     string
	Title  string // the guide's
	Group  string // the guide's heading
	Unit   string // of the answer to Form: req/s, s, ratio, bytes, tokens/s or none for a count
	Steady bool   // its value is taken over the steady window, not over the whole run
	Guide  string // verbatim
	Why    string // Guide does not answer the question; empty where it does

	form func(Preset) form
}

// Form is the expression that answers the question, for series named as by a
// preset. Its variables are the label sets $api, $pods and $llm, and $rate, over
// which rates are taken. It is empty where the preset has no label for it.
func (q Query) Form(p Preset) string { return q.form(p).expr }

// same is the form of a query that has the same names in every preset.
func same(f form) func(Preset) form { return func(Preset) form { return f } }

// status is the rate of the requests whose status matches a regular expression.
func status(re string) func(Preset) form {
	return func(p Preset) form { return rates(p.Select(p.Requests, p.WithStatus(re))) }
}

func durations(q float64) func(Preset) form {
	return func(p Preset) form { return p.seconds(quantile(q, p.Select(p.Duration), p.Form)) }
}

// The guide's headings.
const (
	requestRate = "Request Rate"
	latency     = "Latency"
	errorRate   = "Error Rate"
	utilization = "Resource Utilization"
	llm         = "LLM API Metrics"
)

const perSeries = "histogram_quantile without sum by (le) answers for each series (pod, endpoint, method, status) on its own; none of them is the service's quantile."

// Queries are the guide's, in its order; the last stands in its dashboard only.
var Queries = []Query{
	{ID: "requests", Title: "Total requests per second", Group: requestRate, Unit: "req/s",
		Guide: `rate(http_requests_total[1m])`,
		Why:   "It is one rate for each combination of labels (pod, endpoint, method, status); the total is their sum.",
		form:  func(p Preset) form { return rates(p.Select(p.Requests)) }},
	{ID: "requests-by-endpoint", Title: "Requests by endpoint", Group: requestRate, Unit: "req/s",
		Guide: `rate(http_requests_total{endpoint=~"/api/v1/agents.*"}[1m])`,
		Why:   "It selects some endpoints and splits each by pod, method and status; summing by endpoint gives one line for each, and all of them.",
		form:  func(p Preset) form { return without(p.Route, rates(p.Select(p.Requests), p.Route)) }},
	{ID: "requests-2xx", Title: "Requests by status code: success (2xx)", Group: requestRate, Unit: "req/s",
		Guide: `rate(http_requests_total{status=~"2.."}[1m])`,
		Why:   "It is one rate for each pod, endpoint, method and code from 200 to 299; the successes are their sum.",
		form:  status("2..")},
	{ID: "requests-5xx", Title: "Requests by status code: errors (5xx)", Group: requestRate, Unit: "req/s",
		Guide: `rate(http_requests_total{status=~"5.."}[1m])`,
		Why:   "It is one rate for each pod, endpoint, method and code from 500 to 599; the server's errors are their sum.",
		form:  status("5..")},
	{ID: "latency-p50", Title: "p50 latency", Group: latency, Unit: "s", Steady: true,
		Guide: `histogram_quantile(0.50, rate(http_request_duration_seconds_bucket[1m]))`,
		Why:   perSeries, form: durations(0.5)},
	{ID: "latency-p95", Title: "p95 latency", Group: latency, Unit: "s", Steady: true,
		Guide: `histogram_quantile(0.95, rate(http_request_duration_seconds_bucket[1m]))`,
		Why:   perSeries + " The dashboard shows these seconds on an axis in ms.", form: durations(0.95)},
	{ID: "latency-p99", Title: "p99 latency", Group: latency, Unit: "s", Steady: true,
		Guide: `histogram_quantile(0.99, rate(http_request_duration_seconds_bucket[1m]))`,
		Why:   perSeries, form: durations(0.99)},
	{ID: "latency-avg-by-endpoint", Title: "Average latency by endpoint", Group: latency, Unit: "s", Steady: true,
		Guide: `avg(rate(http_request_duration_seconds_sum[1m])) by (endpoint)`,
		Why:   "The rate of _sum is seconds spent per second, which grows with the load; a latency is that divided by the rate of _count.",
		form: func(p Preset) form {
			return without(p.Route, p.seconds(mean(p.Select(p.Duration), p.Form, p.Route)))
		}},
	{ID: "error-percentage", Title: "Error percentage", Group: errorRate, Unit: "ratio",
		Guide: `(rate(http_requests_total{status=~"5.."}[1m]) / rate(http_requests_total[1m])) * 100`,
		Why:   "Each 5xx series is divided by the series with the same labels, which is itself: always 100, or nothing when no request failed. It also leaves out the 4xx that the guide's own table counts.",
		form: func(p Preset) form {
			return share(p.Select(p.Requests, p.WithStatus(p.Errors)), p.Select(p.Requests))
		}},
	{ID: "errors-per-second", Title: "Errors per second", Group: errorRate, Unit: "req/s",
		Guide: `rate(http_requests_total{status=~"5.."}[1m])`,
		Why:   "It is one rate for each 5xx series, and it leaves out the 4xx that the guide's own table counts as errors (183 = 12 + 171).",
		form:  func(p Preset) form { return status(p.Errors)(p) }},
	{ID: "cpu", Title: "CPU usage", Group: utilization, Unit: "ratio", Steady: true,
		Guide: `rate(container_cpu_usage_seconds_total{pod=~"paracle-api.*"}[1m]) * 100`,
		Why:   "It is percent of one core, of which a pod with a limit of 4 cores can use 400; and cAdvisor has a series for the pod beside those of its containers, so their sum counts twice.",
		form:  same(plain(`sum by (pod) (rate(container_cpu_usage_seconds_total{$pods,container!=""}[$rate])) / sum by (pod) (kube_pod_container_resource_limits{resource="cpu",$pods})`))},
	{ID: "memory", Title: "Memory usage", Group: utilization, Unit: "bytes", Steady: true,
		Guide: `container_memory_usage_bytes{pod=~"paracle-api.*"} / (1024^3)`,
		Why:   "Usage includes cache that the kernel gives back; the limit kills on the working set. The pod's own series beside its containers' counts twice, and bytes / 1024^3 are GiB, not GB.",
		form:  same(plain(`sum by (pod) (container_memory_working_set_bytes{$pods,container!=""})`))},
	{ID: "db-connections", Title: "Database connections", Group: utilization, Steady: true,
		Guide: `pg_stat_activity_count`,
		Why:   "It is one number for each database and state; the connections in use are their sum, idle ones included, while state=\"active\" alone counts those that run a query.",
		form:  same(plain(`sum(pg_stat_activity_count)`))},
	{ID: "redis-memory", Title: "Redis memory", Group: utilization, Unit: "bytes", Steady: true,
		Guide: `redis_memory_used_bytes / (1024^3)`,
		Why:   "It is one number for each shard, so none is the cluster's; and bytes / 1024^3 are GiB, which the dashboard labels GB.",
		form:  same(plain(`sum(redis_memory_used_bytes)`))},
	{ID: "llm-requests", Title: "LLM request rate", Group: llm, Unit: "req/s",
		Guide: `rate(llm_requests_total[1m])`,
		Why:   "It is one rate for each pod, model and provider; the guide's table is by provider.",
		form:  same(rates(`llm_requests_total{$llm}`, "provider"))},
	{ID: "llm-latency-p95", Title: "LLM latency", Group: llm, Unit: "s", Steady: true,
		Guide: `histogram_quantile(0.95, rate(llm_request_duration_seconds_bucket[1m]))`,
		Why:   "histogram_quantile without sum by (le, …) answers for each pod's series on its own; the quantile of a provider needs its buckets summed.",
		form:  same(quantile(0.95, `llm_request_duration_seconds{$llm}`, promql.Classic, "provider"))},
	{ID: "llm-errors", Title: "LLM errors", Group: llm, Unit: "req/s",
		Guide: `rate(llm_errors_total[1m])`,
		Why:   "It is one rate for each pod, model and kind of error; the guide's table is by provider.",
		form:  same(rates(`llm_errors_total{$llm}`, "provider"))},
	{ID: "llm-tokens", Title: "Token usage", Group: llm, Unit: "tokens/s",
		Guide: `rate(llm_tokens_total[1m])`,
		Why:   "It is one rate for each pod, model and direction, in tokens per second, while the providers' limits are per provider and minute.",
		form:  same(rates(`llm_tokens_total{$llm}`, "provider"))},
	{ID: "db-max-connections", Title: "Max Connections", Group: utilization, Steady: true,
		Guide: `pg_settings_max_connections`,
		Why:   "It is what the database server accepts from everybody; the application's pool, which the panel is about, has a limit of its own that is reached first.",
		form:  same(plain(`sum(db_pool_connections_max{$api})`))},
}
