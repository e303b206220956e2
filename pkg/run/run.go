// Package run says what was tested, and when: a Run, its windows and stages.
package run

import (
	"errors"
	"fmt"
	"regexp"
	"time"
)

// A Run is one load test. Written as run.json beside its recording, it is all
// that is needed to analyse the test again.
type Run struct {
	ID       string            `json:"id"`
	Service  string            `json:"service,omitempty"`
	Scenario string            `json:"scenario,omitempty"`
	Profile  string            `json:"profile,omitempty"`
	Target   string            `json:"target,omitempty"` // base URL that the load was sent to
	Seed     *uint64           `json:"seed,omitempty"`   // of all that happened by chance; nil when it isn't known
	Labels   map[string]string `json:"labels,omitempty"` // version, commit, …: what may differ between runs that are compared
	// Environment is where the service ran (nodes, instance types, replicas, …):
	// what must not differ between runs that are compared.
	Environment map[string]string `json:"environment,omitempty"`

	Window Window  `json:"window"` // from the start of the load to its end
	Steady Window  `json:"steady"` // the part that is scored; zero when the profile has no single one
	Stages []Stage `json:"stages,omitempty"`

	Load       Load       `json:"load"`
	Generators Generators `json:"generators"`
	Source     Source     `json:"source"`
	Repeat     *Repeat    `json:"repeat,omitempty"`

	State  State  `json:"state"`
	Reason string `json:"reason,omitempty"` // why the run was aborted

	// Warnings are what went wrong on the way without ending the run.
	Warnings []string `json:"warnings,omitempty"`
	Baseline string   `json:"baseline,omitempty"` // name of the baseline it is held against
	Version  string   `json:"plumbline_version,omitempty"`
}

// Sent is the part of the window in which load was sent: what was answered later took
// its time, but nothing was asked meanwhile. A window that is longer by less than a
// scrape interval is whole: its last scrape saw all.
func (r Run) Sent() Window {
	w := r.Window
	if n := len(r.Stages); n > 0 && w.End.Sub(r.Stages[n-1].End) >= max(r.Source.Scrape(), 1) {
		w.End = r.Stages[n-1].End
	}
	return w
}

// Answered is a window that lasts until the scrape by which all was answered that was
// due in the stage it ends with. Without the longest waits an overloaded service would
// look well: that is coordinated omission.
func (r Run) Answered(w Window) Window {
	step := r.Source.Scrape()
	for _, s := range r.Stages {
		if s.End.Equal(w.End) && s.Answered.After(s.End) && step > 0 {
			intervals := (s.Answered.Sub(r.Window.Start) + 2*step - 1) / step
			w.End = r.Window.Start.Add(intervals * step)
		}
	}
	return w
}

// State tells whether a run can be trusted to be whole.
type State string

// The states of a run. A run that its generator never finished stays Running
// until the next reader finds the generator gone and marks it Aborted.
const (
	Running  State = "running"
	Complete State = "complete"
	Aborted  State = "aborted"
)

// A Window is a stretch of time, from Start to End.
type Window struct {
	Start time.Time `json:"start"`
	End   time.Time `json:"end"`
}

// Duration is the length of the window.
func (w Window) Duration() time.Duration { return w.End.Sub(w.Start) }

// IsZero reports whether the window is empty or unknown.
func (w Window) IsZero() bool { return !w.End.After(w.Start) }

// Intersect is the part of w that lies in other; zero when there is none.
func (w Window) Intersect(other Window) Window {
	if other.Start.After(w.Start) {
		w.Start = other.Start
	}
	if other.End.Before(w.End) {
		w.End = other.End
	}
	if w.IsZero() {
		return Window{}
	}
	return w
}

// A Stage is a stretch of the profile over which the load holds or changes linearly.
type Stage struct {
	Window
	From   float64 `json:"from"` // users, or iterations started per second when Open
	To     float64 `json:"to"`
	Open   bool    `json:"open,omitempty"`
	Scored bool    `json:"scored"`

	// Answered is when the last that was due in the stage had its answer, where that
	// came after its end and matters to it; in open models only, since in a closed one
	// who waits asks nothing.
	Answered time.Time `json:"answered,omitzero"`
}

// Load is what the profile asked for, as far as comparisons and Little's law need it.
type Load struct {
	Users        int     `json:"users,omitempty"`                  // the most users at one time; 0 for an open model
	ArrivalRate  float64 `json:"arrival_rate,omitempty"`           // the highest rate of started iterations per second; 0 for a closed model
	ThinkSeconds float64 `json:"mean_think_seconds,omitempty"`     // mean think time after an iteration
	SpawnRate    float64 `json:"spawn_rate,omitempty"`             // users started per second
	Iteration    float64 `json:"requests_per_iteration,omitempty"` // mean number of requests that an iteration sends
	Kinds        []Kind  `json:"kinds,omitempty"`                  // of users, in a closed model, when there are several
}

// A Kind is a kind of users: they think and send as no other kind does.
type Kind struct {
	Share        float64 `json:"share"`              // of all users, in [0, 1]
	ThinkSeconds float64 `json:"mean_think_seconds"` // mean think time after an iteration
	Iteration    float64 `json:"requests_per_iteration"`
}

// ThinkPerRequest is the mean think time, in seconds, for each request whose mean
// response time is response, in seconds. Of several kinds of users those who
// think little send the most, and the more so the faster the answers come.
func (l Load) ThinkPerRequest(response float64) float64 {
	if len(l.Kinds) == 0 {
		return l.ThinkSeconds / max(l.Iteration, 1)
	}
	rate := 0.0 // requests per second and user
	for _, k := range l.Kinds {
		rate += k.Share * k.Iteration / (k.Iteration*response + k.ThinkSeconds)
	}
	return 1/rate - response
}

// Closed reports whether users, rather than an arrival rate, set the load.
func (l Load) Closed() bool { return l.ArrivalRate == 0 }

// Generators tells whether the load was what the profile asked for.
type Generators struct {
	Expected int         `json:"expected"` // segments that make the whole load
	Segments []Generator `json:"segments,omitempty"`
}

// A Generator is one loadgen process, the share of the load that it sent, and
// whether it kept up (METHODS: validity of the generator).
type Generator struct {
	Segment int      `json:"segment"`           // from 1
	Valid   bool     `json:"valid"`             // over the whole run
	Reasons []string `json:"reasons,omitempty"` // why it is not valid
	CPU     float64  `json:"cpu_ratio"`         // of the cores it may use, in [0, 1]

	// WindowSeconds is the length of the windows in which it was judged as
	// well; 0 when it was judged over the whole run only.
	WindowSeconds float64   `json:"window_seconds,omitempty"`
	Suspect       []Suspect `json:"suspect,omitempty"` // those in which it did not keep up
}

// A Suspect window is one whose load can't be trusted.
type Suspect struct {
	Window
	Reasons []string `json:"reasons"`
}

// Problems are the reasons for which the load of the whole run can't be
// trusted; none means that every expected segment was there and kept up.
func (g Generators) Problems() []string {
	return g.problems(func(s Generator) []string { return s.Reasons })
}

// ProblemsIn are the reasons for which what was measured in a window can't be
// trusted: those of the suspect windows that overlap it. That a generator
// didn't keep up outside, such as during the ramp, does no harm to it. Of a
// generator that was judged over the whole run only, they are those of the run.
func (g Generators) ProblemsIn(w Window) []string {
	return g.problems(func(s Generator) []string {
		if s.WindowSeconds == 0 {
			return s.Reasons
		}
		var reasons []string
		for _, suspect := range s.Suspect {
			if suspect.Intersect(w).IsZero() {
				continue
			}
			for _, r := range suspect.Reasons {
				reasons = append(reasons, fmt.Sprintf("from %s to %s %s", suspect.Start.UTC().Format(time.TimeOnly), suspect.End.UTC().Format(time.TimeOnly), r))
			}
		}
		return reasons
	})
}

func (g Generators) problems(of func(Generator) []string) []string {
	var problems []string
	for _, s := range g.Segments {
		for _, r := range of(s) {
			problems = append(problems, fmt.Sprintf("segment %d: %s", s.Segment, r))
		}
	}
	if there := len(g.Segments); there < g.Expected {
		problems = append(problems, fmt.Sprintf("%d of %d expected load generator segments are there", there, g.Expected))
	}
	return problems
}

// Source says where the series of a run are: in its own recording, or on a Prometheus.
type Source struct {
	Recording  bool   `json:"recording"`
	Prometheus string `json:"prometheus,omitempty"` // base URL
	Live       string `json:"live,omitempty"`       // base URL at which the recorder answers PromQL while it records
	// Scrape is the interval at which its series were sampled, in seconds.
	ScrapeSeconds float64 `json:"scrape_seconds"`
}

// Scrape is the interval at which the series were sampled.
func (s Source) Scrape() time.Duration {
	return time.Duration(s.ScrapeSeconds * float64(time.Second))
}

// Repeat says which runs are repetitions of one test: they are compared as one side.
type Repeat struct {
	Group string `json:"group"` // id of the first of them
	N     int    `json:"n"`     // this one, from 1
	Of    int    `json:"of"`
}

var idPattern = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)

// CheckID says what is wrong with an id; ids name folders and stand in queries.
func CheckID(id string) error {
	if id == "" {
		return errors.New("the id of a run is missing")
	}
	if !idPattern.MatchString(id) {
		return fmt.Errorf("run id %q: use 1 to 64 letters, digits, '.', '_' or '-', the first a letter or digit", id)
	}
	return nil
}
