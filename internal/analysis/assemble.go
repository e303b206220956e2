package analysis

import (
	"context"
	"fmt"
	"math"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/plumbline/plumbline/pkg/compare"
	"github.com/plumbline/plumbline/pkg/promql"
	"github.com/plumbline/plumbline/pkg/report"
	"github.com/plumbline/plumbline/pkg/run"
	"github.com/plumbline/plumbline/pkg/slo"
)

// assemble works out everything that the report says.
func (a *Analyzer) assemble(ctx context.Context, x *analyzed, c *compare.Comparison) (report.Report, error) {
	requests, err := x.requests(ctx)
	if err != nil {
		return report.Report{}, err
	}
	percentiles, err := x.percentiles(ctx)
	if err != nil {
		return report.Report{}, err
	}
	capacity, err := x.capacity(ctx, CapacityOptions{})
	if err != nil {
		return report.Report{}, err
	}
	r := report.Report{
		Schema: report.Schema, Generated: time.Now().UTC(), Run: x.run, Verdict: x.verdict(),
		Objectives: []report.Objective{}, Resources: []report.Resource{}, Requests: requests,
		Comparison: x.comparison(c), Capacity: capacity, Checks: x.checks(requests), Percentiles: percentiles, Charts: x.charts(),
		Warnings: x.warnings(), Versions: []report.Pair{{Name: "plumbline", Value: a.Version}},
	}
	for _, o := range x.scores.Objectives {
		r.Objectives = append(r.Objectives, x.objective(o))
	}
	for _, res := range x.scores.Resources {
		r.Resources = append(r.Resources, x.resource(res))
	}
	r.Headline, r.Reading = say(r)
	r.Queries = x.queries()
	return r, nil
}

// verdict is that of the scores; a run that isn't whole is never a pass.
func (x *analyzed) verdict() slo.Verdict {
	v := x.scores.Verdict()
	if x.run.State != run.Complete {
		v = slo.Overall(v, slo.Inconclusive)
	}
	return v
}

func (x *analyzed) objective(r slo.Result) report.Objective {
	o := r.Objective
	out := report.Objective{
		ID: o.ID, Group: o.Group, Title: o.Title, Unit: o.Unit,
		Value: report.Number(r.Value), Low: report.Number(r.Low), High: report.Number(r.High), Coverage: report.Number(r.Coverage),
		Must: boundText(o.Must), Should: boundText(o.Should), Judged: r.Judged, Verdict: r.Verdict, Marginal: r.Marginal, Reason: r.Reason,
		Query: r.Query, Link: x.link(r.Query),
	}
	if !r.Labels.IsEmpty() {
		out.Labels = r.Labels.Map()
	}
	for _, row := range r.By {
		out.By = append(out.By, x.objective(row))
	}
	return out
}

func boundText(b *slo.Bound) string {
	if b == nil {
		return ""
	}
	return b.Text
}

func (x *analyzed) resource(r slo.ResourceResult) report.Resource {
	out := report.Resource{
		ID: r.Resource.ID, Component: r.Resource.Component, Resource: r.Resource.Resource, Unit: r.Resource.Unit,
		Average: report.Number(r.Average), Peak: report.Number(r.Peak), Limit: report.Number(r.Limit),
		Judged: r.Judged, Verdict: r.Verdict, Reason: r.Reason, Query: r.Query, Link: x.link(r.Query),
	}
	if !r.PeakSeries.IsEmpty() {
		out.PeakSeries = r.PeakSeries.String()
	}
	if b := r.Resource.Peak; b != nil {
		out.Must, out.Should = boundText(b.Must), boundText(b.Should)
	}
	return out
}

// link opens a query on the Prometheus that answered it.
func (x *analyzed) link(query string) string {
	if x.url == "" || query == "" {
		return ""
	}
	return strings.TrimSuffix(x.url, "/") + "/graph?" + url.Values{"g0.expr": {query}, "g0.end_input": {x.run.Window.End.UTC().Format("2006-01-02 15:04:05")}, "g0.tab": {"0"}}.Encode()
}

func (x *analyzed) comparison(c *compare.Comparison) *report.Comparison {
	if c == nil {
		return nil
	}
	targets := map[string]slo.Result{}
	for _, r := range x.scores.Objectives {
		targets[r.Objective.ID] = r
	}
	out := &report.Comparison{
		Baseline: c.Baseline, BaselineRuns: c.BaselineRuns, CandidateRuns: c.CandidateRuns,
		Comparable: c.Comparable, Reason: c.Reason, Verdict: c.Verdict, Deltas: []report.Delta{},
	}
	for _, d := range c.Deltas {
		t := targets[d.Metric.ID]
		out.Deltas = append(out.Deltas, report.Delta{
			ID: d.Metric.ID, Title: d.Metric.Title, Group: d.Metric.Group, Unit: d.Metric.Unit,
			Baseline: report.Number(d.Baseline), Target: boundText(t.Objective.Target), Actual: report.Number(d.Actual),
			Change: report.Number(d.Change), Low: report.Number(d.Low), High: report.Number(d.High), P: report.Number(d.P),
			Worse: t.Objective.Worse, Verdict: d.Verdict, Reason: d.Reason,
			TargetJudged: t.TargetJudged, TargetVerdict: t.TargetVerdict,
			RunsNeeded: d.RunsNeeded, Detectable: report.Number(d.Detectable),
		})
	}
	return out
}

func (x *analyzed) warnings() []string {
	all := slices.Clone(x.run.Warnings)
	for _, asked := range x.meter.Asked() {
		for _, w := range asked.Warnings {
			if !slices.Contains(all, w) {
				all = append(all, w)
			}
		}
	}
	return all
}

func (x *analyzed) queries() []report.Query {
	out := []report.Query{}
	for _, q := range x.meter.Asked() {
		row := report.Query{Query: q.Query, At: q.At, Start: q.Start, Step: q.Step.Seconds(), Series: q.Series, Seconds: q.Took.Seconds(), Warnings: q.Warnings, Link: x.link(q.Query)}
		if q.Err != nil {
			row.Error = q.Err.Error()
		}
		out = append(out, row)
	}
	slices.SortStableFunc(out, func(a, b report.Query) int { return strings.Compare(a.Query, b.Query) })
	return out
}

// requests is the client's side by request name, and in all, from the generator's own series.
func (x *analyzed) requests(ctx context.Context) ([]report.Request, error) {
	sel, err := promql.ParseSelector(`loadgen_requests_total{run="$run"}`, map[string]string{"run": x.run.ID})
	if err != nil {
		return nil, err
	}
	counts, err := x.meter.Increments(ctx, sel, []string{"request", "outcome"}, x.run.Window)
	if err != nil || len(counts.Groups) == 0 {
		return []report.Request{}, err
	}
	rows := map[string]*report.Request{"": {Reasons: map[string]int64{}}}
	var names []string
	for _, g := range counts.Groups {
		name := g.Labels.Get("request")
		if rows[name] == nil {
			rows[name] = &report.Request{Request: name, Reasons: map[string]int64{}}
			names = append(names, name)
		}
		n := int64(math.Round(g.Total(0, counts.Grid.N)))
		for _, row := range []*report.Request{rows[name], rows[""]} {
			row.Requests += n
			if outcome := g.Labels.Get("outcome"); outcome != "success" && n > 0 {
				row.Failures += n
				row.Reasons[outcome] += n
			}
		}
	}
	slowest, err := x.meter.Query(ctx, fmt.Sprintf("max by (request) (%s)", sel.Named("loadgen_response_time_max_seconds")), x.run.Window.End.Add(x.meter.Scrape()))
	if err != nil {
		return nil, err
	}
	out := []report.Request{}
	for _, name := range append(names, "") {
		row := rows[name]
		row.RequestsPerSecond = report.Number(float64(row.Requests) / x.run.Window.Duration().Seconds())
		if row.ResponseTime, err = x.times(ctx, sel.Named("loadgen_response_time_seconds"), name, longest(slowest, name)); err != nil {
			return nil, err
		}
		if row.ServiceTime, err = x.times(ctx, sel.Named("loadgen_service_time_seconds"), name, math.NaN()); err != nil {
			return nil, err
		}
		out = append(out, *row)
	}
	return out, nil
}

// longest is the slowest answer of a request, or of all.
func longest(res promql.Result, name string) float64 {
	most := math.NaN()
	for _, s := range res.Series {
		if name == "" || s.Labels.Get("request") == name {
			if v := s.Points[0].Value; !(v <= most) {
				most = v
			}
		}
	}
	return most
}

// times sums up the distribution of one request name, or of all, over the whole run.
func (x *analyzed) times(ctx context.Context, sel promql.Selector, name string, slowest float64) (report.Times, error) {
	grid, spreads, err := x.meter.Spreads(ctx, sel, []string{"request"}, x.run.Window)
	var d promql.Distribution
	for _, s := range spreads {
		if name == "" || s.Labels.Get("request") == name {
			d.Add(s.Over(0, grid.N))
		}
	}
	q := func(q float64) report.Number {
		if d.Count() == 0 {
			return report.NoData
		}
		return report.Number(d.Quantile(q))
	}
	mean := report.NoData
	if d.Count() > 0 {
		mean = report.Number(d.Mean())
	}
	return report.Times{P50: q(.5), P95: q(.95), P99: q(.99), P999: q(.999), Max: report.Number(slowest), Mean: mean}, err
}

// percentileList is the guide's.
var percentileList = []float64{.5, .66, .75, .8, .9, .95, .98, .99, .999, 1}

// percentiles is the distribution over the steady window, on the server's side and on the client's.
func (x *analyzed) percentiles(ctx context.Context) ([]report.Percentile, error) {
	out := make([]report.Percentile, len(percentileList))
	for i, q := range percentileList {
		out[i] = report.Percentile{Q: q, Server: report.NoData, Client: report.NoData}
	}
	var server, client string
	for _, r := range x.scores.Objectives {
		if q := r.Objective.Quantile; q != nil && r.Objective.Group == "latency" {
			if strings.HasPrefix(q.Of, "loadgen_") {
				client = q.Of
			} else {
				server = q.Of
			}
		}
	}
	for _, side := range []struct {
		of  string
		put func(i int, v report.Number)
	}{{server, func(i int, v report.Number) { out[i].Server = v }}, {client, func(i int, v report.Number) { out[i].Client = v }}} {
		if side.of == "" {
			continue
		}
		sel, err := promql.ParseSelector(side.of, x.vars())
		if err != nil {
			return nil, err
		}
		grid, spreads, err := x.meter.Spreads(ctx, sel, nil, x.run.Window)
		if err != nil {
			return nil, err
		}
		from, to := grid.Cells(x.scored())
		for _, s := range spreads {
			d := s.Over(from, to)
			for i, q := range percentileList {
				side.put(i, report.Number(d.Quantile(q)))
			}
		}
	}
	return out, nil
}

func (x *analyzed) vars() map[string]string {
	vars := map[string]string{"run": x.run.ID}
	for name, value := range x.agreement.Vars {
		vars[name] = value
	}
	return vars
}

func (x *analyzed) scored() run.Window {
	if x.run.Steady.IsZero() {
		return x.run.Window
	}
	return x.run.Steady
}

// charts draws what the objectives and resources measured over time.
func (x *analyzed) charts() []report.Chart {
	step := x.meter.Scrape()
	rps := report.Chart{ID: "rps", Title: "Requests per second", Section: "throughput", Unit: "req/s"}
	latency := report.Chart{ID: "latency", Title: "Latency percentiles", Section: "latency", Unit: "s"}
	errors := report.Chart{ID: "errors", Title: "Errors per second", Section: "errors", Unit: "req/s"}
	for _, r := range x.scores.Objectives {
		o := r.Objective
		switch {
		case o.Rate != nil && o.Rate.Over == 0:
			add(&rps, o.Title, scaled(r.Samples, 1/step.Seconds()), x.run.Window.Start, step)
			limit(&rps, o)
		case o.Quantile != nil && o.Group == "latency":
			add(&latency, o.Title, r.Samples, x.run.Window.Start, step)
			limit(&latency, o)
		case o.Ratio != nil && o.Ratio.Bad != "":
			add(&errors, o.Title, scaled(r.Samples, 1/step.Seconds()), x.run.Window.Start, step)
		}
	}
	charts := []report.Chart{rps, latency, errors}
	for _, r := range x.scores.Resources {
		c := report.Chart{ID: r.Resource.ID, Title: r.Resource.Component + ": " + r.Resource.Resource, Section: r.Resource.Component, Unit: r.Resource.Unit}
		for _, s := range r.Series {
			addPoints(&c, seriesName(s.Labels), s.Points)
		}
		if !math.IsNaN(r.Limit) {
			c.Limits = append(c.Limits, report.Limit{Name: "limit", Value: report.Number(r.Limit)})
		}
		charts = append(charts, c)
	}
	return slices.DeleteFunc(charts, func(c report.Chart) bool { return len(c.Lines) == 0 })
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
			line.Values[i] = report.Number(values[i])
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
		line.Values = append(line.Values, report.Number(v))
	}
	c.Lines = append(c.Lines, line)
}

func limit(c *report.Chart, o slo.Objective) {
	if o.Must != nil && !math.IsNaN(o.Must.Limit()) {
		c.Limits = append(c.Limits, report.Limit{Name: o.Title, Value: report.Number(o.Must.Limit())})
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
