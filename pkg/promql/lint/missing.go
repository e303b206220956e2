package lint

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"

	"github.com/plumbline/plumbline/pkg/strictyaml"
)

func missingMetric(ctx context.Context, l *Live, p *pass) error {
	metrics, err := l.Metrics(ctx)
	if err != nil {
		return err
	}
	return p.eachSelector(func(s *parser.VectorSelector, metric string) error {
		if metrics[metric] || l.expected[metric] || onlyAbsence(p.root, s) || l.otherwise(p.root, s) {
			return nil
		}
		// It may have been there between the two looks at all names.
		res, err := l.Meter.Query(ctx, fmt.Sprintf("count(%s)", l.over(metric)), l.Window.End)
		if err == nil && len(res.Series) == 0 {
			p.report(s, "there is no %s%s", metric, l.instead(metric))
		}
		return err
	})
}

// onlyAbsence tells whether a selector only stands in absent().
func onlyAbsence(root parser.Expr, s *parser.VectorSelector) (found bool) {
	parser.Inspect(root, func(n parser.Node, above []parser.Node) error {
		if n == parser.Node(s) {
			found = slices.ContainsFunc(above, func(n parser.Node) bool { _, is := isCall(n, "absent", "absent_over_time"); return is })
		}
		return nil
	})
	return found
}

// otherwise tells whether a selector is one side of an or whose other side has its
// metrics: the query asks for whichever is there, such as a native or a classic histogram.
func (l *Live) otherwise(root parser.Expr, s *parser.VectorSelector) (found bool) {
	parser.Inspect(root, func(n parser.Node, above []parser.Node) error {
		if n != parser.Node(s) {
			return nil
		}
		below := n
		for _, up := range slices.Backward(above) {
			if b, ok := up.(*parser.BinaryExpr); ok && b.Op == parser.LOR {
				other := b.LHS
				if below == parser.Node(b.LHS) {
					other = b.RHS
				}
				found = found || l.hasAll(other)
			}
			below = up
		}
		return nil
	})
	return found
}

// hasAll tells whether every metric of an expression is there; false when it has none.
func (l *Live) hasAll(e parser.Expr) bool {
	selectors := selectorsIn(e)
	for _, s := range selectors {
		if m := metricOf(s); !l.metrics[m] && !l.expected[m] {
			return false
		}
	}
	return len(selectors) > 0
}

// instead names what a metric was probably meant to be.
func (l *Live) instead(metric string) string {
	if l.Instead != nil {
		if name := l.Instead(metric); name != "" {
			return "; there is " + name
		}
	}
	for _, suffix := range []string{"_bucket", "_count", "_sum", "_total", "_seconds", "_seconds_total"} {
		for _, name := range []string{metric + suffix, strings.TrimSuffix(metric, suffix)} {
			if name != metric && l.metrics[name] {
				return "; there is " + name
			}
		}
	}
	if base := baseOf(metric); base != metric && l.metrics[base] {
		return "; there is " + base + ", a native histogram"
	}
	if near := strictyaml.Nearest(metric, l.names); near != "" {
		return "; did you mean " + near + "?"
	}
	if like := sharing(metric, l.names); like != "" {
		return "; there are " + like
	}
	return ""
}

// sharing lists the names that have most words in common with one, two at least.
func sharing(metric string, names []string) string {
	words := strings.Split(metric, "_")
	best, most := []string{}, 2
	for _, name := range names {
		n := 0
		for _, w := range strings.Split(name, "_") {
			if slices.Contains(words, w) && len(w) > 2 && w != "total" && w != "seconds" && w != "bytes" && w != "bucket" {
				n++
			}
		}
		if n > most {
			best, most = nil, n
		}
		if n == most && len(best) < 3 {
			best = append(best, name)
		}
	}
	return strings.Join(best, ", ")
}

// synonyms are labels that mean the same in different habits of naming.
var synonyms = [][]string{
	{"status", "code", "status_code", "http_status_code", "http_response_status_code", "response_code", "envoy_response_code"},
	{"endpoint", "route", "path", "handler", "uri", "http_route", "url", "name"},
	{"method", "http_method", "http_request_method", "verb"},
	{"pod", "pod_name", "kubernetes_pod_name", "k8s_pod_name", "exported_pod", "instance"},
	{"container", "container_name", "k8s_container_name"},
	{"service", "service_name", "job", "app", "application", "exported_service", "destination_service_name"},
	{"namespace", "kubernetes_namespace", "k8s_namespace_name", "exported_namespace"},
}

// insteadOf names the label that was probably meant, and all that there are.
func insteadOf(label string, there []string) string {
	for _, family := range synonyms {
		if slices.Contains(family, label) {
			for _, other := range family {
				if slices.Contains(there, other) {
					return "; there is " + other
				}
			}
		}
	}
	if near := strictyaml.Nearest(label, there); near != "" {
		return "; did you mean " + near + "?"
	}
	return "; there are " + strings.Join(there, ", ")
}

// labelNames lists the labels of series, without the metric's name.
func labelNames(series []labels.Labels) (names []string) {
	for _, s := range series {
		s.Range(func(l labels.Label) {
			if l.Name != model.MetricNameLabel && !slices.Contains(names, l.Name) {
				names = append(names, l.Name)
			}
		})
	}
	slices.Sort(names)
	return names
}

func missingLabel(ctx context.Context, l *Live, p *pass) error {
	err := p.eachSelector(func(s *parser.VectorSelector, metric string) error {
		var wanted []*labels.Matcher
		for _, m := range s.LabelMatchers {
			if m.Name != model.MetricNameLabel && !m.Matches("") {
				wanted = append(wanted, m)
			}
		}
		if len(wanted) == 0 {
			return nil
		}
		series, err := l.series(ctx, metric)
		if err != nil || len(series) == 0 {
			return err
		}
		there := labelNames(series)
		for _, m := range wanted {
			if !slices.Contains(there, m.Name) {
				p.report(s, "no series of %s has the label %s%s", metric, m.Name, insteadOf(m.Name, there))
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return l.missingGroups(ctx, p)
}

// missingGroups looks at the labels that aggregations group by.
func (l *Live) missingGroups(ctx context.Context, p *pass) (err error) {
	p.each(func(n parser.Node, _ []parser.Node) {
		a, ok := n.(*parser.AggregateExpr)
		if !ok || a.Without || len(a.Grouping) == 0 || err != nil || makesLabels(a.Expr) {
			return
		}
		var series []labels.Labels
		for _, s := range selectorsIn(a.Expr) {
			var more []labels.Labels
			if more, err = l.series(ctx, selector(s)); err != nil {
				return
			}
			series = append(series, more...)
		}
		there := labelNames(series)
		for _, g := range a.Grouping {
			if len(series) > 0 && !slices.Contains(there, g) && !(g == model.BucketLabel && native(series, a)) {
				p.report(a, "no series to group has the label %s%s", g, insteadOf(g, there))
			}
		}
	})
	return err
}

// makesLabels tells whether an expression may carry labels that its series have not.
func makesLabels(e parser.Expr) (found bool) {
	parser.Inspect(e, func(n parser.Node, _ []parser.Node) error {
		if _, ok := isCall(n, "label_replace", "label_join", "info"); ok {
			found = true
		}
		if a, ok := n.(*parser.AggregateExpr); ok && a.Op == parser.COUNT_VALUES {
			found = true
		}
		return nil
	})
	return found
}

// native tells whether an aggregation is over native histograms, which need no le.
func native(series []labels.Labels, a *parser.AggregateExpr) bool {
	return len(series) > 0 && !slices.ContainsFunc(selectorsIn(a), func(s *parser.VectorSelector) bool { return strings.HasSuffix(metricOf(s), "_bucket") })
}

func missingValue(ctx context.Context, l *Live, p *pass) error {
	return p.eachSelector(func(s *parser.VectorSelector, metric string) error {
		series, err := l.series(ctx, metric)
		if err != nil {
			return err
		}
		there := labelNames(series)
		missing := false
		for _, m := range s.LabelMatchers {
			if m.Name == model.MetricNameLabel || event.MatchString(m.Name) || m.Matches("") || !slices.Contains(there, m.Name) {
				continue
			}
			if values := valuesOf(series, m.Name); !slices.ContainsFunc(values, m.Matches) {
				missing = true
				p.report(s, "no series of %s has %s; %s is %s", metric, m, m.Name, some(values))
			}
		}
		if !missing && len(series) > 0 && len(series) < maxSeries && !slices.ContainsFunc(series, func(ls labels.Labels) bool { return matchesAll(s, ls) }) {
			p.report(s, "no series of %s has all of these labels at once", metric)
		}
		return nil
	})
}

// matchesAll tells whether a series has all labels of a selector but those that
// say how requests ended.
func matchesAll(s *parser.VectorSelector, ls labels.Labels) bool {
	for _, m := range s.LabelMatchers {
		if m.Name != model.MetricNameLabel && !event.MatchString(m.Name) && !m.Matches(ls.Get(m.Name)) && ls.Has(m.Name) {
			return false
		}
	}
	return true
}

func valuesOf(series []labels.Labels, name string) (values []string) {
	for _, s := range series {
		if v := s.Get(name); v != "" && !slices.Contains(values, v) {
			values = append(values, v)
		}
	}
	slices.Sort(values)
	return values
}

// some quotes a few values.
func some(values []string) string {
	const most = 5
	var quoted []string
	for _, v := range values[:min(len(values), most)] {
		quoted = append(quoted, strconv.Quote(v))
	}
	text := strings.Join(quoted, ", ")
	if more := len(values) - most; more > 0 {
		text += fmt.Sprintf(" or %d more", more)
	}
	return text
}
