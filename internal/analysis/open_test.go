package analysis_test

import (
	"math"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/plumbline/plumbline/internal/analysis"
	"github.com/plumbline/plumbline/internal/store"
	"github.com/plumbline/plumbline/internal/testrun"
	"github.com/plumbline/plumbline/pkg/loadgen"
	"github.com/plumbline/plumbline/pkg/run"
)

// Of an open model the report scores every arrival and nothing else: not the
// logins before the load, and also those that waited for a user at its end.
func TestOpenModelIsScoredWhole(t *testing.T) {
	var one sync.Mutex
	srv := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/login":
			time.Sleep(700 * time.Millisecond)
		case "/":
			one.Lock()
			defer one.Unlock()
			time.Sleep(19 * time.Millisecond)
		}
	}))
	defer srv.Close()
	target, err := url.Parse(srv.URL)
	if err != nil {
		t.Fatal(err)
	}
	scenario, err := loadgen.ParseScenario("s.yaml", []byte(`apiVersion: plumbline/v1
kind: Scenario
name: s
users:
  - {name: u, start: [{name: login, request: POST /login}], tasks: [{name: t, request: GET /}]}
`), "")
	if err != nil {
		t.Fatal(err)
	}
	const sla = `apiVersion: plumbline/v1
kind: SLA
service: s
objectives:
  - {id: client-rps, group: throughput, unit: req/s, rate: {of: 'loadgen_requests_total{run="$run"}'}}
  - {id: client-latency-p95, group: latency, unit: s, quantile: {q: 0.95, of: 'loadgen_response_time_seconds{run="$run"}'}}
  - {id: client-max, group: latency, unit: s, gauge: {of: 'max(loadgen_response_time_max_seconds{run="$run"})', reduce: max}}
`
	for _, c := range []struct {
		name, profile string
		arrivals      int64
		overran       bool
	}{
		{"it keeps up", "{arrival_rate: 20/s, duration: 4s, max_in_flight: 10}", 80, false},
		{"overloaded, arrivals wait for a user", "{arrival_rate: 100/s, duration: 3s, max_in_flight: 5}", 300, true},
		{"overloaded, requests wait in the service", "{arrival_rate: 100/s, duration: 3s, max_in_flight: 300}", 300, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			profiles, err := loadgen.ParseProfiles("p.yaml", []byte("apiVersion: plumbline/v1\nkind: Profiles\nprofiles: {p: "+c.profile+"}"))
			if err != nil {
				t.Fatal(err)
			}
			st := store.Open(t.TempDir())
			var mu sync.Mutex
			var raw []float64
			r, summary, err := testrun.Execute(t.Context(), t.Context(), st, testrun.Spec{Service: "s", Scenario: scenario, Profile: profiles["p"], Target: target, SLA: []byte(sla),
				OnResult: func(s loadgen.Sample) {
					mu.Lock()
					defer mu.Unlock()
					if s.Request != "login" {
						raw = append(raw, s.ResponseTime.Seconds())
					}
				}})
			if err != nil {
				t.Fatal(err)
			}
			if summary.Requests != c.arrivals || summary.Overran != c.overran {
				t.Errorf("got %d requests and overran: %v, want %d and %v", summary.Requests, summary.Overran, c.arrivals, c.overran)
			}
			if told := strings.Contains(strings.Join(r.Warnings, "\n"), "the slowest answers came up to"); told != c.overran {
				t.Errorf("got warnings %q, want that answers came late told: %v", r.Warnings, c.overran)
			}
			rep, err := (&analysis.Analyzer{Store: st}).Report(t.Context(), r.ID, analysis.Options{})
			if err != nil {
				t.Fatal(err)
			}
			if got := rep.Requests[len(rep.Requests)-1].Requests; got != c.arrivals {
				t.Errorf("the report counts %d requests, want the %d arrivals", got, c.arrivals)
			}
			wantQuantile(t, raw, 0.95, objective(t, rep, "client-latency-p95").Value)
			for id, want := range map[string]float64{"client-max": slices.Max(raw), "client-rps": float64(c.arrivals) / rep.Run.Steady.Duration().Seconds()} {
				if got := float64(objective(t, rep, id).Value); math.Abs(got/want-1) > 0.01 {
					t.Errorf("%s: got %v, want %v", id, got, want)
				}
			}
		})
	}
}

func TestARunWithoutLoad(t *testing.T) {
	st := store.Open(t.TempDir())
	now := time.Now()
	if _, err := st.Reserve("early", now); err != nil {
		t.Fatal(err)
	}
	if err := st.Save(run.Run{ID: "early", Service: "s", Window: run.Window{Start: now, End: now}, State: run.Aborted, Reason: "stopped by the user before the load began", Source: run.Source{Recording: true}}); err != nil {
		t.Fatal(err)
	}
	if err := st.WriteFile("early", "sla.yaml", []byte("apiVersion: plumbline/v1\nkind: SLA\nservice: s\nobjectives:\n  - {id: a, count: {of: x}}\n")); err != nil {
		t.Fatal(err)
	}
	_, err := (&analysis.Analyzer{Store: st}).Report(t.Context(), "early", analysis.Options{})
	if err == nil || !strings.Contains(err.Error(), "run early: there was no load to report on: stopped by the user before the load began") {
		t.Errorf("got %v, want that there was no load", err)
	}
}
