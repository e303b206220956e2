package promql

import (
	"fmt"
	"math"
	"slices"

	jsoniter "github.com/json-iterator/go"
	"github.com/prometheus/prometheus/model/histogram"
)

// An apiHistogram is a native histogram as the API gives it: the buckets that
// hold something, with their bounds. The schema is left out.
type apiHistogram struct {
	count, sum float64
	buckets    []apiBucket
}

type apiBucket struct{ low, high, count float64 }

func readHistogram(it *jsoniter.Iterator) (h apiHistogram) {
	it.ReadObjectCB(func(it *jsoniter.Iterator, field string) bool {
		switch field {
		case "count":
			h.count = readNumber(it)
		case "sum":
			h.sum = readNumber(it)
		case "buckets":
			for it.ReadArray() {
				h.buckets = append(h.buckets, readBucket(it))
			}
		default:
			it.Skip()
		}
		return it.Error == nil
	})
	return h
}

// readBucket reads [which bounds are closed, "low", "high", "count"].
func readBucket(it *jsoniter.Iterator) (b apiBucket) {
	if it.ReadArray() {
		it.Skip()
	}
	for _, into := range []*float64{&b.low, &b.high, &b.count} {
		if !it.ReadArray() {
			it.ReportError("bucket", "want four values")
			return b
		}
		*into = readNumber(it)
	}
	if it.ReadArray() || !(b.low <= b.high) && it.Error == nil {
		it.ReportError("bucket", "want four values, the bounds in order")
	}
	return b
}

// restore gives histograms of one result their schemas back. The ratio of two
// bounds tells an exponential one. Other bounds are custom ones, and those of
// all histograms together are taken, since each shows only its filled buckets.
func restore(hs []apiHistogram) ([]*histogram.FloatHistogram, error) {
	var custom []float64
	schemas := make([]int32, len(hs))
	for i, h := range hs {
		if schemas[i] = h.schema(); schemas[i] != histogram.CustomBucketsSchema {
			continue
		}
		for _, b := range h.buckets {
			custom = append(custom, b.low, b.high)
		}
	}
	custom = slices.DeleteFunc(custom, func(v float64) bool { return math.IsInf(v, 0) })
	slices.Sort(custom)
	custom = slices.Compact(custom)
	out := make([]*histogram.FloatHistogram, len(hs))
	for i, h := range hs {
		out[i] = h.with(schemas[i], custom)
		if err := out[i].Validate(); err != nil {
			return nil, fmt.Errorf("native histogram: %w", err)
		}
	}
	return out, nil
}

// schema is the one that all bounds fit; of a histogram without a bucket 0, which any fits.
func (h apiHistogram) schema() int32 {
	for schema := histogram.ExponentialSchemaMin; schema <= histogram.ExponentialSchemaMax; schema++ {
		if !slices.ContainsFunc(h.buckets, func(b apiBucket) bool { return !b.fits(schema) }) {
			return max(schema, h.least())
		}
	}
	return histogram.CustomBucketsSchema
}

// least is 0 for a histogram of nothing but a zero bucket, else the coarsest schema.
func (h apiHistogram) least() int32 {
	if slices.ContainsFunc(h.buckets, func(b apiBucket) bool { return !b.zero() }) {
		return histogram.ExponentialSchemaMin
	}
	return 0
}

// zero reports whether it is the bucket around 0.
func (b apiBucket) zero() bool { return b.low <= 0 && b.high >= 0 && b.low == -b.high }

// fits reports whether b can be a bucket of an exponential schema.
func (b apiBucket) fits(schema int32) bool {
	low, high := b.low, b.high
	if high < 0 {
		low, high = -high, -low
	}
	switch {
	case b.zero():
		return true
	case low <= 0:
		return false
	case math.IsInf(high, 1):
		return low == math.MaxFloat64
	}
	return index(high, schema)-index(low, schema) == 1 && near(high, schema) && near(low, schema)
}

// index is that of the bucket of a schema which ends at a bound.
func index(bound float64, schema int32) int32 {
	if math.IsInf(bound, 1) {
		return index(math.MaxFloat64, schema) + 1
	}
	return int32(math.Round(math.Ldexp(math.Log2(bound), int(schema))))
}

// near reports whether a bound is one of a schema. The largest number stands for
// the last bound, which is too large for one.
func near(bound float64, schema int32) bool {
	at := math.Ldexp(math.Log2(bound), int(schema))
	return bound == math.MaxFloat64 || math.Abs(at-math.Round(at)) < 1e-6
}

// with is the histogram in a schema.
func (h apiHistogram) with(schema int32, custom []float64) *histogram.FloatHistogram {
	out := &histogram.FloatHistogram{Count: h.count, Sum: h.sum, Schema: schema}
	if schema == histogram.CustomBucketsSchema {
		out.CustomValues = custom
		for _, b := range h.buckets {
			at, _ := slices.BinarySearch(custom, b.high)
			fill(&out.PositiveSpans, &out.PositiveBuckets, int32(at), b.count) //nolint:gosec // a few bounds
		}
		return out
	}
	for _, b := range h.buckets {
		switch {
		case b.zero():
			out.ZeroThreshold, out.ZeroCount = b.high, b.count
		case b.low > 0:
			fill(&out.PositiveSpans, &out.PositiveBuckets, index(b.high, schema), b.count)
		}
	}
	for _, b := range slices.Backward(h.buckets) {
		if b.high < 0 {
			fill(&out.NegativeSpans, &out.NegativeBuckets, index(-b.low, schema), b.count)
		}
	}
	return out
}

// fill appends the bucket of an index, above those there are.
func fill(spans *[]histogram.Span, counts *[]float64, at int32, count float64) {
	next := int32(0)
	for _, s := range *spans {
		next += s.Offset + int32(s.Length) //nolint:gosec // as many as there are counts
	}
	if n := len(*spans); n > 0 && at == next {
		(*spans)[n-1].Length++
	} else {
		*spans = append(*spans, histogram.Span{Offset: at - next, Length: 1})
	}
	*counts = append(*counts, count)
}
