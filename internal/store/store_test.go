package store_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"database/sql"

	"github.com/google/go-cmp/cmp"

	"github.com/plumbline/plumbline/internal/store"
	"github.com/plumbline/plumbline/pkg/compare"
	"github.com/plumbline/plumbline/pkg/run"
)

// testRun is a sound run of the mixed scenario that began so many minutes after noon.
func testRun(id string, minute int, version string) run.Run {
	start := time.Date(2026, 1, 18, 12, minute, 0, 0, time.UTC)
	return run.Run{
		ID: id, Service: "api", Scenario: "mixed", Profile: "target", Labels: map[string]string{"version": version},
		Window: run.Window{Start: start, End: start.Add(time.Minute)}, Steady: run.Window{Start: start, End: start.Add(time.Minute)},
		State: run.Complete, Source: run.Source{Recording: true, ScrapeSeconds: 5},
	}
}

func save(t *testing.T, s *store.Store, runs ...run.Run) {
	t.Helper()
	for _, r := range runs {
		if _, err := s.Reserve(r.ID, r.Window.Start); err != nil && !errors.Is(err, store.ErrExists) {
			t.Fatal(err)
		}
		if err := s.Save(r); err != nil {
			t.Fatal(err)
		}
	}
}

func ids(t *testing.T, s *store.Store) []string {
	t.Helper()
	list, warnings, err := s.Summaries(t.Context())
	if err != nil || len(warnings) > 0 {
		t.Fatalf("got %v and warnings %q", err, warnings)
	}
	got := []string{}
	for _, x := range list {
		got = append(got, x.ID)
	}
	return got
}

func TestSQLite(t *testing.T) {
	conformance(t, func(t *testing.T, dir string) *store.Store { return store.Open(dir) })
}

func TestPostgres(t *testing.T) {
	server := startPostgres(t)
	n := 0
	conformance(t, func(t *testing.T, dir string) *store.Store {
		n++
		return store.OpenTeam(dir, server.database(t, fmt.Sprintf("test%d", n)))
	})
	t.Run("a team", func(t *testing.T) { testTeam(t, server) })
	t.Run("an older schema is brought up to date", func(t *testing.T) {
		address := server.database(t, "older")
		testMigration(t, store.OpenTeam(t.TempDir(), address), "pgx", address)
	})
	t.Run("a newer schema is refused", func(t *testing.T) {
		address := server.database(t, "newer")
		s := store.OpenTeam(t.TempDir(), address)
		ids(t, s)
		bump(t, "pgx", address)
		if _, _, err := s.Summaries(t.Context()); err == nil || !strings.Contains(err.Error(), "written by a newer plumbline") {
			t.Errorf("got %v, want a refusal", err)
		}
	})
}

// conformance is what both databases do alike. open is called once for each part.
func conformance(t *testing.T, open func(t *testing.T, dir string) *store.Store) {
	for _, part := range []struct {
		name string
		test func(t *testing.T, s *store.Store, dir string)
	}{
		{"runs are listed, the oldest first", testList},
		{"values come back as they were", testValues},
		{"reports come back as they were", testReports},
		{"rolling baselines", testRolling},
		{"pinned runs stay", testPins},
		{"documents", testDocuments},
	} {
		t.Run(part.name, func(t *testing.T) {
			dir := t.TempDir()
			s := open(t, dir)
			t.Cleanup(func() {
				if err := s.Close(); err != nil {
					t.Error(err)
				}
			})
			part.test(t, s, dir)
		})
	}
}

func testList(t *testing.T, s *store.Store, dir string) {
	if got := ids(t, s); len(got) != 0 {
		t.Errorf("before the first run: got %v, want none", got)
	}
	save(t, s, testRun("b", 2, "1"), testRun("a", 3, "1"), testRun("c", 1, "1"))
	if got, want := ids(t, s), []string{"c", "b", "a"}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	later := testRun("c", 1, "2")
	later.Repeat = &run.Repeat{Group: "x", N: 1, Of: 2}
	later.State, later.Reason = run.Aborted, "stopped"
	save(t, s, later)
	list, _, err := s.Summaries(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	got, want := list[0], store.Summarize(later)
	if got.ID != want.ID || got.State != run.Aborted || got.Sound || got.Group != "x" || got.Labels["version"] != "2" || !got.Window.Start.Equal(want.Window.Start) || !got.Window.End.Equal(want.Window.End) {
		t.Errorf("after a change: got %+v, want %+v", got, want)
	}
	if err := s.Delete("b"); err != nil {
		t.Fatal(err)
	}
	if got, want := ids(t, s), []string{"c", "a"}; !slices.Equal(got, want) {
		t.Errorf("after a deletion: got %v, want %v", got, want)
	}
	if _, err := os.Stat(filepath.Join(dir, "runs", "b")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the folder of a deleted run: got %v, want it gone", err)
	}
	if err := os.WriteFile(filepath.Join(dir, "runs", "a", "run.json"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, warnings, err := s.Summaries(t.Context()); err != nil || len(warnings) != 1 || !strings.Contains(warnings[0], "run a: run.json") {
		t.Errorf("a broken run.json: got %v and warnings %q, want one that names it", err, warnings)
	}
}

func testValues(t *testing.T, s *store.Store, _ string) {
	save(t, s, testRun("a", 1, "1"), testRun("b", 2, "1"))
	want := map[string]store.Value{
		"p95":    {Objective: "p95", Definition: "d1", Value: 0.423, Coverage: 1, Step: 5 * time.Second, Samples: []float64{0.4, math.NaN(), 0.45}},
		"errors": {Objective: "errors", Definition: "d2", Value: 0.01, Total: 1000, Dispersion: 1.5, Coverage: 0.99},
		"none":   {Objective: "none", Definition: "d3", Value: math.NaN()},
	}
	odd := store.Value{Objective: "odd", Definition: "d4", Value: math.Inf(1), Total: 1000, Dispersion: math.NaN()} // a ratio without events
	for range 2 {                                                                                                   // the second time in place of the first
		list := []store.Value{odd}
		for _, v := range want {
			list = append(list, v)
		}
		if err := s.PutValues(t.Context(), "a", list); err != nil {
			t.Fatal(err)
		}
	}
	got, err := s.Values(t.Context(), []string{"a", "b", "no such"})
	if err != nil {
		t.Fatal(err)
	}
	want["odd"] = store.Value{Objective: "odd", Definition: "d4", Value: math.NaN(), Total: 1000}
	equal := cmp.Comparer(func(a, b float64) bool { return a == b || math.IsNaN(a) && math.IsNaN(b) })
	if diff := cmp.Diff(map[string]map[string]store.Value{"a": want}, got, equal); diff != "" {
		t.Errorf("values (-want +got):\n%s", diff)
	}
	if err := s.PutValues(t.Context(), "no such", []store.Value{{Objective: "p95"}}); err == nil {
		t.Error("values of a run that isn't there: got no error")
	}
}

func testReports(t *testing.T, s *store.Store, _ string) {
	save(t, s, testRun("a", 1, "1"))
	if err := s.PutReport(t.Context(), "a", "fail", time.Now(), []byte(`{"verdict":"fail"}`)); err != nil {
		t.Fatal(err)
	}
	if err := s.PutReport(t.Context(), "a", "pass", time.Now(), []byte(`{"verdict":"pass"}`)); err != nil {
		t.Fatal(err)
	}
	if got, err := s.Report(t.Context(), "a"); err != nil || string(got) != `{"verdict":"pass"}` {
		t.Errorf("got %s, %v, want the latest", got, err)
	}
	if got, err := s.Verdicts(t.Context()); err != nil || got["a"] != "pass" {
		t.Errorf("got %v, %v, want pass", got, err)
	}
	if _, err := s.Report(t.Context(), "b"); err == nil {
		t.Error("a report that isn't there: got no error")
	}
}

func testRolling(t *testing.T, s *store.Store, _ string) {
	bad, other, repeat := testRun("bad", 4, "1"), testRun("other", 5, "1"), testRun("repeat", 6, "1")
	bad.State = run.Aborted
	other.Profile = "peak"
	repeat.Repeat = &run.Repeat{Group: "new", N: 1, Of: 2}
	save(t, s, testRun("r1", 1, "1"), testRun("r2", 2, "1"), testRun("r3", 3, "2"), bad, other, repeat, testRun("r4", 7, "1"))
	candidate := testRun("new", 8, "9")
	candidate.Repeat = &run.Repeat{Group: "new", N: 2, Of: 2}
	save(t, s, candidate, testRun("later", 9, "1"))
	for i, change := range otherConditions { // began before the candidate, each
		stray := testRun(fmt.Sprintf("stray%d", i), 7, "1")
		change(&stray)
		save(t, s, stray)
	}
	accepted := []compare.Acceptance{{Run: "r2", Reason: "TLS"}}
	for _, tt := range []struct {
		name       string
		spec       compare.Spec
		candidates []run.Run
		want       []string
	}{
		{"without repeats of the candidate, later runs, other profiles and conditions", compare.Spec{Last: 2}, []run.Run{candidate}, []string{"r1", "r2", "r3", "bad", "r4"}},
		{"for an old candidate, from before it", compare.Spec{Last: 2}, []run.Run{testRun("r3", 3, "2")}, []string{"r1", "r2"}},
		{"without any of several candidates", compare.Spec{Last: 2}, []run.Run{testRun("r2", 2, "1"), testRun("r4", 7, "1")}, []string{"r1", "r3", "bad", "repeat"}},
		{"with labels", compare.Spec{Last: 5, Labels: map[string]string{"version": "2"}}, []run.Run{candidate}, []string{"r3"}},
		{"since a change was accepted", compare.Spec{Last: 5, Accepted: accepted}, []run.Run{candidate}, []string{"r2", "r3", "bad", "r4"}},
	} {
		got, err := s.Eligible(t.Context(), tt.spec, tt.candidates...)
		ids := []string{}
		for _, x := range got {
			ids = append(ids, x.ID)
		}
		if err != nil || !slices.Equal(ids, tt.want) {
			t.Errorf("%s: got %v, %v, want %v", tt.name, ids, err, tt.want)
		}
	}
}

// otherConditions make a run one that can't be compared with the others.
var otherConditions = []func(*run.Run){
	func(r *run.Run) { r.Load.Users = 7 },
	func(r *run.Run) { r.Load.ThinkSeconds = 3 },
	func(r *run.Run) { r.Load.ArrivalRate = 100 },
	func(r *run.Run) { r.Window.End = r.Window.End.Add(time.Minute) },
	func(r *run.Run) { r.Environment = map[string]string{"nodes": "3"} },
}

// TestConditionsAreComparedAsRunsAre: near enough durations and rates are the same test.
func TestConditionsAreComparedAsRunsAre(t *testing.T) {
	r := testRun("r", 1, "1")
	r.Load.ArrivalRate = 1000
	near := r
	near.Load.ArrivalRate, near.Window.End = 1010, r.Window.End.Add(time.Second)
	if !store.Summarize(r).Comparable(store.Summarize(near)) {
		t.Error("1 % more load and a second more: got that they can't be compared")
	}
	for i, change := range otherConditions {
		other := testRun("other", 1, "1")
		change(&other)
		if store.Summarize(testRun("r", 1, "1")).Comparable(store.Summarize(other)) {
			t.Errorf("change %d: got that they can be compared", i)
		}
	}
}

// testMigration: what was written before runs had conditions in the database has them after.
func testMigration(t *testing.T, s *store.Store, driver, dsn string) {
	t.Helper()
	stray := testRun("stray", 2, "1")
	stray.Load.Users = 7
	save(t, s, testRun("r", 1, "1"), stray)
	ids(t, s)
	db, err := sql.Open(driver, dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for _, statement := range []string{`ALTER TABLE runs DROP COLUMN conditions`, `UPDATE schema_version SET version = 1`} {
		if _, err := db.Exec(statement); err != nil {
			t.Fatal(err)
		}
	}
	got, err := s.Eligible(t.Context(), compare.Spec{Last: 5}, testRun("new", 3, "1"))
	if err != nil || len(got) != 1 || got[0].ID != "r" {
		t.Errorf("got %+v, %v, want r and not the one with other users", got, err)
	}
}

func TestMigrationOfAFolder(t *testing.T) {
	dir := t.TempDir()
	testMigration(t, store.Open(dir), "sqlite", filepath.Join(dir, store.IndexFile))
}

func testPins(t *testing.T, s *store.Store, _ string) {
	peak, few := testRun("peak", 4, "1"), testRun("few", 1, "1")
	peak.Profile, few.Load.Users = "peak", 7
	save(t, s, testRun("r1", 1, "1"), testRun("r2", 2, "1"), testRun("r3", 3, "1"), peak, few)
	for _, spec := range []compare.Spec{{Name: "one", Run: "r1"}, {Name: "rolling", Last: 1}} {
		text, err := spec.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		if err := s.SaveBaseline(spec.Name, text); err != nil {
			t.Fatal(err)
		}
	}
	pins, err := s.Pins(t.Context())
	want := map[string][]string{"r1": {"one"}, "r3": {"rolling"}, "peak": {"rolling"}, "few": {"rolling"}}
	if diff := cmp.Diff(want, pins); err != nil || diff != "" {
		t.Errorf("%v, pins (-want +got):\n%s", err, diff)
	}
	if err := s.Delete("r1"); err == nil || !strings.Contains(err.Error(), "the baseline one rests on it") {
		t.Errorf("deleting a pinned run: got %v, want a refusal", err)
	}
	if err := s.DeleteBaseline("one"); err != nil {
		t.Fatal(err)
	}
	if err := s.Delete("r1"); err != nil {
		t.Errorf("after its baseline was deleted: %v", err)
	}
	if err := s.Delete("r4"); err == nil || !strings.Contains(err.Error(), "did you mean") {
		t.Errorf("deleting a run that isn't there: got %v, want the near ones", err)
	}
}

func testDocuments(t *testing.T, s *store.Store, _ string) {
	if err := s.SaveCalibration("api.mixed", []byte(`{"n": 1}`)); err != nil {
		t.Fatal(err)
	}
	if err := s.SaveCalibration("api.mixed", []byte(`{"n": 2}`)); err != nil {
		t.Fatal(err)
	}
	if got, err := s.Calibration("api.mixed"); err != nil || string(got) != `{"n": 2}` || !slices.Equal(s.Calibrations(), []string{"api.mixed"}) {
		t.Errorf("got %s, %v of %v, want the latest", got, err, s.Calibrations())
	}
	if err := s.SaveCalibration("../x", nil); err == nil {
		t.Error("a name that leads elsewhere: got no error")
	}
	if err := s.SaveBaseline("v1.0.0", []byte("apiVersion: plumbline/v1\nkind: Baseline\nname: v1.0.0\nlast: 5\n")); err != nil {
		t.Fatal(err)
	}
	if got, err := s.Baseline("v1.0.0"); err != nil || got.Last != 5 {
		t.Errorf("got %+v, %v, want the last five", got, err)
	}
	if _, err := s.Baseline("v1.0.1"); err == nil || !strings.Contains(err.Error(), "did you mean v1.0.0?") {
		t.Errorf("an unknown baseline: got %v, want the near one", err)
	}
	if _, err := s.Baseline("somewhat-else"); err == nil || !strings.Contains(err.Error(), "there are the baselines v1.0.0") {
		t.Errorf("a far one: got %v, want those that there are", err)
	}
	if err := s.DeleteBaseline("v1.0.0"); err != nil || len(s.Baselines()) != 0 {
		t.Errorf("got %v and baselines %v, want none", err, s.Baselines())
	}
}

// testTeam: what one machine did, another sees.
func testTeam(t *testing.T, server *postgres) {
	address := server.database(t, "team")
	here, there := store.OpenTeam(t.TempDir(), address), store.OpenTeam(t.TempDir(), address)
	save(t, here, testRun("a", 1, "1"))
	if err := here.PutValues(t.Context(), "a", []store.Value{{Objective: "p95", Value: 0.4}}); err != nil {
		t.Fatal(err)
	}
	if got := ids(t, there); !slices.Equal(got, []string{"a"}) {
		t.Errorf("elsewhere: got %v, want the run a", got)
	}
	if r, err := there.Load("a"); err != nil || r.Scenario != "mixed" || there.Here("a") {
		t.Errorf("elsewhere: got %+v, %v, want the run, and that it isn't here", r, err)
	}
	if got, err := there.Values(t.Context(), []string{"a"}); err != nil || got["a"]["p95"].Value != 0.4 {
		t.Errorf("elsewhere: got values %v, %v", got, err)
	}
	if err := there.Export("a", &bytes.Buffer{}); err == nil || !strings.Contains(err.Error(), "on another machine") {
		t.Errorf("exporting a run of another machine: got %v", err)
	}
	save(t, there, testRun("b", 2, "1"))
	if _, err := there.Reserve("a", time.Now()); err != nil {
		t.Fatal(err) // the folder is free
	}
	clash := testRun("a", 30, "1")
	if err := there.Save(clash); err != nil {
		t.Fatal(err)
	}
	if _, warnings, err := there.Summaries(t.Context()); err != nil || len(warnings) == 0 || !strings.Contains(warnings[0], "another run of that id") {
		t.Errorf("the same id twice: got %v and %q, want a warning", err, warnings)
	}
	if r, err := here.Load("a"); err != nil || !r.Window.Start.Equal(testRun("a", 1, "1").Window.Start) {
		t.Errorf("the first one: got %+v, %v, want it unchanged", r.Window, err)
	}
}

func TestReadingASmallFolderWritesNothing(t *testing.T) {
	dir := t.TempDir()
	s := store.Open(dir)
	save(t, s, testRun("a", 1, "1"))
	remove(t, filepath.Join(dir, store.IndexFile))
	reader := store.Open(dir)
	defer reader.Close()
	if got := ids(t, reader); !slices.Equal(got, []string{"a"}) {
		t.Errorf("got %v, want a", got)
	}
	want := []store.Value{{Objective: "p95", Definition: "d", Value: 0.4, Coverage: 1}}
	if err := reader.PutValues(t.Context(), "a", want); err != nil {
		t.Fatal(err)
	}
	if err := reader.PutReport(t.Context(), "a", "pass", time.Now(), nil); err != nil {
		t.Fatal(err)
	}
	if got, err := reader.Values(t.Context(), []string{"a"}); err != nil || got["a"]["p95"].Value != 0.4 {
		t.Errorf("got %v, %v, want what was kept in memory", got, err)
	}
	var names []string
	for _, pattern := range []string{"*", "runs/a/*"} {
		found, err := filepath.Glob(filepath.Join(dir, pattern))
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, found...)
	}
	if len(names) != 2 {
		t.Errorf("got %v, want the folder runs and the file run.json", names)
	}
}

func remove(t *testing.T, path string) {
	t.Helper()
	for _, suffix := range []string{"", "-wal", "-shm"} {
		if err := os.Remove(path + suffix); err != nil && !errors.Is(err, os.ErrNotExist) {
			t.Fatal(err)
		}
	}
}

// TestIndexIsMadeAnew from the folders, with the values that were measured.
func TestIndexIsMadeAnew(t *testing.T) {
	for _, tt := range []struct {
		name   string
		damage func(t *testing.T, path string)
		warns  bool
	}{
		{"missing", remove, false},
		{"not a database", func(t *testing.T, path string) {
			remove(t, path)
			if err := os.WriteFile(path, bytes.Repeat([]byte("garbage "), 1000), 0o600); err != nil {
				t.Fatal(err)
			}
		}, true},
		{"overwritten in the middle", func(t *testing.T, path string) {
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			for i := 200; i < len(text); i++ {
				text[i] = 0xff
			}
			remove(t, path)
			if err := os.WriteFile(path, text, 0o600); err != nil {
				t.Fatal(err)
			}
		}, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			s := store.Open(dir)
			save(t, s, testRun("a", 1, "1"), testRun("b", 2, "1"))
			if err := s.PutValues(t.Context(), "a", []store.Value{{Objective: "p95", Definition: "d", Value: 0.4}}); err != nil {
				t.Fatal(err)
			}
			tt.damage(t, filepath.Join(dir, store.IndexFile))
			again := store.Open(dir)
			defer again.Close()
			list, warnings, err := again.Summaries(t.Context())
			if err != nil || len(list) != 2 {
				t.Fatalf("got %d runs, %v, want both", len(list), err)
			}
			if warned := len(warnings) == 1 && strings.Contains(warnings[0], "made anew from the folders"); warned != tt.warns {
				t.Errorf("got warnings %q", warnings)
			}
			if got, err := again.Values(t.Context(), []string{"a"}); err != nil || got["a"]["p95"].Value != 0.4 {
				t.Errorf("got values %v, %v, want those from the folder", got, err)
			}
		})
	}
}

// TestLargeFolder: of many runs, those that had ended are not looked at again;
// what is new, gone or was under way is.
func TestLargeFolder(t *testing.T) {
	dir := t.TempDir()
	s := store.Open(dir)
	const many = 1010
	for i := range many {
		r := testRun(fmt.Sprintf("r%04d", i), i, "1")
		if i == many-1 {
			r.State = run.Running
		}
		if err := os.MkdirAll(s.Dir(r.ID), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := s.Save(r); err != nil {
			t.Fatal(err)
		}
	}
	if got := ids(t, s); len(got) != many {
		t.Fatalf("got %d runs, want %d", len(got), many)
	}
	if _, err := os.Stat(filepath.Join(dir, store.IndexFile)); err != nil {
		t.Errorf("reading so many runs made no index: %v", err)
	}
	if err := os.RemoveAll(s.Dir("r0000")); err != nil {
		t.Fatal(err)
	}
	save(t, s, testRun(fmt.Sprintf("r%04d", many-1), many-1, "1"), testRun("new", many, "1"))
	list, _, err := s.Summaries(t.Context())
	if err != nil || len(list) != many {
		t.Fatalf("got %d runs, %v, want %d", len(list), err, many)
	}
	if first, ended := list[0], list[many-2]; first.ID != "r0001" || ended.State != run.Complete || list[many-1].ID != "new" {
		t.Errorf("got %s first and %s, %s, want r0001 and a complete run", first.ID, ended.ID, ended.State)
	}
}

func TestNewerSchemaIsNotTouched(t *testing.T) {
	dir := t.TempDir()
	s := store.Open(dir)
	save(t, s, testRun("a", 1, "1"))
	path := filepath.Join(dir, store.IndexFile)
	bump(t, "sqlite", path)
	list, warnings, err := s.Summaries(t.Context())
	if err != nil || len(list) != 1 || len(warnings) != 1 || !strings.Contains(warnings[0], "written by a newer plumbline") {
		t.Errorf("got %d runs, %v, warnings %q, want the run from its folder and a warning", len(list), err, warnings)
	}
	save(t, s, testRun("b", 2, "1")) // the folders are the truth
	if _, err := s.Load("b"); err != nil {
		t.Error(err)
	}
}

// bump makes a database look as if a newer program wrote it.
func bump(t *testing.T, driver, dsn string) {
	t.Helper()
	db, err := sql.Open(driver, dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec(`UPDATE schema_version SET version = 1000`); err != nil {
		t.Fatal(err)
	}
}

func TestReadOnlyFolder(t *testing.T) {
	if os.Getuid() == 0 {
		t.Skip("root writes anywhere")
	}
	dir := t.TempDir()
	save(t, store.Open(dir), testRun("a", 1, "1"))
	if err := os.Chmod(dir, 0o500); err != nil { //nolint:gosec // to be entered
		t.Fatal(err)
	}
	t.Cleanup(func() { os.Chmod(dir, 0o700) }) //nolint:gosec // as it was
	s := store.Open(dir)
	defer s.Close()
	if got := ids(t, s); !slices.Equal(got, []string{"a"}) {
		t.Errorf("got %v, want a", got)
	}
}

// TestTwoProcessesAtOnce starts processes that save runs into one folder.
func TestTwoProcessesAtOnce(t *testing.T) {
	dir := t.TempDir()
	const each = 20
	var children []*exec.Cmd
	for _, prefix := range []string{"p", "q"} {
		children = append(children, startChild(t, dir, prefix, each))
	}
	for _, c := range children {
		if err := c.Wait(); err != nil {
			t.Errorf("child: %v: %s", err, c.Stderr)
		}
	}
	if got := ids(t, store.Open(dir)); len(got) != 2*each {
		t.Errorf("got %d runs, want %d", len(got), 2*each)
	}
}

// TestKilledInTheMiddle kills processes that save runs, again and again; what
// they leave opens, and agrees with the folders.
func TestKilledInTheMiddle(t *testing.T) {
	dir := t.TempDir()
	for round := range 4 {
		child := startChild(t, dir, fmt.Sprintf("k%d-", round), 1_000_000)
		enough := count(dir) + 5
		for deadline := time.Now().Add(time.Minute); count(dir) < enough; time.Sleep(time.Millisecond) { // until it is in the middle of it
			if time.Now().After(deadline) {
				child.Process.Kill()
				child.Wait()
				t.Fatalf("the child has saved %d runs of %d: %s", count(dir)+5-enough, 5, child.Stderr)
			}
		}
		if err := child.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		if err := child.Wait(); err == nil {
			t.Fatal("the child ended by itself")
		}
		s := store.Open(dir)
		runs, warnings, err := s.List()
		if err != nil || len(warnings) > 0 {
			t.Fatalf("got %v and warnings %q", err, warnings)
		}
		var want []string
		for _, r := range runs {
			want = append(want, r.ID)
		}
		if got := ids(t, s); !slices.Equal(got, want) || len(got) == 0 {
			t.Errorf("round %d: the index has %d runs and the folders %d", round, len(got), len(want))
		}
		check(t, filepath.Join(dir, store.IndexFile))
	}
}

// check is SQLite's own examination of a file.
func check(t *testing.T, path string) {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var said string
	if err := db.QueryRow(`PRAGMA integrity_check`).Scan(&said); err != nil || said != "ok" {
		t.Errorf("integrity_check: got %q, %v, want ok", said, err)
	}
}

func count(dir string) int {
	found, err := filepath.Glob(filepath.Join(dir, "runs", "*", "run.json"))
	if err != nil {
		return 0
	}
	return len(found)
}

// Variables that make this test binary a child which saves runs.
const (
	childDir    = "PLUMBLINE_TEST_STORE"
	childPrefix = "PLUMBLINE_TEST_PREFIX"
	childRuns   = "PLUMBLINE_TEST_RUNS"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(childDir); dir != "" {
		os.Exit(saveAsChild(dir))
	}
	os.Exit(m.Run())
}

func saveAsChild(dir string) int {
	s := store.Open(dir)
	n, err := strconv.Atoi(os.Getenv(childRuns))
	for i := 0; i < n && err == nil; i++ {
		id := fmt.Sprintf("%s%d", os.Getenv(childPrefix), i)
		if _, err = s.Reserve(id, time.Now()); err != nil {
			break
		}
		if err = s.Save(testRun(id, i, "1")); err == nil {
			err = s.PutValues(context.Background(), id, []store.Value{{Objective: "p95", Value: 1, Samples: make([]float64, 500)}})
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

func startChild(t *testing.T, dir, prefix string, runs int) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := exec.Command(self)
	c.Env = append(os.Environ(), childDir+"="+dir, childPrefix+"="+prefix, childRuns+"="+strconv.Itoa(runs))
	c.Stderr = &bytes.Buffer{}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	return c
}

// A postgres is a server of our own.
type postgres struct{ socket string }

// database makes a database and gives its address.
func (p *postgres) database(t *testing.T, name string) string {
	t.Helper()
	address := func(name string) string {
		return fmt.Sprintf("postgres://plumbline@/%s?host=%s&port=5432", name, p.socket)
	}
	db, err := sql.Open("pgx", address("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec(`CREATE DATABASE ` + name); err != nil {
		t.Fatal(err)
	}
	return address(name)
}

// startPostgres starts PostgreSQL on a socket in a folder of its own. As root,
// whom it refuses, it runs as the user postgres.
func startPostgres(t *testing.T) *postgres {
	t.Helper()
	bin := postgresPrograms(t)
	dir, err := os.MkdirTemp("", "plumbline-postgres-") //nolint:usetesting // short: a socket's path has 107 bytes
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	as := &syscall.SysProcAttr{}
	if os.Getuid() == 0 {
		as.Credential = credential(t, "postgres")
		if err := os.Chown(dir, int(as.Credential.Uid), int(as.Credential.Gid)); err != nil {
			t.Fatal(err)
		}
	}
	command := func(program string, args ...string) *exec.Cmd {
		c := exec.Command(filepath.Join(bin, program), args...)
		c.SysProcAttr, c.Dir = as, dir
		c.Env = append(os.Environ(), "LC_ALL=C")
		return c
	}
	data := filepath.Join(dir, "data")
	if out, err := command("initdb", "-D", data, "-U", "plumbline", "--auth=trust", "--no-sync", "-E", "UTF8").CombinedOutput(); err != nil {
		t.Fatalf("initdb: %v\n%s", err, out)
	}
	var log bytes.Buffer
	server := command("postgres", "-D", data, "-k", dir, "-c", "listen_addresses=", "-c", "fsync=off", "-c", "port=5432")
	server.Stdout, server.Stderr = &log, &log
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		server.Process.Signal(syscall.SIGINT) // a fast shutdown
		server.Wait()
	})
	p := &postgres{socket: dir}
	db, err := sql.Open("pgx", fmt.Sprintf("postgres://plumbline@/postgres?host=%s&port=5432", dir))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		if err = db.Ping(); err == nil {
			return p
		}
		if time.Now().After(deadline) {
			t.Fatalf("postgres does not answer: %v\n%s", err, log.String())
		}
	}
}

// postgresPrograms finds initdb and postgres, which Debian keeps out of PATH.
func postgresPrograms(t *testing.T) string {
	t.Helper()
	if path, err := exec.LookPath("initdb"); err == nil {
		if path, err = filepath.EvalSymlinks(path); err == nil {
			return filepath.Dir(path)
		}
	}
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if err != nil {
		t.Fatal(err)
	}
	if len(found) == 0 {
		const missing = "no postgres: apt-get install --no-install-recommends postgresql"
		if os.Getenv("PLUMBLINE_REQUIRE_SERVERS") == "1" {
			t.Fatal(missing)
		}
		t.Skip(missing)
	}
	return filepath.Dir(found[len(found)-1])
}

func credential(t *testing.T, name string) *syscall.Credential {
	t.Helper()
	u, err := user.Lookup(name)
	if err != nil {
		t.Fatal(err)
	}
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	if err != nil {
		t.Fatal(err)
	}
	gid, err := strconv.ParseUint(u.Gid, 10, 32)
	if err != nil {
		t.Fatal(err)
	}
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
}
