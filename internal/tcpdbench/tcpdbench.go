// Package tcpdbench measures detectors of change points against people: the
// scores of the Turing Change Point Detection Benchmark (van den Burg & Williams
// 2020), on histories that several people have marked.
//
// Change points are indexes from 0 of the first value of a new level. Index 0
// counts as one in every set, found and marked, as the benchmark has it: so a
// detector that finds nothing in a quiet series scores 1.
package tcpdbench

import "slices"

// Margin is how far a change point may lie from a mark and still be right.
const Margin = 5

// F1 is the harmonic mean of precision and recall. The precision is the share of
// the found that somebody marked; the recall is the mean over people of the
// share of their marks that was found. Neither counts anything twice.
func F1(marks [][]int, found []int) float64 {
	found = set(found)
	var all []int
	recall := 0.0
	for _, person := range marks {
		all = append(all, person...)
		person = set(person)
		recall += float64(hits(person, found)) / float64(len(person)) / float64(len(marks))
	}
	precision := float64(hits(set(all), found)) / float64(len(found))
	return 2 * precision * recall / (precision + recall)
}

// set is sorted, without repetition, and holds 0.
func set(points []int) []int {
	return slices.Compact(slices.Sorted(slices.Values(append([]int{0}, points...))))
}

// hits counts the marks that have a found point within the margin, each for one mark.
func hits(marks, found []int) int {
	left, n := slices.Clone(found), 0
	for _, m := range marks {
		best := -1
		for i, f := range left {
			if d := apart(f, m); d <= Margin && (best < 0 || d < apart(left[best], m)) {
				best = i
			}
		}
		if best >= 0 {
			left = slices.Delete(left, best, best+1)
			n++
		}
	}
	return n
}

// Covering is the mean over people of how well the segments found cover theirs:
// the Jaccard index of each of their segments with the one that overlaps it most,
// weighted by length (Arbelaez et al. 2010). It is in (0, 1].
func Covering(marks [][]int, found []int, n int) float64 {
	ours, sum := segments(found, n), 0.0
	for _, person := range marks {
		for _, s := range segments(person, n) {
			best := 0.0
			for _, o := range ours {
				both := float64(max(0, min(s[1], o[1])-max(s[0], o[0])))
				best = max(best, both/(float64(s[1]-s[0]+o[1]-o[0])-both))
			}
			sum += best * float64(s[1]-s[0])
		}
	}
	return sum / float64(n) / float64(len(marks))
}

// segments are the stretches between the points, each from its start up to its end.
func segments(points []int, n int) [][2]int {
	points = append(set(points), n)
	var all [][2]int
	for i := range len(points) - 1 {
		if points[i] < points[i+1] && points[i+1] <= n {
			all = append(all, [2]int{points[i], points[i+1]})
		}
	}
	return all
}

func apart(a, b int) int { return max(a-b, b-a) }
