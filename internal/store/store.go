// Package store keeps runs, their recordings, baselines and calibrations.
//
// The truth is a folder of results, one folder in it for each run. An index in
// SQLite, made from the folders, answers what would take reading all of them. A
// team can keep the same in PostgreSQL; then the folders of each machine feed it.
package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/plumbline/plumbline/pkg/run"
	"github.com/plumbline/plumbline/pkg/strictyaml"
)

// A Store is a folder of results; each run has a folder of its own, which can be
// copied elsewhere. Several goroutines, and several processes, may use one folder.
type Store struct {
	dir string
	url string // of a team's database; "" for the index in the folder

	unusable atomic.Bool // the index in the folder, for the rest of this process

	mu       sync.Mutex
	memory   *database // index of a folder that has none
	warnings []string  // that nobody has been told yet
}

// Open gives the store in a folder; the folder is made when the first run is.
func Open(dir string) *Store { return &Store{dir: dir} }

// OpenTeam gives the store in a folder whose runs are shared through a database
// that [CheckTeam] finds good.
func OpenTeam(dir, url string) *Store { return &Store{dir: dir, url: url} }

// CheckTeam says what is wrong with the address of a team's database.
func CheckTeam(address string) error {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "postgres" && u.Scheme != "postgresql" {
		return errors.New("want postgres://user@host/database; the index in the results folder needs no --store")
	}
	return nil
}

// Close ends what is kept in memory.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.memory == nil {
		return nil
	}
	return s.memory.Close()
}

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
	s.begin()
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

// begin makes the index of a folder in which runs are made, so that what is
// measured in them is kept.
func (s *Store) begin() {
	if s.url != "" {
		return
	}
	if err := s.with(context.Background(), true, func(*database) error { return nil }); err != nil {
		s.warn(err.Error())
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

// Save writes a run's run.json, whole or not at all. It comes at the start of the
// load, so the index is left to the next one that reads it.
func (s *Store) Save(r run.Run) error {
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return fmt.Errorf("run %s: %w", r.ID, err)
	}
	if err := s.WriteFile(r.ID, runName, append(text, '\n')); err != nil || s.url == "" {
		return err
	}
	return s.reindex()
}

// reindex brings the database in line with the folders after a change of them.
// That it can't is trouble only for a team, which has nothing else.
func (s *Store) reindex() error {
	ctx := context.Background()
	err := s.with(ctx, true, func(d *database) error {
		_, warnings, err := s.sync(ctx, d)
		s.warn(warnings...)
		return err
	})
	if err != nil && s.url == "" {
		s.warn(err.Error())
		return nil
	}
	return err
}

func (s *Store) warn(texts ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.warnings = append(s.warnings, texts...)
}

// takeWarnings gives the warnings since the last time.
func (s *Store) takeWarnings() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	w := s.warnings
	s.warnings = nil
	return w
}

const runName = "run.json"

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
	if err := run.CheckID(id); err != nil {
		return run.Run{}, err
	}
	r, err := s.read(id)
	if errors.Is(err, os.ErrNotExist) {
		return s.loadShared(id)
	}
	return r, err
}

func (s *Store) read(id string) (run.Run, error) {
	r, err := readRun(s.Dir(id), id)
	if err != nil {
		return r, err
	}
	return r, s.addSegments(&r)
}

// readRun reads the run.json in a run's folder.
func readRun(folder, id string) (r run.Run, err error) {
	text, err := os.ReadFile(filepath.Join(folder, runName))
	if err != nil {
		return r, fmt.Errorf("run %s: %w", id, err)
	}
	if err := json.Unmarshal(text, &r); err != nil {
		return r, fmt.Errorf("run %s: run.json: %w", id, err)
	}
	if r.ID != id {
		return r, fmt.Errorf("run %s: its run.json says it is run %q", id, r.ID)
	}
	return r, nil
}

// loadShared reads a run of another machine from a team's database.
func (s *Store) loadShared(id string) (r run.Run, err error) {
	if s.url == "" {
		return r, s.unknown(id)
	}
	err = s.with(context.Background(), false, func(d *database) error {
		r, err = d.run(context.Background(), id)
		return err
	})
	if errors.Is(err, sql.ErrNoRows) {
		return r, s.unknown(id)
	}
	return r, err
}

// Here reports whether a run's folder is on this machine.
func (s *Store) Here(id string) bool {
	_, err := os.Stat(filepath.Join(s.Dir(id), runName))
	return err == nil
}

func (s *Store) unknown(id string) error {
	runs, _, err := s.Summaries(context.Background())
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
		if !e.IsDir() || run.CheckID(e.Name()) != nil {
			continue // not one of ours, or a half-written import
		}
		r, err := s.read(e.Name())
		if errors.Is(err, os.ErrNotExist) {
			continue // reserved, not yet begun
		} else if err != nil {
			warnings = append(warnings, err.Error())
			continue
		}
		runs = append(runs, r)
	}
	slices.SortStableFunc(runs, func(a, b run.Run) int { return a.Window.Start.Compare(b.Window.Start) })
	return runs, warnings, nil
}
