package loadgen

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"unicode/utf8"
)

// A value is what a template puts in: text, or JSON that isn't text, such as 7,
// true or [1], and stays what it is in JSON.
type value struct {
	text string
	json bool
}

// A scope is what a template of one user can see.
type scope struct {
	vars []variable // by slot
	data dataPicks
	src  *rand.PCG
	rng  *rand.Rand // draws from src
	seed uint64
	body []byte // memory for rendering a body
}

// A variable is what a step has extracted; not set before.
type variable struct {
	value
	set bool
}

// newScope is the scope of a user of the scenario, at its start.
func newScope(s *Scenario, seed uint64, user int) scope {
	sc := scope{vars: make([]variable, s.slots), src: &rand.PCG{}, seed: seed, data: dataPicks{sets: s.data, user: user, rows: make([]int, len(s.data))}}
	sc.rng = rand.New(sc.src)
	sc.src.Seed(seed, mix(startStream|uint64(user)))
	sc.data.begin(uint64(user))
	return sc
}

// startStream is added to a user's number for what it does before its iterations.
const startStream = 1 << 63

// begin makes the scope that of an iteration: all that happens by chance in it
// depends on the seed and the iteration's number alone, so it is the same
// whichever process sends it.
func (s *scope) begin(iteration uint64) {
	s.src.Seed(s.seed, mix(iteration))
	s.data.begin(iteration)
}

// mix spreads neighbouring numbers over all 64 bits (the finalizer of SplitMix64; Steele, Lea & Flood 2014).
func mix(n uint64) uint64 {
	n += 0x9e3779b97f4a7c15
	n = (n ^ n>>30) * 0xbf58476d1ce4e5b9
	n = (n ^ n>>27) * 0x94d049bb133111eb
	return n ^ n>>31
}

// A template is text with ${…} in it, compiled once.
type template []part

// A part is a literal, a value, or text that needs no escaping anywhere.
type part struct {
	literal string
	eval    func(*scope) (value, bool)        // false when the variable isn't set yet
	name    string                            // of that variable
	add     func(dst []byte, s *scope) []byte // digits and the like
	in      quoting
}

// quoting is how a value is put in.
type quoting int

const (
	plain        quoting = iota // as it is
	insideJSON                  // escaped, between the quotes of a JSON string
	wholeJSON                   // a JSON value of its own, of the type that it has
	insideURL                   // percent-encoded, all but what needs no encoding anywhere
	insideForm                  // as in a URL; so is the text around it
	insideHeader                // without control characters, which would end the header
)

func (t template) isStatic() bool {
	return !slices.ContainsFunc(t, func(p part) bool { return p.eval != nil || p.add != nil })
}

// append adds the template's text to dst; false when a variable in it isn't set yet.
func (t template) append(dst []byte, s *scope) ([]byte, bool) {
	for i := range t {
		p := &t[i]
		switch {
		case p.add != nil:
			dst = p.add(dst, s)
		case p.eval != nil:
			v, set := p.eval(s)
			if !set {
				return dst, false
			}
			dst = p.in.append(dst, v)
		default:
			dst = append(dst, p.literal...)
		}
	}
	return dst, true
}

// unset is the first variable that isn't set yet; "" for none.
func (t template) unset(s *scope) string {
	for i := range t {
		if p := &t[i]; p.eval != nil {
			if _, set := p.eval(s); !set {
				return p.name
			}
		}
	}
	return ""
}

func (in quoting) append(dst []byte, v value) []byte {
	switch in {
	case insideJSON:
		return appendJSON(dst, v.text)
	case wholeJSON:
		if !v.json {
			return append(appendJSON(append(dst, '"'), v.text), '"')
		}
	case insideURL, insideForm:
		return appendEscaped(dst, v.text)
	case insideHeader:
		return appendVisible(dst, v.text)
	case plain:
	}
	return append(dst, v.text...)
}

func appendEscaped(dst []byte, text string) []byte {
	const unreserved = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~" // RFC 3986, 2.3
	for i := range len(text) {
		if c := text[i]; strings.IndexByte(unreserved, c) >= 0 {
			dst = append(dst, c)
		} else {
			dst = append(dst, '%', "0123456789ABCDEF"[c>>4], "0123456789ABCDEF"[c&15])
		}
	}
	return dst
}

// escapeNonASCII percent-encodes what can't stand in a URL as it is.
func escapeNonASCII(text string) string {
	var dst []byte
	for i := range len(text) {
		if c := text[i]; c > ' ' && c < 0x7f {
			dst = append(dst, c)
		} else {
			dst = appendEscaped(dst, text[i:i+1])
		}
	}
	return string(dst)
}

func appendVisible(dst []byte, text string) []byte {
	for i := range len(text) {
		if c := text[i]; c >= ' ' && c != 0x7f || c == '\t' {
			dst = append(dst, c)
		}
	}
	return dst
}

// appendJSON adds text as it stands between the quotes of a JSON string (RFC 8259, section 7).
func appendJSON(dst []byte, text string) []byte {
	for i := 0; i < len(text); {
		c := text[i]
		switch {
		case c == '"' || c == '\\':
			dst = append(dst, '\\', c)
		case c < ' ':
			dst = append(dst, '\\', 'u', '0', '0', "0123456789abcdef"[c>>4], "0123456789abcdef"[c&15])
		case c < utf8.RuneSelf:
			dst = append(dst, c)
		default:
			r, size := utf8.DecodeRuneInString(text[i:])
			dst = utf8.AppendRune(dst, r) // what is no UTF-8 becomes U+FFFD
			i += size
			continue
		}
		i++
	}
	return dst
}

func quoteJSON(text string) string { return string(wholeJSON.append(nil, value{text: text})) }

// An exprError is a mistake in a ${…}, at a byte of its text.
type exprError struct {
	offset int
	error
}

// exprErrors are all such mistakes of a text.
type exprErrors []exprError

func (e exprErrors) Error() string {
	texts := make([]string, len(e))
	for i := range e {
		texts[i] = e[i].error.Error()
	}
	return strings.Join(texts, "; ")
}

// misplaced are the mistakes of which compile has told, each with its place in the text.
func misplaced(err error) exprErrors {
	var all exprErrors
	if err != nil && !errors.As(err, &all) {
		all = exprErrors{{0, err}}
	}
	return all
}

// compile reads the ${…} of a text; $${ stands for ${ itself. The error holds all mistakes.
func compile(text string, known names, in quoting) (template, error) {
	var t template
	var wrong exprErrors
	if in == insideHeader && len(appendVisible(nil, text)) < len(text) {
		return nil, fmt.Errorf("%q: a header holds no line breaks and other control characters", text)
	}
	literal := func(s string) {
		switch in {
		case insideJSON:
			s = string(appendJSON(nil, s))
		case insideURL:
			s = escapeNonASCII(s)
		case insideForm:
			s = string(appendEscaped(nil, s))
		case plain, wholeJSON, insideHeader:
		}
		if s != "" {
			t = append(t, part{literal: s})
		}
	}
	rest := text
	for {
		i := strings.Index(rest, "${")
		if i < 0 {
			literal(rest)
			if wrong != nil {
				return nil, wrong
			}
			return t, nil
		}
		if i > 0 && rest[i-1] == '$' {
			literal(rest[:i-1] + "${")
			rest = rest[i+2:]
			continue
		}
		literal(rest[:i])
		at := len(text) - len(rest) + i
		length := unquoted(rest[i+2:], '}')
		if length < 0 {
			return nil, append(wrong, exprError{at, fmt.Errorf("%q: a ${ without its }; write $${ for ${ itself", text)})
		}
		expr := rest[i+2 : i+2+length]
		parts, err := compileExpr(strings.TrimSpace(expr), known, in)
		if err != nil {
			wrong = append(wrong, exprError{at, fmt.Errorf("${%s}: %w", expr, err)})
		}
		t = append(t, parts...)
		rest = rest[i+2+length+1:]
	}
}

// verbatim is a text in which no variables may stand, since it is the same for every request.
func verbatim(text string) (string, error) {
	const escaped = "$${"
	if strings.Contains(strings.ReplaceAll(text, escaped, ""), "${") {
		return text, fmt.Errorf("%q: no variables here; ${…} may stand in a request's path, headers, cookies, auth, json, form and body. Write $${ for ${ itself", text)
	}
	return strings.ReplaceAll(text, escaped, "${"), nil
}

// unquoted is where c first stands outside of quotes; -1 when nowhere.
func unquoted(text string, c byte) int {
	var quote byte
	for i := range len(text) {
		switch {
		case quote != 0:
			if text[i] == quote {
				quote = 0
			}
		case text[i] == c:
			return i
		case text[i] == '\'' || text[i] == '"':
			quote = text[i]
		}
	}
	return -1
}
