package stats

import (
	"math"
	"math/rand/v2"
	"slices"
)

// ResidualBootstrap refits a model to its own predictions with residuals drawn
// from those there were (Efron 1979), draws times, and gives what each refit
// yields. The residuals are centred and widened by √(n/(n−parameters)), since a
// fit takes up that share of the noise. Equal seeds give equal draws. Refit
// gets a slice that it must not keep; a nil from it is left out.
func ResidualBootstrap(predicted, residuals []float64, parameters, draws int, seed uint64, refit func(y []float64) []float64) [][]float64 {
	n := len(residuals)
	if n <= parameters {
		return nil
	}
	widened, mean := make([]float64, n), Mean(residuals)
	scale := math.Sqrt(float64(n) / float64(n-parameters))
	for i, r := range residuals {
		widened[i] = (r - mean) * scale
	}
	rng := rand.New(rand.NewPCG(seed, 0x5ca1ab1e)) //nolint:gosec // resampling, not secrets
	y, out := make([]float64, n), make([][]float64, 0, draws)
	for range draws {
		for i := range y {
			y[i] = predicted[i] + widened[rng.IntN(n)]
		}
		if p := refit(y); p != nil {
			out = append(out, p)
		}
	}
	return out
}

// BootstrapInterval is the middle share, such as .95, of what the draws of a
// bootstrap gave for one figure, expanded for few degrees of freedom: its ends are
// the quantiles Φ(±t) with Student's t for them (Hesterberg 2015). Infinite draws
// are values like others. It is NaN without draws.
func BootstrapInterval(draws []float64, share, freedom float64) (low, high float64) {
	draws = known(draws)
	if len(draws) == 0 || !(freedom > 0) {
		return math.NaN(), math.NaN()
	}
	slices.Sort(draws)
	tail := NormalCDF(StudentQuantile((1-share)/2, freedom))
	rank := tail * float64(len(draws))
	at := min(max(int(rank), 0), len(draws)-1)
	return draws[at], draws[len(draws)-1-at]
}
