package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/plumbline/plumbline/internal/analysis"
	"github.com/plumbline/plumbline/internal/cli"
	"github.com/plumbline/plumbline/internal/testrun"
	"github.com/plumbline/plumbline/pkg/report"
)

// capacity puts more and more users on the older version, and says how many it carries.
func (d *demo) capacity(ctx context.Context, stdout io.Writer) error {
	start, version := time.Now(), demoVersions[0]
	target, stop, err := startSample(ctx, version)
	if err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	defer stop()
	spec, err := demoSpec(version, target, "capacity")
	if err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	fmt.Fprintf(d.out, "%s under 12 to %.0f users in steps, %s.\n", version, float64(spec.Profile.MaxUsers()), spec.Profile.Duration())
	r, summary, err := testrun.Execute(ctx, ctx, d.store, spec)
	if err != nil {
		return fmt.Errorf("demo: %w", err)
	}
	fmt.Fprintf(d.out, "%s  %d requests, %.0f req/s on average, %d failed\n", r.ID, summary.Requests, summary.RequestsPerSecond, summary.Failures)
	c, err := d.app.analyzer().Capacity(ctx, r.ID, analysis.Options{}, analysis.CapacityOptions{})
	if err != nil {
		return err
	}
	width, terminal := cli.Terminal(stdout)
	if err := report.CapacityTerminal(stdout, c, report.TerminalOptions{Width: width, Colours: terminal && os.Getenv("NO_COLOR") == ""}); err != nil {
		return err
	}
	fmt.Fprintf(stdout, "\nAgain, and for a target:  analyzer capacity --run %s --results %s --target-rps 1000\n", r.ID, d.app.results)
	fmt.Fprintf(d.out, "Done in %s.\n", time.Since(start).Round(time.Second))
	return nil
}
