package promql

import (
	"context"
	"math"
	"time"
)

// usualScrapes are the intervals that people configure.
var usualScrapes = []time.Duration{time.Second, 2 * time.Second, 5 * time.Second, 10 * time.Second, 15 * time.Second,
	20 * time.Second, 30 * time.Second, time.Minute, 2 * time.Minute}

// ScrapeInterval tells how often a server scraped most of its targets shortly
// before a time; 0 when it scraped none.
func ScrapeInterval(ctx context.Context, q Querier, at time.Time) (time.Duration, error) {
	const span = 10 * time.Minute
	// How many samples, and from the first to the last of them, since a server may be younger than the span.
	count, err := q.Query(ctx, "quantile(0.5, count_over_time(up["+promDuration(span)+"]))", at)
	if err != nil || count.scalar() < 2 {
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
	mean := time.Duration((last.scalar() - first.scalar()) / (count.scalar() - 1) * float64(time.Second))
	best := usualScrapes[0]
	for _, d := range usualScrapes {
		if math.Abs(math.Log(float64(d)/float64(mean))) < math.Abs(math.Log(float64(best)/float64(mean))) {
			best = d
		}
	}
	return best, nil
}
