package catalog

import (
	"slices"
	"strings"

	"github.com/plumbline/plumbline/pkg/promql"
)

// A Preset is how one habit of naming calls the series of a service's HTTP requests.
type Preset struct {
	Name  string
	Title string

	Requests string // counter of the requests
	Duration string // base name of the histogram of their durations
	Form     promql.HistogramForm
	Unit     string // of the durations: s or ms

	// Labels. A habit that has none of a kind leaves it empty.
	Status, Route, Method string
	Services              []string // that tell one service from another, the most telling first; a target's own label pushes a metric's aside to exported_…
	Matchers              string   // without which requests would be counted twice
	Errors                string   // regular expression of the status of a failed request
}

// failed is the usual status of a failed request.
const failed = "[45].."

// Presets are the habits of naming that are known. The first is the guide's.
var Presets = []Preset{
	{Name: "paracle", Title: "the guide", Requests: "http_requests_total", Duration: "http_request_duration_seconds", Unit: "s",
		Status: "status", Route: "endpoint", Method: "method", Services: []string{"job", "service"}, Errors: failed},
	{Name: "opentelemetry", Title: "OpenTelemetry HTTP semantic conventions", Requests: "http_server_request_duration_seconds_count", Duration: "http_server_request_duration_seconds", Unit: "s",
		Status: "http_response_status_code", Route: "http_route", Method: "http_request_method", Services: []string{"service_name", "job"}, Errors: failed},
	{Name: "opentelemetry-1.20", Title: "OpenTelemetry HTTP semantic conventions up to 1.20", Requests: "http_server_duration_milliseconds_count", Duration: "http_server_duration_milliseconds", Unit: "ms",
		Status: "http_status_code", Route: "http_route", Method: "http_method", Services: []string{"service_name", "job"}, Errors: failed},
	{Name: "istio", Title: "Istio", Requests: "istio_requests_total", Duration: "istio_request_duration_milliseconds", Unit: "ms",
		Status: "response_code", Services: []string{"destination_service_name", "destination_workload"}, Matchers: `reporter="destination"`, Errors: failed + "|0"},
	{Name: "envoy", Title: "Envoy, by upstream cluster", Requests: "envoy_cluster_upstream_rq", Duration: "envoy_cluster_upstream_rq_time", Unit: "ms",
		Status: "envoy_response_code", Services: []string{"envoy_cluster_name"}, Errors: failed},
	{Name: "ingress-nginx", Title: "ingress-nginx", Requests: "nginx_ingress_controller_requests", Duration: "nginx_ingress_controller_request_duration_seconds", Unit: "s",
		Status: "status", Route: "path", Method: "method", Services: []string{"exported_service", "service", "ingress", "host"}, Errors: failed},
	{Name: "micrometer", Title: "Micrometer (Spring Boot)", Requests: "http_server_requests_seconds_count", Duration: "http_server_requests_seconds", Unit: "s",
		Status: "status", Route: "uri", Method: "method", Services: []string{"application", "job"}, Errors: failed},
	{Name: "k6", Title: "k6 remote write (the client's side)", Requests: "k6_http_reqs_total", Duration: "k6_http_req_duration_seconds", Form: promql.Native, Unit: "s",
		Status: "status", Route: "name", Method: "method", Services: []string{"testid", "scenario"}, Errors: failed + "|0"},
}

// Named is the preset of a name; false when there is none.
func Named(name string) (Preset, bool) {
	i := slices.IndexFunc(Presets, func(p Preset) bool { return p.Name == name })
	if i < 0 {
		return Preset{}, false
	}
	return Presets[i], true
}

// Names lists the names of the presets.
func Names() []string {
	names := make([]string, len(Presets))
	for i, p := range Presets {
		names[i] = p.Name
	}
	return names
}

// A Match is a preset of which a server has series.
type Match struct {
	Preset
	Missing []string // metrics of it that are not there
}

// Recognise finds the presets that a server's metrics follow, the most complete
// first. A histogram that is there in its native form only is asked in that.
func Recognise(has func(metric string) bool) []Match {
	var matches []Match
	for _, p := range Presets {
		m := Match{Preset: p}
		switch {
		case p.Form == promql.Classic && !has(p.Duration+"_bucket") && has(p.Duration):
			m.Form = promql.Native
		case p.Form == promql.Native && !has(p.Duration) && has(p.Duration+"_bucket"):
			m.Form = promql.Classic
		}
		for _, metric := range []string{p.Requests, m.series("")} {
			if !has(metric) {
				m.Missing = append(m.Missing, metric)
			}
		}
		if len(m.Missing) < 2 {
			matches = append(matches, m)
		}
	}
	slices.SortStableFunc(matches, func(a, b Match) int { return len(a.Missing) - len(b.Missing) })
	return matches
}

// Counterpart is how p calls the metric that another preset calls by a name; empty
// when it is no preset's.
func (p Preset) Counterpart(metric string) string {
	for _, other := range Presets {
		if metric == other.Requests {
			return p.Requests
		}
		for _, suffix := range []string{"_bucket", "_sum", "_count", ""} {
			if metric != other.Duration+suffix {
				continue
			}
			if p.Form == promql.Native {
				return p.Duration
			}
			return p.Duration + suffix
		}
	}
	return ""
}

// names reports whether a metric is one of the preset's.
func (p Preset) names(metric string) bool {
	return metric == p.Requests || slices.Contains([]string{p.Duration, p.Duration + "_bucket", p.Duration + "_sum", p.Duration + "_count"}, metric)
}

// series is the metric that holds the distribution of durations.
func (p Preset) series(matchers string) string {
	name := p.Duration
	if p.Form == promql.Classic {
		name += "_bucket"
	}
	return name + matchers
}

// Select is the selector of a metric's series: those of the label set $api,
// counted once, that also match the given matchers.
func (p Preset) Select(metric string, matchers ...string) string {
	all := []string{"$api"}
	if p.Matchers != "" {
		all = append(all, p.Matchers)
	}
	return metric + "{" + strings.Join(append(all, matchers...), ",") + "}"
}

// WithStatus is the matcher of a status by a regular expression, such as 5...
func (p Preset) WithStatus(re string) string { return p.Status + `=~"` + re + `"` }

// seconds turns a form in the unit of the durations into one in seconds.
func (p Preset) seconds(f form) form {
	if p.Unit == "ms" {
		return f.dividedBy(1000)
	}
	return f
}

// without gives no form where the preset lacks the label that it needs.
func without(label string, f form) form {
	if label == "" {
		return form{}
	}
	return f
}
