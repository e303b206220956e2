package stats

import "math"

// Knee is the index of the point at which an increasing, concave curve bends
// most, by the offline algorithm of Kneedle (Satopää, Albrecht, Irwin & Raghavan
// 2011): both axes are scaled to [0, 1]; the first local maximum of y − x is a
// knee once the curve falls below it by sensitivity (the paper's S, 1) times the
// mean distance between neighbours. The x must increase. It is −1 when there are
// fewer than three points, the curve is flat or no point is a knee.
func Knee(x, y []float64, sensitivity float64) int {
	n := len(x)
	if n < 3 || n != len(y) {
		return -1
	}
	low, high := y[0], y[0]
	for i := range y {
		if math.IsNaN(x[i]+y[i]) || i > 0 && x[i] <= x[i-1] {
			return -1
		}
		low, high = math.Min(low, y[i]), math.Max(high, y[i])
	}
	if low == high {
		return -1
	}
	difference := make([]float64, n)
	for i := range x {
		difference[i] = (y[i]-low)/(high-low) - (x[i]-x[0])/(x[n-1]-x[0])
	}
	drop := sensitivity / float64(n-1) // the mean distance of scaled neighbours
	candidate := -1
	for i := 1; i < n; i++ {
		switch {
		case i < n-1 && difference[i] > difference[i-1] && difference[i] >= difference[i+1]:
			candidate = i // a later maximum takes the place of one that no fall confirmed
		case candidate >= 0 && difference[i] < difference[candidate]-drop:
			return candidate
		}
	}
	return -1
}
