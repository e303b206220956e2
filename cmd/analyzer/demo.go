package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/plumbline/plumbline/examples"
	"github.com/plumbline/plumbline/internal/analysis"
	"github.com/plumbline/plumbline/internal/paracle"
	"github.com/plumbline/plumbline/internal/store"
	"github.com/plumbline/plumbline/internal/testrun"
	"github.com/plumbline/plumbline/pkg/loadgen"
	"github.com/plumbline/plumbline/pkg/report"
	"github.com/plumbline/plumbline/pkg/run"
)

// The demo runs each version this often, in turns, so that what the machine does
// meanwhile falls on both.
const demoRepeats = 3

var demoVersions = [...]string{"v1.0.0", "v1.0.3"}

// demoThink shortens the guide's think times of 1 to 5 s, as the run is shortened.
const demoThink = 0.1

func newDemoCommand(a *app) *cobra.Command {
	var capacity bool
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Load a sample service in two versions, and report on the newer one",
		Long: `demo starts the sample API of the guide as a process of its own, sends it the
guide's mixed load, shortened, three times for each of two versions, records
everything, and shows the report on the newer version held against the older.
It takes about a minute and needs no server. All traffic stays on loopback.

With --capacity it puts more and more users on one version instead, and shows how
much load that carries.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			release, err := lockDemo()
			if err != nil {
				return err
			}
			defer release()
			d := &demo{app: a, store: a.store(), out: cmd.ErrOrStderr(), groups: map[string]string{}}
			if capacity {
				return d.capacity(cmd.Context(), cmd.OutOrStdout())
			}
			return d.run(cmd.Context(), cmd.OutOrStdout())
		},
	}
	cmd.Flags().BoolVar(&capacity, "capacity", false, "show how much load one version carries")
	return cmd
}

// lockDemo keeps two demos from measuring each other.
func lockDemo() (release func(), err error) {
	path := filepath.Join(os.TempDir(), fmt.Sprintf("plumbline-demo-%d.lock", os.Getuid()))
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("demo: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		pid, _ := io.ReadAll(f) //nolint:errcheck // only for the message
		return nil, errors.Join(fmt.Errorf("demo: another demo runs on this machine (pid %s), and they would spoil each other's measurements; wait until it ends", strings.TrimSpace(string(pid))), f.Close())
	}
	if err := errors.Join(f.Truncate(0), write(f, fmt.Sprintln(os.Getpid()))); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return func() { _ = f.Close() }, nil //nolint:errcheck // it held nothing but the lock
}

func write(w io.Writer, text string) error {
	_, err := io.WriteString(w, text)
	return err
}

// A demo is one run of the demo.
type demo struct {
	app    *app
	store  *store.Store
	out    io.Writer         // progress
	groups map[string]string // first run of each version
	last   string            // latest run of the newer version
}

func (d *demo) run(ctx context.Context, stdout io.Writer) error {
	start := time.Now()
	fmt.Fprintf(d.out, "Six runs of 9 s: %s and %s in turns, about a minute.\n", demoVersions[0], demoVersions[1])
	for n := 1; n <= demoRepeats; n++ {
		for _, version := range demoVersions {
			if err := d.one(ctx, version, n); err != nil {
				return fmt.Errorf("demo: %w", err)
			}
		}
	}
	if err := d.store.SaveBaseline(demoVersions[0], []byte(demoBaseline)); err != nil {
		return err
	}
	r, err := d.app.analyzer().Report(ctx, d.last, analysis.Options{})
	if err != nil {
		return err
	}
	if err := showOnTerminal(stdout, r); err != nil {
		return err
	}
	paths, err := writeFiles(d.store.Dir(d.last), report.Formats, r)
	if err != nil {
		return err
	}
	fmt.Fprintf(stdout, "\nThe report as files:\n")
	for _, p := range paths {
		fmt.Fprintln(stdout, "  "+p)
	}
	fmt.Fprintf(stdout, "\nAgain, or in another format:  analyzer report --run %s --results %s\n", d.last, d.app.results)
	fmt.Fprintf(d.out, "Done in %s.\n", time.Since(start).Round(time.Second))
	return nil
}

// demoBaseline is what the newer version is held against.
const demoBaseline = `# The last three runs of v1.0.0 under the same load, as analyzer demo makes them.
apiVersion: plumbline/v1
kind: Baseline
name: v1.0.0
last: 3
labels: {version: v1.0.0}
`

// one runs the load against one version.
func (d *demo) one(ctx context.Context, version string, n int) error {
	target, stop, err := startSample(ctx, version)
	if err != nil {
		return err
	}
	defer stop()
	spec, err := demoSpec(version, target, "demo")
	if err != nil {
		return err
	}
	id, err := d.store.Reserve("", time.Now())
	if err != nil {
		return err
	}
	if err := d.store.Discard(id); err != nil {
		return err
	}
	spec.ID = id
	if d.groups[version] == "" {
		d.groups[version] = id
	}
	spec.Repeat = &run.Repeat{Group: d.groups[version], N: n, Of: demoRepeats}
	if version != demoVersions[0] {
		spec.Baseline = demoVersions[0]
	}
	fmt.Fprintf(d.out, "%s  %s, run %d of %d … ", id, version, n, demoRepeats)
	r, summary, err := testrun.Execute(ctx, ctx, d.store, spec)
	if err != nil {
		fmt.Fprintln(d.out)
		return err
	}
	fmt.Fprintf(d.out, "%d requests, %.0f req/s, p95 %.0f ms, %d failed\n", summary.Requests, summary.RequestsPerSecond, 1000*summary.ResponseTime.P95, summary.Failures)
	if version == demoVersions[len(demoVersions)-1] {
		d.last = r.ID
	}
	return nil
}

// demoSpec is the guide's mixed load, shortened, from the files that the program brings along.
func demoSpec(release string, target *url.URL, profile string) (testrun.Spec, error) {
	if _, set := os.LookupEnv("TEST_PASSWORD"); !set {
		if err := os.Setenv("TEST_PASSWORD", "test_password"); err != nil {
			return testrun.Spec{}, err
		}
	}
	var texts [3][]byte
	for i, name := range []string{"paracle/scenarios/mixed.yaml", "paracle/demo/profiles.yaml", "paracle/demo/sla.yaml"} {
		text, err := fs.ReadFile(examples.Files, name)
		if err != nil {
			return testrun.Spec{}, err
		}
		texts[i] = text
	}
	s, err := loadgen.ParseScenario("mixed.yaml", texts[0], "")
	if err != nil {
		return testrun.Spec{}, err
	}
	s.ScaleThink(demoThink)
	profiles, err := loadgen.ParseProfiles("profiles.yaml", texts[1])
	if err != nil {
		return testrun.Spec{}, err
	}
	p, err := profiles.Get(profile)
	return testrun.Spec{
		Service: "paracle-api", Scenario: s, Profile: p, Target: target, SLA: texts[2], Seed: uint64(time.Now().UnixNano()), //nolint:gosec // any number will do
		Labels:      map[string]string{"version": release},
		Environment: map[string]string{"service": "sample API in a process of its own", "load": "on the same machine"},
		Version:     version,
	}, err
}

// newSampleCommand is the hidden command by which the analyzer starts the sample API as a child.
func newSampleCommand() *cobra.Command {
	return &cobra.Command{
		Use: paracle.Command, Hidden: true, DisableFlagParsing: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			if code := paracle.Run(cmd.Context(), args, cmd.OutOrStdout(), cmd.ErrOrStderr()); code != 0 {
				return errors.New("the sample API ended with trouble")
			}
			return nil
		},
	}
}

// startSample starts the sample API; it ends with stop, or with this process however that ends.
func startSample(ctx context.Context, version string) (*url.URL, func(), error) {
	child, err := paracle.Child(ctx, nil, "--version", version)
	if err != nil {
		return nil, nil, err
	}
	return paracle.Start(child)
}
