package main

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/plumbline/plumbline/pkg/compare"
	"github.com/plumbline/plumbline/pkg/run"
)

func newBaselineCommand(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "baseline",
		Short: "What runs are held against",
		Long: `A baseline is one run, the last good runs of the same test, or values from a document.
The runs it rests on can't be deleted. When a change against it is the new normal,
accept it: the baseline begins anew there, and remembers why.`,
	}
	cmd.AddCommand(newBaselineSetCommand(a), newBaselineListCommand(a), newBaselineShowCommand(a), newBaselineAcceptCommand(a), newBaselineDeleteCommand(a))
	return cmd
}

// baselineFlags are the flags of analyzer baseline set.
type baselineFlags struct {
	run, values string
	last        int
	labels      map[string]string
}

func newBaselineSetCommand(a *app) *cobra.Command {
	var f baselineFlags
	cmd := &cobra.Command{
		Use:   "set NAME (--run ID | --last N [--label k=v] | --values FILE)",
		Short: "Make a baseline, or put another in its place",
		Long: `set makes a baseline of one run, of the last good runs of the same test under the same
conditions as the run that is judged, or of the values in a file:

  apiVersion: plumbline/v1
  kind: Baseline
  name: v1.0.0
  values: {latency-p95: 890ms, error-rate: 0.23%}`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return f.set(cmd, a, args[0]) },
	}
	fs := cmd.Flags()
	fs.StringVar(&f.run, "run", "", "`id` of the run")
	fs.IntVar(&f.last, "last", 0, "`number` of the last good runs of the same test")
	fs.StringToStringVar(&f.labels, "label", nil, "with --last: label that they have, such as version=v1.0.0; may be repeated")
	fs.StringVar(&f.values, "values", "", "`file` of a baseline with values")
	return cmd
}

func (f *baselineFlags) set(cmd *cobra.Command, a *app, name string) error {
	spec, text, err := f.spec(a, name)
	if err != nil {
		return err
	}
	var before compare.Spec
	if slices.Contains(a.store().Baselines(), name) {
		before, _ = a.store().Baseline(name) //nolint:errcheck // one that can't be read is put right by this
	}
	if err := a.store().SaveBaseline(name, text); err != nil {
		return err
	}
	fmt.Fprintf(cmd.OutOrStdout(), "baseline %s: %s\n", name, describe(spec))
	if n := len(before.Accepted); n > 0 {
		fmt.Fprintf(cmd.OutOrStdout(), "before, it was %s; what was accepted no longer counts\n", describe(before))
	}
	return nil
}

// spec is the baseline that the flags ask for, and its file.
func (f *baselineFlags) spec(a *app, name string) (compare.Spec, []byte, error) {
	given := 0
	for _, set := range []bool{f.run != "", f.last != 0, f.values != ""} {
		if set {
			given++
		}
	}
	switch {
	case given != 1:
		return compare.Spec{}, nil, errors.New("want one of --run, --last and --values")
	case f.last < 0:
		return compare.Spec{}, nil, fmt.Errorf("--last: want a number of runs from 1, got %d", f.last)
	case len(f.labels) > 0 && f.last == 0:
		return compare.Spec{}, nil, errors.New("--label narrows --last, which is not there")
	case f.values != "":
		return valuesSpec(f.values, name)
	}
	spec := compare.Spec{Name: name, Run: f.run, Last: f.last, Labels: f.labels}
	if f.run != "" {
		if _, err := goodRun(a, f.run); err != nil {
			return spec, nil, err
		}
	}
	text, err := spec.Marshal()
	return spec, text, err
}

// goodRun loads a run that others can be held against.
func goodRun(a *app, id string) (run.Run, error) {
	r, err := a.store().Load(id)
	if err != nil {
		return r, err
	}
	if why := compare.Unfit(compare.RunValues{Run: r}); len(why) > 0 {
		return r, fmt.Errorf("run %s: %s; a baseline needs a complete run whose load generators were valid", id, strings.Join(why, "; "))
	}
	return r, nil
}

// acceptable says why a run can't be the first of a baseline's new normal.
func acceptable(cmd *cobra.Command, a *app, spec compare.Spec, id string) error {
	r, err := goodRun(a, id)
	switch {
	case err != nil:
		return err
	case spec.Run != "":
		old, err := a.store().Load(spec.Run)
		if err != nil {
			return err
		}
		if why := compare.Differences(old, r); len(why) > 0 {
			return fmt.Errorf("run %s: it can't be compared with run %s of the baseline: %s; `analyzer baseline set` puts it in its place", id, spec.Run, strings.Join(why, "; "))
		}
	case spec.Last > 0:
		if earlier, err := a.store().Eligible(cmd.Context(), spec, r); err != nil || len(earlier) == 0 {
			return errors.Join(err, fmt.Errorf("run %s: it can't be compared with any earlier run of the baseline, so there is no change to accept", id))
		}
	}
	return nil
}

func valuesSpec(path, name string) (compare.Spec, []byte, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return compare.Spec{}, nil, fmt.Errorf("values: %w", err)
	}
	spec, err := compare.ParseSpec(path, text)
	switch {
	case err != nil:
		return spec, nil, err
	case spec.Values == nil:
		return spec, nil, fmt.Errorf("%s: it has no values", path)
	case spec.Name != name:
		return spec, nil, fmt.Errorf("%s: it is the baseline %s, not %s", path, spec.Name, name)
	}
	return spec, text, nil
}

// describe says in a few words what a baseline is.
func describe(s compare.Spec) string {
	var text string
	switch {
	case s.Run != "":
		text = "run " + s.Run
	case s.Values != nil:
		text = fmt.Sprintf("%d declared values", len(s.Values))
	default:
		text = fmt.Sprintf("the last %d good runs of the same test", s.Last)
		if len(s.Labels) > 0 {
			text += " with " + labelsText(s.Labels)
		}
	}
	if n := len(s.Accepted); n > 0 {
		text += fmt.Sprintf(", since run %s was accepted (%s)", s.Accepted[n-1].Run, s.Accepted[n-1].Reason)
	}
	return text
}

func labelsText(labels map[string]string) string {
	var parts []string
	for name, value := range labels {
		parts = append(parts, name+"="+value)
	}
	slices.Sort(parts)
	return strings.Join(parts, " ")
}

func newBaselineListCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "List the baselines",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			names := a.store().Baselines()
			if len(names) == 0 {
				fmt.Fprintln(cmd.OutOrStdout(), "No baselines yet. `analyzer baseline set NAME --run ID` makes one.")
				return nil
			}
			w := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
			fmt.Fprintln(w, "BASELINE\tIS")
			for _, name := range names {
				spec, err := a.store().Baseline(name)
				if err != nil {
					fmt.Fprintf(w, "%s\tcan't be read: %s\n", name, strings.ReplaceAll(err.Error(), "\n", "; "))
					continue
				}
				fmt.Fprintf(w, "%s\t%s\n", name, describe(spec))
			}
			return w.Flush()
		},
	}
}

func newBaselineShowCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "show NAME",
		Short: "Show a baseline, and the runs it rests on today",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			spec, err := a.store().Baseline(args[0])
			if err != nil {
				return err
			}
			text, err := spec.Marshal()
			if err != nil {
				return err
			}
			fmt.Fprint(cmd.OutOrStdout(), string(text))
			pins, err := a.store().Pins(cmd.Context())
			if err != nil {
				return err
			}
			var on []string
			for id, by := range pins {
				if slices.Contains(by, args[0]) {
					on = append(on, id)
				}
			}
			slices.Sort(on)
			if len(on) > 0 {
				fmt.Fprintln(cmd.OutOrStdout(), "# rests on", strings.Join(on, ", "))
			}
			return nil
		},
	}
}

func newBaselineAcceptCommand(a *app) *cobra.Command {
	var id, reason string
	cmd := &cobra.Command{
		Use:   "accept NAME --run ID --reason TEXT",
		Short: "Accept a change: the baseline begins anew with the run",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			name := args[0]
			if id == "" {
				return errors.New("name a run with --run; `analyzer runs list` shows those that there are")
			}
			if !slices.Contains(a.store().Baselines(), name) {
				_, err := a.store().Baseline(name)
				return errors.Join(err, fmt.Errorf("baseline %s: there is none to begin anew; `analyzer baseline set` makes one", name))
			}
			spec, err := a.store().Baseline(name)
			if err != nil {
				return err
			}
			if err := acceptable(cmd, a, spec, id); err != nil {
				return err
			}
			if spec, err = spec.Accept(compare.Acceptance{Run: id, Reason: reason, At: time.Now().UTC().Truncate(time.Second)}); err != nil {
				return err
			}
			text, err := spec.Marshal()
			if err != nil {
				return err
			}
			if err := a.store().SaveBaseline(name, text); err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "baseline %s: %s\n", name, describe(spec))
			return nil
		},
	}
	cmd.Flags().StringVar(&id, "run", "", "`id` of the first run of the new normal")
	cmd.Flags().StringVar(&reason, "reason", "", "why the change is accepted")
	return cmd
}

func newBaselineDeleteCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "delete NAME",
		Short: "Delete a baseline; its runs stay",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := a.store().DeleteBaseline(args[0]); err != nil {
				return err
			}
			fmt.Fprintln(cmd.OutOrStdout(), "deleted baseline", args[0])
			return nil
		},
	}
}
