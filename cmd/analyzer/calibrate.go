package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/plumbline/plumbline/internal/analysis"
	"github.com/plumbline/plumbline/internal/cli"
	"github.com/plumbline/plumbline/internal/config"
	"github.com/plumbline/plumbline/internal/store"
	"github.com/plumbline/plumbline/pkg/compare"
	"github.com/plumbline/plumbline/pkg/report"
)

// calibrationLabel marks the runs that a calibration made.
const calibrationLabel = "calibration"

// calibrateFlags are the flags of analyzer calibrate.
type calibrateFlags struct {
	runFilter
	runs                       int
	worse                      []string
	name, sla, loadgen, format string
}

func newCalibrateCommand(a *app) *cobra.Command {
	var f calibrateFlags
	cmd := &cobra.Command{
		Use:   "calibrate (--runs N -- SCENARIO [loadgen's flags] | --label k=v)",
		Short: "Measure how noisy a test is, and how often comparisons of it are wrong",
		Long: `calibrate compares runs of one build with each other, in many ways: whatever is called
regressed there is so falsely. It prints how often that happens and how much each metric
varies, and keeps both for later reports of the same test.

It makes the runs itself, one after the other, with what stands after --:

  analyzer calibrate --runs 20 -- examples/paracle/scenarios/mixed.yaml \
    --profiles examples/paracle/profiles.yaml --profile smoke --target http://127.0.0.1:8080 --sla sla.yaml

or takes runs that the store has and that you know to be of one build:

  analyzer calibrate --label version=v1.0.3 --scenario mixed --profile smoke

With --worse it also says how often a build that you know to be worse, such as one
with a delay built in, is called regressed against that one.`,
		RunE: func(cmd *cobra.Command, args []string) error { return f.calibrate(cmd, a, args) },
	}
	f.flags(cmd)
	fs := cmd.Flags()
	fs.IntVar(&f.runs, "runs", 0, "`number` of runs to make")
	fs.IntVar(&f.last, "last", 0, "only the last `n` of the runs in the store")
	fs.StringSliceVar(&f.worse, "worse", nil, "`label` k=v of runs of a build that is known to be worse; may be repeated")
	fs.StringVar(&f.name, "name", "", "`name` of the calibration (default: the service, scenario and profile)")
	fs.StringVar(&f.sla, "sla", "", "SLA `file` to measure by (default: the copy kept with the last run, else the config's)")
	fs.StringVar(&f.loadgen, "loadgen", "", "the load generator's `program` (default: beside this one, else in PATH)")
	fs.StringVar(&f.format, "format", "text", "text or json")
	return cmd
}

func (f *calibrateFlags) calibrate(cmd *cobra.Command, a *app, args []string) error {
	switch {
	case f.format != "text" && f.format != "json":
		return fmt.Errorf("--format %s: there are text and json", f.format)
	case f.runs > 0 && len(args) == 0:
		return errors.New("--runs: say after -- what to run: a scenario, and loadgen's flags")
	case f.runs <= 0 && len(args) > 0:
		return errors.New("say with --runs how many runs to make")
	case f.runs <= 0 && len(f.labels) == 0:
		return errors.New("name the build: its runs by --label, or make some with --runs N -- SCENARIO …")
	}
	cfg, err := config.Load(a.configFile)
	if err != nil {
		return err
	}
	if f.runs > 0 {
		mark := "C" + time.Now().UTC().Format("20060102T150405")
		f.labels = map[string]string{calibrationLabel: mark}
		if err := f.makeRuns(cmd, a, args, mark); err != nil {
			return err
		}
	}
	all, err := a.summaries(cmd)
	if err != nil {
		return err
	}
	chosen, err := oneTest(f.choose(all))
	if err != nil {
		return err
	}
	worse, err := f.worseBuilds(all)
	if err != nil {
		return err
	}
	build := analysis.Build{Name: first(f.name, calibrationName(chosen)), Runs: idsOf(chosen)}
	opts := a.options(cfg)
	opts.SLA = f.sla
	c, err := a.analyzer().Calibrate(cmd.Context(), build, worse, opts)
	if err != nil {
		return err
	}
	if f.format == "json" {
		return writeJSON(cmd.OutOrStdout(), c)
	}
	return writeCalibration(cmd.OutOrStdout(), c)
}

// worseBuilds are the runs of the builds that are known to be worse.
func (f *calibrateFlags) worseBuilds(all []store.Summary) (builds []analysis.Build, err error) {
	for _, label := range f.worse {
		name, value, ok := strings.Cut(label, "=")
		if !ok {
			return nil, fmt.Errorf("--worse %s: want a label, such as version=v1.0.4", label)
		}
		other := f.runFilter
		other.labels = map[string]string{name: value}
		chosen, err := oneTest(other.choose(all))
		if err != nil {
			return nil, fmt.Errorf("--worse %s: %w", label, err)
		}
		if len(chosen) == 0 {
			return nil, fmt.Errorf("--worse %s: no sound run has this label; `analyzer runs list` shows those that there are", label)
		}
		builds = append(builds, analysis.Build{Name: label, Runs: idsOf(chosen)})
	}
	return builds, nil
}

func idsOf(chosen []store.Summary) (ids []string) {
	for _, s := range chosen {
		ids = append(ids, s.ID)
	}
	return ids
}

// oneTest keeps the sound runs; all must be of one test.
func oneTest(chosen []store.Summary) ([]store.Summary, error) {
	chosen = slices.DeleteFunc(chosen, func(s store.Summary) bool { return !s.Sound })
	for _, s := range chosen {
		if x := chosen[0]; !s.SameTest(x) {
			return nil, fmt.Errorf("runs %s and %s are of different tests: %s/%s/%s and %s/%s/%s; choose with --service, --scenario and --profile",
				x.ID, s.ID, x.Service, x.Scenario, x.Profile, s.Service, s.Scenario, s.Profile)
		}
	}
	return chosen, nil
}

// calibrationName is made of what the runs test.
func calibrationName(chosen []store.Summary) string {
	if len(chosen) == 0 {
		return "none"
	}
	const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_"
	name := strings.Map(func(r rune) rune {
		if !strings.ContainsRune(letters, r) {
			return '-'
		}
		return r
	}, chosen[0].Service+"."+chosen[0].Scenario+"."+chosen[0].Profile)
	name = strings.Trim(name, "._-")
	const longest = 60
	return first(name[:min(len(name), longest)], "calibration")
}

// makeRuns lets the load generator make the runs.
func (f *calibrateFlags) makeRuns(cmd *cobra.Command, a *app, args []string, mark string) error {
	program, err := f.generator()
	if err != nil {
		return err
	}
	results, err := filepath.Abs(a.results)
	if err != nil {
		return err
	}
	for n := 1; n <= f.runs; n++ {
		fmt.Fprintf(cmd.ErrOrStderr(), "run %d of %d\n", n, f.runs)
		line := slices.Concat([]string{"run"}, args, []string{"--results", results, "--label", calibrationLabel + "=" + mark})
		child := exec.CommandContext(cmd.Context(), program, line...)
		child.Stderr = cmd.ErrOrStderr()
		child.Cancel = func() error { return child.Process.Signal(os.Interrupt) }
		var exit *exec.ExitError
		err := child.Run()
		if errors.As(err, &exit) && exit.ExitCode() == cli.Inconclusive {
			continue // the run was kept, and is not used
		} else if err != nil {
			return fmt.Errorf("%s run: %w", program, err)
		}
	}
	return nil
}

// generator finds the load generator.
func (f *calibrateFlags) generator() (string, error) {
	if f.loadgen != "" {
		return f.loadgen, nil
	}
	if self, err := os.Executable(); err == nil {
		beside := filepath.Join(filepath.Dir(self), "loadgen")
		if _, err := os.Stat(beside); err == nil {
			return beside, nil
		}
	}
	path, err := exec.LookPath("loadgen")
	if err != nil {
		return "", fmt.Errorf("%w; name it with --loadgen", err)
	}
	return path, nil
}

func writeCalibration(out io.Writer, c analysis.Calibration) error {
	fmt.Fprintf(out, "calibration %s: %d runs of one build, %s of %s under %s\n\n", c.Name, len(c.Runs), c.Scenario, c.Service, c.Profile)
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "COMPARED\tCOMPARISONS\tFALSELY REGRESSED\t95 % INTERVAL\tINCONCLUSIVE")
	for _, f := range c.FalseAlarms {
		fmt.Fprintf(w, "%d against %d\t%d\t%.1f %%\t%.1f to %.1f %%\t%.1f %%\n", f.Candidates, f.Baseline, f.Comparisons,
			100*float64(f.Rate), 100*float64(f.Low), 100*float64(f.High), 100*float64(f.Inconclusive)/float64(f.Comparisons))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	fmt.Fprintln(out)
	fmt.Fprintln(w, "METRIC\tMEAN\tNOISE BETWEEN RUNS\tSEEN BY 3 AGAINST 5\tDECIDES")
	for _, m := range c.Metrics {
		decides := "no"
		if m.Gating {
			decides = "yes"
		}
		noise, seen := "–", "–"
		switch {
		case m.Counts: // of rare events only multiples are seen
			noise = "by counts"
		case m.SD.Known():
			noise = compare.Percent(float64(m.SD))
		}
		if !m.Counts && m.Detectable.Known() {
			seen = "≥ " + compare.Percent(float64(m.Detectable))
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", m.ID, report.Quantity(m.Mean, m.Unit), noise, seen, decides)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if err := writeDetections(out, w, c.Detections); err != nil {
		return err
	}
	for _, warning := range c.Warnings {
		fmt.Fprintln(out, "warning:", warning)
	}
	return nil
}

// writeDetections says how often worse builds were seen: by the verdict as a whole, and by metric.
func writeDetections(out io.Writer, w *tabwriter.Writer, detections []analysis.Detection) error {
	for _, d := range detections {
		fmt.Fprintf(out, "\n%s is known to be worse: %d runs\n", d.Build, len(d.Runs))
		fmt.Fprintf(w, "%d AGAINST %d\tCHANGE\tCALLED REGRESSED\tINCONCLUSIVE\n", d.Candidates, d.Baseline)
		percent := func(n int) string { return fmt.Sprintf("%.1f %%", 100*float64(n)/float64(d.Comparisons)) }
		fmt.Fprintf(w, "verdict\t\t%s (%.0f to %.0f %%)\t%s\n", percent(d.Regressed), 100*float64(d.Low), 100*float64(d.High), percent(d.Inconclusive))
		for _, m := range d.Metrics {
			fmt.Fprintf(w, "%s\t%+.1f %%\t%s\t%s\n", m.ID, 100*float64(m.Change), percent(m.Regressed), percent(m.Inconclusive))
		}
		if err := w.Flush(); err != nil {
			return err
		}
	}
	return nil
}
