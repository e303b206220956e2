package stats_test

import (
	"fmt"

	"github.com/plumbline/plumbline/pkg/stats"
)

// The first interval of a run is slow; the rest is what should be scored.
func ExampleMSER5() {
	latency := []float64{
		9.1, 7.2, 5.0, 3.9, 2.8, // seconds, in intervals of 5 s
		1.1, 0.9, 1.0, 1.2, 0.8,
		1.0, 1.1, 0.9, 1.0, 1.1,
		0.9, 1.0, 1.2, 1.0, 0.9,
	}
	cut := stats.MSER5(latency)
	fmt.Printf("leave out the first %d of %d intervals\n", cut, len(latency))
	fmt.Printf("then the halves differ by %.0f %%\n", 100*stats.HalfShift(latency[cut:]))
	// Output:
	// leave out the first 5 of 20 intervals
	// then the halves differ by 0 %
}

// The noise between runs of many metrics says what to expect of one.
func ExampleFitVariancePrior() {
	variances := []float64{0.0001, 0.0008, 0.0030, 0.0001, 0.0004, 0.0100} // of ln(value)
	degrees := []float64{4, 4, 4, 2, 9, 4}
	prior := stats.FitVariancePrior(variances, degrees)
	variance, nu := prior.Capped(10).Shrink(0.0002, 2) // three runs of one more metric
	fmt.Printf("%.5f with %.1f degrees of freedom\n", variance, nu)
	// Output: 0.00029 with 3.5 degrees of freedom
}

// 11 failures in 800 requests against 21 in 3,011: R's example on poisson.test.
func ExampleRateTest() {
	test := stats.RateTest{
		Candidate: stats.Counts{Events: 11, Trials: 800},
		Baseline:  stats.Counts{Events: 21, Trials: 3011},
	}
	low, high := test.RatioBounds(0.025)
	fmt.Printf("p = %.3f, ratio of the rates within %.2f and %.2f\n", test.PHigher(), low, high)
	// Output: p = 0.056, ratio of the rates within 0.86 and 4.28
}

func ExampleBenjaminiHochberg() {
	p := []float64{0.01, 0.04, 0.03, 0.005}
	fmt.Printf("%.2f\n%.2f\n", stats.Holm(p), stats.BenjaminiHochberg(p))
	// Output:
	// [0.03 0.06 0.06 0.02]
	// [0.02 0.04 0.04 0.02]
}
