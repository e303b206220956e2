package capacity

import (
	"fmt"
	"math"
	"slices"
)

// Growth are the multiples of today's throughput that a plan is made for.
var growth = []float64{1.5, 2, 3}

// A Scale is what one component needs for one throughput.
type Scale struct {
	Component, Resource string  // the resource of it that asks for most
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
// multiples of today's throughput.
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
			s := scaleComponent(component, demands, resources, g.throughput)
			s.Factor, s.Throughput = g.factor, g.throughput
			scales = append(scales, s)
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

// scaleComponent takes the resource of a component that would be used most.
func scaleComponent(component string, demands []Demand, resources []Resource, throughput float64) Scale {
	worst := Scale{Component: component, Needed: Unknown(), Utilization: math.NaN(), Limit: math.NaN()}
	var reasons []string
	for i, d := range demands {
		if d.Component != component {
			continue
		}
		if d.Reason != "" {
			reasons = append(reasons, d.Resource+": "+d.Reason)
			continue
		}
		if s := scaleResource(d, resources[i], throughput); !(s.Utilization <= worst.Utilization) {
			worst = s
		}
	}
	switch {
	case math.IsNaN(worst.Utilization) && len(reasons) > 0:
		worst.Reason = reasons[0]
	case len(reasons) > 0 && worst.Note == "":
		worst.Note = "not counted: " + reasons[0]
	}
	return worst
}

// scaleResource is what one resource needs. Replicas share the work as unevenly
// as they did in the run, and each of them takes the idle share for itself.
func scaleResource(d Demand, r Resource, throughput float64) Scale {
	hottest := d
	for _, one := range d.Series {
		if one.Reason == "" && one.Planning.Value < hottest.Planning.Value {
			hottest = one
		}
	}
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
			s.Reason = fmt.Sprintf("one instance that is not known to scale out would be used to %.0f %%: a larger one, or less work for each request", 100*s.Utilization)
		}
	}
	if enough && s.Note == "" {
		s.Note = fmt.Sprintf("enough as it is: used to %.0f %%", 100*s.Utilization)
	}
	return s
}

// scaleOut is the number of replicas that keeps the hottest at 80 %.
func (s *Scale) scaleOut(hottest Demand, throughput float64) {
	if hottest.Idle >= planningCap {
		s.Reason = fmt.Sprintf("a replica is used to %.0f %% without any request: more of them won't help", 100*hottest.Idle)
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
