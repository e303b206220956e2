package main

import (
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/pflag"

	"github.com/plumbline/plumbline/internal/store"
	"github.com/plumbline/plumbline/pkg/loadgen"
	"github.com/plumbline/plumbline/pkg/run"
)

func TestRemarks(t *testing.T) {
	at := time.Date(2026, 1, 18, 14, 0, 0, 0, time.UTC)
	suspect := func(from int, reasons ...string) run.Suspect {
		start := at.Add(time.Duration(from) * time.Second)
		return run.Suspect{Window: run.Window{Start: start, End: start.Add(10 * time.Second)}, Reasons: reasons}
	}
	for _, tt := range []struct {
		name        string
		cutOff      int64
		suspect     []run.Suspect
		interrupted bool
		want        []string
	}{
		{name: "all is well"},
		{name: "one request takes too long", cutOff: 1, want: []string{"1 request was cut off, and not counted; --grace gives more time than 30s"}},
		{name: "several do", cutOff: 12, want: []string{"12 requests were cut off, and not counted; --grace gives more time than 30s"}},
		{name: "the user didn't want to wait", cutOff: 12, interrupted: true, want: []string{"12 requests were cut off, and not counted"}},
		{name: "a suspect window", suspect: []run.Suspect{suspect(10, "start lag p99 was 92.1 ms, must be below 10 ms", "3 of 10 due iterations were dropped")},
			want: []string{"1 window is suspect, from 14:00:10 to 14:00:20: start lag p99 was 92.1 ms, must be below 10 ms; 3 of 10 due iterations were dropped"}},
		{name: "several, beside a request", cutOff: 1, suspect: []run.Suspect{suspect(10, "a"), suspect(30, "b")},
			want: []string{"1 request was cut off, and not counted; --grace gives more time than 30s", "2 windows are suspect, the first from 14:00:10 to 14:00:20: a"}},
	} {
		s := loadgen.Summary{CutOff: tt.cutOff, Validity: run.Generator{WindowSeconds: 10, Suspect: tt.suspect}}
		if diff := cmp.Diff(tt.want, remarks(s, 30*time.Second, tt.interrupted)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
}

func TestAnInvalidRunNamesAllReasons(t *testing.T) {
	err := exit(run.Run{ID: "a"}, loadgen.Segment{}, loadgen.Summary{Validity: run.Generator{Reasons: []string{"one", "two"}}}, nil)
	if want := "run a: the load can't be trusted: one; two"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

// Zeros mean something else to the generator than they do on the command line.
func TestPatienceAndGrace(t *testing.T) {
	dir := t.TempDir()
	writeFiles(t, dir, graceFiles)
	for _, tt := range []struct {
		args            string
		patience, grace time.Duration
	}{
		{"", 5 * time.Second, 30 * time.Second},
		{"--patience 1m --grace 90s", time.Minute, 90 * time.Second},
		{"--patience 0 --grace 0", -1, 1},
	} {
		var f runFlags
		fs := pflag.NewFlagSet("run", pflag.ContinueOnError)
		f.flags(fs)
		args := append(strings.Fields(tt.args), "--profiles", filepath.Join(dir, "p.yaml"), "--profile", "p", "--target", "http://127.0.0.1:1")
		if err := fs.Parse(args); err != nil {
			t.Fatal(err)
		}
		spec, err := f.spec(filepath.Join(dir, "s.yaml"))
		if err != nil || spec.Patience != tt.patience || spec.Grace != tt.grace {
			t.Errorf("%q: got a patience of %s and a grace of %s, %v, want %s and %s", tt.args, spec.Patience, spec.Grace, err, tt.patience, tt.grace)
		}
	}
}

const graceFiles = `-- s.yaml --
apiVersion: plumbline/v1
kind: Scenario
name: s
users: [{name: u, tasks: [{name: get, request: GET /}]}]
-- p.yaml --
apiVersion: plumbline/v1
kind: Profiles
profiles: {p: {users: 3, spawn_rate: 100, duration: 1s}}
`

// Requests that take longer than the grace are cut off, and the user is told.
func TestGraceCutsOff(t *testing.T) {
	t.Parallel()
	var asked atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/metrics" && asked.Add(1) > 3 {
			<-r.Context().Done()
		}
	}))
	defer server.Close()
	dir := t.TempDir()
	writeFiles(t, dir, graceFiles)
	code, stderr := startLoadgen(t, dir, "cut", "--target", server.URL, "--grace", "100ms")()
	if want := "\n3 requests were cut off, and not counted; --grace gives more time than 100ms\n"; code != 0 && code != 3 || !strings.Contains(stderr, want) {
		t.Errorf("got exit code %d, %s, want %s", code, stderr, want)
	}
	r, err := store.Open(filepath.Join(dir, "results")).Load("cut")
	if took := r.Window.Duration(); err != nil || took > 30*time.Second {
		t.Errorf("the run took %s, %v, want a second and the grace, not that of who names none", took, err)
	}
}

// A target that answers nothing any more ends the run when the patience does,
// which is longer here than that of who names none.
func TestPatienceEnds(t *testing.T) {
	t.Parallel()
	var asked atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/metrics" && asked.Add(1) > 10 {
			panic(http.ErrAbortHandler)
		}
	}))
	defer server.Close()
	dir := t.TempDir()
	writeFiles(t, dir, strings.Replace(graceFiles, "tasks:", "think: 100ms, tasks:", 1))
	code, stderr := startLoadgen(t, dir, "gone", "--target", server.URL, "--duration-scale", "300", "--patience", "7s")()
	if code != 2 || !strings.Contains(stderr, "the target has answered nothing since") {
		t.Errorf("got exit code %d, %s, want 2, that the target answers nothing", code, stderr)
	}
	r, err := store.Open(filepath.Join(dir, "results")).Load("gone")
	if took := r.Window.Duration(); err != nil || took < 7*time.Second || r.State != run.Aborted {
		t.Errorf("the run took %s and is %s, %v, want it aborted after 7 s or more", took, r.State, err)
	}
}

// What the target offers is chosen only where that is asked for.
func TestTheServerChoosesHTTP(t *testing.T) {
	t.Parallel()
	for version, want := range map[string]string{"1.1": "HTTP/1.1", "auto": "HTTP/2.0"} {
		spoken := map[string]int{}
		calls := make(chan string, 1000)
		server := httptest.NewUnstartedServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			if r.URL.Path != "/metrics" {
				calls <- r.Proto
			}
		}))
		server.EnableHTTP2 = true
		server.StartTLS()
		dir := t.TempDir()
		writeFiles(t, dir, strings.Replace(graceFiles, "tasks:", "think: 100ms, tasks:", 1))
		code, stderr := startLoadgen(t, dir, "run", "--target", server.URL, "--insecure", "--http", version)()
		server.Close()
		close(calls)
		for proto := range calls {
			spoken[proto]++
		}
		if len(spoken) != 1 || spoken[want] == 0 || code != 0 && code != 3 {
			t.Errorf("--http %s: got exit code %d, %s, and %v, want %s alone", version, code, stderr, spoken, want)
		}
	}
}
