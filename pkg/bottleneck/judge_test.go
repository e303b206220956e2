package bottleneck_test

import (
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/plumbline/plumbline/pkg/bottleneck"
)

// A cache is full all the time, and makes nothing wait.
func TestFullMemoryIsNoCauseOfWaits(t *testing.T) {
	w := healthy().replace("go_sync").replace("http_request")
	w.calls("http_request_duration_seconds", `job="api",instance="a"`, 500, about(.6))
	w.counter(`go_sync_mutex_wait_total_seconds_total{job="api",instance="a"}`, about(500*.4))
	d := w.miss("p95", bottleneck.Latency, true, 0).diagnose(t, resource("redis-memory", "Redis", "Memory", "bytes", 13e9, always(12.99e9)))
	if diff := cmp.Diff([]string{"HIGH lock/mutex", "LOW utilization/redis-memory"}, found(d)); diff != "" {
		t.Fatalf("findings (-want +got):\n%s", diff)
	}
	if f := d.Findings[1]; strings.Contains(f.RootCause, "waiting") || !strings.Contains(f.Impact, "a risk") || !math.IsNaN(f.Evidence[0].Overlap) {
		t.Errorf("got root cause %q, impact %q, overlap %v, want a risk and no wait", f.RootCause, f.Impact, f.Evidence[0].Overlap)
	}
}

// Memory that is full and grows on is one finding, however slowly it grows.
func TestMemoryThatIsFullAndGrows(t *testing.T) {
	d := healthy().diagnose(t, resource("redis-memory", "Redis", "Memory", "bytes", 13e9, func(i int) float64 { return 11.5e9 + 11e6*float64(i) }))
	if diff := cmp.Diff([]string{"MEDIUM growth/redis-memory"}, found(d)); diff != "" {
		t.Errorf("findings (-want +got):\n%s", diff)
	}
}

// Memory that follows the load is no leak; a leak grows with each request served.
func TestGrowthUnderAGrowingLoad(t *testing.T) {
	ramp := func(i int) float64 { return 500 * (1 + float64(i)/20) } // to four times
	steps := func(i int) float64 { return 500 * float64(1+max(i, 0)/12) }
	follows := func(load func(i int) float64) func(i int) float64 {
		return func(i int) float64 { return 26e6 + 8e6*load(i)/500 + 1e5*math.Sin(float64(i)) }
	}
	leaks := func(load func(i int) float64) func(i int) float64 {
		sum := 0.0
		return func(i int) float64 { sum += load(i); return 34e6 + 6e4*sum }
	}
	leak := []string{"LOW growth/process-memory/api"}
	for name, tc := range map[string]struct {
		load, memory func(i int) float64
		want         []string
	}{
		"memory that follows a ramp":         {ramp, follows(ramp), nil},
		"memory that follows steps":          {steps, follows(steps), nil},
		"a leak with each request of a ramp": {ramp, leaks(ramp), leak},
		"a leak with each request of steps":  {steps, leaks(steps), leak},
	} {
		t.Run(name, func(t *testing.T) {
			w := healthy().replace("http_request").replace("process_resident").replace("db_pool")
			w.varying("http_request_duration_seconds", `job="api",instance="a"`, tc.load, about(.1))
			w.gauge(`process_resident_memory_bytes{job="api",instance="a"}`, tc.memory)
			if diff := cmp.Diff(tc.want, found(w.diagnose(t))); diff != "" {
				t.Errorf("findings (-want +got):\n%s", diff)
			}
		})
	}
}

// A resource whose own bound fails, fails the run, and its finding is as severe.
func TestABoundOfTheResourceItself(t *testing.T) {
	cpu := resource("db-cpu", "Database", "CPU", "ratio", 1, always(.97))
	cpu.Failed = "peak 97 %, must be < 90%"
	w := healthy()
	w.held = 1
	d := w.diagnose(t, cpu)
	if diff := cmp.Diff([]string{"HIGH utilization/db-cpu"}, found(d)); diff != "" {
		t.Fatalf("findings (-want +got):\n%s", diff)
	}
	if want := "the bound on it failed (peak 97 %, must be < 90%); none on the objectives: all bounds that were judged held"; d.Findings[0].Impact != want {
		t.Errorf("got impact %q, want %q", d.Findings[0].Impact, want)
	}
}

// Where a resource was at its limit and explains nothing, the answer does not say
// that none was.
func TestUndeterminedSaysWhatWasFound(t *testing.T) {
	w := healthy().miss("p50", bottleneck.Latency, true, 0).miss("p95", bottleneck.Latency, true, 0)
	got := w.diagnose(t, resource("db-connections", "Database", "Connections", "", 400, spikes)).Undetermined
	if want := "why p50, p95 missed their bounds: what was found (Database Connections)"; !strings.Contains(got, want) {
		t.Errorf("got %q, want %q in it", got, want)
	}
	if strings.Contains(got, "no resource was near its limit") {
		t.Errorf("got %q, though one was", got)
	}
}

// A load that was not the one asked for tells little of the service, and where
// nothing was judged no bound held.
func TestImpactWhereNothingWasJudged(t *testing.T) {
	w := healthy()
	w.missing = 1
	d := w.diagnose(t, resource("db-connections", "Database", "Connections", "", 400, spikes))
	if diff := cmp.Diff([]string{"MEDIUM generator/loadgen", "LOW pool/db-connections"}, found(d)); diff != "" {
		t.Fatalf("findings (-want +got):\n%s", diff)
	}
	f := d.Findings[0]
	if title := f.Component + " " + f.Resource; title != "Load generator Offered load" || !strings.Contains(f.Impact, "says little") {
		t.Errorf("got %q with impact %q", title, f.Impact)
	}
	if want := "not known: no objective was judged"; d.Findings[1].Impact != want {
		t.Errorf("got impact %q, want %q", d.Findings[1].Impact, want)
	}
}
