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

	"github.com/plumbline/plumbline/pkg/promql"
	"github.com/plumbline/plumbline/pkg/report"
	"github.com/plumbline/plumbline/pkg/slo"
)

// charts draws what the objectives and resources measured over time.
func (x *analyzed) charts(ctx context.Context) ([]report.Chart, error) {
	charts := x.objectiveCharts()
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

func (x *analyzed) objectiveCharts() []report.Chart {
	step := x.meter.Scrape()
	rps := report.Chart{ID: "rps", Title: "Requests per second", Section: "throughput", Unit: "req/s"}
	latency := report.Chart{ID: "latency", Title: "Latency percentiles, server", Section: "latency", Unit: "s"}
	client := report.Chart{ID: "client-latency", Title: "Latency percentiles, client", Section: "latency", Unit: "s"}
	errors := report.Chart{ID: "errors", Title: "Errors per second", Section: "errors", Unit: "req/s"}
	llm := report.Chart{ID: "llm", Title: "LLM latency", Section: "llm", Unit: "s"}
	for _, r := range x.scores.Objectives {
		o := r.Objective
		switch {
		case o.Rate != nil && o.Rate.Over == 0:
			add(&rps, o.Title, scaled(r.Samples, 1/step.Seconds()), x.run.Window.Start, step)
			limit(&rps, o)
		case o.Quantile != nil && o.Group == "llm":
			for _, row := range r.By {
				add(&llm, o.Title+" "+row.Labels.Get(o.By), row.Samples, x.run.Window.Start, step)
			}
		case o.Quantile != nil && o.Quantile.Q > mostDrawn: // of few events in an interval, it would jump and flatten the others
		case o.Quantile != nil && o.Group == "latency" && strings.HasPrefix(o.Quantile.Of, "loadgen_"):
			add(&client, o.Title, r.Samples, x.run.Window.Start, step)
			limit(&client, o)
		case o.Quantile != nil && o.Group == "latency":
			add(&latency, o.Title, r.Samples, x.run.Window.Start, step)
			limit(&latency, o)
		case o.Ratio != nil && o.Ratio.Bad != "":
			add(&errors, o.Title, scaled(r.Samples, 1/step.Seconds()), x.run.Window.Start, step)
		}
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
