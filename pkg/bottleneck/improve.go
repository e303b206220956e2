package bottleneck

import (
	"fmt"
	"math"
	"strings"

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

// rateIntervals is how many intervals $rate averages over (see expand).
const rateIntervals = 4

// throughput is the requests per second at the end of each interval, averaged over so
// many intervals; NaN where not known.
func (e *exam) throughput(width int) []float64 {
	x := make([]float64, e.grid.N)
	for i := range x {
		if x[i] = math.NaN(); e.requests != nil {
			x[i] = stats.Mean(e.requests[max(i+1-width, 0):i+1]) / e.grid.Step.Seconds()
		}
	}
	return x
}

// demand is how the use of a line follows the throughput, and the formula of what is
// computed by it: as fitted to the whole run, where that was possible, else by the
// highest throughput at which it was nearly used up. One that allows less than the run
// carried is false, and none is given; nor is one of the mean of several lines.
func (e *exam) demand(s signal, l line) (d Demand, formula string) {
	width := 1
	if strings.Contains(s.query, "rate(") {
		width = rateIntervals // as its own values are
	}
	x := e.throughput(width)
	carried := e.peak(x)
	d, formula = s.demand, "(limit − U₀)/D (utilization law), U₀ and D as under Capacity"
	if d.PerRequest == 0 {
		d, formula = demandWhenFull(x[e.from:e.to], s.share(l)[e.from:e.to]), "limit/D, D = U/X (utilization law) with the highest throughput X at which it was used to 90 % or more"
	} else if len(s.lines) > 1 {
		return Demand{}, ""
	}
	if !(d.saturation(1) >= carried) {
		return Demand{}, ""
	}
	return d, formula
}

// demandWhenFull takes all of what is used for the requests', at the highest
// throughput at which a resource was nearly used up.
func demandWhenFull(throughput, share []float64) (d Demand) {
	highest := 0.0
	for i, x := range throughput {
		if share[i] >= fullShare && x > highest {
			highest = x
			d = Demand{PerRequest: math.Min(share[i], 1) / x}
		}
	}
	return d
}

// saturating fills in by how much the saturation point moves, where it is known.
func (i Improvement) saturating(from, to float64, formula string) Improvement {
	if !math.IsNaN(from) {
		i.Estimate, i.Formula = fmt.Sprintf("the saturation point moves from %.0f to %.0f req/s", from, to), formula
	}
	return i
}

// more is a larger resource; of what is kept, and of a machine that others use too,
// nothing tells what more of it would bring.
func more(s signal) Improvement {
	return Improvement{Horizon: mediumTerm, Action: fmt.Sprintf("Give %s %.1f times the %s", s.component, raised, s.resource)}
}

// moreOf estimates what more of a resource would bring: one more replica, or a larger limit.
func (e *exam) moreOf(s signal, l line) Improvement {
	replicas := s.replicasOf(l)
	n := float64(len(replicas))
	if n < 2 {
		d, formula := e.demand(s, l)
		return more(s).saturating(d.saturation(1), d.saturation(raised), formula)
	}
	used := 0.0
	for _, r := range replicas {
		used += stats.Mean(e.scored(s.share(r))) / n
	}
	idle, formula := 0.0, "U·n/(n+1), U the mean of the replicas, if all of it follows the load and that is spread evenly"
	if s.demand.PerRequest > 0 {
		idle = math.Max(s.demand.Idle, 0)
		formula = fmt.Sprintf("U₀ + (U − U₀)·n/(n+1), U the mean of the replicas, %s of it without load (U₀), if load is spread evenly", percent(idle))
	}
	return Improvement{Horizon: mediumTerm, Action: fmt.Sprintf("Run %.0f replicas of %s instead of %.0f", n+1, s.component, n),
		Estimate: fmt.Sprintf("mean utilization from %s to %s", percent(used), percent(idle+(used-idle)*n/(n+1))), Formula: formula}
}

// replicasOf are the lines of the service that a line is of.
func (s signal) replicasOf(l line) (replicas []line) {
	for _, other := range s.lines {
		if other.service() == l.service() {
			replicas = append(replicas, other)
		}
	}
	return replicas
}

// leaner is the share of a resource that a request is made to do without in an
// estimate, as a profile often shows.
const leaner = .2

// lessOf estimates what requests that need less of a resource would bring.
func (e *exam) lessOf(s signal, l line) Improvement {
	i := Improvement{Horizon: longTerm, Action: fmt.Sprintf("Let each request take a fifth less of the %s of %s", s.resource, s.component)}
	d, formula := e.demand(s, l)
	lean := Demand{d.Idle, (1 - leaner) * d.PerRequest}
	return i.saturating(d.saturation(1), lean.saturation(1), fmt.Sprintf("%s; then D·%.1f", formula, 1-leaner))
}

// largerPool estimates by how much a larger pool moves the load at which it is used up.
func (e *exam) largerPool(s signal, l line) Improvement {
	limit := s.limitOf(l)
	larger := math.Round(raised * limit)
	if math.IsNaN(limit) {
		return Improvement{Horizon: quickWin, Action: fmt.Sprintf("Raise the limit of %s", s.resource)}
	}
	i := Improvement{Horizon: quickWin, Action: fmt.Sprintf("Raise the limit of %s from %s to %s", s.resource, quantity(limit, s.unit), quantity(larger, s.unit))}
	d, formula := e.demand(s, l)
	return i.saturating(d.saturation(1), d.saturation(larger/limit), formula)
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
	const steps = 50 // of the last hundredth
	over := 0.0
	for k := range steps {
		over += (sp.all.Quantile(.99+(float64(k)+.5)/steps/100) - limit) / steps / 100
	}
	total := 0.0
	for _, v := range e.seconds[e.from:e.to] {
		total += v
	}
	if seconds(longest) == seconds(limit) {
		return i
	}
	i.Estimate, i.Formula = fmt.Sprintf("no call longer than %s instead of %s", seconds(limit), seconds(longest)), "p99 and maximum of its calls"
	if saved := over * sp.all.Count() / total; saved >= leastSaved {
		i.Estimate += fmt.Sprintf("; %s less mean response time", percent(saved))
		i.Formula += "; Σ max(0, L − p99) of its calls / time of all requests"
	}
	return i
}

// leastSaved is the share of the mean response time below which what is saved is
// not worth a word, as of a tail that few calls have.
const leastSaved = .001

// shorterLife says how long memory lasts at the pace of the run.
func shorterLife(s signal, limit float64, r rise) Improvement {
	left := math.Max(limit-r.last, 0) / r.slope
	return Improvement{Horizon: quickWin, Action: fmt.Sprintf("Give what %s stores a shorter life (TTL)", s.component),
		Estimate: fmt.Sprintf("at half the pace the limit is reached in %s instead of %s; nothing kept beyond the test's length would save %s", seconds(2*left), seconds(left), percent((r.last-r.first)/r.last)),
		Formula:  "(limit − used)/slope (Theil–Sen)"}
}

// partitions is over how many instances data are spread in an estimate, as the guide does.
const partitions = 3

// partitioned says how long memory lasts when several instances share what is stored.
func partitioned(s signal, limit float64, r rise) Improvement {
	return Improvement{Horizon: longTerm, Action: fmt.Sprintf("If it is data and no leak, spread what %s stores over %d times the instances", s.component, partitions),
		Estimate: fmt.Sprintf("the limit is reached in %s instead of %s", seconds((partitions*limit-r.last)/r.slope), seconds(math.Max(limit-r.last, 0)/r.slope)),
		Formula:  fmt.Sprintf("(%d·limit − used)/slope (Theil–Sen)", partitions)}
}

// lessInFlight estimates what a bound on the requests in the service brings, where
// more of them make no more answers.
func lessInFlight(first, last, throughput float64) Improvement {
	bound := math.Max(math.Ceil(first), 1)
	return Improvement{Horizon: quickWin, Action: fmt.Sprintf("Take in at most %.0f requests at once, and turn others away (503)", bound),
		Estimate: fmt.Sprintf("mean response time %s instead of %s at the end, at the same throughput", seconds(bound/throughput), seconds(last/throughput)),
		Formula:  "R = N/X (Little's law)"}
}

// evenOut estimates what an even spread of the load would bring.
func evenOut(s signal, limit, hottest, mean float64) Improvement {
	return Improvement{Horizon: quickWin, Action: fmt.Sprintf("Spread the load of %s evenly (least connections, or weights)", s.component),
		Estimate: fmt.Sprintf("the hottest goes from %s to %s, and carries %s more before it is full", percent(hottest/limit), percent(mean/limit), percent(hottest/mean-1)),
		Formula:  "hottest U / mean U − 1"}
}
