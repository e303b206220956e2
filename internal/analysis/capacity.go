package analysis

import (
	"context"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/plumbline/plumbline/pkg/capacity"
	"github.com/plumbline/plumbline/pkg/loadgen"
	"github.com/plumbline/plumbline/pkg/promql"
	"github.com/plumbline/plumbline/pkg/report"
	"github.com/plumbline/plumbline/pkg/run"
	"github.com/plumbline/plumbline/pkg/slo"
	"github.com/plumbline/plumbline/pkg/stats"
)

// CapacityOptions are what to plan for.
type CapacityOptions struct {
	Target float64           // requests per second, beside the multiples of today's; 0 for none
	Demand []capacity.Sample // of the past, for a forecast
}

// Capacity measures a run and says how much load the service carries.
func (a *Analyzer) Capacity(ctx context.Context, id string, opts Options, c CapacityOptions) (*report.Capacity, error) {
	x, closeRun, err := a.open(ctx, id, opts)
	if err != nil {
		return nil, err
	}
	defer closeRun()
	if x.scores, err = x.agreement.Measure(ctx, x.meter, slo.Scope{Run: x.run}); err != nil {
		return nil, fmt.Errorf("run %s: %w", id, err)
	}
	out, err := x.capacity(ctx, c)
	if err != nil {
		return nil, fmt.Errorf("run %s: capacity: %w", id, err)
	}
	return out, nil
}

// capacity hands what the run measured to package capacity.
func (x *analyzed) capacity(ctx context.Context, c CapacityOptions) (*report.Capacity, error) {
	load, err := x.loadSeries(ctx)
	if err != nil {
		return nil, err
	}
	in := capacity.Input{Target: c.Target, Demand: c.Demand, Throughput: math.NaN(), Seed: 1}
	in.Objectives = x.crossable()
	if in.Levels, err = x.levels(ctx, load, in.Objectives); err != nil {
		return nil, err
	}
	in.Throughput, in.Missed = x.today(load, in.Levels), x.missed()
	for _, r := range x.scores.Resources {
		in.Resources = append(in.Resources, resourceSeries(r, load, x.stretches(load)))
	}
	in.Spike = x.spike(load)
	out := capacity.Analyze(in)
	for _, problem := range x.run.Generators.Problems() {
		out.Warnings = append(out.Warnings, "the load generator did not keep up, so all of this is doubtful: "+problem)
	}
	if load.reason != "" {
		out.Warnings = append(out.Warnings, load.reason)
	}
	return report.NewCapacity(out), nil
}

// A loadSeries is what was sent and answered, interval by interval: by the
// generator's own series, else by the server's that the SLA names.
type loadSeries struct {
	grid              promql.Grid
	n                 int       // intervals inside the run: the last of the grid is for the closing scrape
	good, all         []float64 // requests
	server            []float64 // requests as the server counted them, those of others too
	response, service []promql.Distribution
	inFlight          []float64 // sampled; NaN where not
	reason            string    // why there is nothing
}

// loadSeries reads the series of the load.
func (x *analyzed) loadSeries(ctx context.Context) (*loadSeries, error) {
	count, latency := `loadgen_requests_total{run="$run"}`, `loadgen_response_time_seconds{run="$run"}`
	l, err := x.counted(ctx, count)
	if err != nil {
		return nil, err
	}
	rate, quantile := x.serverSelectors()
	if rate != "" {
		server, err := x.counted(ctx, rate)
		if err != nil {
			return nil, err
		}
		if l.server = server.all; l.n == 0 {
			l, latency = server, quantile
			l.server = l.all
		}
	}
	if l.n == 0 {
		l.reason = "no series of requests: neither loadgen's, nor those of a rate objective in the SLA file"
		return l, nil
	}
	if l.server == nil {
		l.server = l.all
	}
	if l.response, err = x.distributions(ctx, latency); err != nil {
		return nil, err
	}
	if l.service, err = x.distributions(ctx, `loadgen_service_time_seconds{run="$run"}`); err != nil {
		return nil, err
	}
	l.inFlight, err = x.sampled(ctx, fmt.Sprintf(`sum(loadgen_in_flight{run=%q})`, x.run.ID), l.n)
	return l, err
}

// serverSelectors are the server's requests and their times, as the SLA names them.
func (x *analyzed) serverSelectors() (rate, quantile string) {
	for _, r := range x.scores.Objectives {
		o := r.Objective
		switch {
		case o.Rate != nil && rate == "" && !strings.HasPrefix(o.Rate.Of, "loadgen_"):
			rate = o.Rate.Of
		case o.Quantile != nil && quantile == "" && !strings.HasPrefix(o.Quantile.Of, "loadgen_"):
			quantile = o.Quantile.Of
		}
	}
	return rate, quantile
}

// counted reads a counter of requests. An answer that was only too slow is work done;
// what else has an outcome other than success failed.
func (x *analyzed) counted(ctx context.Context, selector string) (*loadSeries, error) {
	sel, err := promql.ParseSelector(selector, x.vars())
	if err != nil {
		return nil, err
	}
	inc, err := x.meter.Increments(ctx, sel, []string{"outcome"}, x.run.Window)
	if err != nil || len(inc.Groups) == 0 {
		return &loadSeries{}, err
	}
	l := &loadSeries{grid: inc.Grid, n: inc.Grid.N - 1, all: inc.Values(), good: make([]float64, inc.Grid.N)}
	for _, g := range inc.Groups {
		switch loadgen.Outcome(g.Labels.Get("outcome")) {
		case loadgen.Success, loadgen.Slow, "":
			for i, v := range g.Values {
				l.good[i] += v
			}
		}
	}
	return l, nil
}

// distributions are the times of each interval; nil when there is no such histogram.
func (x *analyzed) distributions(ctx context.Context, selector string) ([]promql.Distribution, error) {
	if selector == "" {
		return nil, nil
	}
	sel, err := promql.ParseSelector(selector, x.vars())
	if err != nil {
		return nil, err
	}
	_, spreads, err := x.meter.Spreads(ctx, sel, nil, x.run.Window)
	if err != nil || len(spreads) == 0 {
		return nil, err
	}
	return spreads[0].Intervals, nil
}

// sampled is an expression at the end of each interval.
func (x *analyzed) sampled(ctx context.Context, expr string, n int) ([]float64, error) {
	res, err := x.meter.QueryRange(ctx, expr, promql.Range{Start: x.run.Window.Start, End: x.run.Window.End, Step: x.meter.Scrape()})
	if err != nil || len(res.Series) == 0 {
		return unknowns(n), err
	}
	return onGrid(res.Series[0].Points, x.run.Window.Start, x.meter.Scrape(), n), nil
}

func unknowns(n int) []float64 {
	values := make([]float64, n)
	for i := range values {
		values[i] = math.NaN()
	}
	return values
}

// onGrid puts points at the interval that they end.
func onGrid(points []promql.Point, start time.Time, step time.Duration, n int) []float64 {
	values := unknowns(n)
	for _, p := range points {
		if i := int(math.Round(float64(p.Time.Sub(start))/float64(step))) - 1; i >= 0 && i < n {
			values[i] = p.Value
		}
	}
	return values
}

// perSecond is the rate of requests in [from, to).
func (l *loadSeries) perSecond(counts []float64, from, to int) float64 {
	total := 0.0
	for _, v := range counts[from:to] {
		total += v
	}
	return total / (float64(to-from) * l.grid.Step.Seconds())
}

// over is the distribution of [from, to).
func over(intervals []promql.Distribution, from, to int) (d promql.Distribution) {
	for _, part := range intervals[min(from, len(intervals)):min(to, len(intervals))] {
		d.Add(part)
	}
	return d
}

// How stages become levels.
const (
	leastCells    = 3  // intervals that a level needs once its transient is cut
	rampSlices    = 10 // levels that a ramp is cut into at most
	sliceCells    = 2  // intervals of such a slice at least
	shortStage    = 15 // intervals below which MSER-5 cuts nothing
	transientPart = 4  // of a short stage, the first such part is cut
	driftErrors   = 2  // standard errors that a drift must exceed, beside stats.MaxShift
)

// A stretch is intervals in which the load was one level.
type stretch struct {
	from, to int
	answered int // the interval by which what was due in it had been answered
	load     float64
	open     bool
	moving   bool // a slice of a ramp
}

// stretches cuts the run into levels: a stage that holds is one, a ramp that is
// scored several. One that only leads to a stage tells nothing of its own.
func (x *analyzed) stretches(l *loadSeries) []stretch {
	if l.n == 0 {
		return nil
	}
	var all []stretch
	for _, s := range x.run.Stages {
		from, to := l.grid.Cells(s.Intersect(x.run.Window))
		to = min(to, l.n)
		if s.From == s.To {
			if to-from >= leastCells && s.From > 0 {
				_, answered := l.grid.Cells(x.run.Answered(s.Intersect(x.run.Window)))
				all = append(all, stretch{from, to, min(answered, l.n), s.From, s.Open, false})
			}
			continue
		}
		if !s.Scored {
			continue
		}
		parts := min(rampSlices, (to-from)/sliceCells)
		for i := range parts {
			a, b := from+i*(to-from)/parts, from+(i+1)*(to-from)/parts
			middle := (float64(a+b)/2 - float64(from)) / float64(to-from)
			all = append(all, stretch{a, b, b, s.From + middle*(s.To-s.From), s.Open, true})
		}
	}
	return all
}

// levels measures each level of load on its own, after cutting its own transient.
func (x *analyzed) levels(ctx context.Context, l *loadSeries, objectives []capacity.Objective) ([]capacity.Level, error) {
	measures, err := x.indicators(ctx, objectives)
	if err != nil {
		return nil, err
	}
	var levels []capacity.Level
	for _, s := range x.stretches(l) {
		levels = append(levels, x.level(l, s, measures))
	}
	return levels, nil
}

func (x *analyzed) level(l *loadSeries, s stretch, measures map[string]func(from, to int) float64) capacity.Level {
	level := capacity.Level{Moving: s.moving, Indicators: map[string]float64{}}
	if s.open {
		level.ArrivalRate = s.load
	} else {
		level.Users = s.load
	}
	throughputs, latencies := l.samples(s.from, s.to)
	if s.moving {
		level.Reason = "the load was changing"
	} else {
		cut := transient(throughputs, latencies)
		s.from += cut
		level.Reason = drift(throughputs[cut:], latencies[cut:])
	}
	level.Steady = level.Reason == ""
	response, service := over(l.response, s.from, s.to), over(l.service, s.from, s.to)
	level.Throughput, level.LatencySeconds = l.perSecond(l.good, s.from, s.to), response.Mean()
	if !s.open {
		level.ThinkSeconds = x.run.Load.ThinkPerRequest(level.LatencySeconds)
	}
	if service.Count() > 0 {
		level.ServiceSeconds = service.Mean()
	}
	attempted := l.perSecond(l.all, s.from, s.to)
	level.Requests = attempted * float64(s.to-s.from) * l.grid.Step.Seconds()
	if attempted > 0 {
		level.ErrorRatio = 1 - level.Throughput/attempted
	}
	inFlight := slices.DeleteFunc(slices.Clone(l.inFlight[s.from:s.to]), math.IsNaN)
	level.InFlight, level.Samples = stats.Mean(inFlight), len(inFlight)
	for id, measure := range measures {
		level.Indicators[id] = measure(s.from, s.answered)
	}
	return level
}

// samples are throughput and mean latency of each interval.
func (l *loadSeries) samples(from, to int) (throughputs, latencies []float64) {
	for i := from; i < to; i++ {
		throughputs = append(throughputs, l.perSecond(l.good, i, i+1))
		latencies = append(latencies, over(l.response, i, i+1).Mean())
	}
	return throughputs, latencies
}

// transient is how many intervals at a level's start belong to the change of the
// load: by MSER-5, and of a stage too short for that a quarter.
func transient(throughputs, latencies []float64) int {
	n := len(throughputs)
	if n < shortStage {
		return min((n+transientPart-1)/transientPart, n-leastCells+1)
	}
	return stats.WarmUp(throughputs, latencies)
}

// drift is why a level is not steady: its halves differ by more than 5 %, and
// by more than intervals that scatter as these would by chance.
func drift(throughputs, latencies []float64) string {
	for _, s := range []struct {
		name   string
		values []float64
	}{{"throughput", throughputs}, {"latency", latencies}} {
		known := slices.DeleteFunc(slices.Clone(s.values), math.IsNaN)
		middle, half := stats.Median(known), len(known)/2
		if half == 0 || !(middle > 0) {
			return "it has no " + s.name + ": too little was answered"
		}
		shift := stats.HalfShift(known)
		scatter := math.Hypot(stats.MAD(known[:half]), stats.MAD(known[half:])) * stats.NormalMAD / math.Sqrt2 / middle
		chance := driftErrors * math.Sqrt(math.Pi/2) * scatter * math.Sqrt(2/float64(half)) // π/2: of a median against a mean
		if !(math.Abs(shift) <= stats.MaxShift+chance) {
			return fmt.Sprintf("its %s moved by %.0f %% from its first half to its second", s.name, 100*math.Abs(1/(1+shift)-1))
		}
	}
	return ""
}

// crossable are the objectives that can be measured at each level and have a
// bound that is a number: quantiles, means and ratios.
func (x *analyzed) crossable() []capacity.Objective {
	var out []capacity.Objective
	for _, r := range x.scores.Objectives {
		o := r.Objective
		bound := o.Must
		if bound == nil {
			bound = o.Should
		}
		isMeasured := o.Quantile != nil || o.Mean != nil || o.Ratio != nil && o.Ratio.Per == ""
		if bound == nil || bound.Relative() || o.By != "" || !isMeasured {
			continue
		}
		out = append(out, capacity.Objective{ID: o.ID, Title: o.Title, Unit: o.Unit, Bound: bound.Text, Limit: bound.Limit(), LowerIsWorse: o.Worse == "lower", Advisory: o.Must == nil})
	}
	return out
}

// indicators are how to measure each objective over some intervals.
func (x *analyzed) indicators(ctx context.Context, objectives []capacity.Objective) (map[string]func(from, to int) float64, error) {
	measures := map[string]func(from, to int) float64{}
	for _, r := range x.scores.Objectives {
		o := r.Objective
		if !slices.ContainsFunc(objectives, func(c capacity.Objective) bool { return c.ID == o.ID }) {
			continue
		}
		var err error
		switch {
		case o.Ratio != nil:
			measures[o.ID], err = x.ratioOver(ctx, *o.Ratio)
		case o.Quantile != nil:
			measures[o.ID], err = x.timesOver(ctx, o.Quantile.Of, func(d promql.Distribution) float64 { return d.Quantile(o.Quantile.Q) })
		default:
			measures[o.ID], err = x.timesOver(ctx, o.Mean.Of, promql.Distribution.Mean)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", o.ID, err)
		}
	}
	return measures, nil
}

func (x *analyzed) timesOver(ctx context.Context, of string, figure func(promql.Distribution) float64) (func(from, to int) float64, error) {
	intervals, err := x.distributions(ctx, of)
	return func(from, to int) float64 {
		d := over(intervals, from, to)
		if d.Count() == 0 {
			return math.NaN()
		}
		return figure(d)
	}, err
}

func (x *analyzed) ratioOver(ctx context.Context, r slo.Ratio) (func(from, to int) float64, error) {
	part := r.Bad
	if r.Good != "" {
		part = r.Good
	}
	parts, err := x.counted(ctx, part)
	if err != nil {
		return nil, err
	}
	totals, err := x.counted(ctx, r.Total)
	return func(from, to int) float64 {
		if totals.n == 0 {
			return math.NaN()
		}
		total := totals.perSecond(totals.all, from, to)
		if parts.n == 0 {
			return 0 / total
		}
		return parts.perSecond(parts.all, from, to) / total
	}, err
}

// today is the throughput that counts as carried: that of the steady window, or
// of profiles without one the most that a level carried.
func (x *analyzed) today(l *loadSeries, levels []capacity.Level) float64 {
	if l.n == 0 {
		return math.NaN()
	}
	if from, to := l.grid.Cells(x.run.Steady); !x.run.Steady.IsZero() && to > from {
		return l.perSecond(l.good, from, min(to, l.n))
	}
	most := math.NaN()
	for _, level := range levels {
		if !(level.Throughput <= most) {
			most = level.Throughput
		}
	}
	return most
}

// missed are the bounds that did not hold at the steady load. Objectives that ask
// for load, such as a least throughput, say nothing of whether it is carried, nor
// do those that hold the run against a baseline.
func (x *analyzed) missed() (titles []string) {
	if x.run.Steady.IsZero() {
		return nil
	}
	for _, r := range x.scores.Objectives {
		o := r.Objective
		asksForLoad := o.Worse == "lower" && o.Ratio == nil
		if r.Verdict == slo.Fail && o.Must != nil && !o.Must.Relative() && !asksForLoad {
			titles = append(titles, o.Title)
		}
	}
	for _, r := range x.scores.Resources {
		if r.Judged && r.Verdict == slo.Fail {
			titles = append(titles, r.Resource.Component+" "+r.Resource.Resource)
		}
	}
	return titles
}

// Words by which the resources of an SLA file show how they become more.
var (
	poolWords  = regexp.MustCompile(`(?i)pool|connection`)
	storeWords = regexp.MustCompile(`(?i)database|postgres|mysql|maria|oracle|redis|mongo|elastic|kafka|\bdb\b|^db_`)
)

// scalingOf tells how a resource becomes more: a pool by its limit, a store not
// without more thought, anything whose series name a pod, container or instance
// by replicas.
func scalingOf(r slo.ResourceResult) capacity.Scaling {
	named := r.Resource.ID + " " + r.Resource.Resource
	switch {
	case poolWords.MatchString(named):
		return capacity.PoolLimit
	case storeWords.MatchString(r.Resource.Component):
		return capacity.Unscalable
	}
	for _, s := range r.Series {
		for _, label := range []string{"pod", "container", "instance"} {
			if s.Labels.Has(label) {
				return capacity.Replicas
			}
		}
	}
	return capacity.Unscalable
}

// rateWindow is the stretch of $rate, in scrapes, as package slo expands it.
const rateWindow = 4

// resourceSeries puts a resource's series beside the throughput of the same
// intervals. An expression over $rate is a mean over four scrapes, so the
// throughput is averaged over the same four.
func resourceSeries(r slo.ResourceResult, l *loadSeries, stretches []stretch) capacity.Resource {
	out := capacity.Resource{
		ID: r.Resource.ID, Component: r.Resource.Component, Name: r.Resource.Resource, Limit: r.Limit, Scaling: scalingOf(r),
		Stock: r.Resource.Unit == "bytes" && !strings.Contains(r.Resource.Used, "rate("),
	}
	if math.IsNaN(out.Limit) && r.Resource.Unit == "ratio" && r.Resource.Limit == "" {
		out.Limit = 1
	}
	switch none := len(r.Series) == 0; {
	case none && r.Reason == "":
		out.Missing = "no series in the window"
	case none, math.IsNaN(out.Limit):
		out.Missing = r.Reason
	case l.n == 0:
		out.Missing = l.reason
	}
	if out.Missing != "" {
		return out
	}
	width := 1
	if strings.Contains(r.Resource.Used, "$rate") {
		width = rateWindow
	}
	for i := range l.n {
		x := math.NaN()
		if i+1 >= width {
			x = l.perSecond(l.server, i+1-width, i+1)
		}
		out.Throughput = append(out.Throughput, x)
	}
	for _, s := range stretches {
		if !s.moving {
			out.Levels = append(out.Levels, capacity.Stretch{From: min(s.from+width, s.to), To: s.to, Load: s.load}) // the mean over $rate must not reach back
		}
	}
	for _, s := range r.Series {
		out.Series = append(out.Series, capacity.Series{Name: seriesName(s.Labels), Used: onGrid(s.Points, l.grid.Start, l.grid.Step, l.n)})
	}
	return out
}

// spike finds a spike among the stages: the hold with the most load, before a
// hold with at most half of it. Nil when there is none.
func (x *analyzed) spike(l *loadSeries) *capacity.Spike {
	if l.n == 0 {
		return nil
	}
	holds := slices.DeleteFunc(slices.Clone(x.run.Stages), func(s run.Stage) bool { return s.From != s.To || s.From == 0 })
	top := 0
	for i, h := range holds {
		if h.From > holds[top].From {
			top = i
		}
	}
	if top+1 >= len(holds) || holds[top+1].From > holds[top].From/2 {
		return nil
	}
	s := &capacity.Spike{IntervalSeconds: l.grid.Step.Seconds()}
	back := holds[top+1]
	s.End, _ = l.grid.Cells(back.Window)
	if top > 0 && math.Abs(holds[top-1].From/back.From-1) <= .1 {
		s.BeforeFrom, s.BeforeTo = l.grid.Cells(holds[top-1].Window)
		s.BeforeFrom += (s.BeforeTo - s.BeforeFrom) / transientPart
	}
	_, end := l.grid.Cells(back.Intersect(x.run.Window))
	s.Signals = l.signals(min(end, l.n))
	return s
}

// signals are throughput, latency and errors up to an interval.
func (l *loadSeries) signals(end int) []capacity.Signal {
	throughput, latency, errors := capacity.Signal{Name: "throughput"}, capacity.Signal{Name: "p95 latency", OneSided: true}, capacity.Signal{Name: "errors", OneSided: true}
	for i := range end {
		throughput.Values = append(throughput.Values, l.perSecond(l.good, i, i+1))
		latency.Values = append(latency.Values, over(l.response, i, i+1).Quantile(.95))
		errors.Values = append(errors.Values, 1-l.good[i]/l.all[i])
	}
	return []capacity.Signal{throughput, latency, errors}
}
