package strictyaml

import (
	"bytes"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"gopkg.in/yaml.v3"
)

// PlaceIn is the line and column of a byte of a scalar's value in the text of the
// file, wherever quotes, escapes, folding and indentation have put it.
func PlaceIn(text []byte, n *yaml.Node, offset int) (line, column int) {
	s := scanner{raw: text, at: offsetOf(text, n.Line, n.Column)}
	s.open()
	value := n.Value
	for i := 0; i < min(offset, len(value)); {
		i += s.step(value[i:])
	}
	if offset < len(value) && !isSpace(value[offset]) {
		s.skipBreaks()
	}
	return LineColumn(text, s.at)
}

// A scanner goes through the raw text of a scalar beside its value.
type scanner struct {
	raw   []byte
	at    int
	quote byte // " or ', or 0
}

func (s *scanner) peek() byte {
	if s.at < len(s.raw) {
		return s.raw[s.at]
	}
	return 0
}

// open goes to the first byte of the value.
func (s *scanner) open() {
	for s.peek() == '&' || s.peek() == '!' { // anchor or tag
		for s.at < len(s.raw) && !isSpace(s.peek()) {
			s.at++
		}
		s.skipSpace()
	}
	switch s.peek() {
	case '"', '\'':
		s.quote = s.peek()
		s.at++
	case '|', '>':
		for s.at < len(s.raw) && s.peek() != '\n' {
			s.at++
		}
		s.skipSpace()
	}
}

func (s *scanner) skipSpace() {
	for s.at < len(s.raw) && isSpace(s.peek()) {
		s.at++
	}
}

// skipBreaks passes over line ends with the indentation after them.
func (s *scanner) skipBreaks() {
	for s.quote == '"' && s.peek() == '\\' && s.at+1 < len(s.raw) && (s.raw[s.at+1] == '\n' || s.raw[s.at+1] == '\r') {
		s.at++
		s.skipSpace()
	}
	s.skipSpace()
}

// step goes on by what stands for the start of rest, and gives how many bytes of the value that was.
func (s *scanner) step(rest string) int {
	c := rest[0]
	switch {
	case s.at >= len(s.raw):
		return 1
	case isSpace(c):
		switch {
		case s.peek() == '\n' || s.peek() == '\r':
			s.skipSpace() // a fold, or a line with its indentation
		case isSpace(s.peek()):
			s.at++
		case s.quote == '"' && s.peek() == '\\':
			return s.escape()
		}
		return 1
	}
	s.skipBreaks()
	switch {
	case s.quote == '"' && s.peek() == '\\':
		return s.escape()
	case s.quote == '\'' && c == '\'':
		s.at += 2
		return 1
	}
	s.at++
	return 1
}

// escape goes over an escape sequence and gives the length of what it stands for.
func (s *scanner) escape() int {
	digits := map[byte]int{'x': 2, 'u': 4, 'U': 8}
	if s.at+1 >= len(s.raw) {
		s.at++
		return 1
	}
	n := digits[s.raw[s.at+1]]
	if n == 0 || s.at+2+n > len(s.raw) {
		s.at += 2
		return 1
	}
	code, err := strconv.ParseUint(string(s.raw[s.at+2:s.at+2+n]), 16, 32)
	s.at += 2 + n
	if err != nil {
		return 1
	}
	r := rune(code)
	if utf16.IsSurrogate(r) && s.at+6 <= len(s.raw) && s.peek() == '\\' {
		low, _ := strconv.ParseUint(string(s.raw[s.at+2:s.at+6]), 16, 32) //nolint:errcheck // 0 is no low surrogate
		if both := utf16.DecodeRune(r, rune(low)); both != utf8.RuneError {
			s.at += 6
			r = both
		}
	}
	return max(utf8.RuneLen(r), 1)
}

func isSpace(c byte) bool { return c == ' ' || c == '\n' || c == '\t' || c == '\r' }

// offsetOf is the byte at a line and column, both from 1, columns in characters.
func offsetOf(text []byte, line, column int) int {
	at := 0
	for ; line > 1; line-- {
		i := bytes.IndexByte(text[at:], '\n')
		if i < 0 {
			return len(text)
		}
		at += i + 1
	}
	for ; column > 1 && at < len(text); column-- {
		_, size := utf8.DecodeRune(text[at:])
		at += size
	}
	return at
}

// LineColumn is the line and column of a byte.
func LineColumn(text []byte, at int) (line, column int) {
	before := string(text[:min(at, len(text))])
	return strings.Count(before, "\n") + 1, utf8.RuneCountInString(before[strings.LastIndex(before, "\n")+1:]) + 1
}
