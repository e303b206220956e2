package report

import (
	"slices"
	"strings"
)

// severities are the colours of findings.
var severities = map[string]status{
	"HIGH":   {"HIGH", "✘", "fail"},
	"MEDIUM": {"MEDIUM", "▲", "warn"},
	"LOW":    {"LOW", "●", "none"},
}

// findings is the guide's Bottleneck Identification: a block of pairs for each finding.
func findings(r Report) section {
	s := section{Note: r.searched()}
	for _, f := range r.Findings {
		s.Tables = append(s.Tables, findingTable(f))
	}
	return s
}

// searched says what a search has left open, or that it found nothing.
func (r *Report) searched() string {
	var notes []string
	switch {
	case r.Undetermined != "":
		notes = append(notes, "Undetermined: "+r.Undetermined+".")
	case len(r.Findings) == 0 && len(r.Unexamined) > 0:
		notes = append(notes, "Nothing that could be looked at was in trouble.")
	case len(r.Findings) == 0:
		notes = append(notes, "No resource was in trouble.")
	}
	if len(r.Unexamined) > 0 {
		notes = append(notes, "Not examined: "+strings.Join(r.Unexamined, "; ")+".")
	}
	return strings.Join(notes, " ")
}

func findingTable(f Finding) table {
	severity, known := severities[f.Severity]
	if !known {
		severity = status{f.Severity, "?", "inconclusive"}
	}
	title := f.Title()
	t := table{Title: title + " (" + severity.Word + ")", Columns: left("", ""), Status: &severity}
	add := func(name string, c cell) { t.Rows = append(t.Rows, row{Cells: []cell{text(name), c}}) }
	for _, p := range []Pair{{"Component", f.Component}, {"Symptom", f.Symptom}, {"Root cause", f.RootCause}, {"Impact", f.Impact}} {
		if p.Value != "" {
			add(p.Name, text(p.Value))
		}
	}
	for i, what := range f.Recommendations {
		name := ""
		if i == 0 {
			name = "Recommendation"
		}
		add(name, text(what))
	}
	for _, e := range f.Evidence {
		detail := evidenceDetail(e)
		shown := text(strings.TrimSuffix(e.Text+" · "+detail, " · "))
		if e.Query == "" {
			add("Evidence", shown)
			continue
		}
		shown.Source = &source{Title: title, Value: e.Text, Detail: detail, Query: e.Query, Link: e.Link}
		add("Evidence", shown)
		add("Query", text(e.Query))
	}
	if f.Page != "" {
		add("How it is found", link(f.Page))
	}
	return t
}

func evidenceDetail(e Evidence) string {
	var parts []string
	if e.Threshold != "" {
		parts = append(parts, "threshold: "+e.Threshold)
	}
	if !e.Onset.IsZero() {
		parts = append(parts, "since "+e.Onset.UTC().Format(timeOfDay))
	}
	if e.Overlap.Known() {
		parts = append(parts, "covers "+percent(float64(e.Overlap))+" of the breaches")
	}
	return strings.Join(parts, " · ")
}

// horizons are the guide's, the nearest first.
var horizons = []string{"quick wins", "medium term", "long term"}

// improvements is the guide's Performance Improvements, a table for each horizon.
func improvements(r Report) section {
	var s section
	names := slices.Clone(horizons)
	for _, i := range r.Improvements {
		if !slices.Contains(names, i.Horizon) {
			names = append(names, i.Horizon)
		}
	}
	for _, horizon := range names {
		t := table{Title: strings.ToUpper(horizon[:min(1, len(horizon))]) + horizon[min(1, len(horizon)):], Columns: left("Action", "Estimate", "Computed by")}
		for _, i := range r.Improvements {
			if i.Horizon == horizon {
				t.Rows = append(t.Rows, row{Cells: []cell{text(i.Action), text(orNone(i.Estimate)), text(orNone(i.Formula))}})
			}
		}
		s.Tables = append(s.Tables, t)
	}
	return s
}
