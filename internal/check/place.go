package check

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"gopkg.in/yaml.v3"

	"github.com/plumbline/plumbline/pkg/promql/lint"
	"github.com/plumbline/plumbline/pkg/strictyaml"
)

// A document is a file whose values know where they stand. JSON is read into the
// same nodes as YAML.
type document struct {
	name string
	text []byte
	root *yaml.Node
	next *yaml.Node // the root of the document after it in the file; nil when there is none
}

// find is a find at a node.
func (d document) find(n *yaml.Node, s lint.Severity, text string) Find {
	return Find{File: d.name, Line: n.Line, Column: n.Column, Severity: s, Rule: fileRule, Text: text}
}

// readDocuments reads the documents of a file, YAML or JSON, whichever it is.
func readDocuments(name string, text []byte) ([]document, *Find) {
	if trimmed := bytes.TrimSpace(text); len(trimmed) > 0 && trimmed[0] == '{' {
		root, err := readJSON(text)
		if err != nil {
			line, column := lineColumn(text, err.at)
			return nil, &Find{File: name, Line: line, Column: column, Severity: mistake, Rule: fileRule, Text: "JSON: " + err.text}
		}
		return []document{{name: name, text: text, root: root}}, nil
	}
	nodes, err := strictyaml.Documents(name, text)
	if err != nil {
		return nil, &document{name: name}.mistakes(err)[0]
	}
	var docs []document
	for _, n := range nodes {
		root := n.Content[0]
		if len(docs) > 0 {
			if root.Tag == "!!null" {
				continue // nothing between two separators
			}
			docs[len(docs)-1].next = root
		}
		docs = append(docs, document{name: name, text: text, root: root})
	}
	return docs, nil
}

// get is the value at a path of keys and indexes, behind aliases too; nil when
// there is none.
func get(n *yaml.Node, path ...any) *yaml.Node {
	n = behind(n)
	for _, step := range path {
		if n == nil {
			return nil
		}
		var next *yaml.Node
		switch s := step.(type) {
		case int:
			if n.Kind == yaml.SequenceNode && s < len(n.Content) {
				next = n.Content[s]
			}
		case string:
			for i := 0; n.Kind == yaml.MappingNode && i+1 < len(n.Content); i += 2 {
				if n.Content[i].Value == s {
					next = n.Content[i+1]
				}
			}
		}
		n = behind(next)
	}
	return n
}

// behind is what an alias stands for.
func behind(n *yaml.Node) *yaml.Node {
	if n != nil && n.Kind == yaml.AliasNode {
		return n.Alias
	}
	return n
}

// items are the values of a list; none of anything else.
func items(n *yaml.Node) []*yaml.Node {
	if n == nil || n.Kind != yaml.SequenceNode {
		return nil
	}
	return n.Content
}

// text is the text of a scalar; empty of anything else.
func text(n *yaml.Node) string {
	if n == nil || n.Kind != yaml.ScalarNode {
		return ""
	}
	return n.Value
}

// place is the line and column of a byte of a scalar's value, wherever quotes,
// escapes, folding and indentation have put it.
func (d document) place(n *yaml.Node, offset int) (line, column int) {
	s := scanner{raw: d.text, at: offsetOf(d.text, n.Line, n.Column)}
	s.open()
	value := n.Value
	for i := 0; i < min(offset, len(value)); {
		i += s.step(value[i:])
	}
	if offset < len(value) && !isSpace(value[offset]) {
		s.skipBreaks()
	}
	return lineColumn(d.text, s.at)
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

// lineColumn is the line and column of a byte.
func lineColumn(text []byte, at int) (line, column int) {
	before := string(text[:min(at, len(text))])
	return strings.Count(before, "\n") + 1, utf8.RuneCountInString(before[strings.LastIndex(before, "\n")+1:]) + 1
}

// A jsonError is what is wrong with JSON, and at which byte.
type jsonError struct {
	at   int
	text string
}

// maxDepth keeps a hostile file from using up the stack.
const maxDepth = 500

// readJSON reads JSON into nodes that know where they stand.
func readJSON(text []byte) (*yaml.Node, *jsonError) {
	r := jsonReader{text: text, dec: json.NewDecoder(bytes.NewReader(text)), line: 1, column: 1}
	r.dec.UseNumber()
	root, err := r.value(0)
	if err != nil {
		var syntax *json.SyntaxError
		at := int(r.dec.InputOffset())
		if errors.As(err, &syntax) && int(syntax.Offset) != at { // inside a literal it counts what was read
			at = max(int(syntax.Offset)-1, 0)
		}
		return nil, &jsonError{at, err.Error()}
	}
	return root, nil
}

type jsonReader struct {
	text []byte
	dec  *json.Decoder

	at, line, column int // how far places were counted; they only go on
}

// place counts on to a byte.
func (r *jsonReader) place(at int) (line, column int) {
	for r.at < at {
		c, size := utf8.DecodeRune(r.text[r.at:])
		r.at += size
		r.column++
		if c == '\n' {
			r.line, r.column = r.line+1, 1
		}
	}
	return r.line, r.column
}

// value reads the next value.
func (r *jsonReader) value(depth int) (*yaml.Node, error) {
	if depth > maxDepth {
		return nil, errors.New("nested too deeply")
	}
	start := int(r.dec.InputOffset())
	token, err := r.dec.Token()
	if err != nil {
		return nil, err
	}
	for start < len(r.text) && (isSpace(r.text[start]) || r.text[start] == ',' || r.text[start] == ':') {
		start++
	}
	n := &yaml.Node{Kind: yaml.ScalarNode}
	n.Line, n.Column = r.place(start)
	switch v := token.(type) {
	case json.Delim:
		n.Kind = map[json.Delim]yaml.Kind{'{': yaml.MappingNode, '[': yaml.SequenceNode}[v]
		for r.dec.More() {
			item, err := r.value(depth + 1)
			if err != nil {
				return nil, err
			}
			n.Content = append(n.Content, item)
		}
		_, err = r.dec.Token()
	case string:
		n.Tag, n.Value, n.Style = "!!str", v, yaml.DoubleQuotedStyle
	case nil:
		n.Tag = "!!null"
	default:
		n.Value = fmt.Sprint(v)
	}
	return n, err
}
