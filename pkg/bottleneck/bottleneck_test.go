package bottleneck_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/prometheus/promql/promqltest"

	"github.com/plumbline/plumbline/pkg/bottleneck"
	"github.com/plumbline/plumbline/pkg/promql"
	"github.com/plumbline/plumbline/pkg/promql/embedded"
	"github.com/plumbline/plumbline/pkg/run"
)

const (
	step      = 5 * time.Second
	intervals = 60
)

var start = time.Unix(600, 0)

// A world is series in Prometheus' test notation, one value every five seconds
// from ten minutes after zero on, and what was missed in it.
type world struct {
	series   []string
	symptoms []bottleneck.Symptom
	missing  int // segments of the load generator that left no record
	held     int // objectives that held
}

// gauge adds a series with a value for each interval.
func (w *world) gauge(name string, value func(i int) float64) {
	var b strings.Builder
	fmt.Fprintf(&b, "  %s _x%d", name, int(start.Unix()/5)-1)
	for i := -1; i <= intervals+1; i++ {
		fmt.Fprintf(&b, " %g", value(i))
	}
	w.series = append(w.series, b.String())
}

// counter adds a series that grows by a value in each interval.
func (w *world) counter(name string, gain func(i int) float64) {
	sum := 0.0
	w.gauge(name, func(i int) float64 {
		if i >= 0 {
			sum += gain(i)
		}
		return sum
	})
}

// calls adds a histogram of n calls in each interval that take so many seconds each.
func (w *world) calls(name, labels string, n float64, seconds func(i int) float64) {
	w.varying(name, labels, always(n), seconds)
}

// varying adds a histogram of calls whose number is another one in each interval.
func (w *world) varying(name, labels string, n, seconds func(i int) float64) {
	w.counter(name+"_count{"+labels+"}", n)
	w.counter(name+"_sum{"+labels+"}", func(i int) float64 { return n(i) * seconds(i) })
	for _, le := range []float64{.01, .05, .1, .25, .5, 1, 2.5, 5, 10, math.Inf(1)} {
		w.counter(fmt.Sprintf(`%s_bucket{%s,le="%s"}`, name, labels, bound(le)), func(i int) float64 {
			if seconds(i) <= le {
				return n(i)
			}
			return 0
		})
	}
}

func bound(le float64) string {
	if math.IsInf(le, 1) {
		return "+Inf"
	}
	return fmt.Sprint(le)
}

func always(v float64) func(int) float64 { return func(int) float64 { return v } }

func about(v float64) func(int) float64 {
	rng := rand.New(rand.NewPCG(1, uint64(v*1000)))
	return func(int) float64 { return v * (1 + .03*rng.NormFloat64()) }
}

// healthy is a service that answers 100 requests a second in 100 ms each, with room everywhere.
func healthy() *world {
	w := &world{}
	w.calls("http_request_duration_seconds", `job="api",instance="a"`, 500, about(.1))
	w.gauge(`up{job="api",instance="a"}`, always(1))
	for _, replica := range []string{"a", "b"} {
		w.counter(`process_cpu_seconds_total{job="api",instance="`+replica+`"}`, about(.5*5))
		w.gauge(`go_sched_gomaxprocs_threads{job="api",instance="`+replica+`"}`, always(2))
		w.gauge(`process_resident_memory_bytes{job="api",instance="`+replica+`"}`, about(5e8))
		w.counter(`go_cpu_classes_gc_total_cpu_seconds_total{job="api",instance="`+replica+`"}`, always(.01*5))
	}
	w.counter(`go_sync_mutex_wait_total_seconds_total{job="api",instance="a"}`, always(.001))
	w.gauge(`db_pool_connections_in_use{job="api",instance="a"}`, about(10))
	w.gauge(`db_pool_connections_max{job="api",instance="a"}`, always(40))
	w.calls("db_pool_wait_seconds", `job="api",instance="a"`, 500, always(.0001))
	w.calls("llm_request_duration_seconds", `job="api",instance="a",provider="openai"`, 50, about(.08))
	return w
}

// miss lets an objective miss its bound in all intervals from one on.
func (w *world) miss(title string, kind bottleneck.Kind, fails bool, from int) *world {
	s := bottleneck.Symptom{ID: title, Title: title, Kind: kind, Fails: fails, Missed: "623 ms, must be < 500 ms", Query: "its query", Limit: .5}
	for i := range intervals + 1 {
		s.Breached = append(s.Breached, i >= from)
		s.Values = append(s.Values, .3+.3*map[bool]float64{true: 1}[i >= from])
	}
	w.symptoms = append(w.symptoms, s)
	return w
}

// slow makes requests take longer from an interval on.
func (w *world) replace(name string) *world {
	var kept []string
	for _, s := range w.series {
		if !strings.HasPrefix(strings.TrimSpace(s), name) {
			kept = append(kept, s)
		}
	}
	w.series = kept
	return w
}

func (w *world) diagnose(t *testing.T, resources ...bottleneck.Resource) bottleneck.Diagnosis {
	t.Helper()
	return w.diagnoseFor(t, intervals*step, resources...)
}

// diagnoseFor diagnoses a run that is shorter than the world lasts.
func (w *world) diagnoseFor(t *testing.T, length time.Duration, resources ...bottleneck.Resource) bottleneck.Diagnosis {
	t.Helper()
	storage := promqltest.LoadedStorage(t, "load 5s\n"+strings.Join(w.series, "\n")+"\n")
	t.Cleanup(func() { storage.Close() })
	window := run.Window{Start: start, End: start.Add(length)}
	d, err := bottleneck.Detect(t.Context(), promql.NewMeter(embedded.New(storage), step), bottleneck.Scope{
		Run: run.Run{ID: "r", Window: window, Generators: run.Generators{Expected: 1 + w.missing, Segments: []run.Generator{{Valid: true}}}}, Window: window,
		Requests: `http_request_duration_seconds{job="api"}`, Resources: resources, Symptoms: w.symptoms, Held: w.held,
	})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// found lists findings as severity and id.
func found(d bottleneck.Diagnosis) (list []string) {
	for _, f := range d.Findings {
		list = append(list, f.Severity.String()+" "+f.ID)
	}
	return list
}

func TestAHealthyServiceHasNoFindings(t *testing.T) {
	d := healthy().diagnose(t)
	if got := found(d); len(got) > 0 || d.Undetermined != "" {
		t.Errorf("got %q and %q, want nothing", got, d.Undetermined)
	}
}

func TestTheCauseComesFirst(t *testing.T) {
	const latency = bottleneck.Latency
	for name, tc := range map[string]struct {
		make func() *world
		want string
	}{
		"a pool that is too small": {func() *world {
			w := healthy().replace("db_pool_").replace("http_request")
			w.calls("http_request_duration_seconds", `job="api",instance="a"`, 500, about(.6))
			w.gauge(`db_pool_connections_in_use{job="api",instance="a"}`, always(3))
			w.gauge(`db_pool_connections_max{job="api",instance="a"}`, always(3))
			w.calls("db_pool_wait_seconds", `job="api",instance="a"`, 500, about(.45))
			return w.miss("p95", latency, true, 0)
		}, "HIGH pool/db-pool"},
		"a processor that is used up": {func() *world {
			w := healthy().replace(`process_cpu_seconds_total{job="api",instance="b"`)
			w.counter(`process_cpu_seconds_total{job="api",instance="b"}`, about(1.96*5))
			return w.miss("p95", latency, true, 0)
		}, "HIGH utilization/process-cpu/api"},
		"a node that is used up": {func() *world {
			w := healthy()
			for mode, share := range map[string]float64{"idle": .01, "iowait": .01, "user": .6, "system": .38} {
				w.counter(`node_cpu_seconds_total{job="node",instance="n",cpu="0",mode="`+mode+`"}`, always(share*5))
			}
			return w.miss("p95", latency, true, 0)
		}, "HIGH utilization/node-cpu"},
		"garbage, which uses the processor up": {func() *world {
			w := healthy().replace(`process_cpu_seconds_total{job="api",instance="b"`).replace(`go_cpu_classes_gc_total_cpu_seconds_total{job="api",instance="b"`)
			w.counter(`process_cpu_seconds_total{job="api",instance="b"}`, about(1.96*5))
			w.counter(`go_cpu_classes_gc_total_cpu_seconds_total{job="api",instance="b"}`, about(.7*5))
			return w.miss("p95", latency, true, 0)
		}, "HIGH gc/collector"},
		"requests that wait for a lock": {func() *world {
			w := healthy().replace("go_sync").replace("http_request")
			w.calls("http_request_duration_seconds", `job="api",instance="a"`, 500, about(.6))
			w.counter(`go_sync_mutex_wait_total_seconds_total{job="api",instance="a"}`, about(500*.4))
			return w.miss("p95", latency, true, 0)
		}, "HIGH lock/mutex"},
		"an LLM provider that is slow": {func() *world {
			w := healthy().replace("llm_").replace("http_request")
			w.calls("http_request_duration_seconds", `job="api",instance="a"`, 500, about(.6))
			w.calls("llm_request_duration_seconds", `job="api",instance="a",provider="openai"`, 400, about(.6))
			return w.miss("p95", latency, true, 0)
		}, "HIGH dependency/llm_request_duration_seconds/openai"},
		"an LLM provider whose tail is slow": {func() *world {
			w := healthy().replace("llm_")
			w.calls("llm_request_duration_seconds", `job="api",instance="a",provider="openai"`, 25, about(2))
			return w.miss("p99.9", latency, false, 0)
		}, "MEDIUM dependency/llm_request_duration_seconds/openai"},
		"errors of its own": {func() *world {
			return healthy().miss("Error rate", bottleneck.Errors, true, 30)
		}, "HIGH errors/Error rate"},
		"memory that grows": {func() *world {
			w := healthy().replace("process_resident")
			w.gauge(`process_resident_memory_bytes{job="api",instance="a"}`, func(i int) float64 { return 5e8 + 4e6*float64(i) + 1e6*math.Sin(float64(i)) })
			return w
		}, "LOW growth/process-memory/api"},
		"a replica that does the work of others": {func() *world {
			w := healthy().replace("process_cpu")
			for i, replica := range []string{"a", "b", "c", "d"} {
				w.counter(`process_cpu_seconds_total{job="api",instance="`+replica+`"}`, about([]float64{.8, .8, .8, 1.5}[i]*5))
			}
			return w
		}, "LOW imbalance/process-cpu/api"},
	} {
		t.Run(name, func(t *testing.T) {
			w := tc.make()
			d := w.diagnose(t)
			got := found(d)
			if len(got) == 0 || got[0] != tc.want {
				t.Fatalf("got %q, want %q first", got, tc.want)
			}
			if len(w.symptoms) > 0 && d.Undetermined != "" {
				t.Errorf("got %q, though there is a cause", d.Undetermined)
			}
			f := d.Findings[0]
			for what, text := range map[string]string{"symptom": f.Symptom, "root cause": f.RootCause, "impact": f.Impact, "recommendation": strings.Join(f.Recommendations, ""), "query": f.Evidence[0].Query, "threshold": f.Evidence[0].Threshold} {
				if text == "" || strings.Contains(text, "NaN") || strings.Contains(text, "%!") {
					t.Errorf("got %s %q", what, text)
				}
			}
		})
	}
}

func TestNothingExplainsWhatWasMissed(t *testing.T) {
	d := healthy().miss("p95", bottleneck.Latency, true, 0).diagnose(t)
	if !strings.Contains(d.Undetermined, "p95") {
		t.Errorf("got %q and %q, want it undetermined", found(d), d.Undetermined)
	}
}

// What comes long after the bound was missed is not its cause.
func TestACauseComesBeforeItsEffect(t *testing.T) {
	w := healthy().replace(`process_cpu_seconds_total{job="api",instance="b"`).replace("go_sync").replace("http_request")
	w.calls("http_request_duration_seconds", `job="api",instance="a"`, 500, about(.6))
	w.counter(`process_cpu_seconds_total{job="api",instance="b"}`, func(i int) float64 { // full from the middle on
		if i < 30 {
			return .5 * 5
		}
		return 1.99 * 5
	})
	w.counter(`go_sync_mutex_wait_total_seconds_total{job="api",instance="a"}`, about(500*.1))
	d := w.miss("p95", bottleneck.Latency, true, 10).diagnose(t)
	if got := found(d); len(got) < 2 || got[0] != "HIGH lock/mutex" {
		t.Errorf("got %q, want the lock first: the processor was full only later", got)
	}
}

// resource is one of the SLA, with a series for each replica.
func resource(id, component, name, unit string, limit float64, lines ...func(int) float64) bottleneck.Resource {
	r := bottleneck.Resource{ID: id, Component: component, Resource: name, Unit: unit, Limit: limit, Query: "sum by (pod) (" + id + ")"}
	for _, value := range lines {
		var s promql.Series
		for i := range intervals {
			s.Points = append(s.Points, promql.Point{Time: start.Add(time.Duration(i+1) * step), Value: value(i)})
		}
		r.Series = append(r.Series, s)
	}
	return r
}

// spikes are the connections of a database that bursts ask for.
func spikes(i int) float64 {
	if i%20 == 0 {
		return 380
	}
	return 235
}

func TestResourcesOfTheSLA(t *testing.T) {
	grows := func(i int) float64 { return 8.2e9 + 3.3e9*float64(i)/(intervals-1) }
	for name, tc := range map[string]struct {
		resource bottleneck.Resource
		want     []string
		symptom  string
	}{
		"a Redis that is nearly full": {resource("redis-memory", "Redis", "Memory", "bytes", 13e9, grows), []string{"MEDIUM growth/redis-memory"}, "from 8.2 GB to 11.5 GB"},
		"growth without a limit":      {resource("redis-memory", "Redis", "Memory", "bytes", 0, grows), []string{"LOW growth/redis-memory"}, "from 8.2 GB to 11.5 GB"},
		"spikes of connections":       {resource("db-connections", "Database", "Connections", "", 400, spikes), []string{"LOW pool/db-connections"}, "380 of 400 (95 %)"},
		"a growing Redis":             {resource("redis-memory", "Redis", "Memory", "bytes", 26.32e9, grows), []string{"LOW growth/redis-memory"}, "from 8.2 GB to 11.5 GB"},
		"no limit":                    {resource("api-cpu", "API pods", "CPU", "", math.NaN(), always(3)), nil, ""},
		"a limit of zero":             {resource("api-cpu", "API pods", "CPU", "", 0, always(0)), nil, ""},
		"an infinite limit":           {resource("api-cpu", "API pods", "CPU", "", math.Inf(1), always(3)), nil, ""},
		"one replica, nearly used up": {resource("api-cpu", "API pods", "CPU", "cores", 4, always(3.9)), []string{"MEDIUM utilization/api-cpu"}, "98 % of its limit of 4"},
		"a disk that is always busy":  {resource("disk", "Database", "Disk", "ratio", 1, always(.97)), []string{"MEDIUM utilization/disk"}, "Disk of Database peaked at 97 %, and was above"},
		"no data":                     {resource("api-cpu", "API pods", "CPU", "cores", 4), nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			d := healthy().diagnose(t, tc.resource)
			if diff := cmp.Diff(tc.want, found(d)); diff != "" {
				t.Fatalf("findings (-want +got):\n%s", diff)
			}
			if len(tc.want) > 0 && !strings.Contains(d.Findings[0].Symptom, tc.symptom) {
				t.Errorf("got symptom %q, want %q in it", d.Findings[0].Symptom, tc.symptom)
			}
			for _, i := range d.Improvements {
				if strings.Contains(i.Estimate+i.Action, "NaN") || i.Estimate != "" && i.Formula == "" {
					t.Errorf("got improvement %+v", i)
				}
			}
		})
	}
}

// A finding links to the page of its probe.
func TestEveryProbeHasItsPage(t *testing.T) {
	for _, p := range bottleneck.Probes {
		text, err := os.ReadFile("../../docs/probes/" + p.ID + ".md")
		if err != nil {
			t.Error(err)
		} else if !strings.HasPrefix(string(text), "# "+p.Asks+"\n") {
			t.Errorf("%s: the page does not begin with the question %q", p.ID, p.Asks)
		}
	}
}
