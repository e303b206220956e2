package analysis_test

import (
	"context"
	"errors"
	"math"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/common/config"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/plumbline/plumbline/internal/analysis"
	"github.com/plumbline/plumbline/internal/paracle"
	"github.com/plumbline/plumbline/internal/store"
	"github.com/plumbline/plumbline/internal/testrun"
	"github.com/plumbline/plumbline/pkg/loadgen"
	"github.com/plumbline/plumbline/pkg/promql"
	"github.com/plumbline/plumbline/pkg/report"
	"github.com/plumbline/plumbline/pkg/run"
	"github.com/plumbline/plumbline/pkg/slo"
)

// short is the guide's mixed load for a few seconds on the sample API.
func short(t *testing.T, target string, duration time.Duration) testrun.Spec {
	t.Helper()
	t.Setenv("TEST_PASSWORD", "test_password")
	text, err := os.ReadFile("../../examples/paracle/scenarios/mixed.yaml")
	if err != nil {
		t.Fatal(err)
	}
	s, err := loadgen.ParseScenario("mixed.yaml", text, "../../examples/paracle/scenarios")
	if err != nil {
		t.Fatal(err)
	}
	s.ScaleThink(.05)
	profiles, err := loadgen.ParseProfiles("p.yaml", []byte("apiVersion: plumbline/v1\nkind: Profiles\nprofiles: {short: {users: 20, spawn_rate: 40, duration: "+duration.String()+"}}"))
	if err != nil {
		t.Fatal(err)
	}
	sla, err := os.ReadFile("../../examples/paracle/demo/sla.yaml")
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(target)
	if err != nil {
		t.Fatal(err)
	}
	return testrun.Spec{Service: "paracle-api", Scenario: s, Profile: profiles["short"], Target: u, SLA: sla, Seed: 7}
}

func sample(t *testing.T) *httptest.Server {
	t.Helper()
	cfg, err := paracle.ForVersion("v1.0.3")
	if err != nil {
		t.Fatal(err)
	}
	cfg.FaultRate = .01 // so that there are failures to count
	srv := httptest.NewServer(paracle.New(cfg))
	t.Cleanup(srv.Close)
	return srv
}

// scraped adds up http_requests_total on the target's own page.
func scraped(t *testing.T, url string) (total float64) {
	t.Helper()
	resp, err := http.Get(url + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	p := expfmt.NewTextParser(model.UTF8Validation)
	families, err := p.TextToMetricFamilies(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range families["http_requests_total"].GetMetric() {
		total += m.GetCounter().GetValue()
	}
	return total
}

func objective(t *testing.T, r report.Report, id string) report.Objective {
	t.Helper()
	i := slices.IndexFunc(r.Objectives, func(o report.Objective) bool { return o.ID == id })
	if i < 0 {
		t.Fatalf("the report has no %s", id)
	}
	return r.Objectives[i]
}

func TestCountsAndQuantilesAgreeWithWhatReallyHappened(t *testing.T) {
	srv := sample(t)
	st := store.Open(t.TempDir())
	spec := short(t, srv.URL, 4*time.Second)
	var mu sync.Mutex
	var raw []float64
	spec.OnResult = func(s loadgen.Sample) {
		mu.Lock()
		defer mu.Unlock()
		raw = append(raw, s.ResponseTime.Seconds())
	}
	r, summary, err := testrun.Execute(t.Context(), t.Context(), st, spec)
	if err != nil {
		t.Fatal(err)
	}
	if r.State != run.Complete {
		t.Errorf("got state %s, want complete", r.State)
	}
	rep, err := (&analysis.Analyzer{Store: st}).Report(t.Context(), r.ID, analysis.Options{})
	if err != nil {
		t.Fatal(err)
	}
	all := rep.Requests[len(rep.Requests)-1]
	for _, c := range []struct {
		who string
		got float64
	}{
		{"the target's scrape", scraped(t, srv.URL)},
		{"loadgen's summary", float64(summary.Requests)},
		{"the report's server side", float64(objective(t, rep, "total-requests").Value)},
		{"the report's requests", float64(all.Requests)},
	} {
		if c.got != float64(len(raw)) {
			t.Errorf("%s counts %v requests, and %d were sent", c.who, c.got, len(raw))
		}
	}
	if all.Failures != summary.Failures || all.Failures == 0 {
		t.Errorf("got %d failures in the report and %d in the summary; want the same, and some", all.Failures, summary.Failures)
	}
	for q, got := range map[float64]report.Number{.5: all.ResponseTime.P50, .95: all.ResponseTime.P95, .99: all.ResponseTime.P99} {
		wantQuantile(t, raw, q, got)
	}
}

// wantQuantile compares a quantile with what was measured.
func wantQuantile(t *testing.T, raw []float64, q float64, got report.Number) {
	t.Helper()
	raw = slices.Sorted(slices.Values(raw))
	rank := int(math.Ceil(q*float64(len(raw)))) - 1
	// A native bucket is 2.2 % wide; between two neighbours in the ranking any value is right.
	low, high := raw[max(rank-1, 0)]/1.025, raw[min(rank+1, len(raw)-1)]*1.025
	if v := float64(got); !(low <= v && v <= high) {
		t.Errorf("p%v: got %v s, want between %v and %v", 100*q, v, low, high)
	}
}

// onceRecorded does something in the middle of a run: when requests are in its recording.
func onceRecorded(t *testing.T, st *store.Store, spec *testrun.Spec, do func()) {
	t.Helper()
	spec.ID = "middle"
	done := false
	spec.OnProgress = func(loadgen.Progress) {
		if done {
			return
		}
		r, err := st.Load(spec.ID)
		if err != nil {
			return // it has not begun
		}
		live, err := promql.NewClient(r.Source.Live, config.DefaultHTTPClientConfig)
		if err != nil {
			t.Error(err)
			return
		}
		if res, err := live.Query(t.Context(), "sum(increase(http_requests_total[1m])) > 0", time.Now()); err == nil && len(res.Series) > 0 {
			done = true
			do()
		}
	}
}

func TestTargetThatDiesIsKeptAndNeverAPass(t *testing.T) {
	srv := sample(t)
	st := store.Open(t.TempDir())
	spec := short(t, srv.URL, 4*time.Minute)
	onceRecorded(t, st, &spec, func() {
		srv.Listener.Close()
		srv.CloseClientConnections()
	})
	r, _, err := testrun.Execute(t.Context(), t.Context(), st, spec)
	var gone *loadgen.ErrTargetGone
	if !errors.As(err, &gone) {
		t.Fatalf("got %v, want ErrTargetGone", err)
	}
	if r.State != run.Aborted || r.Reason == "" {
		t.Errorf("got state %s (%q), want aborted with a reason", r.State, r.Reason)
	}
	rep, err := (&analysis.Analyzer{Store: st}).Report(t.Context(), r.ID, analysis.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if rep.Verdict == slo.Pass || rep.Verdict == slo.Warn {
		t.Errorf("got verdict %s on a run whose target died", rep.Verdict)
	}
	if n := objective(t, rep, "total-requests").Value; !(n > 0) {
		t.Errorf("got %v requests, want those before the end", n)
	}
}

func TestStoppedRunIsKeptAndNeverAPass(t *testing.T) {
	srv := sample(t)
	st := store.Open(t.TempDir())
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	spec := short(t, srv.URL, 4*time.Minute)
	onceRecorded(t, st, &spec, cancel)
	r, _, err := testrun.Execute(ctx, t.Context(), st, spec)
	if err == nil {
		t.Error("got no error for a run that was stopped")
	}
	rep, err := (&analysis.Analyzer{Store: st}).Report(t.Context(), r.ID, analysis.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if r.State != run.Aborted || rep.Verdict == slo.Pass || rep.Verdict == slo.Warn {
		t.Errorf("got state %s and verdict %s, want aborted and no pass", r.State, rep.Verdict)
	}
}

func TestTroubleBeforeTheLoadLeavesNothing(t *testing.T) {
	dead := httptest.NewServer(nil)
	dead.Close()
	st := store.Open(t.TempDir())
	_, _, err := testrun.Execute(t.Context(), t.Context(), st, short(t, dead.URL, time.Second))
	if err == nil || !strings.Contains(err.Error(), "connection refused") || !strings.Contains(err.Error(), "--target") {
		t.Errorf("got %v, want the refusal and what to do", err)
	}
	if runs, _, _ := st.List(); len(runs) != 0 {
		t.Errorf("got %d runs, want none", len(runs))
	}
	if _, err := (&analysis.Analyzer{Store: st}).Report(t.Context(), "PERF-1", analysis.Options{}); err == nil || !strings.Contains(err.Error(), "there are no runs") {
		t.Errorf("got %v, want to be told that there are no runs", err)
	}
}
