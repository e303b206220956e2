package rules

import (
	"fmt"

	"github.com/plumbline/plumbline/pkg/promql"
	"github.com/plumbline/plumbline/pkg/slo"
)

// A burn is a pair of windows over which an error budget may burn too fast. The
// long one tells that it matters, the short one that it still goes on.
type burn struct {
	factor      float64 // how many times as fast as would use the budget up in 30 days
	long, short string
	patience    string
	severity    string
}

// burns are the windows and factors of The Site Reliability Workbook, chapter 5,
// table 5-8 and the example below it: 2 %, 5 %, 10 % and again 10 % of the budget
// of 30 days are gone after 1 h, 6 h, 1 and 3 days.
var burns = []burn{
	{14.4, "1h", "5m", "2m", critical},
	{6, "6h", "30m", "2m", critical},
	{3, "1d", "2h", "5m", warning},
	{1, "3d", "6h", "5m", warning},
}

// burnGroup is the group of alerts on budgets.
const burnGroup = "error budgets"

// burnRates watch how fast the budget of each share of events burns.
func (m *maker) burnRates() error {
	recorded := Group{Name: m.agreement.Service + " failed shares"}
	for _, o := range m.agreement.Objectives {
		if o.Ratio == nil || o.Must == nil {
			continue
		}
		_, limit, ok := o.Must.Breach(o.Worse)
		budget := limit
		if o.Ratio.Good != "" {
			budget = 1 - limit
		}
		if !ok || budget <= 0 || budget >= 1 {
			continue
		}
		rules, err := m.failedShares(o)
		if err != nil {
			return fmt.Errorf("rules: objective %s: %w", o.ID, err)
		}
		recorded.Rules = append(recorded.Rules, rules...)
		for _, b := range burns {
			if b.factor*budget < 1 { // more than everything can't fail
				m.burnAlert(o, b, budget)
			}
		}
	}
	m.set.BurnRates = append(filled(recorded), m.set.BurnRates...)
	return nil
}

// intervalRecord names whether something succeeded in each minute.
func intervalRecord(o slo.Objective) string { return record(o.ID, "good_minute") }

func failedRecord(o slo.Objective, window string) string {
	return record(o.ID, "failed_ratio_rate"+window)
}

// failedShares record the share of failures over every window that burns look at.
func (m *maker) failedShares(o slo.Objective) ([]Rule, error) {
	labels := map[string]string{"service": m.agreement.Service, "objective": o.ID}
	text := func(selector string) string { return promql.Expand(selector, m.vars) }
	part, total := text(o.Ratio.Part()), text(o.Ratio.Total)
	var rules []Rule
	if o.Ratio.Per != "" {
		expr, err := perRun(promql.Happened(part, total, "1m"))
		if err != nil {
			return nil, err
		}
		rules = append(rules, Rule{Record: intervalRecord(o), Expr: expr, Labels: labels})
	}
	var by []string
	if o.By != "" {
		by = []string{o.By}
	}
	for _, w := range windowsOf(burns) {
		expr := promql.Share(part, total, w, by...)
		switch {
		case o.Ratio.Per != "":
			expr = fmt.Sprintf("1 - avg_over_time(%s{service=%q}[%s])", intervalRecord(o), m.agreement.Service, w)
		case o.Ratio.Good != "":
			expr = "1 - " + expr
		}
		expr, err := perRun(expr)
		if err != nil {
			return nil, err
		}
		rules = append(rules, Rule{Record: failedRecord(o, w), Expr: expr, Labels: labels})
	}
	return rules, nil
}

// windowsOf lists every window once, the short ones first.
func windowsOf(burns []burn) (all []string) {
	for _, b := range burns {
		all = append(all, b.short)
	}
	for _, b := range burns {
		seen := false
		for _, w := range all {
			seen = seen || w == b.long
		}
		if !seen {
			all = append(all, b.long)
		}
	}
	return all
}

// fastest is the highest share of failures that any burn of a budget waits for.
func fastest(budget float64) (share float64) {
	for _, b := range burns {
		if threshold := b.factor * budget; threshold < 1 {
			share = max(share, threshold)
		}
	}
	return share
}

// burnAlert watches one pair of windows.
func (m *maker) burnAlert(o slo.Objective, b burn, budget float64) {
	threshold := b.factor * budget
	over := func(window string) string {
		return fmt.Sprintf("%s{service=%q} > %s", failedRecord(o, window), m.agreement.Service, number(threshold))
	}
	a := alert{id: o.ID, title: o.Title, group: burnGroup, bound: "must be " + o.Must.Text, unit: "ratio", op: ">", limit: threshold, objective: &o, vars: m.agreement.Vars, recorded: failedRecord(o, b.long), burn: &b, fastest: fastest(budget)}
	where := m.where(o)
	a.summary = func(value string) string {
		return fmt.Sprintf("%s of %s%s: %s failed over %s, more than %v times what its budget of %s allows", o.Title, m.agreement.Service, where, value, b.long, b.factor, written("ratio", budget))
	}
	expr := over(b.long) + " and " + over(b.short) + gate(o)
	a.rule = m.alertRule(name(o.ID, "Burn"+b.long), expr, b.patience, b.severity, o.ID, "objective", a.summary(valueText("ratio")))
	m.add(a)
}
