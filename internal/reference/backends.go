package reference

import (
	"fmt"
	"math"
	"strconv"
)

// recordDatabase has what node_exporter and postgres_exporter say of the
// database. RDS has no node_exporter; its series stand for what CloudWatch tells.
func (t *traffic) recordDatabase(r *recording) {
	db := t.want.Database
	host := target{"job", "database-host", "instance", "db.paracle.internal:9100"}
	r.up(host)
	busy := calibrate(t.demand(200, .02, .3), db.CPU, t.meanRate)
	for cpu := range db.Cores {
		on := strconv.Itoa(cpu)
		r.counter(host.named("node_cpu_seconds_total", "cpu", on, "mode", "user"), 5_000, scaled(busy, t.step.Seconds()))
		idle := make([]float64, t.n)
		for i := range idle {
			idle[i] = (1 - busy[i]) * t.step.Seconds()
		}
		r.counting(host.named("node_cpu_seconds_total", "cpu", on, "mode", "idle"), 70_000, t.step.Seconds(), idle)
	}
	memory := t.memory(db.Memory, 201)
	free := make([]float64, t.n)
	for i := range free {
		free[i] = db.TotalMemory - memory[i]
	}
	r.constant(host.named("node_memory_MemTotal_bytes"), db.TotalMemory)
	r.gauge(host.named("node_memory_MemAvailable_bytes"), free[t.ramp], pages(free, 1))
	iops := calibrate(t.demand(202, .03, .3), db.IOPS, t.meanRate)
	r.counter(host.named("node_disk_reads_completed_total", "device", "nvme1n1"), 4e8, rounded(scaled(iops, .4*t.step.Seconds())))
	r.counter(host.named("node_disk_writes_completed_total", "device", "nvme1n1"), 6e8, rounded(scaled(iops, .6*t.step.Seconds())))

	exporter := target{"job", "postgres", "instance", "db.paracle.internal:9187"}
	r.up(exporter)
	server := []string{"server", "db.paracle.internal:5432"}
	r.constant(exporter.named("pg_up", server...), 1)
	r.constant(exporter.named("pg_settings_max_connections", server...), db.Connections.Limit)
	connections := rounded(calibrate(t.demand(203, .03, .3), db.Connections, t.level))
	active := rounded(calibrate(t.demand(204, .05, .3), db.Active, t.level))
	waiting := rounded(scaled(active, .25))
	idle := make([]float64, t.n)
	for i := range idle {
		idle[i] = math.Max(connections[i]-active[i]-waiting[i], 0)
	}
	for _, s := range []struct {
		state  string
		levels []float64
	}{{"active", active}, {"idle", idle}, {"idle in transaction", waiting}} {
		r.gauge(exporter.named("pg_stat_activity_count", append(server, "datname", "paracle", "state", s.state)...), s.levels[0], s.levels)
	}
	for p := range t.want.Pods.Count { // connections are dealt out evenly
		in := make([]float64, t.n)
		for i := range in {
			in[i] = math.Floor((connections[i] + float64(p)) / float64(t.want.Pods.Count))
		}
		r.gauge(t.podTarget(p).named("db_pool_connections_in_use"), in[0], in)
	}
	t.recordQueries(r)
}

// queryEdges are the upper bounds of the buckets of queries in seconds.
var queryEdges = []float64{.001, .002, .003, .004, .005, .006, .008, .01, .012, .014, .016, .018, .02, .022, .024, .026, .028, .03, .035, .04, .05, .075, .1, .25, .5, 1, 2.5}

// recordQueries has the service's own histogram of its queries, since
// postgres_exporter has none. Times are taken as exponential, with a few slow ones.
func (t *traffic) recordQueries(r *recording) {
	db := t.want.Database
	shape := t.demand(205, .04, .3)
	var gains [][]float64
	read := func(p95 []float64) (average, peak float64) {
		gains = t.queries(p95)
		return t.overPoints(func(k int) float64 { return quantileOver(gains, queryEdges, .95, max(k-3, 0), k) })
	}
	calibrate(shape, db.QueryP95, read)
	counts, sums := make([][]int, len(gains)), make([]float64, t.n)
	last := make([]float64, len(gains))
	for b := range gains {
		for i, g := range gains[b] {
			n := math.Floor(g + last[b])
			last[b] += g - n
			if b >= len(queryEdges)-2 {
				n = 0
			}
			counts[b] = append(counts[b], int(n))
			sums[i] += n * (before(queryEdges, b) + queryEdges[b]) / 2
		}
	}
	for s := range db.Slow { // where the load was highest
		at := int(t.want.Throughput.PeakAt/t.step.Seconds()) + 3*s
		counts[len(counts)-1][at]++
		sums[at] += 1.4
	}
	app := target{"job", "postgres", "instance", "db.paracle.internal:9187"}
	r.buckets(app, "db_query_duration_seconds", queryEdges, counts, sums)
}

// queries gives the queries of each bucket and interval, of which 95 % take up to p95.
func (t *traffic) queries(p95 []float64) [][]float64 {
	gains := make([][]float64, len(queryEdges))
	for b := range gains {
		gains[b] = make([]float64, t.n)
	}
	for i, p := range p95 {
		n := float64(t.all[i]) * t.want.Database.PerRequest
		last := 0.0
		for b, e := range queryEdges {
			below := n * (1 - math.Exp(-e/p*math.Log(20)))
			gains[b][i], last = below-last, below
		}
	}
	return gains
}

// quantileOver is histogram_quantile of the intervals from up to to.
func quantileOver(gains [][]float64, edges []float64, q float64, from, to int) float64 {
	counts := make([]float64, len(edges))
	for b := range gains {
		counts[b] = sum(gains[b][from:to])
	}
	want, below := q*sum(counts), 0.0
	for b, n := range counts {
		if below+n >= want && n > 0 {
			return before(edges, b) + (edges[b]-before(edges, b))*(want-below)/n
		}
		below += n
	}
	return edges[len(edges)-1]
}

// recordRedis has what redis_exporter says of each shard.
func (t *traffic) recordRedis(r *recording) {
	redis := t.want.Redis
	cpu := calibrate(t.demand(300, .03, .3), redis.CPU, t.meanRate)
	ops := calibrate(t.demand(301, .03, .3), redis.Ops, t.meanRate)
	commands := rounded(scaled(ops, t.step.Seconds()/float64(redis.Shards)))
	weighted := func(latency []float64) (average, peak float64) {
		return t.overPoints(func(k int) float64 {
			spent, n := 0.0, 0.0
			for i := max(k-3, 0); i < k; i++ {
				spent, n = spent+latency[i]*commands[i], n+commands[i]
			}
			return spent / n
		})
	}
	latency := calibrate(t.demand(302, .05, .3), redis.Latency, weighted)
	memory := t.memory(redis.Memory, 303)
	for shard := range redis.Shards {
		on := target{"job", "redis", "instance", fmt.Sprintf("redis-%d.paracle.internal:9121", shard)}
		r.up(on)
		r.constant(on.named("redis_up"), 1)
		r.counter(on.named("redis_cpu_user_seconds_total"), 2_000, scaled(cpu, .7*t.step.Seconds()))
		r.counter(on.named("redis_cpu_sys_seconds_total"), 900, scaled(cpu, .3*t.step.Seconds()))
		share := 1/float64(redis.Shards) + .02*(float64(shard)-float64(redis.Shards-1)/2)
		r.gauge(on.named("redis_memory_used_bytes"), memory[0]*share, rounded(scaled(memory, share)))
		r.constant(on.named("redis_memory_max_bytes"), redis.Memory.Limit)
		r.counter(on.named("redis_commands_processed_total"), 3e9, commands)
		spent := make([]float64, t.n)
		for i := range spent {
			spent[i] = latency[i] * commands[i]
		}
		r.counter(on.named("redis_commands_total", "cmd", "evalsha"), 3e9, commands)
		r.counter(on.named("redis_commands_duration_seconds_total", "cmd", "evalsha"), 50_000, spent)
		r.constant(on.named("redis_connected_clients"), 96)
		r.constant(on.named("redis_evicted_keys_total"), 0)
	}
}

// memory is a level that follows the load, or grows from the first to the last scrape.
func (t *traffic) memory(u Usage, seed uint64) []float64 {
	if !u.grows() {
		return calibrate(t.demand(seed, .1, .8), u, t.level)
	}
	wobble := noise(seed, t.n, .5)
	values := make([]float64, t.n)
	for i := range values {
		done := math.Min(float64(i)/float64(t.window-1), 1)
		values[i] = u.From + (u.To-u.From)*(done+.004*wobble[i]*done*(1-done)*4)
	}
	return values
}

// llmEdges are the upper bounds of the buckets of providers in seconds.
var llmEdges = []float64{.25, .5, .75, 1, 1.2, 1.4, 1.6, 1.7, 1.8, 1.9, 2, 2.1, 2.2, 2.3, 2.4, 2.5, 2.6, 2.8, 3, 4, 5, 6, 8, 10}

// recordLLM has what the service says of the providers it calls.
func (t *traffic) recordLLM(r *recording) {
	calls := make([]float64, t.n)
	for k, q := range t.want.Requests {
		for i, n := range t.requests[k] {
			calls[i] += q.LLM * float64(n)
		}
	}
	pods := make([]float64, t.want.Pods.Count)
	for p := range pods {
		pods[p] = 1 / float64(len(pods))
	}
	all := 0
	for _, p := range t.want.LLM.Providers {
		all += p.Count
	}
	for n, p := range t.want.LLM.Providers {
		half := p.Mean - (p.P95-p.Mean)*.1
		shape := shapeOf(float64(p.Count), Latency{Least: .8 * half, Mean: p.Mean, Max: t.want.LLM.LongestSeconds, Quantiles: []Knot{{.5, half}, {.95, p.P95}, {.999, p.P95 * 1.7}}}, llmEdges)
		counts := spread(p.Count, calls)
		tokens := t.want.LLM.Tokens * float64(p.Count) / float64(all)
		byPod := t.deal(counts, pods)
		failed := spread(p.Errors, calls)
		for pod := range pods {
			on := t.podTarget(pod)
			by := []string{t.want.Labels.Provider, p.Name}
			r.counter(on.named("llm_requests_total", by...), 0, floats(byPod[pod]))
			r.counter(on.named("llm_errors_total", by...), 0, floats(every(failed, pod, len(pods), n)))
			r.counter(on.named("llm_rate_limited_total", by...), 0, floats(every(spread(p.Limited, calls), pod, len(pods), n)))
			perCall := tokens / float64(p.Count)
			r.counter(on.named("llm_tokens_total", by...), 0, scaled(floats(byPod[pod]), perCall))
			buckets, sums := make([][]int, len(llmEdges)), make([]float64, t.n)
			var d dither
			wish := make([]float64, len(llmEdges))
			for i, c := range byPod[pod] {
				for b := range wish {
					wish[b] = shape.counts[b] / float64(p.Count) * float64(c)
				}
				for b, v := range d.split(wish, c) {
					buckets[b] = append(buckets[b], v)
					sums[i] += float64(v) * shape.at(b)
				}
			}
			r.buckets(on, "llm_request_duration_seconds", llmEdges, buckets, sums, by...)
		}
	}
}

// every takes those of events in a row that fall on one of several.
func every(events []int, one, of, offset int) []int {
	out := make([]int, len(events))
	next := offset
	for i, n := range events {
		for range n {
			if next%of == one {
				out[i]++
			}
			next++
		}
	}
	return out
}
