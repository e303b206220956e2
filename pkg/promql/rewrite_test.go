package promql_test

import (
	"slices"
	"testing"

	"github.com/plumbline/plumbline/pkg/promql"
)

func TestForEach(t *testing.T) {
	for _, c := range []struct{ name, expr, want string }{
		{"a sum", `sum(rate(x{run="R"}[5m]))`, `sum by (run) (rate(x[5m]))`},
		{"a sum by another label", `sum by (request) (rate(x{run="R",a="b"}[5m]))`, `sum by (request, run) (rate(x{a="b"}[5m]))`},
		{"both sides of a share", `sum(x{run="R",bad="1"}) / sum(x{run="R"})`, `sum by (run) (x{bad="1"}) / sum by (run) (x)`},
		{"a quantile", `histogram_quantile(0.9, sum by (le) (rate(x_bucket{run="R"}[5m])))`, `histogram_quantile(0.9, sum by (le, run) (rate(x_bucket[5m])))`},
		{"a bare selector", `x{run="R"}`, `x`},
		{"without keeps it anyway", `sum without (pod) (x{run="R"})`, `sum without (pod) (x)`},
		{"a join by labels", `x{run="R"} * on (pod) y{run="R"}`, `x * on (pod, run) y`},
		{"another run stays", `sum(x{run="other"})`, `sum(x{run="other"})`},
		{"nothing of a run stays as it is written", `sum( x )`, `sum( x )`},
	} {
		if got, err := promql.ForEach("run", "R", c.expr); err != nil || got != c.want {
			t.Errorf("%s: got %s, %v, want %s", c.name, got, err, c.want)
		}
	}
	if _, err := promql.ForEach("run", "R", "sum("); err == nil {
		t.Error("got no error for what is no PromQL")
	}
}

func TestGroupedBy(t *testing.T) {
	for _, c := range []struct {
		expr string
		want []string
	}{
		{`sum by (zone, pod) (x)`, []string{"pod", "zone"}},
		{`60 * sum by (pod) (x)`, []string{"pod"}},
		{`1 - avg(x)`, nil},
		{`(sum by (pod) (x)) / sum by (pod) (y)`, []string{"pod"}},
		{`histogram_quantile(0.95, sum by (provider, le) (rate(x_bucket[5m])))`, []string{"provider"}},
		{`sum by (pod) (rate(x{job="$service"}[$__rate_interval]))`, []string{"pod"}},
		{`max by (pod) (max_over_time((sum by (pod) (x))[$__range:$__interval]))`, []string{"pod"}},
		{`x`, nil},
		{`time()`, nil},
		{`sum by (`, nil},
	} {
		if got := promql.GroupedBy(c.expr); !slices.Equal(got, c.want) {
			t.Errorf("%s: got %v, want %v", c.expr, got, c.want)
		}
	}
}

func TestMetrics(t *testing.T) {
	for expr, want := range map[string][]string{
		`sum by (pod) (rate(x{a="b"}[5m])) / sum by (pod) (y) or x`: {"x", "y"},
		`{__name__="z"} + time()`:                                   {"z"},
		`{__name__=~"x|y"}`:                                         nil,
		`sum(`:                                                      nil,
	} {
		if got := promql.Metrics(expr); !slices.Equal(got, want) {
			t.Errorf("%s: got %v, want %v", expr, got, want)
		}
	}
}
