package main

import (
	"math"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"testing"
	"time"

	"github.com/plumbline/plumbline/internal/store"
	"github.com/plumbline/plumbline/pkg/promql/embedded"
)

// What the panels of k6's own two dashboards ask, the one on gauges and the one
// on native histograms, has an answer.
func TestK6Dashboards(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/missing" {
			w.WriteHeader(http.StatusNotFound)
		}
	}))
	defer server.Close()
	dir := t.TempDir()
	writeFiles(t, dir, `-- s.yaml --
apiVersion: plumbline/v1
kind: Scenario
name: s
users:
  - {name: u, tasks: [{name: read, request: GET /, expect: {status: 200}}, {name: missing, request: GET /missing, expect: {status: 200}}]}
-- p.yaml --
apiVersion: plumbline/v1
kind: Profiles
profiles: {p: {arrival_rate: 100/s, duration: 3s, max_in_flight: 10}}
`)
	if code, stderr := startLoadgen(t, dir, "dashboards", "--target", server.URL, "--k6-metrics")(); code != 0 && code != 3 {
		t.Fatalf("exit code %d: %s", code, stderr)
	}
	st := store.Open(filepath.Join(dir, "results"))
	r, err := st.Load("dashboards")
	if err != nil {
		t.Fatal(err)
	}
	db, err := embedded.Open(st.Recording("dashboards"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	const all, expected, failed = `{testid=~"dashboards"}`, `{testid=~"dashboards", expected_response="true"}`, `{testid=~"dashboards", expected_response="false"}`
	queries := map[string]func(float64) bool{}
	positive := func(v float64) bool { return v > 0 }
	notNegative := func(v float64) bool { return v >= 0 }
	for name, want := range map[string]func(float64) bool{
		"http_req_duration": positive, "http_req_waiting": positive, "http_req_sending": positive, "iteration_duration": positive,
		"http_req_receiving": notNegative, "http_req_blocked": notNegative, "http_req_connecting": notNegative, "http_req_tls_handshaking": notNegative,
	} {
		for _, statistic := range []string{"avg", "min", "med", "max", "p90", "p95", "p99"} {
			queries[`avg(k6_`+name+`_`+statistic+all+`)`] = want
		}
		queries[`histogram_quantile(0.99, sum by (le) (rate(k6_`+name+`_seconds`+all+`[10s])))`] = want
	}
	for _, labels := range []string{expected, failed} {
		queries[`avg(k6_http_req_duration_p99`+labels+`)`] = positive
		queries[`histogram_quantile(0.99, sum by (le) (rate(k6_http_req_waiting_seconds`+labels+`[10s])))`] = positive
		queries[`sum(irate(k6_http_reqs_total`+labels+`[10s]))`] = positive
	}
	queries[`sum(k6_vus`+all+`)`] = positive
	queries[`sum(k6_http_reqs_total`+all+`)`] = positive
	queries[`avg(round(k6_http_req_failed_rate`+all+`, 0.1)*100)`] = func(v float64) bool { return v == 50 }
	queries[`avg(round(k6_checks_rate`+all+`, 0.1)*100)`] = func(v float64) bool { return v == 50 }
	queries[`avg(k6_dropped_iterations_total`+all+`)`] = func(v float64) bool { return v == 0 }
	queries[`avg(irate(k6_data_sent_total`+all+`[10s]))`] = positive
	queries[`avg(irate(k6_data_received_total`+all+`[10s]))`] = positive
	queries[`histogram_quantile(0, sum by (le, name, method, status) (rate(k6_http_req_duration_seconds`+all+`[10s])))`] = positive
	for expr, want := range queries {
		res, err := db.Query(t.Context(), expr, r.Window.End.Add(-100*time.Millisecond))
		if err != nil || len(res.Series) == 0 || math.IsNaN(res.Series[0].Points[0].Value) || !want(res.Series[0].Points[0].Value) {
			t.Errorf("%s: got %v, %v", expr, res.Series, err)
		}
	}
}
