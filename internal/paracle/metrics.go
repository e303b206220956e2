package paracle

import (
	"net/http"
	"regexp"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// metrics are those that the guide's queries ask for.
type metrics struct {
	registry                                      *prometheus.Registry
	requests                                      *prometheus.CounterVec
	duration                                      *prometheus.HistogramVec
	inFlight, poolInUse                           prometheus.Gauge
	poolWait                                      prometheus.Histogram
	llmRequests, llmErrors, llmLimited, llmTokens *prometheus.CounterVec
	llmDuration, downstream                       *prometheus.HistogramVec
}

// runtimeMetrics are those of the Go runtime that tell of contention, of waits for a
// processor and of the collector's share.
var runtimeMetrics = collectors.GoRuntimeMetricsRule{Matcher: regexp.MustCompile(`^/(sync/mutex/wait|cpu/classes|sched/latencies).*`)}

func newMetrics(cfg Config) *metrics {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
	}
	gauge := func(name, help string) prometheus.Gauge {
		return prometheus.NewGauge(prometheus.GaugeOpts{Name: name, Help: help})
	}
	seconds := func(name, help string) prometheus.HistogramOpts {
		return prometheus.HistogramOpts{Name: name, Help: help, Buckets: prometheus.DefBuckets, NativeHistogramBucketFactor: 1.02, NativeHistogramMaxBucketNumber: 500}
	}
	m := &metrics{
		registry:    prometheus.NewRegistry(),
		requests:    counter("http_requests_total", "Requests answered.", "endpoint", "method", "status"),
		duration:    prometheus.NewHistogramVec(seconds("http_request_duration_seconds", "Time to answer a request."), []string{"endpoint", "method"}),
		inFlight:    gauge("http_requests_in_flight", "Requests being answered."),
		poolInUse:   gauge("db_pool_connections_in_use", "Database connections in use."),
		poolWait:    prometheus.NewHistogram(seconds("db_pool_wait_seconds", "Wait for a database connection.")),
		llmRequests: counter("llm_requests_total", "Calls of a provider.", "provider"),
		llmErrors:   counter("llm_errors_total", "Calls of a provider that failed.", "provider"),
		llmLimited:  counter("llm_rate_limited_total", "Calls that a provider turned away.", "provider"),
		llmTokens:   counter("llm_tokens_total", "Tokens used.", "provider"),
		downstream:  prometheus.NewHistogramVec(seconds("http_client_request_duration_seconds", "Time that a service downstream took to answer."), []string{"service"}),
		llmDuration: prometheus.NewHistogramVec(seconds("llm_request_duration_seconds", "Time that a provider took."), []string{"provider"}),
	}
	poolMax := gauge("db_pool_connections_max", "Database connections that there are.")
	poolMax.Set(float64(cfg.Pool))
	build := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "paracle_build_info", Help: "The version that runs."}, []string{"version"})
	build.WithLabelValues(cfg.Version).Set(1)
	m.registry.MustRegister(m.requests, m.duration, m.inFlight, m.poolInUse, m.poolWait, m.llmRequests, m.llmErrors, m.llmLimited, m.llmTokens, m.llmDuration,
		m.downstream, poolMax, build, collectors.NewGoCollector(collectors.WithGoCollectorRuntimeMetrics(runtimeMetrics)), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	for _, provider := range []string{"openai", "anthropic"} {
		for _, c := range []*prometheus.CounterVec{m.llmRequests, m.llmErrors, m.llmLimited, m.llmTokens} {
			c.WithLabelValues(provider)
		}
		m.llmDuration.WithLabelValues(provider)
	}
	return m
}

func (m *metrics) handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{})
}
