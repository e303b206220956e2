package bottleneck

import (
	"context"
	"fmt"
	"math"
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
		ID: c.metric + "/" + sp.name, Component: c.component, Resource: sp.name, class: dependency, strength: share, values: shares, covers: covers,
		Symptom:   fmt.Sprintf("calls of %s took %s on average, %s at the 99th percentile, and %s of the requests' time", sp.name, seconds(sp.all.Mean()), seconds(tail), percent(share)),
		RootCause: fmt.Sprintf("%s latency: its calls take %s on average, the slowest of a hundred more than %s", c.component, seconds(sp.all.Mean()), seconds(tail)),
		Recommendations: []string{fmt.Sprintf("Time out calls of %s: at %s, its 99th percentile, one call in a hundred is given up", sp.name, seconds(tail)),
			"Stop calling it for a while when it is slow (a circuit breaker)", "Keep answers that can be used again (a cache)"},
		Evidence: []Evidence{e.evidence(query, shares, covers, percent(share)+" of the requests' time", "below "+percent(dependShare)+" of the requests' time")},
		improve:  []Improvement{e.timeout(c, sp), withoutWait(fmt.Sprintf("Cache a quarter of the answers of %s", sp.name), "a quarter of its calls", share/4, mediumTerm)},
	}}
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
		a.strength += b.strength
		a.covers = either(a.covers, b.covers)
		a.improve = append(a.improve, b.improve[0])
		out[i] = a
	}
	return out
}
