package stats

import (
	"math"
	"slices"
)

// A Line is y = Intercept + Slope·x, fitted so that outliers hardly move it.
type Line struct {
	Slope, Intercept float64
	// Low and High are the interval of the slope at the confidence asked for.
	Low, High float64
	// R2 is the share of the variance of y that the line accounts for: at most 1,
	// and below 0 where the mean would fit better.
	R2 float64

	middleX, middleY float64 // medians: the line turns around them when its slope is uncertain
}

// NoLine is the line where there is no answer: all NaN.
func NoLine() Line {
	nan := math.NaN()
	return Line{nan, nan, nan, nan, nan, nan, nan}
}

// At is the y of the line at x.
func (l Line) At(x float64) float64 { return l.Intercept + l.Slope*x }

// Turned is the line with another slope through the same medians, for what the
// ends of the slope's interval mean elsewhere.
func (l Line) Turned(slope float64) Line {
	l.Slope, l.Intercept = slope, l.middleY-slope*l.middleX
	return l
}

// TheilSen fits a line through the points (x[i], y[i]): its slope is the median
// of the slopes between all pairs with different x (Theil 1950, Sen 1968), its
// intercept median(y) − slope·median(x) (Conover 1980). The interval of the slope
// takes the order statistics that the variance of Kendall's S, with its ties,
// reaches (Sen 1968); it holds when the errors of the points are independent.
//
// Points with a NaN are left out. The line is [NoLine] with fewer than two
// different x. It takes time and memory in the square of the number of points.
func TheilSen(x, y []float64, confidence float64) Line {
	return theilSen(x, y, confidence, func(_, _ []float64) float64 { return 1 })
}

// TheilSenSeries is [TheilSen] for points in the order of time, whose errors
// depend on those before: the variance of S is widened by
//
//	1 + 2 Σ (1 − k/n)·ρx(k)·ρe(k)
//
// over the first lags k at which the ranks of the residuals are correlated, with
// ρx and ρe the correlations of the ranks of x and of the residuals (after Hamed &
// Rao 1998, whose x is time itself). It is never narrower than TheilSen.
func TheilSenSeries(x, y []float64, confidence float64) Line {
	return theilSen(x, y, confidence, serialInflation)
}

func theilSen(x, y []float64, confidence float64, inflation func(x, residuals []float64) float64) Line {
	x, y = knownPairs(x, y)
	slopes := pairSlopes(x, y)
	if len(slopes) == 0 {
		return NoLine()
	}
	slices.Sort(slopes)
	l := Line{Slope: medianOfSorted(slopes), middleX: Median(x), middleY: Median(y)}
	l.Intercept = l.middleY - l.Slope*l.middleX
	residuals := make([]float64, len(x))
	for i := range x {
		residuals[i] = y[i] - l.At(x[i])
	}
	l.R2 = 1 - sumOfSquares(residuals)/(Variance(y)*float64(len(y)-1))
	l.Low, l.High = slopeInterval(slopes, kendallVariance(x, y)*inflation(x, residuals), confidence)
	return l
}

// pairSlopes are the slopes between all points with different x.
func pairSlopes(x, y []float64) []float64 {
	slopes := make([]float64, 0, len(x)*(len(x)-1)/2)
	for i := range x {
		for j := i + 1; j < len(x); j++ {
			if x[i] != x[j] {
				slopes = append(slopes, (y[j]-y[i])/(x[j]-x[i]))
			}
		}
	}
	return slopes
}

// slopeInterval picks the order statistics of the slopes around their median.
func slopeInterval(sorted []float64, variance, confidence float64) (low, high float64) {
	if !(confidence > 0 && confidence < 1) {
		return math.NaN(), math.NaN()
	}
	reach := NormalQuantile((1+confidence)/2) * math.Sqrt(variance)
	n := float64(len(sorted))
	upper := min(int(math.Round((n+reach)/2)), len(sorted)-1)
	lower := max(int(math.Round((n-reach)/2))-1, 0)
	return sorted[lower], sorted[upper]
}

// kendallVariance is the variance of Kendall's S between x and y when they are
// independent, with the correction for ties in either (Sen 1968, eq. 2.6).
func kendallVariance(x, y []float64) float64 {
	n := float64(len(x))
	return (n*(n-1)*(2*n+5) - tieSum(x) - tieSum(y)) / 18
}

// tieSum is Σ t(t−1)(2t+5) over the groups of equal values.
func tieSum(values []float64) (sum float64) {
	sorted := slices.Sorted(slices.Values(values))
	for i := 0; i < len(sorted); {
		j := i
		for j < len(sorted) && sorted[j] == sorted[i] {
			j++
		}
		t := float64(j - i)
		sum += t * (t - 1) * (2*t + 5)
		i = j
	}
	return sum
}

// serialInflation is by how much serial correlation, present in x and in the
// residuals alike, widens the variance of S; see [TheilSenSeries].
func serialInflation(x, residuals []float64) float64 {
	n := float64(len(x))
	limit := NormalQuantile(.975) / math.Sqrt(n)
	rx, re := Autocorrelation(ranks(x)), Autocorrelation(ranks(residuals))
	factor := 1.0
	for k := 1; k < len(re) && re[k] > limit; k++ {
		factor += 2 * (1 - float64(k)/n) * rx[k] * re[k]
	}
	return math.Max(factor, 1)
}

// Autocorrelation is the correlation of the values with themselves k places
// later, for k = 0, 1, …, n−1, with the mean and variance of all of them (the
// usual biased estimate). It is all NaN when the values don't vary.
func Autocorrelation(values []float64) []float64 {
	mean := Mean(values)
	rho := make([]float64, len(values))
	for k := range values {
		for i := k; i < len(values); i++ {
			rho[k] += (values[i] - mean) * (values[i-k] - mean)
		}
	}
	for k := len(rho) - 1; k >= 0; k-- {
		rho[k] /= rho[0]
	}
	return rho
}

// ranks numbers the values from 1, the lowest; equal ones share their mean rank.
func ranks(values []float64) []float64 {
	order := make([]int, len(values))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int {
		switch {
		case values[a] < values[b]:
			return -1
		case values[a] > values[b]:
			return 1
		}
		return 0
	})
	out := make([]float64, len(values))
	for i := 0; i < len(order); {
		j := i
		for j < len(order) && values[order[j]] == values[order[i]] {
			j++
		}
		for _, at := range order[i:j] {
			out[at] = float64(i+j+1) / 2
		}
		i = j
	}
	return out
}

// knownPairs leaves out the points of which a coordinate is NaN or infinite, and
// what the longer slice has in excess.
func knownPairs(x, y []float64) (xs, ys []float64) {
	for i := range min(len(x), len(y)) {
		if sum := x[i] + y[i]; !math.IsNaN(sum) && !math.IsInf(sum, 0) {
			xs, ys = append(xs, x[i]), append(ys, y[i])
		}
	}
	return xs, ys
}

func medianOfSorted(sorted []float64) float64 {
	middle := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[middle]
	}
	return (sorted[middle-1] + sorted[middle]) / 2
}
