package slo

import (
	"fmt"
	"math"
	"strings"

	"github.com/plumbline/plumbline/pkg/promql"
	"github.com/plumbline/plumbline/pkg/run"
)

// judge holds a measured row against its objective's bounds.
func (ms measurer) judge(r Result) Result {
	o := r.Objective
	r.Judged = o.Must != nil || o.Should != nil
	r.Verdict, r.Marginal, r.Reason = ms.verdict(r, o.Must, o.Should)
	if o.Target != nil {
		r.TargetJudged = true
		r.TargetVerdict, _, _ = ms.verdict(r, o.Target, nil)
	}
	return r
}

func (ms measurer) verdict(r Result, must, should *Bound) (v Verdict, marginal bool, reason string) {
	reason = r.Reason
	switch {
	case math.IsNaN(r.Value) && reason == "":
		return Inconclusive, false, "no data"
	case math.IsNaN(r.Value):
		return Inconclusive, false, reason
	case r.Coverage < minCoverage:
		return Inconclusive, false, fmt.Sprintf("scrapes cover %.0f %% of the window, and %.0f %% are needed", 100*r.Coverage, 100*minCoverage)
	}
	v = Pass
	for _, b := range []struct {
		bound     *Bound
		otherwise Verdict
	}{{should, Warn}, {must, Fail}} {
		if b.bound == nil {
			continue
		}
		abs, known := b.bound.resolve(ms.baseline(r.Objective.ID))
		if !known {
			return Inconclusive, false, fmt.Sprintf("%s: there is no baseline value", b.bound.Text)
		}
		if abs.within(r.Low, r.High) {
			marginal = true
		}
		if !keeps(r, abs) {
			v = b.otherwise
		}
	}
	if why := ms.distrust(r, v); why != "" && (must != nil || should != nil) {
		return Inconclusive, marginal, why
	}
	return v, marginal, reason
}

// keeps tells whether a value keeps a bound; at a bucket's edge a quantile is decided by counting.
func keeps(r Result, b Bound) bool {
	if r.below != nil && (b.op == "<" || b.op == "<=") {
		if share, exact := r.below(b.low); exact {
			return share >= r.Objective.Quantile.Q
		}
	}
	return b.holds(r.Value)
}

func (ms measurer) baseline(id string) float64 {
	if v, ok := ms.scope.Baseline[id]; ok {
		return v
	}
	return nan
}

// distrust is why a verdict can't stand: the load was not what it should have
// been. A failure that the service's own series show stands all the same.
func (ms measurer) distrust(r Result, v Verdict) string {
	ours := strings.Contains(r.Query, "loadgen_")
	if v == Fail && !ours {
		return ""
	}
	if problems := ms.scope.Run.Generators.Problems(); len(problems) > 0 {
		return "the load can't be trusted: " + problems[0]
	}
	switch ms.scope.Run.State {
	case run.Aborted:
		if v != Fail {
			return "the run was aborted: " + ms.scope.Run.Reason
		}
	case run.Running:
		if v != Fail {
			return "the run is still under way"
		}
	case run.Complete:
	}
	return ""
}

// z is the normal quantile of a two-sided 95 % interval.
const z = 1.959964

// wilson is the score interval of a proportion (Wilson 1927).
func wilson(p, n float64) (low, high float64) {
	center := (p + z*z/(2*n)) / (1 + z*z/n)
	half := z / (1 + z*z/n) * math.Sqrt(p*(1-p)/n+z*z/(4*n*n))
	return max(center-half, 0), min(center+half, 1)
}

// overdispersion is Pearson's χ² per degree of freedom of x events among n, interval by interval; at least 1.
func overdispersion(x, n []float64) float64 {
	events, all, busy := 0.0, 0.0, 0.0
	for i := range n {
		events, all = events+x[i], all+n[i]
		if n[i] > 0 {
			busy++
		}
	}
	p := events / all
	if busy < 2 || !(p > 0 && p < 1) {
		return 1
	}
	chi2 := 0.0
	for i := range n {
		if n[i] > 0 {
			chi2 += (x[i] - n[i]*p) * (x[i] - n[i]*p) / (n[i] * p * (1 - p))
		}
	}
	return max(chi2/(busy-1), 1)
}

// quantileInterval is the 95 % interval of a quantile by ranks q ± z·√(φq(1−q)/n), rounded out to bucket edges.
func quantileInterval(d promql.Distribution, parts []promql.Distribution, q, value float64) (low, high float64) {
	n := d.Count()
	if n == 0 || math.IsNaN(value) {
		return nan, nan
	}
	x, ns := make([]float64, len(parts)), make([]float64, len(parts))
	for i, p := range parts {
		ns[i] = p.Count()
		if ns[i] > 0 {
			x[i], _ = p.CountBelow(value)
		}
	}
	half := z * math.Sqrt(overdispersion(x, ns)*q*(1-q)/n)
	low, _ = d.Edges(max(q-half, 0)*n + 1)
	_, high = d.Edges(min(q+half, 1) * n)
	return min(low, value), max(high, value)
}
