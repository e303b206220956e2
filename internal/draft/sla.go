package draft

import (
	"context"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/plumbline/plumbline/pkg/promql"
	"github.com/plumbline/plumbline/pkg/promql/catalog"
)

// A row is an objective that is drafted when its metric is there.
type row struct {
	id, title, group, unit string
	needs                  string
	indicator              string // in the SLA's form
	query                  string // what it asks, for the value that it has now
	more                   string // further keys
}

// rows are the objectives for the names of the preset.
func (w *writer) rows() []row {
	p := w.preset
	all := p.Select(p.Requests)
	bad, client, server := p.Select(p.Requests, p.WithStatus(p.Errors)), p.Select(p.Requests, p.WithStatus("4..")), p.Select(p.Requests, p.WithStatus("5.."))
	of := func(kind, selector string) string { return fmt.Sprintf("%s: {of: %s}", kind, yamlText(selector)) }
	rows := []row{
		{"total-requests", "Total Requests", "throughput", "", p.Requests, of("count", all), promql.Increase(all, "$rate"), "worse: lower"},
		{"rps", "Requests/Second", "throughput", "req/s", p.Requests, of("rate", all), promql.Rate(all, "$rate"), "worse: lower"},
	}
	histogram := p.Select(p.Duration)
	for _, q := range []struct {
		id, title string
		q         float64
	}{{"latency-p50", "p50", 0.5}, {"latency-p95", "p95", 0.95}, {"latency-p99", "p99", 0.99}} {
		rows = append(rows, w.inSeconds(row{id: q.id, title: q.title, needs: w.stored("_bucket"), indicator: fmt.Sprintf("quantile: {q: %v, of: %s}", q.q, yamlText(histogram))},
			func(window string) string { return promql.Quantile(q.q, histogram, p.Form, window) }))
	}
	rows = append(rows,
		w.inSeconds(row{id: "latency-avg", title: "Average", needs: w.stored("_sum"), indicator: of("mean", histogram)},
			func(window string) string { return promql.Mean(histogram, p.Form, window) }),
		row{"error-rate", "Error Rate", "errors", "ratio", p.Requests, fmt.Sprintf("ratio: {bad: %s, total: %s}", yamlText(bad), yamlText(all)), promql.Share(bad, all, "$rate"), ""},
		row{"errors-4xx", "4xx Errors", "errors", "", p.Requests, of("count", client), promql.Increase(client, "$rate") + " or vector(0)", ""},
		row{"errors-5xx", "5xx Errors", "errors", "", p.Requests, of("count", server), promql.Increase(server, "$rate") + " or vector(0)", ""},
	)
	const sent = `loadgen_requests_total{run="$run"}`
	rows = append(rows,
		row{"client-latency-p95", "p95 (client)", "latency", "s", "loadgen_response_time_seconds_bucket", `quantile: {q: 0.95, of: 'loadgen_response_time_seconds{run="$run"}'}`, "", ""},
		row{"client-error-rate", "Error Rate (client)", "errors", "ratio", "loadgen_requests_total", `ratio: {bad: 'loadgen_requests_total{run="$run",outcome!="success"}', total: '` + sent + `'}`, "", ""},
		row{"llm-requests", "Requests", "llm", "", "llm_requests_total", of("count", "llm_requests_total"), "", "by: provider"},
		row{"llm-latency-avg", "Avg Latency", "llm", "s", "llm_request_duration_seconds_sum", of("mean", "llm_request_duration_seconds"), "", "by: provider"},
		row{"llm-errors", "Errors", "llm", "", "llm_errors_total", of("count", "llm_errors_total"), "", "by: provider"},
	)
	return rows
}

// inSeconds completes an objective on durations. An indicator of a histogram is in
// the histogram's unit, so of milliseconds it is an expression that divides.
func (w *writer) inSeconds(r row, expr func(window string) string) row {
	r.group, r.unit, r.query = "latency", "s", expr("$rate")
	if w.preset.Unit == "ms" {
		r.indicator = "query: " + yamlText(expr("$steady")+" / 1000")
		r.query += " / 1000"
	}
	return r
}

// stored is the metric that holds a part of the durations' histogram, such as _bucket.
func (w *writer) stored(suffix string) string {
	if w.preset.Form == promql.Native {
		return w.preset.Duration
	}
	return w.preset.Duration + suffix
}

// sla is the text of sla.yaml. It has no bounds, since only people know what
// was promised; what is measured now stands beside each objective.
func (w *writer) sla(ctx context.Context) (string, error) {
	var b strings.Builder
	fmt.Fprintf(&b, "# Drafted by analyzer init: what Prometheus has, named as by %s.\n", w.preset.Title)
	b.WriteString("# Nothing is promised yet: each bound is a proposal from the last 30 minutes. Uncomment and change\n# those that the service shall keep: must (else fail), should (else warn).\n")
	b.WriteString("apiVersion: plumbline/v1\nkind: SLA\n")
	fmt.Fprintf(&b, "service: %s\nvars:\n  api: %s%s\n", yamlText(w.service), yamlText(w.api), w.alternatives())
	if w.pods != "" {
		fmt.Fprintf(&b, "  pods: %s\n", yamlText(w.pods))
	}
	b.WriteString("objectives:\n")
	lacks, err := w.lacksStatus(ctx)
	if err != nil {
		return "", err
	}
	for _, r := range w.rows() {
		if !w.has(r.needs) || lacks && strings.Contains(r.indicator, w.preset.Status+"=~") {
			continue
		}
		if err := w.writeRow(ctx, &b, r); err != nil {
			return "", err
		}
	}
	if err := w.writeResources(ctx, &b); err != nil {
		return "", err
	}
	return b.String(), nil
}

// alternatives names other services in a comment.
func (w *writer) alternatives() string {
	if len(w.others) == 0 {
		return ""
	}
	const most = 5
	quoted := make([]string, 0, most)
	for _, o := range w.others[:min(len(w.others), most)] {
		quoted = append(quoted, strconv.Quote(o))
	}
	return fmt.Sprintf(" # the busiest; there are also %s", strings.Join(quoted, ", "))
}

// statusLabels are what services call the label that says how a request ended,
// where they don't call it as their preset does.
var statusLabels = []string{"status", "code", "status_code", "http_status", "http_status_code", "response_code"}

// lacksStatus tells whether the requests carry no label for how they ended. One by
// another name than the preset's takes its place.
func (w *writer) lacksStatus(ctx context.Context) (bool, error) {
	if !w.has(w.preset.Requests) {
		return true, nil
	}
	usual := w.preset.Status
	for _, label := range append([]string{usual}, statusLabels...) {
		n, err := w.value(ctx, fmt.Sprintf("count(%s)", w.preset.Select(w.preset.Requests, label+`!=""`)))
		if err != nil {
			return false, err
		}
		if math.IsNaN(n) {
			continue
		}
		if label != usual {
			w.notef("%s has no label %s; errors are told by its label %s", w.preset.Requests, usual, label)
			w.preset.Status = label
		}
		return false, nil
	}
	w.notef("%s has no label %s, so errors can't be told: their objectives are left out", w.preset.Requests, usual)
	return true, nil
}

func (w *writer) writeRow(ctx context.Context, b *strings.Builder, r row) error {
	fmt.Fprintf(b, "  - id: %s\n    title: %s\n    group: %s\n", r.id, yamlText(r.title), r.group)
	if r.unit != "" {
		fmt.Fprintf(b, "    unit: %s\n", r.unit)
	}
	fmt.Fprintf(b, "    %s\n", r.indicator)
	if r.more != "" {
		fmt.Fprintf(b, "    %s\n", r.more)
	}
	if r.query == "" {
		return nil
	}
	now, err := w.value(ctx, r.query)
	if err == nil && !math.IsNaN(now) && !math.IsInf(now, 0) {
		if r.id == "total-requests" {
			w.total = now
		}
		fmt.Fprintf(b, "    # must: %q # now %s\n", w.propose(r, now), figure(r.unit, now))
	}
	return err
}

// leastShare is the smallest share of failed requests that is proposed: no service
// keeps a bound of none for long.
const leastShare = 0.001

// propose is a bound that the value keeps now, with some room.
func (w *writer) propose(r row, now float64) string {
	switch {
	case r.group == "throughput" && r.unit == "":
		return ">= " + figure(r.unit, math.Floor(0.9*now))
	case r.group == "throughput":
		return ">= " + figure(r.unit, rounded(0.9*now, math.Floor))
	case r.unit == "ratio":
		return "< " + figure(r.unit, max(rounded(2*now, math.Ceil), leastShare))
	case r.group == "errors":
		return "<= " + figure(r.unit, math.Ceil(max(2*now, leastShare*w.total, 1)))
	}
	return "< " + figure(r.unit, rounded(1.25*now, math.Ceil))
}

// rounded keeps two digits.
func rounded(v float64, how func(float64) float64) float64 {
	if v <= 0 {
		return 0
	}
	unit := math.Pow(10, math.Floor(math.Log10(v))-1)
	return how(v/unit*(1-1e-12)) * unit
}

// figure writes a value with the unit that bounds have.
func figure(unit string, v float64) string {
	short := func(v float64) string { return strconv.FormatFloat(v, 'g', 4, 64) }
	switch {
	case unit == "s" && v < 1:
		return short(v*1000) + "ms"
	case unit == "s":
		return short(v) + "s"
	case unit == "ratio":
		return short(v*100) + "%"
	case math.Abs(v) >= 1e4:
		return strconv.FormatFloat(v, 'f', 0, 64)
	}
	return short(v)
}

// writeResources drafts the resources that exporters tell about.
func (w *writer) writeResources(ctx context.Context, b *strings.Builder) error {
	first, podsAnswer := true, false
	for _, r := range catalog.Resources {
		if !w.has(r.Needs) || podsAnswer && strings.HasPrefix(r.ID, "process-") {
			continue
		}
		now, err := w.value(ctx, r.Used)
		if err != nil {
			return err
		}
		if math.IsNaN(now) {
			continue // other labels than the exporter usually has
		}
		podsAnswer = podsAnswer || strings.HasPrefix(r.ID, "pod-")
		if first {
			b.WriteString("resources:\n")
			first = false
		}
		if err := w.writeResource(ctx, b, r, now); err != nil {
			return err
		}
	}
	return nil
}

func (w *writer) writeResource(ctx context.Context, b *strings.Builder, r catalog.Resource, now float64) error {
	fmt.Fprintf(b, "  - id: %s\n    component: %s\n    resource: %s\n", r.ID, yamlText(r.Component), yamlText(r.Resource))
	if r.Unit != "" {
		fmt.Fprintf(b, "    unit: %s\n", r.Unit)
	}
	fmt.Fprintf(b, "    used: %s # now %s at most\n", yamlText(r.Used), figure("", now))
	limit := math.NaN()
	if r.Limit != "" && (r.LimitBy == "" || w.has(r.LimitBy)) {
		var err error
		if limit, err = w.value(ctx, r.Limit); err != nil {
			return err
		}
	}
	if math.IsNaN(limit) {
		b.WriteString("    # limit: … # nothing says how much there is; give a number, then bounds in % work\n")
		return nil
	}
	fmt.Fprintf(b, "    limit: %s # now %s\n    # peak: {must: \"< 90%%\"} # now %.0f %%\n", yamlText(r.Limit), figure("", limit), 100*now/limit)
	return nil
}
