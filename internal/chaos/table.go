package chaos

import (
	"context"
	"fmt"
	"io"
	"strings"
)

// A Tally is how many cells were right.
type Tally struct{ Faulty, FaultyRight, Healthy, HealthyRight, Invalid int }

// HitRate is the share of the cells with faults whose first finding names one.
func (t Tally) HitRate() float64 { return float64(t.FaultyRight) / float64(t.Faulty) }

// add counts an outcome. A cell whose load can't be trusted tells nothing.
func (t *Tally) add(o Outcome) {
	right := 0
	if o.Right() {
		right = 1
	}
	switch {
	case o.Invalid != "":
		t.Invalid++
	case len(o.Cell.Faults) == 0:
		t.Healthy, t.HealthyRight = t.Healthy+1, t.HealthyRight+right
	default:
		t.Faulty, t.FaultyRight = t.Faulty+1, t.FaultyRight+right
	}
}

// Run runs cells, writes a row for each, and the tally.
func (l Lab) Run(ctx context.Context, w io.Writer, cells []Cell) (t Tally, err error) {
	fmt.Fprintf(w, "%-7s %-40s %-13s %-8s %-7s %s\n", "group", "injected", "load", "answer", "first", "finding")
	for _, c := range cells {
		o, err := l.Try(ctx, c)
		if err != nil {
			return t, err
		}
		t.add(o)
		o.row(w)
		if l.Verbose {
			o.all(w)
		}
	}
	fmt.Fprintf(w, "\n%d of %d runs with faults: the first finding names what was injected (%.0f %%).\n", t.FaultyRight, t.Faulty, 100*t.HitRate())
	fmt.Fprintf(w, "%d of %d healthy runs: nothing above LOW.\n", t.HealthyRight, t.Healthy)
	if t.Invalid > 0 {
		fmt.Fprintf(w, "%d runs tell nothing: the load generator was kept from its work.\n", t.Invalid)
	}
	return t, nil
}

func (o Outcome) row(w io.Writer) {
	answer, first, finding := "right", "-", "nothing found"
	switch {
	case o.Invalid != "":
		answer = "invalid"
	case !o.Right():
		answer = "WRONG"
	}
	injected, _, _ := strings.Cut(o.Cell.Name, ".")
	if o.Cell.Replicas > 1 {
		injected += fmt.Sprintf(" (%d replicas)", o.Cell.Replicas)
	}
	if fs := o.Diagnosis.Findings; len(fs) > 0 {
		first, finding = fs[0].Severity.String(), fs[0].ID+": "+fs[0].Symptom
	} else if o.Diagnosis.Undetermined != "" {
		finding = "undetermined"
	}
	fmt.Fprintf(w, "%-7s %-40s %-13s %-8s %-7s %s\n", o.Cell.Group, injected, o.Cell.Load.Name, answer, first, finding)
}

// all writes what was missed, and every finding.
func (o Outcome) all(w io.Writer) {
	fmt.Fprintf(w, "        missed: %s. %s %s\n", strings.Join(o.Missed, ", "), o.Diagnosis.Undetermined, o.Invalid)
	for _, f := range o.Diagnosis.Findings {
		fmt.Fprintf(w, "        %-7s %s: %s. %s\n", f.Severity, f.ID, f.Symptom, f.Impact)
	}
}
