package loadgen

import (
	"math"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
)

func TestK6Metrics(t *testing.T) {
	s := mustParse(t, `apiVersion: plumbline/v1
kind: Scenario
name: shop
users:
  - name: u
    think: 100ms
    tasks:
      - {name: ok, request: GET /ok}
      - {name: missing, request: GET /missing, expect: {status: 404}}
      - {name: wrong, request: POST /wrong, expect: {contains: right}}`)
	k6 := NewK6Metrics(s, "PERF-1")
	registry := prometheus.NewPedanticRegistry()
	if err := registry.Register(k6); err != nil {
		t.Fatal(err)
	}
	var users float64
	sum := runFollowed(t, s, Profile{Stages: []Stage{{10, 10, 10 * time.Second, true}}}, func(w http.ResponseWriter, r *http.Request) {
		time.Sleep(15 * time.Millisecond)
		if r.URL.Path == "/missing" {
			w.WriteHeader(http.StatusNotFound)
		}
		_, _ = w.Write([]byte("the first part"))
		_ = http.NewResponseController(w).Flush()
		time.Sleep(5 * time.Millisecond)
	}, func(o *Options) { o.OnResult, o.Phases, o.OnIteration = k6.Observe, true, k6.ObserveIteration }, func(g *Generator) {
		k6.Follow(g)
		users = max(users, k6Values(t, registry)["k6_vus{scenario=shop,testid=PERF-1}"])
	})
	got := k6Values(t, registry)
	n := map[string]float64{}
	for _, r := range sum.ByRequest {
		n[r.Request] = float64(r.Requests)
		if r.Requests < 50 {
			t.Errorf("%s: got %d requests, want more", r.Request, r.Requests)
		}
	}
	const ok, missing, wrong = "{expected_response=true,method=GET,name=ok,scenario=shop,status=200,testid=PERF-1}",
		"{expected_response=false,method=GET,name=missing,scenario=shop,status=404,testid=PERF-1}",
		"{expected_response=true,method=POST,name=wrong,scenario=shop,status=200,testid=PERF-1}"
	const run = "{scenario=shop,testid=PERF-1}"
	want := map[string]float64{
		"k6_http_reqs_total" + ok: n["ok"], "k6_http_reqs_total" + missing: n["missing"], "k6_http_reqs_total" + wrong: n["wrong"],
		"k6_http_req_failed_rate" + ok: 0, "k6_http_req_failed_rate" + missing: 1, "k6_http_req_failed_rate" + wrong: 0,
		"k6_checks_rate{check=expect,name=ok,scenario=shop,testid=PERF-1}":      1,
		"k6_checks_rate{check=expect,name=missing,scenario=shop,testid=PERF-1}": 1,
		"k6_checks_rate{check=expect,name=wrong,scenario=shop,testid=PERF-1}":   0,
		"k6_iterations_total" + run: float64(sum.Iterations), "k6_dropped_iterations_total" + run: 0, "k6_vus" + run: 0, "k6_vus_max" + run: 10,
	}
	trend := func(name, labels string, count, took float64) {
		want["k6_"+name+"_seconds"+labels] = count
		for _, statistic := range []string{"avg", "min", "med", "max", "p90", "p95", "p99"} {
			gauge := "k6_" + name + "_" + statistic + labels
			if v, found := got[gauge]; !found || math.Abs(v-took) > took*QuantileError {
				t.Errorf("%s: got %v, %v, want %v s", gauge, v, found, took)
			}
			delete(got, gauge)
		}
	}
	trend("iteration_duration", run, float64(sum.Iterations), 0.02)
	for labels, count := range map[string]float64{ok: n["ok"], missing: n["missing"], wrong: n["wrong"]} {
		for name, took := range map[string]float64{"duration": 0.02, "blocked": 0, "connecting": 0, "tls_handshaking": 0, "sending": 0, "waiting": 0.015, "receiving": 0.005} {
			trend("http_req_"+name, labels, count, took)
		}
	}
	for name := range got {
		if strings.HasPrefix(name, "k6_data_") {
			if got[name] <= 0 {
				t.Errorf("%s: got %v, want bytes", name, got[name])
			}
			delete(got, name)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if users != 10 {
		t.Errorf("k6_vus: got at most %v, want 10", users)
	}
}

// k6Values are the values of all series; of a histogram its count.
func k6Values(t *testing.T, registry *prometheus.Registry) map[string]float64 {
	t.Helper()
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	values := map[string]float64{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			var labels []string
			for _, l := range m.GetLabel() {
				labels = append(labels, l.GetName()+"="+l.GetValue())
			}
			name := f.GetName() + "{" + strings.Join(labels, ",") + "}"
			switch f.GetType() {
			case dto.MetricType_COUNTER:
				values[name] = m.GetCounter().GetValue()
			case dto.MetricType_GAUGE:
				values[name] = m.GetGauge().GetValue()
			default:
				values[name] = float64(m.GetHistogram().GetSampleCount())
			}
		}
	}
	return values
}
