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

// mostUsers is how many users there are at most, in an open model those of the pool.
func (p Profile) mostUsers() int {
	if p.Open {
		return p.pool()
	}
	return p.MaxUsers()
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
	segment Segment
	n       uint64 // of the next one
	sum     float64
	rng     *rand.Rand
}

// Arrivals starts at the first due time of a segment; the seed matters for Poisson arrivals.
func (p Profile) Arrivals(seed uint64, segment Segment) *Arrivals {
	return &Arrivals{profile: p, segment: segment, rng: rand.New(rand.NewPCG(seed, math.MaxUint64))}
}

// Next is the next due time after the start; false when there is none.
// Poisson arrivals of a changing rate are those of rate 1, on the integral's scale.
func (a *Arrivals) Next() (time.Duration, bool) {
	for {
		at := float64(a.n)
		if a.profile.Poisson {
			a.sum += a.rng.ExpFloat64()
			at = a.sum
		}
		n := a.n
		a.n++
		if !a.segment.has(n) {
			continue
		}
		return a.profile.Due(at)
	}
}

// Number is that of the last due time, among all arrivals of the run, from 0.
func (a *Arrivals) Number() uint64 { return a.n - 1 }
