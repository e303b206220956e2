package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/plumbline/plumbline/pkg/run"
)

// IndexFile is the SQLite index in the results folder. It holds nothing that
// the folders don't, and is made anew from them when it is missing or broken.
const IndexFile = "plumbline.db"

// A folder of fewer runs than this gets no index by being read: reading a folder
// that is under version control, or someone else's, leaves it as it is.
const indexWorthwhile = 200

// A Summary is what lists show of a run.
type Summary struct {
	ID       string
	Service  string
	Scenario string
	Profile  string
	Labels   map[string]string
	Window   run.Window
	State    run.State
	Sound    bool   // complete, and its load generators were valid
	Group    string // id that the repeats of one test share

	conditions *conditions // in one list, runs with the same have the same pointer
	modified   int64
}

// SameTest reports whether two runs are of one test: service, scenario and profile.
func (s Summary) SameTest(other Summary) bool {
	return s.Service == other.Service && s.Scenario == other.Scenario && s.Profile == other.Profile
}

// HasLabels reports whether a run has all of the labels.
func (s Summary) HasLabels(want map[string]string) bool {
	for name, value := range want {
		if s.Labels[name] != value {
			return false
		}
	}
	return true
}

// Summarize is the summary of a run.
func Summarize(r run.Run) Summary {
	s := Summary{
		ID: r.ID, Service: r.Service, Scenario: r.Scenario, Profile: r.Profile, Labels: r.Labels, Window: r.Window, State: r.State,
		Sound: r.State == run.Complete && len(r.Generators.Problems()) == 0, Group: r.ID, conditions: conditionsOf(r),
	}
	if r.Repeat != nil {
		s.Group = r.Repeat.Group
	}
	return s
}

// Summaries lists all runs, the oldest first, and warns of what can't be read.
// Without a database that can be used it reads the folders.
func (s *Store) Summaries(ctx context.Context) (list []Summary, warnings []string, err error) {
	err = s.with(ctx, false, func(d *database) error {
		list, warnings, err = s.sync(ctx, d)
		return err
	})
	return list, append(s.takeWarnings(), warnings...), err
}

// with hands over the database. Where none is there yet, one is made for those
// that write, and for folders of many runs; else, and when it can't be used, the
// index is kept in memory: the folders are all that it is made from.
func (s *Store) with(ctx context.Context, writes bool, do func(*database) error) error {
	if s.url != "" {
		return withOpened(func() (*database, error) { return openPostgres(ctx, s.url) }, do)
	}
	path := filepath.Join(s.dir, IndexFile)
	if s.unusable.Load() || !s.indexed(path, writes) {
		return s.withMemory(ctx, do)
	}
	open := func() (*database, error) { return openSQLite(ctx, path) }
	err := withOpened(open, do)
	if corrupt(err) {
		s.warn(fmt.Sprintf("%s is broken (%v); it is made anew from the folders, and the old one kept as %s.broken", path, err, path))
		if err := setAside(path); err != nil {
			return err
		}
		err = withOpened(open, do)
	}
	if unusable(err) {
		s.warn(fmt.Sprintf("%v; the folders are read instead", err))
		s.unusable.Store(true)
		return s.withMemory(ctx, do)
	}
	return err
}

func withOpened(open func() (*database, error), do func(*database) error) error {
	d, err := open()
	if err != nil {
		return err
	}
	err = d.explain(do(d))
	return errors.Join(err, d.Close())
}

// withMemory uses an index that lives as long as the store.
func (s *Store) withMemory(ctx context.Context, do func(*database) error) error {
	d, err := s.inMemory(ctx)
	if err != nil {
		return err
	}
	return do(d)
}

func (s *Store) inMemory(ctx context.Context) (*database, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.memory == nil {
		d, err := openMemory(ctx)
		if err != nil {
			return nil, err
		}
		s.memory = d
	}
	return s.memory, nil
}

// indexed reports whether the folder has, or should have, an index file.
func (s *Store) indexed(path string, writes bool) bool {
	if _, err := os.Stat(path); err == nil {
		return writable(s.dir)
	}
	if !writes {
		entries, err := os.ReadDir(filepath.Join(s.dir, "runs"))
		if err != nil || len(entries) < indexWorthwhile {
			return false
		}
	}
	return writable(s.dir)
}

// writable tries whether files can be made in a folder.
func writable(dir string) bool {
	f, err := os.CreateTemp(dir, ".plumbline-*")
	if err != nil {
		return false
	}
	return errors.Join(f.Close(), os.Remove(f.Name())) == nil
}

// In a folder of more runs than this, a run that has ended is not looked at again
// once the index has it: this program changes none, and looking takes its time.
const lookAtAll = 1000

// sync brings the runs of the database in line with the folders, and lists them.
func (s *Store) sync(ctx context.Context, d *database) (list []Summary, warnings []string, err error) {
	var folders []string
	var g errgroup.Group // listing 10,000 folders takes about as long as reading as many rows
	g.Go(func() (err error) {
		folders, err = s.folders()
		return err
	})
	known, err := d.summaries(ctx)
	if err := errors.Join(g.Wait(), err); err != nil {
		return nil, nil, err
	}
	if s.url == "" {
		for _, kind := range []documentKind{baselineDocuments, calibrationDocuments} {
			if err := s.syncDocuments(ctx, d, kind); err != nil {
				return nil, nil, err
			}
		}
	}
	stale, gone := s.changes(folders, known)
	if len(stale) == 0 && len(gone) == 0 {
		return known, nil, nil
	}
	if warnings, err = s.refresh(ctx, d, stale, gone, known); err != nil {
		return nil, nil, err
	}
	list, err = d.summaries(ctx)
	return list, warnings, err
}

// folders are the names of the runs' folders.
func (s *Store) folders() ([]string, error) {
	f, err := os.Open(filepath.Join(s.dir, "runs"))
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	} else if err != nil {
		return nil, fmt.Errorf("results folder: %w", err)
	}
	names, err := f.Readdirnames(-1)
	if err := errors.Join(err, f.Close()); err != nil {
		return nil, fmt.Errorf("results folder: %w", err)
	}
	return names, nil
}

// changes are the runs that the database doesn't have as they are in the folders,
// with the time their run.json was written, and those that have no folder any more.
func (s *Store) changes(folders []string, known []Summary) (stale map[string]int64, gone []string) {
	index := make(map[string]*Summary, len(known))
	for i := range known {
		index[known[i].ID] = &known[i]
	}
	stale = map[string]int64{}
	for _, id := range folders {
		k := index[id]
		delete(index, id)
		if k != nil && len(folders) > lookAtAll && k.State != run.Running {
			continue
		}
		if run.CheckID(id) != nil {
			continue // not one of ours, or a half-written import
		}
		info, err := os.Stat(filepath.Join(s.dir, "runs", id, runName))
		if err != nil {
			if k != nil {
				index[id] = k // its run.json is gone
			}
			continue
		}
		modified := info.ModTime().UnixNano()
		if k == nil || modified != k.modified && (s.url == "" || modified > k.modified) {
			stale[id] = modified
		}
	}
	if s.url == "" { // a team's database has runs of other machines
		for id := range index {
			gone = append(gone, id)
		}
	}
	return stale, gone
}

// refresh writes runs that are new or changed, and takes out those that are gone.
func (s *Store) refresh(ctx context.Context, d *database, stale map[string]int64, gone []string, known []Summary) (warnings []string, err error) {
	started := map[string]time.Time{}
	for _, k := range known {
		started[k.ID] = k.Window.Start
	}
	err = d.transaction(ctx, func(tx *sql.Tx) error {
		for _, id := range gone {
			if err := d.deleteRun(ctx, tx, id); err != nil {
				return err
			}
		}
		for id, modified := range stale {
			r, err := s.read(id)
			if errors.Is(err, os.ErrNotExist) {
				continue // deleted meanwhile
			} else if err != nil {
				warnings = append(warnings, err.Error())
				continue
			}
			if at, there := started[id]; s.url != "" && there && !at.Equal(time.Unix(0, r.Window.Start.UnixNano())) {
				warnings = append(warnings, fmt.Sprintf("run %s: the database has another run of that id, from another machine; this one is left out", id))
				continue
			}
			if err := d.putRun(ctx, tx, r, modified); err != nil {
				return fmt.Errorf("run %s: %w", id, err)
			}
			values, err := s.readValues(id)
			if err != nil && !errors.Is(err, os.ErrNotExist) {
				warnings = append(warnings, fmt.Sprintf("%v; what it holds is measured again", err))
			}
			if err := d.putValues(ctx, tx, id, values); err != nil {
				return fmt.Errorf("run %s: %w", id, err)
			}
		}
		return nil
	})
	slices.Sort(warnings)
	return warnings, err
}

// summaries lists the runs of the database, the oldest first.
func (d *database) summaries(ctx context.Context) ([]Summary, error) {
	rows, err := d.QueryContext(ctx, `SELECT id, service, scenario, profile, labels, started, ended, state, sound, repeat_group, conditions, modified FROM runs ORDER BY started, id`)
	if err != nil {
		return nil, err
	}
	defer rows.Close() //nolint:errcheck // rows.Err tells
	var list []Summary
	seen := map[string]*conditions{}
	for rows.Next() {
		var s Summary
		var labels, state, under string
		var started, ended, sound int64
		if err := rows.Scan(&s.ID, &s.Service, &s.Scenario, &s.Profile, &labels, &started, &ended, &state, &sound, &s.Group, &under, &s.modified); err != nil {
			return nil, err
		}
		if s.conditions = seen[under]; s.conditions == nil {
			s.conditions = &conditions{}
			if err := json.Unmarshal([]byte(under), s.conditions); err != nil {
				return nil, fmt.Errorf("run %s: conditions: %w", s.ID, err)
			}
			seen[under] = s.conditions
		}
		if labels != "{}" {
			if err := json.Unmarshal([]byte(labels), &s.Labels); err != nil {
				return nil, fmt.Errorf("run %s: labels: %w", s.ID, err)
			}
		}
		s.Window = run.Window{Start: unixTime(started), End: unixTime(ended)}
		s.State, s.Sound = run.State(state), sound == 1
		list = append(list, s)
	}
	return list, rows.Err()
}

// unixTime and nanoseconds keep the zero time as 0.
func unixTime(n int64) time.Time {
	if n == 0 {
		return time.Time{}
	}
	return time.Unix(0, n)
}

func nanoseconds(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixNano()
}

func (d *database) putRun(ctx context.Context, q querier, r run.Run, modified int64) error {
	document, err := json.Marshal(r)
	if err != nil {
		return err
	}
	s := Summarize(r)
	labels, err := json.Marshal(s.Labels)
	if err != nil {
		return err
	}
	if len(s.Labels) == 0 {
		labels = []byte("{}")
	}
	under, err := json.Marshal(s.conditions)
	if err != nil {
		return err
	}
	sound := 0
	if s.Sound {
		sound = 1
	}
	_, err = q.ExecContext(ctx, d.sql(`
		INSERT INTO runs (id, service, scenario, profile, labels, started, ended, state, sound, repeat_group, conditions, document, modified)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (id) DO UPDATE SET service = excluded.service, scenario = excluded.scenario, profile = excluded.profile,
			labels = excluded.labels, started = excluded.started, ended = excluded.ended, state = excluded.state,
			sound = excluded.sound, repeat_group = excluded.repeat_group, conditions = excluded.conditions, document = excluded.document, modified = excluded.modified`),
		s.ID, s.Service, s.Scenario, s.Profile, string(labels), nanoseconds(s.Window.Start), nanoseconds(s.Window.End),
		string(s.State), sound, s.Group, string(under), string(document), modified)
	return err
}

func (d *database) deleteRun(ctx context.Context, q querier, id string) error {
	_, err := q.ExecContext(ctx, d.sql(`DELETE FROM runs WHERE id = ?`), id)
	return err
}

// document reads a run that has no folder here.
func (d *database) run(ctx context.Context, id string) (r run.Run, err error) {
	var document string
	if err := d.QueryRowContext(ctx, d.sql(`SELECT document FROM runs WHERE id = ?`), id).Scan(&document); err != nil {
		return r, err
	}
	return r, json.Unmarshal([]byte(document), &r)
}

// A Value is what was measured of an objective in a run.
type Value struct {
	Objective  string
	Definition string  // of what was measured; values of other definitions can't be held against it
	Value      float64 // NaN is no data
	Events     float64
	Total      float64
	Dispersion float64
	Coverage   float64       // of its window by scrapes, in [0, 1]
	Step       time.Duration // between the samples
	Samples    []float64     // interval by interval
}

// PutValues keeps what was measured in a run, in its folder and in the database.
// Where nothing may be written it is kept in memory.
func (s *Store) PutValues(ctx context.Context, id string, values []Value) error {
	values = known(values)
	if s.keeps() {
		if err := s.writeValues(id, values); err != nil {
			return err
		}
	}
	return s.with(ctx, false, func(d *database) error {
		if _, _, err := s.sync(ctx, d); err != nil {
			return err
		}
		return d.transaction(ctx, func(tx *sql.Tx) error { return d.putValues(ctx, tx, id, values) })
	})
}

// known makes unknown, which is 0, what is no finite number beside a value: one odd
// objective must not cost the values of the whole run.
func known(values []Value) []Value {
	values = slices.Clone(values)
	for i := range values {
		v := &values[i]
		for _, x := range []*float64{&v.Events, &v.Total, &v.Dispersion, &v.Coverage} {
			if !nullable(*x).Valid {
				*x = 0
			}
		}
	}
	return values
}

// keeps reports whether what was measured is written beside the runs.
func (s *Store) keeps() bool {
	return s.url != "" || s.indexed(filepath.Join(s.dir, IndexFile), false)
}

func (d *database) putValues(ctx context.Context, q querier, id string, values []Value) error {
	for _, table := range []string{"objective_values", "interval_samples"} {
		if _, err := q.ExecContext(ctx, d.sql(`DELETE FROM `+table+` WHERE run_id = ?`), id); err != nil {
			return err
		}
	}
	for _, v := range values {
		if _, err := q.ExecContext(ctx, d.sql(`INSERT INTO objective_values (run_id, objective, definition, value, events, total, dispersion, coverage) VALUES (?, ?, ?, ?, ?, ?, ?, ?)`),
			id, v.Objective, v.Definition, nullable(v.Value), v.Events, v.Total, v.Dispersion, v.Coverage); err != nil {
			return err
		}
		if len(v.Samples) == 0 {
			continue
		}
		samples, err := json.Marshal(numbers(v.Samples))
		if err != nil {
			return err
		}
		if _, err := q.ExecContext(ctx, d.sql(`INSERT INTO interval_samples (run_id, objective, step, samples) VALUES (?, ?, ?, ?)`),
			id, v.Objective, v.Step.Seconds(), string(samples)); err != nil {
			return err
		}
	}
	return nil
}

// Values gives what was measured in runs, by run id and objective.
func (s *Store) Values(ctx context.Context, ids []string) (map[string]map[string]Value, error) {
	found := map[string]map[string]Value{}
	err := s.with(ctx, false, func(d *database) error {
		if _, _, err := s.sync(ctx, d); err != nil {
			return err
		}
		const batch = 500 // placeholders in one statement
		for chunk := range slices.Chunk(ids, batch) {
			if err := d.values(ctx, chunk, found); err != nil {
				return err
			}
		}
		return nil
	})
	return found, err
}

func (d *database) values(ctx context.Context, ids []string, into map[string]map[string]Value) error {
	args := make([]any, len(ids))
	for i, id := range ids {
		args[i] = id
	}
	in := strings.TrimSuffix(strings.Repeat("?, ", len(ids)), ", ")
	rows, err := d.QueryContext(ctx, d.sql(`
		SELECT v.run_id, v.objective, v.definition, v.value, v.events, v.total, v.dispersion, v.coverage, s.step, s.samples
		FROM objective_values v LEFT JOIN interval_samples s ON s.run_id = v.run_id AND s.objective = v.objective
		WHERE v.run_id IN (`+in+`)`), args...) //nolint:gosec // G202: placeholders only
	if err != nil {
		return err
	}
	defer rows.Close() //nolint:errcheck // rows.Err tells
	for rows.Next() {
		var id string
		var v Value
		var value, step sql.NullFloat64
		var samples sql.NullString
		if err := rows.Scan(&id, &v.Objective, &v.Definition, &value, &v.Events, &v.Total, &v.Dispersion, &v.Coverage, &step, &samples); err != nil {
			return err
		}
		v.Value = math.NaN()
		if value.Valid {
			v.Value = value.Float64
		}
		if samples.Valid {
			if v.Samples, err = parseNumbers(samples.String); err != nil {
				return fmt.Errorf("run %s: samples of %s: %w", id, v.Objective, err)
			}
			v.Step = time.Duration(step.Float64 * float64(time.Second))
		}
		if into[id] == nil {
			into[id] = map[string]Value{}
		}
		into[id][v.Objective] = v
	}
	return rows.Err()
}

func nullable(v float64) sql.NullFloat64 {
	return sql.NullFloat64{Float64: v, Valid: !math.IsNaN(v) && !math.IsInf(v, 0)}
}

// numbers makes NaN null.
func numbers(values []float64) []*float64 {
	list := make([]*float64, len(values))
	for i := range values {
		if nullable(values[i]).Valid {
			list[i] = &values[i]
		}
	}
	return list
}

func parseNumbers(text string) ([]float64, error) {
	var list []*float64
	if err := json.Unmarshal([]byte(text), &list); err != nil {
		return nil, err
	}
	values := make([]float64, len(list))
	for i, v := range list {
		values[i] = math.NaN()
		if v != nil {
			values[i] = *v
		}
	}
	return values, nil
}

// valueFile is the form of values.json, which makes the index's values anew.
type valueFile struct {
	Objective  string     `json:"objective"`
	Definition string     `json:"definition"`
	Value      *float64   `json:"value"`
	Events     float64    `json:"events,omitempty"`
	Total      float64    `json:"total,omitempty"`
	Dispersion float64    `json:"dispersion,omitempty"`
	Coverage   float64    `json:"coverage"`
	Step       float64    `json:"step_seconds,omitempty"`
	Samples    []*float64 `json:"samples,omitempty"`
}

// ValuesFile is the file in a run's folder that holds what its reports have measured.
const ValuesFile = "values.json"

func (s *Store) writeValues(id string, values []Value) error {
	if _, err := os.Stat(s.Dir(id)); errors.Is(err, os.ErrNotExist) {
		return nil // a run of another machine
	}
	list := make([]valueFile, len(values))
	for i, v := range values {
		list[i] = valueFile{v.Objective, v.Definition, numbers([]float64{v.Value})[0], v.Events, v.Total, v.Dispersion, v.Coverage, v.Step.Seconds(), numbers(v.Samples)}
	}
	text, err := json.Marshal(list)
	if err != nil {
		return fmt.Errorf("run %s: %w", id, err)
	}
	err = s.WriteFile(id, ValuesFile, append(text, '\n'))
	if errors.Is(err, os.ErrPermission) {
		return nil // someone else's run
	}
	return err
}

func (s *Store) readValues(id string) ([]Value, error) {
	text, err := os.ReadFile(filepath.Join(s.Dir(id), ValuesFile))
	if err != nil {
		return nil, err
	}
	var list []valueFile
	if err := json.Unmarshal(text, &list); err != nil {
		return nil, fmt.Errorf("run %s: %s: %w", id, ValuesFile, err)
	}
	values := make([]Value, len(list))
	for i, f := range list {
		values[i] = Value{Objective: f.Objective, Definition: f.Definition, Value: math.NaN(), Events: f.Events, Total: f.Total, Dispersion: f.Dispersion, Coverage: f.Coverage, Step: time.Duration(f.Step * float64(time.Second))}
		if f.Value != nil {
			values[i].Value = *f.Value
		}
		for _, v := range f.Samples {
			values[i].Samples = append(values[i].Samples, math.NaN())
			if v != nil {
				values[i].Samples[len(values[i].Samples)-1] = *v
			}
		}
	}
	return values, nil
}

// PutReport keeps a report, and its verdict, where reports are kept.
func (s *Store) PutReport(ctx context.Context, id, verdict string, generated time.Time, document []byte) error {
	if !s.keeps() {
		return nil
	}
	return s.with(ctx, false, func(d *database) error {
		if _, _, err := s.sync(ctx, d); err != nil {
			return err
		}
		_, err := d.ExecContext(ctx, d.sql(`
			INSERT INTO reports (run_id, verdict, generated, document) VALUES (?, ?, ?, ?)
			ON CONFLICT (run_id) DO UPDATE SET verdict = excluded.verdict, generated = excluded.generated, document = excluded.document`),
			id, verdict, generated.UnixNano(), string(document))
		return err
	})
}

// Verdicts gives the verdict of the latest report on each run that has one.
func (s *Store) Verdicts(ctx context.Context) (map[string]string, error) {
	found := map[string]string{}
	err := s.with(ctx, false, func(d *database) error {
		rows, err := d.QueryContext(ctx, `SELECT run_id, verdict FROM reports`)
		if err != nil {
			return err
		}
		defer rows.Close() //nolint:errcheck // rows.Err tells
		for rows.Next() {
			var id, verdict string
			if err := rows.Scan(&id, &verdict); err != nil {
				return err
			}
			found[id] = verdict
		}
		return rows.Err()
	})
	return found, err
}

// Report is the latest report that was kept of a run, as JSON without its charts.
func (s *Store) Report(ctx context.Context, id string) (document []byte, err error) {
	err = s.with(ctx, false, func(d *database) error {
		err := d.QueryRowContext(ctx, d.sql(`SELECT document FROM reports WHERE run_id = ?`), id).Scan(&document)
		if errors.Is(err, sql.ErrNoRows) {
			return fmt.Errorf("run %s: no report was kept", id)
		}
		return err
	})
	return document, err
}
