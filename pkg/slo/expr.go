package slo

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/common/model"

	"github.com/plumbline/plumbline/pkg/promql"
)

// Expr is PromQL that gives an objective's indicator over a window, such as 5m,
// on any Prometheus: what its rules and panels ask. A sliding rate is taken over
// its own stretch, and gauges and queries stand as they are. Variables are
// expanded from vars, where those of a run must be among them.
func (o Objective) Expr(window string, vars map[string]string) string {
	var by []string
	if o.By != "" {
		by = []string{o.By}
	}
	text := func(selector string) string { return promql.Expand(selector, vars) }
	switch {
	case o.Rate != nil && o.Rate.Over > 0:
		return promql.Rate(text(o.Rate.Of), model.Duration(time.Duration(o.Rate.Over)).String(), by...)
	case o.Rate != nil:
		return promql.Rate(text(o.Rate.Of), window, by...)
	case o.Count != nil:
		return promql.Increase(text(o.Count.Of), window, by...)
	case o.Ratio != nil && o.Ratio.Per != "":
		return promql.ShareOfIntervals(text(o.Ratio.Good), text(o.Ratio.Total), "1m", window)
	case o.Ratio != nil:
		return promql.Share(text(o.Ratio.Part()), text(o.Ratio.Total), window, by...)
	case o.Quantile != nil:
		return promql.QuantileOfEither(fmt.Sprint(o.Quantile.Q), text(o.Quantile.Of), window, by...)
	case o.Mean != nil:
		return promql.MeanOfEither(text(o.Mean.Of), window, by...)
	case o.Gauge != nil:
		return text(o.Gauge.Of)
	case o.Query != nil:
		return text(*o.Query)
	}
	return ""
}

// Part is the selector of the events that are counted among all, bad or good.
func (r Ratio) Part() string {
	if r.Good != "" {
		return r.Good
	}
	return r.Bad
}

// Share is PromQL for what a resource uses of its limit, series by series: each of
// the limit of the same labels where the limit has them, else of the least. It is
// empty without a limit.
func (r Resource) Share(vars map[string]string) string {
	used, limit := promql.Expand(r.Used, vars), promql.Expand(r.Limit, vars)
	v, err := strconv.ParseFloat(limit, 64)
	switch {
	case limit == "":
		return ""
	case err == nil && v == 1:
		return used
	case err == nil:
		return "(" + used + ") / scalar(vector(" + limit + "))" // a number alone would read as a change of units
	case slices.Equal(promql.GroupedBy(used), promql.GroupedBy(limit)):
		return "(" + used + ") / (" + limit + ")"
	}
	return "(" + used + ") / scalar(min(" + limit + "))"
}

// Breach is how PromQL picks the values that miss a bound, such as ">=" and 0.5
// for "< 500ms". Of a range it is the end that is worse. A relative bound has none.
func (b Bound) Breach(worse string) (op string, limit float64, ok bool) {
	switch {
	case b.relative:
		return "", nan, false
	case b.op == ".." && worse == "lower":
		return "<", b.low, true
	case b.op == "..":
		return ">", b.high, true
	}
	opposite := map[string]string{"<": ">=", "<=": ">", ">": "<=", ">=": "<", "==": "!="}
	return opposite[b.op], b.low, true
}

// Percentage reports whether the bound is written in percent; a resource's then is
// a share of its limit.
func (b Bound) Percentage() bool { return strings.HasSuffix(b.Text, "%") }
