package stats_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/plumbline/plumbline/pkg/stats"
)

func TestEnergySplit(t *testing.T) {
	tests := []struct {
		name   string
		values []float64
		cut    int
		end    int
		q      float64
	}{
		// Between the samples the mean distance is 1 and inside 0: 2·2/4 · 2·1.
		{"two levels", []float64{0, 0, 1, 1}, 2, 4, 2},
		// Up to the third 1 alone: 2·3/5 · 2·1; with what follows it is less.
		{"a level that comes back", []float64{0, 0, 1, 1, 1, 0, 0}, 2, 5, 2.4},
		{"two values", []float64{3, 7}, 1, 2, 4}, // 1·1/2 · 2·4
		{"one value", []float64{3}, 0, 0, nan},
		{"none", nil, 0, 0, nan},
		{"unknown", []float64{1, nan, 2}, 0, 0, nan},
	}
	for _, tt := range tests {
		cut, end, q := stats.EnergySplit(tt.values)
		if cut != tt.cut || end != tt.end || !near(q, tt.q, 1e-14) {
			t.Errorf("%s: got %d, %d, %v, want %d, %d, %v", tt.name, cut, end, q, tt.cut, tt.end, tt.q)
		}
	}
}

// TestEnergySplitByDefinition holds it to the sums as they stand in Matteson &
// James (2014), equations 5 to 7.
func TestEnergySplitByDefinition(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for range 100 {
		values := make([]float64, 2+r.IntN(20))
		for i := range values {
			values[i] = r.NormFloat64()
			if i > len(values)/2 {
				values[i] += 2
			}
		}
		best := math.Inf(-1)
		for tau := 1; tau < len(values); tau++ {
			for kappa := tau + 1; kappa <= len(values); kappa++ {
				best = max(best, energy(values[:tau], values[tau:kappa]))
			}
		}
		cut, end, q := stats.EnergySplit(values)
		if !near(q, best, 1e-9) || !near(energy(values[:cut], values[cut:end]), best, 1e-9) {
			t.Fatalf("%v: got %v at %d up to %d, want %v", values, q, cut, end, best)
		}
	}
}

func energy(x, y []float64) float64 {
	mean := func(a, b []float64, same bool) float64 {
		sum, pairs := 0.0, 0.0
		for i := range a {
			for j := range b {
				if same && j <= i {
					continue
				}
				sum += math.Abs(a[i] - b[j])
				pairs++
			}
		}
		return sum / max(pairs, 1)
	}
	n, m := float64(len(x)), float64(len(y))
	return m * n / (m + n) * (2*mean(x, y, false) - mean(x, x, true) - mean(y, y, true))
}
