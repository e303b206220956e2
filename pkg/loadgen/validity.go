package loadgen

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/plumbline/plumbline/pkg/run"
)

// The bounds within which a generator is valid (METHODS 1).
const (
	maxLagSeconds = 0.010 // p99 of the start lag,
	maxLagRatio   = 0.01  // or this share of the median response time
	maxCPU        = 0.80
	maxShortfall  = 0.02
)

// idleCPU is a share of its cores with which a generator that is late was not busy itself.
const idleCPU = 0.5

// lateByChance is how many late starts count for nothing: of fewer than a hundred
// iterations a single one would be the p99.
const lateByChance = 3

// validityWindow is how long a generator is watched before it is judged. In
// shorter windows a single late start is a percent.
const validityWindow = 10 * time.Second

// tolerance is how much shorter a window may be because the clock ticked early.
const tolerance = time.Second / 2

// figures are what a generator is judged by.
type figures struct {
	lag, median              float64 // start lag at lagQuantile, p50 of the response time, in seconds
	lagQuantile              float64
	cpu                      float64
	due, iterations, dropped uint64
	withheld                 uint64 // requests that could not be sent
	queued                   int    // due iterations that still wait for a user
}

// reasons are why the load can't be trusted; none while the generator keeps up.
// That iterations wait for a user is no reason: their wait is in the response time.
func (f figures) reasons() (why []string) {
	if f.lag >= max(maxLagSeconds, maxLagRatio*f.median) {
		what := "start lag p99"
		if f.lagQuantile < 0.99 {
			what = fmt.Sprintf("start lag without the latest %d of %d starts", lateByChance, f.iterations)
		}
		text := fmt.Sprintf("%s was %.1f ms, must be below %.0f ms", what, f.lag*1e3, max(maxLagSeconds, maxLagRatio*f.median)*1e3)
		if f.cpu < idleCPU {
			text += fmt.Sprintf(" (the generator used only %.0f%% of its cores: other processes may have had them)", f.cpu*100)
		}
		why = append(why, text)
	}
	if f.cpu >= maxCPU {
		why = append(why, fmt.Sprintf("the generator used %.0f%% of its cores, must be below %.0f%%", f.cpu*100, maxCPU*100))
	}
	if f.dropped > 0 {
		why = append(why, fmt.Sprintf("%d of %d due iterations were dropped", f.dropped, f.due))
	}
	if f.withheld > 0 {
		requests := "requests were"
		if f.withheld == 1 {
			requests = "request was"
		}
		why = append(why, fmt.Sprintf("%d %s not sent for want of a variable's value", f.withheld, requests))
	}
	missing := float64(f.due) - float64(f.iterations) - float64(f.queued)
	if short := missing / max(float64(f.due), 1); short >= maxShortfall {
		why = append(why, fmt.Sprintf("%.1f%% of the offered iterations were not started, must be below %.0f%%", short*100, maxShortfall*100))
	}
	return why
}

// quantile is one of all response times, in seconds.
func (t *tally) quantile(q float64) float64 {
	var all histogram
	for _, times := range t.timings {
		if times != nil {
			all.merge(&times.response)
		}
	}
	return all.quantile(q)
}

func (t *tally) figures(queued int, cpu float64) figures {
	f := figures{median: t.quantile(0.5), cpu: cpu,
		due: t.due, iterations: t.iterations, dropped: t.dropped, withheld: t.withheld, queued: queued}
	if n := float64(t.iterations); n > lateByChance {
		f.lagQuantile = min(0.99, 1-lateByChance/n)
		f.lag = t.lag.quantile(f.lagQuantile)
	}
	return f
}

// A watch looks at the generator's own state: every second, and window by window.
type watch struct {
	mu         sync.Mutex
	runFrom    mark // since the start of the load
	windowFrom mark
	suspect    []run.Suspect
}

// A mark is a moment, and what had been counted by then.
type mark struct {
	at     time.Time
	cpu    time.Duration
	queued int
	tally  *tally
}

func (g *Generator) mark() mark { return mark{time.Now(), cpuTime(), g.queued(), g.rec.total()} }

// cpuSince is the processor time used since an earlier mark, of the cores that may be used.
func (m mark) cpuSince(earlier mark) float64 {
	elapsed := m.at.Sub(earlier.at)
	if elapsed <= 0 {
		return 0
	}
	return min(1, float64(m.cpu-earlier.cpu)/float64(elapsed)/float64(runtime.GOMAXPROCS(0)))
}

// figuresSince are the figures of the time since an earlier mark.
func (m mark) figuresSince(earlier mark) figures {
	t := &tally{}
	t.merge(m.tally)
	t.subtract(earlier.tally)
	return t.figures(m.queued-earlier.queued, m.cpuSince(earlier))
}

// subtract leaves what was counted since earlier.
func (t *tally) subtract(earlier *tally) {
	t.due -= earlier.due
	t.iterations -= earlier.iterations
	t.dropped -= earlier.dropped
	t.answered -= earlier.answered
	t.cutOff -= earlier.cutOff
	t.withheld -= earlier.withheld
	t.sent -= earlier.sent
	t.received -= earlier.received
	t.lag.subtract(&earlier.lag)
	for at, from := range earlier.timings {
		if from != nil {
			t.timings[at].response.subtract(&from.response)
			t.timings[at].service.subtract(&from.service)
		}
	}
	for at, n := range earlier.counters {
		t.counters[at] -= n
	}
}

// begin starts the first window.
func (w *watch) begin(g *Generator) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.runFrom = g.mark()
	w.windowFrom = w.runFrom
}

// look judges the window when it is long enough.
func (w *watch) look(g *Generator, now mark, enough time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	from := w.windowFrom
	if from.tally == nil || now.at.Sub(from.at) < enough {
		return
	}
	w.windowFrom = now
	why := now.figuresSince(from).reasons()
	valid := 1.0
	if len(why) > 0 {
		valid = 0
		w.add(run.Suspect{Window: run.Window{Start: from.at, End: now.at}, Reasons: why})
	}
	g.rec.valid.set(valid)
}

// mostSuspect bounds the suspect windows that are kept; the last one grows
// over those that follow.
const mostSuspect = 500

func (w *watch) add(s run.Suspect) {
	if n := len(w.suspect); n >= mostSuspect {
		w.suspect[n-1].End = s.End
		return
	}
	w.suspect = append(w.suspect, s)
}

// startWatch watches until ctx ends, and ends a run that no longer makes
// sense. The channel is closed when it has stopped.
func (g *Generator) startWatch(ctx context.Context, end context.CancelCauseFunc) <-chan struct{} {
	done := make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		last := g.mark()
		abort := newAborter(g.opts.AbortOn)
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			now := g.mark()
			g.rec.cpu.set(now.cpuSince(last))
			last = now
			g.watch.look(g, now, validityWindow-tolerance)
			if err := g.hopeless(); err != nil {
				end(err)
			}
			if len(g.opts.AbortOn) > 0 && g.underWay(now.at) {
				if err := abort.look(now.at, g.rec.count(g.rec.load())); err != nil {
					end(err)
				}
			}
		}
	}()
	return done
}

// hopeless is why going on makes no sense; nil while it does.
func (g *Generator) hopeless() error {
	if g.opts.Patience < 0 {
		return nil
	}
	if since, cause, gone := g.rec.silence.lasted(g.opts.Patience); gone {
		if _, answered := g.rec.reached(); !answered {
			return g.nothingSent(g.firstCause())
		}
		return &ErrTargetGone{since, cause}
	}
	_, cause, refused := g.rec.refusals.lasted(g.opts.Patience)
	if refused && g.ready.Load() == 0 && g.loggingIn.Load() == 0 { // one that takes long may succeed
		return g.nothingSent(cause)
	}
	return nil
}

// validity is the generator's word on the whole run and on its windows.
func (g *Generator) validity(total *tally) run.Generator {
	w := &g.watch
	w.mu.Lock()
	defer w.mu.Unlock()
	cpu := g.mark().cpuSince(w.runFrom)
	v := run.Generator{Segment: 1, CPU: cpu, Reasons: total.figures(0, cpu).reasons(),
		WindowSeconds: validityWindow.Seconds(), Suspect: slices.Clone(w.suspect)}
	v.Valid = len(v.Reasons) == 0
	return v
}
