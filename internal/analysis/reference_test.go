package analysis_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/plumbline/plumbline/internal/analysis"
	"github.com/plumbline/plumbline/internal/reference"
	"github.com/plumbline/plumbline/internal/store"
	"github.com/plumbline/plumbline/pkg/compare"
	"github.com/plumbline/plumbline/pkg/report"
	"github.com/plumbline/plumbline/pkg/slo"
)

const (
	referenceRun = "PERF-2026-01-18-001"
	results      = "../../examples/paracle/results"
	numbersFile  = "../../examples/paracle/reference/guide.yaml"
	slaFile      = "../../examples/paracle/sla.yaml"
)

// the report on the committed reference run; nobody may change it.
var referenceMade = sync.OnceValues(func() (report.Report, error) {
	a := &analysis.Analyzer{Store: store.Open(results), Version: "golden"}
	return a.Report(context.Background(), referenceRun, analysis.Options{})
})

// asJSON is a report as a reader of its JSON sees it.
func asJSON(r report.Report) (back report.Report, err error) {
	var b bytes.Buffer
	if err := report.JSON(&b, r); err != nil {
		return r, err
	}
	return back, json.Unmarshal(b.Bytes(), &back)
}

func referenceOf(t *testing.T) report.Report {
	t.Helper()
	r, err := referenceMade()
	if err != nil {
		t.Fatal(err)
	}
	if r, err = asJSON(r); err != nil {
		t.Fatal(err)
	}
	return r
}

// near tells whether a number is given back: quantiles to 1 %, all else to 0.5 %.
func near(got report.Number, want, tolerance float64) bool {
	return math.Abs(float64(got)-want) <= tolerance*math.Abs(want)
}

const (
	exactly  = 0.005
	quantile = 0.01
)

// Every number of the guide's result tables, from the reference run.
func TestReferenceGivesTheGuidesNumbersBack(t *testing.T) {
	r := referenceOf(t)
	for _, tt := range []struct {
		id        string
		want      float64
		tolerance float64
		verdict   slo.Verdict // of those that the guide gives a target
		judged    bool
	}{
		{"total-requests", 1847293, 0, slo.Pass, false},
		{"rps", 1023.5, exactly, slo.Pass, true},
		{"peak-rps", 1456.2, exactly, slo.Pass, false},
		{"sustained-rps", 1010.3, exactly, slo.Pass, true},
		{"latency-p50", .187, quantile, slo.Pass, true},
		{"latency-p95", .423, quantile, slo.Pass, true},
		{"latency-p99", .892, quantile, slo.Pass, true},
		{"latency-p999", 2.1, quantile, slo.Warn, true},
		{"latency-avg", .215, exactly, slo.Pass, false},
		{"latency-max", 8.3, exactly, slo.Warn, true},
		{"errors-total", 183, 0, slo.Pass, false},
		{"error-rate", 183.0 / 1847293, exactly, slo.Pass, true},
		{"errors-4xx", 12, 0, slo.Pass, false},
		{"errors-5xx", 171, 0, slo.Pass, false},
		{"errors-timeout", 89, 0, slo.Pass, false},
		{"uptime", 1, 0, slo.Pass, true},
		{"success-rate", .9999, .0001, slo.Pass, true},
		{"concurrent-users", 1000, 0, slo.Pass, true},
		{"client-rps", 1023.5, exactly, slo.Pass, false},
		{"client-latency-p50", .189, quantile, slo.Pass, true},
		{"client-latency-p95", .425, quantile, slo.Pass, true},
		{"client-latency-p99", .894, quantile, slo.Pass, true},
		{"client-error-rate", 183.0 / 1847293, exactly, slo.Pass, true},
	} {
		o := objective(t, r, tt.id)
		if !near(o.Value, tt.want, tt.tolerance) || o.Judged != tt.judged || o.Verdict != tt.verdict {
			t.Errorf("%s: got %v, judged %v, %s; want %v, judged %v, %s", tt.id, o.Value, o.Judged, o.Verdict, tt.want, tt.judged, tt.verdict)
		}
	}
	if r.Verdict != slo.Warn {
		t.Errorf("got verdict %s, want warn: p99.9 and max", r.Verdict)
	}
}

func TestReferenceGivesTheGuidesResourcesBack(t *testing.T) {
	r := referenceOf(t)
	none := math.NaN()
	for _, tt := range []struct {
		id                   string
		average, peak, limit float64
	}{
		{"api-cpu", .62, .89, 1},
		{"api-memory", 4.2e9, 6.1e9, 8e9},
		{"api-network-in", 45e6, 78e6, 1e9},
		{"api-network-out", 52e6, 91e6, 1e9},
		{"db-cpu", .43, .67, 1},
		{"db-memory", 28e9, 35e9, 64e9},
		{"db-iops", 4200, 8900, 12000},
		{"db-connections", 240, 380, 400},
		{"db-active-queries", 18, 45, none},
		{"db-query-p95", .012, .028, none},
		{"redis-cpu", .25, .42, 1},
		// The guide's average of 8.2 GB is where the growth began; three shards hold 26.32 GB each.
		{"redis-memory", 9.86e9, 11.5e9, 3 * 26.32e9},
		{"redis-ops", 15400, 28700, none},
		{"redis-command-latency", .0008, .0021, none},
	} {
		i := slices.IndexFunc(r.Resources, func(res report.Resource) bool { return res.ID == tt.id })
		if i < 0 {
			t.Errorf("%s: got none", tt.id)
			continue
		}
		got := r.Resources[i]
		known := got.Limit.Known() == !math.IsNaN(tt.limit)
		if !near(got.Average, tt.average, exactly) || !near(got.Peak, tt.peak, exactly) || !known || known && !math.IsNaN(tt.limit) && !near(got.Limit, tt.limit, exactly) {
			t.Errorf("%s: got average %v, peak %v, limit %v; want %v, %v, %v", tt.id, got.Average, got.Peak, got.Limit, tt.average, tt.peak, tt.limit)
		}
		if got.Judged && got.Verdict != slo.Pass {
			t.Errorf("%s: got %s (%s), want pass as the guide ticks it", tt.id, got.Verdict, got.Reason)
		}
	}
}

func TestReferenceGivesTheGuidesProvidersBack(t *testing.T) {
	r := referenceOf(t)
	for _, tt := range []struct {
		id        string
		providers map[string]float64
		tolerance float64
	}{
		{"llm-requests", map[string]float64{"openai": 45230, "anthropic": 38910}, 0},
		{"llm-latency-avg", map[string]float64{"openai": 2.3, "anthropic": 1.8}, exactly},
		{"llm-latency-p95", map[string]float64{"openai": 2.5, "anthropic": 2.1}, quantile},
		{"llm-errors", map[string]float64{"openai": 12, "anthropic": 8}, 0},
		{"llm-rate-limited", map[string]float64{"openai": 0, "anthropic": 0}, 0},
	} {
		o := objective(t, r, tt.id)
		if len(o.By) != len(tt.providers) {
			t.Errorf("%s: got %d providers, want %d", tt.id, len(o.By), len(tt.providers))
		}
		for _, row := range o.By {
			if want, ok := tt.providers[row.Labels["provider"]]; !ok || !near(row.Value, want, tt.tolerance) {
				t.Errorf("%s of %s: got %v, want %v", tt.id, row.Labels["provider"], row.Value, want)
			}
		}
	}
}

// The guide's list has 90 % at 512 ms, above 95 % at 423 ms; what the data say lies between its neighbours.
func TestReferenceGivesTheGuidesPercentilesBack(t *testing.T) {
	want := map[float64]float64{.5: .187, .66: .245, .75: .310, .8: .358, .95: .423, .98: .685, .99: .892, .999: 2.1, 1: 8.3}
	r := referenceOf(t)
	if len(r.Percentiles) != len(want)+1 {
		t.Errorf("got %d percentiles, want %d", len(r.Percentiles), len(want)+1)
	}
	for _, p := range r.Percentiles {
		if p.Q == .9 {
			if p.Server <= .358 || p.Server >= .423 {
				t.Errorf("90 %%: got %v, want it between 80 %% and 95 %%", p.Server)
			}
			continue
		}
		if !near(p.Server, want[p.Q], quantile) || !near(p.Client, want[p.Q]+.002, quantile) {
			t.Errorf("%v %%: got %v and %v at the client, want about %v", 100*p.Q, p.Server, p.Client, want[p.Q])
		}
	}
}

// The comparison: the change beside the target, and the one target that the guide ticked and missed.
func TestReferenceAgainstTheDeclaredBaseline(t *testing.T) {
	r := referenceOf(t)
	c := r.Comparison
	if c == nil || c.Baseline != "v1.0.0" || c.Comparable || !strings.Contains(c.Reason, "declared values") {
		t.Fatalf("got %+v, want the declared baseline v1.0.0, not comparable", c)
	}
	want := map[string]struct {
		baseline, change float64
		target           slo.Verdict
	}{
		"sustained-rps":    {450, 1010.3/450 - 1, slo.Pass}, // the guide has +127 %, of the mean
		"peak-rps":         {680, 1456.2/680 - 1, slo.Fail},
		"latency-p50":      {.28, -.33, slo.Pass},
		"latency-p95":      {.89, -.52, slo.Pass},
		"latency-p99":      {2.1, -.575, slo.Pass},
		"error-rate":       {.0023, -.957, slo.Pass},
		"uptime":           {.997, .003, slo.Pass},
		"concurrent-users": {300, 2.333, slo.Pass},
	}
	if len(c.Deltas) != len(want) {
		t.Errorf("got %d rows, want the %d that the guide declares", len(c.Deltas), len(want))
	}
	for _, d := range c.Deltas {
		w := want[d.ID]
		if !near(d.Baseline, w.baseline, 1e-9) || math.Abs(float64(d.Change)-w.change) > .01 || d.TargetVerdict != w.target || d.Verdict != compare.Inconclusive {
			t.Errorf("%s: got %v → %v, target %s, %s; want %v → %v, target %s, inconclusive", d.ID, d.Baseline, d.Change, d.TargetVerdict, d.Verdict, w.baseline, w.change, w.target)
		}
	}
}

// Where the guide contradicts itself in a way that data show, the report objects.
func TestReferenceObjectsToTheGuide(t *testing.T) {
	r := referenceOf(t)
	said := map[string]report.Check{}
	for _, c := range r.Checks {
		said[c.ID] = c
	}
	for _, tt := range []struct {
		mistake, check string
		want           []string
	}{
		{"1,000 users with 1–5 s think time can't send 1,023 req/s", "littles-law", []string{"311 req/s", "1,029 were sent"}},
		{"Redis memory does not average what it began with", "levels", []string{"Redis Memory", "8.3 GB to 11.5 GB", "9.9 GB"}},
		{"4.6 % of requests can't wait 2.1 s under a p99 of 892 ms", "dependency-share", []string{"84,140 calls", "4.6 %", "892 ms"}},
		{"140,000 tokens a minute are above a limit of 10,000", "limits", []string{"140,", "10,000"}},
		{"a pool of 600 changes nothing where 400 is the database's limit", "pool-limits", []string{"600", "400"}},
	} {
		got := said[tt.check]
		if got.Verdict != slo.Warn {
			t.Errorf("%s: got %s (%s), want a warning", tt.mistake, got.Verdict, got.Detail)
		}
		for _, w := range tt.want {
			if !strings.Contains(got.Detail, w) {
				t.Errorf("%s: got %q, want %q in it", tt.mistake, got.Detail, w)
			}
		}
	}
	for _, id := range []string{"state", "steady", "coverage", "resets", "one-series", "generator", "monotone-quantiles", "client-server", "client-server-latency", "other-traffic", "clock", "prometheus"} {
		if got := said[id]; got.Verdict != slo.Pass {
			t.Errorf("%s: got %s (%s), want pass", id, got.Verdict, got.Detail)
		}
	}
	reading := strings.Join(r.Reading, "\n")
	for _, want := range []string{"1 of 8 targets missed: Peak RPS (1,456.2 req/s, target ≥ 1,500)", "p99.9 is 2.1 s", "Max is 8.3 s"} {
		if !strings.Contains(reading, want) {
			t.Errorf("got the reading %q, want %q in it", reading, want)
		}
	}
	if d := r.Run.Window.Duration().Seconds(); math.Abs(1847293/1023.5-d) > 1 {
		t.Errorf("got a window of %v s, want the 1,805 s that the requests take at their rate", d)
	}
}

func guideNumbers(t *testing.T) reference.Numbers {
	t.Helper()
	text, err := os.ReadFile(numbersFile)
	if err != nil {
		t.Fatal(err)
	}
	n, err := reference.Parse(numbersFile, text)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// written makes a run of numbers and gives the folder of its results.
func written(t *testing.T, n reference.Numbers) string {
	t.Helper()
	sla, err := os.ReadFile(slaFile)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := reference.Write(dir, n, sla); err != nil {
		t.Fatal(err)
	}
	return dir
}

// reported gives the JSON report on the only run in a folder.
func reported(t *testing.T, dir string, opts analysis.Options) report.Report {
	t.Helper()
	r, err := (&analysis.Analyzer{Store: store.Open(dir)}).Report(t.Context(), referenceRun, opts)
	if err != nil {
		t.Fatal(err)
	}
	if r, err = asJSON(r); err != nil {
		t.Fatal(err)
	}
	return r
}

// The committed run is what the generator writes, byte by byte.
// The guide's four bottlenecks, with its severities, and no other.
func TestReferenceFindsTheGuidesBottlenecks(t *testing.T) {
	var got []string
	for _, f := range referenceOf(t).Findings {
		got = append(got, f.Severity+" "+f.Title()+": "+f.Symptom)
		if len(f.Evidence) == 0 || len(f.Recommendations) == 0 || f.Evidence[0].Query == "" {
			t.Errorf("%s: got %+v, want evidence with its query, and recommendations", f.ID, f)
		}
		page := strings.Replace(f.Page, "https://github.com/plumbline/plumbline/blob/main", "../..", 1)
		if _, err := os.Stat(page); err != nil {
			t.Errorf("%s: its page: %v", f.ID, err)
		}
	}
	want := []string{
		"MEDIUM LLM API openai: calls of openai took 2.3 s on average",
		"LOW Database Connections: Connections of Database reached 380 of 400 (95 %)",
		"LOW Redis Memory: Memory of Redis grew from 8.2 GB to 11.5 GB",
		"LOW API pods CPU: CPU peaked at 89 % on 2 of 6",
	}
	if !slices.EqualFunc(got, want, strings.HasPrefix) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// symptomsOf are the symptoms of all findings.
func symptomsOf(r report.Report) string {
	var all []string
	for _, f := range r.Findings {
		all = append(all, f.Symptom)
	}
	return strings.Join(all, "\n")
}

func TestReferenceIsWhatTheGeneratorWrites(t *testing.T) {
	dir := written(t, guideNumbers(t))
	size := int64(0)
	for _, tree := range []struct{ from, to string }{{results, dir}, {dir, results}} {
		err := filepath.WalkDir(tree.from, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			name, err := filepath.Rel(tree.from, path)
			if err != nil || strings.HasPrefix(d.Name(), "report.") || d.Name() == store.ValuesFile || strings.HasPrefix(d.Name(), store.IndexFile) {
				return err // a report that someone made of it, its values, or the index, which is made from the folders
			}
			a, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			b, err := os.ReadFile(filepath.Join(tree.to, name))
			if err != nil || !bytes.Equal(a, b) {
				t.Errorf("%s is not what the generator writes (%v); write it again with `go run ./examples/paracle/reference`", name, err)
			}
			size += int64(len(a))
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if most := int64(2 * 3_000_000); size > most {
		t.Errorf("got %d bytes in both trees, want at most %d", size, most)
	}
}

// Other numbers give other values and verdicts: nothing is canned.
func TestOtherNumbersGiveOtherVerdicts(t *testing.T) {
	n := guideNumbers(t)
	for i := range n.Latency.Quantiles {
		if n.Latency.Quantiles[i].Q == .95 {
			n.Latency.Quantiles[i].At = .623
		}
	}
	n.Latency.Mean = .235
	n.Pods.Hot = 3
	n.Throughput.Peak = 1523
	r := reported(t, written(t, n), analysis.Options{})
	for id, want := range map[string]float64{"latency-p95": .623, "client-latency-p95": .625} {
		if o := objective(t, r, id); !near(o.Value, want, quantile) || o.Verdict != slo.Fail {
			t.Errorf("%s: got %v, %s; want %v, fail", id, o.Value, o.Verdict, want)
		}
	}
	if r.Verdict != slo.Fail {
		t.Errorf("got verdict %s, want fail", r.Verdict)
	}
	for _, d := range r.Comparison.Deltas {
		if d.ID == "peak-rps" && (d.TargetVerdict != slo.Pass || !near(d.Actual, 1523, exactly)) {
			t.Errorf("peak: got %v, target %s; want 1523, met", d.Actual, d.TargetVerdict)
		}
	}
	if got := symptomsOf(r); !strings.Contains(got, "on 3 of 6") {
		t.Errorf("got findings\n%s\nwant one about 3 of 6 pods", got)
	}
	if hot := hotPods(t, r); hot != 3 {
		t.Errorf("got %d hot pods, want 3", hot)
	}
	if hot := hotPods(t, referenceOf(t)); hot != 2 {
		t.Errorf("reference run: got %d hot pods, want 2", hot)
	}
}

// hotPods counts the pods whose CPU averages above 1.25 times the guide's mean.
func hotPods(t *testing.T, r report.Report) (hot int) {
	t.Helper()
	i := slices.IndexFunc(r.Charts, func(c report.Chart) bool { return c.ID == "api-cpu" })
	if i < 0 {
		t.Fatal("got no chart of the pods' CPU")
	}
	for _, line := range r.Charts[i].Lines {
		sum, n := 0.0, 0.0
		for k, v := range line.Values {
			if v.Known() && !r.Charts[i].Times[k].Before(r.Run.Steady.Start) {
				sum, n = sum+float64(v), n+1
			}
		}
		if sum/n > .775 {
			hot++
		}
	}
	return hot
}

// A house that names its labels otherwise gets no verdict from an SLA that does not
// know them, and the same verdicts from one that does.
func TestOtherLabelsAndCauses(t *testing.T) {
	n := guideNumbers(t)
	n.Labels.Status, n.Labels.Endpoint, n.Labels.Provider = "code", "route", "vendor"
	n.Redis.Memory = reference.Usage{Average: 8.2e9, Peak: 8.9e9, Limit: 26.32e9} // it leaks no more …
	n.Database.Memory = reference.Usage{From: 20e9, To: 38e9}                     // … the database does
	n.LLM.TokensPerMin = 200_000
	dir := written(t, n)
	r := reported(t, dir, analysis.Options{})
	if o := objective(t, r, "error-rate"); o.Verdict != slo.Inconclusive || !strings.Contains(o.Reason, "status") {
		t.Errorf("error rate by a label that isn't there: got %s (%s), want inconclusive for the label status", o.Verdict, o.Reason)
	}
	if r.Verdict != slo.Inconclusive {
		t.Errorf("got verdict %s, want inconclusive", r.Verdict)
	}
	text, err := os.ReadFile(slaFile)
	if err != nil {
		t.Fatal(err)
	}
	own := filepath.Join(t.TempDir(), "sla.yaml")
	adapted := strings.NewReplacer(`status=~`, `code=~`, `endpoint=`, `route=`, `by: provider`, `by: vendor`, `limit: "10000"`, `limit: "200000"`).Replace(string(text))
	if err := os.WriteFile(own, []byte(adapted), 0o600); err != nil {
		t.Fatal(err)
	}
	r = reported(t, dir, analysis.Options{SLA: own})
	if o := objective(t, r, "error-rate"); o.Verdict != slo.Pass || !near(o.Value, 183.0/1847293, exactly) || r.Verdict != slo.Warn {
		t.Errorf("got error rate %v, %s, run %s; want 183 of 1,847,293, pass, warn", o.Value, o.Verdict, r.Verdict)
	}
	if got := symptomsOf(r); !strings.Contains(got, "Memory of Database grew from") || strings.Contains(got, "Redis") {
		t.Errorf("got findings\n%s\nwant the database's memory and not Redis'", got)
	}
	for _, c := range r.Checks {
		switch c.ID {
		case "levels":
			if !strings.Contains(c.Detail, "Database Memory") || strings.Contains(c.Detail, "Redis") {
				t.Errorf("levels: got %q, want the database's memory and not Redis'", c.Detail)
			}
		case "limits":
			if c.Verdict != slo.Pass {
				t.Errorf("limits: got %s (%s), want pass with a limit of 200,000 tokens", c.Verdict, c.Detail)
			}
		}
	}
}

// The SLA of Paracle has the ids that dashboards, rules and other programs go by,
// and each scenario is judged by what the guide expects of it.
func TestParacleSLA(t *testing.T) {
	text, err := os.ReadFile(slaFile)
	if err != nil {
		t.Fatal(err)
	}
	a, err := slo.Parse(slaFile, text)
	if err != nil {
		t.Fatal(err)
	}
	byID := map[string]slo.Objective{}
	for _, o := range a.Objectives {
		byID[o.ID] = o
	}
	for _, id := range strings.Fields(`total-requests rps peak-rps sustained-rps latency-p50 latency-p95 latency-p99 latency-p999 latency-avg latency-max
		errors-total error-rate errors-4xx errors-5xx errors-timeout uptime success-rate concurrent-users
		client-rps client-latency-p50 client-latency-p95 client-latency-p99 client-error-rate
		llm-requests llm-latency-avg llm-errors llm-rate-limited`) {
		if _, ok := byID[id]; !ok {
			t.Errorf("got no objective %s", id)
		}
	}
	for id, want := range map[string]string{
		"agent-rps": "50..100", "agent-p50": "2s..5s", "agent-p95": "10s..15s", "agent-p99": "20s..30s", "agent-error-rate": "< 1%",
		"workflow-rps": "10..20", "workflow-p50": "5s..10s", "workflow-p95": "20s..30s", "workflow-p99": "45s..60s", "workflow-error-rate": "< 0.5%",
		"client-agent-p95": "10s..15s", "client-workflow-p99": "45s..60s", "mixed-rps": ">= 500",
	} {
		o := byID[id]
		bound := o.Must
		if bound == nil {
			bound = o.Should
		}
		if bound == nil || bound.Text != want || o.When == nil || len(o.When.Scenario) == 0 {
			t.Errorf("%s: got %+v, want the bound %s for its scenario", id, o, want)
		}
	}
	perComponent := map[string]int{}
	for _, r := range a.Resources {
		perComponent[r.Component]++
	}
	for component, want := range map[string]int{"API pods": 4, "Database": 6, "Redis": 4} {
		if perComponent[component] != want {
			t.Errorf("%s: got %d resources, want the guide's %d", component, perComponent[component], want)
		}
	}
}
