package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/plumbline/plumbline/internal/config"
	"github.com/plumbline/plumbline/internal/store"
	"github.com/plumbline/plumbline/pkg/promql"
	"github.com/plumbline/plumbline/pkg/promql/embedded"
	"github.com/plumbline/plumbline/pkg/run"
)

func newRunsCommand(a *app) *cobra.Command {
	cmd := &cobra.Command{Use: "runs", Short: "The runs that there are"}
	cmd.AddCommand(
		newRunsListCommand(a), newRunsShowCommand(a), newRunsRegisterCommand(a),
		newRunsExportCommand(a), newRunsImportCommand(a), newRunsDeleteCommand(a), newRunsPruneCommand(a),
	)
	return cmd
}

// runFilter chooses runs.
type runFilter struct {
	service, scenario, profile string
	labels                     map[string]string
	last                       int
}

func (f *runFilter) flags(cmd *cobra.Command) {
	fs := cmd.Flags()
	fs.StringVar(&f.service, "service", "", "only runs of this `service`")
	fs.StringVar(&f.scenario, "scenario", "", "only runs of this `scenario`")
	fs.StringVar(&f.profile, "profile", "", "only runs of this `profile`")
	fs.StringToStringVar(&f.labels, "label", nil, "only runs with this label, such as version=v1.0.3; may be repeated")
}

func (f *runFilter) choose(all []store.Summary) []store.Summary {
	chosen := slices.DeleteFunc(all, func(s store.Summary) bool {
		other := func(want, got string) bool { return want != "" && want != got }
		return other(f.service, s.Service) || other(f.scenario, s.Scenario) || other(f.profile, s.Profile) || !s.HasLabels(f.labels)
	})
	if f.last > 0 {
		chosen = chosen[max(0, len(chosen)-f.last):]
	}
	return chosen
}

// summaries lists the runs and says on the way what could not be read.
func (a *app) summaries(cmd *cobra.Command) ([]store.Summary, error) {
	all, warnings, err := a.store().Summaries(cmd.Context())
	for _, w := range warnings {
		fmt.Fprintln(cmd.ErrOrStderr(), "warning:", w)
	}
	return all, err
}

func newRunsListCommand(a *app) *cobra.Command {
	var filter runFilter
	var format string
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the runs, the oldest first",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			all, err := a.summaries(cmd)
			if err != nil {
				return err
			}
			return listRuns(cmd, a, filter.choose(all), format)
		},
	}
	filter.flags(cmd)
	cmd.Flags().IntVar(&filter.last, "last", 0, "only the last `n` of them")
	cmd.Flags().StringVar(&format, "format", "text", "text or json")
	return cmd
}

func listRuns(cmd *cobra.Command, a *app, list []store.Summary, format string) error {
	out := cmd.OutOrStdout()
	switch {
	case format == "json":
		runs := []run.Run{}
		for _, s := range list {
			r, err := a.store().Load(s.ID)
			if err != nil {
				return err
			}
			runs = append(runs, r)
		}
		return writeJSON(out, runs)
	case format != "text":
		return fmt.Errorf("--format %s: there are text and json", format)
	case len(list) == 0:
		fmt.Fprintln(out, "No runs yet. `analyzer demo` or `loadgen run` makes some.")
		return nil
	}
	verdicts, err := a.store().Verdicts(cmd.Context())
	if err != nil {
		fmt.Fprintln(cmd.ErrOrStderr(), "warning:", err) // the runs are there all the same
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "RUN\tSTARTED\tTOOK\tSCENARIO\tPROFILE\tVERSION\tSTATE\tREPORTED")
	for _, s := range list {
		state := string(s.State)
		if s.State == run.Running && embedded.Abandoned(a.store().Recording(s.ID)) {
			state = "killed"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", s.ID, s.Window.Start.Local().Format("2006-01-02 15:04:05"), s.Window.Duration().Round(time.Second), s.Scenario, s.Profile, s.Labels["version"], state, first(verdicts[s.ID], "–"))
	}
	return w.Flush()
}

func writeJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

func newRunsShowCommand(a *app) *cobra.Command {
	var reported bool
	cmd := &cobra.Command{
		Use:   "show ID",
		Short: "Show all that is recorded about a run, as JSON",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if reported {
				document, err := a.store().Report(cmd.Context(), args[0])
				if err != nil {
					return err
				}
				_, err = cmd.OutOrStdout().Write(document)
				return err
			}
			r, err := a.store().Load(args[0])
			if err != nil {
				return err
			}
			if err := writeJSON(cmd.OutOrStdout(), r); err != nil {
				return err
			}
			pins, err := a.store().Pins(cmd.Context())
			if err != nil {
				return err
			}
			if by := pins[r.ID]; len(by) > 0 {
				fmt.Fprintln(cmd.ErrOrStderr(), "the baseline", strings.Join(by, ", "), "rests on it")
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&reported, "report", false, "show the latest report that was made of it instead, without its charts")
	return cmd
}

// registerFlags are the flags of analyzer runs register.
type registerFlags struct {
	start, end, service, scenario, profile, sla, baseline string
	labels, environment                                   map[string]string
	users                                                 int
	rate, think                                           float64
	scrape                                                time.Duration
}

func newRunsRegisterCommand(a *app) *cobra.Command {
	var f registerFlags
	cmd := &cobra.Command{
		Use:   "register ID --start TIME --end TIME --prometheus URL",
		Short: "Register a run that another tool made, whose series a Prometheus has",
		Long: `register makes a run of a test that another tool made, so that it can be reported on
and compared. Its series stay where they are: on the Prometheus that --prometheus names.
A user and password in that URL are not kept with the run.

  analyzer runs register k6-241 --start 2026-01-18T14:00:00Z --end 2026-01-18T14:30:00Z \
    --prometheus http://prometheus:9090 --label version=v1.0.3 --sla sla.yaml`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return f.register(cmd, a, args[0]) },
	}
	fs := cmd.Flags()
	fs.StringVar(&f.start, "start", "", "`time` at which the load began, such as 2026-01-18T14:00:00Z")
	fs.StringVar(&f.end, "end", "", "`time` at which it ended")
	fs.StringVar(&f.service, "service", "", "`name` of the service (default: the config's)")
	fs.StringVar(&f.scenario, "scenario", "", "`name` of what was sent; only runs of the same one are compared")
	fs.StringVar(&f.profile, "profile", "", "`name` of how much was sent")
	fs.StringVar(&f.sla, "sla", "", "SLA `file` to keep with the run (default: the config's)")
	fs.StringVar(&f.baseline, "baseline", "", "`name` of the baseline that it is held against")
	fs.StringToStringVar(&f.labels, "label", nil, "label, such as version=v1.0.3; may be repeated")
	fs.StringToStringVar(&f.environment, "environment", nil, "what must not differ between runs that are compared, such as replicas=6; may be repeated")
	fs.IntVar(&f.users, "users", 0, "`number` of users, of a closed model")
	fs.Float64Var(&f.rate, "arrival-rate", 0, "iterations started per second, of an open model")
	fs.Float64Var(&f.think, "think", 0, "mean think time in `seconds`")
	fs.DurationVar(&f.scrape, "scrape-interval", 0, "at which the Prometheus samples the series (default: as it did when the load ended)")
	return cmd
}

func (f *registerFlags) register(cmd *cobra.Command, a *app, id string) error {
	cfg, err := config.Load(a.configFile)
	if err != nil {
		return err
	}
	window, err := f.window()
	if err != nil {
		return err
	}
	prometheus := first(a.prometheus, cfg.Prometheus.URL)
	if prometheus == "" {
		return errors.New("name the Prometheus that has the series with --prometheus")
	}
	if _, err := promql.NewClient(prometheus, *cfg.Prometheus.HTTP()); err != nil {
		return err
	}
	if !cmd.Flags().Changed("scrape-interval") {
		f.scrape = findScrape(cmd, prometheus, cfg, window.End)
	}
	if f.scrape < time.Second {
		return fmt.Errorf("--scrape-interval: want a second or more, got %s", f.scrape)
	}
	r := run.Run{
		ID: id, Service: first(f.service, cfg.Service), Scenario: f.scenario, Profile: f.profile, Labels: f.labels, Environment: f.environment,
		Window: window, Steady: window, Load: run.Load{Users: f.users, ArrivalRate: f.rate, ThinkSeconds: f.think},
		Source: run.Source{Prometheus: promql.Public(prometheus), ScrapeSeconds: f.scrape.Seconds()}, State: run.Complete, Baseline: f.baseline, Version: version,
	}
	var sla []byte
	if path := first(f.sla, cfg.SLA); path != "" {
		if sla, err = os.ReadFile(path); err != nil {
			return fmt.Errorf("SLA: %w", err)
		}
	}
	st := a.store()
	if _, err := st.Reserve(id, window.Start); err != nil {
		return err
	}
	if sla != nil {
		err = st.WriteFile(id, "sla.yaml", sla)
	}
	if err == nil {
		err = st.Save(r)
	}
	if err != nil {
		return errors.Join(err, st.Discard(id))
	}
	fmt.Fprintf(cmd.OutOrStdout(), "registered run %s, %s\n", id, window.Duration())
	return nil
}

// usualScrape is the interval of the configuration that Prometheus comes with.
const usualScrape = 15 * time.Second

// scrapePatience is how long a Prometheus may take to tell its scrape interval.
const scrapePatience = 10 * time.Second

// findScrape is the scrape interval of a Prometheus at a time; where it can't tell, the usual one.
func findScrape(cmd *cobra.Command, address string, cfg config.Config, at time.Time) time.Duration {
	scrape, err := askScrape(cmd.Context(), address, cfg, at)
	if err != nil {
		fmt.Fprintf(cmd.ErrOrStderr(), "warning: the scrape interval is taken to be %s, name it with --scrape-interval if it is another: %v\n", usualScrape, err)
		return usualScrape
	}
	return scrape
}

// askScrape has a Prometheus tell how often it scraped its targets before a time.
func askScrape(ctx context.Context, address string, cfg config.Config, at time.Time) (time.Duration, error) {
	client, err := promql.NewClient(address, *cfg.Prometheus.HTTP())
	if err != nil {
		return 0, err
	}
	client.Timeout = scrapePatience
	scrape, err := promql.ScrapeInterval(ctx, client, at)
	if err == nil && scrape == 0 {
		err = errors.New("the Prometheus scraped nothing then")
	}
	return scrape, err
}

func (f *registerFlags) window() (w run.Window, err error) {
	for _, x := range []struct {
		flag, text string
		into       *time.Time
	}{{"--start", f.start, &w.Start}, {"--end", f.end, &w.End}} {
		if *x.into, err = time.Parse(time.RFC3339, x.text); err != nil {
			return w, fmt.Errorf("%s: want a time such as 2026-01-18T14:00:00Z, got %q", x.flag, x.text)
		}
	}
	if !w.End.After(w.Start) {
		return w, fmt.Errorf("--end: must come after --start, got %s and %s", f.start, f.end)
	}
	if w.End.After(time.Now()) {
		return w, fmt.Errorf("--end: must lie in the past, got %s; register the test when it is over", f.end)
	}
	return w, nil
}

func first(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

func newRunsExportCommand(a *app) *cobra.Command {
	var out string
	cmd := &cobra.Command{
		Use:   "export ID",
		Short: "Pack the folder of a run as .tar.gz",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			id := args[0]
			if out == "-" {
				return a.store().Export(id, cmd.OutOrStdout())
			}
			path := first(out, id+".tar.gz")
			f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*")
			if err != nil {
				return err
			}
			err = errors.Join(a.store().Export(id, f), f.Chmod(0o644), f.Close())
			if err == nil {
				err = os.Rename(f.Name(), path)
			}
			if err != nil {
				return errors.Join(err, os.Remove(f.Name()))
			}
			fmt.Fprintln(cmd.OutOrStdout(), path)
			return nil
		},
	}
	cmd.Flags().StringVar(&out, "out", "", "`file` (default: ID.tar.gz); - for standard output")
	return cmd
}

func newRunsImportCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "import FILE",
		Short: "Unpack a run that was exported; - for standard input",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			in := cmd.InOrStdin()
			if args[0] != "-" {
				f, err := os.Open(args[0])
				if err != nil {
					return err
				}
				defer f.Close() //nolint:errcheck // it was only read
				in = f
			}
			id, err := a.store().Import(in)
			if err != nil {
				return fmt.Errorf("%s: %w", args[0], err)
			}
			fmt.Fprintln(cmd.OutOrStdout(), "imported run", id)
			return nil
		},
	}
}

func newRunsDeleteCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "delete ID…",
		Short: "Delete runs with their recordings, unless a baseline rests on them",
		Args:  cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			for _, id := range args {
				if err := a.store().Delete(id); err != nil {
					return err
				}
				fmt.Fprintln(cmd.OutOrStdout(), "deleted run", id)
			}
			return nil
		},
	}
}

// pruneFlags are the flags of analyzer runs prune.
type pruneFlags struct {
	runFilter
	keep      int
	olderThan time.Duration
	dryRun    bool
}

func newRunsPruneCommand(a *app) *cobra.Command {
	var f pruneFlags
	cmd := &cobra.Command{
		Use:   "prune",
		Short: "Delete old runs; never those that a baseline rests on",
		Long: `prune deletes the runs that are left over when the last --keep of each test (service,
scenario and profile) are kept, and everything younger than --older-than. Runs that a
baseline rests on, and runs under way, stay.

  analyzer runs prune --keep 20 --older-than 720h --dry-run`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return f.prune(cmd, a) },
	}
	f.flags(cmd)
	fs := cmd.Flags()
	fs.IntVar(&f.keep, "keep", 0, "`number` of the last runs of each test that stay")
	fs.DurationVar(&f.olderThan, "older-than", 0, "only runs that ended longer ago than this, such as 720h")
	fs.BoolVar(&f.dryRun, "dry-run", false, "only say what would be deleted")
	return cmd
}

func (f *pruneFlags) prune(cmd *cobra.Command, a *app) error {
	if f.keep <= 0 && f.olderThan <= 0 {
		return errors.New("say what to keep, with --keep or --older-than or both")
	}
	all, err := a.summaries(cmd)
	if err != nil {
		return err
	}
	pins, err := a.store().Pins(cmd.Context())
	if err != nil {
		return err
	}
	said := "deleted run"
	if f.dryRun {
		said = "would delete run"
	}
	for _, s := range f.surplus(f.choose(all), time.Now()) {
		if len(pins[s.ID]) > 0 {
			continue
		}
		if !f.dryRun {
			if err := a.store().Delete(s.ID); err != nil {
				return err
			}
		}
		fmt.Fprintln(cmd.OutOrStdout(), said, s.ID)
	}
	return nil
}

// surplus are the runs that are neither among the last of their test nor young.
func (f *pruneFlags) surplus(list []store.Summary, now time.Time) []store.Summary {
	var out []store.Summary
	for i, s := range list {
		later := 0
		for _, other := range list[i+1:] {
			if s.SameTest(other) {
				later++
			}
		}
		old := now.Sub(s.Window.End) > f.olderThan
		if later >= f.keep && old && s.State != run.Running {
			out = append(out, s)
		}
	}
	return out
}
