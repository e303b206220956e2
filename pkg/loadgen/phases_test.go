package loadgen

import (
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
				if sum := p.Blocked + p.InFlight(); sum > s.ServiceTime || sum < s.ServiceTime/2 {
					t.Errorf("%s: got phases of %v together, want about the service time of %v", s.Request, sum, s.ServiceTime)
				}
			}
		})
	}
}

func TestPhasesOfFailures(t *testing.T) {
	held := make(chan struct{})
	server := newServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-held }))
	server.Start()
	defer server.Close()
	defer close(held)
	const late = 50 * time.Millisecond
	samples := sendOnce(t, server.URL, `{name: late, request: GET /late, timeout: 50ms}`, func(o *Options) { o.Phases = true })
	wantAll(t, "late", samples, 1, TimedOut)
	if p := samples[0].Phases; p.Waiting < late/2 || p.Receiving != 0 {
		t.Errorf("too late: got %+v, want %v of waiting", p, late)
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
	g, err := New(Options{
		Scenario: mustParse(t, scenarioOf(`{name: t, request: GET /}`)), Profile: Profile{Stages: []Stage{{1, 1, 300 * time.Millisecond, true}}},
		Target: target, RunID: "r", TLS: &tls.Config{InsecureSkipVerify: true}, //nolint:gosec // the server's certificate is its own
		Phases: true, OnResult: func(s Sample) { phases = append(phases, s.Phases) },
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := g.Run(t.Context(), t.Context()); err != nil {
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
