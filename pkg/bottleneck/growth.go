package bottleneck

import (
	"context"
	"fmt"
	"math"

	"github.com/plumbline/plumbline/pkg/stats"
)

// growing finds memory that only ever rises.
func growing(_ context.Context, e *exam) (found []Finding, _ error) {
	for _, s := range e.signals {
		if s.kind != memory {
			continue
		}
		for _, l := range s.lines {
			if f, grows := e.growth(s, l); grows {
				found = append(found, f)
				break // its replicas do the same
			}
		}
	}
	return found, nil
}

func (e *exam) growth(s signal, l line) (Finding, bool) {
	values := e.scored(l.values)
	if len(values) < 8 {
		return Finding{}, false
	}
	times := make([]float64, len(values))
	for i := range times {
		times[i] = float64(i) * e.grid.Step.Seconds()
	}
	trend := stats.MannKendall(values, 0)
	fit := stats.TheilSen(times, values, .95)
	first, last := fit.At(0), fit.At(times[len(times)-1])
	if !(trend.P < growthP && trend.S > 0 && last-first > growthShare*first && fit.R2 > .5) {
		return Finding{}, false
	}
	perHour := fit.Slope * 3600
	f := Finding{
		ID: s.id, Component: s.component, Resource: s.resource, class: growth, strength: (last - first) / first, covers: above(s.share(l), fullShare),
		Symptom:         fmt.Sprintf("%s of %s grew from %s to %s during the test (%s an hour)", s.resource, named(s, l), quantity(values[0], s.unit), quantity(values[len(values)-1], s.unit), quantity(perHour, s.unit)),
		RootCause:       "what is stored is not given back while the load lasts: entries without an end of life, or a leak",
		Recommendations: []string{"Give what is stored a shorter life (TTL), or a bound", "Run a soak test of several hours: does it level off?", "Look for a leak with a heap profile"},
		Evidence:        []Evidence{e.evidence(s.query, l.values, above(l.values, math.Inf(1)), fmt.Sprintf("Theil–Sen slope %s an hour, Mann–Kendall p = %.2g", quantity(perHour, s.unit), trend.P), fmt.Sprintf("growth below %s, or p above %g", percent(growthShare), growthP))},
	}
	if !math.IsNaN(s.limit) {
		left := (s.limit - last) / fit.Slope
		f.Impact = fmt.Sprintf("none yet: %s of its limit; at this pace it is reached in %s", percent(last/s.limit), seconds(left))
		f.improve = []Improvement{shorterLife(s, first, last, fit.Slope)}
	}
	return f, true
}

// uneven finds replicas that do more than their share.
func uneven(_ context.Context, e *exam) (found []Finding, _ error) {
	for _, s := range e.signals {
		if s.kind != cpu || len(s.lines) < 2 || math.IsNaN(s.limit) {
			continue
		}
		var means []float64
		for _, l := range s.lines {
			means = append(means, stats.Mean(e.scored(l.values)))
		}
		all := stats.Mean(means)
		l, hottest := e.hottest(s)
		if !(hottest/all > unevenRatio) || hottest/s.limit < unevenShare {
			continue
		}
		hot, peak := 0, 0.0
		for i, m := range means {
			if m/all > (1+unevenRatio)/2 {
				hot++
				peak = math.Max(peak, e.peak(s.share(s.lines[i])))
			}
		}
		found = append(found, Finding{
			ID: s.id, Component: s.component, Resource: s.resource, class: imbalance, strength: hottest / all, covers: above(s.share(l), fullShare),
			Symptom:         fmt.Sprintf("%s peaked at %s on %d of %d; the hottest uses %.2f times the mean", s.resource, percent(peak), hot, len(s.lines), hottest/all),
			RootCause:       "uneven load: hot replicas handle more, or heavier, requests than the others",
			Recommendations: []string{"Look at the load balancer's way of choosing: round-robin counts requests, not their weight", "Try least connections, or weights"},
			Evidence:        []Evidence{e.evidence(s.query, s.share(l), above(s.share(l), fullShare), fmt.Sprintf("%s against a mean of %s", percent(hottest/s.limit), percent(all/s.limit)), fmt.Sprintf("hottest below %.2f times the mean", unevenRatio))},
			improve:         []Improvement{evenOut(s, hottest, all)},
		})
	}
	return found, nil
}
