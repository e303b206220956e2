// Package dashboard makes Grafana dashboards of a service from its agreement and
// the catalogue of queries, so that they can't drift from what is scored. They
// are plain JSON models for Grafana 9 and newer.
package dashboard

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/plumbline/plumbline/pkg/promql/catalog"
	"github.com/plumbline/plumbline/pkg/slo"
)

// A Dashboard is a JSON model, and the file in which it is kept.
type Dashboard struct {
	File   string
	UID    string
	Title  string
	Model  map[string]any
	Panels []Panel
}

// JSON is the model as its file has it.
func (d Dashboard) JSON() ([]byte, error) {
	return JSON(d.Model)
}

// Name is the dashboard's, as its file has it.
func (d Dashboard) Name() string { return strings.TrimSuffix(d.File, ".json") }

// SetReports lets the links of a model lead to reports under another URL.
func SetReports(model map[string]any, url string) {
	templating, _ := model["templating"].(map[string]any)
	variables, _ := templating["list"].([]any)
	for _, v := range variables {
		if v, ok := v.(map[string]any); ok && v["name"] == reportsVariable {
			v["query"], v["current"], v["options"] = url, object{"text": url, "value": url}, options(url, url)
		}
	}
}

// JSON writes a model so that its expressions can be read.
func JSON(model map[string]any) ([]byte, error) {
	var text bytes.Buffer
	enc := json.NewEncoder(&text)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	if err := enc.Encode(model); err != nil {
		return nil, fmt.Errorf("dashboard %v: %w", model["title"], err)
	}
	return text.Bytes(), nil
}

// A Panel is a question, with the queries that answer it.
type Panel struct {
	Title       string
	Description string // what the panel answers
	Unit        string // Grafana's
	Kind        string // timeseries or stat
	Targets     []Target
	Lines       []Line  // bounds of the SLA
	SoftMax     float64 // up to where the axis goes at the least; 0 for what the values need
	Width       int     // of 24; 0 for half
}

// A Target is one query of a panel.
type Target struct {
	Expr    string
	Legend  string
	Instant bool
	Bound   bool // it draws a bound, not what was measured

	// Objective and Resource are the ids of the row of the report that it shows; ""
	// for none. Of a resource it is the figure itself, or its share of the limit.
	Objective, Resource string
	Share               bool
}

// A Line is a bound that is drawn.
type Line struct {
	Value float64
	Upper bool // what is above it misses the bound
	Fails bool // else it warns
}

// All makes the dashboards of a service whose series are named as by a preset.
func All(a slo.Agreement, p catalog.Preset) []Dashboard {
	b := newBuilder(a, p)
	var all []Dashboard
	for _, d := range boards {
		panels := d.panels(b)
		all = append(all, Dashboard{File: d.file + ".json", UID: d.uid(), Title: titlePrefix + d.title, Panels: panels, Model: b.model(d, panels)})
	}
	return all
}
