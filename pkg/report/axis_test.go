package report

import (
	"fmt"
	"testing"
)

// An axis of runs has its labels at runs, not between them.
func TestAxisOfRunsIsLabelledAtWholeRuns(t *testing.T) {
	for _, runs := range []int{1, 2, 3, 11, 31, 60} {
		d := drawing{Max: 1, Ticks: []float64{0, 1}}
		for i := range runs {
			d.Times, d.Names = append(d.Times, float64(i)), append(d.Names, fmt.Sprint(i))
		}
		seen := map[string]bool{}
		for i, tick := range drawSVG(d).Clock {
			at := d.places()[i]
			if want := fmt.Sprintf("#%.0f", at); tick.Label != want || at != float64(int(at)) || seen[want] {
				t.Errorf("%d runs: got the label %s at run %v, want each at its run, once", runs, tick.Label, at)
			}
			seen[tick.Label] = true
		}
	}
}

// Steps of 2.5 are not labelled 2, 5, 8 and 10.
func TestDecimalsOfSteps(t *testing.T) {
	for step, want := range map[float64]int{1: 0, 2.5: 1, 25: 0, 250: 0, .5: 1, .25: 2, .2: 1, .1: 1, .025: 3, 2e6: 0, 1e-3: 3} {
		if got := decimalsOf(step); got != want {
			t.Errorf("step %v: got %d decimals, want %d", step, got, want)
		}
	}
}
