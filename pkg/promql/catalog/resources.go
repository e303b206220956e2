package catalog

// A Resource is how the series of a usual exporter tell how much of something
// is used, and how much of it there is.
type Resource struct {
	ID        string
	Component string
	Resource  string
	Unit      string // s, ratio, bytes, req/s, or none for a count
	Needs     string // the metric without which there is nothing to ask
	Used      string
	Limit     string // a number or an expression; empty when nothing says it
	LimitBy   string // the metric that Limit needs
}

// Resources are what usual exporters tell about: cAdvisor with
// kube-state-metrics, the node exporter, PostgreSQL's, Redis', connection
// pools, and the process metrics of Prometheus' client libraries.
var Resources = []Resource{
	{ID: "pod-cpu", Component: "API pods", Resource: "CPU", Needs: "container_cpu_usage_seconds_total",
		Used:  `sum by (pod) (rate(container_cpu_usage_seconds_total{$pods,container!=""}[$rate]))`,
		Limit: `sum by (pod) (kube_pod_container_resource_limits{resource="cpu",$pods})`, LimitBy: "kube_pod_container_resource_limits"},
	{ID: "pod-memory", Component: "API pods", Resource: "Memory", Unit: "bytes", Needs: "container_memory_working_set_bytes",
		Used:  `sum by (pod) (container_memory_working_set_bytes{$pods,container!=""})`,
		Limit: `sum by (pod) (kube_pod_container_resource_limits{resource="memory",$pods})`, LimitBy: "kube_pod_container_resource_limits"},
	{ID: "pod-network-in", Component: "API pods", Resource: "Network In", Unit: "bytes", Needs: "container_network_receive_bytes_total",
		Used: `sum by (pod) (rate(container_network_receive_bytes_total{$pods}[$rate]))`},
	{ID: "pod-network-out", Component: "API pods", Resource: "Network Out", Unit: "bytes", Needs: "container_network_transmit_bytes_total",
		Used: `sum by (pod) (rate(container_network_transmit_bytes_total{$pods}[$rate]))`},
	{ID: "process-cpu", Component: "API", Resource: "CPU (cores)", Needs: "process_cpu_seconds_total",
		Used: `sum by (instance) (rate(process_cpu_seconds_total{$api}[$rate]))`},
	{ID: "process-memory", Component: "API", Resource: "Memory", Unit: "bytes", Needs: "process_resident_memory_bytes",
		Used: `sum by (instance) (process_resident_memory_bytes{$api})`},
	{ID: "node-cpu", Component: "Nodes", Resource: "CPU", Unit: "ratio", Needs: "node_cpu_seconds_total",
		Used: `1 - avg by (instance) (rate(node_cpu_seconds_total{mode="idle"}[$rate]))`, Limit: "1"},
	{ID: "node-memory", Component: "Nodes", Resource: "Memory", Unit: "bytes", Needs: "node_memory_MemAvailable_bytes",
		Used:  `sum by (instance) (node_memory_MemTotal_bytes - node_memory_MemAvailable_bytes)`,
		Limit: `sum by (instance) (node_memory_MemTotal_bytes)`, LimitBy: "node_memory_MemTotal_bytes"},
	{ID: "node-disk", Component: "Nodes", Resource: "Disk busy", Unit: "ratio", Needs: "node_disk_io_time_seconds_total",
		Used: `max by (instance) (rate(node_disk_io_time_seconds_total[$rate]))`, Limit: "1"},
	{ID: "db-pool", Component: "Database", Resource: "Connections (pool)", Needs: "db_pool_connections_in_use",
		Used:  `sum by (instance) (db_pool_connections_in_use{$api})`,
		Limit: `sum by (instance) (db_pool_connections_max{$api})`, LimitBy: "db_pool_connections_max"},
	{ID: "hikari-pool", Component: "Database", Resource: "Connections (pool)", Needs: "hikaricp_connections_active",
		Used:  `sum by (instance, pool) (hikaricp_connections_active{$api})`,
		Limit: `sum by (instance, pool) (hikaricp_connections_max{$api})`, LimitBy: "hikaricp_connections_max"},
	{ID: "pg-connections", Component: "Database", Resource: "Connections", Needs: "pg_stat_activity_count",
		Used:  `sum(pg_stat_activity_count)`,
		Limit: `max(pg_settings_max_connections)`, LimitBy: "pg_settings_max_connections"},
	{ID: "pg-active", Component: "Database", Resource: "Active Queries", Needs: "pg_stat_activity_count",
		Used: `sum(pg_stat_activity_count{state="active"})`},
	{ID: "redis-memory", Component: "Redis", Resource: "Memory", Unit: "bytes", Needs: "redis_memory_used_bytes",
		Used:  `sum(redis_memory_used_bytes)`,
		Limit: `sum(redis_memory_max_bytes) > 0`, LimitBy: "redis_memory_max_bytes"},
	{ID: "redis-ops", Component: "Redis", Resource: "Ops/sec", Unit: "req/s", Needs: "redis_commands_processed_total",
		Used: `sum(rate(redis_commands_processed_total[$rate]))`},
	{ID: "redis-latency", Component: "Redis", Resource: "Command Latency", Unit: "s", Needs: "redis_commands_duration_seconds_total",
		Used: `sum(rate(redis_commands_duration_seconds_total[$rate])) / sum(rate(redis_commands_total[$rate]))`},
}
