package slo

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// cells is the length of a simulated run in intervals: that of half an hour.
const cells = 360

// wander is a stationary series of mean 0 and variance 1 in which each value
// remembers a share rho of the one before.
func wander(rng *rand.Rand, rho float64) []float64 {
	values := make([]float64, cells)
	last := rng.NormFloat64()
	for i := range values {
		last = rho*last + math.Sqrt(1-rho*rho)*rng.NormFloat64()
		values[i] = last
	}
	return values
}

func poisson(rng *rand.Rand, mean float64) float64 {
	if mean > 50 {
		return math.Max(math.Round(mean+math.Sqrt(mean)*rng.NormFloat64()), 0)
	}
	n, p := 0.0, rng.Float64()
	for limit := math.Exp(-mean); p > limit; n++ {
		p *= rng.Float64()
	}
	return n
}

// A simulation draws one run and gives its interval and the truth behind it.
type simulation func(rng *rand.Rand, rho float64) (low, high, truth float64)

// errors are 1 % of a hundred requests an interval; their rate wanders.
func errorsOf(rng *rand.Rand, rho float64) (low, high, truth float64) {
	const p, sway = .01, .5
	bad, all := make([]float64, cells), make([]float64, cells)
	for i, z := range wander(rng, rho) {
		all[i] = 200
		bad[i] = poisson(rng, all[i]*p*math.Exp(sway*z-sway*sway/2))
	}
	low, high = shareInterval(bad, all)
	return low, high, p
}

// means are of skewed times whose level wanders.
func meansOf(rng *rand.Rand, rho float64) (low, high, truth float64) {
	const mean = .2
	sums, counts := make([]float64, cells), make([]float64, cells)
	for i, z := range wander(rng, rho) {
		counts[i] = poisson(rng, 100)
		sums[i] = counts[i] * mean * (1 + .1*z + .05*rng.NormFloat64())
	}
	low, high = meanInterval(sums, counts, 0, cells)
	return low, high, mean
}

// p95s are of log-normal times whose level wanders. The interval is one of ranks,
// and so is the truth: the share of the values below it.
func p95sOf(rng *rand.Rand, rho float64) (low, high, truth float64) {
	const q, sigma, sway, perCell = .95, .5, .2, 20
	values := make([]float64, 0, cells*perCell)
	for _, z := range wander(rng, rho) {
		for range perCell {
			values = append(values, sway*z+sigma*rng.NormFloat64())
		}
	}
	sorted := slices.Sorted(slices.Values(values))
	measured, truly := sorted[int(q*float64(len(sorted)))], 1.6448536*math.Sqrt(sigma*sigma+sway*sway)
	below, all := make([]float64, cells), make([]float64, cells)
	for i, v := range values {
		all[i/perCell]++
		if v <= measured {
			below[i/perCell]++
		}
	}
	over := cut(0, cells)
	low, high = rankInterval(merged(below, over), merged(all, over), q)
	rank, _ := slices.BinarySearch(sorted, truly)
	return low, high, float64(rank) / float64(len(sorted))
}

// 95 % intervals hold the truth in 95 of 100 runs, whether intervals are
// independent or remember each other.
func TestIntervalsCoverTheTruth(t *testing.T) {
	for _, tt := range []struct {
		name string
		draw simulation
		runs int
	}{
		{"error rate", errorsOf, 1500},
		{"mean", meansOf, 1500},
		{"p95", p95sOf, 800},
	} {
		for _, rho := range []float64{0, .5, .8} {
			if testing.Short() && rho == .5 {
				continue // between the two others
			}
			rng := rand.New(rand.NewPCG(7, uint64(100*rho)))
			held, runs := 0, tt.runs
			for range runs {
				if low, high, truth := tt.draw(rng, rho); low <= truth && truth <= high {
					held++
				}
			}
			covered := float64(held) / float64(runs)
			t.Logf("%s, memory %v: %.1f %%", tt.name, rho, 100*covered)
			if covered < .93 || covered > .97 {
				t.Errorf("%s, memory %v: got %.1f %% of %d intervals holding the truth, want 93 to 97", tt.name, rho, 100*covered, runs)
			}
		}
	}
}
