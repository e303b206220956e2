package loadgen

import (
	"math"
	"time"

	"github.com/plumbline/plumbline/pkg/run"
)

// Times are latencies in seconds. Quantiles are within [QuantileError] of the exact ones.
type Times struct {
	P50  float64 `json:"p50"`
	P95  float64 `json:"p95"`
	P99  float64 `json:"p99"`
	P999 float64 `json:"p999"`
	Max  float64 `json:"max"`
	Mean float64 `json:"mean"`
}

// Totals are exact counts of requests, and their latencies.
type Totals struct {
	Requests          int64   `json:"requests"`
	Failures          int64   `json:"failures"`
	RequestsPerSecond float64 `json:"requests_per_second"` // over the time in which load was sent
	ResponseTime      Times   `json:"response_time"`
	ServiceTime       Times   `json:"service_time"`
}

// RequestTotals are the totals of the requests of one name.
type RequestTotals struct {
	Request string `json:"request"`
	Totals
	Reasons map[Outcome]int64 `json:"reasons,omitempty"` // failures by reason
}

// A Summary is what a generator did. Its counts are exactly what its metrics grew
// by during the load; logins before that, as in open models, are no part of it. It is
// empty when the load never began.
type Summary struct {
	Totals
	ByRequest  []RequestTotals `json:"by_request"`
	Iterations int64           `json:"iterations"`
	Due        int64           `json:"due"`
	Dropped    int64           `json:"dropped"`
	CutOff     int64           `json:"cut_off,omitempty"` // requests that a hard stop ended; in no other count
	StartLag   Times           `json:"start_lag"`         // how much later than due the generator itself started iterations
	Validity   run.Generator   `json:"validity"`
	Window     run.Window      `json:"window"` // from the start of the load to its last answer
	Stages     []run.Stage     `json:"stages"` // of the profile
}

func (g *Generator) summary(end time.Time) Summary {
	if g.start.IsZero() {
		return Summary{Validity: run.Generator{Segment: 1, Reasons: []string{"the load never began"}}}
	}
	t := g.rec.load()
	s := Summary{Iterations: int64(t.iterations), Due: int64(t.due), Dropped: int64(t.dropped), CutOff: int64(t.cutOff),
		StartLag: t.lag.times(), Window: run.Window{Start: g.start, End: end}, Stages: g.stages()}
	seconds := max(g.sentUntil.Sub(g.start).Seconds(), 1e-9)
	sent := g.rec.byRequest(g.sent)
	var all timing
	for i, r := range g.rec.byRequest(t) {
		all.response.merge(&r.response)
		all.service.merge(&r.service)
		s.Requests += r.Requests
		s.Failures += r.Failures
		r.RequestsPerSecond = float64(sent[i].Requests) / seconds
		s.RequestsPerSecond += r.RequestsPerSecond
		r.ResponseTime, r.ServiceTime = r.response.times(), r.service.times()
		s.ByRequest = append(s.ByRequest, r.RequestTotals)
	}
	s.ResponseTime, s.ServiceTime = all.response.times(), all.service.times()
	s.Validity = g.validity(t)
	return s
}

// nameTotals are the totals of a name, and its times over all outcomes.
type nameTotals struct {
	RequestTotals
	timing
}

// byRequest sorts a tally by the names of requests, in their order.
func (r *recorder) byRequest(t *tally) []*nameTotals {
	r.mu.RLock()
	defer r.mu.RUnlock()
	all := make([]*nameTotals, len(r.order))
	for i, name := range r.order {
		all[i] = &nameTotals{RequestTotals: RequestTotals{Request: name, Reasons: map[Outcome]int64{}}}
	}
	for k, at := range r.counters {
		of, n := all[r.names[k.name]], int64(*t.counter(at))
		of.Requests += n
		if k.outcome != Success && n > 0 {
			of.Failures += n
			of.Reasons[k.outcome] += n
		}
	}
	for k, at := range r.timings {
		of, from := all[r.names[k.name]], t.timing(at)
		of.response.merge(&from.response)
		of.service.merge(&from.service)
	}
	return all
}

// requests is how many requests were counted.
func (t *tally) requests() (n uint64) {
	for _, c := range t.counters {
		n += c
	}
	return n
}

// Progress is how far a run is, for a live line. Latencies are in seconds.
type Progress struct {
	Elapsed, Total     time.Duration
	Users              int
	Requests, Failures int64
	RequestsPerSecond  float64 // over the last second, or the part of it that there was
	P50, P95, P99      float64 // response time since the start
}

// Progress tells how far the run is; safe to call at any time.
func (g *Generator) Progress() Progress {
	p := Progress{Total: g.opts.Profile.Duration(), Users: g.rec.users(), RequestsPerSecond: g.lastRate.get()}
	if start := g.startNano.Load(); start != 0 {
		p.Elapsed = time.Since(time.Unix(0, start))
	}
	var response histogram
	t := g.rec.load()
	if p.Elapsed == 0 { // the logins are all there is to show
		t = g.rec.total()
	}
	for _, r := range g.rec.byRequest(t) {
		p.Requests += r.Requests
		p.Failures += r.Failures
		response.merge(&r.response)
	}
	if math.IsNaN(p.RequestsPerSecond) {
		p.RequestsPerSecond = float64(p.Requests) / max(p.Elapsed.Seconds(), 1e-3)
	}
	p.P50, p.P95, p.P99 = response.quantile(0.5), response.quantile(0.95), response.quantile(0.99)
	return p
}
