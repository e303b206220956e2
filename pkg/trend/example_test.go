package trend_test

import (
	"fmt"

	"github.com/plumbline/plumbline/pkg/trend"
)

// The eleventh run began a level that is 10 % higher; the eighth is an outlier.
func ExampleDetect() {
	latency := []float64{ // p95 of each run, in seconds
		0.201, 0.199, 0.202, 0.198, 0.200, 0.201, 0.197, 0.310, 0.200, 0.202,
		0.221, 0.219, 0.222, 0.220, 0.218, 0.221, 0.219, 0.223, 0.220, 0.221,
	}
	for _, c := range trend.Detect(latency) {
		fmt.Printf("%s at %d: %.3f s → %.3f s (%+.0f %%)\n", c.Strength, c.Index, c.Before, c.After, 100*c.Change())
		for _, e := range c.Evidence {
			fmt.Printf("  %s sees it at %d\n", e.Detector, e.Index)
		}
	}
	// Output:
	// weak at 10: 0.201 s → 0.221 s (+10 %)
	//   robust sees it at 10
	//   divisive sees it at 10
}
