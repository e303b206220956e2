package slo

import (
	"fmt"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"

	"github.com/plumbline/plumbline/pkg/promql"
	"github.com/plumbline/plumbline/pkg/run"
)

// Selectors are the series that measuring the agreement on a run reads.
func (a Agreement) Selectors(r run.Run, scrape time.Duration) ([]promql.Selector, error) {
	g := gatherer{vars: variables(a.Vars, r, scrape), seen: map[string]bool{}}
	for _, o := range a.Objectives {
		if !o.When.Matches(r) {
			continue
		}
		if err := g.indicator(o.Indicator); err != nil {
			return nil, fmt.Errorf("slo %s: %w", o.ID, err)
		}
	}
	for _, res := range a.Resources {
		for _, expr := range []string{res.Used, res.Limit} {
			if err := g.expr(expr); err != nil {
				return nil, fmt.Errorf("resource %s: %w", res.ID, err)
			}
		}
	}
	return g.selectors, nil
}

type gatherer struct {
	vars      map[string]string
	seen      map[string]bool
	selectors []promql.Selector
}

func (g *gatherer) add(sel promql.Selector) {
	if !g.seen[sel.String()] {
		g.seen[sel.String()] = true
		g.selectors = append(g.selectors, sel)
	}
}

func (g *gatherer) indicator(in Indicator) error {
	var err error
	counter := func(text string) {
		sel, parseErr := promql.ParseSelector(text, g.vars)
		if parseErr != nil {
			err = parseErr
			return
		}
		g.add(sel.Population()) // it tells a label that is missing from an event that never happened
	}
	histogram := func(text string) {
		sel, parseErr := promql.ParseSelector(text, g.vars)
		if parseErr != nil {
			err = parseErr
			return
		}
		for _, suffix := range []string{"", "_bucket", "_sum", "_count"} {
			g.add(sel.Named(sel.Metric + suffix))
		}
	}
	switch {
	case in.Rate != nil:
		counter(in.Rate.Of)
	case in.Count != nil:
		counter(in.Count.Of)
	case in.Ratio != nil:
		counter(in.Ratio.Bad + in.Ratio.Good) // one of them
		counter(in.Ratio.Total)
	case in.Quantile != nil:
		histogram(in.Quantile.Of)
	case in.Mean != nil:
		histogram(in.Mean.Of)
	case in.Gauge != nil:
		err = g.expr(in.Gauge.Of)
	case in.Query != nil:
		err = g.expr(*in.Query)
	}
	return err
}

// expr adds what an expression selects.
func (g *gatherer) expr(text string) error {
	if text == "" {
		return nil
	}
	tree, err := promql.NewParser().ParseExpr(promql.Expand(text, g.vars))
	if err != nil {
		return err
	}
	for _, matchers := range parser.ExtractSelectors(tree) {
		var sel promql.Selector
		for _, m := range matchers {
			if m.Name == model.MetricNameLabel && m.Type == labels.MatchEqual {
				sel.Metric = m.Value
			} else {
				sel.Matchers = append(sel.Matchers, m)
			}
		}
		g.add(sel)
	}
	return nil
}
