package bottleneck

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/prometheus/common/model"

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
	if len(values) < leastIntervals {
		return Finding{}, false
	}
	times := make([]float64, len(values))
	for i := range times {
		times[i] = float64(i) * e.grid.Step.Seconds()
	}
	trend := stats.MannKendall(values, 0)
	fit := stats.TheilSen(times, values, .95)
	first, last := fit.At(0), fit.At(times[len(times)-1])
	if !(trend.P < growthP && trend.S > 0 && last-first > growthShare*first && fit.R2 > .5) || levelsOff(times, values) {
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
	if limit := s.limitOf(l); !math.IsNaN(limit) {
		left := (limit - last) / fit.Slope
		if left < e.Window.Duration().Seconds() {
			f.Severity = Medium
		}
		f.Impact = fmt.Sprintf("none yet: %s of its limit; at this pace it is reached in %s", percent(last/limit), seconds(left))
		f.improve = []Improvement{shorterLife(s, limit, first, last, fit.Slope)}
	}
	return f, true
}

// levelsOff tells whether growth slows down, as that of a heap or a cache that
// fills does: the second half grows at less than a share of the first half's pace.
func levelsOff(times, values []float64) bool {
	half := len(values) / 2
	before := stats.TheilSen(times[:half], values[:half], .95)
	after := stats.TheilSen(times[half:], values[half:], .95)
	return !(after.Slope > 0 && after.Slope >= keptPace*before.Slope)
}

// uneven finds replicas that do more than their share.
func uneven(_ context.Context, e *exam) (found []Finding, _ error) {
	for _, s := range e.signals {
		if s.kind != cpu {
			continue
		}
		for _, replicas := range byJob(s) {
			if f, ok := e.imbalance(replicas); ok {
				found = append(found, f)
			}
		}
	}
	return found, nil
}

// byJob parts a signal into those of each job: only replicas of one service are
// there to share its work.
func byJob(s signal) (parts []signal) {
	for _, l := range s.lines {
		i := slices.IndexFunc(parts, func(p signal) bool { return p.lines[0].labels.Get(model.JobLabel) == l.labels.Get(model.JobLabel) })
		if i < 0 {
			part := s
			part.lines = nil
			parts, i = append(parts, part), len(parts)
		}
		parts[i].lines = append(parts[i].lines, l)
	}
	return parts
}

func (e *exam) imbalance(s signal) (Finding, bool) {
	var means []float64
	for _, l := range s.lines {
		means = append(means, stats.Mean(e.scored(l.values)))
	}
	all := stats.Mean(means)
	l, hottest := e.hottest(s)
	limit := s.limitOf(l)
	if len(means) < 2 || !(hottest/all > unevenRatio) || !(hottest/limit >= unevenShare) {
		return Finding{}, false
	}
	var hot []string
	peak := 0.0
	for i, m := range means {
		if m/all > (1+unevenRatio)/2 {
			hot = append(hot, s.lines[i].name)
			peak = math.Max(peak, e.peak(s.share(s.lines[i])))
		}
	}
	return Finding{
		ID: s.id, Component: s.component, Resource: s.resource, class: imbalance, strength: hottest / all, covers: above(s.share(l), fullShare),
		Symptom:         fmt.Sprintf("%s peaked at %s on %d of %d (%s); the hottest uses %.2f times the mean", s.resource, percent(peak), len(hot), len(s.lines), strings.Join(hot, ", "), hottest/all),
		RootCause:       "uneven load: hot replicas handle more, or heavier, requests than the others, or do something beside them",
		Recommendations: []string{"Look at the load balancer's way of choosing: round-robin counts requests, not their weight", "Try least connections, or weights", "See what else the hot replicas do"},
		Evidence:        []Evidence{e.evidence(s.query, s.share(l), above(s.share(l), fullShare), fmt.Sprintf("%s against a mean of %s", percent(hottest/limit), percent(all/limit)), fmt.Sprintf("hottest below %.2f times the mean", unevenRatio))},
		improve:         []Improvement{evenOut(s, limit, hottest, all)},
	}, true
}
