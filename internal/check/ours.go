package check

import (
	"math"
	"path/filepath"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"

	"github.com/plumbline/plumbline/internal/config"
	"github.com/plumbline/plumbline/pkg/compare"
	"github.com/plumbline/plumbline/pkg/loadgen"
	"github.com/plumbline/plumbline/pkg/promql"
	"github.com/plumbline/plumbline/pkg/promql/lint"
	"github.com/plumbline/plumbline/pkg/slo"
)

func (c *Checker) readScenario(d document) ([]Find, []expression) {
	_, err := loadgen.ParseScenario(d.name, d.text, filepath.Dir(d.name))
	return d.mistakes(err), nil
}

func (c *Checker) readProfiles(d document) ([]Find, []expression) {
	_, err := loadgen.ParseProfiles(d.name, d.text)
	return d.mistakes(err), nil
}

func (c *Checker) readConfig(d document) ([]Find, []expression) {
	_, err := config.Load(d.name)
	return d.mistakes(err), nil
}

func (c *Checker) readBaseline(d document) ([]Find, []expression) {
	_, err := compare.ParseSpec(d.name, d.text)
	return d.mistakes(err), nil
}

// sla gathers the expressions of an SLA file.
type sla struct {
	checker *Checker
	vars    map[string]string
	all     []expression
}

func (c *Checker) readSLA(d document) ([]Find, []expression) {
	a, err := slo.Parse(d.name, d.text)
	s := sla{checker: c, vars: c.variables(a.Vars)}
	for i, o := range a.Objectives {
		s.objective(get(d.root, "objectives", i), o)
	}
	for i, r := range a.Resources {
		n := get(d.root, "resources", i)
		s.expression(get(n, "used"), lint.Query{Unit: r.Unit})
		if _, err := strconv.ParseFloat(r.Limit, 64); err != nil && r.Limit != "" {
			s.expression(get(n, "limit"), lint.Query{Unit: r.Unit})
		}
	}
	return d.mistakes(err), s.all
}

// variables stand for what only a run knows.
func (c *Checker) variables(vars map[string]string) map[string]string {
	scrape := c.scrape()
	all := map[string]string{
		"run": lint.Any, "scrape": duration(scrape), "step": duration(scrape),
		"rate": duration(4 * scrape), "window": "30m", "steady": "30m",
	}
	for name, value := range vars {
		all[name] = value
	}
	return all
}

// expression adds a whole expression.
func (s *sla) expression(n *yaml.Node, q lint.Query) {
	if text(n) != "" {
		s.all = append(s.all, plain(n, promql.Trace(n.Value, s.vars), q))
	}
}

// objective adds what the indicator of an objective asks.
func (s *sla) objective(n *yaml.Node, o slo.Objective) {
	var by []string
	if o.By != "" {
		by = []string{o.By}
	}
	q := lint.Query{Unit: o.Unit, Bounds: bounds(o)}
	rate := s.vars["rate"]
	rateOf := func(selector string) string { return promql.Rate(selector, rate, by...) }
	switch {
	case o.Rate != nil:
		s.selector(get(n, "rate", "of"), q, rateOf)
	case o.Count != nil:
		s.selector(get(n, "count", "of"), q, func(sel string) string { return promql.Increase(sel, rate, by...) })
	case o.Ratio != nil:
		q.Unit = "" // that of the ratio, not of its parts
		for _, part := range []string{"bad", "good", "total"} {
			s.selector(get(n, "ratio", part), q, rateOf)
		}
	case o.Quantile != nil:
		s.selector(get(n, "quantile", "of"), q, func(sel string) string {
			return promql.Quantile(o.Quantile.Q, sel, s.form(sel), rate, by...)
		})
	case o.Mean != nil:
		s.selector(get(n, "mean", "of"), q, func(sel string) string {
			return promql.Mean(sel, s.form(sel), rate, by...)
		})
	case o.Gauge != nil:
		q.One = true
		s.expression(get(n, "gauge", "of"), q)
	case o.Query != nil:
		q.One = true
		s.expression(get(n, "query"), q)
	}
}

// bounds are the absolute thresholds of an objective.
func bounds(o slo.Objective) (all []float64) {
	for _, b := range []*slo.Bound{o.Must, o.Should} {
		if b != nil && !math.IsNaN(b.Limit()) {
			all = append(all, b.Limit())
		}
	}
	return all
}

// form tells whether a histogram is there in its native form only.
func (s *sla) form(selector string) promql.HistogramForm {
	name, _, _ := strings.Cut(selector, "{")
	if l := s.checker.Live; l != nil && l.Known(name) && !l.Known(name+"_bucket") {
		return promql.Native
	}
	return promql.Classic
}

// selector adds the expression that is built around a selector. A find inside
// the selector stands there, any other at its start.
func (s *sla) selector(n *yaml.Node, q lint.Query, build func(selector string) string) {
	if text(n) == "" {
		return
	}
	e := promql.Trace(n.Value, s.vars)
	if _, err := promql.ParseSelector(n.Value, s.vars); err != nil {
		return // the SLA's own reader says so
	}
	q.Expr = build(e.Text)
	_, matchers, found := strings.Cut(e.Text, "{")
	start := -1
	if found {
		start = strings.Index(q.Expr, "{"+matchers)
	}
	shift := len(e.Text) - len(matchers) - 1 // where the matchers start in the selector
	s.all = append(s.all, expression{node: n, query: q, origin: func(offset int) int {
		if start < 0 || offset < start || offset >= start+len(matchers)+1 {
			return 0
		}
		return e.Origin(offset - start + shift)
	}})
}
