package analysis

import (
	"context"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strings"

	"github.com/plumbline/plumbline/pkg/promql"
	"github.com/plumbline/plumbline/pkg/report"
	"github.com/plumbline/plumbline/pkg/slo"
	"github.com/plumbline/plumbline/pkg/stats"
)

func regexpQuote(s string) string { return regexp.QuoteMeta(s) }

// quantity writes a number of a result as the tables do.
func quantity(v float64, unit string) string { return report.Quantity(report.Number(v), unit) }

// limits finds resources that use more than their limit allows: the limit is then another one.
func (e *evidence) limits(context.Context) (outcome, error) {
	var wrong []string
	limited := 0
	for _, r := range e.scores.Resources {
		if math.IsNaN(r.Limit) || math.IsNaN(r.Average) {
			continue
		}
		limited++
		if r.Average > r.Limit {
			wrong = append(wrong, fmt.Sprintf("%s %s was %s on average, and its limit is said to be %s", r.Resource.Component, r.Resource.Resource,
				quantity(r.Average, r.Resource.Unit), quantity(r.Limit, r.Resource.Unit)))
		}
	}
	switch {
	case limited == 0:
		return outcome{}, nil
	case len(wrong) > 0:
		return outcome{slo.Warn, enumerate(wrong) + ": the limit is another one, or not enforced"}, nil
	}
	return outcome{slo.Pass, fmt.Sprintf("none of %d resources used more than its limit", limited)}, nil
}

// pools holds, for the targets that were read, what the service's pools may open against what the database takes.
func (e *evidence) pools(ctx context.Context) (outcome, error) {
	ask := func(expr string) (float64, error) {
		res, err := e.meter.Query(ctx, expr, e.run.Window.End)
		if err != nil || len(res.Series) == 0 {
			return math.NaN(), err
		}
		return res.Series[0].Points[0].Value, nil
	}
	pools, err := ask(fmt.Sprintf("sum(db_pool_connections_max{job=~%q})", e.jobs()))
	if err != nil {
		return outcome{}, err
	}
	database, err := ask(fmt.Sprintf("max(pg_settings_max_connections{job=~%q})", e.jobs()))
	switch {
	case err != nil || math.IsNaN(pools) || math.IsNaN(database):
		return outcome{}, err
	case pools > database:
		return outcome{slo.Warn, fmt.Sprintf("the pools may open %.0f connections, the database takes %.0f: the lower number is the limit, and larger pools change nothing", pools, database)}, nil
	}
	return outcome{slo.Pass, fmt.Sprintf("the pools may open %.0f connections, the database takes %.0f", pools, database)}, nil
}

// levelShift is how far the halves of a window may be apart for an average to be a level.
const levelShift = .10

// levels finds resources that move so much that their average is no level.
func (e *evidence) levels(context.Context) (outcome, error) {
	var moving []string
	w := slo.Scored(e.run)
	for _, r := range e.scores.Resources {
		values := meanOver(r.Series, func(p promql.Point) bool { return !p.Time.Before(w.Start) && !p.Time.After(w.End) })
		if len(values) < 10 {
			continue
		}
		if shift := stats.HalfShift(values); math.Abs(shift) >= levelShift {
			edge := max(len(values)/50, 1)
			moving = append(moving, fmt.Sprintf("%s %s went from %s to %s, so its average of %s is a point on the way", r.Resource.Component, r.Resource.Resource,
				quantity(stats.Median(values[:edge]), r.Resource.Unit), quantity(stats.Median(values[len(values)-edge:]), r.Resource.Unit), quantity(r.Average, r.Resource.Unit)))
		}
	}
	switch {
	case len(e.scores.Resources) == 0:
		return outcome{}, nil
	case len(moving) > 0:
		return outcome{slo.Warn, enumerate(moving)}, nil
	}
	return outcome{slo.Pass, "every resource has the same level in both halves of the window"}, nil
}

// meanOver is the mean of series at each time that is kept.
func meanOver(series []promql.Series, keep func(promql.Point) bool) []float64 {
	sums, counts := map[int64]float64{}, map[int64]float64{}
	for _, s := range series {
		for _, p := range s.Points {
			if keep(p) && !math.IsNaN(p.Value) {
				sums[p.Time.UnixMilli()] += p.Value
				counts[p.Time.UnixMilli()]++
			}
		}
	}
	var times []int64
	for t := range sums {
		times = append(times, t)
	}
	slices.Sort(times)
	values := make([]float64, len(times))
	for i, t := range times {
		values[i] = sums[t] / counts[t]
	}
	return values
}

// dependencies asks whether calls of language models can hide under the latency:
// when more of the requests wait for one than a quantile leaves above it, that
// quantile is at least as long as a call.
func (e *evidence) dependencies(ctx context.Context) (outcome, error) {
	calls, seconds := 0.0, 0.0
	means := map[string]float64{}
	for _, r := range e.scores.Objectives {
		if r.Objective.Group == "llm" && r.Objective.Mean != nil {
			for _, row := range r.By {
				means[row.Labels.String()] = row.Value
			}
		}
	}
	for _, r := range e.scores.Objectives {
		if r.Objective.ID != "llm-requests" {
			continue
		}
		for _, row := range r.By {
			if mean, ok := means[row.Labels.String()]; ok && row.Value > 0 {
				calls, seconds = calls+row.Value, seconds+row.Value*mean
			}
		}
	}
	gained, err := e.serverRequests(ctx, e.run.Window)
	if err != nil || calls == 0 || sum(gained) == 0 {
		return outcome{}, err
	}
	share, mean := calls/sum(gained), seconds/calls
	said := fmt.Sprintf("%s calls of %s on average are %.1f %% of the requests", quantity(calls, ""), quantity(mean, "s"), 100*share)
	for _, p := range slices.Backward(e.percentiles) {
		if p.Server.Known() && p.Q < 1 && 1-p.Q <= share/2 && float64(p.Server) < mean*.75 {
			return outcome{slo.Warn, fmt.Sprintf("%s: if requests waited for them, p%g could not be %s; most are answered before the call ends", said, 100*p.Q, quantity(float64(p.Server), "s"))}, nil
		}
	}
	return outcome{slo.Pass, said}, nil
}

// prometheus passes on what Prometheus itself warned of.
func (e *evidence) prometheus(context.Context) (outcome, error) {
	warnings := e.warnings()
	if len(warnings) == 0 {
		return outcome{slo.Pass, "it warned of nothing"}, nil
	}
	return outcome{slo.Warn, fmt.Sprintf("it warned of %d things (see Warnings): %s", len(warnings), warnings[0])}, nil
}

// enumerate lists a few names as a sentence does.
func enumerate(names []string) string { return strings.Join(report.Few(names), "; ") }
