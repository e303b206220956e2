package lint

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strconv"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/promql/parser"
)

// A crossing is a threshold and the buckets that it falls among.
type crossing struct {
	at       parser.Node
	bound    float64
	finite   []float64 // upper bounds of the finite buckets, ascending
	selector *parser.VectorSelector
}

// thresholds looks at each threshold of a quantile of a classic histogram.
func thresholds(look func(p *pass, c crossing)) func(context.Context, *Live, *pass) error {
	return func(ctx context.Context, l *Live, p *pass) error {
		for _, c := range p.crossings() {
			var err error
			if c.finite, err = l.buckets(ctx, c.selector); err != nil {
				return err
			}
			if len(c.finite) > 0 {
				look(p, c)
			}
		}
		return nil
	}
}

// crossings are the thresholds of the quantiles in the query: its bounds, and
// the numbers that quantiles are compared with.
func (p *pass) crossings() (all []crossing) {
	add := func(at parser.Node, of parser.Expr, bounds ...float64) {
		inner, scale := scaled(of)
		c, ok := isCall(inner, "histogram_quantile")
		if !ok || len(c.Args) != 2 {
			return
		}
		for _, s := range selectorsIn(c.Args[1]) {
			if p.kindOf(metricOf(s)) == bucket {
				for _, b := range bounds {
					all = append(all, crossing{at: at, bound: b / scale, selector: s})
				}
				return
			}
		}
	}
	add(p.root, p.root, p.query.Bounds...)
	p.each(func(n parser.Node, _ []parser.Node) {
		if b, ok := n.(*parser.BinaryExpr); ok && b.Op.IsComparisonOperator() {
			if x, isNumber := number(b.RHS); isNumber {
				add(b.RHS, b.LHS, x)
			}
		}
	})
	return all
}

// scaled takes a constant factor off an expression.
func scaled(e parser.Expr) (inner parser.Expr, factor float64) {
	inner, factor = unwrap(e), 1
	for {
		b, ok := inner.(*parser.BinaryExpr)
		if !ok {
			return inner, factor
		}
		x, isNumber := number(b.RHS)
		switch {
		case isNumber && b.Op == parser.MUL:
			factor *= x
		case isNumber && b.Op == parser.DIV:
			factor /= x
		default:
			return inner, factor
		}
		inner = unwrap(b.LHS)
	}
}

// buckets are the finite upper bounds of a classic histogram.
func (l *Live) buckets(ctx context.Context, s *parser.VectorSelector) ([]float64, error) {
	res, err := l.Meter.Query(ctx, fmt.Sprintf("group by (le) (%s)", l.over(selector(s))), l.Window.End)
	var finite []float64
	for _, series := range res.Series {
		if v, err := strconv.ParseFloat(series.Labels.Get(model.BucketLabel), 64); err == nil && !math.IsInf(v, 0) {
			finite = append(finite, v)
		}
	}
	slices.Sort(finite)
	return finite, err
}

func beyondBuckets(p *pass, c crossing) {
	if last := c.finite[len(c.finite)-1]; c.bound >= last {
		p.report(c.at, "the threshold %g lies at or beyond the last finite bucket of %s, %g", c.bound, metricOf(c.selector), last)
	}
}

func offEdge(p *pass, c crossing) {
	i, edge := slices.BinarySearch(c.finite, c.bound)
	if edge || i == len(c.finite) {
		return
	}
	lower := 0.0
	if i > 0 {
		lower = c.finite[i-1]
	}
	p.report(c.at, "the threshold %g lies between the buckets of %s that end at %g and %g", c.bound, metricOf(c.selector), lower, c.finite[i])
}
