package store_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/plumbline/plumbline/internal/store"
)

func TestExportAndImport(t *testing.T) {
	s := store.Open(t.TempDir())
	save(t, s, testRun("a", 1, "1"))
	block := filepath.Join(s.Recording("a"), "01BLOCK", "chunks")
	if err := os.MkdirAll(block, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(block, "000001"), []byte("chunks"), 0o600); err != nil {
		t.Fatal(err)
	}
	var packed bytes.Buffer
	if err := s.Export("a", &packed); err != nil {
		t.Fatal(err)
	}
	other := store.Open(t.TempDir())
	id, err := other.Import(bytes.NewReader(packed.Bytes()))
	if err != nil || id != "a" {
		t.Fatalf("got %q, %v", id, err)
	}
	text, err := os.ReadFile(filepath.Join(other.Recording("a"), "01BLOCK", "chunks", "000001"))
	if err != nil || string(text) != "chunks" {
		t.Errorf("got %q, %v, want the recording", text, err)
	}
	if got := ids(t, other); !slices.Equal(got, []string{"a"}) {
		t.Errorf("got %v, want a", got)
	}
	if _, err := other.Import(bytes.NewReader(packed.Bytes())); err == nil || !strings.Contains(err.Error(), "exists") {
		t.Errorf("importing it again: got %v, want a refusal", err)
	}
	if err := s.Export("b", &packed); err == nil {
		t.Error("exporting a run that isn't there: got no error")
	}
}

// An entry of an archive that somebody made.
type entry struct {
	name, text string
	kind       byte
}

func archive(t testing.TB, entries ...entry) []byte {
	t.Helper()
	var b bytes.Buffer
	zipped := gzip.NewWriter(&b)
	packed := tar.NewWriter(zipped)
	for _, e := range entries {
		h := &tar.Header{Name: e.name, Mode: 0o644, Size: int64(len(e.text)), Typeflag: e.kind}
		if e.kind == tar.TypeSymlink {
			h.Linkname, h.Size = e.text, 0
		}
		if err := packed.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if h.Size > 0 {
			if _, err := packed.Write([]byte(e.text)); err != nil {
				t.Fatal(err)
			}
		}
	}
	packed.Close()
	zipped.Close()
	return b.Bytes()
}

const smallRun = `{"id": "a", "window": {}, "steady": {}, "load": {}, "generators": {}, "source": {}, "state": "complete"}`

func TestHostileArchives(t *testing.T) {
	good := entry{"a/run.json", smallRun, tar.TypeReg}
	for _, tt := range []struct {
		name    string
		archive []byte
		want    string
	}{
		{"no archive", []byte("run"), "want a .tar.gz"},
		{"nothing in it", archive(t), "unexpected EOF"},
		{"out of the folder", archive(t, good, entry{"a/../../evil", "x", tar.TypeReg}), "leads outside"},
		{"an absolute path", archive(t, entry{"/etc/evil", "x", tar.TypeReg}), "leads outside"},
		{"a crooked path", archive(t, entry{"a/./b//c", "x", tar.TypeReg}), "leads outside"},
		{"another folder", archive(t, good, entry{"b/run.json", "x", tar.TypeReg}), "one folder named as a run"},
		{"a hidden folder", archive(t, entry{".ssh/config", "x", tar.TypeReg}), "one folder named as a run"},
		{"a link", archive(t, good, entry{"a/link", "/etc", tar.TypeSymlink}), "neither a file nor a folder"},
		{"a file twice", archive(t, good, good), "exists"},
		{"no run", archive(t, entry{"a/other", "x", tar.TypeReg}), "run.json"},
		{"another run's id", archive(t, entry{"b/run.json", smallRun, tar.TypeReg}), `says it is run "a"`},
		{"cut off", archive(t, good, entry{"a/recording", strings.Repeat("x", 4000), tar.TypeReg})[:150], "unexpected EOF"},
	} {
		dir := t.TempDir()
		s := store.Open(filepath.Join(dir, "results"))
		id, err := s.Import(bytes.NewReader(tt.archive))
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %q, %v, want %q", tt.name, id, err, tt.want)
		}
		left, err := filepath.Glob(filepath.Join(dir, "results", "runs", "*"))
		hidden, err2 := filepath.Glob(filepath.Join(dir, "results", "runs", ".*"))
		if err != nil || err2 != nil || len(left)+len(hidden) > 0 {
			t.Errorf("%s: it left %v %v", tt.name, left, hidden)
		}
		if _, err := os.Stat(filepath.Join(dir, "evil")); err == nil {
			t.Errorf("%s: it wrote outside", tt.name)
		}
	}
}

func FuzzImport(f *testing.F) {
	f.Add("a/run.json", smallRun)
	f.Add("a/../b", "x")
	f.Add("a\x00b/run.json", "{}")
	f.Fuzz(func(t *testing.T, name, text string) {
		if strings.ContainsRune(name, 0) || len(name) > 90 || name == "" {
			return // tar can't hold it
		}
		dir := t.TempDir()
		packed := archive(t, entry{"a/run.json", smallRun, tar.TypeReg}, entry{name, text, tar.TypeReg})
		_, _ = store.Open(filepath.Join(dir, "results")).Import(bytes.NewReader(packed))
		found, err := os.ReadDir(dir)
		if err != nil || len(found) != 1 {
			t.Errorf("got %v, %v, want nothing outside the results", found, err)
		}
	})
}
