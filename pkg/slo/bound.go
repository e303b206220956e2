package slo

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"
)

// A Bound is what a value is held against: "< 500ms", ">= 1000", "10s..15s" or,
// relative to the baseline, "<= baseline * 1.10".
type Bound struct {
	Text      string // as written
	op        string // < <= > >= == or ..
	low, high float64
	factor    float64 // of the baseline, when relative
	relative  bool
	dimension dimension
}

type dimension string

const (
	plainNumber dimension = "a number"
	timeUnit    dimension = "a time"
	ratioUnit   dimension = "a percentage"
	byteUnit    dimension = "bytes"
	rateUnit    dimension = "a rate"
)

// units of bounds, in base units.
var units = map[string]struct {
	scale float64
	is    dimension
}{
	"": {1, plainNumber}, "%": {.01, ratioUnit}, "req/s": {1, rateUnit},
	"us": {1e-6, timeUnit}, "µs": {1e-6, timeUnit}, "ms": {1e-3, timeUnit}, "s": {1, timeUnit}, "m": {60, timeUnit}, "h": {3600, timeUnit},
	"B": {1, byteUnit}, "KB": {1e3, byteUnit}, "MB": {1e6, byteUnit}, "GB": {1e9, byteUnit}, "TB": {1e12, byteUnit},
	"KiB": {1 << 10, byteUnit}, "MiB": {1 << 20, byteUnit}, "GiB": {1 << 30, byteUnit}, "TiB": {1 << 40, byteUnit},
}

// dimensionOf is what the bounds of a value in a unit must be.
func dimensionOf(unit string) dimension {
	switch unit {
	case "s":
		return timeUnit
	case "ratio":
		return ratioUnit
	case "bytes":
		return byteUnit
	case "req/s":
		return rateUnit
	}
	return plainNumber
}

var (
	quantity     = `(-?[\d.]+(?:[eE][-+]?\d+)?)\s*([a-zA-Zµ%/]*)`
	simpleForm   = regexp.MustCompile(`^(<=|>=|==|<|>)\s*` + quantity + `$`)
	rangeForm    = regexp.MustCompile(`^` + quantity + `\s*\.\.\s*` + quantity + `$`)
	relativeForm = regexp.MustCompile(`^(<=|>=|<|>)\s*baseline(?:\s*([*+-])\s*` + quantity + `)?$`)
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
		b.low, b.dimension, err = parseQuantity(m[2], m[3])
		return b, err
	}
	if m := rangeForm.FindStringSubmatch(b.Text); m != nil {
		b.op = ".."
		if b.low, _, err = parseQuantity(m[1], m[2]); err != nil {
			return b, err
		}
		b.high, b.dimension, err = parseQuantity(m[3], m[4])
		if err == nil && b.high < b.low {
			err = fmt.Errorf("%q: the lower end comes first", text)
		}
		return b, err
	}
	if m := relativeForm.FindStringSubmatch(b.Text); m != nil {
		return relativeBound(b, m)
	}
	return b, fmt.Errorf(`want a bound such as "< 500ms", ">= 1000", "< 0.1%%", "10s..15s" or "<= baseline * 1.10", got %q`, text)
}

func relativeBound(b Bound, m []string) (Bound, error) {
	b.op, b.relative, b.factor, b.dimension = m[1], true, 1, plainNumber
	if m[2] == "" {
		return b, nil
	}
	v, d, err := parseQuantity(m[3], m[4])
	switch m[2] {
	case "*":
		b.factor = v
	case "+":
		b.low, b.dimension = v, d
	case "-":
		b.low, b.dimension = -v, d
	}
	return b, err
}

func parseQuantity(number, unit string) (float64, dimension, error) {
	v, err := strconv.ParseFloat(number, 64)
	if err != nil {
		return 0, "", fmt.Errorf("%q is not a number", number)
	}
	u, known := units[unit]
	if !known {
		return 0, "", fmt.Errorf("unknown unit %q; there are %% ms s m h B KB MB GB KiB MiB GiB req/s", unit)
	}
	return v * u.scale, u.is, nil
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

// holds tells whether a value keeps the bound.
func (b Bound) holds(v float64) bool {
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
