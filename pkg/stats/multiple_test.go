package stats_test

import (
	"slices"
	"testing"

	"github.com/plumbline/plumbline/pkg/stats"
)

// benjaminiHochberg1995 are the 15 ordered p-values of Benjamini & Hochberg
// (1995), section 4.1, on rt-PA and APSAC after myocardial infarction.
var benjaminiHochberg1995 = []float64{
	0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344,
	0.0459, 0.3240, 0.4262, 0.5719, 0.6528, 0.7590, 1.000,
}

// TestRejectionsOfBenjaminiHochberg1995 holds the methods to what the paper says
// of its example: at 5 %, Hochberg's (and Holm's) procedure rejects three, the
// paper's own rejects the four smallest.
func TestRejectionsOfBenjaminiHochberg1995(t *testing.T) {
	tests := []struct {
		name   string
		adjust func([]float64) []float64
		want   int
	}{
		{"Holm", stats.Holm, 3},
		{"Hochberg", stats.Hochberg, 3},
		{"Benjamini–Hochberg", stats.BenjaminiHochberg, 4},
	}
	for _, tt := range tests {
		adjusted := tt.adjust(benjaminiHochberg1995)
		got := 0
		for i, p := range adjusted {
			if p <= 0.05 {
				got = i + 1
			}
		}
		if got != tt.want {
			t.Errorf("%s rejects %d, want %d: %v", tt.name, got, tt.want, adjusted)
		}
	}
}

func TestAdjustedValues(t *testing.T) {
	four := []float64{0.01, 0.04, 0.03, 0.005} // R: p.adjust(c(.01,.04,.03,.005), …)
	tests := []struct {
		name    string
		adjust  func([]float64) []float64
		p, want []float64
	}{
		{"Holm", stats.Holm, four, []float64{0.03, 0.06, 0.06, 0.02}},
		{"Hochberg", stats.Hochberg, four, []float64{0.03, 0.04, 0.04, 0.02}},
		{"BH", stats.BenjaminiHochberg, four, []float64{0.02, 0.04, 0.04, 0.02}},
		{"BH of the 4th of 15: 0.0095·15/4", stats.BenjaminiHochberg, benjaminiHochberg1995[:], nil},
		{"Holm: never above 1", stats.Holm, []float64{0.6, 0.7}, []float64{1, 1}},
		{"Hochberg: equal ones need no correction", stats.Hochberg, []float64{0.04, 0.04, 0.04}, []float64{0.04, 0.04, 0.04}},
		{"Holm: unknown is not counted", stats.Holm, []float64{nan, 0.02, 0.03}, []float64{nan, 0.04, 0.04}},
		{"Hochberg: unknown is not counted", stats.Hochberg, []float64{nan, 0.02, 0.03}, []float64{nan, 0.03, 0.03}},
		{"BH: unknown is not counted", stats.BenjaminiHochberg, []float64{nan, 0.02, 0.03}, []float64{nan, 0.03, 0.03}},
		{"one", stats.Holm, []float64{0.02}, []float64{0.02}},
		{"none", stats.BenjaminiHochberg, nil, []float64{}},
	}
	for _, tt := range tests {
		got := tt.adjust(tt.p)
		if tt.want == nil {
			got, tt.want = got[3:4], []float64{0.0095 * 15 / 4}
		}
		if !slices.EqualFunc(got, tt.want, func(a, b float64) bool { return near(a, b, 1e-12) }) {
			t.Errorf("%s: got %v, want %v", tt.name, got, tt.want)
		}
	}
}
