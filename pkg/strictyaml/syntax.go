package strictyaml

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"sort"
	"strings"
	"unicode/utf8"

	"gopkg.in/yaml.v3"
)

// noText finds what is no text in UTF-8. YAML may be in UTF-16 as well, with its mark.
func noText(data []byte) *Problem {
	if bytes.HasPrefix(data, []byte("\xff\xfe")) || bytes.HasPrefix(data, []byte("\xfe\xff")) {
		return nil
	}
	line, column, message := NoUTF8(data)
	if message == "" {
		return nil
	}
	return &Problem{Line: line, Column: column, Message: message}
}

// NoUTF8 finds where text stops being UTF-8, and says what it is instead; "" when it is.
func NoUTF8(text []byte) (line, column int, message string) {
	at := 0
	for at < len(text) && text[at] != 0 {
		r, size := utf8.DecodeRune(text[at:])
		if r == utf8.RuneError && size == 1 {
			break
		}
		at += size
	}
	if at == len(text) {
		return 0, 0, ""
	}
	before := text[:at]
	line = bytes.Count(before, []byte("\n")) + 1
	column = utf8.RuneCount(before[bytes.LastIndexByte(before, '\n')+1:]) + 1
	switch {
	case len(text) > 1 && at < 2 && (text[0] == 0xff && text[1] == 0xfe || text[0] == 0xfe && text[1] == 0xff || (text[0] == 0) != (text[1] == 0)):
		return line, column, "is UTF-16: save it as UTF-8"
	case text[at] == 0:
		return line, column, "is no text: it holds a byte 0"
	}
	return line, column, fmt.Sprintf("is not UTF-8 (byte 0x%02x): save it as UTF-8", text[at])
}

// syntaxProblem finds where YAML becomes wrong, and says what to write instead.
// Its own reader names no column, and often the line of what is around the
// mistake; that is here the last line of the shortest beginning with the same mistake.
func syntaxProblem(data []byte) *Problem {
	message := syntaxMistake(data)
	var ends []int
	for line := range bytes.Lines(data) {
		ends = append(ends, len(line))
		if i := len(ends) - 1; i > 0 {
			ends[i] += ends[i-1]
		}
	}
	i := sort.Search(len(ends)-1, func(i int) bool { return syntaxMistake(data[:ends[i]]) == message })
	t := brokenText{lines: strings.Split(strings.ReplaceAll(string(data), "\r\n", "\n"), "\n"), bad: i, message: message}
	for _, explain := range []func() *Problem{t.wrongBlank, t.openQuoteOrBracket, t.anchor, t.afterQuote, t.noBlankAfter, t.colonInText, t.indentation} {
		if problem := explain(); problem != nil {
			return problem
		}
	}
	return t.problem(i, t.indent(i), "%s", message)
}

var yamlLine = regexp.MustCompile(`^yaml: (?:line \d+: )?`)

// syntaxMistake is what yaml says of text that it can't read, without a line.
func syntaxMistake(text []byte) string {
	dec := yaml.NewDecoder(bytes.NewReader(text))
	for {
		var n yaml.Node
		if err := dec.Decode(&n); errors.Is(err, io.EOF) {
			return ""
		} else if err != nil {
			return yamlLine.ReplaceAllString(err.Error(), "")
		}
	}
}

// A brokenText is text that is no YAML: what is wrong with it, and in which line,
// as far as its reader knows.
type brokenText struct {
	lines   []string
	bad     int // index of a line
	message string
}

// problem is a mistake at a byte of a line; both count from 0.
func (t brokenText) problem(line, at int, format string, args ...any) *Problem {
	return &Problem{Line: line + 1, Column: utf8.RuneCountInString(t.lines[line][:at]) + 1, Message: fmt.Sprintf(format, args...)}
}

// indent is how many bytes of blanks a line begins with.
func (t brokenText) indent(line int) int {
	return len(t.lines[line]) - len(strings.TrimLeft(t.lines[line], " "))
}

// above is the line above one that says something; -1 when there is none.
func (t brokenText) above(line int) int {
	for line--; line >= 0; line-- {
		if text := strings.TrimSpace(t.lines[line]); text != "" && text[0] != '#' {
			break
		}
	}
	return line
}

// wrongBlank finds tabs that indent, blanks that only look like one, and quotes
// that only look like some.
func (t brokenText) wrongBlank() *Problem {
	line := t.lines[t.bad]
	lead := line[:len(line)-len(strings.TrimLeft(line, " \t\u00a0"))]
	if at := strings.IndexByte(lead, '\t'); at >= 0 {
		return t.problem(t.bad, at, "a tab can't indent: use spaces")
	}
	if at := strings.Index(line, "\u00a0"); at >= 0 {
		return t.problem(t.bad, at, "this is a no-break space: write a plain one")
	}
	if at := strings.IndexAny(line, "“”„‘’"); at >= 0 {
		return t.problem(t.bad, at, "this is a quotation mark of prose: write \" or '")
	}
	if at := t.indent(t.bad); strings.Contains(t.message, "cannot start any token") {
		if begin := tokenForm.FindStringIndex(line); begin != nil {
			at = begin[1] - 1
		}
		if at < len(line) {
			return t.problem(t.bad, at, "no text begins with %c: put it in quotes", line[at])
		}
	}
	return nil
}

var tokenForm = regexp.MustCompile(`(^|[:\-,\[{]) *[@` + "`" + `%]`)

const quoteMe = `text in braces and brackets that holds any of ? : , { } [ ] # needs quotes, such as {request: "GET /x?y=1"}`

// blockKey is the beginning of a line that has a key of its own.
var blockKey = regexp.MustCompile(`^ *(?:- +)*[\w.-]+:(?: |$)`)

// openQuoteOrBracket reads the text up to its mistake, or all of it, for quotes
// and brackets that stay open, and for text that should stand in quotes in brackets.
func (t brokenText) openQuoteOrBracket() *Problem {
	s := bracketScanner{brokenText: t}
	for i := range t.lines {
		if problem := s.line(i); problem != nil {
			return problem
		}
	}
	switch {
	case s.quote != 0:
		return t.problem(s.quoteAt[0], s.quoteAt[1], "this %c is never closed", s.quote)
	case len(s.open) > 0:
		return s.unclosed(s.open[0])
	}
	return nil
}

// A bracketScanner goes through lines, remembering which quotes and brackets are open.
type bracketScanner struct {
	brokenText
	open    [][2]int // line and byte of each bracket that is
	quote   byte     // that is open; 0: none
	quoteAt [2]int
	inBlock bool // in a block scalar: all lines that are indented deeper than block
	block   int
}

func (s *bracketScanner) unclosed(at [2]int) *Problem {
	return s.problem(at[0], at[1], "this %c is never closed", s.lines[at[0]][at[1]])
}

var blockScalar = regexp.MustCompile(`[:\-] +[|>][-+0-9]*(?: +#.*)?$`)

// begin looks at the beginning of a line; text of a block scalar is passed over.
func (s *bracketScanner) begin(i int) (pass bool, _ *Problem) {
	line := s.lines[i]
	s.inBlock = s.inBlock && (s.indent(i) > s.block || strings.TrimSpace(line) == "")
	switch {
	case s.inBlock || strings.TrimSpace(line) == "":
		return true, nil
	case s.quote != 0 && blockKey.MatchString(line) && i <= s.bad+1:
		return true, s.problem(s.quoteAt[0], s.quoteAt[1], "this %c is never closed", s.quote)
	case s.quote == 0 && len(s.open) > 0 && blockKey.MatchString(line) && s.indent(i) <= s.indent(s.open[0][0]):
		return true, s.unclosed(s.open[0])
	case s.quote == 0 && len(s.open) == 0 && blockScalar.MatchString(line):
		s.inBlock, s.block = true, s.indent(i)
		return true, nil
	}
	return false, nil
}

func (s *bracketScanner) line(i int) *Problem {
	if pass, problem := s.begin(i); pass {
		return problem
	}
	line := s.lines[i]
	plain, begins, quoted := false, true, false // inside of plain text; where a value may begin; behind a quote
	for k := 0; k < len(line); k++ {
		c := line[k]
		blankNext := k+1 == len(line) || line[k+1] == ' '
		switch {
		case s.quote != 0:
			switch {
			case s.quote == '"' && c == '\\', s.quote == '\'' && strings.HasPrefix(line[k:], "''"):
				k++
			case c == s.quote:
				s.quote, begins, quoted = 0, false, true
			}
			continue
		case c == ':' && quoted && len(s.open) > 0: // as JSON has it, without a blank
			begins, quoted = true, false
			continue
		case c == ' ':
			continue
		case c == '#' && (k == 0 || line[k-1] == ' '):
			if len(s.open) > 0 && strings.ContainsAny(line[k:], "]}") {
				return s.problem(i, k, "a comment begins here; %s", quoteMe)
			}
			return nil
		case (c == '"' || c == '\'') && begins:
			s.quote, s.quoteAt = c, [2]int{i, k}
			continue
		case (c == '[' || c == '{') && begins:
			s.open = append(s.open, [2]int{i, k})
			plain = false
			continue
		case len(s.open) == 0:
		case c == '[' || c == '{' || c == '?' && plain:
			if i <= s.bad {
				return s.problem(i, k, "text can't hold %c here: %s", c, quoteMe)
			}
		case c == ']' || c == '}':
			last := s.open[len(s.open)-1]
			if s.lines[last[0]][last[1]] != c-2 { // in ASCII, ] is two after [, and } after {
				return s.unclosed(last)
			}
			s.open, plain, begins = s.open[:len(s.open)-1], false, false
			continue
		case c == ',':
			if begins && i == s.bad {
				return s.problem(i, k, "a value is missing before the comma; %s", quoteMe)
			}
			plain, begins = false, true
			continue
		}
		begins = blankNext && (c == ':' || !plain && (c == '-' || c == '?'))
		plain = !begins
	}
	return nil
}

var anchorForm = regexp.MustCompile(`^unknown anchor '(.*)' referenced$`)

func (t brokenText) anchor() *Problem {
	m := anchorForm.FindStringSubmatch(t.message)
	if m == nil {
		return nil
	}
	at := max(strings.Index(t.lines[t.bad], "*"+m[1]), 0)
	return t.problem(t.bad, at, "no &%s stands before *%s; text that begins with * needs quotes", m[1], m[1])
}

var afterQuoteForm = regexp.MustCompile(`^ *(?:- +)*(?:[\w.-]+: +)?("(?:[^"\\]|\\.)*"|'[^']*') *([^\s:#])`)

func (t brokenText) afterQuote() *Problem {
	m := afterQuoteForm.FindStringSubmatchIndex(t.lines[t.bad])
	if m == nil {
		return nil
	}
	return t.problem(t.bad, m[4], "text goes on after its closing quote: put all of it in quotes")
}

var (
	dashForm  = regexp.MustCompile(`^ *-([\w"'{\[][^:]*:(?: |$))`)
	colonForm = regexp.MustCompile(`^ *(?:- +)*([\w-]+):([^\s/:][^:]*)$`)
)

// noBlankAfter finds a dash or colon without its blank.
func (t brokenText) noBlankAfter() *Problem {
	for _, line := range []int{t.bad, t.above(t.bad)} {
		if line < 0 {
			continue
		}
		if m := dashForm.FindStringSubmatchIndex(t.lines[line]); m != nil {
			return t.problem(line, m[2]-1, "a blank is missing after the dash: write - %s", t.lines[line][m[2]:m[3]])
		}
		if m := colonForm.FindStringSubmatchIndex(t.lines[line]); m != nil {
			return t.problem(line, m[3], "a blank is missing after the colon: write %s: %s", t.lines[line][m[2]:m[3]], t.lines[line][m[4]:m[5]])
		}
	}
	return nil
}

var colonInForm = regexp.MustCompile(`^( *(?:- +)*)([\w.-]+): +([^"'\[{&*|>].*?:(?: .*)?)$`)

func (t brokenText) colonInText() *Problem {
	m := colonInForm.FindStringSubmatchIndex(t.lines[t.bad])
	if m == nil || t.message != "mapping values are not allowed in this context" {
		return nil
	}
	line := t.lines[t.bad]
	at := m[6] + max(strings.Index(line[m[6]:]+" ", ": "), 0)
	return t.problem(t.bad, at, `a colon in text needs quotes: write %s: "%s"`, line[m[4]:m[5]], line[m[6]:m[7]])
}

// indentation is left when nothing else explains the mistake.
func (t brokenText) indentation() *Problem {
	line, above := strings.TrimSpace(t.lines[t.bad]), t.above(t.bad)
	at := t.indent(t.bad)
	switch {
	case t.message == "could not find expected ':'":
		return t.problem(t.bad, at, "a colon is missing: want KEY: VALUE")
	case above < 0 || !slices.Contains([]string{"mapping values are not allowed in this context", "did not find expected '-' indicator", "did not find expected key"}, t.message):
		return nil
	case strings.Contains(t.message, "'-'") && line[0] != '-':
		return t.problem(t.bad, at, "indented as the list above, but no item of it: begin it with a dash, or indent it as the keys that it belongs to")
	}
	return t.problem(t.bad, at, "the indentation fits none of the lines above: keys of one thing stand in one column")
}
