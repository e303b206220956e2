package loadgen

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"gopkg.in/yaml.v3"

	"github.com/plumbline/plumbline/pkg/strictyaml"
)

// Limits that keep a body whose aliases multiply from using up the machine.
const (
	maxJSONDepth = 64
	maxJSONNodes = 100_000
)

// A jsonCompiler makes a template of JSON text from a YAML value, keeping the
// order of its keys. Mistakes are placed where they stand in it.
type jsonCompiler struct {
	*builder
	nodes int
}

func (c *jsonCompiler) compile(n *yaml.Node, at strictyaml.Path, depth int) template {
	if c.nodes++; c.nodes > maxJSONNodes || depth > maxJSONDepth {
		if c.nodes <= maxJSONNodes+1 {
			c.nodes = maxJSONNodes + 1
			c.mistake(n, at, exprError{0, errors.New("nested too deeply, or too many values")})
		}
		return nil
	}
	switch n.Kind {
	case yaml.MappingNode:
		t := template{{literal: "{"}}
		for i := 0; i+1 < len(n.Content); i += 2 {
			key := n.Content[i]
			name, err := verbatim(key.Value)
			if err != nil {
				c.mistake(key, at.Field(key.Value), exprError{0, err})
			}
			t = append(t, part{literal: comma(i) + quoteJSON(name) + ":"})
			t = append(t, c.compile(n.Content[i+1], at.Field(key.Value), depth+1)...)
		}
		return append(t, part{literal: "}"})
	case yaml.SequenceNode:
		t := template{{literal: "["}}
		for i, item := range n.Content {
			t = append(t, part{literal: comma(i)})
			t = append(t, c.compile(item, at.Index(i), depth+1)...)
		}
		return append(t, part{literal: "]"})
	case yaml.AliasNode:
		return c.compile(n.Alias, at, depth+1)
	}
	t, err := compileScalar(n, c.names)
	for _, m := range misplaced(err) {
		c.mistake(n, at, m)
	}
	return t
}

func (c *jsonCompiler) mistake(n *yaml.Node, at strictyaml.Path, m exprError) {
	*c.ps = append(*c.ps, strictyaml.Problem{Path: at, Line: n.Line, Column: n.Column, In: n, Offset: m.offset, Message: m.Error()})
}

func comma(i int) string {
	if i == 0 {
		return ""
	}
	return ","
}

func compileScalar(n *yaml.Node, known names) (template, error) {
	if n.Tag != "!!str" && n.Tag != "!!timestamp" { // JSON has no dates: they are text as they are written
		if err := strictyaml.CheckNumber(n); err != nil {
			return nil, fmt.Errorf("%w, or put it in quotes as text", err)
		}
		var v any
		if err := n.Decode(&v); err != nil {
			return nil, err
		}
		text, err := json.Marshal(v)
		switch isNumber := n.Tag == "!!int" || n.Tag == "!!float"; {
		case err != nil:
			return nil, fmt.Errorf("%q can't stand in JSON; write it in quotes", n.Value)
		case isNumber && json.Valid([]byte(n.Value)):
			text = []byte(n.Value) // with all of its digits
		case isNumber:
			return nil, fmt.Errorf("%s is no number in JSON; write %q in quotes for text, or %s", n.Value, n.Value, text)
		}
		return template{{literal: string(text)}}, nil
	}
	if isOneExpr(n.Value) {
		return compile(n.Value, known, wholeJSON) // exactly one ${…} keeps its type
	}
	inner, err := compile(n.Value, known, insideJSON)
	return append(append(template{{literal: `"`}}, inner...), part{literal: `"`}), err
}

func isOneExpr(text string) bool {
	return strings.HasPrefix(text, "${") && unquoted(text[2:], '}') == len(text)-3
}
