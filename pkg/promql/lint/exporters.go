package lint

import (
	"regexp"
	"slices"

	"github.com/prometheus/prometheus/promql/parser"
)

var (
	cadvisor  = regexp.MustCompile(`^container_(cpu|memory)_`)
	onePart   = []string{"container", "container_name", "image", "name", "id"}
	coreTime  = regexp.MustCompile(`^(container|process)_cpu_(usage_)?(user_|system_)?seconds_total$`)
	startRate = regexp.MustCompile(`^k6_\w+_rate$`)
)

func cadvisorTwice(p *pass) {
	p.each(func(n parser.Node, above []parser.Node) {
		s, ok := n.(*parser.VectorSelector)
		if !ok || !cadvisor.MatchString(metricOf(s)) {
			return
		}
		for _, m := range s.LabelMatchers {
			if slices.Contains(onePart, m.Name) {
				return
			}
		}
		for _, n := range above {
			if a, ok := n.(*parser.AggregateExpr); ok && !a.Without && slices.ContainsFunc(a.Grouping, func(l string) bool { return slices.Contains(onePart, l) }) {
				return // told apart
			}
		}
		p.report(s, "%s has a series for the pod beside those of its containers", metricOf(s))
	})
}

func shareOfOneCore(p *pass) {
	p.each(func(n parser.Node, _ []parser.Node) {
		b, ok := n.(*parser.BinaryExpr)
		if !ok || b.Op != parser.MUL {
			return
		}
		of := b.LHS
		if x, isNumber := number(b.RHS); !isNumber || x != 100 {
			if x, isNumber := number(b.LHS); !isNumber || x != 100 {
				return
			}
			of = b.RHS
		}
		for {
			a, ok := unwrap(of).(*parser.AggregateExpr)
			if !ok {
				break
			}
			of = a.Expr
		}
		if _, _, s := rateOf(of); s != nil && coreTime.MatchString(metricOf(s)) {
			p.report(b, "percent of one core: a pod with a limit of 4 reaches 400")
		}
	})
}

// A misreading is a metric whose name misleads.
type misreading struct {
	metric *regexp.Regexp
	is     func(p *pass, s *parser.VectorSelector, above []parser.Node) bool
	text   string
	as     Severity
}

var misreadings = []misreading{
	{regexp.MustCompile(`^container_memory_usage_bytes$`), func(*pass, *parser.VectorSelector, []parser.Node) bool { return true },
		"%s includes cache that the kernel gives back; the limit kills on container_memory_working_set_bytes", Warning},
	{regexp.MustCompile(`^pg_stat_activity_count$`), unaggregated,
		"%s is one number for each database and state, and counts idle connections too: sum it, or pick state=\"active\"", Info},
	{regexp.MustCompile(`^pg_settings_max_connections$`), alone,
		"%s is what the server accepts from everybody, not the application's pool", Info},
	{startRate, overTime,
		"%s is a share since the start of the test; over a window it says nothing about that window", Error},
}

func alone(_ *pass, _ *parser.VectorSelector, above []parser.Node) bool { return len(above) == 0 }

func unaggregated(_ *pass, _ *parser.VectorSelector, above []parser.Node) bool {
	return !slices.ContainsFunc(above, func(n parser.Node) bool { _, is := n.(*parser.AggregateExpr); return is })
}

// overTime is true inside a function over a range; a rate is found by another rule.
func overTime(_ *pass, _ *parser.VectorSelector, above []parser.Node) bool {
	for _, n := range above {
		if _, ok := isCall(n, "avg_over_time", "min_over_time", "max_over_time", "sum_over_time", "quantile_over_time", "delta", "deriv"); ok {
			return true
		}
	}
	return false
}

func misreadMetric(p *pass) {
	p.each(func(n parser.Node, above []parser.Node) {
		s, ok := n.(*parser.VectorSelector)
		if !ok {
			return
		}
		for _, m := range misreadings {
			if m.metric.MatchString(metricOf(s)) && m.is(p, s, above) {
				p.reportAs(m.as, s, m.text, metricOf(s))
			}
		}
	})
}
