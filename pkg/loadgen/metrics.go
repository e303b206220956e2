package loadgen

import (
	"fmt"
	"math"
	"net/http"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
)

// Caps on cardinality; what is beyond them is counted as "other".
const (
	maxRequestNames = 200
	maxCounters     = 10_000 // name, method, status and outcome together
)

// A recorder counts results. There is one count of each thing: the metrics, the
// Summary and the live line all read it, so they agree.
//
// Users write to shards, each under its own lock, and readers add the shards up.
// A lock that is hardly ever contended costs less than an atomic operation for
// every number, and under it a reader finds no half-counted request.
type recorder struct {
	shards   []*shard
	logins   shard  // what users of an open model count until they have logged in
	loggedIn *tally // what of it came before the load; nil until that begins. The shard's lock guards it.

	users    func() int
	cpu      gauge
	valid    gauge
	inFlight func() int
	silence  silence // of the target
	refusals silence // of the logins

	mu       sync.RWMutex
	names    map[string]int // of requests, "other" among them
	order    []string
	timings  map[timingKey]int
	counters map[counterKey]int

	descs descs
	since time.Time
}

// gauge is a float that one goroutine sets and others read.
type gauge struct{ bits atomic.Uint64 }

func (g *gauge) set(v float64) { g.bits.Store(math.Float64bits(v)) }
func (g *gauge) get() float64  { return math.Float64frombits(g.bits.Load()) }

type timingKey struct {
	name    string
	outcome Outcome
}

type counterKey struct {
	name, method, status string
	outcome              Outcome
}

// A shard holds what some of the users have counted.
type shard struct {
	mu sync.Mutex
	tally
	_ [64]byte // no two shards on one cache line
}

// A tally is what is counted. Timings and counters stand at the places that the recorder gave them.
type tally struct {
	due, iterations, dropped, answered, cutOff uint64
	withheld                                   uint64 // requests that could not be sent, for want of a variable
	sent, received                             uint64 // bytes
	lag                                        histogram
	timings                                    []*timing
	counters                                   []uint64
}

// timing are the times of the requests of one name and outcome.
type timing struct{ response, service histogram }

func newRecorder(opts Options) (*recorder, error) {
	r := &recorder{
		names: map[string]int{}, timings: map[timingKey]int{}, counters: map[counterKey]int{}, since: time.Now(),
		descs: newDescs(prometheus.Labels{"run": opts.RunID, "scenario": opts.Scenario.Name}),
		users: func() int { return 0 }, inFlight: func() int { return 0 },
	}
	for range min(runtime.GOMAXPROCS(0), 64) {
		r.shards = append(r.shards, &shard{})
	}
	r.valid.set(1)
	if err := opts.Registry.Register(r); err != nil {
		return nil, fmt.Errorf("loadgen: metrics: %w", err)
	}
	return r, nil
}

// nameOf is the name that a request is counted under.
func (r *recorder) nameOf(name string) string {
	if _, known := r.names[name]; known {
		return name
	}
	if len(r.order) >= maxRequestNames {
		name = "other"
		if _, known := r.names[name]; known {
			return name
		}
	}
	r.names[name] = len(r.order)
	r.order = append(r.order, name)
	return name
}

// A channel is where the results of one step go: the places of its usual
// results are looked up once.
type channel struct {
	name, method    string
	status          int // of the usual answer
	timing, counter int // of a success with that status
}

// channelOf gives a success its places, so that its series are there at 0.
// It may be called during a run, for requests that get their names then.
func (r *recorder) channelOf(name, method string, status int) channel {
	r.mu.Lock()
	name = r.nameOf(name)
	r.mu.Unlock()
	c := channel{name: name, method: method, status: status}
	c.timing, c.counter = r.places(&c, status, Success)
	return c
}

// places are the places of a result in a tally.
func (r *recorder) places(c *channel, status int, outcome Outcome) (timing, counter int) {
	t, k := timingKey{c.name, outcome}, counterKey{c.name, c.method, statusLabel(status), outcome}
	r.mu.RLock()
	timing, known := r.timings[t]
	counter, alsoKnown := r.counters[k]
	r.mu.RUnlock()
	if known && alsoKnown {
		return timing, counter
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.counters) >= maxCounters {
		k.status = "other"
	}
	return placeOf(r.timings, t), placeOf(r.counters, k)
}

func placeOf[K comparable](places map[K]int, key K) int {
	at, known := places[key]
	if !known {
		at = len(places)
		places[key] = at
	}
	return at
}

// statusLabel is 0 when there was no answer, and other for what is no HTTP status.
func statusLabel(status int) string {
	switch {
	case status == http.StatusOK:
		return "200"
	case status > 599:
		return "other"
	}
	return strconv.Itoa(status)
}

// A result is what is counted of one request.
type result struct {
	status            int
	outcome           Outcome
	answered          bool
	response, service time.Duration
	sent, received    int // bytes
}

// record counts one result.
func (r *recorder) record(s *shard, c *channel, got *result) {
	timing, counter := c.timing, c.counter
	if got.outcome != Success || got.status != c.status {
		timing, counter = r.places(c, got.status, got.outcome)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.timing(timing)
	t.response.add(got.response)
	t.service.add(got.service)
	*s.counter(counter)++
	s.sent += uint64(got.sent)
	s.received += uint64(got.received)
	if got.answered {
		s.answered++
	}
}

// withhold counts a request that is not sent.
func (r *recorder) withhold(s *shard, c *channel) {
	_, counter := r.places(c, 0, Unset)
	s.count(func(t *tally) {
		*t.counter(counter)++
		t.withheld++
	})
}

func (t *tally) timing(at int) *timing {
	for len(t.timings) <= at {
		t.timings = append(t.timings, nil)
	}
	if t.timings[at] == nil {
		t.timings[at] = &timing{}
	}
	return t.timings[at]
}

func (t *tally) counter(at int) *uint64 {
	for len(t.counters) <= at {
		t.counters = append(t.counters, 0)
	}
	return &t.counters[at]
}

// iterate counts the start of an iteration, and how late the generator itself
// was with it. isDue counts it as due as well, as those of a closed model are.
func (s *shard) iterate(isDue bool, lag time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.iterations++
	if isDue {
		s.due++
	}
	s.lag.add(lag)
}

// count changes a tally by hand.
func (s *shard) count(change func(*tally)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(&s.tally)
}

// addTo adds what the shard holds to a sum.
func (s *shard) addTo(sum *tally) {
	s.mu.Lock()
	defer s.mu.Unlock()
	sum.merge(&s.tally)
}

// A silence is a time in which something was tried, and failed each time.
type silence struct {
	broken atomic.Bool // nothing below holds

	mu          sync.Mutex
	first, last time.Time // of the failures
	failures    int
	cause       string // of the first one
}

// success ends the silence.
func (s *silence) success() {
	if !s.broken.Load() {
		s.broken.Store(true)
	}
}

// failure notes one more.
func (s *silence) failure(cause func() string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last = time.Now()
	if s.broken.Swap(false) || s.failures == 0 {
		s.first, s.failures, s.cause = s.last, 0, cause()
	}
	s.failures++
}

// fewest is how many failures make a silence: of a load with long pauses a
// single one says little.
const fewest = 3

// lasted tells since when there is silence and why, if failures came over that
// long. The time after the last one says nothing: users may think, or wait for answers.
func (s *silence) lasted(patience time.Duration) (since time.Time, cause string, gone bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	gone = !s.broken.Load() && s.failures >= fewest && s.last.Sub(s.first) >= patience
	return s.first, s.cause, gone
}

// closeLogins ends the logins of an open model: later ones are counted nowhere.
func (r *recorder) closeLogins() {
	r.logins.count(func(t *tally) {
		r.loggedIn = &tally{}
		r.loggedIn.merge(t)
	})
}

func (r *recorder) loginsClosed() (closed bool) {
	r.logins.count(func(*tally) { closed = r.loggedIn != nil })
	return closed
}

// load is what was counted of the load.
func (r *recorder) load() *tally {
	sum := &tally{}
	for _, s := range r.shards {
		s.addTo(sum)
	}
	return sum
}

// total is the load, and the logins that came before that of an open model.
func (r *recorder) total() *tally {
	sum := r.load()
	r.addLogins(sum)
	return sum
}

func (r *recorder) addLogins(sum *tally) {
	r.logins.count(func(t *tally) {
		if r.loggedIn != nil {
			t = r.loggedIn
		}
		sum.merge(t)
	})
}

// reached tells whether any request was sent, and whether any was answered, late logins among them.
func (r *recorder) reached() (sent, answered bool) {
	for _, s := range slices.Concat(r.shards, []*shard{&r.logins}) {
		s.count(func(t *tally) {
			sent = sent || t.sent > 0 || t.cutOff > 0
			answered = answered || t.answered > 0
		})
	}
	return sent, answered
}

// merge adds what other holds.
func (t *tally) merge(other *tally) {
	t.due += other.due
	t.iterations += other.iterations
	t.dropped += other.dropped
	t.answered += other.answered
	t.cutOff += other.cutOff
	t.withheld += other.withheld
	t.sent += other.sent
	t.received += other.received
	t.lag.merge(&other.lag)
	for at, from := range other.timings {
		if from != nil {
			to := t.timing(at)
			to.response.merge(&from.response)
			to.service.merge(&from.service)
		}
	}
	for at, n := range other.counters {
		*t.counter(at) += n
	}
}

// descs are the metrics that a recorder shows.
type descs struct {
	requests, response, service, longest                         *prometheus.Desc
	users, inFlight, iterations, due, dropped, lag, cpu, isValid *prometheus.Desc
	sent, received                                               *prometheus.Desc
}

func newDescs(labels prometheus.Labels) descs {
	desc := func(name, help string, variable ...string) *prometheus.Desc {
		return prometheus.NewDesc(name, help, variable, labels)
	}
	return descs{
		requests:   desc("loadgen_requests_total", "Requests by their outcome: success, or the reason of the failure.", "request", "method", "status", "outcome"),
		response:   desc("loadgen_response_time_seconds", "Time from when a request was due to the last byte of its answer.", "request", "outcome"),
		service:    desc("loadgen_service_time_seconds", "Time from when a request was sent to the last byte of its answer.", "request", "outcome"),
		longest:    desc("loadgen_response_time_max_seconds", "Longest response time since the load began.", "request"),
		users:      desc("loadgen_users", "Users that have logged in and run; in an open model those that have a request in flight."),
		inFlight:   desc("loadgen_in_flight", "Requests that wait for their answer."),
		iterations: desc("loadgen_iterations_total", "Iterations that were started."),
		due:        desc("loadgen_due_total", "Iterations that were due; in a closed model those that were started."),
		dropped:    desc("loadgen_dropped_total", "Iterations that were due and dropped because the queue was full or the run ended."),
		lag:        desc("loadgen_start_lag_seconds", "How much later than due the generator itself started iterations; waiting for a free user is no such lag."),
		cpu:        desc("loadgen_cpu_ratio", "Processor time used by the generator's process, of the cores it may use."),
		isValid:    desc("loadgen_valid", "1 while the generator keeps up, 0 when its last window is suspect."),
		sent:       desc("loadgen_sent_bytes_total", "Bytes of requests."),
		received:   desc("loadgen_received_bytes_total", "Bytes of answers."),
	}
}

// Describe is for [prometheus.Collector].
func (r *recorder) Describe(ch chan<- *prometheus.Desc) {
	d := r.descs
	for _, desc := range []*prometheus.Desc{d.requests, d.response, d.service, d.longest, d.users, d.inFlight,
		d.iterations, d.due, d.dropped, d.lag, d.cpu, d.isValid, d.sent, d.received} {
		ch <- desc
	}
}

// Collect is for [prometheus.Collector].
func (r *recorder) Collect(ch chan<- prometheus.Metric) {
	t := r.load()
	longest := r.longest(t)
	r.addLogins(t)
	d := r.descs
	put := func(desc *prometheus.Desc, m prometheus.Metric, err error) {
		if err != nil { // labels that aren't UTF-8
			m = prometheus.NewInvalidMetric(desc, err)
		}
		ch <- m
	}
	counter := func(desc *prometheus.Desc, n uint64, labels ...string) {
		m, err := prometheus.NewConstMetricWithCreatedTimestamp(desc, prometheus.CounterValue, float64(n), r.since, labels...)
		put(desc, m, err)
	}
	gauge := func(desc *prometheus.Desc, v float64, labels ...string) {
		m, err := prometheus.NewConstMetric(desc, prometheus.GaugeValue, v, labels...)
		put(desc, m, err)
	}
	r.mu.RLock()
	defer r.mu.RUnlock()
	for k, at := range r.counters {
		counter(d.requests, *t.counter(at), k.name, k.method, k.status, string(k.outcome))
	}
	for k, at := range r.timings {
		times := t.timing(at)
		ch <- &histogramMetric{d.response, &times.response, r.since, []string{k.name, string(k.outcome)}}
		ch <- &histogramMetric{d.service, &times.service, r.since, []string{k.name, string(k.outcome)}}
	}
	for name, v := range longest {
		gauge(d.longest, v.Seconds(), name)
	}
	counter(d.iterations, t.iterations)
	counter(d.due, t.due)
	counter(d.dropped, t.dropped)
	counter(d.sent, t.sent)
	counter(d.received, t.received)
	ch <- &histogramMetric{d.lag, &t.lag, r.since, nil}
	gauge(d.users, float64(r.users()))
	gauge(d.inFlight, float64(r.inFlight()))
	gauge(d.cpu, r.cpu.get())
	gauge(d.isValid, r.valid.get())
}

// longest is the longest response time of a tally's requests, by name.
func (r *recorder) longest(t *tally) map[string]time.Duration {
	r.mu.RLock()
	defer r.mu.RUnlock()
	longest := map[string]time.Duration{}
	for k, at := range r.timings {
		longest[k.name] = max(longest[k.name], t.timing(at).response.max)
	}
	return longest
}

// histogramMetric is a histogram on its way to Prometheus.
type histogramMetric struct {
	desc      *prometheus.Desc
	histogram *histogram
	since     time.Time
	labels    []string
}

// Desc is for [prometheus.Metric].
func (m *histogramMetric) Desc() *prometheus.Desc { return m.desc }

// Write is for [prometheus.Metric].
func (m *histogramMetric) Write(to *dto.Metric) error {
	to.Label = prometheus.MakeLabelPairs(m.desc, m.labels)
	to.Histogram = m.histogram.proto(m.since)
	return nil
}
