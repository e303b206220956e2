package capacity_test

import (
	"fmt"

	"github.com/plumbline/plumbline/pkg/capacity"
)

// A router's throughput by the number of its clients (Schwartz 2015).
func ExampleFitUSL() {
	var points []capacity.Point
	for i, x := range cisco {
		points = append(points, capacity.Point{Concurrency: float64(i + 1), Throughput: x})
	}
	law := capacity.FitUSL(points, 1)
	fmt.Printf("it peaks at %.1f clients with %.0f requests per second\n", law.Peak.Value, law.PeakThroughput.Value)

	law = capacity.FitUSL(points[:4], 1)
	fmt.Println(law.Reason)
	// Output:
	// it peaks at 35.6 clients with 12343 requests per second
	// 4 levels of load, and at least 6 over a factor of 4 are needed: run a steps profile
}
