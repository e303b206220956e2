package main

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/plumbline/plumbline/internal/analysis"
	"github.com/plumbline/plumbline/internal/cli"
	"github.com/plumbline/plumbline/internal/config"
	"github.com/plumbline/plumbline/pkg/capacity"
	"github.com/plumbline/plumbline/pkg/report"
)

// capacityFlags are the flags of analyzer capacity.
type capacityFlags struct {
	run, sla, csv, demand, format string
	target                        float64
	seed                          uint64
}

func newCapacityCommand(a *app) *cobra.Command {
	var f capacityFlags
	cmd := &cobra.Command{
		Use:   "capacity --run ID | --csv FILE",
		Short: "Say how much load a service carries, and what more would take",
		Long: `capacity says what a run tells about how much load the service carries: where its
throughput ends and by which resource, the load at which each objective is crossed,
the Universal Scalability Law with intervals, and the replicas that more load takes.
What can't be told is said in its place, with the reason. A run over several levels
of load tells most: loadgen run --profile steps.

With --csv it fits the law alone, to lines of concurrency,throughput; a header and
lines that begin with # are passed over. No run is needed for that.

With --demand it also says when demand outgrows the capacity: lines of time,rate,
the time as 2026-01-18 or 2026-01-18T15:04:05Z.

Exit codes: 0 told, 2 trouble, 3 nothing could be told (inconclusive).`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return f.capacity(cmd, a) },
	}
	fs := cmd.Flags()
	fs.StringVar(&f.run, "run", "", "`id` of the run")
	fs.Float64Var(&f.target, "target-rps", 0, "`throughput` to plan for, in requests per second")
	fs.StringVar(&f.csv, "csv", "", "`file` of concurrency,throughput; - for standard input")
	fs.StringVar(&f.demand, "demand", "", "`file` of past demand: time,rate")
	fs.StringVar(&f.sla, "sla", "", "SLA `file` (default: the copy kept with the run, else the config's)")
	fs.StringVar(&f.format, "format", "text", "text, md or json")
	fs.Uint64Var(&f.seed, "seed", 1, "`seed` of the intervals' bootstrap, with --csv")
	return cmd
}

func (f *capacityFlags) capacity(cmd *cobra.Command, a *app) error {
	if err := f.check(); err != nil {
		return err
	}
	if f.csv != "" {
		return f.fromCSV(cmd)
	}
	demand, err := f.pastDemand(cmd.InOrStdin())
	if err != nil {
		return err
	}
	cfg, err := config.Load(a.configFile)
	if err != nil {
		return err
	}
	opts := a.options(cfg)
	opts.SLA = f.sla
	c, err := a.analyzer().Capacity(cmd.Context(), f.run, opts, analysis.CapacityOptions{Target: f.target, Demand: demand})
	if err != nil {
		return err
	}
	if err := f.write(cmd.OutOrStdout(), c); err != nil {
		return err
	}
	if refusal := c.Refusal(); refusal != "" {
		return &cli.Exit{Code: cli.Inconclusive, Err: fmt.Errorf("capacity of %s: %s", f.run, refusal)}
	}
	return nil
}

// check finds what can't be asked together.
func (f *capacityFlags) check() error {
	switch {
	case f.run == "" && f.csv == "":
		return errors.New("name a run with --run, or a file of concurrency,throughput with --csv; `analyzer runs list` shows the runs that there are")
	case f.run != "" && f.csv != "":
		return errors.New("give one of --run and --csv")
	case f.csv != "" && (f.target != 0 || f.demand != "" || f.sla != ""):
		return errors.New("--target-rps, --demand and --sla belong to a run: a curve alone knows no resources")
	case f.target < 0 || math.IsNaN(f.target) || math.IsInf(f.target, 0):
		return fmt.Errorf("--target-rps %v: want requests per second, above 0", f.target)
	}
	for _, known := range []string{"text", "md", "json"} {
		if f.format == known {
			return nil
		}
	}
	return fmt.Errorf("--format %s: there are text, md and json", f.format)
}

func (f *capacityFlags) write(w io.Writer, c *report.Capacity) error {
	switch f.format {
	case "json":
		return report.CapacityJSON(w, c)
	case "md":
		return report.CapacityMarkdown(w, c)
	}
	width, terminal := cli.Terminal(w)
	return report.CapacityTerminal(w, c, report.TerminalOptions{Width: width, Colours: terminal && os.Getenv("NO_COLOR") == ""})
}

// fromCSV fits the law to a file.
func (f *capacityFlags) fromCSV(cmd *cobra.Command) error {
	var points []capacity.Point
	err := readColumns(f.csv, cmd.InOrStdin(), "concurrency,throughput", func(first, second string) error {
		n, err := positive("concurrency", first)
		if err != nil {
			return err
		}
		x, err := positive("throughput", second)
		points = append(points, capacity.Point{Concurrency: n, Throughput: x})
		return err
	})
	if err != nil {
		return err
	}
	law := capacity.FitUSL(points, f.seed)
	if err := f.write(cmd.OutOrStdout(), report.NewCurve(law)); err != nil {
		return err
	}
	if law.Reason != "" {
		return &cli.Exit{Code: cli.Inconclusive, Err: fmt.Errorf("%s: %s", f.csv, law.Reason)}
	}
	return nil
}

// pastDemand reads the file of --demand, if there is one.
func (f *capacityFlags) pastDemand(stdin io.Reader) (samples []capacity.Sample, err error) {
	if f.demand == "" {
		return nil, nil
	}
	err = readColumns(f.demand, stdin, "time,rate", func(first, second string) error {
		at, err := timeOf(first)
		if err != nil {
			return err
		}
		rate, err := strconv.ParseFloat(second, 64)
		if err != nil || !(rate >= 0) || math.IsInf(rate, 0) {
			return fmt.Errorf("rate: want requests per second, got %q", second)
		}
		samples = append(samples, capacity.Sample{Time: at, Rate: rate})
		return nil
	})
	if err == nil && len(samples) == 0 {
		err = fmt.Errorf("%s: no line of time,rate", f.demand)
	}
	return samples, err
}

func isNumber(text string) bool {
	_, err := strconv.ParseFloat(text, 64)
	return err == nil
}

func positive(name, text string) (float64, error) {
	v, err := strconv.ParseFloat(text, 64)
	if err != nil || !(v > 0) || math.IsInf(v, 0) {
		return 0, fmt.Errorf("%s: want a number above 0, got %q", name, text)
	}
	return v, nil
}

func timeOf(text string) (time.Time, error) {
	for _, layout := range []string{time.RFC3339, time.DateOnly} {
		if at, err := time.Parse(layout, text); err == nil {
			return at, nil
		}
	}
	return time.Time{}, fmt.Errorf("time: want 2026-01-18 or 2026-01-18T15:04:05Z, got %q", text)
}

// readColumns hands on the two columns of each line of a CSV file, or of
// standard input for "-". A first line without a number, and lines that begin
// with # are passed over. The error holds every
// mistake with its place.
func readColumns(name string, stdin io.Reader, header string, line func(first, second string) error) error {
	if name != "-" {
		text, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		stdin = bytes.NewReader(text)
	}
	r := csv.NewReader(stdin)
	r.Comment, r.FieldsPerRecord, r.TrimLeadingSpace = '#', -1, true
	var mistakes []error
	for first := true; ; first = false {
		fields, err := r.Read()
		if errors.Is(err, io.EOF) {
			return errors.Join(mistakes...)
		}
		at, column := 0, 1
		if err == nil {
			at, column = r.FieldPos(0)
		}
		var syntax *csv.ParseError
		switch {
		case errors.As(err, &syntax):
			mistakes = append(mistakes, fmt.Errorf("%s:%d:%d: %w", name, syntax.Line, syntax.Column, syntax.Err))
			return errors.Join(mistakes...) // what follows a broken quote means nothing
		case err != nil:
			return fmt.Errorf("%s: %w", name, err)
		case len(fields) != 2:
			mistakes = append(mistakes, fmt.Errorf("%s:%d:%d: want two columns, %s, got %d", name, at, column, header, len(fields)))
			continue
		}
		a, b := strings.TrimSpace(strings.TrimPrefix(fields[0], "\ufeff")), strings.TrimSpace(fields[1])
		if first && !isNumber(b) && !isNumber(a) {
			continue
		}
		if err := line(a, b); err != nil {
			mistakes = append(mistakes, fmt.Errorf("%s:%d: %w", name, at, err))
		}
	}
}
