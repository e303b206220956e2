package analysis_test

import (
	"fmt"
	"math"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/promql/promqltest"

	"github.com/plumbline/plumbline/internal/analysis"
	"github.com/plumbline/plumbline/pkg/promql/embedded"
	"github.com/plumbline/plumbline/pkg/report"
	"github.com/plumbline/plumbline/pkg/run"
)

// A hold is a stage of so many users, or arrivals per second, and what was
// measured in it.
type hold struct {
	users   float64
	seconds int
	slow    func(second int) float64 // added to the response time
	ramp    bool                     // from 0 to the users, instead of holding
	open    bool
}

// at is the load after so many seconds.
func (h hold) at(second int) float64 {
	if h.ramp {
		return h.users * (float64(second) + every/2) / float64(h.seconds)
	}
	return h.users
}

// serve is what the service answers under so much load.
func (h hold) serve(load float64) (throughput, response float64) {
	if h.open {
		return math.Min(load, 100), .05
	}
	x := math.Min(load/1.05, 100)
	return x, load/x - 1
}

// A sampled service answers in 50 ms until 100 req/s are reached, under users who
// think for a second. Its pool of ten is used up then; a request takes 2 ms of CPU.
type sampled struct {
	lines map[string]*series
	run   run.Run
}

type series struct {
	values []string
	total  float64
}

const every = 5 // seconds between scrapes

func newSampled(holds []hold) *sampled {
	s := &sampled{lines: map[string]*series{}}
	start := time.Unix(600, 0).UTC()
	s.run = run.Run{
		ID: "r", Service: "paracle-api", Profile: "steps", State: run.Complete, Load: run.Load{Users: 320, ThinkSeconds: 1, Iteration: 1},
		Generators: run.Generators{Expected: 1, Segments: []run.Generator{{Segment: 1, Valid: true}}}, Window: run.Window{Start: start},
	}
	for range 600 / every {
		s.scrape(0, 0, 0)
	}
	s.scrape(0, 0, 0) // at the start itself
	for _, h := range holds {
		end := start.Add(time.Duration(h.seconds) * time.Second)
		s.run.Stages = append(s.run.Stages, run.Stage{Window: run.Window{Start: start, End: end}, From: h.users, To: h.users, Open: h.open, Scored: true})
		if h.ramp {
			s.run.Stages[len(s.run.Stages)-1].From = 0
		}
		for second := 0; second < h.seconds; second += every {
			x, r := h.serve(h.at(second))
			if h.slow != nil {
				r += h.slow(second)
			}
			s.scrape(x, r, x*r)
		}
		start = end
	}
	s.run.Window.End = start
	for range 3 {
		s.scrape(0, 0, 0)
	}
	return s
}

// scrape goes on by one interval.
func (s *sampled) scrape(throughput, response, inFlight float64) {
	n := every * throughput
	s.set(`up{job="loadgen",instance="l"}`, 1)
	s.set(`up{job="paracle-api",instance="a"}`, 1)
	s.add(`loadgen_requests_total{run="r",request="x",outcome="success",job="loadgen",instance="l"}`, n)
	s.add(`http_requests_total{status="200",job="paracle-api",instance="a"}`, n)
	for name, at := range map[string]string{"loadgen_response_time_seconds": `run="r",job="loadgen",instance="l"`, "loadgen_service_time_seconds": `run="r",job="loadgen",instance="l"`, "http_request_duration_seconds": `job="paracle-api",instance="a"`} {
		for _, le := range []float64{.05, .1, .2, .3, .5, .75, 1, 2, 3, 5, 10} {
			below := 0.0
			if response <= le+1e-9 {
				below = n
			}
			s.add(fmt.Sprintf(`%s_bucket{le="%v",%s}`, name, le, at), below)
		}
		s.add(fmt.Sprintf(`%s_bucket{le="+Inf",%s}`, name, at), n)
		s.add(fmt.Sprintf(`%s_sum{%s}`, name, at), n*response)
		s.add(fmt.Sprintf(`%s_count{%s}`, name, at), n)
	}
	s.set(`loadgen_in_flight{run="r",job="loadgen",instance="l"}`, inFlight)
	s.add(`process_cpu_seconds_total{job="paracle-api",instance="a"}`, every*(.1+.002*throughput))
	s.set(`process_resident_memory_bytes{job="paracle-api",instance="a"}`, 1e8)
	s.set(`db_pool_connections_in_use{job="paracle-api",instance="a"}`, throughput/10)
	s.set(`db_pool_connections_max{job="paracle-api",instance="a"}`, 10)
}

func (s *sampled) line(name string) *series {
	if s.lines[name] == nil {
		s.lines[name] = &series{}
	}
	return s.lines[name]
}

func (s *sampled) add(name string, by float64) {
	l := s.line(name)
	l.total += by
	l.values = append(l.values, fmt.Sprint(l.total))
}

func (s *sampled) set(name string, v float64) {
	l := s.line(name)
	l.values = append(l.values, fmt.Sprint(v))
}

// without drops the series of a metric.
func (s *sampled) without(metric string) *sampled {
	for name := range s.lines {
		if strings.HasPrefix(name, metric) {
			delete(s.lines, name)
		}
	}
	return s
}

// constant makes a gauge one value throughout.
func (s *sampled) constant(metric, value string) *sampled {
	for name, l := range s.lines {
		if strings.HasPrefix(name, metric) {
			for i := range l.values {
				l.values[i] = value
			}
		}
	}
	return s
}

// capacity loads the series and asks.
func (s *sampled) capacity(t *testing.T, c analysis.CapacityOptions) *report.Capacity {
	t.Helper()
	var load strings.Builder
	fmt.Fprintf(&load, "load %ds\n", every)
	for name, l := range s.lines {
		fmt.Fprintf(&load, "  %s %s\n", name, strings.Join(l.values, " "))
	}
	storage := promqltest.LoadedStorage(t, load.String())
	t.Cleanup(func() { storage.Close() })
	sla, err := os.ReadFile("../../examples/paracle/demo/sla.yaml")
	if err != nil {
		t.Fatal(err)
	}
	s.run.Source = run.Source{Recording: true, ScrapeSeconds: every}
	got, err := analysis.CapacityOf(t.Context(), embedded.New(storage), s.run, sla, c)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func steps() (holds []hold) {
	for _, users := range []float64{10, 20, 40, 60, 80, 120, 200, 320} {
		holds = append(holds, hold{users: users, seconds: 60})
	}
	return holds
}

func demandOf(t *testing.T, c *report.Capacity, id string) report.Demand {
	t.Helper()
	i := slices.IndexFunc(c.Demands, func(d report.Demand) bool { return d.ID == id })
	if i < 0 {
		t.Fatalf("there is no demand of %s", id)
	}
	return c.Demands[i]
}

func within(t *testing.T, what string, got report.Number, want, tolerance float64) {
	t.Helper()
	if !(math.Abs(float64(got)-want) <= tolerance*want) {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}

func TestCapacityOfASteppedRun(t *testing.T) {
	c := newSampled(steps()).capacity(t, analysis.CapacityOptions{Target: 170})
	if len(c.Levels) != 8 {
		t.Fatalf("got %d levels, want 8", len(c.Levels))
	}
	for _, l := range c.Levels {
		if !l.Steady || l.Suspect {
			t.Errorf("%v users: got steady %v (%s), suspect %v, want a level to trust", l.Users, l.Steady, l.Reason, l.Suspect)
		}
	}
	within(t, "throughput of 40 users", c.Levels[2].Throughput, 40/1.05, .01)
	within(t, "latency of 320 users", c.Levels[7].Latency, 2.2, .01)
	if c.Saturation.Reason != "" || c.Saturation.Load != 120 {
		t.Errorf("got saturation %+v, want it beyond 120 users", *c.Saturation)
	}
	if b := c.BreakingPoint; b.Load != 200 || b.LastGood != 120 || !slices.Contains(b.Broke, "throughput is flat") || !slices.Contains(b.Broke, "p95 is missed") {
		t.Errorf("got breaking point %+v, want 200 users after 120, by p95 and throughput", *b)
	}
	if c.USL.Reason != "" || c.USL.Levels != 8 {
		t.Errorf("got %d levels in the law (%s), want 8", c.USL.Levels, c.USL.Reason)
	}
	pool, cpu := demandOf(t, c, "db-pool"), demandOf(t, c, "api-cpu")
	within(t, "throughput at which the pool is used up", pool.Max.Value, 100, .03)
	within(t, "throughput at which the CPU is used up", cpu.Max.Value, 950, .03)
	if c.Bottleneck.ID != "db-pool" {
		t.Errorf("got bottleneck %+v, want the pool", *c.Bottleneck)
	}
	within(t, "throughput that it carries", c.Carries.Throughput, 80, .05)
	i := slices.IndexFunc(c.Plan, func(s report.Scale) bool { return s.Component == "Database" && !s.Factor.Known() })
	if i < 0 || c.Plan[i].Limit != 22 || c.Plan[i].Needed.Value.Known() {
		t.Errorf("got plan %+v, want a pool of 22 for 170 req/s and no replicas of it", c.Plan)
	}
	if i := slices.IndexFunc(c.Crossings, func(x report.Crossing) bool { return x.ID == "latency-p95" }); i < 0 || !(c.Crossings[i].Load > 120 && c.Crossings[i].Load < 200) {
		t.Errorf("got crossings %+v, want p95 crossed between 120 and 200 users", c.Crossings)
	}
}

// Bad input is said in the place where the result would stand.
func TestCapacityRefusesInPlace(t *testing.T) {
	growing := steps()
	growing[3].slow = func(second int) float64 { return float64(second) / 60 }
	short := []hold{{users: 50, seconds: 60}}
	for _, c := range []struct {
		name   string
		of     *sampled
		where  func(*report.Capacity) string
		reason string
	}{
		{"a missing metric", newSampled(steps()).without("db_pool_connections_in_use"), func(c *report.Capacity) string { return demandOf(t, c, "db-pool").Reason }, "no series of db_pool_connections_in_use"},
		{"a limit of 0", newSampled(steps()).constant("db_pool_connections_max", "0"), func(c *report.Capacity) string { return demandOf(t, c, "db-pool").Reason }, "limit is 0, which means none is set"},
		{"an infinite limit", newSampled(steps()).constant("db_pool_connections_max", "+Inf"), func(c *report.Capacity) string { return demandOf(t, c, "db-pool").Reason }, "+Inf"},
		{"memory", newSampled(steps()), func(c *report.Capacity) string { return demandOf(t, c, "api-memory").Reason }, "what is kept"},
		{"a level whose latency grows", newSampled(growing), func(c *report.Capacity) string { return c.Levels[3].Reason }, "its latency moved by"},
		{"one level: the law", newSampled(short), func(c *report.Capacity) string { return c.USL.Reason }, "1 level of load"},
		{"one level: saturation", newSampled(short), func(c *report.Capacity) string { return c.Saturation.Reason }, "1 level of different load"},
		{"one level: demand", newSampled(short), func(c *report.Capacity) string { return demandOf(t, c, "api-cpu").Reason }, "varies by a factor of 1.00 only"},
		{"no series of requests", newSampled(steps()).without("loadgen_requests_total").without("http_requests_total"), func(c *report.Capacity) string { return strings.Join(c.Warnings, " ") + c.Refusal() }, "no series of requests"},
		{"one replica", newSampled(steps()), func(c *report.Capacity) string {
			i := slices.IndexFunc(c.Plan, func(s report.Scale) bool { return s.Component == "API" && s.Needed.Value.Known() })
			return c.Plan[max(i, 0)].Note
		}, "one replica was measured"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := c.where(c.of.capacity(t, analysis.CapacityOptions{})); !strings.Contains(got, c.reason) {
				t.Errorf("got %q, want to be told %q", got, c.reason)
			}
		})
	}
}

// Without loadgen's own series the server's serve, as for runs of other tools.
func TestCapacityFromTheServersSeries(t *testing.T) {
	c := newSampled(steps()).without("loadgen_").capacity(t, analysis.CapacityOptions{})
	if c.USL.Reason != "" || c.Saturation.Load != 120 || c.Bottleneck.ID != "db-pool" {
		t.Errorf("got law %q, saturation %+v, bottleneck %q, want them from the server's series", c.USL.Reason, *c.Saturation, c.Bottleneck.ID)
	}
}

func TestRecoveryOfASpikeRun(t *testing.T) {
	back := func(second int) float64 {
		if second < 30 {
			return 1
		}
		return 0
	}
	c := newSampled([]hold{{users: 40, seconds: 120}, {users: 400, seconds: 60}, {users: 40, seconds: 120, slow: back}}).capacity(t, analysis.CapacityOptions{})
	if c.Recovery == nil || c.Recovery.Reason != "" || math.Abs(float64(c.Recovery.Seconds)-30) > 10 {
		t.Fatalf("got recovery %+v, want about 30 s", c.Recovery)
	}
	if c := newSampled(steps()).capacity(t, analysis.CapacityOptions{}); c.Recovery != nil {
		t.Errorf("got recovery %+v of a run without a spike, want none", *c.Recovery)
	}
}

// Levels that are far apart bound what is carried and do not tell it.
func TestASpikeOnlyBoundsWhatIsCarried(t *testing.T) {
	c := newSampled([]hold{{users: 20, seconds: 120}, {users: 320, seconds: 60}, {users: 20, seconds: 120}}).without("db_pool_").without("process_cpu").capacity(t, analysis.CapacityOptions{})
	within(t, "what it carried", c.Carries.AtLeast, 20/1.05, .01)
	within(t, "what it did not", c.Carries.Below, 100, .01)
	if c.Carries.Throughput.Known() || !strings.Contains(c.Carries.By, "is missed") {
		t.Errorf("got %+v, want bounds alone", *c.Carries)
	}
}

// A steady load at which bounds are missed is not carried, whatever resources
// would allow. Too little load to meet an objective says nothing.
func TestASteadyLoadAtWhichBoundsAreMissedIsNotCarried(t *testing.T) {
	steady := func(users float64) *report.Capacity {
		s := newSampled([]hold{{users: users, seconds: 300}})
		s.run.Steady = s.run.Window
		return s.capacity(t, analysis.CapacityOptions{})
	}
	c := steady(320)
	within(t, "what is not carried", c.Carries.Below, 100, .01)
	if c.Carries.Throughput.Known() || !strings.HasPrefix(c.Carries.By, "at that load it misses p50, p95, p99") {
		t.Errorf("got %+v, want less than the run's own load, by the latency", *c.Carries)
	}
	if c := steady(50); c.Carries.Below != 0 {
		t.Errorf("got %+v of a load below what the SLA asks for, want no bound missed", *c.Carries)
	}
}

// The guide's stress profile ramps up and holds: slices of the ramp show where it broke.
func TestBreakingPointOfARamp(t *testing.T) {
	c := newSampled([]hold{{users: 400, seconds: 100, ramp: true}, {users: 400, seconds: 120}}).capacity(t, analysis.CapacityOptions{})
	if len(c.Levels) != 11 {
		t.Fatalf("got %d levels, want 10 slices of the ramp and the hold", len(c.Levels))
	}
	for _, l := range c.Levels[:10] {
		if l.Steady || l.Reason != "the load was changing" {
			t.Errorf("%v users: got steady %v (%s), want a load that was changing", l.Users, l.Steady, l.Reason)
		}
	}
	if b := c.BreakingPoint; !(b.Load > 105 && b.Load < 190) || !slices.Contains(b.Broke, "p50 is missed") || c.Saturation.Reason != "" {
		t.Errorf("got breaking point %+v and saturation %+v, want p50 to break soon after 105 users and throughput to go flat", *b, *c.Saturation)
	}
	if !strings.Contains(c.USL.Reason, "10 levels left out as not steady") {
		t.Errorf("got %q, want the law to leave out the ramp", c.USL.Reason)
	}
}

// Of an open model, N is what is under way, and the load is the arrival rate.
func TestCapacityOfAnOpenModel(t *testing.T) {
	var holds []hold
	for _, rate := range []float64{10, 20, 40, 60, 80, 90} {
		holds = append(holds, hold{users: rate, seconds: 60, open: true})
	}
	c := newSampled(holds).capacity(t, analysis.CapacityOptions{})
	if len(c.Levels) != 6 || c.Levels[2].ArrivalRate != 40 || c.Levels[2].Users != 0 || c.Levels[2].Suspect {
		t.Fatalf("got levels %+v, want six, the third of 40/s", c.Levels)
	}
	within(t, "requests under way at 40/s", c.Levels[2].Concurrency, 2, .01)
	if c.USL.Reason != "" || c.USL.PeakReason == "" || c.Saturation.Reason == "" {
		t.Errorf("got law %+v and saturation %+v, want a fit without a peak, and none", c.USL, *c.Saturation)
	}
	within(t, "throughput of one", c.USL.Lambda.Value, 20, .01)
}
