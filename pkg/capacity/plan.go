package capacity

import (
	"cmp"
	"fmt"
	"math"
	"slices"
)

// Growth are the multiples of today's throughput that a plan is made for.
var growth = []float64{1.5, 2, 3}

// nearIdle is the highest throughput measured over the lowest, from which on a
// line tells what is used without any request.
const nearIdle = 4.0

// A Scale is what one component needs of one resource for one throughput.
type Scale struct {
	Component, Resource string
	Factor              float64 // of today's throughput; NaN for a target
	Throughput          float64
	Now                 int      // replicas that were measured; 0 when replicas are no way
	Needed              Estimate // replicas so that the resource is used to at most 80 %
	Utilization         float64  // of the resource as it is now, at that throughput; may be above 1
	// Limit is what the limit of a pool must become instead; NaN where it is enough or no way.
	Limit  float64
	Note   string
	Reason string // why more of it can't be planned
}

// plan works out what each component needs for the target, if any, and for
// multiples of today's throughput: every resource that would be used to more than
// 80 %, or the one that would be used most when none would.
func plan(demands []Demand, resources []Resource, today, target float64) ([]Scale, string) {
	type goal struct{ factor, throughput float64 }
	var goals []goal
	if target > 0 {
		goals = append(goals, goal{math.NaN(), target})
	}
	if today > 0 {
		for _, f := range growth {
			goals = append(goals, goal{f, f * today})
		}
	}
	if len(goals) == 0 {
		return nil, "today's throughput is not known"
	}
	var scales []Scale
	for _, g := range goals {
		for _, component := range components(resources) {
			for _, s := range scaleComponent(component, demands, resources, g.throughput) {
				s.Factor, s.Throughput = g.factor, g.throughput
				scales = append(scales, s)
			}
		}
	}
	if !slices.ContainsFunc(scales, func(s Scale) bool { return s.Reason == "" || !math.IsNaN(s.Utilization) }) {
		return scales, "of no component could it be told what a request takes"
	}
	return scales, ""
}

func components(resources []Resource) (names []string) {
	for _, r := range resources {
		if !slices.Contains(names, r.Component) {
			names = append(names, r.Component)
		}
	}
	return names
}

// scaleComponent are what the resources of a component need, the most used first.
func scaleComponent(component string, demands []Demand, resources []Resource, throughput float64) []Scale {
	var scales []Scale
	reason := "" // of the first resource that can't be counted
	for i, d := range demands {
		switch {
		case d.Component != component:
		case d.Reason == "":
			scales = append(scales, scaleResource(d, resources[i], throughput))
		case reason == "":
			reason = d.Resource + ": " + d.Reason
		}
	}
	if len(scales) == 0 {
		return []Scale{{Component: component, Needed: Unknown(), Utilization: math.NaN(), Limit: math.NaN(), Reason: reason}}
	}
	slices.SortStableFunc(scales, func(a, b Scale) int { return cmp.Compare(b.Utilization, a.Utilization) })
	if reason != "" && scales[0].Note == "" {
		scales[0].Note = "not counted: " + reason
	}
	enough := 1
	for enough < len(scales) && scales[enough].Utilization > planningCap {
		enough++
	}
	return scales[:enough]
}

// scaleResource is what one resource needs. Replicas share the work as unevenly
// as they did in the run, and each of them takes the idle share for itself.
func scaleResource(d Demand, r Resource, throughput float64) Scale {
	hottest := d.hottest()
	s := Scale{Component: d.Component, Resource: d.Resource, Needed: Unknown(), Limit: math.NaN(), Utilization: hottest.Idle + hottest.PerRequest.Value*throughput}
	enough := s.Utilization <= planningCap
	switch r.Scaling {
	case Replicas:
		s.Now = len(r.Series)
		s.scaleOut(hottest, throughput)
	case PoolLimit:
		if !enough {
			s.Limit = math.Ceil(r.Limit * s.Utilization / planningCap)
			s.Note = fmt.Sprintf("a limit, not replicas: raise it from %s to %s, if what stands behind it bears that", number(r.Limit), number(s.Limit))
		}
	default:
		if !enough {
			s.Reason = fmt.Sprintf("one instance that is not known to scale out would be used to %.0f %%: one %g times as large, or less work for each request", 100*s.Utilization, math.Ceil(10*s.Utilization/planningCap)/10)
		}
	}
	if enough && s.Note == "" {
		s.Note = fmt.Sprintf("enough as it is: used to %.0f %%", 100*s.Utilization)
	}
	return s
}

// scaleOut is the number of replicas that keeps the hottest at 80 %.
func (s *Scale) scaleOut(hottest Demand, throughput float64) {
	switch near := hottest.Highest >= nearIdle*hottest.Lowest; {
	case hottest.Idle >= planningCap && near:
		s.Reason = fmt.Sprintf("a replica is used to %.0f %% without any request: more of them won't help", 100*hottest.Idle)
		return
	case hottest.Idle >= planningCap:
		s.Reason = fmt.Sprintf("how many can't be told: the line gives %.0f %% for a replica at no load, far below the %s to %s req/s that were measured; measure less load too", 100*hottest.Idle, number(hottest.Lowest), number(hottest.Highest))
		return
	}
	replicas := func(perRequest, idle float64) float64 {
		return math.Max(math.Ceil(float64(s.Now)*perRequest*throughput/(planningCap-idle)-1e-9), 1)
	}
	// The line turns around the middle of what was measured: a steeper one has less at idle.
	at := func(e, planning float64) float64 { return planningCap - e*planning }
	d := hottest.PerRequest
	s.Needed = Estimate{
		Value: replicas(d.Value, hottest.Idle),
		Low:   replicas(d.Low, at(d.Low, hottest.Planning.High)),
		High:  replicas(d.High, at(d.High, hottest.Planning.Low)),
	}
	if s.Needed.Low > s.Needed.High {
		s.Needed.Low, s.Needed.High = s.Needed.High, s.Needed.Low
	}
	if s.Now == 1 {
		s.Note = "one replica was measured: that each further one adds as much is assumed"
	}
}
