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
		cells := []cell{text(name), text(thousands(float64(q.Requests), 0)), failures, text(quantity(q.RequestsPerSecond, ""))}
		for _, v := range []Number{rt.P50, rt.P95, rt.P99, rt.P999, rt.Max, rt.Mean} {
			cells = append(cells, text(quantity(v, "s")))
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
	s := section{Tables: []table{percentilesTable(r), warningsTable(r), pairsTable("Versions", r.Versions)}}
	for _, q := range r.Queries {
		s.Code = append(s.Code, codeBlock{Text: q.Query, Note: queryNote(q), Link: q.Link})
	}
	return s
}

func percentilesTable(r Report) table {
	t := table{Title: "Response time distribution", Columns: joined(left("Percentile"), right("Server", "Client"))}
	for _, p := range r.Percentiles {
		t.Rows = append(t.Rows, row{Cells: []cell{
			text(strconv.FormatFloat(p.Q*100, 'g', 6, 64) + " %"), text(quantity(p.Server, "s")), text(quantity(p.Client, "s")),
		}})
	}
	return t
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
	parts := []string{when, fmt.Sprintf("%d series in %s", q.Series, quantity(Number(q.Seconds), "s"))}
	if q.Error != "" {
		parts = append(parts, "error: "+q.Error)
	}
	return strings.Join(append(parts, q.Warnings...), " · ")
}
