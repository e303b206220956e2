package reference

import (
	"math"
	"slices"
)

// edges are the upper bounds of the service's buckets in seconds: fine enough
// for the quantiles of the guide, and with its bounds among them.
var edges = []float64{.005, .01, .02, .03, .04, .05, .06, .07, .08, .09, .1, .12, .14, .16, .18, .2, .225, .25, .275, .3, .325, .35, .375, .4, .425,
	.45, .475, .5, .55, .6, .65, .7, .8, .9, 1, 1.25, 1.5, 1.75, 2, 2.25, 2.5, 3, 4, 5, 7.5, 10}

// Traffic is the requests as they fall on time, pods and buckets.
type traffic struct {
	clock
	want     Numbers
	all      []int       // by interval
	requests [][]int     // by request and interval
	failures [][][]int   // by kind of error, pod and interval
	pods     [][][]int   // by request, pod and interval
	buckets  [][][][]int // by request, pod, bucket and interval
	sums     [][][]float64
	wishes   [][][]float64 // by request, interval and bucket, before rounding
	shape    distribution
}

func newTraffic(want Numbers) (*traffic, error) {
	t := &traffic{clock: newClock(want.Run), want: want}
	var err error
	if t.all, err = load(t.clock, want.Throughput); err != nil {
		return nil, err
	}
	t.shape = shapeOf(float64(want.Throughput.Total), want.Latency, edges)
	t.shareRequests()
	t.shareTimes()
	t.sharePods()
	t.fail()
	return t, nil
}

// swing is the load of each interval against its mean in the steady window, less 1.
func (t *traffic) swing() []float64 {
	mean := float64(sum(t.all[t.ramp:t.window])) / float64(t.window-t.ramp)
	values := make([]float64, t.n)
	for i, n := range t.all {
		values[i] = float64(n)/mean - 1
	}
	return values
}

// burst is how much more of a request that bursts there is in the peak.
const burst = 1.5

// shareRequests tells which requests the load is made of, interval by interval.
func (t *traffic) shareRequests() {
	weights, once := 0.0, 0
	for _, r := range t.want.Requests {
		weights, once = weights+r.Weight, once+r.Count
	}
	swing := t.swing()
	prior := make([][]float64, len(t.want.Requests))
	rows := make([]float64, len(prior))
	for k, r := range t.want.Requests {
		prior[k] = make([]float64, t.n)
		for i := range t.window {
			switch {
			case r.Count > 0 && i < t.ramp, r.Count == 0:
				prior[k][i] = float64(t.all[i])
			}
			if r.Bursts {
				prior[k][i] *= math.Exp(burst * math.Max(swing[i], -.2))
			}
		}
		rows[k] = float64(r.Count) + float64(t.want.Throughput.Total-once)*r.Weight/weights
	}
	fit(prior, rows, floats(t.all))
	t.requests = make([][]int, len(prior))
	var d dither
	for i := range t.n {
		column := make([]float64, len(prior))
		for k := range prior {
			column[k] = prior[k][i]
		}
		for k, n := range d.split(column, t.all[i]) {
			t.requests[k] = append(t.requests[k], n)
		}
	}
}

// shareTimes tells how long the requests of each kind take, interval by interval:
// in all as the distribution says, longer where the load is higher.
func (t *traffic) shareTimes() {
	byKind := make([][]float64, len(t.requests))
	rows := make([]float64, len(t.requests))
	for k, r := range t.want.Requests {
		rows[k] = float64(sum(t.requests[k]))
		byKind[k] = logNormalShare(edges, r.Typical, r.Spread)
	}
	fit(byKind, rows, t.shape.counts)
	slow := noise(2, t.n, .6)
	for i, s := range t.swing() {
		slow[i] = .5*slow[i] + 3*math.Max(s, -.2)
	}
	total, below := sum(t.shape.counts), 0.0
	lean := make([]float64, len(edges)) // how much a bucket gains when things are slow
	for b, n := range t.shape.counts {
		lean[b] = .3 * ((below+n/2)/total - .5)
		below += n
	}
	for k := range t.requests {
		wishes := make([][]float64, t.n)
		for i := range wishes {
			wishes[i] = make([]float64, len(edges))
			for b := range edges {
				wishes[i][b] = byKind[k][b] * float64(t.requests[k][i]) * math.Exp(lean[b]*slow[i])
			}
		}
		fit(wishes, floats(t.requests[k]), byKind[k])
		t.wishes = append(t.wishes, wishes)
	}
}

// hotter is how much more the hot pods get of the requests that heat them.
const hotter = 1.9

// sharePods deals the requests out to the pods: as many to each, but not of the same kind.
func (t *traffic) sharePods() {
	prior := make([][]float64, t.want.Pods.Count)
	rows := make([]float64, t.want.Pods.Count)
	columns := make([]float64, len(t.requests))
	for p := range prior {
		prior[p] = make([]float64, len(t.requests))
		rows[p] = float64(t.want.Throughput.Total) / float64(t.want.Pods.Count)
		for k, r := range t.want.Requests {
			columns[k] = float64(sum(t.requests[k]))
			prior[p][k] = columns[k]
			if r.Hot && p >= t.want.Pods.Count-t.want.Pods.Hot {
				prior[p][k] *= hotter
			}
		}
	}
	fit(prior, rows, columns)
	for k := range t.requests {
		share := make([]float64, len(prior))
		for p := range prior {
			share[p] = prior[p][k] / columns[k]
		}
		pods := t.deal(t.requests[k], share)
		t.pods = append(t.pods, pods)
		buckets, sums := make([][][]int, len(pods)), make([][]float64, len(pods))
		for p := range pods {
			buckets[p] = t.bucketed(k, pods[p], nil)
			sums[p] = t.summed(buckets[p])
		}
		t.buckets, t.sums = append(t.buckets, buckets), append(t.sums, sums)
	}
}

// deal splits counts over time by fixed shares.
func (t *traffic) deal(counts []int, shares []float64) [][]int {
	var d dither
	dealt := make([][]int, len(shares))
	wish := make([]float64, len(shares))
	for i := range t.n {
		for p, s := range shares {
			wish[p] = s * float64(counts[i])
		}
		for p, n := range d.split(wish, counts[i]) {
			dealt[p] = append(dealt[p], n)
		}
	}
	return dealt
}

// An apart is requests, by interval, that are recorded apart from the others of their kind.
type apart struct {
	bucket int // that they would have been in
	counts []int
}

// bucketed gives counts of a request to buckets: those of the service, or others
// that shares lead to. Those that are recorded apart are left out of both.
func (t *traffic) bucketed(k int, counts []int, shares [][]float64, without ...apart) [][]int {
	n := len(edges)
	if shares != nil {
		n = len(shares[0])
	}
	var d dither
	wish := make([]float64, n)
	out := make([][]int, n)
	for i := range t.n {
		if shares == nil {
			copy(wish, t.wishes[k][i])
		} else {
			carry(t.wishes[k][i], shares, wish)
		}
		left := counts[i]
		scaleTo(wish, float64(left))
		for _, a := range without {
			wish[a.bucket] -= float64(a.counts[i])
			left -= a.counts[i]
		}
		for b, v := range d.split(wish, left) {
			out[b] = append(out[b], v)
		}
	}
	return out
}

// summed adds up the times of bucketed requests, interval by interval.
func (t *traffic) summed(buckets [][]int) []float64 {
	sums := make([]float64, t.n)
	for b := range buckets {
		for i, n := range buckets[b] {
			sums[i] += float64(n) * t.shape.at(b)
		}
	}
	return sums
}

// fail puts the errors where the load was high, pod after pod.
func (t *traffic) fail() {
	weights := make([]float64, t.n)
	pod := 0
	for _, e := range t.want.Errors {
		k := t.kind(e.Request)
		for i, n := range t.requests[k] {
			weights[i] = math.Pow(float64(n), 3)
		}
		byPod := make([][]int, t.want.Pods.Count)
		for p := range byPod {
			byPod[p] = make([]int, t.n)
		}
		for i, n := range spread(e.Count, weights) {
			for range n {
				byPod[pod%len(byPod)][i]++
				pod++
			}
		}
		t.failures = append(t.failures, byPod)
	}
}

func (t *traffic) kind(name string) int {
	return slices.IndexFunc(t.want.Requests, func(r Request) bool { return r.Name == name })
}

// failed adds up the errors of a request by interval; timeouts or the others only, on one pod or on all.
func (t *traffic) failed(k, pod int, keep func(Errors) bool) []int {
	total := make([]int, t.n)
	for f, e := range t.want.Errors {
		if t.kind(e.Request) != k || !keep(e) {
			continue
		}
		for p := range t.failures[f] {
			if pod < 0 || p == pod {
				for i, n := range t.failures[f][p] {
					total[i] += n
				}
			}
		}
	}
	return total
}
