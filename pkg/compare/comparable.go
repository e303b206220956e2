package compare

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/plumbline/plumbline/pkg/run"
)

// How far apart the offered rates and the durations of comparable runs may be.
// A second of the duration is the time that the last requests take to come back.
const (
	rateTolerance     = 0.02
	durationTolerance = 0.02
	durationSlack     = time.Second
)

// A condition must be the same in all runs that are compared.
type condition struct {
	name string
	of   func(run.Run) string
	// near reports whether different ones are near enough; nil: they never are.
	near func(runs []run.Run) bool
}

var conditions = []condition{
	{"scenario", func(r run.Run) string { return strconv.Quote(r.Scenario) }, nil},
	{"profile", func(r run.Run) string { return strconv.Quote(r.Profile) }, nil},
	{"load model", loadModel, nil},
	{"offered rate", func(r run.Run) string { return fmt.Sprintf("%g/s", r.Load.ArrivalRate) }, ratesAreNear},
	{"users", func(r run.Run) string { return strconv.Itoa(r.Load.Users) }, nil},
	{"mean think time", thinkTime, nil},
	{"duration", func(r run.Run) string { return Duration(r).Round(100 * time.Millisecond).String() }, durationsAreNear},
}

// Differences are the conditions that must be the same in runs that are compared,
// and are not in these two, with their values; none: they can be.
func Differences(baseline, candidate run.Run) (list []string) {
	sides := sides{baseline: []run.Run{baseline}, candidate: []run.Run{candidate}}
	for _, c := range slices.Concat(conditions, environment(sides.all())) {
		if !c.holds(sides.all()) {
			list = append(list, sides.describe(c))
		}
	}
	return list
}

// obstacles are all reasons for which the candidates can't be held against the
// baseline with significance.
func obstacles(b Baseline, candidates []RunValues) []string {
	var reasons []string
	switch {
	case len(b.Runs) == 0 && b.Declared != nil:
		reasons = append(reasons, "the baseline has declared values and no runs: changes are given without significance")
	case len(b.Runs) == 0:
		reasons = append(reasons, "the baseline has no runs")
	}
	if len(candidates) == 0 {
		reasons = append(reasons, "there is no candidate run")
	}
	all := slices.Concat(b.Runs, candidates)
	reasons = append(reasons, repeated(all)...)
	for _, r := range all {
		for _, why := range Unfit(r) {
			reasons = append(reasons, fmt.Sprintf("run %s: %s", r.Run.ID, why))
		}
	}
	sides := sides{baseline: runsOf(b.Runs), candidate: runsOf(candidates)}
	for _, c := range slices.Concat(conditions, environment(sides.all())) {
		if !c.holds(sides.all()) {
			reasons = append(reasons, sides.describe(c))
		}
	}
	return reasons
}

// leaveOut leaves those runs of a side out that are unfit, and says so. Where
// nothing would be left all of them stay, for what stands against them then
// stands against the comparison.
func leaveOut(side []RunValues) (fit []RunValues, notes []string) {
	for _, r := range side {
		if why := Unfit(r); len(why) > 0 {
			notes = append(notes, fmt.Sprintf("run %s left out: %s", r.Run.ID, strings.Join(why, ", ")))
			continue
		}
		fit = append(fit, r)
	}
	if len(fit) == 0 {
		return side, nil
	}
	return fit, notes
}

// Unfit are the reasons for which a run can't be compared with any other; none: it can be.
func Unfit(r RunValues) (reasons []string) {
	if r.Run.State != run.Complete {
		why := string(r.Run.State)
		if why == "" {
			why = "its state is unknown"
		}
		if r.Run.Reason != "" {
			why += ": " + r.Run.Reason
		}
		reasons = append(reasons, why)
	}
	for _, p := range r.Run.Generators.Problems() {
		reasons = append(reasons, "load generator: "+p)
	}
	return append(reasons, r.Problems...)
}

// repeated are runs that stand in the comparison twice.
func repeated(all []RunValues) []string {
	var reasons []string
	times := map[string]int{}
	for _, r := range all {
		times[r.Run.ID]++
		if r.Run.ID != "" && times[r.Run.ID] == 2 {
			reasons = append(reasons, fmt.Sprintf("run %s stands in the comparison twice", r.Run.ID))
		}
	}
	return reasons
}

// environment is a condition for each key of the runs' environments, sorted.
func environment(runs []run.Run) []condition {
	var keys []string
	for _, r := range runs {
		for key := range r.Environment {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	var list []condition
	for _, key := range slices.Compact(keys) {
		list = append(list, condition{name: "environment " + key, of: func(r run.Run) string {
			if value, ok := r.Environment[key]; ok {
				return strconv.Quote(value)
			}
			return "not recorded"
		}})
	}
	return list
}

func (c condition) holds(runs []run.Run) bool {
	for i := range runs {
		if c.of(runs[i]) != c.of(runs[0]) {
			return c.near != nil && c.near(runs)
		}
	}
	return true
}

// sides are the runs of a comparison.
type sides struct{ baseline, candidate []run.Run }

func (s sides) all() []run.Run { return slices.Concat(s.baseline, s.candidate) }

// describe says which runs have which value of a condition that does not hold.
func (s sides) describe(c condition) string {
	var values []string
	holders := map[string][]string{}
	for _, r := range s.all() {
		value := c.of(r)
		if holders[value] == nil {
			values = append(values, value)
		}
		holders[value] = append(holders[value], r.ID)
	}
	for i, value := range values {
		values[i] = fmt.Sprintf("%s (%s)", value, s.name(holders[value]))
	}
	return c.name + ": " + strings.Join(values, ", ")
}

// name is the side that the runs make up, or else their ids.
func (s sides) name(runs []string) string {
	are := func(side []run.Run) bool {
		return slices.EqualFunc(runs, side, func(id string, r run.Run) bool { return id == r.ID })
	}
	switch {
	case are(s.baseline):
		return "baseline"
	case are(s.candidate):
		return "candidate"
	}
	return strings.Join(runs, ", ")
}

func loadModel(r run.Run) string {
	if r.Load.Closed() {
		return "closed (users)"
	}
	return "open (arrival rate)"
}

func thinkTime(r run.Run) string {
	return time.Duration(r.Load.ThinkSeconds * float64(time.Second)).Round(time.Millisecond).String()
}

// Duration is what the profile asked for, or else what the run took.
func Duration(r run.Run) time.Duration {
	var planned time.Duration
	for _, s := range r.Stages {
		planned += s.Duration()
	}
	if planned > 0 {
		return planned
	}
	return r.Window.Duration()
}

func ratesAreNear(runs []run.Run) bool {
	low, high := runs[0].Load.ArrivalRate, runs[0].Load.ArrivalRate
	for _, r := range runs {
		low, high = min(low, r.Load.ArrivalRate), max(high, r.Load.ArrivalRate)
	}
	return high <= low*(1+rateTolerance)
}

func durationsAreNear(runs []run.Run) bool {
	low, high := Duration(runs[0]), Duration(runs[0])
	for _, r := range runs {
		low, high = min(low, Duration(r)), max(high, Duration(r))
	}
	return high-low <= durationSlack+time.Duration(durationTolerance*float64(low))
}

func runsOf(list []RunValues) []run.Run {
	runs := make([]run.Run, len(list))
	for i, r := range list {
		runs[i] = r.Run
	}
	return runs
}
