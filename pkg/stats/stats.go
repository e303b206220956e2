// Package stats holds the statistics that the judges share.
package stats

import (
	"math"
	"slices"

	"gonum.org/v1/gonum/stat/distuv"
)

// MeanVariance gives the mean and the unbiased variance; the variance of fewer than two values is NaN.
func MeanVariance(xs []float64) (mean, variance float64) {
	for _, x := range xs {
		mean += x
	}
	mean /= float64(len(xs))
	if len(xs) < 2 {
		return mean, math.NaN()
	}
	for _, x := range xs {
		variance += (x - mean) * (x - mean)
	}
	return mean, variance / float64(len(xs)-1)
}

// Shrink moderates a variance of d degrees of freedom by a prior of nu0 degrees
// around s0², as limma does (Smyth 2004, equation 5): (ν₀s₀² + d·s²)/(ν₀ + d).
func Shrink(variance, d, prior, nu0 float64) (shrunk, nu float64) {
	if d == 0 {
		return prior, nu0
	}
	return (nu0*prior + d*variance) / (nu0 + d), nu0 + d
}

// StudentTail is the probability that Student's t with nu degrees of freedom exceeds t.
func StudentTail(t, nu float64) float64 {
	return distuv.StudentsT{Mu: 0, Sigma: 1, Nu: nu}.Survival(t)
}

// StudentQuantile is the quantile p of Student's t with nu degrees of freedom.
func StudentQuantile(p, nu float64) float64 {
	return distuv.StudentsT{Mu: 0, Sigma: 1, Nu: nu}.Quantile(p)
}

// NormalQuantile is the quantile p of the standard normal distribution.
func NormalQuantile(p float64) float64 { return distuv.UnitNormal.Quantile(p) }

// Holm adjusts p-values so that the chance of any false alarm among them stays
// bounded (Holm 1979): max over j ≤ i of (m−j+1)·p(j), at most 1. In the order given.
func Holm(ps []float64) []float64 {
	order := byValue(ps)
	adjusted := make([]float64, len(ps))
	worst := 0.0
	for rank, i := range order {
		worst = max(worst, math.Min(1, float64(len(ps)-rank)*ps[i]))
		adjusted[i] = worst
	}
	return adjusted
}

// BenjaminiHochberg adjusts p-values so that the expected share of false alarms
// among the alarms stays bounded (Benjamini & Hochberg 1995). In the order given.
func BenjaminiHochberg(ps []float64) []float64 {
	order := byValue(ps)
	adjusted := make([]float64, len(ps))
	least := 1.0
	for rank := len(order) - 1; rank >= 0; rank-- {
		i := order[rank]
		least = min(least, ps[i]*float64(len(ps))/float64(rank+1))
		adjusted[i] = least
	}
	return adjusted
}

func byValue(ps []float64) []int {
	order := make([]int, len(ps))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int {
		switch {
		case ps[a] < ps[b]:
			return -1
		case ps[a] > ps[b]:
			return 1
		}
		return 0
	})
	return order
}

// BinomialTail is the probability of x or more successes in n tries of chance p,
// counting half of the probability of x itself (mid-p, Lancaster 1961), which
// keeps a discrete test from being too cautious.
func BinomialTail(x, n, p float64) float64 {
	if n == 0 {
		return 1
	}
	b := distuv.Binomial{N: n, P: p}
	tail := b.Prob(x) / 2
	if x < n {
		tail += 1 - b.CDF(x)
	}
	return math.Min(1, tail)
}
