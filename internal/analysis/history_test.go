package analysis_test

import (
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/util/teststorage"

	"github.com/plumbline/plumbline/internal/analysis"
	"github.com/plumbline/plumbline/internal/store"
	"github.com/plumbline/plumbline/pkg/promql/embedded"
	"github.com/plumbline/plumbline/pkg/run"
	"github.com/plumbline/plumbline/pkg/trend"
)

const trendSLA = `apiVersion: plumbline/v1
kind: SLA
service: api
objectives:
  - {id: rps, title: Requests per second, group: throughput, unit: req/s, rate: {of: 'requests_total'}, must: ">= 10"}
  - {id: by-code, group: throughput, unit: req/s, by: code, rate: {of: 'requests_total'}}
  - {id: stress-only, group: throughput, unit: req/s, when: {profile: stress}, rate: {of: 'requests_total'}}
`

// storeOf has 24 runs of a minute each, one after the other, on one Prometheus:
// 20 req/s in the first twelve, 15 in the others.
func storeOf(t *testing.T, change func(i int, r *run.Run)) *store.Store {
	t.Helper()
	begin := time.Now().Add(-25 * time.Minute).Truncate(time.Minute)
	srv := httptest.NewServer(embedded.Handler(embedded.New(requests(t, begin))))
	t.Cleanup(srv.Close)
	st := store.Open(t.TempDir())
	for i := range 24 {
		start := begin.Add(time.Duration(i) * time.Minute)
		r := run.Run{
			ID: fmt.Sprintf("run-%02d", i), Service: "api", Scenario: "mixed", Profile: "target", State: run.Complete,
			Labels: map[string]string{"version": "v1"}, Environment: map[string]string{"nodes": "3"},
			Window: run.Window{Start: start, End: start.Add(time.Minute)}, Steady: run.Window{Start: start, End: start.Add(time.Minute)},
			Source: run.Source{Prometheus: srv.URL, ScrapeSeconds: 5},
		}
		if i >= 12 {
			r.Labels["version"] = "v2"
		}
		if change != nil {
			change(i, &r)
		}
		if _, err := st.Reserve(r.ID, start); err != nil {
			t.Fatal(err)
		}
		if err := st.Save(r); err != nil {
			t.Fatal(err)
		}
		if err := st.WriteFile(r.ID, "sla.yaml", []byte(trendSLA)); err != nil {
			t.Fatal(err)
		}
	}
	return st
}

// requests counts 20 a second for twelve minutes, then 15, in samples every 5 s,
// which fall between the ends of runs.
func requests(t *testing.T, begin time.Time) storage.Storage {
	t.Helper()
	db := teststorage.New(t)
	app := db.Appender(t.Context())
	total := 0.0
	for at := time.Duration(0); at <= 24*time.Minute+10*time.Second; at += 5 * time.Second {
		for name, value := range map[string]float64{"requests_total": total, "up": 1} {
			series := labels.FromStrings("__name__", name, "code", "200", "job", "api", "instance", "i")
			if _, err := app.Append(0, series, begin.Add(at-2*time.Second).UnixMilli(), value); err != nil {
				t.Fatal(err)
			}
		}
		total += 100
		if at >= 12*time.Minute {
			total -= 25
		}
	}
	if err := app.Commit(); err != nil {
		t.Fatal(err)
	}
	return db
}

func TestHistoryShowsWhichRunAndLabelsChanged(t *testing.T) {
	a := &analysis.Analyzer{Store: storeOf(t, nil)}
	h, err := a.History(t.Context(), "rps", analysis.HistoryFilter{})
	if err != nil {
		t.Fatal(err)
	}
	if h.Title != "Requests per second" || h.Unit != "req/s" || h.Worse != "lower" || len(h.Points) != 24 || len(h.Warnings) > 0 {
		t.Fatalf("got %q in %q, worse %q, %d runs, warnings %q", h.Title, h.Unit, h.Worse, len(h.Points), h.Warnings)
	}
	points := trend.Detect(h.Values())
	if len(points) != 1 || points[0].Strength != trend.Strict || h.Points[points[0].Index].Run != "run-12" {
		t.Fatalf("got %+v, want one strict change point at run-12: %v", points, h.Values())
	}
	if change := points[0].Change(); math.Abs(change+0.25) > 0.001 {
		t.Errorf("got a change of %v, want a quarter less: %v", change, h.Values())
	}
	changed := h.Changed(12)
	if len(changed) != 1 || changed[0] != (trend.LabelChange{Name: "version", From: "v1", To: "v2"}) {
		t.Errorf("got %v, want version v1 → v2", changed)
	}
}

func TestHistoryHoldsOnlyComparableRuns(t *testing.T) {
	gone := httptest.NewServer(http.NotFoundHandler())
	defer gone.Close()
	st := storeOf(t, func(i int, r *run.Run) {
		switch i {
		case 1:
			r.State = run.Aborted
		case 2:
			r.Generators = run.Generators{Expected: 1, Segments: []run.Generator{{Segment: 1, Reasons: []string{"CPU"}}}}
		case 3, 4:
			r.Profile = "stress"
		case 5:
			r.Scenario = "single"
		case 6:
			r.Source.Prometheus = gone.URL // no Prometheus any more
		case 7:
			r.Load.Users = 9
		case 8:
			r.Environment = map[string]string{"nodes": "5"}
		}
	})
	a := &analysis.Analyzer{Store: st}
	h, err := a.History(t.Context(), "rps", analysis.HistoryFilter{})
	if err != nil {
		t.Fatal(err)
	}
	if len(h.Points) != 17 || h.Profile != "target" || h.Scenario != "mixed" {
		t.Errorf("got %d runs of %s, %s, want the 17 complete ones of the latest's scenario and profile", len(h.Points), h.Scenario, h.Profile)
	}
	warnings := strings.Join(h.Warnings, "\n")
	for _, want := range []string{"2 runs left out: not complete", "3 runs left out: of another service, scenario or profile", "2 runs left out: under other conditions than the latest, such as run run-07 against run-23: users: 9 (baseline), 0 (candidate)", "run run-06: "} {
		if !strings.Contains(warnings, want) {
			t.Errorf("got warnings %q, want %q among them", warnings, want)
		}
	}
	stress, err := a.History(t.Context(), "stress-only", analysis.HistoryFilter{Profile: "stress"})
	if err != nil || len(stress.Points) != 2 {
		t.Errorf("got %d runs, %v, want the two of the profile stress", len(stress.Points), err)
	}
	v2, err := a.History(t.Context(), "rps", analysis.HistoryFilter{Labels: map[string]string{"version": "v2"}})
	if err != nil || len(v2.Points) != 12 {
		t.Errorf("got %d runs, %v, want the twelve of v2", len(v2.Points), err)
	}
}

func TestHistoryThatCannotBe(t *testing.T) {
	a := &analysis.Analyzer{Store: storeOf(t, nil)}
	tests := []struct {
		objective string
		filter    analysis.HistoryFilter
		want      string
	}{
		{"rsp", analysis.HistoryFilter{}, "did you mean rps?"},
		{"availability", analysis.HistoryFilter{}, "it has rps, by-code, stress-only"},
		{"by-code", analysis.HistoryFilter{}, "it has a value for each code"},
		{"rps", analysis.HistoryFilter{Profile: "spike"}, "there is no run of profile spike in the store"},
		{"rps", analysis.HistoryFilter{Options: analysis.Options{Prometheus: "http://127.0.0.1:1"}}, "connection refused"},
	}
	for _, tt := range tests {
		if _, err := a.History(t.Context(), tt.objective, tt.filter); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s %+v: got %v, want %q", tt.objective, tt.filter, err, tt.want)
		}
	}
	empty := &analysis.Analyzer{Store: store.Open(t.TempDir())}
	if _, err := empty.History(t.Context(), "rps", analysis.HistoryFilter{}); err == nil || !strings.Contains(err.Error(), "there is no run in the store that can be measured") {
		t.Errorf("got %v, want to be told that there is no run", err)
	}
	h, err := a.History(t.Context(), "stress-only", analysis.HistoryFilter{})
	if err != nil || !math.IsNaN(h.Points[0].Value) || !strings.Contains(h.Warnings[0], "doesn't hold for its scenario and profile") {
		t.Errorf("got %v, %v, want runs without a value, and why", h, err)
	}
}
