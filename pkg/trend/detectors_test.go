package trend

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

func places(cs []candidate) (at []int) {
	for _, c := range cs {
		at = append(at, c.at)
	}
	return at
}

// steps are values of a noise of 1 around levels.
func steps(seed uint64, length int, levels ...float64) (values []float64) {
	r := rand.New(rand.NewPCG(seed, 9))
	for _, level := range levels {
		for range length {
			values = append(values, level+r.NormFloat64())
		}
	}
	return values
}

func TestDivisive(t *testing.T) {
	three := []float64{0.1, 0.4, -0.3, 0.2, -0.1, 100.3, 99.1, 100.2, 150.2, 149.3, 150.4, 149.9, 150.1, 149.6}
	tests := []struct {
		name   string
		values []float64
		p      float64
		want   []int
	}{
		{"three levels", three, 1e-3, []int{5, 8}},
		{"too few on the second for a p of 10⁻²⁰", three[:8], 1e-20, nil},
		{"one level", steps(1, 100, 10), 1e-4, nil},
		{"across windows", steps(2, 70, 10, 14, 10), 1e-6, []int{70, 140}},
		{"constant", make([]float64, 60), 1e-4, nil},
		{"one value", []float64{1}, 1e-4, nil},
		{"none", nil, 1e-4, nil},
	}
	for _, tt := range tests {
		if got := places(divisive{window: divisiveWindow, p: tt.p}.detect(tt.values)); !slices.Equal(got, tt.want) {
			t.Errorf("%s: got %v, want %v", tt.name, got, tt.want)
		}
	}
}

// TestWeightedByDefinition holds it to perfalert's rules, written down plainly.
func TestWeightedByDefinition(t *testing.T) {
	for seed := range uint64(50) {
		values := steps(seed, 40, 10, 13, 12, 16)
		for _, threshold := range []float64{3, 5, 7} {
			got := places(weighted{minBack: 12, maxBack: 24, ahead: 12, t: threshold}.detect(values))
			if want := perfalert(values, threshold); !slices.Equal(got, want) {
				t.Errorf("seed %d, t > %v: got %v, want %v", seed, threshold, got, want)
			}
		}
	}
}

// perfalert tells where the t of each value exceeds the threshold and both neighbours.
func perfalert(values []float64, threshold float64) (found []int) {
	weightedMean := func(n int, at func(int) float64) (mean, variance float64) {
		sum, weights := 0.0, 0.0
		for i := range n {
			sum += at(i) * (1 - float64(i)/float64(n))
			weights += 1 - float64(i)/float64(n)
		}
		for i := range n {
			variance += math.Pow(at(i)-sum/weights, 2)
		}
		return sum / weights, variance / float64(max(n-1, 1))
	}
	ts := make([]float64, len(values))
	sinceLast := 0
	for i := 1; i < len(values); i++ {
		n, m := min(max(12, min(sinceLast, 24)), i), min(12, len(values)-i)
		x, vx := weightedMean(n, func(k int) float64 { return values[i-1-k] })
		y, vy := weightedMean(m, func(k int) float64 { return values[i+k] })
		ts[i] = math.Abs(y-x) / math.Sqrt(vx/float64(n)+vy/float64(m))
		sinceLast++
		if ts[i] > threshold {
			sinceLast = 0
		}
	}
	for i := 12; i <= len(values)-12; i++ {
		if ts[i] > threshold && ts[i] >= ts[i-1] && (i+1 == len(ts) || ts[i] >= ts[i+1]) {
			found = append(found, i)
		}
	}
	return found
}

func TestWeighted(t *testing.T) {
	w := weighted{minBack: 12, maxBack: 24, ahead: 12, t: 7}
	step := append(make([]float64, 24), slices.Repeat([]float64{1}, 24)...)
	if got := w.detect(step); len(got) != 1 || got[0].at != 24 || !math.IsInf(got[0].statistic, 1) {
		t.Errorf("a step without noise: got %+v, want one at 24 with an infinite t", got)
	}
	if got := w.detect(step[13:]); got != nil {
		t.Errorf("eleven values before the step: got %+v, want none", got)
	}
	if got := w.detect(step[:35]); got != nil {
		t.Errorf("eleven values after the step: got %+v, want none", got)
	}
}

func TestRobust(t *testing.T) {
	tests := []struct {
		name   string
		values []float64
		want   []int
	}{
		{"down and up", steps(3, 30, 100, 90, 100), []int{30, 60}},
		{"a level of five", slices.Concat(steps(4, 20, 100), steps(5, 5, 120), steps(6, 20, 100)), []int{20, 25}},
		{"half a standard deviation is not enough", steps(7, 200, 100, 100.5), nil},
		{"less than a percent is not enough", steps(8, 30, 1000, 1008), nil},
		{"constant", make([]float64, 50), nil},
	}
	for _, tt := range tests {
		if got := places(robust(tt.values)); !slices.Equal(got, tt.want) {
			t.Errorf("%s: got %v, want %v", tt.name, got, tt.want)
		}
	}
}

// Dropping a cut changes the segments of its neighbours, so their strength too.
func TestPruneLooksAgainAtTheNeighbours(t *testing.T) {
	values := []float64{0, 0, 5, 5, 0, 0, 3, 3}
	mean := func(v []float64) float64 {
		sum := 0.0
		for _, x := range v {
			sum += x
		}
		return sum / float64(len(v))
	}
	judge := func(start, at, end int) (float64, float64) {
		d := math.Abs(mean(values[at:end]) - mean(values[start:at]))
		return d / 3.5, d
	}
	// 3 at 6 is dropped; then 5 against 1.5 at 4 just holds.
	got := prune([]int{2, 4, 6}, len(values), judge)
	if !slices.Equal(places(got), []int{2, 4}) || got[1].statistic != 3.5 || got[1].strength != 1 {
		t.Errorf("got %+v, want cuts at 2 and 4, the second with 3.5", got)
	}
	unknown := func(_, at, _ int) (float64, float64) {
		if at == 4 {
			return math.NaN(), 0
		}
		return 2, 0
	}
	if got := places(prune([]int{2, 4, 6}, 8, unknown)); !slices.Equal(got, []int{2, 6}) {
		t.Errorf("got %v, want the one dropped of which nothing can be told", got)
	}
	if got := prune(nil, 8, judge); len(got) != 0 {
		t.Errorf("got %v of nothing", got)
	}
}

func TestVoteNeedsTwoWithinReach(t *testing.T) {
	at := func(places ...int) (cs []candidate) {
		for _, p := range places {
			cs = append(cs, candidate{at: p})
		}
		return cs
	}
	tests := []struct {
		name                       string
		robust, divisive, weighted []candidate
		want                       []int
	}{
		{"all three; the first says where", at(50), at(52), at(47), []int{50}},
		{"two, five apart", at(50), at(55), nil, []int{50}},
		{"two, six apart", at(50), at(56), nil, nil},
		{"the other two", nil, at(30), at(31), []int{30}},
		{"one alone", at(10), at(50), at(90), nil},
		{"one candidate counts for one change", at(50, 55), at(53), nil, []int{50}},
	}
	for _, tt := range tests {
		var got []int
		for _, a := range (vote{}).agreements(tt.robust, tt.divisive, tt.weighted) {
			got = append(got, a.at)
		}
		if !slices.Equal(got, tt.want) {
			t.Errorf("%s: got %v, want %v", tt.name, got, tt.want)
		}
	}
}
