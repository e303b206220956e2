package main

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/config"

	"github.com/plumbline/plumbline/internal/analysis"
	"github.com/plumbline/plumbline/internal/store"
	"github.com/plumbline/plumbline/pkg/promql"
	"github.com/plumbline/plumbline/pkg/promql/querytest"
	"github.com/plumbline/plumbline/pkg/report"
)

// BenchmarkAgainstPrometheus holds a report on the series of a real Prometheus
// against asking it one query for each number of the same report, one after
// another. Goals, as shares of that: time 0.7, the server's CPU 0.4, queries 0.25.
func BenchmarkAgainstPrometheus(b *testing.B) {
	dir := b.TempDir()
	r := bigRun(b, dir, 30*time.Minute, 5_000)
	server := onRecording(b, store.Open(dir).Recording(r.ID))
	a := &analysis.Analyzer{Store: store.Open(dir)}
	opts := analysis.Options{Prometheus: server.URL}
	made, err := a.Report(b.Context(), r.ID, opts)
	if err != nil {
		b.Fatal(err)
	}
	questions := onePerNumber(made)
	client, err := promql.NewClient(server.URL, config.DefaultHTTPClientConfig)
	if err != nil {
		b.Fatal(err)
	}
	var ours, theirs effort
	for b.Loop() {
		theirs.add(during(b, server, func() {
			for _, q := range questions {
				if err := q(b.Context(), client); err != nil {
					b.Fatal(err)
				}
			}
		}))
		ours.add(during(b, server, func() {
			if _, err := a.Report(b.Context(), r.ID, opts); err != nil {
				b.Fatal(err)
			}
		}))
	}
	b.ReportMetric(ours.took.Seconds()/theirs.took.Seconds(), "time-ratio")
	b.ReportMetric(ours.cpu/theirs.cpu, "server-cpu-ratio")
	b.ReportMetric(ours.queries/theirs.queries, "query-ratio")
	b.ReportMetric(ours.queries/float64(b.N), "queries/op")
	b.ReportMetric(theirs.queries/float64(b.N), "naive-queries/op")
	b.ReportMetric(ours.took.Seconds()/float64(b.N), "s/report")
	b.ReportMetric(theirs.took.Seconds()/float64(b.N), "naive-s/op")
}

// A question asks for one number, or for one line of a chart.
type question func(context.Context, *promql.Client) error

// onePerNumber asks for what a report shows as one would by hand.
func onePerNumber(r report.Report) (qs []question) {
	window, steady := r.Run.Window, r.Run.Steady
	number := func(at time.Time, format string, args ...any) {
		expr := fmt.Sprintf(format, args...)
		qs = append(qs, func(ctx context.Context, c *promql.Client) error {
			_, err := c.Query(ctx, expr, at)
			return err
		})
	}
	line := func(expr string) {
		qs = append(qs, func(ctx context.Context, c *promql.Client) error {
			_, err := c.QueryRange(ctx, expr, promql.Range{Start: window.Start, End: window.End, Step: benchScrape})
			return err
		})
	}
	for _, o := range r.Objectives {
		if o.Query == "" { // no data
			continue
		}
		at := window.End
		if o.Group == "latency" {
			at = steady.End
		}
		number(at, "%s", o.Query)
	}
	for _, res := range r.Resources {
		number(steady.End, "avg(avg_over_time((%s)[%s:%s]))", res.Query, steady.Duration(), benchScrape)
		number(steady.End, "max(max_over_time((%s)[%s:%s]))", res.Query, steady.Duration(), benchScrape)
		line(res.Query)
	}
	const server = `http_request_duration_seconds_bucket{job="paracle-api"}`
	client := fmt.Sprintf(`loadgen_response_time_seconds{run=%q}`, r.Run.ID)
	for _, p := range r.Percentiles {
		number(steady.End, "histogram_quantile(%v, sum by (le) (increase(%s[%s])))", p.Q, server, steady.Duration())
		number(steady.End, "histogram_quantile(%v, sum(increase(%s[%s])))", p.Q, client, steady.Duration())
	}
	for _, req := range r.Requests {
		of := fmt.Sprintf(`run=%q`, r.Run.ID)
		if req.Request != "" {
			of += fmt.Sprintf(`,request=%q`, req.Request)
		}
		number(window.End, "sum(increase(loadgen_requests_total{%s}[%s]))", of, window.Duration())
		number(window.End, `sum(increase(loadgen_requests_total{%s,outcome!="success"}[%s]))`, of, window.Duration())
		number(window.End, `max(loadgen_response_time_max_seconds{%s})`, of)
		for _, metric := range []string{"loadgen_response_time_seconds", "loadgen_service_time_seconds"} {
			for _, q := range []float64{.5, .95, .99, .999} {
				number(window.End, "histogram_quantile(%v, sum(increase(%s{%s}[%s])))", q, metric, of, window.Duration())
			}
			number(window.End, "histogram_sum(sum(increase(%[1]s{%[2]s}[%[3]s]))) / histogram_count(sum(increase(%[1]s{%[2]s}[%[3]s])))", metric, of, window.Duration())
		}
	}
	for _, q := range []float64{.5, .95, .99, .999} {
		line(fmt.Sprintf("histogram_quantile(%v, sum by (le) (rate(%s[1m])))", q, server))
		line(fmt.Sprintf("histogram_quantile(%v, sum(rate(%s[1m])))", q, client))
	}
	line(`sum(rate(http_requests_total{job="paracle-api"}[1m]))`)
	line(`sum(rate(http_requests_total{job="paracle-api",status=~"[45].."}[1m]))`)
	for _, q := range r.Catalogue {
		for _, expr := range []string{q.Guide.Query, q.Form.Query} {
			if expr != "" {
				line(expr)
				number(window.End, "avg_over_time((%s)[%s:%s])", expr, window.Duration(), benchScrape)
			}
		}
	}
	return qs
}

// An effort is what answers cost.
type effort struct {
	took         time.Duration
	cpu, queries float64 // of the server: seconds, requests to its API
}

func (e *effort) add(o effort) {
	e.took, e.cpu, e.queries = e.took+o.took, e.cpu+o.cpu, e.queries+o.queries
}

// during is what the server spends while do runs.
func during(b *testing.B, p querytest.Server, do func()) effort {
	b.Helper()
	before := counters(b, p)
	start := time.Now()
	do()
	took := time.Since(start)
	after := counters(b, p)
	return effort{took, after.cpu - before.cpu, after.queries - before.queries}
}

// counters reads the process' CPU time and its own count of requests.
func counters(b *testing.B, p querytest.Server) (e effort) {
	b.Helper()
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.PID))
	if err != nil {
		b.Fatal(err)
	}
	const ticks = 100 // a second, on Linux
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
	for _, f := range fields[11:13] { // user and system time
		v, _ := strconv.ParseFloat(f, 64)
		e.cpu += v / ticks
	}
	res, err := http.Get(p.URL + "/metrics")
	if err != nil {
		b.Fatal(err)
	}
	defer res.Body.Close()
	for lines := bufio.NewScanner(res.Body); lines.Scan(); {
		if line := lines.Text(); strings.HasPrefix(line, `prometheus_http_requests_total{`) && strings.Contains(line, `handler="/api/v1/`) {
			v, _ := strconv.ParseFloat(line[strings.LastIndexByte(line, ' ')+1:], 64)
			e.queries += v
		}
	}
	return e
}
