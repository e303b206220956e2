package catalog

import (
	"context"
	"maps"
	"slices"
	"strconv"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	prom "github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/promql/parser/posrange"

	"github.com/plumbline/plumbline/pkg/promql"
)

// asked asks an expression. Of an aggregated quantile it asks the buckets and finds
// the quantile here, as Prometheus does, so that all quantiles of one histogram
// cost one query.
func asked(ctx context.Context, expr string, ask func(ctx context.Context, expr string) (promql.Result, error)) (promql.Result, error) {
	q, of, ok := quantileOf(expr)
	if _, aggregated := of.(*parser.AggregateExpr); !ok || !aggregated {
		return ask(ctx, expr)
	}
	res, err := ask(ctx, of.String())
	res.Series = quantiles(q, res.Series)
	return res, err
}

// quantileOf takes histogram_quantile(q, of) apart.
func quantileOf(expr string) (q float64, of parser.Expr, ok bool) {
	tree, err := promql.NewParser().ParseExpr(expr)
	if err != nil {
		return 0, nil, false
	}
	c, ok := tree.(*parser.Call)
	if !ok || c.Func.Name != "histogram_quantile" {
		return 0, nil, false
	}
	literal, isNumber := c.Args[0].(*parser.NumberLiteral)
	if !isNumber {
		return 0, nil, false
	}
	return literal.Val, c.Args[1], true
}

// guideQuantiles are the quantiles that the guide asks of one expression, each by itself.
func guideQuantiles(queries []Query) map[string][]float64 {
	all := map[string][]float64{}
	for _, query := range queries {
		if q, of, ok := quantileOf(query.Guide); ok && !slices.Contains(all[of.String()], q) {
			all[of.String()] = append(all[of.String()], q)
		}
	}
	return all
}

// quantiles finds a quantile in each group of buckets, or in each native
// histogram, at each time.
func quantiles(q float64, series []promql.Series) []promql.Series {
	type group struct {
		labels  labels.Labels
		buckets map[int64]prom.Buckets // by time in ms
		natives map[int64]*histogram.FloatHistogram
	}
	groups := map[string]*group{}
	var order []*group
	for _, s := range series {
		kept := labels.NewBuilder(s.Labels).Del(model.BucketLabel).Labels()
		g := groups[kept.String()]
		if g == nil {
			g = &group{kept, map[int64]prom.Buckets{}, map[int64]*histogram.FloatHistogram{}}
			groups[kept.String()] = g
			order = append(order, g)
		}
		upper, err := strconv.ParseFloat(s.Labels.Get(model.BucketLabel), 64)
		for _, p := range s.Points {
			at := p.Time.UnixMilli()
			switch {
			case p.Histogram != nil:
				g.natives[at] = p.Histogram
			case err == nil:
				g.buckets[at] = append(g.buckets[at], prom.Bucket{UpperBound: upper, Count: p.Value})
			}
		}
	}
	var found []promql.Series
	for _, g := range order {
		s := promql.Series{Labels: g.labels}
		values := map[int64]float64{}
		for at, h := range g.natives {
			values[at], _ = prom.HistogramQuantile(q, h, "", posrange.PositionRange{})
		}
		for at, b := range g.buckets {
			values[at], _, _, _, _, _ = prom.BucketQuantile(q, b)
		}
		for _, at := range slices.Sorted(maps.Keys(values)) {
			s.Points = append(s.Points, promql.Point{Time: model.Time(at).Time(), Value: values[at]})
		}
		found = append(found, s)
	}
	return found
}
