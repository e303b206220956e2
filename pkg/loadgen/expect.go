package loadgen

import (
	"bytes"
	"fmt"
	"math"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unsafe"

	"github.com/tidwall/gjson"
	"gopkg.in/yaml.v3"

	"github.com/plumbline/plumbline/pkg/strictyaml"
)

// An Outcome is success, or the reason why a request failed.
type Outcome string

// The outcomes of a request.
const (
	Success    Outcome = "success"
	BadStatus  Outcome = "status"
	Slow       Outcome = "slow"
	BadBody    Outcome = "body"
	BadHeader  Outcome = "header"
	Redirected Outcome = "redirects" // more often than the step allows
	TimedOut   Outcome = "timeout"
	NotReached Outcome = "connect"
	Unset      Outcome = "unset" // not sent: a variable of its path or body has no value
)

// An expectation is what an answer must be like to be a success.
type expectation struct {
	status    statuses
	redirects int // that are followed; one more is no success, unless status allows it
	within    time.Duration
	contains  []byte
	body      []check // of fields, by gjson path
	header    []check // of header fields, by name
}

// A check is what one field of an answer must be like.
type check struct {
	name string
	want comparisons
}

// The form of an expectation in a file.
type expectFile struct {
	Status   statuses               `yaml:"status"`
	Within   *strictyaml.Duration   `yaml:"within"`
	Body     map[string]comparisons `yaml:"body"`
	Contains string                 `yaml:"contains"`
	Header   map[string]comparisons `yaml:"header"`
}

func (f expectFile) build(at strictyaml.Path, ps *strictyaml.Problems) expectation {
	e := expectation{status: f.Status, body: checks(f.Body, at.Field("body"), gjsonPath, ps), header: checks(f.Header, at.Field("header"), headerName, ps)}
	if f.Within != nil {
		if e.within = time.Duration(*f.Within); e.within == 0 {
			ps.Addf(at.Field("within"), "must be above 0; leave it out when any time will do")
		}
	}
	contains, err := verbatim(f.Contains)
	if err != nil {
		ps.Addf(at.Field("contains"), "%v", err)
	}
	if contains != "" {
		e.contains = []byte(contains)
	}
	return e
}

// checks reads the names of fields, which are of a form.
func checks(wants map[string]comparisons, at strictyaml.Path, form func(string) (string, error), ps *strictyaml.Problems) (all []check) {
	for _, key := range slices.Sorted(mapKeys(wants)) {
		name, err := form(key)
		if err != nil {
			ps.Addf(at.Field(key), "%v", err)
		}
		all = append(all, check{name, wants[key]})
	}
	return all
}

// statuses are those of a success; none: any below 400.
type statuses []statusRange

type statusRange struct{ low, high int }

// UnmarshalYAML reads 200, 2xx, or a list of them.
func (s *statuses) UnmarshalYAML(n *yaml.Node) error {
	items := []*yaml.Node{n}
	if n.Kind == yaml.SequenceNode && len(n.Content) > 0 {
		items = n.Content
	}
	for _, item := range items {
		r, ok := parseStatus(item)
		if !ok {
			return fmt.Errorf("want a status such as 200, a class such as 2xx, or a list of them, got %q", item.Value)
		}
		*s = append(*s, r)
	}
	return nil
}

func parseStatus(n *yaml.Node) (statusRange, bool) {
	if n.Kind != yaml.ScalarNode || len(n.Value) != 3 {
		return statusRange{}, false
	}
	if class := n.Value[0]; strings.EqualFold(n.Value[1:], "xx") && class >= '2' && class <= '5' {
		low := int(class-'0') * 100
		return statusRange{low, low + 99}, true
	}
	code, err := strconv.Atoi(n.Value)
	return statusRange{code, code}, err == nil && code >= 200 && code <= 599
}

func (s statuses) allow(status int) bool {
	for _, r := range s {
		if status >= r.low && status <= r.high {
			return true
		}
	}
	return s == nil && status < http.StatusBadRequest
}

func (s statuses) String() string {
	if s == nil {
		return "below 400"
	}
	var all []string
	for _, r := range s {
		text := strconv.Itoa(r.low)
		if r.high > r.low {
			text = text[:1] + "xx"
		}
		all = append(all, text)
	}
	return strings.Join(all, " or ")
}

// comparisons all hold for what is as expected.
type comparisons []comparison

type comparison struct {
	op      string
	want    string
	number  float64 // of want
	numeric bool
	pattern *regexp.Regexp
}

// operators are what a field can be compared by, and whether with a number.
var operators = []struct {
	name    string
	numeric bool
}{{"eq", false}, {"ne", false}, {"lt", true}, {"lte", true}, {"gt", true}, {"gte", true}, {"contains", false}, {"matches", false}, {"exists", false}}

func operatorNames() string {
	var names []string
	for _, o := range operators {
		names = append(names, o.name)
	}
	return strings.Join(names, ", ")
}

// UnmarshalYAML reads a value, or {lt: 60} and the like.
func (c *comparisons) UnmarshalYAML(n *yaml.Node) error {
	if n.Kind == yaml.ScalarNode {
		one, err := newComparison("eq", n)
		*c = comparisons{one}
		return err
	}
	if n.Kind != yaml.MappingNode || len(n.Content) == 0 {
		return fmt.Errorf("want a value, or comparisons such as {lt: 60}; there are %s", operatorNames())
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		one, err := newComparison(n.Content[i].Value, n.Content[i+1])
		if err != nil {
			return err
		}
		*c = append(*c, one)
	}
	return nil
}

func newComparison(op string, n *yaml.Node) (comparison, error) {
	i := slices.IndexFunc(operators, func(o struct {
		name    string
		numeric bool
	}) bool {
		return o.name == op
	})
	if i < 0 {
		return comparison{}, fmt.Errorf("unknown comparison %q; there are %s", op, operatorNames())
	}
	if n.Kind != yaml.ScalarNode {
		return comparison{}, fmt.Errorf("%s: want one value", op)
	}
	want, err := verbatim(n.Value)
	if err != nil {
		return comparison{}, err
	}
	if err := strictyaml.CheckNumber(n); err != nil {
		return comparison{}, fmt.Errorf("%w, or put it in quotes as text", err)
	}
	c := comparison{op: op, want: want}
	if n.Tag == "!!null" {
		c.want = "null"
	}
	c.number, err = strconv.ParseFloat(n.Value, 64)
	c.numeric = err == nil && (n.Tag == "!!int" || n.Tag == "!!float")
	switch {
	case operators[i].numeric && (err != nil || math.IsInf(c.number, 0) || math.IsNaN(c.number)):
		return c, fmt.Errorf("%s: want a number, got %q", op, n.Value)
	case op == "exists" && n.Tag != "!!bool":
		return c, fmt.Errorf("exists: want true or false, got %q", n.Value)
	case op == "matches":
		if c.pattern, err = regexp.Compile(c.want); err != nil {
			return c, fmt.Errorf("matches: %w", err)
		}
	}
	return c, nil
}

// found is a field of an answer, as it was found.
type found struct {
	text   string
	number float64
	is     bool // a number
	exists bool
}

// failing is the first comparison that does not hold; nil when all do. What
// isn't there fails all but exists: false.
func (c comparisons) failing(got found) *comparison {
	for i := range c {
		if !c[i].holds(got) {
			return &c[i]
		}
	}
	return nil
}

func (c *comparison) holds(got found) bool {
	if c.op == "exists" {
		return got.exists == (c.want == "true")
	}
	if !got.exists {
		return false
	}
	switch c.op {
	case "lt":
		return got.is && got.number < c.number
	case "lte":
		return got.is && got.number <= c.number
	case "gt":
		return got.is && got.number > c.number
	case "gte":
		return got.is && got.number >= c.number
	case "ne":
		return !c.equals(got)
	case "contains":
		return strings.Contains(got.text, c.want)
	case "matches":
		return c.pattern.MatchString(got.text)
	}
	return c.equals(got)
}

func (c *comparison) equals(got found) bool {
	if c.numeric && got.is {
		return got.number == c.number
	}
	return got.text == c.want
}

// view is b as text, without a copy: good until b changes, which is after the answer has been judged.
func view(b []byte) string {
	return unsafe.String(unsafe.SliceData(b), len(b)) //nolint:gosec // what is found in it is forgotten before b changes
}

// bodyField finds a gjson path. The text is a view of the body.
func bodyField(body []byte, path string) found {
	r := gjson.Get(view(body), path)
	f := found{text: r.Str, number: r.Num, is: r.Type == gjson.Number, exists: r.Exists()}
	if r.Type != gjson.String {
		f.text = r.Raw
	}
	return f
}

func headerField(a *answer, name string) found {
	v := a.header(name)
	f := found{text: view(v), exists: v != nil}
	if len(v) > 0 && v[0] <= '9' { // spares the making of an error for most that are none
		number, err := strconv.ParseFloat(f.text, 64)
		f.number, f.is = number, err == nil
	}
	return f
}

// judge tells whether an answer is a success, and if not, why.
func (e *expectation) judge(a *answer, took time.Duration) Outcome {
	if !e.status.allow(a.status) {
		return BadStatus
	}
	if e.status == nil && e.redirects > 0 && a.redirects() {
		return Redirected
	}
	if e.contains != nil && !bytes.Contains(a.body, e.contains) {
		return BadBody
	}
	for i := range e.body {
		if e.body[i].want.failing(bodyField(a.body, e.body[i].name)) != nil {
			return BadBody
		}
	}
	for i := range e.header {
		if e.header[i].want.failing(headerField(a, e.header[i].name)) != nil {
			return BadHeader
		}
	}
	if e.within > 0 && took > e.within {
		return Slow
	}
	return Success
}

// why says what it was about an answer that judge objected to, and what there was
// instead, as a view of the answer; nothing where it did not object.
func (e *expectation) why(a *answer, outcome Outcome) (cause, instead string) {
	switch outcome {
	case BadStatus:
		return fmt.Sprintf("status %d", a.status), view(a.body)
	case Redirected:
		return fmt.Sprintf("redirects: the answer after %d of them asks for another", e.redirects), ""
	case Slow:
		return fmt.Sprintf("slow: the answer took longer than %s", e.within), ""
	case BadBody:
		if e.contains != nil && !bytes.Contains(a.body, e.contains) {
			return fmt.Sprintf("body: does not contain %q", e.contains), ""
		}
		for _, c := range e.body {
			got := bodyField(a.body, c.name)
			if f := c.want.failing(got); f != nil {
				return "body: " + f.complaint(c.name, got), got.text
			}
		}
	case BadHeader:
		for _, c := range e.header {
			got := headerField(a, c.name)
			if f := c.want.failing(got); f != nil {
				return "header: " + f.complaint(c.name, got), got.text
			}
		}
	}
	return "", ""
}

// beginning is the first printable characters of a text, on one line.
func beginning(text string) string {
	const most = 100
	text = strings.ToValidUTF8(text[:min(len(text), 4*most)], "")
	text = strings.Join(strings.FieldsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) || r == ' ' }), " ")
	if runes := []rune(text); len(runes) > most {
		text = string(runes[:most]) + "…"
	}
	return text
}

// complaint says no more than the comparison: a value would make every failure a kind of its own.
func (c *comparison) complaint(name string, got found) string {
	switch {
	case c.op == "exists" && got.exists:
		return name + " is there"
	case !got.exists:
		return name + " is missing"
	}
	return fmt.Sprintf("%s %s %s", name, complaints[c.op], c.want)
}

// complaints are how it is said that a comparison doesn't hold.
var complaints = map[string]string{"eq": "is not", "ne": "is", "lt": "is not below", "lte": "is not at most", "gt": "is not above", "gte": "is not at least",
	"contains": "does not contain", "matches": "does not match"}

// wanted is the status that a success shows, as far as it is known beforehand.
func (e *expectation) wanted() int {
	if e.status != nil {
		return e.status[0].low
	}
	return http.StatusOK
}
