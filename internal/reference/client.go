package reference

import (
	"math"
	"sort"
)

// nativeSchema is that of the load generator's histograms, as a scrape with
// native_histogram_min_bucket_factor 1.09 brings them: buckets grow by 9 %.
const nativeSchema = 3

// clientEdges are the classic buckets of the load generator.
var clientEdges = []float64{.005, .01, .025, .05, .1, .2, .3, .5, .75, 1, 2, 3, 5, 10, 30, 60}

// nativeBuckets are native buckets up to a minute: the index of the first and all upper bounds.
func nativeBuckets() (first int, upper []float64) {
	first = int(math.Ceil(math.Log2(.004) * 8))
	for i := first; ; i++ {
		upper = append(upper, math.Exp2(float64(i)/8))
		if upper[len(upper)-1] > 12 {
			return first, upper
		}
	}
}

// recordClient has what the load generator exposes: the same requests, as the users saw them.
func (t *traffic) recordClient(r *recording) {
	gen := target{"job", "loadgen", "instance", "loadgen-0:9191", "run", t.want.Run.ID, "scenario", t.want.Run.Scenario}
	r.up(gen[:4])
	first, upper := nativeBuckets()
	c := client{t, r, gen, over(edges, clientEdges, t.want.Latency.Client), over(edges, upper, t.want.Latency.Client), first}
	c.keepQuantiles(upper)
	for k := range t.want.Requests {
		c.record(k)
	}
	users, flying, sent, received := make([]float64, t.n), make([]float64, t.n), make([]float64, t.n), make([]float64, t.n)
	for i, n := range t.all {
		users[i] = math.Min(float64(t.want.Run.Users), t.want.Run.SpawnRate*float64(i+1)*t.step.Seconds())
		if i >= t.window {
			users[i] = 0
		}
		flying[i] = math.Round(float64(n) / t.step.Seconds() * (t.want.Latency.Mean + t.want.Latency.Client))
		sent[i], received[i] = float64(n)*310, float64(n)*2140
	}
	r.gauge(gen.named("loadgen_users"), 0, users)
	r.gauge(gen.named("loadgen_in_flight"), 0, flying)
	r.counter(gen.named("loadgen_iterations_total"), 0, floats(t.all))
	r.counter(gen.named("loadgen_due_total"), 0, floats(t.all))
	r.constant(gen.named("loadgen_dropped_total"), 0)
	r.counter(gen.named("loadgen_sent_bytes_total"), 0, sent)
	r.counter(gen.named("loadgen_received_bytes_total"), 0, received)
	cpu := noise(400, t.n, .4)
	for i := range cpu {
		cpu[i] = math.Round((.31+.02*cpu[i])*1e4) / 1e4
	}
	r.gauge(gen.named("loadgen_cpu_ratio"), 0, cpu)
	r.constant(gen.named("loadgen_valid"), 1)
	lag := make([]float64, t.n)
	for i, n := range t.all {
		lag[i] = float64(n) * .0002
	}
	r.native(gen.named("loadgen_start_lag_seconds"), int(math.Ceil(math.Log2(.0002)*8)), [][]int{t.all}, lag)
}

// A client records the requests of a load generator.
type client struct {
	*traffic
	r               *recording
	gen             target
	classic, native [][]float64 // how the service's buckets fall on the generator's
	first           int
}

// keepQuantiles leads the counts to native buckets so that their quantiles, which
// are interpolated on the logarithm, are those of the service and the way to the client.
func (c client) keepQuantiles(upper []float64) {
	counts, logs, below := make([]float64, len(upper)), make([]float64, len(upper)), make([]float64, len(upper))
	carry(c.shape.counts, c.native, counts)
	for b, u := range upper {
		logs[b] = math.Log(u)
		below[b] = before(below, b) + counts[b]/sum(c.shape.counts)
	}
	var quantiles []Knot
	for _, k := range c.want.Latency.Quantiles {
		quantiles = append(quantiles, Knot{k.Q, math.Log(k.At + c.want.Latency.Client)})
	}
	meet(below, logs, quantiles)
	for b := range upper {
		if counts[b] > 0 {
			grow := (below[b] - before(below, b)) * sum(c.shape.counts) / counts[b]
			for _, shares := range c.native {
				shares[b] *= grow
			}
		}
	}
}

// outcomes are the ways in which a request ends.
var outcomes = []struct {
	name string
	keep func(Errors) bool
	at   float64 // how long such a failure takes, in seconds
}{
	{"status", func(e Errors) bool { return !e.Timeout }, .3},
	{"timeout", func(e Errors) bool { return e.Timeout }, 8.1},
}

func (c client) record(k int) {
	q := c.want.Requests[k]
	good := append([]int(nil), c.requests[k]...)
	var classicApart, nativeApart []apart
	_, upper := nativeBuckets()
	sums := make([]float64, c.n)
	for p := range c.sums[k] {
		for i, s := range c.sums[k][p] {
			sums[i] += s
		}
	}
	for i, n := range c.requests[k] {
		sums[i] += float64(n) * c.want.Latency.Client
	}
	for _, o := range outcomes {
		bad := c.failed(k, -1, o.keep)
		if sum(bad) == 0 {
			continue
		}
		lost := make([]float64, c.n)
		for i, n := range bad {
			good[i] -= n
			lost[i] = float64(n) * o.at
			sums[i] = math.Max(sums[i]-lost[i], 0)
		}
		for f, e := range c.want.Errors {
			if e.Request == q.Name && o.keep(e) {
				status := e.Status
				if e.Timeout {
					status = "0"
				}
				c.r.counter(c.gen.named("loadgen_requests_total", "request", q.Name, "method", q.Method, "status", status, "outcome", o.name), 0, floats(allPods(c.failures[f])))
			}
		}
		c.failing(q.Name, o.name, o.at, bad, lost)
		classicApart = append(classicApart, apart{bucketOf(clientEdges, o.at), bad})
		nativeApart = append(nativeApart, apart{bucketOf(upper, o.at), bad})
	}
	c.r.counter(c.gen.named("loadgen_requests_total", "request", q.Name, "method", q.Method, "status", "200", "outcome", "success"), 0, floats(good))
	classic, native := c.bucketed(k, c.requests[k], c.classic, classicApart...), c.bucketed(k, c.requests[k], c.native, nativeApart...)
	c.times(q.Name, "success", classic, native, sums)
	c.r.gauge(c.gen.named("loadgen_response_time_max_seconds", "request", q.Name), 0, c.longest(k))
}

// times records response and service time; in a closed model they are the same.
func (c client) times(request, outcome string, classic, native [][]int, sums []float64) {
	for _, name := range []string{"loadgen_response_time_seconds", "loadgen_service_time_seconds"} {
		on := []string{"request", request, "outcome", outcome}
		c.r.buckets(c.gen, name, clientEdges, classic, sums, on...)
		c.r.native(c.gen.named(name, on...), c.first, native, sums)
	}
}

// failing records the times of failures, which all take about as long.
func (c client) failing(request, outcome string, at float64, counts []int, sums []float64) {
	_, upper := nativeBuckets()
	put := func(edges []float64) [][]int {
		out := make([][]int, len(edges))
		for b := range out {
			out[b] = make([]int, c.n)
		}
		out[bucketOf(edges, at)] = counts
		return out
	}
	c.times(request, outcome, put(clientEdges), put(upper), sums)
}

// bucketOf is the bucket that holds a value.
func bucketOf(edges []float64, at float64) int {
	return min(sort.SearchFloat64s(edges, at), len(edges)-1)
}

// longest is the longest response time since the start.
func (c client) longest(k int) []float64 {
	most := make([]float64, c.n)
	so := 0.0
	for i := range most {
		for p := range c.buckets[k] {
			for b := range edges {
				if c.buckets[k][p][b][i] > 0 {
					v := c.shape.at(b)
					if edges[b] >= c.want.Latency.Max {
						v = c.want.Latency.Max
					}
					so = math.Max(so, v)
				}
			}
		}
		most[i] = so
	}
	return most
}

func allPods(byPod [][]int) []int {
	total := make([]int, len(byPod[0]))
	for _, counts := range byPod {
		for i, n := range counts {
			total[i] += n
		}
	}
	return total
}
