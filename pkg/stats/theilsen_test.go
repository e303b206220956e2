package stats

import (
	"math"
	"math/rand/v2"
	"testing"
)

// nile is the annual flow of the Nile at Aswan in 10⁸ m³, 1871 to 1970 (Cobb
// 1978; data set Nile of R, mean 919.35).
var nile = []float64{
	1120, 1160, 963, 1210, 1160, 1160, 813, 1230, 1370, 1140, 995, 935, 1110, 994, 1020, 960, 1180, 799, 958, 1140,
	1100, 1210, 1150, 1250, 1260, 1220, 1030, 1100, 774, 840, 874, 694, 940, 833, 701, 916, 692, 1020, 1050, 969,
	831, 726, 456, 824, 702, 1120, 1100, 832, 764, 821, 768, 845, 864, 862, 698, 845, 744, 796, 1040, 759,
	781, 865, 845, 944, 984, 897, 822, 1010, 771, 676, 649, 846, 812, 742, 801, 1040, 860, 874, 848, 890,
	744, 749, 838, 1050, 918, 986, 797, 923, 975, 815, 1020, 906, 901, 1170, 912, 746, 919, 718, 714, 740,
}

func years() []float64 {
	x := make([]float64, len(nile))
	for i := range x {
		x[i] = float64(i + 1)
	}
	return x
}

// The wanted values are those of scipy.stats.theilslopes 1.10.1. The rainfall
// example is 9.1 of Hollander & Wolfe, Nonparametric Statistical Methods (1973).
func TestTheilSenAgainstSciPyAndHollanderWolfe(t *testing.T) {
	if got := Mean(nile); math.Abs(got-919.35) > 1e-9 {
		t.Fatalf("the Nile data have mean %v, want 919.35", got)
	}
	for _, c := range []struct {
		name       string
		x, y       []float64
		confidence float64
		want       Line
	}{
		{"Nile", years(), nile, .95, Line{Slope: -2.6, Intercept: 1024.8, Low: -3.627906976744186, High: -1.4285714285714286}},
		{"cloud seeding", []float64{1, 2, 3, 4, 5}, []float64{1.26, 1.27, 1.12, 1.16, 1.03}, .9, Line{Slope: -0.05625, Intercept: 1.32875, Low: -0.13, High: 0.01}},
		{"ties in x and an outlier", []float64{1, 2, 2, 3, 5, 8, 8, 9, 12, 15}, []float64{2.1, 3.9, 4.4, 6.2, 9.7, 17, 15.1, 18.2, 60, 30.5}, .95,
			Line{Slope: 2.0461538461538464, Intercept: -0.9, Low: 1.8666666666666665, High: 2.3}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := TheilSen(c.x, c.y, c.confidence)
			for name, pair := range map[string][2]float64{"slope": {got.Slope, c.want.Slope}, "intercept": {got.Intercept, c.want.Intercept}, "low": {got.Low, c.want.Low}, "high": {got.High, c.want.High}} {
				if math.Abs(pair[0]-pair[1]) > 1e-9 {
					t.Errorf("%s: got %v, want %v", name, pair[0], pair[1])
				}
			}
		})
	}
}

func TestTheilSenOfWhatHasNoLine(t *testing.T) {
	for name, xy := range map[string][2][]float64{
		"nothing":      {nil, nil},
		"one point":    {{1}, {2}},
		"all x equal":  {{3, 3, 3}, {1, 2, 3}},
		"only NaN":     {{1, 2}, {math.NaN(), math.NaN()}},
		"infinite y's": {{1, 2}, {math.Inf(1), math.Inf(1)}},
	} {
		if got := TheilSen(xy[0], xy[1], .95); !math.IsNaN(got.Slope) || !math.IsNaN(got.Intercept) || !math.IsNaN(got.R2) {
			t.Errorf("%s: got %+v, want no line", name, got)
		}
	}
	l := TheilSen([]float64{1, 2, math.NaN(), 4}, []float64{2, 4, 5, 8}, .95)
	if l.Slope != 2 || l.Intercept != 0 || l.R2 != 1 {
		t.Errorf("got %+v, want the line y = 2x without the unknown point", l)
	}
}

// Load in steps and samples of a small pool have ties in both.
func TestVarianceOfKendallsSWithTiesInBoth(t *testing.T) {
	x, y := []float64{1, 1, 1, 2, 2, 2, 3, 3}, []float64{0, 0, 1, 1, 1, 1, 2, 2}
	const want = 48.42857142857144 // of S = 18 in scipy.stats.kendalltau(x, y, method="asymptotic"): (S/z)²
	if got := kendallVariance(x, y); math.Abs(got-want) > 1e-9 {
		t.Errorf("got %v, want %v", got, want)
	}
	flat := make([]float64, 40)
	for i := range flat {
		flat[i] = float64(i / 20)
	}
	if l := TheilSenSeries(flat, flat, .95); l.Slope != 1 || math.IsNaN(l.Low) {
		t.Errorf("two values in each: got %+v, want slope 1 with an interval", l)
	}
}

func TestLineTurnsAroundItsMedians(t *testing.T) {
	l := TheilSen([]float64{1, 2, 3}, []float64{10, 20, 30}, .95)
	if got := l.Turned(5).At(2); got != 20 {
		t.Errorf("got %v at the median x, want 20", got)
	}
	if got := l.Turned(5).At(4); got != 30 {
		t.Errorf("got %v two further, want 30", got)
	}
}

// In a series whose noise remembers, the interval must still hold the true slope
// in about 95 of 100 cases. Without the widening it does so in about 70.
func TestIntervalsOfTheilSenHoldTheSlope(t *testing.T) {
	const runs, n, truth = 400, 80, 0.01
	rng := rand.New(rand.NewPCG(5, 6))
	for _, c := range []struct {
		name        string
		memory      float64
		low, high   float64
		plainAtMost float64
	}{
		{"independent noise", 0, .93, .98, 1},
		{"noise that remembers a half", .5, .88, .98, .80},
	} {
		held, plain := 0, 0
		for range runs {
			x, y := make([]float64, n), make([]float64, n)
			noise := 0.0
			for i := range x {
				noise = c.memory*noise + rng.NormFloat64()
				// The load goes up in steps of ten intervals.
				x[i] = float64(10 + 10*(i/10))
				y[i] = truth*x[i] + .1*noise
			}
			if l := TheilSenSeries(x, y, .95); l.Low <= truth && truth <= l.High {
				held++
			}
			if l := TheilSen(x, y, .95); l.Low <= truth && truth <= l.High {
				plain++
			}
		}
		if share := float64(held) / runs; share < c.low || share > c.high {
			t.Errorf("%s: got intervals that hold the slope in %.3f of the runs, want %v to %v", c.name, share, c.low, c.high)
		}
		t.Logf("%s: held in %.3f of the runs, without the widening in %.3f", c.name, float64(held)/runs, float64(plain)/runs)
		if share := float64(plain) / runs; share > c.plainAtMost {
			t.Errorf("%s: got %.3f without the widening, want at most %v, or the widening is for nothing", c.name, share, c.plainAtMost)
		}
	}
}

func TestRanksShareTies(t *testing.T) {
	got := ranks([]float64{30, 10, 20, 10})
	for i, want := range []float64{4, 1.5, 3, 1.5} {
		if got[i] != want {
			t.Errorf("got %v, want [4 1.5 3 1.5]", got)
			break
		}
	}
}
