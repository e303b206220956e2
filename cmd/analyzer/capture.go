package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/plumbline/plumbline/internal/analysis"
	"github.com/plumbline/plumbline/internal/config"
)

func newCaptureCommand(a *app) *cobra.Command {
	var id, sla string
	var c analysis.Capture
	cmd := &cobra.Command{
		Use:   "capture --run ID",
		Short: "Copy a run's series from a Prometheus into a recording of its own",
		Long: `capture copies what the report on a run reads from the Prometheus that holds it
into a recording beside the run, so that the report can be made again when the
server has forgotten: the series of the run's SLA, those of loadgen, and up.
They come by remote read, as the server stores them; from a server without it
they come as PromQL shows them, with a warning.

The recording is there whole or not at all. Done twice, capture changes nothing;
it replaces a recording only with --force.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if id == "" {
				return errors.New("name a run with --run; `analyzer runs list` shows those that there are")
			}
			cfg, err := config.Load(a.configFile)
			if err != nil {
				return err
			}
			c.Options = a.options(cfg)
			c.SLA = sla
			done, err := a.analyzer().Capture(cmd.Context(), id, c)
			for _, w := range done.Warnings {
				fmt.Fprintln(cmd.ErrOrStderr(), "warning:", w)
			}
			switch {
			case err != nil:
				return err
			case done.Already:
				fmt.Fprintf(cmd.OutOrStdout(), "%s has its recording already; --force captures it again.\n", id)
			default:
				fmt.Fprintf(cmd.OutOrStdout(), "%s: %d samples of %d series captured from %s.\n", id, done.Samples, done.Series, done.Source)
			}
			return nil
		},
	}
	fs := cmd.Flags()
	fs.StringVar(&id, "run", "", "`id` of the run")
	fs.StringVar(&sla, "sla", "", "SLA `file` whose series are captured (default: the copy kept with the run, else the config's)")
	fs.BoolVar(&c.All, "all", false, "capture every series that the server has")
	fs.StringArrayVar(&c.Match, "match", nil, "capture these as well: a `selector` such as node_load1 or {job=\"db\"}; may be repeated")
	fs.BoolVar(&c.Force, "force", false, "replace a recording that the run has")
	return cmd
}
