package stats

import (
	"math"
	"math/rand/v2"
	"testing"
)

// The wanted values are those of hamed_rao_modification_test in pymannkendall 1.4.2
// (Hussain & Mahmud 2019), on the Nile.
func TestMannKendallWithHamedRaoOnTheNile(t *testing.T) {
	for _, c := range []struct {
		name             string
		maxLag           int
		correction, z, p float64
	}{
		{"all lags", 0, 2.1428983270987203, -2.8199791956451388, 0.0048026763101827324},
		{"three lags", 3, 2.5025778323535874, -2.609473498565488, 0.009068166970294039},
	} {
		got := MannKendall(nile, c.maxLag)
		for name, pair := range map[string][2]float64{
			"S": {got.S, -1387}, "variance": {got.Variance, 112728.33333333333}, "tau": {got.Tau, -0.2802020202020202}, "slope": {got.Slope, -2.6},
			"correction": {got.Correction, c.correction}, "Z": {got.Z, c.z}, "p": {got.P, c.p},
		} {
			if math.Abs(pair[0]/pair[1]-1) > 1e-9 {
				t.Errorf("%s, %s: got %v, want %v", c.name, name, pair[0], pair[1])
			}
		}
	}
}

// The lightness and the quality of tuna are an example of Hollander & Wolfe (1973,
// p. 187) and of R's help on cor.test: by rising lightness, T = 26 pairs of 36 rise,
// and tau is 0.4444444. The hundred steps are a test of MannKendall.jl.
func TestMannKendallAgainstHollanderWolfe(t *testing.T) {
	tuna := []float64{2.5, 4.0, 2.6, 3.6, 2.8, 3.1, 5.2, 5.0, 3.8}
	if got := MannKendall(tuna, 0); got.S != 26-(36-26) || math.Abs(got.Tau-.4444444) > 1e-7 {
		t.Errorf("tuna: got S %v and tau %v, want 16 and 0.4444444", got.S, got.Tau)
	}
	steps := make([]float64, 100)
	for i := range steps {
		steps[i] = float64(i + 1)
	}
	if got := MannKendall(steps, 0); got.S != 4950 || got.Variance != 112750 || math.Abs(got.Z-14.73869998208331) > 1e-12 {
		t.Errorf("steps: got S %v, variance %v and Z %v, want 4950, 112750 and 14.7387", got.S, got.Variance, got.Z)
	}
}

func TestMannKendallWithoutAnAnswer(t *testing.T) {
	for name, values := range map[string][]float64{"nothing": nil, "three values": {1, 2, 3}, "a constant": {5, 5, 5, 5, 5, 5}, "all unknown": {math.NaN(), math.NaN(), math.NaN(), math.NaN()}} {
		if got := MannKendall(values, 0); !math.IsNaN(got.P) {
			t.Errorf("%s: got p = %v, want NaN", name, got.P)
		}
	}
	if got := MannKendall([]float64{1, 2, 3, 4, 5, 6, 7, 8}, 0); got.Tau != 1 || !(got.P < .001) {
		t.Errorf("a straight line: got tau %v and p %v, want 1 and below .001", got.Tau, got.P)
	}
}

// Alternating values are correlated negatively: the published correction would
// shrink the variance and see trends everywhere. With positive correlation the
// test is known to stay liberal; uncorrected it alarms in about 30 of 100 series.
func TestMannKendallRarelySeesTrendsThatAreNone(t *testing.T) {
	const runs, n = 400, 60
	rng := rand.New(rand.NewPCG(1, 2))
	for _, c := range []struct{ memory, atMost float64 }{{-.6, .07}, {0, .08}, {.5, .16}} {
		alarms := 0
		for range runs {
			values, noise := make([]float64, n), 0.0
			for i := range values {
				noise = c.memory*noise + rng.NormFloat64()
				values[i] = noise
			}
			if MannKendall(values, 3).P < .05 {
				alarms++
			}
		}
		if share := float64(alarms) / runs; share > c.atMost {
			t.Errorf("memory %v: got trends in %.3f of the series that have none, want at most %v", c.memory, share, c.atMost)
		}
	}
}
