package stats

import (
	"cmp"
	"math"
	"slices"
)

// Holm adjusts p-values so that rejecting those below α keeps the chance of any
// false rejection at α, whatever their dependence: the i-th smallest of n is
// multiplied by n−i+1, and no adjusted value is below one before it (Holm 1979).
// NaN stays NaN and is not counted. The order is that of the argument.
func Holm(p []float64) []float64 {
	order := ascending(p)
	adjusted := unadjusted(len(p))
	highest := 0.0
	for i, at := range order {
		highest = max(highest, min(1, p[at]*float64(len(order)-i)))
		adjusted[at] = highest
	}
	return adjusted
}

// Hochberg adjusts p-values as [Holm] does, but looks from the largest down: the
// i-th smallest of n is multiplied by n−i+1, and no adjusted value is above one
// after it (Hochberg 1988). It holds the chance of any false rejection when the
// tests are independent or move together, as the quantiles of one histogram do.
func Hochberg(p []float64) []float64 {
	order := ascending(p)
	adjusted := unadjusted(len(p))
	lowest := 1.0
	for i, at := range slices.Backward(order) {
		lowest = min(lowest, p[at]*float64(len(order)-i))
		adjusted[at] = lowest
	}
	return adjusted
}

// BenjaminiHochberg adjusts p-values so that of those rejected below q a share
// of at most q is rejected falsely, on average: the i-th smallest of n is
// multiplied by n/i, and no adjusted value is above one after it (Benjamini &
// Hochberg 1995). NaN stays NaN and is not counted.
func BenjaminiHochberg(p []float64) []float64 {
	order := ascending(p)
	adjusted := unadjusted(len(p))
	lowest := 1.0
	for i, at := range slices.Backward(order) {
		lowest = min(lowest, p[at]*float64(len(order))/float64(i+1))
		adjusted[at] = lowest
	}
	return adjusted
}

// ascending is the places of the p-values that are numbers, the smallest first.
func ascending(p []float64) []int {
	var order []int
	for i := range p {
		if !math.IsNaN(p[i]) {
			order = append(order, i)
		}
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(p[a], p[b]) })
	return order
}

func unadjusted(n int) []float64 {
	return slices.Repeat([]float64{math.NaN()}, n)
}
