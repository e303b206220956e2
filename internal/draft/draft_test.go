package draft_test

import (
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/common/config"
	"github.com/prometheus/prometheus/promql/promqltest"

	"github.com/plumbline/plumbline/internal/check"
	"github.com/plumbline/plumbline/internal/draft"
	"github.com/plumbline/plumbline/pkg/promql"
	"github.com/plumbline/plumbline/pkg/promql/embedded"
	"github.com/plumbline/plumbline/pkg/promql/lint"
	"github.com/plumbline/plumbline/pkg/promql/querytest"
	"github.com/plumbline/plumbline/pkg/run"
)

// now is the end of the half hour that series in test notation cover.
var now = time.Unix(1800, 0)

const paracle = `load 15s
  up{job="paracle-api",instance="a:1"} 1x120
  http_requests_total{job="paracle-api",instance="a:1",status="200",endpoint="/x"} 0+15x120
  http_requests_total{job="paracle-api",instance="a:1",status="500",endpoint="/x"} 0+0.15x120
  http_requests_total{job="billing",instance="b:1",status="200",endpoint="/x"} 0+3x120
  http_request_duration_seconds_bucket{job="paracle-api",instance="a:1",le="0.1"} 0+8x120
  http_request_duration_seconds_bucket{job="paracle-api",instance="a:1",le="0.5"} 0+15x120
  http_request_duration_seconds_bucket{job="paracle-api",instance="a:1",le="+Inf"} 0+15x120
  http_request_duration_seconds_sum{job="paracle-api",instance="a:1"} 0+3x120
  http_request_duration_seconds_count{job="paracle-api",instance="a:1"} 0+15x120
  container_cpu_usage_seconds_total{pod="paracle-api-1",container="api"} 0+30x120
  container_cpu_usage_seconds_total{pod="paracle-api-1",container=""} 0+30x120
  container_memory_working_set_bytes{pod="paracle-api-1",container="api"} 4e9x120
  kube_pod_container_resource_limits{pod="paracle-api-1",container="api",resource="cpu"} 4x120
  pg_stat_activity_count{datname="d",state="active"} 7x120
  pg_stat_activity_count{datname="d",state="idle"} 33x120
  pg_settings_max_connections{server="s"} 100x120
  redis_memory_used_bytes{instance="r"} 2e9x120
  redis_memory_max_bytes{instance="r"} 0x120
`

// pass checks the drafted files as analyzer check does, with a server and without.
func pass(t *testing.T, d draft.Draft, q promql.Querier) {
	t.Helper()
	live := check.Checker{Scrape: 15 * time.Second, Live: &lint.Live{Meter: promql.NewMeter(q, 15*time.Second), Window: run.Window{Start: now.Add(-25 * time.Minute), End: now}}}
	file := filepath.Join(t.TempDir(), "sla.yaml")
	if err := os.WriteFile(file, []byte(d.SLA), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []check.Checker{{}, live} {
		finds, err := c.Files(t.Context(), file)
		if err != nil {
			t.Error(err)
		}
		for _, f := range finds {
			if f.Severity > lint.Info {
				t.Errorf("the draft: %s", f)
			}
		}
	}
}

func client(t *testing.T, url string) *promql.Client {
	t.Helper()
	c, err := promql.NewClient(url, config.DefaultHTTPClientConfig)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// servers are the two sides that a draft is made from: our own API over a
// recording, and a real Prometheus.
func servers(t *testing.T, load string, visit func(t *testing.T, url string)) {
	t.Run("of a recording", func(t *testing.T) {
		s := httptest.NewServer(embedded.Handler(embedded.New(promqltest.LoadedStorage(t, load))))
		t.Cleanup(s.Close)
		visit(t, s.URL)
	})
	t.Run("of a Prometheus", func(t *testing.T) { visit(t, querytest.Prometheus(t, load)) })
}

func TestTheGuidesService(t *testing.T) {
	servers(t, paracle, func(t *testing.T, url string) {
		q := client(t, url)
		d, err := draft.Make(t.Context(), q, url, now)
		if err != nil {
			t.Fatal(err)
		}
		pass(t, d, q)
		if d.Service != "paracle-api" || d.Preset.Name != "paracle" || len(d.Notes) != 0 {
			t.Errorf("got %s, %s, %q", d.Service, d.Preset.Name, d.Notes)
		}
		for _, want := range []string{
			`api: 'job="paracle-api"' # the busiest; there are also "billing"`,
			`pods: 'pod=~"paracle-api.*"'`,
			`rate: {of: 'http_requests_total{$api}'}`,
			`# must: ">= 0.9" # now 1.01`,
			`quantile: {q: 0.95, of: 'http_request_duration_seconds{$api}'}`,
			`# must: "< 580ms" # now 457.1ms`,
			`ratio: {bad: 'http_requests_total{$api,status=~"[45].."}', total: 'http_requests_total{$api}'}`,
			`# must: "< 2%" # now 0.9901%`,
			`# now 18`,
			`# must: "<= 2" # now 0`, // 0.1 % of the requests
			"  - id: pod-cpu\n    component: 'API pods'\n    resource: 'CPU'\n",
			`limit: 'sum by (pod) (kube_pod_container_resource_limits{resource="cpu",$pods})' # now 4`,
			`# peak: {must: "< 90%"} # now 50 %`,
			`limit: 'max(pg_settings_max_connections)' # now 100`,
			"used: 'sum(redis_memory_used_bytes)' # now 2000000000 at most\n    # limit: …",
		} {
			if !strings.Contains(d.SLA, want) {
				t.Errorf("got no %q in\n%s", want, d.SLA)
			}
		}
		want := "# Drafted by analyzer init from what Prometheus has.\napiVersion: plumbline/v1\nkind: Config\nservice: 'paracle-api'\n" +
			"# target: https://… # where loadgen sends its requests\nsla: sla.yaml\npreset: paracle # the guide\nprometheus:\n  url: '" + url + "'\n"
		if diff := cmp.Diff(want, d.Config); diff != "" {
			t.Errorf("plumbline.yaml: (-want +got)\n%s", diff)
		}
	})
}

func TestOtherHabits(t *testing.T) {
	histogram := func(name, labels string) string {
		return "  " + name + "_bucket{" + labels + `,le="100"} 0+8x120` + "\n  " + name + "_bucket{" + labels + `,le="+Inf"} 0+15x120` +
			"\n  " + name + "_sum{" + labels + "} 0+3x120\n  " + name + "_count{" + labels + "} 0+15x120\n"
	}
	for _, c := range []struct{ name, load, service, sla string }{
		{"istio", `  istio_requests_total{reporter="destination",destination_service_name="it's a \"shop\"",response_code="200"} 0+15x120` + "\n" +
			histogram("istio_request_duration_milliseconds", `reporter="destination",destination_service_name="it's a \"shop\""`),
			`it's a "shop"`, "    title: 'p95'\n    group: latency\n    unit: s\n    query: 'histogram_quantile(0.95, sum by (le) (rate(istio_request_duration_milliseconds_bucket{$api,reporter=\"destination\"}[$steady]))) / 1000'\n    # must: \"< 130ms\" # now 100ms"},
		{"opentelemetry", histogram("http_server_request_duration_seconds", `job="shop",http_response_status_code="200",http_route="/x"`),
			"shop", `bad: 'http_server_request_duration_seconds_count{$api,http_response_status_code=~"[45].."}'`},
		{"opentelemetry-1.20", histogram("http_server_duration_milliseconds", `service_name="shop",http_status_code="200",http_route="/x"`),
			"shop", `query: 'sum(rate(http_server_duration_milliseconds_sum{$api}[$steady])) / sum(rate(http_server_duration_milliseconds_count{$api}[$steady])) / 1000'`},
		{"micrometer", histogram("http_server_requests_seconds", `application="shop",status="200",uri="/x"`), "shop", `'http_server_requests_seconds_count{$api}'`},
		{"ingress-nginx", `  nginx_ingress_controller_requests{service="shop",status="200",path="/"} 0+15x120` + "\n" +
			histogram("nginx_ingress_controller_request_duration_seconds", `service="shop",status="200"`), "shop", `nginx_ingress_controller_requests{$api}`},
		{"envoy", `  envoy_cluster_upstream_rq{envoy_cluster_name="shop",envoy_response_code="200"} 0+15x120` + "\n" +
			histogram("envoy_cluster_upstream_rq_time", `envoy_cluster_name="shop"`), "shop", `(rate(envoy_cluster_upstream_rq_time_bucket{$api}[$steady]))) / 1000'`},
		{"ingress-nginx", `  nginx_ingress_controller_requests{service="controller-metrics",exported_service="shop",status="200",path="/"} 0+15x120` + "\n",
			"shop", `api: 'exported_service="shop"'`},
		{"micrometer", "  http_server_requests_seconds_count{application=\"shop\",status=\"200\"} 0+15x120\n  http_server_requests_seconds_sum{application=\"shop\",status=\"200\"} 0+3x120\n",
			"shop", `mean: {of: 'http_server_requests_seconds{$api}'}`},
		{"k6", `  k6_http_reqs_total{testid="shop",status="200",name="x"} 0+15x120` + "\n" +
			`  k6_http_req_duration_seconds{testid="shop",status="200",name="x"} {{schema:0 count:0 sum:0}}+{{schema:0 count:3 sum:5 buckets:[1 2]}}x120` + "\n",
			"shop", `of: 'k6_http_req_duration_seconds{$api}'`},
	} {
		t.Run(c.name, func(t *testing.T) {
			q := embedded.New(promqltest.LoadedStorage(t, "load 15s\n"+c.load))
			d, err := draft.Make(t.Context(), q, "http://user:secret@p:9090", now)
			if err != nil {
				t.Fatal(err)
			}
			pass(t, d, q)
			if d.Preset.Name != c.name || d.Service != c.service || !strings.Contains(d.SLA, c.sla) {
				t.Errorf("got preset %s, service %s, want %s, %s, and %s in\n%s", d.Preset.Name, d.Service, c.name, c.service, c.sla, d.SLA)
			}
			if strings.Contains(d.Config, "secret") {
				t.Errorf("the draft shows credentials:\n%s", d.Config)
			}
		})
	}
}

func TestAnotherStatusLabel(t *testing.T) {
	q := embedded.New(promqltest.LoadedStorage(t, "load 15s\n  http_requests_total{job=\"shop\",code=\"200\"} 0+9x120\n  http_requests_total{job=\"shop\",code=\"500\"} 0+1x120\n"))
	d, err := draft.Make(t.Context(), q, "http://p:9090", now)
	if err != nil {
		t.Fatal(err)
	}
	pass(t, d, q)
	if want := `bad: 'http_requests_total{$api,code=~"[45].."}'`; !strings.Contains(d.SLA, want) || !strings.Contains(d.SLA, "# now 10%") {
		t.Errorf("got no %s, now 10 %%, in\n%s", want, d.SLA)
	}
	if !strings.Contains(strings.Join(d.Notes, "; "), "errors are told by its label code") {
		t.Errorf("got the notes %q", d.Notes)
	}
}

func TestServersWithoutAnythingToDraftFrom(t *testing.T) {
	for _, c := range []struct{ name, load, want string }{
		{"nothing at all", "", "no series of the last 30m0s: does it scrape anything?"},
		{"nothing known", "  up{job=\"x\"} 1x120\n", "none of its 1 metrics counts requests by a known name; looked for http_requests_total"},
	} {
		q := embedded.New(promqltest.LoadedStorage(t, "load 15s\n"+c.load))
		if _, err := draft.Make(t.Context(), q, "http://p:9090", now); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %s", c.name, err, c.want)
		}
	}
	q := embedded.New(promqltest.LoadedStorage(t, "load 15s\n  http_requests_total{path=\"/\"} 0+1x120\n"))
	d, err := draft.Make(t.Context(), q, "http://p:9090", now)
	if err != nil {
		t.Fatal(err)
	}
	pass(t, d, q)
	notes := strings.Join(d.Notes, "; ")
	for _, want := range []string{"there is no http_request_duration_seconds_bucket", "none of the labels job, service tells services apart", "has no label status"} {
		if !strings.Contains(notes, want) {
			t.Errorf("got the notes %q, want %s", notes, want)
		}
	}
}
