package reference

import (
	"fmt"
	"math"
)

// podName is as Kubernetes makes them, the same each time.
func (t *traffic) podName(p int) string {
	const letters = "bcdfghjklmnpqrstvwxz2456789"
	suffix := make([]byte, 5)
	for i := range suffix {
		suffix[i] = letters[(p*7+i*11+i*i*p)%len(letters)]
	}
	return t.want.Pods.Prefix + "-" + string(suffix)
}

func (t *traffic) podTarget(p int) target {
	return target{"job", t.want.Run.Service, "instance", fmt.Sprintf("10.0.%d.%d:8000", 1+p%3, 20+p), t.want.Labels.Pod, t.podName(p)}
}

// recordService has what the service itself exposes.
func (t *traffic) recordService(r *recording) {
	for p := range t.want.Pods.Count {
		pod := t.podTarget(p)
		r.up(pod)
		r.constant(pod.named("process_start_time_seconds"), float64(t.start.Unix()-86_400-int64(p)*7))
		inFlight := make([]float64, t.n)
		for k, q := range t.want.Requests {
			on := []string{t.want.Labels.Endpoint, q.Endpoint, t.want.Labels.Method, q.Method}
			good := make([]float64, t.n)
			failed := t.failed(k, p, func(Errors) bool { return true })
			for i, n := range t.pods[k][p] {
				good[i] = float64(n - failed[i])
			}
			r.counter(pod.named("http_requests_total", append(on, t.want.Labels.Status, "200")...), 0, good)
			for f, e := range t.want.Errors {
				if e.Request == q.Name {
					r.counter(pod.named("http_requests_total", append(on, t.want.Labels.Status, e.Status)...), 0, floats(t.failures[f][p]))
				}
			}
			r.buckets(pod, "http_request_duration_seconds", edges, t.buckets[k][p], t.sums[k][p], on...)
			for i, s := range t.sums[k][p] {
				inFlight[i] += s / t.step.Seconds()
			}
		}
		for i := range inFlight {
			inFlight[i] = math.Round(inFlight[i]) // Little's law
		}
		r.gauge(pod.named("http_requests_in_flight"), 0, inFlight)
		r.constant(pod.named("db_pool_connections_max"), t.want.Pods.Pool)
	}
}

// recordPods has what cAdvisor and kube-state-metrics say of the pods.
func (t *traffic) recordPods(r *recording) {
	pods := t.want.Pods
	state := target{"job", "kube-state-metrics", "instance", "10.0.1.9:8080"}
	r.up(state)
	cold := (pods.CPU.Average*float64(pods.Count) - pods.HotAverage*float64(pods.Hot)) / float64(max(pods.Count-pods.Hot, 1))
	if pods.Hot == 0 {
		cold = pods.CPU.Average
	}
	for p := range pods.Count {
		isHot := p >= pods.Count-pods.Hot || pods.Hot == 0
		seed := uint64(100 + 10*p) //nolint:gosec // a few pods
		node := target{"job", "cadvisor", "instance", fmt.Sprintf("ip-10-0-%d-%d.ec2.internal", 1+p%3, 10+p), "namespace", "paracle", "pod", t.podName(p)}
		r.up(node)
		cpu := Usage{Average: cold, Peak: pods.CPU.Peak * cold / pods.HotAverage}
		switch {
		case pods.Hot == 0:
			cpu = pods.CPU
		case isHot:
			cpu = Usage{Average: pods.HotAverage, Peak: pods.CPU.Peak}
		}
		used := calibrate(t.demand(seed, .008, .2), cpu, t.meanRate)
		// Of the other resources each pod has its own level; the last one peaks.
		level := 1 + .06*(float64(p)-float64(pods.Count-1)/2)/(float64(pods.Count)/2)
		own := func(u Usage) Usage {
			peak := u.Peak
			if p != pods.Count-1 {
				peak = u.Average*level + (u.Peak-u.Average*level)*.8
			}
			return Usage{Average: u.Average * level, Peak: peak}
		}
		memory := calibrate(t.demand(seed+1, .12, .8), own(pods.Memory), t.level)
		in := calibrate(t.demand(seed+2, .02, .2), own(pods.NetworkIn), t.meanRate)
		out := calibrate(t.demand(seed+3, .02, .2), own(pods.NetworkOut), t.meanRate)
		// cAdvisor has a series of the container and one of the pod as a whole: adding them counts twice.
		for _, container := range [][]string{{"container", "api"}, nil} {
			r.counter(node.named("container_cpu_usage_seconds_total", container...), 40_000, scaled(used, pods.Cores*t.step.Seconds()))
			r.gauge(node.named("container_memory_usage_bytes", container...), memory[t.ramp], pages(memory, 1.08))
			r.gauge(node.named("container_memory_working_set_bytes", container...), memory[t.ramp], pages(memory, 1))
		}
		r.counter(node.named("container_cpu_cfs_periods_total", "container", "api"), 900_000, scaled(ones(t.n), 10*t.step.Seconds()))
		r.counter(node.named("container_cpu_cfs_throttled_periods_total", "container", "api"), 9_000, rounded(scaled(used, .02*10*t.step.Seconds())))
		r.counter(node.named("container_network_receive_bytes_total", "interface", "eth0"), 9e12, rounded(scaled(in, t.step.Seconds())))
		r.counter(node.named("container_network_transmit_bytes_total", "interface", "eth0"), 9e12, rounded(scaled(out, t.step.Seconds())))
		pod := []string{"namespace", "paracle", "pod", t.podName(p), "container", "api"}
		r.constant(state.named("kube_pod_container_resource_limits", append(pod, "resource", "cpu", "unit", "core")...), pods.Cores)
		r.constant(state.named("kube_pod_container_resource_limits", append(pod, "resource", "memory", "unit", "byte")...), pods.Memory.Limit)
		r.constant(state.named("kube_pod_container_resource_requests", append(pod, "resource", "cpu", "unit", "core")...), pods.Cores/2)
	}
}

// demand is the shape of what a resource does: it follows the load, with noise of its own.
func (t *traffic) demand(seed uint64, amount, rho float64) []float64 {
	values := noise(seed, t.n, rho)
	for i, s := range t.swing() {
		values[i] = 1 + s + amount*values[i]
	}
	return values
}

func scaled(values []float64, by float64) []float64 {
	out := make([]float64, len(values))
	for i, v := range values {
		out[i] = v * by
	}
	return out
}

func rounded(values []float64) []float64 {
	out := make([]float64, len(values))
	for i, v := range values {
		out[i] = math.Round(v)
	}
	return out
}

// pages rounds memory to whole 64 KiB, as it is handed out.
func pages(values []float64, by float64) []float64 {
	out := make([]float64, len(values))
	for i, v := range values {
		out[i] = math.Round(v*by/65536) * 65536
	}
	return out
}

func ones(n int) []float64 {
	out := make([]float64, n)
	for i := range out {
		out[i] = 1
	}
	return out
}
