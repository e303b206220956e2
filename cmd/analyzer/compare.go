package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/plumbline/plumbline/internal/cli"
	"github.com/plumbline/plumbline/internal/config"
	"github.com/plumbline/plumbline/pkg/compare"
	"github.com/plumbline/plumbline/pkg/report"
)

// compareFlags are the flags of analyzer compare.
type compareFlags struct {
	runs, candidates, baseline []string
	sla, csv, format           string
	allowInconclusive          bool
}

func newCompareCommand(a *app) *cobra.Command {
	var f compareFlags
	cmd := &cobra.Command{
		Use:   "compare",
		Short: "Hold runs of one build against a baseline",
		Long: `compare holds one run, or several of one build, against a baseline, metric by metric:
improved, unchanged, regressed or inconclusive, with the interval of the change, and
apart from that whether the target was met. A run is one observation: with three or
more on each side far smaller changes can be told than with one.

  analyzer compare --run PERF-2026-01-18-001,PERF-2026-01-18-002 --baseline v1.0.0
  analyzer compare --csv values.csv --candidate new-1,new-2

A CSV file has the columns run,metric,value and, if need be, worse (higher or lower),
under a header with these names, and one value of a metric for each run.

Exit codes: 0 nothing regressed, 1 regressed, 2 trouble, 3 inconclusive.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return f.compare(cmd, a) },
	}
	fs := cmd.Flags()
	fs.StringSliceVar(&f.runs, "run", nil, "`ids` of the runs that are judged together, separated by commas")
	fs.StringSliceVar(&f.baseline, "baseline", nil, "`name` of a baseline or id of a run (default: the run's own, else the config's); with --csv, runs of the file (default: all others)")
	fs.StringVar(&f.sla, "sla", "", "SLA `file` (default: the copy kept with the first run, else the config's)")
	fs.StringVar(&f.csv, "csv", "", "`file` of values from elsewhere; - for standard input")
	fs.StringSliceVar(&f.candidates, "candidate", nil, "with --csv: `runs` that are judged together, separated by commas")
	fs.StringVar(&f.format, "format", "text", "text, md or json")
	fs.BoolVar(&f.allowInconclusive, "allow-inconclusive", false, "exit code 0 when inconclusive")
	return cmd
}

func (f *compareFlags) compare(cmd *cobra.Command, a *app) error {
	if !slices.Contains(comparisonFormats, f.format) {
		return fmt.Errorf("--format %s: there are %s", f.format, strings.Join(comparisonFormats, ", "))
	}
	comparison := f.compareRuns
	switch {
	case f.csv != "" && len(f.runs) > 0:
		return errors.New("--run names runs of the results folder; those of a --csv file are named by --candidate")
	case f.csv == "" && len(f.candidates) > 0:
		return errors.New("--candidate names runs of a --csv file; those of the results folder are named by --run")
	case f.csv != "":
		comparison = f.compareCSV
	}
	c, err := comparison(cmd, a)
	if err != nil {
		return err
	}
	if err := writeComparison(cmd.OutOrStdout(), f.format, c); err != nil {
		return err
	}
	switch {
	case c.Verdict == compare.Regressed:
		return &cli.Exit{Code: cli.No}
	case c.Verdict == compare.Inconclusive && !f.allowInconclusive:
		return &cli.Exit{Code: cli.Inconclusive}
	}
	return nil
}

func (f *compareFlags) compareRuns(cmd *cobra.Command, a *app) (c report.Comparison, err error) {
	if len(f.runs) == 0 {
		return c, errors.New("name the runs with --run, or a file with --csv; `analyzer runs list` shows the runs that there are")
	}
	if len(f.baseline) > 1 {
		return c, errors.New("--baseline: name one; several runs are made a baseline by `analyzer baseline set`")
	}
	cfg, err := config.Load(a.configFile)
	if err != nil {
		return c, err
	}
	opts := a.options(cfg)
	opts.SLA, opts.FallbackBaseline = f.sla, cfg.Baseline
	if len(f.baseline) == 1 {
		opts.Baseline = f.baseline[0]
	}
	return a.analyzer().Compare(cmd.Context(), f.runs, opts)
}

func (f *compareFlags) compareCSV(cmd *cobra.Command, _ *app) (c report.Comparison, err error) {
	file := cmd.InOrStdin()
	if f.csv != "-" {
		opened, err := os.Open(f.csv)
		if err != nil {
			return c, err
		}
		defer opened.Close() //nolint:errcheck // it was only read
		file = opened
	}
	table, err := compare.ReadTable(f.csv, file)
	if err != nil {
		return c, err
	}
	if len(f.candidates) == 0 {
		return c, errors.New("name the run or runs that are judged with --candidate")
	}
	baseline, candidates, err := table.Split(f.candidates, f.baseline)
	if err != nil {
		return c, fmt.Errorf("%s: %w", f.csv, err)
	}
	noise := compare.BenchmarkNoise(baseline.Runs, candidates, table.Metrics)
	return tableComparison(compare.Compare(baseline, candidates, table.Metrics, noise)), nil
}

// tableComparison is a comparison of values from elsewhere, which have no targets.
func tableComparison(c compare.Comparison) report.Comparison {
	out := report.Comparison{
		Baseline: c.Baseline, BaselineRuns: c.BaselineRuns, CandidateRuns: c.CandidateRuns,
		Comparable: c.Comparable, Reason: c.Reason, Notes: c.Notes, Verdict: c.Verdict, Deltas: []report.Delta{},
	}
	for _, d := range c.Deltas {
		out.Deltas = append(out.Deltas, report.Delta{
			ID: d.ID, Title: d.Title, Baseline: report.Number(d.Baseline), Actual: report.Number(d.Actual),
			Change: report.Number(d.Change), Low: report.Number(d.Low), High: report.Number(d.High), P: report.Number(d.P),
			Worse: d.Worse.String(), Verdict: d.Verdict, Reason: d.Reason, RunsNeeded: d.RunsNeeded, Detectable: report.Number(d.Detectable),
		})
	}
	return out
}

// comparisonFormats are the forms in which a comparison can be written.
var comparisonFormats = []string{"text", "md", "json"}

func writeComparison(w io.Writer, format string, c report.Comparison) error {
	switch format {
	case "json":
		return report.ComparisonJSON(w, c)
	case "md":
		return report.ComparisonMarkdown(w, c)
	}
	width, terminal := cli.Terminal(w)
	return report.ComparisonTerminal(report.TerminalOptions{Width: width, Colours: terminal && os.Getenv("NO_COLOR") == ""})(w, c)
}
