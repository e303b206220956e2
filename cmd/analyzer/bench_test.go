package main

import (
	"bytes"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/plumbline/plumbline/internal/store"
	"github.com/plumbline/plumbline/pkg/promql"
	"github.com/plumbline/plumbline/pkg/promql/embedded"
	"github.com/plumbline/plumbline/pkg/run"
)

// BenchmarkReport makes the report on a run of 30 minutes at a scrape every 5 s,
// in all formats, by the program itself: from its start to its end.
// Goals: 10,000 series 1.5 s and 300 MB; 100,000 series 10 s and 1.5 GB.
func BenchmarkReport(b *testing.B) {
	for _, series := range []int{10_000, 100_000} {
		b.Run(fmt.Sprintf("series=%d", series), func(b *testing.B) {
			dir := b.TempDir()
			r := bigRun(b, dir, 30*time.Minute, series)
			analyzer := program(b)
			var peak int64
			var cpu time.Duration
			for b.Loop() {
				spent := makeReport(b, analyzer, dir, r.ID)
				peak, cpu = max(peak, spent.memory), cpu+spent.cpu
			}
			b.ReportMetric(float64(peak)/1e6, "peak-MB")
			b.ReportMetric(cpu.Seconds()/float64(b.N), "cpu-s/op")
		})
	}
}

// program is this test binary under the name by which it is analyzer.
func program(b *testing.B) string {
	b.Helper()
	self, err := os.Executable()
	if err != nil {
		b.Fatal(err)
	}
	path := filepath.Join(b.TempDir(), "analyzer")
	if err := os.Symlink(self, path); err != nil {
		b.Fatal(err)
	}
	return path
}

// spent is what a process used.
type spent struct {
	memory int64 // the most at one time, in bytes
	cpu    time.Duration
}

// makeReport runs analyzer report.
func makeReport(b *testing.B, analyzer, dir, id string, args ...string) spent {
	b.Helper()
	cmd := exec.Command(analyzer, append([]string{"report", "--results", dir, "--run", id, "--format", "json,md,html"}, args...)...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	var s spent
	for {
		select {
		case err := <-ended:
			if code := cmd.ProcessState.ExitCode(); err != nil && code != 1 && code != 3 {
				b.Fatalf("%v: %s", err, out.String())
			}
			s.cpu = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
			return s
		case <-time.After(5 * time.Millisecond):
			// Not the peak that Wait tells: it counts what this process had when it forked.
			s.memory = max(s.memory, peakMemory(cmd.Process.Pid))
		}
	}
}

// peakMemory is the most that a process had, in bytes; 0 when it has ended.
func peakMemory(pid int) (bytes int64) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	_, after, _ := strings.Cut(string(status), "VmHWM:")
	if _, err := fmt.Sscan(after, &bytes); err != nil {
		return 0
	}
	return bytes * 1024
}

const benchScrape = 5 * time.Second

// bigRun records a run with about so many series of a service, its pods and its
// load generator. Scrapes fall beside whole seconds, as they do: where one lies
// exactly on the edge of a range, Prometheus 2 counts it twice in rate() and
// Prometheus 3 doesn't.
func bigRun(b testing.TB, dir string, duration time.Duration, series int) run.Run {
	b.Helper()
	start := time.Date(2026, 1, 18, 10, 0, 0, 0, time.UTC)
	window := run.Window{Start: start, End: start.Add(duration)}
	r := run.Run{
		ID: "PERF-2026-01-18-001", Service: "paracle-api", Window: window,
		Steady: run.Window{Start: start.Add(duration / 6), End: start.Add(duration * 11 / 12)},
		Stages: []run.Stage{{Window: window, From: 500, To: 500, Scored: true}},
		Load:   run.Load{Users: 500, ThinkSeconds: 1}, State: run.Complete,
		Generators: run.Generators{Expected: 1, Segments: []run.Generator{{Segment: 1, Valid: true}}},
		Source:     run.Source{Recording: true, ScrapeSeconds: benchScrape.Seconds()},
	}
	st := store.Open(dir)
	if _, err := st.Reserve(r.ID, start); err != nil {
		b.Fatal(err)
	}
	sla, err := os.ReadFile("../../examples/paracle/demo/sla.yaml")
	if err != nil {
		b.Fatal(err)
	}
	stretches := strings.NewReplacer("over: 2s", "over: 1m", "over: 4s", "over: 10m")
	if err := st.WriteFile(r.ID, "sla.yaml", []byte(stretches.Replace(string(sla)))); err != nil {
		b.Fatal(err)
	}
	if err := st.Save(r); err != nil {
		b.Fatal(err)
	}
	w, err := embedded.Create(st.Recording(r.ID), window.Duration()+2*time.Minute)
	if err != nil {
		b.Fatal(err)
	}
	g := &series4bench{b: b, w: w, from: start.Add(-31_234 * time.Millisecond), n: int(duration/benchScrape) + 10}
	g.loadgen(r.ID)
	for pod := 0; g.count < series; pod++ {
		g.pod(pod)
	}
	if err := w.Seal(); err != nil {
		b.Fatal(err)
	}
	return r
}

// A series4bench writes series that grow evenly, each at a rate of its own.
type series4bench struct {
	b     testing.TB
	w     *embedded.Writer
	from  time.Time
	n     int // samples of a series
	count int // series so far
}

func (g *series4bench) add(name string, at func(i int) float64, pairs ...string) {
	points := make([]promql.Point, 0, g.n)
	for i := range g.n {
		if v := at(i); !math.IsNaN(v) {
			points = append(points, promql.Point{Time: g.from.Add(time.Duration(i) * benchScrape), Value: v})
		}
	}
	g.count++
	if err := g.w.Append(labels.FromStrings(append([]string{"__name__", name}, pairs...)...), points...); err != nil {
		g.b.Fatal(err)
	}
}

func grows(perScrape float64) func(int) float64 {
	return func(i int) float64 { return math.Floor(perScrape * float64(i)) }
}

// bornAt grows from a scrape on, at which it shows 7 already.
func bornAt(scrape int) func(int) float64 {
	return func(i int) float64 {
		if i < scrape {
			return math.NaN()
		}
		return 7 + float64(i-scrape)
	}
}

func steady(v float64) func(int) float64 { return func(int) float64 { return v } }

var benchBounds = []string{"0.005", "0.01", "0.025", "0.05", "0.1", "0.25", "0.5", "0.75", "1", "2.5", "5", "7.5", "10", "+Inf"}

// pod writes what one pod of the service shows.
func (g *series4bench) pod(n int) {
	at := []string{"job", "paracle-api", "instance", fmt.Sprintf("10.0.%d.%d:8000", n/250, n%250)}
	with := func(more ...string) []string { return append(more, at...) }
	g.add("up", steady(1), at...)
	g.add("process_cpu_seconds_total", grows(.4), at...)
	g.add("process_resident_memory_bytes", steady(4e8), at...)
	g.add("db_pool_connections_in_use", steady(12), at...)
	g.add("db_pool_connections_max", steady(20), at...)
	g.add("http_requests_total", bornAt(g.n/2), with("method", "GET", "endpoint", "/", "status", "503")...)
	for e := range 10 {
		endpoint := fmt.Sprintf("/api/v1/resource-%d", e)
		for i, status := range []string{"200", "404", "500"} {
			g.add("http_requests_total", grows([]float64{50, .1, .02}[i]), with("method", "GET", "endpoint", endpoint, "status", status)...)
		}
		for i, status := range []string{"200", "500"} {
			rate := []float64{50, .1}[i]
			for k, le := range benchBounds {
				share := 1 - math.Exp(-float64(k+1)/3)
				if le == "+Inf" {
					share = 1
				}
				g.add("http_request_duration_seconds_bucket", grows(rate*share), with("endpoint", endpoint, "status", status, "le", le)...)
			}
			g.add("http_request_duration_seconds_sum", grows(rate*.08), with("endpoint", endpoint, "status", status)...)
			g.add("http_request_duration_seconds_count", grows(rate), with("endpoint", endpoint, "status", status)...)
		}
	}
}

// loadgen writes what the load generator shows.
func (g *series4bench) loadgen(id string) {
	at := []string{"job", "loadgen", "instance", "127.0.0.1:9646", "run", id, "scenario", "mixed"}
	g.add("up", steady(1), at[:4]...)
	g.add("loadgen_users", steady(500), at...)
	for n := range 14 {
		for i, outcome := range []string{"success", "status"} {
			with := append([]string{"request", fmt.Sprintf("Request %d", n), "outcome", outcome}, at...)
			g.add("loadgen_requests_total", grows([]float64{100, .2}[i]), append([]string{"method", "GET", "status", "200"}, with...)...)
			g.add("loadgen_response_time_max_seconds", steady(2), with...)
			g.native("loadgen_response_time_seconds", []float64{100, 2}[i], with...)
			g.native("loadgen_service_time_seconds", []float64{100, 2}[i], with...)
		}
	}
}

// native writes a native histogram.
func (g *series4bench) native(name string, perScrape float64, pairs ...string) {
	points := make([]promql.Point, g.n)
	for i := range points {
		h := &histogram.FloatHistogram{Schema: 3, PositiveSpans: []histogram.Span{{Offset: -40, Length: 40}}}
		for k := range 40 {
			h.PositiveBuckets = append(h.PositiveBuckets, math.Floor(perScrape*float64(i)*float64(k+1)/820))
			h.Count += h.PositiveBuckets[k]
		}
		h.Sum = h.Count / 8
		points[i] = promql.Point{Time: g.from.Add(time.Duration(i) * benchScrape), Histogram: h}
	}
	g.count++
	if err := g.w.Append(labels.FromStrings(append([]string{"__name__", name}, pairs...)...), points...); err != nil {
		g.b.Fatal(err)
	}
}
