package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/plumbline/plumbline/internal/store"
	"github.com/plumbline/plumbline/pkg/loadgen"
)

// csvFiles are Locust's four files; nothing when they weren't asked for.
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
	for _, file := range []struct {
		name  string
		write func(io.Writer) error
	}{{"_stats.csv", c.csv.WriteStats}, {"_failures.csv", c.csv.WriteFailures}, {"_exceptions.csv", c.csv.WriteExceptions}} {
		var text bytes.Buffer
		if err := file.write(&text); err != nil {
			return err
		}
		if err := store.WriteWhole(c.prefix+file.name, text.Bytes()); err != nil {
			return err
		}
	}
	return nil
}

func (c csvFiles) close() {
	if c.history != nil {
		_ = c.history.Close() //nolint:errcheck // every row has been written
	}
}
