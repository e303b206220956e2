package analysis

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/common/model"

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
	checks, err := x.checks(ctx, requests, percentiles)
	if err != nil {
		return report.Report{}, err
	}
	beside, err := a.beforeOf(ctx, x, c)
	if err != nil {
		return report.Report{}, err
	}
	charts, err := x.charts(ctx, beside)
	if err != nil {
		return report.Report{}, err
	}
	r := report.Report{
		Schema: report.Schema, Generated: time.Now().UTC(), Run: x.run, Verdict: x.verdict(), Steady: x.steadyNote(),
		Objectives: []report.Objective{}, Resources: []report.Resource{}, Requests: requests,
		Findings: []report.Finding{}, Improvements: []report.Improvement{},
		Comparison: x.comparison(c), Capacity: capacity, Checks: checks, Percentiles: percentiles, Charts: charts,
		Warnings: x.warnings(), Versions: []report.Pair{{Name: "plumbline", Value: a.Version}},
	}
	for _, o := range x.scores.Objectives {
		r.Objectives = append(r.Objectives, x.objective(o))
	}
	for _, res := range x.scores.Resources {
		r.Resources = append(r.Resources, x.resource(res))
	}
	if x.dashboard != nil {
		r.Dashboard = x.dashboard(x.run)
	}
	if err := x.diagnose(ctx, &r); err != nil {
		return report.Report{}, err
	}
	if err := x.catalogue(ctx, &r); err != nil {
		return report.Report{}, err
	}
	r.Summarize()
	r.Queries = x.queries()
	return r, nil
}

// steadyNote says which part was scored, and whether it was one state.
func (x *analyzed) steadyNote() *report.Steady {
	s := x.steady
	return &report.Steady{CutSeconds: s.Cut.Seconds(), Steady: !s.Window.IsZero() && s.Known && s.Steady(),
		Throughput: report.Number(s.Throughput), Latency: report.Number(s.Latency), Note: s.Note()}
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
		Must: boundText(o.Must), Should: boundText(o.Should), Target: ownTarget(o), Judged: r.Judged, Verdict: r.Verdict, Marginal: r.Marginal, Reason: r.Reason,
		Question: x.question(r.Query, r.At),
	}
	if !r.Labels.IsEmpty() {
		out.Labels = r.Labels.Map()
	}
	for _, row := range r.By {
		out.By = append(out.By, x.objective(row))
	}
	return out
}

// ownTarget is the target of a comparison where it is another one than what must hold.
func ownTarget(o slo.Objective) string {
	if o.Target == o.Must {
		return ""
	}
	return boundText(o.Target)
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
	for name, query := range map[string]string{"average": r.AverageQuery, "peak": r.PeakQuery, "limit": r.LimitQuery} {
		if query != "" {
			if out.Asked == nil {
				out.Asked = map[string]report.Question{}
			}
			out.Asked[name] = x.question(query, r.At)
		}
	}
	if !r.PeakSeries.IsEmpty() {
		out.PeakSeries = r.PeakSeries.String()
	}
	if b := r.Resource.Peak; b != nil {
		out.Must, out.Should = boundText(b.Must), boundText(b.Should)
	}
	return out
}

// question is a query that gives a number when it is asked for a time.
func (x *analyzed) question(query string, at time.Time) report.Question {
	return report.Question{Query: query, At: at.UTC(), Link: x.opened(query, at, url.Values{"g0.tab": {"1"}})} // the table
}

// link draws a query over the run on the Prometheus that answered it.
func (x *analyzed) link(query string) string {
	return x.opened(query, x.run.Window.End, url.Values{"g0.tab": {"0"}, "g0.range_input": {promDuration(x.run.Window)}})
}

// opened is the address at which a Prometheus shows a query up to a time.
func (x *analyzed) opened(query string, end time.Time, how url.Values) string {
	if x.url == "" || query == "" {
		return ""
	}
	how.Set("g0.expr", query)
	how.Set("g0.end_input", end.UTC().Format(time.DateTime))
	return strings.TrimSuffix(x.url, "/") + "/graph?" + how.Encode()
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
		Comparable: c.Comparable, Reason: c.Reason, Notes: c.Notes, Verdict: c.Verdict, Deltas: []report.Delta{},
	}
	if c.Comparable {
		out.Reason = sensitivity(c.Deltas)
		if x.calibration != nil {
			out.Reason = strings.TrimPrefix(out.Reason+"; "+x.calibration.say(), "; ")
		}
	}
	for _, d := range c.Deltas {
		t := targets[d.Metric.ID]
		out.Deltas = append(out.Deltas, report.Delta{
			ID: d.Metric.ID, Title: d.Metric.Title, Group: d.Metric.Group, Unit: d.Metric.Unit,
			Baseline: report.Number(d.Baseline), Target: boundText(t.Objective.Target), Actual: report.Number(d.Actual),
			Change: report.Number(d.Change), Low: report.Number(d.Low), High: report.Number(d.High), P: report.Number(d.P),
			Worse: t.Objective.Worse, Verdict: d.Verdict, Reason: d.Reason,
			TargetJudged: t.TargetJudged, TargetVerdict: x.targetVerdict(t),
			RunsNeeded: d.RunsNeeded, Detectable: report.Number(d.Detectable),
		})
	}
	return out
}

// targetVerdict is that of the run, unless another that is judged with it misses the target.
func (x *analyzed) targetVerdict(r slo.Result) slo.Verdict {
	for _, other := range x.others {
		v := other.Values[r.Objective.ID].Value
		if r.TargetJudged && !math.IsNaN(v) && !r.Objective.Target.Keeps(v) {
			return slo.Fail
		}
	}
	return r.TargetVerdict
}

// sensitivity says which changes for the worse a comparison sees, of the metrics
// that decide. Shares are left out: of rare events, only multiples can be seen.
func sensitivity(deltas []compare.Delta) string {
	var least, most *compare.Delta
	for i := range deltas {
		d := &deltas[i]
		if !d.Gating || d.Ratio || math.IsNaN(d.Detectable) || math.IsInf(d.Detectable, 0) {
			continue
		}
		if least == nil || d.Detectable < least.Detectable {
			least = d
		}
		if most == nil || d.Detectable > most.Detectable {
			most = d
		}
	}
	if least == nil {
		return ""
	}
	if least == most {
		return fmt.Sprintf("this comparison sees ≥ %s on %s", compare.Percent(least.Detectable), least.ID)
	}
	return fmt.Sprintf("this comparison sees ≥ %s on %s, ≥ %s on %s", compare.Percent(least.Detectable), least.ID, compare.Percent(most.Detectable), most.ID)
}

func (x *analyzed) warnings() []string {
	var all []string
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
		if q.Start.IsZero() {
			row.Link = x.question(q.Query, q.At).Link
		}
		if q.Err != nil {
			row.Error = q.Err.Error()
		}
		out = append(out, row)
	}
	slices.SortFunc(out, func(a, b report.Query) int {
		return cmp.Or(strings.Compare(a.Query, b.Query), a.At.Compare(b.At), a.Start.Compare(b.Start))
	})
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
	sent, err := x.meter.Sent(ctx, sel, x.run)
	if err != nil {
		return nil, err
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
			row.RequestsPerSecond += report.Number(sent.PerSecond(g.Values))
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
		var form promql.HistogramForm
		if row.ResponseTime, form, err = x.times(ctx, sel.Named("loadgen_response_time_seconds"), name, longest(slowest, name)); err != nil {
			return nil, err
		}
		if row.ServiceTime, _, err = x.times(ctx, sel.Named("loadgen_service_time_seconds"), name, math.NaN()); err != nil {
			return nil, err
		}
		row.Asked = x.askedOfRequest(name, form)
		out = append(out, *row)
	}
	return out, nil
}

// askedOfRequest are the questions behind a row of the requests. The generator's
// counters are 0 when the load begins, so nothing is extrapolated there.
func (x *analyzed) askedOfRequest(name string, form promql.HistogramForm) map[string]report.Question {
	window, end, sent := x.seen(x.run.Window), x.run.Window.End, x.run.Sent()
	matchers := fmt.Sprintf("run=%q", x.run.ID)
	if name != "" {
		matchers += fmt.Sprintf(",request=%q", name)
	}
	all, failed := "loadgen_requests_total{"+matchers+"}", "loadgen_requests_total{"+matchers+`,outcome!="success"}`
	times := "loadgen_response_time_seconds{" + matchers + "}"
	asked := map[string]report.Question{
		"requests":            x.question(promql.Increase(all, window), end),
		"failures":            x.question(promql.Increase(failed, window)+" or vector(0)", end),
		"requests_per_second": x.question(fmt.Sprintf("%s / %v", promql.Increase(all, x.seen(sent)), sent.Duration().Seconds()), sent.End),
		"mean":                x.question(promql.Mean(times, form, window), end),
		"max":                 x.question("max(loadgen_response_time_max_seconds{"+matchers+"})", end.Add(x.meter.Scrape())),
	}
	for name, q := range map[string]float64{"p50": .5, "p95": .95, "p99": .99, "p999": .999} {
		asked[name] = x.question(promql.Quantile(q, times, form, window), end)
	}
	return asked
}

// seen is the range in which rate sees all that happened in a window: the sample
// before it belongs to it.
func (x *analyzed) seen(w run.Window) string {
	return promDuration(run.Window{Start: w.Start.Add(-x.meter.Scrape()), End: w.End})
}

// promDuration is the length of a window as PromQL writes it.
func promDuration(w run.Window) string { return model.Duration(w.Duration()).String() }

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

// times sums up the distribution of one request name, or of all, over the whole run,
// and tells how its histogram is stored.
func (x *analyzed) times(ctx context.Context, sel promql.Selector, name string, slowest float64) (report.Times, promql.HistogramForm, error) {
	grid, spreads, err := x.meter.Spreads(ctx, sel, []string{"request"}, x.run.Window)
	var d promql.Distribution
	for _, s := range spreads {
		if name == "" || s.Labels.Get("request") == name {
			d.Add(s.Over(0, grid.N))
		}
	}
	if !(d.Count() > 0) {
		none := report.NoData
		return report.Times{P50: none, P95: none, P99: none, P999: none, Max: none, Mean: none}, d.Form(), err
	}
	q := func(q float64) report.Number { return report.Number(quantileUpTo(slowest, d, q)) }
	return report.Times{P50: q(.5), P95: q(.95), P99: q(.99), P999: q(.999), Max: report.Number(slowest), Mean: report.Number(d.Mean())}, d.Form(), err
}

// quantileUpTo is a quantile of values none of which is above slowest: in the bucket
// of the slowest it is interpolated up to the bucket's end, where no value is.
func quantileUpTo(slowest float64, d promql.Distribution, q float64) float64 {
	v := d.Quantile(q)
	if v > slowest {
		return slowest
	}
	return v
}

// percentileList is the guide's.
var percentileList = []float64{.5, .66, .75, .8, .9, .95, .98, .99, .999, 1}

// percentiles is the distribution over the steady window, on the server's side and on the client's.
func (x *analyzed) percentiles(ctx context.Context) ([]report.Percentile, error) {
	out := make([]report.Percentile, len(percentileList))
	for i, q := range percentileList {
		out[i] = report.Percentile{Q: q, Server: report.NoData, Client: report.NoData, Asked: map[string]report.Question{}}
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
	slowest, askedSlowest := x.slowest()
	for _, side := range []struct {
		name, of string
		put      func(*report.Percentile, float64)
	}{
		{"server", server, func(p *report.Percentile, v float64) { p.Server = report.Number(v) }},
		{"client", client, func(p *report.Percentile, v float64) { p.Client = report.Number(v) }},
	} {
		d, err := x.scoredTimes(ctx, side.of)
		if err != nil {
			return nil, err
		}
		if !(d.Count() > 0) {
			continue
		}
		histogram, w := promql.Expand(side.of, x.vars()), slo.Answered(x.run)
		// No answer took the service longer than it took to arrive; where the service
		// has longer times, they are of other requests.
		longest := slowest
		if least, _ := d.Edges(d.Count()); side.of == server && least > slowest {
			longest = math.NaN()
		}
		for i := range out {
			p := &out[i]
			v := quantileUpTo(longest, d, p.Q)
			side.put(p, v)
			p.Asked[side.name] = x.question(promql.Quantile(p.Q, histogram, d.Form(), x.seen(w)), w.End)
			if v == longest {
				p.Asked[side.name] = askedSlowest
			}
		}
	}
	return out, nil
}

// scoredTimes is the distribution of a histogram over the scored window, with its late
// answers; empty for none.
func (x *analyzed) scoredTimes(ctx context.Context, of string) (d promql.Distribution, err error) {
	if of == "" {
		return d, nil
	}
	sel, err := promql.ParseSelector(of, x.vars())
	if err != nil {
		return d, err
	}
	grid, spreads, err := x.meter.Spreads(ctx, sel, nil, x.run.Window)
	if err != nil || len(spreads) == 0 {
		return d, err
	}
	from, to := grid.Cells(slo.Answered(x.run))
	return spreads[0].Over(from, to), nil
}

// slowest is the longest response time that the generator saw up to the end of the
// scored window, and what gives it; NaN when it is not known.
func (x *analyzed) slowest() (float64, report.Question) {
	for _, r := range x.scores.Objectives {
		if g := r.Objective.Gauge; g != nil && g.Reduce == "max" && strings.Contains(g.Of, "loadgen_response_time_max_seconds") {
			return r.Value, x.question(r.Query, r.At)
		}
	}
	return math.NaN(), report.Question{}
}

func (x *analyzed) vars() map[string]string {
	return x.agreement.Variables(x.run, x.meter.Scrape())
}
