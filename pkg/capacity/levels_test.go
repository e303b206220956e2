package capacity_test

import (
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/plumbline/plumbline/pkg/capacity"
)

// closed is a service that answers in 50 ms until 100 req/s are reached, under
// users who think for a second: N = X(R + Z) throughout.
func closed(users ...float64) (levels []capacity.Level) {
	const think, fastest, most = 1, .05, 100
	for _, n := range users {
		x := math.Min(n/(think+fastest), most)
		r := n/x - think
		levels = append(levels, capacity.Level{
			Users: n, Throughput: x, LatencySeconds: r, ThinkSeconds: think, Requests: 10000, Steady: true,
			Indicators: map[string]float64{"p95": 2 * r, "ok": 1 - r/100},
		})
	}
	return levels
}

// open is the same service under an arrival rate; what it can't answer queues.
func open(rates ...float64) (levels []capacity.Level) {
	for _, rate := range rates {
		l := capacity.Level{ArrivalRate: rate, Throughput: math.Min(rate, 100), LatencySeconds: .05, Steady: true, Requests: 60 * rate, Samples: 60}
		if rate > 100 {
			l.LatencySeconds = 1 + (rate-100)/10
		}
		l.InFlight = l.Throughput * l.LatencySeconds
		levels = append(levels, l)
	}
	return levels
}

func TestSaturation(t *testing.T) {
	for _, c := range []struct {
		name             string
		levels           []capacity.Level
		load, throughput float64
		reason           string
	}{
		{"users beyond what it carries", closed(25, 50, 100, 200, 400, 800), 100, 100 / 1.05, ""},
		{"arrivals beyond what it carries", open(20, 40, 80, 100, 150, 200), 100, 100, ""},
		{"load that it carries", closed(10, 20, 40, 60, 80, 100), math.NaN(), math.NaN(), "not reached up to 100 users"},
		{"only one flat step", closed(50, 100, 200), math.NaN(), math.NaN(), "not reached up to 200 users"},
		{"a second step that is too near to tell", closed(50, 100, 200, 205), math.NaN(), math.NaN(), "not reached up to 200 users"},
		{"one level", closed(100), math.NaN(), math.NaN(), "1 level of different load, and 3 are needed"},
		{"the same level again and again", closed(100, 100, 101), math.NaN(), math.NaN(), "1 level of different load"},
		{"nothing", nil, math.NaN(), math.NaN(), "0 levels"},
		{"no throughput", []capacity.Level{{Users: 1}, {Users: 2}, {Users: 3}}, math.NaN(), math.NaN(), "0 levels"},
	} {
		got := capacity.FindSaturation(c.levels)
		if !same(got.Load, c.load) || !same(got.Throughput, c.throughput) || !strings.Contains(got.Reason, c.reason) || (c.reason == "") != (got.Reason == "") {
			t.Errorf("%s: got %+v, want load %v, throughput %v, reason %q", c.name, got, c.load, c.throughput, c.reason)
		}
	}
}

func same(a, b float64) bool { return math.IsNaN(a) && math.IsNaN(b) || math.Abs(a-b) < 1e-9 }

func TestCrossings(t *testing.T) {
	p95 := capacity.Objective{ID: "p95", Title: "p95", Bound: "< 500ms", Limit: .5}
	ok := capacity.Objective{ID: "ok", Title: "Success", Bound: "> 99.5%", Limit: .995, LowerIsWorse: true}
	noisy := closed(25, 50, 100, 200, 400)
	noisy[0].Indicators["p95"] = .9 // a cold start
	for _, c := range []struct {
		name      string
		levels    []capacity.Level
		objective capacity.Objective
		load      float64
		reason    string
	}{
		// p95 is 2(N/100 − 1) s beyond saturation: .5 s between 100 users (.1 s) and 200 (2 s).
		{"between two levels", closed(25, 50, 100, 200, 400), p95, 100 + 100*(.5-.1)/(2-.1), ""},
		{"a success ratio that falls", closed(25, 50, 100, 200, 400), ok, 100 + 100*(.005-.0005)/(.01-.0005), ""},
		{"a slow first level is smoothed", noisy, p95, 100 + 100*(.5-(.9+.1+.1)/3)/(2-(.9+.1+.1)/3), ""},
		{"between levels that are far apart", closed(50, 90, 200), p95, math.NaN(), "somewhere between 90 users and 200 users, which are too far apart"},
		{"never", closed(25, 50, 100), p95, math.NaN(), "not crossed up to 100 users"},
		{"already at the lowest", closed(200, 400), p95, math.NaN(), "missed already at the lowest load, 200 users"},
		{"one level", closed(200), p95, math.NaN(), "1 level of load at which it was measured"},
		{"not measured", closed(100, 200), capacity.Objective{ID: "p42", Limit: 1}, math.NaN(), "0 levels"},
	} {
		got := capacity.FindCrossings(c.levels, []capacity.Objective{c.objective})[0]
		if !same(got.Load, c.load) || !strings.Contains(got.Reason, c.reason) || (c.reason == "") != (got.Reason == "") {
			t.Errorf("%s: got load %v, reason %q, want %v, %q", c.name, got.Load, got.Reason, c.load, c.reason)
		}
		if c.reason == "" && !(got.From < got.Load && got.Load < got.To && got.Throughput > 0) {
			t.Errorf("%s: got %+v, want the levels around it and the throughput there", c.name, got)
		}
	}
}

func TestLittlesLaw(t *testing.T) {
	wrongThink := closed(100)
	wrongThink[0].ThinkSeconds = .8
	elsewhere := open(50)
	elsewhere[0].LatencySeconds = .02 // measured behind a queue
	fewRequests := open(2)
	fewRequests[0].InFlight, fewRequests[0].Samples = .2, 20 // .1 are there on average
	fewSamples := open(50)
	fewSamples[0].InFlight, fewSamples[0].Samples = 8, 4
	failures := closed(100)
	failures[0].ErrorRatio, failures[0].Throughput = .2, .8*failures[0].Throughput
	for _, c := range []struct {
		name    string
		level   capacity.Level
		suspect bool
		reason  string
	}{
		{"a closed model", closed(100)[0], false, ""},
		{"beyond saturation", closed(800)[0], false, ""},
		{"an open model", open(50)[0], false, ""},
		{"a think time that was not kept", wrongThink[0], true, "off by 19 %"},
		{"times measured elsewhere", elsewhere[0], true, "measured elsewhere"},
		{"chance among few requests", fewRequests[0], false, ""},
		{"few samples", fewSamples[0], false, "4 samples of the requests under way, and at least 10"},
		{"failures take their time too", failures[0], false, ""},
		{"nothing sampled", capacity.Level{ArrivalRate: 5, InFlight: math.NaN()}, false, "could not be checked"},
	} {
		got := capacity.CheckLittle([]capacity.Level{c.level})[0]
		if got.Suspect != c.suspect || !strings.Contains(got.Reason, c.reason) || (c.reason == "") != (got.Reason == "") {
			t.Errorf("%s: got %+v, want suspect %v, %q", c.name, got, c.suspect, c.reason)
		}
	}
}

func TestBreakingPointSaysWhatBrokeFirst(t *testing.T) {
	p95 := capacity.Objective{ID: "p95", Title: "p95", Limit: .5}
	for _, c := range []struct {
		name    string
		in      capacity.Input
		load    float64
		stood   float64
		broke   []string
		reason  string
		carries float64
	}{
		{"latency and throughput at once", capacity.Input{Levels: closed(25, 50, 100, 200, 400), Objectives: []capacity.Objective{p95}}, 200, 100,
			[]string{"p95 is missed", "throughput is flat"}, "", 100 / 1.05},
		{"latency before throughput", capacity.Input{Levels: closed(50, 100, 200, 400, 800), Objectives: []capacity.Objective{{ID: "p95", Title: "p95", Limit: 3}}}, 200, 100,
			[]string{"throughput is flat"}, "", 100 / 1.05},
		{"levels in any order", capacity.Input{Levels: closed(400, 25, 200, 50, 100), Objectives: []capacity.Objective{p95}}, 200, 100, []string{"p95 is missed", "throughput is flat"}, "", 100 / 1.05},
		{"an objective that only should hold ends nothing", capacity.Input{Levels: closed(10, 20, 40, 200), Objectives: []capacity.Objective{{ID: "p95", Title: "p95", Limit: .5, Advisory: true}}}, math.NaN(), math.NaN(), nil, "nothing broke up to 200 users", math.NaN()},
		{"one level", capacity.Input{Levels: closed(100)}, math.NaN(), math.NaN(), nil, "1 level of load", math.NaN()},
	} {
		got := capacity.Analyze(c.in)
		if !same(got.Breaking.Load, c.load) || !same(got.Breaking.LastGood, c.stood) || !strings.Contains(got.Breaking.Reason, c.reason) {
			t.Errorf("%s: got %+v, want load %v after %v, reason %q", c.name, got.Breaking, c.load, c.stood, c.reason)
		}
		if diff := cmp.Diff(c.broke, got.Breaking.Broke); diff != "" {
			t.Errorf("%s: what broke: (−want +got)\n%s", c.name, diff)
		}
		if !same(got.Carries.Throughput, c.carries) {
			t.Errorf("%s: got that it carries %v (%s), want %v", c.name, got.Carries.Throughput, got.Carries.By, c.carries)
		}
	}
}

func TestLevelsThatAreNotSteadyAreLeftOutOfTheLaw(t *testing.T) {
	levels := closed(10, 20, 40, 60, 80, 100)
	if u := capacity.Analyze(capacity.Input{Levels: levels}).USL; u.Reason != "" || u.Levels != 6 {
		t.Errorf("got %d levels, reason %q, want a fit to 6", u.Levels, u.Reason)
	}
	ramp := make([]capacity.Level, 10)
	for i := range ramp {
		ramp[i].Moving = true
	}
	eight := closed(5, 10, 20, 40, 60, 80, 100, 120)
	for i := range 3 {
		eight[i].Steady = false
	}
	for _, c := range []struct {
		name   string
		levels []capacity.Level
		reason string
	}{
		{"steps too short", eight, "5 levels of load, and at least 6 over a factor of 4 are needed: hold each step longer: 3 of 8 were not steady"},
		{"too few steps, one too short", eight[2:7], "4 levels of load, and at least 6 over a factor of 4 are needed: run a steps profile; 1 level left out as not steady"},
		{"a ramp", ramp, "run a steps profile; 10 levels left out as not steady"},
		{"too few steps", levels[:5], "are needed: run a steps profile"},
	} {
		if u := capacity.Analyze(capacity.Input{Levels: c.levels}).USL; !strings.HasSuffix(u.Reason, c.reason) {
			t.Errorf("%s: got reason %q, want %q", c.name, u.Reason, c.reason)
		}
	}
}

// Of an open model the law's N is what Little's law gives, not the arrival rate.
func TestConcurrency(t *testing.T) {
	if got := open(50)[0].Concurrency(); !same(got, 2.5) {
		t.Errorf("open: got %v under way, want 50/s × .05 s", got)
	}
	queued := open(150)[0]
	queued.ServiceSeconds = .05
	if got := queued.Concurrency(); !same(got, 5) {
		t.Errorf("open with a queue before it: got %v, want 100/s × .05 s of service", got)
	}
	if got := closed(70)[0].Concurrency(); got != 70 {
		t.Errorf("closed: got %v, want the users", got)
	}
}

// Nothing measured gives refusals everywhere and no numbers.
func TestNothingMeasured(t *testing.T) {
	c := capacity.Analyze(capacity.Input{Throughput: math.NaN()})
	for what, reason := range map[string]string{
		"law": c.USL.Reason, "peak": c.USL.PeakReason, "saturation": c.Saturation.Reason, "knee": c.Knee.Reason, "breaking point": c.Breaking.Reason,
		"bottleneck": c.Bottleneck.Reason, "limit": c.Carries.Reason, "plan": c.PlanReason,
	} {
		if reason == "" {
			t.Errorf("%s: got no reason, want one", what)
		}
	}
	if !math.IsNaN(c.Carries.Throughput) || !math.IsNaN(c.Bottleneck.Max.Value) || c.Forecast != nil || c.Recovery != nil {
		t.Errorf("got numbers from nothing: %+v", c)
	}
}
