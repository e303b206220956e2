package main

import (
	"encoding/json"
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/plumbline/plumbline/pkg/run"
)

func newRunsCommand(a *app) *cobra.Command {
	cmd := &cobra.Command{Use: "runs", Short: "The runs that there are"}
	var format string
	list := &cobra.Command{
		Use:   "list",
		Short: "List the runs, the oldest first",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			runs, warnings, err := a.store().List()
			if err != nil {
				return err
			}
			for _, w := range warnings {
				fmt.Fprintln(cmd.ErrOrStderr(), "warning:", w)
			}
			return listRuns(cmd, runs, format)
		},
	}
	list.Flags().StringVar(&format, "format", "text", "text or json")
	cmd.AddCommand(list)
	return cmd
}

func listRuns(cmd *cobra.Command, runs []run.Run, format string) error {
	out := cmd.OutOrStdout()
	switch {
	case format == "json":
		if runs == nil {
			runs = []run.Run{}
		}
		enc := json.NewEncoder(out)
		enc.SetIndent("", "  ")
		return enc.Encode(runs)
	case format != "text":
		return fmt.Errorf("--format %s: there are text and json", format)
	case len(runs) == 0:
		fmt.Fprintln(out, "No runs yet. `analyzer demo` or `loadgen run` makes some.")
		return nil
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "RUN\tSTARTED\tTOOK\tSCENARIO\tPROFILE\tVERSION\tSTATE")
	for _, r := range runs {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", r.ID, r.Window.Start.Local().Format("2006-01-02 15:04:05"), r.Window.Duration().Round(time.Second), r.Scenario, r.Profile, r.Labels["version"], r.State)
	}
	return w.Flush()
}
