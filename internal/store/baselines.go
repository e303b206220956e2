package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/plumbline/plumbline/pkg/compare"
	"github.com/plumbline/plumbline/pkg/run"
	"github.com/plumbline/plumbline/pkg/strictyaml"
)

// BaselineFile is the file that defines a baseline.
func (s *Store) BaselineFile(name string) string { return s.path("baselines", name+".yaml") }

// SaveBaseline writes the file that defines a baseline.
func (s *Store) SaveBaseline(name string, text []byte) error {
	return s.saveDocument(baselineDocuments, name, text)
}

// Baselines lists the names of the baselines that there are.
func (s *Store) Baselines() []string { return s.documentNames(baselineDocuments) }

// Baseline reads a baseline by its name; the id of a run is one by itself. The
// error of one that isn't there names those that are near.
func (s *Store) Baseline(name string) (compare.Spec, error) {
	if err := run.CheckID(name); err != nil {
		return compare.Spec{}, fmt.Errorf("baseline %q: use 1 to 64 letters, digits, '.', '_' or '-', the first a letter or digit", name)
	}
	text, err := s.document(baselineDocuments, name)
	if err == nil {
		return compare.ParseSpec(s.BaselineFile(name), text)
	} else if !errors.Is(err, os.ErrNotExist) {
		return compare.Spec{}, fmt.Errorf("baseline %s: %w", name, err)
	}
	if _, err := s.Load(name); err == nil {
		return compare.Spec{Name: name, Run: name}, nil
	}
	return compare.Spec{}, s.unknownBaseline(name)
}

func (s *Store) unknownBaseline(name string) error {
	known := s.Baselines()
	if len(known) == 0 {
		return fmt.Errorf("baseline %s: there is neither a baseline nor a run of that name in %s; make one with `analyzer baseline set %s --run ID`", name, s.dir, name)
	}
	if near := strictyaml.Nearest(name, known); near != "" {
		return fmt.Errorf("baseline %s: there is none; did you mean %s?", name, near)
	}
	return fmt.Errorf("baseline %s: there is neither a baseline nor a run of that name in %s; there are the baselines %s", name, s.dir, strings.Join(known, ", "))
}

// CheckBaseline holds the values that a baseline declares against what the
// objectives measure, by id.
func (s *Store) CheckBaseline(name string, measured map[string]strictyaml.Dimension) error {
	text, err := s.document(baselineDocuments, name)
	if err != nil {
		return fmt.Errorf("baseline %s: %w", name, err)
	}
	return compare.CheckValues(s.BaselineFile(name), text, measured)
}

// DeleteBaseline deletes a baseline; its runs stay.
func (s *Store) DeleteBaseline(name string) error {
	if !slices.Contains(s.Baselines(), name) {
		return s.unknownBaseline(name)
	}
	return s.deleteDocument(baselineDocuments, name)
}

// Eligible are the runs among which a rolling baseline has its own, the oldest
// first: those that are [Earlier], have its labels, did not begin before the
// change that was accepted last, and have ended. They need not be sound.
func (s *Store) Eligible(ctx context.Context, spec compare.Spec, candidates ...run.Run) ([]Summary, error) {
	all, _, err := s.Summaries(ctx)
	if err != nil {
		return nil, err
	}
	since := acceptedSince(spec, all)
	return slices.DeleteFunc(Earlier(all, candidates), func(x Summary) bool {
		return !x.HasLabels(spec.Labels) || x.Window.Start.Before(since) || x.State == run.Running
	}), nil
}

// acceptedSince is when the repeats of the run began with which a baseline began anew.
func acceptedSince(spec compare.Spec, all []Summary) (since time.Time) {
	if len(spec.Accepted) == 0 {
		return since
	}
	id := spec.Accepted[len(spec.Accepted)-1].Run
	i := slices.IndexFunc(all, func(x Summary) bool { return x.ID == id })
	if i < 0 {
		return since
	}
	for _, x := range all {
		if x.Group == all[i].Group && (since.IsZero() || x.Window.Start.Before(since)) {
			since = x.Window.Start
		}
	}
	return since
}

// Pins gives the baselines that rest on each run, which therefore must stay: the
// run it names, those with which a change was accepted, and of a rolling one
// those that it takes today in each test, under each of its conditions.
func (s *Store) Pins(ctx context.Context) (map[string][]string, error) {
	all, _, err := s.Summaries(ctx)
	if err != nil {
		return nil, err
	}
	pins := map[string][]string{}
	for _, name := range s.Baselines() {
		spec, err := s.Baseline(name)
		if err != nil {
			return nil, fmt.Errorf("%w; while it can't be read, the runs that it needs aren't known", err)
		}
		for _, id := range pinnedBy(spec, all) {
			if !slices.Contains(pins[id], name) {
				pins[id] = append(pins[id], name)
			}
		}
	}
	return pins, nil
}

func pinnedBy(spec compare.Spec, all []Summary) (ids []string) {
	if spec.Run != "" {
		ids = append(ids, spec.Run)
	}
	for _, a := range spec.Accepted {
		ids = append(ids, a.Run)
	}
	if spec.Last == 0 {
		return ids
	}
	since := acceptedSince(spec, all)
	var latest []Summary // of each test and its conditions
	taken := map[string]int{}
	for _, x := range slices.Backward(all) {
		if !x.Sound || !x.HasLabels(spec.Labels) || x.Window.Start.Before(since) {
			continue
		}
		like := slices.IndexFunc(latest, x.Comparable)
		if like < 0 {
			like, latest = len(latest), append(latest, x)
		}
		if of := latest[like].ID; taken[of] < spec.Last {
			taken[of]++
			ids = append(ids, x.ID)
		}
	}
	return ids
}

// A kind of document has a folder of files, and a table.
type documentKind struct{ folder, extension, table string }

var (
	baselineDocuments    = documentKind{"baselines", ".yaml", "baselines"}
	calibrationDocuments = documentKind{"calibrations", ".json", "calibrations"}
)

// SaveCalibration keeps the result of a calibration.
func (s *Store) SaveCalibration(name string, text []byte) error {
	return s.saveDocument(calibrationDocuments, name, text)
}

// Calibrations lists the names of the calibrations that there are.
func (s *Store) Calibrations() []string { return s.documentNames(calibrationDocuments) }

// Calibration reads the result of a calibration.
func (s *Store) Calibration(name string) ([]byte, error) {
	return s.document(calibrationDocuments, name)
}

func (s *Store) path(elements ...string) string {
	return filepath.Join(append([]string{s.dir}, elements...)...)
}

// saveDocument writes a document: to a team's database, else to its file.
func (s *Store) saveDocument(k documentKind, name string, text []byte) error {
	if err := run.CheckID(name); err != nil {
		return fmt.Errorf("%s: %w", k.folder, err)
	}
	if s.url == "" {
		if err := os.MkdirAll(s.path(k.folder), 0o755); err != nil {
			return fmt.Errorf("results folder: %w", err)
		}
		if err := WriteWhole(s.path(k.folder, name+k.extension), text); err != nil {
			return fmt.Errorf("results folder: %w", err)
		}
		return s.reindex()
	}
	return s.with(context.Background(), true, func(d *database) error {
		return d.putDocument(context.Background(), d, k, name, text, time.Now().UnixNano())
	})
}

func (s *Store) deleteDocument(k documentKind, name string) error {
	if err := os.Remove(s.path(k.folder, name+k.extension)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("%s %s: %w", k.folder, name, err)
	}
	if s.url == "" {
		return s.reindex()
	}
	return s.with(context.Background(), true, func(d *database) error {
		_, err := d.Exec(d.sql(`DELETE FROM `+k.table+` WHERE name = ?`), name) //nolint:gosec // G202: names of ours
		return err
	})
}

// document reads a document; its error is [os.ErrNotExist] when there is none.
func (s *Store) document(k documentKind, name string) (text []byte, err error) {
	if s.url == "" {
		return os.ReadFile(s.path(k.folder, name+k.extension))
	}
	err = s.with(context.Background(), false, func(d *database) error {
		err := d.QueryRow(d.sql(`SELECT document FROM `+k.table+` WHERE name = ?`), name).Scan(&text) //nolint:gosec // G202: names of ours
		if errors.Is(err, sql.ErrNoRows) {
			text, err = os.ReadFile(s.path(k.folder, name+k.extension)) // not a team's, but ours
		}
		return err
	})
	return text, err
}

// documentNames lists the documents of a kind, in the folder and in a team's database.
func (s *Store) documentNames(k documentKind) []string {
	paths, err := filepath.Glob(s.path(k.folder, "*"+k.extension))
	if err != nil {
		return nil
	}
	var names []string
	for _, p := range paths {
		names = append(names, strings.TrimSuffix(filepath.Base(p), k.extension))
	}
	if s.url != "" {
		err := s.with(context.Background(), false, func(d *database) error {
			known, err := d.documents(context.Background(), k)
			for name := range known {
				names = append(names, name)
			}
			return err
		})
		if err != nil {
			s.warn(err.Error())
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// documents are the names of the documents in the database, with the time they were written.
func (d *database) documents(ctx context.Context, k documentKind) (map[string]int64, error) {
	rows, err := d.QueryContext(ctx, `SELECT name, modified FROM `+k.table) //nolint:gosec // G202: names of ours
	if err != nil {
		return nil, err
	}
	defer rows.Close() //nolint:errcheck // rows.Err tells
	found := map[string]int64{}
	for rows.Next() {
		var name string
		var modified int64
		if err := rows.Scan(&name, &modified); err != nil {
			return nil, err
		}
		found[name] = modified
	}
	return found, rows.Err()
}

func (d *database) putDocument(ctx context.Context, q querier, k documentKind, name string, text []byte, modified int64) error {
	_, err := q.ExecContext(ctx, d.sql(`INSERT INTO `+k.table+` (name, document, modified) VALUES (?, ?, ?) ON CONFLICT (name) DO UPDATE SET document = excluded.document, modified = excluded.modified`), //nolint:gosec // G202: names of ours
		name, string(text), modified)
	return err
}

// syncDocuments brings a table of the index in line with its folder.
func (s *Store) syncDocuments(ctx context.Context, d *database, k documentKind) error {
	known, err := d.documents(ctx, k)
	if err != nil {
		return err
	}
	for _, name := range s.documentNames(k) {
		path := s.path(k.folder, name+k.extension)
		info, err := os.Stat(path)
		if err != nil {
			continue // deleted meanwhile
		}
		modified, there := known[name]
		delete(known, name)
		if there && modified == info.ModTime().UnixNano() {
			continue
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if err := d.putDocument(ctx, d, k, name, text, info.ModTime().UnixNano()); err != nil {
			return err
		}
	}
	for name := range known {
		if _, err := d.ExecContext(ctx, d.sql(`DELETE FROM `+k.table+` WHERE name = ?`), name); err != nil { //nolint:gosec // G202: names of ours
			return err
		}
	}
	return nil
}
