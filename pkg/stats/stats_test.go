package stats_test

import (
	"math"
	"testing"

	"github.com/plumbline/plumbline/pkg/stats"
)

var nan = math.NaN()

// near reports whether got is want within a relative tolerance; NaN is near NaN.
func near(got, want, tolerance float64) bool {
	if math.IsNaN(want) || math.IsInf(want, 0) || want == 0 {
		return got == want || math.IsNaN(got) && math.IsNaN(want)
	}
	return math.Abs(got-want) <= tolerance*math.Abs(want)
}

func TestQuantile(t *testing.T) {
	// Of type 7 by Hyndman & Fan: rank 1 + (n−1)q.
	tests := []struct {
		name   string
		values []float64
		q      float64
		want   float64
	}{
		{"a quarter of four, as R's quantile(1:4, 0.25)", []float64{1, 2, 3, 4}, 0.25, 1.75},
		{"p90 of ten, as R's quantile(1:10, 0.9)", []float64{10, 9, 8, 7, 6, 5, 4, 3, 2, 1}, 0.9, 9.1},
		{"the smallest", []float64{3, 1, 2}, 0, 1},
		{"the largest", []float64{3, 1, 2}, 1, 3},
		{"one value", []float64{7}, 0.3, 7},
		{"an infinite neighbour that has no share", []float64{1, 2, math.Inf(1)}, 0.5, 2},
		{"none", nil, 0.5, nan},
		{"one of them unknown", []float64{1, nan, 2}, 0.5, nan},
		{"q below 0", []float64{1, 2}, -0.1, nan},
		{"q above 1", []float64{1, 2}, 1.1, nan},
		{"q unknown", []float64{1, 2}, nan, nan},
	}
	for _, tt := range tests {
		if got := stats.Quantile(tt.values, tt.q); !near(got, tt.want, 1e-14) {
			t.Errorf("%s: got %v, want %v", tt.name, got, tt.want)
		}
	}
}

func TestMedianAndMAD(t *testing.T) {
	tests := []struct {
		name        string
		values      []float64
		median, mad float64
	}{
		{"R's mad(1:9), unscaled", []float64{1, 2, 3, 4, 5, 6, 7, 8, 9}, 5, 2},
		{"two in the middle", []float64{4, 1, 3, 2}, 2.5, 1},
		{"an outlier moves neither far", []float64{1, 1, 2, 2, 4, 6, 900}, 2, 1},
		{"one", []float64{3}, 3, 0},
		{"none", nil, nan, nan},
		{"unknown", []float64{1, nan}, nan, nan},
	}
	for _, tt := range tests {
		if got := stats.Median(tt.values); !near(got, tt.median, 0) {
			t.Errorf("%s: median: got %v, want %v", tt.name, got, tt.median)
		}
		if got := stats.MAD(tt.values); !near(got, tt.mad, 0) {
			t.Errorf("%s: MAD: got %v, want %v", tt.name, got, tt.mad)
		}
	}
	// R: mad(c(1:9)) is 2.965204 with its constant of 1.4826.
	if got := stats.NormalMAD * stats.MAD([]float64{1, 2, 3, 4, 5, 6, 7, 8, 9}); !near(got, 2.965204, 1e-6) {
		t.Errorf("scaled MAD: got %v, want 2.965204", got)
	}
}

func TestMeanAndVariance(t *testing.T) {
	tests := []struct {
		name           string
		values         []float64
		mean, variance float64
	}{
		{"four", []float64{2, 4, 4, 6}, 4, 8.0 / 3},
		{"one has no variance", []float64{2}, 2, nan},
		{"none", nil, nan, nan},
		{"far from 0 nothing cancels", []float64{1e9 + 1, 1e9 + 2, 1e9 + 3}, 1e9 + 2, 1},
	}
	for _, tt := range tests {
		if got := stats.Mean(tt.values); !near(got, tt.mean, 1e-15) {
			t.Errorf("%s: mean: got %v, want %v", tt.name, got, tt.mean)
		}
		if got := stats.Variance(tt.values); !near(got, tt.variance, 1e-12) {
			t.Errorf("%s: variance: got %v, want %v", tt.name, got, tt.variance)
		}
	}
}

func TestArgumentsAreKept(t *testing.T) {
	values := []float64{3, 1, 2}
	stats.Median(values)
	stats.MAD(values)
	stats.Holm(values)
	if values[0] != 3 || values[1] != 1 || values[2] != 2 {
		t.Errorf("got %v, want them as they were", values)
	}
}
