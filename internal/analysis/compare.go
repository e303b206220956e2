package analysis

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/plumbline/plumbline/pkg/compare"
	"github.com/plumbline/plumbline/pkg/run"
	"github.com/plumbline/plumbline/pkg/slo"
	"github.com/plumbline/plumbline/pkg/strictyaml"
)

// baseline finds what a run is held against; nil when nothing was chosen.
func (a *Analyzer) baseline(ctx context.Context, x *analyzed, opts Options) (*compare.Baseline, error) {
	name := opts.Baseline
	if name == "" {
		name = x.run.Baseline
	}
	if name == "" {
		name = opts.FallbackBaseline
	}
	if name == "" {
		return nil, nil
	}
	spec, err := a.baselineSpec(name)
	if err != nil {
		return nil, err
	}
	b := &compare.Baseline{Name: name, Declared: spec.Values}
	ids, err := a.baselineRuns(spec, x.run)
	if err != nil {
		return nil, err
	}
	for _, id := range ids {
		values, err := a.score(ctx, id, opts)
		if err != nil {
			return nil, fmt.Errorf("baseline %s: %w", name, err)
		}
		b.Runs = append(b.Runs, values)
	}
	return b, nil
}

// baselineSpec reads the file of a baseline; a run's id is a baseline by itself.
func (a *Analyzer) baselineSpec(name string) (compare.Spec, error) {
	path := a.Store.BaselineFile(name)
	text, err := os.ReadFile(path)
	if err == nil {
		return compare.ParseSpec(path, text)
	}
	if _, loadErr := a.Store.Load(name); loadErr == nil && errors.Is(err, os.ErrNotExist) {
		return compare.Spec{Name: name, Run: name}, nil
	}
	known := a.Store.Baselines()
	if near := strictyaml.Nearest(name, known); near != "" {
		return compare.Spec{}, fmt.Errorf("baseline %s: there is none; did you mean %s?", name, near)
	}
	return compare.Spec{}, fmt.Errorf("baseline %s: there is none, neither a run nor a file %s; there are: %s", name, path, strings.Join(known, ", "))
}

// baselineRuns are the ids of the runs that a baseline names.
func (a *Analyzer) baselineRuns(spec compare.Spec, candidate run.Run) ([]string, error) {
	if spec.Run != "" {
		return []string{spec.Run}, nil
	}
	runs, _, err := a.Store.List()
	if err != nil || spec.Last == 0 {
		return nil, err
	}
	group := repeatGroup(candidate)
	runs = slices.DeleteFunc(runs, func(r run.Run) bool {
		return r.State != run.Complete || len(r.Generators.Problems()) > 0 || r.Service != candidate.Service ||
			r.Scenario != candidate.Scenario || r.Profile != candidate.Profile || repeatGroup(r) == group || !hasLabels(r, spec.Labels)
	})
	var ids []string
	for _, r := range runs[max(0, len(runs)-spec.Last):] {
		ids = append(ids, r.ID)
	}
	return ids, nil
}

func hasLabels(r run.Run, want map[string]string) bool {
	for name, value := range want {
		if r.Labels[name] != value {
			return false
		}
	}
	return true
}

// repeatGroup is the id that repeats of one test share.
func repeatGroup(r run.Run) string {
	if r.Repeat == nil {
		return r.ID
	}
	return r.Repeat.Group
}

// compare holds a run, together with its repeats, against the baseline.
func (a *Analyzer) compare(ctx context.Context, x *analyzed, baseline *compare.Baseline, opts Options) (*compare.Comparison, error) {
	if baseline == nil {
		return nil, nil
	}
	candidates := []compare.RunValues{x.values()}
	if x.run.Repeat != nil {
		runs, _, err := a.Store.List()
		if err != nil {
			return nil, err
		}
		for _, r := range runs {
			if r.ID == x.run.ID || r.State != run.Complete || repeatGroup(r) != repeatGroup(x.run) {
				continue
			}
			values, err := a.score(ctx, r.ID, opts)
			if err != nil {
				return nil, err
			}
			candidates = append(candidates, values)
		}
	}
	c := compare.Compare(*baseline, candidates, x.metrics(baseline.Declared), compare.Noise{})
	return &c, nil
}

// values are what a run measured, by objective.
func (x *analyzed) values() compare.RunValues {
	v := compare.RunValues{Run: x.run, Values: map[string]compare.Value{}}
	for _, t := range x.scores.Targets {
		for _, gap := range t.Gaps {
			v.Problems = append(v.Problems, fmt.Sprintf("a gap of %s between scrapes of %s", gap.Duration().Round(time.Second), t.Labels))
		}
	}
	for _, r := range x.scores.Objectives {
		v.Values[r.Objective.ID] = valueOf(r)
	}
	return v
}

// valueOf is a result as the comparison wants it: of a ratio also its events.
func valueOf(r slo.Result) compare.Value {
	if r.Objective.Ratio == nil || r.Objective.Ratio.Per != "" {
		return compare.Value{Value: r.Value}
	}
	return compare.Value{Value: r.Value, Total: r.Events}
}

// metrics are the objectives that are compared: of a baseline of declared values
// those that it declares, else those with a bound or a target, as far as a change
// of them means something. Those that must hold decide.
func (x *analyzed) metrics(declared map[string]float64) []compare.Metric {
	var ms []compare.Metric
	for _, r := range x.scores.Objectives {
		o := r.Objective
		bounded := o.Must != nil || o.Should != nil || o.Target != nil
		means := bounded && o.By == "" && o.Group != "users" && (o.Ratio == nil || o.Ratio.Per == "")
		if _, isDeclared := declared[o.ID]; declared != nil && !isDeclared || declared == nil && !means {
			continue
		}
		m := compare.Metric{ID: o.ID, Title: o.Title, Group: o.Group, Unit: o.Unit, Tolerance: .05, Gating: o.Must != nil || o.Target != nil, Ratio: o.Ratio != nil && o.Ratio.Per == ""}
		if o.Worse == "lower" {
			m.Worse = compare.LowerIsWorse
		}
		if o.Quantile != nil {
			m.Family = o.Quantile.Of
		}
		if o.Tolerance != nil {
			m.Tolerance = float64(*o.Tolerance)
		}
		ms = append(ms, m)
	}
	return ms
}

// centers are the baseline's values by objective, for relative bounds.
func centers(b *compare.Baseline) map[string]float64 {
	if b == nil {
		return nil
	}
	if b.Declared != nil {
		return maps.Clone(b.Declared)
	}
	sums, counts := map[string]float64{}, map[string]float64{}
	for _, r := range b.Runs {
		for id, v := range r.Values {
			if !math.IsNaN(v.Value) {
				sums[id] += v.Value
				counts[id]++
			}
		}
	}
	for id := range sums {
		sums[id] /= counts[id]
	}
	return sums
}
