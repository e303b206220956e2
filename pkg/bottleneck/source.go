package bottleneck

import (
	"context"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/plumbline/plumbline/pkg/promql"
	"github.com/plumbline/plumbline/pkg/stats"
)

// A kind is what a resource is made of; it decides which probes look at it.
type kind int

const (
	other kind = iota
	cpu
	memory  // and disk space: kept, not worked with, so its growth matters
	handles // of files: kept as well, for as long as a connection or a file is open
	pool    // of connections or the like: handed out and given back
)

// isStock tells whether a resource is kept rather than worked with: what is full of
// it makes nothing wait, but fails or is killed.
func (k kind) isStock() bool { return k == memory || k == handles }

// A Source is a resource that is found by the metrics it exports, where the SLA
// names none of them.
type Source struct {
	ID, Component, Resource, Unit string // the component is "" where it is the service that each series is of
	Kind                          kind
	Needs                         string // the metric that must be there
	Used, Limit                   string // PromQL; a limit may be missing
	Waits                         string // metric of the time spent waiting for it; may be missing
}

// ours is the job of the load generator, which is no part of the service.
const ours = `job!="loadgen"`

// processCPU is the cores that each process uses.
const processCPU = `sum by (job, instance) (rate(process_cpu_seconds_total{` + ours + `}[$rate]))`

// Sources are the resources that are found by themselves.
var Sources = []Source{
	{"container-cpu", "", "CPU", "cores", cpu, "container_cpu_usage_seconds_total",
		`sum by (pod) (rate(container_cpu_usage_seconds_total{container!="",pod!=""}[$rate]))`, `sum by (pod) (kube_pod_container_resource_limits{resource="cpu"})`, ""},
	{"container-memory", "", "Memory", "bytes", memory, "container_memory_working_set_bytes",
		`sum by (pod) (container_memory_working_set_bytes{container!="",pod!=""})`, `sum by (pod) (kube_pod_container_resource_limits{resource="memory"})`, ""},
	{"node-cpu", "Node", "CPU", "ratio", cpu, "node_cpu_seconds_total",
		`1 - sum by (instance) (rate(node_cpu_seconds_total{mode=~"idle|iowait"}[$rate])) / sum by (instance) (rate(node_cpu_seconds_total[$rate]))`, "1", ""}, // waiting for a disk, it idles
	{"node-memory", "Node", "Memory", "ratio", memory, "node_memory_MemAvailable_bytes", `1 - node_memory_MemAvailable_bytes / node_memory_MemTotal_bytes`, "1", ""},
	{"node-disk", "Node", "Disk", "ratio", other, "node_disk_io_time_seconds_total", `max by (instance) (rate(node_disk_io_time_seconds_total[$rate]))`, "1", ""},
	{"process-cpu", "", "CPU", "cores", cpu, "process_cpu_seconds_total",
		processCPU, `go_sched_gomaxprocs_threads{` + ours + `}`, ""},
	{"process-memory", "", "Memory", "bytes", memory, "process_resident_memory_bytes", `max by (job, instance) (process_resident_memory_bytes{` + ours + `})`, "", ""},
	{"process-files", "", "File descriptors", "", handles, "process_max_fds", `process_open_fds{` + ours + `}`, `process_max_fds{` + ours + `}`, ""},
	{"postgres-connections", "Database", "Connections", "", pool, "pg_stat_activity_count", `sum by (instance) (pg_stat_activity_count)`, `max by (instance) (pg_settings_max_connections)`, ""},
	{"redis-memory", "Redis", "Memory", "bytes", memory, "redis_memory_used_bytes", `max by (instance) (redis_memory_used_bytes)`, `redis_memory_max_bytes`, ""},
	{"redis-clients", "Redis", "Clients", "", pool, "redis_connected_clients", `max by (instance) (redis_connected_clients)`, `redis_config_maxclients`, ""},
	{"db-pool", "Database", "Connection pool", "", pool, "db_pool_connections_in_use", `sum by (job, instance) (db_pool_connections_in_use)`, `sum by (job, instance) (db_pool_connections_max)`, "db_pool_wait_seconds"},
	{"hikari-pool", "Database", "Connection pool", "", pool, "hikaricp_connections_active", `sum by (instance, pool) (hikaricp_connections_active)`, `sum by (instance, pool) (hikaricp_connections_max)`, "hikaricp_connections_acquire_seconds"},
	{"go-sql-pool", "Database", "Connection pool", "", pool, "go_sql_in_use_connections", `sum by (instance, db_name) (go_sql_in_use_connections)`, `sum by (instance, db_name) (go_sql_max_open_connections)`, "go_sql_wait_duration_seconds_total"},
}

// kindOf tells what a resource of the SLA is made of, by what it is called and asks.
func kindOf(r Resource) kind {
	for _, k := range []struct {
		is   kind
		form *regexp.Regexp
	}{
		{pool, regexp.MustCompile(`(?i)connection|pool|clients`)},
		{handles, regexp.MustCompile(`(?i)_fds|file descriptors|open files`)},
		{memory, regexp.MustCompile(`(?i)memory|resident|heap|storage|disk space`)},
		{cpu, regexp.MustCompile(`(?i)cpu`)},
	} {
		if k.form.MatchString(r.Resource) {
			return k.is
		}
	}
	return other
}

// A signal is a resource over the intervals of the run.
type signal struct {
	id, component, resource, unit, query string
	kind                                 kind
	waits                                string  // metric of the time spent waiting for it; "" when not known
	limit                                float64 // of every line that has none of its own; NaN when not known
	lines                                []line
	failed                               string // by what the SLA's own bound on it was missed
	demand                               Demand // of the mean of its lines
}

// A line is one series of a signal: a value for each interval, NaN where there is none.
type line struct {
	name   string
	labels labels.Labels
	limit  float64 // 0 when it is the signal's
	values []float64
}

// share is what a line used of the limit, interval by interval; NaN without a limit.
func (s signal) share(l line) []float64 {
	limit := s.limitOf(l)
	out := make([]float64, len(l.values))
	for i, v := range l.values {
		out[i] = v / limit
	}
	return out
}

// podSuffix is what Kubernetes puts behind the name of a workload for each of its
// pods: a Deployment's replica set and pod, a DaemonSet's pod, or a StatefulSet's
// ordinal (letters and digits of k8s.io/apimachinery/pkg/util/rand).
var podSuffix = regexp.MustCompile(`(-[bcdfghjklmnpqrstvwxz2456789]{6,10})?-([bcdfghjklmnpqrstvwxz2456789]{5}|[0-9]+)$`)

// service is what a line is a replica of: the workload of its pod, else its job; ""
// when it has neither.
func (l line) service() string {
	if pod := l.labels.Get("pod"); pod != "" {
		return podSuffix.ReplaceAllString(pod, "")
	}
	return l.labels.Get(model.JobLabel)
}

// byService parts a signal into those of each service: only its replicas are there
// to share its work.
func (s signal) byService() (parts []signal) {
	for _, l := range s.lines {
		i := slices.IndexFunc(parts, func(p signal) bool { return p.lines[0].service() == l.service() })
		if i < 0 {
			part := s
			part.lines = nil
			parts, i = append(parts, part), len(parts)
		}
		parts[i].lines = append(parts[i].lines, l)
	}
	return parts
}

// isMachine tells whether a resource is a machine's, which others than the service use too.
func (s signal) isMachine() bool { return strings.HasPrefix(s.id, "node-") }

// limitOf is the limit of a line.
func (s signal) limitOf(l line) float64 {
	if l.limit > 0 {
		return l.limit
	}
	return s.limit
}

// isOf tells whether a line can be about the same thing as another one: the labels
// that both have agree, and there is one, unless the line has none at all. So the
// processor of a process goes with the share of it that its collector took.
func (l line) isOf(of line) bool {
	shared, agree := l.labels.IsEmpty(), true
	l.labels.Range(func(x labels.Label) {
		if v := of.labels.Get(x.Name); v != "" && x.Name != model.MetricNameLabel {
			shared, agree = true, agree && v == x.Value
		}
	})
	return shared && agree
}

// An exam is a run under examination.
type exam struct {
	Scope
	meter    *promql.Meter
	grid     promql.Grid
	from, to int             // the intervals that are scored
	present  map[string]bool // metrics that the run has
	signals  []signal
	// Limits that can't be ones, since more was used.
	disbelieved []string
	// Of all requests together, interval by interval; nil when not known.
	requests, seconds []float64
	times             promql.Distribution // of the scored window
	coverage          float64             // by scrapes, of the scored window, in [0, 1]
}

func newExam(ctx context.Context, m *promql.Meter, s Scope) (*exam, error) {
	step := m.Scrape()
	e := &exam{Scope: s, meter: m,
		grid: promql.Grid{Start: s.Run.Window.Start, Step: step, N: int(math.Ceil(float64(s.Run.Window.Duration())/float64(step))) + 1}}
	e.from, e.to = e.grid.Cells(s.Window)
	for _, ask := range []func(context.Context) error{e.findMetrics, e.timeRequests, e.measureSources} {
		if err := ask(ctx); err != nil {
			return nil, err
		}
	}
	for _, r := range s.Resources {
		limit := r.Limit
		if !(limit > 0) || math.IsInf(limit, 1) {
			limit = math.NaN()
		}
		e.add(signal{r.ID, r.Component, r.Resource, r.Unit, r.Query, kindOf(r), waitsOf(r), limit, e.lines(r.Series), r.Failed, r.Demand})
	}
	return e, nil
}

// add puts a signal under examination, without a limit that can't be one.
func (e *exam) add(s signal) {
	if l, times := e.beyondLimit(s); times > leastBeyond {
		e.disbelieved = append(e.disbelieved, fmt.Sprintf("%s: the run used %.3g times its limit of %s: that limit is another one, or not enforced", s.id, times, quantity(s.limitOf(l), s.unit)))
		s.limit = math.NaN()
		for i := range s.lines {
			s.lines[i].limit = 0
		}
	}
	e.signals = append(e.signals, s)
}

// beyondLimit is how many times its limit a line used, of the line that used most of
// its own: on average, but at most of what can't be lent beyond its number.
func (e *exam) beyondLimit(s signal) (l line, times float64) {
	for _, each := range s.lines {
		used := stats.Mean(e.scored(s.share(each)))
		if s.kind == pool || s.kind.isStock() {
			used = e.peak(s.share(each))
		}
		if used > times {
			l, times = each, used
		}
	}
	return l, times
}

// findMetrics asks, once, which of the metrics that probes know the run has.
func (e *exam) findMetrics(ctx context.Context) (err error) {
	names := slices.Clone(probedMetrics)
	for _, s := range Sources {
		names = append(names, s.Needs)
	}
	e.present, err = e.meter.Present(ctx, names, e.Window)
	return err
}

// window is the length of the scored window, as PromQL writes it.
func (e *exam) window() string { return duration(e.Window.Duration()) }

func duration(d time.Duration) string {
	return model.Duration(max(d, time.Millisecond).Round(time.Millisecond)).String()
}

// expand puts what a query may refer to in its place.
func (e *exam) expand(query string) string {
	vars := map[string]string{"rate": duration(max(rateIntervals*e.grid.Step, time.Second)), "window": e.window(), "run": e.Run.ID}
	for name, value := range e.Vars {
		vars[name] = value
	}
	return promql.Expand(query, vars)
}

// timeRequests measures how many requests there were and the time that they took.
func (e *exam) timeRequests(ctx context.Context) error {
	if e.Requests == "" {
		return nil
	}
	spent, err := e.spent(ctx, e.Requests, "")
	if err != nil || len(spent) == 0 {
		return err
	}
	e.requests, e.seconds, e.times = spent[0].counts, spent[0].seconds, spent[0].all
	return e.cover(ctx)
}

// cover finds the share of the scored window that scrapes of the service cover.
func (e *exam) cover(ctx context.Context) error {
	sel, err := promql.ParseSelector(e.Requests, e.Vars)
	if err != nil {
		return err
	}
	c, err := e.meter.Coverage(ctx, sel, e.Window)
	if err == nil && len(c.Targets) == 0 {
		c, err = e.meter.Coverage(ctx, sel.Named(sel.Metric+"_bucket"), e.Window)
	}
	e.coverage = c.Ratio
	return err
}

// A spend is what calls of one kind took, interval by interval.
type spend struct {
	name            string
	counts, seconds []float64
	all             promql.Distribution // of the scored window
}

// spent reads a histogram of durations, by a label unless it is "".
func (e *exam) spent(ctx context.Context, selector, by string) ([]spend, error) {
	sel, err := promql.ParseSelector(selector, e.Vars)
	if err != nil {
		return nil, err
	}
	var labels []string
	if by != "" {
		labels = []string{by}
	}
	grid, spreads, err := e.meter.Spreads(ctx, sel, labels, e.Run.Window)
	if err != nil {
		return nil, err
	}
	var all []spend
	for _, s := range spreads {
		if grid.N != e.grid.N {
			continue // widened intervals don't stand beside the others
		}
		sp := spend{name: s.Labels.Get(by), counts: make([]float64, grid.N), seconds: make([]float64, grid.N), all: s.Over(e.from, e.to)}
		for i, d := range s.Intervals {
			sp.counts[i], sp.seconds[i] = d.Count(), d.Sum()
		}
		all = append(all, sp)
	}
	return all, nil
}

// measureSources measures what is found by itself, unless the SLA has it.
func (e *exam) measureSources(ctx context.Context) error {
	for _, s := range Sources {
		named := slices.ContainsFunc(e.Resources, func(r Resource) bool { return strings.Contains(r.Query, s.Needs) })
		if !e.present[s.Needs] || named {
			continue
		}
		sig := signal{id: s.ID, component: s.Component, resource: s.Resource, unit: s.Unit, query: e.expand(s.Used), kind: s.Kind, waits: s.Waits, limit: math.NaN()}
		var err error
		if sig.lines, err = e.measure(ctx, sig.query); err != nil {
			return err
		}
		if err := e.limit(ctx, &sig, s.Limit); err != nil {
			return err
		}
		if s.Component != "" {
			e.add(sig)
			continue
		}
		for _, part := range sig.byService() {
			e.add(part.ofService())
		}
	}
	return nil
}

// ofService puts its name to the part of a signal that is one service's. Its replicas have
// the same limit, also those whose own is not known.
func (s signal) ofService() signal {
	s.component = s.lines[0].service()
	s.id += "/" + s.component
	for _, l := range s.lines {
		if l.limit > 0 && !(l.limit >= s.limit) {
			s.limit = l.limit
		}
	}
	return s
}

// waitsOf is the metric of the time spent waiting for a resource of the SLA: that
// of the source whose metric its query asks for.
func waitsOf(r Resource) string {
	for _, s := range Sources {
		if s.Waits != "" && strings.Contains(r.Query, s.Needs) {
			return s.Waits
		}
	}
	return ""
}

// limit gives each line of a signal its limit: that of the series with the same
// labels; where no line has such a series, the least there is.
func (e *exam) limit(ctx context.Context, sig *signal, expr string) error {
	if expr == "" {
		return nil
	}
	res, err := e.meter.Query(ctx, e.expand(expr), e.Window.End)
	least := math.NaN()
	for _, s := range res.Series {
		v := s.Points[0].Value
		if !(v > 0) || math.IsInf(v, 0) {
			continue // 0 and infinite are how exporters say that there is none
		}
		if !(v >= least) {
			least = v
		}
		for i, l := range sig.lines {
			if l.labels.Len() > 0 && l.isOf(line{labels: s.Labels}) {
				sig.lines[i].limit = v
			}
		}
	}
	if !slices.ContainsFunc(sig.lines, func(l line) bool { return l.limit > 0 }) {
		sig.limit = least
	}
	return err
}

// measure evaluates an expression at the end of every interval.
func (e *exam) measure(ctx context.Context, query string) ([]line, error) {
	res, err := e.meter.QueryRange(ctx, query, promql.Range{Start: e.grid.End(0), End: e.grid.End(e.grid.N - 1), Step: e.grid.Step})
	return e.lines(res.Series), err
}

func (e *exam) lines(series []promql.Series) []line {
	var lines []line
	for _, s := range series {
		l := line{name: seriesName(s.Labels), labels: s.Labels, values: make([]float64, e.grid.N)}
		for i := range l.values {
			l.values[i] = math.NaN()
		}
		for _, p := range s.Points {
			if i := int(math.Round(float64(p.Time.Sub(e.grid.Start))/float64(e.grid.Step))) - 1; i >= 0 && i < len(l.values) && !math.IsInf(p.Value, 0) { // a share of nothing is no data
				l.values[i] = p.Value
			}
		}
		lines = append(lines, l)
	}
	return lines
}

// seriesName is the values of a series' labels; "" when it has none.
func seriesName(ls labels.Labels) string {
	var values []string
	ls.Range(func(l labels.Label) {
		if l.Name != model.MetricNameLabel && !slices.Contains(values, l.Value) {
			values = append(values, l.Value)
		}
	})
	return strings.Join(values, " ")
}

// counter reads what counters gained in each interval, by labels.
func (e *exam) counter(ctx context.Context, selector string, by ...string) ([]line, error) {
	sel, err := promql.ParseSelector(selector, e.Vars)
	if err != nil {
		return nil, err
	}
	inc, err := e.meter.Increments(ctx, sel, by, e.Run.Window)
	var lines []line
	for _, g := range inc.Groups {
		if len(g.Values) == e.grid.N {
			lines = append(lines, line{name: seriesName(g.Labels), labels: g.Labels, values: g.Values})
		}
	}
	return lines, err
}
