package lint

import (
	"math"
	"regexp"

	"github.com/prometheus/prometheus/promql/parser"
)

// A unit is a dimension and how many base units one of it is.
type unit struct {
	dimension string
	scale     float64
}

const perSecond = "bytes per second"

// unitNames are the units by the names that answers are read in.
var unitNames = map[string]unit{
	"s": {"time", 1}, "ms": {"time", 1e-3}, "us": {"time", 1e-6}, "µs": {"time", 1e-6}, "m": {"time", 60}, "h": {"time", 3600},
	"ratio": {"share", 1}, "percent": {"share", 0.01},
	"bytes": {"size", 1}, "KB": {"size", 1e3}, "MB": {"size", 1e6}, "GB": {"size", 1e9}, "TB": {"size", 1e12},
	"KiB": {"size", 1 << 10}, "MiB": {"size", 1 << 20}, "GiB": {"size", 1 << 30}, "TiB": {"size", 1 << 40},
	"bytes/s": {perSecond, 1},
	"req/s":   {"rate", 1},
}

// suffixUnits are the units that a metric's base name ends in.
var suffixUnits = []struct {
	suffix *regexp.Regexp
	unit
}{
	{regexp.MustCompile(`(_milliseconds|_millis|_ms)(_p\d+|_max|_avg)?$`), unit{"time", 1e-3}},
	{regexp.MustCompile(`_microseconds$`), unit{"time", 1e-6}},
	{regexp.MustCompile(`_nanoseconds$`), unit{"time", 1e-9}},
	{regexp.MustCompile(`_minutes$`), unit{"time", 60}},
	{regexp.MustCompile(`(_seconds|_seconds_max)$`), unit{"time", 1}},
	{regexp.MustCompile(`_ratio$`), unit{"share", 1}},
	{regexp.MustCompile(`_percent$`), unit{"share", 0.01}},
	{regexp.MustCompile(`_bytes$`), unit{"size", 1}},
}

var bytesCounted = regexp.MustCompile(`_bytes(_total|_sum)$`)

// nameUnit is the unit that a metric's name says; false when it says none.
func nameUnit(name string) (unit, bool) {
	for _, s := range suffixUnits {
		if s.suffix.MatchString(name) {
			return s.unit, true
		}
	}
	return unit{}, false
}

// unitOf is the unit of an expression, as far as the names in it tell.
func (p *pass) unitOf(e parser.Expr) (unit, bool) {
	switch v := unwrap(e).(type) {
	case *parser.VectorSelector:
		if p.kindOf(metricOf(v)).counts() {
			return unit{}, false // a running total
		}
		return nameUnit(metricOf(v))
	case *parser.AggregateExpr:
		switch v.Op {
		case parser.SUM, parser.AVG, parser.MIN, parser.MAX, parser.TOPK, parser.BOTTOMK, parser.QUANTILE, parser.STDDEV:
			return p.unitOf(v.Expr)
		}
	case *parser.Call:
		return p.unitOfCall(v)
	case *parser.BinaryExpr:
		return p.unitOfBinary(v)
	}
	return unit{}, false
}

func (p *pass) unitOfCall(c *parser.Call) (unit, bool) {
	switch c.Func.Name {
	case "histogram_quantile", "histogram_avg":
		for _, s := range selectorsIn(c) {
			return nameUnit(baseOf(metricOf(s)))
		}
	case "rate", "irate":
		for _, s := range selectorsIn(c) {
			if name := metricOf(s); bytesCounted.MatchString(name) {
				return unit{perSecond, 1}, true
			}
		}
	case "max_over_time", "min_over_time", "avg_over_time", "last_over_time", "quantile_over_time":
		for _, a := range c.Args {
			switch m := unwrap(a).(type) {
			case *parser.MatrixSelector:
				return p.unitOf(m.VectorSelector)
			case *parser.SubqueryExpr:
				return p.unitOf(m.Expr)
			}
		}
	case "clamp_min", "clamp_max", "clamp", "abs", "round", "ceil", "floor", "label_replace", "label_join", "sort", "sort_desc":
		if len(c.Args) == 0 {
			return unit{}, false
		}
		return p.unitOf(c.Args[0])
	}
	return unit{}, false
}

func (p *pass) unitOfBinary(b *parser.BinaryExpr) (unit, bool) {
	left, knowsLeft := p.unitOf(b.LHS)
	right, knowsRight := p.unitOf(b.RHS)
	x, isNumber := number(b.RHS)
	switch {
	case b.Op.IsComparisonOperator() && !b.ReturnBool, b.Op == parser.LAND, b.Op == parser.LUNLESS, b.Op == parser.LOR:
		return left, knowsLeft
	case b.Op == parser.DIV && meanOf(b) != "":
		return nameUnit(meanOf(b))
	case b.Op == parser.DIV && isNumber && knowsLeft:
		return unit{left.dimension, left.scale * x}, true
	case b.Op == parser.MUL && isNumber && knowsLeft:
		return unit{left.dimension, left.scale / x}, true
	case b.Op == parser.MUL && knowsRight:
		if x, isNumber := number(b.LHS); isNumber {
			return unit{right.dimension, right.scale / x}, true
		}
	case b.Op == parser.DIV && b.VectorMatching != nil:
		return unit{"share", 1}, isShare(b) || knowsLeft && knowsRight && left == right
	case (b.Op == parser.ADD || b.Op == parser.SUB) && (knowsLeft || knowsRight):
		if knowsLeft {
			return left, true
		}
		return right, true
	}
	return unit{}, false
}

// isShare tells whether an operation is a share in [0, 1]: no factor hides in it.
func isShare(b *parser.BinaryExpr) bool {
	plain := true
	parser.Inspect(b, func(n parser.Node, _ []parser.Node) error {
		if _, ok := n.(*parser.NumberLiteral); ok {
			plain = false
		}
		return nil
	})
	return plain && shareOf(b) != nil
}

// holdsShare tells whether an expression is a share times a constant.
func holdsShare(e parser.Expr) bool {
	inner, _ := scaled(e)
	b, ok := inner.(*parser.BinaryExpr)
	return ok && b.Op == parser.DIV && isShare(b)
}

// slack is how far two scales may differ by rounding.
const slack = 1e-6

// units holds the unit of the names against the unit that the answer is read
// in, and thresholds in the text against what its unit can reach.
func units(p *pass) {
	p.thresholdUnits()
	read, known := unitNames[p.query.Unit]
	is, told := p.unitOf(p.root)
	if !known || !told {
		return
	}
	factor := is.scale / read.scale
	switch {
	case is.dimension == perSecond && read.dimension == "size": // people read the axis so
		p.reportAs(Warning, p.root, "by its names the answer is in %s, and it is read in %s", is, p.query.Unit)
	case is.dimension != read.dimension:
		p.report(p.root, "by its names the answer is in %s, and it is read in %s", is, p.query.Unit)
	case math.Abs(factor-1) < slack, !isConversion(is.dimension, factor):
	case math.Abs(math.Log(factor)) < math.Log(1.2): // GiB for GB
		p.reportAs(Warning, p.root, "by its names the answer is in %s, and it is read in %s: wrong by %.0f %%", is, p.query.Unit, 100*math.Abs(factor-1))
	case factor > 1:
		p.report(p.root, "by its names the answer is in %s, and it is read in %s: %.4g times too small", is, p.query.Unit, factor)
	default:
		p.report(p.root, "by its names the answer is in %s, and it is read in %s: %.4g times too large", is, p.query.Unit, 1/factor)
	}
}

// isConversion tells whether a factor leads from one unit of a dimension to
// another. Any other, such as 0.9, is meant: a part of what is there.
func isConversion(dimension string, factor float64) bool {
	var scales []float64
	for _, u := range unitNames {
		if u.dimension == dimension {
			scales = append(scales, u.scale)
		}
	}
	for _, s := range suffixUnits {
		if s.dimension == dimension {
			scales = append(scales, s.scale)
		}
	}
	for _, a := range scales {
		for _, b := range scales {
			if math.Abs(a/b/factor-1) < slack {
				return true
			}
		}
	}
	return false
}

func (u unit) String() string {
	for name, v := range unitNames {
		if v.dimension == u.dimension && math.Abs(v.scale/u.scale-1) < slack && name != "µs" {
			return name
		}
	}
	return u.dimension
}

// thresholdUnits looks at comparisons with a number.
func (p *pass) thresholdUnits() {
	p.each(func(n parser.Node, _ []parser.Node) {
		b, ok := n.(*parser.BinaryExpr)
		if !ok || !b.Op.IsComparisonOperator() {
			return
		}
		x, isNumber := number(b.RHS)
		is, told := p.unitOf(b.LHS)
		if !isNumber || !told {
			return
		}
		c, isQuantile := isCall(unwrap(b.LHS), "histogram_quantile")
		switch {
		case holdsShare(b.LHS) && x*is.scale > 1+slack:
			p.reportAs(Warning, b.RHS, "a share is never more than %g; is %g meant in percent?", 1/is.scale, x)
		case is == unit{"time", 1} && isQuantile && x >= 100 && requestish.MatchString(c.String()):
			p.reportAs(Warning, b.RHS, "the quantile is in seconds; are %g milliseconds meant?", x)
		}
	})
}
