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
	// Margin is half the interval of the line's height at the median x.
	Margin float64

	middleX, middleY float64 // medians: the line turns around them when its slope is uncertain
}

// NoLine is the line where there is no answer: all NaN.
func NoLine() Line {
	nan := math.NaN()
	return Line{nan, nan, nan, nan, nan, nan, nan, nan}
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
	return theilSen(x, y, confidence, false)
}

// TheilSenSeries is [TheilSen] for points in the order of time, whose errors
// depend on those before: the variance of S is widened by
//
//	1 + 2 Σ (1 − k/n)·ρx(k)·ρe(k)
//
// over the first lags k, up to which the ranks of the residuals are correlated, with
// ρx and ρe the correlations of the ranks of x and of the residuals (after Hamed &
// Rao 1998, whose x is time itself). It is never narrower than TheilSen.
func TheilSenSeries(x, y []float64, confidence float64) Line {
	return theilSen(x, y, confidence, true)
}

func theilSen(x, y []float64, confidence float64, serial bool) Line {
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
	ofSlope, ofHeight := 1.0, 1.0
	if serial {
		ofSlope = serialInflation(x, residuals)
		for k, rho := range positiveLags(ranks(residuals)) {
			ofHeight += 2 * (1 - float64(k+1)/float64(len(x))) * rho
		}
	}
	l.Low, l.High = slopeInterval(slopes, kendallVariance(x, y)*ofSlope, confidence)
	// A median's variance is π/2 times that of a mean.
	l.Margin = NormalQuantile((1+confidence)/2) * NormalMAD * MAD(residuals) * math.Sqrt(math.Pi/2*ofHeight/float64(len(x)))
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
	if !(confidence > 0 && confidence < 1) || !(variance >= 0) {
		return math.NaN(), math.NaN()
	}
	reach := NormalQuantile((1+confidence)/2) * math.Sqrt(variance)
	n := float64(len(sorted))
	upper := min(int(math.Round((n+reach)/2)), len(sorted)-1)
	lower := max(int(math.Round((n-reach)/2))-1, 0)
	return sorted[lower], sorted[upper]
}

// kendallVariance is the variance of Kendall's S between x and y when they are
// independent, with ties in both (Kendall 1975, eq. 4.4). Sen's (1968, eq. 2.6)
// is the same where only one of them has ties; where both have many, his falls below 0.
func kendallVariance(x, y []float64) float64 {
	n := float64(len(x))
	tx, ty := tieSums(x), tieSums(y)
	v := (n*(n-1)*(2*n+5) - tx[0] - ty[0]) / 18
	v += tx[1] * ty[1] / (2 * n * (n - 1))
	if n > 2 {
		v += tx[2] * ty[2] / (9 * n * (n - 1) * (n - 2))
	}
	return v
}

// tieSums are Σ t(t−1)(2t+5), Σ t(t−1) and Σ t(t−1)(t−2) over the groups of t equal values.
func tieSums(values []float64) (sums [3]float64) {
	sorted := slices.Sorted(slices.Values(values))
	for i := 0; i < len(sorted); {
		j := i
		for j < len(sorted) && sorted[j] == sorted[i] {
			j++
		}
		t := float64(j - i)
		sums[0] += t * (t - 1) * (2*t + 5)
		sums[1] += t * (t - 1)
		sums[2] += t * (t - 1) * (t - 2)
		i = j
	}
	return sums
}

// serialInflation is by how much serial correlation, present in x and in the
// residuals alike, widens the variance of S; see [TheilSenSeries].
func serialInflation(x, residuals []float64) float64 {
	n := float64(len(x))
	rx, re := Autocorrelation(ranks(x)), positiveLags(ranks(residuals))
	factor := 1.0
	for k, rho := range re {
		factor += 2 * (1 - float64(k+1)/n) * rx[k+1] * rho
	}
	return math.Max(factor, 1)
}

// positiveLags are the correlations from lag 1 up to the first that is not above
// 0 (Geyer 1992); none when that of lag 1 may be chance.
func positiveLags(values []float64) []float64 {
	rho := Autocorrelation(values)
	if len(rho) < 2 || !(rho[1] > NormalQuantile(.975)/math.Sqrt(float64(len(rho)))) {
		return nil
	}
	end := 1
	for end < len(rho) && rho[end] > 0 {
		end++
	}
	return rho[1:end]
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
