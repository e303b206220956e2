package analysis

import (
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
	spec, err := a.Store.Baseline(name)
	if err != nil {
		return nil, err
	}
	b := &compare.Baseline{Name: name, Declared: spec.Values}
	ids, err := a.Store.BaselineRuns(ctx, spec, x.run, opts.Since)
	if err != nil {
		return nil, err
	}
	for _, id := range ids {
		values, err := a.valuesOf(ctx, id, x.agreement, opts)
		if err != nil {
			return nil, fmt.Errorf("baseline %s: %w", name, err)
		}
		b.Runs = append(b.Runs, values)
	}
	return b, nil
}

// Compare holds several runs of one build together against a baseline. They are
// measured by the SLA of the first.
func (a *Analyzer) Compare(ctx context.Context, ids []string, opts Options) (report.Comparison, error) {
	first, closeRun, err := a.open(ctx, ids[0], opts)
	if err != nil {
		return report.Comparison{}, err
	}
	defer closeRun()
	baseline, err := a.baseline(ctx, first, opts)
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

// compare holds a run, together with its repeats, against the baseline.
func (a *Analyzer) compare(ctx context.Context, x *analyzed, baseline *compare.Baseline, opts Options) (*compare.Comparison, error) {
	if baseline == nil {
		return nil, nil
	}
	var repeats []string
	if x.run.Repeat != nil {
		all, _, err := a.Store.Summaries(ctx)
		if err != nil {
			return nil, err
		}
		for _, s := range all {
			if s.ID != x.run.ID && s.State == run.Complete && s.Group == x.run.Repeat.Group {
				repeats = append(repeats, s.ID)
			}
		}
	}
	return a.compareWith(ctx, x, repeats, baseline, opts)
}

// compareWith holds a run and others of its build against the baseline.
func (a *Analyzer) compareWith(ctx context.Context, x *analyzed, others []string, baseline *compare.Baseline, opts Options) (*compare.Comparison, error) {
	candidates := []compare.RunValues{x.values()}
	for _, id := range others {
		values, err := a.valuesOf(ctx, id, x.agreement, opts)
		if err != nil {
			return nil, err
		}
		x.others = append(x.others, values)
	}
	candidates = append(candidates, x.others...)
	metrics := x.metrics(baseline.Declared)
	noise, err := a.noise(ctx, x, metrics, slices.Concat(baseline.Runs, candidates))
	if err != nil {
		return nil, err
	}
	if x.calibration, err = a.calibration(store.Summarize(x.run)); err != nil {
		return nil, err
	}
	if x.calibration != nil {
		x.calibration.addTo(&noise)
	}
	c := compare.Compare(*baseline, candidates, metrics, noise)
	return &c, nil
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
