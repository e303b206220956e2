package lint

import (
	"slices"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
)

// rateWindow holds the window of every rate against the scrape interval.
func rateWindow(p *pass) {
	if p.query.Scrape <= 0 {
		return
	}
	p.each(func(n parser.Node, _ []parser.Node) {
		c, ok := isCall(n, "rate", "increase", "irate", "idelta", "delta", "deriv")
		if !ok || len(c.Args) == 0 {
			return
		}
		m, ok := unwrap(c.Args[0]).(*parser.MatrixSelector)
		if !ok || m.RangeExpr != nil {
			return
		}
		if s, ok := m.VectorSelector.(*parser.VectorSelector); ok && (s.Anchored || s.Smoothed) {
			return // exact over any window
		}
		scrapes := float64(m.Range) / float64(p.query.Scrape)
		_, needsFour := isCall(n, "rate", "increase")
		switch {
		case scrapes < 2:
			p.reportAs(Error, m, "%s over %s, and a scrape comes every %s: two samples are needed, so nothing answers", c.Func.Name, model.Duration(m.Range), short(p.query.Scrape))
		case scrapes < 4 && needsFour:
			p.report(m, "%s over %s is less than four scrapes of %s", c.Func.Name, model.Duration(m.Range), short(p.query.Scrape))
		}
	})
}

func short(d time.Duration) string { return model.Duration(d).String() }

// throughRate are functions over a range that know what a counter is, or ask only whether it is there.
var throughRate = []string{"rate", "irate", "increase", "resets", "changes", "absent_over_time", "present_over_time", "count_over_time",
	"ts_of_last_over_time", "ts_of_first_over_time"}

// counterWithoutRate follows each counter up to where its value is used.
func counterWithoutRate(p *pass) {
	p.each(func(n parser.Node, above []parser.Node) {
		s, ok := n.(*parser.VectorSelector)
		if !ok || !p.kindOf(metricOf(s)).counts() {
			return
		}
		if by := usedRaw(s, above); by != "" {
			p.report(s, "%s is a counter, and %s", metricOf(s), by)
		}
	})
}

// usedRaw says how a counter's bare value is used; empty when it is not.
func usedRaw(s *parser.VectorSelector, above []parser.Node) string {
	var below parser.Node = s
	for _, n := range slices.Backward(above) {
		switch v := n.(type) {
		case *parser.MatrixSelector:
			if len(above) == 1 {
				return "" // fetches the samples themselves
			}
		case *parser.Call:
			if v.Func == nil || slices.Contains(throughRate, v.Func.Name) || v.Func.Name == "absent" || v.Func.Name == "timestamp" {
				return ""
			}
			if slices.Contains([]string{"delta", "idelta", "deriv", "predict_linear", "double_exponential_smoothing"}, v.Func.Name) {
				return v.Func.Name + " knows nothing of its resets"
			}
		case *parser.AggregateExpr:
			if v.Op == parser.COUNT || v.Op == parser.GROUP || v.Op == parser.COUNT_VALUES {
				return "" // counts series
			}
		case *parser.BinaryExpr:
			if asksPresence(v, below) || isDifference(v, s) {
				return ""
			}
		}
		below = n
	}
	return "its bare value depends on when the process started"
}

// asksPresence tells whether an operation only asks whether a side is there.
func asksPresence(b *parser.BinaryExpr, side parser.Node) bool {
	if (b.Op == parser.LAND || b.Op == parser.LUNLESS) && side == parser.Node(b.RHS) {
		return true
	}
	zero, isNumber := number(b.RHS)
	return isNumber && zero == 0 && b.Op.IsComparisonOperator()
}

// isDifference tells whether an operation is x - x offset …, an increase by hand.
func isDifference(b *parser.BinaryExpr, s *parser.VectorSelector) bool {
	if b.Op != parser.SUB {
		return false
	}
	same, offsets := 0, map[time.Duration]bool{}
	for _, o := range selectorsIn(b) {
		if metricOf(o) == metricOf(s) {
			same++
			offsets[o.OriginalOffset] = true
		}
	}
	return same == 2 && len(offsets) == 2
}

func rateOfGauge(p *pass) {
	p.each(func(n parser.Node, _ []parser.Node) {
		e, ok := n.(parser.Expr)
		if !ok {
			return
		}
		if _, paren := n.(*parser.ParenExpr); paren {
			return // seen again inside
		}
		if c, _, s := rateOf(e); s != nil && p.kindOf(metricOf(s)) == gauge {
			p.report(s, "%s is a gauge, and %s is for counters", metricOf(s), c.Func.Name)
		}
	})
}

// rateOfSum finds rate(sum(x)[5m:]), the only way in which PromQL takes it.
func rateOfSum(p *pass) {
	p.each(func(n parser.Node, _ []parser.Node) {
		c, ok := isCall(n, "rate", "irate", "increase")
		if !ok || len(c.Args) != 1 {
			return
		}
		sub, ok := unwrap(c.Args[0]).(*parser.SubqueryExpr)
		if !ok {
			return
		}
		if a, ok := unwrap(sub.Expr).(*parser.AggregateExpr); ok {
			p.report(c, "%s of a %s: the resets of single counters can't be seen in it", c.Func.Name, a.Op)
		}
	})
}

// eachQuantile visits the calls of histogram_quantile and what they are taken of.
func (p *pass) eachQuantile(visit func(c *parser.Call, of parser.Expr, classic bool)) {
	p.each(func(n parser.Node, _ []parser.Node) {
		c, ok := isCall(n, "histogram_quantile")
		if !ok || len(c.Args) != 2 {
			return
		}
		classic := slices.ContainsFunc(selectorsIn(c.Args[1]), func(s *parser.VectorSelector) bool { return p.kindOf(metricOf(s)) == bucket })
		visit(c, unwrap(c.Args[1]), classic)
	})
}

func quantileWithoutLe(p *pass) {
	p.eachQuantile(func(_ *parser.Call, of parser.Expr, classic bool) {
		if !classic {
			return
		}
		if ls := labelsOf(of); ls.exact && !ls.names[model.BucketLabel] {
			p.report(of, "the buckets have lost le: they are aggregated to %s", ls)
			return
		}
		a, ok := of.(*parser.AggregateExpr)
		switch {
		case !ok:
		case a.Without && slices.Contains(a.Grouping, model.BucketLabel):
			p.report(of, "the buckets have lost le: it is aggregated away")
		case a.Op != parser.SUM && a.Op != parser.AVG:
			p.report(of, "the %s of each bucket over series is no distribution", a.Op)
		}
	})
}

func quantileUnaggregated(p *pass) {
	p.eachQuantile(func(c *parser.Call, of parser.Expr, classic bool) {
		_, _, s := rateOf(of)
		if bare, ok := of.(*parser.VectorSelector); ok && classic {
			s = bare
		}
		if s == nil {
			return
		}
		severity := p.rule.Severity
		if p.query.One {
			severity = Error
		}
		p.reportAs(severity, c, "one quantile for each series of %s, where the service's is meant", metricOf(s))
	})
}

// quantileOfAverages finds quantiles over means of durations; over means of
// utilizations they say how busy the busiest are.
func quantileOfAverages(p *pass) {
	p.each(func(n parser.Node, _ []parser.Node) {
		var of parser.Expr
		if a, ok := n.(*parser.AggregateExpr); ok && a.Op == parser.QUANTILE {
			of = a.Expr
		}
		if c, ok := isCall(n, "quantile_over_time"); ok && len(c.Args) == 2 {
			of = c.Args[1]
		}
		if of != nil && holdsMean(of) {
			p.report(n, "a quantile of mean durations says nothing about requests")
		}
	})
}

// holdsMean tells whether there is a mean duration below a node.
func holdsMean(n parser.Node) (found bool) {
	parser.Inspect(n, func(n parser.Node, _ []parser.Node) error {
		if b, ok := n.(*parser.BinaryExpr); ok && meanOf(b) != "" {
			found = true
		}
		if _, ok := isCall(n, "histogram_avg"); ok {
			found = true
		}
		return nil
	})
	return found
}

// meanOf is the base name of the histogram whose _sum is divided by its _count; else empty.
func meanOf(b *parser.BinaryExpr) string {
	if b.Op != parser.DIV {
		return ""
	}
	counts := map[string]bool{}
	for _, s := range selectorsIn(b.RHS) {
		counts[metricOf(s)] = true
	}
	for _, s := range selectorsIn(b.LHS) {
		if base := baseOf(metricOf(s)); metricOf(s) == base+"_sum" && counts[base+"_count"] {
			return base
		}
	}
	return ""
}

func averageOfQuantiles(p *pass) {
	p.each(func(n parser.Node, _ []parser.Node) {
		if a, ok := n.(*parser.AggregateExpr); ok && (a.Op == parser.AVG || a.Op == parser.SUM) {
			if q := quantileBelow(a.Expr); q != "" {
				p.report(a, "the %s of %s over series is no quantile", a.Op, q)
			}
		}
		if c, ok := isCall(n, "avg_over_time", "sum_over_time"); ok && len(c.Args) == 1 {
			if q := quantileBelow(c.Args[0]); q != "" {
				p.reportAs(Warning, c, "the average of %s over time is not the quantile of that time", q)
			}
		}
	})
}

// quantileBelow names the quantile that an expression is, value by value; else it is empty.
func quantileBelow(e parser.Expr) string {
	switch v := unwrap(e).(type) {
	case *parser.Call:
		if _, ok := isCall(v, "histogram_quantile"); ok {
			return "histogram_quantile"
		}
		for _, a := range v.Args {
			if q := quantileBelow(a); q != "" {
				return q
			}
		}
	case *parser.BinaryExpr:
		if v.Op.IsComparisonOperator() {
			if v.ReturnBool {
				return "" // a share of series that are beyond a threshold
			}
			return quantileBelow(v.LHS)
		}
		if q := quantileBelow(v.LHS); q != "" {
			return q
		}
		return quantileBelow(v.RHS)
	case *parser.SubqueryExpr:
		return quantileBelow(v.Expr)
	case *parser.MatrixSelector:
		return quantileBelow(v.VectorSelector)
	case *parser.VectorSelector:
		for _, m := range v.LabelMatchers {
			if m.Name == model.QuantileLabel && m.Type == labels.MatchEqual {
				return metricOf(v) + "{quantile=\"" + m.Value + "\"}"
			}
		}
		if isQuantile.MatchString(metricOf(v)) {
			return metricOf(v)
		}
	}
	return ""
}

// ratioLabels holds the labels of both sides of an operation against each other.
func ratioLabels(p *pass) {
	p.each(func(n parser.Node, _ []parser.Node) {
		b, ok := n.(*parser.BinaryExpr)
		if !ok || b.VectorMatching == nil || b.Op.IsSetOperator() || b.VectorMatching.On || len(b.VectorMatching.MatchingLabels) > 0 || b.VectorMatching.Card != parser.CardOneToOne {
			return
		}
		if part, whole := sameRates(b); part != nil {
			if extra := narrower(part, whole); b.Op == parser.DIV && len(extra) > 0 {
				p.report(b, "each series of %s is divided by itself, so the answer is always 1 (or 100 %%), or nothing", metricOf(part))
			} else if l := exclusive(part, whole); l != "" {
				p.report(b, "no series is on both sides: they differ in %s, so nothing answers", l)
			}
			return
		}
		left, right := labelsOf(b.LHS), labelsOf(b.RHS)
		switch {
		case left.exact && right.exact && !left.equal(right):
			p.report(b, "the left side has %s, the right side %s: no series pair, so nothing answers", left, right)
		case left.exact != right.exact && (plainSeries(b.LHS) || plainSeries(b.RHS)):
			aggregated := left
			if right.exact {
				aggregated = right
			}
			if !aggregated.names[model.JobLabel] && !aggregated.names[model.InstanceLabel] {
				p.report(b, "one side is aggregated to %s, the other is not: no series pair, so nothing answers", aggregated)
			}
		}
	})
}

// plainSeries tells whether an expression has the labels of scraped series: job and instance among them.
func plainSeries(e parser.Expr) bool {
	if _, _, s := rateOf(e); s != nil {
		e = s
	}
	s, ok := unwrap(e).(*parser.VectorSelector)
	name := ""
	if ok {
		name = metricOf(s)
	}
	return name != "" && !slices.Contains([]rune(name), ':')
}

// sameRates are the selectors of both sides when they are the same function of
// the same metric at the same time, and not aggregated.
func sameRates(b *parser.BinaryExpr) (left, right *parser.VectorSelector) {
	lc, lm, l := rateOf(b.LHS)
	rc, rm, r := rateOf(b.RHS)
	if l == nil || r == nil {
		l, _ = unwrap(b.LHS).(*parser.VectorSelector)
		r, _ = unwrap(b.RHS).(*parser.VectorSelector)
		if l == nil || r == nil {
			return nil, nil
		}
	} else if lc.Func.Name != rc.Func.Name || lm.Range != rm.Range {
		return nil, nil
	}
	if name := metricOf(l); name == "" || name != metricOf(r) || l.OriginalOffset != r.OriginalOffset || l.Timestamp != nil || r.Timestamp != nil {
		return nil, nil
	}
	return l, r
}

// narrower lists the labels by which part picks from the series of whole; empty
// when it does not pick from just those.
func narrower(part, whole *parser.VectorSelector) []string {
	has := func(s *parser.VectorSelector, m *labels.Matcher) bool {
		return slices.ContainsFunc(s.LabelMatchers, func(o *labels.Matcher) bool {
			return o.Name == m.Name && o.Type == m.Type && o.Value == m.Value
		})
	}
	for _, m := range whole.LabelMatchers {
		if !has(part, m) {
			return nil
		}
	}
	var names []string
	for _, m := range part.LabelMatchers {
		if m.Name != model.MetricNameLabel && !has(whole, m) {
			names = append(names, m.Name)
		}
	}
	return names
}

// exclusive is a label that must have different values on both sides; else it is empty.
func exclusive(a, b *parser.VectorSelector) string {
	for _, x := range a.LabelMatchers {
		for _, y := range b.LabelMatchers {
			if x.Name == y.Name && x.Type == labels.MatchEqual && y.Type == labels.MatchEqual && x.Value != y.Value {
				return x.Name
			}
		}
	}
	return ""
}

func vanishingNumerator(p *pass) {
	p.each(func(n parser.Node, above []parser.Node) {
		b, ok := n.(*parser.BinaryExpr)
		if !ok || b.Op != parser.DIV || b.VectorMatching == nil || fallsBack(b.LHS) || harmless(b, above) {
			return
		}
		if part := shareOf(b); part != nil {
			p.report(b.LHS, "nothing answers while no series has %s", matcherText(part))
		}
	})
}

// shareOf is the selector of the part of a share: it picks, by how requests
// ended, from the whole. It is nil of anything else.
func shareOf(b *parser.BinaryExpr) *parser.VectorSelector {
	parts, wholes := selectorsIn(b.LHS), selectorsIn(b.RHS)
	if len(parts) != 1 || len(wholes) != 1 || metricOf(parts[0]) != metricOf(wholes[0]) {
		return nil
	}
	if !slices.ContainsFunc(narrower(parts[0], wholes[0]), func(l string) bool { return l != model.BucketLabel && event.MatchString(l) }) {
		return nil
	}
	return parts[0]
}

func matcherText(s *parser.VectorSelector) string {
	for _, m := range s.LabelMatchers {
		if m.Name != model.MetricNameLabel && event.MatchString(m.Name) {
			return m.String()
		}
	}
	return metricOf(s)
}

// fallsBack tells whether an expression has an or in it.
func fallsBack(e parser.Expr) (found bool) {
	parser.Inspect(e, func(n parser.Node, _ []parser.Node) error {
		if b, ok := n.(*parser.BinaryExpr); ok && b.Op == parser.LOR {
			found = true
		}
		return nil
	})
	return found
}

// harmless tells whether no answer is the same as 0: a fallback stands outside,
// or the share is only looked at when it exceeds something.
func harmless(b *parser.BinaryExpr, above []parser.Node) bool {
	var below parser.Node = b
	for _, n := range slices.Backward(above) {
		if o, ok := n.(*parser.BinaryExpr); ok && below == parser.Node(o.LHS) && (o.Op == parser.LOR || refuses0(o)) {
			return true
		}
		below = n
	}
	return false
}

// refuses0 tells whether a comparison would drop a 0.
func refuses0(b *parser.BinaryExpr) bool {
	x, isNumber := number(b.RHS)
	switch {
	case b.ReturnBool:
		return false
	case b.Op == parser.GTR || b.Op == parser.GTE:
		return true
	case b.Op == parser.EQLC:
		return isNumber && x != 0
	}
	return b.Op == parser.NEQ && isNumber && x == 0
}

func sumAsLatency(p *pass) {
	p.each(func(n parser.Node, above []parser.Node) {
		e, ok := n.(parser.Expr)
		if !ok {
			return
		}
		_, _, s := rateOf(e)
		if _, paren := n.(*parser.ParenExpr); s == nil || paren || p.kindOf(metricOf(s)) != total || !timed.MatchString(metricOf(s)) {
			return
		}
		aggregated := ""
		for _, n := range slices.Backward(above) {
			if b, ok := n.(*parser.BinaryExpr); ok && (b.Op == parser.DIV || b.Op == parser.MUL) && b.VectorMatching != nil {
				return // divided by something: a mean, or a share of time
			}
			if a, ok := n.(*parser.AggregateExpr); ok && aggregated == "" {
				aggregated = a.Op.String()
			}
		}
		called := p.query.Unit == "s" || p.query.Unit == "ms"
		switch {
		case called || aggregated == "avg" || aggregated == "max" || aggregated == "min" || aggregated == "quantile":
			p.report(e, "the rate of %s is seconds of work per second, not a latency", metricOf(s))
		case aggregated == "" && requestish.MatchString(metricOf(s)):
			p.reportAs(Warning, e, "the rate of %s is seconds of work per second; is a latency meant?", metricOf(s))
		}
	})
}

func severalSeriesByText(p *pass) {
	if !p.query.One {
		return
	}
	if ls := labelsOf(p.root); ls.exact && len(ls.names) > 0 {
		p.report(p.root, "one series for each %s, where one number is scored", ls)
	}
}
