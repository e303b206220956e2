package loadgen

import (
	"math"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// classicBuckets of the time histograms, in seconds.
var classicBuckets = []float64{.005, .01, .025, .05, .075, .1, .15, .2, .3, .4, .5, .75, 1, 1.5, 2, 3, 5, 7.5, 10, 15, 20, 30, 60}

// nativeFactor bounds the width of a native bucket: schema 5, so that a quantile is within about 1 %.
const nativeFactor = 1.02

// metrics are what is exported, and counted for the summary, in one place, so that they agree.
type metrics struct {
	runID, scenario string

	requests          *prometheus.CounterVec
	response, service *prometheus.HistogramVec
	slowest           *prometheus.GaugeVec
	users, inFlight   prometheus.Gauge
	iterations        prometheus.Counter
	sent, received    prometheus.Counter
	cpu               prometheus.Gauge

	mu     sync.Mutex
	tracks map[trackKey]*track
	byName map[string]*tally
	all    *tally
}

type trackKey struct {
	request, method, status string
	outcome                 Outcome
}

// track is the resolved children for one combination of labels.
type track struct {
	requests          prometheus.Counter
	response, service prometheus.Observer
}

func newMetrics(registry *prometheus.Registry, runID, scenario string) *metrics {
	constant := prometheus.Labels{"run": runID, "scenario": scenario}
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: help, ConstLabels: constant})
	}
	gauge := func(name, help string) prometheus.Gauge {
		return prometheus.NewGauge(prometheus.GaugeOpts{Name: name, Help: help, ConstLabels: constant})
	}
	times := func(name, help string) *prometheus.HistogramVec {
		return prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: name, Help: help, ConstLabels: constant,
			Buckets: classicBuckets, NativeHistogramBucketFactor: nativeFactor, NativeHistogramMaxBucketNumber: 500}, []string{"request", "outcome"})
	}
	m := &metrics{
		runID: runID, scenario: scenario,
		requests:   prometheus.NewCounterVec(prometheus.CounterOpts{Name: "loadgen_requests_total", Help: "Requests that were answered or given up, by outcome.", ConstLabels: constant}, []string{"request", "method", "status", "outcome"}),
		response:   times("loadgen_response_time_seconds", "Time from the intended start of a request to its last byte."),
		service:    times("loadgen_service_time_seconds", "Time from the actual start of a request to its last byte."),
		slowest:    prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "loadgen_response_time_max_seconds", Help: "Longest response time since the start.", ConstLabels: constant}, []string{"request"}),
		users:      gauge("loadgen_users", "Users at work."),
		inFlight:   gauge("loadgen_in_flight", "Requests sent and not yet answered."),
		iterations: counter("loadgen_iterations_total", "Tasks begun."),
		sent:       counter("loadgen_sent_bytes_total", "Bytes of request bodies."),
		received:   counter("loadgen_received_bytes_total", "Bytes of answer bodies."),
		cpu:        gauge("loadgen_cpu_ratio", "Share of the cores it may use that the generator used since the start."),
		tracks:     map[trackKey]*track{},
		byName:     map[string]*tally{},
		all:        newTally(),
	}
	registry.MustRegister(m.requests, m.response, m.service, m.slowest, m.users, m.inFlight, m.iterations, m.sent, m.received, m.cpu)
	return m
}

// prepare makes the series of a success, so that they are there, at 0, when the first scrape comes.
func (m *metrics) prepare(steps []Step) {
	for _, s := range steps {
		m.track(trackKey{s.Name, s.Method, strconv.Itoa(s.expect.wanted()), Success})
		m.slowest.WithLabelValues(s.Name)
	}
}

func (m *metrics) track(k trackKey) *track {
	t := m.tracks[k]
	if t == nil {
		t = &track{m.requests.WithLabelValues(k.request, k.method, k.status, string(k.outcome)),
			m.response.WithLabelValues(k.request, string(k.outcome)), m.service.WithLabelValues(k.request, string(k.outcome))}
		m.tracks[k] = t
	}
	if m.byName[k.request] == nil {
		m.byName[k.request] = newTally()
	}
	return t
}

// record counts one finished request.
func (m *metrics) record(r Result) {
	status := ""
	if r.Status > 0 {
		status = strconv.Itoa(r.Status)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	t := m.track(trackKey{r.Request, r.Method, status, r.Outcome})
	t.requests.Inc()
	t.response.Observe(r.ResponseTime.Seconds())
	t.service.Observe(r.ServiceTime.Seconds())
	named := m.byName[r.Request]
	named.add(r)
	m.all.add(r)
	m.slowest.WithLabelValues(r.Request).Set(named.response.max.Seconds())
}

// A tally counts the requests of one name.
type tally struct {
	requests, failures int64
	reasons            map[Outcome]int64
	response, service  durations
}

func newTally() *tally { return &tally{reasons: map[Outcome]int64{}} }

func (t *tally) add(r Result) {
	t.requests++
	if r.Outcome != Success {
		t.failures++
		t.reasons[r.Outcome]++
	}
	t.response.add(r.ResponseTime)
	t.service.add(r.ServiceTime)
}

// durations is a histogram with buckets 1/64 of a doubling wide, so that a
// quantile is within 0.6 %; its size does not grow with the run.
type durations struct {
	counts [bucketsPerDoubling * doublings]int64
	n      int64
	sum    time.Duration
	max    time.Duration
}

const (
	bucketsPerDoubling = 64
	doublings          = 36 // from 1 µs to 19 hours
)

func (d *durations) add(t time.Duration) {
	i := int(math.Log2(max(float64(t)/float64(time.Microsecond), 1)) * bucketsPerDoubling)
	d.counts[min(i, len(d.counts)-1)]++
	d.n++
	d.sum += t
	d.max = max(d.max, t)
}

// quantile is in seconds; NaN when empty.
func (d *durations) quantile(q float64) float64 {
	if d.n == 0 {
		return math.NaN()
	}
	rank := int64(math.Ceil(q * float64(d.n)))
	seen := int64(0)
	for i, c := range d.counts {
		if seen += c; seen >= rank && c > 0 {
			middle := time.Duration(math.Exp2((float64(i)+.5)/bucketsPerDoubling) * float64(time.Microsecond))
			return min(middle, d.max).Seconds()
		}
	}
	return d.max.Seconds()
}

func (d *durations) mean() float64 {
	if d.n == 0 {
		return math.NaN()
	}
	return d.sum.Seconds() / float64(d.n)
}
