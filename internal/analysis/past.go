package analysis

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/plumbline/plumbline/internal/store"
	"github.com/plumbline/plumbline/pkg/compare"
	"github.com/plumbline/plumbline/pkg/report"
	"github.com/plumbline/plumbline/pkg/run"
	"github.com/plumbline/plumbline/pkg/slo"
	"github.com/plumbline/plumbline/pkg/trend"
)

// pastRuns is how many earlier runs are looked at, at most.
const pastRuns = 100

// A past is sound runs of one test, the oldest first, with what the store kept of
// each by the definitions of an agreement.
type past struct {
	runs   []store.Summary
	values []compare.RunValues
}

// pastOf is the past of candidates that are judged together. What was never
// measured, or by other definitions, is not measured for it.
func (a *Analyzer) pastOf(ctx context.Context, agreement slo.Agreement, candidates []run.Run) (p past, err error) {
	all, _, err := a.Store.Summaries(ctx)
	if err != nil {
		return p, err
	}
	p.runs = slices.DeleteFunc(store.Earlier(all, candidates), func(s store.Summary) bool { return !s.Sound })
	p.runs = p.runs[max(0, len(p.runs)-pastRuns):]
	ids := make([]string, len(p.runs))
	for i, s := range p.runs {
		ids[i] = s.ID
	}
	kept, err := a.Store.Values(ctx, ids)
	if err != nil {
		return p, err
	}
	definitions := map[string]string{}
	for _, o := range agreement.Objectives {
		definitions[o.ID] = definition(o, agreement.Vars)
	}
	for _, id := range ids {
		values := compare.RunValues{Run: run.Run{ID: id}, Values: map[string]compare.Value{}}
		for objective, v := range kept[id] {
			if v.Definition == definitions[objective] {
				values.Values[objective] = compare.Value{Value: v.Value, Events: v.Events, Total: v.Total, Dispersion: v.Dispersion}
			}
		}
		p.values = append(p.values, values)
	}
	return p, nil
}

// only is the part of the past that some runs make up.
func (p past) only(keep func(store.Summary) bool) (part past) {
	for i, s := range p.runs {
		if keep(s) {
			part.runs, part.values = append(part.runs, s), append(part.values, p.values[i])
		}
	}
	return part
}

// A levelChange is a strict change point of a metric that decides.
type levelChange struct {
	trend.ChangePoint // Index is that of a run
	metric            compare.Metric
}

// changes are where the level of metrics that decide changed, the oldest first.
func (p past) changes(metrics []compare.Metric) (changes []levelChange) {
	for _, m := range metrics {
		if !m.Gating {
			continue
		}
		history := make([]float64, len(p.values))
		for i, r := range p.values {
			history[i] = math.NaN()
			if v, kept := r.Values[m.ID]; kept {
				history[i] = v.Value
			}
		}
		for _, c := range trend.Detect(history) {
			if c.Strength == trend.Strict {
				changes = append(changes, levelChange{c, m})
			}
		}
	}
	slices.SortStableFunc(changes, func(a, b levelChange) int { return cmp.Compare(a.Index, b.Index) })
	return changes
}

// latestLevel is when the latest level of the metrics that decide began, and
// with what; the zero time when no change of it is known.
func (p past) latestLevel(metrics []compare.Metric) (began time.Time, what string) {
	changes := p.changes(metrics)
	if len(changes) == 0 {
		return began, ""
	}
	last := changes[len(changes)-1]
	quantity := func(v float64) string { return report.Quantity(report.Number(v), last.metric.Unit) }
	at := p.runs[last.Index]
	return at.Window.Start, fmt.Sprintf("run %s, where the level of %s changed from %s to %s", at.ID, last.metric.ID, quantity(last.Before), quantity(last.After))
}

// levels parts the past where the level of a metric that decides changed.
func (p past) levels(metrics []compare.Metric) (levels [][]compare.RunValues) {
	from := 0
	for _, c := range p.changes(metrics) {
		levels = append(levels, p.values[from:c.Index])
		from = c.Index
	}
	return append(levels, p.values[from:])
}

// builds puts the past into groups of one build each: repeats of one test, or
// runs with the same labels. Where too few are tied so, such as when each run has
// a commit of its own, runs that nothing ties are taken for one build as long as
// they stay on one level. Small changes between them make the noise look larger
// than it is, which raises no false alarms.
func (p past) builds(metrics []compare.Metric) (groups [][]compare.RunValues) {
	place, size := map[string]int{}, map[string]int{}
	for i, s := range p.runs {
		key := buildOf(s)
		if size[key]++; size[key] == 1 {
			place[key] = len(groups)
			groups = append(groups, nil)
		}
		groups[place[key]] = append(groups[place[key]], p.values[i])
	}
	loose := p.only(func(s store.Summary) bool { return size[buildOf(s)] == 1 })
	if tied := len(p.runs) - len(loose.runs); tied >= trend.LeastValues || len(loose.runs) < trend.LeastValues {
		return groups
	}
	return append(groups, loose.levels(metrics)...)
}

// buildOf is what the runs of one build have in common. Without labels it is the
// test that they repeat.
func buildOf(s store.Summary) string {
	if len(s.Labels) == 0 {
		return "repeats of " + s.Group
	}
	text, err := json.Marshal(s.Labels)
	if err != nil {
		return s.ID
	}
	return string(text)
}
