package loadgen

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

const withLogin = `apiVersion: plumbline/v1
kind: Scenario
name: s
users:
  - {name: u, think: 1s, start: [{name: login, request: POST /login}], tasks: [{name: t, request: GET /}]}
`

// The logins of an open model come before its load, and are no part of it.
func TestLoginsAreNoLoad(t *testing.T) {
	slowLogin := func(_ http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/login" {
			time.Sleep(300 * time.Millisecond)
		}
		time.Sleep(2 * time.Millisecond)
	}
	registry := prometheus.NewRegistry()
	var ready atomic.Int64
	var atReady float64
	p := Profile{Open: true, MaxInFlight: 200, Stages: []Stage{{50, 50, 4 * time.Second, true}}}
	sum, err := runInBubble(t, mustParse(t, withLogin), p, slowLogin, func(o *Options, _ *pipes) {
		o.Registry = registry
		o.OnReady = func(context.Context) {
			ready.Add(1)
			atReady = total(t, registry, "success")
			time.Sleep(time.Second) // as one who waits for a scrape
		}
	})
	if err != nil || ready.Load() != 1 || atReady != 200 {
		t.Fatalf("got %v, %d calls after the logins, %v requests by then, want 200", err, ready.Load(), atReady)
	}
	if sum.Requests != 200 || sum.Due != 200 || len(sum.ByRequest) != 1 || sum.ResponseTime.Max > 0.01 || sum.ResponseTime.P95 > 0.01 {
		t.Errorf("got %d requests, by request %+v, p95 %v s, max %v s, want the 200 of the load, of 2 ms, and none of the logins", sum.Requests, sum.ByRequest, sum.ResponseTime.P95, sum.ResponseTime.Max)
	}
	if got := total(t, registry, "success"); got != 400 {
		t.Errorf("metrics: got %v requests, want 400 with the logins", got)
	}
	for _, m := range gather(t, registry)["loadgen_response_time_max_seconds"].GetMetric() {
		if got := m.GetGauge().GetValue(); got > 0.01 {
			t.Errorf("longest response time: got %v s, want that of the load", got)
		}
	}
}

// Only users who have logged in are counted as such, and those who never did are told of.
func TestUsersWhoDoNotLogIn(t *testing.T) {
	var logins atomic.Int64
	registry := prometheus.NewRegistry()
	var mu sync.Mutex
	var warnings []string
	var seen float64
	p := Profile{Stages: []Stage{{10, 10, 10 * time.Second, true}}}
	_, err := runInBubble(t, mustParse(t, withLogin), p, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/login" && logins.Add(1) > 1 {
			w.WriteHeader(http.StatusForbidden)
		}
		if r.URL.Path == "/" {
			mu.Lock()
			defer mu.Unlock()
			seen = max(seen, gather(t, registry)["loadgen_users"].GetMetric()[0].GetGauge().GetValue())
		}
	}, func(o *Options, _ *pipes) {
		o.Registry = registry
		o.OnWarning = func(text string) { mu.Lock(); defer mu.Unlock(); warnings = append(warnings, text) }
	})
	if err != nil || seen != 1 {
		t.Errorf("got %v and %v users, want the one that has logged in", err, seen)
	}
	if !slices.Contains(warnings, "9 of 10 users never logged in") {
		t.Errorf("got warnings %q, want that 9 of 10 never logged in", warnings)
	}
}

// In an open model users are those that are busy, not those that might be.
func TestUsersOfAnOpenModel(t *testing.T) {
	registry := prometheus.NewRegistry()
	var most float64
	var mu sync.Mutex
	p := Profile{Open: true, MaxInFlight: 100, Stages: []Stage{{10, 10, 5 * time.Second, true}}}
	_, err := runInBubble(t, mustParse(t, scenarioOf("{name: t, request: GET /}")), p, func(http.ResponseWriter, *http.Request) {
		time.Sleep(250 * time.Millisecond)
		mu.Lock()
		defer mu.Unlock()
		most = max(most, gather(t, registry)["loadgen_users"].GetMetric()[0].GetGauge().GetValue())
	}, func(o *Options, _ *pipes) { o.Registry = registry })
	if err != nil || most < 2 || most > 3 {
		t.Errorf("10 arrivals a second of 250 ms: got %v, at most %v users, want 2 or 3", err, most)
	}
}

// When the last answers of a stage came is known where its figures need them, and told
// where it would look better without.
func TestLateAnswers(t *testing.T) {
	const frozen = 7 * time.Second // an answer in the freeze comes then, and 1 s after the first stage's end
	for _, c := range []struct {
		name     string
		pool     int
		takes    time.Duration
		freezes  bool // from second 4 on
		after    []Stage
		answered time.Duration // after the first stage's end, 0.2 s more or less; 0: it doesn't need them
		told     bool
	}{
		{"overloaded, arrivals wait for a user", 1, 20 * time.Millisecond, false, nil, 6 * time.Second, true},
		{"frozen, all are in flight", 1000, time.Millisecond, true, nil, time.Second, true},
		{"it keeps up", 10, 20 * time.Millisecond, false, nil, 0, false},
		{"slow, and it keeps up", 1000, 2 * time.Second, false, nil, 2 * time.Second, false},
		{"slow, and it keeps up, before another stage", 1000, 2 * time.Second, false, []Stage{{50, 50, 5 * time.Second, false}}, 0, false},
		{"frozen before another stage", 1000, time.Millisecond, true, []Stage{{50, 50, 5 * time.Second, true}}, time.Second, true},
		{"a backlog before another stage", 1, 20 * time.Millisecond, false, []Stage{{1, 1, 10 * time.Second, false}}, 6 * time.Second, true},
	} {
		p := Profile{Open: true, MaxInFlight: c.pool, Stages: append([]Stage{{100, 100, 6 * time.Second, true}}, c.after...)}
		var begun time.Time
		var warnings []string
		sum, err := runInBubble(t, mustParse(t, scenarioOf("{name: t, request: GET /}")), p, func(http.ResponseWriter, *http.Request) {
			time.Sleep(c.takes)
			if at := time.Since(begun); c.freezes && at > 4*time.Second && at < frozen {
				time.Sleep(frozen - at)
			}
		}, func(o *Options, _ *pipes) {
			o.OnStart = func(at time.Time) { begun = at }
			o.OnWarning = func(text string) { warnings = append(warnings, text) }
		})
		got := time.Duration(0)
		if first := sum.Stages[0]; !first.Answered.IsZero() {
			got = first.Answered.Sub(first.End)
		}
		if err != nil || (got-c.answered).Abs() > 200*time.Millisecond {
			t.Errorf("%s: got %v, answered %s after the stage, want %s", c.name, err, got, c.answered)
		}
		if told := strings.Contains(strings.Join(warnings, "\n"), "what was due in a scored stage was answered up to "); told != c.told {
			t.Errorf("%s: got warnings %q, want that told: %v", c.name, warnings, c.told)
		}
	}
}

// Rates are those of the time in which load was sent, also when the last answer takes long.
func TestRatesWithALateAnswer(t *testing.T) {
	for name, p := range map[string]Profile{
		"closed": {Stages: []Stage{{10, 10, 10 * time.Second, true}}},
		"open":   {Open: true, MaxInFlight: 10, Stages: []Stage{{10, 10, 10 * time.Second, true}}},
	} {
		var n atomic.Int64
		sum, err := runInBubble(t, mustParse(t, scenarioOf("{name: t, request: GET /}")), p, func(http.ResponseWriter, *http.Request) {
			time.Sleep(time.Second)
			if n.Add(1) == 50 {
				time.Sleep(20 * time.Second)
			}
		}, nil)
		if took := sum.Window.Duration(); err != nil || took < 20*time.Second {
			t.Fatalf("%s: got %v after %s, want an answer that comes late", name, err, took)
		}
		if got := sum.RequestsPerSecond; got < 8 || got > 10 {
			t.Errorf("%s: got %v requests a second, want about 9: those of 10 s", name, got)
		}
	}
}

// A request that gets no answer ends no run; a target that is gone does, unless told otherwise.
func TestPatience(t *testing.T) {
	s := mustParse(t, "apiVersion: plumbline/v1\nkind: Scenario\nname: s\nusers:\n  - {name: u, think: 7s, tasks: [{name: t, request: GET /}]}")
	p := Profile{Stages: []Stage{{1, 1, 2 * time.Minute, true}}}
	for _, c := range []struct {
		name     string
		patience time.Duration
		dropped  func(n int64) bool
		gone     bool
	}{
		{"one is lost", 5 * time.Second, func(n int64) bool { return n == 2 }, false},
		{"two of three are lost", 5 * time.Second, func(n int64) bool { return n%3 != 0 }, false},
		{"all are lost", 5 * time.Second, func(n int64) bool { return n > 5 }, true},
		{"all are lost, for less than the patience", 30 * time.Second, func(n int64) bool { return n > 5 && n < 9 }, false},
		{"all are lost, endless patience", -1, func(n int64) bool { return n > 5 }, false},
	} {
		var n atomic.Int64
		sum, err := runInBubble(t, s, p, func(http.ResponseWriter, *http.Request) {
			if c.dropped(n.Add(1)) {
				panic(http.ErrAbortHandler)
			}
		}, func(o *Options, _ *pipes) { o.Patience = c.patience })
		var gone *ErrTargetGone
		if errors.As(err, &gone) != c.gone || err != nil && !c.gone || (sum.Requests > 15) == c.gone {
			t.Errorf("%s: got %v after %d requests, want that the target is gone: %v", c.name, err, sum.Requests, c.gone)
		}
	}
}

// Cookies go where their path says (RFC 6265, section 5.1.4).
func TestCookiePaths(t *testing.T) {
	server := newServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/shop/login" {
			for _, c := range []http.Cookie{{Name: "api", Value: "1", Path: "/api"}, {Name: "folder", Value: "1"}, {Name: "all", Value: "1", Path: "/"}} {
				http.SetCookie(w, &c)
			}
		}
		var names []string
		for _, c := range r.Cookies() {
			names = append(names, c.Name)
		}
		slices.Sort(names)
		fmt.Fprint(w, "cookies ", strings.Join(names, ","), ".")
	}))
	server.Start()
	defer server.Close()
	wantAll(t, "cookies", sendOnce(t, server.URL, `{name: t, steps: [
		{name: login, request: GET /shop/login, expect: {contains: "cookies ."}},
		{name: api, request: "GET /api/x?y=1", expect: {contains: "cookies all,api."}},
		{name: shop, request: GET /shop/cart, expect: {contains: "cookies all,folder."}},
		{name: other, request: GET /other, expect: {contains: "cookies all."}}]}`, nil), 4, Success)
}

// A request's timeout holds while it connects, too.
func TestTimeoutWhileConnecting(t *testing.T) {
	samples := sendInBubble(t, nil, "{name: t, request: GET /, timeout: 50ms}", func(o *Options) {
		o.Dial = func(ctx context.Context, _, _ string) (net.Conn, error) { <-ctx.Done(); return nil, ctx.Err() }
	})
	wantAll(t, "a target that accepts nobody", samples, 1, TimedOut)
	if took := samples[0].ServiceTime; took != 50*time.Millisecond {
		t.Errorf("took %v, want 50 ms", took)
	}
}

// One dead target is one thing to say.
func TestOneWarningForADeadTarget(t *testing.T) {
	var mu sync.Mutex
	var warnings []string
	sendOnce(t, "http://127.0.0.1:1", "{name: a, request: GET /a}, {name: b, request: GET /b}, {name: c, request: GET /c}", func(o *Options) {
		o.OnWarning = func(text string) { mu.Lock(); defer mu.Unlock(); warnings = append(warnings, text) }
	})
	if len(warnings) != 1 || !strings.Contains(warnings[0], "connection refused") {
		t.Errorf("got %q, want one warning", warnings)
	}
}

// What is lost in one moment is no silence, however long nobody asks again or
// answers are on their way.
func TestAMomentIsNoSilence(t *testing.T) {
	for _, c := range []struct {
		name, think string
		users       float64
		takes       time.Duration
		lost        func(n int64) bool
	}{
		{"three users think 10 s", "10s", 3, 0, func(n int64) bool { return n > 3 && n <= 6 }},
		{"answers take 8 s", "0s", 20, 8 * time.Second, func(n int64) bool { return n <= 3 }},
	} {
		s := mustParse(t, "apiVersion: plumbline/v1\nkind: Scenario\nname: s\nusers:\n  - {name: u, think: "+c.think+", tasks: [{name: t, request: GET /}]}")
		var n atomic.Int64
		sum, err := runInBubble(t, s, Profile{Stages: []Stage{{c.users, c.users, 2 * time.Minute, true}}}, func(http.ResponseWriter, *http.Request) {
			if c.lost(n.Add(1)) {
				panic(http.ErrAbortHandler)
			}
			time.Sleep(c.takes)
		}, nil)
		if err != nil || sum.Failures != 3 || sum.Requests < 30 {
			t.Errorf("%s: got %v after %d requests, %d failures, want that it goes on after 3", c.name, err, sum.Requests, sum.Failures)
		}
	}
}

// One login that is refused says nothing of those that take long.
func TestSlowLogins(t *testing.T) {
	for _, open := range []bool{false, true} {
		var n atomic.Int64
		p := Profile{Open: open, MaxInFlight: 3, Stages: []Stage{{3, 3, time.Minute, true}}}
		sum, err := runInBubble(t, mustParse(t, withLogin), p, func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != "/login" {
				return
			}
			if n.Add(1) == 1 {
				w.WriteHeader(http.StatusServiceUnavailable)
				return
			}
			time.Sleep(6 * time.Second)
		}, nil)
		if err != nil || sum.Requests < 150 {
			t.Errorf("open %v: got %v after %d requests, want the whole load", open, err, sum.Requests)
		}
	}
	// It is refused at 0, 0.1, 0.3 and 0.7 s, and let in after a second: that is how long the patience is.
	var n atomic.Int64
	one := Profile{Stages: []Stage{{1, 1, time.Minute, true}}}
	sum, err := runInBubble(t, mustParse(t, withLogin), one, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/login" && n.Add(1) <= 4 {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}, func(o *Options, _ *pipes) { o.Patience = time.Second })
	if err != nil || sum.ByRequest[1].Requests < 50 {
		t.Errorf("refused for less than the patience: got %v, %+v, want that the user does his tasks", err, sum.ByRequest)
	}
	// While one takes long, others are refused again and again.
	n.Store(0)
	p := Profile{Stages: []Stage{{3, 3, time.Minute, true}}}
	sum, err = runInBubble(t, mustParse(t, withLogin), p, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/login" {
			if n.Add(1) != 1 {
				w.WriteHeader(http.StatusForbidden)
				return
			}
			time.Sleep(20 * time.Second)
		}
	}, nil)
	if err != nil || sum.ByRequest[1].Requests < 35 {
		t.Errorf("one of three logins takes 20 s: got %v, %+v, want that this user does his tasks", err, sum.ByRequest)
	}
}

// A target that takes no connections is told, whether the run lasts longer than connecting or not.
func TestNobodyCanConnect(t *testing.T) {
	for _, c := range []struct {
		p     Profile
		cause string
		took  time.Duration // with what is being connected at the end
	}{
		{Profile{Stages: []Stage{{10, 10, 8 * time.Second, true}}}, "10 users were still connecting at the end", 8 * time.Second},
		{Profile{Stages: []Stage{{10, 10, 11 * time.Second, true}}}, "connect: context deadline exceeded", 20 * time.Second},
		{Profile{Stages: []Stage{{10, 10, 2 * time.Minute, true}}}, "connect: context deadline exceeded", 30 * time.Second},
		{Profile{Open: true, MaxInFlight: 10, Stages: []Stage{{10, 10, 2 * time.Minute, true}}}, "connect: context deadline exceeded", 21 * time.Second},
	} {
		sum, err := runInBubble(t, mustParse(t, scenarioOf("{name: t, request: GET /}")), c.p, func(http.ResponseWriter, *http.Request) {}, func(o *Options, _ *pipes) {
			o.Dial = func(ctx context.Context, _, _ string) (net.Conn, error) { <-ctx.Done(); return nil, ctx.Err() }
		})
		if want := "nothing could be sent: " + c.cause; err == nil || err.Error() != want {
			t.Errorf("%s: got %v, want %s", c.p.Duration(), err, want)
		}
		if got := sum.Window.Duration(); got < c.took-time.Second || got > c.took+time.Second {
			t.Errorf("%s: got the end after %s, want %s", c.p.Duration(), got, c.took)
		}
	}
}

// A login that is answered when the load of an open model has begun is in none of
// its figures. The user takes part from then on.
func TestLateLoginsAreNoLoad(t *testing.T) {
	registry := prometheus.NewRegistry()
	var logins, told, inTime atomic.Int64
	var atReady float64
	var warnings []string
	var mu sync.Mutex
	var g *Generator
	p := Profile{Open: true, MaxInFlight: 10, Stages: []Stage{{20, 20, 30 * time.Second, true}}}
	sum := runFollowed(t, mustParse(t, withLogin), p, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/login" {
			return
		}
		if n := logins.Add(1); n > 7 {
			time.Sleep(40 * time.Second)
			if n == 8 {
				w.WriteHeader(http.StatusForbidden)
			}
		}
	}, func(o *Options) {
		o.Registry, o.metronome = registry, newTicker
		o.OnReady = func(context.Context) { atReady = total(t, registry, ""); inTime.Store(told.Load()) }
		o.OnResult = func(Sample) { told.Add(1) }
		o.OnWarning = func(text string) { mu.Lock(); defer mu.Unlock(); warnings = append(warnings, text) }
	}, func(of *Generator) { g = of })
	if atReady != 7 || inTime.Load() != 7 || logins.Load() != 11 {
		t.Fatalf("got %v of %d logins before the load, want 7 of 10, and one more try", atReady, logins.Load())
	}
	if want := "7 of 10 users have logged in after 30s; the load starts with those, and later logins count nowhere"; !slices.Contains(warnings, want) {
		t.Errorf("got warnings %q, want %s", warnings, want)
	}
	if sum.Requests != 600 || sum.Failures != 0 || len(sum.ByRequest) != 1 || sum.ResponseTime.Max > 1 || sum.CutOff != 0 {
		t.Errorf("summary: got %d requests, %d failures, %+v, want the 600 arrivals", sum.Requests, sum.Failures, sum.ByRequest)
	}
	if got := total(t, registry, "") - atReady; got != 600 {
		t.Errorf("metrics: got an increase of %v, want 600", got)
	}
	if got := told.Load() - inTime.Load(); got != 600 {
		t.Errorf("told of %d results, want 600", got)
	}
	if got := g.Progress().Requests; got != 600 {
		t.Errorf("live line: got %d requests, want 600", got)
	}
	if got := g.ready.Load(); got != 10 {
		t.Errorf("got %d users, want the 3 late ones among them", got)
	}
}

// Requests have the grace once, in an open model too, where some still wait for a user.
func TestOneGrace(t *testing.T) {
	for _, open := range []bool{false, true} {
		var begun time.Time
		var warnings []string
		p := Profile{Open: open, MaxInFlight: 1, Stages: []Stage{{10, 10, 2 * time.Second, true}}}
		sum, err := runInBubble(t, mustParse(t, scenarioOf("{name: t, request: GET /}")), p, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, func(o *Options, _ *pipes) {
			o.Grace, o.Patience = 10*time.Second, -1
			o.OnStart = func(at time.Time) { begun = at }
			o.OnWarning = func(text string) {
				warnings = append(warnings, text)
				if got := time.Since(begun); got < 12*time.Second || got > 12100*time.Millisecond {
					t.Errorf("open %v: got %q after %s, want 12 s", open, text, got)
				}
			}
		})
		n, want := 10, "10 requests had no answer 10s after the end, and were cut off"
		if open {
			n, want = 1, "1 request had no answer 10s after the end, and was cut off"
		}
		if err == nil || len(warnings) != 1 || warnings[0] != want || sum.CutOff != int64(n) {
			t.Errorf("open %v: got %v, %q, %d cut off, want %s", open, err, warnings, sum.CutOff, want)
		}
	}
}

// A run that ends before its load has none.
func TestARunWithoutLoadIsEmpty(t *testing.T) {
	for _, open := range []bool{false, true} {
		p := Profile{Open: open, MaxInFlight: 3, Stages: []Stage{{3, 3, time.Minute, true}}}
		began := false
		sum, err := stopInBubble(t, mustParse(t, withLogin), p, func(http.ResponseWriter, *http.Request) {}, func(o *Options, _ *pipes) {
			o.StartAt = time.Now().Add(time.Hour)
			o.OnStart = func(time.Time) { began = true }
		}, func(ctx context.Context, g *Generator) (Summary, error) {
			return g.Run(after(ctx, 10*time.Second), ctx)
		})
		if err != nil || began || !sum.Window.IsZero() || sum.Requests != 0 || len(sum.ByRequest) != 0 || sum.Validity.Valid || sum.Validity.CPU != 0 {
			t.Errorf("open %v: got %v, %+v, want nothing", open, err, sum)
		}
	}
}

// A hard stop alone is one, too.
func TestAHardStopAlone(t *testing.T) {
	for _, open := range []bool{false, true} {
		p := Profile{Open: open, MaxInFlight: 5, Stages: []Stage{{5, 5, time.Minute, true}}}
		sum, err := stopInBubble(t, mustParse(t, scenarioOf("{name: t, request: GET /}")), p, func(_ http.ResponseWriter, r *http.Request) {
			select {
			case <-r.Context().Done():
			case <-time.After(10 * time.Millisecond):
			}
		}, nil, func(ctx context.Context, g *Generator) (Summary, error) { return g.Run(ctx, after(ctx, time.Second)) })
		if err != nil || sum.CutOff > 5 || sum.Window.Duration() > 1100*time.Millisecond {
			t.Errorf("open %v: got %v after %s, %d cut off, want an end after a second", open, err, sum.Window.Duration(), sum.CutOff)
		}
	}
}

// Counters never go back, whoever logs in while the logins are closed, and the load holds none of them.
func TestClosingLogins(t *testing.T) {
	r, err := newRecorder(Options{RunID: "r", Registry: prometheus.NewRegistry()})
	if err != nil {
		t.Fatal(err)
	}
	c := r.channelOf("login", "POST", 200)
	stop := make(chan struct{})
	var logging sync.WaitGroup
	for range 2 {
		logging.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					r.record(&r.logins, &c, &result{status: 200, outcome: Success, answered: true, response: time.Millisecond})
				}
			}
		})
	}
	counted := func(t *tally) (n uint64) {
		for _, c := range t.counters {
			n += c
		}
		return n
	}
	last := uint64(0)
	for i := range 4000 {
		if i == 2000 {
			logging.Go(r.closeLogins)
		}
		now, load := counted(r.total()), counted(r.load())
		if now < last || load != 0 {
			t.Fatalf("got %d after %d, %d of the load, want none of it, and no step back", now, last, load)
		}
		last = now
	}
	close(stop)
	logging.Wait()
}
