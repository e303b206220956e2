package promql

import (
	"regexp"
	"strings"
)

// An Expansion is a text whose variables were replaced, and where each of its
// bytes came from.
type Expansion struct {
	Text   string
	origin []int // of each byte of Text, and of its end, in the text before
}

// Origin is the byte of the text before that the byte at an offset of Text came
// from; for what a variable brought it is where the variable stands.
func (e Expansion) Origin(offset int) int {
	return e.origin[min(max(offset, 0), len(e.origin)-1)]
}

// Trace expands like [Expand] and remembers where things stood.
func Trace(text string, vars map[string]string) Expansion {
	return TraceFunc(text, variable, func(_ int, m string) (string, bool) {
		value, declared := vars[strings.Trim(m, "${}")]
		return value, declared
	})
}

// TraceFunc replaces what a pattern matches, at a byte of the text, by what value
// gives for it, and leaves it where value says false.
func TraceFunc(text string, pattern *regexp.Regexp, value func(at int, match string) (string, bool)) Expansion {
	var e Expansion
	var b strings.Builder
	keep := func(from, to int) {
		b.WriteString(text[from:to])
		for i := from; i < to; i++ {
			e.origin = append(e.origin, i)
		}
	}
	last := 0
	for _, m := range pattern.FindAllStringIndex(text, -1) {
		replaced, known := value(m[0], text[m[0]:m[1]])
		if !known {
			continue
		}
		keep(last, m[0])
		b.WriteString(replaced)
		for range len(replaced) {
			e.origin = append(e.origin, m[0])
		}
		last = m[1]
	}
	keep(last, len(text))
	e.origin = append(e.origin, len(text))
	e.Text = b.String()
	e.mendCommas()
	return e
}

// strayComma is a comma that an empty variable leaves between matchers, with what stands before it.
var strayComma = regexp.MustCompile(`[{,]\s*,\s*`)

// mendCommas takes out the commas that an empty variable leaves behind.
func (e *Expansion) mendCommas() {
	parts := splitQuoted(e.Text)
	var text strings.Builder
	var origin []int
	at := 0
	keep := func(from, to int) {
		text.WriteString(e.Text[from:to])
		origin = append(origin, e.origin[from:to]...)
	}
	for i, part := range parts {
		end := at + len(part)
		if i%2 == 0 { // text outside quotes
			for m := strayComma.FindStringIndex(e.Text[at:end]); m != nil; m = strayComma.FindStringIndex(e.Text[at:end]) {
				keep(at, at+m[0]+1)
				at += m[1]
			}
		}
		keep(at, end)
		at = end
	}
	e.Text, e.origin = text.String(), append(origin, e.origin[len(e.origin)-1])
}
