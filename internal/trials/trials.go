// Package trials puts builds of the sample API under load again and again, the
// same build and builds that answer more slowly, and counts how often comparisons
// of their runs are right.
package trials

import (
	"context"
	_ "embed"
	"fmt"
	"io"
	"net/url"
	"time"

	"github.com/plumbline/plumbline/examples"
	"github.com/plumbline/plumbline/internal/analysis"
	"github.com/plumbline/plumbline/internal/paracle"
	"github.com/plumbline/plumbline/internal/store"
	"github.com/plumbline/plumbline/internal/testrun"
	"github.com/plumbline/plumbline/pkg/loadgen"
)

// The load: users without think time, so that slower answers are fewer as well.
//
//go:embed load.yaml
var load []byte

//go:embed profiles.yaml
var profiles []byte

// label is the one that tells the builds apart.
const label = "build"

// A build of the sample API.
type build struct {
	name  string
	fault string // as for --fault; "" for none
	share int    // of its runs in a round
}

// The builds take turns, so that what the machine does meanwhile falls on all. In
// the slower ones LLMs take a tenth and a twentieth longer, which is nine tenths of
// what a request takes.
var builds = []build{{"same", "", 4}, {"slower-10", "slow-llm=1.10", 1}, {"slower-5", "slow-llm=1.05", 1}}

// A Lab makes runs, and compares them.
type Lab struct {
	Store    *store.Store
	Rounds   int // of four runs of one build and one of each slower one
	Progress io.Writer
}

// Run makes the runs that are missing and calibrates on all of them.
func (l Lab) Run(ctx context.Context) (analysis.Calibration, error) {
	ids := map[string][]string{}
	for round := range l.Rounds {
		for _, b := range builds {
			for n := range b.share {
				id := fmt.Sprintf("%s-%d", b.name, round*b.share+n+1)
				if err := l.one(ctx, b, id, uint64(round*b.share+n+1)); err != nil { //nolint:gosec // G115: small
					return analysis.Calibration{}, fmt.Errorf("%s: %w", id, err)
				}
				if r, err := l.Store.Load(id); err == nil && store.Summarize(r).Sound {
					ids[b.name] = append(ids[b.name], id)
				}
			}
		}
	}
	var worse []analysis.Build
	for _, b := range builds[1:] {
		worse = append(worse, analysis.Build{Name: label + "=" + b.name, Runs: ids[b.name]})
	}
	a := &analysis.Analyzer{Store: l.Store}
	return a.Calibrate(ctx, analysis.Build{Name: "trials", Runs: ids[builds[0].name]}, worse, analysis.Options{})
}

// one runs the load against a build, unless that was done. What happens by chance
// differs from run to run.
func (l Lab) one(ctx context.Context, b build, id string, seed uint64) error {
	if r, err := l.Store.Load(id); err == nil && store.Summarize(r).Sound {
		return nil
	}
	if err := l.Store.Discard(id); err != nil {
		return err
	}
	target, stop, err := start(ctx, b, seed)
	if err != nil {
		return err
	}
	defer stop()
	spec, err := specOf(b, target)
	if err != nil {
		return err
	}
	spec.ID, spec.Seed = id, seed
	_, summary, err := testrun.Execute(ctx, ctx, l.Store, spec)
	if err != nil {
		return err
	}
	fmt.Fprintf(l.Progress, "%-14s %d requests, %.0f req/s, p95 %.1f ms\n", id, summary.Requests, summary.RequestsPerSecond, 1000*summary.ResponseTime.P95)
	return nil
}

// start starts this program again as the sample API.
func start(ctx context.Context, b build, seed uint64) (*url.URL, func(), error) {
	args := []string{"--seed", fmt.Sprint(seed)}
	if b.fault != "" {
		args = append(args, "--fault", b.fault)
	}
	child, err := paracle.Child(ctx, nil, args...)
	if err != nil {
		return nil, nil, err
	}
	return paracle.Start(child)
}

func specOf(b build, target *url.URL) (testrun.Spec, error) {
	scenario, err := loadgen.ParseScenario("load.yaml", load, "")
	if err != nil {
		return testrun.Spec{}, err
	}
	parsed, err := loadgen.ParseProfiles("profiles.yaml", profiles)
	if err != nil {
		return testrun.Spec{}, err
	}
	profile, err := parsed.Get("trial")
	if err != nil {
		return testrun.Spec{}, err
	}
	sla, err := examples.Files.ReadFile("paracle/demo/sla.yaml")
	return testrun.Spec{
		Service: "paracle-api", Scenario: scenario, Profile: profile, Target: target, SLA: sla,
		Labels: map[string]string{label: b.name}, Scrape: time.Second,
	}, err
}
