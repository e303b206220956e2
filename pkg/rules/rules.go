// Package rules makes Prometheus rules of an agreement: what its indicators are
// now, alerts that its objectives are missed, and how fast its error budgets burn;
// with tests for promtool. What is scored over a run is watched here as it goes.
package rules

import (
	"bytes"
	"fmt"
	"maps"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/common/model"
	"gopkg.in/yaml.v3"

	"github.com/plumbline/plumbline/pkg/promql"
	"github.com/plumbline/plumbline/pkg/slo"
)

// A Rule is one rule in Prometheus' own form.
type Rule struct {
	Record      string            `yaml:"record,omitempty"`
	Alert       string            `yaml:"alert,omitempty"`
	Expr        string            `yaml:"expr"`
	For         string            `yaml:"for,omitempty"`
	Labels      map[string]string `yaml:"labels,omitempty"`
	Annotations map[string]string `yaml:"annotations,omitempty"`
}

// A Group is rules that are evaluated together.
type Group struct {
	Name  string `yaml:"name"`
	Rules []Rule `yaml:"rules"`
}

// A File is a file of rules or of their tests.
type File struct {
	Name string
	Text []byte
}

// A Set is the rules of an agreement.
type Set struct {
	Service    string
	Indicators []Group
	Alerts     []Group
	BurnRates  []Group
	Left       []Left // bounds that no alert watches

	alerts []alert
}

// Left is a bound that no alert watches, and why.
type Left struct{ ID, Bound, Why string }

// Options say what the agreement doesn't.
type Options struct {
	Runbooks string // URL of the document that explains the alerts; "" for Plumbline's own
}

// runbooks is where docs/alerts.md is read.
const runbooks = "https://github.com/plumbline/plumbline/blob/main/docs/alerts.md"

// Windows of the rules. A count is over what people call lately.
const (
	window      = "5m"
	countWindow = "1h"
	meanWindow  = "30m" // of a resource's average
)

// eachRun stands for the run in expressions until they are turned to every run.
const eachRun = "__each_run__"

// maker makes the rules of one agreement.
type maker struct {
	agreement slo.Agreement
	vars      map[string]string
	runbooks  string
	set       Set
}

// Make makes the rules of an agreement.
func Make(a slo.Agreement, o Options) (Set, error) {
	m := maker{agreement: a, runbooks: o.Runbooks, vars: map[string]string{
		"run": eachRun, "rate": window, "window": countWindow, "steady": countWindow, "step": "1m", "scrape": "1m",
	}}
	if m.runbooks == "" {
		m.runbooks = runbooks
	}
	maps.Copy(m.vars, a.Vars)
	m.set.Service = a.Service
	objectives, resources := Group{Name: a.Service + " indicators"}, Group{Name: a.Service + " resources"}
	for _, o := range a.Objectives {
		r, err := m.indicator(o)
		if err != nil {
			return Set{}, fmt.Errorf("rules: objective %s: %w", o.ID, err)
		}
		objectives.Rules = append(objectives.Rules, r)
		m.objectiveAlerts(o, r)
	}
	for _, r := range a.Resources {
		rules, err := m.figures(r)
		if err != nil {
			return Set{}, fmt.Errorf("rules: resource %s: %w", r.ID, err)
		}
		resources.Rules = append(resources.Rules, rules...)
		m.resourceAlerts(r)
	}
	if err := m.burnRates(); err != nil {
		return Set{}, err
	}
	m.set.Indicators = filled(objectives, resources)
	return m.set, nil
}

// filled leaves out groups without rules.
func filled(groups ...Group) (all []Group) {
	for _, g := range groups {
		if len(g.Rules) > 0 {
			all = append(all, g)
		}
	}
	return all
}

// perRun turns an expression about the run that is scored to every run there is.
func perRun(expr string) (string, error) { return promql.ForEach("run", eachRun, expr) }

// record names the series of an objective or a resource: level, what it is, and
// how it was worked out, as Prometheus' own naming has it.
func record(id, how string) string {
	return "plumbline:" + strings.ReplaceAll(id, "-", "_") + ":" + how
}

// how says how an indicator is worked out.
func how(o slo.Objective) string {
	switch {
	case o.Rate != nil && o.Rate.Over > 0:
		return "rate" + model.Duration(time.Duration(o.Rate.Over)).String()
	case o.Rate != nil, o.Quantile != nil, o.Mean != nil:
		return "rate" + window
	case o.Count != nil:
		return "increase" + countWindow
	case o.Ratio != nil:
		return "ratio_rate" + window
	case o.Gauge != nil:
		return o.Gauge.Reduce
	}
	return "value"
}

// indicator records what an objective's indicator is now.
func (m *maker) indicator(o slo.Objective) (Rule, error) {
	over := window
	if o.Count != nil {
		over = countWindow
	}
	expr, err := perRun(o.Expr(over, m.vars))
	return Rule{Record: record(o.ID, how(o)), Expr: expr, Labels: map[string]string{"service": m.agreement.Service, "objective": o.ID}}, err
}

// How figures of resources are recorded.
const (
	used  = "used"
	share = "share"
)

// figures record what a resource uses, and which share that is of its limit.
func (m *maker) figures(r slo.Resource) ([]Rule, error) {
	labels := map[string]string{"service": m.agreement.Service, "resource": r.ID}
	expr, err := perRun(promql.Expand(r.Used, m.vars))
	rules := []Rule{{Record: record(r.ID, used), Expr: expr, Labels: labels}}
	if of := r.Share(m.vars); of != "" && err == nil {
		of, err = perRun(of)
		rules = append(rules, Rule{Record: record(r.ID, share), Expr: of, Labels: labels})
	}
	return rules, err
}

// Files are the rules, and the tests of them for promtool.
func (s Set) Files() ([]File, error) {
	var files []File
	for _, f := range []struct {
		name   string
		groups []Group
	}{{"indicators.yaml", s.Indicators}, {"alerts.yaml", s.Alerts}, {"burn-rates.yaml", s.BurnRates}} {
		text, err := encode(map[string][]Group{"groups": f.groups})
		if err != nil {
			return nil, err
		}
		files = append(files, File{f.name, text})
	}
	tests, err := s.tests()
	return append(files, tests...), err
}

// encode writes YAML under a line that says where it comes from.
func encode(v any) ([]byte, error) {
	var text bytes.Buffer
	text.WriteString("# Generated by `analyzer rules render` from an SLA; a change here is lost.\n")
	enc := yaml.NewEncoder(&text)
	enc.SetIndent(2)
	if err := enc.Encode(v); err != nil {
		return nil, fmt.Errorf("rules: %w", err)
	}
	return text.Bytes(), nil
}

// number writes a number without the noise of binary fractions.
func number(v float64) string {
	tidy, err := strconv.ParseFloat(strconv.FormatFloat(v, 'g', 12, 64), 64)
	if err != nil {
		tidy = v
	}
	return strconv.FormatFloat(tidy, 'f', -1, 64)
}
