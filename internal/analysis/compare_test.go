package analysis_test

import (
	"fmt"
	"math"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/promql/promqltest"

	"github.com/plumbline/plumbline/internal/analysis"
	"github.com/plumbline/plumbline/internal/store"
	"github.com/plumbline/plumbline/pkg/compare"
	"github.com/plumbline/plumbline/pkg/promql/embedded"
	"github.com/plumbline/plumbline/pkg/report"
	"github.com/plumbline/plumbline/pkg/run"
	"github.com/plumbline/plumbline/pkg/slo"
)

const historySLA = `apiVersion: plumbline/v1
kind: SLA
service: api
objectives:
  - {id: rps, group: throughput, unit: req/s, rate: {of: 'http_request_duration_seconds_count{job="api"}'}, must: ">= 1"}
  - {id: latency-p95, group: latency, unit: s, quantile: {q: 0.95, of: 'http_request_duration_seconds{job="api"}'}, must: "< 500ms", target: "< 310ms"}
`

const (
	historyScrape = 5 * time.Second
	historyCells  = 24 // scrapes in a run
)

// A history is runs whose series a Prometheus has, each with a p95 of its own.
type history struct {
	store  *store.Store
	server *httptest.Server
}

// newHistory makes runs r0, r1, … of the version that they are given; a p95
// lies between 200 and 400 ms. The scrapes of gaps are missing.
func newHistory(t *testing.T, p95s []float64, version func(i int) string, gaps func(i, cell int) bool) *history {
	t.Helper()
	names := []string{`_bucket{job="api",le="0.2"}`, `_bucket{job="api",le="0.4"}`, `_bucket{job="api",le="+Inf"}`, `_count{job="api"}`, `_sum{job="api"}`}
	lines, totals := make([]strings.Builder, len(names)), make([]float64, len(names))
	var up strings.Builder
	for i, p95 := range p95s {
		share := (p95 - 0.2) / 0.2
		below := (0.95 - share) / (1 - share) // where the quantile is interpolated to p95
		for cell := range historyCells + 6 {
			missing := gaps != nil && gaps(i, cell)
			for j, gain := range []float64{1000 * below, 1000, 1000, 1000, 100} {
				totals[j] += gain
				if missing {
					lines[j].WriteString(" _")
				} else {
					fmt.Fprintf(&lines[j], " %g", totals[j])
				}
			}
			if missing {
				up.WriteString(" _")
			} else {
				up.WriteString(" 1")
			}
		}
	}
	load := fmt.Sprintf("load %s\n  up{job=\"api\"}%s\n", historyScrape, up.String())
	for j, name := range names {
		load += "  http_request_duration_seconds" + name + lines[j].String() + "\n"
	}
	h := &history{store.Open(t.TempDir()), httptest.NewServer(embedded.Handler(embedded.New(promqltest.LoadedStorage(t, load))))}
	t.Cleanup(h.server.Close)
	for i := range p95s {
		start := time.Unix(0, 0).Add(time.Duration(i*(historyCells+6)+2) * historyScrape).UTC()
		w := run.Window{Start: start, End: start.Add(historyCells * historyScrape)}
		h.save(t, run.Run{
			ID: fmt.Sprintf("r%d", i), Service: "api", Scenario: "mixed", Profile: "target", Labels: map[string]string{"version": version(i)},
			Window: w, Steady: w, State: run.Complete, Source: run.Source{Prometheus: h.server.URL, ScrapeSeconds: historyScrape.Seconds()},
		})
	}
	return h
}

func (h *history) save(t *testing.T, r run.Run) {
	t.Helper()
	if _, err := h.store.Reserve(r.ID, r.Window.Start); err != nil {
		t.Fatal(err)
	}
	if err := h.store.WriteFile(r.ID, "sla.yaml", []byte(historySLA)); err != nil {
		t.Fatal(err)
	}
	if err := h.store.Save(r); err != nil {
		t.Fatal(err)
	}
}

func (h *history) baseline(t *testing.T, s compare.Spec) {
	t.Helper()
	text, err := s.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	if err := h.store.SaveBaseline(s.Name, text); err != nil {
		t.Fatal(err)
	}
}

func (h *history) compare(t *testing.T, baseline string, ids ...string) report.Comparison {
	t.Helper()
	c, err := (&analysis.Analyzer{Store: h.store}).Compare(t.Context(), ids, analysis.Options{Baseline: baseline})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func delta(t *testing.T, c report.Comparison, id string) report.Delta {
	t.Helper()
	i := slices.IndexFunc(c.Deltas, func(d report.Delta) bool { return d.ID == id })
	if i < 0 {
		t.Fatalf("no delta of %s in %+v", id, c)
	}
	return c.Deltas[i]
}

// versions: the first five runs are of version 1, those after them of version 2.
func versions(i int) string { return fmt.Sprint(1 + i/5) }

func TestSeveralRunsAgainstTheLastFive(t *testing.T) {
	h := newHistory(t, []float64{0.300, 0.303, 0.297, 0.301, 0.299, 0.329, 0.331, 0.330}, versions, nil)
	h.baseline(t, compare.Spec{Name: "v1", Last: 5, Labels: map[string]string{"version": "1"}})
	c := h.compare(t, "v1", "r5", "r6", "r7")
	p95 := delta(t, c, "latency-p95")
	if c.Verdict != compare.Regressed || p95.Verdict != compare.Regressed || c.Deltas[0].ID != "latency-p95" {
		t.Errorf("10 %% slower: got %v (%s), want regressed, and the p95 first", c.Verdict, c.Reason)
	}
	if got := float64(p95.Change); math.Abs(got-0.1) > 0.002 {
		t.Errorf("got a change of %v, want about 0.1", got)
	}
	if !p95.TargetJudged || p95.TargetVerdict != slo.Fail {
		t.Errorf("against the target of 310 ms: got %v, want fail", p95.TargetVerdict)
	}
	if rps := delta(t, c, "rps"); rps.Worse != "lower" || rps.TargetVerdict != slo.Pass {
		t.Errorf("got %+v, want lower to be worse and the target met", rps)
	}
	if !strings.Contains(c.Reason, "this comparison sees ≥ ") {
		t.Errorf("got %q, want what the comparison could have seen", c.Reason)
	}
}

func TestChartsShowTheBaselineBeside(t *testing.T) {
	h := newHistory(t, []float64{0.300, 0.303, 0.297, 0.301, 0.290, 0.330}, versions, nil)
	h.baseline(t, compare.Spec{Name: "v1", Last: 5})
	a := &analysis.Analyzer{Store: h.store}
	r, err := a.Report(t.Context(), "r5", analysis.Options{Baseline: "v1"})
	if err != nil {
		t.Fatal(err)
	}
	for id, want := range map[string]float64{"latency": 0.290, "rps": 200} { // of r4, the latest
		chart := r.Charts[slices.IndexFunc(r.Charts, func(c report.Chart) bool { return c.ID == id })]
		if len(chart.Lines) != 2 || chart.Lines[0].Baseline || !chart.Lines[1].Baseline || !strings.HasPrefix(chart.Lines[1].Name, "v1 ") {
			t.Errorf("%s: got %+v, want the run's line and the baseline's", id, chart.Lines)
			continue
		}
		if got := float64(chart.Lines[1].Values[historyCells/2]); math.Abs(got-want) > 0.01*want {
			t.Errorf("%s: got %v in the middle of the baseline, want %v", id, got, want)
		}
	}
	dashed := func(c report.Chart) bool {
		return slices.ContainsFunc(c.Lines, func(l report.Line) bool { return l.Baseline })
	}
	if r, err = a.Report(t.Context(), "r0", analysis.Options{Baseline: "v1"}); err != nil || slices.ContainsFunc(r.Charts, dashed) {
		t.Errorf("without a run to compare with: got %v, want no baseline drawn", err)
	}
}

func TestOneMissedTargetOfSeveralRuns(t *testing.T) {
	h := newHistory(t, []float64{0.300, 0.303, 0.297, 0.301, 0.299, 0.300, 0.312, 0.299}, versions, nil)
	h.baseline(t, compare.Spec{Name: "v1", Last: 5, Labels: map[string]string{"version": "1"}})
	if d := delta(t, h.compare(t, "v1", "r5", "r6", "r7"), "latency-p95"); d.TargetVerdict != slo.Fail || d.Verdict != compare.Unchanged {
		t.Errorf("got %v, target %v, want unchanged, fail", d.Verdict, d.TargetVerdict)
	}
}

// TestBaselineThatPrometheusForgot is compared by what was measured when it was there.
func TestBaselineThatPrometheusForgot(t *testing.T) {
	h := newHistory(t, []float64{0.300, 0.303, 0.297, 0.301, 0.299, 0.302}, versions, nil)
	h.baseline(t, compare.Spec{Name: "v1", Last: 5, Labels: map[string]string{"version": "1"}})
	before := h.compare(t, "v1", "r5")
	for i := range 5 { // their series are on a server that is gone
		r, err := h.store.Load(fmt.Sprintf("r%d", i))
		if err != nil {
			t.Fatal(err)
		}
		r.Source.Prometheus = "http://127.0.0.1:1"
		if err := h.store.Save(r); err != nil {
			t.Fatal(err)
		}
	}
	if after := h.compare(t, "v1", "r5"); delta(t, after, "latency-p95") != delta(t, before, "latency-p95") {
		t.Errorf("got %+v, want %+v", after, before)
	}
	// A new definition of the objective can't be answered by the old values.
	sla := filepath.Join(t.TempDir(), "sla.yaml")
	if err := os.WriteFile(sla, []byte(strings.ReplaceAll(historySLA, "q: 0.95", "q: 0.9")), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := (&analysis.Analyzer{Store: h.store}).Compare(t.Context(), []string{"r5"}, analysis.Options{Baseline: "v1", SLA: sla})
	if err == nil || !strings.Contains(err.Error(), "baseline v1: run r4") {
		t.Errorf("another definition: got %v, want the run that can't be measured", err)
	}
}

func TestNotComparable(t *testing.T) {
	gap := func(i, cell int) bool { return i == 3 && cell > 10 && cell < 15 }
	h := newHistory(t, []float64{0.300, 0.303, 0.297, 0.301, 0.330}, versions, gap)
	h.baseline(t, compare.Spec{Name: "declared", Values: map[string]string{"latency-p95": "280ms"}})
	r, err := h.store.Load("r4")
	if err != nil {
		t.Fatal(err)
	}
	other := r
	other.ID, other.Profile = "peak", "peak"
	h.save(t, other)
	for _, tt := range []struct {
		name, baseline, run, want string
	}{
		{"a gap between scrapes", "r3", "r4", "run r3: gaps between scrapes"},
		{"another profile", "r0", "peak", `profile: "target" (baseline), "peak" (candidate)`},
		{"declared values", "declared", "r4", "declared values and no runs"},
		{"itself", "r4", "r4", "stands in the comparison twice"},
	} {
		c := h.compare(t, tt.baseline, tt.run)
		d := delta(t, c, "latency-p95")
		if c.Comparable || c.Verdict != compare.Inconclusive || !strings.Contains(c.Reason, tt.want) {
			t.Errorf("%s: got %v, %v: %q, want not comparable: %q", tt.name, c.Comparable, c.Verdict, c.Reason, tt.want)
		}
		if !d.Change.Known() || d.P.Known() || d.Low.Known() || d.Verdict != compare.Inconclusive || !d.TargetJudged {
			t.Errorf("%s: got %+v, want a change without significance, and the target's verdict", tt.name, d)
		}
	}
	if _, err := (&analysis.Analyzer{Store: h.store}).Compare(t.Context(), []string{"r4"}, analysis.Options{Baseline: "declare"}); err == nil || !strings.Contains(err.Error(), "did you mean declared?") {
		t.Errorf("an unknown baseline: got %v, want the near one", err)
	}
	if _, err := (&analysis.Analyzer{Store: h.store}).Compare(t.Context(), []string{"r4"}, analysis.Options{}); err == nil || !strings.Contains(err.Error(), "--baseline") {
		t.Errorf("no baseline: got %v, want to be told how to name one", err)
	}
}

func TestDeclaredValuesNeedUnitsAndObjectives(t *testing.T) {
	h := newHistory(t, []float64{0.300}, versions, nil)
	h.baseline(t, compare.Spec{Name: "wrong", Values: map[string]string{"latency-p95": "890", "rps": "680ms"}})
	_, err := (&analysis.Analyzer{Store: h.store}).Compare(t.Context(), []string{"r0"}, analysis.Options{Baseline: "wrong"})
	for _, want := range []string{"wrong.yaml:5:16: values.latency-p95: the objective measures a time: write 890ms or 890s", "wrong.yaml:6:8: values.rps: 680ms is a time"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("wrong units: got %v, want %s", err, want)
		}
	}
	h.baseline(t, compare.Spec{Name: "typo", Values: map[string]string{"latency-p59": "280ms", "rps": "300"}})
	c := h.compare(t, "typo", "r0")
	if want := "declared value latency-p59: the SLA has no such objective; did you mean latency-p95?"; len(c.Notes) != 1 || c.Notes[0] != want {
		t.Errorf("got notes %q, want %q", c.Notes, want)
	}
}

// TestNoiseOfEarlierRuns: what repeats of other versions showed settles what two
// runs alone could not.
func TestNoiseOfEarlierRuns(t *testing.T) {
	p95s := []float64{0.300, 0.301, 0.299, 0.300, 0.301, 0.310, 0.311, 0.310, 0.309, 0.310, 0.300, 0.318}
	version := func(i int) string { return []string{"1", "2", "3", "4"}[min(i/5+i/11, 3)] }
	h := newHistory(t, p95s, version, nil)
	alone := delta(t, h.compare(t, "r10", "r11"), "latency-p95")
	for i := range 10 { // now they are measured
		h.compare(t, "r10", fmt.Sprintf("r%d", i))
	}
	with := delta(t, h.compare(t, "r10", "r11"), "latency-p95")
	if alone.Verdict != compare.Inconclusive || with.Verdict != compare.Regressed {
		t.Errorf("got %v alone (sees %v) and %v with history (sees %v), want inconclusive and regressed", alone.Verdict, alone.Detectable, with.Verdict, with.Detectable)
	}
}

func TestCalibrate(t *testing.T) {
	p95s := []float64{0.300, 0.303, 0.297, 0.301, 0.299, 0.302, 0.298, 0.300, 0.304, 0.296, 0.330, 0.333, 0.327}
	version := func(i int) string { return fmt.Sprint(1 + i/10) }
	h := newHistory(t, p95s, version, nil)
	a := &analysis.Analyzer{Store: h.store}
	var ids []string
	for i := range 10 {
		ids = append(ids, fmt.Sprintf("r%d", i))
	}
	worse := analysis.Build{Name: "version=2", Runs: []string{"r10", "r11", "r12"}}
	c, err := a.Calibrate(t.Context(), analysis.Build{Name: "api.mixed", Runs: ids}, []analysis.Build{worse}, analysis.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if len(c.FalseAlarms) != 2 || c.FalseAlarms[0].Comparisons != 200 || c.FalseAlarms[1].Comparisons != 60 {
		t.Fatalf("got %+v, want 20 rounds of 10 comparisons of one run, and of 3 of three", c.FalseAlarms)
	}
	if f := c.FalseAlarms[0]; f.Rate > 0.02 || f.High < 0.2 {
		t.Errorf("got %+v, want few false alarms, and an interval as wide as ten runs make it", f)
	}
	sd := 0.0
	for _, v := range p95s[:10] {
		sd += math.Pow(math.Log(v/0.3), 2) / 9
	}
	for _, m := range c.Metrics {
		if m.ID == "latency-p95" && math.Abs(float64(m.SD)-math.Sqrt(sd)) > 1e-4 {
			t.Errorf("noise of the p95: got %v, want %v", m.SD, math.Sqrt(sd))
		}
	}
	if len(c.Detections) != 1 {
		t.Fatalf("got %+v, want those of the worse build", c.Detections)
	}
	if d := c.Detections[0]; d.Comparisons != 20 || d.Regressed != 20 || d.Rate != 1 || d.High != 1 || d.Low > 0.5 {
		t.Errorf("got %+v, want each of 20 comparisons called regressed, which one set of three runs makes no sure thing", d)
	}
	for _, m := range c.Detections[0].Metrics {
		want, change := 0, 0.0
		if m.ID == "latency-p95" {
			want, change = 20, 0.1
		}
		if m.Regressed != want || math.Abs(float64(m.Change)-change) > 0.001 {
			t.Errorf("got %+v, want regressed %d times by %v", m, want, change)
		}
	}
	if got := h.compare(t, "r0", "r10"); !strings.Contains(got.Reason, "calibrated on 10 runs of one build") {
		t.Errorf("got %q, want the calibration", got.Reason)
	}
	for _, id := range []string{"r11", "r12"} {
		r, err := h.store.Load(id)
		if err != nil {
			t.Fatal(err)
		}
		r.Load.Users = 7
		if err := h.store.Save(r); err != nil {
			t.Fatal(err)
		}
	}
	if got := h.compare(t, "r11", "r12"); !got.Comparable || strings.Contains(got.Reason, "calibrated") {
		t.Errorf("other users: got %q, want no calibration", got.Reason)
	}
	if _, err := a.Calibrate(t.Context(), analysis.Build{Name: "x", Runs: ids[:3]}, nil, analysis.Options{}); err == nil || !strings.Contains(err.Error(), "too few") {
		t.Errorf("three runs: got %v, want too few", err)
	}
}
