package slo

import (
	"fmt"
	"math"
	"strings"

	"github.com/plumbline/plumbline/pkg/run"
)

// judge holds a measured row against its objective's bounds.
func (ms measurer) judge(r Result) Result {
	o := r.Objective
	r.Judged = o.Must != nil || o.Should != nil
	r.Verdict, r.Marginal, r.Reason = ms.verdict(r, o.Must, o.Should)
	r.Missed = ms.missed(r)
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
	return b.Holds(r.Value)
}

// missed is the bound that a failed or warned result did not keep.
func (ms measurer) missed(r Result) *Bound {
	bound := map[Verdict]*Bound{Fail: r.Objective.Must, Warn: r.Objective.Should}[r.Verdict]
	if bound == nil {
		return nil
	}
	abs, _ := bound.resolve(ms.baseline(r.Objective.ID))
	return &abs
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
	over := ms.whole
	if o := r.Objective; o.Quantile != nil || o.Mean != nil || o.Gauge != nil {
		over = ms.steady
	}
	if problems := ms.scope.Run.Generators.ProblemsIn(over); len(problems) > 0 {
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
