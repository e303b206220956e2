package loadgen

import (
	"fmt"
	"sync/atomic"
	"time"

	"github.com/plumbline/plumbline/pkg/run"
)

// A tail is what came of a stage's iterations after its end, in an open model.
type tail struct {
	end  time.Duration // of the stage, on the fleet's clock
	due  atomic.Int64  // iterations that came due in the stage
	late atomic.Int64  // of those, ended after it
	last atomic.Int64  // when the latest of them ended, on the fleet's clock
	// usual is how long 99 % of the answers had taken when the stage ended, in ns.
	usual atomic.Int64
}

func (g *Generator) openTails(begun time.Duration) {
	g.tails = make([]tail, len(g.opts.Profile.Stages))
	for i, s := range g.opts.Profile.Stages {
		begun += s.Duration
		g.tails[i].end = begun
	}
}

// ended takes note of an iteration that ended.
func (t *tail) ended(at time.Duration) {
	if at > t.end {
		t.late.Add(1)
		t.last.Store(int64(at))
	}
}

// close takes note of what is usual.
func (t *tail) close(r *recorder) {
	t.usual.Store(int64(r.load().quantile(overQuantile) * float64(time.Second)))
}

// A stage's quantiles need what was answered after its end when that are so many of its
// iterations, and they took longer than this quantile of what was answered before.
const (
	lateShare    = 0.001
	overQuantile = 0.99
)

// after is how long after the stage the last of its iterations ended.
func (t *tail) after() time.Duration { return max(time.Duration(t.last.Load())-t.end, 0) }

// matters reports whether the stage would look better without what came after it.
func (t *tail) matters() bool {
	return t.after() > time.Duration(t.usual.Load()) && float64(t.late.Load()) >= lateShare*float64(t.due.Load())
}

// stages are the profile's, with what is known of their last answers. After the last
// one nothing else is asked, so that its late answers are always a part of it.
func (g *Generator) stages() []run.Stage {
	stages := g.opts.Profile.RunStages(g.start)
	for i := range g.tails {
		t, s := &g.tails[i], &stages[i]
		if after := t.after(); after > 0 && (i == len(stages)-1 || t.matters()) {
			s.Answered = s.End.Add(after)
		}
		if s.Scored && t.matters() {
			g.tell(fmt.Sprintf("what was due in a scored stage was answered up to %s after its end: its latencies include that, its rates don't", t.after().Round(100*time.Millisecond)))
		}
	}
	return stages
}
