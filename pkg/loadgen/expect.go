package loadgen

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

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
	TimedOut   Outcome = "timeout"
	NotReached Outcome = "connect"
)

// An expectation is what an answer must be like to be a success.
type expectation struct {
	Status   int                    `yaml:"status"` // 0: any below 400
	Within   strictyaml.Duration    `yaml:"within"`
	Body     map[string]fieldExpect `yaml:"body"` // by gjson path
	Contains string                 `yaml:"contains"`
	Header   map[string]string      `yaml:"header"`
	contains []byte
}

// An extraction is where a variable's value stands in an answer: at a gjson
// path of its body, or {header: NAME}, {cookie: NAME}, {regex: PATTERN} (the
// last group, or all that matched).
type extraction struct {
	Header, Cookie string
	path           string
	pattern        *regexp.Regexp
}

// UnmarshalYAML reads a path, or one of the forms in braces.
func (e *extraction) UnmarshalYAML(n *yaml.Node) error {
	if n.Kind == yaml.ScalarNode && n.Value != "" {
		e.path = n.Value
		return nil
	}
	var form map[string]string
	if err := n.Decode(&form); err != nil || len(form) != 1 {
		return errors.New("want a gjson path, {header: NAME}, {cookie: NAME} or {regex: PATTERN}")
	}
	e.Header, e.Cookie = form["header"], form["cookie"]
	if pattern := form["regex"]; pattern != "" {
		var err error
		e.pattern, err = regexp.Compile(pattern)
		return err
	}
	if e.Header == "" && e.Cookie == "" {
		return errors.New("want a gjson path, {header: NAME}, {cookie: NAME} or {regex: PATTERN}")
	}
	return nil
}

// A fieldExpect is a value, or bounds, for a field of a JSON answer.
type fieldExpect struct {
	compare []comparison
}

type comparison struct {
	op   string
	want string
	num  float64
}

var comparisons = []string{"lt", "lte", "gt", "gte", "eq", "ne", "contains"}

// UnmarshalYAML reads a value, or {lt: 60} and the like.
func (f *fieldExpect) UnmarshalYAML(n *yaml.Node) error {
	if n.Kind == yaml.ScalarNode {
		f.compare = []comparison{{"eq", n.Value, gjson.Parse(n.Value).Float()}}
		return nil
	}
	var ops map[string]string
	if err := n.Decode(&ops); err != nil {
		return fmt.Errorf("want a value, or comparisons such as {lt: 60}")
	}
	for _, op := range slices.Sorted(mapKeys(ops)) {
		if !slices.Contains(comparisons, op) {
			return fmt.Errorf("unknown comparison %q; there are %s", op, strings.Join(comparisons, ", "))
		}
		f.compare = append(f.compare, comparison{op, ops[op], gjson.Parse(ops[op]).Float()})
	}
	return nil
}

func (f fieldExpect) holds(got gjson.Result) bool {
	if !got.Exists() {
		return false // a missing field fails every check
	}
	for _, c := range f.compare {
		if !c.holds(got) {
			return false
		}
	}
	return true
}

func (c comparison) holds(got gjson.Result) bool {
	v := got.Float()
	switch c.op {
	case "lt":
		return got.Type == gjson.Number && v < c.num
	case "lte":
		return got.Type == gjson.Number && v <= c.num
	case "gt":
		return got.Type == gjson.Number && v > c.num
	case "gte":
		return got.Type == gjson.Number && v >= c.num
	case "ne":
		return got.String() != c.want
	case "contains":
		return strings.Contains(got.String(), c.want)
	}
	return got.String() == c.want
}

// judge tells whether an answer is a success, and if not, why.
func (e expectation) judge(a *answer, took time.Duration) Outcome {
	status, body := a.status, a.body
	switch {
	case e.Status != 0 && status != e.Status, e.Status == 0 && status >= 400:
		return BadStatus
	case e.Contains != "" && !bytes.Contains(body, e.contains):
		return BadBody
	}
	for path, f := range e.Body {
		if !f.holds(gjson.GetBytes(body, path)) {
			return BadBody
		}
	}
	for name, want := range e.Header {
		if string(a.header(name)) != want {
			return BadHeader
		}
	}
	if e.Within > 0 && took > time.Duration(e.Within) {
		return Slow
	}
	return Success
}

// wanted is the status that a success shows, as far as it is known beforehand.
func (e expectation) wanted() int {
	if e.Status != 0 {
		return e.Status
	}
	return http.StatusOK
}
