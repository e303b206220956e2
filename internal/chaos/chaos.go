// Package chaos puts the sample API, built with faults, under load, and sees
// whether what was injected is found.
package chaos

import (
	"context"
	_ "embed"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	prom "github.com/prometheus/prometheus/config"

	"github.com/plumbline/plumbline/examples"
	"github.com/plumbline/plumbline/internal/analysis"
	"github.com/plumbline/plumbline/internal/paracle"
	"github.com/plumbline/plumbline/internal/store"
	"github.com/plumbline/plumbline/internal/testrun"
	"github.com/plumbline/plumbline/pkg/bottleneck"
	"github.com/plumbline/plumbline/pkg/loadgen"
	"github.com/plumbline/plumbline/pkg/promql"
	"github.com/plumbline/plumbline/pkg/promql/embedded"
	"github.com/plumbline/plumbline/pkg/run"
	"github.com/plumbline/plumbline/pkg/slo"
)

//go:embed sla.yaml
var sla []byte

// A Lab runs cells of the matrix, one at a time. It starts its own program again
// as the sample API: see [paracle.Command].
type Lab struct {
	Store   *store.Store
	Verbose bool    // list all findings, not only the first
	Length  float64 // what the length of runs is multiplied by; 0 for 1
}

// An Outcome is what came of a cell.
type Outcome struct {
	Cell      Cell
	Diagnosis bottleneck.Diagnosis
	Missed    []string // objectives
	Faulty    string   // instance of the first replica, which has the faults that only one has
	Invalid   string   // why the load generator could not be trusted; "" when it could
}

// tries is how often a cell is run whose load was not what it should have been.
const tries = 2

// Try runs a cell, unless its recording is there, and diagnoses it. A cell whose
// load generator was kept from its work by something else on the machine is run
// once more.
func (l Lab) Try(ctx context.Context, c Cell) (Outcome, error) {
	if r, err := l.Store.Load(c.Name); err == nil && r.State == run.Complete {
		return l.diagnose(ctx, c)
	}
	return untilValid(func() (Outcome, error) {
		if err := l.record(ctx, c); err != nil {
			return Outcome{}, fmt.Errorf("%s: %w", c.Name, err)
		}
		return l.diagnose(ctx, c)
	})
}

// untilValid runs something until its load was what it should have been, or it
// was tried often enough.
func untilValid(try func() (Outcome, error)) (o Outcome, err error) {
	for range tries {
		if o, err = try(); err != nil || o.Invalid == "" {
			break
		}
	}
	return o, err
}

// record runs the load of a cell against the service as the cell has it built.
func (l Lab) record(ctx context.Context, c Cell) error {
	if err := l.Store.Discard(c.Name); err != nil {
		return err
	}
	replicas, front, stop, err := startService(ctx, c)
	if err != nil {
		return err
	}
	defer stop()
	spec, err := l.spec(c, replicas, front)
	if err != nil {
		return err
	}
	if _, _, err = testrun.Execute(ctx, ctx, l.Store, spec); err != nil {
		return err
	}
	return l.Store.WriteFile(c.Name, faultyFile, []byte(replicas[0].Host))
}

// faultyFile beside a run keeps what its series don't tell: which replica has the fault.
const faultyFile = "faulty"

// startService starts the replicas and, if there are several, what stands in front of them.
func startService(ctx context.Context, c Cell) (replicas []*url.URL, front *url.URL, stop func(), err error) {
	var stops []func()
	stop = func() {
		for _, s := range slices.Backward(stops) {
			s()
		}
	}
	for i := range c.Replicas {
		args := []string{}
		for _, f := range c.Faults {
			if i == 0 || !f.OneReplica {
				args = append(args, "--fault", f.Built)
			}
		}
		u, s, err := startChild(ctx, c.Cores, args...)
		if err != nil {
			stop()
			return nil, nil, nil, err
		}
		replicas, stops = append(replicas, u), append(stops, s)
	}
	if front = replicas[0]; c.Replicas > 1 {
		args := []string{}
		for _, u := range replicas {
			args = append(args, "--front", u.String())
		}
		u, s, err := startChild(ctx, 0, args...)
		if err != nil {
			stop()
			return nil, nil, nil, err
		}
		front, stops = u, append(stops, s)
	}
	return replicas, front, stop, nil
}

// startChild starts this program again as the sample API, on so many cores; 0 for all.
func startChild(ctx context.Context, cores int, args ...string) (*url.URL, func(), error) {
	// The generator goes before the service where both want the same processor.
	child, err := paracle.Child(ctx, []string{"nice", "-n", "3"}, args...)
	if err != nil {
		return nil, nil, err
	}
	child.Env = os.Environ()
	if cores > 0 {
		child.Env = append(child.Env, fmt.Sprintf("GOMAXPROCS=%d", cores))
	}
	return paracle.Start(child)
}

// spec is the guide's mixed load at the cell's pace.
func (l Lab) spec(c Cell, replicas []*url.URL, front *url.URL) (testrun.Spec, error) {
	text, err := examples.Files.ReadFile("paracle/scenarios/mixed.yaml")
	if err != nil {
		return testrun.Spec{}, err
	}
	scenario, err := loadgen.ParseScenario("mixed.yaml", text, "")
	if err != nil {
		return testrun.Spec{}, err
	}
	scenario.ScaleThink(c.Load.Think)
	profiles, err := loadgen.ParseProfiles("profiles.yaml", []byte("apiVersion: plumbline/v1\nkind: Profiles\nprofiles: {chaos: "+c.Load.Profile+"}"))
	if err != nil {
		return testrun.Spec{}, err
	}
	profile := profiles["chaos"]
	if l.Length > 0 {
		if profile, err = profile.Scale(l.Length); err != nil {
			return testrun.Spec{}, err
		}
	}
	spec := testrun.Spec{
		ID: c.Name, Service: "paracle-api", Scenario: scenario, Profile: profile, Target: front, SLA: sla, Seed: c.Seed,
		Scrape: time.Second, Labels: map[string]string{"load": c.Load.Name},
	}
	if len(replicas) > 1 {
		spec.Service = "front"
		spec.Scrapes, err = scrapes(replicas)
	}
	return spec, err
}

func scrapes(replicas []*url.URL) ([]*prom.ScrapeConfig, error) {
	var hosts []string
	for _, u := range replicas {
		hosts = append(hosts, "'"+u.Host+"'")
	}
	return embedded.ParseScrapeConfigs([]byte("- {job_name: paracle-api, static_configs: [{targets: [" + strings.Join(hosts, ", ") + "]}]}\n"))
}

// diagnose asks the recording of a cell what held it back.
func (l Lab) diagnose(ctx context.Context, c Cell) (Outcome, error) {
	r, err := l.Store.Load(c.Name)
	if err != nil {
		return Outcome{}, err
	}
	db, err := embedded.Open(l.Store.Recording(c.Name))
	if err != nil {
		return Outcome{}, err
	}
	defer db.Close()
	agreement, err := slo.Parse("sla.yaml", sla)
	if err != nil {
		return Outcome{}, err
	}
	meter := promql.NewMeter(db, r.Source.Scrape())
	scores, err := agreement.Measure(ctx, meter, slo.Scope{Run: r})
	if err != nil {
		return Outcome{}, fmt.Errorf("%s: %w", c.Name, err)
	}
	faulty, err := os.ReadFile(filepath.Join(l.Store.Dir(c.Name), faultyFile))
	if err != nil {
		return Outcome{}, err
	}
	o := Outcome{Cell: c, Faulty: string(faulty), Invalid: strings.Join(r.Generators.Problems(), "; ")}
	for _, s := range scores.Objectives {
		if s.Missed != nil {
			o.Missed = append(o.Missed, s.Objective.Title)
		}
	}
	o.Diagnosis, err = analysis.Diagnose(ctx, meter, r, agreement, scores)
	return o, err
}
