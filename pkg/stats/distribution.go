package stats

import (
	"math"

	"gonum.org/v1/gonum/mathext"
	"gonum.org/v1/gonum/stat/distuv"
)

// StudentCDF is P(T ≤ t) for Student's t with nu degrees of freedom, which need
// not be whole; infinitely many give the normal distribution. P(T ≥ t) is
// StudentCDF(−t, nu), which keeps its digits far out. It is NaN when nu ≤ 0 or
// an argument is NaN.
func StudentCDF(t, nu float64) float64 {
	switch {
	case math.IsNaN(t) || !(nu > 0):
		return math.NaN()
	case math.IsInf(nu, 1):
		return NormalCDF(t)
	case math.IsInf(t, 0):
		return NormalCDF(t)
	}
	return distuv.StudentsT{Sigma: 1, Nu: nu}.CDF(t)
}

// StudentQuantile is the t with P(T ≤ t) = p, the inverse of [StudentCDF]:
// ±Inf at p = 1 and 0, NaN when p lies outside [0, 1] or nu ≤ 0.
func StudentQuantile(p, nu float64) float64 {
	switch {
	case !(p >= 0 && p <= 1) || !(nu > 0):
		return math.NaN()
	case p == 0.5:
		return 0
	case p == 0 || p == 1 || math.IsInf(nu, 1):
		return NormalQuantile(p)
	case nu > 500:
		return nearlyNormalQuantile(p, nu)
	}
	return distuv.StudentsT{Sigma: 1, Nu: nu}.Quantile(p)
}

// nearlyNormalQuantile is Student's quantile for many degrees of freedom, by the
// expansion around the normal one (Abramowitz & Stegun 26.7.5); gonum's inverse
// fails there, far out.
func nearlyNormalQuantile(p, nu float64) float64 {
	z := NormalQuantile(p)
	z2 := z * z
	return z + z*(z2+1)/(4*nu) +
		z*((5*z2+16)*z2+3)/(96*nu*nu) +
		z*(((3*z2+19)*z2+17)*z2-15)/(384*nu*nu*nu)
}

// NormalCDF is Φ(z), the share of a standard normal distribution up to z.
func NormalCDF(z float64) float64 { return distuv.UnitNormal.CDF(z) }

// NormalQuantile is Φ⁻¹(p), the inverse of [NormalCDF]: ±Inf at p = 1 and 0,
// NaN when p lies outside [0, 1].
func NormalQuantile(p float64) float64 {
	if !(p >= 0 && p <= 1) {
		return math.NaN()
	}
	return distuv.UnitNormal.Quantile(p)
}

// Trigamma is ψ′(x), the second derivative of ln Γ, which is Hurwitz' ζ(2, x).
// It is defined here for x > 0, and NaN elsewhere.
func Trigamma(x float64) float64 {
	if !(x > 0) {
		return math.NaN()
	}
	return mathext.Zeta(2, x)
}

// TrigammaInverse is the x > 0 with ψ′(x) = y, by Newton's method on 1/ψ′, which
// is convex and nearly linear (Smyth 2004, appendix). Beyond 10⁷ and below 10⁻⁶
// the first term of the expansions, 1/√y and 1/y, is exact enough. It is NaN
// for y < 0, +Inf at 0.
func TrigammaInverse(y float64) float64 {
	switch {
	case !(y >= 0):
		return math.NaN()
	case y > 1e7:
		return 1 / math.Sqrt(y)
	case y < 1e-6:
		return 1 / y
	}
	x := 0.5 + 1/y
	for range 50 {
		value, slope := Trigamma(x), -2*mathext.Zeta(3, x)
		step := value * (1 - value/y) / slope
		x += step
		if math.Abs(step) < 1e-12*x {
			break
		}
	}
	return x
}
