package bottleneck

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/plumbline/plumbline/pkg/stats"
)

// utilization finds work that a resource could not take more of, and what is kept
// up to its limit.
func utilization(ctx context.Context, e *exam) (found []Finding, _ error) {
	for _, s := range e.signals {
		hot := e.hot(s, fullShare)
		switch {
		case s.kind == pool || len(hot) == 0:
		case s.kind.isStock():
			fs, err := e.kept(ctx, s, hot)
			if err != nil {
				return nil, err
			}
			found = append(found, fs...)
		default:
			found = append(found, e.busy(s, hot))
		}
	}
	return found, nil
}

// full is what can be said of any resource that reached its limit, by the line that
// was full for longest.
func (e *exam) full(s signal, hot []line) (Finding, line) {
	worst := hot[0]
	for _, l := range hot {
		if e.timeAbove(above(s.share(l), fullShare)) > e.timeAbove(above(s.share(worst), fullShare)) {
			worst = l
		}
	}
	full := above(s.share(worst), fullShare)
	time := e.timeAbove(full)
	return Finding{
		ID: s.id, Component: s.component, Resource: s.resource, strength: time, values: s.share(worst), covers: full, failed: s.failed,
		Symptom:  fmt.Sprintf("%s of %s peaked at %s%s, and was above %s for %s of the window", s.resource, named(s, worst), percent(e.peak(s.share(worst))), ofLimit(s, worst), percent(fullShare), percent(time)),
		Evidence: []Evidence{e.evidence(s.query, s.share(worst), full, fmt.Sprintf("%d of %d above %s", len(hot), len(s.lines), percent(fullShare)), "below "+percent(fullShare)+" of the limit")},
	}, worst
}

// busy is what is found of a resource that works.
func (e *exam) busy(s signal, hot []line) Finding {
	f, worst := e.full(s, hot)
	f.RootCause = "the load needs more of it than there is; waiting grows as 1/(1 − utilization)"
	f.Recommendations = []string{fmt.Sprintf("Give %s more %s, or run more replicas", s.component, s.resource), "Find what uses it: profile the service under this load"}
	f.improve = []Improvement{e.moreOf(s, worst), e.lessOf(s, worst)}
	if f.strength >= mostOfTheTime {
		f.Severity = Medium
	}
	if s.kind == cpu {
		f.processor = worst
	}
	if s.isMachine() {
		f.RootCause = "all that runs there needs more of it than there is; waiting grows as 1/(1 − utilization)"
		f.Recommendations = []string{"See which process uses it: the service, the load generator, or another one", "Keep the machine to the service, or give it more " + s.resource}
		f.improve = []Improvement{more(s)}
	}
	return f
}

// kept is what is found of memory and the like: being full, it is a risk and makes
// nothing wait. Memory that grows on besides is told of by the growth probe.
func (e *exam) kept(ctx context.Context, s signal, hot []line) ([]Finding, error) {
	f, worst := e.full(s, hot)
	f.class = stock
	f.RootCause = "what is kept there takes nearly all there is: a cache does so and evicts, anything else fails or is killed when it needs more"
	f.Impact = "a risk: what is full may fail or be killed, but makes nothing wait"
	f.Recommendations = []string{"See whether it may evict, and how much it does (Redis: maxmemory-policy, evicted_keys)", fmt.Sprintf("If it may not, give %s more %s, or keep less there", s.component, s.resource)}
	f.improve = []Improvement{more(s)}
	killed, err := e.restarted(ctx, worst)
	_, grows := e.rise(worst)
	switch {
	case err != nil:
		return nil, err
	case killed.Peak > 0:
		f.Severity = High
		f.Impact = fmt.Sprintf("%s was killed or restarted in the same window (%s)", named(s, worst), killed.Shows)
		f.Evidence = append(f.Evidence, killed)
	case grows && s.kind == memory:
		return nil, nil
	case grows:
		f.Severity = Medium
	}
	return []Finding{f}, nil
}

// restarts tell what was killed or began anew, and how often.
var restarts = []struct{ needs, query string }{
	{"container_oom_events_total", `sum by (pod) (increase(container_oom_events_total{pod!=""}[$window]))`},
	{"kube_pod_container_status_restarts_total", `sum by (pod) (increase(kube_pod_container_status_restarts_total[$window]))`},
	{"process_start_time_seconds", `sum by (job, instance) (changes(process_start_time_seconds{` + ours + `}[$window]))`},
}

// restarted is the evidence that what a line is of was killed or restarted; its peak
// is 0 where nothing tells of that.
func (e *exam) restarted(ctx context.Context, l line) (Evidence, error) {
	for _, r := range restarts {
		if !e.present[r.needs] {
			continue
		}
		res, err := e.meter.Query(ctx, e.expand(r.query), e.Window.End)
		if err != nil {
			return Evidence{}, err
		}
		for _, s := range res.Series {
			// increase() extrapolates to the edges of the window, so one is not exactly one.
			if n := math.Round(s.Points[0].Value); n > 0 && (line{labels: s.Labels}).isOf(l) {
				return Evidence{Query: e.expand(r.query), Shows: fmt.Sprintf("%s: %.0f", r.needs, n), Threshold: "none", Peak: n, Overlap: math.NaN()}, nil
			}
		}
	}
	return Evidence{}, nil
}

// exhaustion finds pools whose connections were all handed out.
func exhaustion(ctx context.Context, e *exam) (found []Finding, _ error) {
	for _, s := range e.signals {
		if s.kind != pool || len(s.lines) == 0 {
			continue
		}
		wait, err := e.waits(ctx, s.waits)
		if err != nil {
			return nil, err
		}
		waited := wait.share >= waitShare
		if len(e.hot(s, fullShare)) == 0 && !waited {
			continue
		}
		l, _ := e.hottest(s)
		share := s.share(l)
		full := above(share, fullShare)
		if waited {
			full = either(full, wait.covers)
		}
		out := e.timeAbove(above(share, 1))
		f := Finding{
			ID: s.id, Component: s.component, Resource: s.resource, strength: math.Max(out, wait.share), values: share, covers: full, failed: s.failed,
			Symptom:   fmt.Sprintf("%s of %s reached %s", s.resource, named(s, l), e.usedOf(s, l)),
			RootCause: "bursts need nearly as many connections at once as the pool has",
			Evidence:  []Evidence{e.evidence(s.query, share, full, "peak "+e.usedOf(s, l), "below "+percent(fullShare)+" of the limit")},
		}
		if s.unit != "ratio" { // a count of those that hold one
			f.crowd = line{name: "connections that were out", labels: l.labels, values: l.values}
		}
		if out > 0 {
			f.RootCause = fmt.Sprintf("bursts need more connections at once than the pool has: all were handed out in %s of the samples", percent(out))
		}
		if wait.share > 0 {
			f.Symptom += fmt.Sprintf("; waits for a connection took %s of the requests' time", percent(wait.share))
			f.Evidence = append(f.Evidence, wait.evidence)
		}
		if out >= poolTime || wait.share >= waitShare {
			f.Severity = Medium
			f.RootCause = fmt.Sprintf("the pool is too small for the load: all connections were handed out in %s of the samples", percent(out))
		}
		f.Recommendations = []string{fmt.Sprintf("Raise the limit of %s, as far as what stands behind it bears that", s.resource), "Hold connections for less time: look at the slowest queries, and don't hold one while waiting for something else"}
		f.improve = []Improvement{
			e.largerPool(s, l),
			{Horizon: mediumTerm, Action: fmt.Sprintf("Hold each of the %s for less time: the slowest queries first", s.resource)},
			{Horizon: longTerm, Action: fmt.Sprintf("Share the %s of %s among all replicas through a proxy, or move reads to copies of the data", s.resource, s.component)},
		}
		found = append(found, f)
	}
	return found, nil
}

func either(a, b []bool) []bool {
	out := make([]bool, len(a))
	for i := range a {
		out[i] = a[i] || i < len(b) && b[i]
	}
	return out
}

// A wait is time that requests spent waiting for something.
type wait struct {
	share    float64 // of the requests' time in the intervals that missed a bound, or of all
	shares   []float64
	waiting  []float64 // how many waited at a time, on average (Little's law)
	covers   []bool
	evidence Evidence
}

// lockWaits is where the time spent waiting for locks is counted.
const lockWaits = "go_sync_mutex_wait_total_seconds_total"

// waits measures the time spent waiting that a metric counts: a counter of seconds,
// a summary, or a histogram, classic or native.
func (e *exam) waits(ctx context.Context, metric string) (wait, error) {
	var seconds []float64
	query := ""
	switch {
	case e.seconds == nil || metric == "":
	case e.present[metric+"_sum"], e.present[metric] && strings.HasSuffix(metric, "_total"):
		if e.present[metric+"_sum"] {
			metric += "_sum"
		}
		query = fmt.Sprintf("%s{%s}", metric, ours)
		lines, err := e.counter(ctx, query)
		if err != nil {
			return wait{}, err
		}
		if len(lines) > 0 {
			seconds = lines[0].values
		}
		query = fmt.Sprintf("sum (rate(%s[%s]))", query, e.expand("$rate"))
	case e.present[metric]:
		spent, err := e.spent(ctx, metric+"{"+ours+"}", "")
		if err != nil {
			return wait{}, err
		}
		if len(spent) > 0 {
			seconds = spent[0].seconds
		}
		query = fmt.Sprintf("histogram_sum(sum (rate(%s[%s])))", metric, e.expand("$rate"))
	}
	if seconds == nil {
		return wait{}, nil
	}
	return e.waited(query, seconds), nil
}

func (e *exam) waited(query string, seconds []float64) wait {
	shares := e.shares(seconds)
	// A wait is counted when it ends, its request later: while a queue grows there are more of the first.
	w := wait{share: math.Min(e.timeShare(seconds), 1), shares: shares, covers: above(shares, waitShare)}
	for _, s := range seconds {
		w.waiting = append(w.waiting, s/e.grid.Step.Seconds())
	}
	w.evidence = e.evidence(query, shares, w.covers, fmt.Sprintf("%s of the time of all requests", percent(w.share)), "below "+percent(waitShare)+" of the requests' time")
	return w
}

// collection finds a garbage collector that takes the processor from requests.
func collection(ctx context.Context, e *exam) (found []Finding, _ error) {
	var query string
	var cpus []line
	of, used := "of the processor time used", e.usedOfCPU
	switch {
	case e.present["go_cpu_classes_gc_total_cpu_seconds_total"] && e.present["process_cpu_seconds_total"]:
		query = `sum by (job, instance) (rate(go_cpu_classes_gc_total_cpu_seconds_total{` + ours + `}[$rate])) / ` + processCPU
		var err error
		if cpus, err = e.measure(ctx, e.expand(processCPU)); err != nil {
			return nil, err
		}
	case e.present["jvm_gc_pause_seconds_sum"]:
		query, of, used = `sum by (instance) (rate(jvm_gc_pause_seconds_sum[$rate]))`, "of the time", func(line) float64 { return 1 }
	default:
		return nil, nil
	}
	query = e.expand(query)
	lines, err := e.measure(ctx, query)
	if err != nil {
		return nil, err
	}
	for _, l := range lines {
		share := e.weightedMean(l, cpus)
		if !(share >= gcShare) || used(l)*share < gcOfLimit {
			continue
		}
		covers := above(l.values, gcShare)
		found = append(found, Finding{
			ID: "collector", Component: "Process " + l.name, Resource: "Garbage collector", values: l.values, covers: covers, strength: share, causes: e.processorsOf(l), processor: l,
			Symptom:         fmt.Sprintf("the garbage collector took %s %s", percent(share), of),
			RootCause:       "requests make more short-lived objects than the collector can clear on the side",
			Recommendations: []string{"Find where objects are made (an allocation profile), and use them again", "Give the collector more memory to work with (GOGC or GOMEMLIMIT, -Xmx)"},
			Evidence:        []Evidence{e.evidence(query, l.values, covers, percent(share)+" on average", "below "+percent(gcShare))},
			improve: []Improvement{
				{Horizon: quickWin, Action: "Let the collector run half as often: twice the heap (GOGC=200, or a larger -Xmx)", Estimate: percent(share/2) + " less processor time", Formula: "share of the collector / 2: it works in proportion to how often it runs"},
				lessGarbage(share),
			},
		})
	}
	return found, nil
}

// weightedMean is the mean of a line over the scored intervals, weighted by what the
// line of the same process among others gives for each: a share of nearly nothing,
// as while a service starts, counts for nearly nothing. Without one all count alike.
func (e *exam) weightedMean(l line, weights []line) float64 {
	i := slices.IndexFunc(weights, func(w line) bool { return w.isOf(l) })
	if i < 0 {
		return stats.Mean(e.scored(l.values))
	}
	sum, total := 0.0, 0.0
	for k := e.from; k < e.to; k++ {
		if v, w := l.values[k], weights[i].values[k]; !math.IsNaN(v * w) {
			sum, total = sum+v*w, total+w
		}
	}
	return sum / total
}

// usedOfCPU is the share of its limit that a process used of the processor; 1 when not known.
func (e *exam) usedOfCPU(process line) float64 {
	for _, s := range e.signals {
		for _, l := range s.lines {
			if share := stats.Mean(e.scored(s.share(l))); s.kind == cpu && l.isOf(process) && !math.IsNaN(share) {
				return share
			}
		}
	}
	return 1
}

// processorsOf are the findings about the processor that a process uses.
func (e *exam) processorsOf(process line) (ids []string) {
	for _, s := range e.signals {
		for _, l := range s.lines {
			if s.kind == cpu && l.isOf(process) {
				ids = append(ids, "utilization/"+s.id, "imbalance/"+s.id)
				break
			}
		}
	}
	return ids
}

// contention finds requests that wait for each other.
func contention(ctx context.Context, e *exam) ([]Finding, error) {
	w, err := e.waits(ctx, lockWaits)
	if err != nil || !(w.share >= waitShare) {
		return nil, err
	}
	return []Finding{{
		ID: "mutex", Component: "Process", Resource: "Locks", strength: w.share, values: w.shares, covers: w.covers,
		crowd:           line{name: "that waited for a lock", values: w.waiting},
		Symptom:         fmt.Sprintf("requests spent %s of their time waiting for locks inside the process", percent(w.share)),
		RootCause:       "lock contention: work that is done under one lock is done by one request at a time, however many processors there are",
		Recommendations: []string{"Find the lock with a mutex profile", "Do less under it, or split it (by key, or into readers and writers)"},
		Evidence:        []Evidence{w.evidence},
		improve: []Improvement{
			withoutWait("Split the lock, or do less under it", "waits for locks", w.share, mediumTerm),
			{Horizon: longTerm, Action: "Part what the lock guards by key, so that requests share nothing that must be locked"},
		},
	}}, nil
}

func throttling(ctx context.Context, e *exam) (found []Finding, _ error) {
	if !e.present["container_cpu_cfs_throttled_periods_total"] {
		return nil, nil
	}
	query := e.expand(`sum by (pod) (rate(container_cpu_cfs_throttled_periods_total{container!="",pod!=""}[$rate])) / sum by (pod) (rate(container_cpu_cfs_periods_total{container!="",pod!=""}[$rate]))`)
	lines, err := e.measure(ctx, query)
	if err != nil {
		return nil, err
	}
	for _, l := range lines {
		share := stats.Mean(e.scored(l.values))
		if !(share >= throttleShare) {
			continue
		}
		covers := above(l.values, throttleShare)
		found = append(found, Finding{
			ID: l.name, Component: "Container " + l.name, Resource: "CPU limit", covers: covers, strength: share, processor: l,
			Symptom:         fmt.Sprintf("%s was stopped at its CPU limit in %s of the periods", l.name, percent(share)),
			RootCause:       "bursts use the CPU limit's quota up before the period of 100 ms ends, however low the mean is",
			Recommendations: []string{"Raise the CPU limit, or take it off and keep the request", "Let the runtime use no more threads than the limit has cores"},
			Evidence:        []Evidence{e.evidence(query, l.values, covers, percent(share)+" on average", "below "+percent(throttleShare)+" of the periods")},
			improve: []Improvement{
				{Horizon: quickWin, Action: fmt.Sprintf("Raise the CPU limit of %s, or take it off and keep the request", l.name)},
				{Horizon: mediumTerm, Action: "Let bursts take less processor at once: fewer threads than the limit has cores, work spread over time"},
			},
		})
	}
	return found, nil
}

// queueing finds requests that pile up while no more of them are answered
// (Little's law): the strongest single sign of saturation, whatever saturates.
func queueing(_ context.Context, e *exam) ([]Finding, error) {
	if e.requests == nil {
		return nil, nil
	}
	times, inFlight, rate := e.inFlight()
	n := len(inFlight)
	if n < leastIntervals {
		return nil, nil
	}
	queue := stats.MannKendall(inFlight, 0)
	slope := stats.TheilSen(times, inFlight, .95)
	grew := slope.At(times[n-1]) / math.Max(slope.At(times[0]), 1) // fewer than one at a time are no queue
	ratesLine := stats.TheilSen(times, rate, .95)
	more := ratesLine.At(times[n-1]) / math.Max(ratesLine.At(times[0]), 1e-9)
	if elasticity := math.Log(more) / math.Log(grew); !(queue.P < growthP && queue.S > 0 && grew > 1.5 && elasticity < flatElasticity) {
		return nil, nil
	}
	return []Finding{{
		ID: "requests", Component: "Service", Resource: "Requests in flight", class: piling, covers: e.always(), strength: 1,
		Symptom:         fmt.Sprintf("requests in flight grew from %.1f to %.1f while throughput went from %.0f to %.0f req/s", math.Max(slope.At(times[0]), 0), slope.At(times[n-1]), ratesLine.At(times[0]), ratesLine.At(times[n-1])),
		RootCause:       "something is saturated: more work in the service does not make more answers",
		Recommendations: []string{"Look at the resource that stands beside this one", "Shed or limit load before it queues"},
		Evidence: []Evidence{{Query: fmt.Sprintf("sum (rate(%s_sum[%s]))", e.expand(e.Requests), e.expand("$rate")), Shows: fmt.Sprintf("%.1f times as many in flight at the end", grew),
			Threshold: fmt.Sprintf("no growth with a throughput elasticity below %.1f", flatElasticity), Peak: extreme(inFlight), Overlap: math.NaN()}},
		improve: []Improvement{
			lessInFlight(slope.At(times[0]), slope.At(times[n-1]), ratesLine.At(times[n-1])),
			{Horizon: longTerm, Action: "Scale by itself with the requests in flight, before they queue"},
		},
	}}, nil
}

// inFlight is the mean number of requests in the service, and their rate, in each scored interval (Little's law).
func (e *exam) inFlight() (times, inFlight, rate []float64) {
	step := e.grid.Step.Seconds()
	for i := e.from; i < e.to; i++ {
		times = append(times, float64(i)*step)
		inFlight = append(inFlight, e.seconds[i]/step)
		rate = append(rate, e.requests[i]/step)
	}
	return times, inFlight, rate
}
