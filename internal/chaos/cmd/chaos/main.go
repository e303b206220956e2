// Command chaos runs the matrix of faults and loads, and exits 1 when fewer than
// nine of ten first findings name what was injected.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"regexp"
	"slices"
	"syscall"

	"github.com/plumbline/plumbline/internal/chaos"
	"github.com/plumbline/plumbline/internal/paracle"
	"github.com/plumbline/plumbline/internal/store"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	if len(args) > 0 && args[0] == paracle.Command {
		return paracle.Run(ctx, args[1:], stdout, stderr)
	}
	flags := flag.NewFlagSet("chaos", flag.ContinueOnError)
	flags.SetOutput(stderr)
	results := flags.String("results", "", "folder of the recordings; a cell that is recorded there is not run again (default: one that is removed)")
	seed := flags.Uint64("seed", 1, "of the pairs of faults, and of the loads that nothing was tuned on")
	only := flags.String("only", "", "regular expression: only cells whose name it matches")
	verbose := flags.Bool("v", false, "list all findings")
	if err := flags.Parse(args); err != nil {
		return 2
	}
	pattern, err := regexp.Compile(*only)
	if err != nil {
		fmt.Fprintln(stderr, "chaos: -only:", err)
		return 2
	}
	dir := *results
	if dir == "" {
		if dir, err = os.MkdirTemp("", "chaos"); err != nil {
			fmt.Fprintln(stderr, "chaos:", err)
			return 2
		}
		defer os.RemoveAll(dir) //nolint:errcheck // a temporary folder
	}
	cells := slices.DeleteFunc(chaos.Matrix(*seed), func(c chaos.Cell) bool { return !pattern.MatchString(c.Name) })
	t, err := chaos.Lab{Store: store.Open(dir), Verbose: *verbose}.Run(ctx, stdout, cells)
	switch {
	case err != nil:
		fmt.Fprintln(stderr, "chaos:", err)
		return 2
	case t.HitRate() < .9 || t.HealthyRight < t.Healthy:
		return 1
	case t.Faulty+t.Healthy == 0:
		return 3
	}
	return 0
}
