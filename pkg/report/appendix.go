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
		failures := text(thousands(float64(q.Failures), 0))
		if q.Requests > 0 && q.Failures > 0 {
			failures.Small = percent(float64(q.Failures) / float64(q.Requests))
		}
		rt := q.ResponseTime
		total := text(thousands(float64(q.Requests), 0))
		if q.Query != "" {
			total.Source = &source{Title: name + ", requests", Value: total.Text, Query: q.Query}
		}
		cells := []cell{text(name), total, failures, text(quantity(q.RequestsPerSecond, ""))}
		for _, v := range []struct {
			q     string // "" for what no quantile gives
			value Number
		}{{"0.5", rt.P50}, {"0.95", rt.P95}, {"0.99", rt.P99}, {"0.999", rt.P999}, {"", rt.Max}, {"", rt.Mean}} {
			c := text(quantity(v.value, "s"))
			if v.q != "" && q.QuantileQuery != "" {
				c.Source = &source{Title: name + ", " + v.q, Value: c.Text, Query: strings.Replace(q.QuantileQuery, "φ", v.q, 1)}
			}
			cells = append(cells, c)
		}
		t.Rows = append(t.Rows, row{Cells: cells, Note: reasonsText(q.Reasons), Head: q.Request == ""})
	}
	return section{Tables: []table{t}}
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
		sides := []cell{text(quantity(p.Server, "s")), text(quantity(p.Client, "s"))}
		for i, query := range []string{p.ServerQuery, p.ClientQuery} {
			if query != "" {
				sides[i].Source = &source{Title: t.Columns[1+i].Title + " " + name, Value: sides[i].Text, Query: query}
			}
		}
		t.Rows = append(t.Rows, row{Cells: append([]cell{text(name)}, sides...)})
	}
	return t
}

func catalogueTable(r Report) table {
	t := table{Title: "The guide's queries", Columns: joined(left("Query"), right("As it writes it", "As it should be asked"))}
	for _, q := range r.Catalogue {
		unit := q.Unit
		if q.Why != "" {
			unit = "" // its text gives something else
		}
		t.Rows = append(t.Rows, row{Cells: []cell{text(q.Title), answerCell(q.Title, q.Guide, unit), answerCell(q.Title, q.Form, q.Unit)}, Note: q.Why})
	}
	return t
}

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
