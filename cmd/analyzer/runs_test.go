package main

import (
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/promql/promqltest"

	"github.com/plumbline/plumbline/pkg/promql/embedded"
)

// TestPasswordsAreNeitherKeptNorShown reports on a run of a Prometheus that wants a
// password, which is given in its URL.
func TestPasswordsAreNeitherKeptNorShown(t *testing.T) {
	const password = "hunter2"
	api := embedded.Handler(embedded.New(untilNow(t, promqltest.LoadedStorage(t, "load 15s\n  up{job=\"x\",instance=\"i\"} 1x120\n  x_total{job=\"x\",instance=\"i\"} 0+15x120\n"))))
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, got, _ := r.BasicAuth(); got != password {
			http.Error(w, "who are you?", http.StatusUnauthorized)
			return
		}
		api.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	withPassword := strings.Replace(server.URL, "http://", "http://me:"+password+"@", 1)
	dir := t.TempDir()
	results, sla, config := filepath.Join(dir, "results"), filepath.Join(dir, "sla.yaml"), filepath.Join(dir, "plumbline.yaml")
	writeFile(t, sla, "apiVersion: plumbline/v1\nkind: SLA\nobjectives:\n  - {id: rps, unit: req/s, rate: {of: x_total}, must: '> 0.5'}\n")
	writeFile(t, config, "apiVersion: plumbline/v1\nkind: Config\nprometheus: {url: '"+withPassword+"'}\n")
	var shown strings.Builder
	analyzer := func(want int, args ...string) {
		t.Helper()
		if code := execute(t.Context(), append(args, "--results", results), &shown, &shown); code != want {
			t.Errorf("analyzer %s: got exit code %d, want %d; it said\n%s", strings.Join(args, " "), code, want, shown.String())
		}
	}
	at := func(ago time.Duration) string { return time.Now().Add(-ago).UTC().Format(time.RFC3339) }
	analyzer(0, "runs", "register", "r1", "--start", at(20*time.Minute), "--end", at(5*time.Minute), "--prometheus", withPassword, "--sla", sla)

	analyzer(2, "report", "--run", "r1")
	for _, place := range []string{"--prometheus", "PLUMBLINE_PROMETHEUS", "http_config"} {
		if !strings.Contains(shown.String(), place) {
			t.Errorf("without the password: got %q, want that %s is a place for it", shown.String(), place)
		}
	}
	// The configuration's password serves every command that asks the run's server.
	analyzer(0, "report", "--run", "r1", "--config", config)
	analyzer(0, "compare", "--run", "r1", "--baseline", "r1", "--allow-inconclusive", "--config", config)
	t.Setenv("PLUMBLINE_PROMETHEUS", withPassword)
	analyzer(0, "report", "--run", "r1")
	analyzer(0, "report", "--run", "r1", "--format", "html,json,md")
	analyzer(0, "runs", "show", "r1")
	analyzer(0, "dashboards", "render", "--out", filepath.Join(results, "grafana"))

	if strings.Contains(shown.String(), password) {
		t.Errorf("the terminal shows the password:\n%s", shown.String())
	}
	err := filepath.WalkDir(results, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		if strings.Contains(string(text), password) {
			t.Errorf("%s holds the password", path)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// TestOneFormatGoesToTheFolderNamed holds for those that else go to standard output.
func TestOneFormatGoesToTheFolderNamed(t *testing.T) {
	const results, id = "../../examples/paracle/results", "PERF-2026-01-18-001"
	for format, file := range map[string]string{"md": "report.md", "junit": "report.xml"} {
		path := filepath.Join(t.TempDir(), "new", file)
		var out, trouble strings.Builder
		code := execute(t.Context(), []string{"report", "--results", results, "--run", id, "--format", format, "--out", filepath.Dir(path)}, &out, &trouble)
		if code != 0 || out.String() != path+"\n" {
			t.Errorf("%s: got exit code %d, %q and %q, want the path", format, code, out.String(), trouble.String())
		}
		if text, err := os.ReadFile(path); err != nil || !strings.Contains(string(text), id) {
			t.Errorf("%s: got %v, want a report on the run", format, err)
		}
	}
}

func writeFile(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
