package bottleneck_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Each source, and each metric that probes ask for by name, as its exporter writes it.
func TestWhatExportersTellIsFound(t *testing.T) {
	const pod = `pod="paracle-api-7c9d8f6b5-cvqvc"`
	container := func(w *world, resource string, limit float64) {
		w.gauge(`kube_pod_container_resource_limits{job="kube-state-metrics",`+pod+`,resource="`+resource+`"}`, always(limit))
	}
	for name, tc := range map[string]struct {
		make    func(w *world)
		want    []string
		symptom string
	}{
		"cAdvisor: a processor": {func(w *world) {
			w.counter(`container_cpu_usage_seconds_total{job="cadvisor",container="api",`+pod+`}`, about(1.95*5))
			container(w, "cpu", 2)
		}, []string{"MEDIUM utilization/container-cpu/paracle-api"}, "CPU of paracle-api peaked at"},
		"cAdvisor: memory": {func(w *world) {
			w.gauge(`container_memory_working_set_bytes{job="cadvisor",container="api",`+pod+`}`, about(7.5e9))
			container(w, "memory", 8e9)
		}, []string{"LOW utilization/container-memory/paracle-api"}, "of its limit of 8.0 GB"},
		"cAdvisor: memory that something was killed for": {func(w *world) {
			w.gauge(`container_memory_working_set_bytes{job="cadvisor",container="api",`+pod+`}`, about(7.5e9))
			container(w, "memory", 8e9)
			w.counter(`container_oom_events_total{job="cadvisor",container="api",`+pod+`}`, once)
		}, []string{"HIGH utilization/container-memory/paracle-api"}, "Memory of paracle-api"},
		"cAdvisor: throttling": {func(w *world) {
			w.counter(`container_cpu_cfs_periods_total{job="cadvisor",container="api",`+pod+`}`, always(50))
			w.counter(`container_cpu_cfs_throttled_periods_total{job="cadvisor",container="api",`+pod+`}`, always(15))
		}, []string{"LOW throttling/paracle-api-7c9d8f6b5-cvqvc"}, "in 30 % of the periods"},
		"node_exporter: memory": {func(w *world) {
			w.gauge(`node_memory_MemTotal_bytes{job="node",instance="n"}`, always(16e9))
			w.gauge(`node_memory_MemAvailable_bytes{job="node",instance="n"}`, about(.5e9))
		}, []string{"LOW utilization/node-memory"}, "Memory of Node peaked at 97 %"},
		"node_exporter: a disk": {func(w *world) {
			w.counter(`node_disk_io_time_seconds_total{job="node",instance="n",device="nvme0n1"}`, always(.97*5))
		}, []string{"MEDIUM utilization/node-disk"}, "Disk of Node peaked at 97 %"},
		"a process: file descriptors": {func(w *world) {
			w.gauge(`process_open_fds{job="api",instance="a"}`, about(980))
			w.gauge(`process_max_fds{job="api",instance="a"}`, always(1024))
		}, []string{"LOW utilization/process-files/api"}, "File descriptors of api"},
		"a process: file descriptors that are not given back": {func(w *world) {
			w.gauge(`process_open_fds{job="api",instance="a"}`, func(i int) float64 { return 600 + float64(7*i) })
			w.gauge(`process_max_fds{job="api",instance="a"}`, always(1024))
		}, []string{"MEDIUM utilization/process-files/api"}, "of its limit of 1024"},
		"a process: file descriptors, and it began anew": {func(w *world) {
			w.gauge(`process_open_fds{job="api",instance="a"}`, about(980))
			w.gauge(`process_max_fds{job="api",instance="a"}`, always(1024))
			w.counter(`process_start_time_seconds{job="api",instance="a"}`, once)
			w.counter(`process_start_time_seconds{job="api",instance="b"}`, always(0))
		}, []string{"HIGH utilization/process-files/api"}, "File descriptors of api"},
		"postgres_exporter": {func(w *world) {
			for _, state := range []string{"active", "idle"} {
				w.gauge(`pg_stat_activity_count{job="postgres",instance="p",state="`+state+`"}`, always(50))
			}
			w.gauge(`pg_settings_max_connections{job="postgres",instance="p"}`, always(100))
		}, []string{"MEDIUM pool/postgres-connections"}, "Connections of Database reached 100 of 100"},
		"redis_exporter: memory": {func(w *world) {
			w.gauge(`redis_memory_used_bytes{job="redis",instance="r"}`, always(12.99e9))
			w.gauge(`redis_memory_max_bytes{job="redis",instance="r"}`, always(13e9))
		}, []string{"LOW utilization/redis-memory"}, "Memory of Redis peaked at 99.9 %"},
		"redis_exporter: clients": {func(w *world) {
			w.gauge(`redis_connected_clients{job="redis",instance="r"}`, always(10000))
			w.gauge(`redis_config_maxclients{job="redis",instance="r"}`, always(10000))
		}, []string{"MEDIUM pool/redis-clients"}, "Clients of Redis reached 10000 of 10000"},
		"Micrometer: HikariCP, whose waits are a summary": {func(w *world) {
			w.gauge(`hikaricp_connections_active{job="api",instance="a",pool="main"}`, about(4))
			w.gauge(`hikaricp_connections_max{job="api",instance="a",pool="main"}`, always(10))
			w.counter(`hikaricp_connections_acquire_seconds_count{job="api",instance="a",pool="main"}`, always(500))
			w.counter(`hikaricp_connections_acquire_seconds_sum{job="api",instance="a",pool="main"}`, always(500*.03))
		}, []string{"MEDIUM pool/hikari-pool"}, "waits for a connection took 30 % of the requests' time"},
		"database/sql": {func(w *world) {
			w.gauge(`go_sql_in_use_connections{job="api",instance="a",db_name="main"}`, always(10))
			w.gauge(`go_sql_max_open_connections{job="api",instance="a",db_name="main"}`, always(10))
			w.counter(`go_sql_wait_duration_seconds_total{job="api",instance="a",db_name="main"}`, always(500*.03))
		}, []string{"MEDIUM pool/go-sql-pool"}, "reached 10 of 10 (100 %); waits for a connection took"},
		"a JVM: pauses": {func(w *world) {
			w.replace("go_cpu_classes")
			w.counter(`jvm_gc_pause_seconds_sum{job="api",instance="a",action="end of major GC"}`, about(.3*5))
		}, []string{"LOW gc/collector"}, "the garbage collector took 30 % of the time"},
	} {
		t.Run(name, func(t *testing.T) {
			w := healthy()
			tc.make(w)
			d := w.diagnose(t)
			if diff := cmp.Diff(tc.want, found(d)); diff != "" {
				t.Fatalf("findings (-want +got):\n%s", diff)
			}
			if got := d.Findings[0].Symptom; !strings.Contains(got, tc.symptom) {
				t.Errorf("got symptom %q, want %q in it", got, tc.symptom)
			}
		})
	}
}

// once is a counter's gain that happens in one interval only.
func once(i int) float64 {
	if i == intervals/2 {
		return 1
	}
	return 0
}

// Pods of different workloads are not there to share their work.
func TestOnlyPodsOfOneWorkloadAreReplicas(t *testing.T) {
	pods := func(cores map[string]float64) *world {
		w := healthy()
		for pod, used := range cores {
			w.counter(`container_cpu_usage_seconds_total{job="cadvisor",container="c",pod="`+pod+`"}`, about(used*5))
			w.gauge(`kube_pod_container_resource_limits{job="kube",resource="cpu",pod="`+pod+`"}`, always(2))
		}
		return w
	}
	others := map[string]float64{"redis-0": .02, "loki-0": .03, "grafana-0": .01}
	for name, tc := range map[string]struct {
		api  map[string]float64
		want []string
	}{
		"a StatefulSet that is evenly used": {map[string]float64{"api-1": 1.3, "api-2": 1.3}, nil},
		"a Deployment that is evenly used":  {map[string]float64{"api-7c9d8f6b5-cvqvc": 1.3, "api-7c9d8f6b5-l76h7": 1.3}, nil},
		"a DaemonSet that is evenly used":   {map[string]float64{"api-cvqvc": 1.3, "api-l76h7": 1.3}, nil},
		"a Deployment with a hot pod":       {map[string]float64{"api-7c9d8f6b5-cvqvc": 1.6, "api-7c9d8f6b5-l76h7": .8}, []string{"LOW imbalance/container-cpu/api"}},
	} {
		t.Run(name, func(t *testing.T) {
			for pod, used := range others {
				tc.api[pod] = used
			}
			d := pods(tc.api).diagnose(t)
			if diff := cmp.Diff(tc.want, found(d)); diff != "" {
				t.Fatalf("findings (-want +got):\n%s", diff)
			}
			for _, f := range d.Findings {
				if f.Component != "api" || !strings.Contains(f.Symptom, "on 1 of 2") {
					t.Errorf("got component %q and symptom %q, want the hot one of the two of api", f.Component, f.Symptom)
				}
			}
		})
	}
}

// Pods without a limit don't take that of others.
func TestLimitsBelongToTheirPods(t *testing.T) {
	w := healthy()
	for _, pod := range []string{"api-1", "loki-0"} {
		w.counter(fmt.Sprintf(`container_cpu_usage_seconds_total{job="cadvisor",container="c",pod=%q}`, pod), about(1.95*5))
	}
	w.gauge(`kube_pod_container_resource_limits{job="kube",resource="cpu",pod="api-1"}`, always(2))
	if diff := cmp.Diff([]string{"MEDIUM utilization/container-cpu/api"}, found(w.diagnose(t))); diff != "" {
		t.Errorf("findings (-want +got):\n%s", diff)
	}
}

// More than a limit can't be in use: it is another one.
func TestImpossibleLimitsAreNotBelieved(t *testing.T) {
	w := healthy().replace("db_pool_connections")
	w.gauge(`db_pool_connections_in_use{job="api",instance="a"}`, func(i int) float64 { return spikes(i) - 150 })
	w.gauge(`db_pool_connections_max{job="api",instance="a"}`, always(100))
	d := w.diagnose(t)
	if got := found(d); len(got) > 0 {
		t.Errorf("got %q, want nothing by a limit that can't be one", got)
	}
	if len(d.Gaps) != 1 || !strings.Contains(d.Gaps[0], "db-pool: the run used 2.3 times its limit of 100") {
		t.Errorf("got gaps %q, want the limit named", d.Gaps)
	}
}
