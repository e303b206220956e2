// Package draft writes the first configuration and SLA of a service from what a
// live Prometheus has of it.
package draft

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/plumbline/plumbline/pkg/promql"
	"github.com/plumbline/plumbline/pkg/promql/catalog"
	"github.com/plumbline/plumbline/pkg/promql/lint"
	"github.com/plumbline/plumbline/pkg/run"
)

// A Draft is the text of the two files, and what the writer could not tell.
type Draft struct {
	Config, SLA string
	Preset      catalog.Preset
	Service     string
	Notes       []string
}

// lookback is how far back current values are taken from.
const lookback = 30 * time.Minute

// Make drafts from what the server at a base URL has shortly before a time.
func Make(ctx context.Context, q promql.Querier, base string, at time.Time) (Draft, error) {
	scrape, err := promql.ScrapeInterval(ctx, q, at)
	if err != nil {
		return Draft{}, fmt.Errorf("init: %w", err)
	}
	meter := promql.NewMeter(q, max(scrape, time.Second))
	live := &lint.Live{Meter: meter, Window: run.Window{Start: at.Add(-lookback), End: at}}
	metrics, err := live.Metrics(ctx)
	if err != nil {
		return Draft{}, fmt.Errorf("init: %w", err)
	}
	w := &writer{meter: meter, at: at, has: live.Known}
	if err := w.recognise(len(metrics)); err != nil {
		return Draft{}, fmt.Errorf("init: %w", err)
	}
	if err := w.find(ctx); err != nil {
		return Draft{}, fmt.Errorf("init: %w", err)
	}
	sla, err := w.sla(ctx)
	if err != nil {
		return Draft{}, fmt.Errorf("init: %w", err)
	}
	return Draft{Config: w.config(base), SLA: sla, Preset: w.preset, Service: w.service, Notes: w.notes}, nil
}

// writer is what is known while the draft is written.
type writer struct {
	meter   *promql.Meter
	at      time.Time
	has     func(metric string) bool
	preset  catalog.Preset
	missing []string // metrics of the preset

	label, service string   // by which the service is told, and its name
	others         []string // further services, the busiest first
	api, pods      string   // label sets
	total          float64  // requests of the lookback
	notes          []string
}

func (w *writer) notef(format string, args ...any) {
	w.notes = append(w.notes, fmt.Sprintf(format, args...))
}

// recognise picks the preset that the server's metrics follow best.
func (w *writer) recognise(metrics int) error {
	matches := catalog.Recognise(w.has)
	if metrics == 0 {
		return fmt.Errorf("the server has no series of the last %s: does it scrape anything?", lookback)
	}
	if len(matches) == 0 {
		var looked []string
		for _, p := range catalog.Presets {
			looked = append(looked, p.Requests)
		}
		return fmt.Errorf("none of its %d metrics counts requests by a known name; looked for %s", metrics, strings.Join(looked, ", "))
	}
	w.preset, w.missing = matches[0].Preset, matches[0].Missing
	for _, m := range matches[1:] {
		w.notef("there are also series as %s names them (preset %s)", m.Title, m.Name)
	}
	for _, m := range w.missing {
		w.notef("there is no %s, so what needs it is left out", m)
	}
	return nil
}

// requests is the metric by which the service is looked for.
func (w *writer) requests() string {
	if w.has(w.preset.Requests) {
		return w.preset.Requests
	}
	return promql.WithSuffix(w.preset.Duration, map[promql.HistogramForm]string{promql.Classic: "_count"}[w.preset.Form])
}

// find tells which service is meant: the busiest.
func (w *writer) find(ctx context.Context) error {
	for _, label := range w.preset.Services {
		busiest, err := w.busiest(ctx, label)
		if err != nil {
			return err
		}
		if len(busiest) == 0 {
			continue
		}
		w.label, w.service, w.others = label, busiest[0], busiest[1:]
		w.api = fmt.Sprintf("%s=%q", label, w.service)
		return w.findPods(ctx)
	}
	w.service = "service"
	w.notef("none of the labels %s tells services apart: $api is empty and means all series", strings.Join(w.preset.Services, ", "))
	return w.findPods(ctx)
}

// busiest lists the values of a label, most requests first.
func (w *writer) busiest(ctx context.Context, label string) ([]string, error) {
	matchers := ""
	if w.preset.Matchers != "" {
		matchers = "," + w.preset.Matchers
	}
	selector := fmt.Sprintf(`%s{%s!=""%s}`, w.requests(), label, matchers)
	res, err := w.ask(ctx, promql.Increase(selector, promDuration(lookback), label))
	if err == nil && len(res.Series) == 0 { // too young for a rate
		res, err = w.ask(ctx, fmt.Sprintf("count by (%s) (%s)", label, selector))
	}
	slices.SortStableFunc(res.Series, func(a, b promql.Series) int { return -compareFloat(a.Points[0].Value, b.Points[0].Value) })
	var values []string
	for _, s := range res.Series {
		values = append(values, s.Labels.Get(label))
	}
	return values, err
}

// findPods tells which pods are the service's: those that bear its name.
func (w *writer) findPods(ctx context.Context) error {
	const metric = "container_cpu_usage_seconds_total"
	if !w.has(metric) {
		return nil
	}
	res, err := w.ask(ctx, fmt.Sprintf(`count by (pod) (%s{pod!=""})`, metric))
	if err != nil {
		return err
	}
	for _, s := range res.Series {
		if w.label != "" && strings.HasPrefix(s.Labels.Get("pod"), w.service) {
			w.pods = fmt.Sprintf("pod=~%q", quoteMeta(w.service)+".*")
			return nil
		}
	}
	if len(res.Series) > 0 {
		w.pods = `pod!=""`
		w.notef("no pod bears the name %s: $pods means all %d pods; name the service's own", w.service, len(res.Series))
	}
	return nil
}

// quoteMeta keeps a name's dots from meaning anything.
func quoteMeta(name string) string { return strings.ReplaceAll(name, ".", `\.`) }

func (w *writer) ask(ctx context.Context, expr string) (promql.Result, error) {
	return w.meter.Query(ctx, expr, w.at)
}

// vars are what the drafted expressions refer to.
func (w *writer) vars() map[string]string {
	return map[string]string{"api": w.api, "pods": w.pods, "llm": "", "rate": promDuration(lookback)}
}

// value is what an expression answers now; NaN when it does not answer with
// numbers. Of several series it is the greatest.
func (w *writer) value(ctx context.Context, expr string) (float64, error) {
	res, err := w.ask(ctx, promql.Expand(expr, w.vars()))
	if errors.Is(err, promql.ErrBadQuery) {
		return math.NaN(), nil // beyond what this server can do
	}
	value := math.NaN()
	for _, s := range res.Series {
		for _, p := range s.Points {
			if !(p.Value <= value) {
				value = p.Value
			}
		}
	}
	return value, err
}

// config is the text of plumbline.yaml.
func (w *writer) config(base string) string {
	note := ""
	if public := promql.Public(base); public != base {
		base, note = public, " # the credentials are left out: keep them in the environment (PLUMBLINE_PROMETHEUS)"
	}
	return fmt.Sprintf(`# Drafted by analyzer init from what Prometheus has.
apiVersion: plumbline/v1
kind: Config
service: %s
# target: https://… # where loadgen sends its requests
sla: sla.yaml
preset: %s # %s
prometheus:
  url: %s%s
`, yamlText(w.service), w.preset.Name, w.preset.Title, yamlText(base), note)
}

// yamlText quotes a text for YAML.
func yamlText(text string) string { return "'" + strings.ReplaceAll(text, "'", "''") + "'" }

func promDuration(d time.Duration) string { return fmt.Sprintf("%ds", int(d.Seconds())) }

func compareFloat(a, b float64) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}
