package slo

import (
	"context"
	"fmt"
	"math"
	"strconv"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/plumbline/plumbline/pkg/promql"
)

// A ResourceResult is a resource, measured and judged. NaN is no data.
type ResourceResult struct {
	Resource      Resource
	Average, Peak float64 // over series and time; of the highest series
	Limit         float64
	PeakSeries    labels.Labels
	Judged        bool
	Verdict       Verdict
	Reason        string
	Query         string
	Series        []promql.Series // over the whole window, for charts
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
	used, err := ms.meter.QueryRange(ctx, expr, promql.Range{Start: ms.whole.Start, End: ms.whole.End, Step: ms.meter.Scrape()})
	if err != nil {
		return res, err
	}
	res.Series = used.Series
	total, n := 0.0, 0
	for _, s := range used.Series {
		for _, p := range s.Points {
			if p.Time.Before(ms.steady.Start) || p.Time.After(ms.steady.End) || math.IsNaN(p.Value) {
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
	if res.Limit, err = ms.limit(ctx, r.Limit); err != nil {
		return res, err
	}
	res.Verdict, res.Reason = ms.judgeResource(res, coverage)
	return res, nil
}

// limit is a number, or the least of what an expression gives.
func (ms measurer) limit(ctx context.Context, text string) (float64, error) {
	if v, err := strconv.ParseFloat(text, 64); err == nil {
		return v, nil
	}
	if text == "" {
		return nan, nil
	}
	res, err := ms.meter.Query(ctx, promql.Expand(text, ms.vars), ms.whole.End)
	limit := nan
	for _, s := range res.Series {
		for _, p := range s.Points {
			if !(p.Value >= limit) {
				limit = p.Value
			}
		}
	}
	return limit, err
}

func (ms measurer) judgeResource(res ResourceResult, coverage float64) (Verdict, string) {
	switch {
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
		for _, b := range []struct {
			bound     *Bound
			otherwise Verdict
		}{{f.bounds.Must, Fail}, {f.bounds.Should, Warn}} {
			if b.bound == nil {
				continue
			}
			value := f.value
			if b.bound.dimension == ratioUnit {
				value /= res.Limit
			}
			if math.IsNaN(value) || math.IsInf(value, 0) {
				return Inconclusive, "its limit is not known"
			}
			if !b.bound.holds(value) {
				worsen(b.otherwise)
			}
		}
	}
	if why := ms.distrust(Result{Query: res.Query}, verdict); why != "" && res.Judged {
		return Inconclusive, why
	}
	return verdict, ""
}
