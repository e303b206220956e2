// Command analyzer reports on load tests: was the SLA met, and is the service
// better or worse than its baseline?
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"time"

	"github.com/spf13/cobra"

	"github.com/plumbline/plumbline/internal/analysis"
	"github.com/plumbline/plumbline/internal/cli"
	"github.com/plumbline/plumbline/internal/config"
	"github.com/plumbline/plumbline/internal/store"
)

// version is set by the linker.
var version = "dev"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), cli.Interrupts()...)
	code := execute(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// app is what all commands share.
type app struct {
	configFile, results, prometheus string
	team                            teamAddress
	opened                          *store.Store
}

// store is the one store of this process.
func (a *app) store() *store.Store {
	if a.opened == nil {
		a.opened = store.Open(a.results)
		if a.team != "" {
			a.opened = store.OpenTeam(a.results, string(a.team))
		}
	}
	return a.opened
}

func (a *app) close() error {
	if a.opened == nil {
		return nil
	}
	return a.opened.Close()
}

// A teamAddress is the value of --store.
type teamAddress string

func (t *teamAddress) String() string { return "" } // it may hold a password
func (t *teamAddress) Type() string   { return "url" }

func (t *teamAddress) Set(address string) error {
	*t = teamAddress(address)
	if address == "" {
		return nil
	}
	return store.CheckTeam(address)
}

func (a *app) analyzer() *analysis.Analyzer {
	return &analysis.Analyzer{Store: a.store(), Version: version}
}

// options are what the configuration and the global flags say of every analysis.
func (a *app) options(cfg config.Config) analysis.Options {
	return analysis.Options{
		FallbackSLA: cfg.SLA, Prometheus: a.prometheus, FallbackPrometheus: cfg.Prometheus.URL,
		Timeout: time.Duration(cfg.Prometheus.Timeout), HTTP: cfg.Prometheus.HTTP(), Preset: cfg.Preset,
	}
}

func execute(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	a := &app{}
	root := &cobra.Command{
		Use:   "analyzer",
		Short: "Report on load tests: SLA, baseline, evidence",
		Long: `analyzer reports on a load test: was the SLA met, with which evidence, and is the
service better or worse than its baseline, and how sure is that?

  analyzer demo                                 try it: real load on a sample service, about a minute
  analyzer runs list                            the runs that there are
  analyzer report --run PERF-2026-01-18-001     the report on one of them
  analyzer init --prometheus URL                draft configuration and SLA from what is there
  analyzer check sla.yaml                       what is wrong with it and its queries
  analyzer compare --run ID,ID --baseline NAME  several runs of a build against a baseline
  analyzer capacity --run PERF-2026-01-18-001   how much load the service carries
  analyzer dashboards provision --grafana URL   Grafana dashboards of the service
  analyzer rules render --out rules             Prometheus rules and alerts of the service

Exit codes: 0 pass or warn, 1 fail or regressed, 2 trouble, 3 inconclusive.`,
		Version: version,
	}
	fs := root.PersistentFlags()
	fs.StringVar(&a.configFile, "config", config.DefaultFile, "configuration `file`")
	fs.StringVar(&a.results, "results", "results", "`folder` of the results")
	fs.StringVar(&a.prometheus, "prometheus", "", "`URL` of a Prometheus that holds the series (default: the run's own recording)")
	fs.Var(&a.team, "store", "`postgres://…` of a team's database, which shares runs, values, baselines and calibrations")
	root.AddCommand(newDemoCommand(a), newReportCommand(a), newRunsCommand(a), newCompareCommand(a), newBaselineCommand(a), newTrendCommand(a),
		newCapacityCommand(a), newCalibrateCommand(a), newCaptureCommand(a), newCheckCommand(a), newInitCommand(a),
		newDashboardsCommand(a), newRulesCommand(a), newSampleCommand())
	code := cli.Run(ctx, root, args, stdout, stderr)
	if err := a.close(); err != nil && code == cli.Yes {
		fmt.Fprintf(stderr, "analyzer: %v\n", err)
		return cli.Trouble
	}
	return code
}
