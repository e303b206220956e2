package report

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// requests has a row for each request name, as Locust's table.
func requests(r Report) section {
	t := table{Note: "Response times, from the intended start of a request, at the load generator.",
		Columns: joined(left("Request"), right("Requests", "Failures", "Requests/s", "p50", "p95", "p99", "p99.9", "Max", "Average"))}
	for _, q := range r.Requests {
		name := q.Request
		if name == "" {
			name = "All requests"
		}
		cells := []cell{text(name)}
		for _, v := range requestValues(q) {
			cells = append(cells, askedCell(v.text, name+", "+v.title, q.Asked, v.field))
		}
		if q.Requests > 0 && q.Failures > 0 {
			cells[2].Small = percent(float64(q.Failures) / float64(q.Requests))
		}
		t.Rows = append(t.Rows, row{Cells: cells, Note: reasonsText(q.Reasons), Head: q.Request == ""})
	}
	return section{Tables: []table{t}}
}

// A requestValue is a number of a request, under the name of its field.
type requestValue struct{ title, field, text string }

func requestValues(q Request) []requestValue {
	seconds := func(n Number) string { return quantity(n, "s") }
	rt := q.ResponseTime
	return []requestValue{
		{"requests", "requests", thousands(float64(q.Requests), 0)},
		{"failures", "failures", thousands(float64(q.Failures), 0)},
		{"requests/s", "requests_per_second", quantity(q.RequestsPerSecond, "")},
		{"p50", "p50", seconds(rt.P50)}, {"p95", "p95", seconds(rt.P95)}, {"p99", "p99", seconds(rt.P99)}, {"p99.9", "p999", seconds(rt.P999)},
		{"max", "max", seconds(rt.Max)}, {"average", "mean", seconds(rt.Mean)},
	}
}

// askedCell is a number that opens its question, where there is one.
func askedCell(value, title string, asked map[string]Question, name string) cell {
	c := text(value)
	if q, ok := asked[name]; ok {
		c.Source = q.source(title, value)
	}
	return c
}

// source tells where a number is from, and when to ask for it.
func (q Question) source(title, value string, details ...string) *source {
	if !q.At.IsZero() {
		details = append(details, "at "+q.At.UTC().Format(dayAndTime)+" UTC")
	}
	return &source{Title: title, Value: value, Detail: strings.Join(details, " · "), Query: q.Query, Link: q.Link}
}

func reasonsText(reasons map[string]int64) string {
	var parts []string
	for reason, n := range reasons {
		parts = append(parts, reason+" "+thousands(float64(n), 0))
	}
	if len(parts) == 0 {
		return ""
	}
	slices.Sort(parts)
	return "failures: " + strings.Join(parts, ", ")
}

// checks tells whether the data can be trusted.
func checks(r Report) section {
	t := table{Columns: left("Check", "Finding", "Status")}
	for _, c := range r.Checks {
		t.Rows = append(t.Rows, row{Cells: []cell{text(c.Title), text(c.Detail), statusCell(verdictStatuses[c.Verdict])}})
	}
	return section{Tables: []table{t}}
}

// appendix is for those who look closer.
func appendix(r Report) section {
	s := section{
		Tables: []table{percentilesTable(r), catalogueTable(r), warningsTable(r), pairsTable("Versions", r.Versions)},
		Charts: chartsOf(r, Catalogue),
	}
	for _, q := range r.Queries {
		s.Code = append(s.Code, codeBlock{Text: q.Query, Note: queryNote(q), Link: q.Link})
	}
	return s
}

func percentilesTable(r Report) table {
	t := table{Title: "Response time distribution", Columns: joined(left("Percentile"), right("Server", "Client"))}
	for _, p := range r.Percentiles {
		name := strconv.FormatFloat(p.Q*100, 'g', 6, 64) + " %"
		t.Rows = append(t.Rows, row{Cells: []cell{text(name),
			askedCell(quantity(p.Server, "s"), "Server "+name, p.Asked, "server"),
			askedCell(quantity(p.Client, "s"), "Client "+name, p.Asked, "client"),
		}})
	}
	return t
}

// catalogueTable leaves out what the service has no series for: few have all of
// the guide's exporters.
func catalogueTable(r Report) table {
	t := table{Title: "The guide's queries", Columns: joined(left("Query"), right("As it writes it", "As it should be asked"))}
	var unanswered []string
	for _, q := range r.Catalogue {
		if !q.Guide.answered() && !q.Form.answered() {
			unanswered = append(unanswered, q.Title)
			continue
		}
		unit := q.Unit
		if q.Why != "" {
			unit = "" // its text gives something else
		}
		t.Rows = append(t.Rows, row{Cells: []cell{text(q.Title), answerCell(q.Title, q.Guide, unit), answerCell(q.Title, q.Form, q.Unit)}, Note: q.Why})
	}
	if len(unanswered) > 0 {
		t.Rows = append(t.Rows, row{Cells: []cell{text(counted(len(unanswered), "other")), text("no data"), text("no data")}, Note: strings.Join(unanswered, ", ")})
	}
	return t
}

// answered tells that there was a number, or a reason against one that is worth reading.
func (a Answer) answered() bool { return a.Low.Known() || a.Error != "" }

func answerCell(title string, a Answer, unit string) cell {
	c := text("")
	switch {
	case a.Error != "":
		c.Text = "no answer"
	case !a.Low.Known():
		c.Text = "no data"
	case a.Series == 1:
		c.Text = quantity(a.Low, unit)
	default:
		c.Text = quantity(a.Low, unit) + " – " + quantity(a.High, unit)
		c.Small = fmt.Sprintf("%d series", a.Series)
	}
	if a.Query != "" {
		c.Source = &source{Title: title, Value: c.Text, Detail: strings.Join(append([]string{a.Error}, a.Warnings...), " "), Query: a.Query, Link: a.Link}
	}
	return c
}

func warningsTable(r Report) table {
	t := table{Title: "Warnings", Columns: left("")}
	for _, w := range slices.Concat(r.Warnings, r.Run.Warnings) {
		t.Rows = append(t.Rows, row{Cells: []cell{text(w)}})
	}
	return t
}

func queryNote(q Query) string {
	when := "at " + q.At.UTC().Format(dayAndTime) + " UTC"
	if !q.Start.IsZero() {
		when = fmt.Sprintf("%s–%s UTC, step %s", q.Start.UTC().Format(dayAndTime), q.At.UTC().Format(timeOfDay), quantity(Number(q.Step), "s"))
	}
	came := fmt.Sprintf("%d series", q.Series)
	if q.Seconds > 0 {
		came += " in " + quantity(Number(q.Seconds), "s")
	}
	parts := []string{when, came}
	if q.Error != "" {
		parts = append(parts, "error: "+q.Error)
	}
	return strings.Join(append(parts, q.Warnings...), " · ")
}
