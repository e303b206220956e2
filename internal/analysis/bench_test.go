package analysis_test

import (
	"io"
	"testing"

	"github.com/plumbline/plumbline/internal/analysis"
	"github.com/plumbline/plumbline/internal/store"
	"github.com/plumbline/plumbline/pkg/report"
)

// The goal for the reference run in all formats is 1 s and 150 MB.
func BenchmarkReferenceReport(b *testing.B) {
	a := &analysis.Analyzer{Store: store.Open(results)}
	b.ReportAllocs()
	for b.Loop() {
		r, err := a.Report(b.Context(), referenceRun, analysis.Options{})
		if err != nil {
			b.Fatal(err)
		}
		for _, f := range report.Formats {
			if err := f.Render(io.Discard, r); err != nil {
				b.Fatal(err)
			}
		}
	}
}
