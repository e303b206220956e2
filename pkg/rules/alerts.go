package rules

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/plumbline/plumbline/pkg/slo"
)

// Severities of alerts.
const (
	critical = "critical" // a must is missed: somebody should look now
	warning  = "warning"  // a should is missed: somebody should look
)

// patience is how long a bound must be missed before its alert fires.
const patience = "5m"

// An alert is a rule with what its tests and its explanation need of it.
type alert struct {
	rule    Rule
	id      string // of the objective or resource
	title   string
	group   string
	bound   string // as the agreement has it
	unit    string
	op      string // with which a value misses the limit
	limit   float64
	summary func(value string) string // with the value in it

	objective *slo.Objective    // nil for a resource
	vars      map[string]string // of the agreement
	recorded  string            // series that it looks at
	burn      *burn             // nil for a plain bound
	fastest   float64           // share of failures at which the fastest burn of the budget fires
}

// name makes the name of an alert of an id and what is appended.
func name(id, suffix string) string {
	var b strings.Builder
	for _, word := range strings.FieldsFunc(id, func(r rune) bool { return r == '-' || r == '_' }) {
		b.WriteString(strings.ToUpper(word[:1]) + word[1:])
	}
	return b.String() + suffix
}

// valueText is how an alert's text writes its value.
func valueText(unit string) string {
	switch unit {
	case "ratio":
		return "{{ $value | humanizePercentage }}"
	case "":
		return `{{ printf "%.4g" $value }}`
	}
	return `{{ printf "%.4g" $value }} ` + unit
}

// written is what valueText makes of a value.
func written(unit string, v float64) string {
	switch unit {
	case "ratio":
		return fmt.Sprintf("%.4g%%", v*100)
	case "":
		return fmt.Sprintf("%.4g", v)
	}
	return fmt.Sprintf("%.4g %s", v, unit)
}

// obligation is how strongly a bound binds.
type obligation struct {
	bound          *slo.Bound
	severity, verb string
	suffix         string // of the alert's name
}

func obligations(must, should *slo.Bound) (all []obligation) {
	if must != nil {
		all = append(all, obligation{must, critical, "must", ""})
	}
	if should != nil {
		all = append(all, obligation{should, warning, "should", "Warning"})
	}
	return all
}

// objectiveAlerts watch the bounds of an objective.
func (m *maker) objectiveAlerts(o slo.Objective, indicator Rule) {
	for _, b := range obligations(o.Must, o.Should) {
		op, limit, ok := b.bound.Breach(o.Worse)
		if !ok {
			m.set.Left = append(m.set.Left, Left{o.ID, b.bound.Text, "it is relative to a baseline, which a run has and rules don't"})
			continue
		}
		expr := fmt.Sprintf("%s{service=%q} %s %s", indicator.Record, m.agreement.Service, op, number(limit))
		a := alert{id: o.ID, title: o.Title, group: o.Group, bound: b.verb + " be " + b.bound.Text, unit: o.Unit, op: op, limit: limit, objective: &o, vars: m.agreement.Vars, recorded: indicator.Record}
		where := m.where(o)
		a.summary = func(value string) string {
			return fmt.Sprintf("%s of %s%s is %s; it %s", o.Title, m.agreement.Service, where, value, a.bound)
		}
		a.rule = m.alertRule(name(o.ID, b.suffix), expr+gate(o), patience, b.severity, o.ID, "objective", a.summary(valueText(o.Unit)))
		m.add(a)
	}
}

// where names in a summary the labels by which an objective has several values.
func (m *maker) where(o slo.Objective) (text string) {
	if o.By != "" {
		text += " for {{ $labels." + o.By + " }}"
	}
	if ofRuns(o, m.vars) {
		text += " in run {{ $labels.run }}"
	}
	return text
}

// ofRuns tells whether an objective has a value for each run.
func ofRuns(o slo.Objective, vars map[string]string) bool {
	return strings.Contains(o.Expr(window, vars), eachRun)
}

func (m *maker) alertRule(alert, expr, patience, severity, id, kind, summary string) Rule {
	return Rule{Alert: alert, Expr: expr, For: patience,
		Labels:      map[string]string{"severity": severity, "service": m.agreement.Service, kind: id},
		Annotations: map[string]string{"summary": summary, "runbook_url": m.runbooks + "#" + strings.ToLower(id)}}
}

// add puts an alert into the group of its kind.
func (m *maker) add(a alert) {
	m.set.alerts = append(m.set.alerts, a)
	groups := &m.set.Alerts
	if a.burn != nil {
		groups = &m.set.BurnRates
	}
	group := m.agreement.Service + " " + a.group
	i := slices.IndexFunc(*groups, func(g Group) bool { return g.Name == group })
	if i < 0 {
		*groups = append(*groups, Group{Name: group})
		i = len(*groups) - 1
	}
	(*groups)[i].Rules = append((*groups)[i].Rules, a.rule)
}

// loadMetric counts the requests of load generators.
const loadMetric = "loadgen_requests_total"

// load is how many requests a second loadgen sends in some scenarios.
func load(matcher string) string {
	return "sum(rate(" + loadMetric + matcher + "[" + window + "])) > 0"
}

// gate keeps an alert to when its objective holds. One of some scenarios is left
// out while another is under way; without any load test it holds, since real users
// make no scenario. What load there should be is asked only while some is sent.
func gate(o slo.Objective) (text string) {
	scenarios := scenarioPattern(o)
	if scenarios != "" {
		text += fmt.Sprintf(" unless on () (%s)", load(`{scenario!~"`+scenarios+`"}`))
	}
	if underLoad(o) {
		matcher := ""
		if scenarios != "" {
			matcher = `{scenario=~"` + scenarios + `"}`
		}
		text += fmt.Sprintf(" and on () (%s)", load(matcher))
	}
	return text
}

// underLoad tells whether an objective asks for load, not for how it is answered.
func underLoad(o slo.Objective) bool { return o.Worse == "lower" && o.Ratio == nil }

// scenarioPattern matches the scenarios that an objective holds for; "" for all.
func scenarioPattern(o slo.Objective) string {
	if o.When == nil {
		return ""
	}
	var names []string
	for _, s := range o.When.Scenario {
		names = append(names, strings.ReplaceAll(regexp.QuoteMeta(s), `\`, `\\`))
	}
	return strings.Join(names, "|")
}

// resourceGroup is the group of alerts on resources.
const resourceGroup = "resources"

// resourceAlerts watch the bounds of a resource: its peak series by series, and its
// average over series and half an hour.
func (m *maker) resourceAlerts(r slo.Resource) {
	for _, f := range []struct {
		suffix, of string
		bounds     *slo.Bounds
	}{{"", "", r.Peak}, {"Average", " on average", r.Average}} {
		if f.bounds == nil {
			continue
		}
		for _, b := range obligations(f.bounds.Must, f.bounds.Should) {
			op, limit, ok := b.bound.Breach("higher")
			if !ok {
				continue // a resource has no baseline, and its reader says so
			}
			m.add(m.resourceAlert(r, f.suffix, f.of, b, op, limit))
		}
	}
}

func (m *maker) resourceAlert(r slo.Resource, suffix, of string, b obligation, op string, limit float64) alert {
	a := alert{id: r.ID, title: r.Component + " " + r.Resource, group: resourceGroup, unit: r.Unit, op: op, limit: limit, recorded: record(r.ID, used)}
	bound := b.bound.Text
	if b.bound.Percentage() && r.Limit != "" {
		a.unit, a.recorded = "ratio", record(r.ID, share)
		bound += " of its limit"
	}
	a.bound = b.verb + " be " + bound
	value := fmt.Sprintf("%s{service=%q}", a.recorded, m.agreement.Service)
	if suffix != "" {
		value = fmt.Sprintf("avg by (service, resource) (avg_over_time(%s[%s]))", value, meanWindow)
	}
	a.summary = func(value string) string {
		return fmt.Sprintf("%s of %s is%s %s; it %s", a.title, m.agreement.Service, of, value, a.bound)
	}
	a.rule = m.alertRule(name(r.ID, suffix+b.suffix), fmt.Sprintf("%s %s %s", value, op, number(limit)), patience, b.severity, r.ID, "resource", a.summary(valueText(a.unit)))
	return a
}
