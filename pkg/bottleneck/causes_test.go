package bottleneck_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/plumbline/plumbline/pkg/bottleneck"
	"github.com/plumbline/plumbline/pkg/promql"
)

// Each of these was told wrongly once, or could be, on a real service.
func TestWhatLooksLikeACauseAndIsNone(t *testing.T) {
	const latency = bottleneck.Latency
	for name, tc := range map[string]struct {
		make func() *world
		want []string
	}{
		"calls that nobody waits for": {func() *world {
			w := healthy().replace("llm_")
			w.calls("llm_request_duration_seconds", `job="api",instance="a",provider="openai"`, 500, about(2))
			return w.miss("p95", latency, true, 0)
		}, nil},
		"a dependency that too few requests ask for the median to wait for it": {func() *world {
			w := healthy().replace("llm_").replace("http_request")
			w.calls("http_request_duration_seconds", `job="api",instance="a"`, 500, about(.6))
			w.calls("llm_request_duration_seconds", `job="api",instance="a",provider="openai"`, 150, about(.5))
			w.miss("p50", latency, true, 0).symptoms[0].Quantile = .5
			return w
		}, []string{"LOW dependency/llm_request_duration_seconds/openai"}},
		"a heap that fills and levels off": {func() *world {
			w := healthy().replace("process_resident")
			w.gauge(`process_resident_memory_bytes{job="api",instance="a"}`, func(i int) float64 { return 5e8 - 1e8*math.Exp(-float64(i)/15) + 1e5*math.Sin(float64(i)) })
			return w
		}, nil},
		"a proxy that does less than the service behind it": {func() *world {
			w := healthy().replace("process_cpu")
			w.counter(`process_cpu_seconds_total{job="api",instance="a"}`, about(1.5*5))
			w.counter(`process_cpu_seconds_total{job="front",instance="f"}`, about(.2*5))
			return w
		}, nil},
		"a process that has more cores than another one": {func() *world {
			w := healthy()
			w.counter(`process_cpu_seconds_total{job="batch",instance="c"}`, about(3*5))
			w.gauge(`go_sched_gomaxprocs_threads{job="batch",instance="c"}`, always(8))
			return w
		}, nil},
		"a collector that works while the service starts, and little else does": {func() *world {
			w := healthy().replace(`process_cpu_seconds_total{job="api",instance="a"`).replace(`go_cpu_classes_gc_total_cpu_seconds_total{job="api",instance="a"`)
			starts := func(first, then float64) func(int) float64 {
				return func(i int) float64 {
					if i < 2 {
						return first * 5
					}
					return then * 5
				}
			}
			w.counter(`process_cpu_seconds_total{job="api",instance="a"}`, starts(.01, .5))
			w.counter(`go_cpu_classes_gc_total_cpu_seconds_total{job="api",instance="a"}`, starts(.3, .005))
			return w
		}, nil},
		"a node that idles while its disk works": {func() *world {
			w := healthy()
			for mode, share := range map[string]float64{"idle": .05, "iowait": .9, "user": .05} {
				w.counter(`node_cpu_seconds_total{job="node",instance="n",cpu="0",mode="`+mode+`"}`, always(share*5))
			}
			return w
		}, nil},
		"waits for one pool beside another one with room": {func() *world {
			w := healthy().replace("db_pool_wait")
			w.calls("db_pool_wait_seconds", `job="api",instance="a"`, 500, about(.06))
			w.gauge(`redis_connected_clients{instance="r"}`, about(20))
			w.gauge(`redis_config_maxclients{instance="r"}`, always(10000))
			return w
		}, []string{"MEDIUM pool/db-pool"}},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, found(tc.make().diagnose(t))); diff != "" {
				t.Errorf("findings (-want +got):\n%s", diff)
			}
		})
	}
}

// A dependency that fewer than half of the requests call slows the median down
// where others are slow for their own reasons.
func TestSlowForSeveralReasons(t *testing.T) {
	w := healthy().replace("llm_").replace("http_request")
	w.calls("http_request_duration_seconds", `job="api",instance="a",path="/fast"`, 225, about(.1))
	w.calls("http_request_duration_seconds", `job="api",instance="a",path="/slow"`, 275, about(.6))
	w.calls("llm_request_duration_seconds", `job="api",instance="a",provider="openai"`, 100, about(.5))
	w.miss("p50", bottleneck.Latency, true, 0).symptoms[0].Quantile = .5
	got := found(w.diagnose(t))
	if want := "HIGH dependency/llm_request_duration_seconds/openai"; len(got) == 0 || got[0] != want {
		t.Errorf("got %q, want %q first", got, want)
	}
}

// Each of two slow dependencies is enough for the tail to miss its bound, and
// neither alone is needed for it.
func TestTwoCausesAtOnce(t *testing.T) {
	w := healthy().replace("llm_").replace("http_request")
	w.calls("http_request_duration_seconds", `job="api",instance="a",path="/fast"`, 200, about(.1))
	w.calls("http_request_duration_seconds", `job="api",instance="a",path="/slow"`, 300, about(.8))
	w.calls("llm_request_duration_seconds", `job="api",instance="a",provider="openai"`, 150, about(.7))
	w.calls("http_client_request_duration_seconds", `job="api",instance="a",service="registry"`, 150, about(.69))
	w.miss("p95", bottleneck.Latency, true, 0).symptoms[0].Quantile = .95
	got := found(w.diagnose(t))
	want := []string{"HIGH dependency/llm_request_duration_seconds/openai", "HIGH dependency/http_client_request_duration_seconds/registry"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("findings (-want +got):\n%s", diff)
	}
}

// Calls that a request makes side by side take more time than the request, which
// waits for the longest all the same.
func TestCallsSideBySide(t *testing.T) {
	w := healthy().replace("llm_").replace("http_request")
	swings := func(i int) float64 { return .5 + .2*math.Sin(float64(i)/3) }
	w.calls("http_request_duration_seconds", `job="api",instance="a"`, 500, func(i int) float64 { return .05 + swings(i) })
	w.calls("llm_request_duration_seconds", `job="api",instance="a",provider="openai"`, 1500, swings)
	got := found(w.miss("p95", bottleneck.Latency, true, 0).diagnose(t))
	if want := "HIGH dependency/llm_request_duration_seconds/openai"; len(got) == 0 || got[0] != want {
		t.Errorf("got %q, want %q first", got, want)
	}
}

// A pool is known by the metric that its query asks for, whatever the SLA calls it.
func TestWaitsBelongToThePoolThatExportsThem(t *testing.T) {
	w := healthy().replace("db_pool_wait").replace("http_request")
	w.calls("http_request_duration_seconds", `job="api",instance="a"`, 500, about(.6))
	w.calls("db_pool_wait_seconds", `job="api",instance="a"`, 500, about(.4))
	var sampled promql.Series // between the bursts, in which all are out
	for i := range intervals {
		sampled.Points = append(sampled.Points, promql.Point{Time: start.Add(time.Duration(i+1) * step), Value: 10})
	}
	r := bottleneck.Resource{ID: "storage", Component: "Storage", Resource: "Pool", Limit: 40, Query: `max(db_pool_connections_in_use{job="api"})`, Series: []promql.Series{sampled}}
	got := found(w.miss("p95", bottleneck.Latency, true, 0).diagnose(t, r))
	if want := "HIGH pool/storage"; len(got) == 0 || got[0] != want {
		t.Errorf("got %q, want %q first", got, want)
	}
}

// What uses a resource up comes before the resource, and matters as much, even
// where the resource moves more closely with what was missed.
func TestGarbageExplainsTheProcessorItUses(t *testing.T) {
	w := healthy().replace(`process_cpu_seconds_total{job="api",instance="b"`).replace(`go_cpu_classes_gc_total_cpu_seconds_total{job="api",instance="b"`)
	w.counter(`process_cpu_seconds_total{job="api",instance="b"}`, func(i int) float64 { return 5 * (1.86 + .1*math.Sin(float64(i)/4)) })
	w.counter(`go_cpu_classes_gc_total_cpu_seconds_total{job="api",instance="b"}`, about(.5*5))
	w.miss("p95", bottleneck.Latency, true, 0)
	for i := range w.symptoms[0].Values {
		w.symptoms[0].Values[i] = .6 + .1*math.Sin(float64(i)/4)
	}
	got := found(w.diagnose(t))
	gc, cpu := slices.Index(got, "HIGH gc/collector"), slices.Index(got, "HIGH utilization/process-cpu/api")
	if gc != 0 || cpu < 0 {
		t.Errorf("got %q, want the collector first, and the processor", got)
	}
}

// What others use of a machine does not grow with the load, so nothing is estimated.
func TestAMachineIsUsedByOthersToo(t *testing.T) {
	w := healthy()
	for mode, share := range map[string]float64{"idle": .02, "user": .98} {
		w.counter(`node_cpu_seconds_total{job="node",instance="n",cpu="0",mode="`+mode+`"}`, always(share*5))
	}
	d := w.diagnose(t)
	if got := found(d); len(got) != 1 || got[0] != "MEDIUM utilization/node-cpu" {
		t.Fatalf("got %q, want the node's processor", got)
	}
	if f := d.Findings[0]; !strings.Contains(f.RootCause, "all that runs there") || len(d.Improvements) != 1 || d.Improvements[0].Estimate != "" {
		t.Errorf("got root cause %q and %+v, want others there named, and no estimate", f.RootCause, d.Improvements)
	}
}

// The pauses of a JVM are known by the instance alone.
func TestPausesOfAJVMExplainItsProcessor(t *testing.T) {
	w := healthy().replace(`process_cpu_seconds_total{job="api",instance="b"`).replace("go_cpu_classes")
	w.counter(`process_cpu_seconds_total{job="api",instance="b"}`, about(1.96*5))
	w.counter(`jvm_gc_pause_seconds_sum{job="api",instance="b"}`, about(.3*5))
	got := found(w.miss("p95", bottleneck.Latency, true, 0).diagnose(t))
	if gc, cpu := slices.Index(got, "HIGH gc/collector"), slices.Index(got, "HIGH utilization/process-cpu/api"); gc != 0 || cpu < 0 {
		t.Errorf("got %q, want the collector first, and the processor", got)
	}
}

// Where as many wait for a processor as hold a pool's connections, or wait for a
// lock, what takes the processor comes first; without a sign of that, nothing changes.
func TestAWaitForTheProcessorExplainsPoolsAndLocks(t *testing.T) {
	// starving lets the collector take a good part of replica a's processor, and so
	// many of its goroutines wait for one.
	starving := func(w *world, waiting float64, process string) *world {
		w = w.replace(`go_cpu_classes_gc_total_cpu_seconds_total{job="api",instance="a"`).replace("http_request")
		w.counter(`go_cpu_classes_gc_total_cpu_seconds_total{job="api",instance="a"}`, about(.15*5))
		w.calls("http_request_duration_seconds", `job="api",instance="a"`, 500, about(.6))
		if waiting > 0 {
			w.counter(`go_sched_latencies_seconds_sum{`+process+`}`, about(waiting*5/8))
		}
		return w.miss("p95", bottleneck.Latency, true, 0)
	}
	emptyPool := func(size float64) *world {
		w := healthy().replace("db_pool_")
		w.gauge(`db_pool_connections_in_use{job="api",instance="a"}`, always(size))
		w.gauge(`db_pool_connections_max{job="api",instance="a"}`, always(size))
		w.calls("db_pool_wait_seconds", `job="api",instance="a"`, 500, about(.45))
		return w
	}
	busyLock := func() *world {
		w := healthy().replace("go_sync")
		w.counter(`go_sync_mutex_wait_total_seconds_total{job="api",instance="a"}`, about(40*5))
		return w
	}
	const a, b = `job="api",instance="a"`, `job="api",instance="b"`
	for name, tc := range map[string]struct {
		world *world
		want  []string
	}{
		"as many wait for a processor as hold connections": {starving(emptyPool(40), 60, a), []string{"HIGH gc/collector", "HIGH pool/db-pool"}},
		"few wait for a processor":                         {starving(emptyPool(40), 2, a), []string{"HIGH pool/db-pool", "HIGH gc/collector"}},
		"a pool that is too small for anything":            {starving(emptyPool(2), 60, a), []string{"HIGH pool/db-pool", "HIGH gc/collector"}},
		"another process waits for a processor":            {starving(emptyPool(40), 60, b), []string{"HIGH pool/db-pool", "HIGH gc/collector"}},
		"not known who waits for a processor":              {starving(emptyPool(40), 0, a), []string{"HIGH pool/db-pool", "HIGH gc/collector"}},
		"more wait for a processor than for the lock":      {starving(busyLock(), 60, a), []string{"HIGH gc/collector", "HIGH lock/mutex"}},
		"more wait for the lock than for a processor":      {starving(busyLock(), 20, a), []string{"HIGH lock/mutex", "HIGH gc/collector"}},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, found(tc.world.diagnose(t))); diff != "" {
				t.Errorf("findings (-want +got):\n%s", diff)
			}
		})
	}
}

// A pool that is full only because its process waits for a processor says so, and
// promises nothing of more connections.
func TestAStarvedPoolSaysWhatItFollowsFrom(t *testing.T) {
	w := healthy().replace("db_pool_").replace("http_request")
	w.calls("http_request_duration_seconds", `job="api",instance="a"`, 500, about(.6))
	w.gauge(`db_pool_connections_in_use{job="api",instance="a"}`, always(40))
	w.gauge(`db_pool_connections_max{job="api",instance="a"}`, always(40))
	waits := func(i int) float64 { // nothing is scraped from the 21st interval to the 29th
		switch {
		case i < 20 || i >= 30:
			return 60. * 5 / 8
		case i == 29:
			return 10 * 60. * 5 / 8
		}
		return 0
	}
	w.counter(`go_sched_latencies_seconds_sum{job="api",instance="a"}`, waits)
	d := w.miss("p95", bottleneck.Latency, true, 0).diagnose(t)
	if got := found(d); len(got) != 1 || got[0] != "HIGH pool/db-pool" {
		t.Fatalf("got %q, want the pool: what takes the processor is not known", got)
	}
	f := d.Findings[0]
	if want := "on average at least 60.0 goroutines of a api waited for one, against 40.0 connections that were out"; !strings.Contains(f.RootCause, want) {
		t.Errorf("got root cause %q, want %q in it", f.RootCause, want)
	}
	if last := f.Evidence[len(f.Evidence)-1]; !strings.Contains(last.Query, "go_sched_latencies_seconds_sum") || last.Peak != 60 {
		t.Errorf("got evidence %+v, want the wait for a processor, 60 all the time", last)
	}
	if len(d.Improvements) > 0 {
		t.Errorf("got %+v, want no promise of a larger pool", d.Improvements)
	}
}

// A hot replica is named.
func TestImbalanceNamesTheHotReplica(t *testing.T) {
	w := healthy().replace("process_cpu")
	for i, replica := range []string{"a", "b", "c", "d"} {
		w.counter(`process_cpu_seconds_total{job="api",instance="`+replica+`"}`, about([]float64{.8, .8, .8, 1.5}[i]*5))
	}
	d := w.diagnose(t)
	if len(d.Findings) != 1 || !strings.Contains(d.Findings[0].Symptom, "1 of 4 (d api)") {
		t.Errorf("got %+v, want one finding that names d", d.Findings)
	}
}

func TestWhatCannotBeLookedAtIsSaid(t *testing.T) {
	line := promql.Series{Points: []promql.Point{{Time: start.Add(step), Value: 1}}}
	d := healthy().replace("http_request").diagnose(t,
		bottleneck.Resource{ID: "none", Limit: 4},
		bottleneck.Resource{ID: "zero", Series: []promql.Series{line}},
		bottleneck.Resource{ID: "infinite", Limit: math.Inf(1), Series: []promql.Series{line}},
		bottleneck.Resource{ID: "unknown", Limit: math.NaN(), Series: []promql.Series{line}},
		bottleneck.Resource{ID: "unlimited", Limit: math.NaN(), Unlimited: true, Series: []promql.Series{line}},
		bottleneck.Resource{ID: "fine", Limit: 4, Series: []promql.Series{line}},
		bottleneck.Resource{ID: "beyond", Limit: .5, Series: []promql.Series{line}},
	)
	want := []string{`no histogram of what requests took at the service (no series of http_request_duration_seconds{job="api"})`, "none: there are no series", "zero: its limit is 0, which means none is set", "infinite: it has no limit (+Inf)", "unknown: its limit is not known", "beyond: the run used 2 times its limit of 0.5"}
	if len(d.Findings) > 0 {
		t.Errorf("got %+v, want no finding by a limit that can't be one", d.Findings)
	}
	if len(d.Gaps) != len(want) {
		t.Fatalf("got %q, want %q", d.Gaps, want)
	}
	for i, w := range want {
		if !strings.Contains(d.Gaps[i], w) {
			t.Errorf("got %q, want %q in it", d.Gaps[i], w)
		}
	}
	if d := healthy().diagnose(t); len(d.Gaps) > 0 {
		t.Errorf("got %q, want no gaps where everything is known", d.Gaps)
	}
}

func TestGapsBetweenScrapesAreSaid(t *testing.T) {
	w := healthy()
	for i, s := range w.series { // 20 of 60 scrapes fail
		fields := strings.Fields(s)
		for k := len(fields) - 40; k < len(fields)-20; k++ {
			fields[k] = "_"
		}
		w.series[i] = "  " + strings.Join(fields, " ")
	}
	d := w.diagnose(t)
	if len(d.Gaps) != 1 || !strings.Contains(d.Gaps[0], "cover only 65 %") {
		t.Errorf("got %q, want what scrapes cover", d.Gaps)
	}
}

func TestARunTooShortForTrendsSaysSo(t *testing.T) {
	d := healthy().diagnoseFor(t, 6*step)
	if len(d.Gaps) != 1 || !strings.Contains(d.Gaps[0], "6 intervals") {
		t.Errorf("got %q, want that there are too few intervals", d.Gaps)
	}
}

// wanders is noise around a value that remembers where it was (an autoregressive
// process), as memory and load do.
func wanders(rng *rand.Rand, mean, sd, memory float64) func(int) float64 {
	off := 0.0
	return func(int) float64 {
		off = memory*off + math.Sqrt(1-memory*memory)*rng.NormFloat64()
		return mean * (1 + sd*off)
	}
}

// Noise is not a finding, even when it drifts.
func TestHealthyServicesStaySilent(t *testing.T) {
	const worlds = 40
	alarms := map[string]int{}
	for seed := range uint64(worlds) {
		rng := rand.New(rand.NewPCG(seed, 3))
		w := healthy().replace("process_resident").replace("process_cpu").replace("db_pool_connections_in_use").replace("llm_").replace("http_request")
		w.calls("http_request_duration_seconds", `job="api",instance="a"`, 500, wanders(rng, .1, .15, .8))
		w.calls("llm_request_duration_seconds", `job="api",instance="a",provider="openai"`, 50, wanders(rng, .3, .2, .8))
		w.gauge(`db_pool_connections_in_use{job="api",instance="a"}`, wanders(rng, 15, .3, .5))
		for _, replica := range []string{"a", "b", "c"} {
			w.counter(`process_cpu_seconds_total{job="api",instance="`+replica+`"}`, wanders(rng, 1.1*5, .12, .8))
			w.gauge(`process_resident_memory_bytes{job="api",instance="`+replica+`"}`, wanders(rng, 5e8, .04, .9))
		}
		for _, f := range found(w.diagnose(t)) {
			alarms[f]++
		}
	}
	for f, n := range alarms {
		if !strings.HasPrefix(f, "LOW ") || n > worlds/20 {
			t.Errorf("%s in %d of %d healthy worlds, want LOW in at most %d", f, n, worlds, worlds/20)
		}
	}
}
