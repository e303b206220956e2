package compare

import (
	"math"

	"github.com/plumbline/plumbline/pkg/stats"
)

// maxPriorDF bounds the weight of history, so that the runs themselves always have a say.
const maxPriorDF = 10

// leastMetrics is how many metrics a prior is fitted to at the least: of fewer,
// the spread between their variances can't be told.
const leastMetrics = 10

// Without history, the noise between runs is taken for a standard deviation of
// 2 %, with the weight of one degree of freedom.
const (
	assumedSD = 0.02
	assumedDF = 1
)

// benchmarkSD is the noise between repeats of micro-benchmarks, with the weight of
// benchmarkDF degrees of freedom. Over 284 JMH benchmarks the standard deviations
// had a median of 1.2 % and upper quantiles of 2.8 % (75 %) and 5.5 % (90 %). Of the
// priors tried on noise like that, none found more changes at as few false alarms
// (BenchmarkNoise).
const (
	benchmarkSD = 0.016
	benchmarkDF = 2
)

// Noise is what is known of the noise between runs of the same build before the
// runs that are compared are looked at. The zero value is: nothing.
type Noise struct {
	// Prior is the variance between runs of ln(value), or of the log odds of
	// ratios, fitted to the history of all metrics (see [stats.FitVariancePrior]).
	// It counts as ten degrees of freedom at most. Zero or NaN is no history.
	Prior stats.VariancePrior
	// History is the variance of single metrics between earlier runs of one build,
	// by metric id, with its degrees of freedom. It is joined to the prior.
	History map[string]stats.VariancePrior
}

// MeasureNoise learns from groups of runs, each of one build: how each metric
// varied inside the groups, and from at least ten metrics the prior for all.
// Metrics that are compared as counts vary as counts do, and are left out.
func MeasureNoise(groups [][]RunValues, metrics []Metric) Noise {
	n := Noise{History: map[string]stats.VariancePrior{}}
	var variances, degrees []float64
	for _, m := range metrics {
		v, df := withinVariance(groups, m)
		if df == 0 || !(v > 0) {
			continue
		}
		n.History[m.ID] = stats.VariancePrior{Variance: v, DF: df}
		variances, degrees = append(variances, v), append(degrees, df)
	}
	if len(variances) >= leastMetrics {
		n.Prior = stats.FitVariancePrior(variances, degrees)
	}
	return n
}

// BenchmarkNoise is the noise to expect of values from elsewhere, such as repeats
// of micro-benchmarks: the prior that the runs themselves show when there are many
// metrics, else what is common. Nothing is known when no run was repeated.
func BenchmarkNoise(baseline, candidates []RunValues, metrics []Metric) Noise {
	if len(baseline)+len(candidates) < 3 {
		return Noise{}
	}
	if fitted := MeasureNoise([][]RunValues{baseline, candidates}, metrics).Prior; fitted.DF > 0 {
		return Noise{Prior: fitted}
	}
	return Noise{Prior: stats.VariancePrior{Variance: benchmarkSD * benchmarkSD, DF: benchmarkDF}}
}

// withinVariance pools the variance of a metric inside groups of runs, in the
// scale that is tested; runs without a value that has a place there are left out.
func withinVariance(groups [][]RunValues, m Metric) (variance, df float64) {
	sum := 0.0
	for _, runs := range groups {
		kept, _ := withValue(runs, m)
		if m.Ratio && len(kept) > 0 && counted(kept, m) {
			continue
		}
		var y []float64
		for _, r := range kept {
			if v := scaleOf(m).to(r.Values[m.ID].Value); !math.IsNaN(v) && !math.IsInf(v, 0) {
				y = append(y, v)
			}
		}
		if len(y) > 1 {
			sum += stats.Variance(y) * float64(len(y)-1)
			df += float64(len(y) - 1)
		}
	}
	return sum / df, df
}

// known reports whether anything is known of a metric's noise.
func (n Noise) known(id string) bool { return n.Prior.DF > 0 || n.History[id].DF > 0 }

// prior is what is expected of a metric's variance between runs: the measured or
// assumed prior, joined with the metric's own history.
func (n Noise) prior(id string) stats.VariancePrior {
	p := stats.VariancePrior{Variance: assumedSD * assumedSD, DF: assumedDF}
	if n.Prior.Variance > 0 && n.Prior.DF > 0 {
		p = n.Prior.Capped(maxPriorDF)
	}
	if h := n.History[id]; h.Variance > 0 && h.DF > 0 {
		p.Variance, p.DF = p.Shrink(h.Variance, h.DF)
	}
	return p.Capped(maxPriorDF)
}
