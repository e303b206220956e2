package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"gopkg.in/yaml.v3"

	"github.com/plumbline/plumbline/dashboards"
	"github.com/plumbline/plumbline/internal/config"
	"github.com/plumbline/plumbline/internal/grafana"
	"github.com/plumbline/plumbline/internal/store"
	"github.com/plumbline/plumbline/pkg/dashboard"
	"github.com/plumbline/plumbline/pkg/promql"
	"github.com/plumbline/plumbline/pkg/promql/catalog"
	"github.com/plumbline/plumbline/pkg/slo"
)

// Where things go in Grafana.
const (
	folderUID     = "plumbline"
	folderTitle   = "Plumbline"
	newDataSource = "plumbline-prometheus"
)

func newDashboardsCommand(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "dashboards",
		Short: "Grafana dashboards of the service",
		Long: `The dashboards are made from the SLA, so that they show what is scored, with its
bounds as lines. Without an SLA they are those of the example service.`,
	}
	cmd.AddCommand(newProvisionCommand(a), newDashboardsRenderCommand(a), newSnapshotCommand(a))
	return cmd
}

// provisionFlags are the flags of analyzer dashboards provision.
type provisionFlags struct {
	grafanaFlags
	sla, dataSource string
	runs            []string
	scrape          time.Duration
	dryRun, force   bool
}

func newProvisionCommand(a *app) *cobra.Command {
	var f provisionFlags
	cmd := &cobra.Command{
		Use:   "provision --grafana URL",
		Short: "Bring folder, data source and dashboards into a Grafana",
		Long: `provision brings into a Grafana (9 or newer) a folder, a data source for the
Prometheus unless it has one, the dashboards, and for each --run an annotation over
its window with the verdict. Doing it again changes nothing. What a person changed
there is kept, and said, unless --force is given. When a step fails, what was done
before it is printed.

Grafana is told who asks by a service account's token or by user and password, from
a file or the environment (` + tokenVariable + `, ` + passwordVariable + `), or
by grafana: {http_config: …} in the configuration. Making a data source takes the
role Admin, all else Editor.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return f.provision(cmd, a) },
	}
	f.add(cmd)
	fs := cmd.Flags()
	fs.StringVar(&f.sla, "sla", "", "SLA `file` (default: the configuration's, else the example's)")
	fs.StringVar(&f.dataSource, "datasource", "", "`uid` of a data source that is there (default: the one for --prometheus, made if need be)")
	fs.StringSliceVar(&f.runs, "run", nil, "`ids` of runs to annotate")
	fs.DurationVar(&f.scrape, "scrape", 15*time.Second, "`interval` at which the Prometheus scrapes, for a data source that is made")
	fs.BoolVar(&f.dryRun, "dry-run", false, "change nothing, and show what would be")
	fs.BoolVar(&f.force, "force", false, "overwrite what a person changed")
	return cmd
}

func (f *provisionFlags) provision(cmd *cobra.Command, a *app) error {
	cfg, err := config.Load(a.configFile)
	if err != nil {
		return err
	}
	boards, err := chosenBoards(f.sla, cfg, f.reports)
	if err != nil {
		return err
	}
	prometheus := promql.Public(cmp.Or(a.prometheus, cfg.Prometheus.URL))
	if f.dataSource == "" && prometheus == "" {
		return errors.New("dashboards: say which Prometheus they ask: --datasource UID of one that Grafana has, or --prometheus URL, as Grafana reaches it")
	}
	client, err := f.dial(cmd.Context(), cfg)
	if err != nil {
		return err
	}
	plan := grafana.Plan{
		Folder:     grafana.Folder{UID: folderUID, Title: folderTitle},
		DataSource: grafana.DataSource{UID: f.dataSource, Name: newDataSource, URL: prometheus, Scrape: f.scrape},
		Force:      f.force, DryRun: f.dryRun,
	}
	for _, b := range boards {
		plan.Dashboards = append(plan.Dashboards, b.model)
	}
	steps, err := client.Provision(plan)
	for _, id := range f.runs {
		if err != nil {
			break
		}
		var step grafana.Step
		if step, err = f.mark(cmd.Context(), a, cfg, client, id); err == nil {
			steps = append(steps, step)
		}
	}
	showSteps(cmd.OutOrStdout(), steps, f.dryRun)
	return err
}

// mark judges a run and marks it.
func (f *provisionFlags) mark(ctx context.Context, a *app, cfg config.Config, client *grafana.Client, id string) (grafana.Step, error) {
	opts := a.options(cfg) // --prometheus is what Grafana asks; a run has its own source
	opts.Prometheus, opts.SLA, opts.FallbackBaseline = "", f.sla, cfg.Baseline
	opts.Dashboard = f.shows(cfg)
	r, err := a.analyzer().Report(ctx, id, opts)
	if err != nil {
		return grafana.Step{}, err
	}
	return f.annotate(client, r, f.dryRun)
}

// A boardFile is a dashboard and the name of its file.
type boardFile struct {
	name  string
	model map[string]any
}

// chosenBoards are the dashboards of an SLA: the file's, else the configuration's,
// else the example's, as they are brought along.
func chosenBoards(sla string, cfg config.Config, reports string) (boards []boardFile, err error) {
	agreement, found, err := agreementOf(sla, cfg)
	switch {
	case err != nil:
		return nil, err
	case found:
		for _, d := range dashboard.All(agreement, presetOf(cfg)) {
			boards = append(boards, boardFile{d.File, d.Model})
		}
	default:
		if boards, err = broughtAlong(); err != nil {
			return nil, err
		}
	}
	if reports != "" {
		for _, b := range boards {
			dashboard.SetReports(b.model, strings.TrimSuffix(reports, "/"))
		}
	}
	return boards, nil
}

// broughtAlong are the example's dashboards.
func broughtAlong() (boards []boardFile, err error) {
	names, err := fs.Glob(dashboards.Files, "*.json")
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		text, err := dashboards.Files.ReadFile(name)
		if err != nil {
			return nil, err
		}
		b := boardFile{name: name}
		if err := json.Unmarshal(text, &b.model); err != nil {
			return nil, fmt.Errorf("dashboards: %s: %w", name, err)
		}
		boards = append(boards, b)
	}
	return boards, nil
}

// agreementOf reads the SLA that was named, here or in the configuration.
func agreementOf(file string, cfg config.Config) (a slo.Agreement, found bool, err error) {
	if file = cmp.Or(file, cfg.SLA); file == "" {
		return a, false, nil
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return a, false, err
	}
	a, err = slo.Parse(file, text)
	return a, true, err
}

// presetOf is how the service's series are named; the guide's way when nothing is said.
func presetOf(cfg config.Config) catalog.Preset {
	if p, known := catalog.Named(cfg.Preset); known {
		return p
	}
	return catalog.Presets[0]
}

func newDashboardsRenderCommand(a *app) *cobra.Command {
	var sla, out, path, reports string
	cmd := &cobra.Command{
		Use:   "render --out DIR",
		Short: "Write the dashboards as files, with what Grafana needs to provision them",
		Long: `render writes the dashboards to DIR/dashboards, and what Grafana reads at its start
to DIR/provisioning: copy the one to where --path says, the other to Grafana's own
folder provisioning.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if out == "" {
				return errors.New("say where to with --out DIR")
			}
			cfg, err := config.Load(a.configFile)
			if err != nil {
				return err
			}
			boards, err := chosenBoards(sla, cfg, reports)
			if err != nil {
				return err
			}
			files, err := provisioning(boards, path, promql.Public(cmp.Or(a.prometheus, cfg.Prometheus.URL)))
			if err != nil {
				return err
			}
			return writeAll(cmd, out, files)
		},
	}
	fs := cmd.Flags()
	fs.StringVar(&sla, "sla", "", "SLA `file` (default: the configuration's, else the example's)")
	fs.StringVar(&out, "out", "", "`folder` to write to")
	fs.StringVar(&path, "path", "/var/lib/grafana/dashboards/plumbline", "`folder` in which Grafana will find the dashboards")
	fs.StringVar(&reports, "reports", "", "`URL` under which runs/ID/report.html is served, for links to reports")
	return cmd
}

// A textFile is a file to be written.
type textFile struct {
	name string
	text []byte
}

// provisioning are the files by which Grafana provisions dashboards at its start,
// and the data source where the Prometheus is known.
func provisioning(boards []boardFile, path, prometheus string) (files []textFile, err error) {
	type object = map[string]any
	for _, b := range boards {
		text, err := dashboard.JSON(b.model)
		if err != nil {
			return nil, err
		}
		files = append(files, textFile{"dashboards/" + b.name, text})
	}
	configs := []struct {
		name  string
		value object
	}{{"dashboards", object{"apiVersion": 1, "providers": []object{{"name": "plumbline", "folder": folderTitle, "folderUid": folderUID, "type": "file", "allowUiUpdates": true, "options": object{"path": path}}}}}}
	if prometheus != "" {
		configs = append(configs, struct {
			name  string
			value object
		}{"datasources", object{"apiVersion": 1, "datasources": []object{{"name": newDataSource, "uid": newDataSource, "type": "prometheus", "access": "proxy", "url": prometheus, "jsonData": object{"httpMethod": "POST"}}}}})
	}
	for _, c := range configs {
		text, err := yaml.Marshal(c.value)
		if err != nil {
			return nil, err
		}
		files = append(files, textFile{"provisioning/" + c.name + "/plumbline.yaml", text})
	}
	return files, nil
}

// writeAll writes files below a folder and names them.
func writeAll(cmd *cobra.Command, dir string, files []textFile) error {
	for _, f := range files {
		path := filepath.Join(dir, f.name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := store.WriteWhole(path, f.text); err != nil {
			return err
		}
		fmt.Fprintln(cmd.OutOrStdout(), path)
	}
	return nil
}

// snapshotFlags are the flags of analyzer dashboards snapshot.
type snapshotFlags struct {
	grafanaFlags
	run, board, sla, out string
	expires              time.Duration
}

func newSnapshotCommand(a *app) *cobra.Command {
	var f snapshotFlags
	cmd := &cobra.Command{
		Use:   "snapshot --run ID",
		Short: "Keep a dashboard with a run's data in it",
		Long: `snapshot fills a dashboard with the data of a run, from its recording, so that it
shows the run after every Prometheus has forgotten it: as a snapshot in Grafana, or
with --out as a file that can be imported into any.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return f.snapshot(cmd, a) },
	}
	f.add(cmd)
	fs := cmd.Flags()
	fs.StringVar(&f.run, "run", "", "`id` of the run")
	fs.StringVar(&f.board, "dashboard", "performance-baseline", "`name` of the dashboard")
	fs.StringVar(&f.sla, "sla", "", "SLA `file` (default: the copy kept with the run, else the config's)")
	fs.StringVar(&f.out, "out", "", "`file` to write instead; Grafana isn't asked then")
	fs.DurationVar(&f.expires, "expires", 0, "`time` after which Grafana drops the snapshot; 0: never")
	return cmd
}

func (f *snapshotFlags) snapshot(cmd *cobra.Command, a *app) error {
	if f.run == "" {
		return errors.New("name a run with --run; `analyzer runs list` shows those that there are")
	}
	cfg, err := config.Load(a.configFile)
	if err != nil {
		return err
	}
	model, err := f.filled(cmd.Context(), a, cfg)
	if err != nil {
		return err
	}
	if f.out != "" {
		text, err := dashboard.JSON(model)
		if err != nil {
			return err
		}
		dir, name := filepath.Split(f.out)
		return writeAll(cmd, dir, []textFile{{name, text}})
	}
	client, err := f.dial(cmd.Context(), cfg)
	if err != nil {
		return err
	}
	url, err := client.Snapshot(model, f.expires)
	if err != nil {
		return err
	}
	fmt.Fprintln(cmd.OutOrStdout(), url)
	return nil
}

// filled is the dashboard with the run's data in it.
func (f *snapshotFlags) filled(ctx context.Context, a *app, cfg config.Config) (map[string]any, error) {
	opts := a.options(cfg)
	opts.SLA = f.sla
	opened, err := a.analyzer().Open(ctx, f.run, opts)
	if err != nil {
		return nil, err
	}
	defer opened.Close()
	boards := dashboard.All(opened.Agreement, presetOf(cfg))
	i := slices.IndexFunc(boards, func(d dashboard.Dashboard) bool { return d.Name() == f.board })
	if i < 0 {
		var names []string
		for _, d := range boards {
			names = append(names, d.Name())
		}
		return nil, fmt.Errorf("--dashboard %s: there are %s", f.board, strings.Join(names, ", "))
	}
	return boards[i].Snapshot(ctx, dashboard.View{Querier: opened.Querier, Run: opened.Run})
}
