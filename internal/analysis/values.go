package analysis

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"slices"

	"github.com/plumbline/plumbline/internal/store"
	"github.com/plumbline/plumbline/pkg/compare"
	"github.com/plumbline/plumbline/pkg/promql"
	"github.com/plumbline/plumbline/pkg/report"
	"github.com/plumbline/plumbline/pkg/run"
	"github.com/plumbline/plumbline/pkg/slo"
)

// measuredBy counts the ways of measuring that this program has had: values that
// were kept by another are measured again.
const measuredBy = 3

// values are what a run measured, by objective, for comparisons.
func (x *analyzed) values() compare.RunValues { return runValues(x.run, x.kept()) }

// kept is what a run measured as the store keeps it.
func (x *analyzed) kept() []store.Value {
	var list []store.Value
	for _, r := range x.scores.Objectives {
		v := store.Value{
			Objective: r.Objective.ID, Definition: definition(r.Objective, x.agreement.Vars),
			Value: r.Value, Coverage: r.Coverage, Step: x.meter.Scrape(), Samples: r.Samples,
		}
		switch o := r.Objective; {
		case isShare(o):
			v.Total, v.Dispersion = r.Events, r.Dispersion
		case o.Count != nil:
			v.Events = r.Events
		}
		list = append(list, v)
	}
	return list
}

// isShare reports whether an objective is a share of events, which is compared by its counts.
func isShare(o slo.Objective) bool { return o.Ratio != nil && o.Ratio.Per == "" }

// definition names what an objective measures: values of two runs can be held
// against each other when it is the same.
func definition(o slo.Objective, vars map[string]string) string {
	text, err := json.Marshal(struct {
		By        int
		Indicator slo.Indicator
		Unit      string
		Vars      map[string]string
	}{measuredBy, o.Indicator, o.Unit, vars})
	if err != nil {
		return "" // never equal to one that was kept
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:8])
}

// runValues puts what was kept of a run into the form of the comparison. A gap
// between scrapes speaks against comparing it.
func runValues(r run.Run, kept []store.Value) compare.RunValues {
	out := compare.RunValues{Run: r, Values: map[string]compare.Value{}}
	least, where := 1.0, ""
	for _, v := range kept {
		out.Values[v.Objective] = compare.Value{Value: v.Value, Events: v.Events, Total: v.Total, Dispersion: v.Dispersion}
		if !math.IsNaN(v.Value) && v.Coverage < least {
			least, where = v.Coverage, v.Objective
		}
	}
	if least < 1 {
		out.Problems = append(out.Problems, fmt.Sprintf("gaps between scrapes: they cover %.1f %% of the window (%s)", 100*least, where))
	}
	return out
}

// valuesOf gives what an agreement measures in another run: as it was kept, if
// it was, else measured now.
func (a *Analyzer) valuesOf(ctx context.Context, id string, agreement slo.Agreement, opts Options) (compare.RunValues, error) {
	r, err := a.Store.Load(id)
	if err != nil {
		return compare.RunValues{}, err
	}
	kept, whole, err := a.keptOf(ctx, r, agreement)
	if err == nil && whole && r.State != run.Running {
		return runValues(r, kept), nil
	}
	if !a.Store.Here(id) && r.Source.Recording {
		v := runValues(r, kept)
		v.Problems = append(v.Problems, "its recording is on another machine, and not all of what is asked was measured there by the same definitions")
		return v, nil
	}
	x := &analyzed{run: r, agreement: slo.Agreement{Service: agreement.Service, Vars: agreement.Vars, Objectives: agreement.Objectives}}
	if err := a.measure(ctx, x, opts); err != nil {
		if unmeasured := (compare.RunValues{Run: r}); len(compare.Unfit(unmeasured)) > 0 {
			return unmeasured, nil // it is left out anyway
		}
		return compare.RunValues{}, fmt.Errorf("run %s: %w", id, err)
	}
	a.keep(ctx, x)
	return x.values(), nil
}

// measure opens the series of a run, measures its objectives and closes them.
func (a *Analyzer) measure(ctx context.Context, x *analyzed, opts Options) error {
	opts.Prometheus = sourceOf(x.run, opts)
	q, closeSource, _, err := a.source(ctx, &x.run, opts)
	if err != nil {
		return err
	}
	defer closeSource()
	x.meter = promql.NewMeter(q, x.run.Source.Scrape())
	return x.measure(ctx, nil)
}

// sourceOf is the Prometheus that was asked for, for a run that has no recording.
func sourceOf(r run.Run, opts Options) string {
	if r.Source.Recording {
		return ""
	}
	return opts.Prometheus
}

// keptOf is what the store kept of a run by the definitions of an agreement, and
// whether that is all of it.
func (a *Analyzer) keptOf(ctx context.Context, r run.Run, agreement slo.Agreement) (kept []store.Value, whole bool, err error) {
	all, err := a.Store.Values(ctx, []string{r.ID})
	if err != nil {
		return nil, false, err
	}
	wanted := objectivesFor(agreement, r)
	for _, o := range wanted {
		if v, ok := all[r.ID][o.ID]; ok && v.Definition == definition(o, agreement.Vars) {
			kept = append(kept, v)
		}
	}
	return kept, len(kept) == len(wanted), nil
}

// objectivesFor are the objectives that hold for a run.
func objectivesFor(agreement slo.Agreement, r run.Run) []slo.Objective {
	return slices.DeleteFunc(slices.Clone(agreement.Objectives), func(o slo.Objective) bool { return !o.When.Matches(r) })
}

// keep stores what was measured. That it can't is no trouble for a report: it is
// measured again.
func (a *Analyzer) keep(ctx context.Context, x *analyzed) {
	if x.run.State == run.Running {
		return
	}
	if err := a.Store.PutValues(ctx, x.run.ID, x.kept()); err != nil {
		x.run.Warnings = append(x.run.Warnings, fmt.Sprintf("what was measured could not be kept: %v", err))
	}
}

// keepReport stores the report without its charts. That it can't is no trouble
// for the report.
func (a *Analyzer) keepReport(ctx context.Context, r *report.Report) {
	if r.Run.State == run.Running {
		return
	}
	slim := *r
	slim.Charts = nil
	var text bytes.Buffer
	err := report.JSON(&text, slim)
	if err == nil {
		err = a.Store.PutReport(ctx, r.Run.ID, r.Verdict.String(), r.Generated, text.Bytes())
	}
	if err != nil {
		r.Warnings = append(r.Warnings, fmt.Sprintf("the report could not be kept: %v", err))
	}
}
