package loadgen

import (
	"slices"
	"time"
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
	response           histogram
}

// Snapshot copies what has been counted so far; safe to call at any time.
func (g *Generator) Snapshot() Snapshot {
	s := Snapshot{At: time.Now(), Users: g.rec.users()}
	for _, r := range g.rec.byRequest(g.rec.load()) {
		c := r.count()
		c.Request, c.Method = r.Request, g.opts.Scenario.methodOf(r.Request)
		s.ByRequest = append(s.ByRequest, c)
		s.Total.add(c)
	}
	return s
}

// count is what a tally holds of all requests.
func (r *recorder) count(t *tally) (sum Count) {
	for _, of := range r.byRequest(t) {
		sum.add(of.count())
	}
	return sum
}

func (n *nameTotals) count() Count {
	return Count{Requests: n.Requests, Failures: n.Failures, response: n.response}
}

func (c *Count) add(other Count) {
	c.Requests += other.Requests
	c.Failures += other.Failures
	c.response.merge(&other.response)
}

// since is what was added after an earlier count of the same requests. Its
// maximum is one of the highest bucket that is left, since the exact one isn't known.
func (c Count) since(before Count) Count {
	d := Count{Request: c.Request, Method: c.Method, Requests: c.Requests - before.Requests, Failures: c.Failures - before.Failures}
	d.response.merge(&c.response)
	d.response.subtract(&before.response)
	if before.Requests > 0 {
		d.response.max = time.Duration(d.response.quantile(1) * float64(time.Second))
	}
	return d
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
	t := g.rec.total()
	return loadState{float64(g.running.Load()), float64(t.iterations), float64(t.dropped), float64(t.sent), float64(t.received)}
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

// inLoad tells whether users send requests of a name after their start.
func (s Scenario) inLoad(name string) bool {
	for _, u := range s.Users {
		for _, t := range u.Tasks {
			if slices.ContainsFunc(t.Steps, func(st Step) bool { return st.Name == name }) {
				return true
			}
		}
	}
	return false
}
