package rules

import (
	"fmt"
	"maps"
	"regexp/syntax"
	"slices"
	"strings"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/plumbline/plumbline/pkg/promql"
	"github.com/plumbline/plumbline/pkg/slo"
)

// exampleRun is the run of series of examples.
const exampleRun = "example"

// eventsPerMinute is how many events a share is of: enough for the smallest.
const eventsPerMinute = 1e6

// An example makes series that selectors pick.
type example struct {
	scenario string            // of the load generator's series
	by       string            // a label that must be there
	vars     map[string]string // of the agreement
}

func (e example) matchers(selector string) ([]*labels.Matcher, error) {
	vars := map[string]string{"run": exampleRun}
	maps.Copy(vars, e.vars)
	return promql.NewParser().ParseMetricSelector(promql.Expand(selector, vars))
}

// labels are labels that a selector's matchers take.
func (e example) labels(selector string) (metric string, ls map[string]string, err error) {
	matchers, err := e.matchers(selector)
	if err != nil {
		return "", nil, err
	}
	ls = map[string]string{}
	for _, m := range matchers {
		switch {
		case m.Name == model.MetricNameLabel:
			metric = m.Value
		case m.Type == labels.MatchEqual && m.Value != "":
			ls[m.Name] = m.Value
		case m.Type == labels.MatchRegexp && !m.Matches(""):
			ls[m.Name] = matching(m.Value)
		}
	}
	for _, m := range matchers {
		if m.Name != model.MetricNameLabel && !m.Matches(ls[m.Name]) {
			ls[m.Name] = "x"
			if !m.Matches("x") {
				return "", nil, fmt.Errorf("no label is known that %s takes", m)
			}
		}
	}
	if strings.HasPrefix(metric, "loadgen_") && ls["scenario"] == "" {
		ls["scenario"] = e.scenario
	}
	if e.by != "" {
		ls[e.by] = "a"
	}
	return metric, ls, nil
}

// matching is a text that a regular expression matches.
func matching(pattern string) string {
	re, err := syntax.Parse(pattern, syntax.Perl)
	if err != nil {
		return pattern
	}
	var b strings.Builder
	matchingNode(&b, re.Simplify())
	return b.String()
}

func matchingNode(b *strings.Builder, re *syntax.Regexp) {
	switch re.Op {
	case syntax.OpLiteral:
		b.WriteString(string(re.Rune))
	case syntax.OpCharClass:
		if len(re.Rune) > 0 {
			b.WriteRune(re.Rune[0])
		}
	case syntax.OpAnyChar, syntax.OpAnyCharNotNL:
		b.WriteByte('0')
	case syntax.OpConcat, syntax.OpCapture, syntax.OpPlus:
		for _, sub := range re.Sub {
			matchingNode(b, sub)
		}
	case syntax.OpAlternate:
		matchingNode(b, re.Sub[0])
	}
}

// series is one that a selector picks, with a suffix to its name and further labels.
func (e example) series(selector, suffix, values string, more ...string) ([]series, error) {
	metric, ls, err := e.labels(selector)
	if err != nil {
		return nil, err
	}
	for i := 0; i+1 < len(more); i += 2 {
		ls[more[i]] = more[i+1]
	}
	return []series{{notation(metric+suffix, ls), values}}, nil
}

// notation writes a series as Prometheus does.
func notation(metric string, ls map[string]string) string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(ls)) {
		parts = append(parts, fmt.Sprintf("%s=%q", name, ls[name]))
	}
	return metric + "{" + strings.Join(parts, ",") + "}"
}

// parts are the events of a ratio, of which the part is a share.
func (e example) parts(r slo.Ratio, share float64, minutes int) ([]series, error) {
	if r.Good != "" {
		share = 1 - share
	}
	return e.failures(r, rising(share*eventsPerMinute, minutes), rising((1-share)*eventsPerMinute, minutes))
}

// failures are failed events of a ratio, and the others.
func (e example) failures(r slo.Ratio, failed, others string) ([]series, error) {
	if r.Good != "" {
		failed, others = others, failed
	}
	part, err := e.series(r.Part(), "", failed)
	if err != nil {
		return nil, err
	}
	rest, err := e.rest(r)
	if err != nil {
		return nil, err
	}
	return append(part, series{rest, others}), nil
}

// rest is a series of the total that is none of the part.
func (e example) rest(r slo.Ratio) (string, error) {
	total, ls, err := e.labels(r.Total)
	if err != nil {
		return "", err
	}
	part, err := e.matchers(r.Part())
	if err != nil {
		return "", err
	}
	for _, m := range part {
		if m.Name == model.MetricNameLabel {
			if m.Value != total {
				return notation(total, ls), nil // counted apart: the total must not hold the part again
			}
			continue
		}
		if _, fixed := ls[m.Name]; fixed {
			continue
		}
		for _, v := range []string{"200", "success", "failed"} {
			if !m.Matches(v) {
				ls[m.Name] = v
				return notation(total, ls), nil
			}
		}
	}
	return "", fmt.Errorf("no series of %s is known that is none of %s", r.Total, r.Part())
}

// quantile are buckets between two bounds, such that the quantile falls on a value.
func (e example) quantile(q slo.Quantile, value float64, minutes int) ([]series, error) {
	width := value / 10
	low := value - q.Q*width
	var all []series
	for _, bucket := range []struct {
		le     string
		events float64
	}{{number(low), 0}, {number(low + width), eventsPerMinute}, {"+Inf", eventsPerMinute}} {
		s, err := e.series(q.Of, "_bucket", rising(bucket.events, minutes), model.BucketLabel, bucket.le)
		if err != nil {
			return nil, err
		}
		all = append(all, s...)
	}
	return all, nil
}

// mean are a histogram's sum and count.
func (e example) mean(of string, value float64, minutes int) ([]series, error) {
	sum, err := e.series(of, "_sum", rising(value*600, minutes))
	if err != nil {
		return nil, err
	}
	count, err := e.series(of, "_count", rising(600, minutes))
	return append(sum, count...), err
}
