package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/plumbline/plumbline/pkg/run"
)

// A Segment is the record that one of several generators leaves of its part of
// a run, as runs/<id>/segments/<n>.json. The generators may share the folder,
// or the records are copied into that of the first.
type Segment struct {
	State     run.State     `json:"state"`
	Generator run.Generator `json:"generator"`
	Requests  int64         `json:"requests"`
	Stages    []run.Stage   `json:"stages,omitempty"` // of the profile, with when it had the last answers
}

func (s *Store) segmentFile(id string, n int) string {
	return filepath.Join(s.Dir(id), "segments", fmt.Sprintf("%d.json", n))
}

// ReserveSegment makes room for the n-th segment of a run. No two processes can
// have the same; those of one run may come in any order.
func (s *Store) ReserveSegment(id string, n int) error {
	if err := run.CheckID(id); err != nil {
		return err
	}
	path := s.segmentFile(id, n)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return fmt.Errorf("results folder: %w", err)
	}
	if _, err := os.Stat(filepath.Join(s.Dir(id), "run.json")); err == nil && n == 1 {
		return fmt.Errorf("run %s: %w in %s; choose another with --run", id, ErrExists, s.dir)
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL, 0o644)
	if errors.Is(err, os.ErrExist) {
		return fmt.Errorf("run %s: segment %d is taken: %w in %s; choose another with --run", id, n, ErrExists, s.dir)
	} else if err != nil {
		return fmt.Errorf("results folder: %w", err)
	}
	if err := f.Close(); err != nil {
		return err
	}
	return s.SaveSegment(id, Segment{State: run.Running, Generator: run.Generator{Segment: n, Reasons: []string{"it has not told how it ended"}}})
}

// SaveSegment writes a segment's record, whole or not at all.
func (s *Store) SaveSegment(id string, segment Segment) error {
	text, err := json.MarshalIndent(segment, "", "  ")
	if err != nil {
		return fmt.Errorf("run %s: %w", id, err)
	}
	return WriteWhole(s.segmentFile(id, segment.Generator.Segment), append(text, '\n'))
}

// DiscardSegment takes a segment back that sent nothing; the last one takes the run with it.
func (s *Store) DiscardSegment(id string, n int) error {
	err := os.Remove(s.segmentFile(id, n))
	if n == 1 {
		err = errors.Join(err, os.RemoveAll(s.Recording(id)), os.RemoveAll(filepath.Join(s.Dir(id), "sla.yaml")))
	}
	for _, dir := range []string{filepath.Dir(s.segmentFile(id, n)), s.Dir(id)} {
		if entries, readErr := os.ReadDir(dir); readErr == nil && len(entries) == 0 {
			err = errors.Join(err, os.Remove(dir))
		}
	}
	return err
}

// Segments gives the records of a run's segments, by number.
func (s *Store) Segments(id string) ([]Segment, error) {
	paths, err := filepath.Glob(filepath.Join(s.Dir(id), "segments", "*.json"))
	if err != nil {
		return nil, err
	}
	var all []Segment
	for _, path := range paths {
		text, err := os.ReadFile(path)
		var segment Segment
		if err == nil && len(text) > 0 { // empty for the moment between reserving and saving
			err = json.Unmarshal(text, &segment)
		}
		if err != nil {
			return nil, fmt.Errorf("run %s: %s: %w", id, filepath.Base(path), err)
		}
		if segment.Generator.Segment > 0 {
			all = append(all, segment)
		}
	}
	slices.SortFunc(all, func(a, b Segment) int { return a.Generator.Segment - b.Generator.Segment })
	return all, nil
}

// AwaitSegments waits until none of a run's segments is under way any more, or ctx
// ends; waiting, if any, is told once for which it has to.
func (s *Store) AwaitSegments(ctx context.Context, id string, patience time.Duration, waiting func(upTo time.Duration, why error)) error {
	for began := time.Now(); ; time.Sleep(awaitPoll) {
		running, err := s.running(id)
		if err != nil || running == "" {
			return err
		}
		if waited := time.Since(began); waited >= patience || ctx.Err() != nil {
			return fmt.Errorf("run %s: %s had not ended after %s", id, running, waited.Round(time.Second))
		}
		if waiting != nil {
			waiting(patience, fmt.Errorf("run %s: %s under way", id, running))
			waiting = nil
		}
	}
}

// running names the segments of a run that are under way; "" when none is.
func (s *Store) running(id string) (string, error) {
	all, err := s.Segments(id)
	var names []string
	for _, segment := range all {
		if segment.State == run.Running {
			names = append(names, strconv.Itoa(segment.Generator.Segment))
		}
	}
	switch len(names) {
	case 0:
		return "", err
	case 1:
		return "segment " + names[0], err
	}
	return "segments " + strings.Join(names, ", "), err
}

const awaitPoll = 50 * time.Millisecond

// addSegments puts the records that lie beside a run.json into the run: the
// newest word on each segment counts.
func (s *Store) addSegments(r *run.Run) error {
	all, err := s.Segments(r.ID)
	for _, segment := range all {
		g := segment.Generator
		i := slices.IndexFunc(r.Generators.Segments, func(have run.Generator) bool { return have.Segment == g.Segment })
		if i < 0 {
			r.Generators.Segments = append(r.Generators.Segments, g)
		} else {
			r.Generators.Segments[i] = g
		}
	}
	return err
}
