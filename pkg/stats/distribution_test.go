package stats_test

import (
	"math"
	"testing"

	"github.com/plumbline/plumbline/pkg/stats"
)

func TestStudentCDF(t *testing.T) {
	tests := []struct {
		name        string
		t, nu, want float64
	}{
		// The density integrated numerically with mpmath, 25 digits.
		{"between whole degrees", 1.5, 3.7, 0.8932009153989933},
		{"far in the tail", -8, 5, 0.00024645333028622204},
		{"the other tail is its complement", 8, 5, 1 - 0.00024645333028622204},
		{"Cauchy: ½ + atan(1)/π", 1, 1, 0.75},
		{"the middle", 0, 4, 0.5},
		{"many degrees are normal", 1.959963984540054, math.Inf(1), 0.975},
		{"never", math.Inf(-1), 3, 0},
		{"always", math.Inf(1), 3, 1},
		{"no degrees", 1, 0, nan},
		{"unknown", nan, 3, nan},
		{"unknown degrees", 1, nan, nan},
	}
	for _, tt := range tests {
		if got := stats.StudentCDF(tt.t, tt.nu); !near(got, tt.want, 1e-12) {
			t.Errorf("%s: got %v, want %v", tt.name, got, tt.want)
		}
	}
}

func TestStudentQuantile(t *testing.T) {
	tests := []struct {
		name        string
		p, nu, want float64
	}{
		// Printed in every table of Student's t.
		{"95 %, 1 degree", 0.95, 1, 6.313752},
		{"95 %, 3 degrees", 0.95, 3, 2.353363},
		{"97.5 %, 4 degrees", 0.975, 4, 2.776445},
		{"99.5 %, 10 degrees", 0.995, 10, 3.169273},
		{"99.95 %, 30 degrees", 0.9995, 30, 3.645959},
		{"5 %, 3 degrees", 0.05, 3, -2.353363},
		{"normal", 0.95, math.Inf(1), 1.644854},
		{"the middle", 0.5, 2, 0},
		{"p = 0", 0, 2, math.Inf(-1)},
		{"p = 1", 1, 2, math.Inf(1)},
		{"p above 1", 1.5, 2, nan},
		{"no degrees", 0.9, 0, nan},
	}
	for _, tt := range tests {
		if got := stats.StudentQuantile(tt.p, tt.nu); !near(got, tt.want, 3e-7) {
			t.Errorf("%s: got %v, want %v", tt.name, got, tt.want)
		}
	}
}

func TestStudentQuantileInvertsCDF(t *testing.T) {
	for _, nu := range []float64{0.5, 1, 1.56, 3, 7.5, 12, 200, 501, 1e6} {
		for _, p := range []float64{1e-12, 0.001, 0.05, 0.3, 0.7, 0.95, 0.999} {
			if got := stats.StudentCDF(stats.StudentQuantile(p, nu), nu); !near(got, p, 2e-5) {
				t.Errorf("nu %v: got %v, want %v", nu, got, p)
			}
		}
	}
}

func TestTrigamma(t *testing.T) {
	tests := []struct{ x, want float64 }{
		{1, math.Pi * math.Pi / 6},
		{0.5, math.Pi * math.Pi / 2},
		{3.7, 0.31003785767003831910}, // mpmath
		{1000, 0.0010005001666666333}, // mpmath
		{0, nan},
		{-1.5, nan},
		{nan, nan},
	}
	for _, tt := range tests {
		if got := stats.Trigamma(tt.x); !near(got, tt.want, 1e-13) {
			t.Errorf("ψ′(%v): got %v, want %v", tt.x, got, tt.want)
		}
	}
}

func TestTrigammaInverse(t *testing.T) {
	tests := []struct{ y, want, tolerance float64 }{
		// limma's own test prints 1.000000e+06 NA 4.961687e-01 1.000001e-03 for the arguments 1e-6, NA, 5, 1e6.
		{1e-6, 1e6, 1e-6},
		{5, 0.496168734704106944893942, 1e-12}, // mpmath
		{1e6, 1.000001e-3, 1e-6},
		{math.Pi * math.Pi / 6, 1, 1e-12},
		{1e9, 1 / math.Sqrt(1e9), 1e-4},
		{0, math.Inf(1), 0},
		{-1, nan, 0},
		{nan, nan, 0},
	}
	for _, tt := range tests {
		if got := stats.TrigammaInverse(tt.y); !near(got, tt.want, tt.tolerance) {
			t.Errorf("of %v: got %v, want %v", tt.y, got, tt.want)
		}
	}
}
