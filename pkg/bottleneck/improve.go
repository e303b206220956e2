package bottleneck

import (
	"fmt"
	"math"

	"github.com/plumbline/plumbline/pkg/stats"
)

// An Improvement is something that could be done, with what it would bring.
type Improvement struct {
	Horizon  Horizon
	Action   string
	Estimate string // computed from the run; "" when it can't be
	Formula  string // by which
	Finding  string // id
}

// A Horizon is how long an improvement takes.
type Horizon string

// The horizons of the guide.
const (
	quickWin   Horizon = "quick wins"  // 1–2 days
	mediumTerm Horizon = "medium term" // 1–2 weeks
	longTerm   Horizon = "long term"   // 1–2 months
)

// Horizons are in the order in which they are shown.
var Horizons = []Horizon{quickWin, mediumTerm, longTerm}

// improvements lists those of all findings, by horizon, those of the first findings first.
func improvements(found []Finding) (all []Improvement) {
	for _, h := range Horizons {
		for _, f := range found {
			for _, i := range f.improve {
				if i.Horizon == h {
					i.Finding = f.ID
					all = append(all, i)
				}
			}
		}
	}
	return all
}

// raised is by how much a limit is raised in an estimate, as the guide does: 400 → 600.
const raised = 1.5

// rate is the mean throughput of the scored window, in requests per second; NaN when not known.
func (e *exam) rate() float64 {
	if e.requests == nil {
		return math.NaN()
	}
	return stats.Mean(e.requests[e.from:e.to]) / e.grid.Step.Seconds()
}

// moreOf estimates what more of a resource would bring, by the utilization law. Of a
// machine it can't be told: what others use there does not grow with this load.
func (e *exam) moreOf(s signal, l line) Improvement {
	i := Improvement{Horizon: mediumTerm, Action: fmt.Sprintf("Give %s %.1f times the %s", s.component, raised, s.resource)}
	if s.isMachine() {
		return i
	}
	if n := len(s.lines); n > 1 {
		i.Action = fmt.Sprintf("Run %d replicas of %s instead of %d", n+1, s.component, n)
		u := stats.Mean(e.scored(s.share(l)))
		i.Estimate = fmt.Sprintf("mean utilization of the hottest from %s to %s", percent(u), percent(u*float64(n)/float64(n+1)))
		i.Formula = "U·n/(n+1), if load is spread evenly"
		return i
	}
	if x, u := e.rate(), stats.Mean(e.scored(s.share(l))); x > 0 && u > 0 {
		i.Estimate = fmt.Sprintf("the saturation point moves from %.0f to %.0f req/s", x/u, raised*x/u)
		i.Formula = "X/U (utilization law), times the new limit over the old"
	}
	return i
}

// largerPool estimates by how much a larger pool moves the load at which its peaks reach the limit.
func (e *exam) largerPool(s signal, l line) Improvement {
	i := Improvement{Horizon: quickWin, Action: fmt.Sprintf("Raise the limit of %s from %s to %s", s.resource, quantity(s.limitOf(l), s.unit), quantity(math.Round(raised*s.limitOf(l)), s.unit))}
	if x, peak := e.rate(), e.peak(l.values); x > 0 && peak > 0 && !math.IsNaN(s.limitOf(l)) {
		i.Estimate = fmt.Sprintf("the saturation point moves from %.0f to %.0f req/s", x*s.limitOf(l)/peak, x*math.Round(raised*s.limitOf(l))/peak)
		i.Formula = "X·limit/peak in use: peaks grow with the load (Little's law)"
	}
	return i
}

func lessGarbage(share float64) Improvement {
	return Improvement{Horizon: mediumTerm, Action: "Make half as many short-lived objects", Estimate: fmt.Sprintf("%s less processor time", percent(share/2)), Formula: "share of the collector / 2"}
}

// withoutWait estimates what is won when a share of the requests' time falls away.
func withoutWait(action, what string, share float64, h Horizon) Improvement {
	return Improvement{Horizon: h, Action: action, Estimate: fmt.Sprintf("up to %s less mean response time", percent(share)), Formula: "share of the requests' time that goes into " + what}
}

// timeout estimates what giving up the slowest call of a hundred would save.
func (e *exam) timeout(c call, sp spend) Improvement {
	limit, longest := sp.all.Quantile(.99), sp.all.Quantile(1)
	i := Improvement{Horizon: quickWin, Action: fmt.Sprintf("Time out calls of %s (%s) after %s, and stop calling it while many do", sp.name, c.component, seconds(limit))}
	const parts = 50 // of the last hundredth
	over := 0.0
	for k := range parts {
		over += (sp.all.Quantile(.99+(float64(k)+.5)/parts/100) - limit) / parts / 100
	}
	total := 0.0
	for _, v := range e.seconds[e.from:e.to] {
		total += v
	}
	if saved := over * sp.all.Count() / total; saved > 0 && longest > limit {
		i.Estimate = fmt.Sprintf("%s less mean response time, and no call longer than %s instead of %s", percent(saved), seconds(limit), seconds(longest))
		i.Formula = "Σ max(0, L − p99) of its calls / time of all requests"
	}
	return i
}

// shorterLife says how long memory lasts at the pace of the run.
func shorterLife(s signal, limit, first, last, slope float64) Improvement {
	left := (limit - last) / slope
	return Improvement{Horizon: quickWin, Action: fmt.Sprintf("Give what %s stores a shorter life (TTL)", s.component),
		Estimate: fmt.Sprintf("at half the pace the limit is reached in %s instead of %s; nothing kept beyond the test's length would save %s", seconds(2*left), seconds(left), percent((last-first)/last)),
		Formula:  "(limit − used)/slope (Theil–Sen)"}
}

// evenOut estimates what an even spread of the load would bring.
func evenOut(s signal, limit, hottest, mean float64) Improvement {
	return Improvement{Horizon: quickWin, Action: fmt.Sprintf("Spread the load of %s evenly (least connections, or weights)", s.component),
		Estimate: fmt.Sprintf("the hottest goes from %s to %s, and carries %s more before it is full", percent(hottest/limit), percent(mean/limit), percent(hottest/mean-1)),
		Formula:  "hottest U / mean U − 1"}
}
