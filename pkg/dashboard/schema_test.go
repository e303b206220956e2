package dashboard_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/grafana/grafana-foundation-sdk/go/cog/plugins"
	sdk "github.com/grafana/grafana-foundation-sdk/go/dashboard"

	"github.com/plumbline/plumbline/pkg/dashboard"
	"github.com/plumbline/plumbline/pkg/promql/catalog"
	"github.com/plumbline/plumbline/pkg/slo"
)

// shop is a small agreement that the tests of the form need.
func shop(t *testing.T) slo.Agreement {
	t.Helper()
	a, err := slo.Parse("sla.yaml", []byte(`
apiVersion: plumbline/v1
kind: SLA
service: shop
vars: {api: 'app="shop"', pods: 'pod=~"shop.*",container!=""'}
objectives:
  - {id: rps, unit: req/s, rate: {of: 'http_requests_total{$api}'}, must: ">= 100", should: ">= 150"}
  - {id: latency-p95, unit: s, quantile: {q: 0.95, of: 'http_request_duration_seconds{$api}'}, must: "< 500ms", should: "< 300ms"}
  - {id: latency-p99, unit: s, quantile: {q: 0.99, of: 'http_request_duration_seconds{$api}'}, must: "<= baseline * 1.1"}
  - {id: error-rate, unit: ratio, ratio: {bad: 'http_requests_total{$api,status=~"5.."}', total: 'http_requests_total{$api}'}, must: "< 0.1%"}
resources:
  - {id: api-cpu, component: Pods, resource: CPU, unit: ratio, used: 'sum by (pod) (rate(container_cpu_usage_seconds_total{$pods}[$rate]))', limit: "4", peak: {must: "< 90%"}, average: {should: "< 75%"}}
  - {id: api-memory, component: Pods, resource: Memory, unit: bytes, used: 'sum by (pod) (container_memory_working_set_bytes{$pods})', limit: 'max(machine_memory_bytes)', peak: {must: "< 90%"}}
  - {id: queue, component: Queue, resource: Length, used: 'sum(queue_length)', limit: "200", peak: {must: "< 50%"}}
`))
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// TestGrafanasOwnSchema reads each dashboard strictly, as Grafana's schema has it.
func TestGrafanasOwnSchema(t *testing.T) {
	plugins.RegisterDefaultPlugins()
	for _, d := range dashboard.All(shop(t), catalog.Presets[0]) {
		text, err := d.JSON()
		if err != nil {
			t.Fatal(err)
		}
		var read sdk.Dashboard                                                      //nolint:staticcheck // Grafana 9 to 11 know no other form, and newer ones read it
		if err := read.UnmarshalJSONStrict(text); err != nil && err.Error() != "" { // it may give an empty list of errors
			t.Errorf("%s: %v", d.File, err)
			continue
		}
		if err := read.Validate(); err != nil {
			t.Errorf("%s: %v", d.File, err)
		}
	}
}

// TestLimitsOfGrafana holds dashboards to what versions 9 to 13 take.
func TestLimitsOfGrafana(t *testing.T) {
	seen := map[string]bool{"plumbline": true} // the folder's: one name space
	for _, d := range dashboard.All(shop(t), catalog.Presets[0]) {
		if len(d.UID) > 40 || seen[d.UID] {
			t.Errorf("%s: uid %s is longer than 40 or taken", d.File, d.UID)
		}
		seen[d.UID] = true
		if v := d.Model["schemaVersion"]; v != 37.0 {
			t.Errorf("%s: got schemaVersion %v, want 37: 9.3 knows no newer, and 13 reads back to 16", d.File, v)
		}
		occupied := map[[2]float64]string{}
		ids := map[float64]bool{}
		for _, p := range d.Model["panels"].([]any) {
			p := p.(map[string]any)
			kind, title := p["type"].(string), p["title"].(string)
			if kind != "timeseries" && kind != "stat" {
				t.Errorf("%s: %s is a panel of type %s: graph and singlestat are Angular's and gone since 12", d.File, title, kind)
			}
			for _, old := range []string{"yaxes", "xaxis", "thresholds", "lines", "nullPointMode", "seriesOverrides", "span", "renderer"} {
				if p[old] != nil {
					t.Errorf("%s: %s has the old key %s", d.File, title, old)
				}
			}
			if ids[p["id"].(float64)] {
				t.Errorf("%s: two panels have the id %v", d.File, p["id"])
			}
			ids[p["id"].(float64)] = true
			if p["description"] == "" {
				t.Errorf("%s: %s doesn't say what it answers", d.File, title)
			}
			at := p["gridPos"].(map[string]any)
			for x := at["x"].(float64); x < at["x"].(float64)+at["w"].(float64); x++ {
				for y := at["y"].(float64); y < at["y"].(float64)+at["h"].(float64); y++ {
					if other := occupied[[2]float64{x, y}]; other != "" || x >= 24 {
						t.Fatalf("%s: %s lies over %q or beyond 24 columns", d.File, title, other)
					}
					occupied[[2]float64{x, y}] = title
				}
			}
		}
	}
}

// find gives a panel of a dashboard as Grafana's JSON has it.
func find(t *testing.T, all []dashboard.Dashboard, file, title string) map[string]any {
	t.Helper()
	for _, d := range all {
		if d.File == file {
			for _, p := range d.Model["panels"].([]any) {
				if p := p.(map[string]any); p["title"] == title {
					return p
				}
			}
		}
	}
	t.Fatalf("%s has no panel %s", file, title)
	return nil
}

func steps(p map[string]any) (all []string) {
	defaults := p["fieldConfig"].(map[string]any)["defaults"].(map[string]any)
	for _, s := range defaults["thresholds"].(map[string]any)["steps"].([]any) {
		text, _ := json.Marshal(s)
		all = append(all, string(text))
	}
	return all
}

func expressions(p map[string]any) (all []string) {
	for _, target := range p["targets"].([]any) {
		target := target.(map[string]any)
		all = append(all, target["legendFormat"].(string)+": "+target["expr"].(string))
	}
	return all
}

func TestBoundsBecomeThresholds(t *testing.T) {
	all := dashboard.All(shop(t), catalog.Presets[0])
	for _, c := range []struct {
		name, file, panel string
		want              []string
	}{
		{"a lower bound is red below it, and orange below the wish", "overview.json", "RPS", []string{`{"color":"red","value":null}`, `{"color":"orange","value":100}`, `{"color":"green","value":150}`}},
		{"an upper bound is orange, then red; a relative one is none", "overview.json", "Latency Percentiles", []string{`{"color":"green","value":null}`, `{"color":"orange","value":0.3}`, `{"color":"red","value":0.5}`}},
		{"a percentage is a share", "performance-baseline.json", "Error Rate (%)", []string{`{"color":"green","value":null}`, `{"color":"red","value":0.001}`}},
		{"of a resource in ratio", "performance-baseline.json", "API Pod CPU Usage", []string{`{"color":"green","value":null}`, `{"color":"orange","value":0.75}`, `{"color":"red","value":0.9}`}},
		{"of a limit that is a number", "resource-utilization.json", "Queue: Length", []string{`{"color":"green","value":null}`, `{"color":"red","value":100}`}},
		{"none", "performance-baseline.json", "Redis Memory Usage", []string{`{"color":"green","value":null}`}},
	} {
		if diff := cmp.Diff(c.want, steps(find(t, all, c.file, c.panel))); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, diff)
		}
	}
	memory := find(t, all, "resource-utilization.json", "Pods: Memory")
	want := []string{`{{pod}}: sum by (pod) (container_memory_working_set_bytes{pod=~"shop.*",container!=""})`, "limit: min(max(machine_memory_bytes))", "< 90% of the limit: 0.9 * min(max(machine_memory_bytes))"}
	if diff := cmp.Diff(want, expressions(memory)); diff != "" {
		t.Errorf("a limit that is asked for (-want +got):\n%s", diff)
	}
}

// TestEachReplicaHasItsOwnLimit needs limits that differ, which the reference run's don't.
func TestEachReplicaHasItsOwnLimit(t *testing.T) {
	a := shop(t)
	a.Resources[0].Limit = `sum by (pod) (kube_pod_container_resource_limits{resource="cpu",$pods})`
	got := expressions(find(t, dashboard.All(a, catalog.Presets[0]), "resource-utilization.json", "Pods: CPU"))
	want := []string{`{{pod}}: (sum by (pod) (rate(container_cpu_usage_seconds_total{pod=~"shop.*",container!=""}[$__rate_interval]))) / (sum by (pod) (kube_pod_container_resource_limits{resource="cpu",pod=~"shop.*",container!=""}))`}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("expressions (-want +got):\n%s", diff)
	}
}

func TestTheServiceIsChosenByItsLabel(t *testing.T) {
	all := dashboard.All(shop(t), catalog.Presets[0])
	if got := expressions(find(t, all, "overview.json", "RPS"))[0]; got != `Total: sum(rate(http_requests_total{app="$service"}[$__rate_interval]))` {
		t.Errorf("got %s, want the label app and the chosen service", got)
	}
	variables, _ := json.Marshal(all[0].Model["templating"])
	for _, want := range []string{`label_values(http_requests_total, app)`, `"query":"prometheus"`, `label_values(loadgen_requests_total, run)`} {
		if !strings.Contains(string(variables), want) {
			t.Errorf("got variables %s, want %s in them", variables, want)
		}
	}
}

// TestTheGuidesPanels holds the first dashboard to the guide's own.
func TestTheGuidesPanels(t *testing.T) {
	for _, d := range dashboard.All(shop(t), catalog.Presets[0])[:1] {
		var got []string
		for _, p := range d.Panels {
			row := p.Title + " (" + p.Unit + "):"
			for _, target := range p.Targets {
				if !target.Bound {
					row += " " + target.Legend + ","
				}
			}
			got = append(got, strings.TrimSuffix(row, ","))
		}
		want := []string{
			"Request Rate (req/s) (reqps): Total, Success (2xx), Errors (5xx)",
			"Response Time Percentiles (s): p50, p95, p99",
			"Error Rate (%) (percentunit): Error %",
			"API Pod CPU Usage (percentunit): {{pod}}",
			"API Pod Memory Usage (decbytes): {{pod}}",
			"Database Connection Pool (short): Active Connections, Max Connections",
			"Redis Memory Usage (decbytes): Used Memory (GB)",
			"LLM API Latency (s): p95 LLM Latency {{provider}}",
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("panels (-guide +got):\n%s", diff)
		}
	}
}
