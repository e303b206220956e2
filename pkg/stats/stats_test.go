package stats

import (
	"math"
	"testing"
)

func near(t *testing.T, what string, got, want, within float64) {
	t.Helper()
	if !(math.Abs(got-want) <= within) {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}

func TestStudentAgreesWithTables(t *testing.T) {
	near(t, "t(.975, 4)", StudentQuantile(.975, 4), 2.776445, 1e-5)
	near(t, "t(.95, 10)", StudentQuantile(.95, 10), 1.812461, 1e-5)
	near(t, "P(t₄ > 2.776445)", StudentTail(2.776445, 4), .025, 1e-6)
	near(t, "z(.975)", NormalQuantile(.975), 1.959964, 1e-6)
}

// Benjamini & Hochberg 1995, section 3.2: fifteen p-values, of which Holm-like
// control at .05 rejects three and control of the false discovery rate four.
func TestAdjustmentsAgreeWithBenjaminiAndHochberg(t *testing.T) {
	ps := []float64{.0001, .0004, .0019, .0095, .0201, .0278, .0298, .0344, .0459, .3240, .4262, .5719, .6528, .7590, 1}
	holm, bh := Holm(ps), BenjaminiHochberg(ps)
	below := func(adjusted []float64) (n int) {
		for _, p := range adjusted {
			if p <= .05 {
				n++
			}
		}
		return n
	}
	if below(holm) != 3 || below(bh) != 4 {
		t.Errorf("got %d and %d rejections, want 3 and 4", below(holm), below(bh))
	}
	near(t, "Holm of the first", holm[0], .0015, 1e-12)
	near(t, "BH of the fourth", bh[3], .035625, 1e-9)
	near(t, "both of the last", holm[14]+bh[14], 2, 1e-12)
}

// Smyth 2004, equation 5, worked by hand: (4·0.04 + 2·0.10)/(4 + 2).
func TestShrink(t *testing.T) {
	v, nu := Shrink(.10, 2, .04, 4)
	near(t, "variance", v, .06, 1e-12)
	near(t, "degrees", nu, 6, 0)
	v, nu = Shrink(math.NaN(), 0, .04, 4)
	near(t, "variance of one run", v, .04, 0)
	near(t, "degrees of one run", nu, 4, 0)
}

// Bin(10, ½): P(X ≥ 8) = 56/1024, P(X = 8) = 45/1024.
func TestBinomialTail(t *testing.T) {
	near(t, "mid-p", BinomialTail(8, 10, .5), (11+45.0/2)/1024, 1e-9)
	near(t, "no events", BinomialTail(0, 0, .5), 1, 0)
	near(t, "all", BinomialTail(10, 10, .5), .5/1024, 1e-9)
}

func TestMeanVariance(t *testing.T) {
	m, v := MeanVariance([]float64{2, 4, 4, 4, 5, 5, 7, 9})
	near(t, "mean", m, 5, 0)
	near(t, "variance", v, 32.0/7, 1e-12)
	if _, v := MeanVariance([]float64{1}); !math.IsNaN(v) {
		t.Errorf("variance of one value: got %v, want NaN", v)
	}
}
