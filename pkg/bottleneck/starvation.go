package bottleneck

import (
	"context"
	"fmt"
	"math"

	"github.com/prometheus/common/model"

	"github.com/plumbline/plumbline/pkg/stats"
)

// schedulerWaits is where Go counts how long goroutines that could run waited for
// a processor.
const schedulerWaits = "go_sched_latencies_seconds_sum"

// waitsTimed is one of how many waits for a processor the runtime times
// (gTrackingPeriod in its source, since Go 1.17).
const waitsTimed = 8

// processors is how many a process may use, over the window: its last scrape may
// have failed.
const processors = "max_over_time(go_sched_gomaxprocs_threads{" + ours + "}[$window])"

// starve finds the pools and locks that are held for long because those who hold
// them wait for a processor. Whatever takes the processor explains them.
func (e *exam) starve(ctx context.Context, found []Finding) error {
	if !e.present[schedulerWaits] {
		return nil
	}
	queue := signal{query: fmt.Sprintf("%d * sum by (job, instance) (rate(%s{%s}[%s]))", waitsTimed, schedulerWaits, ours, e.expand("$rate")), limit: math.NaN()}
	var err error
	if queue.lines, err = e.counter(ctx, schedulerWaits+"{"+ours+"}", model.JobLabel, model.InstanceLabel, "pod"); err != nil {
		return err
	}
	if err := e.limit(ctx, &queue, processors); err != nil {
		return err
	}
	for _, process := range queue.lines {
		process.values = e.runQueue(process.values)
		for i := range found {
			if found[i].crowd.isOf(process) && e.starves(queue, process, &found[i]) {
				blame(found, process, found[i].ID)
			}
		}
	}
	return nil
}

// runQueue is how many goroutines of a process wait for a processor at a time, on
// average, by what the waits that were timed gained (Little's law). What was gained
// while scrapes failed shows in the interval after them, and is shared out among them.
func (e *exam) runQueue(seconds []float64) []float64 {
	queue := make([]float64, len(seconds))
	first := 0 // interval since the last gain
	for i, s := range seconds {
		if s == 0 {
			continue
		}
		for k := first; k <= i; k++ {
			queue[k] = waitsTimed * s / float64(i-first+1) / e.grid.Step.Seconds()
		}
		first = i + 1
	}
	return queue
}

// starves tells whether a pool or a lock is held for long because its process waits
// for a processor, and if so, says it there: more hold or await it than there are
// processors, and at least as many wait for one. A few are not told from what else
// a process does. Waits are counted too low rather than too high: client_golang
// takes each for the lower edge of its bucket.
func (e *exam) starves(queue signal, process line, f *Finding) bool {
	waiting, crowd := e.during(f.covers, process.values), e.during(f.covers, f.crowd.values)
	if !(waiting >= crowd && crowd > queue.limitOf(process)) {
		return false
	}
	f.RootCause = fmt.Sprintf("it follows from a wait for the processor: on average at least %.1f goroutines of %s waited for one, against %.1f %s", waiting, process.name, crowd, f.crowd.name)
	f.Recommendations = []string{"See first what takes the processor: more at once would only wait for it elsewhere"}
	f.improve = nil
	f.Evidence = append(f.Evidence, e.evidence(queue.query, process.values, f.covers,
		fmt.Sprintf("at least %.1f goroutines waited for a processor", waiting), fmt.Sprintf("fewer than the %.1f %s", crowd, f.crowd.name)))
	return true
}

// blame lets every finding about the processor of a process explain another finding.
func blame(found []Finding, process line, effect string) {
	for i := range found {
		if p := found[i].processor; p.values != nil && p.isOf(process) {
			found[i].causes = append(found[i].causes, effect)
		}
	}
}

// during is the mean of the values of the scored intervals that are set; NaN without one.
func (e *exam) during(set []bool, values []float64) float64 {
	var of []float64
	for i := e.from; i < e.to && i < len(values) && i < len(set); i++ {
		if set[i] {
			of = append(of, values[i])
		}
	}
	return stats.Mean(known(of))
}
