package slo

import (
	"fmt"
	"math"
	"regexp"
	"strings"

	"gopkg.in/yaml.v3"

	"github.com/plumbline/plumbline/pkg/strictyaml"
)

// A Bound is what a value is held against: "< 500ms", ">= 1000", "10s..15s" or,
// relative to the baseline, "<= baseline * 1.10".
type Bound struct {
	Text      string // as written
	op        string // < <= > >= == or ..
	low, high float64
	factor    float64 // of the baseline, when relative
	relative  bool
	dimension strictyaml.Dimension
}

// DimensionOf is what a value in a unit measures, and its bounds with it.
func DimensionOf(unit string) strictyaml.Dimension {
	switch unit {
	case "s":
		return strictyaml.Time
	case "ratio":
		return strictyaml.Share
	case "bytes", "bytes/s":
		return strictyaml.Bytes
	case "req/s", "ops/s":
		return strictyaml.Rate
	}
	return strictyaml.Plain
}

var (
	quantity     = strictyaml.QuantityPattern
	simpleForm   = regexp.MustCompile(`^(<=|>=|==|<|>)\s*(` + quantity + `)$`)
	rangeForm    = regexp.MustCompile(`^(` + quantity + `)\s*\.\.\s*(` + quantity + `)$`)
	relativeForm = regexp.MustCompile(`^(<=|>=|<|>)\s*baseline(?:\s*([*+-])\s*(` + quantity + `))?$`)
)

// UnmarshalYAML reads a bound.
func (b *Bound) UnmarshalYAML(n *yaml.Node) error {
	parsed, err := ParseBound(n.Value)
	*b = parsed
	return err
}

// ParseBound reads a bound.
func ParseBound(text string) (Bound, error) {
	b := Bound{Text: strings.TrimSpace(text)}
	var err error
	if m := simpleForm.FindStringSubmatch(b.Text); m != nil {
		b.op = m[1]
		b.low, b.dimension, err = strictyaml.ParseQuantity(m[2])
		return b, err
	}
	if m := rangeForm.FindStringSubmatch(b.Text); m != nil {
		return rangeBound(b, m[1], m[3], m[4], m[6])
	}
	if m := relativeForm.FindStringSubmatch(b.Text); m != nil {
		return relativeBound(b, m)
	}
	return b, fmt.Errorf(`want a bound such as "< 500ms", ">= 1000", "< 0.1%%", "10s..15s" or "<= baseline * 1.10", got %q`, text)
}

// rangeBound reads two ends; a unit that only the upper one has is that of both.
func rangeBound(b Bound, low, lowUnit, high, highUnit string) (Bound, error) {
	b.op = ".."
	if lowUnit == "" {
		low += highUnit
	}
	var is strictyaml.Dimension
	var err error
	if b.low, is, err = strictyaml.ParseQuantity(low); err != nil {
		return b, err
	}
	if b.high, b.dimension, err = strictyaml.ParseQuantity(high); err != nil {
		return b, err
	}
	switch {
	case is != b.dimension:
		err = fmt.Errorf("%q: one end is %s, the other %s", b.Text, is, b.dimension)
	case b.high < b.low:
		err = fmt.Errorf("%q: the lower end comes first", b.Text)
	}
	return b, err
}

func relativeBound(b Bound, m []string) (Bound, error) {
	b.op, b.relative, b.factor, b.dimension = m[1], true, 1, strictyaml.Plain
	if m[2] == "" {
		return b, nil
	}
	v, d, err := strictyaml.ParseQuantity(m[3])
	switch m[2] {
	case "*":
		b.factor = v
		if err == nil && (d != strictyaml.Plain && d != strictyaml.Share || v <= 0) {
			err = fmt.Errorf("%q: multiply the baseline by a number above 0", b.Text)
		}
	case "+":
		b.low, b.dimension = v, d
	case "-":
		b.low, b.dimension = -v, d
	}
	return b, err
}

// inUnit says what to write instead of a number that is hardly meant in a unit:
// one without a unit where there are several, and more than all. "" when it is fine.
func (b Bound) inUnit(unit string, ratio bool) string {
	limit := max(math.Abs(b.low), math.Abs(b.high))
	switch dimension := DimensionOf(unit); {
	case limit == 0 && !b.relative || b.low == 0 && b.relative:
	case b.dimension == strictyaml.Plain && dimension == strictyaml.Time:
		return fmt.Sprintf("%q: the objective measures a time: write %sms or %ss", b.Text, b.Text, b.Text)
	case b.dimension == strictyaml.Plain && dimension == strictyaml.Bytes:
		return fmt.Sprintf("%q: the objective measures bytes: write %sMB or %sB", b.Text, b.Text, b.Text)
	case !ratio || limit <= 1:
	case b.dimension == strictyaml.Plain:
		return fmt.Sprintf("%q: a ratio is at most 1: write %s%%", b.Text, b.Text)
	case !b.relative:
		return fmt.Sprintf("%q: a ratio is at most 100%%", b.Text)
	}
	return ""
}

// looserThan reports whether b lets more pass than another bound of the same
// direction; of those that are relative to a baseline it is not known.
func (b Bound) looserThan(other Bound) bool {
	switch {
	case b.relative || other.relative || b.op == "" || other.op == "" || b.dimension != other.dimension:
		return false
	case b.op == ".." && other.op == "..":
		return b.low < other.low || b.high > other.high
	case b.op[0] == '<' && other.op[0] == '<':
		return b.low > other.low
	case b.op[0] == '>' && other.op[0] == '>':
		return b.low < other.low
	}
	return false
}

// resolve turns a relative bound into an absolute one; false without a baseline.
func (b Bound) resolve(baseline float64) (Bound, bool) {
	if !b.relative {
		return b, true
	}
	if math.IsNaN(baseline) {
		return b, false
	}
	b.low, b.relative = baseline*b.factor+b.low, false
	return b, true
}

// Holds tells whether a value keeps the bound, which must not be relative.
func (b Bound) Holds(v float64) bool {
	switch b.op {
	case "<":
		return v < b.low
	case "<=":
		return v <= b.low
	case ">":
		return v > b.low
	case ">=":
		return v >= b.low
	case "==":
		return v == b.low
	}
	return v >= b.low && v <= b.high
}

// Keeps reports whether a value keeps the bound; one that is relative to a
// baseline is not known here, and is kept.
func (b Bound) Keeps(v float64) bool { return b.relative || b.Holds(v) }

// within tells whether a limit of the bound lies inside an interval.
func (b Bound) within(low, high float64) bool {
	in := func(x float64) bool { return low < x && x < high }
	return in(b.low) || b.op == ".." && in(b.high)
}

// Limit is the bound as one number, for a line in a chart; NaN for a relative one.
func (b Bound) Limit() float64 {
	switch {
	case b.relative:
		return math.NaN()
	case b.op == "..":
		return b.high
	}
	return b.low
}

// Relative reports whether the bound is held against the baseline.
func (b Bound) Relative() bool { return b.relative }
