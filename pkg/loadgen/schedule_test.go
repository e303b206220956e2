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
		{"{arrival_rate: 100/s, over: 1m}", "duration: must be above 0"},
		{"{arrival_rate: 100/s, duration: 1m, arrivals: often}", "want regular or poisson"},
		{"{stages: [{to: 5, over: 1s}, {to: 5/s, over: 1s}]}", "not both"},
		{"{users: 10, spawn_rate: 1, duration: 1m, expected_load: 10}", "expected_load: want requests per second such as 1000/s or 800..1200/s"},
		{"{users: 10, spawn_rate: 1, duration: 1m, expected_load: 20..10/s}", "the lower first"},
		{"{users: 10, spawn_rate: 1, duration: 1m, expected_load: 0/s}", "the lower first"},
		{"{stages: [{hold: 1s}]}", "no stage says where to go"},
	} {
		_, err := ParseProfiles("p.yaml", []byte("apiVersion: plumbline/v1\nkind: Profiles\nprofiles:\n  x: "+c.profile))
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), "p.yaml:4:") {
			t.Errorf("%s: got %v, want p.yaml:4:…%s", c.profile, err, c.want)
		}
	}
}
