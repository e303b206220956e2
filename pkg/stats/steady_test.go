package stats_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/plumbline/plumbline/pkg/stats"
)

// batches makes samples whose batches of five have these means.
func batches(means ...float64) []float64 {
	var samples []float64
	for _, z := range means {
		samples = append(samples, z-2, z+2, z, z+1, z-1)
	}
	return samples
}

func TestMSER5(t *testing.T) {
	tests := []struct {
		name    string
		samples []float64
		want    int
	}{
		{"none", nil, 0},
		{"one", []float64{1}, 0},
		{"two batches are never cut", batches(100, 10), 0},
		// z = 9 1 2 1 2 1: d=0: 49.33/36 = 1.37; d=1: 1.2/25 = .048; d=2: 1/16 = .0625; d=3: .667/9 = .074.
		{"worked by hand: the first batch goes", batches(9, 1, 2, 1, 2, 1), 5},
		// z = 9 5 1 1 2 2: d=1: 10.8/25; d=2: 1/16 = .0625; d=3: .667/9 = .074.
		{"worked by hand: the first two go", batches(9, 5, 1, 1, 2, 2), 10},
		{"a ramp is cut by half, not more", batches(1, 2, 3, 4, 5, 6, 7, 8), 20},
		{"a constant is not cut", batches(3, 3, 3, 3, 3, 3), 0},
		{"warm-up from below", batches(1, 8, 9, 8, 9, 8, 9, 8, 9, 8), 5},
		{"samples that fill no batch are not looked at", append(batches(9, 1, 2, 1, 2, 1), 900, 900), 5},
		{"all unknown", slices.Repeat([]float64{nan}, 40), 0},
	}
	for _, tt := range tests {
		if got := stats.MSER5(tt.samples); got != tt.want {
			t.Errorf("%s: got %d, want %d", tt.name, got, tt.want)
		}
	}
}

// TestMSER5AgainstItsDefinition evaluates the formula as it is written.
func TestMSER5AgainstItsDefinition(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		samples := make([]float64, 15+rng.IntN(300))
		warmup := 1 + 60*rng.Float64()
		for i := range samples {
			samples[i] = 100 + 50*rng.NormFloat64()/10 + 80*math.Exp(-float64(i)/warmup)
		}
		if got, want := stats.MSER5(samples), definedMSER5(samples); got != want {
			t.Errorf("of %d samples: got %d, want %d", len(samples), got, want)
		}
	}
}

func definedMSER5(samples []float64) int {
	var z []float64
	for i := 0; i+5 <= len(samples); i += 5 {
		z = append(z, stats.Mean(samples[i:i+5]))
	}
	best, cut := math.Inf(1), 0
	for d := 0; d <= len(z)/2 && len(z)-d >= 2; d++ {
		mean, sum := stats.Mean(z[d:]), 0.0
		for _, v := range z[d:] {
			sum += (v - mean) * (v - mean)
		}
		if score := sum / float64((len(z)-d)*(len(z)-d)); score < best {
			best, cut = score, d
		}
	}
	return 5 * cut
}

func TestMSER5SkipsUnknownSamples(t *testing.T) {
	samples := batches(9, 1, 2, 1, 2, 1)
	samples[2], samples[12] = nan, nan // in the middle of their batches: the means stay
	if got := stats.MSER5(samples); got != 5 {
		t.Errorf("got %d, want 5", got)
	}
}

func TestWarmUp(t *testing.T) {
	throughput := batches(1, 8, 9, 8, 9, 8)
	latency := batches(9, 5, 1, 1, 2, 2)
	if got := stats.WarmUp(throughput, latency); got != 10 {
		t.Errorf("the later cut wins: got %d, want 10", got)
	}
	if got := stats.WarmUp(); got != 0 {
		t.Errorf("no series: got %d, want 0", got)
	}
	for n := range 60 {
		ramp := make([]float64, n)
		for i := range ramp {
			ramp[i] = float64(i)
		}
		if got := stats.WarmUp(ramp); got > n/2 {
			t.Errorf("a window of %d samples keeps half: got a cut of %d", n, got)
		}
	}
}

func TestHalfShift(t *testing.T) {
	tests := []struct {
		name    string
		samples []float64
		want    float64
	}{
		{"steady", []float64{10, 11, 10, 10, 10, 11}, 0},
		{"falling", []float64{12, 12, 10, 10}, 0.2},
		{"rising", []float64{9, 9, 10, 10}, -0.1},
		{"the odd one belongs to the second half", []float64{9, 10, 10}, -0.1},
		{"an outlier does not matter", []float64{10, 900, 10, 10, 10, 10}, 0},
		{"unknown samples are left out", []float64{nan, 11, 10, nan}, 0.1},
		{"nothing at all, all the time", []float64{0, 0, 0, 0}, 0},
		{"nothing most of the time", []float64{7, 0, 0, 0, 0, 0}, nan},
		{"died", []float64{5, 5, 0, 0}, nan},
		{"one sample", []float64{5}, nan},
		{"none", nil, nan},
		{"no known sample in a half", []float64{nan, nan, 1, 1}, nan},
	}
	for _, tt := range tests {
		if got := stats.HalfShift(tt.samples); !near(got, tt.want, 1e-12) && math.Abs(got-tt.want) > 1e-12 {
			t.Errorf("%s: got %v, want %v", tt.name, got, tt.want)
		}
	}
}
