package capacity

import (
	"fmt"
	"math"
	"slices"

	"github.com/plumbline/plumbline/pkg/stats"
)

// How the recovery from a spike is seen.
const (
	bandWidth      = 3   // standard deviations, by the MAD …
	bandSpread     = 2   // … or so many as such, where counts are so low that the MAD is 0
	leastBand      = .10 // of the middle, that the band is wide at least to either side
	leastIntervals = 5   // before the spike, and after it
	smoothed       = 5   // intervals whose running median is looked at
	settled        = 3   // the band comes from the last third after the spike when nothing was before
)

// A Spike is where in a run the load rose and fell, and what was measured.
// Positions count intervals; ends are exclusive.
type Spike struct {
	BeforeFrom, BeforeTo int // at the load to come back to; equal when there was none
	End                  int // the load is back from here on
	IntervalSeconds      float64
	Signals              []Signal
}

// A Signal is one of throughput, latency and errors, interval by interval.
type Signal struct {
	Name   string
	Values []float64
	// OneSided says that only more is worse: latency, errors.
	OneSided bool
}

// A Recovery is how long after a spike the service was back where it had been.
type Recovery struct {
	Seconds float64 // until all signals are back, and stay; NaN when not
	Signals []SignalRecovery
	Note    string
	Reason  string // why it is not known, or that it did not recover
}

// A SignalRecovery is the recovery of one signal.
type SignalRecovery struct {
	Name      string
	Seconds   float64 // NaN when it did not come back
	Low, High float64 // the band it had to come back to
}

// MeasureRecovery finds when each signal is back inside the band it kept before
// the spike (median ± the widest of 3·1.4826·MAD, two standard deviations and 10 %)
// and stays there up to the end. A running median over five intervals keeps single outliers out. A profile
// that begins with the spike has no band before; that of its last third is taken.
func MeasureRecovery(s Spike) Recovery {
	r := Recovery{Seconds: math.NaN()}
	length := 0
	for _, signal := range s.Signals {
		length = max(length, len(signal.Values))
	}
	after := length - s.End
	switch {
	case length == 0:
		r.Reason = "no series over the spike"
		return r
	case s.BeforeTo-s.BeforeFrom < leastIntervals && after < settled*leastIntervals:
		r.Reason = fmt.Sprintf("%s before the spike and %d after it, which shows neither where it was nor where it settled: let the profile hold before the spike", plural(s.BeforeTo-s.BeforeFrom, "interval"), after)
		return r
	case after < leastIntervals:
		r.Reason = fmt.Sprintf("%s after the spike, and at least %d are needed", plural(after, "interval"), leastIntervals)
		return r
	case s.BeforeTo-s.BeforeFrom < leastIntervals:
		s.BeforeFrom, s.BeforeTo = length-after/settled, length
		r.Note = "there was no load before the spike to come back to; the last third after it stands for that, so a service that stays worse is not seen"
	}
	r.Seconds = 0
	for _, signal := range s.Signals {
		one := recoverySignal(signal, s)
		r.Signals = append(r.Signals, one)
		switch {
		case math.IsNaN(one.High):
			r.Reason = "of " + one.Name + " there is nothing to come back to: no data before the spike"
		case math.IsNaN(one.Seconds):
			r.Reason = fmt.Sprintf("%s did not come back within %s s after the spike", one.Name, number(float64(after)*s.IntervalSeconds))
		case one.Seconds > r.Seconds:
			r.Seconds = one.Seconds
		}
	}
	if r.Reason != "" {
		r.Seconds = math.NaN()
	}
	return r
}

// recoverySignal is the recovery of one signal. An interval without data is not back.
func recoverySignal(signal Signal, s Spike) SignalRecovery {
	r := SignalRecovery{Name: signal.Name, Seconds: math.NaN()}
	n := len(signal.Values)
	before := known(signal.Values[min(s.BeforeFrom, n):min(s.BeforeTo, n)])
	middle := stats.Median(before)
	reach := max(bandWidth*stats.NormalMAD*stats.MAD(before), bandSpread*math.Sqrt(stats.Variance(before)), leastBand*math.Abs(middle))
	r.Low, r.High = middle-reach, middle+reach
	if signal.OneSided {
		r.Low = math.Inf(-1)
	}
	smooth := runningMedian(signal.Values[min(s.End, n):], smoothed)
	back := len(smooth)
	for back > 0 && smooth[back-1] >= r.Low && smooth[back-1] <= r.High {
		back--
	}
	if back < len(smooth) {
		r.Seconds = float64(back) * s.IntervalSeconds
	}
	return r
}

// runningMedian is the median of the values around each; at the ends of those
// there are. Where there is no value around it is NaN.
func runningMedian(values []float64, width int) []float64 {
	out := make([]float64, len(values))
	for i := range values {
		out[i] = stats.Median(known(values[max(0, i-width/2):min(len(values), i+width/2+1)]))
	}
	return out
}

func known(values []float64) []float64 {
	return slices.DeleteFunc(slices.Clone(values), math.IsNaN)
}
