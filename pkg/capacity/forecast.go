package capacity

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/plumbline/plumbline/pkg/stats"
)

// What a forecast needs.
const (
	leastSamples  = 8
	growthAlpha   = .05
	growthMaxLag  = 3 // lags of Hamed & Rao's correction, as Rao et al. (2003) take
	horizonFactor = 1 // of the time measured, that is looked ahead
)

// A Sample is the demand, in requests per second, at a time: the day's peak, say.
type Sample struct {
	Time time.Time
	Rate float64
}

// A Forecast is when demand outgrows what the service carries.
type Forecast struct {
	PerDay   Estimate  // growth, in requests per second for each day
	P        float64   // that there is no growth
	Now      float64   // demand by the line at the last sample
	Exceeded bool      // Now is more than is carried: there is no date to tell
	Exceeds  time.Time // by the line; zero when beyond the horizon
	Earliest time.Time // by the upper edge of the 95 % prediction band
	Latest   time.Time // by the lower edge; zero when beyond the horizon
	Horizon  time.Time // up to which is looked: as far ahead as the samples look back
	Capacity float64   // what is carried, or what is not where no more is known
	Reason   string    // why there is no date
}

// Foresee draws the growth of demand by Theil and Sen, with a prediction band from
// the uncertainty of the slope and the spread of the samples around the line, and
// finds when it meets what the service carries. It refuses fewer than eight
// samples, demand without a trend, and dates further ahead than the samples reach
// back. Demand that exceeds it already has no date.
func Foresee(samples []Sample, carries Limit) Forecast {
	f := Forecast{PerDay: Unknown(), P: math.NaN(), Now: math.NaN(), Capacity: carries.highest()}
	samples = slices.Clone(samples)
	slices.SortStableFunc(samples, func(a, b Sample) int { return a.Time.Compare(b.Time) })
	samples = slices.DeleteFunc(samples, func(s Sample) bool { return math.IsNaN(s.Rate) || math.IsInf(s.Rate, 0) })
	if len(samples) < leastSamples {
		f.Reason = fmt.Sprintf("%s of past demand, and at least %d are needed", plural(len(samples), "sample"), leastSamples)
		return f
	}
	b := newBand(samples)
	f.PerDay, f.P = Estimate{b.line.Slope, b.line.Low, b.line.High}, b.trend.P
	f.Horizon, f.Now = b.last.Add(horizonFactor*b.last.Sub(b.first)), b.at(b.length(), 0)
	switch {
	case carries.Reason != "":
		f.Reason = "what the service carries is not known: " + carries.Reason
	case math.IsNaN(b.line.Slope):
		f.Reason = "all samples are of one time"
	case f.Now >= f.Capacity:
		f.Exceeded = true
	case carries.Below > 0:
		f.Reason = fmt.Sprintf("the service carries less than %s req/s, and how much less is not known", number(carries.Below))
	case math.IsNaN(b.trend.P):
		f.Reason = "demand has no trend: all samples are the same"
	case !(b.trend.P < growthAlpha):
		f.Reason = fmt.Sprintf("demand has no trend that can be told from chance (p = %.2f)", b.trend.P)
	case b.line.Slope <= 0:
		f.Reason = "demand does not grow"
	default:
		f.Earliest, f.Exceeds, f.Latest = b.meets(carries.Throughput, +1), b.meets(carries.Throughput, 0), b.meets(carries.Throughput, -1)
		for _, t := range []*time.Time{&f.Earliest, &f.Exceeds, &f.Latest} {
			if t.After(f.Horizon) {
				*t = time.Time{}
			}
		}
		if f.Exceeds.IsZero() {
			f.Reason = fmt.Sprintf("not before %s: further ahead than the samples reach back it would be a guess", f.Horizon.Format(time.DateOnly))
			if !f.Earliest.IsZero() {
				f.Reason += fmt.Sprintf("; by the upper edge of the band on %s", f.Earliest.Format(time.DateOnly))
			}
		}
	}
	return f
}

// A band is the growth line in days since the first sample, and how samples spread around it.
type band struct {
	line        stats.Line
	trend       stats.Trend
	spread      float64 // half the width that 95 % of the samples keep from the line
	first, last time.Time
}

const day = 24 * time.Hour

func newBand(samples []Sample) band {
	b := band{first: samples[0].Time, last: samples[len(samples)-1].Time}
	days, rates := make([]float64, len(samples)), make([]float64, len(samples))
	for i, s := range samples {
		days[i], rates[i] = s.Time.Sub(b.first).Hours()/day.Hours(), s.Rate
	}
	b.line, b.trend = stats.TheilSenSeries(days, rates, confidence), stats.MannKendall(rates, growthMaxLag)
	distances := make([]float64, len(samples))
	for i := range days {
		distances[i] = math.Abs(rates[i] - b.line.At(days[i]))
	}
	slices.SortFunc(distances, cmp.Compare)
	// The ⌈(n+1)·.95⌉th distance, as in conformal prediction; of few samples the largest.
	b.spread = distances[min(int(math.Ceil(float64(len(distances)+1)*confidence)), len(distances))-1]
	return b
}

// length is how many days the samples cover.
func (b band) length() float64 { return b.last.Sub(b.first).Hours() / day.Hours() }

// at is the band's edge (side −1, +1) or its middle (0) after so many days.
func (b band) at(days float64, side int) float64 {
	middle := b.line.At(days)
	if side == 0 {
		return middle
	}
	turned := b.line.Turned(b.line.High)
	if side < 0 {
		turned = b.line.Turned(b.line.Low)
	}
	return middle + float64(side)*math.Hypot(turned.At(days)-middle, b.spread)
}

// meets is the first day, after the last sample, on which the edge reaches a
// throughput; the horizon and a day when it does not.
func (b band) meets(throughput float64, side int) time.Time {
	days, end := b.length(), (1+horizonFactor)*b.length()
	const steps = 2000
	for i := range steps + 1 {
		if at := days + (end-days)*float64(i)/steps; b.at(at, side) >= throughput {
			return b.first.Add(time.Duration(at * float64(day)))
		}
	}
	return b.last.Add(horizonFactor*b.last.Sub(b.first) + day)
}
