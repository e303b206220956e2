package loadgen

import (
	"context"
	"crypto/tls"
	"net/http"
	"net/url"
	"testing"
	"time"
)

// The phases of a request, over every kind of connection.
func TestPhases(t *testing.T) {
	const think, pause = 30 * time.Millisecond, 20 * time.Millisecond
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		time.Sleep(think)
		if r.URL.Path == "/moved" {
			http.Redirect(w, r, "/item", http.StatusFound)
			return
		}
		_, _ = w.Write([]byte("one part")) // a client that has gone is seen by the test
		_ = http.NewResponseController(w).Flush()
		time.Sleep(pause)
	})
	const tasks = `{name: t, steps: [
		{name: first, request: GET /item}, {name: second, request: GET /item}, {name: moved, request: GET /moved, redirects: 1}]}`
	for _, c := range []struct {
		name   string
		secure bool
		http   HTTPVersion
	}{{"HTTP/1.1", false, HTTP1}, {"h2c", false, HTTP2}, {"HTTP/1.1 over TLS", true, HTTP1}, {"HTTP/2 over TLS", true, HTTP2}} {
		t.Run(c.name, func(t *testing.T) {
			server := newServer(handler)
			server.Config.Protocols = both()
			server.EnableHTTP2 = true
			if c.secure {
				server.StartTLS()
			} else {
				server.Start()
			}
			defer server.Close()
			samples := sendOnce(t, server.URL, tasks, func(o *Options) {
				o.Phases, o.HTTP, o.TLS = true, c.http, &tls.Config{InsecureSkipVerify: true} //nolint:gosec // the server's certificate is its own
			})
			wantAll(t, c.name, samples, 3, Success)
			for i, s := range samples {
				p := s.Phases
				if opens := i == 0; opens != (p.Connecting > 0) || opens && c.secure != (p.TLSHandshaking > 0) || p.Blocked < p.Connecting+p.TLSHandshaking {
					t.Errorf("%s: got %+v, want that the first request connects, and only it", s.Request, p)
				}
				waits := map[string]time.Duration{"moved": 2 * think}[s.Request]
				waits = max(waits, think)
				if p.Sending <= 0 || p.Sending+p.Waiting < waits || p.Receiving <= 0 || p.InFlight() < waits+pause { // a busy machine sees the first byte late
					t.Errorf("%s: got %+v, want a wait of %v and %v of receiving", s.Request, p, waits, pause)
				}
				if sum := p.Blocked + p.InFlight(); sum > s.ServiceTime {
					t.Errorf("%s: got phases of %v together, want at most the service time of %v", s.Request, sum, s.ServiceTime)
				}
			}
		})
	}
}

// Together they are the service time, to the nanosecond where the machine takes none.
func TestPhasesAddUp(t *testing.T) {
	const ms = time.Millisecond
	for _, version := range []HTTPVersion{HTTP1, HTTP2} {
		samples := sendInBubble(t, func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/late" {
				<-r.Context().Done()
				return
			}
			time.Sleep(30 * ms)
			if r.URL.Path == "/moved" {
				http.Redirect(w, r, "/item", http.StatusFound)
				return
			}
			_, _ = w.Write([]byte("one part")) // a client that has gone is seen by the test
			_ = http.NewResponseController(w).Flush()
			time.Sleep(20 * ms)
		}, `{name: t, steps: [{name: item, request: GET /item}, {name: moved, request: GET /moved, redirects: 1}, {name: late, request: GET /late, timeout: 50ms}]}`, func(o *Options) {
			o.Phases, o.HTTP = true, version
		})
		want := []Phases{{Waiting: 30 * ms, Receiving: 20 * ms}, {Waiting: 60 * ms, Receiving: 20 * ms}, {Waiting: 50 * ms}}
		if len(samples) != len(want) || samples[0].Outcome != Success || samples[1].Outcome != Success || samples[2].Outcome != TimedOut {
			t.Fatalf("HTTP/%s: got %+v, want success twice and a timeout", version, samples)
		}
		for i, s := range samples {
			if s.Phases != want[i] || s.Phases.InFlight() != s.ServiceTime {
				t.Errorf("HTTP/%s: %s: got %+v of %s, want %+v", version, s.Request, s.Phases, s.ServiceTime, want[i])
			}
		}
	}
}

func TestPhasesOfFailures(t *testing.T) {
	held := make(chan struct{})
	server := newServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/late" {
			<-held
		}
	}))
	server.Start()
	defer server.Close()
	defer close(held)
	const late = 50 * time.Millisecond
	samples := sendOnce(t, server.URL, `{name: t, steps: [{name: connects, request: GET /}, {name: late, request: GET /late, timeout: 50ms}]}`, func(o *Options) { o.Phases = true })
	if len(samples) != 2 || samples[1].Outcome != TimedOut {
		t.Fatalf("got %+v, want that the second request times out", samples)
	}
	if p := samples[1].Phases; p.Waiting <= 0 || p.Blocked+p.InFlight() < late || p.Receiving != 0 {
		t.Errorf("too late: got %+v, want %v until the wait was given up", p, late)
	}
	samples = sendOnce(t, "http://127.0.0.1:1", `{name: nobody, request: GET /}`, func(o *Options) { o.Phases = true })
	wantAll(t, "nobody there", samples, 1, NotReached)
	if p := samples[0].Phases; p.Blocked <= 0 || p.InFlight() != 0 {
		t.Errorf("nobody there: got %+v, want a block and nothing in flight", p)
	}
}

// A user who has connected before its first request does so for that one.
func TestPhasesOfEarlyConnections(t *testing.T) {
	server := newServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	server.StartTLS()
	defer server.Close()
	target, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	var phases []Phases
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	g, err := New(Options{
		Scenario: mustParse(t, scenarioOf(`{name: t, request: GET /}`)), Profile: Profile{Stages: []Stage{{1, 1, time.Minute, true}}},
		Target: target, RunID: "r", TLS: &tls.Config{InsecureSkipVerify: true}, //nolint:gosec // the server's certificate is its own
		Phases: true, OnResult: func(s Sample) {
			if phases = append(phases, s.Phases); len(phases) == 5 {
				stop()
			}
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := g.Run(ctx, t.Context()); err != nil {
		t.Fatal(err)
	}
	for i, p := range phases {
		if first := i == 0; first != (p.Connecting > 0) || first != (p.TLSHandshaking > 0) || p.Blocked < p.Connecting+p.TLSHandshaking {
			t.Errorf("request %d: got %+v, want that the first one has connected, and only it", i, p)
		}
	}
	if len(phases) < 2 {
		t.Errorf("got %d requests, want several", len(phases))
	}
}
