package lint

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"

	"github.com/plumbline/plumbline/pkg/promql"
	"github.com/plumbline/plumbline/pkg/run"
)

// Live asks a server, through a Meter, what the text of a query does not tell.
// What it asks is plain PromQL, which every server answers. Its Check may be
// called by several goroutines.
type Live struct {
	Meter  *promql.Meter
	Window run.Window // in which series must be there
	// Instead names the metric of the server that means the same as one by
	// another habit of naming; empty when there is none. It may be nil.
	Instead func(metric string) string

	once     sync.Once
	metrics  map[string]bool
	names    []string
	expected map[string]bool // metrics that rules will record
	err      error
}

// Expect tells that a metric will be there, though the server may not have it yet.
func (l *Live) Expect(metric string) {
	if l.expected == nil {
		l.expected = map[string]bool{}
	}
	l.expected[metric] = true
}

// Check finds what is wrong with a query on the server, in order of place. The
// error is trouble with the server.
func (l *Live) Check(ctx context.Context, q Query) ([]Find, error) {
	p := &pass{query: q}
	if !p.parse() {
		return nil, nil // Check says so
	}
	p.forgetAny()
	for i := range Rules {
		if p.rule = &Rules[i]; p.rule.live == nil {
			continue
		}
		if err := p.rule.live(ctx, l, p); err != nil {
			return p.sorted(), err
		}
		if slices.ContainsFunc(p.finds, func(f Find) bool { return f.Rule == "missing-metric" }) {
			break // what follows would only say so again
		}
	}
	return p.sorted(), nil
}

// Metrics are the names of all metrics in the window.
func (l *Live) Metrics(ctx context.Context) (map[string]bool, error) {
	l.once.Do(func() {
		// Two looks instead of one at every sample of the window: series come and go, names hardly do.
		l.metrics = map[string]bool{}
		for _, at := range []time.Time{l.Window.End, l.Window.Start.Add(l.Window.Duration() / 2)} {
			var res promql.Result
			if res, l.err = l.Meter.Query(ctx, `count by (__name__) ({__name__!=""})`, at); l.err != nil {
				return
			}
			for _, s := range res.Series {
				if name := s.Labels.Get(model.MetricNameLabel); !l.metrics[name] {
					l.metrics[name] = true
					l.names = append(l.names, name)
				}
			}
		}
		slices.Sort(l.names)
	})
	return l.metrics, l.err
}

// Known tells whether a metric was there, once [Live.Metrics] has asked.
func (l *Live) Known(metric string) bool { return l.metrics[metric] }

// forgetAny takes out the matchers whose value is not known.
func (p *pass) forgetAny() {
	for _, s := range selectorsIn(p.root) {
		s.LabelMatchers = slices.DeleteFunc(s.LabelMatchers, func(m *labels.Matcher) bool {
			return m.Name != model.MetricNameLabel && strings.Contains(m.Value, Any)
		})
	}
}

// over is a selector's series that were there at any time of the window.
func (l *Live) over(selector string) string {
	return fmt.Sprintf("last_over_time(%s[%s])", selector, short(max(l.Window.Duration(), time.Second).Round(time.Millisecond)))
}

// series are the labels of a metric's series in the window, at most maxSeries.
func (l *Live) series(ctx context.Context, selector string) ([]labels.Labels, error) {
	res, err := l.Meter.Query(ctx, fmt.Sprintf("topk(%d, %s)", maxSeries, l.over(selector)), l.Window.End)
	if err == nil && len(res.Series) == 0 { // topk leaves native histograms out
		res, err = l.Meter.Query(ctx, l.over(selector), l.Window.End)
	}
	return labelsIn(res.Series), err
}

// maxSeries is how many series of a metric are looked at.
const maxSeries = 1000

// eachSelector visits the selectors of the query that name a metric.
func (p *pass) eachSelector(visit func(s *parser.VectorSelector, metric string) error) error {
	for _, s := range selectorsIn(p.root) {
		if metric := metricOf(s); metric != "" {
			if err := visit(s, metric); err != nil {
				return err
			}
		}
	}
	return nil
}

// selector is a selector's own text, without offset and @.
func selector(s *parser.VectorSelector) string {
	var parts []string
	for _, m := range s.LabelMatchers {
		if m.Name != model.MetricNameLabel {
			parts = append(parts, m.String())
		}
	}
	return metricOf(s) + "{" + strings.Join(parts, ",") + "}"
}

// answer asks the query itself at the end of the window.
func (l *Live) answer(ctx context.Context, p *pass) (promql.Result, error) {
	return l.Meter.Query(ctx, p.root.String(), l.Window.End)
}

func severalSeriesAnswer(ctx context.Context, l *Live, p *pass) error {
	if err := l.severalQuantiles(ctx, p); err != nil {
		return err
	}
	if !p.query.One || p.root.Type() != parser.ValueTypeVector {
		return nil
	}
	if ls := labelsOf(p.root); ls.exact && len(ls.names) == 0 {
		return nil // one at most
	}
	res, err := l.answer(ctx, p)
	if err == nil && len(res.Series) > 1 {
		p.report(p.root, "%d series answer, which differ in %s", len(res.Series), strings.Join(differing(res.Series), ", "))
	}
	return err
}

// severalQuantiles looks at the quantiles whose buckets are not added up.
func (l *Live) severalQuantiles(ctx context.Context, p *pass) (err error) {
	p.eachQuantile(func(c *parser.Call, of parser.Expr, _ bool) {
		if _, _, s := rateOf(of); s == nil || err != nil || p.root == parser.Expr(c) && p.query.One {
			return
		}
		var res promql.Result
		if res, err = l.Meter.Query(ctx, c.String(), l.Window.End); len(res.Series) > 1 {
			p.report(c, "%d quantiles answer, which differ in %s", len(res.Series), strings.Join(differing(res.Series), ", "))
		}
	})
	return err
}

// differing lists the labels in which series differ.
func differing(series []promql.Series) (names []string) {
	all := labelsIn(series)
	for _, name := range labelNames(all) {
		if slices.ContainsFunc(all, func(ls labels.Labels) bool { return ls.Get(name) != all[0].Get(name) }) {
			names = append(names, name)
		}
	}
	return names
}

// noPairs asks both sides of each operation that itself gives nothing, and whether
// they pair: VictoriaMetrics leaves out what is no number, such as 0/0.
func noPairs(ctx context.Context, l *Live, p *pass) (err error) {
	p.each(func(n parser.Node, _ []parser.Node) {
		b, ok := n.(*parser.BinaryExpr)
		if !ok || err != nil || b.VectorMatching == nil || b.Op.IsSetOperator() || b.Op.IsComparisonOperator() {
			return
		}
		var found [4]int
		for i, e := range []parser.Expr{b, b.LHS, b.RHS, pairs(b)} {
			var res promql.Result
			if res, err = l.Meter.Query(ctx, e.String(), l.Window.End); err != nil {
				return
			}
			if found[i] = len(res.Series); i == 0 && found[0] > 0 {
				return
			}
		}
		if found[1] > 0 && found[2] > 0 && found[3] == 0 {
			p.report(b, "%d series on the left and %d on the right, and no two pair", found[1], found[2])
		}
	})
	return err
}

// pairs selects what is on the left of an operation and has something to pair with on the right.
func pairs(b *parser.BinaryExpr) parser.Expr {
	return &parser.BinaryExpr{Op: parser.LAND, LHS: b.LHS, RHS: b.RHS, VectorMatching: &parser.VectorMatching{
		Card: parser.CardManyToMany, MatchingLabels: b.VectorMatching.MatchingLabels, On: b.VectorMatching.On,
	}}
}

// inWindow is the length of the window as PromQL writes it.
func (l *Live) inWindow() string { return short(max(l.Window.Duration(), time.Second)) }

func counterReset(ctx context.Context, l *Live, p *pass) error {
	return p.eachSelector(func(s *parser.VectorSelector, metric string) error {
		if k := p.kindOf(metric); !k.counts() || k == bucket { // buckets fall with their count
			return nil
		}
		res, err := l.Meter.Query(ctx, fmt.Sprintf("sum by (job, instance) (resets(%s[%s])) > 0", selector(s), l.inWindow()), l.Window.End)
		if len(res.Series) > 0 {
			p.report(s, "%s was reset in the window%s", metric, at(labelsIn(res.Series)))
		}
		return err
	})
}

// at says at which targets.
func at(targets []labels.Labels) string {
	if targets[0].IsEmpty() {
		return ""
	}
	if more := len(targets) - 1; more > 0 {
		return fmt.Sprintf(" at %s and %d more", targets[0], more)
	}
	return " at " + targets[0].String()
}

func labelsIn(series []promql.Series) []labels.Labels {
	all := make([]labels.Labels, len(series))
	for i, s := range series {
		all[i] = s.Labels
	}
	return all
}

func targetRestart(ctx context.Context, l *Live, p *pass) error {
	return p.eachSelector(func(s *parser.VectorSelector, _ string) error {
		expr := fmt.Sprintf("%s and on (job, instance) %s", promql.Restarts("process_start_time_seconds", l.inWindow()), l.over(selector(s)))
		res, err := l.Meter.Query(ctx, expr, l.Window.End)
		if len(res.Series) > 0 {
			p.report(s, "a target restarted in the window%s", at(labelsIn(res.Series)))
		}
		return err
	})
}

func scrapeGap(ctx context.Context, l *Live, p *pass) error {
	if p.query.Scrape <= 0 {
		return nil
	}
	return p.eachSelector(func(s *parser.VectorSelector, _ string) error {
		sel, err := promql.ParseSelector(selector(s), nil)
		if err != nil {
			return nil //nolint:nilerr // a name that only quotes allow; what it covers can't be asked
		}
		c, err := l.Meter.Coverage(ctx, sel, l.Window)
		var gappy []labels.Labels
		for _, t := range c.Targets {
			if len(t.Gaps) > 0 {
				gappy = append(gappy, t.Labels)
			}
		}
		if len(gappy) > 0 {
			p.report(s, "scrapes cover %.0f %% of the window%s", 100*c.Ratio, at(gappy))
		}
		return err
	})
}

// serverWarnings passes on what Prometheus remarks on the answer.
func serverWarnings(ctx context.Context, l *Live, p *pass) error {
	res, err := l.answer(ctx, p)
	for _, w := range res.Warnings {
		p.report(p.root, "%s", w)
	}
	return err
}
