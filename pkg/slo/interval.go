package slo

import (
	"math"

	"github.com/plumbline/plumbline/pkg/promql"
	"github.com/plumbline/plumbline/pkg/stats"
)

// confidence is that of the intervals of values.
const confidence = 0.95

// stretches is into how many pieces a window is cut to see how much a value
// varies over time. Neighbouring intervals are alike; long stretches hardly are
// (the method of batch means: Conway 1963).
const stretches = 8

// stretch is the cells [from, to) of a grid.
type stretch struct{ from, to int }

// cut divides the cells [from, to) into stretches of one length; the first takes the rest.
func cut(from, to int) []stretch {
	n := to - from
	size := max(n/stretches, 1)
	var all []stretch
	for end := to; end-from >= size; end -= size {
		all = append(all, stretch{end - size, end})
	}
	if len(all) > 0 {
		all[len(all)-1].from = from
	}
	return all
}

// merged adds up values by stretch.
func merged(values []float64, over []stretch) []float64 {
	sums := make([]float64, len(over))
	for i, s := range over {
		for _, v := range values[s.from:s.to] {
			sums[i] += v
		}
	}
	return sums
}

// width is how many standard deviations an interval reaches when the deviation
// was estimated from n stretches.
func width(n int) float64 {
	if n < 2 {
		return stats.NormalQuantile((1 + confidence) / 2)
	}
	return stats.StudentQuantile((1+confidence)/2, float64(n-1))
}

// dispersion is the overdispersion φ of events over stretches, and how many
// standard deviations an interval reaches with it. What varies less than chance
// would have it is taken to vary by chance, which is known and not estimated.
func dispersion(events, trials []float64) (phi, reach float64) {
	if phi := stats.Overdispersion(events, trials); phi > 1 {
		return phi, width(len(events))
	}
	return 1, width(0)
}

// shareInterval is the score interval of a share, widened by how much it varies over time.
func shareInterval(events, trials []float64) (low, high float64) {
	over := cut(0, len(trials))
	x, n := merged(events, over), merged(trials, over)
	phi, reach := dispersion(x, n)
	return stats.Wilson(total(x)/phi, total(n)/phi, 2*stats.NormalCDF(reach)-1)
}

// meanInterval is the interval of Σ sums ÷ Σ counts over the cells [from, to), by
// how far each stretch lies from the whole (the ratio estimator: Cochran 1977, 6.3).
func meanInterval(sums, counts []float64, from, to int) (low, high float64) {
	over := cut(from, to)
	if len(over) < 2 {
		return nan, nan
	}
	s, n := merged(sums, over), merged(counts, over)
	mean := total(s) / total(n)
	squares := 0.0
	for i := range s {
		squares += (s[i] - mean*n[i]) * (s[i] - mean*n[i])
	}
	k := float64(len(over))
	half := width(len(over)) * math.Sqrt(k/(k-1)*squares) / total(n)
	return mean - half, mean + half
}

// quantileInterval is the interval of a quantile by ranks q ± t·√(φq(1−q)/n), rounded out to bucket edges.
func quantileInterval(s promql.Spread, from, to int, q, value float64) (low, high float64) {
	over := cut(from, to)
	x, n := make([]float64, len(over)), make([]float64, len(over))
	var d promql.Distribution
	for i, part := range over {
		p := s.Over(part.from, part.to)
		if n[i] = p.Count(); n[i] > 0 {
			x[i], _ = p.CountBelow(value)
			d.Add(p)
		}
	}
	all := d.Count()
	if !(all > 0) || math.IsNaN(value) {
		return nan, nan
	}
	lowest, highest := rankInterval(x, n, q)
	low, _ = d.Edges(lowest*all + 1)
	_, high = d.Edges(highest * all)
	return min(low, value), max(high, value)
}

// rankInterval is the shares between which the truth of the quantile q ranks, of
// which x of n values lay below what was measured, stretch by stretch.
func rankInterval(x, n []float64, q float64) (low, high float64) {
	phi, reach := dispersion(x, n)
	half := reach * math.Sqrt(phi*q*(1-q)/total(n))
	return max(q-half, 0), min(q+half, 1)
}

func total(values []float64) (sum float64) {
	for _, v := range values {
		sum += v
	}
	return sum
}
