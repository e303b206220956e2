// Package compare says whether a service became better or worse: it holds the
// values of one or more candidate runs against those of a baseline, and says how
// sure the difference is.
//
// Runs of the same build differ far more from each other than the noise inside
// one of them suggests. So a run is one observation, and differences are judged
// by the noise between runs of one side, shrunk towards what is known of noise
// from elsewhere (Smyth 2004).
package compare

import (
	"cmp"
	"math"
	"slices"
	"strings"

	"github.com/plumbline/plumbline/pkg/run"
)

// The levels of the tests.
const (
	// Alpha is the chance of a false "regressed", and of a false "improved", over
	// all gating metrics together. One-sided bounds have confidence 1 − Alpha.
	Alpha = 0.05
	// FalseDiscoveryRate is the share of false ones among the metrics that do not
	// gate and are called regressed, or improved. Each must also pass at Alpha by itself.
	FalseDiscoveryRate = 0.10
	// missRate is the chance of missing the changes that Detectable and RunsNeeded speak of.
	missRate = 0.20
)

// DefaultTolerance is the relative change that is accepted where a metric does not say: 5 %.
const DefaultTolerance = 0.05

// DefaultNegligible is the change of a ratio that never matters where the metric
// does not say: 0.1 percentage points.
const DefaultNegligible = 0.001

// A Baseline is what candidates are held against: runs, or declared values.
type Baseline struct {
	Name string
	Runs []RunValues
	// Declared values by metric id, from a document. They count when there are no
	// runs, and give changes without significance.
	Declared map[string]float64
	// Notes are what should be known of how the runs were chosen.
	Notes []string
}

// RunValues are the values of one run, by metric id.
type RunValues struct {
	Run    run.Run
	Values map[string]Value
	// Problems are reasons against comparing this run that its Run does not tell,
	// such as a gap between scrapes.
	Problems []string
}

// A Value is what one run says of one metric, pooled over the run's window.
type Value struct {
	Value float64 // in the unit of the metric; NaN when the run has none
	// Events and Total are the counts behind a ratio. With a Total on all runs it is
	// compared as counts; Events left out are Value·Total. For other metrics, Events
	// is the number of events that the value counts, 0 when it does not count any:
	// its logarithm is taken to vary by at least 1/√Events.
	Events, Total float64
	// Dispersion is the overdispersion φ of a ratio's events over the intervals of
	// the run; 0 when it was not measured.
	Dispersion float64
}

// A Metric is what is compared, and what kind of change of it counts.
type Metric struct {
	ID    string
	Title string
	Unit  string
	Group string
	Worse Direction
	// Tolerance is the relative change that is accepted; 0 is [DefaultTolerance].
	// Of a ratio it is relative to its rarer side, so that 99.9 % good is held as
	// strictly as 0.1 % bad.
	Tolerance float64
	// Negligible is an absolute change, in the metric's unit, that never matters;
	// 0 is [DefaultNegligible] for ratios and none for others.
	Negligible float64
	Gating     bool // it decides the verdict of the comparison
	Ratio      bool // it is a share from 0 to 1
	// Family names metrics that are one question, such as the quantiles of one
	// histogram; "" is a family of its own.
	Family string
}

func (m Metric) tolerance() float64 {
	if m.Tolerance > 0 {
		return m.Tolerance
	}
	return DefaultTolerance
}

func (m Metric) negligible() float64 {
	if m.Negligible == 0 && m.Ratio {
		return DefaultNegligible
	}
	return m.Negligible
}

// A Comparison is a baseline against candidates, metric by metric.
type Comparison struct {
	Baseline string
	// Comparable is false when the runs can't be held against each other, or when
	// the baseline has declared values only; Reason says all that stands against it.
	Comparable bool
	Reason     string
	Deltas     []Delta // worst regressions first, then inconclusive, unchanged, improved
	Verdict    Verdict // by [Overall]

	BaselineRuns, CandidateRuns []string // ids of those that were compared
	// Notes are what should be known besides: how the baseline's runs were chosen,
	// and which runs were left out.
	Notes []string
}

// A Delta is the change of one metric. Numbers are NaN where there is no answer.
type Delta struct {
	Metric
	// Baseline and Actual are the pooled ratio where counts are compared. Elsewhere
	// they are the mean of the runs, in the scale that is tested (the geometric mean
	// on the logarithm).
	Baseline, Actual float64
	Change           float64 // Actual/Baseline − 1: −0.33 is 33 % less
	// Low and High bound the change from below and from above, each with
	// confidence 1 − Alpha: together they are its 90 % interval. They are infinite
	// where nothing bounds it.
	Low, High float64
	// P is the adjusted p-value of a change in the direction that was seen.
	P       float64
	Verdict Verdict
	Reason  string // why it is inconclusive, or what else should be known
	// RunsNeeded is the number of runs on each side that would likely settle an
	// inconclusive delta; 0 when that is not a matter of runs.
	RunsNeeded int
	// Detectable is the size of the smallest change for the worse, relative to the
	// baseline, that this comparison tells in four cases out of five.
	Detectable    float64
	LowConfidence bool // no run was repeated, and there is no history: the noise is assumed, not seen
	Constant      bool // every run has the same value

	effect float64 // above 0 for the worse, in the scale that is tested
}

// Compare holds candidates against a baseline. Runs of either side that can't be
// compared with any other are left out, as far as others are left.
//
// Runs that are not comparable, and declared values, give changes without
// significance, and every verdict is inconclusive. Otherwise each metric is
// measured on its own, the p-values are adjusted for the number of metrics, and
// each metric is judged:
//
//	regressed     p < level, and worse by more than half the tolerance
//	improved      p < level, and better by more than half the tolerance
//	unchanged     a change for the worse beyond the tolerance is excluded
//	inconclusive  else
func Compare(b Baseline, candidates []RunValues, metrics []Metric, noise Noise) Comparison {
	baseline, notes := leaveOut(b.Runs)
	b.Runs = baseline
	candidates, left := leaveOut(candidates)
	c := Comparison{
		Baseline: b.Name, BaselineRuns: ids(b.Runs), CandidateRuns: ids(candidates),
		Notes: slices.Concat(b.Notes, notes, left),
	}
	reasons := obstacles(b, candidates)
	c.Comparable = len(reasons) == 0
	c.Reason = strings.Join(reasons, "; ")
	if !c.Comparable {
		c.Deltas = changes(b, candidates, metrics, c.Reason)
		return c
	}
	findings := make([]finding, len(metrics))
	for i, m := range metrics {
		findings[i] = measure(m, b.Runs, candidates, noise)
	}
	adjust(findings)
	for _, f := range findings {
		c.Deltas = append(c.Deltas, f.judge())
	}
	c.Verdict = Overall(c.Deltas)
	sortDeltas(c.Deltas)
	return c
}

// changes are deltas that say by how much values differ, and not how sure that is.
func changes(b Baseline, candidates []RunValues, metrics []Metric, reason string) []Delta {
	deltas := make([]Delta, len(metrics))
	for i, m := range metrics {
		d := undecided(m)
		d.Baseline, d.Actual = typical(b.Runs, m), typical(candidates, m)
		if declared, ok := b.Declared[m.ID]; ok && len(b.Runs) == 0 {
			d.Baseline = declared
		}
		d.Change = relative(d.Baseline, d.Actual)
		d.Reason = reason
		deltas[i] = d
	}
	return deltas
}

func undecided(m Metric) Delta {
	nan := math.NaN()
	return Delta{
		Metric: m, Baseline: nan, Actual: nan, Change: nan,
		Low: nan, High: nan, P: nan, Detectable: nan, effect: nan,
	}
}

// Overall is the verdict of a comparison by its gating metrics: regressed when
// one of them regressed; else inconclusive when one of them is, since it may hide
// a regression; else improved when one of them improved; else unchanged. Where
// some metrics gate, the others have no say; those with the same value in every
// run never have one. When none has one, it is inconclusive.
func Overall(deltas []Delta) Verdict {
	gated := slices.ContainsFunc(deltas, func(d Delta) bool { return d.Gating })
	seen := map[Verdict]bool{}
	for _, d := range deltas {
		if d.Gating == gated && !d.Constant {
			seen[d.Verdict] = true
		}
	}
	for _, v := range []Verdict{Regressed, Inconclusive, Improved, Unchanged} {
		if seen[v] {
			return v
		}
	}
	return Inconclusive
}

// sortDeltas puts what needs attention first, and else keeps the order.
func sortDeltas(deltas []Delta) {
	rank := [...]int{Regressed: 0, Inconclusive: 1, Unchanged: 2, Improved: 3}
	slices.SortStableFunc(deltas, func(a, b Delta) int {
		if a.Verdict == Regressed && b.Verdict == Regressed {
			return cmp.Compare(b.effect, a.effect)
		}
		return rank[a.Verdict] - rank[b.Verdict]
	})
}

func ids(runs []RunValues) []string {
	list := make([]string, len(runs))
	for i, r := range runs {
		list[i] = r.Run.ID
	}
	return list
}
