package dashboard

import (
	"fmt"

	"github.com/plumbline/plumbline/pkg/promql"
)

// A board is a dashboard to be.
type board struct {
	file, title, about string
	variables          []string
	panels             func(builder) []Panel
}

const (
	uidPrefix   = "plumbline-"
	titlePrefix = "Plumbline: "
)

func (d board) uid() string { return uidPrefix + d.file }

// boards are all dashboards: the guide's eight panels, the three of its appendix,
// and two of the load generator's side.
var boards = []board{
	{"performance-baseline", "Performance Baseline", "The guide's eight panels: is the service as fast, as reliable and as far from its limits as it was agreed?", []string{"service", "run"}, builder.baseline},
	{"overview", "Overview", "Is the service all right? Four panels.", []string{"service", "run"}, builder.overview},
	{"resource-utilization", "Resource Utilization", "Every resource of the SLA, with its limit and its bounds.", []string{"service", "run"}, builder.resources},
	{"llm-api", "LLM API", "How LLM providers answer: how often, how fast, how reliably, and for how many tokens.", []string{"service", "run", "quantile"}, builder.llm},
	{"load-generator", "Load Generator", "What users saw, and whether the load was what the profile asked for.", []string{"run", "quantile"}, builder.generator},
	{"run-comparison", "Run Comparison", "Two runs beside each other. The time range must hold both; analyzer compare says how sure a difference is.", []string{"run", "baseline_run", "quantile"}, builder.comparison},
}

// overInterval says over which time a panel's rates are taken.
const overInterval = " Rates are taken over Grafana's rate interval, at least four scrapes."

func (b builder) requestRate(title string) Panel {
	return Panel{Title: title, Unit: perSecond, Lines: b.lines("rps", "sustained-rps"),
		Description: "How many requests a second does the service answer, and how many of them with which status?" + overInterval,
		Targets:     []Target{b.objective("rps", "requests", "Total"), b.query("requests-2xx", "Success (2xx)"), b.query("requests-5xx", "Errors (5xx)")}}
}

func (b builder) percentiles(title string) Panel {
	return Panel{Title: title, Unit: seconds, Lines: b.lines("latency-p50", "latency-p95", "latency-p99"),
		Description: "How long do half, 95 % and 99 % of the answers take at the most, over all endpoints and replicas together?" + overInterval,
		Targets:     []Target{b.objective("latency-p50", "latency-p50", "p50"), b.objective("latency-p95", "latency-p95", "p95"), b.objective("latency-p99", "latency-p99", "p99")}}
}

func (b builder) errorRate(title string) Panel {
	return Panel{Title: title, Unit: share, Lines: b.lines("error-rate"),
		Description: "Which share of the requests fails, with a status of 4xx or 5xx? No errors show as 0, not as a gap." + overInterval,
		Targets:     []Target{b.objective("error-rate", "error-percentage", "Error %")}}
}

func (b builder) podCPU() Panel {
	p := Panel{Title: "API Pod CPU Usage", Unit: share, SoftMax: 1,
		Description: "How much of its CPU limit does each pod use? 100 % is the limit, not one core." + overInterval,
		Targets:     []Target{b.used("api-cpu", "cpu", "{{pod}}")}}
	if r, ok := b.resource("api-cpu"); ok {
		p.Lines, _ = b.bounds(r)
	}
	return p
}

func (b builder) podMemory() Panel {
	p := Panel{Title: "API Pod Memory Usage", Unit: decbytes,
		Description: "How much memory does each pod hold that the kernel can't take back (its working set)? By that its limit kills.",
		Targets:     []Target{b.used("api-memory", "memory", "{{pod}}")}}
	if r, ok := b.resource("api-memory"); ok {
		lines, targets := b.bounds(r)
		p.Lines, p.Targets = lines, append(p.Targets, targets...)
	}
	return p
}

// baseline is the guide's dashboard, with its titles and legends.
func (b builder) baseline() []Panel {
	return []Panel{
		b.requestRate("Request Rate (req/s)"), b.percentiles("Response Time Percentiles"), b.errorRate("Error Rate (%)"), b.podCPU(), b.podMemory(),
		{Title: "Database Connection Pool", Unit: count,
			Description: "How many connections are open, idle ones included, and how many has the application's pool? What the server itself accepts is another, higher limit.",
			Targets:     []Target{b.used("db-connections", "db-connections", "Active Connections"), b.query("db-max-connections", "Max Connections")}},
		{Title: "Redis Memory Usage", Unit: decbytes,
			Description: "How much memory do all shards of Redis hold together?",
			Targets:     []Target{b.used("redis-memory", "redis-memory", "Used Memory (GB)")}},
		{Title: "LLM API Latency", Unit: seconds, Lines: b.lines("llm-latency-p95"),
			Description: "How long do 95 % of the calls of each LLM provider take at the most?" + overInterval,
			Targets:     []Target{b.objective("llm-latency-p95", "llm-latency-p95", "p95 LLM Latency {{provider}}")}},
	}
}

func (b builder) overview() []Panel {
	usage := Panel{Title: "Resource Usage", Unit: share, SoftMax: 1, Description: "How much of its limit does each resource use that the SLA judges, where it is used most?"}
	for _, r := range b.agreement.Resources {
		if r.Limit != "" && (r.Peak != nil || r.Average != nil) {
			usage.Targets = append(usage.Targets, Target{Expr: "max(" + r.Share(b.vars) + ")", Legend: r.Component + " " + r.Resource, Resource: r.ID, Share: true})
		}
	}
	if len(usage.Targets) == 0 {
		usage.Targets = []Target{b.query("cpu", "CPU {{pod}}")}
	}
	return []Panel{b.requestRate("RPS"), b.percentiles("Latency Percentiles"), b.errorRate("Error Rate"), usage}
}

func (b builder) resources() []Panel {
	var panels []Panel
	for _, r := range b.agreement.Resources {
		name := r.Component + ": " + r.Resource
		p := Panel{Title: name, Unit: grafanaUnit(r.Unit), Description: fmt.Sprintf("%s, by the SLA's %s: how much is used, and how near is that to its limit and its bounds?", name, r.ID),
			Targets: []Target{b.figure(r, legend(b.expand(r.Used), "used"))}}
		if p.Targets[0].Share {
			p.SoftMax = 1
		} else if r.Limit != "" {
			p.Targets = append(p.Targets, Target{Expr: b.limit(b.expand(r.Limit)), Legend: "limit", Bound: true})
		}
		lines, targets := b.bounds(r)
		p.Lines, p.Targets = lines, append(p.Targets, targets...)
		panels = append(panels, p)
	}
	if len(panels) == 0 {
		panels = []Panel{b.podCPU(), b.podMemory()}
	}
	return panels
}

// limit is the least limit as a series.
func (b builder) limit(expr string) string {
	if isNumber(expr) {
		return "vector(" + expr + ")"
	}
	return "min(" + expr + ")"
}

func (b builder) llm() []Panel {
	llm := func(metric string) string { return b.expand(metric + "{$llm}") }
	return []Panel{
		{Title: "Requests by provider", Unit: perSecond, Description: "How often is each provider called?" + overInterval, Targets: []Target{b.query("llm-requests", "{{provider}}")}},
		{Title: "Latency by provider", Unit: seconds, Description: "How long do calls of each provider take at the chosen quantile, and on average?" + overInterval,
			Targets: []Target{
				{Expr: promql.QuantileOfEither("$quantile", llm("llm_request_duration_seconds"), window, "provider"), Legend: "{{provider}}"},
				b.meanLatency(llm("llm_request_duration_seconds")),
			}},
		{Title: "Errors by provider", Unit: perSecond, Description: "How often do calls of each provider fail?" + overInterval, Targets: []Target{b.query("llm-errors", "{{provider}}")}},
		{Title: "Turned away by provider", Unit: perSecond, Description: "How often does each provider turn calls away for its rate limit?" + overInterval,
			Targets: []Target{{Expr: promql.Rate(llm("llm_rate_limited_total"), window, "provider"), Legend: "{{provider}}"}}},
		{Title: "Tokens a minute", Unit: count, Width: columns, Description: "How many tokens a minute does each provider count? Their limits are in tokens a minute." + overInterval,
			Targets: []Target{{Expr: "60 * " + promql.Rate(llm("llm_tokens_total"), window, "provider"), Legend: "{{provider}}"}}},
	}
}

func (b builder) meanLatency(histogram string) Target {
	t := Target{Expr: promql.MeanOfEither(histogram, window, "provider")}
	if o, ok := b.find("llm-latency-avg"); ok {
		t = Target{Expr: o.Expr(window, b.vars), Objective: o.ID}
	}
	t.Legend = "{{provider}}, average"
	return t
}

// Selectors of the load generator's series.
const (
	ofRun   = `{run="$run"}`
	ofRuns  = `{run=~"$run|$baseline_run"}`
	failed  = `{run="$run",outcome!="success"}`
	failing = `{run=~"$run|$baseline_run",outcome!="success"}`
)

// known marks a target as showing an objective, where the agreement has it.
func (b builder) known(id string, t Target) Target {
	if _, ok := b.find(id); ok {
		t.Objective = id
	}
	return t
}

func (b builder) generator() []Panel {
	quantile := func(metric string, by ...string) string {
		return promql.QuantileOfEither("$quantile", metric+ofRun, window, by...)
	}
	sent := promql.Rate("loadgen_requests_total"+ofRun, window)
	return []Panel{
		{Title: "Requests", Unit: perSecond, Description: "How many requests of each name are sent a second, and how many in all?" + overInterval,
			Targets: []Target{b.known("client-rps", Target{Expr: sent, Legend: "all"}), {Expr: promql.Rate("loadgen_requests_total"+ofRun, window, "request"), Legend: "{{request}}"}}},
		{Title: "Response and service time", Unit: seconds, Lines: b.lines("client-latency-p95"),
			Description: "How long do answers take at the chosen quantile: from when a request was due (response time), and from when it was sent (service time)? They differ when requests wait to be sent. The lines are the SLA's, for p95.",
			Targets: []Target{b.known("client-latency-p95", Target{Expr: quantile("loadgen_response_time_seconds"), Legend: "response time"}),
				{Expr: quantile("loadgen_service_time_seconds"), Legend: "service time"}}},
		{Title: "Response time by name", Unit: seconds, Description: "How long do answers to each request take at the chosen quantile?" + overInterval,
			Targets: []Target{{Expr: quantile("loadgen_response_time_seconds", "request"), Legend: "{{request}}"}}},
		{Title: "Failed requests", Unit: share, Lines: b.lines("client-error-rate"), Description: "Which share of the requests failed, for the user?" + overInterval,
			Targets: []Target{b.known("client-error-rate", Target{Expr: promql.Share("loadgen_requests_total"+failed, "loadgen_requests_total"+ofRun, window), Legend: "failed"})}},
		{Title: "Failures by reason", Unit: perSecond, Description: "How many requests fail a second, and why? None shows as 0." + overInterval,
			Targets: []Target{{Expr: promql.Rate("loadgen_requests_total"+failed, window, "outcome") + " or 0 * " + sent, Legend: "{{outcome}}"}}},
		{Title: "Users", Unit: count, Lines: b.lines("concurrent-users"), Description: "How many users are there, and how many requests wait for their answer?",
			Targets: []Target{b.known("concurrent-users", Target{Expr: "sum(loadgen_users" + ofRun + ")", Legend: "users"}), {Expr: "sum(loadgen_in_flight" + ofRun + ")", Legend: "in flight"}}},
		{Title: "Start lag", Unit: seconds, Lines: []Line{{Value: .010, Upper: true, Fails: true}},
			Description: "How much later than due does the generator itself start iterations, at the 99th percentile? Above 10 ms the load is not what was asked for." + overInterval,
			Targets:     []Target{{Expr: promql.QuantileOfEither("0.99", "loadgen_start_lag_seconds"+ofRun, window), Legend: "p99"}}},
		{Title: "Generator CPU", Unit: share, SoftMax: 1, Lines: []Line{{Value: .80, Upper: true, Fails: true}},
			Description: "How much of its cores does the busiest generator use? Above 80 % it can't be trusted to keep up.",
			Targets:     []Target{{Expr: "max(loadgen_cpu_ratio" + ofRun + ")", Legend: "CPU"}}},
		{Title: "Validity", Unit: count, Lines: []Line{{Value: 1, Fails: true}},
			Description: "Does every generator keep up (1), or is what one of them sent not what was asked for (0)? Each looks back over ten seconds.",
			Targets:     []Target{{Expr: "min(loadgen_valid" + ofRun + ")", Legend: "valid"}}},
		{Title: "Offered and started", Unit: perSecond, Description: "How many iterations a second were due, started, and dropped? Only an arrival rate makes any due." + overInterval,
			Targets: []Target{
				{Expr: promql.Rate("loadgen_iterations_total"+ofRun, window), Legend: "started"},
				{Expr: promql.Rate("loadgen_due_total"+ofRun, window), Legend: "due"},
				{Expr: promql.Rate("loadgen_dropped_total"+ofRun, window), Legend: "dropped"},
			}},
	}
}

// comparison shows whole runs beside each other: what they counted within the
// time range, and how they went.
func (b builder) comparison() []Panel {
	const whole = "$__range"
	stat := func(title, about, unit, expr string) Panel {
		return Panel{Title: title, Kind: stats, Unit: unit, Description: about, Targets: []Target{{Expr: expr, Legend: "{{run}}", Instant: true}}, Width: columns / 3}
	}
	quantile := func(window string) string {
		return promql.QuantileOfEither("$quantile", "loadgen_response_time_seconds"+ofRuns, window, "run")
	}
	return []Panel{
		stat("Requests of each run", "How many requests did each run send?", count, promql.Increase("loadgen_requests_total"+ofRuns, whole, "run")),
		stat("Response time of each run", "How long did answers take in each run at the chosen quantile, ramps included?", seconds, quantile(whole)),
		stat("Failures of each run", "Which share of the requests of each run failed?", share, promql.Share("loadgen_requests_total"+failing, "loadgen_requests_total"+ofRuns, whole, "run")),
		{Title: "Requests a second", Unit: perSecond, Description: "How many requests a second did each run send?" + overInterval, Targets: []Target{{Expr: promql.Rate("loadgen_requests_total"+ofRuns, window, "run"), Legend: "{{run}}"}}},
		{Title: "Response time", Unit: seconds, Lines: b.lines("client-latency-p95"), Description: "How long did answers take in each run at the chosen quantile? The lines are the SLA's, for p95." + overInterval,
			Targets: []Target{{Expr: quantile(window), Legend: "{{run}}"}}},
		{Title: "Failed requests", Unit: share, Lines: b.lines("client-error-rate"), Description: "Which share of the requests failed in each run?" + overInterval,
			Targets: []Target{{Expr: promql.Share("loadgen_requests_total"+failing, "loadgen_requests_total"+ofRuns, window, "run"), Legend: "{{run}}"}}},
		{Title: "Users", Unit: count, Description: "How many users did each run have?", Targets: []Target{{Expr: "sum by (run) (loadgen_users" + ofRuns + ")", Legend: "{{run}}"}}},
	}
}
