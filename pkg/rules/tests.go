package rules

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"
)

// A testFile is a file of promtool's unit tests.
type testFile struct {
	RuleFiles          []string    `yaml:"rule_files"`
	EvaluationInterval string      `yaml:"evaluation_interval"`
	Tests              []testGroup `yaml:"tests"`
}

type testGroup struct {
	Name        string      `yaml:"name"`
	Interval    string      `yaml:"interval"`
	InputSeries []series    `yaml:"input_series"`
	AlertTests  []alertTest `yaml:"alert_rule_test"`
}

// series is one of promtool's: a value each minute.
type series struct {
	Series string `yaml:"series"`
	Values string `yaml:"values"`
}

type alertTest struct {
	EvalTime string   `yaml:"eval_time"`
	Alert    string   `yaml:"alertname"`
	Expected []firing `yaml:"exp_alerts"`
}

type firing struct {
	Labels      map[string]string `yaml:"exp_labels"`
	Annotations map[string]string `yaml:"exp_annotations"`
}

// margin is how far just above and just below lie from a bound, relative to it.
const margin = .01

// tests show of every alert that it fires just beyond its bound and not just
// within, and that what keeps it silent does.
func (s Set) tests() ([]File, error) {
	type file struct {
		name  string
		rules []string
		cases []testCase
	}
	plain := file{"tests/alerts.yaml", []string{"../indicators.yaml", "../alerts.yaml"}, nil}
	resources := file{"tests/resources.yaml", []string{"../alerts.yaml"}, nil}
	budgets := file{"tests/burn-rates.yaml", []string{"../burn-rates.yaml"}, nil}
	for _, a := range s.alerts {
		in, cases := &plain, a.tests
		switch {
		case a.burn != nil:
			in, cases = &budgets, a.burnTests
		case a.objective == nil:
			in = &resources
		}
		groups, err := cases()
		if err != nil {
			return nil, fmt.Errorf("rules: test of %s: %w", a.rule.Alert, err)
		}
		for _, g := range groups {
			in.cases = append(in.cases, testCase{g, a.needs(g)})
		}
	}
	var files []File
	for _, f := range []file{plain, resources, budgets} {
		text, err := encode(testFile{RuleFiles: f.rules, EvaluationInterval: "1m", Tests: pack(f.cases)})
		if err != nil {
			return nil, err
		}
		files = append(files, File{f.name, text})
	}
	return files, nil
}

// needs are the metrics that an alert looks at: those of its test, and the load.
func (a alert) needs(g testGroup) []string {
	names := g.metrics()
	if strings.Contains(a.rule.Expr, loadMetric) {
		names = append(names, loadMetric)
	}
	return names
}

// beyond and within are values on the two sides of a bound.
func (a alert) beyond() float64 { return a.beside(true) }
func (a alert) within() float64 { return a.beside(false) }

func (a alert) beside(beyond bool) float64 {
	step := margin * math.Abs(a.limit)
	if step == 0 {
		step = 1
	}
	upward := a.op == ">" || a.op == ">="
	switch {
	case a.op == "!=" && beyond:
		return a.bounded(a.limit + step)
	case a.op == "!=":
		return a.limit
	case upward == beyond:
		return a.bounded(a.limit + step)
	}
	return a.bounded(a.limit - step)
}

// bounded keeps a share of events at most 1; one of a limit may be more.
func (a alert) bounded(v float64) float64 {
	if a.objective != nil && a.objective.Ratio != nil {
		return min(v, 1)
	}
	return v
}

// tests are the cases of an alert on a plain bound.
func (a alert) tests() ([]testGroup, error) {
	minutes := a.settled()
	group := func(what string, value float64, fires bool, gates ...series) (testGroup, error) {
		in, shown, err := a.input(value, minutes)
		g := testGroup{Name: a.rule.Alert + " " + what, Interval: "1m", InputSeries: append(in, gates...),
			AlertTests: []alertTest{{EvalTime: fmt.Sprintf("%dm", minutes), Alert: a.rule.Alert, Expected: []firing{}}}}
		if fires {
			g.AlertTests[0].Expected = []firing{a.firing(shown)}
		}
		return g, err
	}
	var loaded, other []series
	if o := a.objective; o != nil && underLoad(*o) {
		loaded = []series{loadOf(a.scenario(), minutes)}
	}
	cases := []func() (testGroup, error){
		func() (testGroup, error) { return group("fires beyond its bound", a.beyond(), true, loaded...) },
		func() (testGroup, error) { return group("is silent within its bound", a.within(), false, loaded...) },
	}
	if a.objective != nil && scenarioPattern(*a.objective) != "" {
		other = append(slices.Clone(loaded), loadOf("another", minutes))
		cases = append(cases, func() (testGroup, error) {
			return group("is silent during another scenario", a.beyond(), false, other...)
		})
	}
	if len(loaded) > 0 {
		cases = append(cases, func() (testGroup, error) { return group("is silent without load", a.beyond(), false) })
	}
	var groups []testGroup
	for _, c := range cases {
		g, err := c()
		if err != nil {
			return nil, err
		}
		groups = append(groups, g)
	}
	return groups, nil
}

// settled is after how many minutes an alert on steady series has fired: once its
// window holds data and its patience is over.
func (a alert) settled() int {
	const usual = 8
	o := a.objective
	switch {
	case o == nil: // an average over half an hour is one over what there is
		return usual
	case o.Count != nil: // of an hour
		return 75
	case o.Rate != nil && o.Rate.Over > 0:
		return usual + int(time.Duration(o.Rate.Over)/time.Minute)
	}
	return usual
}

// firing is the alert as it fires on a value.
func (a alert) firing(value float64) firing {
	labels := maps.Clone(a.rule.Labels)
	summary := a.summary(written(a.unit, value))
	if o := a.objective; o != nil {
		if o.By != "" {
			labels[o.By] = "a"
			summary = strings.ReplaceAll(summary, "{{ $labels."+o.By+" }}", "a")
		}
		if strings.Contains(summary, "{{ $labels.run }}") {
			labels["run"] = exampleRun
			summary = strings.ReplaceAll(summary, "{{ $labels.run }}", exampleRun)
		}
	}
	annotations := maps.Clone(a.rule.Annotations)
	annotations["summary"] = summary
	return firing{labels, annotations}
}

// scenario is one that the objective holds for.
func (a alert) scenario() string {
	if o := a.objective; o != nil && o.When != nil && len(o.When.Scenario) > 0 {
		return o.When.Scenario[0]
	}
	return "example"
}

// loadOf is the load of a run of a scenario; it has a run of its own, so that it
// adds nothing to the series under test.
func loadOf(scenario string, minutes int) series {
	return series{fmt.Sprintf(loadMetric+"{run=%q,scenario=%q,outcome=%q}", "load-"+scenario, scenario, "success"), rising(600, minutes)}
}

// rising is a counter that gains as much each minute; constant is a gauge.
func rising(perMinute float64, minutes int) string {
	return fmt.Sprintf("0+%sx%d", number(perMinute), minutes)
}

func constant(v float64, minutes int) string { return fmt.Sprintf("%sx%d", number(v), minutes) }

// input are series of which the alert's indicator has a value, and the value that
// it really has. An expression that can't be turned round gives its recorded series.
func (a alert) input(value float64, minutes int) ([]series, float64, error) {
	o := a.objective
	if o == nil {
		return a.injected("resource", value, minutes), value, nil
	}
	e := a.example()
	switch {
	case o.Rate != nil:
		in, err := e.series(o.Rate.Of, "", rising(value*60, minutes))
		return in, value, err
	case o.Count != nil:
		in, err := e.series(o.Count.Of, "", rising(value/60, minutes))
		return in, value, err
	case o.Ratio != nil:
		if o.Ratio.Per != "" { // of five minutes: all or none
			value = math.Round(value - .49)
		}
		in, err := e.parts(*o.Ratio, value, minutes)
		return in, value, err
	case o.Quantile != nil:
		in, err := e.quantile(*o.Quantile, value, minutes)
		return in, value, err
	case o.Mean != nil:
		in, err := e.mean(o.Mean.Of, value, minutes)
		return in, value, err
	}
	return a.injected("objective", value, minutes), value, nil
}

func (a alert) example() example {
	return example{scenario: a.scenario(), by: a.objective.By, vars: a.vars}
}

// injected is the recorded series itself, where nothing else records it.
func (a alert) injected(kind string, value float64, minutes int) []series {
	labels := fmt.Sprintf("service=%q,%s=%q", a.rule.Labels["service"], kind, a.id)
	if a.objective != nil && strings.Contains(a.rule.Annotations["summary"], "$labels.run") {
		labels += fmt.Sprintf(",run=%q", exampleRun)
	}
	return []series{{a.recorded + "{" + labels + "}", constant(value, minutes)}}
}

// burnMinutes is after how long an alert on a steady share of failures has fired.
const burnMinutes = 9

// burnTests are the cases of an alert on a budget: a share of failures beyond the
// fastest burn, and one just below this; and one that is over, which the short window knows.
func (a alert) burnTests() ([]testGroup, error) {
	o, b := a.objective, *a.burn
	e := a.example()
	above, below := min(a.fastest*1.05, 1), a.limit*.95
	if o.Ratio.Per != "" {
		above, below = 1, 0
	}
	all := func(failed float64) ([]series, error) {
		return e.failures(*o.Ratio, rising(failed*eventsPerMinute, burnMinutes), rising((1-failed)*eventsPerMinute, burnMinutes))
	}
	fires, err := all(above)
	if err != nil {
		return nil, err
	}
	silent, err := all(below)
	if err != nil {
		return nil, err
	}
	at := fmt.Sprintf("%dm", burnMinutes)
	groups := []testGroup{
		{a.rule.Alert + " fires beyond its budget", "1m", fires, []alertTest{{at, a.rule.Alert, []firing{a.firing(above)}}}},
		{a.rule.Alert + " is silent within its budget", "1m", silent, []alertTest{{at, a.rule.Alert, []firing{}}}},
	}
	if scenarioPattern(*o) != "" {
		groups = append(groups, testGroup{a.rule.Alert + " is silent during another scenario", "1m", append(slices.Clone(fires), loadOf("another", burnMinutes)), []alertTest{{at, a.rule.Alert, []firing{}}}})
	}
	if b.short == "5m" {
		over, err := a.overAgain(e)
		if err != nil {
			return nil, err
		}
		groups = append(groups, over)
	}
	return groups, nil
}

// overAgain is some bad minutes, and then good ones: by the long window alone it would still fire.
func (a alert) overAgain(e example) (testGroup, error) {
	const bad, good = 8, 7
	share := min(a.limit*5, 1)
	if a.objective.Ratio.Per != "" {
		share = 1
	}
	failed := fmt.Sprintf("0+%sx%d %sx%d", number(share*eventsPerMinute), bad, number(share*eventsPerMinute*bad), good)
	others := fmt.Sprintf("0+%sx%d %s+%sx%d", number((1-share)*eventsPerMinute), bad, number((1-share)*eventsPerMinute*bad), number(eventsPerMinute), good)
	in, err := e.failures(*a.objective.Ratio, failed, others)
	return testGroup{a.rule.Alert + " is silent once it is over", "1m", in, []alertTest{
		{fmt.Sprintf("%dm", bad), a.rule.Alert, []firing{a.firing(share)}},
		{fmt.Sprintf("%dm", bad+good), a.rule.Alert, []firing{}},
	}}, err
}
