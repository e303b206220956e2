package loadgen

import (
	"math"
	"strings"
	"testing"
	"time"
)

func TestDue(t *testing.T) {
	constant := Profile{Open: true, Stages: []Stage{{1000, 1000, 10 * time.Second, true}}}
	ramp := Profile{Open: true, Stages: []Stage{{0, 100, 10 * time.Second, true}, {100, 100, time.Second, true}}}
	for _, c := range []struct {
		p    Profile
		n    float64
		want time.Duration
		ok   bool
	}{
		{constant, 0, 0, true},
		{constant, 1500, 1500 * time.Millisecond, true},
		{constant, 9999, 9999 * time.Millisecond, true},
		{constant, 10000, 0, false},
		{ramp, 0, 0, true},
		{ramp, 125, 5 * time.Second, true}, // 10 t² / 2 = 125
		{ramp, 550, 10500 * time.Millisecond, true},
		{ramp, 600, 0, false},
	} {
		if got, ok := c.p.Due(c.n); got != c.want || ok != c.ok {
			t.Errorf("arrival %v: got %v %v, want %v %v", c.n, got, ok, c.want, c.ok)
		}
	}
}

func TestPoissonArrivals(t *testing.T) {
	p := Profile{Open: true, Poisson: true, Stages: []Stage{{1000, 1000, 100 * time.Second, true}}}
	count, sum, squares := 0.0, 0.0, 0.0
	last := time.Duration(0)
	for a := p.Arrivals(1, Segment{}); ; {
		due, ok := a.Next()
		if !ok {
			break
		}
		gap := (due - last).Seconds()
		last = due
		count, sum, squares = count+1, sum+gap, squares+gap*gap
	}
	mean := sum / count
	if cv := math.Sqrt(squares/count-mean*mean) / mean; math.Abs(count-100_000) > 1500 || math.Abs(cv-1) > 0.02 {
		t.Errorf("got %v arrivals with a coefficient of variation of %v, want 100,000 and 1", count, cv)
	}
}

func TestProfileMistakes(t *testing.T) {
	for _, c := range []struct{ profile, want string }{
		{"{users: 0, spawn_rate: 1, duration: 1m}", "must be between 1 and"},
		{"{users: 100, spawn_rate: 1, duration: 1m}", "must be longer than the 1m40s"},
		{"{users: 10, spawn_rate: 1, duration: 1m, arrivals: poisson}", "belong to an arrival rate"},
		{"{arrival_rate: 100, duration: 1m}", "want a rate such as"},
		{"{arrival_rate: 100/s, over: 1m}", "over: this form of arrival_rate takes duration alone: write duration: 1m0s"},
		{"{arrival_rate: 100/s, duration: 1m, arrivals: often}", "want regular or poisson"},
		{"{stages: [{to: 5, over: 1s}, {to: 5/s, over: 1s}]}", "not both"},
		{"{users: 10, spawn_rate: 1, duration: 1m, expected_load: 10}", "expected_load: want requests per second such as 1000/s or 800..1200/s"},
		{"{users: 10, spawn_rate: 1, duration: 1m, expected_load: 20..10/s}", "the lower first"},
		{"{users: 10, spawn_rate: 1, duration: 1m, expected_load: 0/s}", "the lower first"},
		{"{stages: [{hold: 1s}]}", "x.stages[0]: there is no load to hold yet"},
		{"{stages: [{to: 0, over: 1s}]}", "x.stages: no stage has a load"},
		{"{stages: [{hold: 5s}, {to: 5, over: 1s}]}", "p.yaml:4:16: profiles.x.stages[0]: there is no load to hold yet: begin with {to: users or rate, over: duration}"},
		{"{stages: [{to: 5, over: 1s}, {to: 0, over: 1s}, {hold: 5s}]}", "stages[2]: there is no load to score: go up before, or add scored: false"},
		{"{stages: [{to: 5, over: -1s}]}", "p.yaml:4:30: profiles.x.stages[0].over: must not be negative: want a duration such as 500ms, 10s or 1m30s, got \"-1s\""},
		{"{stages: [{to: -5, over: 1s}]}", "stages[0].to: want users such as 100"},
		{"{stages: [{to: nan/s, over: 1s}]}", "stages[0].to: want users such as 100"},
		{"{stages: [{to: .inf, over: 1s}]}", "stages[0].to: want users such as 100"},
		{"{stages: [{to: inf/s, over: 1s}]}", "stages[0].to: want at most 1000000 users or arrivals per second"},
		{"{stages: [{to: 1000001, over: 1s}]}", "stages[0].to: want at most 1000000 users"},
		{"{stages: [{to: 5, over: 200d}, {hold: 200d}]}", "profiles.x: must not last longer than 8760h0m0s"},
		{"{users: 10, spawn_rate: .inf, duration: 1m}", "p.yaml:4:30: profiles.x.spawn_rate: want a number, got \".inf\""},
		{"{users: 10, spawn_rate: .nan, duration: 1m}", "spawn_rate: want a number, got \".nan\""},
		{"{users: 10, spawn_rate: 1e300, duration: 1m}", "spawn_rate: must be above 0 and at most 1000000 users per second"},
		{"{users: 10, spawn_rate: 1e-300, duration: 1m}", "duration: must be longer than the 17520h0m0s"},
		{"{users: 10, spawn_rate: 1, duration: -1m}", "duration: must not be negative"},
		{"{arrival_rate: -5/s, duration: 1m}", "arrival_rate: want a rate such as 100/s, 100/m or 100/h, got \"-5/s\""},
		{"{arrival_rate: {from: 1/s, to: 9/s, steps: 1}, each: 1m}", "p.yaml:4:49: profiles.x.arrival_rate.steps: must be between 2 and 1000, got 1"},
		{"{arrival_rate: {from: 1/s, to: 9/s, steps: 1001}, each: 1m}", "arrival_rate.steps: must be between 2 and 1000, got 1001"},
		{"{arrival_rate: {from: 1/s, to: 9/s, step: 3}, over: 1m}", "p.yaml:4:42: profiles.x.arrival_rate.step: unknown key; did you mean steps?"},
		{"{arrival_rate: 5/s, duration: 1m, max_in_flight: 0}", "max_in_flight: must be between 1 and 1000000, got 0"},
		{"{arrival_rate: 5/s, duration: 1m, max_in_flight: 2000000}", "max_in_flight: must be between 1 and 1000000, got 2000000"},
		{"{arrival_rate: 5/s, duration: 1m, max_queue: -1}", "p.yaml:4:51: profiles.x.max_queue: must be between 1 and 10000000, got -1"},
		{"{users: 2.5, spawn_rate: 1, duration: 1m}", "p.yaml:4:14: profiles.x.users: want a whole number, got \"2.5\": write 2 or 3"},
		{"{users: 010, spawn_rate: 1, duration: 1m}", "users: want a number without leading zeros and other bases, got \"010\": write 10"},
		{"{stages: [{to: 010, over: 1s}]}", "stages[0].to: want a number without leading zeros and other bases, got \"010\": write 10"},
		{"{arrival_rate: 5/s, duration: 1m, max_in_flight: 20.9}", "max_in_flight: want a whole number, got \"20.9\": write 20 or 21"},
		{"{arrival_rate: {from: 1/s, to: 9/s, steps: 2.5}, each: 1m}", "arrival_rate.steps: want a whole number, got \"2.5\": write 2 or 3"},
		{"{arrival_rate: 10rps, duration: 1m}", "p.yaml:4:21: profiles.x.arrival_rate: want a rate such as 100/s, 100/m or 100/h, got \"10rps\""},
		{"{arrival_rate: 10, duration: 1m}", "arrival_rate: want a rate such as 100/s, 100/m or 100/h, got \"10\""},
		{"{arrival_rate: 0/s, duration: 1m}", "arrival_rate: must be above 0, such as 100/s, got \"0/s\""},
		{"{arrival_rate: {from: 0/s, to: 0/s}, over: 1m}", "arrival_rate: nothing arrives from 0/s to 0/s"},
		{"{arrival_rate: 5/s, duration: 1m, expected_load: -1/s}", "expected_load: want requests per second"},
	} {
		_, err := ParseProfiles("p.yaml", []byte("apiVersion: plumbline/v1\nkind: Profiles\nprofiles:\n  x: "+c.profile))
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), "p.yaml:4:") {
			t.Errorf("%s: got %v, want p.yaml:4:…%s", c.profile, err, c.want)
		}
	}
}

func TestScale(t *testing.T) {
	p := Profile{Name: "p", SpawnRate: 10, Stages: []Stage{{0, 10, time.Second, false}, {10, 10, 59 * time.Second, true}}}
	for _, c := range []struct {
		factor float64
		want   time.Duration
		err    string
	}{
		{2, 2 * time.Minute, ""},
		{0.1, 6 * time.Second, ""},
		{525600, 365 * 24 * time.Hour, ""},
		{525601, 0, "525601 makes profile p, of 1m0s, last longer than 8760h0m0s: want at most 525600"},
		{1e12, 0, "1e+12 makes profile p, of 1m0s, last longer than 8760h0m0s: want at most 525600"},
		{1e300, 0, "1e+300 makes profile p, of 1m0s, last longer than 8760h0m0s: want at most 525600"},
		{1e-3, 0, "0.001 makes profile p last 60ms, want at least 100ms"},
		{0, 0, "want a number above 0, got 0"},
		{-1, 0, "want a number above 0, got -1"},
		{math.Inf(1), 0, "want a number above 0, got +Inf"},
		{math.NaN(), 0, "want a number above 0, got NaN"},
	} {
		got, err := p.Scale(c.factor)
		if c.err != "" {
			if err == nil || err.Error() != c.err {
				t.Errorf("%v: got %v, want %s", c.factor, err, c.err)
			}
			continue
		}
		if err != nil || got.Duration() != c.want || got.SpawnRate != 10/c.factor {
			t.Errorf("%v: got %s, %v users per second, %v, want %s", c.factor, got.Duration(), got.SpawnRate, err, c.want)
		}
	}
}

// What is missing is told as that, and what follows from a mistake not at all.
func TestOneMistakeOfAProfileIsToldOnce(t *testing.T) {
	for _, c := range []struct{ profile, want string }{
		{"{spawn_rate: 1, duration: 1m}", "6: profiles.x.users: is missing; write users: 100"},
		{"{users: 1, duration: 1m}", "6: profiles.x.spawn_rate: is missing; write spawn_rate: 10"},
		{"{users: 1, spawn_rate: 1}", "6: profiles.x.duration: is missing; write duration: 10m"},
		{"{users: 1, spawn-rate: 1, duration: 1m}", "17: profiles.x.spawn-rate: unknown key; did you mean spawn_rate?"},
		{"{arrival_rate: 1/s}", "6: profiles.x.duration: is missing; write duration: 10m"},
		{"{arrival_rate: {from: 1/s, to: 2/s}}", "6: profiles.x.over: is missing; write over: 10m"},
		{"{arrival_rate: {from: 1/s, to: 2/s}, duration: 5s}", "53: profiles.x.duration: this form of arrival_rate takes over alone: write over: 5s"},
		{"{arrival_rate: {from: 1/s, to: 2/s, steps: 2}}", "6: profiles.x.each: is missing; write each: 10m"},
		{"{arrival_rate: {from: 1/s}, over: 1m}", "21: profiles.x.arrival_rate.to: is missing; write to: 2000/s"},
		{"{arrival_rate: {from: x, to: 2/s}, over: 1m}", "28: profiles.x.arrival_rate.from: want a rate such as 100/s, 100/m or 100/h, got \"x\""},
		{"{arrival_rte: 5/s, duration: 1m, max_in_flight: 5}", "7: profiles.x.arrival_rte: unknown key; did you mean arrival_rate?"},
		{"{}", "6: profiles.x: give one of stages, arrival_rate, and users with spawn_rate and duration, such as {users: 100, spawn_rate: 10, duration: 10m}"},
		{"5", "6: profiles.x: want keys with values, got a value \"5\""},
		{"{stages: []}", "15: profiles.x.stages: want at least one, such as {to: 100, over: 10s}"},
		{"{stages: [{target: 10, over: 1s}, {hold: 1m}]}", "17: profiles.x.stages[0].target: unknown key; allowed are hold, over, scored, to"},
		{"{stages: [{to: ten}, {hold: 1m}]}", "21: profiles.x.stages[0].to: want users such as 100, or an arrival rate such as 100/s, got \"ten\""},
		{"{stages: [{to: 10}, {hold: 1m}]}", "16: profiles.x.stages[0]: want {to: users or rate, over: duration} or {hold: duration}"},
	} {
		_, err := ParseProfiles("p.yaml", []byte("apiVersion: plumbline/v1\nkind: Profiles\nprofiles:\n  x: "+c.profile))
		if err == nil || err.Error() != "p.yaml:4:"+c.want {
			t.Errorf("%s:\ngot  %v\nwant p.yaml:4:%s", c.profile, err, c.want)
		}
	}
	_, err := ParseProfiles("p.yaml", []byte("apiVersion: plumbline/v1\nkind: Profiles\nprofiles: {'': {arrival_rate: 1/s, duration: 1m}}"))
	if want := `p.yaml:3:16: profiles.: a name has letters, got ""`; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}
