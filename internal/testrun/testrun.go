// Package testrun owns the life of a run: reserve its id, start the recorder,
// wait for the first scrape of every target, send the load, scrape once more,
// seal, register.
package testrun

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	prom "github.com/prometheus/prometheus/config"

	"github.com/plumbline/plumbline/internal/store"
	"github.com/plumbline/plumbline/pkg/loadgen"
	"github.com/plumbline/plumbline/pkg/promql/embedded"
	"github.com/plumbline/plumbline/pkg/run"
)

// A Spec is what is to be run.
type Spec struct {
	ID          string // "" for the next free one of the day
	Service     string
	Scenario    loadgen.Scenario
	Profile     loadgen.Profile
	Target      *url.URL
	Labels      map[string]string
	Environment map[string]string
	SLA         []byte // kept with the run
	Baseline    string
	Repeat      *run.Repeat
	Scrapes     []*prom.ScrapeConfig // further targets
	Wait        time.Duration        // how long the target may take until it listens
	Listen      string               // where the generator's own /metrics is served; "" for a free loopback port
	Seed        uint64
	Version     string

	OnResult   func(loadgen.Sample)
	OnProgress func(loadgen.Progress) // called about every second
	OnWarning  func(string)
}

// Patience of the steps before the load.
const (
	dialPatience        = 3 * time.Second
	firstScrapePatience = 15 * time.Second
)

// shortRun is the length below which targets are scraped every second instead of every five.
const shortRun = 5 * time.Minute

// Execute runs the test. When ctx ends, the load ends gracefully and the run is
// kept; when hard ends, at once. A run in which something was recorded is kept
// whatever the error.
func Execute(ctx, hard context.Context, st *store.Store, spec Spec) (run.Run, loadgen.Summary, error) {
	if err := awaitTarget(ctx, spec.Target, spec.Wait); err != nil {
		return run.Run{}, loadgen.Summary{}, err
	}
	id, err := st.Reserve(spec.ID, time.Now())
	if err != nil {
		return run.Run{}, loadgen.Summary{}, err
	}
	t := &testRun{store: st, spec: spec, run: newRun(id, spec)}
	defer t.close()
	if err := t.prepare(ctx); err != nil {
		return t.run, loadgen.Summary{}, errors.Join(fmt.Errorf("run %s: %w", id, err), t.discard())
	}
	summary, loadErr := t.load(ctx, hard)
	if err := t.seal(hard, summary, loadErr); err != nil {
		return t.run, summary, fmt.Errorf("run %s: %w", id, err)
	}
	if loadErr != nil {
		return t.run, summary, fmt.Errorf("run %s: %w", id, loadErr)
	}
	return t.run, summary, nil
}

// awaitTarget waits until somebody listens at the target.
func awaitTarget(ctx context.Context, target *url.URL, patience time.Duration) error {
	deadline := time.Now().Add(patience)
	for {
		err := reachable(ctx, target)
		if err == nil || time.Now().After(deadline) {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// reachable tells early, and once, that nobody listens at the target.
func reachable(ctx context.Context, target *url.URL) error {
	host := target.Host
	if target.Port() == "" {
		host = net.JoinHostPort(target.Hostname(), map[string]string{"http": "80", "https": "443"}[target.Scheme])
	}
	d := net.Dialer{Timeout: dialPatience}
	conn, err := d.DialContext(ctx, "tcp", host)
	if err != nil {
		return fmt.Errorf("target %s: %w; is the service running there? name another with --target", target, err)
	}
	return conn.Close()
}

func newRun(id string, spec Spec) run.Run {
	scrape := 5 * time.Second
	if spec.Profile.Duration() < shortRun {
		scrape = time.Second
	}
	return run.Run{
		ID: id, Service: spec.Service, Scenario: spec.Scenario.Name, Profile: spec.Profile.Name, Target: spec.Target.String(),
		Labels: spec.Labels, Environment: spec.Environment, Baseline: spec.Baseline, Repeat: spec.Repeat, Version: spec.Version,
		Load:       loadgen.LoadOf(spec.Scenario, spec.Profile),
		Generators: run.Generators{Expected: 1},
		Source:     run.Source{Recording: true, ScrapeSeconds: scrape.Seconds()},
		State:      run.Running,
	}
}

// A testRun is one run under way.
type testRun struct {
	store     *store.Store
	spec      Spec
	run       run.Run
	generator *loadgen.Generator
	recorder  *embedded.Recorder
	live      live
	metrics   *http.Server
	saveErr   error

	mu sync.Mutex // guards the run's warnings, which come from many users at once
}

// prepare brings everything up to the moment at which the load can start.
func (t *testRun) prepare(ctx context.Context) error {
	registry := prometheus.NewRegistry()
	var err error
	t.generator, err = loadgen.New(loadgen.Options{
		Scenario: t.spec.Scenario, Profile: t.spec.Profile, Target: t.spec.Target, RunID: t.run.ID, Seed: t.spec.Seed,
		Registry: registry, OnStart: t.started, OnResult: t.spec.OnResult, OnWarning: t.warn,
	})
	if err != nil {
		return err
	}
	own, err := t.serve(registry)
	if err != nil {
		return err
	}
	if t.spec.SLA != nil {
		if err := t.store.WriteFile(t.run.ID, "sla.yaml", t.spec.SLA); err != nil {
			return err
		}
	}
	t.recorder, err = embedded.Record(t.store.Recording(t.run.ID), embedded.RecorderConfig{
		Targets:       []embedded.Target{{Job: "loadgen", URL: own + "/metrics"}, {Job: t.targetJob(), URL: t.spec.Target.JoinPath("metrics").String(), Optional: true}},
		ScrapeConfigs: t.spec.Scrapes,
		Interval:      t.run.Source.Scrape(),
	})
	if err != nil {
		return err
	}
	t.live.open(embedded.Handler(t.recorder.DB()))
	t.run.Source.Live = own
	ctx, cancel := context.WithTimeout(ctx, firstScrapePatience)
	defer cancel()
	warnings, err := t.recorder.WaitFirstScrape(ctx)
	for _, w := range warnings {
		t.warn(w)
	}
	return err
}

// targetJob is the job label of the target's own series.
func (t *testRun) targetJob() string {
	if t.spec.Service == "" {
		return "target"
	}
	return t.spec.Service
}

// serve starts the generator's own server: its metrics, and PromQL over what has
// been recorded so far. It gives the server's base URL.
func (t *testRun) serve(registry *prometheus.Registry) (string, error) {
	listen := t.spec.Listen
	if listen == "" {
		listen = "127.0.0.1:0"
	}
	l, err := net.Listen("tcp", listen)
	if err != nil {
		return "", fmt.Errorf("metrics: %w; choose another address with --listen", err)
	}
	mux := http.NewServeMux()
	mux.Handle("/metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	mux.Handle("/api/v1/", &t.live)
	t.metrics = &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = t.metrics.Serve(l) }() //nolint:errcheck // ends with Close
	return "http://" + reachableAt(l.Addr()), nil
}

// reachableAt is an address by which this machine reaches a listener: one on all
// interfaces is reached on loopback.
func reachableAt(a net.Addr) string {
	if tcp, ok := a.(*net.TCPAddr); ok && tcp.IP.IsUnspecified() {
		return net.JoinHostPort("localhost", strconv.Itoa(tcp.Port))
	}
	return a.String()
}

// started registers the run with the window it should have, so that it can be
// analysed even if this process is killed.
func (t *testRun) started(at time.Time) {
	t.run.Window = run.Window{Start: at, End: at.Add(t.spec.Profile.Duration())}
	t.run.Steady = t.spec.Profile.Steady(at)
	t.run.Stages = t.spec.Profile.RunStages(at)
	t.saveErr = t.store.Save(t.run)
}

func (t *testRun) warn(text string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.run.Warnings = append(t.run.Warnings, text)
	if t.spec.OnWarning != nil {
		t.spec.OnWarning(text)
	}
}

// load sends the traffic and shows how far it is.
func (t *testRun) load(ctx, hard context.Context) (loadgen.Summary, error) {
	if t.spec.OnProgress != nil {
		stop := make(chan struct{})
		defer close(stop)
		go func() {
			ticker := time.NewTicker(time.Second)
			defer ticker.Stop()
			for {
				select {
				case <-ticker.C:
					t.spec.OnProgress(t.generator.Progress())
				case <-stop:
					return
				}
			}
		}()
	}
	summary, err := t.generator.Run(ctx, hard)
	if err == nil && ctx.Err() != nil {
		err = errStopped
	}
	return summary, err
}

var errStopped = errors.New("stopped by the user")

// seal closes the recording and registers the run as it ended.
func (t *testRun) seal(hard context.Context, summary loadgen.Summary, loadErr error) error {
	t.run.Window.End = time.Now()
	if hard.Err() == nil && loadErr == nil && t.run.Window.End.Before(t.run.Window.Start) {
		return errors.New("the clock went backwards during the run")
	}
	if t.run.Window.Start.IsZero() { // the load never began
		t.started(t.run.Window.End)
	}
	t.run.Steady = t.run.Steady.Intersect(t.run.Window)
	t.run.State = run.Complete
	if loadErr != nil {
		t.run.State, t.run.Reason = run.Aborted, loadErr.Error()
	}
	t.run.Generators.Segments = []run.Generator{summary.Validity}
	t.live.close()
	t.run.Source.Live = ""
	err := t.recorder.Seal()
	t.recorder = nil
	return errors.Join(err, t.saveErr, t.store.Save(t.run))
}

// discard gives the id back when nothing was recorded.
func (t *testRun) discard() error {
	t.close()
	return t.store.Discard(t.run.ID)
}

func (t *testRun) close() {
	t.live.close()
	if t.recorder != nil {
		_ = t.recorder.Abandon() //nolint:errcheck // what was recorded is recovered by the next reader
		t.recorder = nil
	}
	if t.metrics != nil {
		_ = t.metrics.Close() //nolint:errcheck // it only served this run
		t.metrics = nil
	}
}
