package analysis

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/plumbline/plumbline/internal/store"
	"github.com/plumbline/plumbline/pkg/compare"
	"github.com/plumbline/plumbline/pkg/promql"
	"github.com/plumbline/plumbline/pkg/report"
	"github.com/plumbline/plumbline/pkg/slo"
)

// before is what the latest run of the baseline measured, to be drawn beside the run.
type before struct {
	name string
	kept map[string]store.Value // by objective
}

// beforeOf is what the store kept of the latest run that a run was compared with;
// empty when there is none.
func (a *Analyzer) beforeOf(ctx context.Context, x *analyzed, c *compare.Comparison) (before, error) {
	if c == nil || !c.Comparable {
		return before{}, nil
	}
	latest := c.BaselineRuns[len(c.BaselineRuns)-1]
	kept, err := a.Store.Values(ctx, []string{latest})
	if err != nil {
		return before{}, err
	}
	b := before{c.Baseline, kept[latest]}
	for _, r := range x.scores.Objectives {
		if b.kept[r.Objective.ID].Definition != definition(r.Objective, x.agreement.Vars) {
			delete(b.kept, r.Objective.ID)
		}
	}
	return b, nil
}

// besides is the quantile of which the baseline is drawn: all of them could not be told apart.
const besides = .95

// add draws an objective of the baseline in the chart that has the run's, once a
// chart, when both were sampled at the same interval.
func (b before) add(c *report.Chart, o slo.Objective, factor float64, start time.Time, step time.Duration) {
	v := b.kept[o.ID]
	drawnAlready := slices.ContainsFunc(c.Lines, func(l report.Line) bool { return l.Baseline })
	if len(c.Lines) == 0 || drawnAlready || v.Step != step || o.Quantile != nil && o.Quantile.Q != besides {
		return
	}
	lines := len(c.Lines)
	add(c, b.name+" "+o.Title, scaled(v.Samples, factor), start, step)
	for i := lines; i < len(c.Lines); i++ {
		c.Lines[i].Baseline = true
	}
}

// baselineLast keeps the colours of the run's lines, which go by their order.
func baselineLast(c *report.Chart) {
	slices.SortStableFunc(c.Lines, func(a, b report.Line) int {
		switch {
		case a.Baseline == b.Baseline:
			return 0
		case b.Baseline:
			return -1
		}
		return 1
	})
}

// charts draws what the objectives and resources measured over time.
func (x *analyzed) charts(ctx context.Context, b before) ([]report.Chart, error) {
	charts := x.objectiveCharts(b)
	users, err := x.usersChart(ctx)
	if err != nil {
		return nil, err
	}
	charts = append(charts, users)
	for _, r := range x.scores.Resources {
		charts = append(charts, resourceChart(r))
	}
	return slices.DeleteFunc(charts, func(c report.Chart) bool { return len(c.Lines) == 0 }), nil
}

// mostDrawn is the highest quantile that charts show, as the guide's panel does.
const mostDrawn = .99

func (x *analyzed) objectiveCharts(b before) []report.Chart {
	start, step := x.run.Window.Start, x.meter.Scrape()
	perSecond := 1 / step.Seconds()
	rps := report.Chart{ID: "rps", Title: "Requests per second", Section: "throughput", Unit: "req/s"}
	latency := report.Chart{ID: "latency", Title: "Latency percentiles, server", Section: "latency", Unit: "s"}
	client := report.Chart{ID: "client-latency", Title: "Latency percentiles, client", Section: "latency", Unit: "s"}
	errors := report.Chart{ID: "errors", Title: "Errors per second", Section: "errors", Unit: "req/s"}
	llm := report.Chart{ID: "llm", Title: "LLM latency", Section: "llm", Unit: "s"}
	for _, r := range x.scores.Objectives {
		o := r.Objective
		switch {
		case o.Rate != nil && o.Rate.Over == 0:
			add(&rps, o.Title, scaled(r.Samples, perSecond), start, step)
			b.add(&rps, o, perSecond, start, step)
			limit(&rps, o)
		case o.Quantile != nil && o.Group == "llm":
			for _, row := range r.By {
				add(&llm, o.Title+" "+row.Labels.Get(o.By), row.Samples, start, step)
			}
		case o.Quantile != nil && o.Quantile.Q > mostDrawn: // of few events in an interval, it would jump and flatten the others
		case o.Quantile != nil && o.Group == "latency" && strings.HasPrefix(o.Quantile.Of, "loadgen_"):
			add(&client, o.Title, r.Samples, start, step)
			b.add(&client, o, 1, start, step)
			limit(&client, o)
		case o.Quantile != nil && o.Group == "latency":
			add(&latency, o.Title, r.Samples, start, step)
			b.add(&latency, o, 1, start, step)
			limit(&latency, o)
		case o.Ratio != nil && o.Ratio.Bad != "":
			add(&errors, o.Title, scaled(r.Samples, perSecond), start, step)
			b.add(&errors, o, perSecond, start, step)
		}
	}
	for _, c := range []*report.Chart{&rps, &latency, &client, &errors} {
		baselineLast(c)
	}
	return []report.Chart{rps, latency, client, errors, llm}
}

// usersChart draws the users of a closed model, or the iterations per second of an open one.
func (x *analyzed) usersChart(ctx context.Context) (report.Chart, error) {
	c := report.Chart{ID: "users", Title: "Users", Section: "users"}
	res, err := x.meter.QueryRange(ctx, fmt.Sprintf("sum(loadgen_users{run=%s})", strconv.Quote(x.run.ID)),
		promql.Range{Start: x.run.Window.Start, End: x.run.Window.End, Step: x.meter.Scrape()})
	for _, s := range res.Series {
		addPoints(&c, "users", s.Points)
	}
	return c, err
}

func resourceChart(r slo.ResourceResult) report.Chart {
	c := report.Chart{ID: r.Resource.ID, Title: r.Resource.Component + ": " + r.Resource.Resource, Section: r.Resource.Component, Unit: r.Resource.Unit}
	for _, s := range r.Series {
		addPoints(&c, seriesName(s.Labels), s.Points)
	}
	if !math.IsNaN(r.Limit) {
		limit := report.Number(r.Limit)
		c.Limits = append(c.Limits, report.Limit{Name: "limit " + report.Quantity(limit, r.Resource.Unit), Value: limit})
	}
	if b := r.Resource.Peak; b != nil && b.Must != nil && r.Resource.Unit == "ratio" && !math.IsNaN(b.Must.Limit()) {
		c.Limits = append(c.Limits, report.Limit{Name: report.BoundText(b.Must.Text), Value: report.Number(b.Must.Limit())})
	}
	return c
}

func scaled(values []float64, f float64) []float64 {
	out := make([]float64, len(values))
	for i, v := range values {
		out[i] = v * f
	}
	return out
}

// add draws the values of a grid of intervals; each stands at its interval's end.
func add(c *report.Chart, name string, values []float64, start time.Time, step time.Duration) {
	if len(values) < 2 {
		return
	}
	values = values[:len(values)-1] // the last interval lies after the window, for the closing scrape
	if c.Times == nil {
		for i := range values {
			c.Times = append(c.Times, start.Add(time.Duration(i+1)*step))
		}
	}
	line := report.Line{Name: name, Values: make([]report.Number, len(c.Times))}
	for i := range line.Values {
		line.Values[i] = report.NoData
		if i < len(values) {
			line.Values[i] = drawn(values[i])
		}
	}
	c.Lines = append(c.Lines, line)
}

// addPoints draws a series; the first one gives the chart its times.
func addPoints(c *report.Chart, name string, points []promql.Point) {
	if c.Times == nil {
		for _, p := range points {
			c.Times = append(c.Times, p.Time)
		}
	}
	at := map[int64]float64{}
	for _, p := range points {
		at[p.Time.UnixMilli()] = p.Value
	}
	line := report.Line{Name: name}
	for _, t := range c.Times {
		v, ok := at[t.UnixMilli()]
		if !ok {
			v = math.NaN()
		}
		line.Values = append(line.Values, drawn(v))
	}
	c.Lines = append(c.Lines, line)
}

func limit(c *report.Chart, o slo.Objective) {
	if o.Must != nil && !math.IsNaN(o.Must.Limit()) {
		c.Limits = append(c.Limits, report.Limit{Name: o.Title + " " + report.BoundText(o.Must.Text), Value: report.Number(o.Must.Limit())})
	}
}

func seriesName(ls labels.Labels) string {
	var parts []string
	ls.Range(func(l labels.Label) { parts = append(parts, l.Value) })
	if len(parts) == 0 {
		return "used"
	}
	return strings.Join(parts, " ")
}

// drawn keeps five digits of a number: more can't be seen, and they take room.
func drawn(v float64) report.Number {
	short, err := strconv.ParseFloat(strconv.FormatFloat(v, 'g', 5, 64), 64)
	if err != nil {
		return report.NoData
	}
	return report.Number(short)
}
