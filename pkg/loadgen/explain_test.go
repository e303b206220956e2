package loadgen

import (
	"encoding/json"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func thinking(think Think, weight float64, steps int) User {
	return User{Name: "u", Weight: weight, Think: think, Tasks: []Task{{Name: "t", Weight: 2, Steps: make([]Step, steps)}}}
}

func TestExplain(t *testing.T) {
	second := Think{Min: time.Second, Max: time.Second}
	closed := func(users float64, expected LoadRange) Profile {
		return Profile{Name: "p", Expected: expected, Stages: []Stage{{users, users, time.Minute, true}}}
	}
	open := func(rate float64, pool int, expected LoadRange) Profile {
		return Profile{Name: "p", Open: true, MaxInFlight: pool, Expected: expected, Stages: []Stage{{rate, rate, time.Minute, true}}}
	}
	for _, c := range []struct {
		name     string
		users    []User
		profile  Profile
		rate     float64
		warnings []string
	}{
		{"users ÷ think time", []User{thinking(second, 1, 1)}, closed(100, LoadRange{}), 100, nil},
		{"× requests per iteration", []User{thinking(second, 1, 3)}, closed(100, LoadRange{}), 300, nil},
		{"each kind by its own think time", []User{thinking(second, 1, 1), thinking(Think{Exponential: 4 * time.Second}, 3, 2)}, closed(100, LoadRange{}), 25 + 75*2/4.0, nil},
		{"some think and some don't", []User{thinking(second, 1, 1), thinking(Think{}, 1, 1)}, closed(100, LoadRange{}), math.Inf(1),
			[]string{"some users think and others don't: how fast the answers come decides who sends how much; the shares are those of the users"}},
		{"a kind of less than a user", []User{thinking(second, 1999, 1), {Name: "few", Weight: 1, Think: second, Tasks: thinking(second, 1, 1).Tasks}}, closed(100, LoadRange{}), 100,
			[]string{"the weight of few comes to less than one of 100 users, so there may be none; that takes at least 2,000 users"}},
		{"a kind of one user", []User{thinking(second, 99, 1), thinking(second, 1, 1)}, closed(100, LoadRange{}), 100, nil},
		{"a kind without a name", []User{thinking(second, 3, 1), {Weight: 1, Think: second, Tasks: thinking(second, 1, 1).Tasks}}, closed(3, LoadRange{}), 3,
			[]string{"the weight of users[1] comes to less than one of 3 users, so there may be none; that takes at least 4 users"}},
		{"no think time: no bound", []User{thinking(Think{}, 1, 1)}, closed(100, LoadRange{50, 60}), math.Inf(1), nil},
		{"what is expected can be reached", []User{thinking(second, 1, 1)}, closed(100, LoadRange{100, 200}), 100, nil},
		{"what is expected can't", []User{thinking(second, 1, 1)}, closed(100, LoadRange{250, 250}), 100,
			[]string{"100 users with 1 s think give at most 100 req/s, however fast the target is; expected 250 req/s. That takes at least 250 users, or a mean think time of at most 0.4 s"}},
		{"arrivals × requests", []User{thinking(Think{}, 1, 2)}, open(10, 100, LoadRange{}), 20, nil},
		{"arrivals don't think", []User{thinking(second, 1, 1)}, open(10, 100, LoadRange{}), 10, []string{"think time is ignored: arrivals set the pace"}},
		{"a small pool", []User{thinking(Think{}, 1, 1)}, open(1000, 50, LoadRange{}), 1000,
			[]string{"max_in_flight 50 reaches 1,000 iterations/s only while they take less than 0.05 s on average; later ones queue"}},
		{"too few arrivals", []User{thinking(Think{}, 1, 2)}, open(10, 100, LoadRange{30, 40}), 20,
			[]string{"an arrival rate of at most 10/s with 2 requests each gives at most 20 req/s; expected 30–40 req/s"}},
	} {
		e := Explain(Scenario{Name: "s", Users: c.users}, &c.profile)
		if e.RequestsPerSecond != c.rate {
			t.Errorf("%s: got %v req/s, want %v", c.name, e.RequestsPerSecond, c.rate)
		}
		if diff := cmp.Diff(c.warnings, e.Warnings); diff != "" {
			t.Errorf("%s: warnings (-want +got):\n%s", c.name, diff)
		}
		text, err := json.Marshal(e)
		var form struct {
			Rate *float64 `json:"max_requests_per_second"`
		}
		if err != nil || json.Unmarshal(text, &form) != nil || (form.Rate == nil) != math.IsInf(c.rate, 1) || form.Rate != nil && *form.Rate != c.rate {
			t.Errorf("%s: got %s, %v, want a rate of %v, or null without bound", c.name, text, err, c.rate)
		}
	}
}

// Who thinks less does more of the iterations of a closed model; those of an open one follow the weights.
func TestSharesOfSeveralKinds(t *testing.T) {
	s := Scenario{Users: []User{thinking(Think{Min: time.Second, Max: time.Second}, 3, 1), thinking(Think{Exponential: 10 * time.Second}, 1, 2)}}
	for _, c := range []struct {
		name    string
		profile Profile
		want    []float64
		steps   float64
	}{
		{"closed", Profile{Stages: []Stage{{40, 40, time.Minute, true}}}, []float64{3 / 3.1, 0.1 / 3.1}, 3.2 / 3.1},
		{"open", Profile{Open: true, Stages: []Stage{{40, 40, time.Minute, true}}}, []float64{0.75, 0.25}, 1.25},
	} {
		e := Explain(s, &c.profile)
		for i, want := range c.want {
			if got := e.Tasks[i].Share; math.Abs(got-want) > 1e-12 {
				t.Errorf("%s, kind %d: got a share of %v, want %v", c.name, i, got, want)
			}
		}
		if got := LoadOf(s, c.profile).Iteration; math.Abs(got-c.steps) > 1e-12 {
			t.Errorf("%s: got %v requests per iteration, want %v", c.name, got, c.steps)
		}
	}
	l := LoadOf(s, Profile{Stages: []Stage{{40, 40, time.Minute, true}}})
	if want := 4 / 3.1; math.Abs(l.ThinkSeconds-want) > 1e-9 {
		t.Errorf("mean think time: got %v s, want %v", l.ThinkSeconds, want)
	}
	// 30 users who take 1 + 0.5 s for a request, and 10 who take 10 + 2·0.5 s for two.
	if got, want := 40/(0.5+l.ThinkPerRequest(0.5)), 30/1.5+10*2/11.0; math.Abs(got-want) > 1e-9 {
		t.Errorf("40 users whose answers take 0.5 s: got %v req/s, want %v", got, want)
	}
}

func TestExplanationWithoutAProfile(t *testing.T) {
	var out strings.Builder
	if err := Explain(Scenario{Name: "s", Users: []User{thinking(Think{}, 1, 2), thinking(Think{}, 3, 1)}}, nil).Write(&out); err != nil {
		t.Fatal(err)
	}
	want := `scenario s

  share   requests  task
  25.0%          2  u: t
  75.0%          1  u: t
`
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func FuzzParseProfiles(f *testing.F) {
	f.Add("users: 100, spawn_rate: 10, duration: 10m, expected_load: 200..400/s")
	f.Add("stages: [{to: 1000, over: 10s}, {hold: 1m, scored: false}]")
	f.Add("arrival_rate: {from: 100/s, to: 1200/m, steps: 12}, each: 1m, arrivals: poisson, max_in_flight: 3")
	f.Fuzz(func(t *testing.T, profile string) {
		ps, err := ParseProfiles("p.yaml", []byte("apiVersion: plumbline/v1\nkind: Profiles\nprofiles:\n  p: {"+profile+"}"))
		if err != nil {
			return
		}
		for _, p := range ps {
			last := time.Duration(-1)
			arrivals := p.Arrivals(1, Segment{})
			for range 100 {
				due, ok := arrivals.Next()
				if !p.Open || !ok {
					break
				}
				if due < last || due > p.Duration()+time.Second {
					t.Errorf("%s: got an arrival at %s after one at %s, in %s", profile, due, last, p.Duration())
				}
				last = due
			}
			if n := p.UsersAt(p.Duration() / 2); n < 0 || n > p.MaxUsers() {
				t.Errorf("%s: got %d users of at most %d", profile, n, p.MaxUsers())
			}
		}
	})
}

func TestWarningsOfAProfile(t *testing.T) {
	s := mustParse(t, scenarioText("        request: GET /"))
	for _, c := range []struct {
		name    string
		profile Profile
		want    []string
	}{
		{"nothing scored", Profile{Stages: []Stage{{0, 5, time.Second, false}, {5, 5, time.Minute, false}}},
			[]string{"no stage is scored, so that the whole run will be, ramps included: add scored: true where the load is to be judged"}},
		{"one arrival", Profile{Open: true, Stages: []Stage{{1. / 3600, 1. / 3600, 5 * time.Second, true}}}, []string{"in 5s no more than one iteration starts at this rate"}},
		{"neither", Profile{Open: true, Stages: []Stage{{1, 1, 5 * time.Second, true}}}, nil},
	} {
		if diff := cmp.Diff(c.want, Explain(s, &c.profile).Warnings); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, diff)
		}
	}
}
