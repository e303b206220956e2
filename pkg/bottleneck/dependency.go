package bottleneck

import (
	"context"
	"fmt"
	"math"

	"github.com/plumbline/plumbline/pkg/stats"
)

// A call is a dependency with a histogram of how long its answers took.
type call struct{ metric, by, component string }

var calls = []call{
	{"llm_request_duration_seconds", "provider", "LLM API"},
	{"http_client_request_duration_seconds", "service", "Downstream service"},
	{"http_client_request_duration_seconds", "server_address", "Downstream service"},
}

// dependencies finds services downstream that take the requests' time.
func dependencies(ctx context.Context, e *exam) (found []Finding, _ error) {
	slow := e.latencyMissed()
	if e.seconds == nil || slow == nil {
		return nil, nil
	}
	for _, c := range calls {
		if !e.present[c.metric] && !e.present[c.metric+"_sum"] {
			continue
		}
		spent, err := e.spent(ctx, c.metric+"{"+ours+"}", c.by)
		if err != nil {
			return nil, err
		}
		for _, sp := range spent {
			if sp.name != "" {
				found = append(found, e.dependency(c, sp, slow)...)
			}
		}
	}
	return merged(found), nil
}

// latencyMissed are the objectives on latency that were missed; nil when none was.
func (e *exam) latencyMissed() (missed []Symptom) {
	for _, s := range e.Symptoms {
		if s.Kind == Latency {
			missed = append(missed, s)
		}
	}
	return missed
}

func (e *exam) dependency(c call, sp spend, slow []Symptom) []Finding {
	share := e.timeShare(sp.seconds)
	if share > besideShare && !e.awaited(sp) {
		return nil
	}
	tail := sp.all.Quantile(.99)
	beyond := slow[0]
	for _, s := range slow {
		if s.Limit > beyond.Limit {
			beyond = s
		}
	}
	if !(share >= dependShare || share >= dependShare/4 && tail > beyond.Limit) {
		return nil
	}
	shares := e.shares(sp.seconds)
	covers := above(shares, math.Min(dependShare, share)/2)
	query := fmt.Sprintf(`sum by (%s) (rate(%s_sum[%s]))`, c.by, c.metric, e.expand("$rate"))
	return []Finding{{
		ID: c.metric + "/" + sp.name, Component: c.component, Resource: sp.name, class: dependency, strength: math.Min(share, 1), values: shares, covers: covers, reach: e.reach(sp),
		slows:     e.slows(sp),
		Symptom:   fmt.Sprintf("calls of %s took %s on average, %s at the 99th percentile, and %s of the requests' time", sp.name, seconds(sp.all.Mean()), seconds(tail), percent(share)),
		RootCause: fmt.Sprintf("%s latency: its calls take %s on average, the slowest of a hundred more than %s", c.component, seconds(sp.all.Mean()), seconds(tail)),
		Recommendations: []string{fmt.Sprintf("Time out calls of %s: at %s, its 99th percentile, one call in a hundred is given up", sp.name, seconds(tail)),
			"Stop calling it for a while when it is slow (a circuit breaker)", "Keep answers that can be used again (a cache)"},
		Evidence: []Evidence{e.evidence(query, shares, covers, percent(share)+" of the requests' time", "below "+percent(dependShare)+" of the requests' time")},
		improve: []Improvement{e.timeout(c, sp), withoutWait(fmt.Sprintf("Cache a quarter of the answers of %s", sp.name), "a quarter of its calls", share/4, mediumTerm),
			withoutWait(fmt.Sprintf("Call %s in the background, and let clients come back for what it answers", sp.name), "its calls", share, longTerm)},
	}}
}

// awaited tells whether requests wait for calls that together take longer than
// the requests do: those of a request that calls several at once move with it,
// those that are made on the side don't.
func (e *exam) awaited(sp spend) bool {
	calls, requests := make([]float64, e.grid.N), make([]float64, e.grid.N)
	for i := range calls {
		calls[i], requests[i] = sp.seconds[i]/sp.counts[i], e.seconds[i]/e.requests[i]
	}
	return stats.PartialRankCorrelation(calls[e.from:e.to], requests[e.from:e.to], e.requests[e.from:e.to]) >= movesWith
}

// reach is the number of calls for each request: at most that share of the requests made one.
func (e *exam) reach(sp spend) float64 {
	calls, requests := 0.0, 0.0
	for i := e.from; i < e.to; i++ {
		calls, requests = calls+sp.counts[i], requests+e.requests[i]
	}
	return calls / requests
}

// slows tells what share of the requests calls of one kind take beyond a limit,
// each by itself.
func (e *exam) slows(sp spend) func(limit float64) float64 {
	return func(limit float64) float64 {
		within, _ := sp.all.FractionBelow(limit)
		return e.reach(sp) * (1 - within)
	}
}

// merged puts dependencies of one component into one finding: the largest, with the evidence of all.
func merged(found []Finding) (out []Finding) {
	for _, f := range found {
		i := -1
		for k := range out {
			if out[k].Component == f.Component {
				i = k
			}
		}
		if i < 0 {
			out = append(out, f)
			continue
		}
		a, b := out[i], f
		if b.strength > a.strength {
			a, b = b, a
		}
		a.Symptom += "; " + b.Symptom
		a.Resource += ", " + b.Resource
		a.Evidence = append(a.Evidence, b.Evidence...)
		a.strength = math.Min(a.strength+b.strength, 1)
		a.reach += b.reach
		one, other := a.slows, b.slows
		a.slows = func(limit float64) float64 { return one(limit) + other(limit) }
		a.covers = either(a.covers, b.covers)
		a.improve = append(a.improve, b.improve[0])
		out[i] = a
	}
	return out
}
