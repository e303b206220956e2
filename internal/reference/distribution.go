package reference

import (
	"math"
	"slices"
)

// A distribution is how many of the values lie in each bucket. Values in a bucket
// lie at a share theta of its width, all in all.
type distribution struct {
	edges  []float64 // upper bounds; beyond the last there is nothing
	counts []float64
	theta  float64
}

// shapeOf makes a distribution of which a histogram gives the wanted quantiles
// back, interpolated as histogram_quantile does, and the wanted mean.
func shapeOf(total float64, want Latency, edges []float64) distribution {
	knots := append([]Knot{{0, want.Least}, {want.Quantiles[0].Q / 2, 0}}, want.Quantiles...)
	knots = append(knots, Knot{1, want.Max})
	lo, hi := knots[0].At, want.Quantiles[0].At
	for range 60 { // the mean tells where the lower half lies
		knots[1].At = (lo + hi) / 2
		if meanOf(knots) < want.Mean {
			lo = knots[1].At
		} else {
			hi = knots[1].At
		}
	}
	below := make([]float64, len(edges))
	for i, e := range edges {
		below[i] = shareBelow(knots, e)
	}
	meet(below, edges, want.Quantiles)
	d := distribution{edges: edges, counts: make([]float64, len(edges))}
	lower, width := 0.0, 0.0
	for i := range edges {
		d.counts[i] = total * (below[i] - before(below, i))
		lower += d.counts[i] * before(edges, i)
		width += d.counts[i] * (edges[i] - before(edges, i))
	}
	d.theta = (want.Mean*total - lower) / width
	return d
}

func before(values []float64, i int) float64 {
	if i == 0 {
		return 0
	}
	return values[i-1]
}

// at is the value that stands for those of a bucket.
func (d distribution) at(i int) float64 {
	return before(d.edges, i) + d.theta*(d.edges[i]-before(d.edges, i))
}

func meanOf(knots []Knot) float64 {
	mean := 0.0
	for i := 1; i < len(knots); i++ {
		mean += (knots[i].Q - knots[i-1].Q) * (knots[i].At + knots[i-1].At) / 2
	}
	return mean
}

// shareBelow reads a piecewise linear distribution function.
func shareBelow(knots []Knot, x float64) float64 {
	i := slices.IndexFunc(knots, func(k Knot) bool { return k.At >= x })
	switch {
	case i < 0:
		return 1
	case i == 0:
		return 0
	}
	a, b := knots[i-1], knots[i]
	return a.Q + (b.Q-a.Q)*(x-a.At)/(b.At-a.At)
}

// meet moves the shares below the edges as little as it takes for a straight
// line inside each bucket to go through the quantiles (alternating projections).
func meet(below, edges []float64, quantiles []Knot) {
	for range 500 {
		for _, k := range quantiles {
			i := slices.IndexFunc(edges, func(e float64) bool { return e >= k.At })
			if i < 1 {
				continue
			}
			t := (k.At - edges[i-1]) / (edges[i] - edges[i-1])
			if i == len(edges)-1 { // all values lie below the last edge
				below[i-1] = (k.Q - t*below[i]) / (1 - t)
				continue
			}
			miss := (k.Q - (1-t)*below[i-1] - t*below[i]) / ((1-t)*(1-t) + t*t)
			below[i-1] += miss * (1 - t)
			below[i] += miss * t
		}
		for i := 1; i < len(below); i++ {
			if below[i] < below[i-1] {
				below[i], below[i-1] = (below[i]+below[i-1])/2, (below[i]+below[i-1])/2
			}
		}
	}
	for i := range below {
		below[i] = math.Min(math.Max(below[i], before(below, i)), 1)
	}
}

// logNormalShare is the share of a log-normal variable in each bucket.
func logNormalShare(edges []float64, median, sigma float64) []float64 {
	cdf := func(x float64) float64 { return math.Erfc(-math.Log(x/median)/sigma/math.Sqrt2) / 2 }
	shares := make([]float64, len(edges))
	last := 0.0
	for i, e := range edges {
		shares[i] = cdf(e) - last + 1e-12
		last = cdf(e)
	}
	return shares
}

// over carries counts by bucket over to other buckets, as if values lay evenly
// between the edges, each of them moved by add.
func over(from, to []float64, add float64) [][]float64 {
	shares := make([][]float64, len(from))
	for i, hi := range from {
		lo := before(from, i) + add
		hi += add
		shares[i] = make([]float64, len(to))
		for j, upper := range to {
			lower := before(to, j)
			if j == len(to)-1 {
				upper = math.Inf(1)
			}
			if part := math.Min(hi, upper) - math.Max(lo, lower); part > 0 {
				shares[i][j] = part / (hi - lo)
			}
		}
	}
	return shares
}

func carry(counts []float64, shares [][]float64, into []float64) {
	clear(into)
	for i, n := range counts {
		for j, s := range shares[i] {
			into[j] += n * s
		}
	}
}
