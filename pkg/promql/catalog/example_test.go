package catalog_test

import (
	"fmt"

	"github.com/plumbline/plumbline/pkg/promql"
	"github.com/plumbline/plumbline/pkg/promql/catalog"
)

func ExampleQuery_Form() {
	istio, _ := catalog.Named("istio")
	vars := map[string]string{"api": `destination_service_name="shop"`, "rate": "1m"}
	for _, q := range catalog.Queries {
		if q.ID == "latency-p95" {
			fmt.Println(q.Guide)
			fmt.Println(promql.Expand(q.Form(istio), vars))
		}
	}
	// Output:
	// histogram_quantile(0.95, rate(http_request_duration_seconds_bucket[1m]))
	// histogram_quantile(0.95, sum by (le) (rate(istio_request_duration_milliseconds_bucket{destination_service_name="shop",reporter="destination"}[1m]))) / 1000
}
