package stats

import (
	"math"
	"slices"
)

// Partition cuts the values into segments of constant level: it gives the index
// of the first value of each segment but the first, in rising order. Of all
// partitions into segments of at least minSegment values it is one that
// minimises
//
//	Σ over segments of Σ(x − x̄_segment)² + penalty·(number of segments − 1)
//
// found by optimal partitioning (Jackson et al. 2005), pruned as in PELT
// (Killick, Fearnhead & Eckley 2012): a last cut that can't win by now is
// not looked at again. Pruning changes no result. The penalty is in the square
// of the unit of the values.
//
// Values that are NaN or infinite must be taken out before; if there are any,
// or the values are fewer than two segments need, there is no cut.
func Partition(values []float64, penalty float64, minSegment int) []int {
	n, shortest := len(values), max(minSegment, 1)
	if n < 2*shortest || !(penalty >= 0) || !allFinite(values) {
		return nil
	}
	sums := newPrefixSums(values)
	best := make([]float64, n+1) // of the values before an index, with a penalty for each segment
	last := make([]int, n+1)     // where the last segment before an index starts
	for i := 1; i <= n; i++ {
		best[i] = math.Inf(1)
	}
	best[0] = -penalty
	var starts []int              // that a last segment may still have, in rising order
	until := make([]int, n+1)     // the last end that a start is looked at for
	costs := make([]float64, n+1) // of the starts, at one end
	for end := shortest; end <= n; end++ {
		if s := end - shortest; s == 0 || s >= shortest {
			starts = append(starts, s)
			until[s] = n
		}
		for i, s := range starts {
			costs[i] = best[s] + sums.squares(s, end)
			if costs[i]+penalty < best[end] {
				best[end], last[end] = costs[i]+penalty, s
			}
		}
		starts = pruned(starts, costs, until, best[end], end, shortest)
	}
	var cuts []int
	for at := last[n]; at > 0; at = last[at] {
		cuts = append(cuts, at)
	}
	slices.Reverse(cuts)
	return cuts
}

// prefixSums give the sum of squares around the mean of any stretch at once.
type prefixSums struct {
	sum, square []float64
	inverse     []float64 // 1/length; dividing is what would take the time
}

// newPrefixSums sums the values less their mean, so that little cancels.
func newPrefixSums(values []float64) prefixSums {
	size := len(values) + 1
	p := prefixSums{make([]float64, size), make([]float64, size), make([]float64, size)}
	mean := Mean(values)
	for i, v := range values {
		d := v - mean
		p.sum[i+1] = p.sum[i] + d
		p.square[i+1] = p.square[i] + d*d
		p.inverse[i+1] = 1 / float64(i+1)
	}
	return p
}

// squares is Σ(x − x̄)² over the values from start up to, but without, end.
func (p *prefixSums) squares(start, end int) float64 {
	sum := p.sum[end] - p.sum[start]
	return p.square[end] - p.square[start] - sum*sum*p.inverse[end-start]
}

// pruned leaves the starts that can still win. A segment costs no less than its
// two parts, so a start that is dearer at end than the best partition before end
// loses against a cut at end (theorem 3.1 of PELT, K = 0), as soon as the rest
// after that cut is long enough to be a segment.
func pruned(starts []int, costs []float64, until []int, best float64, end, shortest int) []int {
	kept := 0
	for i, s := range starts {
		if costs[i] > best {
			until[s] = min(until[s], end+shortest-1)
		}
		if until[s] > end {
			starts[kept] = s
			kept++
		}
	}
	return starts[:kept]
}

func allFinite(values []float64) bool {
	return !slices.ContainsFunc(values, func(v float64) bool { return math.IsNaN(v) || math.IsInf(v, 0) })
}
