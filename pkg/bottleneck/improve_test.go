package bottleneck_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/plumbline/plumbline/pkg/bottleneck"
)

// estimateOf is the improvement whose action begins like that.
func estimateOf(t *testing.T, d bottleneck.Diagnosis, action string) bottleneck.Improvement {
	t.Helper()
	i := slices.IndexFunc(d.Improvements, func(i bottleneck.Improvement) bool { return strings.HasPrefix(i.Action, action) })
	if i < 0 {
		t.Fatalf("got %+v, want one that begins with %q", d.Improvements, action)
	}
	if got := d.Improvements[i]; (got.Estimate == "") != (got.Formula == "") {
		t.Errorf("got %+v, want both an estimate and its formula, or neither", got)
	}
	return d.Improvements[i]
}

// A saturation point is what capacity says, or follows from when the resource was
// full, and never lies below what the run carried.
func TestSaturationPoints(t *testing.T) {
	for name, tc := range map[string]struct {
		demand bottleneck.Demand
		burst  float64 // requests per second at a time at which the pool has room
		want   string
	}{
		"by the demand of a request, with what is used without load": {bottleneck.Demand{Idle: .1, PerRequest: .004}, 0, "the saturation point moves from 225 to 350 req/s"},
		"by when it was nearly full":                                 {bottleneck.Demand{}, 0, "the saturation point moves from 105 to 158 req/s"},
		"a demand that allows less than was carried":                 {bottleneck.Demand{PerRequest: .02}, 0, ""},
		"more was carried while the pool had room":                   {bottleneck.Demand{}, 200, ""},
		"more was carried than the demand allows":                    {bottleneck.Demand{Idle: .1, PerRequest: .004}, 200, ""},
	} {
		t.Run(name, func(t *testing.T) {
			w := healthy()
			w.varying("http_request_duration_seconds", `job="api",instance="a",path="/burst"`, func(i int) float64 { return tc.burst * 5 * once(i) }, about(.1))
			r := resource("db-connections", "Database", "Connections", "", 400, spikes)
			r.Demand = tc.demand
			if got := estimateOf(t, w.diagnose(t, r), "Raise the limit of Connections from 400 to 600").Estimate; got != tc.want {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}

// An even spread gives every replica the mean.
func TestOneMoreReplica(t *testing.T) {
	cpu := resource("api-cpu", "API pods", "CPU", "ratio", 1, always(.93), always(.7), always(.7), always(.7), always(.6), always(.57))
	const action = "Run 7 replicas of API pods instead of 6"
	if got, want := estimateOf(t, healthy().diagnose(t, cpu), action).Estimate, "mean utilization from 70 % to 60 %"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	cpu.Demand = bottleneck.Demand{Idle: .14, PerRequest: .0056}
	if got, want := estimateOf(t, healthy().diagnose(t, cpu), action).Estimate, "mean utilization from 70 % to 62 %"; got != want {
		t.Errorf("got %q, want %q: what is used without load is used by the seventh as well", got, want)
	}
}

// Memory has no demand of a request.
func TestMemoryPromisesNoThroughput(t *testing.T) {
	d := healthy().diagnose(t, resource("db-memory", "Database", "Memory", "bytes", 64e9, always(63e9), always(62e9)))
	if got := estimateOf(t, d, "Give Database 1.5 times the Memory"); got.Estimate != "" || len(d.Improvements) != 1 {
		t.Errorf("got %+v, want one improvement and no estimate", d.Improvements)
	}
}

// What a timeout saves of the mean is not told where that is next to nothing.
func TestATimeoutOfAThinTail(t *testing.T) {
	w := healthy().replace("llm_").replace("http_request")
	w.calls("http_request_duration_seconds", `job="api",instance="a"`, 500, about(2))
	w.calls("llm_request_duration_seconds", `job="api",instance="a",provider="openai"`, 400, always(1.9))
	w.calls("llm_request_duration_seconds", `job="api",instance="b",provider="openai"`, .5, always(4))
	d := w.miss("p95", bottleneck.Latency, true, 0).diagnose(t)
	if got, want := estimateOf(t, d, "Time out calls of openai").Estimate, "no call longer than 2.5 s instead of 5.0 s"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// The guide's three groups.
func TestImprovementsAreGroupedByHorizon(t *testing.T) {
	w := healthy().replace("llm_").replace("http_request")
	w.calls("http_request_duration_seconds", `job="api",instance="a"`, 500, about(.6))
	w.calls("llm_request_duration_seconds", `job="api",instance="a",provider="openai"`, 400, about(.6))
	var got []string
	for _, i := range w.miss("p95", bottleneck.Latency, true, 0).diagnose(t).Improvements {
		got = append(got, string(i.Horizon))
	}
	if diff := cmp.Diff([]string{"quick wins", "medium term", "long term"}, got); diff != "" {
		t.Errorf("horizons (-want +got):\n%s", diff)
	}
}

// Where more requests at once make no more answers, fewer are answered sooner.
func TestABoundOnRequestsInFlight(t *testing.T) {
	w := healthy().replace("http_request")
	w.calls("http_request_duration_seconds", `job="api",instance="a"`, 500, func(i int) float64 { return .1 + .4*float64(i)/(intervals-1) })
	got := estimateOf(t, w.diagnose(t), "Take in at most 11 requests at once")
	if want := "mean response time 110 ms instead of 507 ms at the end, at the same throughput"; got.Estimate != want {
		t.Errorf("got %q, want %q", got.Estimate, want)
	}
}
