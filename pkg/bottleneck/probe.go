package bottleneck

import (
	"context"
	"fmt"
	"math"
	"strings"

	"github.com/plumbline/plumbline/pkg/stats"
)

// A Probe is a question about the resources of a run. Its page is docs/probes/<ID>.md.
type Probe struct {
	ID   string
	Asks string
	look func(ctx context.Context, e *exam) ([]Finding, error)
}

// Probes are all questions that are asked.
var Probes = []Probe{
	{"generator", "Did the load generator itself hold the load back?", generator},
	{"utilization", "Was a resource used up?", utilization},
	{"pool", "Were all connections of a pool handed out?", exhaustion},
	{"gc", "Did the garbage collector take the processor?", collection},
	{"lock", "Did requests wait for each other's locks?", contention},
	{"throttling", "Were containers stopped at their CPU limit?", throttling},
	{"queue", "Did work pile up while throughput stood still?", queueing},
	{"errors", "Did the service fail requests by itself?", failing},
	{"dependency", "Did a service downstream take the time?", dependencies},
	{"growth", "Did memory grow all the time?", growing},
	{"imbalance", "Did some replicas do the work of others?", uneven},
}

// probedMetrics are those that probes ask for beside the sources.
var probedMetrics = []string{
	"go_cpu_classes_gc_total_cpu_seconds_total", "jvm_gc_pause_seconds_sum", "go_sync_mutex_wait_total_seconds_total", schedulerWaits,
	"container_cpu_cfs_throttled_periods_total", "container_oom_events_total", "kube_pod_container_status_restarts_total", "process_start_time_seconds", "db_pool_wait_seconds", "db_pool_wait_seconds_sum",
	"hikaricp_connections_acquire_seconds_sum", "go_sql_wait_duration_seconds_total",
	"llm_request_duration_seconds", "llm_request_duration_seconds_sum", "http_client_request_duration_seconds", "http_client_request_duration_seconds_sum",
}

// The thresholds of METHODS 6.
const (
	fullShare      = .90  // of a limit: used up
	leastBeyond    = 1.2  // of a limit: it can't be one. Rates over short windows may well be a little above 1
	mostOfTheTime  = .80  // of the window, for a resource to be saturated
	poolTime       = .50  // of the samples with all connections out, for a pool to be exhausted
	waitShare      = .10  // of the time of requests that waits for a pool or a lock take
	gcShare        = .10  // of the processor time used
	gcOfLimit      = .05  // of the cores there are: below, a collector's share is that of nearly nothing
	throttleShare  = .10  // of the periods
	dependShare    = .20  // of the time of requests
	besideShare    = 1.05 // of the time of requests: more is taken by calls that overlap, or that nobody waits for
	movesWith      = .30  // rank correlation given the load, for calls that overlap to be waited for
	leastIntervals = 8    // for a trend
	leastCoverage  = .90  // of the scored window by scrapes
	growthShare    = .05  // of the first value
	growthP        = .01
	keptPace       = 2. / 3 // of the first half's growth that the second keeps, for it not to level off
	unevenRatio    = 1.25   // hottest over mean
	unevenShare    = .50    // of its limit that the hottest uses, for it to matter
	flatElasticity = .2
)

func generator(_ context.Context, e *exam) ([]Finding, error) {
	problems := e.Run.Generators.Problems()
	if len(problems) == 0 {
		return nil, nil
	}
	return []Finding{{
		ID: "loadgen", Component: "Load generator", Resource: "Offered load", Severity: Medium,
		Symptom: "the load was not what the profile asked for: " + problems[0], RootCause: "the load generator could not keep up, or a part of it was missing",
		Recommendations: []string{"Give the load generator more processors, or spread it over segments (loadgen run --segment)", "Judge the service only by runs with a valid load"},
		Impact:          "what the service shows under another load than the one asked for says little",
		Evidence:        []Evidence{{Query: fmt.Sprintf(`loadgen_cpu_ratio{run=%q}`, e.Run.ID), Shows: strings.Join(problems, "; "), Threshold: "start lag, processor, drops and offered load within their bounds"}},
		strength:        2, covers: e.always(),
		improve: []Improvement{{Horizon: quickWin, Action: "Measure again with the load generator on processors of its own, or in more segments"}},
	}}, nil
}

// failing finds errors that the service makes without being saturated.
func failing(_ context.Context, e *exam) (found []Finding, _ error) {
	for _, s := range e.Symptoms {
		if s.Kind != Errors || s.Breached == nil {
			continue
		}
		time := e.timeAbove(s.Breached)
		at := e.onset(s.Breached)
		f := Finding{
			ID: s.ID, Component: "Service", Resource: "Errors", class: ownErrors, covers: s.Breached, strength: time,
			Symptom:         fmt.Sprintf("%s was %s; it missed its bound in %s of the intervals", s.Title, s.Missed, percent(time)),
			RootCause:       "requests fail in the service itself; a saturated resource that explains it would stand before this finding",
			Recommendations: []string{"Look at the service's log at the time given", "See which endpoint and status the errors have"},
			Evidence:        []Evidence{{Query: s.Query, Shows: s.Missed, Threshold: "the objective's own bound", Onset: at, Peak: math.NaN(), Overlap: 1}},
			improve: []Improvement{
				{Horizon: quickWin, Action: "Mend what fails most often: the log, by endpoint and status, at the time of the errors"},
				{Horizon: mediumTerm, Action: "Try again what fails for a passing reason, a limited number of times"},
			},
		}
		found = append(found, f)
		break // one for all objectives on errors
	}
	return found, nil
}

// always covers every interval.
func (e *exam) always() []bool {
	all := make([]bool, e.grid.N)
	for i := range all {
		all[i] = true
	}
	return all
}

// above tells in which intervals values are at or above a threshold.
func above(values []float64, threshold float64) []bool {
	out := make([]bool, len(values))
	for i, v := range values {
		out[i] = v >= threshold
	}
	return out
}

// timeAbove is the share of the scored intervals that are set.
func (e *exam) timeAbove(set []bool) float64 {
	n := 0.0
	for _, b := range set[e.from:e.to] {
		if b {
			n++
		}
	}
	return n / math.Max(float64(e.to-e.from), 1)
}

// scored are the values of the scored intervals that are there.
func (e *exam) scored(values []float64) []float64 {
	return known(values[e.from:e.to])
}

// known are the values that are there.
func known(values []float64) (out []float64) {
	for _, v := range values {
		if !math.IsNaN(v) {
			out = append(out, v)
		}
	}
	return out
}

func (e *exam) peak(values []float64) float64 { return extreme(e.scored(values)) }

func extreme(values []float64) float64 {
	most := math.NaN()
	for _, v := range values {
		if !(v <= most) {
			most = v
		}
	}
	return most
}

// hottest is the line of a signal that uses most of its limit on average.
func (e *exam) hottest(s signal) (l line, mean float64) {
	mean = math.NaN()
	for _, each := range s.lines {
		if m := stats.Mean(e.scored(each.values)); !(m <= mean) {
			l, mean = each, m
		}
	}
	return l, mean
}

// hot are the lines of a signal that reached a share of its limit.
func (e *exam) hot(s signal, share float64) (hot []line) {
	for _, l := range s.lines {
		if e.peak(s.share(l)) >= share {
			hot = append(hot, l)
		}
	}
	return hot
}

// named says which line of a signal is meant.
func named(s signal, l line) string {
	switch {
	case l.name == "" || len(s.lines) == 1:
		return s.component
	case strings.Contains(l.name, s.component):
		return l.name
	}
	return s.component + " " + l.name
}

// usedOf says how much of its limit a line used at most.
func (e *exam) usedOf(s signal, l line) string {
	peak, limit := quantity(e.peak(l.values), s.unit), s.limitOf(l)
	if math.IsNaN(limit) {
		return peak + " (its limit is not known)"
	}
	return fmt.Sprintf("%s of %s (%s)", peak, quantity(limit, s.unit), percent(e.peak(s.share(l))))
}

// ofLimit says of which limit a share is; of a resource whose values are shares there is nothing to say.
func ofLimit(s signal, l line) string {
	if s.unit == "ratio" {
		return ""
	}
	return " of its limit of " + quantity(s.limitOf(l), s.unit)
}

// shares are seconds over the time that requests took, interval by interval.
func (e *exam) shares(seconds []float64) []float64 {
	out := make([]float64, e.grid.N)
	for i := range out {
		out[i] = seconds[i] / e.seconds[i]
	}
	return out
}

// timeShare is the part that seconds have in the time of requests, where a
// latency objective was missed; where none was, over the scored window.
func (e *exam) timeShare(seconds []float64) float64 {
	part, whole := 0.0, 0.0
	breached := e.breached(Latency)
	for i := e.from; i < e.to; i++ {
		if breached == nil || breached[i] {
			part, whole = part+seconds[i], whole+e.seconds[i]
		}
	}
	return part / whole
}

// breached are the intervals in which an objective of a kind missed its bound;
// nil when none did.
func (e *exam) breached(k Kind) (all []bool) {
	for _, s := range e.Symptoms {
		if s.Kind == k && s.Breached != nil && e.timeAbove(s.Breached) > 0 {
			all = either(either(make([]bool, e.grid.N), all), s.Breached)
		}
	}
	return all
}
