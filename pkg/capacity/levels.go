package capacity

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/plumbline/plumbline/pkg/stats"
)

const (
	littleTolerance = .05 // how far N and X(R+Z) may be apart beyond what sampling does (METHODS 5)
	leastInFlight   = 10  // samples of requests under way that say anything
)

// A Little is Little's law at one level: N = X(R + Z).
type Little struct {
	Counted float64 // N: users, or requests under way as sampled
	Implied float64 // X(R + Z)
	Off     float64 // relative to Counted
	Suspect bool    // off by more than 5 % and twice the error of sampling
	Reason  string  // why it is suspect, or could not be checked
}

// CheckLittle holds the users, or the requests under way, of each level against
// its throughput and times. A level that is off has requests that were not
// counted, a think time that was not kept, or a response time that was measured
// elsewhere.
func CheckLittle(levels []Level) []Little {
	checks := make([]Little, len(levels))
	for i, l := range levels {
		checks[i] = checkLittle(l)
	}
	return checks
}

func checkLittle(l Level) Little {
	c := Little{Counted: l.Users, Implied: l.implied()}
	noise := c.Counted / math.Sqrt(math.Max(l.Requests, 1)) // think times vary by about half their mean
	if l.Open() {
		c.Counted = l.InFlight
		noise = 2 * math.Sqrt(c.Implied/math.Max(float64(l.Samples), 1)) // as many as arrive by chance are under way
	}
	distance := math.Abs(c.Counted - c.Implied)
	c.Off = distance / c.Counted
	switch {
	case l.Open() && l.Samples < leastInFlight:
		c.Off, c.Reason = math.NaN(), fmt.Sprintf("Little's law could not be checked: %s of the requests under way, and at least %d are needed", plural(l.Samples, "sample"), leastInFlight)
	case math.IsNaN(c.Off) || math.IsInf(c.Off, 0):
		c.Off, c.Reason = math.NaN(), "Little's law could not be checked: requests under way, throughput or times are not known"
	case distance > littleTolerance*c.Counted+noise:
		c.Suspect = true
		c.Reason = fmt.Sprintf("at %s Little's law is off by %.0f %%: %s are accounted for where %s were there; requests that were not counted, another think time, or times measured elsewhere",
			l.loadText(l.Load()), 100*c.Off, number(c.Implied), number(c.Counted))
	}
	return c
}

// When throughput no longer follows the load (METHODS 5).
const (
	flatBelow    = .2   // Δln X / Δln N
	slowingAbove = .8   // Δln R / Δln N
	flatSteps    = 2    // in a row
	leastStep    = 1.05 // of load from level to level, that an elasticity can be told from
)

// A Saturation is the load from which on throughput stays flat and latency takes
// all further load.
type Saturation struct {
	Load, Throughput float64 // the last level before
	FlatAt           float64 // the next level: the first that is flat
	Reason           string  // why there is none
}

// FindSaturation finds the first two steps between levels of rising load over
// which throughput has an elasticity below .2 and latency one above .8.
func FindSaturation(levels []Level) Saturation {
	none := Saturation{Load: math.NaN(), Throughput: math.NaN(), FlatAt: math.NaN()}
	levels = rising(levels)
	if len(levels) <= flatSteps {
		none.Reason = fmt.Sprintf("%s of different load, and %d are needed to see throughput go flat", plural(len(levels), "level"), flatSteps+1)
		return none
	}
	flat := 0
	for i := 1; i < len(levels); i++ {
		if flatStep(levels[i-1], levels[i]) {
			flat++
		} else {
			flat = 0
		}
		if flat == flatSteps {
			last := levels[i-flatSteps]
			return Saturation{Load: last.Load(), Throughput: last.Throughput, FlatAt: levels[i-flatSteps+1].Load()}
		}
	}
	highest := levels[len(levels)-1]
	none.Reason = fmt.Sprintf("not reached up to %s: over no two steps in a row was throughput flat while latency rose", highest.loadText(highest.Load()))
	return none
}

// flatStep reports whether latency alone takes the load that b has beyond a.
func flatStep(a, b Level) bool {
	step := math.Log(b.Load() / a.Load())
	return math.Log(b.Throughput/a.Throughput)/step < flatBelow && math.Log(b.LatencySeconds/a.LatencySeconds)/step > slowingAbove
}

// rising are the levels with what elasticities need, each well above the one before.
func rising(levels []Level) []Level {
	var kept []Level
	for _, l := range levels {
		known := l.Load() > 0 && l.Throughput > 0 && l.LatencySeconds > 0
		if known && (len(kept) == 0 || l.Load() >= leastStep*kept[len(kept)-1].Load()) {
			kept = append(kept, l)
		}
	}
	return kept
}

// leastForKnee is how many levels a curve needs to bend.
const leastForKnee = 3

// A Knee is where the curve of throughput over load bends most, by Kneedle.
type Knee struct {
	Load, Throughput float64
	Reason           string // why there is none
}

// FindKnee looks for the knee of throughput over load.
func FindKnee(levels []Level) Knee {
	levels = rising(levels)
	if len(levels) < leastForKnee {
		return Knee{math.NaN(), math.NaN(), fmt.Sprintf("%s of different load, and %d are needed to see it bend", plural(len(levels), "level"), leastForKnee)}
	}
	x, y := make([]float64, len(levels)), make([]float64, len(levels))
	for i, l := range levels {
		x[i], y[i] = l.Load(), l.Throughput
	}
	if i := stats.Knee(x, stats.Isotonic(y), 1); i >= 0 {
		return Knee{Load: x[i], Throughput: y[i]}
	}
	return Knee{math.NaN(), math.NaN(), "the curve of throughput over load has no knee"}
}

// An Objective is a bound on a value that is measured at each level.
type Objective struct {
	ID, Title, Unit string
	Bound           string  // as written
	Limit           float64 // the bound as a number
	LowerIsWorse    bool
	Advisory        bool // should hold, and need not: it ends nothing
}

// broken reports whether a value misses the objective.
func (o Objective) broken(v float64) bool {
	if o.LowerIsWorse {
		return v < o.Limit
	}
	return v > o.Limit
}

// farthestLevels is the load of one level over that of the level before, up to
// which a crossing is interpolated between them.
const farthestLevels = 2.0

// A Crossing is the load at which an objective is first missed.
type Crossing struct {
	Objective  Objective
	Load       float64 // interpolated between From and To
	From, To   float64 // the levels around it
	Throughput float64 // at that load
	Carried    float64 // throughput at From, where it held; NaN when it held nowhere
	Missed     float64 // requests per second attempted at To, where it was missed
	Reason     string  // why the load is not known
}

// FindCrossings finds for each objective the load at which it is crossed: its
// values over rising load are smoothed so that they only get worse (isotonic
// regression), and the crossing is interpolated between two levels, unless they
// are more than a factor of two apart.
func FindCrossings(levels []Level, objectives []Objective) []Crossing {
	var crossings []Crossing
	for _, o := range objectives {
		crossings = append(crossings, findCrossing(levels, o))
	}
	return crossings
}

func findCrossing(levels []Level, o Objective) Crossing {
	nan := math.NaN()
	c := Crossing{Objective: o, Load: nan, From: nan, To: nan, Throughput: nan, Carried: nan, Missed: nan}
	var kept []Level
	var values []float64
	sense := 1.0
	if o.LowerIsWorse {
		sense = -1
	}
	for _, l := range levels {
		v, measured := l.Indicators[o.ID]
		if measured && !math.IsNaN(v) && l.Load() > 0 && !(len(kept) > 0 && l.Load() == kept[len(kept)-1].Load()) {
			kept, values = append(kept, l), append(values, sense*v)
		}
	}
	if len(kept) < 2 {
		c.Reason = fmt.Sprintf("%s of load at which it was measured, and 2 are needed", plural(len(kept), "level"))
		return c
	}
	smooth := stats.Isotonic(values)
	first := slices.IndexFunc(smooth, func(v float64) bool { return o.broken(sense * v) })
	switch {
	case first < 0:
		highest := kept[len(kept)-1]
		c.Reason = "not crossed up to " + highest.loadText(highest.Load())
	case first == 0:
		c.To, c.Missed = kept[0].Load(), kept[0].attempted()
		c.Reason = "missed already at the lowest load, " + kept[0].loadText(c.To)
	default:
		c.between(kept[first-1], kept[first], (sense*o.Limit-smooth[first-1])/(smooth[first]-smooth[first-1]))
	}
	return c
}

// between puts the crossing so far on the way from one level to the next.
func (c *Crossing) between(a, b Level, share float64) {
	c.From, c.To = a.Load(), b.Load()
	c.Carried, c.Missed = a.Throughput, b.attempted()
	if c.To > farthestLevels*c.From {
		c.Reason = fmt.Sprintf("somewhere between %s and %s, which are too far apart to tell where", a.loadText(c.From), b.loadText(c.To))
		return
	}
	c.Load = c.From + share*(c.To-c.From)
	c.Throughput = a.Throughput + share*(b.Throughput-a.Throughput)
}

// end is what is carried until the objective is missed, and the load up to which
// that is known; a load of NaN when it is not missed.
func (c Crossing) end() (load float64, l Limit) {
	beyond := c.Objective.Title + " would be missed"
	switch {
	case math.IsNaN(c.To):
		return math.NaN(), l
	case c.Reason == "":
		return c.Load, Limit{Throughput: c.Throughput, By: beyond}
	case c.Missed > c.Carried:
		return c.From, Limit{Throughput: math.NaN(), AtLeast: c.Carried, Below: c.Missed, By: fmt.Sprintf("at the higher %s is missed", c.Objective.Title)}
	case c.Carried > 0: // under more load fewer were attempted, or all failed
		return c.From, Limit{Throughput: c.Carried, By: beyond}
	case c.Missed > 0:
		return 0, Limit{Throughput: math.NaN(), Below: c.Missed, By: fmt.Sprintf("at that load %s is missed", c.Objective.Title)}
	}
	return 0, Limit{Throughput: math.NaN(), Reason: fmt.Sprintf("%s is %s", c.Objective.Title, c.Reason)}
}

// A Breaking is the first level of rising load that the service did not stand.
type Breaking struct {
	Load, Throughput float64  // of that level
	LastGood         float64  // the load before; NaN when even the lowest was too much
	Broke            []string // what broke first: objectives, or throughput
	Reason           string   // why there is none
}

// findBreaking is the first level at which an objective is missed or throughput is flat.
func findBreaking(levels []Level, s Saturation, crossings []Crossing) Breaking {
	b := Breaking{Load: math.NaN(), Throughput: math.NaN(), LastGood: math.NaN()}
	put := func(at float64, what string) {
		switch {
		case math.IsNaN(at) || at > b.Load:
			return
		case !(at >= b.Load): // the first one, or an earlier one
			b.Load, b.Broke = at, nil
		}
		b.Broke = append(b.Broke, what)
	}
	for _, c := range crossings {
		if !c.Objective.Advisory {
			put(c.To, c.Objective.Title+" is missed")
		}
	}
	put(s.FlatAt, "throughput is flat")
	switch {
	case len(levels) < 2:
		b.Reason = plural(len(levels), "level") + " of load, and at least 2 are needed to see where it breaks"
		return b
	case len(b.Broke) == 0:
		highest := levels[len(levels)-1]
		b.Reason = "nothing broke up to " + highest.loadText(highest.Load())
		return b
	}
	for _, l := range levels {
		switch load := l.Load(); {
		case load < b.Load:
			b.LastGood = load
		case load == b.Load:
			b.Throughput = l.Throughput
		}
	}
	return b
}

// Sentence says what broke first.
func (b Breaking) Sentence() string { return strings.Join(b.Broke, ", ") }
