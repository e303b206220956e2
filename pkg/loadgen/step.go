package loadgen

import (
	"cmp"
	"encoding/base64"
	"fmt"
	"mime"
	"net/http"
	"net/textproto"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"gopkg.in/yaml.v3"

	"github.com/plumbline/plumbline/pkg/strictyaml"
)

// A Step is one request, what is expected of its answer and what is kept of it.
type Step struct {
	Name      string
	Method    string
	Timeout   time.Duration // of the whole request; 0: Options.Timeout
	Redirects int           // how many are followed; 0: none, the first answer is the one that is judged

	expect  expectation
	extract []extraction
	path    template
	headers []header
	cookies []header // sent besides those that the target has set
	body    template
	kind    string // content type of the body
}

type header struct {
	name  string
	value template
}

// settings are what the requests of a scenario, a user or a task have in common.
// The innermost counts: a step's before its task's, its user's, its scenario's.
type settings struct {
	headers   []header
	cookies   []header
	timeout   time.Duration
	redirects int
}

// The form of settings in a file.
type settingsFile struct {
	Headers   map[string]string    `yaml:"headers"`
	Cookies   map[string]string    `yaml:"cookies"`
	Auth      *authFile            `yaml:"auth"`
	Timeout   *strictyaml.Duration `yaml:"timeout"`
	Redirects *int                 `yaml:"redirects"`
}

// An authFile is one of {basic: {username: U, password: P}} and {bearer: TOKEN}.
type authFile struct {
	Bearer string     `yaml:"bearer"`
	Basic  *basicFile `yaml:"basic"`
}

type basicFile struct {
	Username string `yaml:"username"`
	Password string `yaml:"password"`
}

// maxRedirects is what browsers follow.
const maxRedirects = 20

// within puts the settings inside outer ones.
func (f settingsFile) within(outer settings, b *builder, at strictyaml.Path) settings {
	s := settings{headers: slices.Clone(outer.headers), cookies: slices.Clone(outer.cookies), timeout: outer.timeout, redirects: outer.redirects}
	for _, name := range slices.Sorted(mapKeys(f.Headers)) {
		at := at.Field("headers").Field(name)
		if problem := headerProblem(name); problem != "" {
			b.ps.Addf(at, "%s", problem)
		}
		s.headers = override(s.headers, header{name, b.compile(at, f.Headers[name], insideHeader)})
	}
	if f.Auth != nil {
		s.headers = override(s.headers, header{"Authorization", f.Auth.build(b, at.Field("auth"))})
		if slices.ContainsFunc(slices.Collect(mapKeys(f.Headers)), func(name string) bool { return strings.EqualFold(name, "Authorization") }) {
			b.ps.Addf(at.Field("auth"), "headers already has Authorization: give one of them")
		}
	}
	for _, name := range slices.Sorted(mapKeys(f.Cookies)) {
		at := at.Field("cookies").Field(name)
		if !isToken(name) {
			b.ps.Addf(at, "%q can't be the name of a cookie", name)
		}
		s.cookies = override(s.cookies, header{name, b.compile(at, f.Cookies[name], insideHeader)})
	}
	if f.Timeout != nil {
		if s.timeout = time.Duration(*f.Timeout); s.timeout == 0 {
			b.ps.Addf(at.Field("timeout"), "must be above 0; leave it out for the one of --timeout")
		}
	}
	if f.Redirects != nil {
		if s.redirects = *f.Redirects; s.redirects < 0 || s.redirects > maxRedirects {
			b.ps.Addf(at.Field("redirects"), "must be between 0 and %d, got %d", maxRedirects, s.redirects)
		}
	}
	return s
}

// override puts a header in the place of one of the same name.
func override(headers []header, h header) []header {
	for i := range headers {
		if strings.EqualFold(headers[i].name, h.name) {
			headers[i] = h
			return headers
		}
	}
	return append(headers, h)
}

func headerProblem(name string) string {
	switch textproto.CanonicalMIMEHeaderKey(name) {
	case "Content-Length", "Transfer-Encoding", "Connection":
		return fmt.Sprintf("%s is set by loadgen itself: it follows from the body and the connection", name)
	case "Cookie":
		return "give cookies under cookies: {NAME: VALUE}; those that the target sets are sent back without that"
	}
	if !isToken(name) {
		return fmt.Sprintf("%q can't be the name of a header", name)
	}
	return ""
}

// isToken tells whether text can name a header field (RFC 9110, section 5.6.2).
func isToken(text string) bool {
	for i := range len(text) {
		c := text[i]
		if c <= ' ' || c >= 0x7f || strings.IndexByte("\"(),/:;<=>?@[\\]{}", c) >= 0 {
			return false
		}
	}
	return text != ""
}

// build is the value of the header Authorization (RFC 6750; RFC 7617).
func (f *authFile) build(b *builder, at strictyaml.Path) template {
	if (f.Bearer == "") == (f.Basic == nil) {
		b.ps.Rulef(at, at, "want {bearer: TOKEN} or {basic: {username: NAME, password: WORD}}")
		return nil
	}
	if f.Bearer != "" {
		return append(template{{literal: "Bearer "}}, b.compile(at.Field("bearer"), f.Bearer, insideHeader)...)
	}
	b.ps.Need(at.Field("basic").Field("username"), "username: NAME")
	b.ps.Need(at.Field("basic").Field("password"), `password: WORD, or "" for none`)
	if strings.Contains(f.Basic.Username, ":") && !strings.Contains(f.Basic.Username, "${") {
		b.ps.Addf(at.Field("basic").Field("username"), "must not contain a colon")
	}
	pair := b.compile(at.Field("basic").Field("username"), f.Basic.Username, plain)
	pair = append(append(pair, part{literal: ":"}), b.compile(at.Field("basic").Field("password"), f.Basic.Password, plain)...)
	encoded := func(s *scope) (value, bool) {
		text, set := pair.append(nil, s)
		return value{text: "Basic " + base64.StdEncoding.EncodeToString(text)}, set
	}
	if pair.isStatic() {
		v, _ := encoded(nil)
		return template{{literal: v.text}}
	}
	return template{{eval: encoded, in: plain}}
}

// The form of a step in a file.
type stepFile struct {
	settingsFile `yaml:",inline"`
	Name         string                `yaml:"name"`
	Request      string                `yaml:"request"`
	JSON         *yaml.Node            `yaml:"json"`
	Form         map[string]string     `yaml:"form"`
	Body         *string               `yaml:"body"`
	File         string                `yaml:"file"`
	Expect       *expectFile           `yaml:"expect"`
	Extract      map[string]extraction `yaml:"extract"`
}

var methods = []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions}

// build makes the step; one without a name has that of its task.
func (f stepFile) build(outer settings, task string, b *builder, at strictyaml.Path) Step {
	name := cmp.Or(b.name(at.Field("name"), f.Name), task)
	switch name {
	case "":
		b.ps.Needf(at.Field("name"), "name: NAME, under which results are listed", "give the request a name; results are listed under it")
	case totals:
		b.ps.Addf(at.Field("name"), "%s is what the total of all requests is called: choose another name", name)
	}
	common := f.settingsFile.within(outer, b, at)
	s := Step{Name: name, Timeout: common.timeout, Redirects: common.redirects, headers: common.headers, cookies: common.cookies}
	s.Method, s.path = f.buildRequest(b, at)
	f.buildBody(&s, b, at)
	if slices.ContainsFunc(s.headers, func(h header) bool { return strings.EqualFold(h.name, "Content-Type") }) {
		s.kind = ""
	}
	if f.Expect != nil {
		s.expect = f.Expect.build(at.Field("expect"), b.ps)
	}
	s.expect.redirects = s.Redirects
	for _, name := range slices.Sorted(mapKeys(f.Extract)) {
		b.extracted(at.Field("extract").Field(name), name)
		e := f.Extract[name]
		e.name, e.slot = name, b.names.slots[name]
		s.extract = append(s.extract, e)
	}
	return s
}

func (f stepFile) buildRequest(b *builder, at strictyaml.Path) (method string, path template) {
	method, text, _ := strings.Cut(f.Request, " ")
	text = strings.TrimSpace(text)
	switch at := at.Field("request"); {
	case f.Request == "":
		b.ps.Needf(at, "request: GET /api/v1/agents, a method and a path", "want a method and a path such as GET /api/v1/agents")
	case !slices.Contains(methods, method):
		b.ps.Addf(at, "want a method and a path such as GET /api/v1/agents, got %q; methods are %s", f.Request, strings.Join(methods, ", "))
	case strings.HasPrefix(text, "http://") || strings.HasPrefix(text, "https://"):
		b.ps.Addf(at, "give the path alone, such as GET /api/v1/agents; the host is the target's")
	case !strings.HasPrefix(text, "/") || strings.ContainsAny(outsideBraces(text), " \t\r\n#"):
		b.ps.Addf(at, "want a method and a path such as GET /api/v1/agents?limit=10, without spaces or #, got %q", f.Request)
	}
	return method, b.compileFrom(at.Field("request"), strings.Index(f.Request, text), text, insideURL)
}

// outsideBraces is text without what stands in ${…}.
func outsideBraces(text string) string {
	for {
		i := strings.Index(text, "${")
		if i < 0 {
			return text
		}
		end := unquoted(text[i+2:], '}')
		if end < 0 {
			return text[:i]
		}
		text = text[:i] + text[i+2+end+1:]
	}
}

func (f stepFile) buildBody(s *Step, b *builder, at strictyaml.Path) {
	if count(f.JSON != nil, f.Form != nil, f.Body != nil, f.File != "") > 1 {
		b.ps.Rulef(at, at, "give one of json, form, body and file, not several")
	}
	switch {
	case f.JSON != nil:
		s.body, s.kind = (&jsonCompiler{builder: b}).compile(f.JSON, at.Field("json"), 0), "application/json"
	case f.Form != nil:
		s.kind = "application/x-www-form-urlencoded"
		for i, name := range slices.Sorted(mapKeys(f.Form)) {
			if i > 0 {
				s.body = append(s.body, part{literal: "&"})
			}
			at := at.Field("form").Field(name)
			s.body = append(s.body, part{literal: url.QueryEscape(b.verbatim(at, name)) + "="})
			value := b.compile(at, f.Form[name], insideForm)
			s.body = append(s.body, value...)
		}
	case f.Body != nil:
		s.body, s.kind = b.compile(at.Field("body"), *f.Body, plain), "text/plain; charset=utf-8"
	case f.File != "":
		path, err := beside(b.dir, f.File)
		var text []byte
		if err == nil {
			text, err = os.ReadFile(path)
		}
		if err != nil {
			b.ps.Addf(at.Field("file"), "%v", err)
		}
		if s.kind = mime.TypeByExtension(filepath.Ext(f.File)); s.kind == "" {
			s.kind = "application/octet-stream"
		}
		s.body = template{{literal: string(text)}}
	}
}

// appendCookies adds the header with the step's own cookies, unless it is for
// another host than the target, and those that this host has set.
func (st *Step) appendCookies(dst []byte, sc *scope, foreign bool, cookies []*http.Cookie) []byte {
	n := 0
	for i := range st.cookies {
		if foreign {
			break
		}
		c, mark := &st.cookies[i], len(dst)
		dst = append(append(append(dst, [...]string{"Cookie: ", "; "}[min(n, 1)]...), c.name...), '=')
		var ok bool
		if dst, ok = c.value.append(dst, sc); !ok {
			dst = dst[:mark]
			continue
		}
		n++
	}
	for _, c := range cookies {
		dst = append(dst, [...]string{"Cookie: ", "; "}[min(n, 1)]...)
		dst = append(append(dst, c.Name...), '=')
		if c.Quoted { // as it was set
			dst = append(append(append(dst, '"'), c.Value...), '"')
		} else {
			dst = append(dst, c.Value...)
		}
		n++
	}
	if n > 0 {
		dst = append(dst, "\r\n"...)
	}
	return dst
}
