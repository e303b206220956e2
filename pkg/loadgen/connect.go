package loadgen

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"time"
)

// HTTPVersion says which version of HTTP is spoken.
type HTTPVersion string

// The versions of HTTP. The zero value leaves it to the server over TLS, which
// may choose HTTP/2 (ALPN); without TLS it means HTTP/1.1.
const (
	HTTP1 HTTPVersion = "1.1"
	HTTP2 HTTPVersion = "2" // without TLS: with prior knowledge (RFC 9113, section 3.3)
)

// Protocols are what is offered in a TLS handshake (ALPN; RFC 7301).
func (v HTTPVersion) Protocols() []string {
	switch v {
	case HTTP1:
		return []string{"http/1.1"}
	case HTTP2:
		return []string{"h2"}
	}
	return []string{"h2", "http/1.1"}
}

// A Hop is a part of the way to a target.
type Hop string

// The hops of a connection, in order. The target is connected to through the proxy, if there is one.
const (
	ToProxy  Hop = "proxy"
	ToTarget Hop = "target"
	OverTLS  Hop = "TLS"
)

// A connectError is a failure to reach the target, before a request was sent.
type connectError struct {
	err error
	hop Hop // that failed; "" for none of them
}

func (e connectError) Error() string { return e.err.Error() }
func (e connectError) Unwrap() error { return e.err }

// A dialer opens connections to one origin.
type dialer struct {
	origin  *url.URL
	address string
	tls     *tls.Config // nil for plain HTTP
	version HTTPVersion
	proxy   *url.URL // nil: none
	http2   *http.Transport
	timeout time.Duration
	dial    func(ctx context.Context, network, address string) (net.Conn, error)
}

func newDialer(origin *url.URL, opts Options) *dialer {
	d := &dialer{origin: origin, address: addressOf(origin), version: opts.HTTP, proxy: opts.Proxy, http2: newHTTP2Transport(),
		timeout: min(opts.ConnectTimeout, opts.Timeout), dial: opts.Dial}
	if origin.Scheme == "https" {
		d.tls = &tls.Config{}
		if opts.TLS != nil {
			d.tls = opts.TLS.Clone()
		}
		if d.tls.ServerName == "" || origin.Host != opts.Target.Host {
			d.tls.ServerName = origin.Hostname()
		}
		d.tls.NextProtos = opts.HTTP.Protocols()
	}
	if d.dial == nil {
		d.dial = (&net.Dialer{}).DialContext
	}
	return d
}

func addressOf(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	return net.JoinHostPort(u.Hostname(), port)
}

// Reach connects to the target as a user does, and hangs up. Where that fails, hop says which part of the way did.
func Reach(ctx context.Context, opts Options) (hop Hop, err error) {
	nc, _, _, err := newDialer(opts.Target, opts).connect(ctx)
	if err == nil {
		_ = nc.Close() // it was only tried
		return "", nil
	}
	var at connectError
	_ = errors.As(err, &at) // it is one
	return at.hop, err
}

// absolute reports whether requests name the whole URL, as a proxy needs it for plain HTTP.
func (d *dialer) absolute() bool { return d.proxy != nil && d.tls == nil }

// connect opens a connection and tells whether HTTP/2 is spoken on it, and what opening it took.
func (d *dialer) connect(ctx context.Context) (nc net.Conn, isHTTP2 bool, took Phases, err error) {
	ctx, cancel := context.WithTimeout(ctx, d.timeout)
	defer cancel()
	begun := time.Now()
	if nc, err = d.connectPlain(ctx); err != nil {
		return nil, false, took, err
	}
	took.Connecting = time.Since(begun)
	if d.tls == nil {
		return nc, d.version == HTTP2, took, nil
	}
	secure := tls.Client(nc, d.tls)
	if err := secure.HandshakeContext(ctx); err != nil {
		_ = nc.Close() // the handshake's error is the cause
		return nil, false, took, connectError{fmt.Errorf("TLS with %s: %w", d.address, err), OverTLS}
	}
	took.TLSHandshaking = time.Since(begun) - took.Connecting
	isHTTP2 = secure.ConnectionState().NegotiatedProtocol == "h2"
	if d.version == HTTP2 && !isHTTP2 {
		_ = secure.Close() // nothing was sent on it
		return nil, false, took, connectError{fmt.Errorf("TLS with %s: the server doesn't offer HTTP/2", d.address), OverTLS}
	}
	return secure, isHTTP2, took, nil
}

// connectPlain connects to the target, or to the proxy, which for a target with
// TLS has to open a tunnel (RFC 9110, section 9.3.6).
func (d *dialer) connectPlain(ctx context.Context) (net.Conn, error) {
	if d.proxy == nil {
		nc, err := d.dial(ctx, "tcp", d.address)
		if err != nil {
			return nil, connectError{err, ToTarget}
		}
		return nc, nil
	}
	nc, err := d.dial(ctx, "tcp", addressOf(d.proxy))
	if err != nil {
		return nil, connectError{fmt.Errorf("proxy %s: %w", d.proxy.Host, err), ToProxy}
	}
	if d.proxy.Scheme == "https" {
		secure := tls.Client(nc, &tls.Config{ServerName: d.proxy.Hostname(), MinVersion: tls.VersionTLS12})
		if err := secure.HandshakeContext(ctx); err != nil {
			_ = nc.Close() // the handshake's error is the cause
			return nil, connectError{fmt.Errorf("proxy %s: TLS: %w", d.proxy.Host, err), ToProxy}
		}
		nc = secure
	}
	if d.tls == nil {
		return nc, nil
	}
	if err := d.tunnel(ctx, nc); err != nil {
		_ = nc.Close() // the tunnel's error is the cause
		return nil, connectError{fmt.Errorf("proxy %s: %w", d.proxy.Host, err), ToTarget}
	}
	return nc, nil
}

func (d *dialer) tunnel(ctx context.Context, nc net.Conn) error {
	stop := context.AfterFunc(ctx, func() { _ = nc.SetDeadline(time.Unix(1, 0)) }) // ends what waits below
	defer stop()
	request := slices.Concat([]byte("CONNECT "+d.address+" HTTP/1.1\r\nHost: "+d.address+"\r\n"), d.proxyAuthorization(), []byte("\r\n"))
	if _, err := nc.Write(request); err != nil {
		return err
	}
	// Nothing follows the proxy's answer before our own first byte, so no byte of the tunnel is lost here.
	resp, err := http.ReadResponse(bufio.NewReaderSize(nc, 4<<10), &http.Request{Method: http.MethodConnect})
	if err != nil {
		return err
	}
	_ = resp.Body.Close() // there is none
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("no tunnel to %s: %s", d.address, resp.Status)
	}
	if !stop() {
		return ctx.Err()
	}
	return nil
}

// proxyAuthorization is the header line for a proxy whose URL names a user; nil otherwise.
func (d *dialer) proxyAuthorization() []byte {
	if d.proxy == nil || d.proxy.User == nil {
		return nil
	}
	password, _ := d.proxy.User.Password()
	return []byte("Proxy-Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte(d.proxy.User.Username()+":"+password)) + "\r\n")
}

func checkProxy(proxy *url.URL) error {
	if proxy == nil || proxy.Host != "" && (proxy.Scheme == "http" || proxy.Scheme == "https") {
		return nil
	}
	return errors.New("proxy " + proxy.Redacted() + ": want a URL such as http://localhost:3128")
}
