package compare

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/plumbline/plumbline/pkg/stats"
)

// A finding is what the runs say about one metric before it is judged. Effects
// are differences in the scale that is tested, near 0 about equal to relative
// changes; above 0 they are for the worse.
type finding struct {
	Delta // with all that is known without the p-values of the other metrics

	untestable bool // Reason says why
	se         float64
	nu         float64 // degrees of freedom of se
	low, high  float64 // one-sided bounds of the effect

	worse, better p // p-values of a change in either direction

	change      func(effect float64) float64 // the relative change that an effect is
	difference  float64                      // bound on the absolute change for the worse
	sigma       float64                      // of one run, in the scale of effects
	sigmaInUnit float64                      // of one run, in the metric's unit
	runs        int                          // on the side that has fewer
	level       float64                      // that adjusted p-values are held against
	tests       int                          // number of families that are tested together
}

// A p is a p-value, as it is and adjusted for the other metrics.
type p struct{ alone, adjusted float64 }

// below reports whether the change is significant: with the others, and alone.
func (p p) below(level float64) bool { return p.adjusted < level && p.alone < Alpha }

// measure compares one metric.
func measure(m Metric, baseline, candidates []RunValues, noise Noise) finding {
	f := finding{Delta: undecided(m)}
	f.Baseline, f.Actual = typical(baseline, m), typical(candidates, m)
	f.Change = relative(f.Baseline, f.Actual)

	kept, left := withValue(baseline, m)
	if _, missing := withValue(candidates, m); len(missing) > 0 {
		return f.without("no value in candidate run " + strings.Join(missing, ", "))
	}
	if len(kept) == 0 {
		return f.without("no value in the baseline")
	}
	if len(left) > 0 {
		f.note("baseline run " + strings.Join(left, ", ") + " left out: it has no value")
	}
	f.runs = min(len(kept), len(candidates))
	f.LowConfidence = len(kept) == 1 && len(candidates) == 1 && !noise.known(f.ID)
	if m.Ratio && counted(kept, m) && counted(candidates, m) {
		return f.byCounts(kept, candidates, noise)
	}
	return f.byValues(kept, candidates, noise)
}

// byValues compares one value per run, by Student's t on the logarithm or the
// log odds. The variance between runs is pooled over both sides and shrunk
// towards the prior (METHODS 3.1 to 3.3); the candidates' repeats tell as much
// about the noise as the baseline's, and one wild run among them widens it.
func (f finding) byValues(baseline, candidates []RunValues, noise Noise) finding {
	if why := f.varies(baseline, candidates); why != "" {
		return f.without(why)
	}
	scale := scaleOf(f.Metric)
	y, err := scale.values(baseline, f.Metric)
	if err != nil {
		return f.without(err.Error())
	}
	x, err := scale.values(candidates, f.Metric)
	if err != nil {
		return f.without(err.Error())
	}
	k, m := float64(len(y)), float64(len(x))
	within, df := pooledVariance(y, x)
	variance, nu := noise.prior(f.ID).Shrink(within, df)
	variance = max(variance, countingVariance(baseline, f.Metric))
	centre, mean := stats.Mean(x), stats.Mean(y)
	f.se, f.nu = math.Sqrt(variance*(1/m+1/k)), nu

	sign := f.Worse.sign()
	f.effect = sign * (centre - mean)
	f.worse.alone = stats.StudentCDF(-f.effect/f.se, nu)
	f.better.alone = stats.StudentCDF(f.effect/f.se, nu)
	reach := stats.StudentQuantile(1-Alpha, nu) * f.se
	f.low, f.high = f.effect-reach, f.effect+reach

	f.Baseline, f.Actual = scale.from(mean), scale.from(centre)
	f.Change = relative(f.Baseline, f.Actual)
	f.change = func(effect float64) float64 { return relative(f.Baseline, scale.from(mean+sign*effect)) }
	f.difference = math.Abs(f.Baseline) * sign * f.change(f.high)
	f.sigma = math.Sqrt(variance)
	f.sigmaInUnit = math.Abs(f.Baseline * f.change(f.sigma))
	return f
}

// varies says why values that do not vary can't be compared, and marks those
// that are the same on both sides.
func (f *finding) varies(baseline, candidates []RunValues) (why string) {
	first := baseline[0].Values[f.ID].Value
	same := func(r RunValues) bool { return r.Values[f.ID].Value == first }
	switch all := allOf(baseline, same); {
	case all && allOf(candidates, same):
		f.Constant = true
		return "every run has the same value, " + figure(first)
	case all && len(baseline) > 1:
		return fmt.Sprintf("every baseline run has the same value, %s: there is no noise to hold the change against", figure(first))
	}
	return ""
}

// figure writes a value with five digits: more say nothing to a reader.
func figure(v float64) string {
	const digits = 5
	short, err := strconv.ParseFloat(strconv.FormatFloat(v, 'g', digits, 64), 64)
	if err != nil {
		return fmt.Sprint(v)
	}
	return strconv.FormatFloat(short, 'f', -1, 64)
}

// without is the finding that a metric can't be tested.
func (f finding) without(why string) finding {
	f.untestable = true
	f.note(why)
	return f
}

// note adds to the reason.
func (f *finding) note(why string) {
	if f.Reason != "" {
		f.Reason += "; "
	}
	f.Reason += why
}

// A scale is one in which noise has about the same size everywhere.
type scale struct {
	to, from func(float64) float64
	domain   string
}

var (
	logarithm = scale{math.Log, math.Exp, "values above 0"}
	logOdds   = scale{
		to:     func(v float64) float64 { return math.Log(v / (1 - v)) },
		from:   func(y float64) float64 { return 1 / (1 + math.Exp(-y)) },
		domain: "ratios between 0 and 1",
	}
)

// values are the runs' values of a metric in the scale.
func (s scale) values(runs []RunValues, m Metric) ([]float64, error) {
	y := make([]float64, len(runs))
	for i, r := range runs {
		v := r.Values[m.ID].Value
		y[i] = s.to(v)
		if math.IsNaN(y[i]) || math.IsInf(y[i], 0) {
			return nil, fmt.Errorf("run %s has %g: only %s can be compared", r.Run.ID, v, s.domain)
		}
	}
	return y, nil
}

// scaleOf is the scale in which a metric is tested.
func scaleOf(m Metric) scale {
	if m.Ratio {
		return logOdds
	}
	return logarithm
}

// pooledVariance is the variance inside both sides, with its degrees of freedom.
func pooledVariance(sides ...[]float64) (variance, df float64) {
	sum := 0.0
	for _, values := range sides {
		if len(values) > 1 {
			sum += stats.Variance(values) * float64(len(values)-1)
			df += float64(len(values) - 1)
		}
	}
	return sum / df, df
}

// countingVariance is the least variance that the logarithm of a value has that
// rests on so many events: that of a Poisson count.
func countingVariance(runs []RunValues, m Metric) float64 {
	sum := 0.0
	for _, r := range runs {
		events := r.Values[m.ID].Events
		if !(events > 0) {
			return 0
		}
		sum += 1 / events
	}
	return sum / float64(len(runs))
}

// withValue parts the runs that have a value of a metric from the ids of those that have none.
func withValue(runs []RunValues, m Metric) (kept []RunValues, missing []string) {
	for _, r := range runs {
		v, ok := r.Values[m.ID]
		if !ok || math.IsNaN(v.Value) || math.IsInf(v.Value, 0) {
			missing = append(missing, r.Run.ID)
			continue
		}
		kept = append(kept, r)
	}
	return kept, missing
}

// typical is the middle of the values that the runs have of a metric: the pooled
// ratio of counts, else the mean.
func typical(runs []RunValues, m Metric) float64 {
	kept, _ := withValue(runs, m)
	if len(kept) == 0 {
		return math.NaN()
	}
	if m.Ratio && counted(kept, m) {
		c := pooled(kept, m)
		return c.Events / c.Trials
	}
	values := make([]float64, len(kept))
	for i, r := range kept {
		values[i] = r.Values[m.ID].Value
	}
	return stats.Mean(values)
}

// relative is the change from one value to another, by the first. No change of 0 is 0.
func relative(from, to float64) float64 {
	switch from {
	case to:
		return 0
	case 0:
		return math.NaN()
	}
	return (to - from) / math.Abs(from)
}

func allOf(runs []RunValues, holds func(RunValues) bool) bool {
	return !slices.ContainsFunc(runs, func(r RunValues) bool { return !holds(r) })
}
