package slo

import (
	"fmt"
	"strconv"
	"time"

	"github.com/plumbline/plumbline/pkg/promql"
)

// shown is PromQL that gives an objective's value on any Prometheus, and the
// instant at which to ask it. What is scored are increments, which it can't have: it
// differs by what rate and increase extrapolate at the edges of a window, and by
// the first value of a series that was born inside it.
func (ms measurer) shown(o Objective, form promql.HistogramForm, by []string) (query string, at time.Time) {
	whole := promDuration(ms.whole.Duration())
	switch {
	case o.Rate != nil && o.Rate.Over > 0:
		return ms.shownSlide(*o.Rate, by)
	case o.Rate != nil:
		sent := ms.scope.Run.Sent()
		return orZero(promql.Rate(ms.text(o.Rate.Of), promDuration(sent.Duration()), by...), by), sent.End
	case o.Count != nil:
		return orZero(promql.Increase(ms.text(o.Count.Of), whole, by...), by), ms.whole.End
	case o.Ratio != nil && o.Ratio.Per != "":
		happened := promql.Happened(ms.text(o.Ratio.Good), ms.text(o.Ratio.Total), ms.seen(ms.meter.Scrape()), by...)
		return promql.OverTime("avg", happened, whole, promDuration(ms.meter.Scrape())), ms.whole.End
	case o.Ratio != nil:
		return promql.Share(ms.text(o.Ratio.Part()), ms.text(o.Ratio.Total), ms.seen(ms.whole.Duration()), by...), ms.whole.End
	case o.Quantile != nil:
		return promql.Quantile(o.Quantile.Q, ms.text(o.Quantile.Of), form, ms.seen(ms.answered.Duration()), by...), ms.answered.End
	case o.Mean != nil:
		return promql.Mean(ms.text(o.Mean.Of), form, ms.seen(ms.answered.Duration()), by...), ms.answered.End
	case o.Gauge != nil:
		return ms.shownGauge(*o.Gauge)
	}
	return ms.text(*o.Query), ms.whole.End
}

// seen is the range in which rate sees all that happened in a time: the sample
// before it belongs to it.
func (ms measurer) seen(d time.Duration) string { return promDuration(d + ms.meter.Scrape()) }

// shownSlide moves a stretch over its window: all of it lies inside.
func (ms measurer) shownSlide(r Rate, by []string) (query string, at time.Time) {
	over, step, w := time.Duration(r.Over), ms.meter.Scrape(), ms.slid(r.Reduce)
	query = promql.Rate(ms.text(r.Of), ms.seen(over), by...)
	if moves := w.Duration() - over; moves >= step {
		query = promql.OverTime(r.Reduce, query, promDuration(moves), promDuration(step))
	}
	return query, w.End
}

// shownGauge reaches to the scrape that follows, as the gauge does.
func (ms measurer) shownGauge(g Gauge) (query string, at time.Time) {
	step, w := ms.meter.Scrape(), ms.reduced(g.Reduce)
	query, at = ms.text(g.Of), w.End
	reduce := g.Reduce
	switch reduce {
	case "last":
		return query, at
	case "mean":
		reduce = "avg"
	}
	return promql.OverTime(reduce, query, promDuration(w.Duration()), promDuration(step)), at
}

// orZero is 0 where nothing was ever counted, which a sum of no series would not say.
func orZero(query string, by []string) string {
	if len(by) > 0 {
		return query
	}
	return query + " or vector(0)"
}

// showResource puts what gives the average, the peak and the limit of a resource
// into its result. Intervals without a number don't count, as in the result.
func (ms measurer) showResource(res *ResourceResult) {
	used := res.Query
	shared := res.Resource.Unit == "ratio" && res.Resource.Limit != ""
	if shared {
		used = res.Resource.Share(ms.vars)
	}
	if res.hasNaN {
		used = "(" + used + ") > -Inf"
	}
	window, step := promDuration(ms.steady.Duration()), promDuration(ms.meter.Scrape())
	res.At = ms.steady.End
	res.AverageQuery = "avg(" + promql.OverTime("avg", used, window, step) + ")"
	res.PeakQuery = "max(" + promql.OverTime("max", used, window, step) + ")"
	limit := promql.Expand(res.Resource.Limit, ms.vars)
	if _, err := strconv.ParseFloat(limit, 64); err != nil && limit != "" && !shared {
		res.LimitQuery = fmt.Sprintf("min(%s)", limit)
	}
}
