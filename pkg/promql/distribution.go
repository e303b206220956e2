package promql

import (
	"math"
	"slices"

	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser/posrange"
)

// A Distribution is how values spread over the buckets of a classic or a native histogram.
// The zero Distribution is empty.
type Distribution struct {
	native  *histogram.FloatHistogram
	classic map[float64]float64 // upper bound → count of values up to it
	sum     float64             // of the values of a classic histogram, from its _sum
}

// Add adds the values of o. Both must come from the same histogram.
func (d *Distribution) Add(o Distribution) {
	if o.native != nil {
		if d.native == nil {
			d.native = o.native.Copy()
		} else if sum, _, _, err := d.native.Add(o.native); err == nil {
			d.native = sum
		}
	}
	d.sum += o.sum
	for upper, n := range o.classic {
		if d.classic == nil {
			d.classic = map[float64]float64{}
		}
		d.classic[upper] += n
	}
}

// Count is the number of values.
func (d Distribution) Count() float64 {
	if d.native != nil {
		return d.native.Count
	}
	return d.classic[math.Inf(1)]
}

// Form is how the histogram is stored that the values come from.
func (d Distribution) Form() HistogramForm {
	if d.native != nil {
		return Native
	}
	return Classic
}

// Sum is the sum of the values; of a classic histogram it comes from the _sum series.
func (d Distribution) Sum() float64 {
	if d.native != nil {
		return d.native.Sum
	}
	return d.sum
}

// Mean is the mean of the values; NaN when empty.
func (d Distribution) Mean() float64 { return d.Sum() / d.Count() }

// Quantile is the value that the share q of the values does not exceed,
// interpolated as histogram_quantile does. NaN when empty. In the last, open
// bucket of a classic histogram it is the last bound, and the truth is above.
func (d Distribution) Quantile(q float64) float64 {
	if d.native != nil {
		v, _ := promql.HistogramQuantile(q, d.native, "", posrange.PositionRange{})
		return v
	}
	v, _, _, _, _, _ := promql.BucketQuantile(q, d.buckets())
	return v
}

func (d Distribution) buckets() promql.Buckets {
	bs := make(promql.Buckets, 0, len(d.classic))
	for upper, n := range d.classic {
		bs = append(bs, promql.Bucket{UpperBound: upper, Count: n})
	}
	slices.SortFunc(bs, func(a, b promql.Bucket) int {
		if a.UpperBound < b.UpperBound {
			return -1
		}
		return 1
	})
	return bs
}

// CountBelow is the number of values up to x, and whether x is a bucket's edge,
// so that the number is counted and not interpolated.
func (d Distribution) CountBelow(x float64) (n float64, exact bool) {
	below := 0.0
	exact = true
	d.each(func(lo, hi, count float64) {
		switch {
		case hi <= x:
			below += count
		case lo < x:
			exact = false
			if !math.IsInf(hi, 1) {
				below += count * (x - max(lo, 0)) / (hi - max(lo, 0))
			}
		}
	})
	return below, exact
}

// FractionBelow is the share of the values up to x, in [0, 1], NaN when empty,
// and whether x is a bucket's edge, so that the share is counted.
func (d Distribution) FractionBelow(x float64) (share float64, exact bool) {
	n, exact := d.CountBelow(x)
	return n / d.Count(), exact
}

// Edges are the bounds of the bucket that holds the value of a rank, from 1 to Count.
func (d Distribution) Edges(rank float64) (low, high float64) {
	low, high = math.NaN(), math.NaN()
	sum := 0.0
	d.each(func(lo, hi, count float64) {
		if count > 0 && sum < rank {
			low, high = lo, hi
		}
		sum += count
	})
	return low, high
}

// each calls f for every bucket, from the lowest, with its own count.
func (d Distribution) each(f func(lower, upper, count float64)) {
	if d.native != nil {
		for it := d.native.AllBucketIterator(); it.Next(); {
			b := it.At()
			f(b.Lower, b.Upper, b.Count)
		}
		return
	}
	lower, below := 0.0, 0.0
	for _, b := range d.buckets() {
		f(lower, b.UpperBound, max(b.Count-below, 0))
		lower, below = b.UpperBound, max(b.Count, below)
	}
}
