package loadgen

import (
	"math"
	"testing"
	"testing/synctest"
	"time"
)

// begun is a generator whose load has begun, and how it counts requests that took some time.
func begun(t *testing.T) (g *Generator, answer func(n int, took time.Duration)) {
	t.Helper()
	g, err := New(Options{Scenario: mustParse(t, scenarioOf("{name: t, request: GET /}")), Target: testTarget, RunID: "r"})
	if err != nil {
		t.Fatal(err)
	}
	g.begin(time.Now())
	return g, func(n int, took time.Duration) {
		for range n {
			g.rec.record(g.rec.shards[0], &g.kinds[0].tasks[0].steps[0].channel, &result{status: 200, outcome: Success, response: took})
		}
	}
}

func TestProgressInTheFirstSecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, answer := begun(t)
		time.Sleep(400 * time.Millisecond)
		answer(40, time.Millisecond)
		if got := g.Progress(); got.RequestsPerSecond != 100 || got.Lately != 100 {
			t.Errorf("40 requests in 0.4 s: got %v and %v req/s, want 100", got.RequestsPerSecond, got.Lately)
		}
	})
}

// Each second shows its own requests, and those of the last ten what is true of them:
// a stall late in a long run is seen as soon as it is there.
func TestProgressIsOfTheLastSeconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, answer := begun(t)
		for second := 1; second <= 600; second++ {
			n, took := 100, 10*time.Millisecond
			if second%2 == 0 {
				n = 300
			}
			if second > 590 {
				took = time.Second
			}
			time.Sleep(time.Second)
			answer(n, took)
			p := g.Progress()
			if p.RequestsPerSecond != float64(n) {
				t.Fatalf("second %d: got %v req/s, want %d", second, p.RequestsPerSecond, n)
			}
			if again := g.Progress(); again.RequestsPerSecond != float64(n) {
				t.Fatalf("asked twice in second %d: got %v req/s, want %d", second, again.RequestsPerSecond, n)
			}
			if second >= 10 && second%10 == 0 {
				want := 0.010
				if second > 590 {
					want = 1
				}
				if p.Lately != 200 || math.Abs(p.P50/want-1) > 2*QuantileError {
					t.Fatalf("second %d: got %v req/s and p50 %v s lately, want 200 and %v", second, p.Lately, p.P50, want)
				}
			}
		}
		time.Sleep(11 * time.Second)
		g.Progress()
		if p := g.Progress(); p.RequestsPerSecond != 0 || !math.IsNaN(p.P99) || p.Requests != 300*100+300*300 {
			t.Errorf("when nothing comes any more: got %+v, want no rate, no p99 and all requests", p)
		}
	})
}

func TestProgressBeforeTheCommonStart(t *testing.T) {
	at := time.Now().Add(time.Minute)
	g, err := New(Options{Scenario: mustParse(t, scenarioOf("{name: t, request: GET /}")), Target: testTarget, RunID: "r", StartAt: at})
	if err != nil {
		t.Fatal(err)
	}
	if p := g.Progress(); !p.StartAt.Equal(at) || p.Elapsed != 0 {
		t.Errorf("got %+v, want what it waits for", p)
	}
	g.begin(at)
	if p := g.Progress(); !p.StartAt.IsZero() || p.Elapsed <= 0 {
		t.Errorf("got %+v, want nothing that it waits for", p)
	}
}
