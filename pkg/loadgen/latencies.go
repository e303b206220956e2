package loadgen

import (
	"math"
	"math/bits"
	"sync/atomic"
	"time"
)

// The buckets of latencies: for each power of two of nanoseconds, 128 of equal width.
const (
	subBits    = 7
	subBuckets = 1 << subBits
	buckets    = (64 - subBits + 1) * subBuckets
)

// QuantileError is how far a quantile of a Summary may be from the exact one, relative to it.
const QuantileError = 1.0 / subBuckets / 2

// latencies is a histogram of durations, of constant size, safe for use by many at once.
type latencies struct {
	counts [buckets]atomic.Int64
	n      atomic.Int64
	sum    atomic.Int64 // nanoseconds
	max    atomic.Int64 // nanoseconds
}

func (l *latencies) add(d time.Duration) {
	d = max(d, 0)
	l.counts[bucketOf(uint64(d))].Add(1)
	l.n.Add(1)
	l.sum.Add(int64(d))
	for {
		old := l.max.Load()
		if int64(d) <= old || l.max.CompareAndSwap(old, int64(d)) {
			return
		}
	}
}

func bucketOf(v uint64) int {
	shift := max(bits.Len64(v)-subBits-1, 0)
	return shift*subBuckets + int(v>>shift)
}

// middleOf is the middle of a bucket, in nanoseconds.
func middleOf(bucket int) float64 {
	if bucket < 2*subBuckets {
		return float64(bucket)
	}
	shift := bucket/subBuckets - 1
	low := float64(uint64(bucket-shift*subBuckets) << shift)
	return low + float64(uint64(1)<<shift)/2
}

// merge adds what other holds.
func (l *latencies) merge(other *latencies) {
	for i := range other.counts {
		if n := other.counts[i].Load(); n > 0 {
			l.counts[i].Add(n)
		}
	}
	l.n.Add(other.n.Load())
	l.sum.Add(other.sum.Load())
	l.max.Store(max(l.max.Load(), other.max.Load()))
}

// quantile is the value below which a share q of the durations lie, in seconds; 0 when there are none.
func (l *latencies) quantile(q float64) float64 {
	n := l.n.Load()
	if n == 0 {
		return 0
	}
	rank := int64(math.Ceil(q * float64(n)))
	seen := int64(0)
	for i := range l.counts {
		if seen += l.counts[i].Load(); seen >= max(rank, 1) {
			return min(middleOf(i), float64(l.max.Load())) / 1e9
		}
	}
	return float64(l.max.Load()) / 1e9
}

func (l *latencies) times() Times {
	t := Times{
		P50: l.quantile(0.50), P95: l.quantile(0.95), P99: l.quantile(0.99), P999: l.quantile(0.999),
		Max: float64(l.max.Load()) / 1e9,
	}
	if n := l.n.Load(); n > 0 {
		t.Mean = float64(l.sum.Load()) / float64(n) / 1e9
	}
	return t
}
