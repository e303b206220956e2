// Command analyzer reports on load tests: was the SLA met, and is the service
// better or worse than its baseline?
package main

import (
	"context"
	"io"
	"os"
	"os/signal"
	"syscall"
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
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := execute(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// app is what all commands share.
type app struct {
	configFile, results, prometheus string
}

func (a *app) store() *store.Store { return store.Open(a.results) }

func (a *app) analyzer() *analysis.Analyzer {
	return &analysis.Analyzer{Store: a.store(), Version: version}
}

// options are what the configuration and the global flags say of every analysis.
func (a *app) options(cfg config.Config) analysis.Options {
	return analysis.Options{
		FallbackSLA: cfg.SLA, Prometheus: a.prometheus, FallbackPrometheus: cfg.Prometheus.URL,
		Timeout: time.Duration(cfg.Prometheus.Timeout), HTTP: cfg.Prometheus.HTTP(),
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
  analyzer capacity --run PERF-2026-01-18-001   how much load the service carries

Exit codes: 0 pass or warn, 1 fail, 2 trouble, 3 inconclusive.`,
		Version: version,
	}
	fs := root.PersistentFlags()
	fs.StringVar(&a.configFile, "config", config.DefaultFile, "configuration `file`")
	fs.StringVar(&a.results, "results", "results", "`folder` of the results")
	fs.StringVar(&a.prometheus, "prometheus", "", "`URL` of a Prometheus that holds the series (default: the run's own recording)")
	root.AddCommand(newDemoCommand(a), newReportCommand(a), newRunsCommand(a), newTrendCommand(a), newCaptureCommand(a),
		newCapacityCommand(a), newCheckCommand(a), newInitCommand(a), newSampleCommand())
	return cli.Run(ctx, root, args, stdout, stderr)
}
