package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/plumbline/plumbline/internal/check"
	"github.com/plumbline/plumbline/internal/cli"
	"github.com/plumbline/plumbline/internal/config"
	"github.com/plumbline/plumbline/pkg/promql"
	"github.com/plumbline/plumbline/pkg/promql/catalog"
	"github.com/plumbline/plumbline/pkg/promql/lint"
	"github.com/plumbline/plumbline/pkg/run"
)

// checkFlags are the flags of analyzer check.
type checkFlags struct {
	format         string
	scrape, window time.Duration
	offline        bool
}

func newCheckCommand(a *app) *cobra.Command {
	var f checkFlags
	cmd := &cobra.Command{
		Use:   "check [FILE…]",
		Short: "Say what is wrong with SLA, rules, dashboards and their queries",
		Long: `check reads SLA files, Prometheus rules, Grafana dashboards (JSON), scenarios,
profiles, baselines and the configuration, each told by what it holds, and names
every mistake in them and in their queries as file:line:column, with the rule's
id; docs/lint.md explains the rules. Without FILE it checks the configuration
and the files that it names. A file that is none of these is said so at the end,
with exit code 2; the others are checked all the same.

With --prometheus, or the configuration's, it also asks the server which of the
series and labels are missing, and what is there instead.

Exit codes: 0 no errors (there may be warnings), 1 errors, 2 trouble.`,
		RunE: func(cmd *cobra.Command, args []string) error { return f.check(cmd, a, args) },
	}
	fs := cmd.Flags()
	fs.StringVar(&f.format, "format", "text", "text or json")
	fs.DurationVar(&f.scrape, "scrape", 0, "`interval` of the scrapes (default: the server's, else 15s)")
	fs.DurationVar(&f.window, "window", 30*time.Minute, "`time` up to now in which the server is asked for series")
	fs.BoolVar(&f.offline, "offline", false, "ask no server, even if the configuration names one")
	return cmd
}

func (f *checkFlags) check(cmd *cobra.Command, a *app, files []string) error {
	if f.format != "text" && f.format != "json" {
		return fmt.Errorf("--format %s: there are text and json", f.format)
	}
	cfg, err := config.Load(a.configFile)
	if err != nil && len(files) > 0 {
		return err // with no files, its mistakes are among the finds
	}
	if files, err = filesToCheck(files, a.configFile, cfg); err != nil {
		return err
	}
	c := check.Checker{Scrape: f.scrape}
	found := checked{Files: files, Finds: []check.Find{}}
	if url := cmp.Or(a.prometheus, cfg.Prometheus.URL); url != "" && !f.offline {
		if found.Presets, err = f.goLive(cmd, &c, url, cfg); err != nil {
			return err
		}
	}
	finds, err := c.Files(cmd.Context(), files...)
	found.Finds = append(found.Finds, finds...)
	if err != nil {
		found.Trouble = err.Error()
	}
	if shown := found.show(cmd.OutOrStdout(), f.format); err == nil {
		return shown
	}
	return err // outweighs the errors that were found
}

// filesToCheck are those that were named, else the configuration and those that it names.
func filesToCheck(files []string, configFile string, cfg config.Config) ([]string, error) {
	if len(files) > 0 {
		return files, nil
	}
	if _, err := os.Stat(configFile); err != nil {
		return nil, fmt.Errorf("name files to check; there is no %s that would name them", configFile)
	}
	files = []string{configFile}
	for _, f := range []string{cfg.SLA, cfg.Profiles} {
		if f != "" {
			files = append(files, f)
		}
	}
	return files, nil
}

// goLive lets the Checker ask a server, and tells whose names its series have.
func (f *checkFlags) goLive(cmd *cobra.Command, c *check.Checker, url string, cfg config.Config) ([]string, error) {
	client, err := promql.NewClient(url, *cfg.Prometheus.HTTP())
	if err != nil {
		return nil, err
	}
	now := time.Now()
	if c.Scrape == 0 {
		if c.Scrape, err = promql.ScrapeInterval(cmd.Context(), client, now); err != nil {
			return nil, err
		}
	}
	c.Live = &lint.Live{
		Meter:  promql.NewMeter(client, max(c.Scrape, time.Second)),
		Window: run.Window{Start: now.Add(-f.window), End: now},
	}
	if _, err := c.Live.Metrics(cmd.Context()); err != nil {
		return nil, err
	}
	var names []string
	for _, m := range catalog.Recognise(c.Live.Known) {
		names = append(names, m.Name)
	}
	if cfg.Preset == "" && len(names) > 0 {
		cfg.Preset = names[0]
	}
	if p, known := catalog.Named(cfg.Preset); known {
		c.Live.Instead = func(metric string) string {
			if name := p.Counterpart(metric); c.Live.Known(name) {
				return name
			}
			return ""
		}
	}
	return names, nil
}

// checked is what a check found.
type checked struct {
	Files   []string     `json:"files"`
	Presets []string     `json:"presets,omitempty"` // whose names the server's series have, the best first
	Finds   []check.Find `json:"finds"`
	Trouble string       `json:"trouble,omitempty"` // why not all of it was checked
}

func (c checked) show(w io.Writer, format string) error {
	count := map[lint.Severity]int{}
	for _, f := range c.Finds {
		count[f.Severity]++
	}
	var err error
	if format == "json" {
		enc := json.NewEncoder(w)
		enc.SetIndent("", "  ")
		err = enc.Encode(c)
	} else {
		c.text(w, count)
	}
	if count[lint.Error] > 0 {
		return errors.Join(err, &cli.Exit{Code: cli.No})
	}
	return err
}

func (c checked) text(w io.Writer, count map[lint.Severity]int) {
	for _, f := range c.Finds {
		fmt.Fprintln(w, f)
		if f.Mend != "" {
			fmt.Fprintln(w, "    "+f.Mend)
		}
	}
	if len(c.Presets) > 0 {
		fmt.Fprintf(w, "The server's requests are named as by preset %s.\n", strings.Join(c.Presets, ", "))
	}
	what := plural(len(c.Files), "file") + " checked"
	if c.Trouble != "" {
		what = "found" // not in all of them
	}
	fmt.Fprintf(w, "%s: %s, %s, %d info\n", what, plural(count[lint.Error], "error"), plural(count[lint.Warning], "warning"), count[lint.Info])
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
