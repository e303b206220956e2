package loadgen

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
)

// K6Metrics are a run's results under the names and labels of k6's Prometheus
// remote-write output, so that dashboards made for that go on working. As there,
// a request is "expected" when it was answered with a status below 400, whatever
// its checks say, and rates are gauges since the start.
type K6Metrics struct {
	duration  *k6Trend // of requests
	iteration *k6Trend
	succeeded map[string]*checked // checks by request; the map itself never changes
	generator atomic.Pointer[Generator]

	reqs, failed, checks, vus, vusMax *prometheus.Desc
	iterations, dropped               *prometheus.Desc
	sent, received                    *prometheus.Desc
}

// checked counts the requests whose expectations held, or not.
type checked struct{ passes, fails atomic.Int64 }

// A k6Trend is a distribution in both forms that k6 has: a native histogram, and
// the gauge of its 99th percentile since the start, which is k6's default.
type k6Trend struct {
	*prometheus.HistogramVec
	labels int // how many labels there are
	p99    *prometheus.Desc

	mu    sync.Mutex
	times map[k6LabelValues]*histogram // as the native ones, but fine enough for the percentile
}

// k6LabelValues are those of labels, in order; "" behind the last.
type k6LabelValues [4]string

func newK6Trend(name, help string, fixed prometheus.Labels, labels ...string) *k6Trend {
	return &k6Trend{
		HistogramVec: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: name + "_seconds", Help: help, ConstLabels: fixed,
			Buckets: classicBuckets[:], NativeHistogramBucketFactor: 1.1, NativeHistogramMaxBucketNumber: 2000}, labels), // factor 1.1 is k6's schema 3
		labels: len(labels), p99: prometheus.NewDesc(name+"_p99", help+" 99th percentile since the start, in seconds.", labels, fixed), times: map[k6LabelValues]*histogram{}}
}

func (t *k6Trend) observe(values k6LabelValues, took time.Duration) {
	t.WithLabelValues(values[:t.labels]...).Observe(took.Seconds())
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.times[values] == nil {
		t.times[values] = &histogram{}
	}
	t.times[values].add(took)
}

// collectP99 gives the gauges alone.
func (t *k6Trend) collectP99(metrics chan<- prometheus.Metric) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for values, times := range t.times {
		metrics <- prometheus.MustNewConstMetric(t.p99, prometheus.GaugeValue, times.quantile(0.99), values[:t.labels]...)
	}
}

var k6RequestLabels = []string{"name", "method", "status", "expected_response"}

// NewK6Metrics makes the metrics of a run of the scenario. Pass every Sample to
// Observe, every iteration to ObserveIteration, and the Generator to Follow.
func NewK6Metrics(s Scenario, runID string) *K6Metrics {
	labels := prometheus.Labels{"testid": runID, "scenario": s.Name}
	desc := func(name, help string, variable ...string) *prometheus.Desc {
		return prometheus.NewDesc("k6_"+name, help, variable, labels)
	}
	m := &K6Metrics{
		duration:   newK6Trend("k6_http_req_duration", "Time from when a request was sent to the last byte of its answer.", labels, k6RequestLabels...),
		iteration:  newK6Trend("k6_iteration_duration", "Time of an iteration, without thinking.", labels),
		succeeded:  map[string]*checked{},
		reqs:       desc("http_reqs_total", "Requests.", k6RequestLabels...),
		failed:     desc("http_req_failed_rate", "Share of the requests that were not answered with a status below 400.", k6RequestLabels...),
		checks:     desc("checks_rate", "Share of the requests whose expectations held.", "name", "check"),
		vus:        desc("vus", "Users that are running."),
		vusMax:     desc("vus_max", "The most users at one time."),
		iterations: desc("iterations_total", "Iterations that were started."),
		dropped:    desc("dropped_iterations_total", "Iterations that were due and not started."),
		sent:       desc("data_sent_total", "Bytes of requests."),
		received:   desc("data_received_total", "Bytes of answers."),
	}
	for _, name := range s.Requests() {
		m.succeeded[name] = &checked{}
	}
	return m
}

// Follow says where the metrics that are not of requests come from.
func (m *K6Metrics) Follow(g *Generator) { m.generator.Store(g) }

// Observe takes one result; safe for many at once.
func (m *K6Metrics) Observe(s Sample) {
	expected := "false"
	if s.Status > 0 && s.Status < 400 {
		expected = "true"
	}
	if s.Outcome != Unset { // which was no request
		m.duration.observe(k6LabelValues{s.Request, s.Method, statusLabel(s.Status), expected}, s.ServiceTime)
	}
	c := m.succeeded[s.Request]
	switch {
	case c == nil:
	case s.Outcome == Success:
		c.passes.Add(1)
	default:
		c.fails.Add(1)
	}
}

// ObserveIteration takes how long one iteration took; safe for many at once.
func (m *K6Metrics) ObserveIteration(took time.Duration) { m.iteration.observe(k6LabelValues{}, took) }

// Describe implements [prometheus.Collector].
func (m *K6Metrics) Describe(descs chan<- *prometheus.Desc) {
	m.duration.Describe(descs)
	m.iteration.Describe(descs)
	for _, d := range []*prometheus.Desc{m.duration.p99, m.iteration.p99, m.reqs, m.failed, m.checks, m.vus, m.vusMax, m.iterations, m.dropped, m.sent, m.received} {
		descs <- d
	}
}

// Collect implements [prometheus.Collector]. The counts are those of the
// histogram, so that they agree with it in every scrape.
func (m *K6Metrics) Collect(metrics chan<- prometheus.Metric) {
	for _, h := range collected(m.duration) {
		metrics <- h
		var written dto.Metric
		if err := h.Write(&written); err != nil {
			metrics <- prometheus.NewInvalidMetric(m.reqs, err)
			continue
		}
		labels := map[string]string{}
		for _, l := range written.GetLabel() {
			labels[l.GetName()] = l.GetValue()
		}
		var values []string
		for _, name := range k6RequestLabels {
			values = append(values, labels[name])
		}
		failed := 0.0
		if labels["expected_response"] == "false" {
			failed = 1
		}
		metrics <- prometheus.MustNewConstMetric(m.reqs, prometheus.CounterValue, float64(written.GetHistogram().GetSampleCount()), values...)
		metrics <- prometheus.MustNewConstMetric(m.failed, prometheus.GaugeValue, failed, values...)
	}
	m.iteration.Collect(metrics)
	m.duration.collectP99(metrics)
	m.iteration.collectP99(metrics)
	for name, c := range m.succeeded {
		passes, fails := float64(c.passes.Load()), float64(c.fails.Load())
		if passes+fails > 0 {
			metrics <- prometheus.MustNewConstMetric(m.checks, prometheus.GaugeValue, passes/(passes+fails), name, "expect")
		}
	}
	if g := m.generator.Load(); g != nil {
		m.collectRest(g, metrics)
	}
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
		{m.iterations, prometheus.CounterValue, state.iterations},
		{m.dropped, prometheus.CounterValue, state.dropped},
		{m.sent, prometheus.CounterValue, state.sent},
		{m.received, prometheus.CounterValue, state.received},
	} {
		metrics <- prometheus.MustNewConstMetric(v.desc, v.kind, v.value)
	}
}

// collected are the metrics of a collector.
func collected(c prometheus.Collector) (all []prometheus.Metric) {
	ch := make(chan prometheus.Metric)
	go func() { c.Collect(ch); close(ch) }()
	for m := range ch {
		all = append(all, m)
	}
	return all
}
