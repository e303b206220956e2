package catalog

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"math"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/prometheus/promql/promqltest"

	"github.com/plumbline/plumbline/pkg/promql"
	"github.com/plumbline/plumbline/pkg/promql/embedded"
	"github.com/plumbline/plumbline/pkg/run"
)

var update = flag.Bool("update", false, "rewrite docs/queries.md")

// guideFile lies beside the repository where the guide is at hand.
const guideFile = "../../../../shared/seed/performance-baseline-guide.md"

// TestEveryQueryOfTheGuideIsHereVerbatim reads the guide's own code blocks and dashboard.
func TestEveryQueryOfTheGuideIsHereVerbatim(t *testing.T) {
	text, err := os.ReadFile(guideFile)
	if os.IsNotExist(err) {
		t.Skipf("the guide is not at hand (%s): nothing to hold the catalogue against", guideFile)
	} else if err != nil {
		t.Fatal(err)
	}
	blocks, dashboard := guideQueries(t, string(text))
	if len(blocks) != 18 || len(dashboard) != 13 {
		t.Errorf("got %d queries in blocks and %d in the dashboard, want 18 and 13", len(blocks), len(dashboard))
	}
	known := map[string]bool{}
	for _, q := range Queries {
		known[q.Guide] = true
	}
	for _, q := range slices.Concat(blocks, dashboard) {
		if !known[q] {
			t.Errorf("%s is in the guide, and not in the catalogue", q)
		}
	}
	for _, q := range Queries {
		if !slices.Contains(blocks, q.Guide) && !slices.Contains(dashboard, q.Guide) {
			t.Errorf("%s: %s is not in the guide", q.ID, q.Guide)
		}
	}
	if len(Queries) != len(blocks)+1 {
		t.Errorf("got %d queries, want those of the blocks and the one more of the dashboard", len(Queries))
	}
}

func guideQueries(t *testing.T, text string) (blocks, dashboard []string) {
	t.Helper()
	_, section, _ := strings.Cut(text, "### Prometheus Queries")
	section, rest, _ := strings.Cut(section, "## Grafana Dashboards")
	for _, block := range regexp.MustCompile("(?s)```promql\n(.*?)```").FindAllStringSubmatch(section, -1) {
		for line := range strings.Lines(block[1]) {
			if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
				blocks = append(blocks, line)
			}
		}
	}
	var board struct {
		Dashboard struct {
			Panels []struct{ Targets []struct{ Expr string } }
		}
	}
	if err := json.Unmarshal([]byte(regexp.MustCompile("(?s)```json\n(.*?)```").FindStringSubmatch(rest)[1]), &board); err != nil {
		t.Fatal(err)
	}
	for _, p := range board.Dashboard.Panels {
		for _, target := range p.Targets {
			dashboard = append(dashboard, target.Expr)
		}
	}
	return blocks, dashboard
}

func TestQueriesAreComplete(t *testing.T) {
	seen := map[string]bool{}
	for _, q := range Queries {
		if seen[q.ID] || q.ID == "" || q.Title == "" || q.Group == "" {
			t.Errorf("%+v: want an id of its own, a title and a group", q)
		}
		seen[q.ID] = true
		for _, p := range Presets {
			form := q.Form(p)
			if form == "" && p.Route != "" {
				t.Errorf("%s has no form for %s", q.ID, p.Name)
			}
			vars := map[string]string{"api": "", "pods": "", "llm": "", "rate": "1m"}
			if _, err := promql.NewParser().ParseExpr(promql.Expand(form, vars)); form != "" && err != nil {
				t.Errorf("%s for %s: %s: %v", q.ID, p.Name, form, err)
			}
		}
		if same := promql.Expand(q.Form(Presets[0]), map[string]string{"api": "", "pods": "", "llm": "", "rate": "1m"}) == q.Guide; same != (q.Why == "") {
			t.Errorf("%s: the forms are the same: %v, and why they differ is %q", q.ID, same, q.Why)
		}
	}
}

func TestPresetsNameTheirOwnSeries(t *testing.T) {
	istio, _ := Named("istio")
	micrometer, _ := Named("micrometer")
	k6, _ := Named("k6")
	form := func(id string, p Preset) string {
		i := slices.IndexFunc(Queries, func(q Query) bool { return q.ID == id })
		return Queries[i].Form(p)
	}
	for got, want := range map[string]string{
		form("latency-p95", istio):                  `histogram_quantile(0.95, sum by (le) (rate(istio_request_duration_milliseconds_bucket{$api,reporter="destination"}[$rate]))) / 1000`,
		form("requests-5xx", istio):                 `sum(rate(istio_requests_total{$api,reporter="destination",response_code=~"5.."}[$rate]))`,
		form("requests-by-endpoint", istio):         ``,
		form("latency-avg-by-endpoint", micrometer): `sum by (uri) (rate(http_server_requests_seconds_sum{$api}[$rate])) / sum by (uri) (rate(http_server_requests_seconds_count{$api}[$rate]))`,
		form("latency-p99", k6):                     `histogram_quantile(0.99, sum(rate(k6_http_req_duration_seconds{$api}[$rate])))`,
	} {
		if got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func TestRecognise(t *testing.T) {
	for _, c := range []struct {
		name    string
		metrics []string
		want    []string
	}{
		{"the guide's", []string{"http_requests_total", "http_request_duration_seconds_bucket"}, []string{"paracle []"}},
		{"the guide's, native", []string{"http_requests_total", "http_request_duration_seconds"}, []string{"paracle []"}},
		{"a counter alone comes after a complete one", []string{"http_requests_total", "istio_requests_total", "istio_request_duration_milliseconds_bucket"},
			[]string{"istio []", "paracle [http_request_duration_seconds_bucket]"}},
		{"Micrometer without a histogram", []string{"http_server_requests_seconds_count"}, []string{"micrometer [http_server_requests_seconds_bucket]"}},
		{"nothing known", []string{"up"}, nil},
	} {
		var got []string
		for _, m := range Recognise(func(metric string) bool { return slices.Contains(c.metrics, metric) }) {
			got = append(got, fmt.Sprint(m.Name, " ", m.Missing))
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s: (-want +got)\n%s", c.name, diff)
		}
	}
	native := Recognise(func(metric string) bool {
		return metric == "http_requests_total" || metric == "http_request_duration_seconds"
	})
	if native[0].Form != promql.Native {
		t.Error("a histogram that is there in its native form only: got the classic form")
	}
}

// recording holds two pods with 2 and 3 req/s for ten minutes: 1 in 10 of the
// second's fails with 500, 1 in 10 with 404; a second pod's p95 is far above the first's.
const recording = `load 5s
  http_requests_total{job="api",pod="a",status="200",endpoint="/x"} 0+10x120
  http_requests_total{job="api",pod="b",status="200",endpoint="/x"} 0+12x120
  http_requests_total{job="api",pod="b",status="500",endpoint="/x"} 0+1.5x120
  http_requests_total{job="api",pod="b",status="404",endpoint="/x"} 0+1.5x120
  http_requests_total{job="other",pod="c",status="200",endpoint="/x"} 0+100x120
  http_request_duration_seconds_bucket{job="api",pod="a",endpoint="/x",le="0.1"} 0+10x120
  http_request_duration_seconds_bucket{job="api",pod="a",endpoint="/x",le="1"} 0+10x120
  http_request_duration_seconds_bucket{job="api",pod="a",endpoint="/x",le="+Inf"} 0+10x120
  http_request_duration_seconds_bucket{job="api",pod="b",endpoint="/x",le="0.1"} 0+5x120
  http_request_duration_seconds_bucket{job="api",pod="b",endpoint="/x",le="1"} 0+15x120
  http_request_duration_seconds_bucket{job="api",pod="b",endpoint="/x",le="+Inf"} 0+15x120
  http_request_duration_seconds_sum{job="api",pod="a",endpoint="/x"} 0+0.5x120
  http_request_duration_seconds_sum{job="api",pod="b",endpoint="/x"} 0+4.5x120
  http_request_duration_seconds_count{job="api",pod="a",endpoint="/x"} 0+10x120
  http_request_duration_seconds_count{job="api",pod="b",endpoint="/x"} 0+15x120
  pg_stat_activity_count{datname="d",state="active"} 7x120
  pg_stat_activity_count{datname="d",state="idle"} 33x120
  redis_memory_used_bytes{instance="r0"} 0+1000x120
`

// tenMinutes are all of the recording.
var tenMinutes = Scope{Whole: run.Window{Start: time.Unix(0, 0), End: time.Unix(600, 0)}}

// Forms are answered from increments where raw samples are at hand, else by PromQL.
func TestEvaluate(t *testing.T) {
	db := embedded.New(promqltest.LoadedStorage(t, recording))
	t.Run("from increments", func(t *testing.T) { testEvaluate(t, db) })
	t.Run("by PromQL", func(t *testing.T) { testEvaluate(t, struct{ promql.Querier }{db}) })
}

func testEvaluate(t *testing.T, q promql.Querier) {
	s := tenMinutes
	s.Vars, s.Step = map[string]string{"api": `job="api"`}, 15*time.Second
	results, err := Evaluate(t.Context(), promql.NewMeter(q, 5*time.Second), s, Queries...)
	if err != nil {
		t.Fatal(err)
	}
	for id, want := range map[string]float64{
		"requests":                5,
		"requests-5xx":            0.3,
		"errors-per-second":       0.6,
		"error-percentage":        0.12,
		"latency-p50":             0.1 * 12.5 / 15, // of 25 requests 15 take up to 0.1 s
		"latency-p95":             0.1 + 0.9*(23.75-15)/10,
		"latency-avg-by-endpoint": 0.2,
		"db-connections":          40,
		"redis-memory":            60_000,
	} {
		r := results[slices.IndexFunc(results, func(r Result) bool { return r.Query.ID == id })]
		got, one := r.Form.One()
		if !one || math.Abs(got-want) > 0.01*want {
			t.Errorf("%s: %s: got %v of %d series (%v), want %v", id, r.Form.Expr, got, len(r.Form.Values), r.Form.Err, want)
		}
		if len(r.Form.Series) != 1 || len(r.Form.Series[0].Points) < 30 {
			t.Errorf("%s: got no chart of some 40 points", id)
		}
	}
	guide := func(id string) Answer {
		return results[slices.IndexFunc(results, func(r Result) bool { return r.Query.ID == id })].Guide
	}
	if got := guide("error-percentage").Values; len(got) != 1 || math.Abs(got[0].Value-100) > 1e-9 {
		t.Errorf("the guide's error percentage: got %v, want 100, as it always is", got)
	}
	if got := guide("requests").Values; len(got) != 5 {
		t.Errorf("the guide's total: got %d values, want one for each of 5 series", len(got))
	}
	for _, v := range guide("latency-p95").Values {
		if math.Abs(v.Value-(0.1+0.9*(23.75-15)/10)) < 0.01 {
			t.Errorf("the guide's p95: got %v, which is the service's", v.Value)
		}
	}
	if r := results[slices.IndexFunc(results, func(r Result) bool { return r.Query.ID == "cpu" })]; len(r.Form.Values) != 0 || r.Form.Err != nil {
		t.Errorf("no series of cAdvisor: got %+v, want no values and no error", r.Form)
	}
}

// TestQuantilesAreThoseOfTheServer holds what is found here against the engine.
func TestQuantilesAreThoseOfTheServer(t *testing.T) {
	const series = recording + `  native_seconds{a="x"} {{schema:0 count:0 sum:0}}+{{schema:0 count:3 sum:5 buckets:[1 2]}}x120` + "\n"
	q := embedded.New(promqltest.LoadedStorage(t, series))
	at := time.Unix(600, 0)
	for _, expr := range []string{
		`histogram_quantile(0.95, sum by (le) (rate(http_request_duration_seconds_bucket[5m])))`,
		`histogram_quantile(0.5, sum by (pod, le) (rate(http_request_duration_seconds_bucket[5m])))`,
		`histogram_quantile(0.5, sum(rate(native_seconds[5m])))`,
	} {
		want, err := q.Query(t.Context(), expr, at)
		if err != nil {
			t.Fatal(err)
		}
		got, err := asked(t.Context(), expr, func(ctx context.Context, expr string) (promql.Result, error) { return q.Query(ctx, expr, at) })
		if err != nil || fmt.Sprint(got.Series) != fmt.Sprint(want.Series) || len(want.Series) == 0 {
			t.Errorf("%s: got %v, %v, want %v", expr, got.Series, err, want.Series)
		}
	}
}

// Quantiles of the guide that are found together are those that its texts give.
func TestGuideQuantilesAreThoseOfTheTexts(t *testing.T) {
	q := embedded.New(promqltest.LoadedStorage(t, recording))
	results, err := Evaluate(t.Context(), promql.NewMeter(q, 5*time.Second), tenMinutes, Queries...)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range results[4:7] {
		want, err := q.QueryRange(t.Context(), r.Query.Guide, promql.Range{Start: tenMinutes.Whole.Start, End: tenMinutes.Whole.End, Step: 20 * time.Second})
		if err != nil || fmt.Sprint(r.Guide.Series) != fmt.Sprint(want.Series) || len(want.Series) != 2 {
			t.Errorf("%s: got %v, %v, want %v", r.Query.Guide, r.Guide.Series, r.Guide.Err, want.Series)
		}
	}
}

func TestSharedQuestionsAreAskedOnce(t *testing.T) {
	db := embedded.New(promqltest.LoadedStorage(t, recording))
	for _, c := range []struct {
		name    string
		q       promql.Querier
		queries []Query
		want    int
	}{
		{"three quantiles", db, Queries[4:7], 4},                                      // of each series; up, buckets and sums
		{"three quantiles, by PromQL", struct{ promql.Querier }{db}, Queries[4:7], 3}, // buckets over time and over the window
		{"language models that are not there", db, Queries[14:18], 2},                 // are they there; up
	} {
		m := promql.NewMeter(c.q, 5*time.Second)
		results, err := Evaluate(t.Context(), m, tenMinutes, c.queries...)
		if got := len(m.Asked()); err != nil || got != c.want {
			t.Errorf("%s: got %d questions, %v, want %d: %v", c.name, got, err, c.want, m.Asked())
		}
		for _, r := range results {
			if r.Guide.Err != nil || r.Form.Err != nil || r.Guide.Expr == "" || r.Form.Expr == "" {
				t.Errorf("%s: %s: got %+v, want its expressions and no error", c.name, r.Query.ID, r)
			}
		}
	}
}

func TestEvaluateSaysWhatAPresetLacks(t *testing.T) {
	m := promql.NewMeter(embedded.New(promqltest.LoadedStorage(t, recording)), 5*time.Second)
	istio, _ := Named("istio")
	s := Scope{Preset: istio, Whole: run.Window{Start: time.Unix(0, 0), End: time.Unix(600, 0)}}
	results, err := Evaluate(t.Context(), m, s, Queries[1])
	if err != nil || results[0].Form.Err == nil || !strings.Contains(results[0].Form.Err.Error(), "Istio") {
		t.Errorf("got %+v, %v, want an answer that says Istio has no label for endpoints", results[0].Form, err)
	}
}

func TestDocument(t *testing.T) {
	const file = "../../../docs/queries.md"
	want := document()
	if *update {
		if err := os.WriteFile(file, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(file)
	if err != nil || string(got) != want {
		t.Errorf("docs/queries.md is not what the catalogue says (%v): run `go test ./pkg/promql/catalog -update`", err)
	}
}

// document is docs/queries.md.
func document() string {
	var b strings.Builder
	b.WriteString(`# Queries

<!-- Generated from pkg/promql/catalog by its test; make golden rewrites it. -->

Every query of the performance baseline guide: its text, the form that answers the question, and
why the two differ. A report evaluates both over the run and shows them in its appendix.

In the forms, ` + "`$api`, `$pods` and `$llm`" + ` are the label sets of the SLA's ` + "`vars`" + ` (none: all
series), and ` + "`$rate`" + ` is at least four scrape intervals in a chart, and the whole window for a value.
Forms of counters and histograms alone are read from the increments that scores rest on, and so agree
with them, where raw samples are at hand; else they are evaluated, up to what ` + "`rate()`" + ` extrapolates
the same. The guide's texts are always evaluated as they stand.
The forms here are those for the guide's names; the presets below have the same for theirs.
`)
	group := ""
	for _, q := range Queries {
		if q.Group != group {
			group = q.Group
			fmt.Fprintf(&b, "\n## %s\n", group)
		}
		unit := q.Unit
		if unit == "" {
			unit = "count"
		}
		fmt.Fprintf(&b, "\n### %s\n\n`%s`, %s, over the %s\n\n", q.Title, q.ID, unit, map[bool]string{true: "steady window", false: "whole run"}[q.Steady])
		fmt.Fprintf(&b, "The guide:\n\n```promql\n%s\n```\n\n", q.Guide)
		if q.Why == "" {
			b.WriteString("It answers the question.\n")
			continue
		}
		fmt.Fprintf(&b, "What answers the question:\n\n```promql\n%s\n```\n\n%s\n", q.Form(Presets[0]), q.Why)
	}
	b.WriteString("\n## Presets\n\nHow other habits of naming call the same series. `analyzer check` and `analyzer init` recognise them on a live server.\n\n")
	b.WriteString("| preset | names | requests | durations | status | route | service |\n|---|---|---|---|---|---|---|\n")
	for _, p := range Presets {
		fmt.Fprintf(&b, "| `%s` | %s | `%s` | `%s` (%s) | `%s` | %s | `%s` |\n", p.Name, p.Title, p.Requests, p.series(""), p.Unit, p.Status, orNone(p.Route), strings.Join(p.Services, "`, `"))
	}
	return b.String()
}

func orNone(label string) string {
	if label == "" {
		return "none"
	}
	return "`" + label + "`"
}
