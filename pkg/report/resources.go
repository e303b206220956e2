package report

import (
	"slices"
	"strings"

	"github.com/plumbline/plumbline/pkg/slo"
)

// resources has a table for each component, and one of the LLM providers.
func resources(r Report) section {
	var s section
	var components []string
	for _, res := range r.Resources {
		if !slices.Contains(components, res.Component) {
			components = append(components, res.Component)
		}
	}
	for _, c := range components {
		s.Tables = append(s.Tables, componentTable(r.Resources, c))
	}
	s.Tables = append(s.Tables, llmTable(r))
	s.Tables = append(s.Tables, llmTotals(r))
	s.Charts = chartsOf(r, append(components, "resources", "llm")...)
	return s
}

func componentTable(all []Resource, component string) table {
	t := table{Title: component, Columns: joined(left("Resource"), right("Average", "Peak", "Limit", "Target"), left("Status"))}
	for _, res := range all {
		if res.Component != component {
			continue
		}
		note := ""
		if res.Verdict != slo.Pass && (res.Judged || !res.Peak.Known()) {
			note = res.Reason
		}
		t.Rows = append(t.Rows, row{
			Cells: []cell{
				text(res.Resource), usage(res, res.Average, "average"), usage(res, res.Peak, "peak"),
				askedCell(quantity(res.Limit, res.Unit), res.Component+" "+res.Resource+", limit", res.Asked, "limit"), text(bounds(res.Must, res.Should)), statusCell(judged(res.Verdict, res.Judged)),
			},
			Note: note,
		})
	}
	return t
}

// usage is a value of a resource with a bar of how much of the limit it takes.
func usage(res Resource, value Number, which string) cell {
	c := text(beside(value, res.Unit, res.Must, res.Should))
	switch {
	case res.Limit.Known() && res.Limit > 0:
		c.Bar = value / res.Limit
	case res.Unit == "ratio":
		c.Bar = value
	}
	if q, ok := res.Asked[which]; ok {
		var details []string
		if res.Reason != "" {
			details = append(details, res.Reason)
		}
		if which == "peak" && res.PeakSeries != "" {
			details = append(details, "highest: "+res.PeakSeries)
		}
		c.Source = q.source(res.Component+" "+res.Resource+", "+which, c.Text, details...)
	}
	return c
}

// llmTable turns the objectives of the group llm: a row for each provider, a
// column for each objective.
func llmTable(r Report) table {
	var by []Objective
	for _, o := range inGroup(r, "llm") {
		if len(o.By) > 0 {
			by = append(by, o)
		}
	}
	if len(by) == 0 {
		return table{}
	}
	t := table{Title: "LLM APIs", Columns: left(labelName(by[0].By[0]))}
	isJudged := false
	for _, o := range by {
		t.Columns = append(t.Columns, column{o.Title, true})
		isJudged = isJudged || slices.ContainsFunc(o.By, func(b Objective) bool { return b.Judged })
	}
	if isJudged {
		t.Columns = append(t.Columns, column{Title: "Status"})
	}
	for _, provider := range providers(by) {
		t.Rows = append(t.Rows, providerRow(by, provider, isJudged))
	}
	return t
}

func providerRow(by []Objective, provider string, isJudged bool) row {
	cells := []cell{text(provider)}
	var verdicts []slo.Verdict
	var notes []string
	for _, o := range by {
		c := text(noData)
		for _, b := range o.By {
			if labelValues(b) != provider {
				continue
			}
			c = valueCell(b)
			if strings.HasSuffix(o.ID, "rate-limited") && b.Value.Known() {
				c.Text = yesOrNo(b.Value)
			}
			if b.Judged {
				verdicts = append(verdicts, b.Verdict)
			}
			if n := objectiveNote(b); n != "" {
				notes = append(notes, n)
			}
		}
		cells = append(cells, c)
	}
	if isJudged {
		cells = append(cells, statusCell(judged(slo.Overall(verdicts...), len(verdicts) > 0)))
	}
	return row{Cells: cells, Note: strings.Join(notes, "; ")}
}

// llmTotals has those objectives of the group llm that are not split by a label.
func llmTotals(r Report) table {
	t := table{Title: "LLM APIs, all providers", Columns: objectiveColumns()}
	for _, o := range inGroup(r, "llm") {
		if len(o.By) == 0 {
			t.Rows = append(t.Rows, objectiveRows(o)...)
		}
	}
	return t
}

func providers(by []Objective) []string {
	var names []string
	for _, o := range by {
		for _, b := range o.By {
			if name := labelValues(b); !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	return names
}

// labelName is the heading of the first column: the label that splits the rows.
func labelName(o Objective) string {
	for name := range o.Labels {
		if len(o.Labels) == 1 && name != "" {
			return strings.ToUpper(name[:1]) + name[1:]
		}
	}
	return "Labels"
}

func labelValues(o Objective) string {
	if len(o.Labels) == 1 {
		for _, value := range o.Labels {
			return value
		}
	}
	return labelsText(o.Labels)
}

func yesOrNo(n Number) string {
	if n > 0 {
		return "yes, " + quantity(n, "")
	}
	return "no"
}
