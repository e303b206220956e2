package loadgen

import (
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
	Reasons  map[Outcome]int64 `json:"reasons,omitempty"`  // failures by reason
	Statuses map[string]int64  `json:"statuses,omitempty"` // those for their status, by it
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
		if g.opts.Profile.Open && r.Requests == 0 && !g.opts.Scenario.inLoad(r.Request) {
			continue // the logins came before the load
		}
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
			if k.outcome == BadStatus {
				if of.Statuses == nil {
					of.Statuses = map[string]int64{}
				}
				of.Statuses[k.status] += n
			}
		}
	}
	for k, at := range r.timings {
		of, from := all[r.names[k.name]], t.timing(at)
		of.response.merge(&from.response)
		of.service.merge(&from.service)
	}
	return all
}
