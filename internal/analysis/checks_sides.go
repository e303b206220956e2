package analysis

import (
	"context"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/plumbline/plumbline/pkg/promql"
	"github.com/plumbline/plumbline/pkg/run"
	"github.com/plumbline/plumbline/pkg/slo"
)

// serverRequests is the increments of the service's requests, by the first
// objective that counts all of them; nil without one.
func (x *analyzed) serverRequests(ctx context.Context, w run.Window) ([]float64, error) {
	for _, r := range x.scores.Objectives {
		of := ""
		switch o := r.Objective; {
		case o.Count != nil && o.ID == "total-requests":
			of = o.Count.Of
		case o.Rate != nil && o.Rate.Over == 0:
			of = o.Rate.Of
		}
		if of == "" || strings.HasPrefix(of, "loadgen_") {
			continue
		}
		return x.gained(ctx, of, w)
	}
	return nil, nil
}

// gained is what a counter gains in each interval; nil without series.
func (x *analyzed) gained(ctx context.Context, of string, w run.Window) ([]float64, error) {
	sel, err := promql.ParseSelector(of, x.vars())
	if err != nil {
		return nil, err
	}
	inc, err := x.meter.Increments(ctx, sel, nil, w)
	if err != nil || len(inc.Groups) == 0 {
		return nil, err
	}
	return inc.Values(), nil
}

func (x *analyzed) clientRequests(ctx context.Context) ([]float64, error) {
	return x.gained(ctx, `loadgen_requests_total{run="$run"}`, x.run.Window)
}

// clientRate is the requests per second that were sent in a window, by the
// objective that has their increments.
func (x *analyzed) clientRate(w run.Window) float64 {
	for _, r := range x.scores.Objectives {
		of := ""
		switch o := r.Objective; {
		case o.Count != nil:
			of = o.Count.Of
		case o.Rate != nil:
			of = o.Rate.Of
		}
		if of != `loadgen_requests_total{run="$run"}` || len(r.Samples) == 0 {
			continue
		}
		grid := promql.Grid{Start: x.run.Window.Start, Step: x.meter.Scrape(), N: len(r.Samples)}
		from, to := grid.Cells(w)
		return sum(r.Samples[from:to]) / (time.Duration(to-from) * grid.Step).Seconds()
	}
	return math.NaN()
}

func sum(values []float64) (total float64) {
	for _, v := range values {
		total += v
	}
	return total
}

// sides holds the server's count of requests against the client's.
func (e *evidence) sides(ctx context.Context) (outcome, error) {
	gained, err := e.serverRequests(ctx, e.run.Window)
	if err != nil || gained == nil || len(e.requests) == 0 {
		return outcome{slo.Inconclusive, "needs the count of requests on both sides"}, err
	}
	server, client := sum(gained), float64(e.requests[len(e.requests)-1].Requests)
	if math.Round(server) == client {
		return outcome{slo.Pass, fmt.Sprintf("both counted %s requests", quantity(client, ""))}, nil
	}
	return outcome{slo.Warn, fmt.Sprintf("the server counted %s requests, the client %s: other traffic, or answers that were lost", quantity(math.Round(server), ""), quantity(client, ""))}, nil
}

// How far the two sides' times may be apart: users wait longer than the service
// works, by the way between them.
const (
	wayTolerance = .25 // of the server's time
	waySeconds   = .02
)

// sidesTimes holds the times of both sides against each other. A service that
// takes longer than its users wait, or much less, measures something else.
func (e *evidence) sidesTimes(context.Context) (outcome, error) {
	var wrong []string
	seen := 0
	var said string
	for _, p := range e.percentiles {
		if !p.Server.Known() || !p.Client.Known() || p.Q < .5 || p.Q > .99 {
			continue
		}
		seen++
		at := fmt.Sprintf("at %g %% the client waited %s and the server took %s", 100*p.Q, quantity(float64(p.Client), "s"), quantity(float64(p.Server), "s"))
		if said == "" {
			said = at
		}
		if p.Client > p.Server*(1+wayTolerance)+waySeconds || p.Client < p.Server*(1-wayTolerance/5)-waySeconds/10 {
			wrong = append(wrong, at)
		}
	}
	switch {
	case seen == 0:
		return outcome{slo.Inconclusive, "needs the times of both sides"}, nil
	case len(wrong) > 0:
		return outcome{slo.Warn, wrong[len(wrong)-1] + ": time is lost between them, or one of them measures something else"}, nil
	}
	return outcome{slo.Pass, said}, nil
}

// otherTrafficShare is how much of the run's rate may have been there before it.
const otherTrafficShare = .01

// otherTraffic looks at the minute before the run.
func (e *evidence) otherTraffic(ctx context.Context) (outcome, error) {
	// Increments reach one scrape beyond their window, and that must not be one of the load.
	before := run.Window{Start: e.run.Window.Start.Add(-time.Minute), End: e.run.Window.Start.Add(-2 * e.meter.Scrape())}
	gained, err := e.serverRequests(ctx, before)
	if err != nil || gained == nil {
		return outcome{slo.Inconclusive, "there are no series from before the run"}, err
	}
	during, err := e.serverRequests(ctx, e.run.Window)
	if err != nil {
		return outcome{}, err
	}
	rate := sum(gained) / before.Duration().Seconds()
	if all := sum(during) / e.run.Window.Duration().Seconds(); rate > otherTrafficShare*all {
		return outcome{slo.Warn, fmt.Sprintf("in the minute before the run the service already answered %.1f req/s: not all of what was measured is ours", rate)}, nil
	}
	return outcome{slo.Pass, "none before the run"}, nil
}

// How clocks are told to differ.
const (
	mostLag     = 6   // intervals
	tellingR    = .5  // correlation from which the load has a shape to compare
	clearlyMore = .05 // by which a shifted correlation must be higher
	clockSkew   = time.Second
)

// clocks shifts the client's requests against the server's: when they match best
// with a lag, the clocks behind their samples differ. Hosts that expose their time
// are asked too.
func (e *evidence) clocks(ctx context.Context) (outcome, error) {
	hosts := fmt.Sprintf("node_time_seconds{job=~%q}", e.jobs()) // a Prometheus may know many others
	skewed, err := e.meter.Query(ctx, fmt.Sprintf("max by (instance) (abs(%s - timestamp(%s)))", hosts, hosts), e.run.Window.End)
	if err != nil {
		return outcome{}, err
	}
	for _, s := range skewed.Series {
		if v := s.Points[0].Value; v > clockSkew.Seconds() {
			return outcome{slo.Warn, fmt.Sprintf("the clock of %s is %.1f s off", s.Labels.Get("instance"), v)}, nil
		}
	}
	server, err := e.serverRequests(ctx, e.run.Window)
	if err != nil {
		return outcome{}, err
	}
	client, err := e.clientRequests(ctx)
	if err != nil {
		return outcome{}, err
	}
	lag, there, best := lagOf(client, server)
	switch {
	case math.IsNaN(best) || best < tellingR:
		return outcome{slo.Inconclusive, "the load is too even, or one side too short, to tell"}, nil
	case lag != 0 && best > there+clearlyMore:
		return outcome{slo.Warn, fmt.Sprintf("the server's requests match the client's best %s later: their samples are from different clocks", time.Duration(lag)*e.meter.Scrape())}, nil
	}
	return outcome{slo.Pass, "the requests of both sides rise and fall at the same time"}, nil
}

// lagOf is by how many intervals b follows a, with the correlation at no lag and at that one.
func lagOf(a, b []float64) (lag int, atZero, best float64) {
	best = math.NaN()
	n := min(len(a), len(b))
	if n < 4*mostLag {
		return 0, best, best
	}
	a, b = a[:n], b[:n]
	for k := -mostLag; k <= mostLag; k++ {
		r := correlation(a[mostLag:n-mostLag], b[mostLag+k:n-mostLag+k])
		if k == 0 {
			atZero = r
		}
		if math.IsNaN(best) || r > best {
			lag, best = k, r
		}
	}
	return lag, atZero, best
}

// correlation is Pearson's, of two series of one length.
func correlation(a, b []float64) float64 {
	n := float64(len(a))
	meanA, meanB := sum(a)/n, sum(b)/n
	ab, aa, bb := 0.0, 0.0, 0.0
	for i := range a {
		ab += (a[i] - meanA) * (b[i] - meanB)
		aa += (a[i] - meanA) * (a[i] - meanA)
		bb += (b[i] - meanB) * (b[i] - meanB)
	}
	return ab / math.Sqrt(aa*bb)
}

// restarts finds counters that started again, and processes that did.
func (e *evidence) restarts(ctx context.Context) (outcome, error) {
	window := fmt.Sprintf("%dms", e.run.Window.Duration().Milliseconds())
	asked := map[string]bool{}
	var found []string
	note := func(res promql.Result, format string) {
		for _, s := range res.Series {
			if n := s.Points[0].Value; n > 0 {
				found = append(found, fmt.Sprintf(format, s.Labels.Get("job"), s.Labels.Get("instance"), n))
			}
		}
	}
	for _, r := range e.scores.Objectives {
		var of string
		switch o := r.Objective; {
		case o.Count != nil:
			of = o.Count.Of
		case o.Rate != nil:
			of = o.Rate.Of
		case o.Ratio != nil:
			of = o.Ratio.Total
		default:
			continue
		}
		sel, err := promql.ParseSelector(of, e.vars())
		if err != nil {
			return outcome{}, err
		}
		if asked[sel.Metric] {
			continue
		}
		asked[sel.Metric] = true
		res, err := e.meter.Query(ctx, fmt.Sprintf("sum by (job, instance) (resets(%s[%s])) > 0", sel.Population(), window), e.run.Window.End)
		if err != nil {
			return outcome{}, err
		}
		note(res, "counters of %s at %s started again %.0f times (counted on from there)")
	}
	if jobs := e.jobs(); jobs != "" {
		res, err := e.meter.Query(ctx, fmt.Sprintf("sum by (job, instance) %s", promql.Restarts(fmt.Sprintf("process_start_time_seconds{job=~%q}", jobs), window)), e.run.Window.End)
		if err != nil {
			return outcome{}, err
		}
		note(res, "%s at %s was restarted %.0f times")
	}
	if len(found) == 0 {
		return outcome{slo.Pass, "no counter was reset, no process restarted"}, nil
	}
	return outcome{slo.Warn, enumerate(found)}, nil
}

// jobs matches the jobs of the targets that were read.
func (x *analyzed) jobs() string {
	var names []string
	seen := map[string]bool{}
	for _, t := range x.scores.Targets {
		if job := t.Labels.Get("job"); job != "" && !seen[job] {
			seen[job] = true
			names = append(names, regexpQuote(job))
		}
	}
	return strings.Join(names, "|")
}
