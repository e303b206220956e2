package dashboard

import (
	"context"
	"fmt"
	"math"
	"regexp"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/plumbline/plumbline/pkg/promql"
	"github.com/plumbline/plumbline/pkg/run"
)

// A View is what a dashboard is looked at with: a run, where its series are, and
// the other choices at the top.
type View struct {
	Querier promql.Querier
	Run     run.Run
	Choices map[string]string // values of variables, by name; run, service and quantile have usual ones
}

// mostPoints is how many points a line has at most, as in Grafana's own panels.
const mostPoints = 400

// step is the time between two points, in whole scrapes.
func (v View) step() time.Duration {
	scrape := max(v.Run.Source.Scrape(), time.Second)
	return max((v.Run.Window.Duration()/mostPoints).Truncate(scrape)+scrape, scrape)
}

// Fill puts what was chosen where an expression of a dashboard has variables, and
// Grafana's windows for a chart with points that far apart.
func (v View) Fill(expr string, step time.Duration) string {
	scrape := max(v.Run.Source.Scrape(), time.Second)
	vars := map[string]string{
		"__rate_interval": promDuration(max(step+scrape, 4*scrape)), // as Grafana has it
		"__interval":      promDuration(step),
		"__range":         promDuration(v.Run.Window.Duration()),
		"run":             v.Run.ID, "baseline_run": v.Run.ID, "service": v.Run.Service, "quantile": usualQuantile,
	}
	for name, value := range v.Choices {
		vars[name] = value
	}
	return promql.Expand(expr, vars)
}

func promDuration(d time.Duration) string { return fmt.Sprintf("%dms", max(d.Milliseconds(), 1)) }

// Answer asks a target over the run's window.
func (v View) Answer(ctx context.Context, t Target, step time.Duration) (promql.Result, error) {
	expr := v.Fill(t.Expr, step)
	if t.Instant {
		return v.Querier.Query(ctx, expr, v.Run.Window.End)
	}
	return v.Querier.QueryRange(ctx, expr, promql.Range{Start: v.Run.Window.Start, End: v.Run.Window.End, Step: step})
}

// Snapshot is the dashboard with the run's data in it: it shows the run wherever
// it is brought, and after every Prometheus has forgotten it.
func (d Dashboard) Snapshot(ctx context.Context, v View) (map[string]any, error) {
	m := plain(d.Model)
	for _, key := range []string{"uid", "refresh", "links"} {
		delete(m, key)
	}
	w := v.Run.Window
	m["title"] = d.Title + ", run " + v.Run.ID
	m["time"] = object{"from": w.Start.UTC().Format(time.RFC3339), "to": w.End.UTC().Format(time.RFC3339)}
	m["templating"], m["annotations"] = object{"list": list{}}, object{"list": list{}}
	m["tags"] = list{tag, v.Run.ID}
	panels, _ := m["panels"].([]any)
	for i, p := range d.Panels {
		frames, err := v.frames(ctx, p)
		if err != nil {
			return nil, fmt.Errorf("snapshot of %s: panel %s: %w", d.Title, p.Title, err)
		}
		panels[i].(object)["links"] = list{}
		keep(panels[i].(object), frames)
	}
	return plain(m), nil
}

// A frame is Grafana's table of one series: its times and its values.
type frame struct {
	refID  string
	legend string
	labels map[string]string
	times  []int64 // ms
	values []any   // null is a gap
}

// keep puts frames into a panel twice: as Grafana reads them up to 10, and as its
// own data source gives them since.
func keep(panel object, frames []frame) {
	old, targets := list{}, list{}
	for _, f := range frames {
		when := object{"name": "Time", "type": "time", "config": object{}}
		value := object{"name": "Value", "type": "number", "labels": f.labels, "config": object{"displayNameFromDS": f.legend}}
		targets = append(targets, object{"schema": object{"refId": f.refID, "fields": list{when, value}}, "data": object{"values": list{f.times, f.values}}})
		with := func(field object, values any) object {
			out := object{"values": values}
			for k, v := range field {
				out[k] = v
			}
			return out
		}
		old = append(old, object{"refId": f.refID, "name": f.legend, "fields": list{with(when, f.times), with(value, f.values)}})
	}
	grafana := object{"type": "grafana", "uid": "grafana"}
	panel["datasource"], panel["snapshotData"] = grafana, old
	panel["targets"] = list{object{"refId": "A", "datasource": grafana, "queryType": "snapshot", "snapshot": targets}}
}

// frames are the answers to a panel's targets.
func (v View) frames(ctx context.Context, p Panel) (all []frame, err error) {
	step := v.step()
	for i, t := range p.Targets {
		res, err := v.Answer(ctx, t, step)
		if err != nil {
			return nil, err
		}
		for _, s := range res.Series {
			f := frame{refID: refID(i), legend: legendOf(t.Legend, s.Labels), labels: s.Labels.Map()}
			f.fill(s.Points, step)
			all = append(all, f)
		}
	}
	return all, nil
}

// fill takes points over, and puts a null where some are missing, so that no line
// is drawn there.
func (f *frame) fill(points []promql.Point, step time.Duration) {
	for i, p := range points {
		if i > 0 && p.Time.Sub(points[i-1].Time) > step*3/2 {
			f.times, f.values = append(f.times, points[i-1].Time.Add(step).UnixMilli()), append(f.values, nil)
		}
		var value any
		if !math.IsNaN(p.Value) && !math.IsInf(p.Value, 0) {
			value = p.Value
		}
		f.times, f.values = append(f.times, p.Time.UnixMilli()), append(f.values, value)
	}
}

var legendLabel = regexp.MustCompile(`\{\{\s*(\w+)\s*\}\}`)

// legendOf puts a series' labels into a legend.
func legendOf(text string, ls labels.Labels) string {
	return legendLabel.ReplaceAllStringFunc(text, func(m string) string {
		return ls.Get(legendLabel.FindStringSubmatch(m)[1])
	})
}
