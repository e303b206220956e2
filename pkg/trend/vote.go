package trend

import "slices"

// reach is how many values apart two detectors may see one change.
const reach = 5

// A vote asks three detectors; a change point has two of them.
type vote struct {
	strength Strength
	divisive divisive
	weighted weighted
	effect   float64 // at least, in standard deviations of the values, outliers included
}

// The effect takes the place of a least relative change, which Otava has: whether
// 1 % is much depends on how much the values scatter.
var (
	strictVote = vote{Strict, divisive{window: divisiveWindow, p: 1e-6}, weighted{minBack: 12, maxBack: 24, ahead: 12, t: 7}, 1}
	weakVote   = vote{Weak, divisive{window: divisiveWindow, p: 1e-4}, weighted{minBack: 12, maxBack: 24, ahead: 12, t: 5}, 0.5}
)

// An agreement is a change on which at least two detectors agree.
type agreement struct {
	at       int
	strength Strength
	effect   float64
	evidence []Evidence
}

// count gives the agreements of the three, the smallest effects dropped.
func (v vote) count(values, clipped []float64, robust []candidate) []agreement {
	found := v.agreements(robust, v.divisive.detect(clipped), v.weighted.detect(clipped))
	var cuts []int
	for _, f := range found {
		cuts = append(cuts, f.at)
	}
	large := prune(cuts, len(values), func(start, at, end int) (float64, float64) {
		d := effect(values[start:at], values[at:end])
		return d / v.effect, d
	})
	var kept []agreement
	for _, f := range found {
		if i := slices.IndexFunc(large, func(c candidate) bool { return c.at == f.at }); i >= 0 {
			f.effect = large[i].statistic
			kept = append(kept, f)
		}
	}
	return kept
}

// agreements are the changes that two of the detectors see within reach. The
// first of them says where it is; each candidate counts for one change only.
func (v vote) agreements(robust, divisive, weighted []candidate) []agreement {
	detectors := []struct {
		name       string
		candidates []candidate
	}{{"robust", robust}, {"divisive", slices.Clone(divisive)}, {"weighted", slices.Clone(weighted)}}
	var found []agreement
	for i, first := range detectors {
		for _, c := range first.candidates {
			a := agreement{at: c.at, strength: v.strength, evidence: []Evidence{{first.name, c.at, c.statistic}}}
			for j := i + 1; j < len(detectors); j++ {
				if n := nearest(detectors[j].candidates, c.at); n >= 0 {
					other := detectors[j].candidates[n]
					a.evidence = append(a.evidence, Evidence{detectors[j].name, other.at, other.statistic})
					detectors[j].candidates = slices.Delete(detectors[j].candidates, n, n+1)
				}
			}
			if len(a.evidence) > 1 {
				found = append(found, a)
			}
		}
	}
	slices.SortFunc(found, func(a, b agreement) int { return a.at - b.at })
	return slices.CompactFunc(found, func(a, b agreement) bool { return a.at == b.at })
}

// nearest is the index of the candidate nearest to a value, within reach; else −1.
func nearest(candidates []candidate, at int) int {
	best, distance := -1, reach+1
	for i, c := range candidates {
		if d := apart(c.at, at); d < distance {
			best, distance = i, d
		}
	}
	return best
}

// union adds to the strict agreements the weak ones that are none of them.
func union(strict, weak []agreement) []agreement {
	all := slices.Clone(strict)
	for _, w := range weak {
		if !slices.ContainsFunc(strict, func(s agreement) bool { return apart(s.at, w.at) <= reach }) {
			all = append(all, w)
		}
	}
	slices.SortFunc(all, func(a, b agreement) int { return a.at - b.at })
	return all
}

func apart(a, b int) int { return max(a-b, b-a) }
