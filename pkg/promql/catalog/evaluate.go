package catalog

import (
	"context"
	"fmt"
	"maps"
	"math"
	"strings"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"golang.org/x/sync/errgroup"

	"github.com/plumbline/plumbline/pkg/promql"
	"github.com/plumbline/plumbline/pkg/run"
)

// concurrency is how many queries are evaluated at one time.
const concurrency = 8

// A Scope is what queries are evaluated over.
type Scope struct {
	Preset Preset            // the zero Preset is the guide's
	Vars   map[string]string // label sets; $api, $pods and $llm may be missing: all series
	Whole  run.Window
	Steady run.Window    // zero: Whole
	Step   time.Duration // between the points of a chart; 0: the scrape interval. Charts of the guide's texts may have fewer
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
	s = s.complete(m.Scrape())
	results := make([]Result, len(queries))
	var g errgroup.Group
	g.SetLimit(concurrency)
	for i, q := range queries {
		g.Go(func() error {
			results[i] = Result{Query: q, Guide: s.guide(ctx, m, q), Form: s.form(ctx, m, q)}
			return ctx.Err()
		})
	}
	return results, g.Wait()
}

// complete fills in what was left out.
func (s Scope) complete(scrape time.Duration) Scope {
	if s.Preset.Name == "" {
		s.Preset = Presets[0]
	}
	if s.Steady.IsZero() {
		s.Steady = s.Whole
	}
	if s.Step <= 0 {
		s.Step = scrape
	}
	vars := map[string]string{"api": "", "pods": "", "llm": "", "rate": promDuration(4 * scrape)}
	maps.Copy(vars, s.Vars)
	s.Vars = vars
	return s
}

// window is what the value of a query is taken over.
func (s Scope) window(q Query) run.Window {
	if q.Steady {
		return s.Steady
	}
	return s.Whole
}

// guidePoints is how many points a chart of the guide's text has at most: it
// shows what the text gives, at as many series as there are.
const guidePoints = 30

// guide asks the guide's text. Its value for the window is the mean of its points,
// since its one-minute window is part of the text.
func (s Scope) guide(ctx context.Context, m *promql.Meter, q Query) Answer {
	s.Step = max(s.Step, s.Whole.Duration()/guidePoints)
	a := s.chart(ctx, m, q.Guide)
	a.Values = means(a.Series, s.window(q))
	return a
}

// form asks the form that answers the question. A rate has the value of a rate
// over the whole window; anything else the mean of its points.
func (s Scope) form(ctx context.Context, m *promql.Meter, q Query) Answer {
	text := q.Form(s.Preset)
	if text == "" {
		return Answer{Err: fmt.Errorf("%s: the names of %s have no label for it", q.ID, s.Preset.Title)}
	}
	a := s.chart(ctx, m, promql.Expand(text, s.Vars))
	window := s.window(q)
	if !strings.Contains(text, rate) || a.Err != nil {
		a.Values = means(a.Series, window)
		return a
	}
	vars := maps.Clone(s.Vars)
	vars["rate"] = promDuration(window.Duration())
	res, err := asked(ctx, promql.Expand(text, vars), func(ctx context.Context, expr string) (promql.Result, error) {
		return m.Query(ctx, expr, window.End)
	})
	a.Err = err
	for _, series := range res.Series {
		for _, p := range series.Points {
			a.Values = append(a.Values, Value{series.Labels, p.Value})
		}
	}
	return a
}

// chart asks an expression over the whole run.
func (s Scope) chart(ctx context.Context, m *promql.Meter, expr string) Answer {
	res, err := asked(ctx, expr, func(ctx context.Context, expr string) (promql.Result, error) {
		return m.QueryRange(ctx, expr, promql.Range{Start: s.Whole.Start, End: s.Whole.End, Step: s.Step})
	})
	return Answer{Expr: expr, Series: res.Series, Warnings: res.Warnings, Err: err}
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
func promDuration(d time.Duration) string { return fmt.Sprintf("%dms", max(d.Milliseconds(), 1)) }
