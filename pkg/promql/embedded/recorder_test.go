package embedded

import (
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	common "github.com/prometheus/common/config"

	"github.com/plumbline/plumbline/pkg/promql"
	"github.com/plumbline/plumbline/pkg/run"
)

const interval = 100 * time.Millisecond

// service is a target whose counters a test moves.
type service struct {
	*httptest.Server
	requests *prometheus.CounterVec
	times    *prometheus.HistogramVec
}

func newService(t *testing.T) *service {
	t.Helper()
	s := &service{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "http_requests_total"}, []string{"status"}),
		times: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "http_request_duration_seconds",
			Buckets: []float64{.1, 1}, NativeHistogramBucketFactor: 1.1}, []string{"status"}),
	}
	registry := prometheus.NewRegistry()
	registry.MustRegister(s.requests, s.times)
	s.Server = httptest.NewServer(promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	t.Cleanup(s.Close)
	return s
}

func record(t *testing.T, dir string, targets ...Target) *Recorder {
	t.Helper()
	r, err := Record(dir, RecorderConfig{Targets: targets, Interval: interval})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if _, err := r.WaitFirstScrape(ctx); err != nil {
		t.Fatal(err)
	}
	return r
}

// untilRefused is a context that ends when a scrape has failed for a reason. The first
// ones may have failed for another: they have little time.
func untilRefused(t *testing.T, r *Recorder, why string) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	t.Cleanup(cancel)
	go func() {
		defer cancel()
		for ctx.Err() == nil {
			for _, active := range r.scraper.TargetsActive() {
				for _, target := range active {
					if err := target.LastError(); err != nil && strings.Contains(err.Error(), why) {
						return
					}
				}
			}
			time.Sleep(interval / 5)
		}
	}()
	return ctx
}

// awaitScrapes waits until another n samples of up are there.
func awaitScrapes(t *testing.T, r *Recorder, n int) {
	t.Helper()
	since := time.Now()
	for deadline := since.Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(interval / 5) {
		res, err := r.DB().Query(t.Context(), "up[1m]", time.Now())
		if err != nil {
			t.Fatal(err)
		}
		seen := 0
		for _, s := range res.Series {
			for _, p := range s.Points {
				if p.Time.After(since) {
					seen++
				}
			}
		}
		if seen >= n {
			return
		}
	}
	t.Fatal("no scrapes")
}

func total(t *testing.T, q promql.Querier, expr string, at time.Time) float64 {
	t.Helper()
	res, err := q.Query(t.Context(), expr, at)
	if err != nil {
		t.Fatal(err)
	}
	if len(res.Series) != 1 {
		t.Fatalf("%s: got %d series, want 1", expr, len(res.Series))
	}
	return res.Series[0].Points[0].Value
}

func TestRecordingCountsABurstThatIsBornInTheMiddle(t *testing.T) {
	s := newService(t)
	s.requests.WithLabelValues("200").Add(7)
	dir := t.TempDir()
	r := record(t, dir, Target{Job: "api", URL: s.URL + "/metrics"})
	start := time.Now()
	awaitScrapes(t, r, 3)
	for range 500 {
		s.requests.WithLabelValues("500").Inc()
		s.times.WithLabelValues("500").Observe(.05)
	}
	awaitScrapes(t, r, 2)
	s.requests.WithLabelValues("500").Add(3)
	end := time.Now()
	if err := r.Seal(); err != nil { // its closing scrape sees the last three
		t.Fatal(err)
	}

	db, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	at := end.Add(interval)
	for expr, want := range map[string]float64{
		`sum(increase(http_requests_total{status="500"}[1m] anchored))`:                 503,
		`sum(increase(http_request_duration_seconds_count{status="500"}[1m] anchored))`: 500,
		`sum(increase(http_request_duration_seconds_bucket{le="0.1"}[1m] anchored))`:    500,
		`histogram_count(sum(increase(http_request_duration_seconds[1m] anchored)))`:    500,
		`sum(increase(http_requests_total{status="200"}[1m] anchored))`:                 0,
	} {
		if got := total(t, db, expr, at); got != want {
			t.Errorf("%s: got %v, want %v", expr, got, want)
		}
	}

	meter := promql.NewMeter(db, interval)
	for name, want := range map[string]float64{`http_requests_total{status="500"}`: 503, "http_request_duration_seconds_bucket{le=\"+Inf\"}": 500} {
		sel, err := promql.ParseSelector(name, nil)
		if err != nil {
			t.Fatal(err)
		}
		inc, err := meter.Increments(t.Context(), sel, nil, run.Window{Start: start, End: end})
		if err != nil {
			t.Fatal(err)
		}
		got := 0.0
		for _, v := range inc.Values() {
			got += v
		}
		if got != want {
			t.Errorf("increments of %s: got %v, want %v", name, got, want)
		}
	}
}

func TestAbandoned(t *testing.T) {
	s := newService(t)
	for _, tt := range []struct {
		name string
		end  func(*Recorder) error
		want bool
	}{{"under way", nil, false}, {"sealed", (*Recorder).Seal, false}, {"left by its process", func(r *Recorder) error {
		return errors.Join(r.Abandon(), os.WriteFile(filepath.Join(r.dir, "lock"), []byte("12345\n"), 0o600)) // which a kill leaves
	}, true}} {
		dir := t.TempDir()
		r := record(t, dir, Target{Job: "api", URL: s.URL + "/metrics"})
		if tt.end != nil {
			if err := tt.end(r); err != nil {
				t.Fatal(err)
			}
		}
		if got := Abandoned(dir); got != tt.want {
			t.Errorf("%s: got %v, want %v", tt.name, got, tt.want)
		}
		if tt.end == nil {
			if err := r.Seal(); err != nil { // it was left in peace
				t.Error(err)
			}
		}
	}
	if Abandoned(filepath.Join(t.TempDir(), "nowhere")) {
		t.Error("there is no recording that was abandoned")
	}
}

func TestSealedRecordingIsOnlyReadAndOnlyBlocks(t *testing.T) {
	s := newService(t)
	s.requests.WithLabelValues("200").Inc()
	dir := t.TempDir()
	r := record(t, dir, Target{Job: "api", URL: s.URL + "/metrics"})
	if _, err := Open(dir); !errors.Is(err, ErrLive) {
		t.Errorf("opening a live recording: got %v, want ErrLive", err)
	}
	if _, err := Record(dir, RecorderConfig{Interval: interval}); !errors.Is(err, ErrLive) {
		t.Errorf("a second recorder: got %v, want ErrLive", err)
	}
	if err := r.Seal(); err != nil {
		t.Fatal(err)
	}
	before := listing(t, dir)
	for _, f := range before {
		if top, _, _ := strings.Cut(f, "/"); len(top) != 26 { // a ULID
			t.Errorf("the sealed folder holds %s", f)
		}
	}
	for range 2 {
		db, err := Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		if got := total(t, db, "http_requests_total", time.Now()); got != 1 {
			t.Errorf("got %v, want 1", got)
		}
		if db.Recovered() {
			t.Error("a sealed recording needs no recovery")
		}
	}
	if diff := cmp.Diff(before, listing(t, dir)); diff != "" {
		t.Error("reading changed the folder:\n" + diff)
	}
}

func listing(t *testing.T, dir string) (files []string) {
	t.Helper()
	err := fs.WalkDir(os.DirFS(dir), ".", func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			info, err := d.Info()
			if err != nil {
				return err
			}
			files = append(files, path+" "+info.ModTime().String())
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// Two jobs of one name would be one job.
func TestJobNamesAreTaken(t *testing.T) {
	s := newService(t)
	for _, text := range []string{"- {job_name: api}", "- {job_name: other}\n- {job_name: api}"} {
		configs, err := ParseScrapeConfigs([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		_, err = Record(t.TempDir(), RecorderConfig{Targets: []Target{{Job: "api", URL: s.URL + "/metrics"}}, ScrapeConfigs: configs, Interval: interval})
		if err == nil || !strings.Contains(err.Error(), "job_name api is taken") {
			t.Errorf("%s: got %v, want that the name is taken", text, err)
		}
	}
}

// What has happened by a moment is in the samples once every target was scraped again.
func TestWaitScrape(t *testing.T) {
	first, second := newService(t), newService(t)
	r := record(t, t.TempDir(), Target{Job: "first", URL: first.URL + "/metrics"}, Target{Job: "second", URL: second.URL + "/metrics"})
	defer r.Abandon()
	for n := 1.0; n <= 3; n++ {
		first.requests.WithLabelValues("200").Inc()
		second.requests.WithLabelValues("200").Inc()
		if !r.WaitScrape(t.Context()) {
			t.Fatal("no scrape")
		}
		for _, job := range []string{"first", "second"} {
			if got := total(t, r.DB(), `sum(http_requests_total{job="`+job+`"})`, time.Now()); got != n {
				t.Errorf("%s: got %v requests after the scrape, want %v", job, got, n)
			}
		}
	}
	second.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if !r.WaitScrape(ctx) {
		t.Error("a target that has gone: got none, want that it was tried")
	}
	ended, end := context.WithCancel(t.Context())
	end()
	if r.WaitScrape(ended) {
		t.Error("got a scrape, want that the wait ends with its context")
	}
}

// A target that was left out was scraped for the last time.
func TestWaitScrapeAfterATargetWasLeftOut(t *testing.T) {
	first, second := newService(t), newService(t)
	r := record(t, t.TempDir(), Target{Job: "first", URL: first.URL + "/metrics"}, Target{Job: "second", URL: second.URL + "/metrics"})
	defer r.Abandon()
	cfg, err := r.scrapeConfig(r.cfg.Targets[:1])
	if err == nil {
		err = r.apply(cfg)
	}
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if !r.WaitScrape(ctx) {
		t.Error("got no scrape, want one of the first target")
	}
}

func TestOptionalTargetIsLeftOutAndARequiredOneIsNamed(t *testing.T) {
	s := newService(t)
	dead := httptest.NewServer(nil)
	dead.Close()
	r, err := Record(t.TempDir(), RecorderConfig{Interval: interval, Targets: []Target{
		{Job: "api", URL: s.URL + "/metrics"}, {Job: "extra", URL: dead.URL + "/metrics", Optional: true}}})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Abandon()
	warnings, err := r.WaitFirstScrape(t.Context())
	if err != nil || len(warnings) != 1 || !strings.Contains(warnings[0], "extra") {
		t.Errorf("got %q, %v; want a warning about extra", warnings, err)
	}
	r2, err := Record(t.TempDir(), RecorderConfig{Interval: interval, Targets: []Target{{Job: "gone", URL: dead.URL + "/metrics"}}})
	if err != nil {
		t.Fatal(err)
	}
	defer r2.Abandon()
	if _, err := r2.WaitFirstScrape(untilRefused(t, r2, "connection refused")); err == nil || !strings.Contains(err.Error(), "connection refused") {
		t.Errorf("got %v, want the reason why gone can't be scraped", err)
	}
}

// Prometheus spreads the first scrapes of its targets over the interval: whoever
// comes late in it is not left out.
func TestOptionalTargetsAreWaitedForAnInterval(t *testing.T) {
	t.Parallel()
	s := newService(t)
	var targets []Target
	for i := range 12 {
		targets = append(targets, Target{Job: fmt.Sprint("job", i), URL: s.URL + "/metrics", Optional: true})
	}
	r, err := Record(t.TempDir(), RecorderConfig{Interval: 2 * optionalPatience, Targets: targets})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Abandon()
	if warnings, err := r.WaitFirstScrape(t.Context()); err != nil || len(warnings) > 0 {
		t.Errorf("got %q, %v, want that all are scraped", warnings, err)
	}
}

func TestTargetBehindTLS(t *testing.T) {
	server := httptest.NewUnstartedServer(promhttp.HandlerFor(prometheus.NewRegistry(), promhttp.HandlerOpts{}))
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // handshakes that are meant to fail
	server.StartTLS()
	defer server.Close()
	ca := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}))
	for _, c := range []struct {
		name  string
		tls   common.TLSConfig
		works bool
	}{
		{"its authority", common.TLSConfig{CA: ca}, true},
		{"any certificate", common.TLSConfig{InsecureSkipVerify: true}, true},
		{"another name", common.TLSConfig{CA: ca, ServerName: "example.org"}, false},
		{"the system's authorities", common.TLSConfig{}, false},
	} {
		r, err := Record(t.TempDir(), RecorderConfig{Interval: interval, Targets: []Target{{Job: "api", URL: server.URL + "/metrics", TLS: c.tls}}})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := r.WaitFirstScrape(untilRefused(t, r, "certificate")); (err == nil) != c.works || err != nil && !strings.Contains(err.Error(), "certificate") {
			t.Errorf("%s: got %v, want that it works: %v", c.name, err, c.works)
		}
		if err := r.Abandon(); err != nil {
			t.Error(err)
		}
	}
}

// TestRecordUntilKilled is the recorder of the next test, in a process of its own.
func TestRecordUntilKilled(t *testing.T) {
	dir, url := os.Getenv("RECORD_DIR"), os.Getenv("RECORD_URL")
	if dir == "" {
		t.Skip("only runs as the child of TestKilledRecordingIsRecovered")
	}
	r := record(t, dir, Target{Job: "api", URL: url})
	awaitScrapes(t, r, 3)
	if err := os.WriteFile(filepath.Join(dir, "..", "ready"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	<-t.Context().Done()
}

func TestKilledRecordingIsRecovered(t *testing.T) {
	s := newService(t)
	s.requests.WithLabelValues("200").Add(5)
	parent := t.TempDir()
	dir := filepath.Join(parent, "recording")
	cmd := exec.Command(os.Args[0], "-test.run=^TestRecordUntilKilled$", "-test.timeout=60s")
	cmd.Env = append(os.Environ(), "RECORD_DIR="+dir, "RECORD_URL="+s.URL+"/metrics")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(interval) {
		if _, err := os.Stat(filepath.Join(parent, "ready")); err == nil {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the recorder never got ready")
		}
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err == nil {
		t.Error("the recorder ended by itself")
	}
	db, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if !db.Recovered() {
		t.Error("the recording was not marked as recovered")
	}
	if got := total(t, db, "http_requests_total", time.Now()); got != 5 {
		t.Errorf("got %v, want 5", got)
	}
	for _, f := range listing(t, dir) {
		if strings.HasPrefix(f, "wal") {
			t.Errorf("after recovery the folder holds %s", f)
		}
	}
}
