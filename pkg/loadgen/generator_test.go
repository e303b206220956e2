package loadgen

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
)

// pipes is a listener in memory, so that servers can run in a synctest bubble.
type pipes struct {
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

func newPipes() *pipes { return &pipes{conns: make(chan net.Conn), done: make(chan struct{})} }

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error   { p.once.Do(func() { close(p.done) }); return nil }
func (p *pipes) Addr() net.Addr { return &net.TCPAddr{} }

func (p *pipes) dial(context.Context, string, string) (net.Conn, error) {
	client, server := net.Pipe()
	select {
	case p.conns <- server:
		return client, nil
	case <-p.done:
		return nil, errors.New("connection refused")
	}
}

// runInBubble runs a profile against a handler, in a synctest bubble.
func runInBubble(t *testing.T, s Scenario, p Profile, h http.HandlerFunc, change func(*Options, *pipes)) (sum Summary, err error) {
	t.Helper()
	return stopInBubble(t, s, p, h, change, func(ctx context.Context, g *Generator) (Summary, error) { return g.Run(ctx, ctx) })
}

// stopInBubble leaves it to the test when the run ends.
func stopInBubble(t *testing.T, s Scenario, p Profile, h http.HandlerFunc, change func(*Options, *pipes), do func(context.Context, *Generator) (Summary, error)) (sum Summary, err error) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		l := newPipes()
		server := &http.Server{Handler: h}
		var serving sync.WaitGroup
		serving.Go(func() { _ = server.Serve(l) }) // ends with ErrServerClosed
		opts := Options{Scenario: s, Profile: p, Target: &url.URL{Scheme: "http", Host: "target"}, RunID: "r", Dial: l.dial, metronome: newTicker}
		if change != nil {
			change(&opts, l)
		}
		g, newErr := New(opts)
		if newErr != nil {
			t.Fatal(newErr)
		}
		sum, err = do(t.Context(), g)
		_ = server.Close() // the test is over
		_ = l.Close()
		serving.Wait()
	})
	return sum, err
}

// after stops something of a run after a time.
func after(ctx context.Context, d time.Duration) context.Context {
	ctx, stop := context.WithCancel(ctx)
	time.AfterFunc(d, stop)
	return ctx
}

func mustParse(t testing.TB, text string) Scenario {
	t.Helper()
	s, err := ParseScenario("s.yaml", []byte(text), ".")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestClosedUsersThink(t *testing.T) {
	s := mustParse(t, "apiVersion: plumbline/v1\nkind: Scenario\nname: s\nusers:\n  - {name: u, think: 1s, tasks: [{name: t, request: GET /}]}")
	p := Profile{Stages: []Stage{{0, 10, time.Second, false}, {10, 10, 10 * time.Second, true}}}
	sum, err := runInBubble(t, s, p, func(http.ResponseWriter, *http.Request) {}, nil)
	if err != nil || sum.Requests < 100 || sum.Requests > 110 || sum.Failures != 0 {
		t.Errorf("10 users, a request each second, 10 s: got %d requests, %d failures (%v), want about 105 and 0", sum.Requests, sum.Failures, err)
	}
}

func TestResponseTimeCountsFromTheDueTime(t *testing.T) {
	s := mustParse(t, "apiVersion: plumbline/v1\nkind: Scenario\nname: s\nusers:\n  - {name: u, tasks: [{name: t, request: GET /}]}")
	p := Profile{Open: true, MaxInFlight: 5, Stages: []Stage{{100, 100, 10 * time.Second, true}}}
	var start time.Time
	stall := func(http.ResponseWriter, *http.Request) { // the first second of ten
		if since := time.Since(start); since < time.Second {
			time.Sleep(time.Second - since)
		}
	}
	sum, err := runInBubble(t, s, p, stall, func(o *Options, _ *pipes) { o.OnStart = func(at time.Time) { start = at } })
	if err != nil || sum.Requests != 1000 || sum.Dropped != 0 {
		t.Fatalf("got %d requests, %d dropped (%v), want 1000 and 0", sum.Requests, sum.Dropped, err)
	}
	// A tenth of the arrivals wait U(0, 1) s: p95 is 500 ms; 5 of them were on the wire.
	if got := sum.ResponseTime.P95; got < 0.49 || got > 0.52 {
		t.Errorf("p95 of the response time: got %v s, want 0.5", got)
	}
	if got := sum.ResponseTime.P99; got < 0.89 || got > 0.92 {
		t.Errorf("p99 of the response time: got %v s, want 0.9", got)
	}
	if got := sum.StartLag.P99; got > 0.001 {
		t.Errorf("p99 of the start lag: got %v s, want 0: that all users wait is not the generator's fault", got)
	}
	if len(sum.Validity.Suspect) > 0 {
		t.Errorf("got the suspect windows %v, want none: a server that stalls is not the generator's fault", sum.Validity.Suspect)
	}
	if got := sum.ServiceTime.P95; got > 0.01 {
		t.Errorf("p95 of the service time: got %v s, want near 0", got)
	}
}

func TestFullQueueDropsAndCounts(t *testing.T) {
	s := mustParse(t, "apiVersion: plumbline/v1\nkind: Scenario\nname: s\nusers:\n  - {name: u, tasks: [{name: t, request: GET /}]}")
	p := Profile{Open: true, MaxInFlight: 1, MaxQueue: 2, Stages: []Stage{{10, 10, 10 * time.Second, true}}}
	sum, err := runInBubble(t, s, p, func(http.ResponseWriter, *http.Request) { time.Sleep(time.Second) }, nil)
	if err != nil || sum.Due != 100 || sum.Dropped == 0 || sum.Iterations+sum.Dropped != 100 || sum.Validity.Valid {
		t.Errorf("got due %d, started %d, dropped %d, valid %v (%v), want 100 = started + dropped, not valid", sum.Due, sum.Iterations, sum.Dropped, sum.Validity.Valid, err)
	}
}

// What can't be sent, for want of a variable, is a failure without a time, and the load is not what it should be.
func TestUnsentRequestsCount(t *testing.T) {
	s := mustParse(t, scenarioOf("{name: get, weight: 1, request: GET /id, extract: {id: id}}, {name: use, weight: 9, request: 'GET /${id}'}"))
	p := Profile{Open: true, MaxInFlight: 50, Stages: []Stage{{100, 100, 2 * time.Second, true}}}
	registry := prometheus.NewRegistry()
	var served, told, withheld atomic.Int64
	warned := make(chan string, 10)
	sum, err := runInBubble(t, s, p, func(w http.ResponseWriter, _ *http.Request) {
		served.Add(1)
		time.Sleep(20 * time.Millisecond)
		fmt.Fprint(w, `{"id": 7}`)
	}, func(o *Options, _ *pipes) {
		o.Registry = registry
		o.OnWarning = func(text string) { warned <- text }
		o.OnResult = func(s Sample) {
			told.Add(1)
			if s.Outcome == Unset {
				withheld.Add(1)
			}
		}
	})
	unsent := 200 - served.Load()
	if err != nil || unsent < 20 || sum.Requests != 200 || sum.Failures != unsent || sum.ByRequest[1].Reasons[Unset] != unsent || told.Load() != 200 || withheld.Load() != unsent {
		t.Errorf("got %d requests, %d failures, %v, %d of %d told of (%v), want 200, the %d that were not sent among them", sum.Requests, sum.Failures, sum.ByRequest[1].Reasons, withheld.Load(), told.Load(), err, unsent)
	}
	if got, want := <-warned, "use: unset: not sent: ${id} has no value yet"; got != want {
		t.Errorf("got the warning %q, want %q", got, want)
	}
	if p50 := sum.ServiceTime.P50; p50 < 0.019 || p50 > 0.021 {
		t.Errorf("p50: got %v s, want 0.02, that of the requests that were sent", p50)
	}
	if v := sum.Validity; v.Valid || !strings.Contains(v.Reasons[0], fmt.Sprint(unsent, " requests were not sent")) {
		t.Errorf("validity: got %+v, want that %d requests were not sent", v, unsent)
	}
	for _, m := range gather(t, registry)["loadgen_requests_total"].GetMetric() {
		if label(m, "outcome") == string(Unset) && m.GetCounter().GetValue() != float64(unsent) {
			t.Errorf("loadgen_requests_total of unset: got %v, want %d", m.GetCounter().GetValue(), unsent)
		}
	}
}

// Only the windows in which the generator did not keep up are suspect.
func TestSuspectWindows(t *testing.T) {
	s := mustParse(t, scenarioOf("{name: t, request: GET /}"))
	p := Profile{Open: true, MaxInFlight: 1, MaxQueue: 5, Stages: []Stage{{10, 10, 40 * time.Second, true}}}
	var start time.Time
	stall := func(http.ResponseWriter, *http.Request) {
		if since := time.Since(start); since > 12*time.Second && since < 15*time.Second {
			time.Sleep(15*time.Second - since)
		}
	}
	registry := prometheus.NewRegistry()
	var valid []float64
	sum, err := runInBubble(t, s, p, stall, func(o *Options, _ *pipes) {
		o.Registry = registry
		o.OnStart = func(at time.Time) { start = at }
		o.OnResult = func(Sample) {
			valid = append(valid, gather(t, registry)["loadgen_valid"].GetMetric()[0].GetGauge().GetValue())
		}
	})
	if err != nil || sum.Validity.Valid || len(sum.Validity.Suspect) != 1 {
		t.Fatalf("got valid %v, suspect %v (%v), want the one window with drops", sum.Validity.Valid, sum.Validity.Suspect, err)
	}
	got := sum.Validity.Suspect[0]
	if from := got.Start.Sub(start); from < 8*time.Second || from > 12*time.Second || got.Duration() < 9*time.Second || got.Duration() > 11*time.Second ||
		!strings.Contains(got.Reasons[0], "due iterations were dropped") {
		t.Errorf("got %v to %v: %v, want from about 10 s to 20 s, since iterations were dropped", from, got.End.Sub(start), got.Reasons)
	}
	if zeros := slices.Index(valid, 0); zeros < 0 || valid[0] != 1 || valid[len(valid)-1] != 1 {
		t.Errorf("loadgen_valid: got %v, want 1, then 0 after the suspect window, then 1 again", valid)
	}
}

// One late start is no percentile of a few.
func TestLateStarts(t *testing.T) {
	for _, c := range []struct {
		iterations, late int
		valid            bool
	}{{80, 1, true}, {80, 2, true}, {80, 4, false}, {1000, 5, true}, {1000, 15, false}, {2, 2, true}} {
		var all tally
		for i := range c.iterations {
			lag := time.Duration(0)
			if i < c.late {
				lag = 13 * time.Millisecond
			}
			all.lag.add(lag)
		}
		all.iterations, all.due = uint64(c.iterations), uint64(c.iterations)
		if why := all.figures(0, 0).reasons(); (len(why) == 0) != c.valid {
			t.Errorf("%d of %d late: got %q, want valid: %v", c.late, c.iterations, why, c.valid)
		}
	}
}

// What a server says of a bad status is in the first warning, and how often it was which in the summary.
func TestStatusesAreTold(t *testing.T) {
	s := mustParse(t, scenarioOf("{name: get, request: GET /}"))
	p := Profile{Open: true, MaxInFlight: 1, Stages: []Stage{{10, 10, time.Second, true}}}
	var asked, told int
	var warning string
	sum, err := runInBubble(t, s, p, func(w http.ResponseWriter, _ *http.Request) {
		asked++
		if asked > 7 {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		w.WriteHeader(http.StatusServiceUnavailable)
		fmt.Fprintln(w, `{"error": "overloaded"}`)
	}, func(o *Options, _ *pipes) {
		o.OnWarning = func(text string) { warning, told = text, told+1 }
	})
	if want := `get: status 503 (got {"error": "overloaded"})`; err != nil || warning != want || told != 1 {
		t.Errorf("got %d warnings, the last %q (%v), want %q alone", told, warning, err, want)
	}
	if diff := cmp.Diff(map[string]int64{"503": 7, "404": 3}, sum.ByRequest[0].Statuses); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// Why a late generator was late, as far as that is known.
func TestTheLagSaysWhereItMayComeFrom(t *testing.T) {
	for _, tt := range []struct {
		figures figures
		want    string
	}{
		{figures{lag: 0.13, lagQuantile: 0.99, iterations: 1000, due: 1000, cpu: 0.7}, "start lag p99 was 130.0 ms, must be below 10 ms"},
		{figures{lag: 0.13, lagQuantile: 0.978, iterations: 137, due: 137, cpu: 0.7}, "start lag without the latest 3 of 137 starts was 130.0 ms, must be below 10 ms"},
		{figures{lag: 0.13, lagQuantile: 0.99, iterations: 1000, due: 1000, cpu: 0.12}, "start lag p99 was 130.0 ms, must be below 10 ms (the generator used only 12% of its cores: other processes may have had them)"},
		{figures{withheld: 1}, "1 request was not sent for want of a variable's value"},
	} {
		if got := strings.Join(tt.figures.reasons(), "; "); got != tt.want {
			t.Errorf("got %q, want %q", got, tt.want)
		}
	}
}

func TestHopelessRunsEnd(t *testing.T) {
	login := mustParse(t, "apiVersion: plumbline/v1\nkind: Scenario\nname: s\nusers:\n  - {name: u, think: 1s, start: [{name: login, request: POST /login}], tasks: [{name: t, request: GET /}]}")
	p := Profile{Stages: []Stage{{0, 10, time.Second, false}, {10, 10, time.Hour, true}}}
	refuse := func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUnauthorized) }
	var warnings atomic.Int64
	_, err := runInBubble(t, login, p, refuse, func(o *Options, _ *pipes) { o.OnWarning = func(string) { warnings.Add(1) } })
	var nothing *ErrNothingSent
	if !errors.As(err, &nothing) || err.Error() != "nothing could be sent: login: status 401" || warnings.Load() != 1 {
		t.Errorf("refused login: got %v and %d warnings, want login: status 401, once", err, warnings.Load())
	}
	_, err = runInBubble(t, login, p, refuse, func(_ *Options, l *pipes) { _ = l.Close() })
	if !errors.As(err, &nothing) || nothing.Sent {
		t.Errorf("unreachable target: got %v, want ErrNothingSent", err)
	}
	silent := func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }
	short := Profile{Stages: []Stage{{10, 10, time.Second, true}}}
	sum, err := runInBubble(t, login, short, silent, func(o *Options, _ *pipes) { o.Grace = 2 * time.Second })
	if !errors.As(err, &nothing) || err.Error() != "nothing was answered: 10 requests had no answer 2s after the end, and were cut off" || sum.CutOff != 10 {
		t.Errorf("a target that never answers: got %v, %d cut off, want 10 and ErrNothingSent", err, sum.CutOff)
	}
	var gone *ErrTargetGone
	sum, err = runInBubble(t, login, p, func(http.ResponseWriter, *http.Request) {}, func(o *Options, l *pipes) {
		o.OnStart = func(time.Time) { time.AfterFunc(10*time.Second, func() { _ = l.Close() }) }
		dial, since := o.Dial, time.Now()
		o.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
			c, err := dial(ctx, network, address)
			if err == nil {
				time.AfterFunc(10*time.Second-time.Since(since), func() { _ = c.Close() })
			}
			return c, err
		}
	})
	if !errors.As(err, &gone) || sum.Requests < 50 || sum.Window.Duration() > 30*time.Second {
		t.Errorf("target gone: got %v after %v with %d requests, want ErrTargetGone soon after 15 s", err, sum.Window.Duration(), sum.Requests)
	}
}

// Loopback, so that the whole path is the real one.
func TestCountsAgree(t *testing.T) {
	const enough = 200
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var served, wrongToken, noCookie atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n := served.Add(1)
		if n == enough {
			stop()
		}
		if r.URL.Path == "/login" {
			http.SetCookie(w, &http.Cookie{Name: "sid", Value: "1", Path: "/"})
			fmt.Fprint(w, `{"access_token": "secret"}`)
			return
		}
		if r.Header.Get("Authorization") != "Bearer secret" {
			wrongToken.Add(1)
		}
		if _, err := r.Cookie("sid"); err != nil {
			noCookie.Add(1)
		}
		if n%10 == 0 {
			w.WriteHeader(http.StatusInternalServerError)
		}
	}))
	defer server.Close()
	s := mustParse(t, `apiVersion: plumbline/v1
kind: Scenario
name: s
users:
  - name: u
    think: 1ms
    headers: {Authorization: "Bearer ${token}"}
    start: [{name: login, request: POST /login, expect: {status: 200}, extract: {token: access_token}}]
    tasks: [{name: t, request: GET /t, expect: {status: 200}}, {name: p, request: POST /p, json: {n: "${randInt(1, 9)}"}}]`)
	target, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	registry := prometheus.NewRegistry()
	g, err := New(Options{Scenario: s, Target: target, RunID: "r", Registry: registry,
		Profile: Profile{Stages: []Stage{{5, 5, time.Minute, true}}}})
	if err != nil {
		t.Fatal(err)
	}
	if got := total(t, registry, ""); got != 0 {
		t.Errorf("before the start: got %v requests, want the series at 0", got)
	}
	sum, err := g.Run(ctx, t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if got := total(t, registry, ""); got != float64(sum.Requests) || sum.Requests != served.Load() || sum.Requests < enough {
		t.Errorf("requests: got %v in metrics, %d in the summary, %d served, want them equal", got, sum.Requests, served.Load())
	}
	if got := total(t, registry, string(BadStatus)); got != float64(sum.Failures) || sum.Failures == 0 {
		t.Errorf("failures: got %v in metrics, %d in the summary, want them equal and above 0", got, sum.Failures)
	}
	if wrongToken.Load() != 0 || noCookie.Load() != 0 {
		t.Errorf("got %d requests without the token and %d without the cookie, want 0", wrongToken.Load(), noCookie.Load())
	}
}

// total is loadgen_requests_total, of one outcome or of all.
func total(t *testing.T, registry *prometheus.Registry, outcome string) (sum float64) {
	t.Helper()
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	found := false
	for _, f := range families {
		if f.GetName() != "loadgen_requests_total" {
			continue
		}
		found = true
		for _, m := range f.GetMetric() {
			for _, l := range m.GetLabel() {
				if l.GetName() == "outcome" && (outcome == "" || l.GetValue() == outcome) {
					sum += m.GetCounter().GetValue()
				}
			}
		}
	}
	if !found {
		t.Error("loadgen_requests_total is missing")
	}
	return sum
}

// The steady path allocates nothing. The server is a bare loop that doesn't either.
func TestNoAllocationPerRequest(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector allocates")
	}
	reply := []byte("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 26\r\n\r\n{\"name\": \"x\", \"stock\": 42}")
	for _, c := range []struct {
		name, task string
		most       float64
	}{
		{"plain GET with a check", "{name: t, request: GET /, expect: {status: 200}}", 0},
		{"variable path, JSON body, three checks", "{name: t, request: \"POST /${name}\", json: {a: [1, 2]}, extract: {name: name}, expect: {status: 200, within: 1s, body: {stock: {gte: 1}}}}", 2}, // the extracted text, and its part of the body
	} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			server, err := l.Accept()
			if err != nil {
				return
			}
			defer server.Close()
			for buf := make([]byte, 4096); ; {
				if _, err := server.Read(buf); err != nil {
					return
				}
				if _, err := server.Write(reply); err != nil {
					return
				}
			}
		}()
		g, err := New(Options{Scenario: mustParse(t, scenarioOf(c.task)), Target: &url.URL{Scheme: "http", Host: l.Addr().String()}, RunID: "r"})
		if err != nil {
			t.Fatal(err)
		}
		u := g.newUser(t.Context(), 0, &g.kinds[0])
		if len(u.scope.vars) > 0 {
			u.scope.vars[0] = variable{value{text: "x"}, true}
		}
		for range 1000 {
			u.iterate(t.Context(), asap)
		}
		got := testing.AllocsPerRun(2000, func() { u.iterate(t.Context(), asap) })
		if got > c.most {
			t.Errorf("%s: got %v allocations a request, want at most %v", c.name, got, c.most)
		}
		u.leave()
		l.Close()
	}
}

func BenchmarkRequest(b *testing.B) {
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer server.Close()
	target, err := url.Parse(server.URL)
	if err != nil {
		b.Fatal(err)
	}
	s := mustParse(b, "apiVersion: plumbline/v1\nkind: Scenario\nname: s\nusers:\n  - {name: u, tasks: [{name: t, request: GET /, expect: {status: 200}}]}")
	g, err := New(Options{Scenario: s, Target: target, RunID: "r"})
	if err != nil {
		b.Fatal(err)
	}
	u := g.newUser(b.Context(), 0, &g.kinds[0])
	defer u.leave()
	b.ReportAllocs()
	for b.Loop() {
		u.iterate(b.Context(), asap)
	}
}
