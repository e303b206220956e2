package loadgen

import (
	"math"
	"math/rand/v2"
	"time"
)

// defaultQueue bounds the arrivals that wait for a user, when max_queue does not.
const defaultQueue = 100_000

func (p Profile) queueBound() int {
	if p.MaxQueue > 0 {
		return p.MaxQueue
	}
	return defaultQueue
}

func (p Profile) pool() int {
	if p.MaxInFlight > 0 {
		return p.MaxInFlight
	}
	return max(100, int(math.Ceil(p.MaxRate())))
}

// Due is when the n-th arrival comes, after the start: where the integral of
// the rate reaches n. False when that is after the end.
func (p Profile) Due(n float64) (time.Duration, bool) {
	var before time.Duration
	for _, s := range p.Stages {
		seconds := s.Duration.Seconds()
		if inStage := (s.From + s.To) / 2 * seconds; n >= inStage {
			n -= inStage
			before += s.Duration
			continue
		}
		// n = from·t + slope·t²/2, solved for t in the form that is stable for slope → 0.
		slope := (s.To - s.From) / seconds
		root := math.Sqrt(max(s.From*s.From+2*slope*n, 0))
		if s.From+root == 0 { // n = 0 of a ramp from 0
			return before, true
		}
		t := 2 * n / (s.From + root)
		return before + time.Duration(math.Round(t*float64(time.Second))), true
	}
	return 0, false
}

// Arrivals are the due times of a profile, in order.
type Arrivals struct {
	profile Profile
	n       int
	sum     float64
	rng     *rand.Rand
}

// Arrivals starts at the first due time; the seed matters for Poisson arrivals.
func (p Profile) Arrivals(seed uint64) *Arrivals {
	return &Arrivals{profile: p, rng: rand.New(rand.NewPCG(seed, math.MaxUint64))}
}

// Next is the next due time after the start; false when there is none.
// Poisson arrivals of a changing rate are those of rate 1, on the integral's scale.
func (a *Arrivals) Next() (time.Duration, bool) {
	if a.profile.Poisson {
		a.sum += a.rng.ExpFloat64()
		return a.profile.Due(a.sum)
	}
	due, ok := a.profile.Due(float64(a.n))
	a.n++
	return due, ok
}
