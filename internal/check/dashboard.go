package check

import (
	"regexp"
	"strconv"
	"strings"

	"github.com/prometheus/common/model"
	"gopkg.in/yaml.v3"

	"github.com/plumbline/plumbline/pkg/promql"
	"github.com/plumbline/plumbline/pkg/promql/lint"
)

// panelsOf is the list of panels of a dashboard, alone or as the API gives it,
// or its old rows; nil of anything else.
func panelsOf(n *yaml.Node) *yaml.Node {
	for _, at := range [][]any{{"panels"}, {"rows"}, {"dashboard", "panels"}, {"dashboard", "rows"}} {
		if p := get(n, at...); p != nil && p.Kind == yaml.SequenceNode {
			return p
		}
	}
	return nil
}

func (c *Checker) readDashboard(d document) ([]Find, []expression) {
	board := d.root
	if b := get(board, "dashboard"); b != nil {
		board = b
	}
	g := grafana{checker: c, values: map[string]string{}}
	for _, v := range items(get(board, "templating", "list")) {
		g.values[text(get(v, "name"))] = text(get(v, "current", "value"))
	}
	g.panels(panelsOf(d.root), 0)
	for _, a := range items(get(board, "annotations", "list")) {
		g.query(get(a, "expr"), "")
	}
	return nil, g.queries
}

// grafana gathers the queries of a dashboard.
type grafana struct {
	checker *Checker
	values  map[string]string // of the dashboard's variables, as last chosen
	queries []expression
}

// maxNesting is far more than rows of panels need; an alias can hold itself.
const maxNesting = 5

func (g *grafana) panels(list *yaml.Node, depth int) {
	if depth > maxNesting {
		return
	}
	for _, p := range items(list) {
		g.panels(get(p, "panels"), depth+1) // of a row
		for _, t := range items(get(p, "targets")) {
			if !foreign(p) && !foreign(t) {
				g.query(get(t, "expr"), unitOf(p))
			}
		}
	}
}

func (g *grafana) query(expr *yaml.Node, unit string) {
	if text(expr) != "" {
		g.queries = append(g.queries, plain(expr, promql.TraceFunc(expr.Value, grafanaVariable, g.value(expr.Value)), lint.Query{Unit: unit}))
	}
}

// foreign tells whether a panel or target asks something else than a Prometheus.
func foreign(n *yaml.Node) bool {
	kind := text(get(n, "datasource", "type"))
	return kind != "" && kind != "prometheus" && kind != "datasource"
}

// units are Grafana's units by the names that the lint knows.
var units = map[string]string{
	"s": "s", "ms": "ms", "µs": "us", "m": "m", "h": "h", "percent": "percent", "percentunit": "ratio",
	"bytes": "bytes", "decbytes": "bytes", "kbytes": "KiB", "deckbytes": "KB", "mbytes": "MiB", "decmbytes": "MB",
	"gbytes": "GiB", "decgbytes": "GB", "tbytes": "TiB", "dectbytes": "TB", "GB": "GB", "GiB": "GiB", "MB": "MB", "MiB": "MiB",
	"reqps": "req/s", "Bps": "bytes/s", "binBps": "bytes/s",
}

// unitOf is the unit in which a panel shows its values.
func unitOf(panel *yaml.Node) string {
	if u := text(get(panel, "fieldConfig", "defaults", "unit")); u != "" {
		return units[u]
	}
	return units[text(get(panel, "yaxes", 0, "format"))]
}

// grafanaVariable is $name, ${name}, ${name:format} or [[name]].
var grafanaVariable = regexp.MustCompile(`\$\{[A-Za-z_]\w*(?:[.:][^}]*)?\}|\$[A-Za-z_]\w*|\[\[[A-Za-z_]\w*(?::[^\]]*)?\]\]`)

var variableName = regexp.MustCompile(`[A-Za-z_]\w*`)

// value gives something that may stand where a variable of an expression stands.
func (g *grafana) value(expr string) func(at int, match string) (string, bool) {
	scrape := g.checker.scrape()
	fixed := map[string]string{
		"__rate_interval": duration(4 * scrape),
		"__interval":      duration(2 * scrape), // as little as one scrape when zoomed in
		"__range":         "1h", "__interval_ms": strconv.FormatInt(scrape.Milliseconds(), 10), "__range_s": "3600", "__range_ms": "3600000",
		"__from": "0", "__to": "3600000",
	}
	return func(at int, match string) (string, bool) {
		name := variableName.FindString(match)
		before := strings.TrimRight(expr[:at], " ")
		if value, known := fixed[name]; known {
			return value, true
		}
		chosen := g.values[name]
		_, notNumber := strconv.ParseFloat(chosen, 64)
		_, notDuration := model.ParseDuration(chosen)
		inRange := strings.HasSuffix(before, "[") || strings.HasSuffix(before, ":") || strings.HasSuffix(before, "offset")
		switch {
		case quoted(expr[:at]):
			return lint.Any, true
		case inRange && notDuration == nil && chosen != "":
			return chosen, true
		case inRange:
			return duration(4 * scrape), true
		case strings.Count(before, "{") > strings.Count(before, "}"):
			return "", true // a set of matchers
		case grouping.MatchString(before):
			return "label", true
		case notNumber == nil:
			return chosen, true
		}
		return "1", true
	}
}

var grouping = regexp.MustCompile(`\b(?:by|without|on|ignoring|group_left|group_right)\s*\([^)]*$`)

// quoted tells whether a text ends inside quotes.
func quoted(before string) bool {
	var quote byte
	for i := 0; i < len(before); i++ {
		switch c := before[i]; {
		case quote != 0 && c == '\\' && quote != '`':
			i++
		case quote != 0 && c == quote:
			quote = 0
		case quote == 0 && (c == '"' || c == '\'' || c == '`'):
			quote = c
		}
	}
	return quote != 0
}
