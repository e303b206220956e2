//go:build unix

package main

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/plumbline/plumbline/internal/store"
	"github.com/plumbline/plumbline/pkg/loadgen"
	"github.com/plumbline/plumbline/pkg/promql/embedded"
	"github.com/plumbline/plumbline/pkg/run"
)

// A slow server takes its time for every answer, and counts what is asked for and what it has answered.
type slowServer struct {
	takes           time.Duration
	asked, answered atomic.Int64
}

func (s *slowServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/metrics" {
		http.NotFound(w, r)
		return
	}
	s.asked.Add(1)
	select {
	case <-time.After(s.takes):
		s.answered.Add(1)
	case <-r.Context().Done():
	}
}

// await waits until so many requests are there.
func (s *slowServer) await(t *testing.T, requests int64) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); s.asked.Load() < requests; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("got %d requests, want %d", s.asked.Load(), requests)
		}
	}
}

const interruptedFiles = `-- s.yaml --
apiVersion: plumbline/v1
kind: Scenario
name: s
users: [{name: u, tasks: [{name: get, request: GET /}]}]
-- p.yaml --
apiVersion: plumbline/v1
kind: Profiles
profiles: {p: {users: 5, spawn_rate: 100, duration: 5m}}
`

func (c *child) signal(t *testing.T, s syscall.Signal) {
	t.Helper()
	if err := c.cmd.Process.Signal(s); err != nil {
		t.Fatal(err)
	}
}

// stopping is what is said once the first interrupt was seen.
const stopping = "stopping: requests in flight may take"

// kept reads what is left of a run that was stopped: it must be whole.
func kept(t *testing.T, dir, id string) loadgen.Summary {
	t.Helper()
	st := store.Open(filepath.Join(dir, "results"))
	r, err := st.Load(id)
	if err != nil {
		t.Fatal(err)
	}
	if r.State != run.Aborted || !strings.HasPrefix(r.Reason, "stopped by the user after ") {
		t.Errorf("got state %s, %q, want it aborted, stopped by the user", r.State, r.Reason)
	}
	db, err := embedded.Open(st.Recording(id))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if db.Recovered() {
		t.Error("the recording was not sealed")
	}
	text, err := os.ReadFile(filepath.Join(dir, "sum.json"))
	if err != nil {
		t.Fatal(err)
	}
	var s loadgen.Summary
	if err := json.Unmarshal(text, &s); err != nil {
		t.Fatal(err)
	}
	return s
}

func TestTheFirstInterruptEndsGracefully(t *testing.T) {
	t.Parallel()
	target := &slowServer{takes: 700 * time.Millisecond}
	server := httptest.NewServer(target)
	defer server.Close()
	dir := t.TempDir()
	writeFiles(t, dir, interruptedFiles)
	c := launch(t, dir, "gentle", "--target", server.URL, "--summary", "sum.json")
	target.await(t, 8) // 5 are answered, 3 or more are in flight
	c.signal(t, syscall.SIGINT)
	code, stderr := c.wait()
	if code != 0 {
		t.Errorf("got exit code %d, want 0", code)
	}
	for _, want := range []string{
		`(?m)^` + stopping + ` 30s; a second Ctrl-C cuts them off$`,
		`(?m)^run gentle: aborted, stopped by the user after \d+s of 5m0s$`,
		`(?m)^analyzer report --run gentle`,
	} {
		if !regexp.MustCompile(want).MatchString(stderr) {
			t.Errorf("got %s, want %s", stderr, want)
		}
	}
	s := kept(t, dir, "gentle")
	if asked, answered := target.asked.Load(), target.answered.Load(); s.Requests != asked || answered != asked || s.Failures != 0 || s.CutOff != 0 {
		t.Errorf("got %d requests, %d failed and %d cut off, want those %d that were asked, all answered: %d were", s.Requests, s.Failures, s.CutOff, asked, answered)
	}
	if got := recorded(t, store.Open(filepath.Join(dir, "results")).Recording("gentle"), "last_over_time(loadgen_requests_total[5m])"); got != float64(s.Requests) {
		t.Errorf("got %v requests in the recording, want %d", got, s.Requests)
	}
}

func TestTheSecondInterruptEndsAtOnce(t *testing.T) {
	t.Parallel()
	target := &slowServer{takes: time.Hour}
	server := httptest.NewServer(target)
	defer server.Close()
	dir := t.TempDir()
	writeFiles(t, dir, interruptedFiles)
	c := launch(t, dir, "hard", "--target", server.URL, "--summary", "sum.json", "--grace", "1h")
	target.await(t, 5)
	c.signal(t, syscall.SIGINT)
	c.awaitText(t, stopping) // else the two may be one
	c.signal(t, syscall.SIGINT)
	code, stderr := c.wait() // were it not at once, it would be after an hour
	if code != 2 || !strings.Contains(stderr, "\n5 requests were cut off, and not counted\n") || !strings.Contains(stderr, "\nloadgen: run hard: stopped by the user after ") {
		t.Errorf("got exit code %d, %s, want 2 since nothing was answered, and what was cut off", code, stderr)
	}
	if s := kept(t, dir, "hard"); s.Requests != 0 || s.CutOff != 5 {
		t.Errorf("got %d requests and %d cut off, want none and 5", s.Requests, s.CutOff)
	}
}

// One before the load leaves nothing behind.
func TestAnInterruptBeforeTheLoad(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	writeFiles(t, dir, interruptedFiles)
	nowhere := freeAddress(t, "127.0.0.1")
	c := launch(t, dir, "early", "--target", "http://"+nowhere, "--wait", "5m")
	c.awaitText(t, "waiting up to 5m0s: target http://"+nowhere)
	c.signal(t, syscall.SIGINT)
	code, stderr := c.wait()
	if _, err := os.Stat(filepath.Join(dir, "results")); code != 2 || !strings.HasSuffix(stderr, "\nloadgen: stopped by the user before the load began\n") || strings.Count(stderr, "\n") != 2 || !os.IsNotExist(err) {
		t.Errorf("got exit code %d, %s, %v, want 2, that it was stopped, and nothing left", code, stderr, err)
	}
}

// A process that stood still for a while was no good generator then, and says so.
func TestSuspectWindowsAreTold(t *testing.T) {
	t.Parallel()
	target := &slowServer{}
	server := httptest.NewServer(target)
	defer server.Close()
	dir := t.TempDir()
	writeFiles(t, dir, interruptedFiles)
	if err := os.WriteFile(filepath.Join(dir, "p.yaml"), []byte("apiVersion: plumbline/v1\nkind: Profiles\nprofiles: {p: {arrival_rate: 100/s, duration: 4s}}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c := launch(t, dir, "still", "--target", server.URL)
	target.await(t, 100)
	c.signal(t, syscall.SIGSTOP)
	time.Sleep(200 * time.Millisecond) // that long, or longer, it stands still
	c.signal(t, syscall.SIGCONT)
	code, stderr := c.wait()
	if want := `(?m)^1 window is suspect, from \S+ to \S+: start lag p99 was \d+\.\d ms, must be below 10 ms`; !regexp.MustCompile(want).MatchString(stderr) {
		t.Errorf("got %s, want %s", stderr, want)
	}
	if want := "loadgen: run still: the load can't be trusted: start lag p99 was"; code != 3 || !strings.Contains(stderr, want) {
		t.Errorf("got exit code %d, %s, want 3, %s", code, stderr, want)
	}
}

// A stop after the logins and before the load leaves a run that claims no load.
func TestAnInterruptBetweenLoginsAndLoad(t *testing.T) {
	t.Parallel()
	target := &slowServer{}
	server := httptest.NewServer(target)
	defer server.Close()
	dir := t.TempDir()
	writeFiles(t, dir, `-- s.yaml --
apiVersion: plumbline/v1
kind: Scenario
name: s
users:
  - {name: u, start: [{name: login, request: POST /login}], tasks: [{name: t, request: GET /}]}
-- p.yaml --
apiVersion: plumbline/v1
kind: Profiles
profiles: {p: {arrival_rate: 10/s, duration: 5m, max_in_flight: 5}}
`)
	c := launch(t, dir, "early", "--target", server.URL, "--summary", "sum.json", "--start-at", time.Now().Add(time.Minute).Format(time.RFC3339))
	target.await(t, 5) // all have logged in; now it waits, for a scrape or for the start
	c.signal(t, syscall.SIGINT)
	code, stderr := c.wait()
	if code != 2 || !strings.Contains(stderr, "stopped by the user before the load began") || strings.Contains(stderr, "Aggregated") || strings.Contains(stderr, "analyzer report") {
		t.Errorf("got exit code %d, %s, want 2 and that the load had not begun, no figures and nothing to report on", code, stderr)
	}
	text, err := os.ReadFile(filepath.Join(dir, "sum.json"))
	var s loadgen.Summary
	if err == nil {
		err = json.Unmarshal(text, &s)
	}
	if err != nil || s.Requests != 0 || len(s.ByRequest) != 0 || !s.Window.IsZero() {
		t.Errorf("summary: got %s, %v, want none of the logins", text, err)
	}
	r, err := store.Open(filepath.Join(dir, "results")).Load("early")
	if err != nil {
		t.Fatal(err)
	}
	if !r.Window.IsZero() || !r.Steady.IsZero() || r.State != run.Aborted {
		t.Errorf("got %s with window %v and scored window %v, want it aborted, without any", r.State, r.Window, r.Steady)
	}
}

// Who stops a run whose profile is over stops no load: the run is complete.
func TestAnInterruptAfterTheProfile(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	var asked atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/metrics" {
			asked.Add(1)
			<-release
		}
	}))
	defer server.Close()
	dir := t.TempDir()
	writeFiles(t, dir, graceFiles)
	c := launch(t, dir, "over", "--target", server.URL)
	for deadline := time.Now().Add(30 * time.Second); asked.Load() == 0 && time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
	}
	time.Sleep(1100 * time.Millisecond) // the profile lasts a second
	c.signal(t, syscall.SIGINT)
	c.awaitText(t, stopping)
	close(release)
	code, stderr := c.wait()
	r, err := store.Open(filepath.Join(dir, "results")).Load("over")
	if code != 0 && code != 3 || err != nil || r.State != run.Complete || !strings.Contains(stderr, "\nrun over: complete\n") {
		t.Errorf("got exit code %d, %s, state %s, %v, want a complete run", code, stderr, r.State, err)
	}
}

// It is said which segments the first one waits for, and one interrupt ends that.
func TestAnInterruptWhileSegmentsAreAwaited(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(&slowServer{})
	defer server.Close()
	dir := t.TempDir()
	writeFiles(t, dir, graceFiles)
	if err := store.Open(filepath.Join(dir, "results")).ReserveSegment("parts", 2); err != nil { // which never ends
		t.Fatal(err)
	}
	c := launch(t, dir, "parts", "--target", server.URL, "--segment", "1/2", "--grace", "1h")
	c.awaitText(t, "waiting up to 1h0m10s: run parts: segment 2 under way\n")
	c.signal(t, syscall.SIGINT)
	code, stderr := c.wait() // were it not ended, it would be after an hour
	if code != 0 && code != 3 || !strings.Contains(stderr, "warning: run parts: segment 2 had not ended after ") {
		t.Errorf("got exit code %d, %s, want that segment 2 had not ended", code, stderr)
	}
}

// A terminal that hangs up ends the load as Ctrl-C does. The shell and the kernel
// both tell of it, so the second time is no second Ctrl-C.
func TestAHangupEndsGracefully(t *testing.T) {
	t.Parallel()
	heard := make(chan os.Signal, 1)
	signal.Notify(heard, syscall.SIGHUP) // or, under nohup, loadgen would inherit that it is ignored
	defer signal.Stop(heard)
	target := &slowServer{takes: 700 * time.Millisecond}
	server := httptest.NewServer(target)
	defer server.Close()
	dir := t.TempDir()
	writeFiles(t, dir, interruptedFiles)
	c := launch(t, dir, "hung", "--target", server.URL, "--summary", "sum.json")
	target.await(t, 8)
	c.signal(t, syscall.SIGHUP)
	c.awaitText(t, stopping)
	c.signal(t, syscall.SIGHUP)
	if code, stderr := c.wait(); code != 0 {
		t.Errorf("got exit code %d, %s, want 0", code, stderr)
	}
	if s := kept(t, dir, "hung"); s.Requests != target.asked.Load() || s.CutOff != 0 {
		t.Errorf("got %d requests and %d cut off, want all %d that were asked", s.Requests, s.CutOff, target.asked.Load())
	}
}

// Nobody reads what it says any more, as in loadgen run … 2>&1 | head -1.
func TestAClosedScreenEndsNoRun(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(&slowServer{})
	defer server.Close()
	dir := t.TempDir()
	writeFiles(t, dir, interruptedFiles)
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	r.Close()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Args = []string{"loadgen", "run", "s.yaml", "--profiles", "p.yaml", "--profile", "p", "--run", "unread", "--target", server.URL, "--duration-scale", "0.01", "--slow", "1ns", "--summary", "-"}
	cmd.Dir, cmd.Stderr, cmd.Stdout = dir, w, w
	err = cmd.Run()
	w.Close()
	if state, loadErr := store.Open(filepath.Join(dir, "results")).Load("unread"); loadErr != nil || state.State != run.Complete {
		t.Errorf("the program ended with %v, and the run is %s, %v, want it complete", err, state.State, loadErr)
	}
}

// Who stops a run whose logins take long is told that, beside what was not answered.
func TestAnInterruptDuringTheLogins(t *testing.T) {
	t.Parallel()
	target := &slowServer{takes: time.Hour}
	server := httptest.NewServer(target)
	defer server.Close()
	dir := t.TempDir()
	writeFiles(t, dir, strings.Replace(interruptedFiles, "tasks:", "start: [{name: login, request: POST /login}], tasks:", 1))
	c := launch(t, dir, "login", "--target", server.URL, "--summary", "sum.json", "--grace", "100ms")
	target.await(t, 5)
	c.signal(t, syscall.SIGINT)
	code, stderr := c.wait()
	if want := regexp.MustCompile(`(?m)^loadgen: run login: stopped by the user after \d+s of 5m0s; nothing was answered: .* cut off$`); code != 2 || !want.MatchString(stderr) {
		t.Errorf("got exit code %d, %s, want 2, %s", code, stderr, want)
	}
	kept(t, dir, "login")
	text, err := os.ReadFile(filepath.Join(dir, "sum.json"))
	if want := regexp.MustCompile(`(?s)^{\s+"run": "login",\s+"scenario": "s",\s+"profile": "p",\s+"state": "aborted",\s+"reason": "stopped by the user after .*"requests": 0,`); err != nil || !want.Match(text) {
		t.Errorf("got %s, %v, want %s", text, err, want)
	}
}
