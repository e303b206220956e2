package trend

import (
	"math"
	"slices"
)

// A candidate is a change point by one detector.
type candidate struct {
	at        int     // the first value of the new level
	statistic float64 // of the detector
	strength  float64 // what prune held it to
}

// prune drops the weakest of the cuts until the strength of each is at least 1;
// those beside a dropped one are looked at again, for their segments grew. The
// strength is asked for the values from start up to at against those up to end.
func prune(cuts []int, n int, judge func(start, at, end int) (strength, statistic float64)) []candidate {
	kept := make([]candidate, len(cuts))
	for i, at := range cuts {
		kept[i].at = at
	}
	again := func(i int) {
		if i < 0 || i >= len(kept) {
			return
		}
		start, end := 0, n
		if i > 0 {
			start = kept[i-1].at
		}
		if i+1 < len(kept) {
			end = kept[i+1].at
		}
		kept[i].strength, kept[i].statistic = judge(start, kept[i].at, end)
		if math.IsNaN(kept[i].strength) {
			kept[i].strength = 0 // what can't be told is dropped
		}
	}
	for i := range kept {
		again(i)
	}
	for len(kept) > 0 {
		weakest := 0
		for i, c := range kept {
			if c.strength < kept[weakest].strength {
				weakest = i
			}
		}
		if kept[weakest].strength >= 1 {
			break
		}
		kept = slices.Delete(kept, weakest, weakest+1)
		again(weakest - 1)
		again(weakest)
	}
	return kept
}
