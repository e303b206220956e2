package loadgen

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"google.golang.org/protobuf/proto"
)

// someDurations spread over many octaves, with the ends and the classic bounds among them.
func someDurations(n int) []time.Duration {
	rng := rand.New(rand.NewPCG(1, 1))
	all := []time.Duration{0, 1, 2, 3, time.Second, 500 * time.Millisecond, time.Hour}
	for _, bound := range classicBuckets {
		d := time.Duration(math.Round(bound * 1e9))
		all = append(all, d-1, d, d+1)
	}
	for len(all) < n {
		all = append(all, time.Duration(math.Exp(rng.Float64()*25)))
	}
	return all
}

// client_golang's own histogram is the truth: ours must show the same buckets.
func TestHistogramIsPrometheus(t *testing.T) {
	theirs := prometheus.NewHistogram(prometheus.HistogramOpts{Name: "x", Buckets: classicBuckets[:],
		NativeHistogramBucketFactor: 1.0109, NativeHistogramZeroThreshold: math.Exp2(lowestPower)})
	var ours histogram
	for _, d := range someDurations(20_000) {
		ours.add(d)
		theirs.Observe(d.Seconds())
	}
	var want dto.Metric
	if err := theirs.Write(&want); err != nil {
		t.Fatal(err)
	}
	got := ours.proto(time.Now())
	if got.GetSchema() != want.Histogram.GetSchema() || got.GetSampleCount() != want.Histogram.GetSampleCount() ||
		got.GetZeroCount() != want.Histogram.GetZeroCount() || got.GetZeroThreshold() != want.Histogram.GetZeroThreshold() {
		t.Errorf("got schema %d, count %d, zero %d within %v, want %d, %d, %d within %v", got.GetSchema(), got.GetSampleCount(), got.GetZeroCount(),
			got.GetZeroThreshold(), want.Histogram.GetSchema(), want.Histogram.GetSampleCount(), want.Histogram.GetZeroCount(), want.Histogram.GetZeroThreshold())
	}
	if diff := cmp.Diff(nativeBuckets(want.Histogram), nativeBuckets(got)); diff != "" {
		t.Errorf("native buckets (-client_golang +ours):\n%s", diff)
	}
	for i, b := range got.GetBucket() {
		if !proto.Equal(b, want.Histogram.GetBucket()[i]) {
			t.Errorf("classic bucket %d: got %v, want %v", i, b, want.Histogram.GetBucket()[i])
		}
	}
	if relative := got.GetSampleSum()/want.Histogram.GetSampleSum() - 1; math.Abs(relative) > 1e-12 {
		t.Errorf("sum: got %v, want %v", got.GetSampleSum(), want.Histogram.GetSampleSum())
	}
}

// nativeBuckets are the counts of a native histogram by the index of their bucket.
func nativeBuckets(h *dto.Histogram) map[int32]int64 {
	counts := map[int32]int64{}
	at, n, k := int32(0), int64(0), 0
	for _, span := range h.GetPositiveSpan() {
		at += span.GetOffset()
		for range span.GetLength() {
			n += h.GetPositiveDelta()[k]
			if n != 0 {
				counts[at] = n
			}
			at++
			k++
		}
	}
	return counts
}

func TestQuantilesAreWithinTheError(t *testing.T) {
	durations := someDurations(20_000)
	var h histogram
	for _, d := range durations {
		h.add(d)
	}
	slices.Sort(durations)
	for _, q := range []float64{0.01, 0.5, 0.9, 0.95, 0.99, 0.999, 1} {
		exact := durations[int(math.Ceil(q*float64(len(durations))))-1].Seconds()
		if got := h.quantile(q); math.Abs(got/exact-1) > QuantileError {
			t.Errorf("quantile %v: got %v, want %v within %v of it", q, got, exact, QuantileError)
		}
	}
	var empty histogram
	if got := empty.quantile(0.5); got != 0 {
		t.Errorf("quantile of nothing: got %v, want 0", got)
	}
}

func TestQuantilesInsideABucket(t *testing.T) {
	var even histogram
	const n = 1_000_000
	for i := range n {
		even.add(time.Duration(i+1) * time.Microsecond)
	}
	for _, q := range []float64{0.05, 0.5, 0.507, 0.95, 0.99} {
		if got := even.quantile(q); math.Abs(got/q-1) > QuantileError/50 {
			t.Errorf("of an even spread, quantile %v: got %v", q, got)
		}
	}
	var one histogram
	one.add(20 * time.Millisecond)
	if got := one.quantile(0.5); math.Abs(got/0.02-1) > QuantileError/2 || got > 0.02 {
		t.Errorf("of one duration of 0.02 s: got %v, want at most half a bucket less", got)
	}
}

func TestHistogramsAddAndSubtract(t *testing.T) {
	durations := someDurations(3000)
	var first, second, whole histogram
	for i, d := range durations {
		whole.add(d)
		if i < 1000 {
			first.add(d)
		} else {
			second.add(d)
		}
	}
	sum := histogram{}
	sum.merge(&first)
	sum.merge(&second)
	if diff := cmp.Diff(whole, sum, cmp.AllowUnexported(histogram{})); diff != "" {
		t.Errorf("sum of two halves (-whole +sum):\n%s", diff)
	}
	sum.subtract(&first)
	for _, q := range []float64{0.1, 0.5, 0.99} {
		if got, want := sum.quantile(q), second.quantile(q); got != want {
			t.Errorf("difference, quantile %v: got %v, want %v", q, got, want)
		}
	}
}

func BenchmarkHistograms(b *testing.B) {
	durations := make([]time.Duration, 4096)
	rng := rand.New(rand.NewPCG(1, 1))
	for i := range durations {
		durations[i] = time.Duration(rng.ExpFloat64() * float64(time.Millisecond))
	}
	var t timing
	i := 0
	for b.Loop() {
		t.response.add(durations[i%len(durations)])
		t.service.add(durations[(i+7)%len(durations)])
		i++
	}
}

func BenchmarkRecord(b *testing.B) {
	r, err := newRecorder(Options{RunID: "r", Registry: prometheus.NewRegistry()})
	if err != nil {
		b.Fatal(err)
	}
	c := r.channelOf("get", "GET", 200)
	got := result{status: 200, outcome: Success, answered: true, response: time.Millisecond, service: time.Millisecond, sent: 100, received: 200}
	for b.Loop() {
		r.record(r.shards[0], &c, &got)
	}
}
