package compare

import (
	"fmt"
	"math"

	"github.com/plumbline/plumbline/pkg/stats"
)

// adjust corrects the p-values for the number of metrics: Holm over the gating
// ones, Benjamini–Hochberg over the rest, for either direction apart (METHODS 3.5).
func adjust(findings []finding) {
	groups := []struct {
		gating bool
		level  float64
		method func([]float64) []float64
	}{
		{true, Alpha, stats.Holm},
		{false, FalseDiscoveryRate, stats.BenjaminiHochberg},
	}
	for _, g := range groups {
		families := familiesOf(findings, g.gating)
		for _, members := range families {
			for _, f := range members {
				f.level, f.tests = g.level, len(families)
			}
		}
		adjustFamilies(families, g.method, func(f *finding) *p { return &f.worse })
		adjustFamilies(families, g.method, func(f *finding) *p { return &f.better })
	}
}

// familiesOf are the testable findings that gate, or that do not, by family in
// order of their first members.
func familiesOf(findings []finding, gating bool) [][]*finding {
	var families [][]*finding
	place := map[string]int{}
	for i := range findings {
		f := &findings[i]
		if f.untestable || f.Gating != gating {
			continue
		}
		at, known := place[f.Family]
		if f.Family == "" || !known {
			at = len(families)
			families = append(families, nil)
			if f.Family != "" {
				place[f.Family] = at
			}
		}
		families[at] = append(families[at], f)
	}
	return families
}

// adjustFamilies adjusts in two steps. Inside a family, whose members move
// together, by Hochberg; the smallest of these is the p-value of the family, and
// the families are adjusted by method. A member counts when both it and its
// family do.
func adjustFamilies(families [][]*finding, method func([]float64) []float64, of func(*finding) *p) {
	smallest := make([]float64, len(families))
	for i, members := range families {
		alone := make([]float64, len(members))
		for j, f := range members {
			alone[j] = of(f).alone
		}
		smallest[i] = 1
		for j, adjusted := range stats.Hochberg(alone) {
			of(members[j]).adjusted = adjusted
			smallest[i] = min(smallest[i], adjusted)
		}
	}
	for i, family := range method(smallest) {
		for _, f := range families[i] {
			of(f).adjusted = max(of(f).adjusted, family)
		}
	}
}

// judge gives the delta its verdict, and all that depends on it.
func (f finding) judge() Delta {
	if f.untestable {
		return f.Delta
	}
	f.P = f.worse.adjusted
	if f.effect < 0 {
		f.P = f.better.adjusted
	}
	f.Low, f.High = f.change(f.low), f.change(f.high)
	if f.Low > f.High {
		f.Low, f.High = f.High, f.Low
	}
	f.Detectable = f.detectable()
	f.Verdict = f.verdict()
	switch {
	case f.Verdict == Inconclusive:
		f.RunsNeeded = f.runsNeeded()
		f.note(f.shortfall())
	case f.Verdict == Unchanged && !f.withinTolerance():
		f.note(fmt.Sprintf("at most %.2g worse in absolute terms, which is negligible", f.difference))
	case f.Verdict == Unchanged && f.low < -math.Log1p(f.tolerance()):
		f.note("not worse; whether it is better can't be told")
	}
	if f.LowConfidence {
		f.note("no run was repeated: the noise between runs is assumed, not measured")
	}
	return f.Delta
}

// verdict is the rule of METHODS 3.4. The unchanged are those that are surely
// not worse by more than the tolerance, or by no more than what is negligible.
func (f finding) verdict() Verdict {
	meaningful := math.Log1p(f.tolerance() / 2)
	switch {
	case f.worse.below(f.level) && f.effect > meaningful:
		return Regressed
	case f.better.below(f.level) && f.effect < -meaningful:
		return Improved
	case f.withinTolerance() || f.difference < f.negligible():
		return Unchanged
	}
	return Inconclusive
}

func (f finding) withinTolerance() bool { return f.high < math.Log1p(f.tolerance()) }

// detectable is the size of the relative change for the worse that is seen with
// a power of 80 % when it is the only one among the metrics.
func (f finding) detectable() float64 {
	level := min(Alpha, f.level/float64(f.tests))
	effect := f.se * (stats.StudentQuantile(1-level, f.nu) + stats.StudentQuantile(1-missRate, f.nu))
	return math.Abs(f.change(max(effect, math.Log1p(f.tolerance()/2))))
}

// runsNeeded is the number of runs on each side that would likely settle the
// delta: more than there are, and enough to see a change as large as the
// tolerance, or as what is negligible.
func (f finding) runsNeeded() int {
	n := stats.RunsNeeded(f.sigma, math.Log1p(f.tolerance()), Alpha, missRate)
	if few := stats.RunsNeeded(f.sigmaInUnit, f.negligible(), Alpha, missRate); few > 0 {
		n = min(n, few)
	}
	return max(n, f.runs+1)
}

// shortfall says what the comparison could not have seen.
func (f finding) shortfall() string {
	if math.IsNaN(f.Detectable) {
		return "too few events to tell"
	}
	return "too noisy to tell changes below " + Percent(f.Detectable)
}

// Percent writes a share as it stands in a sentence: with two digits, and what
// is less than a hundredth of a percent as that.
func Percent(share float64) string {
	switch {
	case share != 0 && math.Abs(share) < 1e-4:
		return "< 0.01 %"
	case math.Abs(share) >= 0.1:
		return fmt.Sprintf("%.0f %%", 100*share)
	}
	return fmt.Sprintf("%.2g %%", 100*share)
}
