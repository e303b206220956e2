package reference

import (
	"fmt"
	"math"
	"time"
)

// A clock is the grid of scrapes: interval i reaches from i to i+1 scrapes after the start.
type clock struct {
	start  time.Time
	step   time.Duration
	window int // intervals of the run
	ramp   int // intervals until all users are there
	n      int // intervals with samples: one more than the run has
}

func newClock(r RunNumbers) clock {
	step := time.Duration(r.Scrape)
	c := clock{start: r.Start.Time, step: step, window: int(math.Ceil(float64(r.Duration) / float64(r.Scrape)))}
	c.ramp = int(math.Ceil(float64(r.Users) / r.SpawnRate / step.Seconds()))
	c.n = c.window + 1
	return c
}

func (c clock) cells(d time.Duration) int { return int(d / c.step) }

// meanRate is how a report reads rate(x[4 scrapes]), scrape by scrape, of a counter
// that gains values: over three intervals, since that is what four samples hold.
func (c clock) meanRate(values []float64) (average, peak float64) {
	return c.overPoints(func(k int) float64 {
		total := 0.0
		for _, v := range values[max(k-3, 0):k] {
			total += v
		}
		return total / 3
	})
}

// level is how a report reads a gauge that stands at values[i] at the end of interval i.
func (c clock) level(values []float64) (average, peak float64) {
	return c.overPoints(func(k int) float64 { return values[k-1] })
}

// overPoints reads at every scrape of the steady window.
func (c clock) overPoints(at func(k int) float64) (average, peak float64) {
	n := 0
	for k := max(c.ramp, 1); k <= c.window; k++ {
		v := at(k)
		average += v
		n++
		peak = math.Max(peak, v)
	}
	return average / float64(n), peak
}

const (
	stretch   = 10 * time.Minute // of "sustained"
	minute    = time.Minute
	flutter   = 0.042 // standard deviation of the load from interval to interval
	peakWidth = 32.0  // half the width of the peak in seconds
)

// load is the requests of each interval: a ramp while users are started, a level
// with a peak, and at the end ten minutes of the lowest level.
func load(c clock, want Throughput) ([]int, error) {
	last := c.cells(stretch)
	if c.window-c.ramp < 2*last {
		return nil, fmt.Errorf("throughput: a run of %s can't show %s of steady load twice", time.Duration(c.window)*c.step, stretch)
	}
	ripple := noise(1, last, 0.35) // repeats every ten minutes, so that every ten minutes have the same of it
	shape := func(level, peak float64) []float64 {
		values := make([]float64, c.n)
		for i := range c.window {
			x := level
			if i >= c.window-last {
				x = want.Sustained
			}
			x *= 1 + flutter*ripple[(c.window-1-i)%last]
			at := (float64(i) + .5) * c.step.Seconds()
			x += peak * math.Exp(-math.Pow((at-want.PeakAt)/peakWidth, 8))
			if i < c.ramp {
				x *= (float64(i) + .5) / float64(c.ramp)
			}
			values[i] = x * c.step.Seconds()
		}
		return values
	}
	level, peak := want.Sustained, want.Peak-want.Sustained
	for range 200 {
		values := shape(level, peak)
		peak += want.Peak - highest(values, c.cells(minute))/minute.Seconds()
		total := sum(shape(level, peak))
		level += (float64(want.Total) - total) / (float64(c.window-last) * c.step.Seconds())
	}
	values := shape(level, peak)
	lowest := -highest(negative(values[c.ramp:c.window]), last) / stretch.Seconds()
	if math.Abs(lowest/want.Sustained-1) > 1e-3 {
		return nil, fmt.Errorf("throughput: total %d with a peak of %v leaves ten minutes at %.1f, below the sustained %v", want.Total, want.Peak, lowest, want.Sustained)
	}
	return spread(want.Total, values), nil
}

// highest is the greatest sum of a number of intervals in a row.
func highest(values []float64, cells int) float64 {
	most := math.Inf(-1)
	for i := 0; i+cells <= len(values); i++ {
		most = math.Max(most, sum(values[i:i+cells]))
	}
	return most
}

func negative(values []float64) []float64 {
	out := make([]float64, len(values))
	for i, v := range values {
		out[i] = -v
	}
	return out
}
