package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"

	"github.com/plumbline/plumbline/internal/store"
	"github.com/plumbline/plumbline/pkg/loadgen"
)

// csvFiles are Locust's three files; nothing when they weren't asked for.
type csvFiles struct {
	prefix  string
	csv     *loadgen.LocustCSV
	history *os.File
}

// openCSV opens the history before the load, so that trouble with it is told early.
func (f *runFlags) openCSV(n int) (csvFiles, error) {
	if f.csv == "" {
		return csvFiles{}, nil
	}
	files := csvFiles{prefix: numbered(f.csv, "", n)}
	err := os.MkdirAll(filepath.Dir(files.prefix), 0o755)
	if err == nil {
		files.history, err = os.Create(files.prefix + "_stats_history.csv")
	}
	if err != nil {
		return files, fmt.Errorf("--csv: %w", err)
	}
	files.csv, err = loadgen.NewLocustCSV(files.history)
	return files, err
}

// finish writes what is only known at the end.
func (c csvFiles) finish() error {
	if c.csv == nil {
		return nil
	}
	var stats, failures bytes.Buffer
	if err := c.csv.WriteStats(&stats); err != nil {
		return err
	}
	if err := c.csv.WriteFailures(&failures); err != nil {
		return err
	}
	if err := store.WriteWhole(c.prefix+"_stats.csv", stats.Bytes()); err != nil {
		return err
	}
	return store.WriteWhole(c.prefix+"_failures.csv", failures.Bytes())
}

func (c csvFiles) close() {
	if c.history != nil {
		_ = c.history.Close() //nolint:errcheck // every row has been written
	}
}
