package report_test

import (
	"math"
	"time"

	"github.com/plumbline/plumbline/pkg/compare"
	"github.com/plumbline/plumbline/pkg/report"
	"github.com/plumbline/plumbline/pkg/run"
	"github.com/plumbline/plumbline/pkg/slo"
)

const hostile = "</script><script>window.hacked=1</script>\"'`|<img src=x onerror=window.hacked=1>\n# new\x1b[31m 🚀 @everyone"

var (
	start = time.Date(2026, 1, 18, 12, 0, 0, 0, time.UTC)
	nan   = report.NoData
)

// sample is the guide's run, with every verdict and with labels that mean harm.
func sample() report.Report {
	end := start.Add(1805 * time.Second)
	return report.Report{
		Schema: report.Schema, Generated: end.Add(time.Minute), Verdict: slo.Fail,
		Run: run.Run{
			ID: "PERF-2026-01-18-001", Service: "paracle-api", Scenario: "mixed load", Profile: "peak", Target: "https://api-test.paracle.com",
			Labels: map[string]string{"version": "v1.0.3", "commit": "8c1f2e7", "note": hostile}, Environment: map[string]string{"nodes": "6 × c5.2xlarge", "replicas": "6", "database": "RDS PostgreSQL 15.5, db.r6g.2xlarge"},
			Window: run.Window{Start: start, End: end}, Steady: run.Window{Start: start.Add(20 * time.Second), End: end},
			Load: run.Load{Users: 1000, SpawnRate: 50, ThinkSeconds: 3}, Source: run.Source{Recording: true, ScrapeSeconds: 5}, State: run.Complete,
		},
		Steady:   &report.Steady{CutSeconds: 15, Throughput: 0.012, Latency: -0.061, Note: "29 min 45 s are scored, after 15 s of warm-up (MSER-5); unsteady: median latency was 6 % lower in the first half than in the second"},
		Findings: sampleFindings(), Improvements: sampleImprovements(),
		Dashboard:  "https://grafana.example/d/plumbline-performance-baseline?var-run=PERF-2026-01-18-001",
		Headline:   "One bound is missed: 89 requests timed out.",
		Reading:    []string{"p99.9 is 2.1 s (should be under 2 s) and one request took 8.3 s.", "Against v1.0.0 throughput is up 127 % and p95 down 52 %."},
		Objectives: sampleObjectives(), Resources: sampleResources(), Requests: sampleRequests(), Comparison: sampleComparison(),
		Checks: []report.Check{
			{ID: "coverage", Title: "Coverage", Verdict: slo.Pass, Detail: "361 of 361 scrapes, no resets, no gaps"},
			{ID: "littles-law", Title: "Little’s law", Verdict: slo.Warn, Detail: "1,000 users with 1–5 s think time and 215 ms give 311 req/s, not 1,023: think time or user count is not what was declared"},
			{ID: "clock", Title: "Clock skew", Verdict: slo.Inconclusive, Detail: "the target exposes no clock"},
		},
		Percentiles: []report.Percentile{{Q: 0.5, Server: 0.187, Client: 0.192}, {Q: 0.95, Server: 0.423, Client: 0.431}, {Q: 0.999, Server: 2.1, Client: 2.12}, {Q: 1, Server: nan, Client: 8.3}},
		Charts:      sampleCharts(),
		Catalogue: []report.CatalogueQuery{
			{ID: "total-rps", Title: "Total requests per second", Unit: "req/s", Why: "It is one rate for each series; the total is their sum.",
				Guide: report.Answer{Query: "rate(http_requests_total[1m])", Series: 72, Low: 0, High: 70.8},
				Form:  report.Answer{Query: "sum(rate(http_requests_total[1805s]))", Series: 1, Low: 1023.4, High: 1023.4}},
			{ID: "max-connections", Title: "Max Connections",
				Guide: report.Answer{Query: "pg_settings_max_connections", Low: nan, High: nan},
				Form:  report.Answer{Low: nan, High: nan, Error: "the names of istio have no label for it"}},
		},
		Queries: []report.Query{
			{Query: `sum(increase(http_requests_total{job="paracle-api"}[5s] anchored))`, At: end, Start: start, Step: 5, Series: 1, Seconds: 0.057},
			{Query: "up{a=\"" + hostile + "\"} ``` ````", At: end, Error: "bad_data: parse error", Warnings: []string{"slow"}, Link: "javascript:alert(1)"},
		},
		Warnings: []string{"The scrape at 12:04:10 took 4.8 s of 5 s."},
		Versions: []report.Pair{{Name: "analyzer", Value: "0.1.0"}, {Name: "Prometheus engine", Value: "v0.316.0"}},
	}
}

func objective(id, group, title, unit string, value, low, high report.Number, must, should string, v slo.Verdict) report.Objective {
	o := report.Objective{ID: id, Group: group, Title: title, Unit: unit, Value: value, Low: low, High: high, Coverage: 1, Must: must, Should: should,
		Judged: must != "" || should != "", Verdict: v, Question: report.Question{Query: `sum(rate(http_requests_total{job="paracle-api"}[1785s])) # ` + id, At: start.Add(1805 * time.Second)}}
	return o
}

func sampleObjectives() []report.Objective {
	all := []report.Objective{
		objective("total-requests", "throughput", "Total requests", "", 1847293, nan, nan, "", "", slo.Pass),
		objective("rps", "throughput", "Requests/second", "req/s", 1023.5, nan, nan, ">= 1000", "", slo.Pass),
		objective("peak-rps", "throughput", "Peak RPS", "req/s", 1456.2, nan, nan, "", "", slo.Pass),
		objective("sustained-rps", "throughput", "Sustained RPS (10 min)", "req/s", 1010.3, 1004.1, 1016.4, ">= 1000", "", slo.Pass),
		objective("latency-p50", "latency", "p50", "s", 0.187, 0.186, 0.188, "< 200ms", "", slo.Pass),
		objective("client-latency-p50", "latency", "p50, client", "s", 0.192, 0.191, 0.193, "< 200ms", "", slo.Pass),
		objective("latency-p95", "latency", "p95", "s", 0.423, 0.419, 0.427, "< 500ms", "", slo.Pass),
		objective("client-latency-p95", "latency", "p95, client", "s", 0.431, 0.427, 0.436, "< 500ms", "", slo.Pass),
		objective("latency-p99", "latency", "p99", "s", 0.892, 0.871, 1.015, "< 1s", "", slo.Pass),
		objective("latency-p999", "latency", "p99.9", "s", 2.1, 1.9, 2.3, "", "< 2s", slo.Warn),
		objective("latency-max", "latency", "Max", "s", 8.3, nan, nan, "", "< 5s", slo.Warn),
		objective("errors-total", "errors", "Total errors", "", 183, nan, nan, "", "", slo.Pass),
		objective("error-rate", "errors", "Error rate", "ratio", 183.0/1847293, 0.000085, 0.000114, "< 0.1%", "", slo.Pass),
		objective("errors-timeout", "errors", "Timeout errors", "", 89, nan, nan, "< 50", "", slo.Fail),
		objective("uptime", "availability", "Uptime", "ratio", 1, nan, nan, "> 99.9%", "", slo.Pass),
		objective("success-rate", "availability", "Success rate", "ratio", 0.999901, 0.99988, 0.99992, "> 99.9%", "", slo.Pass),
		objective("concurrent-users", "users", "Concurrent users", "", nan, nan, nan, ">= 1000", "", slo.Inconclusive),
		objective("queue", "queue", hostile, "", 12, nan, nan, "< 100", "< 80", slo.Pass),
		objective("llm-requests", "llm", "Requests", "", nan, nan, nan, "", "", slo.Pass),
		objective("llm-latency-avg", "llm", "Avg latency", "s", nan, nan, nan, "", "", slo.Pass),
		objective("llm-rate-limited", "llm", "Rate limit hit", "", nan, nan, nan, "", "", slo.Pass),
	}
	byID := map[string]*report.Objective{}
	for i := range all {
		byID[all[i].ID] = &all[i]
	}
	byID["latency-p99"].Marginal = true
	byID["latency-p99"].Reason = "the interval contains the bound"
	byID["latency-p999"].Reason = "2.1 s is not below 2 s"
	byID["latency-max"].Query = `max_over_time(loadgen_response_time_max_seconds{run="PERF-2026-01-18-001"}[1785s])`
	byID["errors-timeout"].Reason = "89 is not below 50"
	byID["errors-timeout"].Link = "http://prometheus.example/graph?g0.expr=up"
	byID["concurrent-users"].Reason = "no data: loadgen_users was not scraped"
	for id, values := range map[string][2]report.Number{"llm-requests": {45230, 38910}, "llm-latency-avg": {2.3, 1.8}, "llm-rate-limited": {0, 3}} {
		for i, provider := range []string{"OpenAI", "Anthropic"} {
			by := objective(id, "llm", byID[id].Title, byID[id].Unit, values[i], nan, nan, "", "", slo.Pass)
			by.Labels = map[string]string{"provider": provider}
			byID[id].By = append(byID[id].By, by)
		}
	}
	return all
}

func sampleResources() []report.Resource {
	row := func(component, name, unit string, average, peak, limit report.Number, must string, v slo.Verdict) report.Resource {
		return report.Resource{ID: component + name, Component: component, Resource: name, Unit: unit, Average: average, Peak: peak, Limit: limit, Must: must,
			Judged: must != "", Verdict: v, Query: name, PeakSeries: `pod="paracle-api-5"`,
			Asked: map[string]report.Question{"average": {Query: "avg(" + name + ")"}, "peak": {Query: "max(" + name + ")"}}}
	}
	return []report.Resource{
		row("API pods", "CPU", "ratio", 0.62, 0.89, 1, "< 90%", slo.Pass),
		row("API pods", "Memory", "bytes", 4.2e9, 6.1e9, 8e9, "< 90%", slo.Pass),
		row("API pods", "Network in", "bytes/s", 45e6, 78e6, 1e9, "", slo.Pass),
		row("Database", "Connections", "", 240, 380, 400, "< 90%", slo.Warn),
		row("Database", "Query latency (p95)", "s", 0.012, 0.028, nan, "", slo.Pass),
		row("Redis", "Ops/sec", "", 15400, 28700, nan, "", slo.Pass),
	}
}

func sampleFindings() []report.Finding {
	return []report.Finding{
		{ID: "llm-latency", Severity: "MEDIUM", Component: "LLM APIs", Resource: "Latency", Page: "https://github.com/plumbline/plumbline/blob/main/docs/probes/dependency.md", Symptom: "p99.9 2.1 s, max 8.3 s", RootCause: "OpenAI p95 2.5 s; 20 calls above 8 s", Impact: "0.1 % of requests",
			Recommendations: []string{"5 s timeout", "circuit breaker"}, Evidence: []report.Evidence{{Text: "p95 of llm_request_duration_seconds", Query: `histogram_quantile(0.95, sum by (le, provider) (rate(llm_request_duration_seconds_bucket[1m])))`, Threshold: "below 2 s", Peak: 2.5, Onset: start.Add(4 * time.Minute), Overlap: 1}}},
		{ID: "hostile", Severity: "LOW", Component: hostile, Symptom: hostile, RootCause: "undetermined", Recommendations: []string{}, Evidence: []report.Evidence{{Text: hostile, Query: hostile, Link: "javascript:alert(1)", Peak: nan, Overlap: nan}}},
	}
}

func sampleImprovements() []report.Improvement {
	return []report.Improvement{
		{Horizon: "quick wins", Action: "Raise the pool from 400 to 600", Estimate: "+50 req/s", Formula: "X_max = (0.8 − U₀)/D", Finding: "db-connections"},
		{Horizon: "long term", Action: hostile, Estimate: "can't be computed: too few levels", Finding: "hostile"},
	}
}

func sampleRequests() []report.Request {
	times := report.Times{P50: 0.192, P95: 0.431, P99: 0.904, P999: 2.12, Max: 8.3, Mean: 0.22}
	return []report.Request{
		{Requests: 1847293, Failures: 183, RequestsPerSecond: 1023.5, ResponseTime: times, ServiceTime: times, Reasons: map[string]int64{"timeout": 89, "status": 94}},
		{Request: "GET /api/v1/agents", Requests: 738917, RequestsPerSecond: 409.4, ResponseTime: times, ServiceTime: times},
		{Request: "POST /api/v1/workflows/run with a name so long that no column of any terminal in the world could hope to hold it", Requests: 147783, Failures: 94, RequestsPerSecond: 81.9, ResponseTime: times, ServiceTime: times},
		{Request: hostile, Requests: 0, RequestsPerSecond: 0, ResponseTime: report.Times{P50: nan, P95: nan, P99: nan, P999: nan, Max: nan, Mean: nan}, ServiceTime: times},
	}
}

func sampleComparison() *report.Comparison {
	delta := func(id, title, unit string, baseline report.Number, target string, actual report.Number, v compare.Verdict, t slo.Verdict) report.Delta {
		c := actual/baseline - 1
		return report.Delta{ID: id, Title: title, Unit: unit, Baseline: baseline, Target: target, Actual: actual, Change: c, Low: c - 0.04, High: c + 0.04, P: 0.0004,
			Worse: "higher", Verdict: v, TargetJudged: true, TargetVerdict: t, Detectable: 0.06}
	}
	deltas := []report.Delta{
		delta("errors-timeout", "Timeout errors", "", 70, "< 50", 89, compare.Regressed, slo.Fail),
		delta("latency-p99", "p99", "s", 0.9, "< 1s", 0.892, compare.Inconclusive, slo.Pass),
		delta("latency-p50", "p50", "s", 0.187, "< 200ms", 0.187, compare.Unchanged, slo.Pass),
		delta("peak-rps", "Peak RPS", "req/s", 680, ">= 1500", 1456.2, compare.Improved, slo.Fail),
		delta("latency-p95", "p95", "s", 0.89, "< 500ms", 0.423, compare.Improved, slo.Pass),
	}
	deltas[1].Reason, deltas[1].RunsNeeded = "the interval spans the tolerance of 5 %", 7
	return &report.Comparison{Baseline: "v1.0.0", BaselineRuns: []string{"PERF-2026-01-17-001", "PERF-2026-01-17-002"}, CandidateRuns: []string{"PERF-2026-01-18-001"},
		Comparable: true, Verdict: compare.Regressed, Deltas: deltas}
}

func sampleCharts() []report.Chart {
	var times []time.Time
	var rps, p50, p95, other []report.Number
	for i := range 122 {
		t := float64(i)
		times = append(times, start.Add(time.Duration(i)*15*time.Second))
		rps = append(rps, report.Number(math.Round(math.Min(1, t/4)*(1015+12*math.Sin(t/3))+430*math.Exp(-(t-66)*(t-66)/6))))
		p50 = append(p50, report.Number(math.Round(187+4*math.Sin(t/5))/1000))
		p95 = append(p95, report.Number(math.Round(423+25*math.Sin(t/7))/1000))
		other = append(other, report.Number(i%7))
	}
	p95[40] = nan
	return []report.Chart{
		{ID: "rps", Title: "Requests per second", Subtitle: "grey: not scored · dashed: target", Section: "throughput", Unit: "req/s", Times: times, Lines: []report.Line{{Name: "req/s", Values: rps}}, Limits: []report.Limit{{Name: "≥ 1,000", Value: 1000}}},
		{ID: "latency", Title: "Latency percentiles", Section: "latency", Unit: "s", Times: times, Lines: []report.Line{{Name: "p50", Values: p50}, {Name: "p95", Values: p95}}, Limits: []report.Limit{{Name: "p95 < 500 ms", Value: 0.5}}},
		{ID: "other", Title: hostile, Section: "elsewhere", Times: times, Lines: []report.Line{{Name: hostile, Values: other}}},
	}
}
