package loadgen

import (
	"maps"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// K6Metrics are a run's results under the names and labels of k6's Prometheus
// remote-write output, so that dashboards made for that go on working. As there,
// a request is "expected" when it was answered with a status below 400, whatever
// its checks say, and rates are gauges since the start. k6 gives trends either
// as native histograms or as gauges of their statistics; here they are both.
type K6Metrics struct {
	since     time.Time
	generator atomic.Pointer[Generator]

	mu         sync.Mutex // guards what follows
	requests   map[k6Request]*k6Times
	iterations histogram
	checks     map[string]checked // by request

	trends                                [len(k6Trends)]k6Trend
	iteration                             k6Trend
	reqs, failed, checked, vus, vusMax    *prometheus.Desc
	started, dropped, sentBytes, gotBytes *prometheus.Desc
}

// A k6Request is what the labels of a request say, in the order of k6RequestLabels.
type k6Request struct{ name, method, status, expected string }

var k6RequestLabels = []string{"name", "method", "status", "expected_response"}

func (r k6Request) labels() []string { return []string{r.name, r.method, r.status, r.expected} }

// k6Times are what requests of the same labels took, by trend.
type k6Times [len(k6Trends)]histogram

// checked counts the requests whose expectations held, or not.
type checked struct{ passes, fails float64 }

// k6Trends are the trends of requests.
var k6Trends = [...]struct {
	name, help string
	of         func(Phases) time.Duration
}{
	{"http_req_duration", "Time of sending a request, waiting for the answer and receiving it.", Phases.InFlight},
	{"http_req_blocked", "Time until a connection was ready.", func(p Phases) time.Duration { return p.Blocked }},
	{"http_req_connecting", "Time of connecting; 0 on a connection that is there already.", func(p Phases) time.Duration { return p.Connecting }},
	{"http_req_tls_handshaking", "Time of the TLS handshake; 0 on a connection that is there already.", func(p Phases) time.Duration { return p.TLSHandshaking }},
	{"http_req_sending", "Time of sending a request.", func(p Phases) time.Duration { return p.Sending }},
	{"http_req_waiting", "Time until the first byte of the answer.", func(p Phases) time.Duration { return p.Waiting }},
	{"http_req_receiving", "Time of receiving the answer.", func(p Phases) time.Duration { return p.Receiving }},
}

// k6Statistics are the statistics of a trend, by the suffix of their gauge, in seconds.
var k6Statistics = [...]struct {
	suffix string
	of     func(*histogram) float64
}{
	{"avg", (*histogram).mean},
	{"min", func(h *histogram) float64 { return h.quantile(0) }},
	{"med", func(h *histogram) float64 { return h.quantile(0.5) }},
	{"max", func(h *histogram) float64 { return h.max.Seconds() }},
	{"p90", func(h *histogram) float64 { return h.quantile(0.9) }},
	{"p95", func(h *histogram) float64 { return h.quantile(0.95) }},
	{"p99", func(h *histogram) float64 { return h.quantile(0.99) }},
}

// A k6Trend is a distribution as it is shown.
type k6Trend struct {
	native     *prometheus.Desc
	statistics [len(k6Statistics)]*prometheus.Desc
}

func newK6Trend(name, help string, fixed prometheus.Labels, labels ...string) k6Trend {
	t := k6Trend{native: prometheus.NewDesc("k6_"+name+"_seconds", help, labels, fixed)}
	for i, s := range k6Statistics {
		t.statistics[i] = prometheus.NewDesc("k6_"+name+"_"+s.suffix, help+" Its "+s.suffix+" since the start, in seconds.", labels, fixed)
	}
	return t
}

func (t *k6Trend) describe(descs chan<- *prometheus.Desc) {
	descs <- t.native
	for _, d := range t.statistics {
		descs <- d
	}
}

// collect shows times, which nobody changes any more.
func (t *k6Trend) collect(metrics chan<- prometheus.Metric, times *histogram, since time.Time, labels ...string) {
	metrics <- &histogramMetric{t.native, times, since, labels}
	for i, s := range k6Statistics {
		metrics <- prometheus.MustNewConstMetric(t.statistics[i], prometheus.GaugeValue, s.of(times), labels...)
	}
}

// NewK6Metrics makes the metrics of a run of the scenario. Pass every Sample,
// with its phases, to Observe, every iteration to ObserveIteration, and the
// Generator to Follow.
func NewK6Metrics(s Scenario, runID string) *K6Metrics {
	labels := prometheus.Labels{"testid": runID, "scenario": s.Name}
	desc := func(name, help string, variable ...string) *prometheus.Desc {
		return prometheus.NewDesc("k6_"+name, help, variable, labels)
	}
	m := &K6Metrics{
		since: time.Now(), requests: map[k6Request]*k6Times{}, checks: map[string]checked{},
		iteration: newK6Trend("iteration_duration", "Time of an iteration, without thinking.", labels),
		reqs:      desc("http_reqs_total", "Requests.", k6RequestLabels...),
		failed:    desc("http_req_failed_rate", "Share of the requests that were not answered with a status below 400.", k6RequestLabels...),
		checked:   desc("checks_rate", "Share of the requests whose expectations held.", "name", "check"),
		vus:       desc("vus", "Users that are running."),
		vusMax:    desc("vus_max", "The most users at one time."),
		started:   desc("iterations_total", "Iterations that were started."),
		dropped:   desc("dropped_iterations_total", "Iterations that were due and not started."),
		sentBytes: desc("data_sent_total", "Bytes of requests."),
		gotBytes:  desc("data_received_total", "Bytes of answers."),
	}
	for i, t := range k6Trends {
		m.trends[i] = newK6Trend(t.name, t.help, labels, k6RequestLabels...)
	}
	return m
}

// Follow says where the metrics that are not of requests come from.
func (m *K6Metrics) Follow(g *Generator) { m.generator.Store(g) }

// Observe takes one result; safe for many at once.
func (m *K6Metrics) Observe(s Sample) {
	m.mu.Lock()
	defer m.mu.Unlock()
	c := m.checks[s.Request]
	if s.Outcome == Success {
		c.passes++
	} else {
		c.fails++
	}
	m.checks[s.Request] = c
	if s.Outcome == Unset { // which was no request
		return
	}
	of := k6Request{s.Request, s.Method, statusLabel(s.Status), strconv.FormatBool(s.Status > 0 && s.Status < 400)}
	times := m.requests[of]
	if times == nil {
		times = &k6Times{}
		m.requests[of] = times
	}
	for i := range k6Trends {
		times[i].add(k6Trends[i].of(s.Phases))
	}
}

// ObserveIteration takes how long one iteration took; safe for many at once.
func (m *K6Metrics) ObserveIteration(took time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.iterations.add(took)
}

// Describe implements [prometheus.Collector].
func (m *K6Metrics) Describe(descs chan<- *prometheus.Desc) {
	for i := range m.trends {
		m.trends[i].describe(descs)
	}
	m.iteration.describe(descs)
	for _, d := range []*prometheus.Desc{m.reqs, m.failed, m.checked, m.vus, m.vusMax, m.started, m.dropped, m.sentBytes, m.gotBytes} {
		descs <- d
	}
}

// Collect implements [prometheus.Collector].
func (m *K6Metrics) Collect(metrics chan<- prometheus.Metric) {
	requests, iterations, checks := m.copied()
	for of, times := range requests {
		for i := range m.trends {
			m.trends[i].collect(metrics, &times[i], m.since, of.labels()...)
		}
		failed := 0.0
		if of.expected == "false" {
			failed = 1
		}
		metrics <- prometheus.MustNewConstMetric(m.reqs, prometheus.CounterValue, float64(times[0].count()), of.labels()...)
		metrics <- prometheus.MustNewConstMetric(m.failed, prometheus.GaugeValue, failed, of.labels()...)
	}
	if iterations.count() > 0 {
		m.iteration.collect(metrics, iterations, m.since)
	}
	for name, c := range checks {
		metrics <- prometheus.MustNewConstMetric(m.checked, prometheus.GaugeValue, c.passes/(c.passes+c.fails), name, "expect")
	}
	if g := m.generator.Load(); g != nil {
		m.collectRest(g, metrics)
	}
}

// copied is what was observed so far, in a form that no longer changes.
func (m *K6Metrics) copied() (requests map[k6Request]*k6Times, iterations *histogram, checks map[string]checked) {
	m.mu.Lock()
	defer m.mu.Unlock()
	requests, iterations = map[k6Request]*k6Times{}, &histogram{}
	for of, times := range m.requests {
		requests[of] = &k6Times{}
		for i := range times {
			requests[of][i].merge(&times[i])
		}
	}
	iterations.merge(&m.iterations)
	return requests, iterations, maps.Clone(m.checks)
}

func (m *K6Metrics) collectRest(g *Generator, metrics chan<- prometheus.Metric) {
	state := g.loadState()
	for _, v := range []struct {
		desc  *prometheus.Desc
		kind  prometheus.ValueType
		value float64
	}{
		{m.vus, prometheus.GaugeValue, state.users},
		{m.vusMax, prometheus.GaugeValue, float64(g.opts.Segment.Share(g.opts.Profile.mostUsers()))},
		{m.started, prometheus.CounterValue, state.iterations},
		{m.dropped, prometheus.CounterValue, state.dropped},
		{m.sentBytes, prometheus.CounterValue, state.sent},
		{m.gotBytes, prometheus.CounterValue, state.received},
	} {
		metrics <- prometheus.MustNewConstMetric(v.desc, v.kind, v.value)
	}
}
