package strictyaml

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
)

// A Dimension is what a quantity measures.
type Dimension string

// The dimensions that files speak of.
const (
	Plain Dimension = "a number"
	Time  Dimension = "a time"
	Share Dimension = "a percentage"
	Bytes Dimension = "bytes"
	Rate  Dimension = "a rate"
)

// Units are the units that quantities are written in: how much one is in base
// units (seconds, bytes, ratios, per second), and what it measures.
var Units = map[string]struct {
	Scale     float64
	Dimension Dimension
}{
	"": {1, Plain}, "%": {.01, Share}, "req/s": {1, Rate}, "ops/s": {1, Rate},
	"us": {1e-6, Time}, "µs": {1e-6, Time}, "ms": {1e-3, Time}, "s": {1, Time}, "m": {60, Time}, "h": {3600, Time},
	"B": {1, Bytes}, "KB": {1e3, Bytes}, "MB": {1e6, Bytes}, "GB": {1e9, Bytes}, "TB": {1e12, Bytes},
	"KiB": {1 << 10, Bytes}, "MiB": {1 << 20, Bytes}, "GiB": {1 << 30, Bytes}, "TiB": {1 << 40, Bytes},
}

// QuantityPattern is the form of a quantity, for forms that hold some: a group
// for the number and one for the unit.
const QuantityPattern = `([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)\s*([a-zA-Zµ%/]*)`

var quantityForm = regexp.MustCompile(`^\s*` + QuantityPattern + `\s*$`)

// ParseQuantity reads a number with its unit, such as 280ms, 0.23% or 450, into base units.
func ParseQuantity(text string) (float64, Dimension, error) {
	m := quantityForm.FindStringSubmatch(text)
	if m == nil {
		return 0, Plain, fmt.Errorf("want a value such as 280ms, 0.23%% or 450, got %q", text)
	}
	unit, known := Units[m[2]]
	if !known {
		return 0, Plain, fmt.Errorf("unknown unit %q; there are %% us ms s m h B KB MB GB TB KiB MiB GiB TiB req/s ops/s", m[2])
	}
	v, err := strconv.ParseFloat(m[1], 64)
	if v *= unit.Scale; err != nil || math.IsInf(v, 0) {
		return 0, Plain, fmt.Errorf("%q is out of range", text)
	}
	return v, unit.Dimension, nil
}
