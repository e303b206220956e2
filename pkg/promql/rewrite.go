package promql

import (
	"regexp"
	"slices"
	"strings"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
)

// variableWindow is a window, or a step, that is yet a variable.
var variableWindow = regexp.MustCompile(`([\[:])\$[^\]:]*`)

// GroupedBy lists, sorted, the labels that an aggregation keeps, or the first one
// of an operation; none where that can't be told. Windows may be variables.
func GroupedBy(expr string) []string {
	e, err := NewParser().ParseExpr(variableWindow.ReplaceAllString(expr, "${1}1m"))
	for err == nil {
		switch v := e.(type) {
		case *parser.ParenExpr:
			e = v.Expr
		case *parser.BinaryExpr:
			if _, number := v.LHS.(*parser.NumberLiteral); number {
				e = v.RHS
				continue
			}
			e = v.LHS
		case *parser.Call:
			if e = vectorOf(v); e == nil {
				return nil
			}
		case *parser.AggregateExpr:
			names := slices.Sorted(slices.Values(v.Grouping))
			return slices.DeleteFunc(names, func(n string) bool { return n == labels.BucketLabel })
		default:
			return nil
		}
	}
	return nil
}

// vectorOf is the argument of a call that brings the series; nil without one.
func vectorOf(c *parser.Call) parser.Expr {
	for _, a := range c.Args {
		if a.Type() == parser.ValueTypeVector {
			return a
		}
	}
	return nil
}

// Metrics lists, sorted, the metrics that an expression names; none where it can't be read.
func Metrics(expr string) []string {
	e, err := NewParser().ParseExpr(expr)
	if err != nil {
		return nil
	}
	var names []string
	for _, matchers := range parser.ExtractSelectors(e) {
		for _, m := range matchers {
			if m.Name == model.MetricNameLabel && m.Type == labels.MatchEqual {
				names = append(names, m.Value)
			}
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// ForEach is an expression about one value of a label, such as run, turned into
// one about every value: the matchers that have the value are taken out, and what
// aggregates over their series keeps the label. It is as it was where none has it.
func ForEach(label, value, expr string) (string, error) {
	e, err := NewParser().ParseExpr(expr)
	if err != nil {
		return "", err
	}
	found := false
	parser.Inspect(e, func(n parser.Node, above []parser.Node) error {
		s, ok := n.(*parser.VectorSelector)
		if !ok {
			return nil
		}
		before := len(s.LabelMatchers)
		s.LabelMatchers = slices.DeleteFunc(s.LabelMatchers, func(m *labels.Matcher) bool {
			return m.Name == label && m.Value == value && (m.Type == labels.MatchEqual || m.Type == labels.MatchRegexp)
		})
		if len(s.LabelMatchers) == before {
			return nil
		}
		found = true
		for _, n := range above {
			keepLabel(n, label)
		}
		return nil
	})
	if !found {
		return expr, nil
	}
	return strings.TrimSpace(e.String()), nil
}

// keepLabel lets an aggregation, or a join of series by labels, keep one more.
func keepLabel(n parser.Node, label string) {
	switch v := n.(type) {
	case *parser.AggregateExpr:
		if !v.Without && !slices.Contains(v.Grouping, label) {
			v.Grouping = append(v.Grouping, label)
		}
	case *parser.BinaryExpr:
		if v.VectorMatching != nil && v.VectorMatching.On && !slices.Contains(v.VectorMatching.MatchingLabels, label) {
			v.VectorMatching.MatchingLabels = append(v.VectorMatching.MatchingLabels, label)
		}
	}
}
