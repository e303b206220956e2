package check

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
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
			line, column := strictyaml.LineColumn(text, err.at)
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
	for start < len(r.text) && strings.IndexByte(" \t\r\n,:", r.text[start]) >= 0 {
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
