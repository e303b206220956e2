package promql

import (
	"context"
	"math"
	"time"
)

// usualScrapes are the intervals that people configure.
var usualScrapes = []time.Duration{time.Second, 2 * time.Second, 5 * time.Second, 10 * time.Second, 15 * time.Second,
	20 * time.Second, 30 * time.Second, time.Minute, 2 * time.Minute}

// unusual is how far an interval may be from a usual one and be taken for it.
const unusual = .15

// ScrapeInterval tells how often a server scraped most of its targets shortly
// before a time; 0 when it scraped none.
func ScrapeInterval(ctx context.Context, q Querier, at time.Time) (time.Duration, error) {
	const span = 10 * time.Minute
	// How many intervals, and from the first sample to the last, since a server may be younger than the span.
	count, err := q.Query(ctx, "quantile(0.5, changes(timestamp(up)["+promDuration(span)+":1s]))", at)
	if err != nil || !(count.scalar() >= 1) {
		return 0, err
	}
	first, err := q.Query(ctx, "quantile(0.5, min_over_time(timestamp(up)["+promDuration(span)+":1s]))", at)
	if err != nil {
		return 0, err
	}
	last, err := q.Query(ctx, "quantile(0.5, timestamp(up))", at)
	if err != nil || last.scalar() <= first.scalar() {
		return 0, err
	}
	mean := time.Duration((last.scalar() - first.scalar()) / count.scalar() * float64(time.Second))
	best := usualScrapes[0]
	for _, d := range usualScrapes {
		if math.Abs(math.Log(float64(d)/float64(mean))) < math.Abs(math.Log(float64(best)/float64(mean))) {
			best = d
		}
	}
	if math.Abs(best.Seconds()/mean.Seconds()-1) > unusual {
		return max(mean.Round(time.Second), time.Second), nil
	}
	return best, nil
}
