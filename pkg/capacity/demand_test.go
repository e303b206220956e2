package capacity_test

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/plumbline/plumbline/pkg/capacity"
)

// api is three replicas of 4 cores, 5 % of which are taken at rest; the first does
// 40 % of the work, 1 % of a replica for each 10 req/s in all.
func api(noise float64, throughput func(i int) float64) capacity.Resource {
	rng := rand.New(rand.NewPCG(1, 1))
	r := capacity.Resource{ID: "api-cpu", Component: "API", Name: "CPU", Limit: 4, Scaling: capacity.Replicas}
	for _, s := range []struct {
		name  string
		share float64
	}{{"hot", .4}, {"b", .3}, {"c", .3}} {
		series := capacity.Series{Name: s.name}
		for i := range 120 {
			u := .05 + .001*throughput(i)*s.share*2.5
			series.Used = append(series.Used, 4*(u+noise*rng.NormFloat64()))
		}
		r.Series = append(r.Series, series)
	}
	for i := range 120 {
		r.Throughput = append(r.Throughput, throughput(i))
	}
	return r
}

func rising(i int) float64 { return 100 + 4*float64(i) } // to 576 req/s

func TestServiceDemand(t *testing.T) {
	d := capacity.MeasureDemand(api(.005, rising), 400)
	if d.Reason != "" {
		t.Fatalf("got %q, want a demand", d.Reason)
	}
	// The hot one takes .001 of itself for each req/s, so it is used up at 950.
	hot := d.Series[0]
	near(t, "demand of the hot replica", hot.PerRequest.Value, .001, .02)
	near(t, "its idle share", hot.Idle, .05, .1)
	near(t, "throughput at which it is full", hot.Max.Value, 950, .02)
	near(t, "throughput at which it is used to 80 %", hot.Planning.Value, 750, .02)
	near(t, "headroom", hot.Headroom, 1-400.0/950, .02)
	near(t, "throughput at which all are full on average", d.Max.Value, .95/(.001*2.5/3), .02)
	if !(hot.Max.Low < 950 && 950 < hot.Max.High) || !(hot.Max.Low > 900 && hot.Max.High < 1000) {
		t.Errorf("got interval %v to %v, want a narrow one around 950", hot.Max.Low, hot.Max.High)
	}
	c := capacity.Analyze(capacity.Input{Resources: []capacity.Resource{api(.005, rising)}, Throughput: 400})
	if c.Bottleneck.Name != "hot" || c.Bottleneck.Title() != "API CPU (hot)" {
		t.Errorf("got bottleneck %q, want the hot replica", c.Bottleneck.Title())
	}
}

func TestServiceDemandRefuses(t *testing.T) {
	with := func(change func(*capacity.Resource)) capacity.Resource {
		r := api(.005, rising)
		change(&r)
		return r
	}
	for _, c := range []struct {
		name     string
		resource capacity.Resource
		reason   string
	}{
		{"no limit", with(func(r *capacity.Resource) { r.Limit = math.NaN() }), "limit is not known"},
		{"a limit of 0", with(func(r *capacity.Resource) { r.Limit = 0 }), "limit is 0, which means none is set"},
		{"an infinite limit", with(func(r *capacity.Resource) { r.Limit = math.Inf(1) }), "+Inf"},
		{"no series", with(func(r *capacity.Resource) { r.Series = nil }), "no series in the window"},
		{"a metric that is missing", with(func(r *capacity.Resource) { r.Missing = "no series of x in the window" }), "no series of x"},
		{"memory", with(func(r *capacity.Resource) { r.Stock = true }), "what is kept"},
		{"a steady load", api(.005, func(i int) float64 { return 300 + float64(i%7) }), "varies by a factor of 1.02 only, and 1.5 is needed"},
		{"a load that is nearly varied enough", api(.005, func(i int) float64 { return 1000 + 499*float64(i)/119 }), "varies by a factor of 1.499 only, and 1.5 is needed"},
		{"a short run", with(func(r *capacity.Resource) { r.Throughput = r.Throughput[:5] }), "5 intervals"},
		{"data that never meet", with(func(r *capacity.Resource) {
			for i := range r.Throughput {
				r.Throughput[i] = math.NaN()
			}
		}), "0 intervals"},
		{"use that has nothing to do with the load", api(.5, rising), "R²"},
		{"use that falls with the load", with(func(r *capacity.Resource) {
			for _, s := range r.Series {
				for i := range s.Used {
					s.Used[i] = 4 - s.Used[i]
				}
			}
		}), "does not grow with the throughput"},
	} {
		d := capacity.MeasureDemand(c.resource, 400)
		if !strings.Contains(d.Reason, c.reason) {
			t.Errorf("%s: got %q, want to be told %q", c.name, d.Reason, c.reason)
		}
		if !math.IsNaN(d.Max.Value) || !math.IsNaN(d.Headroom) {
			t.Errorf("%s: got %+v beside a refusal", c.name, d.Max)
		}
	}
}

// Utilization remembers what it was an interval before; the interval of the
// throughput at which it is used up must hold the truth all the same.
func TestIntervalsOfTheBoundHoldIt(t *testing.T) {
	const runs, full = 150, 950.0
	rng := rand.New(rand.NewPCG(3, 3))
	held := 0
	for range runs {
		r := capacity.Resource{Component: "API", Name: "CPU", Limit: 1, Series: []capacity.Series{{}}}
		noise := 0.0
		for i := range 120 {
			x := 100 * float64(1+i/20) // six steps
			noise = .4*noise + .02*rng.NormFloat64()
			r.Throughput, r.Series[0].Used = append(r.Throughput, x), append(r.Series[0].Used, .05+.95*x/full+noise)
		}
		if d := capacity.MeasureDemand(r, 400); d.Max.Low <= full && full <= d.Max.High {
			held++
		}
	}
	t.Logf("held in %.3f of the runs", float64(held)/runs)
	if share := float64(held) / runs; share < .88 || share > .99 {
		t.Errorf("got intervals that hold the bound in %.3f of the runs, want about .95", share)
	}
}

// Single samples of a pool of six scatter far; means over stretches follow the load.
func TestSamplesThatScatterAreAveraged(t *testing.T) {
	rng := rand.New(rand.NewPCG(2, 2))
	r := capacity.Resource{ID: "pool", Component: "Database", Name: "Pool", Limit: 6, Scaling: capacity.PoolLimit, Series: []capacity.Series{{}}}
	for i := range 240 {
		x := 50 + float64(i)
		inUse := 0.0
		for range 6 {
			if rng.Float64() < x/350 {
				inUse++
			}
		}
		r.Throughput, r.Series[0].Used = append(r.Throughput, x), append(r.Series[0].Used, inUse)
	}
	d := capacity.MeasureDemand(r, 200)
	if d.Reason != "" || d.Points >= 240 || d.Points < 8 {
		t.Fatalf("got reason %q with %d points, want stretches of intervals", d.Reason, d.Points)
	}
	near(t, "throughput at which the pool is used up", d.Max.Value, 350, .1)
}

// stepped is a pool that is used up at 100 req/s, while throughput stays there.
func stepped() (levels []capacity.Level, pool, cpu capacity.Resource) {
	levels = closed(20, 40, 60, 80, 100, 200, 400, 800)
	pool = capacity.Resource{ID: "db-pool", Component: "Database", Name: "Pool", Limit: 10, Scaling: capacity.PoolLimit, Series: []capacity.Series{{}}}
	cpu = capacity.Resource{ID: "cpu", Component: "API", Name: "CPU", Limit: 1, Scaling: capacity.Replicas, Series: []capacity.Series{{}}}
	for i, l := range levels {
		for range 10 {
			pool.Throughput, cpu.Throughput = append(pool.Throughput, l.Throughput), append(cpu.Throughput, l.Throughput)
			used := 10.0
			if l.Throughput < 99 {
				used = 3 // it leaps at the end, as no line does
			}
			pool.Series[0].Used = append(pool.Series[0].Used, used)
			cpu.Series[0].Used = append(cpu.Series[0].Used, .001*l.Throughput)
		}
		at := capacity.Stretch{From: 10 * i, To: 10*i + 10, Load: l.Users}
		pool.Levels, cpu.Levels = append(pool.Levels, at), append(cpu.Levels, at)
	}
	return levels, pool, cpu
}

func TestResourceThatIsFullWhereThroughputIsFlatIsTheBottleneck(t *testing.T) {
	levels, pool, cpu := stepped()
	c := capacity.Analyze(capacity.Input{Levels: levels, Resources: []capacity.Resource{cpu, pool}, Throughput: 100})
	if c.Bottleneck.ID != "db-pool" || !c.Bottleneck.Exhausted {
		t.Fatalf("got bottleneck %q (%s), want the pool", c.Bottleneck.Title(), c.Bottleneck.Reason)
	}
	near(t, "throughput at which it is full", c.Bottleneck.Max.Value, 100, 1e-6)
	if !strings.Contains(c.Bottleneck.Note, "without an interval") || !math.IsNaN(c.Bottleneck.Max.Low) {
		t.Errorf("got note %q and low end %v, want to be told that there is no interval", c.Bottleneck.Note, c.Bottleneck.Max.Low)
	}
}

func TestBottleneckThatWasNotMeasured(t *testing.T) {
	levels, _, cpu := stepped()
	c := capacity.Analyze(capacity.Input{Levels: levels, Resources: []capacity.Resource{cpu, {ID: "pool", Component: "Database", Name: "Pool", Missing: "no series of pool"}}, Throughput: 100})
	for _, part := range []string{"throughput went flat at 95", "API CPU, the first of them, would last up to 1,000", "could not be told of Database Pool"} {
		if !strings.Contains(c.Bottleneck.Reason, part) {
			t.Errorf("got %q, want it to say %q", c.Bottleneck.Reason, part)
		}
	}
}

// filled is a pool of ten that is used so far at each level.
func filled(levels []capacity.Level, used ...float64) capacity.Resource {
	r := capacity.Resource{ID: "db-pool", Component: "Database", Name: "Pool", Limit: 10, Scaling: capacity.PoolLimit, Series: []capacity.Series{{}}}
	for i, l := range levels {
		for range 10 {
			r.Throughput, r.Series[0].Used = append(r.Throughput, l.Throughput), append(r.Series[0].Used, used[i])
		}
		r.Levels = append(r.Levels, capacity.Stretch{From: 10 * i, To: 10*i + 10, Load: l.Users})
	}
	return r
}

// One flat step is too little for a saturation. What is used up there ends the
// throughput all the same, and what may be is not passed over.
func TestResourceThatIsHighlyUsedUnderTheHighestLoad(t *testing.T) {
	flat := closed(20, 40, 60, 80, 100, 200)
	var cpu []float64
	for _, l := range flat {
		cpu = append(cpu, .01*l.Throughput) // full at 1,000
	}
	for _, c := range []struct {
		name       string
		levels     []capacity.Level
		pool       []float64
		bottleneck string // "" for none
		says       string
		carries    capacity.Limit
	}{
		{"used up at the end", flat, []float64{3, 3, 3, 3, 3, 9.5}, "db-pool", "used to 95 % under the highest load; what a request takes is told from there (U/X)", capacity.Limit{Throughput: .8 * 100 / .95}},
		{"nearly used up, with a demand that is not known", flat, []float64{3, 3, 3, 3, 3, 8.6}, "", "Database Pool was used to 86 % at 100 req/s, and what a request takes of it could not be told", capacity.Limit{Throughput: math.NaN(), Below: 100}},
		{"little used where throughput is flat", flat, []float64{3, 2, 3, 2, 3, 2}, "", "throughput went flat at 100 req/s, and API CPU, the first of them, would last up to 1,000", capacity.Limit{Throughput: 100}},
		{"full from the start, while throughput grows", flat[:5], []float64{9.9, 9.9, 9.9, 9.9, 9.9}, "cpu", "", capacity.Limit{Throughput: 800}},
	} {
		used := filled(c.levels, cpu...)
		used.ID, used.Component, used.Name = "cpu", "API", "CPU"
		got := capacity.Analyze(capacity.Input{Levels: c.levels, Resources: []capacity.Resource{used, filled(c.levels, c.pool...)}, Throughput: 90})
		if got.Saturation.Reason == "" {
			t.Fatalf("%s: got saturation %+v, want none", c.name, got.Saturation)
		}
		if b := got.Bottleneck; b.ID != c.bottleneck || !strings.Contains(b.Reason+b.Note, c.says) {
			t.Errorf("%s: got bottleneck %q, note %q, reason %q, want %q and %q", c.name, b.ID, b.Note, b.Reason, c.bottleneck, c.says)
		}
		if l := got.Carries; !about(l.Throughput, c.carries.Throughput) || l.Below != c.carries.Below {
			t.Errorf("%s: got that it carries %+v, want %+v", c.name, l, c.carries)
		}
	}
}

// A line through what was measured is no measurement of what lies far from it.
func TestLineFarFromWhatWasMeasured(t *testing.T) {
	line := func(idle, perRequest, from, to float64) capacity.Demand {
		r := capacity.Resource{Component: "API", Name: "CPU", Limit: 1, Series: []capacity.Series{{}}}
		for i := range 100 {
			x := from + (to-from)*float64(i)/99
			r.Throughput, r.Series[0].Used = append(r.Throughput, x), append(r.Series[0].Used, idle+perRequest*x)
		}
		return capacity.MeasureDemand(r, from)
	}
	for _, c := range []struct {
		name        string
		demand      capacity.Demand
		note, reach string
	}{
		{"a bound within twice the load", line(.1, .0005, 100, 1000), "", ""},
		{"a bound far out", line(.1, .0001, 100, 1500), "", "beyond 2 times the 1,500 req/s that were measured, a bound holds only if demand stays linear so far"},
		{"a line that meets no load far below 0", line(-.46, .0009, 700, 1500), "the line gives −46 % at no load, so it does not hold far below the 700 req/s", ""},
		{"a line that meets no load just below 0", line(-.05, .0006, 700, 1500), "", ""},
	} {
		if c.demand.Reason != "" || !strings.HasPrefix(c.demand.Note, c.note) || (c.note == "") != (c.demand.Note == "") || c.demand.Reach != c.reach {
			t.Errorf("%s: got reason %q, note %q, reach %q, want note %q and reach %q", c.name, c.demand.Reason, c.demand.Note, c.demand.Reach, c.note, c.reach)
		}
	}
}

// Every resource that would be used to more than 80 % is in the plan, the most used first.
func TestPlanHidesNoResource(t *testing.T) {
	of := func(name string, scaling capacity.Scaling, full float64) capacity.Resource {
		r := capacity.Resource{Component: "Database", Name: name, Limit: 100, Scaling: scaling, Series: []capacity.Series{{}}}
		for i := range 120 {
			r.Throughput, r.Series[0].Used = append(r.Throughput, rising(i)), append(r.Series[0].Used, 100*rising(i)/full)
		}
		return r
	}
	resources := []capacity.Resource{of("CPU", capacity.Unscalable, 1000), of("Connections", capacity.PoolLimit, 800), of("IOPS", capacity.Unscalable, 900), of("Network", capacity.Unscalable, 9000)}
	plan := capacity.Analyze(capacity.Input{Resources: resources, Throughput: 450}).Plan
	for _, c := range []struct {
		throughput float64
		want       []string
	}{
		{675, []string{"Connections", "raise it from 100 to 106"}},
		{900, []string{"Connections", "raise it from 100 to 141", "IOPS", "used to 100 %: one 1.3 times as large", "CPU", "used to 90 %: one 1.2 times as large"}},
	} {
		var got []capacity.Scale
		for _, s := range plan {
			if s.Throughput == c.throughput {
				got = append(got, s)
			}
		}
		if len(got) != len(c.want)/2 {
			t.Fatalf("%v req/s: got %+v, want %v", c.throughput, got, c.want)
		}
		for i, s := range got {
			if s.Resource != c.want[2*i] || !strings.Contains(s.Reason+s.Note, c.want[2*i+1]) {
				t.Errorf("%v req/s: got %+v, want %s: %s", c.throughput, s, c.want[2*i], c.want[2*i+1])
			}
		}
	}
}

func TestPlan(t *testing.T) {
	cpu := api(.0005, rising) // hot: full at 950, 80 % at 750
	one := cpu
	one.Component, one.Series = "Worker", cpu.Series[:1]
	pool := capacity.Resource{ID: "pool", Component: "Pool", Name: "Connections", Limit: 10, Scaling: capacity.PoolLimit, Series: []capacity.Series{{}}, Throughput: cpu.Throughput}
	db := capacity.Resource{ID: "db-cpu", Component: "Database", Name: "CPU", Limit: 1, Series: []capacity.Series{{}}, Throughput: cpu.Throughput}
	busy := capacity.Resource{ID: "busy", Component: "Batch", Name: "CPU", Limit: 1, Scaling: capacity.Replicas, Series: []capacity.Series{{}}, Throughput: cpu.Throughput}
	for i, x := range cpu.Throughput {
		pool.Series[0].Used = append(pool.Series[0].Used, .01*x) // full at 1,000
		db.Series[0].Used = append(db.Series[0].Used, .001*x)
		busy.Series[0].Used = append(busy.Series[0].Used, .85+.0001*x+1e-9*float64(i))
	}
	far := capacity.Resource{ID: "far", Component: "Stream", Name: "CPU", Limit: 1, Scaling: capacity.Replicas, Series: []capacity.Series{{}}}
	for i := range 120 {
		x := 700 + 6*float64(i)
		far.Throughput, far.Series[0].Used = append(far.Throughput, x), append(far.Series[0].Used, .84+.0001*x)
	}
	noLimit := capacity.Resource{ID: "m", Component: "Cache", Name: "Memory", Series: []capacity.Series{{}}}
	c := capacity.Analyze(capacity.Input{Resources: []capacity.Resource{cpu, one, pool, db, busy, far, noLimit}, Throughput: 400, Target: 1500})
	of := func(component string, throughput float64) capacity.Scale {
		for _, s := range c.Plan {
			if s.Component == component && s.Throughput == throughput {
				return s
			}
		}
		t.Fatalf("the plan has no %s at %v", component, throughput)
		return capacity.Scale{}
	}
	// 3 replicas · .001 · 1500 / (.8 − .05) = 6.
	if s := of("API", 1500); s.Now != 3 || math.Abs(s.Needed.Value-6) > 1 || s.Needed.Low > s.Needed.Value || s.Needed.High < s.Needed.Value {
		t.Errorf("API at 1,500: got %+v, want about 6 of 3 replicas", s)
	}
	if s := of("API", 600); s.Needed.Value != 3 || !strings.Contains(s.Note, "enough as it is: used to 65 %") {
		t.Errorf("API at 600: got %+v, want 3 replicas, which are enough", s)
	}
	if s := of("Worker", 1200); s.Now != 1 || s.Needed.Value != 2 || !strings.Contains(s.Note, "one replica was measured") {
		t.Errorf("one replica at 1,200: got %+v, want 2 and the assumption", s)
	}
	if s := of("Pool", 1200); s.Limit != 15 || s.Needed.Known() || !strings.Contains(s.Note, "raise it from 10 to 15") {
		t.Errorf("pool at 1,200: got %+v, want a limit of 15 and no replicas", s)
	}
	if s := of("Database", 1200); !strings.Contains(s.Reason, "not known to scale out") || s.Needed.Known() {
		t.Errorf("database at 1,200: got %+v, want a refusal", s)
	}
	if s := of("Database", 600); s.Reason != "" || !strings.Contains(s.Note, "enough") {
		t.Errorf("database at 600: got %+v, want that it is enough", s)
	}
	if s := of("Batch", 1200); !strings.Contains(s.Reason, "without any request") {
		t.Errorf("replicas that are busy at rest: got %+v, want a refusal", s)
	}
	if s := of("Stream", 1200); !strings.Contains(s.Reason, "how many can't be told") || !strings.Contains(s.Reason, "700 to 1,414 req/s that were measured") {
		t.Errorf("replicas that were never seen near rest: got %+v, want no claim of what they use there", s)
	}
	if s := of("Cache", 1200); s.Reason == "" {
		t.Errorf("no limit: got %+v, want the reason", s)
	}
}

func TestForecast(t *testing.T) {
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	demand := func(days int, rate func(d int) float64) (samples []capacity.Sample) {
		for d := range days {
			samples = append(samples, capacity.Sample{Time: start.AddDate(0, 0, d), Rate: rate(d)})
		}
		return samples
	}
	rng := rand.New(rand.NewPCG(4, 4))
	growing := demand(90, func(d int) float64 { return 500 + 5*float64(d) + 10*rng.NormFloat64() })
	carries := capacity.Limit{Throughput: 1100, By: "x"}
	f := capacity.Foresee(growing, carries)
	if f.Reason != "" {
		t.Fatalf("got %q, want a date", f.Reason)
	}
	near(t, "growth", f.PerDay.Value, 5, .03)
	if want := start.AddDate(0, 0, 120); math.Abs(f.Exceeds.Sub(want).Hours()) > 48 { // (1100 − 500)/5 days
		t.Errorf("got %s, want about %s", f.Exceeds, want)
	}
	if !f.Earliest.Before(f.Exceeds) || !f.Latest.After(f.Exceeds) || f.Latest.Sub(f.Earliest) > 20*24*time.Hour {
		t.Errorf("got band %s to %s around %s", f.Earliest, f.Latest, f.Exceeds)
	}
	for _, c := range []struct {
		name    string
		samples []capacity.Sample
		carries capacity.Limit
		reason  string
	}{
		{"few samples", growing[:7], carries, "7 samples of past demand"},
		{"an unknown capacity", growing, capacity.Limit{Throughput: math.NaN(), Reason: "no end was found"}, "no end was found"},
		{"no trend", demand(60, func(int) float64 { return 500 + 50*rng.NormFloat64() }), carries, "no trend"},
		{"demand that falls", demand(60, func(d int) float64 { return 900 - 5*float64(d) }), carries, "does not grow"},
		{"a date far out", growing, capacity.Limit{Throughput: 5000, By: "x"}, "not before 2026-06-28"},
		{"constant demand", demand(60, func(int) float64 { return 500 }), carries, "no trend: all samples are the same"},
		{"a capacity of which only a bound is known", growing, capacity.Limit{Throughput: math.NaN(), Below: 1100, By: "x"}, "less than 1,100 req/s, and how much less is not known"},
	} {
		if got := capacity.Foresee(c.samples, c.carries); !strings.Contains(got.Reason, c.reason) || !got.Exceeds.IsZero() || got.Exceeded {
			t.Errorf("%s: got %q and %s, want no date and %q", c.name, got.Reason, got.Exceeds, c.reason)
		}
	}
	for name, c := range map[string]struct {
		samples []capacity.Sample
		carries capacity.Limit
	}{
		"growing demand that was above from the start": {growing, capacity.Limit{Throughput: 400, By: "x"}},
		"constant demand that is above":                {demand(60, func(int) float64 { return 500 }), capacity.Limit{Throughput: 400, By: "x"}},
		"demand above a bound that is not carried":     {growing, capacity.Limit{Throughput: math.NaN(), Below: 900, By: "x"}},
	} {
		if got := capacity.Foresee(c.samples, c.carries); !got.Exceeded || got.Reason != "" || !got.Exceeds.IsZero() || !(got.Now > got.Capacity) {
			t.Errorf("%s: got %+v, want that it is exceeded already, without a date", name, got)
		}
	}
}

// Demand must rarely exceed the capacity before the earliest date, and that date
// must not be so early that it is of no use.
func TestForecastBandHoldsWhatComes(t *testing.T) {
	const runs, days, capacityThen = 300, 60, 1010
	rng := rand.New(rand.NewPCG(9, 9))
	date := func(d int) time.Time { return time.Unix(int64(d)*86400, 0).UTC() }
	rate := func(d int) float64 { return 500 + 6*float64(d) + 20*rng.NormFloat64() }
	early, ahead := 0, 0.0
	for range runs {
		var samples []capacity.Sample
		for d := range days {
			samples = append(samples, capacity.Sample{Time: date(d), Rate: rate(d)})
		}
		first := days
		for rate(first) < capacityThen {
			first++
		}
		f := capacity.Foresee(samples, capacity.Limit{Throughput: capacityThen, By: "x"})
		if f.Earliest.IsZero() {
			t.Fatalf("got no earliest date (%s)", f.Reason)
		}
		gap := date(first).Sub(f.Earliest).Hours() / 24
		ahead += gap / runs
		if gap < -1 {
			early++
		}
	}
	if share := float64(early) / runs; share > .05 {
		t.Errorf("got an excess before the earliest date in %.3f of the cases, want at most .05", share)
	}
	if ahead > 10 {
		t.Errorf("got an earliest date %.1f days before the first excess on average, want less than 10", ahead)
	}
}
