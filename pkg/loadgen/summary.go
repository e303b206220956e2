package loadgen

import (
	"fmt"
	"maps"
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
	RequestsPerSecond float64 `json:"requests_per_second"`
	ResponseTime      Times   `json:"response_time"`
	ServiceTime       Times   `json:"service_time"`
}

// RequestTotals are the totals of the requests of one name.
type RequestTotals struct {
	Request string `json:"request"`
	Totals
	Reasons map[Outcome]int64 `json:"reasons,omitempty"` // failures by reason
}

// A Summary is what a generator did. Its counts equal its metrics exactly.
type Summary struct {
	Totals
	ByRequest  []RequestTotals `json:"by_request"`
	Iterations int64           `json:"iterations"`
	Due        int64           `json:"due"`
	Dropped    int64           `json:"dropped"`
	CutOff     int64           `json:"cut_off,omitempty"` // requests that a hard stop ended; in no other count
	Validity   run.Generator   `json:"validity"`
	Window     run.Window      `json:"window"` // from the start of the load to its end
}

func (g *Generator) summary(end time.Time) Summary {
	s := Summary{
		Iterations: g.rec.nIterations.Load(), Due: g.rec.nDue.Load(), Dropped: g.rec.nDropped.Load(), CutOff: g.cutOff.Load(),
		Window: run.Window{Start: g.start, End: end},
	}
	seconds := max(s.Window.Duration().Seconds(), 1e-9)
	var response, service latencies
	for _, st := range g.rec.order {
		r := RequestTotals{Request: st.name, Totals: Totals{Requests: st.requests.Load(), Failures: st.failures.Load(),
			ResponseTime: st.response.times(), ServiceTime: st.service.times()}}
		r.RequestsPerSecond = float64(r.Requests) / seconds
		st.mu.Lock()
		r.Reasons = maps.Clone(st.reasons)
		st.mu.Unlock()
		s.ByRequest = append(s.ByRequest, r)
		s.Requests += r.Requests
		s.Failures += r.Failures
		response.merge(&st.response)
		service.merge(&st.service)
	}
	s.RequestsPerSecond = float64(s.Requests) / seconds
	s.ResponseTime, s.ServiceTime = response.times(), service.times()
	s.Validity = g.validity(s)
	return s
}

// The bounds within which a generator is valid (METHODS 1).
const (
	maxLagSeconds = 0.010 // p99 of the start lag,
	maxLagRatio   = 0.01  // or this share of the median response time
	maxCPU        = 0.80
	maxShortfall  = 0.02
)

func (g *Generator) validity(s Summary) run.Generator {
	v := run.Generator{Segment: 1, CPU: g.meanCPU()}
	if lag := g.rec.lag.quantile(0.99); lag >= max(maxLagSeconds, maxLagRatio*s.ResponseTime.P50) {
		v.Reasons = append(v.Reasons, fmt.Sprintf("start lag p99 was %.1f ms, must be below %.0f ms", lag*1e3, maxLagSeconds*1e3))
	}
	if v.CPU >= maxCPU {
		v.Reasons = append(v.Reasons, fmt.Sprintf("the generator used %.0f%% of its cores, must be below %.0f%%", v.CPU*100, maxCPU*100))
	}
	if s.Dropped > 0 {
		v.Reasons = append(v.Reasons, fmt.Sprintf("%d of %d due iterations were dropped", s.Dropped, s.Due))
	}
	if short := float64(s.Due-s.Iterations) / max(float64(s.Due), 1); short >= maxShortfall {
		v.Reasons = append(v.Reasons, fmt.Sprintf("%.1f%% of the offered iterations were not started, must be below %.0f%%", short*100, maxShortfall*100))
	}
	v.Valid = len(v.Reasons) == 0
	return v
}

// Progress is how far a run is, for a live line. Latencies are in seconds.
type Progress struct {
	Elapsed, Total     time.Duration
	Users              int
	Requests, Failures int64
	RequestsPerSecond  float64 // over the last second
	P50, P95, P99      float64 // response time since the start
}

// Progress tells how far the run is; safe to call at any time.
func (g *Generator) Progress() Progress {
	p := Progress{Total: g.opts.Profile.Duration(), Users: int(g.rec.nUsers.Load()), RequestsPerSecond: float64(g.lastRate.Load())}
	if start := g.startNano.Load(); start != 0 {
		p.Elapsed = time.Since(time.Unix(0, start))
	}
	var response latencies
	for _, st := range g.rec.order {
		p.Requests += st.requests.Load()
		p.Failures += st.failures.Load()
		response.merge(&st.response)
	}
	p.P50, p.P95, p.P99 = response.quantile(0.5), response.quantile(0.95), response.quantile(0.99)
	return p
}
