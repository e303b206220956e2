package dashboard

import (
	"cmp"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/plumbline/plumbline/pkg/promql"
	"github.com/plumbline/plumbline/pkg/promql/catalog"
	"github.com/plumbline/plumbline/pkg/slo"
)

// Grafana's units.
const (
	perSecond = "reqps"
	seconds   = "s"
	share     = "percentunit"
	decbytes  = "decbytes" // of 1000, as the report has them
	count     = "short"
)

// window is what rates are taken over: at least four scrapes, more where a point
// of the chart stands for more.
const window = "$__rate_interval"

// A builder knows what panels are made from.
type builder struct {
	agreement slo.Agreement
	preset    catalog.Preset
	vars      map[string]string
	label     string // that tells the service; "" when its variables don't say
}

// newBuilder turns the variables of an SLA and the catalogue into Grafana's: the
// service and the run are chosen at the top, and the window is that of the chart.
func newBuilder(a slo.Agreement, p catalog.Preset) builder {
	b := builder{agreement: a, preset: p, vars: map[string]string{
		"rate": window, "window": "$__range", "steady": "$__range", "step": "$__interval", "scrape": "$__interval", "run": "$run",
		"api": "", "pods": "",
	}}
	matcher := regexp.MustCompile(`([A-Za-z_]\w*)\s*=\s*"` + regexp.QuoteMeta(a.Service) + `"`)
	for _, name := range slices.Sorted(maps.Keys(a.Vars)) {
		value := a.Vars[name]
		if m := matcher.FindStringSubmatch(value); m != nil && a.Service != "" {
			b.label = cmp.Or(b.label, m[1])
			value = matcher.ReplaceAllString(value, `$1="$$service"`)
		}
		b.vars[name] = value
	}
	b.vars["llm"] = cmp.Or(b.vars["llm"], b.vars["api"])
	return b
}

func (b builder) expand(expr string) string { return promql.Expand(expr, b.vars) }

// query is one of the catalogue's, by its id.
func (b builder) query(id, legend string) Target {
	i := slices.IndexFunc(catalog.Queries, func(q catalog.Query) bool { return q.ID == id })
	return Target{Expr: b.expand(catalog.Queries[i].Form(b.preset)), Legend: legend}
}

// objective is the indicator of an objective, where the agreement has it; else the
// catalogue's query for the same question.
func (b builder) objective(id, query, legend string) Target {
	o, ok := b.find(id)
	if !ok {
		return b.query(query, legend)
	}
	return Target{Expr: o.Expr(window, b.vars), Legend: legend, Objective: id}
}

func (b builder) find(id string) (slo.Objective, bool) {
	i := slices.IndexFunc(b.agreement.Objectives, func(o slo.Objective) bool { return o.ID == id })
	if i < 0 {
		return slo.Objective{}, false
	}
	return b.agreement.Objectives[i], true
}

// lines are the bounds of objectives, as far as they are numbers.
func (b builder) lines(ids ...string) (lines []Line) {
	for _, id := range ids {
		if o, ok := b.find(id); ok {
			lines = append(lines, line(o.Must, o.Worse, true)...)
			lines = append(lines, line(o.Should, o.Worse, false)...)
		}
	}
	return inOrder(lines)
}

// line is a bound as a line: the end of it that is worse to miss.
func line(bound *slo.Bound, worse string, fails bool) []Line {
	if bound == nil {
		return nil
	}
	_, limit, ok := bound.Breach(worse)
	if !ok {
		return nil
	}
	return []Line{{Value: tidy(limit), Upper: worse != "lower", Fails: fails}}
}

// tidy takes the noise of binary fractions off a number.
func tidy(v float64) float64 {
	short, err := strconv.ParseFloat(strconv.FormatFloat(v, 'g', 12, 64), 64)
	if err != nil {
		return v
	}
	return short
}

// inOrder sorts lines by value, each once.
func inOrder(lines []Line) []Line {
	slices.SortStableFunc(lines, func(a, b Line) int { return cmp.Compare(a.Value, b.Value) })
	return slices.Compact(lines)
}

func (b builder) resource(id string) (slo.Resource, bool) {
	i := slices.IndexFunc(b.agreement.Resources, func(r slo.Resource) bool { return r.ID == id })
	if i < 0 {
		return slo.Resource{}, false
	}
	return b.agreement.Resources[i], true
}

// used is what a resource uses, where the agreement has it; else the catalogue's
// query for it. Of a resource in ratio it is the share of its limit.
func (b builder) used(id, query, legend string) Target {
	r, ok := b.resource(id)
	if !ok {
		return b.query(query, legend)
	}
	return b.figure(r, legend)
}

func (b builder) figure(r slo.Resource, legend string) Target {
	t := Target{Expr: b.expand(r.Used), Legend: legend, Resource: r.ID}
	if r.Unit == "ratio" && r.Limit != "" {
		t.Expr, t.Share = r.Share(b.vars), true
	}
	return t
}

// bounds are those of a resource: lines where they are numbers, and queries where
// they are a share of a limit that has to be asked.
func (b builder) bounds(r slo.Resource) (lines []Line, targets []Target) {
	limit, isNumber := strconv.ParseFloat(r.Limit, 64)
	asked := r.Limit != "" && isNumber != nil && r.Unit != "ratio"
	for _, f := range []struct {
		of string
		*slo.Bounds
	}{{"average ", r.Average}, {"", r.Peak}} {
		if f.Bounds == nil {
			continue
		}
		for _, k := range []struct {
			*slo.Bound
			fails bool
		}{{f.Should, false}, {f.Must, true}} {
			if k.Bound == nil {
				continue
			}
			for _, l := range line(k.Bound, "higher", k.fails) {
				switch {
				case k.Percentage() && asked:
					targets = append(targets, Target{Expr: fmt.Sprintf("%v * min(%s)", l.Value, b.expand(r.Limit)), Legend: f.of + k.Text + " of the limit", Bound: true})
					continue
				case k.Percentage() && r.Unit != "ratio":
					l.Value *= limit
				}
				lines = append(lines, l)
			}
		}
	}
	return inOrder(lines), targets
}

// legend tells the series of an expression apart by the labels that it keeps.
func legend(expr, otherwise string) string {
	by := promql.GroupedBy(expr)
	if len(by) == 0 {
		return otherwise
	}
	return "{{" + strings.Join(by, "}} {{") + "}}"
}

// grafanaUnit is what Grafana calls a unit of the SLA.
func grafanaUnit(unit string) string {
	switch unit {
	case "s":
		return seconds
	case "ratio":
		return share
	case "bytes":
		return decbytes
	case "bytes/s":
		return "Bps"
	case "req/s":
		return perSecond
	case "ops/s":
		return "ops"
	}
	return count
}

func isNumber(text string) bool { _, err := strconv.ParseFloat(text, 64); return err == nil }
