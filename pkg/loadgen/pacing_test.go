package loadgen

import (
	"context"
	"net/http"
	"testing"
	"testing/synctest"
	"time"
)

func TestMetronomes(t *testing.T) {
	for _, c := range []struct {
		name string
		make func() metronome
	}{{"the system's", newMetronome}, {"Go's timers", newTicker}} {
		m := c.make()
		from := time.Now()
		if !m.wait(2 * time.Millisecond) {
			t.Errorf("%s: the wait was interrupted by nobody", c.name)
		}
		if took := time.Since(from); took < 2*time.Millisecond {
			t.Errorf("%s: got back after %v, want at least 2 ms", c.name, took)
		}
		time.AfterFunc(10*time.Millisecond, m.interrupt)
		if m.wait(time.Hour) {
			t.Errorf("%s: an interrupted wait was reported as a whole one", c.name)
		}
		if m.wait(time.Hour) {
			t.Errorf("%s: a wait after the interrupt was reported as a whole one", c.name)
		}
		m.close()
	}
}

func TestArrivalsComeWhenDue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := mustParse(t, scenarioOf("{name: t, request: GET /}"))
		p := Profile{Open: true, Stages: []Stage{{0, 100, 10 * time.Second, true}}}
		g, err := New(Options{Scenario: s, Profile: p, Target: testTarget, RunID: "r", metronome: newTicker})
		if err != nil {
			t.Fatal(err)
		}
		g.start = time.Now()
		g.openQueues()
		var off []time.Duration
		done := make(chan struct{})
		go func() {
			defer close(done)
			for a := range g.kinds[0].queue {
				off = append(off, g.fleet.now()-a.due)
			}
		}()
		g.arrive(t.Context())
		g.closeQueues()
		<-done
		if len(off) != 500 {
			t.Errorf("got %d arrivals, want 500: the integral of the rate", len(off))
		}
		for n, late := range off {
			if late != 0 {
				t.Fatalf("arrival %d: got it %v late, want 0", n, late)
			}
		}
	})
}

// An open model lasts as long as its profile, not until its last arrival: rates are over all of it.
func TestOpenModelLastsAsLongAsItsProfile(t *testing.T) {
	p := Profile{Open: true, MaxInFlight: 5, Stages: []Stage{{1, 1, 10 * time.Second, true}, {0, 0, 5 * time.Second, false}}}
	sum, err := runInBubble(t, mustParse(t, scenarioOf("{name: t, request: GET /}")), p, func(http.ResponseWriter, *http.Request) {}, nil)
	if got := sum.Window.Duration(); err != nil || sum.Requests != 10 || got < 15*time.Second || got > 15100*time.Millisecond {
		t.Errorf("got %v and %d requests in %s, want 10 in 15 s", err, sum.Requests, got)
	}
}

func TestArrivalsEndWithTheRun(t *testing.T) {
	s := mustParse(t, scenarioOf("{name: t, request: GET /}"))
	p := Profile{Open: true, Stages: []Stage{{0.01, 0.01, time.Hour, true}}}
	g, err := New(Options{Scenario: s, Profile: p, Target: testTarget, RunID: "r"})
	if err != nil {
		t.Fatal(err)
	}
	g.start = time.Now()
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(10*time.Millisecond, cancel)
	g.openQueues()
	g.arrive(ctx) // must come back
}

// BenchmarkPacing hands 2,000 arrivals a second to a waiting goroutine, and
// tells how late they are there and what share of a core that takes.
func BenchmarkPacing(b *testing.B) {
	const gap = 500 * time.Microsecond
	m := newMetronome()
	defer m.close()
	queue, done := make(chan time.Time, 1), make(chan struct{})
	var lag histogram
	go func() {
		defer close(done)
		for due := range queue {
			lag.add(time.Since(due))
		}
	}()
	cpu, from := cpuTime(), time.Now()
	due := from
	for b.Loop() {
		due = due.Add(gap)
		if wait := time.Until(due); wait > 0 {
			m.wait(wait)
		}
		queue <- due
	}
	share := float64(cpuTime()-cpu) / float64(time.Since(from))
	close(queue)
	<-done
	b.ReportMetric(100*share, "cpu-%")
	b.ReportMetric(lag.quantile(0.50)*1e6, "lag-p50-µs")
	b.ReportMetric(lag.quantile(0.99)*1e6, "lag-p99-µs")
}
