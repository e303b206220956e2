package loadgen

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestAbortRuleMistakes(t *testing.T) {
	for _, c := range []struct{ rule, want string }{
		{"", "want METRIC OPERATOR VALUE for DURATION"},
		{"error_rate > 0.5", "want METRIC OPERATOR VALUE for DURATION"},
		{"error_rate = 0.5 for 10s", "operators are <, <=, > and >="},
		{"error_rate > 0.5 for 10s and more", "want METRIC OPERATOR VALUE"},
		{"errorrate > 0.5 for 10s", `unknown metric "errorrate"; did you mean error_rate?`},
		{"temperature > 20 for 10s", "there are error_rate, rps, mean, max, p50, p90, p95, p99, p999"},
		{"error_rate > 50 for 10s", "want a ratio such as 0.05 or 5%"},
		{"error_rate > NaN for 10s", "want a ratio"},
		{"p95 > 2 for 10s", "want a duration with its unit, such as 500ms"},
		{"rps < fast for 10s", "want requests per second such as 100"},
		{"rps < 100/m for 10s", "want requests per second"},
		{"rps < inf for 10s", "want requests per second"},
		{"rps < 100 for a while", "want METRIC OPERATOR"},
		{"rps < 100 for ever", "for: want a duration of at least 1s"},
		{"rps < 100 for 10ms", "at least 1s"},
	} {
		if _, err := ParseAbortRule(c.rule); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: got %v, want …%s", c.rule, err, c.want)
		}
	}
}

func TestAbortOn(t *testing.T) {
	s := mustParse(t, "apiVersion: plumbline/v1\nkind: Scenario\nname: s\nusers:\n  - {name: u, think: 100ms, tasks: [{name: t, request: GET /}]}")
	p := Profile{Stages: []Stage{{10, 10, time.Minute, true}}} // 100 req/s
	for _, c := range []struct {
		name, rule string
		serve      func(since time.Duration, w http.ResponseWriter)
		after      time.Duration // 0: never
	}{
		{"all fail from the start", "error_rate > 0.5 for 10s", func(_ time.Duration, w http.ResponseWriter) { w.WriteHeader(http.StatusInternalServerError) }, 10 * time.Second},
		{"all fail from 20 s on", "error_rate > 50% for 10s", func(since time.Duration, w http.ResponseWriter) {
			if since >= 20*time.Second {
				w.WriteHeader(http.StatusInternalServerError)
			}
		}, 30 * time.Second},
		{"failing is broken every 6 s", "error_rate > 0.5 for 10s", func(since time.Duration, w http.ResponseWriter) {
			if int(since.Seconds())%6 != 0 {
				w.WriteHeader(http.StatusInternalServerError)
			}
		}, 0},
		{"a third fails", "error_rate > 0.5 for 3s", func(since time.Duration, w http.ResponseWriter) {
			if since.Milliseconds()/100%3 == 0 {
				w.WriteHeader(http.StatusInternalServerError)
			}
		}, 0},
		{"slow from 20 s on", "p95 >= 200ms for 5s", func(since time.Duration, _ http.ResponseWriter) {
			if since >= 20*time.Second {
				time.Sleep(300 * time.Millisecond)
			}
		}, 25 * time.Second},
		{"fast enough", "p95 >= 200ms for 5s", func(time.Duration, http.ResponseWriter) { time.Sleep(100 * time.Millisecond) }, 0},
		{"too few", "rps < 60 for 5s", func(time.Duration, http.ResponseWriter) { time.Sleep(100 * time.Millisecond) }, 5 * time.Second},
		{"none answered in time is a rate of 0", "rps < 1/s for 5s", func(since time.Duration, _ http.ResponseWriter) {
			if since >= 20*time.Second {
				time.Sleep(25 * time.Second)
			}
		}, 25 * time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			rule, err := ParseAbortRule(c.rule)
			if err != nil {
				t.Fatal(err)
			}
			var start time.Time
			sum, err := runInBubble(t, s, p, func(w http.ResponseWriter, _ *http.Request) { c.serve(time.Since(start), w) },
				func(o *Options, _ *pipes) { o.AbortOn, start, o.Timeout = []AbortRule{rule}, time.Now(), time.Minute })
			var aborted *ErrAborted
			if c.after == 0 {
				if err != nil || sum.Window.Duration() < time.Minute {
					t.Errorf("got %v after %s, want no end before a minute", err, sum.Window.Duration())
				}
				return
			}
			if !errors.As(err, &aborted) || aborted.Rule != c.rule {
				t.Fatalf("got %v after %s, want the rule", err, sum.Window.Duration())
			}
			got := sum.Window.Duration()
			if strings.HasPrefix(c.rule, "rps < 1/s") {
				got -= 20 * time.Second // until the last of those in flight has been answered
			}
			if got < c.after || got > c.after+2500*time.Millisecond {
				t.Errorf("got the end after %s, want %s", got, c.after)
			}
		})
	}
}

// A rule looks at what came since the second before, not at everything since the start.
func TestAborterPassesOverEmptySeconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rule, err := ParseAbortRule("error_rate > 0.5 for 3s")
		if err != nil {
			t.Fatal(err)
		}
		a := newAborter([]AbortRule{rule})
		var sum Count
		for second, failures := range []int64{0, 5, 0, 5, 5} { // a pause is no recovery
			time.Sleep(time.Second)
			sum.Requests += failures
			sum.Failures += failures
			err := a.look(time.Now(), sum)
			if want := second == 3 || second == 4; (err != nil) != want {
				t.Errorf("second %d: got %v, want an end: %v", second, err, want)
			}
		}
	})
}

func FuzzAbortRule(f *testing.F) {
	f.Add("error_rate > 0.5 for 10s")
	f.Add("p95>=2s for 1m")
	f.Fuzz(func(t *testing.T, text string) {
		r, err := ParseAbortRule(text)
		if err != nil {
			return
		}
		again, err := ParseAbortRule(r.String())
		if err != nil || again.bound != r.bound || again.hold != r.hold || again.op != r.op {
			t.Errorf("%q: got %+v, %v from its own text", text, again, err)
		}
	})
}

// Once the profile is over, a low rate is no sign of anything.
func TestRulesEndWithTheProfile(t *testing.T) {
	rule, err := ParseAbortRule("rps < 5 for 5s")
	if err != nil {
		t.Fatal(err)
	}
	p := Profile{Open: true, MaxInFlight: 1, Stages: []Stage{{10, 10, 20 * time.Second, true}}}
	var begun time.Time
	sum, err := runInBubble(t, mustParse(t, scenarioOf("{name: t, request: GET /}")), p, func(http.ResponseWriter, *http.Request) {
		if since := time.Since(begun); since > 19*time.Second && since < 28*time.Second {
			time.Sleep(28*time.Second - since)
		}
	}, func(o *Options, _ *pipes) {
		o.AbortOn, o.OnStart = []AbortRule{rule}, func(at time.Time) { begun = at }
	})
	if err != nil || sum.Requests != 200 {
		t.Errorf("got %v after %d requests, want all 200", err, sum.Requests)
	}
}
