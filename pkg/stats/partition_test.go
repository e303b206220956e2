package stats_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/plumbline/plumbline/pkg/stats"
)

// nile is the annual flow of the Nile at Aswan, 1871–1970, in 10⁸ m³ (Cobb 1978;
// R's datasets::Nile).
var nile = []float64{
	1120, 1160, 963, 1210, 1160, 1160, 813, 1230, 1370, 1140, 995, 935, 1110, 994, 1020, 960, 1180, 799, 958, 1140,
	1100, 1210, 1150, 1250, 1260, 1220, 1030, 1100, 774, 840, 874, 694, 940, 833, 701, 916, 692, 1020, 1050, 969,
	831, 726, 456, 824, 702, 1120, 1100, 832, 764, 821, 768, 845, 864, 862, 698, 845, 744, 796, 1040, 759,
	781, 865, 845, 944, 984, 897, 822, 1010, 771, 676, 649, 846, 812, 742, 801, 1040, 860, 874, 848, 890,
	744, 749, 838, 1050, 918, 986, 797, 923, 975, 815, 1020, 906, 901, 1170, 912, 746, 919, 718, 714, 740,
}

// TestPartitionOfTheNile holds it to the optimal partitions that R's strucchange
// publishes for it (summary(breakpoints(Nile ~ 1)), segments of at least 15): with
// 1, 2 and 4 breaks their sums of squares are 1,597,457, 1,552,924 and 1,507,888, of
// 2,835,157 without. The penalty decides how many there are.
func TestPartitionOfTheNile(t *testing.T) {
	tests := []struct {
		penalty float64
		want    []int
		squares float64
	}{
		{1.3e6, nil, 2835157},
		{1e5, []int{28}, 1597457},
		{4e4, []int{28, 83}, 1552924},
		{2e4, []int{28, 45, 68, 83}, 1507888},
	}
	for _, tt := range tests {
		got := stats.Partition(nile, tt.penalty, 15)
		if !slices.Equal(got, tt.want) {
			t.Errorf("penalty %g: got %v, want %v", tt.penalty, got, tt.want)
		}
		if squares := cost(nile, got, 0); math.Abs(squares-tt.squares) > 1 {
			t.Errorf("penalty %g: got a sum of squares of %.0f, want %.0f", tt.penalty, squares, tt.squares)
		}
	}
}

// TestPartitionIsOptimal tries every partition of short series.
func TestPartitionIsOptimal(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 400 {
		values := make([]float64, 2+r.IntN(11))
		level := 0.0
		for i := range values {
			if r.IntN(4) == 0 {
				level = 4 * r.NormFloat64()
			}
			values[i] = level + r.NormFloat64()
		}
		penalty, shortest := 6*r.Float64(), 1+r.IntN(4)
		got := stats.Partition(values, penalty, shortest)
		best := math.Inf(1)
		for cuts := range subsets(len(values), shortest) {
			best = min(best, cost(values, cuts, penalty))
		}
		if c := cost(values, got, penalty); math.Abs(c-best) > 1e-9 {
			t.Fatalf("%v, penalty %v, segments of %d: got %v, which costs %v; the best costs %v", values, penalty, shortest, got, c, best)
		}
		for i, at := range append(slices.Clone(got), len(values)) {
			if start := append([]int{0}, got...)[i]; at-start < shortest && len(got) > 0 {
				t.Fatalf("got %v of %d values, want segments of at least %d", got, len(values), shortest)
			}
		}
	}
}

// subsets are all ways to cut n values in segments that are long enough.
func subsets(n, shortest int) func(yield func([]int) bool) {
	return func(yield func([]int) bool) {
		for bits := range 1 << (n - 1) {
			var cuts []int
			last, ok := 0, true
			for at := 1; at < n; at++ {
				if bits>>(at-1)&1 == 1 {
					ok = ok && at-last >= shortest
					cuts, last = append(cuts, at), at
				}
			}
			if (ok && n-last >= shortest || len(cuts) == 0) && !yield(cuts) {
				return
			}
		}
	}
}

// cost is the sum of squares in the segments and a penalty for each cut.
func cost(values []float64, cuts []int, penalty float64) float64 {
	sum, start := penalty*float64(len(cuts)), 0
	for _, end := range append(slices.Clone(cuts), len(values)) {
		mean := stats.Mean(values[start:end])
		for _, v := range values[start:end] {
			sum += (v - mean) * (v - mean)
		}
		start = end
	}
	return sum
}

func TestPartitionOfOddInput(t *testing.T) {
	tests := []struct {
		name     string
		values   []float64
		penalty  float64
		shortest int
		want     []int
	}{
		{"none", nil, 1, 1, nil},
		{"one", []float64{1}, 1, 1, nil},
		{"shorter than two segments", []float64{0, 0, 9, 9, 9}, 1, 3, nil},
		{"just as long as two segments", []float64{0, 0, 0, 9, 9, 9}, 1, 3, []int{3}},
		{"a step far from 0", []float64{1e9, 1e9, 1e9, 1e9 + 1, 1e9 + 1, 1e9 + 1}, 0.1, 1, []int{3}},
		{"a segment of no length is one of length 1", []float64{0, 9}, 1, 0, []int{1}},
		{"unknown value", []float64{0, nan, 9, 9}, 1, 1, nil},
		{"infinite value", []float64{0, 0, math.Inf(1), 9}, 1, 1, nil},
		{"unknown penalty", []float64{0, 0, 9, 9}, nan, 1, nil},
	}
	for _, tt := range tests {
		if got := stats.Partition(tt.values, tt.penalty, tt.shortest); !slices.Equal(got, tt.want) {
			t.Errorf("%s: got %v, want %v", tt.name, got, tt.want)
		}
	}
}
