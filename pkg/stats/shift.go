package stats

import "math"

// Hampel clips outliers (Hampel 1974; Davies & Gather 1993): a value further
// from the median of the window around it than limit·[NormalMAD]·[MAD] of that
// window is moved to that distance. The window reaches halfWidth values to
// either side, less at the ends. A window whose MAD is 0 says nothing of the
// spread and clips nothing.
func Hampel(values []float64, halfWidth int, limit float64) []float64 {
	clipped := make([]float64, len(values))
	for i, v := range values {
		window := values[max(0, i-halfWidth):min(len(values), i+halfWidth+1)]
		median, spread := Median(window), limit*NormalMAD*MAD(window)
		clipped[i] = v
		if spread > 0 {
			clipped[i] = max(median-spread, min(v, median+spread))
		}
	}
	return clipped
}

// StepNoise is the standard deviation of values around a level that may step
// now and then: NormalMAD·MAD(Δx)/√2 of the differences Δx of neighbours. Where
// most differences are equal, and so their MAD is 0, it is √(π/2)·mean|Δx|/√2, which
// estimates the same; so it is 0 only when all values are the same. It is NaN for
// fewer than two values.
func StepNoise(values []float64) float64 {
	if len(values) < 2 {
		return math.NaN()
	}
	steps := make([]float64, len(values)-1)
	for i := range steps {
		steps[i] = values[i+1] - values[i]
	}
	if spread := MAD(steps); spread != 0 {
		return NormalMAD * spread / math.Sqrt2
	}
	for i, s := range steps {
		steps[i] = math.Abs(s)
	}
	return math.Sqrt(math.Pi) / 2 * Mean(steps)
}

// EffectiveSize is how many independent values tell as much of the mean as these
// do: n(1−ρ)/(1+ρ) with ρ the autocorrelation at lag 1, not below 0 (Bayley &
// Hammersley 1946, for an autoregressive process of order 1). It lies in [1, n];
// it is n for constant values and for fewer than three.
func EffectiveSize(values []float64) float64 {
	n := float64(len(values))
	if n < 3 {
		return n
	}
	mean, squares, products := Mean(values), 0.0, 0.0
	for i, v := range values {
		squares += (v - mean) * (v - mean)
		if i > 0 {
			products += (v - mean) * (values[i-1] - mean)
		}
	}
	if squares == 0 {
		return n
	}
	rho := max(0, products/squares)
	return max(1, n*(1-rho)/(1+rho))
}

// StudentTest is Student's test of two samples of one variance: t of
// mean(after) − mean(before), and its two-sided p. When neither sample varies,
// t is ±Inf and p 0, or both means are equal, t is 0 and p 1. They are NaN when
// a sample is empty or there are fewer than three values.
func StudentTest(before, after []float64) (t, p float64) {
	n, m := float64(len(before)), float64(len(after))
	if n < 1 || m < 1 || n+m < 3 {
		return math.NaN(), math.NaN()
	}
	difference := Mean(after) - Mean(before)
	pooled := (squaresAround(before) + squaresAround(after)) / (n + m - 2)
	if difference == 0 {
		return 0, 1
	}
	t = difference / math.Sqrt(pooled*(1/n+1/m))
	return t, 2 * StudentCDF(-math.Abs(t), n+m-2)
}

// squaresAround is Σ(x − x̄)².
func squaresAround(values []float64) float64 {
	var m moments
	for _, v := range values {
		m.add(v)
	}
	return m.squares
}

// WeightedT is the statistic by which Mozilla's Perfherder finds changes
// (treeherder, perfalert; bug 879903): a t whose means give the value next to
// the change the full weight and fall off linearly to 1/n at the far end,
//
//	t = (ȳ_w − x̄_w)/√(s_x²/n + s_y²/m),  s² = Σ(x − x̄_w)²/(n−1)
//
// with before and after both in the order of time. Two samples that don't vary
// give ±Inf, or 0 when they are equal; an empty one gives NaN.
func WeightedT(before, after []float64) float64 {
	n, m := len(before), len(after)
	if n == 0 || m == 0 {
		return math.NaN()
	}
	x, varianceX := weighted(n, func(i int) float64 { return before[n-1-i] })
	y, varianceY := weighted(m, func(i int) float64 { return after[i] })
	if x == y {
		return 0
	}
	return (y - x) / math.Sqrt(varianceX/float64(n)+varianceY/float64(m))
}

// weighted is the mean of n values, the first of which counts most, and the
// variance around it; of one value it is 0.
func weighted(n int, at func(int) float64) (mean, variance float64) {
	sum, weights := 0.0, 0.0
	for i := range n {
		w := float64(n-i) / float64(n)
		sum += w * at(i)
		weights += w
	}
	mean = sum / weights
	if n < 2 {
		return mean, 0
	}
	for i := range n {
		variance += (at(i) - mean) * (at(i) - mean) / float64(n-1)
	}
	return mean, variance
}

// HodgesLehmann is by how much the values after lie above those before: the
// median of all differences between one of each (Hodges & Lehmann 1963), in the
// unit of the values. It is NaN when a sample is empty or a value is NaN. It takes
// time and memory of the product of the lengths.
func HodgesLehmann(before, after []float64) float64 {
	differences := make([]float64, 0, len(before)*len(after))
	for _, x := range before {
		for _, y := range after {
			differences = append(differences, y-x)
		}
	}
	return Median(differences)
}
