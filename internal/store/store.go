// Package store keeps runs, their recordings and baselines in a folder of results.
package store

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/plumbline/plumbline/pkg/run"
	"github.com/plumbline/plumbline/pkg/strictyaml"
)

// A Store is a folder of results; each run has a folder of its own, which can be copied elsewhere.
type Store struct{ dir string }

// Open gives the store in a folder; the folder is made when the first run is.
func Open(dir string) *Store { return &Store{dir} }

// Dir is the folder of a run.
func (s *Store) Dir(id string) string { return filepath.Join(s.dir, "runs", id) }

// Recording is the folder of a run's recording.
func (s *Store) Recording(id string) string { return filepath.Join(s.Dir(id), "recording") }

// ErrExists tells that an id is taken.
var ErrExists = errors.New("a run of that id exists")

// Reserve makes the folder of a new run: of the id given, or the next free
// PERF-YYYY-MM-DD-NNN of the day.
func (s *Store) Reserve(id string, now time.Time) (string, error) {
	if err := os.MkdirAll(filepath.Join(s.dir, "runs"), 0o755); err != nil {
		return "", fmt.Errorf("results folder: %w", err)
	}
	if id != "" {
		if err := run.CheckID(id); err != nil {
			return "", err
		}
		return id, s.claim(id)
	}
	for n := 1; ; n++ {
		id := fmt.Sprintf("PERF-%s-%03d", now.Format("2006-01-02"), n)
		if err := s.claim(id); !errors.Is(err, ErrExists) {
			return id, err
		}
	}
}

// claim makes a run's folder; two processes can't both.
func (s *Store) claim(id string) error {
	err := os.Mkdir(s.Dir(id), 0o755)
	switch {
	case errors.Is(err, os.ErrExist):
		return fmt.Errorf("run %s: %w in %s; choose another with --run", id, ErrExists, s.dir)
	case err != nil:
		return fmt.Errorf("results folder: %w", err)
	}
	return nil
}

// Discard takes back a reserved run in which nothing was recorded.
func (s *Store) Discard(id string) error { return os.RemoveAll(s.Dir(id)) }

// Save writes a run's run.json, whole or not at all.
func (s *Store) Save(r run.Run) error {
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return fmt.Errorf("run %s: %w", r.ID, err)
	}
	return s.WriteFile(r.ID, "run.json", append(text, '\n'))
}

// WriteFile writes a file into a run's folder, whole or not at all.
func (s *Store) WriteFile(id, name string, text []byte) error {
	return WriteWhole(filepath.Join(s.Dir(id), name), text)
}

// WriteWhole writes a file so that it is there whole or not at all.
func WriteWhole(path string, text []byte) error {
	tmp, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*")
	if err != nil {
		return err
	}
	_, err = tmp.Write(text)
	err = errors.Join(err, tmp.Chmod(0o644), tmp.Close())
	if err == nil {
		err = os.Rename(tmp.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(tmp.Name()))
	}
	return nil
}

// Load reads a run. The error of one that isn't there names those that are.
func (s *Store) Load(id string) (run.Run, error) {
	var r run.Run
	if err := run.CheckID(id); err != nil {
		return r, err
	}
	text, err := os.ReadFile(filepath.Join(s.Dir(id), "run.json"))
	if errors.Is(err, os.ErrNotExist) {
		return r, s.unknown(id)
	} else if err != nil {
		return r, fmt.Errorf("run %s: %w", id, err)
	}
	if err := json.Unmarshal(text, &r); err != nil {
		return r, fmt.Errorf("run %s: run.json: %w", id, err)
	}
	return r, s.addSegments(&r)
}

func (s *Store) unknown(id string) error {
	runs, _, err := s.List()
	if err != nil || len(runs) == 0 {
		return fmt.Errorf("run %s: there are no runs in %s; make one with `loadgen run` or `analyzer demo`, or name the folder with --results", id, s.dir)
	}
	var ids []string
	for _, r := range runs {
		ids = append(ids, r.ID)
	}
	if near := strictyaml.Nearest(id, ids); near != "" {
		return fmt.Errorf("run %s: there is none in %s; did you mean %s?", id, s.dir, near)
	}
	const most = 5
	slices.Reverse(ids)
	return fmt.Errorf("run %s: there is none in %s; the latest are %s", id, s.dir, strings.Join(ids[:min(most, len(ids))], ", "))
}

// List gives all runs, the oldest first, and warns of folders that hold none that can be read.
func (s *Store) List() (runs []run.Run, warnings []string, err error) {
	entries, err := os.ReadDir(filepath.Join(s.dir, "runs"))
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil, nil
	} else if err != nil {
		return nil, nil, fmt.Errorf("results folder: %w", err)
	}
	for _, e := range entries {
		if !e.IsDir() {
			continue
		}
		text, err := os.ReadFile(filepath.Join(s.dir, "runs", e.Name(), "run.json"))
		if errors.Is(err, os.ErrNotExist) {
			continue // reserved, not yet begun
		}
		var r run.Run
		if err == nil {
			err = json.Unmarshal(text, &r)
		}
		if err != nil {
			warnings = append(warnings, fmt.Sprintf("run %s: %v", e.Name(), err))
			continue
		}
		runs = append(runs, r)
	}
	slices.SortStableFunc(runs, func(a, b run.Run) int { return a.Window.Start.Compare(b.Window.Start) })
	return runs, warnings, nil
}

// BaselineFile is the file that defines a baseline.
func (s *Store) BaselineFile(name string) string {
	return filepath.Join(s.dir, "baselines", name+".yaml")
}

// SaveBaseline writes the file that defines a baseline.
func (s *Store) SaveBaseline(name string, text []byte) error {
	path := s.BaselineFile(name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fmt.Errorf("baseline %s: %w", name, err)
	}
	return WriteWhole(path, text)
}

// Baselines lists the names of the baselines that there are.
func (s *Store) Baselines() []string {
	paths, err := filepath.Glob(filepath.Join(s.dir, "baselines", "*.yaml"))
	if err != nil {
		return nil
	}
	var names []string
	for _, p := range paths {
		names = append(names, strings.TrimSuffix(filepath.Base(p), ".yaml"))
	}
	return names
}
