package store_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/plumbline/plumbline/internal/store"
)

// BenchmarkSummaries lists 10,000 runs; the goal is less than 100 ms. Without an
// index they are read from the folders, and the index is made.
func BenchmarkSummaries(b *testing.B) {
	const runs = 10_000
	dir := b.TempDir()
	for i := range runs {
		r := testRun(fmt.Sprintf("PERF-2026-01-18-%05d", i), i, "v1.0.3")
		text, err := json.MarshalIndent(r, "", "  ")
		if err != nil {
			b.Fatal(err)
		}
		folder := filepath.Join(dir, "runs", r.ID)
		if err := os.MkdirAll(folder, 0o755); err != nil {
			b.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(folder, "run.json"), text, 0o600); err != nil {
			b.Fatal(err)
		}
	}
	list := func(b *testing.B) {
		s := store.Open(dir) // as each command does
		got, _, err := s.Summaries(b.Context())
		if err != nil || len(got) != runs {
			b.Fatalf("got %d runs, %v", len(got), err)
		}
	}
	b.Run("without-index", func(b *testing.B) {
		for b.Loop() {
			b.StopTimer()
			if err := os.RemoveAll(filepath.Join(dir, store.IndexFile)); err != nil {
				b.Fatal(err)
			}
			b.StartTimer()
			list(b)
		}
	})
	b.Run("with-index", func(b *testing.B) {
		for b.Loop() {
			list(b)
		}
	})
}
