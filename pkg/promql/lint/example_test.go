package lint_test

import (
	"fmt"

	"github.com/plumbline/plumbline/pkg/promql/lint"
)

func ExampleCheck() {
	expr := `100 * (rate(http_requests_total{status=~"5.."}[1m]) / rate(http_requests_total[1m]))`
	for _, f := range lint.Check(lint.Query{Expr: expr}) {
		fmt.Printf("%s %s at %d: %s\n", f.Severity, f.Rule, f.Start, f.Text)
	}
	// Output:
	// error ratio-labels at 7: each series of http_requests_total is divided by itself, so the answer is always 1 (or 100 %), or nothing
	// warning vanishing-numerator at 7: nothing answers while no series has status=~"5.."
}
