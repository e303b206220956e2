package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/signal"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/plumbline/plumbline/internal/cli"
	"github.com/plumbline/plumbline/internal/config"
	"github.com/plumbline/plumbline/internal/store"
	"github.com/plumbline/plumbline/internal/testrun"
	"github.com/plumbline/plumbline/pkg/loadgen"
	"github.com/plumbline/plumbline/pkg/slo"
)

// runFlags are the flags of loadgen run.
type runFlags struct {
	files
	target, results, id, service, sla, baseline, summary, listen string
	labels                                                       map[string]string
	wait                                                         time.Duration
	seed                                                         uint64
	scale                                                        float64
}

func newRunCommand() *cobra.Command {
	var f runFlags
	cmd := &cobra.Command{
		Use:   "run SCENARIO",
		Short: "Send the load of a scenario to a target, and record the run",
		Long: `run reserves an id, records the target's /metrics and its own with Prometheus'
scraper, sends the load, and leaves the run in the results folder.

The first Ctrl-C ends the test gracefully and keeps the run, the second at once.
Exit codes: 0 done, 2 nothing could be sent or trouble, 3 the generator itself
was too slow for the result to be trusted.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return f.run(cmd, args[0]) },
	}
	f.flags(cmd)
	fs := cmd.Flags()
	fs.StringVar(&f.target, "target", "", "base `URL` that the load is sent to (default: the config's)")
	fs.DurationVar(&f.wait, "wait", 0, "how long the target may take until it listens, such as 30s")
	fs.StringVar(&f.results, "results", "results", "`folder` of the results")
	fs.StringVar(&f.id, "run", "", "`id` of the run (default: PERF-<date>-<number>)")
	fs.StringVar(&f.service, "service", "", "`name` of the service, and job label of its series (default: the config's, else the SLA's)")
	fs.StringVar(&f.sla, "sla", "", "SLA `file` that the run is judged by (default: the config's)")
	fs.StringVar(&f.baseline, "baseline", "", "`name` of the baseline that the run is held against (default: the config's)")
	fs.StringToStringVar(&f.labels, "label", nil, "label of the run, such as version=v1.0.3; may be repeated")
	fs.StringVar(&f.summary, "summary", "", "`file` for the summary as JSON; - for standard output")
	fs.StringVar(&f.listen, "listen", "", "`address` of the generator's own /metrics (default: a free port on loopback)")
	fs.Uint64Var(&f.seed, "seed", 1, "of all that happens by chance")
	fs.Float64Var(&f.scale, "duration-scale", 1, "make the profile this many times as long")
	return cmd
}

func (f *runFlags) run(cmd *cobra.Command, scenario string) error {
	spec, err := f.spec(scenario)
	if err != nil {
		return err
	}
	out := cmd.ErrOrStderr()
	spec.OnProgress = progress(out)
	spec.OnWarning = func(text string) { fmt.Fprintln(out, "warning:", text) }
	hard, cancel := secondInterrupt(cmd.Context())
	defer cancel()
	r, summary, err := testrun.Execute(cmd.Context(), hard, store.Open(f.results), spec)
	if summary.Requests > 0 {
		fmt.Fprintf(out, "\nrun %s: %s\n", r.ID, r.State)
		if err := errors.Join(f.report(cmd.OutOrStdout(), summary), summary.WriteTable(out)); err != nil {
			return err
		}
		fmt.Fprintf(out, "\nanalyzer report --run %s --results %s\n", r.ID, f.results)
	}
	var gone *loadgen.ErrTargetGone
	switch {
	case err != nil && cmd.Context().Err() != nil && !errors.As(err, &gone) && summary.Requests > 0:
		return nil // stopped by the user: the run was kept
	case err != nil:
		return err
	case !summary.Validity.Valid:
		return &cli.Exit{Code: cli.Inconclusive, Err: fmt.Errorf("run %s: the load can't be trusted: %s", r.ID, summary.Validity.Reasons[0])}
	}
	return nil
}

// spec puts the flags, the config and the files together.
func (f *runFlags) spec(scenario string) (testrun.Spec, error) {
	cfg, err := config.Load(f.config)
	if err != nil {
		return testrun.Spec{}, err
	}
	if f.profile == "" {
		return testrun.Spec{}, errors.New("name a profile with --profile, and its file with --profiles")
	}
	s, p, err := f.load(scenario, cfg)
	if err != nil {
		return testrun.Spec{}, err
	}
	if f.scale <= 0 {
		return testrun.Spec{}, fmt.Errorf("--duration-scale: must be above 0, got %v", f.scale)
	}
	target, err := url.Parse(or(f.target, cfg.Target))
	if err != nil || target.Host == "" {
		return testrun.Spec{}, fmt.Errorf("--target: want a URL such as http://127.0.0.1:8080, got %q", or(f.target, cfg.Target))
	}
	scrapes, err := cfg.Scrapes()
	if err != nil {
		return testrun.Spec{}, err
	}
	spec := testrun.Spec{
		ID: f.id, Service: or(f.service, cfg.Service), Scenario: s, Profile: p.Scale(f.scale), Target: target,
		Labels: merge(cfg.Labels, f.labels), Environment: cfg.Environment, Baseline: or(f.baseline, cfg.Baseline),
		Scrapes: scrapes, Wait: f.wait, Listen: f.listen, Seed: f.seed, Version: version,
	}
	return spec, f.addSLA(&spec, or(f.sla, cfg.SLA))
}

// addSLA reads the SLA, which is kept with the run, and takes the service's name from it.
func (f *runFlags) addSLA(spec *testrun.Spec, path string) error {
	if path == "" {
		return nil
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("SLA: %w", err)
	}
	agreement, err := slo.Parse(path, text)
	if err != nil {
		return err
	}
	spec.SLA, spec.Service = text, or(spec.Service, agreement.Service)
	return nil
}

func or(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

func merge(a, b map[string]string) map[string]string {
	out := map[string]string{}
	for _, m := range []map[string]string{a, b} {
		for k, v := range m {
			out[k] = v
		}
	}
	return out
}

// report writes the summary as JSON where it was asked for.
func (f *runFlags) report(stdout io.Writer, s loadgen.Summary) error {
	if f.summary == "" {
		return nil
	}
	text, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return err
	}
	text = append(text, '\n')
	if f.summary == "-" {
		_, err = stdout.Write(text)
		return err
	}
	return store.WriteWhole(f.summary, text)
}

// secondInterrupt ends when a second Ctrl-C comes, after the one that ended ctx.
func secondInterrupt(ctx context.Context) (context.Context, context.CancelFunc) {
	hard, cancel := context.WithCancel(context.WithoutCancel(ctx))
	go func() {
		select {
		case <-ctx.Done():
		case <-hard.Done():
			return
		}
		again := make(chan os.Signal, 1)
		signal.Notify(again, os.Interrupt)
		defer signal.Stop(again)
		select {
		case <-again:
			cancel()
		case <-hard.Done():
		}
	}()
	return hard, cancel
}

// progress writes a live line on a terminal, elsewhere a line every ten seconds.
func progress(w io.Writer) func(loadgen.Progress) {
	_, live := cli.Terminal(w)
	var mu sync.Mutex
	var last time.Duration
	return func(p loadgen.Progress) {
		mu.Lock()
		defer mu.Unlock()
		line := fmt.Sprintf("%s / %s  %d users  %.0f req/s  %d requests, %d failed  p50 %.0f  p95 %.0f  p99 %.0f ms",
			p.Elapsed.Round(time.Second), p.Total, p.Users, p.RequestsPerSecond, p.Requests, p.Failures, 1000*p.P50, 1000*p.P95, 1000*p.P99)
		switch {
		case live:
			fmt.Fprintf(w, "\r%s\033[K", line)
		case p.Elapsed-last >= 10*time.Second:
			last = p.Elapsed
			fmt.Fprintln(w, line)
		}
	}
}
