package loadgen

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// sendOnce runs one user once through the tasks of a scenario, and gives the samples.
func sendOnce(t *testing.T, target, tasks string, change func(*Options)) []Sample {
	t.Helper()
	u, err := url.Parse(target)
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var samples []Sample
	opts := Options{Scenario: mustParse(t, scenarioOf(tasks)), Target: u, RunID: "r", OnResult: func(s Sample) {
		mu.Lock()
		defer mu.Unlock()
		samples = append(samples, s)
	}}
	if change != nil {
		change(&opts)
	}
	g, err := New(opts)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go g.fleet.patrol(ctx)
	user := g.newUser(t.Context(), 0, &g.kinds[0])
	defer user.leave()
	for _, task := range user.kind.tasks {
		user.runSteps(t.Context(), task.steps, asap)
	}
	return samples
}

// sendInBubble is sendOnce to a server of the test's own, in a synctest bubble.
func sendInBubble(t *testing.T, h http.HandlerFunc, tasks string, change func(*Options)) (samples []Sample) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		l := newPipes()
		server := &http.Server{Handler: h, Protocols: both()}
		var serving sync.WaitGroup
		serving.Go(func() { _ = server.Serve(l) }) // ends with ErrServerClosed
		samples = sendOnce(t, "http://target", tasks, func(o *Options) {
			o.Dial = l.dial
			change(o)
		})
		_ = server.Close() // the test is over
		_ = l.Close()
		serving.Wait()
	})
	return samples
}

func wantAll(t *testing.T, name string, samples []Sample, n int, outcome Outcome) {
	t.Helper()
	if len(samples) != n {
		t.Errorf("%s: got %d requests, want %d", name, len(samples), n)
	}
	for _, s := range samples {
		if s.Outcome != outcome {
			t.Errorf("%s: %s: got %s (status %d, %s), want %s", name, s.Request, s.Outcome, s.Status, s.Cause, outcome)
		}
	}
}

// newServer is a server that keeps what it minds to itself.
func newServer(h http.Handler) *httptest.Server {
	server := httptest.NewUnstartedServer(h)
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	return server
}

// both are the protocols of a server without TLS that speaks HTTP/1.1 and, to those who know, HTTP/2.
func both() *http.Protocols {
	p := new(http.Protocols)
	p.SetHTTP1(true)
	p.SetUnencryptedHTTP2(true)
	return p
}

// Both sides of the seam do the same, over every kind of connection.
func TestProtocols(t *testing.T) {
	const tasks = `{name: order, steps: [
		{name: login, request: POST /login, json: {user: a}, expect: {status: 200, header: {X-Proto: 'PROTO'}}, extract: {token: token}},
		{name: item, request: "GET /item?id=7", headers: {Authorization: "Bearer ${token}"}, expect: {status: 200, contains: fine}},
		{name: large, request: GET /large, expect: {status: 200, contains: "the end"}},
		{name: missing, request: HEAD /missing, expect: {status: 404}}]}`
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Proto", r.Proto)
		body, _ := io.ReadAll(r.Body) // a test's request
		cookie, _ := r.Cookie("sid")
		switch {
		case r.Method == http.MethodPost && r.URL.Path == "/login" && string(body) == `{"user":"a"}`:
			http.SetCookie(w, &http.Cookie{Name: "sid", Value: "1", Path: "/"})
			fmt.Fprint(w, `{"token": "secret"}`)
		case r.URL.Path == "/item" && r.URL.Query().Get("id") == "7" && r.Header.Get("Authorization") == "Bearer secret" && cookie != nil:
			fmt.Fprint(w, "fine")
		case r.URL.Path == "/large":
			fmt.Fprint(w, strings.Repeat("x", 300_000), "the end")
		default:
			w.WriteHeader(http.StatusNotFound)
		}
	})
	for _, c := range []struct {
		name, proto         string
		secure, offersHTTP2 bool
		version             HTTPVersion
		fails               string
	}{
		{name: "plain", proto: "HTTP/1.1"},
		{name: "plain, told to speak HTTP/2", proto: "HTTP/2.0", version: HTTP2},
		{name: "TLS, the server offers HTTP/1.1", proto: "HTTP/1.1", secure: true},
		{name: "TLS, the server offers HTTP/2", proto: "HTTP/2.0", secure: true, offersHTTP2: true},
		{name: "TLS, told to speak HTTP/1.1", proto: "HTTP/1.1", secure: true, offersHTTP2: true, version: HTTP1},
		{name: "TLS, told to speak HTTP/2", proto: "HTTP/2.0", secure: true, offersHTTP2: true, version: HTTP2},
		{name: "TLS, HTTP/2 is wanted and not offered", secure: true, version: HTTP2, fails: "no application protocol"},
	} {
		server := newServer(handler)
		server.EnableHTTP2 = c.offersHTTP2
		var connections atomic.Int64
		server.Config.ConnState = func(_ net.Conn, s http.ConnState) {
			if s == http.StateNew {
				connections.Add(1)
			}
		}
		if c.secure {
			server.StartTLS()
		} else {
			server.Config.Protocols = both()
			server.Start()
		}
		samples := sendOnce(t, server.URL, strings.ReplaceAll(tasks, "PROTO", c.proto), func(o *Options) {
			o.HTTP = c.version
			if c.secure {
				pool := server.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs
				o.TLS = &tls.Config{RootCAs: pool}
			}
		})
		if c.fails != "" {
			wantAll(t, c.name, samples, 1, NotReached)
			if len(samples) > 0 && !strings.Contains(samples[0].Cause, c.fails) {
				t.Errorf("%s: got %q, want %q", c.name, samples[0].Cause, c.fails)
			}
		} else if wantAll(t, c.name, samples, 4, Success); connections.Load() != 1 {
			t.Errorf("%s: got %d connections, want 1, kept alive", c.name, connections.Load())
		}
		server.Close()
	}
}

// What a step says of itself takes the place of what is sent otherwise.
func TestOwnHeaders(t *testing.T) {
	for _, version := range []HTTPVersion{HTTP1, HTTP2} {
		server := newServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprintf(w, "%s%v%v%d", r.Host, r.Header["User-Agent"], r.Header["Content-Type"], r.ContentLength)
		}))
		server.Config.Protocols = both()
		server.Start()
		wantAll(t, "HTTP/"+string(version), sendOnce(t, server.URL, `{name: t, request: POST /, json: {a: 1}, expect: {contains: "shop.example[me][text/odd]7"},
			headers: {Host: shop.example, User-Agent: me, Content-Type: text/odd}}`, func(o *Options) { o.HTTP = version }), 1, Success)
		server.Close()
	}
}

func TestUntrustedCertificate(t *testing.T) {
	server := newServer(http.NotFoundHandler())
	server.StartTLS()
	defer server.Close()
	samples := sendOnce(t, server.URL, "{name: t, request: GET /}", nil)
	wantAll(t, "unknown authority", samples, 1, NotReached)
	if !strings.Contains(samples[0].Cause, "TLS with") || !strings.Contains(samples[0].Cause, "certificate") {
		t.Errorf("got %q, want TLS and the certificate named", samples[0].Cause)
	}
}

// pausing makes a user wait after each request, longer than a connection may idle
// to be taken for alive, and for a server that says when it has closed it.
func pausing(closed <-chan struct{}) func(*Options) {
	return func(o *Options) {
		result := o.OnResult
		o.OnResult = func(s Sample) {
			result(s)
			if closed != nil {
				<-closed
			}
			time.Sleep(4 * briefly)
		}
	}
}

// What the server drops is a failure, and is not sent again: it may have been done.
func TestDroppedRequests(t *testing.T) {
	var served atomic.Int64
	handler := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if _, err := io.Copy(io.Discard, r.Body); err != nil || served.Add(1)%5 == 0 {
			panic(http.ErrAbortHandler) // closes the connection, of HTTP/2 the stream
		}
	})
	const twenty = 20
	steps := func(request string) string { return strings.Repeat("{name: NAME, "+request+"}, ", twenty) }
	for _, c := range []struct {
		name, request string
		secure        bool
		version       HTTPVersion
		change        func(*Options)
	}{
		{name: "POST", request: "request: POST /, json: {a: b}"},
		{name: "GET", request: "request: GET /"},
		{name: "after pauses", request: "request: POST /, json: {a: b}", change: pausing(nil)},
		{name: "over TLS", request: "request: POST /, json: {a: b}", secure: true},
		{name: "over TLS after pauses", request: "request: POST /, json: {a: b}", secure: true, change: pausing(nil)},
		{name: "over HTTP/2", request: "request: POST /, json: {a: b}", version: HTTP2},
	} {
		served.Store(0)
		server := newServer(handler)
		if c.secure {
			server.StartTLS()
		} else {
			server.Config.Protocols = both()
			server.Start()
		}
		tasks := steps(c.request)
		for i := range twenty {
			tasks = strings.Replace(tasks, "NAME", fmt.Sprint("t", i), 1)
		}
		samples := sendOnce(t, server.URL, tasks, func(o *Options) {
			o.HTTP, o.TLS = c.version, &tls.Config{InsecureSkipVerify: true} //nolint:gosec // the test's own server
			if c.change != nil {
				c.change(o)
			}
		})
		failed := 0
		for _, s := range samples {
			if s.Outcome == NotReached {
				failed++
			}
		}
		if len(samples) != twenty || failed != twenty/5 || served.Load() != twenty {
			t.Errorf("%s: got %d requests, %d of them not answered, and the server %d, want %d, %d, %d", c.name, len(samples), failed, served.Load(), twenty, twenty/5, twenty)
		}
		server.Close()
	}
}

// That a server closes what has been idle is no failure.
func TestIdleConnections(t *testing.T) {
	for _, c := range []struct {
		name    string
		secure  bool
		version HTTPVersion
	}{{name: "plain"}, {name: "TLS", secure: true}, {name: "HTTP/2", version: HTTP2}} {
		server := newServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
		server.Config.IdleTimeout = briefly
		closed := make(chan struct{}, 3)
		server.Config.ConnState = func(_ net.Conn, s http.ConnState) {
			if s == http.StateClosed {
				closed <- struct{}{}
			}
		}
		if c.secure {
			server.StartTLS()
		} else {
			server.Config.Protocols = both()
			server.Start()
		}
		samples := sendOnce(t, server.URL, "{name: t, steps: [{name: a, request: POST /}, {name: b, request: POST /}, {name: c, request: GET /}]}", func(o *Options) {
			o.HTTP, o.TLS = c.version, &tls.Config{InsecureSkipVerify: true} //nolint:gosec // the test's own server
			pausing(closed)(o)
		})
		wantAll(t, c.name, samples, 3, Success)
		server.Close()
	}
}

// A kept connection that the server has closed after an answer is opened again, unseen; an answer cut short is a failure.
func TestClosedConnections(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	var connections atomic.Int64
	closed := make(chan struct{}, 4)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			connections.Add(1)
			req, err := http.ReadRequest(bufio.NewReader(c))
			if err != nil {
				c.Close()
				continue
			}
			answer := "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
			if req.URL.Path == "/cut" {
				answer = answer[:len(answer)-1]
			}
			_, _ = io.WriteString(c, answer) // the client reads it
			c.Close()                        // without having said so
			closed <- struct{}{}
		}
	}()
	samples := sendOnce(t, "http://"+l.Addr().String(), "{name: t, steps: [{name: a, request: GET /}, {name: b, request: GET /}, {name: c, request: POST /, json: {a: b}}]}", pausing(closed))
	wantAll(t, "closed between requests", samples, 3, Success)
	if connections.Load() != 3 {
		t.Errorf("got %d connections, want 3", connections.Load())
	}
	samples = sendOnce(t, "http://"+l.Addr().String(), "{name: t, request: GET /cut}", nil)
	wantAll(t, "cut short", samples, 1, NotReached)
	if connections.Load() != 4 {
		t.Errorf("cut short: got %d connections, want one, not tried again", connections.Load()-3)
	}
}

// Interim answers don't put off the timeout.
func TestTimeoutAmongInterimAnswers(t *testing.T) {
	var served chan struct{}
	samples := sendInBubble(t, func(w http.ResponseWriter, _ *http.Request) {
		for range 200 {
			w.WriteHeader(http.StatusProcessing)
			time.Sleep(10 * time.Millisecond)
		}
		close(served)
	}, "{name: t, request: GET /, timeout: 1s}", func(o *Options) {
		served = make(chan struct{}) // of the bubble
		result := o.OnResult
		o.OnResult = func(s Sample) { result(s); <-served }
	})
	wantAll(t, "interim answers", samples, 1, TimedOut)
	if took := samples[0].ServiceTime; took < time.Second || took > 1100*time.Millisecond {
		t.Errorf("got %v, want the timeout of 1 s", took)
	}
}

// A cookie is sent back as it was set.
func TestQuotedCookies(t *testing.T) {
	var got []string
	sendInBubble(t, func(w http.ResponseWriter, r *http.Request) {
		got = append(got, r.Header.Get("Cookie"))
		w.Header().Add("Set-Cookie", `quoted="a b,c"; Path=/`)
		w.Header().Add("Set-Cookie", `bare=a b,c; Path=/`)
	}, "{name: t, steps: [{name: a, request: GET /}, {name: b, request: GET /}]}", func(*Options) {})
	if want := `quoted="a b,c"; bare=a b,c`; len(got) != 2 || got[1] != want {
		t.Errorf("got %q, want none and %q", got, want)
	}
}

// HTTP/2's library may still read a body when its answer has come, and the next request is being rendered.
func TestHTTP2HasItsOwnBody(t *testing.T) {
	m := message{method: http.MethodPost, wire: []byte("POST / HTTP/1.1\r\n\r\nfirst")}
	m.path, m.pathEnd = len("POST "), len("POST /")
	m.headers = len("POST / HTTP/1.1\r\n")
	m.body = m.headers + len("\r\n")
	r := (&http2{origin: testTarget}).request(&m)
	copy(m.wire[m.body:], "other")
	if got, err := io.ReadAll(r.Body); err != nil || string(got) != "first" {
		t.Errorf("got %q (%v), want the body as it was", got, err)
	}
}

func TestTimeouts(t *testing.T) {
	release := make(chan struct{})
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			select {
			case <-release:
			case <-r.Context().Done():
			}
		}
		fmt.Fprint(w, "ok")
	})
	for _, version := range []HTTPVersion{HTTP1, HTTP2} {
		server := newServer(handler)
		server.Config.Protocols = both()
		server.Start()
		samples := sendOnce(t, server.URL, "{name: a, request: GET /fast, timeout: 1m}, {name: b, request: GET /slow}, {name: c, request: GET /fast, timeout: 1m}", func(o *Options) {
			o.HTTP, o.Timeout = version, 50*time.Millisecond
		})
		if len(samples) != 3 || samples[0].Outcome != Success || samples[1].Outcome != TimedOut || samples[2].Outcome != Success {
			t.Errorf("HTTP/%s: got %+v, want success, timeout, success", version, samples)
		} else if took := samples[1].ServiceTime; took < 50*time.Millisecond {
			t.Errorf("HTTP/%s: timed out after %v, want at least 50 ms", version, took)
		}
		server.Close()
	}
	close(release)
}

func TestRedirects(t *testing.T) {
	var paths []string
	var mu sync.Mutex
	note := func(r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		body, _ := io.ReadAll(r.Body) // a test's request
		_, err := r.Cookie("sid")
		paths = append(paths, fmt.Sprintf("%s %s%s auth %v cookie %v %s", r.Method, map[bool]string{true: "other"}[strings.HasPrefix(r.URL.Path, "/foreign")], r.URL.Path, r.Header.Get("Authorization") != "", err == nil, body))
	}
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { note(r); fmt.Fprint(w, "elsewhere") }))
	defer other.Close()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		note(r)
		to := map[string]string{"/login": "/home", "/home": "/end", "/kept": "/end", "/loop": "/loop", "/app": "app://back", "/away": strings.Replace(other.URL, "127.0.0.1", "localhost", 1) + "/foreign"}[r.URL.Path]
		status := http.StatusFound
		switch r.URL.Path {
		case "/login":
			http.SetCookie(w, &http.Cookie{Name: "sid", Value: "1", Path: "/"})
		case "/kept":
			status = http.StatusTemporaryRedirect
		}
		if to != "" {
			w.Header().Set("Location", to)
			w.WriteHeader(status)
		}
	}))
	defer server.Close()
	for _, c := range []struct {
		name, task string
		most       int
		status     int
		outcome    Outcome
		paths      []string
	}{
		{"none are followed", "{name: t, request: GET /login}", 0, 302, Success, []string{"GET /login auth false cookie false "}},
		{"cookies are kept and a POST becomes a GET", "{name: t, request: POST /login, json: {a: b}}", 5, 200, Success,
			[]string{`POST /login auth false cookie false {"a":"b"}`, "GET /home auth false cookie true ", "GET /end auth false cookie true "}},
		{"307 keeps method and body", "{name: t, request: POST /kept, json: {a: b}}", 5, 200, Success,
			[]string{`POST /kept auth false cookie false {"a":"b"}`, `POST /end auth false cookie false {"a":"b"}`}},
		{"no more than allowed", "{name: t, request: GET /loop}", 2, 302, Redirected,
			[]string{"GET /loop auth false cookie false ", "GET /loop auth false cookie false ", "GET /loop auth false cookie false "}},
		{"one more is what is expected", "{name: t, request: GET /login, expect: {status: 302}}", 1, 302, Success,
			[]string{"GET /login auth false cookie false ", "GET /home auth false cookie true "}},
		{"a place that can't be followed to", "{name: t, request: GET /app}", 1, 302, Success, []string{"GET /app auth false cookie false "}},
		{"another host gets no credentials", "{name: t, request: GET /away, headers: {Authorization: secret}}", 1, 200, Success,
			[]string{"GET /away auth true cookie false ", "GET other/foreign auth false cookie false "}},
	} {
		paths = nil
		samples := sendOnce(t, server.URL, strings.Replace(c.task, "{", fmt.Sprintf("{redirects: %d, ", c.most), 1), nil)
		if len(samples) != 1 || samples[0].Status != c.status || samples[0].Outcome != c.outcome {
			t.Errorf("%s: got %+v, want one sample of status %d, %s", c.name, samples, c.status, c.outcome)
		}
		if got, want := strings.Join(paths, "\n"), strings.Join(c.paths, "\n"); got != want {
			t.Errorf("%s: got\n%s\nwant\n%s", c.name, got, want)
		}
	}
}

func TestProxy(t *testing.T) {
	secure := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "tunnelled") }))
	defer secure.Close()
	var asked []string
	var mu sync.Mutex
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		asked = append(asked, r.Method+" "+r.RequestURI+" "+r.Header.Get("Proxy-Authorization"))
		mu.Unlock()
		if r.Method != http.MethodConnect {
			fmt.Fprint(w, "forwarded")
			return
		}
		if r.Header.Get("Proxy-Authorization") == "" {
			w.WriteHeader(http.StatusProxyAuthRequired)
			return
		}
		to, err := net.Dial("tcp", r.Host)
		if err != nil {
			t.Error(err)
			return
		}
		from, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		_, _ = io.WriteString(from, "HTTP/1.1 200 Connection established\r\n\r\n") // the client reads it
		go func() { _, _ = io.Copy(to, from); to.Close() }()
		go func() { _, _ = io.Copy(from, to); from.Close() }()
	}))
	defer proxy.Close()
	via := func(user *url.Userinfo) *url.URL {
		u, err := url.Parse(proxy.URL)
		if err != nil {
			t.Fatal(err)
		}
		u.User = user
		return u
	}
	trusted := &tls.Config{RootCAs: secure.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs}
	wantAll(t, "plain", sendOnce(t, "http://service.example", "{name: t, request: GET /path, expect: {contains: forwarded}}", func(o *Options) { o.Proxy = via(nil) }), 1, Success)
	wantAll(t, "tunnel", sendOnce(t, secure.URL, "{name: t, request: GET /path, expect: {contains: tunnelled}}", func(o *Options) {
		o.Proxy, o.TLS = via(url.UserPassword("user", "pass")), trusted
	}), 1, Success)
	refused := sendOnce(t, secure.URL, "{name: t, request: GET /path}", func(o *Options) { o.Proxy, o.TLS = via(nil), trusted })
	wantAll(t, "no password", refused, 1, NotReached)
	if len(refused) == 1 && !strings.Contains(refused[0].Cause, "407") {
		t.Errorf("no password: got %q, want the proxy's answer named", refused[0].Cause)
	}
	want := "GET http://service.example/path \nCONNECT " + secure.Listener.Addr().String() + " Basic dXNlcjpwYXNz\nCONNECT " + secure.Listener.Addr().String() + " "
	if got := strings.Join(asked, "\n"); got != want {
		t.Errorf("the proxy was asked\n%s\nwant\n%s", got, want)
	}
	if _, err := New(Options{Target: testTarget, Proxy: &url.URL{Scheme: "socks5", Host: "x"}}); err == nil || !strings.Contains(err.Error(), "want a URL such as") {
		t.Errorf("socks5: got %v, want an error that says what is allowed", err)
	}
}

// Before a run it is told which part of the way to the target doesn't work.
func TestReach(t *testing.T) {
	plain, secure := newServer(http.NotFoundHandler()), newServer(http.NotFoundHandler())
	plain.Start()
	defer plain.Close()
	secure.StartTLS()
	defer secure.Close()
	trusted := &tls.Config{RootCAs: secure.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs}
	const nobody = "http://127.0.0.1:1"
	for _, c := range []struct {
		name, target, proxy string
		tls                 *tls.Config
		want                Hop
		says                string
	}{
		{name: "plain", target: plain.URL},
		{name: "TLS", target: secure.URL, tls: trusted},
		{name: "nobody listens", target: nobody, want: ToTarget, says: "refused"},
		{name: "an unknown authority", target: secure.URL, want: OverTLS, says: "certificate"},
		{name: "no TLS", target: strings.Replace(plain.URL, "http", "https", 1), want: OverTLS, says: "TLS with"},
		{name: "no proxy", target: plain.URL, proxy: nobody, want: ToProxy, says: "proxy 127.0.0.1:1"},
		{name: "through a proxy", target: "http://service.example", proxy: plain.URL},
		{name: "no tunnel", target: secure.URL, proxy: plain.URL, tls: trusted, want: ToTarget, says: "404"},
	} {
		opts := Options{TLS: c.tls, ConnectTimeout: time.Minute, Timeout: time.Minute}
		opts.Target, _ = url.Parse(c.target) // as it stands above
		if c.proxy != "" {
			opts.Proxy, _ = url.Parse(c.proxy)
		}
		got, err := Reach(t.Context(), opts)
		if got != c.want || (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: got %q, %v, want %q, %s", c.name, got, err, c.want, c.says)
		}
	}
}

func TestFileLimit(t *testing.T) {
	limited := func(limit uint64, err error) func(uint64) (uint64, error) {
		return func(uint64) (uint64, error) { return limit, err }
	}
	if err := fileProblem(1000, limited(1000+otherFiles, nil)); err != nil {
		t.Errorf("just enough: got %v, want no error", err)
	}
	err := fileProblem(10_000, limited(1024, nil))
	if err == nil || !strings.Contains(err.Error(), "10000 users need 10128 open files, and the limit is 1024") {
		t.Errorf("too few: got %v, want need and limit", err)
	}
	quarter := Options{Profile: Profile{Stages: []Stage{{1000, 1000, time.Second, true}}}, Segment: Segment{1, 4}}
	if err := checkFiles(quarter, limited(250+otherFiles, nil)); err != nil {
		t.Errorf("just enough for a segment: got %v, want no error", err)
	}
	if err := checkFiles(quarter, limited(249+otherFiles, nil)); err == nil || !strings.Contains(err.Error(), "250 users need 378 open files") {
		t.Errorf("too few for a segment: got %v, want its need", err)
	}
	if err := fileProblem(1, limited(0, os.ErrPermission)); !errors.Is(err, os.ErrPermission) {
		t.Errorf("unknown: got %v, want %v", err, os.ErrPermission)
	}
}

func TestStartingIsNoStampede(t *testing.T) {
	var now, most atomic.Int64
	p := Profile{Stages: []Stage{{1000, 1000, 5 * time.Second, true}}}
	sum, err := runInBubble(t, mustParse(t, strings.Replace(scenarioOf("{name: t, request: GET /}"), "name: u,", "name: u, think: 1s,", 1)), p,
		func(http.ResponseWriter, *http.Request) {}, func(o *Options, _ *pipes) {
			dial := o.Dial
			o.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
				n := now.Add(1)
				defer now.Add(-1)
				for old := most.Load(); n > old && !most.CompareAndSwap(old, n); old = most.Load() {
				}
				time.Sleep(10 * time.Millisecond)
				return dial(ctx, network, address)
			}
		})
	if err != nil || most.Load() > maxConnecting || sum.Requests < 4000 {
		t.Errorf("1,000 users at once: got %d connecting at one time and %d requests (%v), want at most %d and about 5,000", most.Load(), sum.Requests, err, maxConnecting)
	}
}

// What users take to connect before an open model's load is in no response time.
func TestOpenUsersConnectBeforeTheLoad(t *testing.T) {
	p := Profile{Open: true, MaxInFlight: 20, Stages: []Stage{{100, 100, 2 * time.Second, true}}}
	sum, err := runInBubble(t, mustParse(t, scenarioOf("{name: t, request: GET /}")), p, func(http.ResponseWriter, *http.Request) {}, func(o *Options, _ *pipes) {
		dial := o.Dial
		o.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
			time.Sleep(100 * time.Millisecond)
			return dial(ctx, network, address)
		}
	})
	if err != nil || sum.Requests != 200 || sum.ResponseTime.Max > 0.01 {
		t.Errorf("got %d requests, the slowest in %v s (%v), want 200 and none that waited for its connection", sum.Requests, sum.ResponseTime.Max, err)
	}
}
