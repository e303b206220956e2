package loadgen

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// serveRaw serves connections by hand, counted from 0, until the test is over.
func serveRaw(t *testing.T, secure bool, serve func(n int64, c net.Conn, r *bufio.Reader)) (target string, connections *atomic.Int64) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	target = "http://" + l.Addr().String()
	if secure {
		vouched := newServer(nil)
		vouched.StartTLS()
		vouched.Close()
		l, target = tls.NewListener(l, &tls.Config{Certificates: vouched.TLS.Certificates}), "https://"+l.Addr().String() //nolint:gosec // a test's
	}
	connections = new(atomic.Int64)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			n := connections.Add(1) - 1
			go func() {
				defer c.Close()
				serve(n, c, bufio.NewReader(c))
			}()
		}
	}()
	return target, connections
}

func overTLS(o *Options) {
	o.HTTP, o.TLS = HTTP1, &tls.Config{InsecureSkipVerify: true} //nolint:gosec // the test's own server
	o.Phases = true
}

// skipHead reads the head of a request.
func skipHead(r *bufio.Reader) bool {
	for {
		line, err := r.ReadString('\n')
		if err != nil || line == "\r\n" {
			return err == nil
		}
	}
}

const ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

// uploading sends requests with more than a connection takes before its server reads, as ${env.LARGE}.
func uploading(t *testing.T) {
	t.Helper()
	t.Setenv("LARGE", strings.Repeat("x", large))
}

const large = 8 << 20

// A server may answer a large request before it has read it.
func TestEarlyAnswers(t *testing.T) {
	uploading(t)
	for _, c := range []struct {
		name    string
		answer  string
		lingers bool // the server neither reads nor closes
		outcome Outcome
	}{
		{"and closes", "HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", false, Success},
		{"and lingers", "HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n", true, Success},
		{"after an interim one", "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n", true, Success},
		{"with none", "", false, NotReached},
		{"with half of one", "HTTP/1.1 413 Too La", false, NotReached},
		{"with something else", "SSH-2.0-OpenSSH_9.2\r\n", true, BadBody},
		{"never", "", true, TimedOut},
	} {
		for _, secure := range []bool{false, true} {
			name := fmt.Sprintf("%s, TLS %v", c.name, secure)
			over := make(chan struct{})
			target, connections := serveRaw(t, secure, func(n int64, server net.Conn, r *bufio.Reader) {
				if !skipHead(r) {
					return
				}
				if n > 0 {
					_, _ = io.WriteString(server, ok) // the client reads it
					<-over
					return
				}
				_, _ = io.WriteString(server, c.answer) // the client reads it
				if c.lingers {
					<-over
				}
			})
			timeout := "1m"
			if c.outcome == TimedOut {
				timeout = "100ms"
			}
			samples := sendOnce(t, target, `{name: large, request: POST /, body: "${env.LARGE}", timeout: `+timeout+`, expect: {status: 413}}, {name: next, request: GET /}`, overTLS)
			close(over)
			if len(samples) != 2 || samples[0].Outcome != c.outcome || samples[1].Outcome != Success || connections.Load() != 2 {
				t.Errorf("%s: got %+v over %d connections, want %s, and a success over a second connection", name, samples, connections.Load(), c.outcome)
			} else if took := samples[0].ServiceTime; took > 4*time.Second { // TLS would say goodbye for 5 s
				t.Errorf("%s: took %v, want none of the connection's end in it", name, took)
			}
		}
	}
}

func TestLargeUploadsKeepTheConnection(t *testing.T) {
	uploading(t)
	for _, secure := range []bool{false, true} {
		target, connections := serveRaw(t, secure, func(_ int64, server net.Conn, r *bufio.Reader) {
			for {
				req, err := http.ReadRequest(r)
				if err != nil {
					return
				}
				if n, err := io.Copy(io.Discard, req.Body); err != nil || n != large {
					t.Errorf("TLS %v: got %d bytes (%v), want %d", secure, n, err, large)
				}
				if _, err := io.WriteString(server, ok); err != nil {
					return
				}
			}
		})
		samples := sendOnce(t, target, `{name: t, steps: [{name: a, request: POST /, body: "${env.LARGE}"}, {name: b, request: POST /, body: "${env.LARGE}"}, {name: c, request: POST /, body: "${env.LARGE}"}]}`, overTLS)
		wantAll(t, fmt.Sprintf("TLS %v", secure), samples, 3, Success)
		if connections.Load() != 1 {
			t.Errorf("TLS %v: got %d connections, want 1", secure, connections.Load())
		}
	}
}

// Of a server that speaks another protocol, and first, it is told what it said.
func TestServersThatSpeakFirst(t *testing.T) {
	said, over := make(chan struct{}), make(chan struct{})
	defer close(over)
	target, _ := serveRaw(t, false, func(_ int64, server net.Conn, _ *bufio.Reader) {
		_, _ = io.WriteString(server, "SSH-2.0-OpenSSH_9.2\r\n") // the client reads it
		close(said)
		<-over
	})
	nc, err := net.Dial("tcp", strings.TrimPrefix(target, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	<-said
	var a answer
	err = newHTTP1(nc).exchange(&message{method: http.MethodGet, wire: []byte("GET / HTTP/1.1\r\n\r\n")}, &a, time.Second)
	if err == nil || !strings.Contains(err.Error(), "status line \"SSH-2.0") {
		t.Errorf("got %v, want what the server said", err)
	}
}

// What a server says while nothing is asked is no answer to what is asked next.
func TestUnaskedAnswers(t *testing.T) {
	answered, said := make(chan struct{}), make(chan struct{})
	target, connections := serveRaw(t, false, func(n int64, server net.Conn, r *bufio.Reader) {
		for skipHead(r) {
			if n > 0 {
				_, _ = io.WriteString(server, ok) // the client reads it
				continue
			}
			_, _ = io.WriteString(server, "HTTP/1.1 204 No Content\r\n\r\n")
			<-answered
			_, _ = io.WriteString(server, strings.Replace(ok, "ok", "no", 1))
			close(said)
		}
	})
	samples := sendOnce(t, target, "{name: t, steps: [{name: a, request: GET /}, {name: b, request: GET /, expect: {contains: ok}}]}", func(o *Options) {
		result := o.OnResult
		o.OnResult = func(s Sample) {
			if result(s); s.Request == "a" {
				close(answered)
				<-said
				time.Sleep(2 * briefly)
			}
		}
	})
	wantAll(t, "unasked", samples, 2, Success)
	if connections.Load() != 2 {
		t.Errorf("got %d connections, want 2: the first is of no more use", connections.Load())
	}
}
