package main

import (
	"errors"
	"fmt"
	"io/fs"

	"github.com/spf13/cobra"

	"github.com/plumbline/plumbline/internal/config"
	"github.com/plumbline/plumbline/pkg/rules"
	examplerules "github.com/plumbline/plumbline/rules"
)

func newRulesCommand(a *app) *cobra.Command {
	cmd := &cobra.Command{Use: "rules", Short: "Prometheus rules and alerts of the service"}
	cmd.AddCommand(newRulesRenderCommand(a))
	return cmd
}

func newRulesRenderCommand(a *app) *cobra.Command {
	var sla, out, runbooks string
	cmd := &cobra.Command{
		Use:   "render --out DIR",
		Short: "Write recording rules, alerts, burn rates, and their tests",
		Long: `render makes of an SLA a recording rule for every indicator and resource, an alert
for every bound (must is critical, should a warning), and multi-window burn rates for
every share of failures; in DIR/tests what promtool test rules reads; and alerts.md,
to which the alerts' runbook links lead. Without an SLA they are the example's.

A bound that is relative to a baseline has no alert; what is left out is said.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if out == "" {
				return errors.New("say where to with --out DIR")
			}
			cfg, err := config.Load(a.configFile)
			if err != nil {
				return err
			}
			files, left, err := chosenRules(sla, runbooks, cfg)
			if err != nil {
				return err
			}
			for _, l := range left {
				fmt.Fprintf(cmd.ErrOrStderr(), "no alert for %s (%s): %s\n", l.ID, l.Bound, l.Why)
			}
			return writeAll(cmd, out, files)
		},
	}
	fs := cmd.Flags()
	fs.StringVar(&sla, "sla", "", "SLA `file` (default: the configuration's, else the example's)")
	fs.StringVar(&out, "out", "", "`folder` to write to")
	fs.StringVar(&runbooks, "runbooks", "", "`URL` at which alerts.md will be read (default: the example's)")
	return cmd
}

// chosenRules are the rules of an SLA: the file's, else the configuration's, else
// the example's, as they are brought along.
func chosenRules(sla, runbooks string, cfg config.Config) (files []textFile, left []rules.Left, err error) {
	agreement, found, err := agreementOf(sla, cfg)
	if err != nil {
		return nil, nil, err
	}
	if !found {
		files, err = exampleRules()
		return files, nil, err
	}
	set, err := rules.Make(agreement, rules.Options{Runbooks: runbooks})
	if err != nil {
		return nil, nil, err
	}
	made, err := set.Files()
	if err != nil {
		return nil, nil, err
	}
	for _, f := range made {
		files = append(files, textFile{f.Name, f.Text})
	}
	return append(files, textFile{"alerts.md", []byte(set.Document())}), set.Left, nil
}

func exampleRules() (files []textFile, err error) {
	err = fs.WalkDir(examplerules.Files, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := examplerules.Files.ReadFile(path)
		files = append(files, textFile{path, text})
		return err
	})
	return files, err
}
