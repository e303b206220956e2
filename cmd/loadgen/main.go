// Command loadgen sends the load of a scenario and records the run.
package main

import (
	"context"
	"io"
	"os"
	"os/signal"

	"github.com/spf13/cobra"

	"github.com/plumbline/plumbline/internal/cli"
)

// version is set by the linker.
var version = "dev"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), cli.Interrupts()...)
	code := execute(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

func execute(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	root := &cobra.Command{
		Use:   "loadgen",
		Short: "Send the load of a scenario to a service, and record the run",
		Long: `loadgen sends the traffic that a scenario file describes, as a profile says,
and records what the service and its users saw into Prometheus' own storage.
analyzer then reports on the run.

  loadgen validate scenario.yaml --profiles profiles.yaml --profile peak
  loadgen run scenario.yaml --profiles profiles.yaml --profile peak --target http://127.0.0.1:8080
  analyzer report --run PERF-2026-01-18-001`,
		Version: version,
	}
	root.AddCommand(newRunCommand(), newValidateCommand())
	return cli.Run(ctx, root, args, stdout, stderr)
}
