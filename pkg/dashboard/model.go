package dashboard

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"
)

// schemaVersion is the newest that Grafana 9.3 knows; later ones read it and migrate.
const schemaVersion = 37

type (
	object = map[string]any
	list   = []any
)

// model is a dashboard as Grafana's JSON has it.
func (b builder) model(d board, panels []Panel) object {
	m := object{
		"uid": d.uid(), "title": titlePrefix + d.title, "description": d.about, "tags": list{tag},
		"schemaVersion": schemaVersion, "editable": true, "graphTooltip": 1, "refresh": "10s", "timezone": "browser",
		"time":        object{"from": "now-30m", "to": "now"},
		"templating":  object{"list": b.variables(d)},
		"annotations": object{"list": list{runAnnotations()}},
		"links":       links(d),
		"panels":      placed(panels),
	}
	return plain(m)
}

// plain gives a model the types that JSON has, so that it can be held against one that was read.
func plain(m object) object {
	text, err := json.Marshal(m)
	var out object
	if err == nil {
		err = json.Unmarshal(text, &out)
	}
	if err != nil {
		panic("dashboard: " + err.Error()) // it is made of JSON's types
	}
	return out
}

// tag is on our dashboards and on the annotations of runs.
const tag = "plumbline"

// datasource is the Prometheus that is chosen at the top.
func datasource() object { return object{"type": "prometheus", "uid": "${datasource}"} }

// quantiles can be chosen where a panel shows one; usualQuantile is chosen first.
var quantiles = []string{"0.5", "0.9", "0.95", "0.99", "0.999"}

const usualQuantile = "0.95"

// variables lists what is chosen at the top, the data source first.
func (b builder) variables(d board) list {
	all := list{object{"name": "datasource", "label": "Prometheus", "type": "datasource", "query": "prometheus", "hide": 0, "refresh": 1, "includeAll": false, "multi": false}}
	const byName, newestFirst = 1, 4 // ids of runs begin with their day
	for _, name := range d.variables {
		switch name {
		case "service":
			if b.label != "" {
				all = append(all, labelVariable(name, "Service", b.preset.Requests, b.label, byName, b.agreement.Service))
			}
		case "run":
			all = append(all, labelVariable(name, "Run", "loadgen_requests_total", "run", newestFirst, ""))
		case "baseline_run":
			all = append(all, labelVariable(name, "Held against", "loadgen_requests_total", "run", newestFirst, ""))
		case "quantile":
			all = append(all, object{"name": name, "label": "Quantile", "type": "custom", "query": strings.Join(quantiles, ","), "hide": 0, "includeAll": false, "multi": false,
				"current": object{"text": usualQuantile, "value": usualQuantile}, "options": options(usualQuantile, quantiles...)})
		}
	}
	return append(all, object{"name": reportsVariable, "label": "Reports at", "type": "textbox", "query": reportsAt, "hide": 0,
		"current": object{"text": reportsAt, "value": reportsAt}, "options": options(reportsAt, reportsAt)})
}

// labelVariable is chosen among the values of a label of a metric.
func labelVariable(name, title, metric, label string, sort int, usual string) object {
	expr := "label_values(" + metric + ", " + label + ")"
	v := object{"name": name, "label": title, "type": "query", "datasource": datasource(), "definition": expr, "query": object{"query": expr, "refId": "A"},
		"refresh": 2, "sort": sort, "hide": 0, "includeAll": false, "multi": false}
	if usual != "" {
		v["current"] = object{"text": usual, "value": usual}
	}
	return v
}

func options(chosen string, values ...string) list {
	var all list
	for _, v := range values {
		all = append(all, object{"text": v, "value": v, "selected": v == chosen})
	}
	return all
}

// runAnnotations marks the windows of runs, as they are provisioned.
func runAnnotations() object {
	return object{"name": "Runs", "datasource": object{"type": "grafana", "uid": "-- Grafana --"}, "enable": true, "hide": false, "iconColor": "blue", "type": "tags",
		"target": object{"type": "tags", "tags": list{tag}, "matchAny": false, "limit": 100}}
}

// Where a report is, unless another place is written at the top: the folder of
// results, or analyzer serve, has it under the same path.
const (
	reportsAt       = "http://localhost:9595"
	reportsVariable = "reports"
	reportOf        = "${" + reportsVariable + "}/runs/${run}/report.html"
)

func links(d board) list {
	all := list{object{"title": "Plumbline", "type": "dashboards", "tags": list{tag}, "asDropdown": true, "includeVars": true, "keepTime": true, "icon": "external link", "targetBlank": false, "tooltip": "", "url": ""}}
	if slices.Contains(d.variables, "run") {
		all = append(all, reportLink())
	}
	return all
}

func reportLink() object {
	return object{"title": "Report on this run", "type": "link", "url": reportOf, "icon": "doc", "asDropdown": false, "includeVars": false, "keepTime": false, "targetBlank": true,
		"tags": list{}, "tooltip": "The verdict on the run, with its evidence"}
}

// How panels stand: two beside each other, unless they say otherwise.
const (
	columns     = 24
	panelHeight = 8
)

// placed puts panels into rows, from left to right.
func placed(panels []Panel) list {
	var all list
	x, y := 0, 0
	for i, p := range panels {
		width := p.width()
		if x+width > columns {
			x, y = 0, y+panelHeight
		}
		all = append(all, p.model(i+1, object{"x": x, "y": y, "w": width, "h": panelHeight}))
		x += width
	}
	return all
}

func (p Panel) width() int {
	if p.Width == 0 {
		return columns / 2
	}
	return p.Width
}

// The kinds of panels.
const (
	timeseries = "timeseries"
	stats      = "stat"
)

func (p Panel) kind() string {
	if p.Kind == "" {
		return timeseries
	}
	return p.Kind
}

func (p Panel) model(id int, at object) object {
	var targets list
	for i, t := range p.Targets {
		target := object{"refId": refID(i), "datasource": datasource(), "expr": t.Expr, "legendFormat": t.Legend, "editorMode": "code", "range": !t.Instant, "instant": t.Instant}
		targets = append(targets, target)
	}
	return object{"id": id, "type": p.kind(), "title": p.Title, "description": p.Description, "gridPos": at, "datasource": datasource(), "targets": targets,
		"fieldConfig": object{"defaults": p.defaults(), "overrides": p.overrides()}, "options": p.options(),
		"links": list{reportLink()}}
}

// refID is how Grafana names the queries of a panel: A, B, …, Z, A1, B1, ….
func refID(i int) string {
	const letters = 26
	name := string(rune('A' + i%letters))
	if i >= letters {
		name += strconv.Itoa(i / letters)
	}
	return name
}

func (p Panel) defaults() object {
	d := object{"unit": p.Unit, "min": 0, "color": object{"mode": "palette-classic"}, "thresholds": object{"mode": "absolute", "steps": p.steps()}}
	if p.kind() != timeseries {
		return d
	}
	custom := object{"drawStyle": "line", "lineWidth": 1, "fillOpacity": 0, "showPoints": "never", "spanNulls": false, "thresholdsStyle": object{"mode": "off"}}
	if p.SoftMax > 0 {
		custom["axisSoftMax"] = p.SoftMax
	}
	if len(p.Lines) > 0 {
		custom["thresholdsStyle"] = object{"mode": "line"}
	}
	d["custom"] = custom
	return d
}

// overrides draw bounds that are queries as dashed red lines.
func (p Panel) overrides() list {
	all := list{}
	for _, t := range p.Targets {
		if t.Bound {
			all = append(all, object{"matcher": object{"id": "byName", "options": t.Legend}, "properties": list{
				object{"id": "color", "value": object{"mode": "fixed", "fixedColor": "red"}},
				object{"id": "custom.lineStyle", "value": object{"fill": "dash", "dash": list{10, 10}}},
			}})
		}
	}
	return all
}

// steps are the bounds as Grafana has them: a colour from a value on.
func (p Panel) steps() list {
	const green = "green"
	colour := map[bool]string{true: "red", false: "orange"}
	base := green
	if len(p.Lines) > 0 && !p.Lines[0].Upper {
		base = colour[p.Lines[0].Fails]
	}
	steps := list{object{"color": base, "value": nil}}
	for i, l := range p.Lines {
		c := green
		switch {
		case l.Upper:
			c = colour[l.Fails]
		case i+1 < len(p.Lines) && !p.Lines[i+1].Upper: // between the bound that fails and the one that warns
			c = colour[p.Lines[i+1].Fails]
		}
		steps = append(steps, object{"color": c, "value": l.Value})
	}
	return steps
}

func (p Panel) options() object {
	if p.kind() == stats {
		return object{"reduceOptions": object{"calcs": list{"lastNotNull"}, "fields": "", "values": false}, "textMode": "value_and_name", "colorMode": "none", "graphMode": "none", "justifyMode": "auto", "orientation": "auto",
			"wideLayout": true, "showPercentChange": false, "percentChangeColorMode": "standard"} // since 10 and 11; 9 passes over them
	}
	return object{"legend": object{"displayMode": "table", "placement": "bottom", "calcs": list{"mean", "max"}, "showLegend": true}, "tooltip": object{"mode": "multi", "sort": "desc"}}
}
