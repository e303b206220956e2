package slo

import (
	"context"
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/plumbline/plumbline/pkg/promql"
	"github.com/plumbline/plumbline/pkg/strictyaml"
)

// A ResourceResult is a resource, measured and judged. NaN is no data. Where the
// unit is ratio and there is a limit, values are shares of it and the limit is 1.
type ResourceResult struct {
	Resource      Resource
	Average, Peak float64 // over series and time; of the highest series
	Limit         float64
	PeakSeries    labels.Labels
	Judged        bool
	Coverage      float64
	Verdict       Verdict
	Reason        string
	Query         string          // PromQL of what is used, series by series
	Series        []promql.Series // over the whole window, for charts
	// AverageQuery, PeakQuery and LimitQuery give these numbers on any Prometheus, when
	// they are asked for the time At; a limit that the agreement states has none.
	AverageQuery, PeakQuery, LimitQuery string
	At                                  time.Time

	hasNaN bool // a series had intervals without a number
}

// resource measures a resource over the steady window.
func (ms measurer) resource(ctx context.Context, r Resource) (ResourceResult, error) {
	expr := promql.Expand(r.Used, ms.vars)
	res := ResourceResult{Resource: r, Average: nan, Peak: nan, Limit: nan, Query: expr}
	res.Judged = r.Peak != nil || r.Average != nil
	coverage, missing, err := ms.exprCoverage(ctx, expr)
	if err != nil || missing != "" {
		res.Reason = missing
		return res, err
	}
	res.Coverage = coverage
	used, err := ms.meter.QueryRange(ctx, expr, promql.Range{Start: ms.whole.Start, End: ms.whole.End, Step: ms.meter.Scrape()})
	if err != nil {
		return res, err
	}
	res.Series = used.Series
	limits, missing, err := ms.limits(ctx, r.Limit)
	if err != nil {
		return res, err
	}
	res.Limit = least(limits)
	unlimited := noLimit(res.Limit, missing)
	if r.Unit == "ratio" && r.Limit != "" {
		res.Series, res.Limit = shares(used.Series, limits), res.Limit/res.Limit
	}
	total, n := 0.0, 0
	for _, s := range res.Series {
		for _, p := range s.Points {
			if p.Time.Before(ms.steady.Start) || p.Time.After(ms.steady.End) {
				continue
			}
			if math.IsNaN(p.Value) {
				res.hasNaN = true
				continue
			}
			total, n = total+p.Value, n+1
			if !(p.Value <= res.Peak) {
				res.Peak, res.PeakSeries = p.Value, s.Labels
			}
		}
	}
	if n > 0 {
		res.Average = total / float64(n)
	}
	ms.showResource(&res)
	res.Verdict, res.Reason = ms.judgeResource(res, coverage, unlimited)
	return res, nil
}

// limits are a number, or what an expression gives, series by series; where that is
// nothing for want of series, missing says of which.
func (ms measurer) limits(ctx context.Context, text string) (limits []promql.Series, missing string, err error) {
	if v, err := strconv.ParseFloat(text, 64); err == nil {
		return []promql.Series{{Points: []promql.Point{{Value: v}}}}, "", nil
	}
	if text == "" {
		return nil, "", nil
	}
	expr := promql.Expand(text, ms.vars)
	res, err := ms.meter.Query(ctx, expr, ms.whole.End)
	if err == nil && len(res.Series) == 0 {
		_, missing, err = ms.exprCoverage(ctx, expr)
	}
	return res.Series, missing, err
}

// noLimit says why nothing can be a share of a limit; "" when it can.
func noLimit(limit float64, missing string) string {
	switch {
	case missing != "":
		return "its limit is not known: " + missing
	case math.IsNaN(limit):
		return "its limit is not known"
	case math.IsInf(limit, 1):
		return "it has no limit (+Inf), so there is no share of it"
	case limit <= 0:
		return fmt.Sprintf("its limit is %g, which means none is set", limit)
	}
	return ""
}

// least is the lowest limit; NaN without one.
func least(limits []promql.Series) float64 {
	limit := nan
	for _, s := range limits {
		for _, p := range s.Points {
			if !(p.Value >= limit) {
				limit = p.Value
			}
		}
	}
	return limit
}

// shares divides each series by the limit of the same labels, or by the least.
func shares(used, limits []promql.Series) []promql.Series {
	out := make([]promql.Series, len(used))
	for i, s := range used {
		limit := least(limits)
		for _, l := range limits {
			if labels.Equal(l.Labels, s.Labels) {
				limit = least([]promql.Series{l})
			}
		}
		if noLimit(limit, "") != "" {
			limit = nan
		}
		out[i].Labels = s.Labels
		for _, p := range s.Points {
			p.Value /= limit
			out[i].Points = append(out[i].Points, p)
		}
	}
	return out
}

// judgeResource holds a resource against its bounds; unlimited is why it has no
// limit, "" when it has one.
func (ms measurer) judgeResource(res ResourceResult, coverage float64, unlimited string) (Verdict, string) {
	switch {
	case math.IsNaN(res.Average) && len(res.Series) > 0 && unlimited != "" && res.Resource.Limit != "":
		return Inconclusive, unlimited
	case math.IsNaN(res.Average):
		return Inconclusive, "no data in the steady window"
	case coverage < minCoverage:
		return Inconclusive, fmt.Sprintf("scrapes cover %.0f %% of the window, and %.0f %% are needed", 100*coverage, 100*minCoverage)
	}
	verdict := Pass
	worsen := func(v Verdict) { verdict = Overall(verdict, v) }
	for _, f := range []struct {
		value  float64
		bounds *Bounds
	}{{res.Peak, res.Resource.Peak}, {res.Average, res.Resource.Average}} {
		if f.bounds == nil {
			continue
		}
		for _, b := range f.bounds.kinds() {
			if b.bound == nil {
				continue
			}
			value := f.value
			if b.bound.dimension == strictyaml.Share && res.Resource.Unit != "ratio" {
				if unlimited != "" {
					return Inconclusive, unlimited
				}
				value /= res.Limit
			}
			if math.IsInf(value, 0) {
				return Inconclusive, "its value is infinite, as it is over a limit of 0"
			}
			if !b.bound.Holds(value) {
				worsen(b.otherwise)
			}
		}
	}
	if why := ms.distrust(Result{Query: res.Query}, verdict); why != "" && res.Judged {
		return Inconclusive, why
	}
	return verdict, ""
}
