package trend

import (
	"math"

	"github.com/plumbline/plumbline/pkg/stats"
)

// How outliers are clipped, and the settings of robust.
const (
	clipHalfWidth  = shortestLevel - 1 // values on either side: five that agree are the most of the window, so a level and no outliers
	clipLimit      = 4                 // standard deviations beyond which it is one
	penaltyFactor  = 10                // of σ²·ln n for each change point
	shortestLevel  = 5                 // values
	leastShift     = 1                 // standard deviations between the medians
	leastChange    = 0.01              // relative
	leastStatistic = 5                 // of the means, with effective sample sizes
)

// robust is optimal partitioning made robust. The noise σ is taken from the
// differences of neighbours, which a step hardly touches, and cuts are made
// where each saves more than 10·σ²·ln n; then the weakest is dropped until every
// change is one that matters. Outliers must have been clipped.
func robust(clipped []float64) []candidate {
	noise := stats.StepNoise(clipped)
	if noise == 0 {
		return nil // all values are the same
	}
	penalty := penaltyFactor * noise * noise * math.Log(float64(len(clipped)))
	cuts := stats.Partition(clipped, penalty, shortestLevel)
	return prune(cuts, len(clipped), func(start, at, end int) (float64, float64) {
		return robustStrength(clipped[start:at], clipped[at:end])
	})
}

// robustStrength is how far a change exceeds what it must: the least of shift,
// relative change and statistic, each divided by its bound; below 1 it is dropped.
func robustStrength(before, after []float64) (strength, statistic float64) {
	from, to := stats.Median(before), stats.Median(after)
	spread := pooled(before, after, func(level []float64) float64 {
		sigma := stats.NormalMAD * stats.MAD(level)
		return sigma * sigma
	})
	statistic = ratio(math.Abs(stats.Mean(after)-stats.Mean(before)), math.Sqrt(
		stats.Variance(before)/stats.EffectiveSize(before)+stats.Variance(after)/stats.EffectiveSize(after)))
	strength = min(
		ratio(math.Abs(to-from), spread)/leastShift,
		magnitude(from, to)/leastChange,
		statistic/leastStatistic,
	)
	return strength, statistic
}
