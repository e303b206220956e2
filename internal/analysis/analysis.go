// Package analysis takes a run to its report; it knows the order of the steps.
package analysis

import (
	"cmp"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"os"
	"time"

	promconfig "github.com/prometheus/common/config"

	"github.com/plumbline/plumbline/internal/store"
	"github.com/plumbline/plumbline/pkg/compare"
	"github.com/plumbline/plumbline/pkg/promql"
	"github.com/plumbline/plumbline/pkg/promql/embedded"
	"github.com/plumbline/plumbline/pkg/report"
	"github.com/plumbline/plumbline/pkg/run"
	"github.com/plumbline/plumbline/pkg/slo"
)

// An Analyzer makes reports of the runs in a store.
type Analyzer struct {
	Store   *store.Store
	Version string // of the program, for the appendix
}

// Options choose what a run is judged by, where its own choice doesn't hold.
type Options struct {
	SLA              string               // file; "" for the copy kept with the run
	FallbackSLA      string               // file, when the run has no copy
	Baseline         string               // name; "" for the run's own
	FallbackBaseline string               // name, when the run has none
	Prometheus       string               // URL; "" for the run's own source
	Dashboard        func(run.Run) string // gives the URL that shows a run in Grafana; nil where there is none

	Preset string // of the catalogue: how the service's series are named; "" for the guide's

	FallbackPrometheus string                       // URL, when the run has no source of its own
	Timeout            time.Duration                // for each answer of a Prometheus; 0 for the default
	HTTP               *promconfig.HTTPClientConfig // how a Prometheus is spoken to; nil for the defaults
}

// An analyzed run: what was measured in it, and with what.
type analyzed struct {
	run       run.Run
	agreement slo.Agreement
	meter     *promql.Meter
	steady    slo.Steadiness
	scores    slo.Scores
	url       string // of a Prometheus, for links
	preset    string // of the catalogue
	dashboard func(run.Run) string

	candidates []run.Run           // it, and those that are judged together with it
	past       past                // of the candidates
	others     []compare.RunValues // of the other candidates that can be compared

	calibration *Calibration // of its test; nil when there is none
}

// Report measures a run, judges it and holds it against its baseline. One without
// an SLA is measured by what its generator saw, and nothing is judged.
func (a *Analyzer) Report(ctx context.Context, id string, opts Options) (report.Report, error) {
	candidate, closeRun, err := a.openBy(ctx, id, opts, a.agreementOrUnjudged)
	if err != nil {
		return report.Report{}, err
	}
	defer closeRun()
	repeats, err := a.repeats(ctx, candidate.run)
	if err != nil {
		return report.Report{}, fmt.Errorf("run %s: %w", id, err)
	}
	baseline, err := a.baseline(ctx, candidate, repeats, opts)
	if err != nil {
		return report.Report{}, fmt.Errorf("run %s: %w", id, err)
	}
	if err := candidate.measure(ctx, centers(baseline)); err != nil {
		return report.Report{}, fmt.Errorf("run %s: %w", id, err)
	}
	a.keep(ctx, candidate)
	comparison, err := a.compareWith(ctx, candidate, repeats, baseline, opts)
	if err != nil {
		return report.Report{}, fmt.Errorf("run %s: %w", id, err)
	}
	r, err := a.assemble(ctx, candidate, comparison)
	if err == nil {
		a.keepReport(ctx, &r)
	}
	return r, err
}

// measure finds the window that is scored, and scores it.
func (x *analyzed) measure(ctx context.Context, baseline map[string]float64) (err error) {
	if x.steady, err = x.agreement.Steady(ctx, x.meter, x.run); err != nil {
		return err
	}
	x.run.Steady = x.steady.Window
	x.scores, err = x.agreement.Measure(ctx, x.meter, slo.Scope{Run: x.run, Baseline: baseline})
	return err
}

// open loads a run, and opens the source of its series.
func (a *Analyzer) open(ctx context.Context, id string, opts Options) (*analyzed, func(), error) {
	return a.openBy(ctx, id, opts, a.agreement)
}

// openBy opens a run with the agreement that it is measured by. One whose generator
// was killed is marked as aborted, with the window that its recording covers.
func (a *Analyzer) openBy(ctx context.Context, id string, opts Options, agreed func(string, Options) (slo.Agreement, error)) (*analyzed, func(), error) {
	r, err := a.Store.Load(id)
	if err != nil {
		return nil, nil, err
	}
	if r.Source.Recording && opts.Prometheus == "" && !a.Store.Here(id) {
		return nil, nil, fmt.Errorf("run %s: its recording is on another machine; report on it there, or see `analyzer runs show %s --report`", id, id)
	}
	agreement, err := agreed(id, opts)
	if err != nil {
		return nil, nil, err
	}
	q, closeSource, url, err := a.source(ctx, &r, opts)
	if err != nil {
		return nil, nil, fmt.Errorf("run %s: %w", id, err)
	}
	r.Source.Prometheus = promql.Public(r.Source.Prometheus) // a run.json that a person wrote may hold a password
	return &analyzed{run: r, agreement: agreement, meter: promql.NewMeter(q, r.Source.Scrape()), url: url, preset: opts.Preset, dashboard: opts.Dashboard}, closeSource, nil
}

// agreement is what a run is judged by.
func (a *Analyzer) agreement(id string, opts Options) (slo.Agreement, error) {
	text, name, err := a.agreementText(id, opts)
	if err != nil {
		return slo.Agreement{}, err
	}
	return slo.Parse(name, text)
}

// unjudged has no bounds, and asks the generator's series only, which every run has.
//
//go:embed unjudged.yaml
var unjudged []byte

// agreementOrUnjudged is what a run is judged by, or at least measured by.
func (a *Analyzer) agreementOrUnjudged(id string, opts Options) (slo.Agreement, error) {
	agreement, err := a.agreement(id, opts)
	if errors.Is(err, errNoSLA) {
		return slo.Parse("unjudged.yaml", unjudged)
	}
	return agreement, err
}

// errNoSLA tells that neither the run nor the question has an SLA.
var errNoSLA = errors.New("it was recorded without an SLA; name one with --sla FILE")

// agreementText reads the SLA: the one asked for, else the copy kept with the run, else the fallback.
func (a *Analyzer) agreementText(id string, opts Options) (text []byte, name string, err error) {
	for _, name := range []string{opts.SLA, a.Store.Dir(id) + "/sla.yaml", opts.FallbackSLA} {
		if name == "" {
			continue
		}
		text, err = os.ReadFile(name)
		if err == nil || name == opts.SLA || !errors.Is(err, os.ErrNotExist) {
			return text, name, err
		}
	}
	return nil, "", fmt.Errorf("run %s: %w", id, errNoSLA)
}

// source gives the Querier that holds the series of a run.
func (a *Analyzer) source(ctx context.Context, r *run.Run, opts Options) (promql.Querier, func(), string, error) {
	if r.State != run.Running && r.Window.IsZero() {
		return nil, nil, "", fmt.Errorf("there was no load to report on: %s", r.Reason)
	}
	address := opts.Prometheus
	if address == "" && !r.Source.Recording {
		address = opts.server(*r)
	}
	if address != "" {
		client, err := a.client(ctx, address, r.Window, opts)
		return client, func() {}, promql.Public(address), err
	}
	db, err := embedded.Open(a.Store.Recording(r.ID))
	switch {
	case errors.Is(err, embedded.ErrLive) && r.Source.Live != "":
		client, err := promql.NewClient(r.Source.Live, promconfig.DefaultHTTPClientConfig)
		r.Generators.Expected = len(r.Generators.Segments)                                // the others tell at the end
		r.Window = r.Window.Intersect(run.Window{Start: r.Window.Start, End: time.Now()}) // it isn't over yet
		r.Steady = r.Steady.Intersect(r.Window)
		return client, func() {}, "", err
	case errors.Is(err, embedded.ErrLive):
		return nil, nil, "", fmt.Errorf("%w; wait for its load generator to end, then ask again", err)
	case err != nil:
		return nil, nil, "", err
	}
	if r.State == run.Running {
		if err := a.markKilled(ctx, db, r); err != nil {
			return nil, nil, "", errors.Join(err, db.Close())
		}
	}
	return db, func() { _ = db.Close() }, "", nil //nolint:errcheck // it was only read
}

// client asks a Prometheus, once it holds the window.
func (a *Analyzer) client(ctx context.Context, address string, w run.Window, opts Options) (*promql.Client, error) {
	cfg := promconfig.DefaultHTTPClientConfig
	if opts.HTTP != nil {
		cfg = *opts.HTTP
	}
	client, err := promql.NewClient(address, cfg)
	if err != nil {
		return nil, err
	}
	if opts.Timeout > 0 {
		client.Timeout = opts.Timeout
	}
	if err := client.WaitFor(ctx, w.End); err != nil {
		return nil, err
	}
	return client, client.Holds(ctx, w)
}

// server is the Prometheus that a run without a recording is asked of: the one that
// was named, else the run's own, else the fallback; "" for none. A run keeps the URL
// without credentials, so those of the fallback serve where it is the same server.
func (o Options) server(r run.Run) string {
	if promql.Public(o.FallbackPrometheus) == r.Source.Prometheus {
		return cmp.Or(o.Prometheus, o.FallbackPrometheus)
	}
	return cmp.Or(o.Prometheus, r.Source.Prometheus, o.FallbackPrometheus)
}

// markKilled registers that a run's generator was killed, and when.
func (a *Analyzer) markKilled(ctx context.Context, db *embedded.DB, r *run.Run) error {
	res, err := db.Query(ctx, "max(timestamp(up))", r.Window.End.Add(time.Minute))
	if err != nil {
		return err
	}
	r.State, r.Reason = run.Aborted, "its load generator was killed"
	if len(res.Series) == 1 {
		last := time.UnixMilli(int64(res.Series[0].Points[0].Value * 1000))
		r.Window = r.Window.Intersect(run.Window{Start: r.Window.Start, End: last})
		r.Steady = r.Steady.Intersect(r.Window)
	}
	if err := a.Store.Save(*r); err != nil && !errors.Is(err, os.ErrPermission) {
		return err // on a read-only folder the next reader finds it out again
	}
	return nil
}
