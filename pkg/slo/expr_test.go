package slo_test

import (
	"math"
	"testing"

	"github.com/plumbline/plumbline/pkg/slo"
)

func TestExprOfObjectives(t *testing.T) {
	for _, c := range []struct{ name, objective, want string }{
		{"a rate", "rate: {of: 'x_total{$api}'}", `sum(rate(x_total{job="shop"}[5m]))`},
		{"a sliding rate has its own stretch", "rate: {of: x_total, over: 10m, reduce: min}", `sum(rate(x_total[10m]))`},
		{"a count by a label", "count: {of: x_total}, by: zone", `sum by (zone) (increase(x_total[5m]))`},
		{"a ratio falls back to 0", "ratio: {bad: 'x_total{code=\"500\"}', total: x_total}", `(sum(rate(x_total{code="500"}[5m])) or 0 * sum(rate(x_total[5m]))) / sum(rate(x_total[5m]))`},
		{"a quantile", "quantile: {q: 0.95, of: 'y_seconds{$api}'}", `histogram_quantile(0.95, sum(rate(y_seconds{job="shop"}[5m]))) or histogram_quantile(0.95, sum by (le) (rate(y_seconds_bucket{job="shop"}[5m])))`},
		{"a mean", "mean: {of: y_seconds}", `histogram_sum(sum(rate(y_seconds[5m]))) / histogram_count(sum(rate(y_seconds[5m]))) or sum(rate(y_seconds_sum[5m])) / sum(rate(y_seconds_count[5m]))`},
		{"a gauge", "gauge: {of: 'max(depth{$api})', reduce: max}", `max(depth{job="shop"})`},
		{"a query", "query: 'sum(depth)'", `sum(depth)`},
	} {
		a, err := slo.Parse("sla.yaml", []byte("apiVersion: plumbline/v1\nkind: SLA\nservice: shop\nvars: {api: 'job=\"shop\"'}\nobjectives:\n  - {id: a, "+c.objective+"}\n"))
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		if got := a.Objectives[0].Expr("5m", a.Vars); got != c.want {
			t.Errorf("%s: got %s, want %s", c.name, got, c.want)
		}
	}
}

func TestShareOfALimit(t *testing.T) {
	for _, c := range []struct{ name, used, limit, want string }{
		{"no limit", "sum(a)", "", ""},
		{"a whole", "sum(a)", "1", "sum(a)"},
		{"a number", "sum(a)", "400", "(sum(a)) / scalar(vector(400))"},
		{"each has its own", "sum by (pod, zone) (a)", "max by (zone, pod) (b)", "(sum by (pod, zone) (a)) / (max by (zone, pod) (b))"},
		{"one for all", "sum by (pod) (a)", "max(b)", "(sum by (pod) (a)) / scalar(min(max(b)))"},
		{"a sum of sums", "(sum by (pod) (a)) + sum by (pod) (c)", "max by (pod) (b)", "((sum by (pod) (a)) + sum by (pod) (c)) / (max by (pod) (b))"},
	} {
		if got := (slo.Resource{Used: c.used, Limit: c.limit}).Share(nil); got != c.want {
			t.Errorf("%s: got %s, want %s", c.name, got, c.want)
		}
	}
}

func TestBreach(t *testing.T) {
	for _, c := range []struct {
		bound, worse, op string
		limit            float64
		ok               bool
	}{
		{"< 500ms", "higher", ">=", .5, true},
		{"<= 2s", "higher", ">", 2, true},
		{"> 99.9%", "lower", "<=", .999, true},
		{">= 1000", "lower", "<", 1000, true},
		{"== 0", "higher", "!=", 0, true},
		{"10s..15s", "higher", ">", 15, true},
		{"50..100", "lower", "<", 50, true},
		{"<= baseline * 1.10", "higher", "", 0, false},
	} {
		b, err := slo.ParseBound(c.bound)
		if err != nil {
			t.Fatal(err)
		}
		op, limit, ok := b.Breach(c.worse)
		if op != c.op || ok != c.ok || ok && math.Abs(limit-c.limit) > 1e-12 {
			t.Errorf("%s, worse %s: got %s %v %v, want %s %v %v", c.bound, c.worse, op, limit, ok, c.op, c.limit, c.ok)
		}
	}
}
