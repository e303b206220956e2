package loadgen

import (
	"bytes"
	"cmp"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// A message is a rendered request: the bytes that HTTP/1.1 sends, and where
// its parts lie in them for HTTP/2, which writes them otherwise.
type message struct {
	wire          []byte
	method        string
	path, pathEnd int // of the target in the request line
	headers, body int // where the header lines start, and the body
}

func (m *message) isHead() bool { return m.method == http.MethodHead }

// eachHeader visits the header lines.
func (m *message) eachHeader(visit func(name, value string)) {
	for line := range bytes.SplitSeq(m.wire[m.headers:m.body], []byte("\r\n")) {
		if name, value, ok := strings.Cut(string(line), ": "); ok {
			visit(name, value)
		}
	}
}

// A destination is where a request goes, and as what.
type destination struct {
	method   string
	origin   *dialer
	path     string // of a redirect, with its query; "" for the step's own
	withBody bool
	body     []byte // of a redirect, as it was sent before; nil for the step's own
}

// url is where the message goes, to an origin; the origin alone for an odd path.
func (m *message) url(origin *dialer) *url.URL {
	at, err := url.ParseRequestURI(string(m.wire[m.path:m.pathEnd]))
	if err != nil {
		return origin.origin
	}
	at.Scheme, at.Host = origin.origin.Scheme, origin.origin.Host
	return at
}

// render writes the request; false when a variable of its path or body isn't set yet.
// A header whose variable isn't set is left out. jar holds what hosts have set; nil for nothing.
func (r *request) render(m *message, to destination, s *scope, jar *cookiejar.Jar) bool {
	dst := append(m.wire[:0], to.method...)
	dst = append(dst, ' ')
	if to.origin.absolute() {
		dst = append(append(dst, "http://"...), to.origin.origin.Host...)
	}
	m.method, m.path = to.method, len(dst)
	ok := true
	if to.path != "" {
		dst = append(dst, to.path...)
	} else {
		dst = append(dst, r.prefix...)
		dst, ok = r.path.append(dst, s)
	}
	m.pathEnd = len(dst)
	dst = append(dst, " HTTP/1.1\r\n"...)
	m.headers = len(dst)
	m.wire = dst
	if ok {
		var cookies []*http.Cookie
		if jar != nil {
			cookies = jar.Cookies(m.url(to.origin))
		}
		dst = r.renderHeaders(dst, to, s, cookies)
		ok = r.renderBody(m, dst, to, s)
	}
	return ok
}

// unset is the variable for want of which a request can't be rendered.
func (r *request) unset(s *scope) string {
	return cmp.Or(r.path.unset(s), r.body.unset(s))
}

func (r *request) renderHeaders(dst []byte, to destination, s *scope, cookies []*http.Cookie) []byte {
	foreign := to.origin.origin.Host != r.target.Host
	if foreign || !r.names("Host") {
		dst = append(append(append(dst, "Host: "...), to.origin.origin.Host...), "\r\n"...)
	}
	if !r.names("User-Agent") {
		dst = append(dst, "User-Agent: plumbline\r\n"...)
	}
	if to.origin.absolute() {
		dst = append(dst, to.origin.proxyAuthorization()...)
	}
	for _, h := range r.headers {
		if foreign && (strings.EqualFold(h.name, "Authorization") || strings.EqualFold(h.name, "Host")) {
			continue // a redirect must not carry them to another host
		}
		mark := len(dst)
		dst = append(append(dst, h.name...), ": "...)
		var ok bool
		if dst, ok = h.value.append(dst, s); !ok {
			dst = dst[:mark]
			continue
		}
		dst = append(dst, "\r\n"...)
	}
	return r.appendCookies(dst, s, foreign, cookies)
}

// names reports whether the step gives a header itself.
func (r *request) names(name string) bool {
	return slices.ContainsFunc(r.headers, func(h header) bool { return strings.EqualFold(h.name, name) })
}

func (r *request) renderBody(m *message, dst []byte, to destination, s *scope) bool {
	ok := true
	switch {
	case to.withBody && (len(r.body) > 0 || hasBody(to.method)):
		if r.kind != "" && !r.names("Content-Type") {
			dst = append(append(append(dst, "Content-Type: "...), r.kind...), "\r\n"...)
		}
		if s.body = append(s.body[:0], to.body...); to.body == nil {
			s.body, ok = r.body.append(s.body, s)
		}
		dst = append(dst, "Content-Length: "...)
		dst = strconv.AppendInt(dst, int64(len(s.body)), 10)
		dst = append(dst, "\r\n\r\n"...)
	default:
		s.body = s.body[:0]
		dst = append(dst, "\r\n"...)
	}
	m.body = len(dst)
	m.wire = append(dst, s.body...)
	return ok
}

// hasBody reports whether requests of a method tell the length of their body even when it is empty.
func hasBody(method string) bool {
	return method == http.MethodPost || method == http.MethodPut || method == http.MethodPatch
}

func trimSlash(path string) string { return strings.TrimSuffix(path, "/") }

// redirects reports whether an answer sends a request elsewhere.
func (a *answer) redirects() bool {
	_, _, _, ok := redirectOf(a, &url.URL{Scheme: "http", Host: "anywhere"}, "")
	return ok
}

// redirectOf is where an answer sends a request next (RFC 9110, section 15.4);
// false when it doesn't.
func redirectOf(a *answer, from *url.URL, method string) (to *url.URL, nextMethod string, withBody, ok bool) {
	location := a.header("Location")
	if location == nil {
		return nil, "", false, false
	}
	nextMethod, withBody = method, true
	switch a.status {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther:
		if method != http.MethodHead {
			nextMethod = http.MethodGet
		}
		withBody = false
	case http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
	default:
		return nil, "", false, false
	}
	to, err := from.Parse(string(location))
	if err != nil || to.Scheme != "http" && to.Scheme != "https" || to.Host == "" {
		return nil, "", false, false
	}
	return to, nextMethod, withBody, true
}
