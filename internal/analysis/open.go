package analysis

import (
	"context"

	"github.com/plumbline/plumbline/pkg/promql"
	"github.com/plumbline/plumbline/pkg/run"
	"github.com/plumbline/plumbline/pkg/slo"
)

// An Opened run can be asked for more than its report says.
type Opened struct {
	Run       run.Run
	Agreement slo.Agreement
	Querier   promql.Querier
	Close     func()
}

// Open opens a run, the source of its series, and the SLA that it is judged by.
func (a *Analyzer) Open(ctx context.Context, id string, opts Options) (Opened, error) {
	x, closeRun, err := a.open(ctx, id, opts)
	if err != nil {
		return Opened{}, err
	}
	return Opened{x.run, x.agreement, x.meter, closeRun}, nil
}
