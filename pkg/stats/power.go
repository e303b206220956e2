package stats

import "math"

// RunsNeeded is the number of runs on each of two sides with which a one-sided
// test at level alpha sees a difference of effect with a chance of 1−beta,
//
//	n ≥ 2(z_{1−α} + z_{1−β})²σ²/effect²
//
// when single runs vary with the standard deviation sigma, in the same unit. It
// is 0 when there is no such number: NaN, no effect, or levels outside (0, 1).
func RunsNeeded(sigma, effect, alpha, beta float64) int {
	z := NormalQuantile(1-alpha) + NormalQuantile(1-beta)
	n := math.Ceil(2 * z * z * sigma * sigma / (effect * effect))
	if !(n >= 1 && n < math.MaxInt32) {
		return 0
	}
	return int(n)
}
