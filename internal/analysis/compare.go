package analysis

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"math"
	"slices"

	"github.com/plumbline/plumbline/internal/store"
	"github.com/plumbline/plumbline/pkg/compare"
	"github.com/plumbline/plumbline/pkg/report"
	"github.com/plumbline/plumbline/pkg/run"
	"github.com/plumbline/plumbline/pkg/slo"
	"github.com/plumbline/plumbline/pkg/strictyaml"
)

// baseline finds what a run and others that are judged together with it are held
// against; nil when nothing was chosen.
func (a *Analyzer) baseline(ctx context.Context, x *analyzed, others []string, opts Options) (*compare.Baseline, error) {
	name := cmp.Or(opts.Baseline, x.run.Baseline, opts.FallbackBaseline)
	if name == "" {
		return nil, nil
	}
	spec, err := a.Store.Baseline(name)
	if err != nil {
		return nil, err
	}
	if err := a.gather(ctx, x, others); err != nil {
		return nil, err
	}
	b := &compare.Baseline{Name: name}
	switch {
	case spec.Values != nil:
		b.Declared = spec.Declared()
		b.Notes, err = a.checkDeclared(name, b.Declared, x.agreement)
	case spec.Run != "":
		b.Runs = make([]compare.RunValues, 1)
		b.Runs[0], err = a.valuesOf(ctx, spec.Run, x.agreement, opts)
	default:
		b.Runs, b.Notes, err = a.rolling(ctx, x, spec, opts)
	}
	if err != nil {
		return nil, fmt.Errorf("baseline %s: %w", name, err)
	}
	return b, nil
}

// checkDeclared holds declared values against the objectives that they are of,
// and notes those that the agreement has not.
func (a *Analyzer) checkDeclared(name string, declared map[string]float64, agreement slo.Agreement) (notes []string, err error) {
	measured := map[string]strictyaml.Dimension{}
	for _, o := range agreement.Objectives {
		measured[o.ID] = slo.DimensionOf(o.Unit)
	}
	known := slices.Sorted(maps.Keys(measured))
	for _, id := range slices.Sorted(maps.Keys(declared)) {
		if _, there := measured[id]; there {
			continue
		}
		note := fmt.Sprintf("declared value %s: the SLA has no such objective", id)
		if near := strictyaml.Nearest(id, known); near != "" {
			note += "; did you mean " + near + "?"
		}
		notes = append(notes, note)
	}
	return notes, a.Store.CheckBaseline(name, measured)
}

// rolling finds the runs of a rolling baseline: the last good ones of the latest
// level, the oldest first. Runs on the way that are not good stand among them, for
// the comparison to leave out and name.
func (a *Analyzer) rolling(ctx context.Context, x *analyzed, spec compare.Spec, opts Options) (runs []compare.RunValues, notes []string, err error) {
	eligible, err := a.Store.Eligible(ctx, spec, x.candidates...)
	if err != nil {
		return nil, nil, err
	}
	among := map[string]bool{}
	for _, s := range eligible {
		among[s.ID] = true
	}
	began, what := x.past.only(func(s store.Summary) bool { return among[s.ID] }).latestLevel(metricsOf(objectivesFor(x.agreement, x.run), nil))
	good := 0
	for _, s := range slices.Backward(eligible) {
		if good == spec.Last {
			break
		}
		if s.Window.Start.Before(began) {
			notes = append(notes, fmt.Sprintf("the baseline begins with %s", what))
			break
		}
		r, err := a.rollingRun(ctx, s, x.agreement, opts)
		if err != nil {
			return nil, nil, err
		}
		runs = append(runs, r)
		if len(compare.Unfit(r)) == 0 {
			good++
		}
	}
	if good < spec.Last {
		notes = append(notes, fmt.Sprintf("the baseline takes the last %d good runs, and there are %d", spec.Last, good))
	}
	slices.Reverse(runs)
	return runs, notes, nil
}

// rollingRun measures a run of a rolling baseline, unless it is left out anyway.
func (a *Analyzer) rollingRun(ctx context.Context, s store.Summary, agreement slo.Agreement, opts Options) (compare.RunValues, error) {
	if s.Sound {
		return a.valuesOf(ctx, s.ID, agreement, opts)
	}
	r, err := a.Store.Load(s.ID)
	return compare.RunValues{Run: r}, err
}

// gather finds what a comparison of a run needs before its baseline is chosen: the
// others that are judged together with it, and the past of all of them.
func (a *Analyzer) gather(ctx context.Context, x *analyzed, others []string) (err error) {
	x.candidates = []run.Run{x.run}
	for _, id := range others {
		other, err := a.Store.Load(id)
		if err != nil {
			return err
		}
		x.candidates = append(x.candidates, other)
	}
	x.past, err = a.pastOf(ctx, x.agreement, x.candidates)
	return err
}

// Compare holds several runs of one build together against a baseline. They are
// measured by the SLA of the first.
func (a *Analyzer) Compare(ctx context.Context, ids []string, opts Options) (report.Comparison, error) {
	first, closeRun, err := a.open(ctx, ids[0], opts)
	if err != nil {
		return report.Comparison{}, err
	}
	defer closeRun()
	baseline, err := a.baseline(ctx, first, ids[1:], opts)
	switch {
	case err != nil:
		return report.Comparison{}, fmt.Errorf("run %s: %w", ids[0], err)
	case baseline == nil:
		return report.Comparison{}, fmt.Errorf("run %s: it has no baseline; name one with --baseline", ids[0])
	}
	if err := first.measure(ctx, centers(baseline)); err != nil {
		return report.Comparison{}, fmt.Errorf("run %s: %w", ids[0], err)
	}
	a.keep(ctx, first)
	c, err := a.compareWith(ctx, first, ids[1:], baseline, opts)
	if err != nil {
		return report.Comparison{}, err
	}
	return *first.comparison(c), nil
}

// repeats are the others of a run's repeats that have ended.
func (a *Analyzer) repeats(ctx context.Context, r run.Run) (ids []string, err error) {
	if r.Repeat == nil {
		return nil, nil
	}
	all, _, err := a.Store.Summaries(ctx)
	for _, s := range all {
		if s.ID != r.ID && s.State != run.Running && s.Group == r.Repeat.Group {
			ids = append(ids, s.ID)
		}
	}
	return ids, err
}

// compareWith holds a run and others of its build against the baseline; nil when there is none.
func (a *Analyzer) compareWith(ctx context.Context, x *analyzed, others []string, baseline *compare.Baseline, opts Options) (*compare.Comparison, error) {
	if baseline == nil {
		return nil, nil
	}
	candidates := []compare.RunValues{x.values()}
	for _, id := range others {
		values, err := a.valuesOf(ctx, id, x.agreement, opts)
		if err != nil {
			return nil, err
		}
		candidates = append(candidates, values)
		if len(compare.Unfit(values)) == 0 {
			x.others = append(x.others, values)
		}
	}
	metrics := x.metrics(baseline.Declared)
	noise := x.noise(metrics, baseline.Runs)
	var err error
	if x.calibration, err = a.calibration(x.run); err != nil {
		return nil, err
	}
	if x.calibration != nil {
		x.calibration.addTo(&noise)
	}
	c := compare.Compare(*baseline, candidates, metrics, noise)
	return &c, nil
}

// noise is what is known of the noise between runs of one build, from earlier
// runs that are not part of the comparison.
func (x *analyzed) noise(metrics []compare.Metric, without []compare.RunValues) compare.Noise {
	others := x.past.only(func(s store.Summary) bool {
		return !slices.ContainsFunc(without, func(r compare.RunValues) bool { return r.Run.ID == s.ID })
	})
	return compare.MeasureNoise(others.builds(metrics), metrics)
}

// metrics are the objectives that are compared.
func (x *analyzed) metrics(declared map[string]float64) []compare.Metric {
	var objectives []slo.Objective
	for _, r := range x.scores.Objectives {
		objectives = append(objectives, r.Objective)
	}
	return metricsOf(objectives, declared)
}

// metricsOf are the objectives that are compared: of a baseline of declared values
// those that it declares, else those with a bound or a target, as far as a change
// of them means something. Those that must hold decide.
func metricsOf(objectives []slo.Objective, declared map[string]float64) []compare.Metric {
	var ms []compare.Metric
	for _, o := range objectives {
		bounded := o.Must != nil || o.Should != nil || o.Target != nil
		means := bounded && o.By == "" && o.Group != "users" && (o.Ratio == nil || o.Ratio.Per == "")
		if _, isDeclared := declared[o.ID]; declared != nil && !isDeclared || declared == nil && !means {
			continue
		}
		m := compare.Metric{ID: o.ID, Title: o.Title, Group: o.Group, Unit: o.Unit, Tolerance: .05, Gating: o.Must != nil || o.Target != nil, Ratio: isShare(o)}
		if o.Worse == "lower" {
			m.Worse = compare.LowerIsWorse
		}
		m.Family = familyOf(o)
		if o.Tolerance != nil {
			m.Tolerance = float64(*o.Tolerance)
		}
		ms = append(ms, m)
	}
	return ms
}

// familyOf names what objectives ask of the same series: quantiles of one
// histogram, rates of one counter, shares of the same events.
func familyOf(o slo.Objective) string {
	switch {
	case o.Quantile != nil:
		return "quantiles of " + o.Quantile.Of
	case o.Rate != nil:
		return "rates of " + o.Rate.Of
	case isShare(o):
		return "shares of " + o.Ratio.Total
	}
	return ""
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
		if len(compare.Unfit(r)) > 0 {
			continue
		}
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
