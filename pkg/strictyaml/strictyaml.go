// Package strictyaml reads YAML strictly: unknown and repeated keys and wrong
// types are mistakes, and all mistakes come at once, each with file:line:column.
package strictyaml

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"reflect"
	"regexp"
	"slices"
	"sort"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"
)

// APIVersion is what the apiVersion of every file says.
const APIVersion = "plumbline/v1"

// Limits that keep a hostile file from using up the machine.
const (
	maxDepth = 64
	maxNodes = 200_000
)

// A Header opens every file.
type Header struct {
	APIVersion string `yaml:"apiVersion"`
	Kind       string `yaml:"kind"`
}

// Problems says what is wrong with the header of a file that should be of a kind.
func (h Header) Problems(at Path, kind string) (ps Problems) {
	if h.APIVersion != APIVersion {
		ps.Addf(at.Field("apiVersion"), "must be %s, got %q", APIVersion, h.APIVersion)
	}
	if h.Kind != kind {
		ps.Addf(at.Field("kind"), "must be %s, got %q", kind, h.Kind)
	}
	return ps
}

// A Path is where a value stands in a file, such as objectives[1].ratio.total.
type Path string

// Field is the path of a field or key of the value at p.
func (p Path) Field(name string) Path {
	if p == "" {
		return Path(name)
	}
	return p + "." + Path(name)
}

// Index is the path of an item of the list at p.
func (p Path) Index(i int) Path { return p + Path("["+strconv.Itoa(i)+"]") }

// below is a path that counts from p.
func (p Path) below(rest Path) Path {
	if rest == "" || rest[0] == '[' {
		return p + rest
	}
	return p.Field(string(rest))
}

// parent is the path one level up; of the root it is the root.
func (p Path) parent() Path {
	if i := strings.LastIndexAny(string(p), ".["); i >= 0 {
		return p[:i]
	}
	return ""
}

// A Problem is one mistake, at a place of the file.
type Problem struct {
	Path         Path
	Line, Column int // from 1; a Line of 0 when Decode has yet to look it up, a Column of 0 when it isn't known
	Message      string
}

// Problems are mistakes in a file.
type Problems []Problem

// Addf adds a mistake.
func (ps *Problems) Addf(at Path, format string, args ...any) {
	*ps = append(*ps, Problem{Path: at, Message: fmt.Sprintf(format, args...)})
}

// An Error is all mistakes in one file, in order of their place.
type Error struct {
	File     string
	Problems Problems
}

func (e *Error) Error() string {
	lines := make([]string, len(e.Problems))
	for i, p := range e.Problems {
		at := string(p.Path)
		if at != "" {
			at += ": "
		}
		lines[i] = fmt.Sprintf("%s: %s%s", Place{e.File, p.Line, p.Column}, at, p.Message)
	}
	return strings.Join(lines, "\n")
}

// A Place is where something stands. A struct that embeds it is told its own.
type Place struct {
	File         string
	Line, Column int // from 1; a Column of 0 when it isn't known
}

func (p Place) String() string {
	if p.Column == 0 {
		return fmt.Sprintf("%s:%d", p.File, p.Line)
	}
	return fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Column)
}

// Errorf is a mistake that only shows when the file has been read; without its
// place when what is wrong comes from no file.
func (p Place) Errorf(format string, args ...any) error {
	err := fmt.Errorf(format, args...)
	if p.Line == 0 {
		return err
	}
	return fmt.Errorf("%s: %w", p, err)
}

// Decode reads the one YAML document of data into the value that into points
// to, and then asks check, which may be nil, what is wrong with it. The error
// is an *Error with the mistakes of both.
func Decode(name string, data []byte, into any, check func(at Path) Problems) error {
	root, problem := parse(data)
	if problem != nil {
		return &Error{File: name, Problems: Problems{*problem}}
	}
	return DecodeNode(name, root, into, check)
}

// DecodeNode does what [Decode] does with a part of a file that is read already.
// An UnmarshalYAML may call it, and return its error as it is: the mistakes keep their places.
func DecodeNode(name string, root *yaml.Node, into any, check func(at Path) Problems) error {
	d := &decoder{file: name, places: map[Path]*yaml.Node{"": root}}
	d.decode(root, reflect.ValueOf(into).Elem(), "", 0)
	if check != nil {
		for _, p := range check("") {
			if !d.hasProblemAt(p.Path) { // a value that could not be read is only reported as that
				d.problems = append(d.problems, p)
			}
		}
	}
	if len(d.problems) == 0 {
		return nil
	}
	return &Error{File: name, Problems: d.placed()}
}

// parse gives the root node of the only document.
func parse(data []byte) (*yaml.Node, *Problem) {
	docs, problem := documents(data)
	if problem != nil {
		return nil, problem
	}
	if len(docs) > 1 {
		return nil, &Problem{Line: max(docs[1].Line, 1), Column: max(docs[1].Column, 1), Message: "more than one document; keep each in a file of its own"}
	}
	return docs[0].Content[0], nil
}

// Documents gives the document nodes of a file, of which there is at least one.
// The error is an *Error with the mistake that makes it no YAML.
func Documents(name string, data []byte) ([]*yaml.Node, error) {
	docs, problem := documents(data)
	if problem != nil {
		return nil, &Error{File: name, Problems: Problems{*problem}}
	}
	return docs, nil
}

func documents(data []byte) (docs []*yaml.Node, _ *Problem) {
	for dec := yaml.NewDecoder(bytes.NewReader(data)); ; {
		var doc yaml.Node
		err := dec.Decode(&doc)
		switch {
		case errors.Is(err, io.EOF) && len(docs) > 0:
			return docs, nil
		case errors.Is(err, io.EOF):
			return nil, &Problem{Line: 1, Column: 1, Message: "the file is empty"}
		case err != nil:
			return nil, syntaxProblem(data)
		}
		docs = append(docs, &doc)
	}
}

// syntaxProblem finds the line in which YAML becomes wrong: the last one of the
// shortest beginning with the same mistake. The line that yaml tells is often that
// of what is around it, one too low unless yaml's scanner tells it, and missing when
// it is the first. The column is not to be had.
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
	if strings.Contains(message, "',' or ") || strings.HasSuffix(message, "node content") {
		message += `; put text that holds any of ? : , { } [ ] # in quotes, such as {request: "GET /x?y=1"}`
	}
	return &Problem{Line: i + 1, Message: message}
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

type decoder struct {
	file     string
	places   map[Path]*yaml.Node
	problems Problems
	nodes    int
}

func (d *decoder) addf(n *yaml.Node, at Path, format string, args ...any) {
	d.problems = append(d.problems, Problem{at, n.Line, n.Column, fmt.Sprintf(format, args...)})
}

// addError adds what an UnmarshalYAML found, which may have read its value with DecodeNode.
func (d *decoder) addError(n *yaml.Node, at Path, err error) {
	var within *Error
	switch {
	case err == nil:
	case errors.As(err, &within):
		for _, p := range within.Problems {
			p.Path = at.below(p.Path)
			d.problems = append(d.problems, p)
		}
	default:
		d.addf(n, at, "%s", plainError(err))
	}
}

func (d *decoder) hasProblemAt(at Path) bool {
	return slices.ContainsFunc(d.problems, func(p Problem) bool { return p.Path == at && p.Line > 0 })
}

var (
	placeType       = reflect.TypeFor[Place]()
	nodeType        = reflect.TypeFor[yaml.Node]()
	unmarshalerType = reflect.TypeFor[yaml.Unmarshaler]()

	// oldUnmarshalerType is what Prometheus' own types implement.
	oldUnmarshalerType = reflect.TypeFor[interface{ UnmarshalYAML(func(any) error) error }]()
)

// decode reads n into v, noting where each value stands and every mistake.
func (d *decoder) decode(n *yaml.Node, v reflect.Value, at Path, depth int) {
	d.nodes++
	if depth > maxDepth || d.nodes > maxNodes {
		if d.nodes <= maxNodes+1 {
			d.nodes = maxNodes + 1
			d.addf(n, at, "nested too deeply, or too many values")
		}
		return
	}
	if _, seen := d.places[at]; !seen {
		d.places[at] = n
	}
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	switch {
	case v.Type() == nodeType:
		v.Set(reflect.ValueOf(*n))
	case v.Kind() == reflect.Pointer:
		if n.Tag == "!!null" {
			return
		}
		v.Set(reflect.New(v.Type().Elem()))
		d.decode(n, v.Elem(), at, depth+1)
	case v.CanAddr() && (v.Addr().Type().Implements(unmarshalerType) || v.Addr().Type().Implements(oldUnmarshalerType)):
		d.addError(n, at, n.Decode(v.Addr().Interface()))
	case v.Kind() == reflect.Struct:
		d.decodeStruct(n, v, at, depth)
	case v.Kind() == reflect.Map:
		d.decodeMap(n, v, at, depth)
	case v.Kind() == reflect.Slice:
		d.decodeSlice(n, v, at, depth)
	default:
		d.decodeScalar(n, v, at)
	}
}

func (d *decoder) decodeScalar(n *yaml.Node, v reflect.Value, at Path) {
	if n.Kind != yaml.ScalarNode && v.Kind() != reflect.Interface {
		d.addf(n, at, "want %s, got a %s", kindName(v.Kind()), nodeName(n))
		return
	}
	if v.Kind() == reflect.String && n.Kind == yaml.ScalarNode && n.Tag != "!!null" {
		v.SetString(n.Value) // 1.0 is text where text is wanted
		return
	}
	err := n.Decode(v.Addr().Interface())
	// .inf and .nan slip through bounds, and JSON has no word for them.
	if err != nil || v.CanFloat() && (math.IsInf(v.Float(), 0) || math.IsNaN(v.Float())) {
		d.addf(n, at, "want %s, got %q", kindName(v.Kind()), n.Value)
	}
}

func (d *decoder) decodeStruct(n *yaml.Node, v reflect.Value, at Path, depth int) {
	if n.Kind != yaml.MappingNode {
		d.addf(n, at, "want keys with values, got a %s", nodeName(n))
		return
	}
	if f := v.FieldByName("Place"); f.IsValid() && f.Type() == placeType {
		f.Set(reflect.ValueOf(Place{d.file, n.Line, n.Column}))
	}
	fields := map[string]reflect.Value{}
	collectFields(v, fields)
	d.eachPair(n, at, func(key, value *yaml.Node) {
		field, known := fields[key.Value]
		if !known {
			d.addf(key, at.Field(key.Value), "unknown key%s", suggestion(key.Value, fields))
			return
		}
		d.decode(value, field, at.Field(key.Value), depth+1)
	})
}

func (d *decoder) decodeMap(n *yaml.Node, v reflect.Value, at Path, depth int) {
	if n.Kind != yaml.MappingNode {
		d.addf(n, at, "want keys with values, got a %s", nodeName(n))
		return
	}
	v.Set(reflect.MakeMap(v.Type()))
	d.eachPair(n, at, func(key, value *yaml.Node) {
		item := reflect.New(v.Type().Elem()).Elem()
		d.decode(value, item, at.Field(key.Value), depth+1)
		v.SetMapIndex(reflect.ValueOf(key.Value).Convert(v.Type().Key()), item)
	})
}

func (d *decoder) decodeSlice(n *yaml.Node, v reflect.Value, at Path, depth int) {
	if n.Kind != yaml.SequenceNode {
		d.addf(n, at, "want a list, got a %s", nodeName(n))
		return
	}
	v.Set(reflect.MakeSlice(v.Type(), len(n.Content), len(n.Content)))
	for i, item := range n.Content {
		d.decode(item, v.Index(i), at.Index(i), depth+1)
	}
}

// eachPair calls f for each key that stands once.
func (d *decoder) eachPair(n *yaml.Node, at Path, f func(key, value *yaml.Node)) {
	seen := map[string]int{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := n.Content[i]
		if line, twice := seen[key.Value]; twice {
			d.addf(key, at.Field(key.Value), "stands twice, first in line %d", line)
			continue
		}
		seen[key.Value] = key.Line
		f(key, n.Content[i+1])
	}
}

// placed gives every problem its line and column, in order of place.
func (d *decoder) placed() Problems {
	for i := range d.problems {
		p := &d.problems[i]
		for at := p.Path; p.Line == 0; at = at.parent() {
			if n := d.places[at]; n != nil {
				p.Line, p.Column = n.Line, n.Column
			}
		}
	}
	slices.SortStableFunc(d.problems, func(a, b Problem) int {
		if a.Line != b.Line {
			return a.Line - b.Line
		}
		return a.Column - b.Column
	})
	return d.problems
}

// collectFields maps the yaml names of a struct's fields to them; embedded structs are inlined.
func collectFields(v reflect.Value, into map[string]reflect.Value) {
	for i := range v.NumField() {
		f := v.Type().Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		switch {
		case f.Anonymous && f.Type.Kind() == reflect.Struct:
			collectFields(v.Field(i), into)
		case f.IsExported() && name != "-" && name != "":
			into[name] = v.Field(i)
		}
	}
}

func suggestion(key string, fields map[string]reflect.Value) string {
	names := make([]string, 0, len(fields))
	for name := range fields {
		names = append(names, name)
	}
	slices.Sort(names)
	if near := Nearest(key, names); near != "" {
		return fmt.Sprintf("; did you mean %s?", near)
	}
	return "; allowed are " + strings.Join(names, ", ")
}

// Nearest is the name that key was probably meant to be; "" when none is near.
func Nearest(key string, names []string) string {
	best, bestDistance := "", max(2, len(key)/3)+1
	for _, name := range names {
		if dist := editDistance(strings.ToLower(key), strings.ToLower(name)); dist < bestDistance {
			best, bestDistance = name, dist
		}
	}
	return best
}

// editDistance is Levenshtein's.
func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			diagonal, row[j+1] = row[j+1], min(row[j+1]+1, row[j]+1, diagonal+cost)
		}
	}
	return row[len(b)]
}

func kindName(k reflect.Kind) string {
	switch k {
	case reflect.Bool:
		return "true or false"
	case reflect.Int, reflect.Int64, reflect.Int32, reflect.Uint64, reflect.Uint32, reflect.Uint:
		return "a whole number"
	case reflect.Float64:
		return "a number"
	case reflect.String:
		return "text"
	}
	return k.String()
}

func nodeName(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "map"
	case yaml.SequenceNode:
		return "list"
	}
	return fmt.Sprintf("value %q", n.Value)
}

// plainError takes yaml's own framing off an error.
func plainError(err error) string {
	text := strings.TrimPrefix(err.Error(), "yaml: ")
	text = strings.TrimPrefix(text, "unmarshal errors:\n  ")
	return text
}
