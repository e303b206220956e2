package check

import (
	"strings"
	"testing"
)

// BenchmarkDashboard checks a dashboard of 2,000 panels on one line.
func BenchmarkDashboard(b *testing.B) {
	panel := `{"title":"x","targets":[{"expr":"histogram_quantile(0.95, sum by (le) (rate(x_seconds_bucket{job=\"$job\"}[$__rate_interval])))"}],"fieldConfig":{"defaults":{"unit":"s"}}}`
	board := []byte(`{"panels":[` + strings.Repeat(panel+",", 1999) + panel + `]}`)
	b.SetBytes(int64(len(board)))
	for b.Loop() {
		if finds, err := new(Checker).texts(b.Context(), []string{"d.json"}, [][]byte{board}); err != nil || len(finds) > 0 {
			b.Fatal(finds, err)
		}
	}
}
