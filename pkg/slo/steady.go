package slo

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/plumbline/plumbline/pkg/promql"
	"github.com/plumbline/plumbline/pkg/run"
	"github.com/plumbline/plumbline/pkg/stats"
)

// Steadiness is the part of a run that is scored, and whether it is one state.
type Steadiness struct {
	Window run.Window    // zero for profiles without a single one: their scored stages count
	Cut    time.Duration // how much of the declared window MSER-5 takes for warm-up
	Known  bool          // there was throughput or latency to look at
	// Unsettled tells that MSER-5 would cut half of the window or nearly so: the run
	// never settled, and nothing is cut, so that no bad half is left out of a verdict.
	Unsettled bool
	// Idle tells that nothing was answered in most intervals, so that their median says
	// nothing of the throughput.
	Idle bool
	// Throughput and Latency are how much the first half lies above the second;
	// NaN when not known.
	Throughput, Latency float64
}

// Steady reports whether both halves of the window are alike, as far as can be told.
func (s Steadiness) Steady() bool {
	return !(s.Unsettled || s.Idle || math.Abs(s.Throughput) >= stats.MaxShift || math.Abs(s.Latency) >= stats.MaxShift)
}

// Note says it in a sentence.
func (s Steadiness) Note() string {
	if s.Window.IsZero() {
		return "the profile has no single steady window: its scored stages count"
	}
	text := fmt.Sprintf("%s are scored", inWords(s.Window.Duration()))
	if s.Cut > 0 {
		text += fmt.Sprintf(", after %s of warm-up (MSER-5)", inWords(s.Cut))
	}
	if s.Unsettled {
		text += "; unsteady: by MSER-5 all of the first half would be warm-up, so nothing was cut"
	}
	if !s.Known {
		return text + "; there is no throughput or latency to tell whether they are steady"
	}
	if s.Idle {
		text += "; in most intervals nothing was answered, so whether throughput was steady can't be told"
	}
	for _, h := range []struct {
		of    string
		shift float64
	}{{"throughput", s.Throughput}, {"median latency", s.Latency}} {
		switch {
		case math.IsNaN(h.shift), s.Idle && h.of == "throughput":
		case math.Abs(h.shift) >= stats.MaxShift:
			text += fmt.Sprintf("; unsteady: %s was %.0f %% %s in the first half than in the second", h.of, 100*math.Abs(h.shift), higherOrLower(h.shift))
		default:
			text += fmt.Sprintf("; %s differs by %.1f %% between its halves", h.of, 100*math.Abs(h.shift))
		}
	}
	return text
}

// inWords writes a duration to the second: 29 min 45 s.
func inWords(d time.Duration) string {
	d = d.Round(time.Second)
	if d < time.Minute {
		return fmt.Sprintf("%d s", int(d.Seconds()))
	}
	return fmt.Sprintf("%d min %d s", int(d.Minutes()), int(d.Seconds())%60)
}

func higherOrLower(shift float64) string {
	if shift > 0 {
		return "higher"
	}
	return "lower"
}

// unsettledSlack is how near to half of the window, in intervals, a cut says that
// the run never settled: two batches.
const unsettledSlack = 10

// Steady finds the part of a run that is scored (METHODS 2): the declared steady
// window without what is still warm-up by throughput and latency, the later cut
// wins. Ramps, steps and spikes have none, and are left alone.
func (a Agreement) Steady(ctx context.Context, m *promql.Meter, r run.Run) (Steadiness, error) {
	s := Steadiness{Window: r.Steady.Intersect(r.Window), Throughput: nan, Latency: nan}
	if s.Window.IsZero() {
		return s, nil
	}
	ms := measurer{meter: m, scope: Scope{Run: r}, vars: variables(a.Vars, r, m.Scrape()), whole: r.Window, steady: s.Window, answered: s.Window, targets: &targets{}}
	throughput, latency, err := ms.pace(ctx, a)
	if err != nil {
		return s, fmt.Errorf("steady window: %w", err)
	}
	grid := promql.Grid{Start: r.Window.Start, Step: m.Scrape(), N: max(len(throughput), len(latency))}
	from, to := grid.Cells(s.Window)
	inside := func(values []float64) []float64 {
		if len(values) < to {
			return nil
		}
		return values[from:to]
	}
	throughput, latency = inside(throughput), inside(latency)
	s.Known = len(throughput) > 0 || len(latency) > 0
	n := stats.WarmUp(throughput, latency)
	s.Unsettled = n > 0 && n >= (to-from)/2-unsettledSlack
	if n > 0 && !s.Unsettled {
		s.Window.Start = grid.Start.Add(time.Duration(from+n) * grid.Step)
		s.Cut = s.Window.Start.Sub(r.Steady.Start)
		throughput, latency = rest(throughput, n), rest(latency, n)
	}
	if len(throughput) > 1 {
		s.Throughput, s.Idle = stats.HalfShift(throughput), stats.Median(throughput) == 0
	}
	if len(latency) > 1 {
		s.Latency = stats.HalfShift(latency)
	}
	return s, nil
}

func rest(values []float64, n int) []float64 { return values[min(n, len(values)):] }

// pace is the requests and the median latency of each interval, by the first
// objectives of the agreement that tell them; nil without one. An increment series
// that the Meter had to widen can't tell.
func (ms measurer) pace(ctx context.Context, a Agreement) (throughput, latency []float64, err error) {
	for _, o := range a.Objectives {
		if !o.When.Matches(ms.scope.Run) {
			continue
		}
		switch {
		case throughput == nil && o.Rate != nil:
			rows, err := ms.count(ctx, o.Rate.Of, nil)
			if err != nil {
				return nil, nil, err
			}
			throughput = rows[0].Samples
		case latency == nil && o.Quantile != nil:
			if latency, err = ms.medians(ctx, o.Quantile.Of); err != nil {
				return nil, nil, err
			}
		}
	}
	return throughput, latency, nil
}

func (ms measurer) medians(ctx context.Context, of string) ([]float64, error) {
	sel, err := ms.selector(of)
	if err != nil {
		return nil, err
	}
	grid, spreads, err := ms.meter.Spreads(ctx, sel, nil, ms.whole)
	if err != nil || len(spreads) == 0 || grid.Step != ms.meter.Scrape() {
		return nil, err
	}
	medians := make([]float64, grid.N)
	for i, d := range spreads[0].Intervals {
		medians[i] = nan
		if d.Count() > 0 {
			medians[i] = d.Quantile(.5)
		}
	}
	return medians, nil
}
