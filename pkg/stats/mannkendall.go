package stats

import (
	"math"
	"slices"
)

// A Trend is the answer to whether values rise or fall over time.
type Trend struct {
	S          float64 // pairs that rise less those that fall
	Tau        float64 // S over the number of pairs, in [−1, 1]
	Variance   float64 // of S when there is no trend, corrected for ties alone
	Correction float64 // of the variance for serial correlation, as published
	Z          float64 // S in standard deviations, with the correction where it is above 1
	P          float64 // two-sided, of Z
	Slope      float64 // Sen's, per step
}

// MannKendall tests values at equal steps of time for a monotone trend (Mann
// 1945, Kendall 1975), with the correction of Hamed & Rao (1998) for serial
// correlation: the variance times
//
//	1 + 2/(n(n−1)(n−2)) · Σ (n−k)(n−k−1)(n−k−2)·ρ(k)
//
// over the lags k, up to maxLag (0: all), at which the ranks of the values less
// their Sen slope are correlated at 5 %. Rao et al. (2003) take three lags.
//
// A correction below 1 is given in the result and not used: negative correlation,
// as periodic load has it at some lags, would make a trend out of chance. NaN
// values are left out. With fewer than four values, or when none differ, all
// is NaN.
func MannKendall(values []float64, maxLag int) Trend {
	values = known(values)
	n := len(values)
	if n < 4 || slices.Max(values) == slices.Min(values) {
		return Trend{math.NaN(), math.NaN(), math.NaN(), math.NaN(), math.NaN(), math.NaN(), math.NaN()}
	}
	times := make([]float64, n)
	for i := range times {
		times[i] = float64(i + 1)
	}
	t := Trend{S: kendallS(values), Variance: kendallVariance(times, values)}
	t.Tau = t.S / (float64(n) * float64(n-1) / 2)
	t.Slope = Median(pairSlopes(times, values))
	rest := make([]float64, n)
	for i := range rest {
		rest[i] = values[i] - t.Slope*times[i]
	}
	t.Correction = hamedRao(rest, maxLag)
	t.Z = (t.S - sign(t.S)) / math.Sqrt(t.Variance*math.Max(t.Correction, 1))
	t.P = 2 * NormalCDF(-math.Abs(t.Z))
	return t
}

// hamedRao is the published correction of the variance of S. Values that are all
// equal once the trend is out of them are not correlated.
func hamedRao(detrended []float64, maxLag int) float64 {
	n := float64(len(detrended))
	rho := Autocorrelation(ranks(detrended))
	limit := NormalQuantile(.975) / math.Sqrt(n)
	sum := 0.0
	for k := 1; k < len(rho) && (maxLag == 0 || k <= maxLag); k++ {
		if math.Abs(rho[k]) > limit {
			lag := float64(k)
			sum += (n - lag) * (n - lag - 1) * (n - lag - 2) * rho[k]
		}
	}
	return 1 + 2*sum/(n*(n-1)*(n-2))
}

// kendallS is how many pairs rise less how many fall.
func kendallS(values []float64) (s float64) {
	for i := range values {
		for j := i + 1; j < len(values); j++ {
			s += sign(values[j] - values[i])
		}
	}
	return s
}

func sign(x float64) float64 {
	switch {
	case x > 0:
		return 1
	case x < 0:
		return -1
	}
	return 0
}
