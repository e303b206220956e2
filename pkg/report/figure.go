package report

import (
	"math"

	"github.com/plumbline/plumbline/pkg/compare"
)

// A curve is a figure over something other than time: points that were measured,
// a line fitted to them, and bounds.
type curve struct {
	Title, XTitle, Unit string
	Points, Line        [][2]float64
	Limits              []Limit
}

// A bars figure compares changes: a bar from 0 to each, with its interval.
type bars struct {
	Title string
	Rows  []bar
}

type bar struct {
	Name, Text      string
	From, To        float64 // interval; NaN for none
	Value           float64
	Status          status
	outOfProportion bool // the bar is cut
}

// mostChange is where bars are cut: twice as much.
const mostChange = 1.0

// deltaBars shows the changes against the baseline, worst first as the table has them.
func deltaBars(c *Comparison) []bars {
	if c == nil {
		return nil
	}
	b := bars{Title: "Change against " + c.Baseline}
	for _, d := range c.Deltas {
		if !d.Change.Known() {
			continue
		}
		clip := func(n Number) float64 { return math.Max(-mostChange, math.Min(float64(n), mostChange)) }
		row := bar{Name: d.Title, Text: change(d.Change), Value: clip(d.Change), From: math.NaN(), To: math.NaN(), Status: changeStatuses[d.Verdict], outOfProportion: math.Abs(float64(d.Change)) > mostChange}
		if d.Low.Known() && d.High.Known() {
			row.From, row.To = clip(d.Low), clip(d.High)
		}
		if d.Verdict == compare.Inconclusive {
			row.Status.Colour = "inconclusive"
		}
		b.Rows = append(b.Rows, row)
	}
	if len(b.Rows) == 0 {
		return nil
	}
	return []bars{b}
}

// capacityCurves are throughput over concurrency with the law that was fitted, and
// latency over load.
func capacityCurves(c *Capacity) (all []curve) {
	if c == nil || len(c.Levels) < 2 {
		return nil
	}
	throughput := curve{Title: "Throughput against concurrency", XTitle: "concurrency", Unit: "req/s"}
	latency := curve{Title: "Mean response time against throughput", XTitle: "req/s", Unit: "s"}
	for _, l := range c.Levels {
		if l.Concurrency.Known() && l.Throughput.Known() {
			throughput.Points = append(throughput.Points, [2]float64{float64(l.Concurrency), float64(l.Throughput)})
		}
		if l.Throughput.Known() && l.Latency.Known() {
			latency.Points = append(latency.Points, [2]float64{float64(l.Throughput), float64(l.Latency)})
		}
	}
	if u := c.USL; u.Lambda.Value.Known() && u.Reason == "" {
		const parts = 60
		for i := range parts + 1 {
			n := float64(u.Lowest) + float64(u.Highest-u.Lowest)*float64(i)/parts
			lambda, sigma, kappa := float64(u.Lambda.Value), float64(u.Sigma.Value), float64(u.Kappa.Value)
			throughput.Line = append(throughput.Line, [2]float64{n, lambda * n / (1 + sigma*(n-1) + kappa*n*(n-1))})
		}
		throughput.Title += ", with the Universal Scalability Law"
	}
	if c.Carries != nil && c.Carries.Throughput.Known() {
		throughput.Limits = append(throughput.Limits, Limit{"carries", c.Carries.Throughput})
	}
	for _, one := range []curve{throughput, latency} {
		if len(one.Points) > 1 {
			all = append(all, one)
		}
	}
	return all
}
