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

// The univariate example of James & Matteson (2014), "ecp: An R Package for
// Nonparametric Multiple Change Point Analysis of Multivariate Data", Journal of
// Statistical Software 62(7), section 4.1: of four hundred values that R draws after
// set.seed(250), E-divisive finds, counted from 1, the changes 201, 308 and 108, in
// this order.
func TestEnergySplitOnTheExampleOfEcp(t *testing.T) {
	normal := rNormals(250)
	values := make([]float64, 400)
	for i := range values {
		period := []struct{ mean, sd float64 }{{0, 1}, {0, 3}, {2, 1}, {2, 4}}[i/100]
		values[i] = period.mean + period.sd*normal()
	}
	before := math.Inf(1)
	for _, part := range []struct{ from, to, want int }{{1, 401, 201}, {201, 401, 308}, {1, 201, 108}} {
		cut, _, q := stats.EnergySplit(values[part.from-1 : part.to-1])
		if got := part.from + cut; got != part.want || q >= before {
			t.Errorf("from %d up to %d: got a cut at %d, q %v after %v, want %d and less than before", part.from, part.to, got, q, before, part.want)
		}
		before = q
	}
}

// rNormals gives what rnorm gives in R after set.seed: a Mersenne Twister
// (Matsumoto & Nishimura 1998), and the quantile of a number made of two of its own.
func rNormals(seed uint32) func() float64 {
	uniform := rUniforms(seed)
	return func() float64 {
		const fine = 1 << 27
		return stats.NormalQuantile((math.Floor(fine*uniform()) + uniform()) / fine)
	}
}

func rUniforms(seed uint32) func() float64 {
	const n, m = 624, 397
	scramble := func() uint32 { seed = 69069*seed + 1; return seed }
	for range 51 { // fifty to begin with, and the place in the state, which R sets itself
		scramble()
	}
	var state [n]uint32
	for i := range state {
		state[i] = scramble()
	}
	at := n
	return func() float64 {
		if at == n {
			for i := range state {
				y := state[i]&(1<<31) | state[(i+1)%n]&(1<<31-1)
				state[i] = state[(i+m)%n] ^ y>>1 ^ (y&1)*0x9908b0df
			}
			at = 0
		}
		y := state[at]
		at++
		y ^= y >> 11
		y ^= y << 7 & 0x9d2c5680
		y ^= y << 15 & 0xefc60000
		y ^= y >> 18
		return float64(y) * 0x1p-32
	}
}

// The first normals after set.seed(123), as they stand in many a text on R.
func TestNormalsOfR(t *testing.T) {
	normal := rNormals(123)
	for i, want := range []float64{-0.56047565, -0.23017749, 1.55870831, 0.07050839, 0.12928774} {
		if got := normal(); !near(got, want, 1e-7) {
			t.Errorf("normal %d: got %v, want %v", i+1, got, want)
		}
	}
}
