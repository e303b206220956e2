package loadgen

import (
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// maxRequestNames caps the cardinality of the label request; further names are counted as "other".
const maxRequestNames = 200

// classicBuckets are the upper bounds in seconds for those who read classic histograms.
var classicBuckets = []float64{.005, .01, .025, .05, .1, .2, .3, .5, .75, 1, 2, 3, 5, 10, 30, 60}

// A recorder counts results twice: for Prometheus and, exactly alike, for the Summary.
type recorder struct {
	requests          *prometheus.CounterVec
	response, service *prometheus.HistogramVec
	users, inFlight   prometheus.Gauge
	iterations, due   prometheus.Counter
	dropped           prometheus.Counter
	startLag          prometheus.Histogram
	cpu               prometheus.Gauge
	sent, received    prometheus.Counter

	byName map[string]*stats
	order  []*stats
	lag    latencies

	nDropped, nDue, nIterations, nUsers atomic.Int64
	answered                            atomic.Int64 // requests that got any answer
	goneSince                           atomic.Int64 // when the first request since the last answer failed to get one, in Unix nanoseconds; 0: never
}

// stats is what is known of the requests of one name.
type stats struct {
	name              string
	response, service latencies
	requests          atomic.Int64
	failures          atomic.Int64
	mu                sync.Mutex
	reasons           map[Outcome]int64
}

func newRecorder(opts Options) (*recorder, error) {
	reg := prometheus.WrapRegistererWith(prometheus.Labels{"run": opts.RunID, "scenario": opts.Scenario.Name}, opts.Registry)
	r := &recorder{byName: map[string]*stats{}}
	r.requests = prometheus.NewCounterVec(prometheus.CounterOpts{Name: "loadgen_requests_total",
		Help: "Requests by their outcome: success, or the reason of the failure."}, []string{"request", "method", "status", "outcome"})
	r.response = prometheus.NewHistogramVec(histogramOpts("loadgen_response_time_seconds", "Time from when a request was due to the last byte of its answer."), []string{"request", "outcome"})
	r.service = prometheus.NewHistogramVec(histogramOpts("loadgen_service_time_seconds", "Time from when a request was sent to the last byte of its answer."), []string{"request", "outcome"})
	r.startLag = prometheus.NewHistogram(histogramOpts("loadgen_start_lag_seconds", "How much later than due the generator itself started iterations."))
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: help})
	}
	gauge := func(name, help string) prometheus.Gauge {
		return prometheus.NewGauge(prometheus.GaugeOpts{Name: name, Help: help})
	}
	r.users = gauge("loadgen_users", "Users that are running.")
	r.inFlight = gauge("loadgen_in_flight", "Requests that wait for their answer.")
	r.cpu = gauge("loadgen_cpu_ratio", "Processor time used by the generator's process, of the cores it may use.")
	r.iterations = counter("loadgen_iterations_total", "Iterations that were started.")
	r.due = counter("loadgen_due_total", "Iterations that were due; in a closed model those that were started.")
	r.dropped = counter("loadgen_dropped_total", "Iterations that were due and dropped because the queue was full or the run ended.")
	r.sent = counter("loadgen_sent_bytes_total", "Bytes of requests.")
	r.received = counter("loadgen_received_bytes_total", "Bytes of answers.")
	collectors := []prometheus.Collector{r.requests, r.response, r.service, r.startLag, r.users, r.inFlight, r.cpu, r.iterations, r.due, r.dropped, r.sent, r.received}
	for _, st := range opts.Scenario.steps() {
		if s, isNew := r.statsOf(st.Name); isNew {
			collectors = append(collectors, maxGauge(s))
		}
	}
	for _, c := range collectors {
		if err := reg.Register(c); err != nil {
			return nil, fmt.Errorf("loadgen: metrics: %w", err)
		}
	}
	return r, nil
}

func histogramOpts(name, help string) prometheus.HistogramOpts {
	return prometheus.HistogramOpts{Name: name, Help: help, Buckets: classicBuckets,
		NativeHistogramBucketFactor: 1.02, NativeHistogramMaxBucketNumber: 2000}
}

func maxGauge(s *stats) prometheus.Collector {
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "loadgen_response_time_max_seconds",
		Help: "Longest response time since the start.", ConstLabels: prometheus.Labels{"request": s.name}},
		func() float64 { return float64(s.response.max.Load()) / 1e9 })
}

func (r *recorder) statsOf(name string) (s *stats, isNew bool) {
	if s := r.byName[name]; s != nil {
		return s, false
	}
	key := name
	if len(r.order) >= maxRequestNames {
		if name = "other"; r.byName[name] != nil {
			r.byName[key] = r.byName[name]
			return r.byName[name], false
		}
	}
	s = &stats{name: name, reasons: map[Outcome]int64{}}
	r.byName[key], r.byName[name] = s, s
	r.order = append(r.order, s)
	return s, true
}

// A channel is where the results of one step go; its usual children are looked up once.
type channel struct {
	stats             *stats
	method            string
	status            int // of the usual answer
	count             prometheus.Counter
	response, service prometheus.Observer
}

// channelOf makes the children of a step's success, so that they are there at 0.
func (r *recorder) channelOf(st Step) channel {
	s, _ := r.statsOf(st.Name)
	status := st.expect.wanted()
	return channel{s, st.Method, status,
		r.requests.WithLabelValues(s.name, st.Method, strconv.Itoa(status), string(Success)),
		r.response.WithLabelValues(s.name, string(Success)), r.service.WithLabelValues(s.name, string(Success))}
}

// record counts one result.
func (r *recorder) record(c *channel, status int, outcome Outcome, response, service time.Duration) {
	s := c.stats
	s.requests.Add(1)
	s.response.add(response)
	s.service.add(service)
	count, onResponse, onService := c.count, c.response, c.service
	if outcome != Success {
		s.fail(outcome)
		onResponse = r.response.WithLabelValues(s.name, string(outcome))
		onService = r.service.WithLabelValues(s.name, string(outcome))
	}
	if outcome != Success || status != c.status {
		count = r.requests.WithLabelValues(s.name, c.method, statusLabel(status), string(outcome))
	}
	count.Inc()
	onResponse.Observe(response.Seconds())
	onService.Observe(service.Seconds())
}

func (s *stats) fail(outcome Outcome) {
	s.failures.Add(1)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reasons[outcome]++
}

// statusLabel is 0 when there was no answer, and other for what is no HTTP status.
func statusLabel(status int) string {
	if status > 599 {
		return "other"
	}
	return strconv.Itoa(status)
}

// reached notes whether a request got an answer, for telling that the target is gone.
// It is true for the first of those that did not.
func (r *recorder) reached(answered bool) (first bool) {
	if answered {
		r.answered.Add(1)
		if r.goneSince.Load() != 0 {
			r.goneSince.Store(0)
		}
		return false
	}
	return r.goneSince.CompareAndSwap(0, time.Now().UnixNano())
}

func (r *recorder) lagged(d time.Duration) {
	r.lag.add(d)
	r.startLag.Observe(max(d, 0).Seconds())
}

func (r *recorder) drop(n int64) {
	r.nDropped.Add(n)
	r.dropped.Add(float64(n))
}

func (r *recorder) dueOne() {
	r.nDue.Add(1)
	r.due.Inc()
}

func (r *recorder) iterate() {
	r.nIterations.Add(1)
	r.iterations.Inc()
}
