package stats

import (
	"math"
	"math/rand/v2"
	"testing"
)

// The mean of a normal sample is the simplest model there is; its interval by
// bootstrap must hold the truth as often as Student's does.
func TestBootstrapIntervalsHoldAMean(t *testing.T) {
	const runs = 500
	rng := rand.New(rand.NewPCG(3, 4))
	for _, n := range []int{8, 30} {
		held := 0
		for run := range runs {
			y := make([]float64, n)
			for i := range y {
				y[i] = 10 + rng.NormFloat64()
			}
			mean := Mean(y)
			predicted, residuals := make([]float64, n), make([]float64, n)
			for i := range y {
				predicted[i], residuals[i] = mean, y[i]-mean
			}
			var means []float64
			for _, p := range ResidualBootstrap(predicted, residuals, 1, 600, uint64(run), func(y []float64) []float64 { return []float64{Mean(y)} }) {
				means = append(means, p[0])
			}
			if low, high := BootstrapInterval(means, .95, float64(n-1)); low <= 10 && 10 <= high {
				held++
			}
		}
		if share := float64(held) / runs; share < .92 || share > .98 {
			t.Errorf("%d values: got intervals that hold the mean in %.3f of the samples, want .92 to .98", n, share)
		}
	}
}

func TestBootstrapIsSeededAndRefusesTooFew(t *testing.T) {
	draw := func(seed uint64) float64 {
		return ResidualBootstrap([]float64{0, 0, 0}, []float64{-1, 0, 1}, 1, 1, seed, func(y []float64) []float64 { return []float64{y[0] + 10*y[1] + 100*y[2]} })[0][0]
	}
	if draw(1) != draw(1) {
		t.Error("equal seeds gave different draws")
	}
	if draw(1) == draw(2) && draw(2) == draw(3) && draw(3) == draw(4) {
		t.Error("four seeds gave the same draw")
	}
	if got := ResidualBootstrap([]float64{1}, []float64{0}, 1, 10, 1, nil); got != nil {
		t.Errorf("one value and one parameter: got %v, want nothing", got)
	}
	if low, _ := BootstrapInterval(nil, .95, 5); !math.IsNaN(low) {
		t.Errorf("no draws: got %v, want NaN", low)
	}
}
