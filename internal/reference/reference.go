// Package reference makes the series of a run from the numbers that a document
// tells of it, as the service, its pods, database, cache, language models and
// the load generator would have exposed them. Equal numbers give equal bytes.
package reference

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/plumbline/plumbline/internal/store"
	"github.com/plumbline/plumbline/pkg/run"
)

// Write makes the run and its baseline in a folder of results, in place of those
// of the same names. sla is the text of the file that the run is judged by.
func Write(results string, n Numbers, sla []byte) error {
	t, err := newTraffic(n)
	if err != nil {
		return err
	}
	r := &recording{clock: t.clock}
	for _, record := range []func(*recording){t.recordService, t.recordPods, t.recordDatabase, t.recordRedis, t.recordLLM, t.recordClient} {
		record(r)
	}
	st := store.Open(results)
	dir := st.Dir(n.Run.ID)
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	if err := os.MkdirAll(st.Recording(n.Run.ID), 0o755); err != nil {
		return err
	}
	if err := r.write(st.Recording(n.Run.ID)); err != nil {
		return fmt.Errorf("recording: %w", err)
	}
	return errors.Join(st.Save(t.run()), os.WriteFile(filepath.Join(dir, "sla.yaml"), sla, 0o644), //nolint:gosec // others may read it
		st.SaveBaseline(n.Run.Baseline, n.baselineText()))
}

func (t *traffic) run() run.Run {
	n := t.want.Run
	at := func(i int) time.Time { return t.start.Add(time.Duration(i) * t.step) }
	window := run.Window{Start: t.start, End: t.start.Add(time.Duration(n.Duration))}
	ramp, hold := run.Window{Start: t.start, End: at(t.ramp)}, run.Window{Start: at(t.ramp), End: window.End}
	users := float64(n.Users)
	return run.Run{
		ID: n.ID, Service: n.Service, Scenario: n.Scenario, Profile: n.Profile, Target: n.Target,
		Labels: n.Labels, Environment: n.Environment, Window: window, Steady: hold,
		Stages:     []run.Stage{{Window: ramp, To: users}, {Window: hold, From: users, To: users, Scored: true}},
		Load:       run.Load{Users: n.Users, ThinkSeconds: n.Think, SpawnRate: n.SpawnRate, Iteration: 1},
		Generators: run.Generators{Expected: 1, Segments: []run.Generator{{Segment: 1, Valid: true, CPU: .31}}},
		Source:     run.Source{Recording: true, ScrapeSeconds: t.step.Seconds()},
		State:      run.Complete, Baseline: n.Baseline,
		Warnings: []string{"reconstructed from the numbers of a document by examples/paracle/reference: no load was sent"},
	}
}

func (n Numbers) baselineText() []byte {
	var b strings.Builder
	fmt.Fprintf(&b, "# Values that a document declares; there are no runs behind them.\napiVersion: plumbline/v1\nkind: Baseline\nname: %s\nvalues:\n", n.Run.Baseline)
	var ids []string
	for id := range n.Baseline {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	for _, id := range ids {
		fmt.Fprintf(&b, "  %s: %q\n", id, n.Baseline[id])
	}
	return []byte(b.String())
}
