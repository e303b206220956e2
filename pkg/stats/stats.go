// Package stats holds the statistics that the judges share: where a run becomes
// steady, how noisy runs are, and how sure a difference between them is.
//
// The functions are pure, keep their arguments as they are, and give NaN where
// there is no answer; none of them panics on empty or odd input.
package stats

import (
	"math"
	"slices"
)

// NormalMAD turns the [MAD] of a normal sample into an estimate of its standard
// deviation: 1/Φ⁻¹(3/4).
const NormalMAD = 1.482602218505602

// Median is the middle of the values, or the mean of the two in the middle, in
// the unit of the values. It is NaN when there are none or one of them is NaN.
func Median(values []float64) float64 { return Quantile(values, 0.5) }

// MAD is the median absolute deviation from the median, unscaled and in the
// unit of the values; times [NormalMAD] it estimates the standard deviation. It
// is NaN when there are no values or one of them is NaN, and 0 for one value.
func MAD(values []float64) float64 {
	median := Median(values)
	deviations := make([]float64, len(values))
	for i, v := range values {
		deviations[i] = math.Abs(v - median)
	}
	return Median(deviations)
}

// Quantile is the value below which a share q of the values lies, interpolated
// between the order statistics around rank 1 + (n−1)q: type 7 of Hyndman & Fan
// (1996), the default of R, NumPy and spreadsheets. It is NaN when there are no
// values, one of them is NaN, or q lies outside [0, 1].
func Quantile(values []float64, q float64) float64 {
	if len(values) == 0 || slices.ContainsFunc(values, math.IsNaN) || !(q >= 0 && q <= 1) {
		return math.NaN()
	}
	sorted := slices.Sorted(slices.Values(values))
	rank := q * float64(len(sorted)-1)
	below := int(rank)
	share := rank - float64(below)
	if share == 0 {
		return sorted[below]
	}
	return sorted[below]*(1-share) + sorted[below+1]*share
}

// Mean is the arithmetic mean, in the unit of the values; NaN when there are
// none or one of them is NaN.
func Mean(values []float64) float64 {
	sum := 0.0
	for _, v := range values {
		sum += v
	}
	return sum / float64(len(values))
}

// Variance is the unbiased variance Σ(x − x̄)²/(n−1), in the square of the unit
// of the values. It is NaN for fewer than two values or when one is NaN.
func Variance(values []float64) float64 {
	if len(values) < 2 {
		return math.NaN()
	}
	mean, sum := Mean(values), 0.0
	for _, v := range values {
		sum += (v - mean) * (v - mean)
	}
	return sum / float64(len(values)-1)
}
