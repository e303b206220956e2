package report

import (
	"slices"
	"strings"

	"github.com/plumbline/plumbline/pkg/slo"
)

// objectivesOf is a section of the groups' objectives, with their charts.
func objectivesOf(groups ...string) func(Report) section {
	return func(r Report) section {
		var s section
		t := table{Columns: objectiveColumns()}
		for _, o := range r.Objectives {
			if slices.Contains(groups, o.Group) {
				t.Rows = append(t.Rows, objectiveRows(o)...)
			}
		}
		s.Tables = []table{t}
		s.Charts = chartsOf(r, groups...)
		return s
	}
}

func objectiveColumns() []column {
	return joined(left("Metric"), right("Value", "95 % interval", "Target"), left("Status"))
}

// objectiveRows are the row of an objective and one for each value of its label.
func objectiveRows(o Objective) []row {
	rows := []row{objectiveRow(o, o.Title)}
	rows[0].Head = len(o.By) > 0
	for _, by := range o.By {
		rows = append(rows, objectiveRow(by, "· "+labelsText(by.Labels)))
	}
	return rows
}

func objectiveRow(o Objective, title string) row {
	st := objectiveStatus(o)
	return row{
		Cells: []cell{text(title), valueCell(o), text(orNone(valueInterval(o.Low, o.High, o.Unit))), text(bounds(o.Must, o.Should)), statusCell(st)},
		Note:  objectiveNote(o),
	}
}

func objectiveStatus(o Objective) status {
	st := judged(o.Verdict, o.Judged)
	if o.Marginal {
		st.Word += ", marginal"
	}
	return st
}

// objectiveNote is the reason where the verdict alone would leave the reader asking.
func objectiveNote(o Objective) string {
	if o.Verdict == slo.Pass && !o.Marginal || !o.Judged && o.Value.Known() {
		return ""
	}
	return o.Reason
}

// valueText is the value as it stands next to its bounds.
func valueText(o Objective) string { return beside(o.Value, o.Unit, o.Must, o.Should) }

func valueCell(o Objective) cell {
	c := text(valueText(o))
	c.Source = objectiveSource(o)
	return c
}

func objectiveSource(o Objective) *source {
	if o.Query == "" {
		return nil
	}
	var detail []string
	if i := valueInterval(o.Low, o.High, o.Unit); i != "" {
		detail = append(detail, "95 % interval "+i)
	}
	if o.Coverage.Known() {
		detail = append(detail, "coverage "+percent(float64(o.Coverage)))
	}
	if o.Reason != "" {
		detail = append(detail, o.Reason)
	}
	title := o.Title
	if len(o.Labels) > 0 {
		title += " " + labelsText(o.Labels)
	}
	return o.source(title, valueText(o), detail...)
}

func orNone(s string) string {
	if s == "" {
		return noData
	}
	return s
}

const clientPrefix = "client-"

// latency has the server's figures beside those that the users saw.
func latency(r Report) section {
	t := table{Columns: joined(left("Metric"), right("Server", "Client", "Target"), left("Status"))}
	group := inGroup(r, "latency")
	used := map[string]bool{}
	for _, o := range group {
		if used[o.ID] {
			continue
		}
		server, client := o, find(group, clientPrefix+o.ID)
		if fromClient(o) {
			client, server = &o, Objective{Value: NoData, Low: NoData, High: NoData}
			if peer := find(group, strings.TrimPrefix(o.ID, clientPrefix)); peer != nil && !fromClient(*peer) {
				continue // stands with its server's row
			}
		}
		if client != nil {
			used[client.ID] = true
		}
		t.Rows = append(t.Rows, latencyRows(o, server, client)...)
	}
	return section{Tables: []table{t}, Charts: chartsOf(r, "latency")}
}

func latencyRows(o, server Objective, client *Objective) []row {
	clientCell, verdicts, notes := text(noData), []slo.Verdict{}, []string{}
	seen := []Objective{server}
	if client != nil {
		clientCell = withInterval(*client)
		seen = append(seen, *client)
	}
	marginal := false
	for _, side := range seen {
		if side.Judged {
			verdicts = append(verdicts, side.Verdict)
		}
		if n := objectiveNote(side); n != "" && !slices.Contains(notes, n) {
			notes = append(notes, n)
		}
		marginal = marginal || side.Marginal
	}
	st := judged(slo.Overall(verdicts...), len(verdicts) > 0)
	if marginal {
		st.Word += ", marginal"
	}
	rows := []row{{
		Cells: []cell{text(o.Title), withInterval(server), clientCell, text(bothBounds(o, client)), statusCell(st)},
		Note:  strings.Join(notes, "; "),
		Head:  len(o.By) > 0,
	}}
	for _, by := range o.By {
		rows = append(rows, row{
			Cells: []cell{text("· " + labelsText(by.Labels)), withInterval(by), text(noData), text(bounds(by.Must, by.Should)), statusCell(objectiveStatus(by))},
			Note:  objectiveNote(by),
		})
	}
	return rows
}

// bothBounds is the bound of a row; the client's is told when it is another one.
func bothBounds(o Objective, client *Objective) string {
	b := bounds(o.Must, o.Should)
	if client == nil {
		return b
	}
	c := bounds(client.Must, client.Should)
	switch {
	case c == b || c == noData:
		return b
	case b == noData:
		return "client " + c
	}
	return b + ", client " + c
}

func withInterval(o Objective) cell {
	c := valueCell(o)
	c.Small = valueInterval(o.Low, o.High, o.Unit)
	return c
}

// fromClient reports whether an objective is measured at the load generator.
func fromClient(o Objective) bool {
	return strings.HasPrefix(o.ID, clientPrefix) || strings.Contains(o.Query, "loadgen_")
}

func inGroup(r Report, group string) []Objective {
	var found []Objective
	for _, o := range r.Objectives {
		if o.Group == group {
			found = append(found, o)
		}
	}
	return found
}

func find(objectives []Objective, id string) *Objective {
	for i := range objectives {
		if objectives[i].ID == id {
			return &objectives[i]
		}
	}
	return nil
}

// guideGroups are the groups that have a section of their own.
var guideGroups = []string{"throughput", "latency", "errors", "availability", "users", "llm"}

func otherObjectives(r Report) section {
	var groups []string
	for _, o := range r.Objectives {
		if !slices.Contains(guideGroups, o.Group) && !slices.Contains(groups, o.Group) {
			groups = append(groups, o.Group)
		}
	}
	if len(groups) == 0 {
		return section{}
	}
	return objectivesOf(groups...)(r)
}
