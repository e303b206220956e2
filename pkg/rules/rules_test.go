package rules_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/plumbline/plumbline/pkg/promql/lint"
	"github.com/plumbline/plumbline/pkg/rules"
	"github.com/plumbline/plumbline/pkg/slo"
)

// shop has an objective of every form.
const shop = `
apiVersion: plumbline/v1
kind: SLA
service: shop
vars: {api: 'app="shop"'}
objectives:
  - {id: rps, title: Requests a second, group: throughput, unit: req/s, rate: {of: 'http_requests_total{$api}'}, when: {scenario: [mixed, buy]}, must: ">= 100", worse: lower}
  - {id: sustained, group: throughput, unit: req/s, rate: {of: 'http_requests_total{$api}', over: 10m, reduce: min}, should: "100..200", worse: lower}
  - {id: orders-lost, group: errors, count: {of: 'orders_lost_total{$api}'}, must: "== 0"}
  - {id: latency-p95, title: p95, group: latency, unit: s, quantile: {q: 0.95, of: 'http_request_duration_seconds{$api,route=~"/api/v[12]/.*"}'}, must: "< 500ms", should: "< 300ms"}
  - {id: latency-avg, group: latency, unit: s, by: route, mean: {of: 'http_request_duration_seconds{$api}'}, must: "<= 200ms"}
  - {id: p99-vs-baseline, group: latency, unit: s, quantile: {q: 0.99, of: http_request_duration_seconds}, must: "<= baseline * 1.1"}
  - {id: error-rate, title: Errors, group: errors, unit: ratio, ratio: {bad: 'http_requests_total{$api,status=~"5.."}', total: 'http_requests_total{$api}'}, when: {scenario: mixed}, must: "< 1%"}
  - {id: client-errors, group: errors, unit: ratio, ratio: {bad: 'loadgen_requests_total{run="$run",outcome!="success"}', total: 'loadgen_requests_total{run="$run"}'}, must: "< 1%"}
  - {id: success, group: availability, unit: ratio, ratio: {good: 'loadgen_requests_total{run="$run",outcome="success"}', total: 'loadgen_requests_total{run="$run"}'}, must: "> 90%"}
  - {id: uptime, group: availability, unit: ratio, ratio: {good: 'loadgen_requests_total{run="$run",outcome="success"}', total: 'loadgen_requests_total{run="$run"}', per: interval}, must: "> 99%"}
  - {id: queue, group: other, gauge: {of: 'sum(queue_length{$api})', reduce: max}, must: "< 100", should: "< 80"}
  - {id: users, group: users, gauge: {of: 'max(loadgen_users{run="$run"})', reduce: max}, must: ">= 50", worse: lower}
  - {id: disk, group: other, unit: ratio, query: 'sum(disk_used_bytes) / sum(disk_size_bytes)', should: "< 80%"}
resources:
  - {id: api-cpu, component: Pods, resource: CPU, unit: ratio, used: 'sum by (pod) (rate(container_cpu_usage_seconds_total{container!=""}[$rate]))', limit: "4", peak: {must: "< 90%", should: "< 80%"}, average: {should: "< 75%"}}
  - {id: answers, component: Database, resource: Query time, unit: s, used: 'max(query_seconds)', peak: {must: "< 100ms"}}
`

func makeShop(t *testing.T) rules.Set {
	t.Helper()
	a, err := slo.Parse("sla.yaml", []byte(shop))
	if err != nil {
		t.Fatal(err)
	}
	set, err := rules.Make(a, rules.Options{Runbooks: "https://wiki.example/alerts"})
	if err != nil {
		t.Fatal(err)
	}
	return set
}

func byName(groups []rules.Group) map[string]rules.Rule {
	all := map[string]rules.Rule{}
	for _, g := range groups {
		for _, r := range g.Rules {
			all[r.Record+r.Alert] = r
		}
	}
	return all
}

func TestIndicatorsAreRecorded(t *testing.T) {
	got := byName(makeShop(t).Indicators)
	for name, want := range map[string]string{
		"plumbline:rps:rate5m":                 `sum(rate(http_requests_total{app="shop"}[5m]))`,
		"plumbline:sustained:rate10m":          `sum(rate(http_requests_total{app="shop"}[10m]))`,
		"plumbline:orders_lost:increase1h":     `sum(increase(orders_lost_total{app="shop"}[1h]))`,
		"plumbline:client_errors:ratio_rate5m": `(sum by (run) (rate(loadgen_requests_total{outcome!="success"}[5m])) or 0 * sum by (run) (rate(loadgen_requests_total[5m]))) / sum by (run) (rate(loadgen_requests_total[5m]))`,
		"plumbline:users:max":                  `max by (run) (loadgen_users)`,
		"plumbline:disk:value":                 `sum(disk_used_bytes) / sum(disk_size_bytes)`,
		"plumbline:api_cpu:share":              `(sum by (pod) (rate(container_cpu_usage_seconds_total{container!=""}[5m]))) / scalar(vector(4))`,
		"plumbline:answers:used":               `max(query_seconds)`,
		"plumbline:p99_vs_baseline:rate5m":     `histogram_quantile(0.99, sum(rate(http_request_duration_seconds[5m]))) or histogram_quantile(0.99, sum by (le) (rate(http_request_duration_seconds_bucket[5m])))`,
	} {
		if got[name].Expr != want {
			t.Errorf("%s: got %s, want %s", name, got[name].Expr, want)
		}
	}
	if _, there := got["plumbline:answers:share"]; there {
		t.Error("got a share of a resource that has no limit")
	}
}

func TestAlerts(t *testing.T) {
	set := makeShop(t)
	got := byName(set.Alerts)
	for _, c := range []struct{ name, expr, severity, summary string }{
		{"LatencyP95", `plumbline:latency_p95:rate5m{service="shop"} >= 0.5`, "critical", `p95 of shop is {{ printf "%.4g" $value }} s; it must be < 500ms`},
		{"LatencyP95Warning", `plumbline:latency_p95:rate5m{service="shop"} >= 0.3`, "warning", `p95 of shop is {{ printf "%.4g" $value }} s; it should be < 300ms`},
		{"Rps", `plumbline:rps:rate5m{service="shop"} < 100 unless on () (sum(rate(loadgen_requests_total{scenario!~"mixed|buy"}[5m])) > 0) and on () (sum(rate(loadgen_requests_total{scenario=~"mixed|buy"}[5m])) > 0)`,
			"critical", `Requests a second of shop is {{ printf "%.4g" $value }} req/s; it must be >= 100`},
		{"SustainedWarning", `plumbline:sustained:rate10m{service="shop"} < 100 and on () (sum(rate(loadgen_requests_total[5m])) > 0)`, "warning", `sustained of shop is {{ printf "%.4g" $value }} req/s; it should be 100..200`},
		{"OrdersLost", `plumbline:orders_lost:increase1h{service="shop"} != 0`, "critical", `orders-lost of shop is {{ printf "%.4g" $value }}; it must be == 0`},
		{"Success", `plumbline:success:ratio_rate5m{service="shop"} <= 0.9`, "critical", `success of shop in run {{ $labels.run }} is {{ $value | humanizePercentage }}; it must be > 90%`},
		{"LatencyAvg", `plumbline:latency_avg:rate5m{service="shop"} > 0.2`, "critical", `latency-avg of shop for {{ $labels.route }} is {{ printf "%.4g" $value }} s; it must be <= 200ms`},
		{"ApiCpuAverageWarning", `avg by (service, resource) (avg_over_time(plumbline:api_cpu:share{service="shop"}[30m])) >= 0.75`, "warning", `Pods CPU of shop is on average {{ $value | humanizePercentage }}; it should be < 75% of its limit`},
		{"Answers", `plumbline:answers:used{service="shop"} >= 0.1`, "critical", `Database Query time of shop is {{ printf "%.4g" $value }} s; it must be < 100ms`},
	} {
		r := got[c.name]
		if r.Expr != c.expr || r.Labels["severity"] != c.severity || r.Annotations["summary"] != c.summary || r.For == "" {
			t.Errorf("%s: got %+v, want %+v", c.name, r, c)
		}
	}
	if url := got["LatencyP95"].Annotations["runbook_url"]; url != "https://wiki.example/alerts#latency-p95" {
		t.Errorf("got runbook %s, want the id in the wiki", url)
	}
	want := []rules.Left{{ID: "p99-vs-baseline", Bound: "<= baseline * 1.1", Why: "it is relative to a baseline, which a run has and rules don't"}}
	if diff := cmp.Diff(want, set.Left); diff != "" {
		t.Errorf("bounds without an alert (-want +got):\n%s", diff)
	}
	if len(got) != 18 {
		t.Errorf("got %d alerts, want 18", len(got))
	}
}

func TestBurnRates(t *testing.T) {
	got := byName(makeShop(t).BurnRates)
	for name, want := range map[string]string{
		"plumbline:error_rate:failed_ratio_rate1d": `(sum(rate(http_requests_total{app="shop",status=~"5.."}[1d])) or 0 * sum(rate(http_requests_total{app="shop"}[1d]))) / sum(rate(http_requests_total{app="shop"}[1d]))`,
		"plumbline:uptime:failed_ratio_rate1h":     `1 - avg_over_time(plumbline:uptime:good_minute{service="shop"}[1h])`,
		"ErrorRateBurn1h":                          `plumbline:error_rate:failed_ratio_rate1h{service="shop"} > 0.144 and plumbline:error_rate:failed_ratio_rate5m{service="shop"} > 0.144 unless on () (sum(rate(loadgen_requests_total{scenario!~"mixed"}[5m])) > 0)`,
		"UptimeBurn3d":                             `plumbline:uptime:failed_ratio_rate3d{service="shop"} > 0.01 and plumbline:uptime:failed_ratio_rate6h{service="shop"} > 0.01`,
	} {
		if got[name].Expr != want {
			t.Errorf("%s: got %s, want %s", name, got[name].Expr, want)
		}
	}
	if _, there := got["SuccessBurn1h"]; there {
		t.Error("got an alert on 144 % failures, which can't be")
	}
	if _, there := got["SuccessBurn6h"]; !there {
		t.Error("got no alert on 60 % failures")
	}
}

func TestExpressionsAreLinted(t *testing.T) {
	set := makeShop(t)
	for _, groups := range [][]rules.Group{set.Indicators, set.Alerts, set.BurnRates} {
		for name, r := range byName(groups) {
			for _, f := range lint.Check(lint.Query{Expr: r.Expr, Scrape: 15 * time.Second}) {
				if f.Severity > lint.Info {
					t.Errorf("%s: %s: %s (%s): %s", name, f.Severity, f.Text, f.Rule, r.Expr)
				}
			}
		}
	}
}

// write writes the shop's rules into a folder.
func write(t *testing.T) string {
	t.Helper()
	files, err := makeShop(t).Files()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for _, f := range files {
		path := filepath.Join(dir, f.Name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, f.Text, 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// promtool is Prometheus' own tool.
func promtool(t *testing.T, args ...string) (string, error) {
	t.Helper()
	path, err := exec.LookPath("promtool")
	if err != nil {
		if os.Getenv("PLUMBLINE_REQUIRE_SERVERS") != "" {
			t.Fatal(err)
		}
		t.Skip("promtool is not installed")
	}
	out, err := exec.CommandContext(t.Context(), path, args...).CombinedOutput()
	return string(out), err
}

func TestWithPromtool(t *testing.T) {
	dir := write(t)
	for _, c := range []struct{ verb, file string }{
		{"check", "indicators.yaml"}, {"check", "alerts.yaml"}, {"check", "burn-rates.yaml"},
		{"test", "tests/alerts.yaml"}, {"test", "tests/resources.yaml"}, {"test", "tests/burn-rates.yaml"},
	} {
		if out, err := promtool(t, c.verb, "rules", filepath.Join(dir, c.file)); err != nil {
			t.Errorf("promtool %s rules %s: %v\n%s", c.verb, c.file, err, out)
		}
	}
}

var comparison = regexp.MustCompile(`([})] [<>=!]+ )([\d.]+)`)

// TestTheTestsNotice moves every bound by a tenth, up and down: one of the two
// must make the tests of its alert fail.
func TestTheTestsNotice(t *testing.T) {
	silent := map[string]int{}
	for _, factor := range []float64{.9, 1.1} {
		dir := write(t)
		for _, name := range []string{"alerts.yaml", "burn-rates.yaml"} {
			path := filepath.Join(dir, name)
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			moved := comparison.ReplaceAllStringFunc(string(text), func(m string) string {
				part := comparison.FindStringSubmatch(m)
				v, err := strconv.ParseFloat(part[2], 64)
				if err != nil {
					t.Fatal(err)
				}
				if v == 0 {
					return part[1] + "0.5"
				}
				return part[1] + strconv.FormatFloat(v*factor, 'f', -1, 64)
			})
			if err := os.WriteFile(path, []byte(moved), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		var out string
		for _, name := range []string{"alerts", "resources", "burn-rates"} {
			said, err := promtool(t, "test", "rules", filepath.Join(dir, "tests", name+".yaml"))
			if err == nil {
				t.Errorf("bounds moved by %v: tests/%s.yaml still pass", factor, name)
			}
			out += said
		}
		set := makeShop(t)
		for _, groups := range [][]rules.Group{set.Alerts, set.BurnRates} {
			for name, r := range byName(groups) {
				if r.Alert != "" && !strings.Contains(out, "alertname: "+name+",") {
					silent[name]++
				}
			}
		}
	}
	for name, n := range silent {
		exact := strings.HasPrefix(name, "UptimeBurn") || name == "Uptime" // all or none of its intervals are good
		if n == 2 && !exact {
			t.Errorf("%s: its bound can be moved by a tenth either way, and no test notices", name)
		}
	}
}

func TestDocument(t *testing.T) {
	text := makeShop(t).Document()
	for _, want := range []string{
		"\n## latency-p95\n", "| `LatencyP95` | critical | 5m | `plumbline:latency_p95:rate5m` >= 0.5 s (it must be < 500ms) |",
		"| `ErrorRateBurn1h` | critical | 2m | over 1h and over 5m more than 14.4% failed: 14.4 times what the budget allows |",
		"Holds for scenario mixed, buy.", "- `p99-vs-baseline` (<= baseline * 1.1): it is relative",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("got no %q in the document", want)
		}
	}
}
