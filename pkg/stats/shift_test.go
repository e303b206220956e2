package stats_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/plumbline/plumbline/pkg/stats"
)

func TestHampel(t *testing.T) {
	tests := []struct {
		name   string
		values []float64
		half   int
		limit  float64
		want   []float64
	}{
		// All nine are in the window of the fifth: median 6, MAD 3, so 6 + 3·1.4826·3.
		{"an outlier in the middle", []float64{1, 2, 3, 4, 100, 6, 7, 8, 9}, 8, 3, []float64{1, 2, 3, 4, 19.343419966550418, 6, 7, 8, 9}},
		{"nothing out of line", []float64{1, 2, 3, 2, 1}, 2, 4, []float64{1, 2, 3, 2, 1}},
		{"windows without spread say nothing", []float64{1, 1, 9, 1, 1}, 2, 4, []float64{1, 1, 9, 1, 1}},
		{"a step is none", []float64{1, 1.1, 0.9, 1, 5, 5.1, 4.9, 5}, 2, 4, []float64{1, 1.1, 0.9, 1, 5, 5.1, 4.9, 5}},
		{"none", nil, 3, 4, []float64{}},
	}
	for _, tt := range tests {
		if diff := cmp.Diff(tt.want, stats.Hampel(tt.values, tt.half, tt.limit), cmpopts.EquateApprox(1e-12, 0)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
}

func TestStepNoise(t *testing.T) {
	tests := []struct {
		name   string
		values []float64
		want   float64
	}{
		{"differences 1 −2 3 −4, MAD 2.5", []float64{0, 1, -1, 2, -2}, 2.5 * stats.NormalMAD / math.Sqrt2},
		{"most differences equal: √π/2 · 4/8", []float64{0, 0, 0, 0, 4, 4, 4, 4, 4}, math.Sqrt(math.Pi) / 4},
		{"all the same", []float64{3, 3, 3}, 0},
		{"one", []float64{3}, nan},
	}
	for _, tt := range tests {
		if got := stats.StepNoise(tt.values); !near(got, tt.want, 1e-14) {
			t.Errorf("%s: got %v, want %v", tt.name, got, tt.want)
		}
	}
	r := rand.New(rand.NewPCG(5, 6))
	values := make([]float64, 20000)
	for i := range values {
		values[i] = 3*r.NormFloat64() + 100*float64(i/1000)
	}
	if got := stats.StepNoise(values); !near(got, 3, 0.03) {
		t.Errorf("noise of 3 with steps of 100: got %v", got)
	}
}

func TestEffectiveSize(t *testing.T) {
	tests := []struct {
		name   string
		values []float64
		want   float64
	}{
		{"1 2 3 4: ρ = 1.25/5", []float64{1, 2, 3, 4}, 4 * 0.75 / 1.25},
		{"to and fro is no less than independent", []float64{1, 2, 1, 2, 1, 2}, 6},
		{"constant", []float64{2, 2, 2}, 3},
		{"two", []float64{1, 2}, 2},
		{"none", nil, 0},
	}
	for _, tt := range tests {
		if got := stats.EffectiveSize(tt.values); !near(got, tt.want, 1e-14) {
			t.Errorf("%s: got %v, want %v", tt.name, got, tt.want)
		}
	}
	r := rand.New(rand.NewPCG(7, 8))
	values := make([]float64, 20000)
	for i := range values {
		values[i] = r.NormFloat64()
		if i > 0 {
			values[i] += 0.5 * values[i-1]
		}
	}
	if got := stats.EffectiveSize(values); !near(got, 20000.0/3, 0.05) { // (1 − ½)/(1 + ½)
		t.Errorf("an autoregressive process of ½: got %v of 20000, want a third", got)
	}
}

func TestStudentTest(t *testing.T) {
	// Student's own data (1908), R's t.test(extra ~ group, sleep, var.equal = TRUE).
	first := []float64{0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0}
	second := []float64{1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4}
	tests := []struct {
		name          string
		before, after []float64
		t, p          float64
	}{
		{"sleep", first, second, 1.8608, 0.07919},
		{"the other way", second, first, -1.8608, 0.07919},
		{"equal means", []float64{1, 3}, []float64{2, 2}, 0, 1},
		{"neither varies", []float64{1, 1}, []float64{2, 2}, math.Inf(1), 0},
		{"two values", []float64{1}, []float64{2}, nan, nan},
		{"an empty sample", nil, []float64{2, 3, 4}, nan, nan},
	}
	for _, tt := range tests {
		gotT, gotP := stats.StudentTest(tt.before, tt.after)
		if !near(gotT, tt.t, 3e-5) || !near(gotP, tt.p, 1e-4) {
			t.Errorf("%s: got t %v, p %v, want %v, %v", tt.name, gotT, gotP, tt.t, tt.p)
		}
	}
}

func TestWeightedT(t *testing.T) {
	tests := []struct {
		name          string
		before, after []float64
		want          float64
	}{
		// Weights 1 and ½: mean 4/3, variance 5/9, so (4/3)/√(5/18).
		{"the nearer counts more", []float64{0, 0}, []float64{1, 2}, 4.0 / 3 / math.Sqrt(5.0/18)},
		// Before, 3 is next to the change: mean (3 + ½)/1.5 = 7/3, variance 2·… = 4/9 + 16/9.
		{"before as well", []float64{1, 3}, []float64{5, 5}, (5 - 7.0/3) / math.Sqrt(20.0/9/2)},
		{"single values", []float64{1}, []float64{2, 4}, (8.0/3 - 1) / math.Sqrt(20.0/9/2)},
		{"equal", []float64{0, 0}, []float64{0, 0}, 0},
		{"neither varies", []float64{0, 0}, []float64{1, 1}, math.Inf(1)},
		{"an empty side", nil, []float64{1}, nan},
	}
	for _, tt := range tests {
		if got := stats.WeightedT(tt.before, tt.after); !near(got, tt.want, 1e-14) {
			t.Errorf("%s: got %v, want %v", tt.name, got, tt.want)
		}
	}
}

func TestHodgesLehmann(t *testing.T) {
	// Permeability of the human chorioamnion (Hollander & Wolfe 1973, p. 69), in R's
	// help on wilcox.test: the difference in location is 0.305.
	term := []float64{0.80, 0.83, 1.89, 1.04, 1.45, 1.38, 1.91, 1.64, 0.73, 1.46}
	early := []float64{1.15, 0.88, 0.90, 0.74, 1.21}
	if got := stats.HodgesLehmann(early, term); !near(got, 0.305, 1e-12) {
		t.Errorf("got %v, want 0.305", got)
	}
	if got := stats.HodgesLehmann(nil, term); !math.IsNaN(got) {
		t.Errorf("of an empty sample: got %v, want NaN", got)
	}
}
