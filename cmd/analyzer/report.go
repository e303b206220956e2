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

	"github.com/spf13/cobra"

	"github.com/plumbline/plumbline/internal/cli"
	"github.com/plumbline/plumbline/internal/config"
	"github.com/plumbline/plumbline/internal/grafana"
	"github.com/plumbline/plumbline/internal/store"
	"github.com/plumbline/plumbline/pkg/compare"
	"github.com/plumbline/plumbline/pkg/report"
	"github.com/plumbline/plumbline/pkg/slo"
)

// reportFlags are the flags of analyzer report.
type reportFlags struct {
	run, sla, baseline, out              string
	formats                              []string
	allowInconclusive, requireComparison bool
	annotate                             bool
	grafana                              grafanaFlags
}

func newReportCommand(a *app) *cobra.Command {
	var f reportFlags
	cmd := &cobra.Command{
		Use:   "report --run ID",
		Short: "Report on a run",
		Long: `report measures a run, judges it by its SLA and holds it against its baseline.
Of a run without an SLA it shows what its load generator saw; --sla has it judged.

The format term, which is the default, shows the report here. One of md, json and junit
goes to standard output, unless --out names a folder; html and pdf, and several of them at
once, go to files beside the run, or in --out: report.md, report.xml of junit, and so on.

With --annotate it also marks the run's window, with the verdict, in Grafana.

Exit codes: 0 pass or warn, 1 fail, 2 trouble, 3 inconclusive.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return f.report(cmd, a) },
	}
	fs := cmd.Flags()
	fs.StringVar(&f.run, "run", "", "`id` of the run")
	fs.StringSliceVar(&f.formats, "format", []string{"term"}, "`formats`: "+strings.Join(formatNames(), ", "))
	fs.StringVar(&f.sla, "sla", "", "SLA `file` (default: the copy kept with the run, else the config's)")
	fs.StringVar(&f.baseline, "baseline", "", "`name` of a baseline or id of a run (default: the run's own, else the config's)")
	fs.StringVar(&f.out, "out", "", "`folder` for the files (default: the run's)")
	fs.BoolVar(&f.allowInconclusive, "allow-inconclusive", false, "exit code 0 when inconclusive")
	fs.BoolVar(&f.requireComparison, "require-comparison", false, "let a regression, or a baseline that can't be compared with, count in the exit code")
	fs.BoolVar(&f.annotate, "annotate", false, "mark the run and its verdict in Grafana")
	f.grafana.add(cmd)
	return cmd
}

func formatNames() (names []string) {
	for _, f := range report.Formats {
		names = append(names, f.Name)
	}
	return names
}

func (f *reportFlags) report(cmd *cobra.Command, a *app) error {
	formats, err := f.chosen()
	if err != nil {
		return err
	}
	if f.run == "" {
		return errors.New("name a run with --run; `analyzer runs list` shows those that there are")
	}
	cfg, err := config.Load(a.configFile)
	if err != nil {
		return err
	}
	opts := a.options(cfg)
	opts.SLA, opts.Baseline, opts.FallbackBaseline = f.sla, f.baseline, cfg.Baseline
	opts.Dashboard = f.grafana.shows(cfg)
	r, err := a.analyzer().Report(cmd.Context(), f.run, opts)
	if err != nil {
		return err
	}
	if err := f.write(cmd, a, formats, r); err != nil {
		return err
	}
	if f.annotate {
		if err := f.mark(cmd, cfg, r); err != nil {
			return err
		}
	}
	return f.exit(r)
}

// mark annotates the run in Grafana. What it did goes to stderr: the report is on stdout.
func (f *reportFlags) mark(cmd *cobra.Command, cfg config.Config, r report.Report) error {
	client, err := f.grafana.dial(cmd.Context(), cfg)
	if err != nil {
		return err
	}
	step, err := f.grafana.annotate(client, r, false)
	if err != nil {
		return err
	}
	showSteps(cmd.ErrOrStderr(), []grafana.Step{step}, false)
	return nil
}

// chosen finds the formats that were asked for.
func (f *reportFlags) chosen() ([]report.Format, error) {
	if len(f.formats) == 0 {
		return nil, fmt.Errorf("--format: name one or more of %s", strings.Join(formatNames(), ", "))
	}
	var formats []report.Format
	for _, name := range f.formats {
		i := slices.IndexFunc(report.Formats, func(f report.Format) bool { return f.Name == name })
		if i < 0 {
			return nil, fmt.Errorf("--format %s: there are %s", name, strings.Join(formatNames(), ", "))
		}
		formats = append(formats, report.Formats[i])
	}
	if f.out != "" && !slices.ContainsFunc(formats, isFile) {
		return nil, errors.New("--out: name the formats of the files as well, such as --format html,pdf")
	}
	return formats, nil
}

// isFile tells the formats of files from that of the terminal.
func isFile(f report.Format) bool { return f.Extension != "" }

func (f *reportFlags) write(cmd *cobra.Command, a *app, formats []report.Format, r report.Report) error {
	stdout := cmd.OutOrStdout()
	if one := formats[0]; len(formats) == 1 && isFile(one) && !one.Opened && f.out == "" {
		return one.Render(stdout, r)
	}
	files := slices.DeleteFunc(slices.Clone(formats), func(f report.Format) bool { return !isFile(f) })
	if len(files) < len(formats) {
		if err := showOnTerminal(stdout, r); err != nil {
			return err
		}
	}
	if len(files) == 0 {
		return nil
	}
	dir := f.out
	if dir == "" {
		dir = a.store().Dir(r.Run.ID)
	}
	paths, err := writeFiles(dir, files, r)
	for _, p := range paths {
		fmt.Fprintln(stdout, p)
	}
	return err
}

func showOnTerminal(w io.Writer, r report.Report) error {
	width, terminal := cli.Terminal(w)
	return report.Terminal(report.TerminalOptions{Width: width, Colours: terminal && os.Getenv("NO_COLOR") == ""})(w, r)
}

// writeFiles writes report.* in each format, whole or not at all.
func writeFiles(dir string, formats []report.Format, r report.Report) (paths []string, err error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("report: %w", err)
	}
	for _, f := range formats {
		if !isFile(f) {
			continue
		}
		var text bytes.Buffer
		if err := f.Render(&text, r); err != nil {
			return paths, fmt.Errorf("report as %s: %w", f.Name, err)
		}
		path := filepath.Join(dir, "report."+f.Extension)
		if err := store.WriteWhole(path, text.Bytes()); err != nil {
			return paths, fmt.Errorf("report: %w", err)
		}
		paths = append(paths, path)
	}
	return paths, nil
}

// exit turns the verdict into an exit code.
func (f *reportFlags) exit(r report.Report) error {
	regressed := r.Comparison != nil && r.Comparison.Verdict == compare.Regressed
	untold := r.Comparison == nil || r.Comparison.Verdict == compare.Inconclusive
	switch {
	case r.Verdict == slo.Fail, f.requireComparison && regressed:
		return &cli.Exit{Code: cli.No}
	case (r.Verdict == slo.Inconclusive || f.requireComparison && untold) && !f.allowInconclusive:
		return &cli.Exit{Code: cli.Inconclusive}
	}
	return nil
}
