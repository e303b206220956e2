package stats

import (
	"math"
	"testing"
)

// The wanted values are those of scipy.optimize.nnls 1.10.1; the third example
// is the one of its documentation.
func TestNonNegativeLeastSquaresAgainstSciPy(t *testing.T) {
	usl := [][]float64{{1, 0, 0}, {1, 1, 2}, {1, 3, 12}, {1, 7, 56}, {1, 15, 240}}
	for _, c := range []struct {
		name    string
		a       [][]float64
		b, want []float64
	}{
		{"all positive", usl, []float64{1, 1.1, 1.5, 1.6, 3.1}, []float64{1.06932321, 0.05363694, 0.00502846}},
		{"one held at zero", usl, []float64{1, 1.5, 2.2, 2.9, 3.1}, []float64{1.46693548, 0.12943548, 0}},
		{"all held at zero", [][]float64{{1, 2}, {3, 4}, {5, 6}}, []float64{1, -1, 0}, []float64{0, 0}},
		{"two columns", [][]float64{{1, 2}, {3, 4}, {5, 6}}, []float64{7, 8, 9}, []float64{0, 1.78571429}},
	} {
		got := NonNegativeLeastSquares(c.a, c.b)
		for k, want := range c.want {
			if math.Abs(got[k]-want) > 1e-8 {
				t.Errorf("%s: got %v, want %v", c.name, got, c.want)
				break
			}
		}
	}
	for name, a := range map[string][][]float64{"no rows": nil, "no columns": {{}}, "fewer rows than columns": {{1, 2}}} {
		if got := NonNegativeLeastSquares(a, make([]float64, len(a))); got != nil {
			t.Errorf("%s: got %v, want nil", name, got)
		}
	}
}

// Misra1a of NIST's Statistical Reference Datasets, y = b1·(1 − exp(−b2·x)), from
// the harder of the two starts; certified to eleven digits.
func TestFitOnNISTMisra1a(t *testing.T) {
	x := []float64{77.6, 114.9, 141.1, 190.8, 239.9, 289.0, 332.8, 378.4, 434.8, 477.3, 536.8, 593.1, 689.1, 760.0}
	y := []float64{10.07, 14.73, 17.94, 23.93, 29.61, 35.18, 40.02, 44.82, 50.76, 55.05, 61.01, 66.40, 75.47, 81.78}
	fit := FitNonNegative([]float64{500, .0001}, len(x), func(p, r []float64) {
		for i := range r {
			r[i] = p[0]*(1-math.Exp(-p[1]*x[i])) - y[i]
		}
	}, func(p []float64, j [][]float64) {
		for i := range j {
			e := math.Exp(-p[1] * x[i])
			j[i][0], j[i][1] = 1-e, p[0]*x[i]*e
		}
	})
	for k, want := range []float64{2.3894212918e+02, 5.5015643181e-04} {
		if got := fit.Parameters[k]; math.Abs(got/want-1) > 1e-7 {
			t.Errorf("b%d: got %v, want %v", k+1, got, want)
		}
	}
	if want := 1.2455138894e-01; math.Abs(fit.Squares/want-1) > 1e-9 || !fit.Converged {
		t.Errorf("got sum of squares %v (converged %v), want %v", fit.Squares, fit.Converged, want)
	}
}

// The line with the least squares through these points would rise from −1.
func TestFitHoldsParametersAtTheirBound(t *testing.T) {
	x, y := []float64{1, 2, 3}, []float64{1, 3, 5}
	fit := FitNonNegative([]float64{1, 1}, 3, func(p, r []float64) {
		for i := range r {
			r[i] = p[0] + p[1]*x[i] - y[i]
		}
	}, func(_ []float64, j [][]float64) {
		for i := range j {
			j[i][0], j[i][1] = 1, x[i]
		}
	})
	if p := fit.Parameters; p[0] != 0 || math.Abs(p[1]-22.0/14) > 1e-9 {
		t.Errorf("got intercept %v and slope %v, want 0 and %v", p[0], p[1], 22.0/14)
	}
}
