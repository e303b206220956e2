package capacity_test

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/plumbline/plumbline/pkg/capacity"
)

// cisco is the throughput of a Cisco router by the number of clients, 1 to 32, in
// B. Schwartz, Practical Scalability Analysis with the Universal Scalability Law
// (VividCortex 2015), on which the law's libraries are tested.
var cisco = []float64{
	955.16, 1878.91, 2688.01, 3548.68, 4315.54, 5130.43, 5931.37, 6531.08, 7219.8, 7867.61, 8278.71,
	8646.7, 9047.84, 9426.55, 9645.37, 9897.24, 10097.6, 10240.5, 10532.39, 10798.52, 11151.43,
	11518.63, 11806.0, 12089.37, 12075.41, 12177.29, 12211.41, 12158.93, 12155.27, 12118.04, 12140.4, 12074.39,
}

func points(throughputs []float64) (ps []capacity.Point) {
	for i, x := range throughputs {
		ps = append(ps, capacity.Point{Concurrency: float64(i + 1), Throughput: x})
	}
	return ps
}

// curve is the law at some concurrencies.
func curve(lambda, sigma, kappa float64, at ...float64) (ps []capacity.Point) {
	for _, n := range at {
		ps = append(ps, capacity.Point{Concurrency: n, Throughput: lambda * n / (1 + sigma*(n-1) + kappa*n*(n-1))})
	}
	return ps
}

func near(t *testing.T, what string, got, want, tolerance float64) {
	t.Helper()
	if !(math.Abs(got-want) <= tolerance*math.Abs(want)) {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}

func TestUSLGivesThePublishedParametersOfTheCiscoData(t *testing.T) {
	u := capacity.FitUSL(points(cisco), 1)
	if u.Reason != "" || u.PeakReason != "" {
		t.Fatalf("got refusals %q and %q, want none", u.Reason, u.PeakReason)
	}
	near(t, "λ", u.Lambda.Value, 995.65, 5e-5)
	near(t, "σ", u.Sigma.Value, 0.026716, 5e-5)
	near(t, "κ", u.Kappa.Value, 7.6909e-4, 5e-5)
	near(t, "N*", u.Peak.Value, 35.57, 2e-4)
	near(t, "X*", u.PeakThroughput.Value, 12343, 5e-5)
	// scipy.optimize.curve_fit gives standard errors 28.70, 0.004494 and 8.645e-5;
	// the intervals must be about Student's 2.045 of them to either side.
	for _, c := range []struct {
		name  string
		e     capacity.Estimate
		error float64
	}{{"λ", u.Lambda, 28.70}, {"σ", u.Sigma, .004494}, {"κ", u.Kappa, 8.645e-5}} {
		near(t, "width of the interval of "+c.name, c.e.High-c.e.Low, 2*2.045*c.error, .15)
	}
	if again := capacity.FitUSL(points(cisco), 1); again != u {
		t.Errorf("the same seed gave another answer: %+v and %+v", u, again)
	}
}

func TestUSLOfKnownCurves(t *testing.T) {
	loads := []float64{1, 2, 4, 8, 16, 32}
	for _, c := range []struct {
		name                 string
		lambda, sigma, kappa float64
		peak                 float64 // NaN: none
		reason               string
	}{
		{"linear", 50, 0, 0, math.NaN(), "no end of it was seen"},
		{"Amdahl, contention alone", 50, .05, 0, math.NaN(), "approaches λ/σ = 1,000"},
		{"retrograde", 50, .05, .002, math.Sqrt(.95 / .002), ""},
		{"a peak inside 1.5 times the range", 50, .02, .0005, math.Sqrt(.98 / .0005), ""},
		{"a peak far out", 50, .02, .00005, math.NaN(), "a guess"},
		{"throughput that falls from the start", 50, .9, .3, math.Sqrt(.1 / .3), ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			u := capacity.FitUSL(curve(c.lambda, c.sigma, c.kappa, loads...), 1)
			if u.Reason != "" {
				t.Fatalf("got refusal %q, want a fit", u.Reason)
			}
			near(t, "λ", u.Lambda.Value, c.lambda, 1e-6)
			if math.Abs(u.Sigma.Value-c.sigma) > 1e-6 || math.Abs(u.Kappa.Value-c.kappa) > 1e-8 {
				t.Errorf("got σ %v and κ %v, want %v and %v", u.Sigma.Value, u.Kappa.Value, c.sigma, c.kappa)
			}
			if !strings.Contains(u.PeakReason, c.reason) || (c.reason == "") != (u.PeakReason == "") {
				t.Errorf("got reason %q for no peak, want %q", u.PeakReason, c.reason)
			}
			if math.IsNaN(c.peak) != math.IsNaN(u.Peak.Value) || math.Abs(u.Peak.Value-c.peak) > 1e-4*c.peak {
				t.Errorf("got N* %v, want %v", u.Peak.Value, c.peak)
			}
		})
	}
}

func TestUSLRefuses(t *testing.T) {
	for _, c := range []struct {
		name   string
		points []capacity.Point
		reason string
	}{
		{"nothing", nil, "no level of load"},
		{"one level", curve(50, .01, 0, 8), "1 level of load, and at least 6"},
		{"five levels", curve(50, .01, 0, 1, 2, 4, 8, 16), "5 levels of load, and at least 6"},
		{"the same level six times", curve(50, .01, 0, 8, 8, 8, 8, 8, 8), "1 level of load"},
		{"six levels too close", curve(50, .01, 0, 10, 12, 14, 16, 18, 20), "a factor of 2.0, and 4 is needed"},
		{"levels without throughput", []capacity.Point{{1, 0}, {2, 0}, {4, 0}, {8, 0}, {16, 0}, {32, 0}}, "no level of load"},
		{"unknown throughputs", []capacity.Point{{1, math.NaN()}, {2, math.Inf(1)}, {-4, 3}, {0, 3}}, "no level of load"},
	} {
		u := capacity.FitUSL(c.points, 1)
		if !strings.Contains(u.Reason, c.reason) || u.PeakReason != u.Reason {
			t.Errorf("%s: got %q, want to be told %q", c.name, u.Reason, c.reason)
		}
		if !math.IsNaN(u.Lambda.Value) || !math.IsNaN(u.Peak.Value) || !math.IsNaN(u.PeakThroughput.High) {
			t.Errorf("%s: got numbers (%+v) beside a refusal", c.name, u)
		}
	}
}

// Intervals are for planning only if they hold the truth as often as they say.
func TestUSLIntervalsHoldTheTruth(t *testing.T) {
	const runs = 30
	rng := rand.New(rand.NewPCG(7, 8))
	for _, c := range []struct {
		name  string
		loads []float64
	}{
		{"eight levels", []float64{1, 2, 4, 8, 16, 24, 32, 48}},
		{"sixteen levels", []float64{1, 2, 3, 4, 6, 8, 10, 12, 16, 20, 24, 28, 32, 36, 42, 48}},
	} {
		const lambda, sigma, kappa = 100, .03, .0008
		held := map[string]int{}
		for seed := range runs {
			ps := curve(lambda, sigma, kappa, c.loads...)
			for i := range ps {
				ps[i].Throughput = math.Max(ps[i].Throughput+20*rng.NormFloat64(), 1)
			}
			u := capacity.FitUSL(ps, uint64(seed))
			for name, e := range map[string]struct {
				capacity.Estimate
				truth float64
			}{"λ": {u.Lambda, lambda}, "σ": {u.Sigma, sigma}, "κ": {u.Kappa, kappa}} {
				if e.Low <= e.truth && e.truth <= e.High {
					held[name]++
				}
			}
		}
		for name, n := range held {
			if share := float64(n) / runs; share < .85 {
				t.Errorf("%s: the interval of %s held the truth in %.3f of the runs, want about .95", c.name, name, share)
			}
			t.Logf("%s: %s held in %.3f", c.name, name, float64(n)/runs)
		}
	}
}
