package loadgen

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
)

// A Snapshot is what a generator has counted since the start of its load.
type Snapshot struct {
	At        time.Time
	Users     int
	Total     Count
	ByRequest []Count // in the order of the scenario
}

// A Count is what is known of the requests of one name, or of all.
type Count struct {
	Request, Method    string // "" for all
	Requests, Failures int64
	response           *latencies
}

// Snapshot copies what has been counted so far; safe to call at any time.
func (g *Generator) Snapshot() Snapshot {
	s := Snapshot{At: time.Now(), Users: int(g.rec.nUsers.Load()), Total: Count{response: new(latencies)}}
	for _, st := range g.rec.order {
		c := Count{Request: st.name, Method: g.opts.Scenario.methodOf(st.name), Requests: st.requests.Load(), Failures: st.failures.Load(), response: new(latencies)}
		c.response.merge(&st.response)
		s.ByRequest = append(s.ByRequest, c)
		s.Total.add(c)
	}
	return s
}

// total is the sum over all requests.
func (g *Generator) total() Count {
	sum := Count{response: new(latencies)}
	for _, st := range g.rec.order {
		sum.add(Count{Requests: st.requests.Load(), Failures: st.failures.Load(), response: &st.response})
	}
	return sum
}

func (c *Count) add(other Count) {
	c.Requests += other.Requests
	c.Failures += other.Failures
	c.response.merge(other.response)
}

// since is what was added after an earlier count of the same requests.
func (c Count) since(before Count) Count {
	d := Count{Request: c.Request, Method: c.Method, Requests: c.Requests - before.Requests, Failures: c.Failures - before.Failures, response: new(latencies)}
	d.response.merge(c.response)
	if before.response != nil {
		d.response.subtract(before.response)
	}
	return d
}

// subtract takes away what an earlier state held. The maximum is then the middle
// of the highest bucket that is left, since the exact one isn't known.
func (l *latencies) subtract(earlier *latencies) {
	l.max.Store(0)
	for i := range l.counts {
		if n := l.counts[i].Add(-earlier.counts[i].Load()); n > 0 {
			l.max.Store(int64(middleOf(i)))
		}
	}
	l.n.Add(-earlier.n.Load())
	l.sum.Add(-earlier.sum.Load())
}

// Quantile is the response time, in seconds, below which a share q of the requests lie; 0 without any.
func (c Count) Quantile(q float64) float64 { return c.response.quantile(q) }

// Mean is the mean response time in seconds; 0 without any.
func (c Count) Mean() float64 { return c.response.times().Mean }

// Max is the longest response time in seconds.
func (c Count) Max() float64 { return c.response.times().Max }

// Min is the shortest response time in seconds, within [QuantileError]; 0 without any.
func (c Count) Min() float64 { return c.response.quantile(0) }

// A loadState is what a generator knows beside its requests.
type loadState struct {
	users, iterations, dropped, sent, received float64
}

func (g *Generator) loadState() loadState {
	return loadState{float64(g.rec.nUsers.Load()), float64(g.rec.nIterations.Load()), float64(g.rec.nDropped.Load()), valueOf(g.rec.sent), valueOf(g.rec.received)}
}

func valueOf(c prometheus.Counter) float64 {
	var m dto.Metric
	if err := c.Write(&m); err != nil {
		return 0 // it has no way to fail
	}
	return m.GetCounter().GetValue()
}

// methodOf is the method of the requests of a name; of the first of them, should they differ.
func (s Scenario) methodOf(name string) string {
	for _, st := range s.steps() {
		if st.Name == name {
			return st.Method
		}
	}
	return ""
}
