// Command trials puts the same build of the sample API and slower ones under load
// again and again, and says how often comparisons of their runs are right.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/plumbline/plumbline/internal/paracle"
	"github.com/plumbline/plumbline/internal/store"
	"github.com/plumbline/plumbline/internal/trials"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// run gives 0 when everything was measured, whether or not the goals are met, and 2 for trouble.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	if len(args) > 0 && args[0] == paracle.Command {
		return paracle.Run(ctx, args[1:], stdout, stderr)
	}
	flags := flag.NewFlagSet("trials", flag.ContinueOnError)
	flags.SetOutput(stderr)
	results := flags.String("results", "", "folder of the recordings; what is there is not run again (default: one that is removed)")
	rounds := flags.Int("rounds", 15, "of four runs of the same build and one of each slower one")
	if err := flags.Parse(args); err != nil {
		return 2
	}
	if err := measure(ctx, *results, *rounds, stdout, stderr); err != nil {
		fmt.Fprintln(stderr, "trials:", err)
		return 2
	}
	return 0
}

func measure(ctx context.Context, dir string, rounds int, stdout, stderr io.Writer) (err error) {
	if dir == "" {
		if dir, err = os.MkdirTemp("", "trials-"); err != nil {
			return err
		}
		defer os.RemoveAll(dir) //nolint:errcheck // a temporary folder
	}
	c, err := trials.Lab{Store: store.Open(dir), Rounds: rounds, Progress: stderr}.Run(ctx)
	if err != nil {
		return err
	}
	return trials.Write(stdout, c)
}
