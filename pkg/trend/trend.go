// Package trend finds change points in a history of runs: where the level of a
// value changed for good, how sure that is, and from what to what.
//
// Three detectors that go about it differently look at the history, and two of
// them must agree: optimal partitioning made robust, E-divisive as in Apache
// Otava, and the weighted t of Mozilla's Perfherder.
package trend

import (
	"fmt"
	"math"

	"github.com/plumbline/plumbline/pkg/stats"
)

// Strength tells what a change point is good for.
type Strength int

// The strengths of a change point.
const (
	Weak   Strength = iota // a mark for a person who looks at the history
	Strict                 // an alarm: it holds beyond reasonable doubt, and is large against the noise
)

var strengthNames = [...]string{"weak", "strict"}

func (s Strength) String() string { return strengthNames[s] }

// MarshalText writes weak or strict.
func (s Strength) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads weak or strict.
func (s *Strength) UnmarshalText(text []byte) error {
	for i, name := range strengthNames {
		if name == string(text) {
			*s = Strength(i)
			return nil
		}
	}
	return fmt.Errorf("strength %q: there are weak and strict", text)
}

// A ChangePoint is where a new level begins.
type ChangePoint struct {
	Index    int // of the first value of the new level
	Strength Strength

	// Before and After are the medians of the levels on either side, up to the
	// change points beside this one, in the unit of the values.
	Before, After float64
	// Effect is the distance of the medians in standard deviations of the values
	// around their level, outliers included: Cohen's d, never negative. Of a strict
	// change point it is between the levels up to the strict ones beside it.
	Effect float64
	// Evidence is what the detectors that agree say, in the order robust,
	// divisive, weighted; two or three.
	Evidence []Evidence
}

// Evidence is a change point by one detector.
type Evidence struct {
	Detector string // robust, divisive or weighted
	Index    int    // where it sees the change; up to 5 values from where the others do
	// Statistic is the t of the means with effective sample sizes (robust), the p
	// of Student's test (divisive), or the weighted t (weighted).
	Statistic float64
}

// Change is how much higher the new level is than the old one, relative to the
// old one: −0.33 is 33 % less. It is NaN when the old level is 0.
func (c ChangePoint) Change() float64 {
	if c.Before == 0 {
		return math.NaN()
	}
	return (c.After - c.Before) / math.Abs(c.Before)
}

// Detect finds the change points of a history, the oldest first. Values that
// are NaN or infinite are runs that are missing: they are left out, and no
// change point lies on one. In fewer than [LeastValues] others there is none.
//
// Outliers are clipped first, so that one beside a change hides it from nobody.
// Then three detectors look, and of each change two must be within five values:
// strict ones by high thresholds and with an effect of at least one standard
// deviation of the values as they were, weak ones by lower thresholds and an
// effect of at least half of one.
func Detect(values []float64) []ChangePoint {
	known, at := finite(values)
	if len(known) < LeastValues {
		return nil
	}
	clipped := Clip(known)
	base := robust(clipped)
	found := union(strictVote.count(known, clipped, base), weakVote.count(known, clipped, base))
	points := describe(known, found)
	for i, p := range points {
		points[i].Index = at[p.Index]
		for j, e := range p.Evidence {
			p.Evidence[j].Index = at[e.Index]
		}
	}
	return points
}

// Clip moves outliers to where they are none: four standard deviations from the
// median of the values around them (Hampel's filter). A level of five values is
// never taken for outliers. The values must be known.
func Clip(known []float64) []float64 { return stats.Hampel(known, clipHalfWidth, clipLimit) }

// LeastValues is the length of the shortest history in which a change can be
// found: two levels of five values.
const LeastValues = 2 * shortestLevel

// Insufficient says why nothing can be told of a history, and is empty when
// something can.
func Insufficient(values []float64) string {
	known, _ := finite(values)
	switch {
	case len(values) == 0:
		return "there are no runs"
	case len(known) == 0:
		return fmt.Sprintf("none of the %d runs has a value", len(values))
	case len(known) < LeastValues && len(known) < len(values):
		return fmt.Sprintf("%d of %d runs have a value, and a change point needs at least %d, %d on either side", len(known), len(values), LeastValues, shortestLevel)
	case len(values) == 1:
		return fmt.Sprintf("there is one run, and a change point needs at least %d, %d on either side", LeastValues, shortestLevel)
	case len(known) < LeastValues:
		return fmt.Sprintf("there are %d runs, and a change point needs at least %d, %d on either side", len(known), LeastValues, shortestLevel)
	}
	return ""
}

// finite are the values that are numbers, and their indexes.
func finite(values []float64) (known []float64, at []int) {
	for i, v := range values {
		if !math.IsNaN(v) && !math.IsInf(v, 0) {
			known, at = append(known, v), append(at, i)
		}
	}
	return known, at
}

// describe works out the levels between the change points.
func describe(values []float64, found []agreement) []ChangePoint {
	points := make([]ChangePoint, len(found))
	for i, f := range found {
		start, end := 0, len(values)
		if i > 0 {
			start = found[i-1].at
		}
		if i+1 < len(found) {
			end = found[i+1].at
		}
		before, after := values[start:f.at], values[f.at:end]
		points[i] = ChangePoint{
			Index: f.at, Strength: f.strength, Before: stats.Median(before), After: stats.Median(after),
			Effect: f.effect, Evidence: f.evidence,
		}
	}
	return points
}

// effect is Cohen's d with medians in place of means: an outlier doesn't move
// the levels, but counts as noise.
func effect(before, after []float64) float64 {
	variance := func(level []float64) float64 {
		if len(level) == 1 {
			return 0 // the other level says how much single values scatter
		}
		return stats.Variance(level)
	}
	return ratio(math.Abs(stats.Median(after)-stats.Median(before)), pooled(before, after, variance))
}

// pooled is the standard deviation around two levels, each weighted by its length.
func pooled(before, after []float64, variance func([]float64) float64) float64 {
	n, m := float64(len(before)), float64(len(after))
	return math.Sqrt((n*variance(before) + m*variance(after)) / (n + m))
}

// ratio is a/b, where nothing is nothing of anything, even of nothing.
func ratio(a, b float64) float64 {
	if a == 0 {
		return 0
	}
	return a / b
}

// magnitude is the larger of the relative changes there and back, as Otava has
// it, so that halving counts as much as doubling. From or to 0 it is infinite.
func magnitude(before, after float64) float64 {
	return ratio(math.Abs(after-before), min(math.Abs(before), math.Abs(after)))
}
