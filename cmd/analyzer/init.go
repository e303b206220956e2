package main

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/plumbline/plumbline/internal/config"
	"github.com/plumbline/plumbline/internal/draft"
	"github.com/plumbline/plumbline/internal/store"
	"github.com/plumbline/plumbline/pkg/promql"
)

func newInitCommand(a *app) *cobra.Command {
	var out string
	var force bool
	cmd := &cobra.Command{
		Use:   "init --prometheus URL",
		Short: "Draft configuration and SLA from what a live Prometheus has",
		Long: `init looks at what a live Prometheus has of a service, by whichever of the known
habits its metrics are named, and drafts plumbline.yaml and sla.yaml: objectives
for throughput, latency and errors, and the resources that exporters tell about,
each with its current value and a proposed bound as a comment. Bounds are left
to you. It overwrites nothing without --force.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return initialise(cmd, a, out, force) },
	}
	cmd.Flags().StringVar(&out, "out", ".", "`folder` for the files")
	cmd.Flags().BoolVar(&force, "force", false, "overwrite files that are there")
	return cmd
}

func initialise(cmd *cobra.Command, a *app, out string, force bool) error {
	paths := []string{filepath.Join(out, config.DefaultFile), filepath.Join(out, "sla.yaml")}
	if err := refuseToOverwrite(paths, force); err != nil {
		return err
	}
	cfg, err := config.Load(a.configFile)
	if err != nil {
		return err
	}
	url := cmp.Or(a.prometheus, cfg.Prometheus.URL)
	if url == "" {
		return errors.New("init: name a server with --prometheus URL")
	}
	client, err := promql.NewClient(url, *cfg.Prometheus.HTTP())
	if err != nil {
		return err
	}
	d, err := draft.Make(cmd.Context(), client, url, time.Now())
	if err != nil {
		return err
	}
	if err := os.MkdirAll(out, 0o755); err != nil {
		return fmt.Errorf("init: %w", err)
	}
	for i, text := range []string{d.Config, d.SLA} {
		if err := store.WriteWhole(paths[i], []byte(text)); err != nil {
			return fmt.Errorf("init: %w", err)
		}
	}
	return showDraft(cmd, d, paths)
}

func refuseToOverwrite(paths []string, force bool) error {
	var there []string
	for _, p := range paths {
		if _, err := os.Stat(p); err == nil {
			there = append(there, p)
		}
	}
	if len(there) > 0 && !force {
		return fmt.Errorf("init: %s already there; name another folder with --out, or overwrite with --force", strings.Join(there, " and "))
	}
	return nil
}

func showDraft(cmd *cobra.Command, d draft.Draft, paths []string) error {
	w := cmd.OutOrStdout()
	for _, n := range d.Notes {
		fmt.Fprintln(cmd.ErrOrStderr(), "note:", n)
	}
	for _, p := range paths {
		fmt.Fprintln(w, p)
	}
	then := "analyzer check"
	if paths[0] != config.DefaultFile {
		then += " --config " + paths[0]
	}
	_, err := fmt.Fprintf(w, "Service %s, named as by %s. Set the bounds in %s, then: %s\n", d.Service, d.Preset.Title, paths[1], then)
	return err
}
