package capacity

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/plumbline/plumbline/pkg/stats"
)

// What service demand needs (METHODS 5).
const (
	boundCap     = 1.0 // utilization at which a resource ends the throughput
	planningCap  = .8  // utilization up to which one plans
	leastSwing   = 1.5 // highest throughput over lowest
	leastR2      = .9
	leastBlocks  = 8    // intervals, or stretches of them, that a line is drawn through
	mostBlocks   = 400  // beyond, neighbours are averaged: the line takes time in their square
	mostAveraged = 32   // intervals that are averaged at most, where single ones are too noisy
	farReach     = 2.0  // of the highest throughput measured, from which on a bound is called far
	explains     = 1.25 // of the throughput at saturation, up to which a bound explains it
	exhausted    = .9   // utilization under the highest load, that tells who ends it
	farBelowNone = -.1  // utilization at no load, from which on down the line can't hold there
)

// Scaling says how a resource becomes more.
type Scaling int

// The ways in which a resource becomes more; the zero value promises nothing.
const (
	Unscalable Scaling = iota // nothing is known: one instance of a store, a device
	Replicas                  // by running more of its component
	PoolLimit                 // by raising a limit that is configured
)

// A Resource is something of which there is only so much, as used over the run.
type Resource struct {
	ID, Component, Name string
	Limit               float64 // of one series, in the unit of what is used
	Scaling             Scaling
	// Stock says that what is used is kept and not work: memory, disk space. Its
	// growth is no demand of a request.
	Stock  bool
	Series []Series // one for each replica
	// Throughput is the requests per second in the same intervals as the series.
	Throughput []float64
	Levels     []Stretch
	Missing    string // why there are no series
}

// A Stretch is the intervals [From, To) of a level of load.
type Stretch struct {
	From, To int
	Load     float64
}

// A Series is what one replica used, interval by interval; NaN is no data.
type Series struct {
	Name string
	Used []float64
}

// A Demand is how the utilization of a resource follows the throughput, U = U₀ +
// D·X, and the throughput at which it is used up.
type Demand struct {
	ID, Component, Resource string
	Name                    string   // of one replica's series; "" for the mean of all
	Idle                    float64  // U₀, where the line meets no load; below 0 when it doesn't hold there
	PerRequest              Estimate // D: share of the limit that one request per second takes
	R2                      float64
	Max                     Estimate // throughput at which it is fully used
	Planning                Estimate // throughput at which it is used to 80 %
	Headroom                float64  // 1 − today's throughput / Max
	Lowest, Highest         float64  // throughputs of the intervals that the line is drawn through
	Top, TopThroughput      float64  // utilization of the hottest replica under the highest load, and the throughput there
	Exhausted               bool     // Top is 90 % or more
	Points                  int      // that the line is drawn through: intervals, stretches of them, or levels
	Series                  []Demand // of each replica, when there are several
	Reach                   string   // what Max rests on when it lies far beyond Highest
	Note                    string   // what else a reader must know
	Reason                  string   // why there is none
}

// MeasureDemand fits the utilization law of a resource, for the mean of its
// replicas and for each of them, by Theil and Sen. Where single intervals scatter
// too much, as samples of a pool do, neighbours are averaged, and at last whole
// levels. It refuses throughput that varies by less than a factor of 1.5, and
// lines with R² below .9.
func MeasureDemand(r Resource, today float64) Demand {
	d := Demand{ID: r.ID, Component: r.Component, Resource: r.Name}
	if d.Reason = r.refusal(); d.Reason != "" {
		return d.unknown()
	}
	d = d.fit(r, r.mean(), today)
	if len(r.Series) < 2 {
		return d
	}
	for _, s := range r.Series {
		one := Demand{ID: r.ID, Component: r.Component, Resource: r.Name, Name: s.Name}
		d.Series = append(d.Series, one.fit(r, shares(s.Used, r.Limit), today))
	}
	return d
}

// refusal is why nothing can be fitted.
func (r Resource) refusal() string {
	switch {
	case r.Missing != "":
		return r.Missing
	case len(r.Series) == 0:
		return "no series in the window"
	case math.IsNaN(r.Limit):
		return "its limit is not known"
	case math.IsInf(r.Limit, 0):
		return "it has no limit (+Inf), so it can't be used up"
	case r.Limit <= 0:
		return fmt.Sprintf("its limit is %s, which means none is set", number(r.Limit))
	case r.beyond() > leastBeyond:
		return fmt.Sprintf("the run used %s times its limit of %s: that limit is another one, or not enforced", number(r.beyond()), number(r.Limit))
	case r.Stock:
		return "it holds what is kept, which follows time and data and not the throughput"
	}
	return ""
}

// leastBeyond is the mean utilization from which on a limit can't be one: rates
// over short windows may well be a little above 1.
const leastBeyond = 1.2

// beyond is the mean utilization of the whole run.
func (r Resource) beyond() float64 {
	sum, n := 0.0, 0.0
	for _, u := range r.mean() {
		if !math.IsNaN(u) {
			sum, n = sum+u, n+1
		}
	}
	return sum / n
}

// mean is the utilization over all replicas, interval by interval.
func (r Resource) mean() []float64 {
	mean := make([]float64, len(r.Throughput))
	for i := range mean {
		sum, n := 0.0, 0.0
		for _, s := range r.Series {
			if i < len(s.Used) && !math.IsNaN(s.Used[i]) {
				sum, n = sum+s.Used[i], n+1
			}
		}
		mean[i] = sum / n / r.Limit
	}
	return mean
}

func shares(used []float64, limit float64) []float64 {
	u := make([]float64, len(used))
	for i, v := range used {
		u[i] = v / limit
	}
	return u
}

func (d Demand) unknown() Demand {
	nan := math.NaN()
	d.Idle, d.R2, d.Headroom, d.PerRequest, d.Max, d.Planning = nan, nan, nan, Unknown(), Unknown(), Unknown()
	d.Lowest, d.Highest, d.Top, d.TopThroughput = nan, nan, nan, nan
	return d
}

// hottest is the replica that is used to 80 % first, or the mean when it is or
// there are no replicas.
func (d Demand) hottest() Demand {
	first := d
	for _, one := range d.Series {
		if one.Reason == "" && !(one.Planning.Value >= first.Planning.Value) {
			first = one
		}
	}
	return first
}

// hidden reports whether the resource may well end the throughput, and it can't
// be told at which.
func (d Demand) hidden() bool { return d.Reason != "" && d.Top > planningCap }

// fit draws the line through the finest points that it fits.
func (d Demand) fit(r Resource, utilization []float64, today float64) Demand {
	d = d.unknown()
	x, u := together(r.Throughput, utilization)
	if len(x) < leastBlocks {
		d.Reason = fmt.Sprintf("%s with throughput and utilization, and at least %d are needed: the run is too short", plural(len(x), "interval"), leastBlocks)
		return d
	}
	narrowest := (len(x) + mostBlocks - 1) / mostBlocks
	if swing := swingOf(averaged(x, narrowest)); swing < leastSwing {
		d.Reason = fmt.Sprintf("throughput varies by a factor of %s only, and %g is needed to tell what a request takes: run a steps or ramp profile", under(swing, leastSwing, 2), leastSwing)
		return d
	}
	var line stats.Line
	try := func(x, u []float64) {
		l := stats.TheilSenSeries(x, u, confidence)
		if better := d.Points == 0 || !(line.R2 >= leastR2) && l.R2 > line.R2; better && swingOf(x) >= leastSwing {
			line, d.Points = l, len(x)
		}
	}
	for width := narrowest; width <= max(mostAveraged, narrowest) && len(x)/width >= leastBlocks; width *= 2 {
		try(averaged(x, width), averaged(u, width))
	}
	if len(r.Levels) >= leastLevels {
		try(levelMeans(r.Throughput, utilization, r.Levels))
	}
	d.R2 = line.R2
	switch {
	case math.IsNaN(line.R2):
		d.Reason = "utilization stayed the same while throughput changed"
	case !(line.R2 >= leastR2):
		d.Reason = fmt.Sprintf("utilization does not follow the throughput closely enough (R² %s, and %g is needed)", under(math.Max(line.R2, 0), leastR2, 2), leastR2)
	case !(line.Low > 0):
		d.Reason = "utilization does not grow with the throughput"
	default:
		d.conclude(line, x, today)
	}
	return d
}

// under writes a number below a bound with so many decimals, and with more where
// it would else read as the bound.
func under(v, bound float64, decimals int) string {
	const most = 9
	text := strconv.FormatFloat(v, 'f', decimals, 64)
	if shown, err := strconv.ParseFloat(text, 64); decimals < most && err == nil && shown >= bound {
		return under(v, bound, decimals+1)
	}
	return text
}

// atTop looks at the resource under the highest load. One that was used up there
// is what ends the throughput; where no line could be drawn, its demand is told
// from there, D = U/X, the utilization law, with the highest throughput that was reached.
func (d Demand) atTop(r Resource, saturation Saturation, today float64) Demand {
	if r.refusal() != "" {
		return d
	}
	d.Top, d.TopThroughput = r.top(saturation)
	if d.Exhausted = d.Top >= exhausted; !d.Exhausted || d.Reason == "" {
		return d
	}
	where := "under the highest load"
	if saturation.Reason == "" {
		where = "where throughput went flat"
	}
	perRequest := d.Top / d.TopThroughput
	d.Idle, d.PerRequest.Value = 0, perRequest
	d.Max.Value, d.Planning.Value = boundCap/perRequest, planningCap/perRequest
	d.Headroom = math.Max(1-today/d.Max.Value, 0)
	d.Note = fmt.Sprintf("used to %.0f %% %s; what a request takes is told from there (U/X), without an interval, since elsewhere %s", 100*d.Top, where, d.Reason)
	d.Reason = ""
	return d
}

// top is how far the hottest replica was used under the highest load, where
// throughput was flat if it was, and the highest throughput there. A replica that
// was used up already at much less throughput is passed over: that grew all the same.
func (r Resource) top(saturation Saturation) (utilization, throughput float64) {
	highest, below := r.topLevels(saturation)
	utilization, throughput = math.NaN(), saturation.Throughput
	for _, s := range r.Series {
		used := shares(s.Used, r.Limit)
		x, u := levelMeans(r.Throughput, used, highest)
		for _, v := range x {
			if !(v <= throughput) {
				throughput = v
			}
		}
		if hot := stats.Mean(u); !(hot <= utilization) && !usedUpEarly(r.Throughput, used, below, throughput) {
			utilization = hot
		}
	}
	return utilization, throughput
}

// topLevels parts the levels into those of the highest load, or where throughput
// was flat, and those below.
func (r Resource) topLevels(saturation Saturation) (highest, below []Stretch) {
	from := saturation.FlatAt
	for _, l := range r.Levels {
		if saturation.Reason != "" && !(l.Load <= from) {
			from = l.Load
		}
	}
	for _, l := range r.Levels {
		if l.Load >= from {
			highest = append(highest, l)
		} else {
			below = append(below, l)
		}
	}
	return highest, below
}

func usedUpEarly(throughput, used []float64, levels []Stretch, reached float64) bool {
	x, u := levelMeans(throughput, used, levels)
	for i := range x {
		if u[i] >= exhausted && explains*x[i] < reached {
			return true
		}
	}
	return false
}

// levelMeans are the means over each level, of the intervals in which both are known.
func levelMeans(x, y []float64, levels []Stretch) (xs, ys []float64) {
	n := min(len(x), len(y))
	for _, l := range levels {
		lx, ly := together(x[min(l.From, n):min(l.To, n)], y[min(l.From, n):min(l.To, n)])
		if len(lx) > 0 {
			xs, ys = append(xs, stats.Mean(lx)), append(ys, stats.Mean(ly))
		}
	}
	return xs, ys
}

// conclude fills in what the line says.
func (d *Demand) conclude(line stats.Line, x []float64, today float64) {
	d.Idle = line.Intercept
	d.PerRequest = Estimate{line.Slope, line.Low, line.High}
	reach := func(limit float64) Estimate {
		at := func(l stats.Line) float64 { return (limit - l.Intercept) / l.Slope }
		e := Estimate{at(line), at(line.Turned(line.High)), at(line.Turned(line.Low))}
		// The slope is one source of doubt, the height of the line another.
		height := line.Margin / line.Slope
		low, high := math.Hypot(e.Value-min(e.Low, e.High), height), math.Hypot(max(e.Low, e.High)-e.Value, height)
		return Estimate{math.Max(e.Value, 0), math.Max(e.Value-low, 0), math.Max(e.Value+high, 0)}
	}
	d.Max, d.Planning = reach(boundCap), reach(planningCap)
	d.Headroom = 1 - today/d.Max.Value
	d.Lowest, d.Highest = slices.Min(x), slices.Max(x)
	if d.Max.Value > farReach*d.Highest {
		d.Reach = fmt.Sprintf("beyond %g times the %s req/s that were measured, a bound holds only if demand stays linear so far", farReach, number(d.Highest))
	}
	if d.Idle < farBelowNone {
		d.Note = fmt.Sprintf("the line gives −%.0f %% at no load, so it does not hold far below the %s req/s from which on it was measured", -100*d.Idle, number(d.Lowest))
	}
}

// together are the intervals in which both are known.
func together(x, y []float64) (xs, ys []float64) {
	for i := range min(len(x), len(y)) {
		if !math.IsNaN(x[i] + y[i]) {
			xs, ys = append(xs, x[i]), append(ys, y[i])
		}
	}
	return xs, ys
}

// averaged are the means over stretches of so many intervals; what is left over at the end is dropped.
func averaged(values []float64, width int) []float64 {
	var means []float64
	for ; len(values) >= width; values = values[width:] {
		means = append(means, stats.Mean(values[:width]))
	}
	return means
}

// swingOf is the highest over the lowest that is above 0.
func swingOf(x []float64) float64 {
	low, high := math.Inf(1), 0.0
	for _, v := range x {
		if v > 0 {
			low, high = math.Min(low, v), math.Max(high, v)
		}
	}
	if high == 0 {
		return 0
	}
	return high / low
}

// findBottleneck is the resource that is used up first as throughput grows. When
// throughput went flat far below that, what ended it is another; and another may
// end it that is highly used and whose demand is not known.
func findBottleneck(demands []Demand, flatAt float64) Demand {
	b, found := firstUsedUp(demands)
	reason := ""
	switch {
	case len(demands) == 0:
		reason = "no resource was measured: name some in the SLA file, under resources"
	case !found:
		reason = "of no resource could it be told what a request takes"
	case b.Exhausted:
	case slices.ContainsFunc(demands, Demand.hidden):
		rival := demands[slices.IndexFunc(demands, Demand.hidden)]
		reason = fmt.Sprintf("%s was used to %.0f %% at %s req/s, and what a request takes of it could not be told: it may end before %s", rival.Title(), 100*rival.Top, number(rival.TopThroughput), b.Title())
	case b.Max.Low > explains*flatAt:
		reason = fmt.Sprintf("not one whose demand is known: throughput went flat at %s req/s, and %s, the first of them, would last up to %s", number(flatAt), b.Title(), number(b.Max.Value))
		if names := untold(demands); len(names) > 0 {
			reason += "; it could not be told of " + strings.Join(names, ", ")
		}
	}
	if reason != "" {
		b = Demand{}.unknown()
		b.Reason = reason
	}
	return b
}

// firstUsedUp has the smallest Max, of single replicas too, since the hot one ends
// the throughput. Those that were used up under the highest load go first.
func firstUsedUp(demands []Demand) (first Demand, found bool) {
	for _, d := range demands {
		for _, one := range append([]Demand{d}, d.Series...) {
			one.Exhausted = d.Exhausted
			if one.Reason == "" && (!found || one.Exhausted && !first.Exhausted || one.Exhausted == first.Exhausted && one.Max.Value < first.Max.Value) {
				first, found = one, true
				first.Series = nil
			}
		}
	}
	return first, found
}

func untold(demands []Demand) (titles []string) {
	for _, d := range demands {
		if d.Reason != "" {
			titles = append(titles, d.Title())
		}
	}
	return titles
}

// Title says which resource of which component, and which replica.
func (d Demand) Title() string {
	title := d.Component + " " + d.Resource
	if d.Name != "" {
		title += " (" + d.Name + ")"
	}
	return title
}
