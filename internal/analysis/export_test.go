package analysis

import (
	"context"

	"github.com/plumbline/plumbline/internal/store"
	"github.com/plumbline/plumbline/pkg/compare"
	"github.com/plumbline/plumbline/pkg/promql"
	"github.com/plumbline/plumbline/pkg/report"
	"github.com/plumbline/plumbline/pkg/run"
	"github.com/plumbline/plumbline/pkg/slo"
)

// CapacityOf is the capacity of a run whose series a test made up.
func CapacityOf(ctx context.Context, q promql.Querier, r run.Run, sla []byte, c CapacityOptions) (*report.Capacity, error) {
	agreement, err := slo.Parse("sla.yaml", sla)
	if err != nil {
		return nil, err
	}
	x := &analyzed{run: r, agreement: agreement, meter: promql.NewMeter(q, r.Source.Scrape())}
	if x.scores, err = agreement.Measure(ctx, x.meter, slo.Scope{Run: r}); err != nil {
		return nil, err
	}
	return x.capacity(ctx, c)
}

// NoiseOfPast is what is learned of the noise from earlier runs with these labels.
func NoiseOfPast(labels []map[string]string, values []compare.RunValues, metrics []compare.Metric) compare.Noise {
	p := past{values: values}
	for _, l := range labels {
		p.runs = append(p.runs, store.Summary{Labels: l})
	}
	return compare.MeasureNoise(p.builds(metrics), metrics)
}
