package loadgen

import (
	"math"
	"time"

	dto "github.com/prometheus/client_model/go"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// The buckets of a histogram are those of Prometheus' native histograms: with
// schema s, bucket i holds what lies above 2^((i-1)/2^s) seconds and up to
// 2^(i/2^s). A finer schema divides the buckets of a coarser one, so what is
// kept here in schema keptSchema is shown in shownSchema without any error.
const (
	keptSchema  = 8
	shownSchema = 6
	perOctave   = 1 << keptSchema
	lowestPower = -30 // 2^-30 s is 0.93 ns: every nanosecond lies above it
	topPower    = 16  // 18 hours; what takes longer is counted as this
	octaves     = topPower - lowestPower
)

// QuantileError bounds how far a quantile of a [Summary] is from the exact one,
// relative to it: a bucket. Where durations vary, quantiles are closer by far.
const QuantileError = 0.00272 // 2^(1/256) - 1, rounded up

// classicBuckets are the upper bounds in seconds for those who read classic histograms.
var classicBuckets = [...]float64{.005, .01, .025, .05, .1, .2, .3, .5, .75, 1, 2, 3, 5, 10, 30, 60}

// A histogram counts durations. Its size depends on how many octaves they span
// (2 KB each), never on how many they are. It has no lock of its own.
type histogram struct {
	sum, max time.Duration
	zero     uint64                          // of no duration at all
	classic  [len(classicBuckets) + 1]uint64 // by classic bucket, the last for what is above them
	pages    [octaves + 1]*[perOctave]uint64 // nil where nothing was counted
}

func (h *histogram) add(d time.Duration) {
	if d <= 0 {
		h.zero++
		h.classic[0]++
		return
	}
	h.sum += d
	h.max = max(h.max, d)
	at := bucketOf(d)
	page := h.pages[at/perOctave]
	if page == nil {
		page = new([perOctave]uint64)
		h.pages[at/perOctave] = page
	}
	page[at%perOctave]++
	c := lookup.classic[at]
	if int(c) < len(classicBuckets) && d > lookup.classicBounds[c] {
		c++
	}
	h.classic[c]++
}

// lookup finds buckets without a search.
var lookup = newBucketLookup()

const (
	mantissaBits = 52
	cellBits     = 9 // cells are narrower than buckets, so that a cell meets one bound at most
)

type bucketLookup struct {
	bounds        [perOctave + 1]uint64 // upper bounds of the buckets of an octave, as mantissas
	cells         [1 << cellBits]uint16 // by the first bits of a mantissa: the first bucket that reaches them
	classic       [(octaves + 1) * perOctave]uint8
	classicBounds [len(classicBuckets)]time.Duration
}

func newBucketLookup() *bucketLookup {
	l := &bucketLookup{}
	for i := range perOctave {
		l.bounds[i] = math.Float64bits(math.Exp2(float64(i)/perOctave)) & (1<<mantissaBits - 1)
	}
	l.bounds[perOctave] = math.MaxUint64
	for i, c := 0, uint64(0); c < uint64(len(l.cells)); c++ {
		for l.bounds[i] < c<<(mantissaBits-cellBits) {
			i++
		}
		l.cells[c] = uint16(i)
	}
	for c, bound := range classicBuckets {
		l.classicBounds[c] = time.Duration(math.Round(bound * float64(time.Second)))
	}
	for at, c := 0, 0; at < len(l.classic); at++ {
		for c < len(classicBuckets) && upperBound(at-1) >= classicBuckets[c] {
			c++
		}
		l.classic[at] = uint8(c)
	}
	return l
}

// bucketOf is the place of a duration's bucket, from 0 for the bucket that ends at 2^lowestPower.
func bucketOf(d time.Duration) int {
	bits := math.Float64bits(float64(d) * 1e-9)
	power := int(bits>>mantissaBits) - 1023
	mantissa := bits & (1<<mantissaBits - 1)
	i := int(lookup.cells[mantissa>>(mantissaBits-cellBits)])
	if lookup.bounds[i] < mantissa {
		i++
	}
	return min((power-lowestPower)*perOctave+i, octaves*perOctave)
}

// upperBound is the upper bound of the bucket at a place, in seconds.
func upperBound(at int) float64 {
	return math.Exp2(float64(at)/perOctave + lowestPower)
}

func (h *histogram) count() uint64 {
	n := uint64(0)
	for _, c := range h.classic {
		n += c
	}
	return n
}

// merge adds what other holds.
func (h *histogram) merge(other *histogram) {
	h.sum += other.sum
	h.max = max(h.max, other.max)
	h.zero += other.zero
	for i, n := range other.classic {
		h.classic[i] += n
	}
	for i, page := range other.pages {
		if page == nil {
			continue
		}
		if h.pages[i] == nil {
			h.pages[i] = new([perOctave]uint64)
		}
		for k, n := range page {
			h.pages[i][k] += n
		}
	}
}

// subtract leaves what was counted since earlier, a former state of h. Its max stays that of h.
func (h *histogram) subtract(earlier *histogram) {
	h.sum -= earlier.sum
	h.zero -= earlier.zero
	for i, n := range earlier.classic {
		h.classic[i] -= n
	}
	for i, page := range earlier.pages {
		if page == nil {
			continue
		}
		for k, n := range page {
			h.pages[i][k] -= n
		}
	}
}

// each visits the buckets that hold something, in order.
func (h *histogram) each(visit func(at int, n uint64) (goOn bool)) {
	for i, page := range h.pages {
		if page == nil {
			continue
		}
		for k, n := range page {
			if n > 0 && !visit(i*perOctave+k, n) {
				return
			}
		}
	}
}

// quantile is the value below which a share q of the durations lie, in seconds; 0 when there are none.
// Inside a bucket it takes them for evenly spread on the logarithm's scale, as
// Prometheus' histogram_quantile does for native histograms.
func (h *histogram) quantile(q float64) float64 {
	rank := max(uint64(math.Ceil(q*float64(h.count()))), 1)
	seen, value := h.zero, 0.0
	if seen >= rank {
		return 0
	}
	h.each(func(at int, n uint64) bool {
		if seen += n; seen < rank {
			return true
		}
		above := (float64(seen-rank) + 0.5) / float64(n) // a share of the bucket
		value = min(upperBound(at)*math.Exp2(-above/perOctave), h.max.Seconds())
		return false
	})
	return value
}

// mean is in seconds; 0 when there are none.
func (h *histogram) mean() float64 {
	return h.sum.Seconds() / float64(max(h.count(), 1))
}

func (h *histogram) times() Times {
	return Times{
		P50: h.quantile(0.50), P95: h.quantile(0.95), P99: h.quantile(0.99), P999: h.quantile(0.999),
		Max: h.max.Seconds(), Mean: h.mean(),
	}
}

// proto is the histogram as it is exposed: native and classic.
func (h *histogram) proto(since time.Time) *dto.Histogram {
	p := &dto.Histogram{
		CreatedTimestamp: timestamppb.New(since),
		SampleCount:      proto.Uint64(h.count()),
		SampleSum:        proto.Float64(h.sum.Seconds()),
		Schema:           proto.Int32(shownSchema),
		ZeroThreshold:    proto.Float64(math.Exp2(lowestPower)),
		ZeroCount:        proto.Uint64(h.zero),
	}
	below := uint64(0)
	for i, bound := range classicBuckets {
		below += h.classic[i]
		p.Bucket = append(p.Bucket, &dto.Bucket{UpperBound: proto.Float64(bound), CumulativeCount: proto.Uint64(below)})
	}
	h.addNative(p)
	return p
}

// addNative adds the buckets as spans of neighbours and the differences between them.
func (h *histogram) addNative(p *dto.Histogram) {
	const ratio = 1 << (keptSchema - shownSchema)
	const maxGap = 2 // empty buckets that are cheaper than another span
	last, next := int64(0), 0
	put := func(n int64) {
		*p.PositiveSpan[len(p.PositiveSpan)-1].Length++
		p.PositiveDelta = append(p.PositiveDelta, n-last)
		last = n
		next++
	}
	open, sum := 0, int64(0) // the shown bucket that is being summed up
	flush := func() {
		if sum == 0 {
			return
		}
		if len(p.PositiveSpan) == 0 || open-next > maxGap {
			p.PositiveSpan = append(p.PositiveSpan, &dto.BucketSpan{Offset: proto.Int32(int32(open - next)), Length: proto.Uint32(0)})
			next = open
		}
		for next < open {
			put(0)
		}
		put(sum)
	}
	h.each(func(at int, n uint64) bool {
		kept := at + lowestPower*perOctave
		shown := int(math.Ceil(float64(kept) / ratio))
		if shown != open {
			flush()
			open, sum = shown, 0
		}
		sum += int64(n)
		return true
	})
	flush()
}
