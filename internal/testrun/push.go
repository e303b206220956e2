package testrun

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/exp/api/remote"
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/config"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/prompb"

	"github.com/plumbline/plumbline/pkg/promql"
)

// A RemoteWrite is a Prometheus, or what speaks its protocol, that the
// generator's metrics are pushed to.
type RemoteWrite struct {
	URL  string // such as http://prometheus:9090/api/v1/write
	HTTP config.HTTPClientConfig
}

// A pusher pushes what a registry holds by remote write, at every scrape
// interval. Counters are cumulative, so that a push that fails loses detail
// and no counts.
type pusher struct {
	url      string // as it may be told
	api      *remote.API
	gatherer prometheus.Gatherer
	labels   []prompb.Label // of every series
	warn     func(string)

	stop    context.CancelFunc
	running sync.WaitGroup
	classic bool // the server takes no native histograms
	failing bool
	pushed  atomic.Int64 // when the last push that succeeded began, in Unix nanoseconds
}

// pushPatience is how long one push may take, its repetitions included.
const pushPatience = 10 * time.Second

func newPusher(to RemoteWrite, instance string, gatherer prometheus.Gatherer, warn func(string)) (*pusher, error) {
	client, err := config.NewClientFromConfig(to.HTTP, "loadgen")
	if err != nil {
		return nil, fmt.Errorf("remote write: %w", err)
	}
	api, err := remote.NewAPI(to.URL, remote.WithAPIHTTPClient(client), remote.WithAPIPath(""),
		remote.WithAPIBackoff(remote.BackoffConfig{Min: 100 * time.Millisecond, Max: time.Second, MaxRetries: 3}))
	if err != nil {
		return nil, fmt.Errorf("remote write: %w", err)
	}
	return &pusher{url: promql.Public(to.URL), api: api, gatherer: gatherer, warn: warn,
		labels: []prompb.Label{{Name: "instance", Value: instance}, {Name: "job", Value: "loadgen"}}}, nil
}

// start pushes at every interval, until finish.
func (p *pusher) start(interval time.Duration) {
	ctx, stop := context.WithCancel(context.Background())
	p.stop = stop
	p.running.Go(func() {
		tick := time.NewTicker(interval)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			p.tell(p.push(ctx))
		}
	})
}

// tell warns of the first of several pushes that fail.
func (p *pusher) tell(err error) {
	if err != nil && !p.failing && !errors.Is(err, context.Canceled) {
		p.warn(err.Error() + "; trying again at every scrape interval")
	}
	p.failing = err != nil
}

// finish pushes for the last time.
func (p *pusher) finish() error {
	p.stop()
	p.running.Wait()
	return p.push(context.Background())
}

// awaitPush waits until values from now on have been pushed; false when ctx ended before.
func (p *pusher) awaitPush(ctx context.Context) bool {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for now := time.Now().UnixNano(); p.pushed.Load() <= now; {
		select {
		case <-ctx.Done():
			return false
		case <-tick.C:
		}
	}
	return true
}

// push sends the present values.
func (p *pusher) push(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, pushPatience)
	defer cancel()
	begun := time.Now().UnixNano()
	err := p.send(ctx)
	if err != nil && !p.classic && strings.Contains(err.Error(), "native histograms are disabled") {
		p.classic = true
		p.warn("remote write: " + p.url + " takes no native histograms; classic ones are sent alone, and quantiles are as coarse as their buckets")
		err = p.send(ctx)
	}
	if err != nil {
		return fmt.Errorf("remote write to %s: %w", p.url, err)
	}
	p.pushed.Store(begun)
	return nil
}

func (p *pusher) send(ctx context.Context) error {
	families, err := p.gatherer.Gather()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	_, err = p.api.Write(ctx, remote.WriteV1MessageType, p.request(families, time.Now()), remote.WithWriteRetryCallback(func(err error) {
		if strings.Contains(err.Error(), "native histograms are disabled") {
			cancel(err) // it would be refused again
		}
	}))
	if cause := context.Cause(ctx); err != nil && cause != nil {
		return cause
	}
	return err
}

// request is the series of the metrics, beside up, as a scrape would have them.
func (p *pusher) request(families []*dto.MetricFamily, at time.Time) *prompb.WriteRequest {
	w := &seriesWriter{common: p.labels, at: at.UnixMilli()}
	w.sample("up", nil, 1)
	for _, f := range families {
		for _, m := range f.GetMetric() {
			switch f.GetType() {
			case dto.MetricType_COUNTER:
				w.sample(f.GetName(), m.GetLabel(), m.GetCounter().GetValue())
			case dto.MetricType_GAUGE:
				w.sample(f.GetName(), m.GetLabel(), m.GetGauge().GetValue())
			case dto.MetricType_HISTOGRAM, dto.MetricType_GAUGE_HISTOGRAM:
				w.histogram(f.GetName(), m.GetLabel(), m.GetHistogram(), !p.classic)
			case dto.MetricType_SUMMARY, dto.MetricType_UNTYPED:
			}
		}
	}
	return &prompb.WriteRequest{Timeseries: w.series}
}

type seriesWriter struct {
	common []prompb.Label
	at     int64
	series []prompb.TimeSeries
}

func (w *seriesWriter) labels(name string, pairs []*dto.LabelPair, more ...prompb.Label) []prompb.Label {
	all := append([]prompb.Label{{Name: "__name__", Value: name}}, w.common...)
	for _, l := range pairs {
		all = append(all, prompb.Label{Name: l.GetName(), Value: l.GetValue()})
	}
	all = append(all, more...)
	slices.SortFunc(all, func(a, b prompb.Label) int { return strings.Compare(a.Name, b.Name) })
	return all
}

func (w *seriesWriter) sample(name string, pairs []*dto.LabelPair, v float64, more ...prompb.Label) {
	w.series = append(w.series, prompb.TimeSeries{Labels: w.labels(name, pairs, more...), Samples: []prompb.Sample{{Value: v, Timestamp: w.at}}})
}

// histogram writes both forms.
func (w *seriesWriter) histogram(name string, pairs []*dto.LabelPair, h *dto.Histogram, native bool) {
	count := float64(h.GetSampleCount())
	w.sample(name+"_count", pairs, count)
	w.sample(name+"_sum", pairs, h.GetSampleSum())
	for _, b := range h.GetBucket() {
		if !math.IsInf(b.GetUpperBound(), 1) {
			w.sample(name+"_bucket", pairs, float64(b.GetCumulativeCount()), prompb.Label{Name: "le", Value: labels.FormatOpenMetricsFloat(b.GetUpperBound())})
		}
	}
	w.sample(name+"_bucket", pairs, count, prompb.Label{Name: "le", Value: "+Inf"})
	if !native || h.Schema == nil {
		return
	}
	w.series = append(w.series, prompb.TimeSeries{Labels: w.labels(name, pairs), Histograms: []prompb.Histogram{{
		Count: &prompb.Histogram_CountInt{CountInt: h.GetSampleCount()}, Sum: h.GetSampleSum(),
		Schema: h.GetSchema(), ZeroThreshold: h.GetZeroThreshold(), ZeroCount: &prompb.Histogram_ZeroCountInt{ZeroCountInt: h.GetZeroCount()},
		PositiveSpans: spans(h.GetPositiveSpan()), PositiveDeltas: h.GetPositiveDelta(),
		NegativeSpans: spans(h.GetNegativeSpan()), NegativeDeltas: h.GetNegativeDelta(),
		Timestamp: w.at,
	}}})
}

func spans(from []*dto.BucketSpan) (to []prompb.BucketSpan) {
	for _, s := range from {
		if s.GetLength() > 0 { // an empty one marks a histogram without any observation
			to = append(to, prompb.BucketSpan{Offset: s.GetOffset(), Length: s.GetLength()})
		}
	}
	return to
}
