package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/plumbline/plumbline/internal/analysis"
	"github.com/plumbline/plumbline/internal/cli"
	"github.com/plumbline/plumbline/internal/config"
	"github.com/plumbline/plumbline/internal/store"
	"github.com/plumbline/plumbline/pkg/compare"
	"github.com/plumbline/plumbline/pkg/report"
	"github.com/plumbline/plumbline/pkg/trend"
)

// trendFlags are the flags of analyzer trend.
type trendFlags struct {
	csv, metric, unit                     string
	objective, service, scenario, profile string
	labels                                map[string]string
	sla, worse, format, out               string
	failOnRegression                      bool
}

func newTrendCommand(a *app) *cobra.Command {
	var f trendFlags
	cmd := &cobra.Command{
		Use:   "trend {--objective ID | --csv FILE}",
		Short: "Find where a value changed over the history of runs",
		Long: `trend finds the change points in a history: which run began a new level, how
sure that is, and which labels (version, commit, …) changed there.

  analyzer trend --objective latency-p95        over the comparable runs in the store
  analyzer trend --csv history.csv              one value a line, or columns time,value
  analyzer trend --csv history.json --metric p95

A strict change point is an alarm, a weak one a mark to look at. A file may also be
JSON as of Otava or Bencher; docs/trend.md has the forms.

Exit codes: 0, or with --fail-on-regression 1 when the latest strict change is for the
worse and 3 when nothing can be told; 2 trouble.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return f.trend(cmd, a) },
	}
	fs := cmd.Flags()
	fs.StringVar(&f.csv, "csv", "", "`file` with a history, CSV or JSON; - reads standard input")
	fs.StringVar(&f.metric, "metric", "", "`name` of the metric in the file, when it holds several")
	fs.StringVar(&f.unit, "unit", "", "`unit` of the values in the file: s, bytes, ratio, req/s, …")
	fs.StringVar(&f.objective, "objective", "", "`id` of an objective of the SLA, measured in the runs of the store")
	fs.StringVar(&f.service, "service", "", "`service` of the runs (default: the latest run's)")
	fs.StringVar(&f.scenario, "scenario", "", "`scenario` of the runs (default: the latest run's)")
	fs.StringVar(&f.profile, "profile", "", "`profile` of the runs (default: the latest run's)")
	fs.StringToStringVar(&f.labels, "label", nil, "`name=value` that the runs must have")
	fs.StringVar(&f.sla, "sla", "", "SLA `file` that defines the objective (default: the latest run's)")
	fs.StringVar(&f.worse, "worse", "", "which `direction` is worse, higher or lower (default: the objective's)")
	fs.StringVar(&f.format, "format", "text", "text, json or html")
	fs.StringVar(&f.out, "out", "", "`file` to write to (default: standard output)")
	fs.BoolVar(&f.failOnRegression, "fail-on-regression", false, "exit code 1 when the latest strict change is for the worse")
	return cmd
}

func (f *trendFlags) trend(cmd *cobra.Command, a *app) error {
	if err := f.check(); err != nil {
		return err
	}
	t, err := f.read(cmd, a)
	if err != nil {
		return err
	}
	t.Generated = time.Now()
	if err := f.write(cmd, t); err != nil {
		return err
	}
	return f.exit(t)
}

// check says what can't be meant.
func (f *trendFlags) check() error {
	switch {
	case f.csv == "" && f.objective == "":
		return errors.New("name an objective with --objective, or a file with --csv")
	case f.csv != "" && f.objective != "":
		return errors.New("--csv and --objective are two histories; name one of them")
	case !slices.Contains([]string{"", "higher", "lower"}, f.worse):
		return fmt.Errorf("--worse %s: there are higher and lower", f.worse)
	case !slices.Contains([]string{"text", "json", "html"}, f.format):
		return fmt.Errorf("--format %s: there are text, json and html", f.format)
	case f.failOnRegression && f.csv != "" && f.worse == "":
		return errors.New("--fail-on-regression: say which direction is worse with --worse higher or --worse lower")
	}
	return nil
}

// read gives the history and its change points.
func (f *trendFlags) read(cmd *cobra.Command, a *app) (report.Trend, error) {
	if f.csv != "" {
		return f.readFile(cmd.InOrStdin())
	}
	cfg, err := config.Load(a.configFile)
	if err != nil {
		return report.Trend{}, err
	}
	opts := a.options(cfg)
	opts.SLA = f.sla
	h, err := a.analyzer().History(cmd.Context(), f.objective, analysis.HistoryFilter{
		Service: f.service, Scenario: f.scenario, Profile: f.profile, Labels: f.labels, Options: opts,
	})
	if err != nil {
		return report.Trend{}, err
	}
	worse := h.Worse
	if f.worse != "" {
		worse = f.worse
	}
	t := report.NewTrend(h.History, worse)
	t.Title, t.Warnings = h.Title, h.Warnings
	t.Subtitle = strings.Join(slices.DeleteFunc([]string{h.Service, h.Scenario, h.Profile}, func(s string) bool { return s == "" }), " · ")
	return t, nil
}

func (f *trendFlags) readFile(stdin io.Reader) (report.Trend, error) {
	name, text, err := readHistory(f.csv, stdin)
	if err != nil {
		return report.Trend{}, err
	}
	table, err := trend.Read(name, text)
	if err != nil {
		return report.Trend{}, err
	}
	h, err := table.History(f.metric)
	if err != nil {
		return report.Trend{}, err
	}
	if f.unit != "" {
		h.Unit = f.unit
	}
	t := report.NewTrend(h, f.worse)
	t.Subtitle = filepath.Base(name)
	if i := h.Disorder(); i > 0 {
		t.Warnings = append(t.Warnings, fmt.Sprintf("run %d is older than the one before it; the order of the file counts, so put the oldest first", i))
	}
	return t, nil
}

// readHistory reads a file, or standard input.
func readHistory(path string, stdin io.Reader) (name string, text []byte, err error) {
	if path == "-" {
		text, err = io.ReadAll(stdin)
		return "standard input", text, err
	}
	text, err = os.ReadFile(path)
	return path, text, err
}

func (f *trendFlags) write(cmd *cobra.Command, t report.Trend) error {
	stdout := cmd.OutOrStdout()
	width, terminal := cli.Terminal(stdout)
	if f.out != "" {
		width, terminal = 0, false
	}
	render := map[string]report.TrendRenderer{
		"text": report.TrendTerminal(report.TerminalOptions{Width: width, Colours: terminal && os.Getenv("NO_COLOR") == ""}),
		"json": report.TrendJSON,
		"html": report.TrendHTML,
	}[f.format]
	var text bytes.Buffer
	if err := render(&text, t); err != nil {
		return fmt.Errorf("trend as %s: %w", f.format, err)
	}
	if f.out != "" {
		return store.WriteWhole(f.out, text.Bytes())
	}
	_, err := stdout.Write(text.Bytes())
	return err
}

// exit turns the verdict into an exit code, when that was asked for.
func (f *trendFlags) exit(t report.Trend) error {
	switch {
	case !f.failOnRegression:
		return nil
	case t.Verdict == compare.Regressed:
		return &cli.Exit{Code: cli.No}
	case t.Verdict == compare.Inconclusive:
		return &cli.Exit{Code: cli.Inconclusive}
	}
	return nil
}
