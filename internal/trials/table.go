package trials

import (
	"fmt"
	"io"
	"slices"
	"text/tabwriter"

	"github.com/plumbline/plumbline/internal/analysis"
)

// The goals, as shares of the comparisons.
const (
	falselyAtMost      = 0.02
	inconclusiveAtMost = 0.20
)

// seenAtLeast is what is called regressed of builds that are slower.
var seenAtLeast = map[string]float64{label + "=slower-10": 0.80, label + "=slower-5": 0.60}

// scored are the metrics of which the goals speak.
var scored = []string{"latency-p95", "client-latency-p95", "rps"}

// Write says which goals are met.
func Write(out io.Writer, c analysis.Calibration) error {
	fmt.Fprintf(out, "%d runs of one build\n", len(c.Runs))
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	row := func(what string, share float64, interval, goal string, met bool) {
		verdict := "met"
		if !met {
			verdict = "NOT MET"
		}
		fmt.Fprintf(w, "%s\t%.1f %%\t%s\t%s\t%s\n", what, 100*share, interval, goal, verdict)
	}
	for _, t := range c.FalseAlarms {
		row(fmt.Sprintf("same build, %d against %d: called regressed", t.Candidates, t.Baseline), float64(t.Rate), interval(t),
			fmt.Sprintf("≤ %.0f %%", 100*falselyAtMost), float64(t.Rate) <= falselyAtMost)
	}
	for _, d := range c.Detections {
		seen := seenAtLeast[d.Build]
		for _, m := range d.Metrics {
			if !slices.Contains(scored, m.ID) {
				continue
			}
			of := func(n int) float64 { return float64(n) / float64(d.Comparisons) }
			what := fmt.Sprintf("%s %+.1f %%, %d against %d: ", m.ID, 100*float64(m.Change), d.Candidates, d.Baseline)
			row(what+"called regressed", of(m.Regressed), "", fmt.Sprintf("≥ %.0f %%", 100*seen), of(m.Regressed) >= seen)
			row(what+"inconclusive", of(m.Inconclusive), "", fmt.Sprintf("≤ %.0f %%", 100*inconclusiveAtMost), of(m.Inconclusive) <= inconclusiveAtMost)
		}
	}
	for _, m := range c.Metrics {
		if m.Gating && m.SD.Known() {
			fmt.Fprintf(w, "noise between runs: %s\t%.2f %%\t\t\t\n", m.ID, 100*float64(m.SD))
		}
	}
	for _, warning := range c.Warnings {
		fmt.Fprintln(w, "warning:", warning)
	}
	return w.Flush()
}

func interval(t analysis.Trial) string {
	return fmt.Sprintf("%.1f to %.1f %%", 100*float64(t.Low), 100*float64(t.High))
}
