// Package testrun owns the life of a run: reserve its id, start the recorder,
// wait for the first scrape of every target, send the load, scrape once more,
// seal, register.
package testrun

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/config"
	prom "github.com/prometheus/prometheus/config"

	"github.com/plumbline/plumbline/internal/store"
	"github.com/plumbline/plumbline/pkg/loadgen"
	"github.com/plumbline/plumbline/pkg/promql"
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

	Segment   loadgen.Segment // the share of the load that this process sends
	StartAt   time.Time       // when all segments begin; zero: as soon as this one can
	Transport Transport
	AbortOn   []loadgen.AbortRule
	Grace     time.Duration // for requests that are in flight at the end; 0: the generator's default
	Patience  time.Duration // without any answer; 0: the generator's default, negative: without end

	Prometheus  string                  // base URL of the server that has the run's series; "": a recording of our own
	HTTP        config.HTTPClientConfig // how that server is spoken to
	Scrape      time.Duration           // interval at which the series are sampled; 0: that server's, else 5 s, or 1 s for short runs
	RemoteWrite *RemoteWrite            // where the generator's metrics are pushed to; nil: nowhere
	Instance    string                  // label of the generator's series; "": where they were scraped, or the host
	K6Metrics   bool                    // the same under k6's names as well
	CSV         *loadgen.LocustCSV

	OnStart    func(at time.Time) // the load begins
	OnResult   func(loadgen.Sample)
	OnProgress func(loadgen.Progress)              // called about every second
	OnWait     func(upTo time.Duration, why error) // for the target, for whoever scrapes this process, or for other segments
	OnStop     func()                              // ctx has ended the load; requests are still in flight
	OnWarning  func(string)
}

// Patience of the steps before the load and after it.
const (
	dialPatience        = 3 * time.Second
	firstScrapePatience = 15 * time.Second // or some scrapes, where that is longer
	someScrapes         = 3                // intervals
	scrapeLead          = time.Second      // before the common start
	segmentPatience     = 10 * time.Second // beyond the grace that the last requests of other segments have
)

// shortRun is the length below which targets are scraped every second instead of every five.
const shortRun = 5 * time.Minute

// ErrStopped is the error of a run whose context ended while it was under way.
type ErrStopped struct {
	After, Of time.Duration // After is 0 when the load had not begun
	Nothing   error         // why nothing was answered until then; nil: something was
}

func (e *ErrStopped) Error() string {
	text := "stopped by the user before the load began"
	if e.After > 0 {
		text = fmt.Sprintf("stopped by the user after %s of %s", e.After.Round(time.Second), e.Of)
	}
	if e.Nothing != nil {
		text += "; " + e.Nothing.Error()
	}
	return text
}

// Execute runs the test. When ctx ends, the load ends gracefully and the run is
// kept; when hard ends, at once. A run in which something was recorded is kept
// whatever the error.
func Execute(ctx, hard context.Context, st *store.Store, spec Spec) (run.Run, loadgen.Summary, error) {
	if err := spec.check(time.Now()); err != nil {
		return run.Run{}, loadgen.Summary{}, err
	}
	if err := spec.Transport.await(ctx, spec.Target, spec.Wait, spec.OnWait); err != nil {
		return run.Run{}, loadgen.Summary{}, spec.orStopped(ctx, err)
	}
	id, err := reserve(st, spec)
	if err != nil {
		return run.Run{}, loadgen.Summary{}, err
	}
	t := &testRun{store: st, spec: spec, run: newRun(id, spec)}
	defer t.close()
	if err := t.prepare(ctx); err != nil {
		return t.run, loadgen.Summary{}, errors.Join(fmt.Errorf("run %s: %w", id, spec.orStopped(ctx, err)), t.discard())
	}
	summary, loadErr := t.load(ctx, hard)
	if err := t.seal(ctx, hard, summary, loadErr); err != nil {
		return t.run, summary, fmt.Errorf("run %s: %w", id, err)
	}
	if loadErr != nil {
		return t.run, summary, fmt.Errorf("run %s: %w", id, loadErr)
	}
	return t.run, summary, nil
}

// check finds what does not go together.
func (s Spec) check(now time.Time) error {
	if s.Segment.Of > 1 && s.ID == "" {
		return errors.New("--segment needs --run: all segments of a run share its id")
	}
	if late := now.Sub(s.StartAt); !s.StartAt.IsZero() && late > 0 {
		return fmt.Errorf("--start-at: %s was %s ago; choose a time at which all segments are ready", s.StartAt.Format(time.RFC3339), late.Round(time.Second))
	}
	return loadgen.Fits(s.Scenario, s.Profile, s.Segment)
}

func (s Spec) grace() time.Duration { return cmp.Or(s.Grace, loadgen.DefaultGrace) }

// orStopped is the cause of an error before the load: the user's stop, if there was one.
func (s Spec) orStopped(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return &ErrStopped{Of: s.Profile.Duration()}
	}
	return err
}

// owns reports whether this process keeps the run: its run.json and its recording.
func (s Spec) owns() bool { return s.Segment.Number() == 1 }

// records reports whether this process makes a recording.
func (s Spec) records() bool { return s.owns() && s.Prometheus == "" }

func reserve(st *store.Store, spec Spec) (string, error) {
	if spec.Segment.Of > 1 {
		return spec.ID, st.ReserveSegment(spec.ID, spec.Segment.Number())
	}
	return st.Reserve(spec.ID, time.Now())
}

func newRun(id string, spec Spec) run.Run {
	scrape := spec.Scrape
	if scrape <= 0 {
		scrape = 5 * time.Second
		if spec.Profile.Duration() < shortRun {
			scrape = time.Second
		}
	}
	repeat := spec.Repeat
	if repeat != nil && repeat.Group == "" {
		repeat = &run.Repeat{Group: id, N: repeat.N, Of: repeat.Of}
	}
	return run.Run{
		ID: id, Service: spec.Service, Scenario: spec.Scenario.Name, Profile: spec.Profile.Name, Target: promql.Public(spec.Target.String()),
		Seed: &spec.Seed, Labels: spec.Labels, Environment: spec.Environment, Baseline: spec.Baseline, Repeat: repeat, Version: spec.Version,
		Load:       loadgen.LoadOf(spec.Scenario, spec.Profile),
		Generators: run.Generators{Expected: spec.Segment.Total()},
		Source:     run.Source{Recording: spec.Prometheus == "", Prometheus: promql.Public(spec.Prometheus), ScrapeSeconds: scrape.Seconds()},
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
	page      *page
	push      *pusher
	saveErr   error

	mu sync.Mutex // guards the run's warnings, which come from many users at once
}

// prepare brings everything up to the moment at which the load can start.
func (t *testRun) prepare(ctx context.Context) error {
	if err := t.adoptScrape(ctx); err != nil {
		return err
	}
	registry := prometheus.NewRegistry()
	if err := t.newGenerator(registry); err != nil {
		return err
	}
	var err error
	if t.page, err = servePage(t.spec.Listen, registry); err != nil {
		return err
	}
	if t.spec.SLA != nil && t.spec.owns() {
		if err := t.store.WriteFile(t.run.ID, "sla.yaml", t.spec.SLA); err != nil {
			return err
		}
	}
	if err := t.startPushing(ctx, registry); err != nil {
		return err
	}
	if t.spec.records() {
		return t.startRecording(ctx)
	}
	return t.awaitFirstScrape(ctx)
}

func (t *testRun) newGenerator(registry *prometheus.Registry) (err error) {
	onResult := []func(loadgen.Sample){t.spec.OnResult}
	var k6 *loadgen.K6Metrics
	var onIteration func(time.Duration)
	if t.spec.K6Metrics {
		k6 = loadgen.NewK6Metrics(t.spec.Scenario, t.run.ID)
		onResult, onIteration = append(onResult, k6.Observe), k6.ObserveIteration
		if err := registry.Register(k6); err != nil {
			return err
		}
	}
	onStart := t.started
	if csv := t.spec.CSV; csv != nil {
		onResult = append(onResult, csv.Observe)
		onStart = func(at time.Time) { csv.Begin(at); t.started(at) }
	}
	way := t.spec.Transport
	t.generator, err = loadgen.New(loadgen.Options{
		Scenario: t.spec.Scenario, Profile: t.spec.Profile, Target: t.spec.Target, RunID: t.run.ID, Seed: t.spec.Seed,
		Segment: t.spec.Segment, StartAt: t.spec.StartAt, AbortOn: t.spec.AbortOn, Grace: t.spec.grace(), Patience: t.spec.Patience,
		TLS: way.TLS, HTTP: way.HTTP, Proxy: way.Proxy, ConnectTimeout: way.ConnectTimeout, Timeout: way.Timeout,
		Registry: registry, OnReady: t.awaitLogins, OnStart: onStart, OnResult: toAll(onResult), Phases: t.spec.K6Metrics, OnIteration: onIteration, OnWarning: t.warn,
	})
	if k6 != nil && err == nil {
		k6.Follow(t.generator)
	}
	return err
}

// toAll passes each result on to everybody; nil when there is nobody, which costs nothing.
func toAll(all []func(loadgen.Sample)) func(loadgen.Sample) {
	all = slices.DeleteFunc(all, func(f func(loadgen.Sample)) bool { return f == nil })
	switch len(all) {
	case 0:
		return nil
	case 1:
		return all[0]
	}
	return func(s loadgen.Sample) {
		for _, f := range all {
			f(s)
		}
	}
}

// started registers the run with the window it should have, so that it can be
// analysed even if this process is killed.
func (t *testRun) started(at time.Time) {
	t.run.Window = run.Window{Start: at, End: at.Add(t.spec.Profile.Duration())}
	t.run.Steady = t.spec.Profile.Steady(at)
	t.run.Stages = t.spec.Profile.RunStages(at)
	t.saveErr = t.save()
	if t.spec.OnStart != nil {
		t.spec.OnStart(at)
	}
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
	stop := make(chan struct{})
	var following sync.WaitGroup
	following.Go(func() { t.follow(stop) })
	var stopped time.Time
	told := make(chan struct{})
	forget := context.AfterFunc(ctx, func() {
		defer close(told)
		stopped = time.Now()
		if t.spec.OnStop != nil {
			t.spec.OnStop()
		}
	})
	summary, err := t.generator.Run(ctx, hard)
	if !forget() {
		<-told
	}
	close(stop)
	following.Wait()
	var nothing *loadgen.ErrNothingSent
	if !stopped.IsZero() && (err == nil || errors.As(err, &nothing)) {
		err = t.stoppedAt(stopped, err)
	}
	return summary, err
}

// stoppedAt is the error of a stop at a time, beside why nothing was answered, if nothing
// was; of a stop when the profile was over, only that.
func (t *testRun) stoppedAt(at time.Time, nothing error) error {
	length := t.spec.Profile.Duration()
	if t.run.Window.Start.IsZero() { // the load had not begun
		return &ErrStopped{0, length, nothing}
	}
	after := max(at.Sub(t.run.Window.Start), 1)
	if after >= length {
		return nothing
	}
	return &ErrStopped{after, length, nothing}
}

// follow shows every second how far the load is.
func (t *testRun) follow(stop <-chan struct{}) {
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			if t.spec.OnProgress != nil {
				t.spec.OnProgress(t.generator.Progress())
			}
			t.writeCSV()
		case <-stop:
			t.writeCSV()
			return
		}
	}
}

func (t *testRun) writeCSV() {
	if t.spec.CSV == nil {
		return
	}
	if err := t.spec.CSV.Second(t.generator.Snapshot()); err != nil {
		t.warn(fmt.Sprintf("CSV: %v", err))
		t.spec.CSV = nil
	}
}

// seal closes the recording and registers the run as it ended.
func (t *testRun) seal(ctx, hard context.Context, summary loadgen.Summary, loadErr error) error {
	t.run.Window.End = time.Now()
	if t.run.Window.Start.IsZero() { // the load never began
		t.run.Window.Start = t.run.Window.End
	}
	t.run.Steady = t.run.Steady.Intersect(t.run.Window)
	if len(t.run.Stages) > 0 {
		t.run.Stages = summary.Stages
	}
	t.run.State = run.Complete
	if loadErr != nil {
		t.run.State, t.run.Reason = run.Aborted, loadErr.Error()
	}
	validity := summary.Validity
	validity.Segment = t.spec.Segment.Number()
	t.run.Generators.Segments = []run.Generator{validity}
	return errors.Join(t.finishSeries(ctx, hard, summary), t.saveErr, t.save())
}

// answered takes over when the stages of another segment had their last answers.
func (t *testRun) answered(stages []run.Stage) {
	for i, s := range stages {
		if i < len(t.run.Stages) && s.Answered.After(t.run.Stages[i].Answered) {
			t.run.Stages[i].Answered = s.Answered
		}
		if s.Answered.After(t.run.Window.End) {
			t.run.Window.End = s.Answered
		}
	}
}

func (t *testRun) save() error {
	if !t.spec.owns() {
		return nil
	}
	t.mu.Lock()
	r := t.run
	t.mu.Unlock()
	return t.store.Save(r)
}

// discard gives the id back when nothing was recorded.
func (t *testRun) discard() error {
	t.close()
	if t.spec.Segment.Of > 1 {
		return t.store.DiscardSegment(t.run.ID, t.spec.Segment.Number())
	}
	return t.store.Discard(t.run.ID)
}

func (t *testRun) close() {
	if t.page != nil {
		t.page.live.close()
	}
	if t.push != nil {
		t.push.stop()
		t.push = nil
	}
	if t.recorder != nil {
		_ = t.recorder.Abandon() //nolint:errcheck // what was recorded is recovered by the next reader
		t.recorder = nil
	}
	if t.page != nil {
		_ = t.page.close() //nolint:errcheck // it only served this run
		t.page = nil
	}
}
