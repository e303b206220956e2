package tcpdbench_test

import (
	"compress/gzip"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/plumbline/plumbline/internal/tcpdbench"
	"github.com/plumbline/plumbline/pkg/trend"
)

// TestGoals holds pkg/trend to what it is to reach on the histories of SAP
// HANA's performance tests. They are not part of the project.
func TestGoals(t *testing.T) {
	if testing.Short() {
		t.Skip("scores 205 histories, which takes long with the race detector")
	}
	all, err := tcpdbench.Read("../../../shared/data/changepoints/series.json.gz")
	if errors.Is(err, os.ErrNotExist) {
		t.Skip("the marked histories are not here; `go run ./internal/tcpdbench/cmd/score --data DIR` scores others")
	} else if err != nil {
		t.Fatal(err)
	}
	var strict, weak, n float64
	flagged, quiet := 0, 0
	for _, s := range all {
		if !s.Scored() {
			continue
		}
		var alarms, marks []int
		for _, c := range trend.Detect(s.Values) {
			marks = append(marks, c.Index)
			if c.Strength == trend.Strict {
				alarms = append(alarms, c.Index)
			}
		}
		n++
		strict += tcpdbench.F1(s.Marks, alarms)
		weak += tcpdbench.F1(s.Marks, marks)
		if s.MostlyUnmarked() {
			quiet++
			if len(alarms) > 0 {
				flagged++
			}
		}
	}
	if f1 := strict / n; f1 < 0.85 {
		t.Errorf("strict: got an F1 of %.4f, want at least 0.85", f1)
	}
	if f1 := weak / n; f1 < 0.86 {
		t.Errorf("weak: got an F1 of %.4f, want at least 0.86", f1)
	}
	if share := float64(flagged) / float64(quiet); share > 0.08 {
		t.Errorf("got alarms in %d of %d quiet series, want at most 8 %%", flagged, quiet)
	}
}

func TestRead(t *testing.T) {
	path := filepath.Join(t.TempDir(), "series.json.gz")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	z := gzip.NewWriter(f)
	_, err = z.Write([]byte(`{"b": {"values": [1, 2], "annotations": {"x": [1], "y": [], "z": [1]}}, "a": {"values": [3], "annotations": {"x": []}}}`))
	if err := errors.Join(err, z.Close(), f.Close()); err != nil {
		t.Fatal(err)
	}
	got, err := tcpdbench.Read(path)
	if err != nil {
		t.Fatal(err)
	}
	want := []tcpdbench.Series{{Key: "a", Values: []float64{3}, Marks: [][]int{{}}}, {Key: "b", Values: []float64{1, 2}, Marks: [][]int{{1}, {}, {1}}}}
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		t.Fatalf("(-want +got):\n%s", diff)
	}
	for i, want := range []struct{ scored, unmarked, undisputed, mostly bool }{{false, true, true, true}, {true, false, false, false}} {
		s := got[i]
		if s.Scored() != want.scored || s.Unmarked() != want.unmarked || s.Undisputed() != want.undisputed || s.MostlyUnmarked() != want.mostly {
			t.Errorf("%s: got %v %v %v %v, want %v", s.Key, s.Scored(), s.Unmarked(), s.Undisputed(), s.MostlyUnmarked(), want)
		}
	}
	if err := os.WriteFile(path, []byte("no gzip"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := tcpdbench.Read(path); err == nil {
		t.Error("got no error for a file that isn't gzipped")
	}
}
