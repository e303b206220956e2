package rules_test

import (
	"fmt"

	"github.com/plumbline/plumbline/pkg/rules"
	"github.com/plumbline/plumbline/pkg/slo"
)

func ExampleMake() {
	a, err := slo.Parse("sla.yaml", []byte(`
apiVersion: plumbline/v1
kind: SLA
service: shop
objectives:
  - {id: orders, unit: ratio, ratio: {bad: 'orders_total{state="lost"}', total: orders_total}, must: "< 10%"}
`))
	if err != nil {
		fmt.Println(err)
		return
	}
	set, err := rules.Make(a, rules.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, groups := range [][]rules.Group{set.Indicators, set.Alerts} {
		for _, r := range groups[0].Rules {
			fmt.Println(r.Record+r.Alert, r.Expr)
		}
	}
	for _, r := range set.BurnRates[1].Rules { // 14.4 times the budget would be more than all
		fmt.Println(r.Alert, r.Expr)
	}
	// Output:
	// plumbline:orders:ratio_rate5m (sum(rate(orders_total{state="lost"}[5m])) or 0 * sum(rate(orders_total[5m]))) / sum(rate(orders_total[5m]))
	// Orders plumbline:orders:ratio_rate5m{service="shop"} >= 0.1
	// OrdersBurn6h plumbline:orders:failed_ratio_rate6h{service="shop"} > 0.6 and plumbline:orders:failed_ratio_rate30m{service="shop"} > 0.6
	// OrdersBurn1d plumbline:orders:failed_ratio_rate1d{service="shop"} > 0.3 and plumbline:orders:failed_ratio_rate2h{service="shop"} > 0.3
	// OrdersBurn3d plumbline:orders:failed_ratio_rate3d{service="shop"} > 0.1 and plumbline:orders:failed_ratio_rate6h{service="shop"} > 0.1
}
