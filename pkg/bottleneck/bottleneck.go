// Package bottleneck finds what held a run back, with the evidence, and what
// could be done about it. It knows resources by the metrics that they export,
// and nothing of how a service is built.
package bottleneck

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/plumbline/plumbline/pkg/promql"
	"github.com/plumbline/plumbline/pkg/run"
)

// A Severity is how much a finding matters.
type Severity int

// The severities. High: an objective fails in the time that the finding covers, or
// the bound that the SLA sets the resource itself fails, or what was kept full was
// killed. Medium: an objective warns there, or a resource is saturated for most of
// the window, or memory grows and is nearly full or will be before the same load has
// lasted as long again.
// Low: anything else that is worth knowing.
const (
	Low Severity = iota
	Medium
	High
)

var severityNames = [...]string{"LOW", "MEDIUM", "HIGH"}

func (s Severity) String() string { return severityNames[s] }

// MarshalText writes the severity's name.
func (s Severity) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads the severity's name.
func (s *Severity) UnmarshalText(text []byte) error {
	i := slices.Index(severityNames[:], string(text))
	if i < 0 {
		return fmt.Errorf("unknown severity %q: want LOW, MEDIUM or HIGH", text)
	}
	*s = Severity(i)
	return nil
}

// A Scope is the run that is looked at, and what was measured in it.
type Scope struct {
	Run    run.Run
	Window run.Window        // that is scored
	Vars   map[string]string // what expressions may refer to
	// Requests is the selector of the histogram of request durations, at the
	// service, in seconds; "" when there is none.
	Requests  string
	Resources []Resource
	Symptoms  []Symptom
	Held      int // objectives that were judged and missed no bound
}

// A Resource is one that the SLA names, as it was measured over the run.
type Resource struct {
	ID, Component, Resource, Unit string
	Limit                         float64 // of each series; NaN when not known
	Unlimited                     bool    // the SLA gives it no limit
	Query                         string
	Series                        []promql.Series
	Failed                        string // by what it missed its own bound, such as "peak 97 %, must be < 90%"; "" when it did not
	Demand                        Demand // of the mean of its series
}

// A Demand is how the use of a resource follows the throughput X in requests per
// second, in shares of its limit: U = Idle + PerRequest·X, the utilization law with
// what is used without load. It is not known where PerRequest is 0.
type Demand struct{ Idle, PerRequest float64 }

// saturation is the throughput at which so many times the limit are used; NaN when not known.
func (d Demand) saturation(times float64) float64 {
	if d.PerRequest == 0 {
		return math.NaN()
	}
	return (times - d.Idle) / d.PerRequest
}

// Kind says what an objective is about.
type Kind int

// The kinds of objectives.
const (
	Latency Kind = iota
	Errors
	Throughput
)

// A Symptom is an objective that was missed.
type Symptom struct {
	ID, Title string
	Kind      Kind
	Fails     bool    // else it warns
	Missed    string  // such as "623 ms, must be < 500 ms"
	Query     string  // that gives its value
	Limit     float64 // of a latency, in seconds; NaN otherwise
	Quantile  float64 // of a latency: which one; 0 when it is a mean or another value
	// Values and Breached are the objective's value in each interval of the run's
	// grid, and whether that misses the bound; nil when they can't be told.
	Values   []float64
	Breached []bool
}

// A Diagnosis is what was found, the most important first.
type Diagnosis struct {
	Findings     []Finding
	Improvements []Improvement
	// Undetermined says why nothing explains what was missed; "" when something does,
	// or nothing was missed.
	Undetermined string
	// Gaps are what could not be looked at, and why.
	Gaps []string
}

// A Finding is a resource in trouble.
type Finding struct {
	ID              string // of the probe and the resource: utilization/api-cpu
	Probe           string
	Severity        Severity
	Component       string
	Resource        string
	Symptom         string
	RootCause       string
	Impact          string
	Recommendations []string
	Evidence        []Evidence

	class    class     // of the evidence; the first rank of findings of one severity
	strength float64   // of the evidence, among its class
	values   []float64 // of what was looked at, interval by interval; nil when there is none
	covers   []bool    // intervals in which it was in trouble
	causes   []string  // ids of findings that this one explains
	failed   string    // by what its resource missed its own bound; "" when it did not
	// Of a pool or a lock: how many hold or await it, interval by interval; its name
	// says who they are. Of a finding about a processor: whose that is.
	crowd, processor line
	reach            float64                     // of a dependency: its calls for each request
	slows            func(limit float64) float64 // of a dependency: the share of requests that its calls alone take beyond a limit
	improve          []Improvement
}

// Evidence is a query, what it shows, and what was expected.
type Evidence struct {
	Query     string
	Shows     string
	Threshold string
	Onset     time.Time // when it first crossed the threshold for several intervals; zero when it never did
	Peak      float64   // in base units
	Overlap   float64   // share of the intervals of missed objectives that it covers, in [0, 1]; NaN when none was missed
}

// class orders the kinds of evidence: a saturated resource before errors of the
// service's own, before a slow dependency, before work that piles up for a reason
// not seen, before what is kept and grows or is full, before an imbalance.
type class int

const (
	saturation class = iota
	ownErrors
	dependency
	piling
	stock
	imbalance
)

// Detect runs all probes over a run.
func Detect(ctx context.Context, m *promql.Meter, s Scope) (Diagnosis, error) {
	e, err := newExam(ctx, m, s)
	if err != nil {
		return Diagnosis{}, err
	}
	var found []Finding
	for _, p := range Probes {
		fs, err := p.look(ctx, e)
		if err != nil {
			return Diagnosis{}, fmt.Errorf("probe %s: %w", p.ID, err)
		}
		for _, f := range fs {
			f.Probe, f.ID = p.ID, p.ID+"/"+f.ID
			found = append(found, f)
		}
	}
	if err := e.starve(ctx, found); err != nil {
		return Diagnosis{}, fmt.Errorf("waits for a processor: %w", err)
	}
	for i := range found {
		found[i] = e.judge(found[i])
	}
	d := Diagnosis{Findings: e.rank(found)}
	d.Improvements = improvements(d.Findings)
	d.Undetermined = e.undetermined(d.Findings)
	d.Gaps = e.gaps()
	return d, nil
}

// gaps says what the run's series can't answer.
func (e *exam) gaps() (gaps []string) {
	if e.requests == nil {
		missing := ""
		if e.Requests != "" {
			missing = fmt.Sprintf(" (no series of %s)", e.expand(e.Requests))
		}
		gaps = append(gaps, fmt.Sprintf("there is no histogram of what requests took at the service%s: what waits and dependencies had of their time can't be told", missing))
	}
	if e.requests != nil && e.coverage < leastCoverage {
		gaps = append(gaps, fmt.Sprintf("scrapes of the service cover only %s of the scored window: what its gauges were in between isn't known, and its counters give means over the gaps", percent(e.coverage)))
	}
	if n := e.to - e.from; n < leastIntervals {
		gaps = append(gaps, fmt.Sprintf("the scored window has %d intervals between scrapes, and growth and queues need %d: run for longer or scrape more often", n, leastIntervals))
	}
	for _, r := range e.Resources {
		switch {
		case len(r.Series) == 0:
			gaps = append(gaps, fmt.Sprintf("%s: there are no series of it", r.ID))
		case r.Unlimited || r.Limit > 0 && !math.IsInf(r.Limit, 1):
		case math.IsInf(r.Limit, 1):
			gaps = append(gaps, fmt.Sprintf("%s: it has no limit (+Inf), so it can't be used up", r.ID))
		case r.Limit <= 0:
			gaps = append(gaps, fmt.Sprintf("%s: its limit is %g, which means none is set, so it can't be told how full it was", r.ID, r.Limit))
		default:
			gaps = append(gaps, fmt.Sprintf("%s: its limit is not known, so it can't be told how full it was", r.ID))
		}
	}
	return append(gaps, e.disbelieved...)
}

// undetermined says that an objective was missed and nothing tells why.
func (e *exam) undetermined(found []Finding) string {
	var unexplained []string
	for _, s := range e.Symptoms {
		explained := slices.ContainsFunc(found, func(f Finding) bool {
			return f.Severity > Low && e.concerns(f, s) && e.overlap(f.covers, s) >= leastOverlap
		})
		if !explained {
			unexplained = append(unexplained, s.Title)
		}
	}
	why := "no resource was near its limit, no dependency took much of the time"
	if len(found) > 0 {
		why = fmt.Sprintf("what was found (%s) was so at other times, or can't be the cause of it", titles(found))
	}
	switch len(unexplained) {
	case 0:
		return ""
	case 1:
		return fmt.Sprintf("nothing that was recorded explains why %s missed its bound: %s", unexplained[0], why)
	}
	return fmt.Sprintf("nothing that was recorded explains why %s missed their bounds: %s", strings.Join(unexplained, ", "), why)
}

// titles lists what findings are about.
func titles(found []Finding) string {
	var all []string
	for _, f := range found {
		all = append(all, f.Component+" "+f.Resource)
	}
	return strings.Join(all, ", ")
}
