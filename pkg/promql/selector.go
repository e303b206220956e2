package promql

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
)

// NewParser gives the parser that every expression of ours is read with: it
// knows what Prometheus 3 knows, extended range selectors included.
func NewParser() parser.Parser {
	return parser.NewParser(parser.Options{EnableExperimentalFunctions: true})
}

var variable = regexp.MustCompile(`\$(?:\{([A-Za-z_]\w*)\}|([A-Za-z_]\w*))`)

// Expand replaces $name and ${name} of the variables that vars declares; any
// other $ stays. A variable that holds nothing, or a list of label matchers,
// leaves a valid selector behind.
func Expand(text string, vars map[string]string) string {
	return Trace(text, vars).Text
}

// splitQuoted cuts text into pieces outside (even) and inside (odd, with their quotes) of quotes.
func splitQuoted(text string) []string {
	var parts []string
	start := 0
	for i := 0; i < len(text); i++ {
		if q := text[i]; q == '"' || q == '\'' || q == '`' {
			end := i + 1
			for end < len(text) && text[end] != q {
				if text[end] == '\\' && q != '`' {
					end++
				}
				end++
			}
			end = min(end+1, len(text))
			parts = append(parts, text[start:i], text[i:end])
			start, i = end, end-1
		}
	}
	return append(parts, text[start:])
}

// A Selector names series: a metric and label matchers.
type Selector struct {
	Metric   string
	Matchers []*labels.Matcher // without the one for the name
	fromVars map[string]bool   // labels whose matcher came from a variable
}

// ParseSelector reads a selector whose variables are expanded from vars. It
// remembers which matchers the variables brought: those say whose series are
// meant, the others which part of them (see Population).
func ParseSelector(text string, vars map[string]string) (Selector, error) {
	whole, err := parseMatchers(Expand(text, vars))
	if err != nil {
		return Selector{}, fmt.Errorf("selector %q: %w", text, err)
	}
	s := Selector{fromVars: map[string]bool{}}
	for _, m := range whole {
		if m.Name == model.MetricNameLabel && m.Type == labels.MatchEqual {
			s.Metric = m.Value
			continue
		}
		s.Matchers = append(s.Matchers, m)
		s.fromVars[m.Name] = true
	}
	if s.Metric == "" {
		return Selector{}, fmt.Errorf("selector %q: name a metric, such as http_requests_total{…}", text)
	}
	for _, name := range literalLabels(text) {
		s.fromVars[name] = false
	}
	return s, nil
}

func parseMatchers(text string) ([]*labels.Matcher, error) {
	return NewParser().ParseMetricSelector(text)
}

var literalMatcher = regexp.MustCompile(`([A-Za-z_]\w*)\s*(?:=~|!~|!=|=)\s*$`)

// literalLabels are the labels whose values are written out in the selector's
// text, not brought by a variable, neither whole nor as the value.
func literalLabels(text string) []string {
	var names []string
	parts := splitQuoted(text)
	for i := 0; i+1 < len(parts); i += 2 {
		if m := literalMatcher.FindStringSubmatch(parts[i]); m != nil && !variable.MatchString(parts[i+1]) {
			names = append(names, m[1])
		}
	}
	return names
}

// Population is the selector of all series that this one picks from: what its
// variables say stays, and each label that it names must merely be there. No
// series of a population means that a label is missing, not that nothing happened.
func (s Selector) Population() Selector {
	p := Selector{Metric: s.Metric, fromVars: s.fromVars}
	for _, m := range s.Matchers {
		if !s.fromVars[m.Name] && !m.Matches("") {
			m = labels.MustNewMatcher(labels.MatchNotEqual, m.Name, "")
		}
		p.Matchers = append(p.Matchers, m)
	}
	return p
}

// PicksBy lists the labels that tell the selector's series from its population's.
func (s Selector) PicksBy() []string {
	var names []string
	for _, m := range s.Matchers {
		if !s.fromVars[m.Name] && !m.Matches("") {
			names = append(names, m.Name)
		}
	}
	return names
}

// Named is the selector with another metric name.
func (s Selector) Named(metric string) Selector {
	s.Metric = metric
	return s
}

// without is the selector without the matchers of a label.
func (s Selector) without(label string) Selector {
	s.Matchers = slices.DeleteFunc(slices.Clone(s.Matchers), func(m *labels.Matcher) bool { return m.Name == label })
	return s
}

// partOf reports whether every matcher of the selector is one of another, which
// has more: that one picks from its series.
func (s Selector) partOf(of Selector) bool {
	has := func(m *labels.Matcher) bool {
		return slices.ContainsFunc(of.Matchers, func(o *labels.Matcher) bool { return o.String() == m.String() })
	}
	return s.Metric != "" && s.Metric == of.Metric && len(s.Matchers) < len(of.Matchers) &&
		!slices.ContainsFunc(s.Matchers, func(m *labels.Matcher) bool { return !has(m) })
}

// picks reports whether a series has what the selector's matchers ask for.
func (s Selector) picks(ls labels.Labels) bool {
	return !slices.ContainsFunc(s.All(), func(m *labels.Matcher) bool { return !m.Matches(ls.Get(m.Name)) })
}

// All are the selector's matchers, that of its name included.
func (s Selector) All() []*labels.Matcher {
	if s.Metric == "" {
		return s.Matchers
	}
	return append([]*labels.Matcher{labels.MustNewMatcher(labels.MatchEqual, model.MetricNameLabel, s.Metric)}, s.Matchers...)
}

func (s Selector) String() string {
	if len(s.Matchers) == 0 {
		return s.Metric
	}
	parts := make([]string, len(s.Matchers))
	for i, m := range s.Matchers {
		parts[i] = m.String()
	}
	return s.Metric + "{" + strings.Join(parts, ",") + "}"
}

// sumBy is the sum of an expression over all labels but by.
func sumBy(by []string, expr string) string {
	if len(by) == 0 {
		return "sum(" + expr + ")"
	}
	return "sum by (" + strings.Join(by, ", ") + ") (" + expr + ")"
}
