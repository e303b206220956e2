package lint

import (
	"maps"
	"math"
	"slices"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/promql/parser"
)

// A labelSet is the labels that the series of an expression carry, as far as its text tells.
type labelSet struct {
	names map[string]bool
	exact bool // these and no others; else they are those of the series themselves
}

func exactly(names ...string) labelSet {
	s := labelSet{names: map[string]bool{}, exact: true}
	for _, n := range names {
		s.names[n] = true
	}
	return s
}

func (s labelSet) equal(o labelSet) bool { return maps.Equal(s.names, o.names) }

func (s labelSet) without(names ...string) labelSet {
	s.names = maps.Clone(s.names)
	for _, n := range names {
		delete(s.names, n)
	}
	return s
}

func (s labelSet) String() string {
	if len(s.names) == 0 {
		return "no labels"
	}
	text := ""
	for _, n := range slices.Sorted(maps.Keys(s.names)) {
		if text != "" {
			text += ", "
		}
		text += n
	}
	return text
}

// labelsOf tells the labels of an expression's series.
func labelsOf(e parser.Expr) labelSet {
	switch v := unwrap(e).(type) {
	case *parser.UnaryExpr:
		return labelsOf(v.Expr)
	case *parser.AggregateExpr:
		return labelsOfAggregate(v)
	case *parser.Call:
		return labelsOfCall(v)
	case *parser.BinaryExpr:
		return labelsOfBinary(v)
	case *parser.SubqueryExpr:
		return labelsOf(v.Expr)
	}
	return labelSet{}
}

func labelsOfAggregate(a *parser.AggregateExpr) labelSet {
	switch a.Op {
	case parser.TOPK, parser.BOTTOMK, parser.LIMITK, parser.LIMIT_RATIO:
		return labelsOf(a.Expr)
	case parser.COUNT_VALUES:
		return labelSet{}
	}
	if a.Without {
		return labelsOf(a.Expr).without(a.Grouping...)
	}
	return exactly(a.Grouping...)
}

func labelsOfCall(c *parser.Call) labelSet {
	switch c.Func.Name {
	case "vector":
		return exactly()
	case "label_replace", "label_join", "absent", "absent_over_time", "info":
		return labelSet{}
	case "histogram_quantile":
		if len(c.Args) == 2 {
			return labelsOf(c.Args[1]).without(model.BucketLabel)
		}
	}
	for _, a := range c.Args {
		if t := a.Type(); t == parser.ValueTypeVector || t == parser.ValueTypeMatrix {
			return labelsOf(a)
		}
	}
	return exactly()
}

func labelsOfBinary(b *parser.BinaryExpr) labelSet {
	left, right := labelsOf(b.LHS), labelsOf(b.RHS)
	m := b.VectorMatching
	switch {
	case b.LHS.Type() == parser.ValueTypeScalar:
		return right
	case b.RHS.Type() == parser.ValueTypeScalar || m == nil:
		return left
	case b.Op == parser.LOR:
		if left.exact && right.exact && left.equal(right) {
			return left
		}
		return labelSet{}
	case b.Op == parser.LAND || b.Op == parser.LUNLESS:
		return left
	case m.Card == parser.CardManyToOne || m.Card == parser.CardOneToMany:
		return labelSet{}
	case m.On:
		return exactly(m.MatchingLabels...)
	}
	return left.without(m.MatchingLabels...)
}

// apply is arithmetic on literals.
func apply(op parser.ItemType, a, b float64) float64 {
	switch op {
	case parser.ADD:
		return a + b
	case parser.SUB:
		return a - b
	case parser.MUL:
		return a * b
	case parser.DIV:
		return a / b
	case parser.POW:
		return math.Pow(a, b)
	}
	return math.NaN()
}
