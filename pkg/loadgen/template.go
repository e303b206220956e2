package loadgen

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"
)

// A value is what a template puts in: text, or a number that stays one in JSON.
type value struct {
	text   string
	number bool
}

// A scope is what a template of one user can see.
type scope struct {
	vars map[string]value
	data *dataPicks
	rng  *rand.Rand
	body []byte // memory for rendering a body
}

// A template is text with ${…} in it, compiled once.
type template []part

type part struct {
	literal string
	eval    func(*scope) (value, bool) // nil for a literal; false when the variable isn't set yet
	in      quoting
}

// quoting is how a value is put in.
type quoting int

const (
	plain        quoting = iota // as it is
	insideJSON                  // escaped, between the quotes of a JSON string
	wholeJSON                   // a JSON value of its own: a number stays one
	insideURL                   // percent-encoded, all but what needs no encoding anywhere
	insideHeader                // without control characters, which would end the header
)

func (t template) isStatic() bool {
	for _, p := range t {
		if p.eval != nil {
			return false
		}
	}
	return true
}

// append adds the template's text to dst; false when a variable in it isn't set yet.
func (t template) append(dst []byte, s *scope) ([]byte, bool) {
	for _, p := range t {
		if p.eval == nil {
			dst = append(dst, p.literal...)
			continue
		}
		v, set := p.eval(s)
		if !set {
			return dst, false
		}
		switch {
		case p.in == insideJSON:
			quoted := quoteJSON(v.text)
			dst = append(dst, quoted[1:len(quoted)-1]...)
		case p.in == wholeJSON && !v.number:
			dst = append(dst, quoteJSON(v.text)...)
		case p.in == insideURL:
			dst = appendEscaped(dst, v.text)
		case p.in == insideHeader:
			dst = appendVisible(dst, v.text)
		default:
			dst = append(dst, v.text...)
		}
	}
	return dst, true
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

func appendVisible(dst []byte, text string) []byte {
	for i := range len(text) {
		if c := text[i]; c >= ' ' && c != 0x7f || c == '\t' {
			dst = append(dst, c)
		}
	}
	return dst
}

func quoteJSON(text string) []byte {
	quoted, err := json.Marshal(text)
	if err != nil { // can't be: every string has a JSON form
		return []byte(`""`)
	}
	return quoted
}

// names is what the templates of a scenario may refer to.
type names struct {
	vars map[string]bool     // extracted by some step
	data map[string][]string // columns of each data set; none for lines of text
}

var braces = regexp.MustCompile(`\$?\$\{([^}]*)\}`)

// compile reads the ${…} of a text; $${ stands for ${ itself.
func compile(text string, known names, in quoting) (template, error) {
	var t template
	last := 0
	literal := func(s string) {
		if in == insideJSON {
			q := quoteJSON(s)
			s = string(q[1 : len(q)-1])
		}
		if s != "" {
			t = append(t, part{literal: s})
		}
	}
	for _, m := range braces.FindAllStringSubmatchIndex(text, -1) {
		literal(text[last:m[0]])
		last = m[1]
		if strings.HasPrefix(text[m[0]:], "$$") {
			literal(text[m[0]+1 : m[1]])
			continue
		}
		eval, err := compileExpr(strings.TrimSpace(text[m[2]:m[3]]), known)
		if err != nil {
			return nil, err
		}
		t = append(t, part{eval: eval, in: in})
	}
	literal(text[last:])
	if strings.Contains(braces.ReplaceAllString(text, ""), "${") {
		return nil, fmt.Errorf("%q: a ${ without its }", text)
	}
	return t, nil
}

var callForm = regexp.MustCompile(`^(\w+)\((.*)\)$`)

func compileExpr(expr string, known names) (func(*scope) (value, bool), error) {
	if m := callForm.FindStringSubmatch(expr); m != nil {
		return compileCall(m[1], m[2])
	}
	if name, ok := strings.CutPrefix(expr, "env."); ok {
		name, standard, hasDefault := cutDefault(name)
		text, set := os.LookupEnv(name)
		if !set && hasDefault {
			text, set = standard, true
		}
		if !set {
			return nil, fmt.Errorf("${%s}: the environment variable %s is not set", expr, name)
		}
		return always(value{text: text}), nil
	}
	set, column, _ := strings.Cut(expr, ".")
	if columns, isData := known.data[set]; isData {
		if column != "" && !slices.Contains(columns, column) {
			return nil, fmt.Errorf("${%s}: data set %s has no column %s; it has %s", expr, set, column, strings.Join(columns, ", "))
		}
		if column == "" && len(columns) > 0 {
			return nil, fmt.Errorf("${%s}: name a column of it: %s", expr, strings.Join(columns, ", "))
		}
		return func(s *scope) (value, bool) { return s.data.value(set, column, s.rng), true }, nil
	}
	if known.vars[expr] {
		return func(s *scope) (value, bool) { v, ok := s.vars[expr]; return v, ok }, nil
	}
	return nil, fmt.Errorf("${%s}: neither extracted by a step nor a data set; functions are randInt(a, b), oneOf('a', 'b', …), uuid(), and env.NAME", expr)
}

var defaultForm = regexp.MustCompile(`^(\w+)\s*\|\s*default\('([^']*)'\)$`)

// cutDefault splits NAME | default('text').
func cutDefault(expr string) (name, standard string, found bool) {
	if m := defaultForm.FindStringSubmatch(expr); m != nil {
		return m[1], m[2], true
	}
	return expr, "", false
}

func always(v value) func(*scope) (value, bool) {
	return func(*scope) (value, bool) { return v, true }
}

func compileCall(name, argText string) (func(*scope) (value, bool), error) {
	args, err := splitArgs(argText)
	if err != nil {
		return nil, fmt.Errorf("${%s(%s)}: %w", name, argText, err)
	}
	switch name {
	case "randInt":
		if len(args) != 2 || !args[0].number || !args[1].number {
			return nil, fmt.Errorf("${randInt(%s)}: want two whole numbers", argText)
		}
		low, err1 := strconv.Atoi(args[0].text)
		high, err2 := strconv.Atoi(args[1].text)
		if err1 != nil || err2 != nil || high < low {
			return nil, fmt.Errorf("${randInt(%s)}: want two whole numbers, the lower first", argText)
		}
		return func(s *scope) (value, bool) {
			return value{strconv.Itoa(low + s.rng.IntN(high-low+1)), true}, true
		}, nil
	case "oneOf":
		if len(args) == 0 {
			return nil, fmt.Errorf("${oneOf()}: want at least one choice")
		}
		return func(s *scope) (value, bool) { return args[s.rng.IntN(len(args))], true }, nil
	case "uuid":
		return func(s *scope) (value, bool) { return value{text: uuid(s.rng)}, true }, nil
	}
	return nil, fmt.Errorf("${%s(…)}: unknown function; there are randInt, oneOf and uuid", name)
}

// uuid is a version 4 UUID (RFC 9562, section 5.4).
func uuid(rng *rand.Rand) string {
	hi, lo := rng.Uint64(), rng.Uint64()
	hi = hi&^0xf000 | 0x4000
	lo = lo&^(3<<62) | 2<<62
	return fmt.Sprintf("%08x-%04x-%04x-%04x-%012x", hi>>32, hi>>16&0xffff, hi&0xffff, lo>>48, lo&0xffffffffffff)
}

var argForm = regexp.MustCompile(`^\s*(?:'([^']*)'|"([^"]*)"|(-?\d+(?:\.\d+)?))\s*(?:,|$)`)

func splitArgs(text string) (args []value, err error) {
	for strings.TrimSpace(text) != "" {
		m := argForm.FindStringSubmatch(text)
		if m == nil {
			return nil, fmt.Errorf("can't read %q: want 'text' or numbers, with commas between", text)
		}
		args = append(args, value{m[1] + m[2] + m[3], m[3] != ""})
		text = text[len(m[0]):]
	}
	return args, nil
}

// compileJSON makes a template of JSON text from a YAML value, keeping the order of its keys.
func compileJSON(n *yaml.Node, known names) (template, error) {
	switch n.Kind {
	case yaml.MappingNode:
		t := template{{literal: "{"}}
		for i := 0; i+1 < len(n.Content); i += 2 {
			item, err := compileJSON(n.Content[i+1], known)
			if err != nil {
				return nil, err
			}
			t = append(t, part{literal: comma(i) + string(quoteJSON(n.Content[i].Value)) + ":"})
			t = append(t, item...)
		}
		return append(t, part{literal: "}"}), nil
	case yaml.SequenceNode:
		t := template{{literal: "["}}
		for i, c := range n.Content {
			item, err := compileJSON(c, known)
			if err != nil {
				return nil, err
			}
			t = append(append(t, part{literal: comma(i)}), item...)
		}
		return append(t, part{literal: "]"}), nil
	case yaml.AliasNode:
		return compileJSON(n.Alias, known)
	}
	return compileScalar(n, known)
}

func comma(i int) string {
	if i == 0 {
		return ""
	}
	return ","
}

func compileScalar(n *yaml.Node, known names) (template, error) {
	if n.Tag != "!!str" {
		var v any
		if err := n.Decode(&v); err != nil {
			return nil, err
		}
		text, err := json.Marshal(v)
		return template{{literal: string(text)}}, err
	}
	if m := braces.FindString(n.Value); m == n.Value && m != "" && !strings.HasPrefix(m, "$$") {
		return compile(n.Value, known, wholeJSON) // exactly one ${…} keeps its type
	}
	inner, err := compile(n.Value, known, insideJSON)
	return append(append(template{{literal: `"`}}, inner...), part{literal: `"`}), err
}
