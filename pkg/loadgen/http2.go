package loadgen

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"
)

// http2 speaks HTTP/2 over a connection. Each user has its own, so that 1,000
// users are 1,000 connections, as they are in life.
type http2 struct {
	conn   *http.ClientConn
	wire   *countingConn
	origin *url.URL
}

// An http2Error is a request that HTTP/2 brought to no answer.
type http2Error struct{ err error }

func (e http2Error) Error() string { return e.err.Error() }
func (e http2Error) Unwrap() error { return e.err }

// newHTTP2Transport is a library transport that dials nothing: it is handed its connections.
func newHTTP2Transport() *http.Transport {
	t := &http.Transport{DisableCompression: true, Protocols: new(http.Protocols),
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			wire, ok := ctx.Value(handed{}).(*countingConn)
			if !ok {
				return nil, errors.New("no connection was handed over")
			}
			return wire, nil
		}}
	t.Protocols.SetUnencryptedHTTP2(true) // TLS, if any, has been seen to
	return t
}

// handed is the key of a context's connection.
type handed struct{}

func newHTTP2(ctx context.Context, nc net.Conn, d *dialer) (*http2, error) {
	wire := &countingConn{Conn: nc}
	conn, err := d.http2.NewClientConn(context.WithValue(ctx, handed{}, wire), "http", d.address)
	if err != nil {
		return nil, err
	}
	return &http2{conn: conn, wire: wire, origin: d.origin}, nil
}

func (h *http2) close() { _ = h.conn.Close() } // whatever it says, the connection is of no more use

func (h *http2) exchange(m *message, a *answer, _ time.Duration) error {
	read, written := h.wire.read.Load(), h.wire.written.Load()
	defer func() {
		a.received, a.sent = int(h.wire.read.Load()-read), int(h.wire.written.Load()-written)
	}()
	if h.conn.Available() == 0 {
		return errUnsent // the server has said goodbye
	}
	ctx, done := a.watch.traced(context.Background())
	resp, err := h.conn.RoundTrip(h.request(m).WithContext(ctx))
	done()
	if err != nil {
		return http2Error{err}
	}
	defer resp.Body.Close()
	a.addHead(resp)
	if err := a.readAll(readerSource{resp.Body}); err != nil {
		return http2Error{err}
	}
	a.body = a.page.data[a.from:a.to]
	return a.decompress()
}

// request is a message in the form that the HTTP/2 library takes.
func (h *http2) request(m *message) *http.Request {
	body := m.wire[m.body:]
	r := &http.Request{
		Method: m.method, Header: http.Header{}, ContentLength: int64(len(body)),
		URL: &url.URL{Scheme: h.origin.Scheme, Host: h.origin.Host, Opaque: string(m.wire[m.path:m.pathEnd])},
	}
	if len(body) > 0 {
		r.Body = io.NopCloser(bytes.NewReader(bytes.Clone(body))) // the library may still read it when the answer is there
	}
	m.eachHeader(func(name, value string) {
		switch {
		case strings.EqualFold(name, "Host"):
			r.Host = value
		case strings.EqualFold(name, "Content-Length"): // the library tells it
		default:
			r.Header.Add(name, value)
		}
	})
	return r
}

// addHead takes over the status and the header.
func (a *answer) addHead(resp *http.Response) {
	a.space() // so that there is a page
	a.status = resp.StatusCode
	var head []byte
	a.fields = a.page.fields[:0]
	for name, values := range resp.Header {
		for _, v := range values {
			at := len(head)
			head = append(append(append(head, name...), ": "...), v...)
			value := at + len(name) + len(": ")
			a.fields = append(a.fields, field{at, at + len(name), value, len(head)})
			_ = a.understand(head[at:at+len(name)], head[value:]) //nolint:errcheck // the library has checked what it minds
		}
	}
	a.head, a.page.fields = head, a.fields
	a.close = false // HTTP/2 has no such header
}

// countingConn counts what goes over a connection.
type countingConn struct {
	net.Conn
	read, written atomic.Int64
}

func (c *countingConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.read.Add(int64(n))
	return n, err
}

func (c *countingConn) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	c.written.Add(int64(n))
	return n, err
}
