package strictyaml

import (
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"
)

// ReadPart gives a part of a file to a reader of another library, such as the one
// of Prometheus' own configuration, and gives the mistakes that it names by line
// their places in the whole file. Values in its messages are blotted out: such a
// part may hold passwords. Keys are suggested for unknown ones out of a struct,
// map or list of the type that the part is read into.
func ReadPart(part *yaml.Node, at Path, into any, read func(text []byte) error) (ps Problems) {
	if part == nil || part.Kind == 0 {
		return nil
	}
	copied, text, err := inLines(part)
	if err != nil {
		ps.Addf(at, "%v", err)
		return ps
	}
	err = read(text)
	if err == nil {
		return nil
	}
	places := map[int][]place{}
	pair(copied, part, at, reflect.TypeOf(into), places)
	found := partLine.FindAllStringSubmatch(err.Error(), -1)
	for _, m := range found {
		line, _ := strconv.Atoi(m[1])
		p := place{node: part, path: at}
		if here := places[line]; len(here) > 0 {
			p = here[max(slices.IndexFunc(here, func(p place) bool { return p.isKey(m[2]) }), 0)]
		}
		ps = append(ps, Problem{Path: p.path, Line: p.node.Line, Column: p.node.Column, Message: blotted(m[2]) + p.suggestion(m[2])})
	}
	if len(found) == 0 {
		ps.Addf(at, "%s", blotted(plainError(err)))
	}
	return ps
}

// inLines is a copy of a part, and its text, with each key and item in a line of its own.
func inLines(part *yaml.Node) (copied *yaml.Node, text []byte, err error) {
	for range 2 { // as it is written, and without its braces and brackets
		if text, err = yaml.Marshal(part); err != nil {
			return nil, nil, err
		}
		var doc yaml.Node
		if err = yaml.Unmarshal(text, &doc); err != nil {
			return nil, nil, err
		}
		part = doc.Content[0]
		unfold(part)
	}
	return part, text, nil
}

func unfold(n *yaml.Node) {
	n.Style &^= yaml.FlowStyle
	for _, below := range n.Content {
		unfold(below)
	}
}

var (
	partLine = regexp.MustCompile(`line (\d+): ([^\n]*)`)
	quoted   = regexp.MustCompile("`[^`]*`")
	goType   = regexp.MustCompile(` into [\w.*\[\]]+$`)

	unknownKey = regexp.MustCompile(`^field (\S+) not found in type `)
)

// blotted is a message without the values that it quotes, and without names of Go types.
func blotted(message string) string {
	if m := unknownKey.FindStringSubmatch(message); m != nil {
		return "unknown key " + m[1]
	}
	message = quoted.ReplaceAllString(strings.TrimSpace(message), "the value")
	return goType.ReplaceAllString(message, "")
}

// A place is where a value stands, in the file and in its tree.
type place struct {
	node *yaml.Node
	path Path
	in   reflect.Type // of what it stands in; nil when unknown
}

// suggestion is a known key, for one that a message calls unknown.
func (p place) suggestion(message string) string {
	if p.in == nil || !p.isKey(message) {
		return ""
	}
	fields := map[string]reflect.Value{}
	collectFields(reflect.New(p.in).Elem(), fields)
	if near := Nearest(p.node.Value, slices.Sorted(maps.Keys(fields))); near != "" {
		return fmt.Sprintf("; did you mean %s?", near)
	}
	return ""
}

// isKey reports whether a key that a message calls unknown stands here.
func (p place) isKey(message string) bool {
	m := unknownKey.FindStringSubmatch(message)
	return m != nil && p.node.Kind == yaml.ScalarNode && p.node.Value == m[1]
}

// pair notes what stands in each line of the copy of a part; a map stands where its first key does.
func pair(copied, original *yaml.Node, at Path, is reflect.Type, places map[int][]place) {
	if original.Kind == yaml.AliasNode && copied.Kind != yaml.AliasNode {
		original = original.Alias
	}
	for is != nil && is.Kind() == reflect.Pointer {
		is = is.Elem()
	}
	for i := range min(len(copied.Content), len(original.Content)) {
		a, b := copied.Content[i], original.Content[i]
		switch {
		case copied.Kind == yaml.SequenceNode:
			pair(a, b, at.Index(i), elementOf(is), places)
		case i%2 == 0:
			places[a.Line] = append(places[a.Line], place{b, at.Field(a.Value), structOf(is)})
		default:
			key := copied.Content[i-1].Value
			pair(a, b, at.Field(key), fieldOf(is, key), places)
		}
	}
	if len(copied.Content) == 0 {
		places[copied.Line] = append(places[copied.Line], place{node: original, path: at})
	}
}

func elementOf(is reflect.Type) reflect.Type {
	if is != nil && (is.Kind() == reflect.Slice || is.Kind() == reflect.Map) {
		return is.Elem()
	}
	return nil
}

func structOf(is reflect.Type) reflect.Type {
	if is != nil && is.Kind() == reflect.Struct {
		return is
	}
	return nil
}

func fieldOf(is reflect.Type, key string) reflect.Type {
	if structOf(is) == nil {
		return elementOf(is)
	}
	fields := map[string]reflect.Value{}
	collectFields(reflect.New(is).Elem(), fields)
	if f, known := fields[key]; known {
		return f.Type()
	}
	return nil
}
