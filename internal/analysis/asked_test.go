package analysis_test

import (
	"context"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/plumbline/plumbline/internal/analysis"
	"github.com/plumbline/plumbline/internal/store"
	"github.com/plumbline/plumbline/pkg/promql/embedded"
	"github.com/plumbline/plumbline/pkg/report"
	"github.com/plumbline/plumbline/pkg/slo"
)

// Each number of the reference run is what its query gives when it is asked for its
// time, to the 0.5 % by which rate and increase extrapolate over half an hour.
func TestQueriesGiveTheNumbers(t *testing.T) {
	r := referenceOf(t)
	db, err := embedded.Open(store.Open(results).Recording(referenceRun))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close() //nolint:errcheck // it was only read
	asked := 0
	check := func(name string, want report.Number, q report.Question, labels map[string]string) {
		if !want.Known() {
			return
		}
		asked++
		if got := answer(t, db, q, labels); got != float64(want) && !near(report.Number(got), float64(want), exactly) {
			t.Errorf("%s: got %v from %s at %s, want the %v that is shown", name, got, q.Query, q.At.Format("15:04:05"), want)
		}
	}
	for _, o := range r.Objectives {
		check(o.ID, o.Value, o.Question, nil)
		for _, by := range o.By {
			check(o.ID+" "+strings.Join(slices.Collect(maps.Values(by.Labels)), " "), by.Value, by.Question, by.Labels)
		}
	}
	for _, res := range r.Resources {
		for name, value := range map[string]report.Number{"average": res.Average, "peak": res.Peak, "limit": res.Limit} {
			if q, ok := res.Asked[name]; ok || name != "limit" {
				check(res.ID+", "+name, value, q, nil)
			}
		}
	}
	for _, q := range r.Requests {
		rt := q.ResponseTime
		for name, value := range map[string]report.Number{
			"requests": report.Number(q.Requests), "failures": report.Number(q.Failures), "requests_per_second": q.RequestsPerSecond,
			"p50": rt.P50, "p95": rt.P95, "p99": rt.P99, "p999": rt.P999, "max": rt.Max, "mean": rt.Mean,
		} {
			check(q.Request+", "+name, value, q.Asked[name], nil)
		}
	}
	for _, p := range r.Percentiles {
		check("server", p.Server, p.Asked["server"], nil)
		check("client", p.Client, p.Asked["client"], nil)
	}
	if asked < 140 {
		t.Errorf("got %d numbers with a query, want those of all tables", asked)
	}
}

// answer is the value of the series that has the labels; NaN without just one.
func answer(t *testing.T, db *embedded.DB, q report.Question, labels map[string]string) float64 {
	t.Helper()
	res, err := db.Query(t.Context(), q.Query, q.At)
	if err != nil {
		t.Errorf("%s: %v", q.Query, err)
	}
	values := []float64{}
	for _, s := range res.Series {
		has := true
		for name, value := range labels {
			has = has && s.Labels.Get(name) == value
		}
		if has {
			values = append(values, s.Points[0].Value)
		}
	}
	if len(values) != 1 {
		return math.NaN()
	}
	return values[0]
}

// A run without an SLA has a report of what its generator saw, that says how to have it judged.
func TestReportWithoutSLA(t *testing.T) {
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(results)); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(dir, "runs", referenceRun, "sla.yaml")); err != nil {
		t.Fatal(err)
	}
	a := &analysis.Analyzer{Store: store.Open(dir)}
	r, err := a.Report(context.Background(), referenceRun, analysis.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if r.Verdict != slo.Inconclusive || !strings.Contains(r.Headline, "--sla FILE") {
		t.Errorf("got %s (%s), want it inconclusive, and how to name an SLA", r.Verdict, r.Headline)
	}
	if len(r.Requests) < 2 || len(r.Charts) == 0 || !r.Percentiles[0].Client.Known() {
		t.Errorf("got %d requests, %d charts and the percentiles %v, want what the generator saw", len(r.Requests), len(r.Charts), r.Percentiles)
	}
	for _, c := range r.Checks {
		if c.Verdict == slo.Fail {
			t.Errorf("%s: got %s (%s), want no failure", c.ID, c.Verdict, c.Detail)
		}
	}
}
