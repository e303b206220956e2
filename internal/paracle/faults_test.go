package paracle

import (
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
)

// faulty starts a server with faults and logs in.
func faulty(t *testing.T, faults ...string) (s *Server, get func() (status int)) {
	t.Helper()
	s, srv := newTestServer(t, func(c *Config) {
		for _, f := range faults {
			if err := c.AddFault(f); err != nil {
				t.Fatal(err)
			}
		}
	})
	t.Cleanup(s.Close)
	token := login(t, srv)
	return s, func() int {
		code, _ := ask(t, srv, "GET", "/api/v1/agents/coder", token, "")
		return code
	}
}

func timed(do func()) time.Duration {
	start := time.Now()
	do()
	return time.Since(start)
}

func TestFaultsTakeTime(t *testing.T) {
	for _, c := range []struct {
		fault    string
		requests int
		least    time.Duration // that the requests take, sent at once
	}{
		{"small-pool=1", 10, 40 * time.Millisecond}, // queries of 4 ms
		{"lock-contention=0.01", 5, 50 * time.Millisecond},
		{"slow-downstream=0.05", 1, 50 * time.Millisecond},
		{"slower=5", 1, 36 * time.Millisecond}, // 6 ms of registry and query, six times
	} {
		t.Run(c.fault, func(t *testing.T) {
			_, get := faulty(t, c.fault)
			took := timed(func() {
				var users sync.WaitGroup
				for range c.requests {
					users.Go(func() { get() })
				}
				users.Wait()
			})
			if took < c.least {
				t.Errorf("%d requests took %s, want at least %s", c.requests, took, c.least)
			}
		})
	}
}

func TestFaultsTakeMemory(t *testing.T) {
	s, get := faulty(t, "memory-leak=100000")
	get()
	get()
	if n := len(s.leaked) * len(s.leaked[0]); n != 300_000 { // the login leaves some, too
		t.Errorf("memory-leak: got %d bytes left after three requests, want 300000", n)
	}
	_, get = faulty(t, "gc-pressure=5000000")
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	get()
	runtime.ReadMemStats(&after)
	if made := after.TotalAlloc - before.TotalAlloc; made < 5_000_000 {
		t.Errorf("gc-pressure: got %d bytes made by a request, want 5000000", made)
	}
}

func TestErrorBurstComesAndGoes(t *testing.T) {
	s, get := faulty(t, "error-burst=1")
	s.started = time.Now() // a burst is 6 seconds away
	if got := get(); got != 200 {
		t.Errorf("before the burst: got %d, want 200", got)
	}
	s.started = time.Now().Add(-7 * time.Second)
	if got := get(); got != 500 {
		t.Errorf("in the burst: got %d, want 500", got)
	}
}

func TestSlowLLMShowsInItsMetric(t *testing.T) {
	var c Config
	if err := c.AddFault("slow-llm=3"); err != nil || c.LLMScale != 0 {
		t.Fatalf("got %v and scale %v, want none of both", err, c.LLMScale)
	}
	c.LLMScale = .04
	if err := c.AddFault("slow-llm=3"); err != nil || c.LLMScale != .12 {
		t.Errorf("got %v and scale %v, want 0.12", err, c.LLMScale)
	}
}

func TestCPUHogBurns(t *testing.T) {
	burnt := func() time.Duration {
		var u syscall.Rusage
		if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
			t.Fatal(err)
		}
		return time.Duration(u.Utime.Nano())
	}
	s, _ := faulty(t, "cpu-hog=1")
	before := burnt()
	for deadline := time.Now().Add(20 * time.Second); burnt()-before < 100*time.Millisecond; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("it burnt less than 0.1 s of a processor in 20 s")
		}
	}
	s.Close()
}

func TestNoMetricNamesAFault(t *testing.T) {
	var faults []string
	for _, f := range Faults {
		faults = append(faults, f.Name)
	}
	with, get := faulty(t, faults...)
	get()
	without, get := faulty(t)
	get()
	names := func(s *Server) string {
		families, err := s.metrics.registry.Gather()
		if err != nil {
			t.Fatal(err)
		}
		var all []string
		for _, f := range families {
			all = append(all, f.GetName())
		}
		return strings.Join(all, "\n")
	}
	if got, want := names(with), names(without); got != want {
		t.Errorf("got metrics\n%s\nwant those of a healthy service\n%s", got, want)
	}
	if n := testutil.CollectAndCount(with.metrics.downstream); n != 1 {
		t.Errorf("got %d series of the downstream service, want 1", n)
	}
}

func TestUnknownFaultsAreRefused(t *testing.T) {
	for text, want := range map[string]string{
		"smal-pool":    "there are small-pool",
		"small-pool=x": "want a number above 0",
		"slow-llm=-1":  "want a number above 0",
		"slow-llm=NaN": "want a number above 0",
	} {
		if err := new(Config).AddFault(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", text, err, want)
		}
	}
}
