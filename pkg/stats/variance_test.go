package stats_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/plumbline/plumbline/pkg/stats"
)

// TestFitVariancePriorAsLimma takes the residual standard deviations and degrees
// of freedom that limma's test suite prints for eBayes on unequal degrees
// (tests/limma-Tests.Rout.save up to Bioconductor 3.18: $sigma, $df.residual),
// and the prior it prints for them ($df.prior 9.306153, $s2.prior 0.923179).
// mpmath on the formulas gives 9.30615315592051, 0.923178979680285.
func TestFitVariancePriorAsLimma(t *testing.T) {
	sigma := []float64{1.3425032, 0.4647155, 1.1993444, 0.9428569, 0.9421509}
	degrees := []float64{6, 6, 6, 6, 4}
	got := stats.FitVariancePrior(squares(sigma), degrees)
	if !near(got.DF, 9.30615315592051, 1e-9) || !near(got.Variance, 0.923178979680285, 1e-9) {
		t.Errorf("got %+v, want ν₀ 9.306153, s₀² 0.923179", got)
	}
}

func TestFitVariancePrior(t *testing.T) {
	// Noise between runs of six metrics, solved with mpmath.
	sd := []float64{0.012, 0.028, 0.055, 0.009, 0.020, 0.100}
	degrees := []float64{4, 4, 4, 2, 9, 4}
	want := stats.VariancePrior{Variance: 0.000434531067028193686, DF: 1.56218228209585}

	tests := []struct {
		name              string
		variances, degree []float64
		want              stats.VariancePrior
	}{
		{"six metrics", squares(sd), degrees, want},
		{
			"unusable ones are left out",
			append(squares(sd), nan, -1, math.Inf(1), 1, 1),
			append(slices.Clone(degrees), 4, 4, 4, 0, nan), want,
		},
		{
			"no more scatter than chance: one variance for all",
			[]float64{0.0004, 0.0004, 0.0004, 0.0004},
			[]float64{4, 4, 4, 4},
			// exp(ln 4e-4 − ψ(2) + ln 2), ψ(2) = 1 − γ
			stats.VariancePrior{Variance: 0.0004 * 2 * math.Exp(0.5772156649015329-1), DF: math.Inf(1)},
		},
		{"too few", []float64{1, 2}, []float64{4, 4}, stats.VariancePrior{Variance: nan, DF: nan}},
		{"none", nil, nil, stats.VariancePrior{Variance: nan, DF: nan}},
	}
	for _, tt := range tests {
		got := stats.FitVariancePrior(tt.variances, tt.degree)
		if !near(got.Variance, tt.want.Variance, 1e-9) || !near(got.DF, tt.want.DF, 1e-9) {
			t.Errorf("%s: got %+v, want %+v", tt.name, got, tt.want)
		}
	}
}

func TestFitVariancePriorStandsZeroVariances(t *testing.T) {
	got := stats.FitVariancePrior([]float64{0, 1, 2, 3, 4}, []float64{4, 4, 4, 4, 4})
	if !(got.Variance > 0 && got.DF > 0) || math.IsInf(got.Variance, 0) {
		t.Errorf("got %+v, want finite numbers above 0", got)
	}
}

// TestFitVariancePriorRecoversItsOwn draws variances from a known prior.
func TestFitVariancePriorRecoversItsOwn(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	const nu, s2, d, metrics = 6.0, 0.0009, 4.0, 20_000
	variances := make([]float64, metrics)
	for i := range variances {
		variances[i] = s2 * nu / chiSquared(rng, nu) * chiSquared(rng, d) / d
	}
	got := stats.FitVariancePrior(variances, slices.Repeat([]float64{d}, metrics))
	if !near(got.DF, nu, 0.06) || !near(got.Variance, s2, 0.02) {
		t.Errorf("got %+v, want about ν₀ %v, s₀² %v", got, nu, s2)
	}
}

func TestShrink(t *testing.T) {
	prior := stats.VariancePrior{Variance: 0.0004, DF: 1}
	tests := []struct {
		name         string
		prior        stats.VariancePrior
		variance, df float64
		want, nu     float64
	}{
		{"five runs", prior, 0.0009, 4, (0.0004 + 4*0.0009) / 5, 5},
		{"one run: the prior", prior, nan, 0, 0.0004, 1},
		{"no noise seen", prior, 0, 2, 0.0004 / 3, 3},
		{"certain prior", stats.VariancePrior{Variance: 0.0004, DF: math.Inf(1)}, 0.0009, 4, 0.0004, math.Inf(1)},
		{"capped prior", stats.VariancePrior{Variance: 0.0004, DF: math.Inf(1)}.Capped(10), 0.0018, 4, 0.0008, 14},
		{"no prior", stats.VariancePrior{}, 0.0009, 4, 0.0009, 4},
	}
	for _, tt := range tests {
		got, nu := tt.prior.Shrink(tt.variance, tt.df)
		if !near(got, tt.want, 1e-14) || !near(nu, tt.nu, 0) {
			t.Errorf("%s: got %v with %v degrees, want %v with %v", tt.name, got, nu, tt.want, tt.nu)
		}
	}
}

func squares(values []float64) []float64 {
	squared := make([]float64, len(values))
	for i, v := range values {
		squared[i] = v * v
	}
	return squared
}

func chiSquared(rng *rand.Rand, df float64) float64 {
	sum := 0.0
	for range int(df) {
		z := rng.NormFloat64()
		sum += z * z
	}
	return sum
}
