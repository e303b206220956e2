package stats

import "math"

// EnergySplit is the step of E-divisive (Matteson & James 2014): the index at
// which the values are best cut in two samples of different distribution, and
// the statistic q̂ of that cut, in the unit of the values. It maximises, over the
// cut τ and the end κ of the second sample, with n = τ and m = κ − τ,
//
//	q̂ = mn/(m+n) · (2·mean|X−Y| − mean|X−X′| − mean|Y−Y′|)
//
// over X = values[:τ], Y = values[τ:κ], where the latter two means are over
// pairs of different values. With fewer than two values there is no cut: 0, NaN.
// It takes time and memory of the square of the number of values.
func EnergySplit(values []float64) (cut, end int, q float64) {
	n := len(values)
	if n < 2 || !allFinite(values) {
		return 0, 0, math.NaN()
	}
	d := newDistanceSums(values)
	q = math.Inf(-1)
	for tau := 1; tau < n; tau++ {
		for kappa := tau + 1; kappa <= n; kappa++ {
			if candidate := d.energy(tau, kappa); candidate > q {
				cut, end, q = tau, kappa, candidate
			}
		}
	}
	return cut, end, q
}

// distanceSums hold s[i][j], the sum of |x_a − x_b| over all a < i and b < j.
type distanceSums [][]float64

func newDistanceSums(values []float64) distanceSums {
	size := len(values) + 1
	cells := make([]float64, size*size)
	s := make(distanceSums, size)
	for i := range s {
		s[i] = cells[i*size : (i+1)*size]
	}
	for i, x := range values {
		row := 0.0
		for j, y := range values {
			row += math.Abs(x - y)
			s[i+1][j+1] = s[i][j+1] + row
		}
	}
	return s
}

// energy is q̂ of the samples [0, tau) and [tau, kappa).
func (s distanceSums) energy(tau, kappa int) float64 {
	n, m := float64(tau), float64(kappa-tau)
	between := s[tau][kappa] - s[tau][tau]
	within := s[tau][tau] / 2 // each pair once
	after := (s[kappa][kappa] - 2*s[tau][kappa] + s[tau][tau]) / 2
	q := 2 / (m + n) * between
	if n > 1 {
		q -= 2 * m / (m + n) / (n - 1) * within
	}
	if m > 1 {
		q -= 2 * n / (m + n) / (m - 1) * after
	}
	return q
}
