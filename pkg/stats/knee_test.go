package stats

import (
	"math"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Figure 2 of the Kneedle paper: y = −1/(x + 0.1) + 5 at ten points of [0, 1]
// has its knee at x = 0.22.
func TestKneeOfThePapersFigure2(t *testing.T) {
	var x, y []float64
	for i := range 10 {
		x = append(x, float64(i)/9)
		y = append(y, -1/(x[i]+.1)+5)
	}
	i := Knee(x, y, 1)
	if i < 0 || math.Abs(x[i]-.222) > .001 {
		t.Errorf("got point %d, want the one at x = 0.222", i)
	}
}

func TestKneeWhereThereIsNone(t *testing.T) {
	line := []float64{1, 2, 3, 4, 5, 6}
	for name, c := range map[string][2][]float64{
		"a line":                 {line, line},
		"a flat curve":           {line, {3, 3, 3, 3, 3, 3}},
		"two points":             {{1, 2}, {1, 2}},
		"x that does not rise":   {{1, 3, 2, 4}, {1, 2, 3, 4}},
		"an unknown value":       {{1, 2, 3}, {1, math.NaN(), 3}},
		"a curve bent upwards":   {line, {1, 2, 4, 8, 16, 32}},
		"as many y's as are not": {line, {1, 2}},
	} {
		if got := Knee(c[0], c[1], 1); got != -1 {
			t.Errorf("%s: got a knee at point %d, want none", name, got)
		}
	}
}

func TestIsotonic(t *testing.T) {
	for _, c := range []struct {
		name         string
		values, want []float64
	}{
		{"nothing", nil, []float64{}},
		{"what rises stays", []float64{1, 2, 2, 5}, []float64{1, 2, 2, 5}},
		// The example of R's isoreg: isoreg(c(1,0,4,3,3,5,4,2,0)).
		{"R's isoreg", []float64{1, 0, 4, 3, 3, 5, 4, 2, 0}, []float64{.5, .5, 3, 3, 3, 3, 3, 3, 3}},
		{"what falls becomes its mean", []float64{3, 2, 1}, []float64{2, 2, 2}},
	} {
		given := slices.Clone(c.values)
		got := Isotonic(c.values)
		if diff := cmp.Diff(c.want, got, cmp.Comparer(func(a, b float64) bool { return math.Abs(a-b) < 1e-12 })); diff != "" {
			t.Errorf("%s: (−want +got)\n%s", c.name, diff)
		}
		if !slices.Equal(given, c.values) {
			t.Errorf("%s: its argument was changed", c.name)
		}
	}
}
