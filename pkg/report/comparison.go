package report

import (
	"fmt"
	"strings"

	"github.com/plumbline/plumbline/pkg/compare"
)

// comparison judges the change against the baseline and the target apart.
func comparison(r Report) section {
	c := r.Comparison
	if c == nil {
		return section{}
	}
	t := table{Columns: joined(left("Metric"), right("Baseline", "Target", "Actual", "Change", "90 % interval"), left("Against baseline", "Target"))}
	for _, d := range c.Deltas {
		t.Rows = append(t.Rows, deltaRow(d, c.Reason, find(r.Objectives, d.ID)))
	}
	return section{Note: comparisonNote(*c), Tables: []table{t}, Bars: deltaBars(c)}
}

func deltaRow(d Delta, known string, measured *Objective) row {
	target := text(noData)
	if d.TargetJudged {
		target = statusCell(targetStatuses[d.TargetVerdict])
	}
	title := d.Title
	if title == "" {
		title = d.ID
	}
	actual := text(beside(d.Actual, d.Unit, d.Target))
	if measured != nil {
		actual.Source = objectiveSource(*measured)
	}
	return row{
		Cells: []cell{
			text(title), text(quantity(d.Baseline, d.Unit)), text(orNone(bound(d.Target))), actual,
			text(change(d.Change)), text(orNone(interval(d.Low, d.High, change))), statusCell(changeStatuses[d.Verdict]), target,
		},
		Note: deltaNote(d, known),
	}
}

// deltaNote says why a change could not be judged, and what would settle it, or
// why one that looks large counts as none; what is known of the whole comparison is
// not said again.
func deltaNote(d Delta, known string) string {
	if d.Verdict != compare.Inconclusive && d.Verdict != compare.Unchanged {
		return ""
	}
	var parts []string
	if d.Reason != "" && d.Reason != known {
		parts = append(parts, d.Reason)
	}
	if d.RunsNeeded > 0 {
		parts = append(parts, fmt.Sprintf("%d runs on each side would settle it", d.RunsNeeded))
	}
	if d.Detectable.Known() && d.Verdict == compare.Inconclusive {
		parts = append(parts, "a change of "+strings.TrimPrefix(change(d.Detectable), "+")+" could have been told")
	}
	return strings.Join(parts, "; ")
}

func comparisonNote(c Comparison) string {
	parts := []string{"Baseline " + c.Baseline + ": " + changeStatuses[c.Verdict].String()}
	if !c.Comparable {
		parts = append(parts, "not comparable: "+orNone(c.Reason))
	} else if c.Reason != "" {
		parts = append(parts, c.Reason)
	}
	if len(c.BaselineRuns) > 0 {
		parts = append(parts, "baseline runs "+strings.Join(c.BaselineRuns, ", "))
	}
	if len(c.CandidateRuns) > 0 {
		parts = append(parts, "held against it "+strings.Join(c.CandidateRuns, ", "))
	}
	return strings.Join(append(parts, c.Notes...), " · ")
}
