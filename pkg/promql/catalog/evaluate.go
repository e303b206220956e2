package catalog

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"golang.org/x/sync/errgroup"

	"github.com/plumbline/plumbline/pkg/promql"
	"github.com/plumbline/plumbline/pkg/run"
)

// concurrency is how many queries are evaluated at one time.
const concurrency = 8

// chartPoints is how many points a chart has unless another step is asked for:
// the guide's texts are evaluated at each of them, for as many series as there are.
const chartPoints = 30

// A Scope is what queries are evaluated over.
type Scope struct {
	Preset Preset            // the zero Preset is the guide's
	Vars   map[string]string // label sets; $api, $pods and $llm may be missing: all series
	Whole  run.Window
	Steady run.Window    // zero: Whole
	Step   time.Duration // between the points of a chart; 0: so that there are some 30
}

// A Result is a query of the guide with the answers to both of its forms.
type Result struct {
	Query Query
	Guide Answer // to the guide's text
	Form  Answer // to the form that answers the question; its Expr is empty where the preset has none
}

// An Answer is what an expression gave over the run.
type Answer struct {
	Expr     string          // with its variables expanded
	Series   []promql.Series // over the whole run, at the step
	Values   []Value         // one for each series, over its window
	Warnings []string        // Prometheus' own
	Err      error           // why there is no answer
}

// A Value is one number for the window; NaN is no data.
type Value struct {
	Labels labels.Labels
	Value  float64
}

// One is the value of an answer that has just one; false when it has none or several.
func (a Answer) One() (float64, bool) {
	if len(a.Values) != 1 {
		return math.NaN(), false
	}
	return a.Values[0].Value, true
}

// Evaluate asks both forms of each query over the run. What one query can't
// answer is in its Answer; the error is that of the context.
func Evaluate(ctx context.Context, m *promql.Meter, s Scope, queries ...Query) ([]Result, error) {
	e := newEvaluation(m, s, queries)
	e.findMissing(ctx, queries)
	results := make([]Result, len(queries))
	var g errgroup.Group
	g.SetLimit(concurrency)
	for i, q := range queries {
		g.Go(func() error {
			results[i] = Result{Query: q, Guide: e.guide(ctx, q), Form: e.form(ctx, q)}
			return ctx.Err()
		})
	}
	return results, g.Wait()
}

// An evaluation is what the answers to several queries share.
type evaluation struct {
	Scope
	meter     *promql.Meter
	rate      time.Duration        // over which the rates of a chart are taken
	quantiles map[string][]float64 // that the guide asks of one expression
	missing   map[string]bool      // metrics that the run is known not to have
}

// newEvaluation fills in what a scope left out.
func newEvaluation(m *promql.Meter, s Scope, queries []Query) *evaluation {
	if s.Preset.Name == "" {
		s.Preset = Presets[0]
	}
	if s.Steady.IsZero() {
		s.Steady = s.Whole
	}
	if s.Step <= 0 {
		s.Step = max((s.Whole.Duration() / chartPoints).Round(m.Scrape()), m.Scrape())
	}
	over := max(s.Step, 4*m.Scrape())
	vars := map[string]string{"api": "", "pods": "", "llm": "", "rate": promDuration(over)}
	maps.Copy(vars, s.Vars)
	s.Vars = vars
	return &evaluation{Scope: s, meter: m, rate: over, quantiles: guideQuantiles(queries), missing: map[string]bool{}}
}

// findMissing asks once which of the metrics that queries name the run has, since
// few services have all of the guide's exporters and language models. Those of the
// requests themselves are left out: to look for them is to read most of the run.
// Where it can't be told, nothing counts as missing.
func (e *evaluation) findMissing(ctx context.Context, queries []Query) {
	var names []string
	for _, q := range queries {
		names = append(names, promql.Metrics(q.Guide)...)
		names = append(names, promql.Metrics(e.expand(q.Form(e.Preset)))...)
	}
	slices.Sort(names)
	names = slices.DeleteFunc(slices.Compact(names), func(n string) bool { return e.Preset.names(n) || Presets[0].names(n) })
	if len(names) == 0 {
		return
	}
	present, err := e.meter.Present(ctx, names, e.Whole)
	for _, name := range names {
		e.missing[name] = err == nil && !present[name]
	}
}

// unanswerable reports whether an expression is only about metrics that are missing.
func (e *evaluation) unanswerable(expr string) bool {
	names := promql.Metrics(expr)
	there := func(name string) bool { return !e.missing[name] }
	return len(names) > 0 && !slices.ContainsFunc(names, there)
}

func (e *evaluation) expand(text string) string { return promql.Expand(text, e.Vars) }

// window is what the value of a query is taken over.
func (e *evaluation) window(q Query) run.Window {
	if q.Steady {
		return e.Steady
	}
	return e.Whole
}

// guide asks the guide's text. Its value for the window is the mean of its points,
// since its one-minute window is part of the text.
func (e *evaluation) guide(ctx context.Context, query Query) Answer {
	a := e.guideChart(ctx, query.Guide)
	a.Values = means(a.Series, e.window(query))
	return a
}

// guideChart asks the guide's text over the run. Its quantiles are those of each
// series, of which there are many: they share an evaluation where Prometheus can.
func (e *evaluation) guideChart(ctx context.Context, text string) Answer {
	q, of, isQuantile := quantileOf(text)
	if !isQuantile || len(e.quantiles[of.String()]) < 2 {
		return e.chart(ctx, text)
	}
	all, err := e.meter.QuantilesRange(ctx, of.String(), e.quantiles[of.String()], e.steps())
	if errors.Is(err, promql.ErrBadQuery) {
		return e.chart(ctx, text)
	}
	return Answer{Expr: text, Series: all[q].Series, Warnings: all[q].Warnings, Err: err}
}

// form answers the question: by a reading where one tells and costs less than PromQL.
func (e *evaluation) form(ctx context.Context, q Query) Answer {
	f := q.form(e.Preset)
	if f.expr == "" {
		return Answer{Err: fmt.Errorf("%s: the names of %s have no label for it", q.ID, e.Preset.Title)}
	}
	reads, err := e.meter.Reads(ctx, e.Whole)
	switch {
	case err != nil:
		return Answer{Expr: e.expand(f.expr), Err: err}
	case reads && f.read != nil:
		return e.reading(ctx, f, e.window(q))
	}
	return e.evaluated(ctx, f.expr, e.window(q))
}

// reading reads a form from increments.
func (e *evaluation) reading(ctx context.Context, f form, window run.Window) Answer {
	a := Answer{Expr: e.expand(f.expr)}
	if e.unanswerable(a.Expr) {
		return a
	}
	of := make([]promql.Selector, len(f.of))
	for i, text := range f.of {
		if of[i], a.Err = promql.ParseSelector(text, e.Vars); a.Err != nil {
			return a
		}
	}
	var r promql.Reading
	if r, a.Err = f.read(ctx, e.meter, of, e.Whole); a.Err == nil {
		a.Series, a.Values = r.Range(e.Step, e.rate), values(r.Over(window))
	}
	return a
}

// evaluated has PromQL answer a form. A rate has the value of a rate over the
// window; anything else the mean of its points.
func (e *evaluation) evaluated(ctx context.Context, text string, window run.Window) Answer {
	a := e.chart(ctx, e.expand(text))
	if !strings.Contains(text, rate) || len(a.Series) == 0 {
		a.Values = means(a.Series, window)
		return a
	}
	vars := maps.Clone(e.Vars)
	vars["rate"] = promDuration(window.Duration())
	res, err := asked(ctx, promql.Expand(text, vars), func(ctx context.Context, expr string) (promql.Result, error) {
		return e.meter.Query(ctx, expr, window.End)
	})
	a.Err, a.Values = err, values(res.Series)
	return a
}

// chart asks an expression over the whole run.
func (e *evaluation) chart(ctx context.Context, expr string) Answer {
	if e.unanswerable(expr) {
		return Answer{Expr: expr}
	}
	res, err := asked(ctx, expr, func(ctx context.Context, expr string) (promql.Result, error) {
		return e.meter.QueryRange(ctx, expr, e.steps())
	})
	return Answer{Expr: expr, Series: res.Series, Warnings: res.Warnings, Err: err}
}

// steps are the times of the points of a chart.
func (e *evaluation) steps() promql.Range {
	return promql.Range{Start: e.Whole.Start, End: e.Whole.End, Step: e.Step}
}

// values are those of series of one point each.
func values(series []promql.Series) []Value {
	var values []Value
	for _, s := range series {
		for _, p := range s.Points {
			values = append(values, Value{s.Labels, p.Value})
		}
	}
	return values
}

// means are the means over a window of each series.
func means(series []promql.Series, w run.Window) []Value {
	var values []Value
	for _, s := range series {
		total, n := 0.0, 0
		for _, p := range s.Points {
			if !p.Time.Before(w.Start) && !p.Time.After(w.End) && !math.IsNaN(p.Value) && p.Histogram == nil {
				total, n = total+p.Value, n+1
			}
		}
		values = append(values, Value{s.Labels, total / float64(n)}) // 0/0 is NaN: no data
	}
	return values
}

// promDuration writes a duration as PromQL does.
func promDuration(d time.Duration) string {
	return model.Duration(max(d, time.Millisecond).Round(time.Millisecond)).String()
}
