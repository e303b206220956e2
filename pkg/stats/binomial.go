package stats

import (
	"math"

	"gonum.org/v1/gonum/mathext"
)

// Wilson is the score interval for a share of which events among trials were
// seen, at a confidence such as 0.95 (Wilson 1927). It stays within [0, 1] and
// has a width at 0 events too. Counts need not be whole. Without trials, or with
// impossible counts, both bounds are NaN.
func Wilson(events, trials, confidence float64) (low, high float64) {
	if !possible(events, trials) {
		return math.NaN(), math.NaN()
	}
	z := NormalQuantile((1 + confidence) / 2)
	share, z2 := events/trials, z*z/trials
	middle := (share + z2/2) / (1 + z2)
	half := math.Sqrt(z2*(share*(1-share)+z2/4)) / (1 + z2)
	return max(0, middle-half), min(1, middle+half)
}

// ShareBounds are the exact one-sided bounds of a share of which events among
// trials were seen: it lies below low, or above high, with a chance of at most
// alpha each (Clopper & Pearson 1934). With 0 events in N, high is 1 − α^(1/N),
// at 95 % about 3/N. Counts need not be whole. Without trials, or with
// impossible counts, both are NaN.
func ShareBounds(events, trials, alpha float64) (low, high float64) {
	if !possible(events, trials) {
		return math.NaN(), math.NaN()
	}
	low, high = 0, 1
	if events > 0 {
		low = mathext.InvRegIncBeta(events, trials-events+1, alpha)
	}
	if events < trials {
		high = mathext.InvRegIncBeta(events+1, trials-events, 1-alpha)
	}
	return low, high
}

// Overdispersion is φ: how many times more events vary over intervals than
// chance alone would make them,
//
//	φ = χ²/(n−1), χ² = Σ (x_i − N_i·p)² / (N_i·p·(1−p)), p = Σx/ΣN
//
// Pearson's χ² for the hypothesis of one share p in all n intervals, by its
// degrees of freedom. It is 1 for independent events. Intervals without trials
// are left out. It is NaN when fewer than two intervals are left, when every
// trial or none was an event, or when a count is NaN.
func Overdispersion(events, trials []float64) float64 {
	chi2, df := HeterogeneityChiSquared(events, trials)
	if df < 1 {
		return math.NaN()
	}
	return chi2 / df
}

// HeterogeneityChiSquared is the χ² of [Overdispersion] and its degrees of
// freedom n−1, so that several groups, each with a share of its own, can be added up.
func HeterogeneityChiSquared(events, trials []float64) (chi2, df float64) {
	var allEvents, allTrials float64
	for i := range trials {
		if trials[i] != 0 {
			allEvents += events[i]
			allTrials += trials[i]
			df++
		}
	}
	share := allEvents / allTrials
	for i := range trials {
		if trials[i] != 0 {
			off := events[i] - trials[i]*share
			chi2 += off * off / (trials[i] * share * (1 - share))
		}
	}
	return chi2, df - 1
}

// Counts are events among trials, such as failed among all requests.
type Counts struct{ Events, Trials float64 }

// A RateTest compares the rates of events on two sides. Given all x₁+x₂ events,
// those of the candidate are Bin(x₁+x₂, N₁/(N₁+N₂)) when the rates are equal
// (Przyborowski & Wilenski 1940): an exact test that needs no correction for few
// or no events. Events that come in clumps are counted as 1/Dispersion of their
// number, which widens the variance of their share by the [Overdispersion].
//
// The test takes events for rare among the trials; for frequent ones it errs on the
// safe side. Without events there is nothing to tell: p is 1, the bounds are 0 and +Inf.
type RateTest struct {
	Candidate, Baseline Counts
	Dispersion          float64 // φ; below 1 or NaN counts as 1
}

// PHigher is the chance of as many candidate events or more when the rates are
// equal; NaN for impossible counts.
func (t RateTest) PHigher() float64 {
	x, n, share := t.effective()
	switch {
	case !t.possible():
		return math.NaN()
	case x == 0:
		return 1
	}
	return mathext.RegIncBeta(x, n-x+1, share)
}

// PLower is the chance of as few candidate events or fewer when the rates are equal.
func (t RateTest) PLower() float64 {
	return RateTest{Candidate: t.Baseline, Baseline: t.Candidate, Dispersion: t.Dispersion}.PHigher()
}

// RatioBounds are one-sided bounds of the candidate's rate divided by the
// baseline's: it lies below low, or above high, with a chance of at most alpha
// each. They agree with the test: low > 1 when PHigher < alpha. NaN for impossible counts.
func (t RateTest) RatioBounds(alpha float64) (low, high float64) {
	x, n, share := t.effective()
	switch {
	case !t.possible():
		return math.NaN(), math.NaN()
	case n == 0:
		return 0, math.Inf(1)
	}
	low, high = ShareBounds(x, n, alpha)
	odds := share / (1 - share)
	return low / (1 - low) / odds, high / (1 - high) / odds
}

// effective is the candidate's events and all events, both by the dispersion,
// and the candidate's share of the trials.
func (t RateTest) effective() (x, n, share float64) {
	phi := t.Dispersion
	if !(phi > 1) {
		phi = 1
	}
	share = t.Candidate.Trials / (t.Candidate.Trials + t.Baseline.Trials)
	return t.Candidate.Events / phi, (t.Candidate.Events + t.Baseline.Events) / phi, share
}

func (t RateTest) possible() bool {
	return possible(t.Candidate.Events, t.Candidate.Trials) && possible(t.Baseline.Events, t.Baseline.Trials)
}

func possible(events, trials float64) bool {
	return trials > 0 && events >= 0 && events <= trials
}
