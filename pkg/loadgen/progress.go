package loadgen

import (
	"math"
	"sync"
	"time"
)

// Progress is how far a run is, for a live line. Latencies are response times in
// seconds; NaN when nothing was answered lately.
type Progress struct {
	Elapsed, Total time.Duration // of the load; Elapsed is 0 until it begins
	StartAt        time.Time     // the common start that is waited for; zero: none, or it is over
	LoggedIn       int           // users whose start has succeeded
	Open           bool          // arrivals set the pace: Users are those with a request in flight

	Users, Waiting              int   // Waiting: due iterations without a free user
	Requests, Failures, Dropped int64 // since the start

	RequestsPerSecond float64 // over the last second, or the part of it that there was
	Lately            float64 // requests per second over the last ten
	P50, P95, P99     float64 // over the last ten seconds
}

// lately is how long Progress looks back for what would be too unsteady in a second.
const lately = 10 * time.Second

// Progress tells how far the run is; safe to call at any time. The more regularly
// it is called, the closer are its last seconds to whole ones.
func (g *Generator) Progress() Progress {
	p := Progress{Total: g.opts.Profile.Duration(), Open: g.opts.Profile.Open, LoggedIn: int(g.ready.Load()), Users: g.rec.users(),
		P50: math.NaN(), P95: math.NaN(), P99: math.NaN()}
	nano := g.startNano.Load()
	if nano == 0 {
		p.StartAt = g.opts.StartAt
		return p
	}
	start, now := time.Unix(0, nano), time.Now()
	p.Elapsed, p.Waiting = max(now.Sub(start), 1), g.queued()
	total, second, recent := g.pace.look(g, start, now)
	p.Requests, p.Failures, p.Dropped = total.Requests, total.Failures, total.dropped
	p.RequestsPerSecond, p.Lately = second.perSecond(), recent.perSecond()
	if recent.Requests > 0 {
		p.P50, p.P95, p.P99 = recent.Quantile(0.5), recent.Quantile(0.95), recent.Quantile(0.99)
	}
	return p
}

// A pace is what had been counted at some moments of the last seconds, the oldest first.
type pace struct {
	mu    sync.Mutex
	marks []moment
}

// A moment is what had been counted by then.
type moment struct {
	at time.Time
	Count
	dropped int64
}

// A stretch is what was counted for some time.
type stretch struct {
	Count
	took time.Duration
}

func (s stretch) perSecond() float64 { return float64(s.Requests) / max(s.took.Seconds(), 1e-3) }

// look counts what there is, and of that what is of the last second and of the last ten.
func (p *pace) look(g *Generator, start, now time.Time) (total moment, second, recent stretch) {
	p.mu.Lock()
	defer p.mu.Unlock()
	t := g.rec.load()
	total = moment{now, g.rec.count(t), int64(t.dropped)}
	if p.marks == nil {
		p.marks = []moment{{at: start}}
	}
	for len(p.marks) > 1 && now.Sub(p.marks[1].at) >= lately-tolerance {
		p.marks = p.marks[1:]
	}
	last := len(p.marks) - 1
	for last > 0 && now.Sub(p.marks[last].at) < time.Second-tolerance {
		last--
	}
	second, recent = total.since(p.marks[last]), total.since(p.marks[0])
	if now.Sub(p.marks[len(p.marks)-1].at) >= tolerance {
		p.marks = append(p.marks, total)
	}
	return total, second, recent
}

func (m moment) since(before moment) stretch {
	return stretch{m.Count.since(before.Count), m.at.Sub(before.at)}
}
