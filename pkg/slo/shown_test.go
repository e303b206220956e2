package slo

import (
	"math"
	"strings"
	"testing"

	"github.com/prometheus/prometheus/promql/promqltest"

	"github.com/plumbline/plumbline/pkg/promql"
	"github.com/plumbline/plumbline/pkg/promql/embedded"
)

// uneven goes through what a query must leave out: another pace before the steady
// window, a peak, and an interval in which nothing succeeds.
const uneven = `
up{job="api",instance="a"} 1x150
http_requests_total{job="api",instance="a",status="200"} 0x12 5+5x11 65+50x60 3065+90x23 5135x1 5185+50x40
http_requests_total{job="api",instance="a",status="404"} 0x109 1x40
d_seconds{job="api",instance="a"} {{schema:0 sum:0 count:0}}x24 {{schema:0 sum:0 count:0 buckets:[0 0 0]}}+{{schema:0 sum:8 count:4 buckets:[1 2 1]}}x125
queue{job="api",instance="a"} 90x20 3x60 9x1 3x90
`

// The query that is shown gives the value that is shown.
func TestShownQueriesGiveTheValue(t *testing.T) {
	storage := promqltest.LoadedStorage(t, "load 5s\n"+strings.TrimSpace(strings.ReplaceAll("\n"+uneven, "\n", "\n  ")))
	t.Cleanup(func() { storage.Close() })
	q := embedded.New(storage)
	for _, tt := range []struct{ name, objective string }{
		{"a count", `count: {of: 'http_requests_total{$api}'}`},
		{"a count of nothing", `count: {of: 'http_requests_total{$api,status="500"}'}`},
		{"a rate", `rate: {of: 'http_requests_total{$api}'}`},
		{"the least stretch of the steady window", `rate: {of: 'http_requests_total{$api}', over: 2m, reduce: min}`},
		{"the greatest of all", `rate: {of: 'http_requests_total{$api}', over: 1m, reduce: max}`},
		{"a share of none", `ratio: {bad: 'http_requests_total{$api,status=~"5.."}', total: 'http_requests_total{$api}'}`},
		{"a share of most", `ratio: {good: 'http_requests_total{$api,status="200"}', total: 'http_requests_total{$api}'}`},
		{"a share of intervals", `ratio: {good: 'http_requests_total{$api,status="200"}', total: 'http_requests_total{$api}', per: interval}`},
		{"a quantile of a native histogram", `quantile: {q: 0.9, of: 'd_seconds{$api}'}`},
		{"a mean of a native histogram", `mean: {of: 'd_seconds{$api}'}`},
		{"the highest of a gauge", `gauge: {of: 'max(queue)', reduce: max}`},
		{"the mean of a gauge", `gauge: {of: 'max(queue)', reduce: mean}`},
		{"the last of a gauge", `gauge: {of: 'max(queue)', reduce: last}`},
		{"a query", `query: 'sum(queue) * 2'`},
	} {
		scores, err := parse(t, tt.objective).Measure(t.Context(), promql.NewMeter(q, scrape), Scope{Run: tenMinutes()})
		if err != nil {
			t.Fatal(err)
		}
		want := scores.Objectives[0]
		res, err := q.Query(t.Context(), want.Query, want.At)
		if err != nil || len(res.Series) != 1 {
			t.Errorf("%s: got %v, %v from %s, want one series", tt.name, res.Series, err, want.Query)
			continue
		}
		tolerance := .002
		if o := want.Objective; o.Count != nil || o.Rate != nil && o.Rate.Over == 0 {
			tolerance = .01 // the closing scrape, which the query leaves out, is 1 of 121
		}
		if got := res.Series[0].Points[0].Value; !(math.Abs(got-want.Value) <= tolerance*math.Abs(want.Value)) {
			t.Errorf("%s: got %v from %s, want the value %v", tt.name, got, want.Query, want.Value)
		}
	}
}

// Average and peak of a resource are those of its query, where it has a value.
func TestShownQueriesOfResources(t *testing.T) {
	storage := promqltest.LoadedStorage(t, `load 5s
  up{job="api",instance="a"} 1x150
  used{job="api",pod="a"} 90x12 2x60 6x1 2x90
  used{job="api",pod="b"} 90x12 `+strings.Repeat("NaN ", 21)+`4x130
  size{job="api",pod="a"} 8x150
  size{job="api",pod="b"} 16x150
`)
	t.Cleanup(func() { storage.Close() })
	q := embedded.New(storage)
	for _, tt := range []struct {
		name, resource       string
		average, peak, limit float64
	}{
		{"a number of a stated limit", `used: 'max(used{pod="a"})', limit: "8"`, 2.073, 6, nan},
		{"a number of a measured limit", `used: 'max(used{pod="a"})', limit: 'sum(size)'`, 2.073, 6, 24},
		{"a share of each pod's limit", `unit: ratio, used: 'sum by (pod) (used)', limit: 'sum by (pod) (size)'`, .2548, .75, nan},
	} {
		a, err := Parse("sla.yaml", []byte("apiVersion: plumbline/v1\nkind: SLA\nservice: s\nresources:\n  - {id: x, component: C, resource: R, "+tt.resource+"}\n"))
		if err != nil {
			t.Fatal(err)
		}
		scores, err := a.Measure(t.Context(), promql.NewMeter(q, scrape), Scope{Run: tenMinutes()})
		if err != nil {
			t.Fatal(err)
		}
		got := scores.Resources[0]
		for query, want := range map[string]float64{got.AverageQuery: tt.average, got.PeakQuery: tt.peak, got.LimitQuery: tt.limit} {
			if query == "" {
				if !math.IsNaN(want) {
					t.Errorf("%s: got no query of the limit, want one", tt.name)
				}
				continue
			}
			res, err := q.Query(t.Context(), query, got.At)
			if err != nil || len(res.Series) != 1 || !(math.Abs(res.Series[0].Points[0].Value-want) <= .01*want) {
				t.Errorf("%s: got %v, %v from %s, want %v", tt.name, res.Series, err, query, want)
			}
		}
		if !(math.Abs(got.Average-tt.average) <= .01*tt.average) || got.Peak != tt.peak {
			t.Errorf("%s: got average %v and peak %v, want %v and %v", tt.name, got.Average, got.Peak, tt.average, tt.peak)
		}
	}
}
