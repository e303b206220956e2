package report

import (
	"encoding/json"
	"io"
)

// A Format is a form in which a report can be written.
type Format struct {
	Name      string // as after --format
	Extension string // of its files; "" for the terminal
	Opened    bool   // it is opened as a file, not read from a command's output
	Render    Renderer
}

// Formats are the forms in which a report can be written.
var Formats = []Format{
	{"term", "", false, Terminal(TerminalOptions{})},
	{"md", "md", false, Markdown},
	{"json", "json", false, JSON},
	{"junit", "xml", false, JUnit},
	{"html", "html", true, HTML},
	{"pdf", "pdf", true, PDF},
}

// JSON writes the report in the form that Schema names. Equal reports give equal bytes.
func JSON(w io.Writer, r Report) error {
	r.Schema = Schema
	r.Objectives = present(r.Objectives)
	r.Resources = present(r.Resources)
	r.Requests = present(r.Requests)
	r.Findings = present(r.Findings)
	r.Improvements = present(r.Improvements)
	r.Checks = present(r.Checks)
	r.Queries = present(r.Queries)
	if r.Comparison != nil {
		c := *r.Comparison
		c.Deltas = present(c.Deltas)
		r.Comparison = &c
	}
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(r)
}

// present makes an absent list an empty one, so that JSON has [] for it.
func present[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}
