// The program bench measures loadgen beside its peers, and says which of the
// goals are met. `make bench` runs it; docs/loadgen-performance.md says how it
// measures.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// run gives 0 when everything was measured, whether or not the goals are met, and 2 for trouble.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	root := newCommand()
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	if err := root.ExecuteContext(ctx); err != nil {
		fmt.Fprintln(stderr, "bench:", err)
		return 2
	}
	return 0
}

func newCommand() *cobra.Command {
	var h harness
	root := &cobra.Command{
		Use:           "bench",
		Short:         "Measure loadgen beside wrk and hey",
		Args:          cobra.NoArgs,
		SilenceErrors: true, SilenceUsage: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return h.measure(cmd.Context(), cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	fs := root.Flags()
	fs.StringVar(&h.loadgen, "loadgen", "bin/loadgen", "the loadgen `program` to measure")
	fs.BoolVar(&h.full, "full", false, "watch the memory for ten minutes rather than for one")
	fs.StringSliceVar(&h.only, "only", nil, "`measurements` to make: get, step, outputs, memory, growth, pacing, stall, recording, scraping (default: all)")
	fs.IntVar(&h.rounds, "rounds", 3, "how often speeds are measured, in turn")
	root.AddCommand(newTargetCommand(), newSendCommand())
	return root
}
