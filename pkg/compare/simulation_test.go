package compare_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/plumbline/plumbline/pkg/compare"
)

// simulated are the metrics of a simulated test: three quantiles of a histogram,
// which move together, and others.
var simulated = []compare.Metric{
	{ID: "latency-p50", Gating: true, Family: "latency"},
	{ID: "latency-p95", Gating: true, Family: "latency"},
	{ID: "latency-p99", Gating: true, Family: "latency"},
	{ID: "rps", Gating: true, Worse: compare.LowerIsWorse},
	{ID: "cpu", Gating: true},
	{ID: "error-rate", Gating: true, Ratio: true},
	{ID: "queue"},
	{ID: "memory"},
}

// A simulation draws runs of one build: log-normal noise between runs, and errors
// whose rate varies between runs too.
type simulation struct {
	rng  *rand.Rand
	sd   float64 // of ln(value) between runs
	wild float64 // share of values that are five times as noisy, upwards
}

func (s simulation) runs(side string, n int, slower float64) []compare.RunValues {
	list := make([]compare.RunValues, n)
	for i := range list {
		list[i] = compare.RunValues{Run: goodRun(fmt.Sprintf("%s-%d", side, i)), Values: s.values(slower)}
	}
	return list
}

func (s simulation) values(slower float64) map[string]compare.Value {
	common := s.noise(s.sd / math.Sqrt2)
	values := map[string]compare.Value{}
	for i, m := range simulated {
		v := float64(i+1) * s.noise(s.sd)
		if m.Family != "" {
			v = float64(i+1) * common * s.noise(s.sd/math.Sqrt2) * (1 + slower)
		}
		values[m.ID] = compare.Value{Value: v}
	}
	errors := s.poisson(20 * math.Exp(0.2*s.rng.NormFloat64()))
	values["error-rate"] = compare.Value{Value: errors / 10_000, Events: errors, Total: 10_000}
	return values
}

func (s simulation) noise(sd float64) float64 {
	z := s.rng.NormFloat64()
	if s.rng.Float64() < s.wild {
		z = 5 * math.Abs(z)
	}
	return math.Exp(sd * z)
}

func (s simulation) poisson(mean float64) float64 {
	n, product, limit := 0.0, s.rng.Float64(), math.Exp(-mean)
	for ; product > limit; n++ {
		product *= s.rng.Float64()
	}
	return n
}

// TestFalseAlarmsAndPower runs the whole procedure over builds that are the same,
// and over ones that answer 10 % slower.
func TestFalseAlarmsAndPower(t *testing.T) {
	const rounds = 600
	tests := []struct {
		name        string
		k, m        int
		sd, wild    float64
		slower      float64
		least, most float64 // share of comparisons that are called regressed
	}{
		{"same build, five against three", 5, 3, 0.02, 0, 0, 0, 0.04},
		{"same build, three against three", 3, 3, 0.02, 0, 0, 0, 0.05},
		{"same build, five against one", 5, 1, 0.02, 0, 0, 0, 0.05},
		{"same build, one against one", 1, 1, 0.02, 0, 0, 0, 0.05},
		{"same build, quieter than assumed", 5, 3, 0.005, 0, 0, 0, 0.04},
		{"same build, every tenth value wild", 3, 3, 0.02, 0.1, 0, 0, 0.05},
		{"10 % slower, five against three", 5, 3, 0.02, 0, 0.10, 0.85, 1},
		{"10 % slower, quiet", 5, 3, 0.012, 0, 0.10, 0.97, 1},
		{"10 % faster is no regression", 5, 3, 0.02, 0, -0.10, 0, 0.04},
	}
	for i, tt := range tests {
		s := simulation{rng: rand.New(rand.NewPCG(uint64(i), 1)), sd: tt.sd, wild: tt.wild}
		regressed := 0
		for range rounds {
			b := compare.Baseline{Runs: s.runs("b", tt.k, 0)}
			if compare.Compare(b, s.runs("c", tt.m, tt.slower), simulated, compare.Noise{}).Verdict == compare.Regressed {
				regressed++
			}
		}
		got := float64(regressed) / rounds
		t.Logf("%-40s regressed %5.1f %%", tt.name, 100*got)
		if got < tt.least || got > tt.most {
			t.Errorf("%s: got %.1f %% regressed, want %.0f to %.0f %%", tt.name, 100*got, 100*tt.least, 100*tt.most)
		}
	}
}

// TestBoundsHoldTheTruth: the true change lies below Low, or above High, in about 5 % each.
func TestBoundsHoldTheTruth(t *testing.T) {
	const rounds, truth = 2000, 0.03
	s := simulation{rng: rand.New(rand.NewPCG(7, 7)), sd: 0.02}
	below, above := 0, 0
	for range rounds {
		baseline, candidates := runs("b", 1, 1, 1, 1, 1), runs("c", 1, 1)
		for i := range baseline {
			baseline[i].Values["m"] = compare.Value{Value: s.noise(s.sd)}
		}
		for i := range candidates {
			candidates[i].Values["m"] = compare.Value{Value: (1 + truth) * s.noise(s.sd)}
		}
		d := only(compare.Metric{}, baseline, candidates)
		if d.High < truth {
			below++
		}
		if d.Low > truth {
			above++
		}
	}
	for what, n := range map[string]int{"too low": below, "too high": above} {
		if share := float64(n) / rounds; share < 0.03 || share > 0.06 {
			t.Errorf("%s: got %.1f %%, want about 5 %%", what, 100*share)
		}
	}
}

// TestDetectableChangesAreDetected in about four cases of five.
func TestDetectableChangesAreDetected(t *testing.T) {
	const rounds = 500
	s := simulation{rng: rand.New(rand.NewPCG(8, 8)), sd: 0.02}
	typical := 0.0
	for range 200 {
		c := compare.Compare(compare.Baseline{Runs: s.runs("b", 5, 0)}, s.runs("c", 3, 0), simulated, compare.Noise{})
		for _, d := range c.Deltas {
			if d.ID == "rps" {
				typical += d.Detectable / 200
			}
		}
	}
	seen := 0
	for range rounds {
		candidates := s.runs("c", 3, 0)
		for i := range candidates {
			v := candidates[i].Values["rps"].Value
			candidates[i].Values["rps"] = compare.Value{Value: v * (1 - typical)}
		}
		c := compare.Compare(compare.Baseline{Runs: s.runs("b", 5, 0)}, candidates, simulated, compare.Noise{})
		for _, d := range c.Deltas {
			if d.ID == "rps" && d.Verdict == compare.Regressed {
				seen++
			}
		}
	}
	if share := float64(seen) / rounds; share < 0.7 || share > 0.95 {
		t.Errorf("a change of %.1f %%: got it in %.0f %%, want about 80 %%", 100*typical, 100*share)
	}
}
