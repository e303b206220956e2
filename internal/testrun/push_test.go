package testrun

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/snappy"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/config"
	"github.com/prometheus/prometheus/prompb"
)

// A receiver takes remote writes, and refuses as it is told.
type receiver struct {
	mu     sync.Mutex
	refuse func(prompb.WriteRequest) (status int, text string)
	auth   []string
	got    []prompb.WriteRequest
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	r.mu.Lock()
	defer r.mu.Unlock()
	body, err := io.ReadAll(req.Body)
	if err == nil {
		body, err = snappy.Decode(nil, body)
	}
	var wr prompb.WriteRequest
	if err := errors.Join(err, wr.Unmarshal(body)); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	user, word, _ := req.BasicAuth()
	r.auth = append(r.auth, user+":"+word)
	if r.refuse != nil {
		if status, text := r.refuse(wr); status != 0 {
			http.Error(w, text, status)
			return
		}
	}
	r.got = append(r.got, wr)
	w.WriteHeader(http.StatusNoContent)
}

func newTestPusher(t *testing.T, r *receiver, cfg config.HTTPClientConfig) (*pusher, *prometheus.Registry, *[]string) {
	t.Helper()
	server := httptest.NewServer(r)
	t.Cleanup(server.Close)
	registry := prometheus.NewRegistry()
	var warnings []string
	p, err := newPusher(RemoteWrite{URL: server.URL + "/api/v1/write", HTTP: cfg}, "host:1", registry, func(text string) { warnings = append(warnings, text) })
	if err != nil {
		t.Fatal(err)
	}
	return p, registry, &warnings
}

func seriesOf(wr prompb.WriteRequest) (all map[string]float64, natives []prompb.Histogram) {
	all = map[string]float64{}
	for _, ts := range wr.Timeseries {
		var name []string
		if !slices.IsSortedFunc(ts.Labels, func(a, b prompb.Label) int { return strings.Compare(a.Name, b.Name) }) {
			name = append(name, "labels not sorted")
		}
		for _, l := range ts.Labels {
			name = append(name, l.Name+"="+l.Value)
		}
		for _, s := range ts.Samples {
			all[strings.Join(name, " ")] = s.Value
		}
		natives = append(natives, ts.Histograms...)
	}
	return all, natives
}

func TestPushSendsWhatAScrapeWouldHave(t *testing.T) {
	var r receiver
	p, registry, _ := newTestPusher(t, &r, config.HTTPClientConfig{BasicAuth: &config.BasicAuth{Username: "u", Password: "secret"}})
	c := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "c_total"}, []string{"a"})
	h := prometheus.NewHistogram(prometheus.HistogramOpts{Name: "h", Buckets: []float64{1, 2.5}, NativeHistogramBucketFactor: 2})
	registry.MustRegister(c, h)
	c.WithLabelValues("x").Add(3)
	for _, v := range []float64{0.75, 2, 3, 3} {
		h.Observe(v)
	}
	from := time.Now().UnixMilli()
	if err := p.push(t.Context()); err != nil {
		t.Fatal(err)
	}
	to := time.Now().UnixMilli()
	all, natives := seriesOf(r.got[0])
	const common = " instance=host:1 job=loadgen"
	want := map[string]float64{
		"__name__=up" + common: 1, "__name__=c_total a=x" + common: 3, "__name__=h_count" + common: 4, "__name__=h_sum" + common: 8.75,
		"__name__=h_bucket" + common + " le=1.0": 1, "__name__=h_bucket" + common + " le=2.5": 2, "__name__=h_bucket" + common + " le=+Inf": 4,
	}
	if diff := cmp.Diff(want, all); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if len(natives) != 1 {
		t.Fatalf("got %d native histograms, want 1", len(natives))
	}
	n := natives[0]
	// Schema 0: 0.75 in (0.5, 1], 2 in (1, 2], 3 twice in (2, 4].
	if n.GetCountInt() != 4 || n.Sum != 8.75 || n.Schema != 0 || !cmp.Equal(n.PositiveDeltas, []int64{1, 0, 1}) || n.PositiveSpans[0].Offset != 0 || n.PositiveSpans[0].Length != 3 ||
		n.Timestamp < from || n.Timestamp > to {
		t.Errorf("got %+v, want 1, 1, 2 in schema 0 now", n)
	}
	if r.auth[0] != "u:secret" {
		t.Errorf("got %q as authorization, want u:secret", r.auth[0])
	}
}

func TestPushFallsBackToClassicHistograms(t *testing.T) {
	r := receiver{refuse: func(wr prompb.WriteRequest) (int, string) {
		if _, natives := seriesOf(wr); len(natives) > 0 {
			return http.StatusInternalServerError, "native histograms are disabled"
		}
		return 0, ""
	}}
	p, registry, warnings := newTestPusher(t, &r, config.DefaultHTTPClientConfig)
	h := prometheus.NewHistogram(prometheus.HistogramOpts{Name: "h", NativeHistogramBucketFactor: 2, Buckets: []float64{1}})
	registry.MustRegister(h)
	for range 3 {
		if err := p.push(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if len(r.got) != 3 || len(r.auth) != 4 || len(*warnings) != 1 || !strings.Contains((*warnings)[0], "no native histograms") {
		t.Errorf("got %d accepted of %d writes and warnings %q, want 3 of 4 and one", len(r.got), len(r.auth), *warnings)
	}
}

func TestPushNamesTrouble(t *testing.T) {
	r := receiver{refuse: func(prompb.WriteRequest) (int, string) { return http.StatusUnauthorized, "who are you" }}
	p, _, _ := newTestPusher(t, &r, config.DefaultHTTPClientConfig)
	if err := p.push(t.Context()); err == nil || !strings.Contains(err.Error(), "remote write to http://") || !strings.Contains(err.Error(), "401") {
		t.Errorf("got %v, want the address and the status", err)
	}
	if len(r.auth) != 1 {
		t.Errorf("got %d attempts, want no repetition of what will be refused again", len(r.auth))
	}
}

// A server that is away for a while is told once, and the last push holds everything.
func TestPushGoesOnAfterTrouble(t *testing.T) {
	away := true
	r := receiver{refuse: func(prompb.WriteRequest) (int, string) {
		if away {
			return http.StatusBadRequest, "away"
		}
		return 0, ""
	}}
	p, registry, warnings := newTestPusher(t, &r, config.DefaultHTTPClientConfig)
	c := prometheus.NewCounter(prometheus.CounterOpts{Name: "c_total"})
	registry.MustRegister(c)
	_, p.stop = context.WithCancel(t.Context())
	for range 3 {
		c.Inc()
		p.tell(p.push(t.Context()))
	}
	away = false
	c.Inc()
	if err := p.finish(); err != nil {
		t.Fatal(err)
	}
	all, _ := seriesOf(r.got[0])
	if got := all["__name__=c_total instance=host:1 job=loadgen"]; got != 4 || len(*warnings) != 1 {
		t.Errorf("got a count of %v and warnings %q, want 4 and one", got, *warnings)
	}
}
