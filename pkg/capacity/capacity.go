// Package capacity says how much load a service can carry, which resource ends
// it, and what more load would take: the Universal Scalability Law, service
// demand, Little's law, saturation, forecast, recovery from a spike.
//
// Its functions are pure. What can't be told is not guessed: the result then has
// NaN for its numbers and a Reason that says what is missing, in the place where
// the answer would stand. Throughputs are requests per second.
package capacity

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
)

// confidence of all intervals.
const confidence = .95

// An Estimate is a value with its 95 % interval. NaN is no answer, an infinite
// end is no bound.
type Estimate struct{ Value, Low, High float64 }

// Unknown is the estimate that says nothing.
func Unknown() Estimate { return Estimate{math.NaN(), math.NaN(), math.NaN()} }

// Known reports whether there is a value.
func (e Estimate) Known() bool { return !math.IsNaN(e.Value) && !math.IsInf(e.Value, 0) }

// A Level is what was measured while the load held still: a stage of a profile.
type Level struct {
	Users       float64 // of a closed model; 0 when open
	ArrivalRate float64 // iterations started per second, of an open model

	Throughput     float64 // requests answered well per second
	ErrorRatio     float64 // of the requests, that failed
	LatencySeconds float64 // mean response time
	ServiceSeconds float64 // mean from sending to answer; where 0 it is the response time
	ThinkSeconds   float64 // mean think time for each request, of a closed model
	InFlight       float64 // requests under way, mean of samples; NaN when not sampled
	Requests       float64 // that the level rests on
	Samples        int     // that InFlight rests on
	// Indicators are the values of objectives at this level, by id.
	Indicators map[string]float64

	Steady bool   // neither throughput nor latency went anywhere while it lasted
	Moving bool   // the load was changing: a slice of a ramp, which is never steady
	Reason string // why it is not steady
}

// Load is the level as the profile sets it: users, or iterations started per second.
func (l Level) Load() float64 {
	if l.Open() {
		return l.ArrivalRate
	}
	return l.Users
}

// Open reports whether an arrival rate sets the load.
func (l Level) Open() bool { return l.Users == 0 }

// Concurrency is the N of the scalability law: users, or the mean number of
// requests under way, which Little's law gives exactly (X·R) where samples of it
// are noisy.
func (l Level) Concurrency() float64 {
	if l.Open() {
		return l.implied()
	}
	return l.Users
}

// implied is X(R + Z), over all requests: those that failed took their time too.
func (l Level) implied() float64 {
	if l.Open() && l.ServiceSeconds > 0 {
		return l.attempted() * l.ServiceSeconds // what waits to be sent is not under way
	}
	return l.attempted() * (l.LatencySeconds + l.ThinkSeconds)
}

// attempted is the throughput with the requests that failed; NaN when all did.
func (l Level) attempted() float64 { return l.Throughput / (1 - l.ErrorRatio) }

// loadText writes a load with its unit: 100 users, 100/s.
func (l Level) loadText(load float64) string {
	if l.Open() {
		return number(load) + "/s"
	}
	return number(load) + " users"
}

// An Input is what a run measured, as far as capacity needs it.
type Input struct {
	Levels     []Level
	Objectives []Objective
	Resources  []Resource
	Throughput float64  // carried today; NaN when not known
	Missed     []string // objectives that must hold and resources' bounds that did not hold at today's throughput
	Target     float64  // throughput to plan for, beside the multiples of today's; 0 for none
	Demand     []Sample // of the past, for the forecast; none for no forecast
	Spike      *Spike   // nil when the run has none
	Seed       uint64   // of the bootstrap
}

// A Capacity is all that can be told from an Input.
type Capacity struct {
	Levels     []Level // by rising load
	Little     []Little
	USL        USL
	Saturation Saturation
	Knee       Knee
	Crossings  []Crossing
	Breaking   Breaking
	Demands    []Demand
	Bottleneck Demand // the one that is used up first; its Reason says why it is not known
	Carries    Limit
	Throughput float64 // today's
	Target     float64
	Plan       []Scale
	PlanReason string    // why there is no plan
	Forecast   *Forecast // nil without past demand
	Recovery   *Recovery // nil without a spike
	Warnings   []string  // what a reader should know of the data
}

// Analyze works out everything.
func Analyze(in Input) Capacity {
	levels := slices.Clone(in.Levels)
	slices.SortStableFunc(levels, func(a, b Level) int { return cmp.Compare(a.Load(), b.Load()) })
	c := Capacity{
		Levels: levels, Little: CheckLittle(levels), USL: fitLevels(levels, in.Seed),
		Saturation: FindSaturation(levels), Knee: FindKnee(levels), Crossings: FindCrossings(levels, in.Objectives),
		Throughput: in.Throughput, Target: in.Target,
	}
	c.Breaking = findBreaking(levels, c.Saturation, c.Crossings)
	for _, r := range in.Resources {
		c.Demands = append(c.Demands, MeasureDemand(r, in.Throughput).atTop(r, c.Saturation, in.Throughput))
	}
	c.Bottleneck = findBottleneck(c.Demands, c.flatAt())
	c.Carries = c.limit(in.Missed)
	c.Plan, c.PlanReason = plan(c.Demands, in.Resources, in.Throughput, in.Target)
	if len(in.Demand) > 0 {
		f := Foresee(in.Demand, c.Carries)
		c.Forecast = &f
	}
	if in.Spike != nil {
		r := MeasureRecovery(*in.Spike)
		c.Recovery = &r
	}
	c.Warnings = suspicions(c.Little)
	return c
}

// suspicions are what Little's law objects to: the first level with its figures,
// and how many more there are.
func suspicions(checks []Little) []string {
	suspect := slices.DeleteFunc(slices.Clone(checks), func(l Little) bool { return !l.Suspect })
	switch len(suspect) {
	case 0:
		return nil
	case 1:
		return []string{suspect[0].Reason}
	}
	return []string{fmt.Sprintf("%s; so it is at %d of %d levels", suspect[0].Reason, len(suspect), len(checks))}
}

// A Limit is the throughput that a service carries, and by what it ends. Where
// only bounds of it were seen, Throughput is NaN.
type Limit struct {
	Throughput float64
	AtLeast    float64 // so much was carried; 0 where even the least that was tried was too much
	Below      float64 // so much was not carried; 0 where Throughput is known
	By         string  // what happens beyond the throughput, or at Below
	Reason     string  // why nothing is known
}

// lowest is the least that the limit may be, highest the most.
func (l Limit) lowest() float64 {
	if l.Below > 0 {
		return l.AtLeast
	}
	return l.Throughput
}

func (l Limit) highest() float64 {
	if l.Below > 0 {
		return l.Below
	}
	return l.Throughput
}

// limit is the lowest of the ends that were found. What was seen to fail goes
// before what resources and the law would allow: those know nothing of objectives.
func (c Capacity) limit(missed []string) Limit {
	seen := c.seenToFail(c.seenAlongLevels(), missed)
	if seen.Reason != "" {
		return seen
	}
	lowest := c.reckoned(seen)
	if lowest.By == "" {
		lowest.Reason = "no end of it was found: no resource whose use follows the throughput, no objective that was crossed, no saturation"
	}
	return lowest
}

// seenToFail is the lowest of an end and the throughputs at which bounds were
// missed, or a resource was used up of which no more is known.
func (c Capacity) seenToFail(lowest Limit, missed []string) Limit {
	failed := func(at float64, what string) {
		if at > 0 && !(lowest.highest() <= at) {
			lowest = Limit{Throughput: math.NaN(), Below: at, By: "at that load " + what}
		}
	}
	if len(missed) > 0 {
		failed(c.Throughput, "it misses "+listed(missed))
	}
	for _, d := range c.Demands {
		if d.hidden() {
			failed(d.TopThroughput, fmt.Sprintf("%s is used to %.0f %%", d.Title(), 100*d.Top))
		}
	}
	return lowest
}

// reckoned is the lowest of an end and those that a line or a law gives.
func (c Capacity) reckoned(lowest Limit) Limit {
	put := func(throughput float64, by string) {
		if !(throughput >= lowest.lowest()) && !math.IsNaN(throughput) {
			lowest = Limit{Throughput: throughput, By: by}
		}
	}
	for _, d := range c.Demands {
		hottest := d.hottest()
		put(hottest.Planning.Value, fmt.Sprintf("%s would be used to more than %.0f %%", hottest.Title(), 100*planningCap))
	}
	put(c.USL.PeakThroughput.Value, "throughput falls by the scalability law")
	if c.Saturation.Reason != "" {
		put(c.flatAt(), "throughput did not grow over the last step of the load")
	}
	return lowest
}

// seenAlongLevels is the end at the lowest load: beyond it throughput may fall as
// well as rise.
func (c Capacity) seenAlongLevels() Limit {
	first, firstLoad := Limit{Throughput: math.NaN()}, math.NaN()
	if c.Saturation.Reason == "" {
		first, firstLoad = Limit{Throughput: c.Saturation.Throughput, By: "throughput stops growing with the load"}, c.Saturation.Load
	}
	for _, x := range c.Crossings {
		if load, end := x.end(); !x.Objective.Advisory && !math.IsNaN(load) && !(load >= firstLoad) {
			first, firstLoad = end, load
		}
	}
	return first
}

// flatAt is the throughput from which on it is flat; NaN when it isn't. One flat
// step at the end is too little for a saturation, and enough to doubt that a
// resource which would last far longer ends the throughput.
func (c Capacity) flatAt() float64 {
	levels := rising(c.Levels)
	switch n := len(levels); {
	case c.Saturation.Reason == "":
		return c.Saturation.Throughput
	case n > 1 && flatStep(levels[n-2], levels[n-1]):
		return math.Max(levels[n-2].Throughput, levels[n-1].Throughput)
	}
	return math.NaN()
}

// few is how many names a sentence lists before it counts the rest.
const few = 3

func listed(names []string) string {
	if len(names) > few {
		names = append(slices.Clone(names[:few]), fmt.Sprintf("%d more", len(names)-few))
	}
	return strings.Join(names, ", ")
}

// number writes a number for a sentence: four digits, and all of whole thousands
// with commas between them.
func number(v float64) string {
	if math.IsInf(v, 0) || !(math.Abs(v) >= 999.5) {
		return fmt.Sprintf("%.4g", v)
	}
	text := fmt.Sprintf("%.0f", v)
	for i := len(text) - 3; i > 0 && text[i-1] != '-'; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}
