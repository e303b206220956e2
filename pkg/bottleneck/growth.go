package bottleneck

import (
	"context"
	"fmt"
	"math"
	"strings"

	"github.com/plumbline/plumbline/pkg/stats"
)

// growing finds memory that only ever rises: of replicas, which do the same, the
// fullest.
func growing(_ context.Context, e *exam) (found []Finding, _ error) {
	for _, s := range e.signals {
		if s.kind != memory {
			continue
		}
		var fullest line
		var of rise
		for _, l := range s.lines {
			if r, grows := e.rise(l); grows && r.last > of.last {
				fullest, of = l, r
			}
		}
		if of.last > 0 {
			found = append(found, e.growth(s, fullest, of))
		}
	}
	return found, nil
}

// A rise is growth that is no chance, by the line of Theil and Sen over the scored window.
type rise struct {
	first, last float64 // of that line
	slope       float64 // per second
	p           float64 // of Mann and Kendall
}

// rise tells whether a line grows all the time, and no more slowly towards the end:
// neither by the clock nor for each request that was served. Under a load that grows,
// memory that follows the load does the latter.
func (e *exam) rise(l line) (rise, bool) {
	var times, served, values []float64
	total := 0.0
	for i := e.from; i < e.to; i++ {
		if e.requests != nil {
			total += e.requests[i]
		}
		if v := l.values[i]; !math.IsNaN(v) {
			times, served, values = append(times, float64(i-e.from)*e.grid.Step.Seconds()), append(served, total), append(values, v)
		}
	}
	if len(values) < leastIntervals {
		return rise{}, false
	}
	trend := stats.MannKendall(values, 0)
	fit := stats.TheilSen(times, values, .95)
	r := rise{fit.At(times[0]), fit.At(times[len(times)-1]), fit.Slope, trend.P}
	grows := trend.P < growthP && trend.S > 0 && r.last-r.first > growthShare*r.first && fit.R2 > .5
	return r, grows && !levelsOff(times, values) && !(e.requests != nil && levelsOff(served, values))
}

func (e *exam) growth(s signal, l line, r rise) Finding {
	values := e.scored(l.values)
	perHour := r.slope * 3600
	f := Finding{
		ID: s.id, Component: s.component, Resource: s.resource, class: stock, strength: (r.last - r.first) / r.first, covers: above(s.share(l), fullShare), failed: s.failed,
		Symptom:         fmt.Sprintf("%s of %s grew from %s to %s during the test (%s an hour)", s.resource, named(s, l), quantity(values[0], s.unit), quantity(values[len(values)-1], s.unit), quantity(perHour, s.unit)),
		RootCause:       "what is stored is not given back while the load lasts: entries without an end of life, or a leak",
		Recommendations: []string{"Give what is stored a shorter life (TTL), or a bound", "Run a soak test of several hours: does it level off?", "Look for a leak with a heap profile"},
		Evidence:        []Evidence{e.evidence(s.query, l.values, above(l.values, math.Inf(1)), fmt.Sprintf("Theil–Sen slope %s an hour, Mann–Kendall p = %.2g", quantity(perHour, s.unit), r.p), fmt.Sprintf("growth below %s, or p above %g", percent(growthShare), growthP))},
	}
	if limit := s.limitOf(l); !math.IsNaN(limit) {
		left := math.Max(limit-r.last, 0) / r.slope
		if left < e.Window.Duration().Seconds() || r.last >= fullShare*limit {
			f.Severity = Medium
		}
		f.Impact = fmt.Sprintf("none yet: %s of its limit; at this pace it is reached in %s", percent(r.last/limit), seconds(left))
		f.improve = []Improvement{shorterLife(s, limit, r), partitioned(s, limit, r)}
	}
	return f
}

// levelsOff tells whether growth slows down over time or the requests served, as that
// of a heap or a cache that fills does: the second half grows at less than a share of
// the first half's pace.
func levelsOff(x, values []float64) bool {
	half := len(values) / 2
	before := stats.TheilSen(x[:half], values[:half], .95)
	after := stats.TheilSen(x[half:], values[half:], .95)
	return !(after.Slope > 0 && after.Slope >= keptPace*before.Slope)
}

// uneven finds replicas that do more than their share.
func uneven(_ context.Context, e *exam) (found []Finding, _ error) {
	for _, s := range e.signals {
		if s.kind != cpu {
			continue
		}
		for _, replicas := range s.byService() {
			if f, ok := e.imbalance(replicas); ok {
				found = append(found, f)
			}
		}
	}
	return found, nil
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
		improve: []Improvement{
			evenOut(s, limit, hottest, all),
			{Horizon: longTerm, Action: fmt.Sprintf("Give the heaviest requests replicas of %s of their own", s.component)},
		},
	}, true
}
