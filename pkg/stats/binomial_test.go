package stats_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/plumbline/plumbline/pkg/stats"
)

// TestShareIntervalsOfNewcombe1998 are the four examples of Newcombe (1998),
// Statistics in Medicine 17:857, table I: method 3 (score) and method 5 (exact).
func TestShareIntervalsOfNewcombe1998(t *testing.T) {
	tests := []struct {
		events, trials         float64
		low, high              float64 // score
		exactLow, exactHighest float64 // Clopper–Pearson
	}{
		{81, 263, 0.2553, 0.3662, 0.2527, 0.3676},
		{15, 148, 0.0624, 0.1605, 0.0578, 0.1617},
		{0, 20, 0, 0.1611, 0, 0.1684},
		{1, 29, 0.0061, 0.1718, 0.0009, 0.1776},
	}
	for _, tt := range tests {
		low, high := stats.Wilson(tt.events, tt.trials, 0.95)
		if math.Abs(low-tt.low) > 5e-5 || math.Abs(high-tt.high) > 5e-5 {
			t.Errorf("score, %v of %v: got %.4f to %.4f, want %.4f to %.4f", tt.events, tt.trials, low, high, tt.low, tt.high)
		}
		low, high = stats.ShareBounds(tt.events, tt.trials, 0.025)
		if math.Abs(low-tt.exactLow) > 5e-5 || math.Abs(high-tt.exactHighest) > 5e-5 {
			t.Errorf("exact, %v of %v: got %.4f to %.4f, want %.4f to %.4f",
				tt.events, tt.trials, low, high, tt.exactLow, tt.exactHighest)
		}
	}
}

func TestNoEventsAmongMany(t *testing.T) {
	const trials = 10_000
	_, got := stats.ShareBounds(0, trials, 0.05)
	if want := 3.0 / trials; !near(got, want, 0.002) {
		t.Errorf("got %v, want the rule of three, %v", got, want)
	}
	if low, high := stats.ShareBounds(trials, trials, 0.05); !near(1-low, got, 1e-8) || high != 1 {
		t.Errorf("all are events: got %v to %v, want the mirror image of none", low, high)
	}
}

func TestImpossibleCounts(t *testing.T) {
	for _, c := range []stats.Counts{{0, 0}, {-1, 10}, {11, 10}, {nan, 10}, {1, nan}} {
		if low, high := stats.Wilson(c.Events, c.Trials, 0.95); !math.IsNaN(low) || !math.IsNaN(high) {
			t.Errorf("score of %v: got %v to %v, want NaN", c, low, high)
		}
		if low, high := stats.ShareBounds(c.Events, c.Trials, 0.05); !math.IsNaN(low) || !math.IsNaN(high) {
			t.Errorf("exact of %v: got %v to %v, want NaN", c, low, high)
		}
		test := stats.RateTest{Candidate: c, Baseline: stats.Counts{Events: 1, Trials: 10}}
		low, high := test.RatioBounds(0.05)
		for _, got := range []float64{test.PHigher(), test.PLower(), low, high} {
			if !math.IsNaN(got) {
				t.Errorf("test of %v: got %v, want NaN", c, got)
			}
		}
	}
}

// TestRateTestAsR is the example of R's help on poisson.test, two groups:
// poisson.test(c(11, 6+8+7), c(800, 1083+1050+878)) prints p-value = 0.07967 and
// the 95 percent confidence interval 0.8584264 4.2772659 of the rate ratio.
func TestRateTestAsR(t *testing.T) {
	test := stats.RateTest{
		Candidate: stats.Counts{Events: 11, Trials: 800},
		Baseline:  stats.Counts{Events: 21, Trials: 3011},
	}
	// R's two-sided p is the upper tail here and the lower outcomes that are as unlikely.
	const higher, lower = 0.0560086597876996, 0.975931823227312 // summed with mpmath
	if got := test.PHigher(); !near(got, higher, 1e-12) {
		t.Errorf("higher: got %v, want %v", got, higher)
	}
	if got := test.PLower(); !near(got, lower, 1e-12) {
		t.Errorf("lower: got %v, want %v", got, lower)
	}
	low, high := test.RatioBounds(0.025)
	if !near(low, 0.8584264, 1e-7) || !near(high, 4.2772659, 1e-7) {
		t.Errorf("bounds: got %.7f to %.7f, want 0.8584264 to 4.2772659", low, high)
	}
	if got := twoSided(32, 11, 800.0/3811); math.Abs(got-0.07967) > 5e-6 {
		t.Errorf("two-sided: got %.5f, want 0.07967", got)
	}
}

// twoSided is R's p-value: all outcomes no likelier than the one seen, by the
// differences of RateTest's tails.
func twoSided(n, seen int, share float64) float64 {
	probability := func(x int) float64 {
		tail := func(x int) float64 {
			return stats.RateTest{
				Candidate: stats.Counts{Events: float64(x), Trials: 1e6 * share},
				Baseline:  stats.Counts{Events: float64(n - x), Trials: 1e6 * (1 - share)},
			}.PHigher()
		}
		if x == n {
			return tail(n)
		}
		return tail(x) - tail(x+1)
	}
	sum := 0.0
	for x := range n + 1 {
		if probability(x) <= probability(seen)*(1+1e-7) {
			sum += probability(x)
		}
	}
	return sum
}

func TestRateTest(t *testing.T) {
	counts := func(events, trials float64) stats.Counts { return stats.Counts{Events: events, Trials: trials} }
	tests := []struct {
		name          string
		test          stats.RateTest
		higher, lower float64
		low, high     float64 // at 5 % each; −1: not looked at
	}{
		{"no events at all", stats.RateTest{Candidate: counts(0, 100), Baseline: counts(0, 300)}, 1, 1, 0, math.Inf(1)},
		// 0.5^5 and its complement-free mirror.
		{"five against none", stats.RateTest{Candidate: counts(5, 100), Baseline: counts(0, 100)}, 1.0 / 32, 1, -1, math.Inf(1)},
		{"none against five", stats.RateTest{Candidate: counts(0, 100), Baseline: counts(5, 100)}, 1, 1.0 / 32, 0, -1},
		{"7 of 1000 against 2 of 1500, mpmath", stats.RateTest{Candidate: counts(7, 1000), Baseline: counts(2, 1500)}, 0.025034752, -1, -1, -1},
		{"the same in clumps of 1.7, mpmath", stats.RateTest{Candidate: counts(7, 1000), Baseline: counts(2, 1500), Dispersion: 1.7}, 0.09319815480263853, -1, -1, -1},
		{"less than chance is chance", stats.RateTest{Candidate: counts(7, 1000), Baseline: counts(2, 1500), Dispersion: 0.2}, 0.025034752, -1, -1, -1},
		{"unknown clumps are none", stats.RateTest{Candidate: counts(7, 1000), Baseline: counts(2, 1500), Dispersion: nan}, 0.025034752, -1, -1, -1},
	}
	for _, tt := range tests {
		low, high := tt.test.RatioBounds(0.05)
		for _, c := range []struct {
			what      string
			got, want float64
		}{{"higher", tt.test.PHigher(), tt.higher}, {"lower", tt.test.PLower(), tt.lower}, {"low", low, tt.low}, {"high", high, tt.high}} {
			if c.want != -1 && !near(c.got, c.want, 1e-9) {
				t.Errorf("%s: %s: got %v, want %v", tt.name, c.what, c.got, c.want)
			}
		}
	}
}

func TestRateTestBoundsAgreeWithItsP(t *testing.T) {
	for x := 0.0; x <= 60; x++ {
		for _, phi := range []float64{1, 2.5} {
			test := stats.RateTest{
				Candidate:  stats.Counts{Events: x, Trials: 2e6},
				Baseline:   stats.Counts{Events: 20, Trials: 1e6},
				Dispersion: phi,
			}
			low, high := test.RatioBounds(0.05)
			if p := test.PHigher(); (low > 1) != (p < 0.05) {
				t.Errorf("%v events, φ %v: p %v, but low %v", x, phi, p, low)
			}
			if p := test.PLower(); (high < 1) != (p < 0.05) {
				t.Errorf("%v events, φ %v: p %v, but high %v", x, phi, p, high)
			}
		}
	}
}

func TestRateTestOnManyEvents(t *testing.T) {
	test := stats.RateTest{
		Candidate: stats.Counts{Events: 101_000, Trials: 1e8},
		Baseline:  stats.Counts{Events: 100_000, Trials: 1e8},
	}
	z := (101_000 - 100_500 - 0.5) / math.Sqrt(201_000*0.25) // normal approximation
	if got, want := test.PHigher(), stats.NormalCDF(-z); !near(got, want, 1e-3) {
		t.Errorf("got %v, want %v", got, want)
	}
	low, high := test.RatioBounds(0.05)
	spread := 1.645 * math.Sqrt(1.0/101_000+1.0/100_000)
	if !near(low, 1.01*math.Exp(-spread), 1e-4) || !near(high, 1.01*math.Exp(spread), 1e-4) {
		t.Errorf("got %v to %v, want 1.01 ± %v", low, high, spread)
	}
}

func TestOverdispersion(t *testing.T) {
	tests := []struct {
		name           string
		events, trials []float64
		want           float64
	}{
		// R's help on prop.test: smokers among patients (Fleiss 1981), X-squared = 12.6004, df = 3.
		{"Fleiss' smokers", []float64{83, 90, 129, 70}, []float64{86, 93, 136, 82}, 12.60041129712767 / 3},
		{"intervals without trials are left out", []float64{83, 0, 90, 129, 70}, []float64{86, 0, 93, 136, 82}, 12.60041129712767 / 3},
		{"as even as can be", []float64{5, 5, 5}, []float64{100, 100, 100}, 0},
		{"no events", []float64{0, 0}, []float64{10, 20}, nan},
		{"only events", []float64{10, 20}, []float64{10, 20}, nan},
		{"one interval", []float64{3}, []float64{10}, nan},
		{"none", nil, nil, nan},
	}
	for _, tt := range tests {
		if got := stats.Overdispersion(tt.events, tt.trials); !near(got, tt.want, 1e-12) {
			t.Errorf("%s: got %v, want %v", tt.name, got, tt.want)
		}
	}
}

func TestOverdispersionOfIndependentEvents(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	var events, trials []float64
	for range 2000 {
		x := 0.0
		for range 200 {
			if rng.Float64() < 0.03 {
				x++
			}
		}
		events, trials = append(events, x), append(trials, 200)
	}
	if got := stats.Overdispersion(events, trials); !near(got, 1, 0.1) {
		t.Errorf("got %v, want about 1", got)
	}
}

func TestRunsNeeded(t *testing.T) {
	tests := []struct {
		name                       string
		sigma, effect, alpha, beta float64
		want                       int
	}{
		// 2·(1.6449+0.8416)²/0.5² = 49.46
		{"half a standard deviation", 1, 0.5, 0.05, 0.2, 50},
		// 2·(1.6449+0.8416)²·0.02²/0.0488² = 2.08
		{"5 % in noise of 2 %", 0.02, math.Log(1.05), 0.05, 0.2, 3},
		{"no noise", 0, 0.1, 0.05, 0.2, 0},
		{"no effect", 1, 0, 0.05, 0.2, 0},
		{"unknown noise", nan, 0.1, 0.05, 0.2, 0},
		{"level outside", 1, 1, 1.05, 0.2, 0},
	}
	for _, tt := range tests {
		if got := stats.RunsNeeded(tt.sigma, tt.effect, tt.alpha, tt.beta); got != tt.want {
			t.Errorf("%s: got %d, want %d", tt.name, got, tt.want)
		}
	}
}
