// Package strictyaml reads YAML strictly: unknown and repeated keys and wrong
// types are mistakes, and all mistakes come at once, each with file:line:column.
package strictyaml

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"reflect"
	"regexp"
	"slices"
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
		ps.Needf(at.Field("apiVersion"), "apiVersion: "+APIVersion, "must be %s, got %q", APIVersion, h.APIVersion)
	}
	if h.Kind != kind {
		ps.Needf(at.Field("kind"), "kind: "+kind, "must be %s, got %q", kind, h.Kind)
		ps[len(ps)-1].alone = h.Kind != "" && Nearest(h.Kind, []string{kind}) == ""
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

// Key is the last key of the path, without the index of an item.
func (p Path) Key() string { return string(p[strings.LastIndexByte(string(p), '.')+1:]) }

// below is a path that counts from p.
func (p Path) below(rest Path) Path {
	if rest == "" || rest[0] == '[' {
		return p + rest
	}
	return p.Field(string(rest))
}

// holds reports whether other is p or stands below it.
func (p Path) holds(other Path) bool {
	rest, has := strings.CutPrefix(string(other), string(p))
	return has && (p == "" || rest == "" || rest[0] == '.' || rest[0] == '[')
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
	Line, Column int // from 1; 0 when Decode has yet to look them up
	Message      string
	In           *yaml.Node // the text that is wrong; nil for what stands at the path
	Offset       int        // of the mistake in this text, in bytes; 0 for all of it

	need  string // what to write where nothing stands at the path
	rule  bool   // over several values
	of    Path   // where these stand
	alone bool   // what else there is to say means nothing beside it
}

// Problems are mistakes in a file. Of what check functions add, Decode leaves out
// what only follows from another mistake.
type Problems []Problem

// Addf adds a mistake.
func (ps *Problems) Addf(at Path, format string, args ...any) {
	*ps = append(*ps, Problem{Path: at, Message: fmt.Sprintf(format, args...)})
}

// AddInf adds a mistake that begins at a byte of the text at a path.
func (ps *Problems) AddInf(at Path, offset int, format string, args ...any) {
	*ps = append(*ps, Problem{Path: at, Offset: offset, Message: fmt.Sprintf(format, args...)})
}

// Need adds that a value is missing, if there is none, with an example of what to write.
func (ps *Problems) Need(at Path, example string) {
	*ps = append(*ps, Problem{Path: at, need: example})
}

// Needf adds a mistake in a value that must be there; where there is none, it
// says so instead, with an example of what to write.
func (ps *Problems) Needf(at Path, example, format string, args ...any) {
	*ps = append(*ps, Problem{Path: at, need: example, Message: fmt.Sprintf(format, args...)})
}

// Rulef adds a mistake at one place against a rule over several values, all
// those below of. It is only told when nothing else is wrong with them.
func (ps *Problems) Rulef(of, at Path, format string, args ...any) {
	*ps = append(*ps, Problem{Path: at, rule: true, of: of, Message: fmt.Sprintf(format, args...)})
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
	Line, Column int // from 1
}

func (p Place) String() string {
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
	return decodeNode(name, data, root, into, check)
}

// DecodeNode does what [Decode] does with a part of a file that is read already.
// An UnmarshalYAML may call it, and return its error as it is: the mistakes keep their places.
func DecodeNode(name string, root *yaml.Node, into any, check func(at Path) Problems) error {
	return decodeNode(name, nil, root, into, check)
}

func decodeNode(name string, text []byte, root *yaml.Node, into any, check func(at Path) Problems) error {
	d := &decoder{file: name, text: text, places: map[Path]*yaml.Node{"": root}}
	d.decode(root, reflect.ValueOf(into).Elem(), "", 0)
	if check != nil {
		d.addChecked(check(""))
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
	if problem := noText(data); problem != nil {
		return nil, problem
	}
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
		if problem := cycle(&doc, nil); problem != nil {
			return nil, problem
		}
		docs = append(docs, &doc)
	}
}

// cycle finds an alias inside of what it stands for.
func cycle(n *yaml.Node, within []*yaml.Node) *Problem {
	if n.Kind == yaml.AliasNode && slices.Contains(within, n.Alias) {
		return &Problem{Line: n.Line, Column: n.Column, Message: fmt.Sprintf("*%s stands inside of &%s itself, without an end", n.Value, n.Value)}
	}
	within = append(within, n)
	for _, below := range n.Content {
		if problem := cycle(below, within); problem != nil {
			return problem
		}
	}
	return nil
}

type decoder struct {
	file     string
	text     []byte // of the whole file; nil when it isn't known
	places   map[Path]*yaml.Node
	meant    []Path // keys that unknown ones were probably meant to be
	typos    []Path // what holds unknown keys
	problems Problems
	nodes    int
}

func (d *decoder) addf(n *yaml.Node, at Path, format string, args ...any) {
	d.problems = append(d.problems, Problem{Path: at, Line: n.Line, Column: n.Column, Message: fmt.Sprintf(format, args...)})
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

// addChecked adds what a check function found, without what only follows from
// another mistake: what it says of values that could not be read, that an unknown
// key may have been meant to be or that hold one, and rules over values of which one is wrong.
func (d *decoder) addChecked(found Problems) {
	wrong := make([]Path, 0, len(d.problems))
	for _, p := range d.problems {
		wrong = append(wrong, p.Path)
	}
	wrong = append(wrong, d.meant...)
	unread := wrong
	var rules Problems
	for _, p := range found {
		_, there := d.places[p.Path]
		switch {
		case slices.ContainsFunc(unread, func(u Path) bool { return u.holds(p.Path) }) || slices.Contains(d.typos, p.Path):
			continue
		case p.rule:
			rules = append(rules, p)
			continue
		case p.need != "" && !there:
			p.Message = "is missing; write " + p.need
		case p.Message == "":
			continue
		}
		d.problems, wrong = append(d.problems, p), append(wrong, p.Path)
	}
	for _, p := range rules {
		if !slices.ContainsFunc(wrong, p.of.holds) {
			d.problems, wrong = append(d.problems, p), append(wrong, p.Path)
		}
	}
	if i := slices.IndexFunc(d.problems, func(p Problem) bool { return p.alone }); i >= 0 {
		d.problems = d.problems[i : i+1]
	}
}

var (
	placeType = reflect.TypeFor[Place]()
	nodeType  = reflect.TypeFor[yaml.Node]()

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
	own, isOwn := ownReader(v)
	switch {
	case v.Kind() == reflect.Pointer && v.Type().Elem() == nodeType && isNull(n) && n.Value != "":
	case isNull(n) && (n.Value == "" || !isOwn) && v.Type() != nodeType && v.Kind() != reflect.Interface:
		d.addf(n, at, "has no value; give it one%s, or leave it out", map[bool]string{true: ` ("" is empty text)`}[v.Kind() == reflect.String])
	case v.Type() == nodeType:
		v.Set(reflect.ValueOf(*n))
	case v.Kind() == reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		d.decode(n, v.Elem(), at, depth+1)
	case isOwn:
		d.addError(n, at, own.UnmarshalYAML(n)) // and not n.Decode, which reads no null
	case v.CanAddr() && v.Addr().Type().Implements(oldUnmarshalerType):
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

// ownReader is a value that reads itself.
func ownReader(v reflect.Value) (own yaml.Unmarshaler, is bool) {
	if v.CanAddr() && v.Kind() != reflect.Pointer {
		own, is = v.Addr().Interface().(yaml.Unmarshaler)
	}
	return own, is
}

func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.Tag == "!!null" }

func (d *decoder) decodeScalar(n *yaml.Node, v reflect.Value, at Path) {
	if n.Kind != yaml.ScalarNode && v.Kind() != reflect.Interface {
		d.addf(n, at, "want %s, got a %s", kindName(v.Kind()), nodeName(n))
		return
	}
	if v.Kind() == reflect.String && n.Kind == yaml.ScalarNode && n.Tag != "!!null" {
		v.SetString(n.Value) // 1.0 is text where text is wanted
		return
	}
	if v.CanFloat() || v.CanInt() || v.CanUint() {
		if err := CheckNumber(n); err != nil {
			d.addf(n, at, "%v", err)
			return
		}
	}
	err := n.Decode(v.Addr().Interface())
	switch number, notNumber := strconv.ParseFloat(n.Value, 64); {
	// .inf and .nan slip through bounds, and JSON has no word for them.
	case err != nil || v.CanFloat() && (math.IsInf(v.Float(), 0) || math.IsNaN(v.Float())):
		d.addf(n, at, "want %s, got %q", kindName(v.Kind()), n.Value)
	case (v.CanInt() || v.CanUint()) && notNumber == nil && number != math.Trunc(number):
		d.addf(n, at, "want %s, got %q: write %.0f or %.0f", kindName(v.Kind()), n.Value, math.Floor(number), math.Ceil(number))
	}
}

var otherBase = regexp.MustCompile(`^([-+]?)0+([0-9_]|[xXoObB][0-9a-fA-F_])`)

// CheckNumber refuses numbers that YAML doesn't read as decimal ones, or not
// everywhere: 010, which it takes for 8, 0x10 and the like.
func CheckNumber(n *yaml.Node) error {
	if n.Tag != "!!int" && n.Tag != "!!float" || !otherBase.MatchString(n.Value) {
		return nil
	}
	write := strings.TrimLeft(n.Value, "+-0_")
	if write == "" || write[0] < '1' || write[0] > '9' {
		write = "0" + write
	}
	var v int64
	if strings.ContainsAny(n.Value, "xXoObB") && n.Decode(&v) == nil {
		write = strconv.FormatInt(max(v, -v), 10)
	}
	if n.Value[0] == '-' {
		write = "-" + write
	}
	return fmt.Errorf("want a number without leading zeros and other bases, got %q: write %s", n.Value, write)
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
			hint, near := suggestion(key.Value, fields)
			d.addf(key, at.Field(key.Value), "unknown key%s", hint)
			d.typos = append(d.typos, at)
			if near != "" {
				d.meant = append(d.meant, at.Field(near))
			}
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
		in := p.In
		if in == nil {
			in = d.places[p.Path]
		}
		if p.Offset > 0 && d.text != nil && in != nil && in.Kind == yaml.ScalarNode {
			p.Line, p.Column = PlaceIn(d.text, in, p.Offset)
		}
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

// suggestion says what an unknown key could be, and which one it probably is, if any.
func suggestion(key string, fields map[string]reflect.Value) (hint, near string) {
	names := slices.Sorted(maps.Keys(fields))
	if near = Nearest(key, names); near != "" {
		return fmt.Sprintf("; did you mean %s?", near), near
	}
	return "; allowed are " + strings.Join(names, ", "), ""
}

// Nearest is the name that key was probably meant to be; "" when none is near,
// which takes a letter in common.
func Nearest(key string, names []string) string {
	best, bestDistance := "", max(2, len(key)/3)+1
	for _, name := range names {
		if dist := editDistance(strings.ToLower(key), strings.ToLower(name)); dist < min(bestDistance, len(key), len(name)) || dist == 0 {
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
