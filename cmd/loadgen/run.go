package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/plumbline/plumbline/internal/cli"
	"github.com/plumbline/plumbline/internal/store"
	"github.com/plumbline/plumbline/internal/testrun"
	"github.com/plumbline/plumbline/pkg/loadgen"
	"github.com/plumbline/plumbline/pkg/run"
)

func newRunCommand() *cobra.Command {
	var f runFlags
	cmd := &cobra.Command{
		Use:   "run SCENARIO",
		Short: "Send the load of a scenario to a target, and record the run",
		Long: `run reserves an id, records the target's /metrics and its own with Prometheus'
scraper, sends the load, and leaves the run in the results folder.

With --segment several processes send the load together; docs/distributed.md
says how.

How far it is and the table at the end go to standard error; standard output has
the summary, with --summary -.

The first Ctrl-C ends the test gracefully and keeps the run, the second at once.
Exit codes: 0 done, or stopped by Ctrl-C after something was answered; 1 ended by
--abort-on; 2 nothing could be sent or trouble; 3 the load can't be trusted: the
generator was too slow, or a segment is missing.`,
		Example: `  loadgen run scenario.yaml --profiles profiles.yaml --profile peak --target http://127.0.0.1:8080
  loadgen run scenario.yaml --profiles profiles.yaml --profile peak --target http://127.0.0.1:8080 \
    --abort-on 'error_rate > 50% for 10s' --slow 5s --csv results/peak`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return f.run(cmd, args[0]) },
	}
	f.flags(cmd.Flags())
	return cmd
}

func (f *runFlags) run(cmd *cobra.Command, scenario string) error {
	signal.Ignore(syscall.SIGPIPE) // a reader of the screen that goes away ends no run
	spec, err := f.spec(scenario)
	if err != nil {
		return err
	}
	if shortfall := loadgen.Explain(spec.Scenario, &spec.Profile).Shortfall; shortfall != "" {
		fmt.Fprintln(cmd.ErrOrStderr(), "warning:", shortfall)
	}
	if err := f.trySummary(); err != nil {
		return err
	}
	if err := f.tryBaseline(cmd.ErrOrStderr(), spec.Baseline); err != nil {
		return err
	}
	hard, cancel := secondInterrupt(cmd.Context())
	defer cancel()
	var suspect error
	for n := 1; n <= f.repeat; n++ {
		if f.repeat > 1 {
			spec = f.repetition(spec, n)
			fmt.Fprintf(cmd.ErrOrStderr(), "run %d of %d\n", n, f.repeat)
		}
		r, err := f.one(hard, cmd, spec, n)
		var exit *cli.Exit
		if errors.As(err, &exit) && exit.Code == cli.Inconclusive {
			suspect = err // the others may be better
		} else if err != nil {
			return err
		}
		if n == 1 && spec.Repeat != nil {
			spec.Repeat.Group = r.ID
		}
		if cmd.Context().Err() != nil {
			break
		}
	}
	return suspect
}

// repetition is the spec of the n-th of several runs, which form one group.
func (f *runFlags) repetition(spec testrun.Spec, n int) testrun.Spec {
	repeat := run.Repeat{N: n, Of: f.repeat}
	if spec.Repeat != nil {
		repeat.Group = spec.Repeat.Group
	}
	spec.Repeat = &repeat
	if f.id != "" {
		spec.ID = numbered(f.id, "", n)
	}
	return spec
}

// numbered puts -2 and so on behind the name of what comes again.
func numbered(name, ext string, n int) string {
	if n == 1 {
		return name + ext
	}
	return fmt.Sprintf("%s-%d%s", name, n, ext)
}

// one does one run, and tells what came of it.
func (f *runFlags) one(hard context.Context, cmd *cobra.Command, spec testrun.Spec, n int) (run.Run, error) {
	screen := newScreen(cmd.ErrOrStderr())
	spec.OnWait = func(upTo time.Duration, why error) {
		screen.say(fmt.Sprintf("waiting up to %s: %v", upTo.Round(time.Second), why))
	}
	spec.OnStop = func() {
		screen.say(fmt.Sprintf("stopping: requests in flight may take %s; a second Ctrl-C cuts them off", f.grace))
	}
	spec.OnProgress = screen.progress
	spec.OnWarning = func(text string) { screen.say("warning: " + text) }
	slow := newSlowLog(f.slow, screen.say)
	if f.slow > 0 {
		spec.OnResult = slow.observe
	}
	files, err := f.openCSV(n)
	if err != nil {
		return run.Run{}, err
	}
	defer files.close()
	spec.CSV = files.csv
	r, summary, err := testrun.Execute(cmd.Context(), hard, store.Open(f.results), spec)
	slow.end()
	screen.end()
	if r.State == run.Complete || r.State == run.Aborted { // it is kept
		fmt.Fprintf(screen, "\nrun %s: %s\n", named(r.ID, spec.Segment), stateText(r.State, err))
		if err := errors.Join(f.writeSummary(cmd.OutOrStdout(), r, summary, n), files.finish()); err != nil {
			return r, err
		}
		if err := f.tellLoad(screen, r, summary, spec.Segment, hard.Err() != nil); err != nil {
			return r, err
		}
	}
	return r, exit(r, spec.Segment, summary, err)
}

// tellLoad tells what load there was, if any.
func (f *runFlags) tellLoad(w io.Writer, r run.Run, summary loadgen.Summary, segment loadgen.Segment, interrupted bool) error {
	if summary.Window.IsZero() {
		return nil
	}
	if err := summary.WriteTable(w); err != nil {
		return err
	}
	for _, text := range remarks(summary, f.grace, interrupted) {
		fmt.Fprintln(w, text)
	}
	if segment.Number() == 1 { // which keeps the run
		fmt.Fprintf(w, "\nanalyzer report --run %s --results %s\n", r.ID, f.results)
	}
	return nil
}

// named is a run's id, with the segment that this process sent.
func named(id string, segment loadgen.Segment) string {
	if segment.Of > 1 {
		return fmt.Sprintf("%s, segment %s", id, segment)
	}
	return id
}

// stateText says how a run ended; other errors than the user's stop are told by themselves.
func stateText(state run.State, err error) string {
	var stopped *testrun.ErrStopped
	if errors.As(err, &stopped) {
		return fmt.Sprintf("%s, %v", state, stopped)
	}
	return string(state)
}

// remarks are what the totals don't show.
func remarks(s loadgen.Summary, grace time.Duration, interrupted bool) (all []string) {
	if s.CutOff > 0 {
		text := several(s.CutOff, "request was", "requests were") + " cut off, and not counted"
		if !interrupted {
			text = fmt.Sprintf("%s; --grace gives more time than %s", text, grace)
		}
		all = append(all, text)
	}
	if suspect := s.Validity.Suspect; len(suspect) > 0 {
		text := several(int64(len(suspect)), "window is suspect, ", "windows are suspect, the first ")
		all = append(all, fmt.Sprintf("%sfrom %s to %s: %s", text, suspect[0].Start.UTC().Format(time.TimeOnly), suspect[0].End.UTC().Format(time.TimeOnly),
			strings.Join(suspect[0].Reasons, "; ")))
	}
	return all
}

func several(n int64, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// exit is the error that has the exit code of a run.
func exit(r run.Run, segment loadgen.Segment, summary loadgen.Summary, err error) error {
	reasons := summary.Validity.Reasons
	if segment.Of > 1 && segment.Number() == 1 { // which speaks for all
		reasons = r.Generators.Problems()
	}
	var stopped *testrun.ErrStopped
	var aborted *loadgen.ErrAborted
	switch {
	case errors.As(err, &aborted):
		return &cli.Exit{Code: cli.No, Err: err}
	case errors.As(err, &stopped) && stopped.After > 0 && summary.Requests > 0:
		return nil // the run was kept
	case err != nil:
		return err
	case len(reasons) > 0:
		return &cli.Exit{Code: cli.Inconclusive, Err: fmt.Errorf("run %s: the load can't be trusted: %s", r.ID, strings.Join(reasons, "; "))}
	}
	return nil
}

// tryBaseline says before the load that there is no such baseline yet. It may still
// be made before the report, unless its name can't be one.
func (f *runFlags) tryBaseline(stderr io.Writer, name string) error {
	if name == "" {
		return nil
	}
	if err := run.CheckID(name); err != nil {
		return fmt.Errorf("--baseline: %w", err)
	}
	if _, err := store.Open(f.results).Baseline(name); err != nil {
		fmt.Fprintf(stderr, "warning: %v; the report will want it\n", err)
	}
	return nil
}

// trySummary finds out before the load that there is no place for the summary.
func (f *runFlags) trySummary() error {
	if f.summary == "" || f.summary == "-" {
		return nil
	}
	dir := filepath.Dir(f.summary)
	err := os.MkdirAll(dir, 0o755)
	if err == nil {
		err = writable(dir)
	}
	if info, statErr := os.Stat(f.summary); err == nil && statErr == nil && info.IsDir() {
		err = fmt.Errorf("%s is a folder", f.summary)
	}
	if err != nil {
		return fmt.Errorf("--summary: %w", err)
	}
	return nil
}

// writable makes a file in a folder, and takes it away again.
func writable(dir string) error {
	file, err := os.CreateTemp(dir, ".summary-*")
	if err != nil {
		return err
	}
	return errors.Join(file.Close(), os.Remove(file.Name()))
}

// A summaryFile is a summary, and of what it is.
type summaryFile struct {
	Run      string    `json:"run"`
	Scenario string    `json:"scenario"`
	Profile  string    `json:"profile"`
	State    run.State `json:"state"`
	Reason   string    `json:"reason,omitempty"` // for an early end
	loadgen.Summary
}

// writeSummary writes the summary as JSON where it was asked for.
func (f *runFlags) writeSummary(stdout io.Writer, r run.Run, s loadgen.Summary, n int) error {
	if f.summary == "" {
		return nil
	}
	text, err := json.MarshalIndent(summaryFile{r.ID, r.Scenario, r.Profile, r.State, r.Reason, s}, "", "  ")
	if err != nil {
		return err
	}
	text = append(text, '\n')
	if f.summary == "-" {
		_, err = stdout.Write(text)
		return err
	}
	ext := filepath.Ext(f.summary)
	return store.WriteWhole(numbered(strings.TrimSuffix(f.summary, ext), ext, n), text)
}

// secondInterrupt ends when a second Ctrl-C comes, after the one that ended ctx.
func secondInterrupt(ctx context.Context) (context.Context, context.CancelFunc) {
	hard, cancel := context.WithCancel(context.WithoutCancel(ctx))
	interrupts := make(chan os.Signal, 2)
	signal.Notify(interrupts, cli.Interrupts()...)
	go func() {
		defer signal.Stop(interrupts)
		hungUp := false // the shell and the kernel both tell of it
		for n := 0; n < 2; {
			select {
			case s := <-interrupts:
				if s != syscall.SIGHUP || !hungUp {
					n++
				}
				hungUp = hungUp || s == syscall.SIGHUP
			case <-hard.Done():
				return
			}
		}
		cancel()
	}()
	return hard, cancel
}
