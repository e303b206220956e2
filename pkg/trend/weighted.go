package trend

import (
	"math"

	"github.com/plumbline/plumbline/pkg/stats"
)

// weighted finds change points as Mozilla's Perfherder does (treeherder,
// perfalert): where the weighted t of the values from there on, against those
// before, is above a threshold and no less than at the values beside it.
type weighted struct {
	minBack, maxBack, ahead int // values that are looked at
	t                       float64
}

func (w weighted) detect(values []float64) []candidate {
	ts := w.statistics(values)
	var found []candidate
	for i := w.minBack; i+w.ahead <= len(values); i++ {
		higher := i+1 < len(ts) && ts[i+1] > ts[i]
		if ts[i] > w.t && ts[i-1] < ts[i] && !higher {
			found = append(found, candidate{at: i, statistic: ts[i]})
		}
	}
	return found
}

// statistics are |t| at each value. The values before grow in number, from
// minBack to maxBack, with the distance to the last value above the threshold.
func (w weighted) statistics(values []float64) []float64 {
	ts := make([]float64, len(values))
	quiet := 0
	for i := 1; i < len(values); i++ {
		back := min(max(quiet, w.minBack), w.maxBack)
		ts[i] = math.Abs(stats.WeightedT(values[max(0, i-back):i], values[i:min(len(values), i+w.ahead)]))
		quiet++
		if ts[i] > w.t {
			quiet = 0
		}
	}
	return ts
}
