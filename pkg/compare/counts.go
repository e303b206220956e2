package compare

import (
	"fmt"
	"math"
	"slices"

	"github.com/plumbline/plumbline/pkg/stats"
)

// byCounts compares a ratio by the counts behind it, with the conditional
// binomial test (METHODS 3.6), which stands rare and absent events.
func (f finding) byCounts(baseline, candidates []RunValues, noise Noise) finding {
	c := newCountComparison(f.Metric, baseline, candidates)
	phi, nu := c.dispersion(noise)
	c.test.Dispersion = phi

	f.effect, f.nu, f.change = c.sign*c.logRateRatio(), nu, c.change
	higher, lower := throughStudent(c.test.PHigher(), nu), throughStudent(c.test.PLower(), nu)
	alpha := stats.NormalCDF(-stats.StudentQuantile(1-Alpha, nu)) // bounds that agree with these p-values
	lowest, highest := c.test.RatioBounds(alpha)
	if c.sign > 0 {
		f.worse.alone, f.better.alone = higher, lower
		f.low, f.high = math.Log(lowest), math.Log(highest)
	} else {
		f.worse.alone, f.better.alone = lower, higher
		f.low, f.high = -math.Log(highest), -math.Log(lowest)
	}
	f.difference = c.worstDifference(alpha)
	f.se, f.sigma, f.sigmaInUnit = c.spread()
	if c.test.Baseline.Events+c.test.Candidate.Events == 0 {
		f.note(c.noEvents())
	}
	return f
}

// A countComparison counts events of a ratio on two sides. Of a ratio above one
// half it counts the complement: 99.9 % good is 0.1 % bad.
type countComparison struct {
	id         string
	test       stats.RateTest
	baseline   []Value // of each run; Events are those that are counted
	candidates []Value
	complement bool
	sign       float64 // +1 when more events are worse
}

func newCountComparison(m Metric, baseline, candidates []RunValues) countComparison {
	all := pooled(slices.Concat(baseline, candidates), m)
	c := countComparison{id: m.ID, complement: all.Events > all.Trials/2, sign: m.Worse.sign()}
	if c.complement {
		c.sign = -c.sign
	}
	c.test.Baseline, c.baseline = c.count(baseline, m)
	c.test.Candidate, c.candidates = c.count(candidates, m)
	return c
}

func (c countComparison) count(runs []RunValues, m Metric) (sum stats.Counts, each []Value) {
	for _, r := range runs {
		v := r.Values[m.ID]
		v.Events = v.events()
		if c.complement {
			v.Events = v.Total - v.Events
		}
		sum.Events += v.Events
		sum.Trials += v.Total
		each = append(each, v)
	}
	return sum, each
}

// dispersion is by how much the variance of the events exceeds that of
// independent ones, and the degrees of freedom with which that is known. It is
// the largest of: chance alone, 1; what was seen between the intervals inside
// the runs; what was seen between the runs of a side; and what the noise between
// runs that any metric has adds to the counts.
func (c countComparison) dispersion(noise Noise) (phi, nu float64) {
	k, m := float64(len(c.baseline)), float64(len(c.candidates))
	x, y := c.test.Candidate.Events, c.test.Baseline.Events
	phi = max(1, meanDispersion(slices.Concat(c.baseline, c.candidates)))
	if x+y > 0 {
		phi = max(phi, 1+noise.prior(c.id).Variance*(1/m+1/k)*x*y/(x+y))
	}
	between, df := c.dispersionBetweenRuns()
	if between > phi {
		return between, df
	}
	return phi, math.Inf(1)
}

// dispersionBetweenRuns is Pearson's χ² of the runs within each side, by its
// degrees of freedom; a side without events, or of one run, says nothing.
func (c countComparison) dispersionBetweenRuns() (phi, df float64) {
	var chi2 float64
	for _, side := range [][]Value{c.baseline, c.candidates} {
		var events, trials []float64
		for _, v := range side {
			events, trials = append(events, v.Events), append(trials, v.Total)
		}
		if x, d := stats.HeterogeneityChiSquared(events, trials); !math.IsNaN(x) {
			chi2, df = chi2+x, df+d
		}
	}
	if df == 0 {
		return math.NaN(), 0
	}
	return chi2 / df, df
}

// logRateRatio is ln of the candidate's rate of events by the baseline's. When
// one has none, half an event is added to each (Haldane 1956); when both have
// none, they are equal.
func (c countComparison) logRateRatio() float64 {
	x, y := c.test.Candidate.Events, c.test.Baseline.Events
	switch {
	case x+y == 0:
		return 0
	case x == 0 || y == 0:
		x, y = x+0.5, y+0.5
	}
	return math.Log(x / c.test.Candidate.Trials / (y / c.test.Baseline.Trials))
}

// change is the relative change of the metric when the rate of events changes by an effect.
func (c countComparison) change(effect float64) float64 {
	before := c.test.Baseline.Events / c.test.Baseline.Trials
	after := before * math.Exp(c.sign*effect)
	switch {
	case before == 0:
		return math.NaN() // relative to nothing
	case c.complement:
		return relative(1-before, max(0, 1-after))
	}
	return relative(before, after)
}

// worstDifference bounds how much worse the candidate's ratio is, in absolute
// terms: the exact bounds of the two shares joined as Newcombe (1998, Statistics
// in Medicine 17:873, method 10) joins score bounds. Without events on either
// side it is the rule of three, 3/N of the candidate.
func (c countComparison) worstDifference(alpha float64) float64 {
	worse, than := c.test.Candidate, c.test.Baseline
	if c.sign < 0 {
		worse, than = than, worse
	}
	phi := c.test.Dispersion
	_, high := stats.ShareBounds(worse.Events/phi, worse.Trials/phi, alpha)
	low, _ := stats.ShareBounds(than.Events/phi, than.Trials/phi, alpha)
	p, q := worse.Events/worse.Trials, than.Events/than.Trials
	return p - q + math.Hypot(high-p, q-low)
}

// spread is the standard error of the log rate ratio when the candidate has the
// baseline's rate, and the standard deviation of one run: of its log rate, and of
// its ratio. No events count as half a one.
func (c countComparison) spread() (se, sigma, sigmaInUnit float64) {
	phi, base, cand := c.test.Dispersion, c.test.Baseline, c.test.Candidate
	expected := max(base.Events, 0.5)
	se = math.Sqrt(phi * (1/expected + base.Trials/cand.Trials/expected))

	runs := float64(len(c.baseline) + len(c.candidates))
	events, trials := max(base.Events+cand.Events, 0.5)/runs, (base.Trials+cand.Trials)/runs
	share := events / trials
	return se, math.Sqrt(phi / events), math.Sqrt(phi * share * (1 - share) / trials)
}

// noEvents says what a comparison of nothing with nothing says.
func (c countComparison) noEvents() string {
	what := "no events"
	if c.complement {
		what = "nothing but events"
	}
	_, high := stats.ShareBounds(0, c.test.Candidate.Trials, Alpha)
	return fmt.Sprintf("%s in %.0f against %.0f: the candidate's ratio is within %.2g of that, at 95 %% confidence",
		what, c.test.Candidate.Trials, c.test.Baseline.Trials, high)
}

// throughStudent widens a p-value for a variance that is known with nu degrees
// of freedom only.
func throughStudent(p, nu float64) float64 {
	return stats.StudentCDF(stats.NormalQuantile(p), nu)
}

// meanDispersion is the mean over the values that have one, or 0.
func meanDispersion(values []Value) float64 {
	var known []float64
	for _, v := range values {
		if v.Dispersion > 0 {
			known = append(known, v.Dispersion)
		}
	}
	if len(known) == 0 {
		return 0
	}
	return stats.Mean(known)
}

// counted reports whether every run has possible counts of a metric.
func counted(runs []RunValues, m Metric) bool {
	return allOf(runs, func(r RunValues) bool {
		v := r.Values[m.ID]
		return v.Total > 0 && v.events() >= 0 && v.events() <= v.Total
	})
}

// events are the events of a ratio, worked out from its value when they were left out.
func (v Value) events() float64 {
	if v.Events == 0 {
		return math.Round(v.Value * v.Total)
	}
	return v.Events
}

func pooled(runs []RunValues, m Metric) stats.Counts {
	var sum stats.Counts
	for _, r := range runs {
		sum.Events += r.Values[m.ID].events()
		sum.Trials += r.Values[m.ID].Total
	}
	return sum
}
