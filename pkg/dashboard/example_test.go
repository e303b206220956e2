package dashboard_test

import (
	"fmt"

	"github.com/plumbline/plumbline/pkg/dashboard"
	"github.com/plumbline/plumbline/pkg/promql/catalog"
	"github.com/plumbline/plumbline/pkg/slo"
)

func ExampleAll() {
	a, err := slo.Parse("sla.yaml", []byte(`
apiVersion: plumbline/v1
kind: SLA
service: shop
vars: {api: 'app="shop"'}
objectives:
  - {id: latency-p95, unit: s, quantile: {q: 0.95, of: 'http_request_duration_seconds{$api}'}, must: "< 500ms"}
`))
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, d := range dashboard.All(a, catalog.Presets[0]) {
		fmt.Println(d.Name(), len(d.Panels))
	}
	// Output:
	// performance-baseline 8
	// overview 4
	// resource-utilization 2
	// llm-api 5
	// load-generator 10
	// run-comparison 7
}
