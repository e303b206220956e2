// Package slo reads an agreement (SLA), measures its indicators and judges its objectives.
package slo

import (
	"fmt"
	"math"
	"regexp"
	"slices"
	"strings"
	"time"

	"gopkg.in/yaml.v3"

	"github.com/plumbline/plumbline/pkg/promql"
	"github.com/plumbline/plumbline/pkg/run"
	"github.com/plumbline/plumbline/pkg/strictyaml"
)

// An Agreement (SLA) is the objectives of a service and the resources it runs on.
type Agreement struct {
	Service    string            `yaml:"service"`
	Vars       map[string]string `yaml:"vars"`
	Objectives []Objective       `yaml:"objectives"`
	Resources  []Resource        `yaml:"resources"`
}

// An Objective (SLO) is an indicator and its bounds.
type Objective struct {
	ID        string `yaml:"id"`
	Title     string `yaml:"title"`
	Group     string `yaml:"group"`
	Unit      string `yaml:"unit"` // s, ratio, req/s, bytes, or none for a count
	Indicator `yaml:",inline"`
	By        string `yaml:"by"`   // label each of whose values is judged on its own
	When      *When  `yaml:"when"` // scenarios and profiles that it holds for; nil: all

	Must      *Bound   `yaml:"must"`   // else fail
	Should    *Bound   `yaml:"should"` // else warn
	Target    *Bound   `yaml:"target"` // of the comparison; without one it is Must
	Worse     string   `yaml:"worse"`  // the direction that is worse: higher or lower
	Tolerance *Percent `yaml:"tolerance"`
}

// An Indicator (SLI) is what is measured: exactly one of these.
type Indicator struct {
	Rate     *Rate     `yaml:"rate"`
	Ratio    *Ratio    `yaml:"ratio"`
	Quantile *Quantile `yaml:"quantile"`
	Mean     *Of       `yaml:"mean"`
	Count    *Of       `yaml:"count"`
	Gauge    *Gauge    `yaml:"gauge"`
	Query    *string   `yaml:"query"`
}

// Of names the series of a counter or histogram.
type Of struct {
	Of string `yaml:"of"`
}

// A Rate is events per second: the mean of the window, or the least or greatest sliding mean over a stretch.
type Rate struct {
	Of     string              `yaml:"of"`
	Over   strictyaml.Duration `yaml:"over"`
	Reduce string              `yaml:"reduce"` // min or max, with over
}

// A Ratio is bad, or good, events over all events. Per interval it is the share
// of intervals with events in which at least one was good.
type Ratio struct {
	Bad   string `yaml:"bad"`
	Good  string `yaml:"good"`
	Total string `yaml:"total"`
	Per   string `yaml:"per"`
}

// A Quantile of a histogram.
type Quantile struct {
	Q  float64 `yaml:"q"`
	Of string  `yaml:"of"`
}

// A Gauge is an expression reduced over time.
type Gauge struct {
	Of     string `yaml:"of"`
	Reduce string `yaml:"reduce"` // max, min, mean or last
}

// When says for which scenarios and profiles an objective holds.
type When struct {
	Scenario oneOrMore `yaml:"scenario"`
	Profile  oneOrMore `yaml:"profile"`
}

// Matches reports whether a run is one of those; nil is all of them.
func (w *When) Matches(r run.Run) bool {
	return w == nil || w.Scenario.has(r.Scenario) && w.Profile.has(r.Profile)
}

// oneOrMore is a name or a list of names; none matches all.
type oneOrMore []string

// UnmarshalYAML reads a name or a list of names.
func (o *oneOrMore) UnmarshalYAML(n *yaml.Node) error {
	if n.Kind == yaml.ScalarNode {
		*o = oneOrMore{n.Value}
		return nil
	}
	return n.Decode((*[]string)(o))
}

func (o oneOrMore) has(name string) bool { return len(o) == 0 || slices.Contains(o, name) }

// A Percent is a share, in [0, 1], written as 5%.
type Percent float64

// UnmarshalYAML reads a percentage.
func (p *Percent) UnmarshalYAML(n *yaml.Node) error {
	b, err := ParseBound("== " + n.Value)
	if err != nil || b.dimension != strictyaml.Share {
		return fmt.Errorf("want a percentage such as 5%%, got %q", n.Value)
	}
	*p = Percent(b.low)
	return nil
}

// A Resource is something of which there is only so much.
type Resource struct {
	ID        string  `yaml:"id"`
	Component string  `yaml:"component"`
	Resource  string  `yaml:"resource"`
	Unit      string  `yaml:"unit"`
	Used      string  `yaml:"used"`
	Limit     string  `yaml:"limit"` // a number or an expression; may be missing
	Peak      *Bounds `yaml:"peak"`
	Average   *Bounds `yaml:"average"`
}

// Bounds judge one figure of a resource; percentages are of its limit.
type Bounds struct {
	Must   *Bound `yaml:"must"`
	Should *Bound `yaml:"should"`
}

// kinds are the bounds by their name, from the strict one on.
func (b Bounds) kinds() []namedBound {
	return []namedBound{{"must", b.Must, Fail}, {"should", b.Should, Warn}}
}

// A namedBound is a bound and what a value that misses it gets.
type namedBound struct {
	name      string
	bound     *Bound
	otherwise Verdict
}

type agreementFile struct {
	strictyaml.Header `yaml:",inline"`
	Agreement         `yaml:",inline"`
}

// Parse reads an SLA file. The error holds every mistake with its place.
func Parse(name string, text []byte) (Agreement, error) {
	var f agreementFile
	err := strictyaml.Decode(name, text, &f, func(at strictyaml.Path) strictyaml.Problems {
		return append(f.Header.Problems(at, "SLA"), f.problems(at)...)
	})
	for i := range f.Objectives {
		f.Objectives[i].complete()
	}
	return f.Agreement, err
}

// complete fills in what can be left out.
func (o *Objective) complete() {
	if o.Title == "" {
		o.Title = o.ID
	}
	if o.Target == nil {
		o.Target = o.Must
	}
	if o.Worse == "" {
		o.Worse = "higher"
		for _, b := range []*Bound{o.Should, o.Target} { // the target is Must where none is given
			if b != nil && strings.HasPrefix(b.op, ">") {
				o.Worse = "lower"
			}
		}
	}
}

func (a Agreement) problems(at strictyaml.Path) (ps strictyaml.Problems) {
	seen := map[string]bool{}
	unique := func(id string, at strictyaml.Path) {
		if !idForm.MatchString(id) {
			ps.Needf(at.Field("id"), "id: NAME, of letters, digits and -", "want a name of letters, digits and -, got %q", id)
		} else if seen[id] {
			ps.Addf(at.Field("id"), "%s stands twice", id)
		}
		seen[id] = true
	}
	for i, o := range a.Objectives {
		at := at.Field("objectives").Index(i)
		unique(o.ID, at)
		ps = append(ps, o.problems(at, a.Vars)...)
	}
	for i, r := range a.Resources {
		at := at.Field("resources").Index(i)
		unique(r.ID, at)
		ps = append(ps, r.problems(at, a.Vars)...)
	}
	return ps
}

var idForm = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_-]*$`)

var objectiveUnits = []string{"", "s", "ratio", "req/s", "ops/s", "bytes", "bytes/s"}

func (o Objective) problems(at strictyaml.Path, vars map[string]string) (ps strictyaml.Problems) {
	ps = o.Indicator.problems(at, vars)
	if !slices.Contains(objectiveUnits, o.Unit) {
		ps.Addf(at.Field("unit"), "want s, ratio, req/s, ops/s, bytes, bytes/s or none, got %q", o.Unit)
	}
	if o.Worse != "" && o.Worse != "higher" && o.Worse != "lower" {
		ps.Addf(at.Field("worse"), "want higher or lower, got %q", o.Worse)
	}
	if o.Tolerance != nil && *o.Tolerance <= 0 {
		ps.Addf(at.Field("tolerance"), "must be above 0%%")
	}
	for _, b := range []struct {
		name  string
		bound *Bound
	}{{"must", o.Must}, {"should", o.Should}, {"target", o.Target}} {
		if b.bound == nil {
			continue
		}
		if b.bound.dimension != strictyaml.Plain && b.bound.dimension != DimensionOf(o.Unit) {
			ps.Addf(at.Field(b.name), "%q is %s, the objective's unit is %q", b.bound.Text, b.bound.dimension, o.Unit)
		} else if problem := b.bound.inUnit(o.Unit, o.Ratio != nil); problem != "" {
			ps.Addf(at.Field(b.name), "%s", problem)
		}
	}
	ps = append(ps, Bounds{o.Must, o.Should}.problems(at)...)
	return ps
}

// problems says when a bound that warns is missed only after the one that fails.
func (b Bounds) problems(at strictyaml.Path) (ps strictyaml.Problems) {
	if b.Must != nil && b.Should != nil && b.Should.looserThan(*b.Must) {
		ps.Rulef(at, at.Field("should"), "%q is looser than must, %q, so that it would never warn", b.Should.Text, b.Must.Text)
	}
	return ps
}

func (in Indicator) problems(at strictyaml.Path, vars map[string]string) (ps strictyaml.Problems) {
	kinds := 0
	selector := func(at strictyaml.Path, text string) {
		if text == "" {
			ps.Needf(at, at.Key()+": METRIC, the name of a counter or histogram", "want the name of a counter or histogram")
		} else if _, err := promql.ParseSelector(text, placeholders(vars)); err != nil {
			ps.Addf(at, "%v", err)
		}
	}
	if r := in.Rate; r != nil {
		kinds++
		selector(at.Field("rate").Field("of"), r.Of)
		if (r.Over == 0) != (r.Reduce == "") || r.Reduce != "" && r.Reduce != "min" && r.Reduce != "max" {
			ps.Addf(at.Field("rate"), "give over a duration and reduce min or max, or neither")
		}
	}
	if r := in.Ratio; r != nil {
		kinds++
		part, name := r.Bad, "bad"
		if r.Good != "" {
			part, name = r.Good, "good"
		}
		if (r.Bad == "") == (r.Good == "") {
			ps.Addf(at.Field("ratio"), "give bad or good, and total")
		}
		if r.Per != "" && (r.Per != "interval" || r.Good == "") {
			ps.Addf(at.Field("ratio").Field("per"), "want interval, with good")
		}
		if part != "" { // else it has been told
			selector(at.Field("ratio").Field(name), part)
		}
		selector(at.Field("ratio").Field("total"), r.Total)
	}
	if q := in.Quantile; q != nil {
		kinds++
		if !(q.Q > 0 && q.Q < 1) {
			ps.Needf(at.Field("quantile").Field("q"), "q: 0.95", "must lie between 0 and 1, got %v", q.Q)
		}
		selector(at.Field("quantile").Field("of"), q.Of)
	}
	for _, k := range []struct {
		name string
		of   *Of
	}{{"mean", in.Mean}, {"count", in.Count}} {
		if k.of != nil {
			kinds++
			selector(at.Field(k.name).Field("of"), k.of.Of)
		}
	}
	if g := in.Gauge; g != nil {
		kinds++
		if !slices.Contains([]string{"max", "min", "mean", "last"}, g.Reduce) {
			ps.Needf(at.Field("gauge").Field("reduce"), "reduce: max, min, mean or last", "want max, min, mean or last, got %q", g.Reduce)
		}
		checkExpr(at.Field("gauge").Field("of"), g.Of, vars, &ps)
	}
	if in.Query != nil {
		kinds++
		checkExpr(at.Field("query"), *in.Query, vars, &ps)
	}
	if kinds != 1 {
		ps.Addf(at, "want exactly one of rate, ratio, quantile, mean, count, gauge, query; got %d", kinds)
	}
	return ps
}

func (r Resource) problems(at strictyaml.Path, vars map[string]string) (ps strictyaml.Problems) {
	checkExpr(at.Field("used"), r.Used, vars, &ps)
	if r.Limit != "" {
		checkExpr(at.Field("limit"), r.Limit, vars, &ps)
	}
	for _, f := range []struct {
		name string
		*Bounds
	}{{"average", r.Average}, {"peak", r.Peak}} {
		if f.Bounds == nil {
			continue
		}
		ps = append(ps, f.Bounds.problems(at.Field(f.name))...)
		for _, k := range f.kinds() {
			ps = append(ps, r.boundProblems(at.Field(f.name).Field(k.name), k.bound)...)
		}
	}
	return ps
}

// boundProblems holds the bound of a figure against its unit: a percentage is a
// share of the limit, anything else is in the resource's own unit.
func (r Resource) boundProblems(at strictyaml.Path, b *Bound) (ps strictyaml.Problems) {
	switch {
	case b == nil:
	case b.relative:
		ps.Addf(at, "%q: a resource has no baseline", b.Text)
	case b.dimension == strictyaml.Share && r.Limit == "" && r.Unit != "ratio":
		ps.Addf(at, "%q is a share of the limit, and there is no limit", b.Text)
	case b.dimension != strictyaml.Share && b.dimension != strictyaml.Plain && b.dimension != DimensionOf(r.Unit):
		ps.Addf(at, "%q is %s, the resource's unit is %q", b.Text, b.dimension, r.Unit)
	}
	return ps
}

func checkExpr(at strictyaml.Path, expr string, vars map[string]string, ps *strictyaml.Problems) {
	if expr == "" {
		ps.Needf(at, at.Key()+": EXPRESSION, in PromQL", "want an expression in PromQL")
	} else if _, err := promql.NewParser().ParseExpr(promql.Expand(expr, placeholders(vars))); err != nil {
		ps.Addf(at, "PromQL: %v", err)
	}
}

// placeholders stand for the variables of a run while a file is checked.
func placeholders(vars map[string]string) map[string]string {
	return variables(vars, run.Run{ID: "run", Window: run.Window{Start: time.Unix(0, 0), End: time.Unix(60, 0)}, Steady: run.Window{Start: time.Unix(0, 0), End: time.Unix(60, 0)}}, time.Second)
}

// Variables are what the agreement's expressions may refer to in a run that is
// scraped at an interval.
func (a Agreement) Variables(r run.Run, scrape time.Duration) map[string]string {
	return variables(a.Vars, r, scrape)
}

// variables are what expressions may refer to.
func variables(vars map[string]string, r run.Run, scrape time.Duration) map[string]string {
	all := map[string]string{
		"run": r.ID, "scrape": seconds(scrape), "step": seconds(scrape),
		"rate": seconds(max(4*scrape, time.Second)), "window": seconds(r.Window.Duration()), "steady": seconds(Scored(r).Duration()),
	}
	for name, value := range vars {
		all[name] = value
	}
	return all
}

// seconds writes a duration as PromQL does, in milliseconds.
func seconds(d time.Duration) string { return fmt.Sprintf("%dms", max(d.Milliseconds(), 1)) }

// Scored is the window that quantiles, gauges and resources are measured over:
// the steady one, or from the first to the last scored stage, or all of the run.
func Scored(r run.Run) run.Window {
	if !r.Steady.IsZero() {
		return r.Steady.Intersect(r.Window)
	}
	var w run.Window
	for _, s := range r.Stages {
		if s.Scored {
			if w.IsZero() {
				w.Start = s.Start
			}
			w.End = s.End
		}
	}
	if w = w.Intersect(r.Window); !w.IsZero() {
		return w
	}
	return r.Window
}

// Answered is the scored window, until all that was due in it had been answered:
// latencies are measured over it.
func Answered(r run.Run) run.Window { return r.Answered(Scored(r)) }

// nan is no data.
var nan = math.NaN()
