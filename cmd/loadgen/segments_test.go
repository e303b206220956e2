package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/common/config"

	"github.com/plumbline/plumbline/internal/store"
	"github.com/plumbline/plumbline/pkg/promql"
	"github.com/plumbline/plumbline/pkg/promql/embedded"
	"github.com/plumbline/plumbline/pkg/promql/querytest"
	"github.com/plumbline/plumbline/pkg/run"
)

// A counted server knows what each run asked it for.
type counted struct {
	mu       sync.Mutex
	requests map[string]int // by run and request
}

func (c *counted) ServeHTTP(_ http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.requests[r.Header.Get("X-Run")+" "+r.Method+" "+r.URL.String()]++
}

func (c *counted) of(id string) map[string]int {
	c.mu.Lock()
	defer c.mu.Unlock()
	own := map[string]int{}
	for key, n := range c.requests {
		if request, is := strings.CutPrefix(key, id+" "); is {
			own[request] = n
		}
	}
	return own
}

const segmentedFiles = `-- s.yaml --
apiVersion: plumbline/v1
kind: Scenario
name: s
headers: {X-Run: "${env.RUN}"}
data: {rows: {file: rows.txt, pick: sequential}}
users:
  - name: u
    tasks:
      - {name: read, weight: 3, request: "GET /read/${rows}/${randInt(1, 1000)}"}
      - {name: write, weight: 1, request: "POST /write/${iteration()}", json: {id: "${uuid()}"}}
-- p.yaml --
apiVersion: plumbline/v1
kind: Profiles
profiles: {p: {arrival_rate: 200/s, duration: 4s, max_in_flight: 40}}
`

func writeFiles(t *testing.T, dir, archive string) {
	t.Helper()
	for _, part := range strings.Split(archive, "-- ")[1:] {
		name, text, _ := strings.Cut(part, " --\n")
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// startLoadgen starts the program; the run's name goes into its requests.
func startLoadgen(t *testing.T, dir, id string, args ...string) (wait func() (code int, stderr string)) {
	t.Helper()
	return launch(t, dir, id, args...).wait
}

// A child is the program under way.
type child struct {
	cmd    *exec.Cmd
	stderr transcript
}

// A transcript can be read while it is written.
type transcript struct {
	mu   sync.Mutex
	text strings.Builder
}

func (s *transcript) Write(text []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(text)
}

func (s *transcript) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

// awaitText waits until the program has said something.
func (c *child) awaitText(t *testing.T, text string) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !strings.Contains(c.stderr.String(), text); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("got %s, want %s", c.stderr.String(), text)
		}
	}
}

func launch(t *testing.T, dir, id string, args ...string) *child {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute) // for one that would never end
	t.Cleanup(cancel)
	c := &child{cmd: exec.CommandContext(ctx, os.Args[0])}
	c.cmd.Args = append([]string{"loadgen", "run", "s.yaml", "--profiles", "p.yaml", "--profile", "p", "--run", id}, args...)
	c.cmd.Dir, c.cmd.Env, c.cmd.Stderr = dir, append(os.Environ(), "RUN="+id), &c.stderr
	if err := c.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return c
}

func (c *child) wait() (code int, stderr string) {
	_ = c.cmd.Wait() // the exit code says it
	return c.cmd.ProcessState.ExitCode(), c.stderr.String()
}

// One process does a run alone and four do it together, each on a loopback
// address of its own; a real Prometheus scrapes them all, and the totals are equal.
func TestFourSegmentsAreOneRun(t *testing.T) {
	t.Parallel()
	binary := querytest.Binary(t)
	if l, err := net.Listen("tcp", "127.0.0.2:0"); err != nil {
		t.Skipf("only one loopback address here: %v", err)
	} else {
		l.Close()
	}
	target := &counted{requests: map[string]int{}}
	server := httptest.NewServer(target)
	defer server.Close()
	dir := t.TempDir()
	writeFiles(t, dir, segmentedFiles)
	var rows strings.Builder
	for i := range 13 {
		fmt.Fprintf(&rows, "row-%d\n", i)
	}
	if err := os.WriteFile(filepath.Join(dir, "rows.txt"), []byte(rows.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	var pages []string
	for i := range 5 {
		pages = append(pages, freeAddress(t, fmt.Sprintf("127.0.0.%d", i+2)))
	}
	prometheus := startPrometheus(t, binary, pages)

	at := time.Now().Add(12 * time.Second).Truncate(time.Second) // Prometheus finds its targets after 5 s
	common := []string{"--target", server.URL, "--prometheus", prometheus, "--scrape-interval", "1s", "--seed", "7", "--start-at", at.Format(time.RFC3339)}
	waits := []func() (int, string){startLoadgen(t, dir, "whole", append(common, "--listen", pages[0])...)}
	for i := 1; i <= 4; i++ {
		waits = append(waits, startLoadgen(t, dir, "parts", append(common, "--listen", pages[i], "--segment", fmt.Sprintf("%d/4", i))...))
	}
	var said []string
	for i, wait := range waits {
		code, stderr := wait()
		if code != 0 && code != 3 { // 3 on a machine that is too busy
			t.Fatalf("process %d: exit code %d: %s", i, code, stderr)
		}
		said = append(said, stderr)
	}
	late := strings.Contains(said[1], "after the common start: it took longer to get ready") // on such a machine, too
	whole, parts := target.of("whole"), target.of("parts")
	if diff := cmp.Diff(whole, parts); diff != "" || len(whole) < 700 {
		t.Errorf("%d kinds of requests arrived of one process (-), %d of four (+):\n%.2000s", len(whole), len(parts), diff)
	}
	checkTotals(t, prometheus)
	r, err := store.Open(filepath.Join(dir, "results")).Load("parts")
	if err != nil {
		t.Fatal(err)
	}
	if r.State != run.Complete || r.Generators.Expected != 4 || len(r.Generators.Segments) != 4 || r.Window.Start.Equal(at) == late {
		t.Errorf("got %s with %d of %d segments from %s, want it complete with 4 of 4 from %s, unless it says otherwise: %s", r.State, len(r.Generators.Segments), r.Generators.Expected, r.Window.Start, at, said[1])
	}
	for i, g := range r.Generators.Segments {
		if g.Segment != i+1 {
			t.Errorf("got segment %d in place %d", g.Segment, i+1)
		}
	}
}

// checkTotals asks the Prometheus: 800 arrivals, request for request.
func checkTotals(t *testing.T, prometheus string) {
	t.Helper()
	client, err := promql.NewClient(prometheus, config.DefaultHTTPClientConfig)
	if err != nil {
		t.Fatal(err)
	}
	totals := func(id string) map[string]float64 {
		sums := map[string]float64{}
		for _, metric := range []string{"loadgen_requests_total", "loadgen_response_time_seconds_count", "loadgen_response_time_seconds_bucket", "loadgen_due_total"} {
			by := map[string]string{"loadgen_due_total": "scenario", "loadgen_response_time_seconds_bucket": "request"}[metric]
			if by == "" {
				by = "request,outcome"
			}
			match := `{run="` + id + `"}`
			if strings.HasSuffix(metric, "_bucket") {
				match = `{run="` + id + `",le="+Inf"}`
			}
			res, err := client.Query(t.Context(), "sum by ("+by+") (last_over_time("+metric+match+"[1m]))", time.Now())
			if err != nil {
				t.Fatal(err)
			}
			for _, s := range res.Series {
				sums[metric+s.Labels.String()] = s.Points[0].Value
			}
		}
		return sums
	}
	whole, parts := totals("whole"), totals("parts")
	if diff := cmp.Diff(whole, parts); diff != "" {
		t.Errorf("totals of one process (-), of four (+):\n%s", diff)
	}
	if got := whole[`loadgen_due_total{scenario="s"}`]; got != 800 {
		t.Errorf("got %v arrivals, want 800; all totals %v", got, whole)
	}
}

// Segment 1 records the run and scrapes the other one, which shares its folder;
// a third that never comes makes the run inconclusive.
func TestTheFirstSegmentRecordsTheOthers(t *testing.T) {
	t.Parallel()
	target := &counted{requests: map[string]int{}}
	server := httptest.NewServer(target)
	defer server.Close()
	dir := t.TempDir()
	writeFiles(t, dir, segmentedFiles)
	if err := os.WriteFile(filepath.Join(dir, "rows.txt"), []byte("a\nb\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	page := freeAddress(t, "127.0.0.1")
	cfg := "apiVersion: plumbline/v1\nkind: Config\nscrape_configs:\n  - job_name: segments\n    static_configs: [{targets: ['" + page + "']}]\n"
	if err := os.WriteFile(filepath.Join(dir, "first.yaml"), []byte(cfg), 0o600); err != nil {
		t.Fatal(err)
	}
	at := time.Now().Add(10 * time.Second).Format(time.RFC3339)
	first := startLoadgen(t, dir, "three", "--target", server.URL, "--segment", "1/3", "--start-at", at, "--config", "first.yaml", "--instance", "first")
	second := startLoadgen(t, dir, "three", "--target", server.URL, "--segment", "2/3", "--start-at", at, "--listen", page)
	if code, stderr := first(); code != 3 || !strings.Contains(stderr, "warning: segment 3 never came") || !strings.Contains(stderr, "waiting until ") ||
		!strings.Contains(stderr, "the load can't be trusted: ") || !strings.Contains(stderr, "2 of 3 expected load generator segments are there") {
		t.Errorf("segment 1: got exit code %d, %s, want 3 and that segment 3 never came", code, stderr)
	}
	if code, stderr := second(); code != 0 && code != 3 {
		t.Fatalf("segment 2: exit code %d: %s", code, stderr)
	}
	st := store.Open(filepath.Join(dir, "results"))
	r, err := st.Load("three")
	if err != nil {
		t.Fatal(err)
	}
	if problems := r.Generators.Problems(); len(r.Generators.Segments) != 2 || len(problems) == 0 {
		t.Errorf("two of three segments: got %+v and problems %q, want that one is missing", r.Generators, problems)
	}
	sent := 0
	for _, n := range target.of("three") {
		sent += n
	}
	if got := recorded(t, st.Recording("three"), "last_over_time(loadgen_requests_total[5m])"); sent < 500 || got != float64(sent) {
		t.Errorf("got %v requests in the recording of segment 1, want the %d of both", got, sent)
	}
	for _, form := range []string{"last_over_time(loadgen_response_time_seconds_count[5m])", "histogram_count(last_over_time(loadgen_response_time_seconds[5m]))"} {
		if got := recorded(t, st.Recording("three"), form); got != float64(sent) {
			t.Errorf("%s: got %v, want the %d of both segments", form, got, sent)
		}
	}
	if code, stderr := startLoadgen(t, dir, "three", "--target", server.URL, "--segment", "2/3")(); code != 2 || !strings.Contains(stderr, "segment 2 is taken") {
		t.Errorf("a segment twice: got exit code %d, %s, want 2, that it is taken", code, stderr)
	}
}

func freeAddress(t *testing.T, host string) string {
	t.Helper()
	l, err := net.Listen("tcp", net.JoinHostPort(host, "0"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// startPrometheus starts a server that scrapes the pages every second.
func startPrometheus(t *testing.T, binary string, pages []string) string {
	t.Helper()
	targets, err := json.Marshal(pages)
	if err != nil {
		t.Fatal(err)
	}
	config := "global: {scrape_interval: 1s, scrape_timeout: 1s}\nscrape_configs:\n- job_name: loadgen\n  static_configs: [{targets: " + string(targets) + "}]\n"
	return querytest.Serve(t, querytest.Setup{Binary: binary, Config: config, Flags: []string{querytest.Receiver}}).URL
}

// recorded is the sum of an expression over all of a sealed recording's segments.
func recorded(t *testing.T, dir, expr string) float64 {
	t.Helper()
	db, err := embedded.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	res, err := db.Query(t.Context(), "sum("+expr+")", time.Now())
	if err != nil || len(res.Series) != 1 {
		t.Fatalf("got %v, %v, want a sum", res, err)
	}
	return res.Series[0].Points[0].Value
}

// A run whose series are pushed to a Prometheus, under both our names and k6's.
func TestRemoteWrite(t *testing.T) {
	t.Parallel()
	binary := querytest.Binary(t)
	target := &counted{requests: map[string]int{}}
	server := httptest.NewServer(target)
	defer server.Close()
	dir := t.TempDir()
	writeFiles(t, dir, segmentedFiles)
	if err := os.WriteFile(filepath.Join(dir, "rows.txt"), []byte("a\nb\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	prometheus := startPrometheus(t, binary, []string{})
	code, stderr := startLoadgen(t, dir, "pushed", "--target", server.URL, "--prometheus", prometheus, "--remote-write", prometheus+"/api/v1/write",
		"--instance", "me", "--k6-metrics", "--duration-scale", "0.5")()
	if code != 0 && code != 3 {
		t.Fatalf("exit code %d: %s", code, stderr)
	}
	if strings.Count(stderr, "takes no native histograms") != 1 {
		t.Errorf("got %s, want that this Prometheus takes no native histograms, once", stderr)
	}
	sent := 0
	for _, n := range target.of("pushed") {
		sent += n
	}
	client, err := promql.NewClient(prometheus, config.DefaultHTTPClientConfig)
	if err != nil {
		t.Fatal(err)
	}
	for _, expr := range []string{
		`sum(loadgen_requests_total{run="pushed",instance="me",job="loadgen"})`,
		`sum(loadgen_response_time_seconds_bucket{run="pushed",le="+Inf"})`,
		`sum(k6_http_reqs_total{testid="pushed"})`,
		`sum(k6_http_req_duration_seconds_count{testid="pushed",expected_response="true"})`,
		`400 * up{job="loadgen",instance="me"}`,
	} {
		res, err := client.Query(t.Context(), expr, time.Now())
		if err != nil || len(res.Series) != 1 || res.Series[0].Points[0].Value != float64(sent) || sent != 400 {
			t.Errorf("%s: got %v, %v, want %d, 400", expr, res.Series, err, sent)
		}
	}
	r, err := store.Open(filepath.Join(dir, "results")).Load("pushed")
	if err != nil || r.Source.Recording || r.Source.Prometheus != prometheus {
		t.Errorf("got source %+v, %v, want the Prometheus", r.Source, err)
	}
	code, stderr = startLoadgen(t, dir, "dead", "--target", server.URL, "--remote-write", "http://127.0.0.1:1/write")()
	if _, err := os.Stat(filepath.Join(dir, "results", "runs", "dead")); code != 2 || !strings.Contains(stderr, "remote write to http://127.0.0.1:1/write") || !os.IsNotExist(err) {
		t.Errorf("dead server: got exit code %d, %s, %v, want 2 before the load, nothing left behind", code, stderr, err)
	}
}
