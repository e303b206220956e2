package stats_test

import (
	"math"
	"testing"

	"github.com/plumbline/plumbline/pkg/stats"
)

// The example of Wikipedia's "Spearman's rank correlation coefficient": IQ and hours of television.
func TestRankCorrelationPublished(t *testing.T) {
	iq := []float64{106, 100, 86, 101, 99, 103, 97, 113, 112, 110}
	hours := []float64{7, 27, 2, 50, 28, 29, 20, 12, 6, 17}
	if got, want := stats.RankCorrelation(iq, hours), -29.0/165; math.Abs(got-want) > 1e-12 {
		t.Errorf("got %v, want −29/165 = %v", got, want)
	}
}

// The first-order formula, worked out by hand from the three pairwise correlations.
func TestPartialRankCorrelation(t *testing.T) {
	x, y, z := []float64{1, 2, 3, 4, 5}, []float64{2, 1, 4, 3, 5}, []float64{1, 3, 2, 5, 4}
	// r_xy = r_xz = 1 − 6·4/120 = .8, r_yz = 1 − 6·14/120 = .3
	want := (.8 - .8*.3) / math.Sqrt((1-.64)*(1-.09))
	if got := stats.PartialRankCorrelation(x, y, z); math.Abs(got-want) > 1e-12 {
		t.Errorf("got %v, want %v", got, want)
	}
	if got, want := stats.PartialRankCorrelation(x, y, []float64{1, 1, 1, 1, 1}), .8; math.Abs(got-want) > 1e-12 {
		t.Errorf("with a third that does not vary: got %v, want %v", got, want)
	}
	nan := math.NaN()
	if got := stats.PartialRankCorrelation(append(x, nan, 7), append(y, 7, 7), append(z, 7, nan)); math.Abs(got-want) > 1e-12 {
		t.Errorf("with gaps: got %v, want %v", got, want)
	}
	if got := stats.RankCorrelation([]float64{1, 2}, []float64{2, 1}); !math.IsNaN(got) {
		t.Errorf("of two pairs: got %v, want no answer", got)
	}
}
