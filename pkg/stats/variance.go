package stats

import (
	"math"

	"gonum.org/v1/gonum/mathext"
)

// A VariancePrior is what is expected of the variance of a metric before its own
// values are looked at: as much as DF further degrees of freedom would say, at
// Variance. It is the scaled inverse χ² prior of Smyth (2004), known from limma.
type VariancePrior struct {
	Variance float64 // s₀², in the square of the unit of the values
	DF       float64 // ν₀ ≥ 0; +Inf when all metrics have the same variance
}

// FitVariancePrior estimates the prior from the sample variances s_g² of many
// metrics, each with d_g degrees of freedom, by the moments of ln s² (Smyth
// 2004, section 6.2):
//
//	e_g = ln s_g² − ψ(d_g/2) + ln(d_g/2)
//	ψ′(ν₀/2) = Var(e) − mean ψ′(d_g/2)
//	s₀² = exp(ē + ψ(ν₀/2) − ln(ν₀/2))
//
// When the e_g scatter no more than chance allows, ν₀ is +Inf and s₀² = exp(ē).
// Variances below 10⁻⁵ of their median are raised to it, as limma does. Pairs
// that are not numbers, are negative or have no degrees of freedom are left
// out. With fewer than three left, both numbers are NaN.
func FitVariancePrior(variances, degrees []float64) VariancePrior {
	s2, df := usableVariances(variances, degrees)
	if len(s2) < 3 {
		return VariancePrior{Variance: math.NaN(), DF: math.NaN()}
	}
	e := make([]float64, len(s2))
	chance := 0.0
	for i := range s2 {
		e[i] = math.Log(s2[i]) - logMeanChiSquared(df[i])
		chance += Trigamma(df[i]/2) / float64(len(s2))
	}
	excess := Variance(e) - chance
	if excess <= 0 {
		return VariancePrior{Variance: math.Exp(Mean(e)), DF: math.Inf(1)}
	}
	nu := 2 * TrigammaInverse(excess)
	return VariancePrior{Variance: math.Exp(Mean(e) + logMeanChiSquared(nu)), DF: nu}
}

// Capped is the prior with at most so many degrees of freedom, so that the
// values of a metric always keep a say.
func (p VariancePrior) Capped(df float64) VariancePrior {
	p.DF = min(p.DF, df)
	return p
}

// Shrink draws a sample variance towards the prior:
//
//	s̃² = (ν₀s₀² + d·s²)/(ν₀ + d), with ν₀ + d degrees of freedom
//
// (Smyth 2004, section 4). With df = 0 the variance does not matter and the
// prior is the answer; with infinite DF it always is.
func (p VariancePrior) Shrink(variance, df float64) (shrunk, nu float64) {
	switch {
	case df <= 0 || math.IsInf(p.DF, 1):
		return p.Variance, p.DF
	case p.DF == 0:
		return variance, df
	}
	nu = p.DF + df
	return (p.DF*p.Variance + df*variance) / nu, nu
}

// logMeanChiSquared is the mean of ln(χ²_df/df): ψ(df/2) − ln(df/2).
func logMeanChiSquared(df float64) float64 {
	return mathext.Digamma(df/2) - math.Log(df/2)
}

func usableVariances(variances, degrees []float64) (s2, df []float64) {
	for i := range min(len(variances), len(degrees)) {
		v, d := variances[i], degrees[i]
		if v >= 0 && !math.IsInf(v, 1) && d > 0 && !math.IsInf(d, 1) {
			s2, df = append(s2, v), append(df, d)
		}
	}
	least := 1e-5 * Median(s2)
	if least == 0 {
		least = 1e-5 // as limma: more than half of them are 0, and the unit is all there is
	}
	for i := range s2 {
		s2[i] = max(s2[i], least)
	}
	return s2, df
}
