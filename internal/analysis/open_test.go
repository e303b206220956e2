package analysis_test

import (
	"math"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/plumbline/plumbline/internal/analysis"
	"github.com/plumbline/plumbline/internal/store"
	"github.com/plumbline/plumbline/internal/testrun"
	"github.com/plumbline/plumbline/pkg/loadgen"
	"github.com/plumbline/plumbline/pkg/run"
)

// Of an open model the report scores every arrival and nothing else: not the logins
// before the load, and also those that waited when what is scored ended. Its rates
// are those of the time in which load was sent.
func TestOpenModelIsScoredWhole(t *testing.T) {
	const sla = `apiVersion: plumbline/v1
kind: SLA
service: s
objectives:
  - {id: client-rps, group: throughput, unit: req/s, rate: {of: 'loadgen_requests_total{run="$run"}'}}
  - {id: client-latency-p95, group: latency, unit: s, quantile: {q: 0.95, of: 'loadgen_response_time_seconds{run="$run"}'}}
  - {id: client-max, group: latency, unit: s, gauge: {of: 'max(loadgen_response_time_max_seconds{run="$run"})', reduce: max}}
`
	between := func(from, to float64) [2]time.Duration {
		return [2]time.Duration{time.Duration(from * float64(time.Second)), time.Duration(to * float64(time.Second))}
	}
	until := func(to float64) [2]time.Duration { return between(0, to) }
	never := until(0)
	for _, c := range []struct {
		name, profile string
		takes         time.Duration
		frozen        [2]time.Duration // since the start of the load; nothing is answered meanwhile
		arrivals      int64
		scored        [2]time.Duration // since the start of the load
		late          bool             // and told
	}{
		{"it keeps up", "{arrival_rate: 20/s, duration: 4s, max_in_flight: 10}", time.Millisecond, never, 80, until(4), false},
		{"overloaded, arrivals wait for a user", "{arrival_rate: 100/s, duration: 3s, max_in_flight: 5}", 19 * time.Millisecond, never, 300, until(3), true},
		{"overloaded, requests wait in the service", "{arrival_rate: 100/s, duration: 3s, max_in_flight: 300}", 19 * time.Millisecond, never, 300, until(3), true},
		{"frozen, for less than a scrape interval after the end", "{arrival_rate: 20/s, duration: 4s, max_in_flight: 100}", time.Millisecond, between(3, 4.5), 80, until(4), true},
		{"frozen at the end of the last step", "{arrival_rate: {from: 20/s, to: 30/s, steps: 2}, each: 3s, max_in_flight: 300}", time.Millisecond, between(5, 8), 150, until(6), true},
		{"frozen when the load becomes less", "{stages: [{to: 20/s, over: 1s}, {hold: 4s}, {to: 1/s, over: 4s}], max_in_flight: 300}", time.Millisecond, between(4, 7), 132, between(1, 5), true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var mu, one sync.Mutex
			var begun atomic.Pointer[time.Time]
			srv := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/login" {
					time.Sleep(700 * time.Millisecond)
					return
				}
				one.Lock()
				defer one.Unlock()
				time.Sleep(c.takes)
				if at := time.Since(*begun.Load()); c.frozen[0] < at && at < c.frozen[1] {
					time.Sleep(c.frozen[1] - at)
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
			profiles, err := loadgen.ParseProfiles("p.yaml", []byte("apiVersion: plumbline/v1\nkind: Profiles\nprofiles: {p: "+c.profile+"}"))
			if err != nil {
				t.Fatal(err)
			}
			st := store.Open(t.TempDir())
			var raw []loadgen.Sample
			r, summary, err := testrun.Execute(t.Context(), t.Context(), st, testrun.Spec{Service: "s", Scenario: scenario, Profile: profiles["p"], Target: target, SLA: []byte(sla),
				OnResult: func(s loadgen.Sample) {
					mu.Lock()
					defer mu.Unlock()
					if s.Request != "login" {
						raw = append(raw, s)
					}
				}, OnStart: func(at time.Time) { begun.Store(&at) }})
			if err != nil {
				t.Fatal(err)
			}
			if summary.Requests != c.arrivals {
				t.Errorf("got %d requests, want %d", summary.Requests, c.arrivals)
			}
			if told := strings.Contains(strings.Join(r.Warnings, "\n"), "what was due in a scored stage was answered up to"); told != c.late {
				t.Errorf("got warnings %q, want that answers came late told: %v", r.Warnings, c.late)
			}
			rep, err := (&analysis.Analyzer{Store: st}).Report(t.Context(), r.ID, analysis.Options{})
			if err != nil {
				t.Fatal(err)
			}
			if got := rep.Requests[len(rep.Requests)-1].Requests; got != c.arrivals {
				t.Errorf("the report counts %d requests, want the %d arrivals", got, c.arrivals)
			}
			var times []float64 // of those due in what is scored
			inTime, sent := 0.0, r.Sent()
			for _, s := range raw {
				answered := s.Sent.Add(s.ServiceTime)
				if due := answered.Add(-s.ResponseTime).Sub(r.Window.Start); c.scored[0] <= due && due < c.scored[1] {
					times = append(times, s.ResponseTime.Seconds())
				}
				if answered.Before(sent.End) {
					inTime++
				}
			}
			slices.Sort(times)
			// A native bucket is 2.2 % wide. Of some stages a few answers of the next are in it.
			rank := len(times) * 95 / 100
			low, high := times[rank-3]/1.025, times[min(rank+3, len(times)-1)]*1.025
			if p95 := float64(objective(t, rep, "client-latency-p95").Value); p95 < low || p95 > high {
				t.Errorf("p95: got %v s, want %v to %v", p95, low, high)
			}
			if got, want := float64(objective(t, rep, "client-max").Value), slices.Max(times); math.Abs(got/want-1) > 0.05 {
				t.Errorf("longest: got %v s, want %v", got, want)
			}
			for what, got := range map[string]float64{"rps": float64(objective(t, rep, "client-rps").Value), "the row's rps": float64(rep.Requests[len(rep.Requests)-1].RequestsPerSecond)} {
				// Over the time until the last scrape, when the service may have been faster or slower.
				if want := inTime / sent.Duration().Seconds(); c.frozen == never && (got < 0.7*want || got > 1.4*want) {
					t.Errorf("%s: got %v, want %v", what, got, want)
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
