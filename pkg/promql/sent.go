package promql

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/plumbline/plumbline/pkg/run"
)

// Sent is the time in which a run's load was sent, as scrapes saw it: what was only
// answered later took longer, and would make rates look lower.
type Sent struct {
	cells   int // of the run's grid; all of them: 0
	seconds float64
}

// PerSecond is the rate at which a counter grew in it, from what it gained in each
// interval of the run's grid.
func (s Sent) PerSecond(gained []float64) float64 {
	cells := len(gained)
	if s.cells > 0 {
		cells = min(s.cells, cells)
	}
	total := 0.0
	for _, v := range gained[:cells] {
		total += v
	}
	return total / s.seconds
}

// Sent finds it for the targets of a selector: of a run that took longer than its load,
// what was seen by the last scrapes before the load ended.
func (m *Meter) Sent(ctx context.Context, sel Selector, r run.Run) (Sent, error) {
	w := r.Sent()
	grid := gridOver(w, m.scrape)
	_, cells := grid.Cells(w)
	if w == r.Window || cells == 0 {
		return Sent{seconds: r.Window.Duration().Seconds()}, nil
	}
	last := grid.End(cells - 1)
	res, err := m.Query(ctx, fmt.Sprintf("avg(timestamp(%s))", sel.Population()), last)
	if err == nil && len(res.Series) == 1 {
		last = time.UnixMilli(int64(math.Round(res.Series[0].Points[0].Value * 1000)))
	}
	return Sent{cells: cells, seconds: last.Sub(grid.Start).Seconds()}, err
}
