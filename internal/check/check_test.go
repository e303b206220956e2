package check

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/prometheus/promql/promqltest"

	"github.com/plumbline/plumbline/pkg/promql"
	"github.com/plumbline/plumbline/pkg/promql/embedded"
	"github.com/plumbline/plumbline/pkg/promql/lint"
	"github.com/plumbline/plumbline/pkg/run"
	"github.com/plumbline/plumbline/pkg/strictyaml"
)

// TestPlaces writes one expression in every way that YAML and JSON have, and
// holds the place of a find against where it stands in the text.
func TestPlaces(t *testing.T) {
	rules := func(expr string) string {
		return "groups:\n- name: g\n  rules:\n  - record: r\n    expr: " + expr + "\n"
	}
	board := func(expr string) string {
		return "{\"panels\": [\n\t{\"title\": \"\\u00fc\", \"targets\": [{\"expr\": \"" + expr + "\"}]}\n]}\n"
	}
	for name, text := range map[string]string{
		"plain":                      rules(`1 + BAD_total`),
		"plain over lines":           rules("1\n      +\n\n      BAD_total"),
		"single quotes":              rules(`'sum({a=''x''}) + BAD_total'`),
		"double quotes":              rules(`"sum({a=\"x\\n\\u00e9\"}) + BAD_total"`),
		"double quotes over lines":   rules("\"1 +\n      sum(y{a=\\\"b\\\"}) + \\\n      BAD_total\""),
		"escaped characters":         rules(`"sum({a=\"\u00e9\x41\"}) + BAD_total"`),
		"characters of many bytes":   rules(`'sum({a="ü→"}) + BAD_total'`),
		"literal":                    rules("|\n      1 +\n      BAD_total"),
		"literal, further in":        rules("|-\n      sum(\n          y\n      ) +\n\n          BAD_total"),
		"literal with a comment":     rules("| # why\n      1 + # one\n      BAD_total"),
		"literal after \\r\\n":       strings.ReplaceAll(rules("|\n      1 +\n      BAD_total"), "\n", "\r\n"),
		"folded":                     rules(">\n      1 +\n      2 +\n\n      BAD_total"),
		"folded with an indicator":   rules(">2-\n      1 +\n        BAD_total"),
		"tagged":                     rules("!!str '1 + BAD_total'"),
		"anchored":                   rules("&a |\n      1 + BAD_total"),
		"JSON":                       board(`1 + BAD_total`),
		"JSON with escapes":          board(`sum({a=\"x\"}) +\n\t BAD_total`),
		"JSON with a surrogate pair": board(`sum({a=\"\ud83d\ude00\"}) + BAD_total`),
		"JSON on one line":           `{"dashboard": {"rows": [{"panels": [{"targets": [{"expr":"BAD_total"}]}]}]}}`,
		"a Grafana variable before":  board(`sum(rate(x_total{job=\"$job\"}[$__rate_interval])) + BAD_total`),
	} {
		t.Run(name, func(t *testing.T) {
			finds, err := new(Checker).texts(t.Context(), []string{"f"}, [][]byte{[]byte(text)})
			if err != nil {
				t.Fatal(err)
			}
			finds = slices.DeleteFunc(finds, func(f Find) bool { return f.Rule == "ratio-labels" })
			line, column := strictyaml.LineColumn([]byte(text), strings.Index(text, "BAD_total"))
			if len(finds) != 1 || finds[0].Line != line || finds[0].Column != column || finds[0].Rule != "counter-without-rate" {
				t.Errorf("got %v, want one find at %d:%d of\n%s", finds, line, column, text)
			}
		})
	}
}

func TestAnSLA(t *testing.T) {
	const text = `apiVersion: plumbline/v1
kind: SLA
service: x
vars: {api: 'job="x"', none: ''}
objectives:
  - {id: rps, unit: req/s, rate: {of: 'process_resident_memory_bytes{$api}'}}
  - {id: p95, unit: s, quantile: {q: 0.95, of: 'x_milliseconds{$none,$api}'}, must: "< 500ms"}
  - id: mean
    unit: ms
    mean: {of: 'x_seconds'}
  - {id: q, gauge: {of: 'max by (pod) (queue_length)', reduce: max}}
  - id: broken
    query: |
      sum(
        rate(x_total[$rate])
  - {id: window, query: 'sum(rate(x_total{run="$run"}[$scrape]))'}
  - {id: fine, unit: ratio, ratio: {bad: 'x_total{$api,code=~"5.."}', total: 'x_total{$api}'}, must: "< 1%"}
resources:
  - {id: cpu, component: c, resource: r, used: 'sum(rate(x_seconds_total[$rate])) + x_total', limit: "2"}
`
	finds, err := new(Checker).texts(t.Context(), []string{"sla.yaml"}, [][]byte{[]byte(text)})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, f := range finds {
		got = append(got, f.String())
	}
	want := []string{
		`sla.yaml:6:40: error: process_resident_memory_bytes is a gauge, and rate is for counters (rate-of-gauge)`,
		`sla.yaml:7:49: error: by its names the answer is in ms, and it is read in s: 1000 times too large (unit)`,
		`sla.yaml:9:11: error: objectives[2].unit: want s, ratio, req/s, ops/s, bytes, bytes/s or none, got "ms" (file)`,
		`sla.yaml:10:17: error: by its names the answer is in s, and it is read in ms: 1000 times too small (unit)`,
		`sla.yaml:11:26: error: one series for each pod, where one number is scored (several-series)`,
		`sla.yaml:15:29: error: unclosed left parenthesis (parse)`,
		`sla.yaml:16:35: error: rate over 15s, and a scrape comes every 15s: two samples are needed, so nothing answers (rate-window)`,
		`sla.yaml:19:49: error: one side is aggregated to no labels, the other is not: no series pair, so nothing answers (ratio-labels)`,
		`sla.yaml:19:85: error: x_total is a counter, and its bare value depends on when the process started (counter-without-rate)`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestRules(t *testing.T) {
	const text = `groups:
  - name: g
    rules:
      - alert: A
        expr: rate(x_total{code="500"}[5m]) / rate(x_total[5m]) > 0.1
        four: 5m
      - record: b
        expr: sum(rate(x_total[5m]
      - alert: C
        expr: sum(rate(x_total{code=~"5.."}[5m])) / sum(rate(x_total[5m])) > 0.1
`
	got := findsOf(t, Checker{}, "rules.yaml", text)
	want := []string{
		`rules.yaml:5:15: error: each series of x_total is divided by itself, so the answer is always 1 (or 100 %), or nothing (ratio-labels)`,
		`rules.yaml:6:9: error: groups[0].rules[0].four: unknown key; did you mean for? (file)`,
		`rules.yaml:8:35: error: unclosed left parenthesis (parse)`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// TestFormsOfRules has every mistake in the form of rules, once each.
func TestFormsOfRules(t *testing.T) {
	const text = `groups:
  - rules:
      - expr: up
      - alert: A
        record: b
      - record: c
        for: 5m
        expr: up
        annotations:
      - alert: D
        expr: up
        for: five minutes
        labels: {sev: '{{ nope }}'}
  - name: g
    limt: 5
    rules: [{record: 'a{b}', expr: up}]
  - name: g
    rules: {}
---
groups: []
`
	got := findsOf(t, Checker{}, "rules.yaml", text)
	want := []string{
		`rules.yaml:2:5: error: groups[0]: the group has no name (file)`,
		`rules.yaml:3:9: error: groups[0].rules[0]: one of 'record' or 'alert' must be set (file)`,
		`rules.yaml:4:9: error: groups[0].rules[1].expr: field 'expr' must be set in rule (file)`,
		`rules.yaml:4:16: error: groups[0].rules[1].alert: only one of 'record' and 'alert' must be set (file)`,
		`rules.yaml:7:14: error: groups[0].rules[2].for: invalid field 'for' in recording rule (file)`,
		`rules.yaml:12:14: error: groups[0].rules[3].for: not a valid duration string: "five minutes" (file)`,
		`rules.yaml:13:17: error: groups[0].rules[3].labels: label "sev": template: __alert_D:1: function "nope" not defined (file)`,
		`rules.yaml:15:5: error: groups[1].limt: unknown key; did you mean limit? (file)`,
		`rules.yaml:16:22: error: groups[1].rules[0].record: braces present in the recording rule name; should it be in expr?: a{b} (file)`,
		`rules.yaml:17:11: error: groups[2].name: there is another group g (file)`,
		`rules.yaml:18:12: error: groups[2].rules: want a list, got a map (file)`,
		`rules.yaml:20:1: error: Prometheus reads only the first document of a file (file)`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// TestManifests has several Kubernetes objects in a file.
func TestManifests(t *testing.T) {
	const text = `kind: PrometheusRule
spec:
  groups:
    - name: g
      partial_response_strategy: warn
      rules:
        - record: a
          expr: sum(up)
          fro: 5m
---
kind: Service
---
---
kind: PrometheusRule
spec:
  groups:
    - name: g
      rules: [{record: b, expr: 'rate(process_open_fds[5m])'}]
---
kind: PrometheusRule
---
kind: SLA
`
	got := findsOf(t, Checker{}, "rules.yaml", text)
	want := []string{
		`rules.yaml:9:11: error: groups[0].rules[0].fro: unknown key; did you mean for? (file)`,
		`rules.yaml:11:1: warning: can't tell what this document is, so it is not checked (file)`,
		`rules.yaml:18:39: error: process_open_fds is a gauge, and rate is for counters (rate-of-gauge)`,
		`rules.yaml:20:1: error: it has no spec with groups of rules (file)`,
		`rules.yaml:22:1: error: keep the SLA in a file of its own (file)`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// TestAFileThatIsNoneOfOurs has the others checked all the same.
func TestAFileThatIsNoneOfOurs(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	finds, err := new(Checker).Files(t.Context(), file("other.yaml", "kind: Deployment\n"), filepath.Join(dir, "nowhere.yaml"),
		file("rules.yaml", "groups:\n- name: g\n  rules:\n  - {record: r, expr: x_total}\n"))
	if len(finds) != 1 || finds[0].Rule != "counter-without-rate" {
		t.Errorf("got %v, want the one of rules.yaml", finds)
	}
	for _, want := range []string{"other.yaml: can't tell what it is", "nowhere.yaml: no such file"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want it to say %s", err, want)
		}
	}
}

// TestGapsAreSaidOnce has two objectives whose series come from one target.
func TestGapsAreSaidOnce(t *testing.T) {
	const series = "load 5s\n  up{job=\"x\",instance=\"i\"} _x60 1x60\n  a_total{job=\"x\",instance=\"i\"} _x60 0+1x60\n  b_total{job=\"x\",instance=\"i\"} _x60 0+1x60\n"
	c := Checker{Scrape: 5 * time.Second, Live: &lint.Live{
		Meter:  promql.NewMeter(embedded.New(promqltest.LoadedStorage(t, series)), 5*time.Second),
		Window: run.Window{Start: time.Unix(5, 0), End: time.Unix(600, 0)},
	}}
	got := findsOf(t, c, "sla.yaml", "apiVersion: plumbline/v1\nkind: SLA\nobjectives:\n  - {id: a, count: {of: a_total}}\n  - {id: b, count: {of: b_total}}\n")
	if len(got) != 1 || !strings.HasPrefix(got[0], "sla.yaml:4:25: warning: scrapes cover 50") || !strings.Contains(got[0], "; found by 2 selectors (scrape-gap)") {
		t.Errorf("got %q, want one find of both selectors", got)
	}
}

func findsOf(t *testing.T, c Checker, name, text string) (got []string) {
	t.Helper()
	finds, err := c.texts(t.Context(), []string{name}, [][]byte{[]byte(text)})
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range finds {
		got = append(got, f.String())
	}
	return got
}

func TestADashboardsVariablesAndUnits(t *testing.T) {
	const board = `{"title": "d", "templating": {"list": [{"name": "q", "current": {"value": "0.9"}}, {"name": "win", "current": {"value": "5m"}}]}, "panels": [
{"type": "row", "panels": [{"targets": [{"expr": "%s"}], "fieldConfig": {"defaults": {"unit": "%s"}}}]}]}`
	for _, c := range []struct{ name, expr, unit, want string }{
		{"variables in every place", `histogram_quantile($q, sum by ($by, le) (rate(x_seconds_bucket{job=~\"$job\", $filters, a=\"[[b]]\"}[${win}]))) * ${factor:raw}`, "s", ""},
		{"its own interval", `sum(rate(x_total[$__rate_interval]))`, "reqps", ""},
		{"the interval of the points", `sum(rate(x_total[$__interval]))`, "reqps", "rate-window"},
		{"the range of the page", `sum(increase(x_total[$__range])) / $__range_s`, "", ""},
		{"seconds on an axis in ms", `histogram_quantile(0.5, sum by (le) (rate(x_seconds_bucket[1m])))`, "ms", "unit"},
		{"GiB on an axis in GB", `sum(redis_memory_used_bytes) / 1024^3`, "decgbytes", "unit"},
		{"GiB on its own axis", `sum(redis_memory_used_bytes) / 1024^3`, "gbytes", ""},
	} {
		var rules []string
		finds, err := new(Checker).texts(t.Context(), []string{"d.json"}, [][]byte{fmt.Appendf(nil, board, c.expr, c.unit)})
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range finds {
			rules = append(rules, f.Rule)
		}
		if got := strings.Join(rules, " "); got != c.want {
			t.Errorf("%s: %s: got %q, want %q: %v", c.name, c.expr, got, c.want, finds)
		}
	}
}

func TestWhatIsNoFileOfOurs(t *testing.T) {
	for text, want := range map[string]string{
		"":                  "f:1:1: error: the file is empty (file)",
		"{\"a\": [1,\n 2,}": "f:2:4: error: JSON:",
		"a: [":              "f:1:4: error: this [ is never closed",
		"a: b":              "can't tell what it is; there are SLA, scenario,",
		"a: b\n---\nc: d":   "can't tell what it is",
		"- 1":               "can't tell what it is",
		"kind: SLA\n":       "f:1:1: error: apiVersion: is missing; write apiVersion: plumbline/v1",
	} {
		finds, err := new(Checker).texts(t.Context(), []string{"f"}, [][]byte{[]byte(text)})
		got := fmt.Sprint(err)
		if len(finds) > 0 {
			got = finds[0].String()
		}
		if !strings.Contains(got, want) {
			t.Errorf("%q: got %s, want %s", text, got, want)
		}
	}
}

// TestTheExamplesAreClean checks every file that the project shows.
func TestTheExamplesAreClean(t *testing.T) {
	var files []string
	for _, pattern := range []string{"*.yaml", "scenarios/*.yaml", "demo/*.yaml", "results/baselines/*.yaml"} {
		more, err := filepath.Glob(filepath.Join("../../examples/paracle", pattern))
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, more...)
	}
	if len(files) < 4 {
		t.Fatalf("got %d example files", len(files))
	}
	t.Setenv("TEST_PASSWORD", "x")
	finds, err := new(Checker).Files(t.Context(), files...)
	if err != nil {
		t.Error(err)
	}
	for _, f := range finds {
		if f.Severity > lint.Info {
			t.Error(f)
		}
	}
}

func TestAgainstAServer(t *testing.T) {
	const series = `load 5s
  up{job="x",instance="i"} 1x120
  http_requests_total{job="x",instance="i",code="200"} 0+10x120
  http_request_duration_seconds{job="x",instance="i"} {{schema:0 count:0 sum:0}}+{{schema:0 count:3 sum:5 buckets:[1 2]}}x120
`
	c := Checker{Scrape: 5 * time.Second, Live: &lint.Live{
		Meter:  promql.NewMeter(embedded.New(promqltest.LoadedStorage(t, series)), 5*time.Second),
		Window: run.Window{Start: time.Unix(5, 0), End: time.Unix(600, 0)},
	}}
	got := findsOf(t, c, "sla.yaml", `apiVersion: plumbline/v1
kind: SLA
objectives:
  - {id: a, unit: ratio, ratio: {bad: 'http_requests_total{status=~"5.."}', total: 'http_requests_total{}'}}
  - {id: b, unit: s, quantile: {q: 0.5, of: 'http_request_duration_seconds{run="$run"}'}}
  - {id: c, by: endpoint, count: {of: 'http_requests_total'}}
  - {id: d, count: {of: 'http_request_total'}}
`)
	want := []string{
		`sla.yaml:4:40: error: no series of http_requests_total has the label status; there is code (missing-label)`,
		`sla.yaml:6:40: error: no series to group has the label endpoint; there are code, instance, job (missing-label)`,
		`sla.yaml:7:26: error: there is no http_request_total; did you mean http_requests_total? (missing-metric)`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// TestRecordedMetricsAreExpected lets one file use what another will record.
func TestRecordedMetricsAreExpected(t *testing.T) {
	c := Checker{Live: &lint.Live{
		Meter:  promql.NewMeter(embedded.New(promqltest.LoadedStorage(t, "load 5s\n  x_total 0+1x120\n")), 5*time.Second),
		Window: run.Window{Start: time.Unix(5, 0), End: time.Unix(600, 0)},
	}}
	const board = `{"panels": [{"targets": [{"expr": "job:x:rate1m"}, {"expr": "job:y:rate1m"}]}]}`
	const rules = "groups:\n- name: g\n  rules:\n  - record: job:x:rate1m\n    expr: sum(rate(x_total[1m]))\n"
	finds, err := c.texts(t.Context(), []string{"d.json", "r.yaml"}, [][]byte{[]byte(board), []byte(rules)})
	if err != nil || len(finds) != 1 || !strings.Contains(finds[0].Text, "there is no job:y:rate1m") {
		t.Errorf("got %v, %v, want job:y:rate1m alone to be missing", finds, err)
	}
}

// TestTheGuidesDashboard checks the guide's own dashboard, where it is at hand.
func TestTheGuidesDashboard(t *testing.T) {
	const guide = "../../../shared/seed/performance-baseline-guide.md"
	text, err := os.ReadFile(guide)
	if err != nil {
		t.Skipf("the guide is not at hand (%s)", guide)
	}
	_, rest, _ := strings.Cut(string(text), "**`dashboards/performance-baseline.json`**")
	_, rest, _ = strings.Cut(rest, "```json\n")
	board, _, _ := strings.Cut(rest, "```")
	var got []string
	finds, err := new(Checker).texts(t.Context(), []string{"d.json"}, [][]byte{[]byte(board)})
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range finds {
		got = append(got, f.Rule)
	}
	want := []string{
		"unit", "quantile-unaggregated", "unit", "quantile-unaggregated", "unit", "quantile-unaggregated", // seconds on an axis in ms
		"ratio-labels", "vanishing-numerator", "share-of-one-core", "cadvisor-twice", "unit", "cadvisor-twice", "misread-metric",
		"misread-metric", "misread-metric", "unit", "quantile-unaggregated",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestAliases(t *testing.T) {
	got := findsOf(t, Checker{}, "r.yaml", "groups:\n- name: g\n  rules:\n  - {record: a, expr: &e 'sum(x_total)'}\n  - {record: b, expr: *e}\n")
	want := []string{"r.yaml:4:31: error: x_total is a counter, and its bare value depends on when the process started (counter-without-rate)"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	findsOf(t, Checker{}, "d.yaml", "panels: &p\n- panels: *p\n  targets: [{expr: up}]\n") // holds itself
}

func FuzzText(f *testing.F) {
	seeds, err := filepath.Glob("../../examples/paracle/*/*.yaml")
	if err != nil {
		f.Fatal(err)
	}
	for _, s := range seeds {
		text, err := os.ReadFile(s)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(text))
	}
	f.Add("groups:\n- rules:\n  - {alert: a, expr: \"\\u00e9\\\n  x_total\"}")
	f.Add(`{"panels": [{"targets": [{"expr": "\ud83dx_total[[v]]"}], "panels": [{}]}]}`)
	f.Fuzz(func(t *testing.T, text string) {
		finds, _ := new(Checker).texts(t.Context(), []string{"f"}, [][]byte{[]byte(text)}) //nolint:errcheck // only a panic, or a find nowhere, is a mistake
		for _, find := range finds {
			if find.Line < 1 || find.Column < 1 {
				t.Errorf("%q: got a find at %d:%d: %s", text, find.Line, find.Column, find.Text)
			}
		}
	})
}
