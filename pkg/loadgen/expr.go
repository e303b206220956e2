package loadgen

import (
	"fmt"
	"math/rand/v2"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/plumbline/plumbline/pkg/strictyaml"
)

// names is what the templates of a user may refer to.
type names struct {
	slots map[string]int // of the variables that some step of the user extracts
	sets  []*dataSet
}

func (n names) set(name string) int {
	return slices.IndexFunc(n.sets, func(s *dataSet) bool { return s.name == name })
}

var (
	callForm    = regexp.MustCompile(`^(\w+)\((.*)\)$`)
	defaultForm = regexp.MustCompile(`^\s*default\((.*)\)\s*$`)
)

// compileExpr reads what stands in ${…}: a call, or a name with or without | default('text').
func compileExpr(expr string, known names, in quoting) (template, error) {
	if m := callForm.FindStringSubmatch(expr); m != nil && unquoted(expr, '|') < 0 {
		return compileCall(m[1], m[2], in)
	}
	var standard *value
	if i := unquoted(expr, '|'); i >= 0 {
		m := defaultForm.FindStringSubmatch(expr[i+1:])
		if m == nil {
			return nil, fmt.Errorf("after a | want default('text'), got %q", strings.TrimSpace(expr[i+1:]))
		}
		args, err := splitArgs(m[1])
		if err != nil || len(args) != 1 {
			return nil, fmt.Errorf("default takes one text or number, got %q", m[1])
		}
		standard, expr = &args[0], strings.TrimSpace(expr[:i])
	}
	if name, ok := strings.CutPrefix(expr, "env."); ok {
		return compileEnv(name, standard, in)
	}
	eval, err := known.lookup(expr)
	if err != nil {
		return nil, err
	}
	if standard != nil {
		set := eval
		eval = func(s *scope) (value, bool) {
			if v, ok := set(s); ok {
				return v, true
			}
			return *standard, true
		}
	}
	return template{{eval: eval, name: expr, in: in}}, nil
}

// compileEnv puts a variable of the environment in, once and for all.
func compileEnv(name string, standard *value, in quoting) (template, error) {
	text, set := os.LookupEnv(name)
	v := value{text: text}
	if !set && standard != nil {
		v = *standard
	} else if !set {
		return nil, fmt.Errorf("the environment variable %s is not set; set it, or write ${env.%s | default('…')}", name, name)
	}
	return template{{literal: string(in.append(nil, v))}}, nil
}

// lookup finds a variable or a column of a data set.
func (n names) lookup(expr string) (func(*scope) (value, bool), error) {
	if slot, ok := n.slots[expr]; ok {
		return func(s *scope) (value, bool) { v := &s.vars[slot]; return v.value, v.set }, nil
	}
	name, column, _ := strings.Cut(expr, ".")
	i := n.set(name)
	if i < 0 {
		return nil, n.unknown(expr)
	}
	set := n.sets[i]
	set.used = true
	col := slices.Index(set.columns, column)
	switch {
	case set.broken:
		return func(*scope) (value, bool) { return value{}, false }, nil // its file has a mistake of its own
	case col < 0 && column == "":
		return nil, fmt.Errorf("name a column of data set %s: %s", name, strings.Join(set.columns, ", "))
	case col < 0 && slices.Equal(set.columns, []string{""}):
		return nil, fmt.Errorf("data set %s holds lines of text, which have no columns: write ${%s}", name, name)
	case col < 0:
		return nil, fmt.Errorf("data set %s has no column %s; it has %s", name, column, strings.Join(set.columns, ", "))
	}
	return func(s *scope) (value, bool) { return s.data.value(i, col, s.rng) }, nil
}

func (n names) unknown(expr string) error {
	known := slices.Sorted(mapKeys(n.slots))
	for _, s := range n.sets {
		known = append(known, s.name)
	}
	const functions = "functions are " + functionList + ", and env.NAME"
	if near := strictyaml.Nearest(expr, known); near != "" {
		return fmt.Errorf("neither extracted by a step of this user nor a data set; did you mean %s? (%s)", near, functions)
	}
	if len(known) == 0 {
		return fmt.Errorf("neither extracted by a step of this user nor a data set; %s", functions)
	}
	return fmt.Errorf("neither extracted by a step of this user nor a data set; there are %s; %s", strings.Join(known, ", "), functions)
}

const functionList = "randInt(a, b), oneOf('a', 'b', …), uuid(), user(), iteration()"

func compileCall(name, argText string, in quoting) (template, error) {
	args, err := splitArgs(argText)
	if err != nil {
		return nil, err
	}
	if name != "oneOf" && name != "randInt" && len(args) > 0 {
		args = nil
		err = fmt.Errorf("%s takes nothing in its parentheses", name)
	}
	switch name {
	case "randInt":
		return compileRandInt(args)
	case "oneOf":
		if len(args) == 0 {
			return nil, fmt.Errorf("oneOf wants at least one choice, such as oneOf('a', 'b')")
		}
		return template{{eval: func(s *scope) (value, bool) { return args[s.rng.IntN(len(args))], true }, in: in}}, err
	case "uuid":
		t := template{{add: func(dst []byte, s *scope) []byte { return appendUUID(dst, s.rng) }}}
		if in == wholeJSON {
			t = template{{literal: `"`}, t[0], {literal: `"`}}
		}
		return t, err
	case "user":
		return template{{add: func(dst []byte, s *scope) []byte { return strconv.AppendInt(dst, int64(s.data.user), 10) }}}, err
	case "iteration":
		return template{{add: func(dst []byte, s *scope) []byte { return strconv.AppendUint(dst, s.data.iteration, 10) }}}, err
	}
	return nil, fmt.Errorf("unknown function %s; there are %s", name, functionList)
}

func compileRandInt(args []value) (template, error) {
	if len(args) != 2 {
		return nil, fmt.Errorf("randInt wants two whole numbers, such as randInt(1, 6)")
	}
	low, err1 := strconv.ParseInt(args[0].text, 10, 64)
	high, err2 := strconv.ParseInt(args[1].text, 10, 64)
	if err1 != nil || err2 != nil || high < low {
		return nil, fmt.Errorf("randInt wants two whole numbers, the lower first, got %s and %s", args[0].text, args[1].text)
	}
	span := uint64(high) - uint64(low) + 1 // 0: all that there are
	return template{{add: func(dst []byte, s *scope) []byte {
		draw := s.rng.Uint64()
		if span != 0 {
			draw = s.rng.Uint64N(span)
		}
		return strconv.AppendInt(dst, int64(uint64(low)+draw), 10)
	}}}, nil
}

// appendUUID adds a version 4 UUID (RFC 9562, section 5.4).
func appendUUID(dst []byte, rng *rand.Rand) []byte {
	hi, lo := rng.Uint64(), rng.Uint64()
	hi = hi&^0xf000 | 0x4000
	lo = lo&^(3<<62) | 2<<62
	for i := range 32 {
		if i == 8 || i == 12 || i == 16 || i == 20 {
			dst = append(dst, '-')
		}
		from := hi
		if i >= 16 {
			from = lo
		}
		dst = append(dst, "0123456789abcdef"[from>>(60-4*(i%16))&15])
	}
	return dst
}

var argForm = regexp.MustCompile(`^\s*(?:'([^']*)'|"([^"]*)"|(-?\d+(?:\.\d+)?))\s*(,|$)`)

func splitArgs(text string) (args []value, err error) {
	for more := strings.TrimSpace(text) != ""; more; {
		m := argForm.FindStringSubmatch(text)
		if m == nil {
			return nil, fmt.Errorf("can't read %q: want 'text' or numbers, with commas between", text)
		}
		args = append(args, value{m[1] + m[2] + m[3], m[3] != ""})
		text, more = text[len(m[0]):], m[4] == ","
	}
	return args, nil
}
