package trend

import (
	"math"
	"slices"

	"github.com/plumbline/plumbline/pkg/stats"
)

// divisiveWindow is how many values E-divisive looks at, at one time.
const divisiveWindow = 50

// firstPass is how much higher p may be before the merge.
const firstPass = 10

// divisive finds change points nearly as Apache Otava does (formerly Hunter:
// Fleming et al. 2023): E-divisive in windows that slide by half their length,
// each cut held to Student's test at ten times the p that it must reach in the
// end; then the least significant are dropped, one by one.
//
// E-divisive looks for two samples that follow each other, and the second may
// end before the window does. Otava tests the first against all that follows,
// and so overlooks a level that lasts a few runs; here the two samples are
// tested for which the cut was made. By itself that sees too much; in a vote it
// finds what others have to confirm.
type divisive struct {
	window int
	p      float64 // must stay below
}

func (d divisive) detect(values []float64) []candidate {
	return prune(d.split(values), len(values), func(start, at, end int) (strength, p float64) {
		_, p = stats.StudentTest(values[start:at], values[at:end])
		return ratio(d.p, p), p
	})
}

// split gives the cuts of all windows, in rising order.
func (d divisive) split(values []float64) []int {
	var cuts []int
	for start := 0; start < len(values); {
		next := start + d.window/2
		for _, cut := range d.divide(values[start:min(start+d.window, len(values))]) {
			cuts = append(cuts, start+cut)
			next = max(next, start+cut)
		}
		start = next
	}
	slices.Sort(cuts)
	return slices.Compact(cuts)
}

// divide cuts a window where two samples in it differ most, and its parts in
// turn, as long as the best cut there is is significant.
func (d divisive) divide(window []float64) []int {
	parts := []sample{newSample(window, 0, len(window))}
	for {
		best := 0
		for i, p := range parts {
			if p.q > parts[best].q {
				best = i
			}
		}
		p := parts[best]
		if _, significance := stats.StudentTest(window[p.start:p.cut], window[p.cut:p.second]); !(significance <= d.p*firstPass) {
			break
		}
		parts = slices.Replace(parts, best, best+1, newSample(window, p.start, p.cut), newSample(window, p.cut, p.end))
	}
	var cuts []int
	for _, p := range parts[1:] {
		cuts = append(cuts, p.start)
	}
	return cuts
}

// A sample is a part of a window and its best cut.
type sample struct {
	start, end  int
	cut, second int     // the second sample begins and ends here
	q           float64 // of E-divisive; −∞ when it can't be cut
}

func newSample(window []float64, start, end int) sample {
	cut, second, q := stats.EnergySplit(window[start:end])
	if math.IsNaN(q) {
		q = math.Inf(-1)
	}
	return sample{start: start, end: end, cut: start + cut, second: start + second, q: q}
}
