package loadgen

import (
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/plumbline/plumbline/pkg/strictyaml"
)

// An AbortRule ends a run early: when a measure of the load has been beyond a
// bound in every second for some time. Seconds without any request are passed over.
type AbortRule struct {
	text   string
	metric abortMetric
	op     string
	bound  float64
	hold   time.Duration
}

// ErrAborted is the error of a run that an AbortRule ended.
type ErrAborted struct {
	Rule  string
	Value string // of the last second
}

func (e *ErrAborted) Error() string {
	return fmt.Sprintf("ended by the rule %q: it was %s", e.Rule, e.Value)
}

// An abortMetric is what a rule can look at, over a second of the load.
type abortMetric struct {
	name  string
	unit  abortUnit
	value func(Count, time.Duration) float64
}

type abortUnit int

const (
	ratioUnit abortUnit = iota // 0.5 or 50%
	rateUnit                   // 100 or 100/s
	timeUnit                   // 500ms
)

func quantileMetric(name string, q float64) abortMetric {
	return abortMetric{name, timeUnit, func(c Count, _ time.Duration) float64 { return c.Quantile(q) }}
}

var abortMetrics = []abortMetric{
	{"error_rate", ratioUnit, func(c Count, _ time.Duration) float64 { return float64(c.Failures) / float64(c.Requests) }},
	{"rps", rateUnit, func(c Count, d time.Duration) float64 { return float64(c.Requests) / d.Seconds() }},
	{"mean", timeUnit, func(c Count, _ time.Duration) float64 { return c.Mean() }},
	{"max", timeUnit, func(c Count, _ time.Duration) float64 { return c.Max() }},
	quantileMetric("p50", 0.50),
	quantileMetric("p90", 0.90),
	quantileMetric("p95", 0.95),
	quantileMetric("p99", 0.99),
	quantileMetric("p999", 0.999),
}

var abortForm = regexp.MustCompile(`^\s*(\S+?)\s*(<=|>=|<|>)\s*(\S+)\s+for\s+(\S+)\s*$`)

// ParseAbortRule reads METRIC OPERATOR VALUE for DURATION, such as
// "error_rate > 0.5 for 10s" or "p95 >= 2s for 30s".
func ParseAbortRule(text string) (AbortRule, error) {
	m := abortForm.FindStringSubmatch(text)
	if m == nil {
		return AbortRule{}, fmt.Errorf("want METRIC OPERATOR VALUE for DURATION, such as 'error_rate > 0.5 for 10s' or 'p95 > 2s for 30s'; operators are <, <=, > and >=, got %q", text)
	}
	i := slices.IndexFunc(abortMetrics, func(a abortMetric) bool { return a.name == m[1] })
	if i < 0 {
		var names []string
		for _, a := range abortMetrics {
			names = append(names, a.name)
		}
		if near := strictyaml.Nearest(m[1], names); near != "" {
			return AbortRule{}, fmt.Errorf("unknown metric %q; did you mean %s?", m[1], near)
		}
		return AbortRule{}, fmt.Errorf("unknown metric %q; there are %s", m[1], strings.Join(names, ", "))
	}
	r := AbortRule{text: strings.Join(strings.Fields(text), " "), metric: abortMetrics[i], op: m[2]}
	var err error
	if r.bound, err = r.metric.unit.parse(m[3]); err != nil {
		return AbortRule{}, fmt.Errorf("%s: %w", r.metric.name, err)
	}
	if r.hold, err = strictyaml.ParseDuration(m[4]); err != nil || r.hold < time.Second {
		return AbortRule{}, fmt.Errorf("for: want a duration of at least 1s, got %q", m[4])
	}
	return r, nil
}

func (u abortUnit) parse(text string) (float64, error) {
	switch u {
	case ratioUnit:
		number, percent := strings.CutSuffix(text, "%")
		v, err := strconv.ParseFloat(number, 64)
		if percent {
			v /= 100
		}
		if err != nil || !(v >= 0 && v <= 1) {
			return 0, fmt.Errorf("want a ratio such as 0.05 or 5%%, got %q", text)
		}
		return v, nil
	case rateUnit:
		v, err := strconv.ParseFloat(strings.TrimSuffix(text, "/s"), 64)
		if err != nil || !(v >= 0) || math.IsInf(v, 0) {
			return 0, fmt.Errorf("want requests per second such as 100 or 100/s, got %q", text)
		}
		return v, nil
	case timeUnit:
	}
	d, err := strictyaml.ParseDuration(text)
	if err != nil || d < 0 {
		return 0, fmt.Errorf("want a duration with its unit, such as 500ms or 2s, got %q", text)
	}
	return d.Seconds(), nil
}

func (u abortUnit) print(v float64) string {
	switch u {
	case ratioUnit:
		return strconv.FormatFloat(v*100, 'g', 3, 64) + "%"
	case rateUnit:
		return number(v) + "/s"
	case timeUnit:
	}
	return seconds(v)
}

func (r AbortRule) String() string { return r.text }

func (r AbortRule) beyond(v float64) bool {
	switch r.op {
	case "<":
		return v < r.bound
	case "<=":
		return v <= r.bound
	case ">":
		return v > r.bound
	}
	return v >= r.bound
}

// An aborter follows a run's load second by second.
type aborter struct {
	rules  []AbortRule
	since  []time.Time // when each rule began to hold without a break; zero: it doesn't
	before Count
	at     time.Time
}

func newAborter(rules []AbortRule) *aborter {
	return &aborter{rules: rules, since: make([]time.Time, len(rules))}
}

// look is why the run should end, given its counts; nil while it should go on.
func (a *aborter) look(now time.Time, total Count) error {
	second, took, from := total.since(a.before), now.Sub(a.at), a.at
	first := a.at.IsZero()
	a.before, a.at = total, now
	if first || second.Requests == 0 && !a.anyRate() {
		return nil
	}
	for i, r := range a.rules {
		if second.Requests == 0 && r.metric.unit != rateUnit {
			continue
		}
		v := r.metric.value(second, took)
		if !r.beyond(v) {
			a.since[i] = time.Time{}
			continue
		}
		if a.since[i].IsZero() {
			a.since[i] = from
		}
		if now.Sub(a.since[i]) >= r.hold {
			return &ErrAborted{r.text, r.metric.unit.print(v)}
		}
	}
	return nil
}

// anyRate: a rate of 0 is known also in a second without requests.
func (a *aborter) anyRate() bool {
	return slices.ContainsFunc(a.rules, func(r AbortRule) bool { return r.metric.unit == rateUnit })
}
