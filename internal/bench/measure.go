package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A harness measures, and collects rows.
type harness struct {
	loadgen string
	full    bool
	only    []string
	rounds  int

	self, dir   string
	epollTarget string // in C; "" for our own
	rows        []row
}

// A row of the table: what was measured, and the goal, where there is one.
type row struct {
	what, value, goal string
	met               bool
}

// A measurement adds its rows.
type measurement struct {
	name    string
	measure func(*harness, context.Context) error
}

var measurements = []measurement{
	{"get", (*harness).get},
	{"step", (*harness).step},
	{"outputs", (*harness).outputs},
	{"memory", (*harness).memory},
	{"growth", (*harness).growth},
	{"pacing", (*harness).pacing},
	{"stall", (*harness).stall},
	{"recording", (*harness).recording},
	{"scraping", (*harness).scraping},
}

// measure makes the measurements and prints the table.
func (h *harness) measure(ctx context.Context, out, progress io.Writer) error {
	if err := h.prepare(ctx); err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(h.dir) }() // it is the system's folder for such things
	var troubles []error
	for _, m := range measurements {
		if len(h.only) > 0 && !slices.Contains(h.only, m.name) {
			continue
		}
		fmt.Fprintf(progress, "measuring %s …\n", m.name)
		if err := m.measure(h, ctx); err != nil { // the others may still work
			troubles = append(troubles, fmt.Errorf("%s: %w", m.name, err))
		}
	}
	h.print(out)
	return errors.Join(troubles...)
}

// epollSource is where the epoll target in C may lie.
const epollSource = "../shared/bench/epoll_target.c"

func (h *harness) prepare(ctx context.Context) error {
	if runtime.NumCPU() < 2 {
		return errors.New("want two cores: one for the target, one for the generators")
	}
	var err error
	if h.self, err = os.Executable(); err != nil {
		return err
	}
	if h.loadgen, err = filepath.Abs(h.loadgen); err != nil {
		return err
	}
	for _, program := range []string{h.loadgen, "taskset", "chrt", "wrk", "hey"} {
		if _, err := exec.LookPath(program); err != nil {
			return err
		}
	}
	if h.dir, err = os.MkdirTemp("", "bench-"); err != nil {
		return err
	}
	compiled := filepath.Join(h.dir, "epoll_target")
	if exec.CommandContext(ctx, "cc", "-O2", "-o", compiled, epollSource).Run() == nil { //nolint:gosec // our own words
		h.epollTarget = compiled
	}
	return h.writeFiles()
}

// print writes the table.
func (h *harness) print(out io.Writer) {
	width := 0
	for _, r := range h.rows {
		width = max(width, len([]rune(r.what)))
	}
	for _, r := range h.rows {
		verdict := ""
		if r.goal != "" {
			verdict = map[bool]string{true: "met", false: "NOT MET"}[r.met]
		}
		fmt.Fprintf(out, "%-*s  %18s  %18s  %s\n", width, r.what, r.value, r.goal, verdict)
	}
}

func (h *harness) show(what, format string, args ...any) {
	h.rows = append(h.rows, row{what: what, value: fmt.Sprintf(format, args...)})
}

// atMost and atLeast add a row with a goal. NaN misses it.
func (h *harness) atMost(what, format string, value, goal float64) {
	h.rows = append(h.rows, row{what, fmt.Sprintf(format, value), "≤ " + fmt.Sprintf(format, goal), value <= goal})
}

func (h *harness) atLeast(what, format string, value, goal float64) {
	h.rows = append(h.rows, row{what, fmt.Sprintf(format, value), "≥ " + fmt.Sprintf(format, goal), value >= goal})
}

func median(v []float64) float64 {
	if len(v) == 0 {
		return math.NaN()
	}
	v = slices.Sorted(slices.Values(v))
	return (v[(len(v)-1)/2] + v[len(v)/2]) / 2
}

// speeds are what was measured of one program, round by round.
type speeds struct{ rate, cpu []float64 } // requests a second, seconds a request

func (s *speeds) add(rate, cpu float64) { s.rate, s.cpu = append(s.rate, rate), append(s.cpu, cpu) }

// ratios are those of two programs in the same rounds.
func ratios(a, b []float64) (r []float64) {
	for i := range a {
		r = append(r, a[i]/b[i])
	}
	return r
}

// get measures a plain GET with 50 connections; the programs take turns.
func (h *harness) get(ctx context.Context) error {
	url, stop, err := h.startTarget(ctx)
	if err != nil {
		return err
	}
	defer stop()
	var ours, wrk, hey speeds
	for range h.rounds {
		s, err := h.send(ctx, url, "get", "fifty", nil)
		if err != nil {
			return err
		}
		ours.add(s.RequestsPerSecond, s.cpuPerRequest())
		if err := h.peer(ctx, &wrk, "wrk", "-t1", "-c50", "-d4s", url+"/"); err != nil {
			return err
		}
		if err := h.peer(ctx, &hey, "hey", "-c", "50", "-z", "4s", "-cpus", "1", url+"/"); err != nil {
			return err
		}
	}
	for _, p := range []struct {
		name string
		speeds
	}{{"loadgen", ours}, {"wrk", wrk}, {"hey", hey}} {
		h.show("plain GET, 50 connections: "+p.name, "%.0f req/s", median(p.rate))
	}
	h.atLeast("  ratio to wrk", "%.2f", median(ratios(ours.rate, wrk.rate)), 0.70)
	h.atLeast("  ratio to hey", "%.1f", median(ratios(ours.rate, hey.rate)), 2)
	h.atMost("  processor time, all of loadgen", "%.1f µs/request", median(ours.cpu)*1e6, 9.5)
	h.show("  processor time, wrk", "%.1f µs/request", median(wrk.cpu)*1e6)
	h.show("  processor time, hey", "%.1f µs/request", median(hey.cpu)*1e6)
	return nil
}

var peerRate = regexp.MustCompile(`Requests/sec:\s+([\d.]+)`)

// peer runs another generator and adds its speed.
func (h *harness) peer(ctx context.Context, s *speeds, command ...string) error {
	from := time.Now()
	used, err := pinned(ctx, nil, command...)
	if err != nil {
		return err
	}
	m := peerRate.FindStringSubmatch(used.stdout)
	if m == nil {
		return fmt.Errorf("%s says no rate: %.200q", command[0], used.stdout)
	}
	rate, err := strconv.ParseFloat(m[1], 64)
	if err != nil {
		return err
	}
	s.add(rate, used.cpu.Seconds()/(rate*time.Since(from).Seconds()))
	return nil
}

// step measures a full step, against wrk's plain GET.
func (h *harness) step(ctx context.Context) error {
	url, stop, err := h.startTarget(ctx)
	if err != nil {
		return err
	}
	defer stop()
	var ours, wrk speeds
	for range h.rounds {
		s, err := h.send(ctx, url, "step", "fifty", nil)
		if err != nil {
			return err
		}
		ours.add(s.RequestsPerSecond, s.cpuPerRequest())
		if err := h.peer(ctx, &wrk, "wrk", "-t1", "-c50", "-d4s", url+"/"); err != nil {
			return err
		}
	}
	h.show("full step, 50 connections: loadgen", "%.0f req/s", median(ours.rate))
	h.atLeast("  ratio to wrk's plain GET", "%.2f", median(ratios(ours.rate, wrk.rate)), 0.5)
	h.show("  processor time, all of loadgen", "%.1f µs/request", median(ours.cpu)*1e6)
	return nil
}

// outputs measures what it costs to write down more than the metrics.
func (h *harness) outputs(ctx context.Context) error {
	url, stop, err := h.startTarget(ctx)
	if err != nil {
		return err
	}
	defer stop()
	var plain, csv, k6 speeds
	for range h.rounds {
		for _, way := range []struct {
			to    *speeds
			flags []string
		}{{&plain, nil}, {&csv, []string{"--csv", filepath.Join(h.dir, "locust")}}, {&k6, []string{"--k6-metrics"}}} {
			s, err := h.send(ctx, url, "get", "fifty", nil, way.flags...)
			if err != nil {
				return err
			}
			way.to.add(s.RequestsPerSecond, s.cpuPerRequest())
		}
	}
	h.show("plain GET with --csv: ratio to without", "%.2f", median(ratios(csv.rate, plain.rate)))
	h.show("plain GET with --k6-metrics: ratio to without", "%.2f", median(ratios(k6.rate, plain.rate)))
	return nil
}

// memory measures what each of 10,000 users takes, beyond what the first 100 do.
func (h *harness) memory(ctx context.Context) error {
	url, stop, err := h.startTarget(ctx)
	if err != nil {
		return err
	}
	defer stop()
	most := map[string]float64{}
	for _, profile := range []string{"few", "many"} {
		if _, err := h.send(ctx, url, "think", profile, func(pid int) { most[profile] = max(most[profile], residentBytes(pid)) }); err != nil {
			return err
		}
	}
	h.show("10,000 users who think: loadgen", "%.0f MB", most["many"]/(1<<20))
	h.atMost("  memory of each", "%.1f KB", (most["many"]-most["few"])/(10_000-100)/1024, 16)
	return nil
}

// growth measures how the memory grows at 20,000 requests a second: between
// the lowest values of the first and the last third of the time that counts.
func (h *harness) growth(ctx context.Context) error {
	url, stop, err := h.startTarget(ctx)
	if err != nil {
		return err
	}
	defer stop()
	profile, warmUp, goal := "minute", 20*time.Second, math.NaN()
	if h.full {
		profile, warmUp, goal = "ten-minutes", 2*time.Minute, 1
	}
	from := time.Now()
	var at, resident []float64
	s, err := h.send(ctx, url, "get", profile, func(pid int) {
		if since := time.Since(from); since > warmUp {
			at, resident = append(at, since.Minutes()), append(resident, residentBytes(pid)/(1<<20))
		}
	})
	if err != nil {
		return err
	}
	third := len(at) / 3
	if third == 0 {
		return errors.New("the run was too short")
	}
	last := len(at) - 1 // it may have caught the end of the process
	grown := (slices.Min(resident[last-third:last]) - slices.Min(resident[:third])) / (at[last] - at[third])
	h.show("20,000 requests a second: loadgen", "%.0f req/s", s.RequestsPerSecond)
	if math.IsNaN(goal) {
		h.show("  memory growth within a minute", "%.1f MB/min", grown)
	} else {
		h.atMost("  memory growth, minutes 2 to 10", "%.1f MB/min", grown, goal)
	}
	return nil
}

// pacing measures how late arrivals start while the target is half busy, and
// what the pacing alone takes.
func (h *harness) pacing(ctx context.Context) error {
	url, stop, err := h.startTarget(ctx, "--work", "245us") // with its own costs 250 µs, of which 2,000 take half a second
	if err != nil {
		return err
	}
	defer stop()
	var p50, p99, cpu []float64
	for range h.rounds {
		s, err := h.send(ctx, url, "get", "paced", nil)
		if err != nil {
			return err
		}
		p50, p99 = append(p50, s.StartLag.P50*1e6), append(p99, s.StartLag.P99*1e6)
		cpu = append(cpu, 100*s.cpu.Seconds()/s.Window.Duration().Seconds())
	}
	alone, err := h.benchmark(ctx, "Pacing", "cpu-%")
	if err != nil {
		return err
	}
	h.atMost("2,000 arrivals a second: start lag p50", "%.0f µs", median(p50), 50)
	h.atMost("  start lag p99", "%.0f µs", median(p99), 500)
	h.atMost("  processor time of the pacing alone", "%.1f %% of a core", alone, 12)
	h.show("  processor time of all of loadgen", "%.1f %% of a core", median(cpu))
	return nil
}

// benchmark is the median of what a benchmark of the engine says in a unit.
func (h *harness) benchmark(ctx context.Context, name, unit string) (float64, error) {
	used, err := pinned(ctx, nil, "go", "test", "-run", "^$", "-bench", "^Benchmark"+name+"$", "-count", strconv.Itoa(h.rounds), "./pkg/loadgen")
	if err != nil {
		return 0, err
	}
	var all []float64
	for _, m := range regexp.MustCompile(`([\d.]+) `+regexp.QuoteMeta(unit)).FindAllStringSubmatch(used.stdout, -1) {
		v, err := strconv.ParseFloat(m[1], 64)
		if err != nil {
			return 0, err
		}
		all = append(all, v)
	}
	return median(all), nil
}

// stall measures what a server that freezes is said to take, against the truth
// (METHODS 1): a tenth of the arrivals wait for between 0 and 1 s. Above it is
// the time in which the backlog is worked off, so wrk's pace in the same round
// tells what any generator would be off by.
func (h *harness) stall(ctx context.Context) error {
	const truthP95, truthP99, backlog = 0.5, 0.9, 2_000
	var p95, p99, sent []float64
	var wrk speeds
	for range h.rounds {
		s, err := h.sendStalled(ctx)
		if err != nil {
			return err
		}
		p95, p99, sent = append(p95, s.ResponseTime.P95), append(p99, s.ResponseTime.P99), append(sent, float64(s.Requests))
		if err := h.wrkOnOurTarget(ctx, &wrk); err != nil {
			return err
		}
	}
	off := func(got, truth float64) float64 { return 100 * math.Abs(got/truth-1) }
	h.show("stall test: p95, p99", "%.1f, %.1f ms", median(p95)*1e3, median(p99)*1e3)
	h.atMost("  p95, off the truth", "%.2f %%", off(median(p95), truthP95), 2)
	h.show("  of that, the backlog at wrk's pace", "%.2f %%", 100*backlog/median(wrk.rate)/2/truthP95)
	h.atMost("  p99, off the truth", "%.2f %%", off(median(p99), truthP99), 1)
	h.atLeast("  requests sent", "%.0f", slices.Min(sent), 40_000)
	return nil
}

func (h *harness) sendStalled(ctx context.Context) (sentLoad, error) {
	// Its clock starts with the first scrape. So that freezes don't all end in the
	// middle of a later one, they end half-way between two.
	url, stop, err := h.startTarget(ctx, "--freeze", "1s", "--after", "5500ms")
	if err != nil {
		return sentLoad{}, err
	}
	defer stop()
	sleep, err := keepAwake(ctx)
	if err != nil {
		return sentLoad{}, err
	}
	defer sleep()
	return h.send(ctx, url, "get", "stalled", nil)
}

// wrkOnOurTarget adds wrk's speed on the target that can freeze, while it doesn't.
func (h *harness) wrkOnOurTarget(ctx context.Context, s *speeds) error {
	url, stop, err := h.startTarget(ctx, "--freeze", "0s")
	if err != nil {
		return err
	}
	defer stop()
	return h.peer(ctx, s, "wrk", "-t1", "-c50", "-d4s", url+"/")
}

// recording measures what both histograms of a request cost, and all that is counted of it.
func (h *harness) recording(ctx context.Context) error {
	histograms, err := h.benchmark(ctx, "Histograms", "ns/op")
	if err != nil {
		return err
	}
	all, err := h.benchmark(ctx, "Record", "ns/op")
	if err != nil {
		return err
	}
	h.atMost("recording: both histograms of a request", "%.1f ns", histograms, 20)
	h.show("  all that is counted of a request", "%.1f ns", all)
	return nil
}

// scraping measures what being scraped and recorded each second costs.
func (h *harness) scraping(ctx context.Context) error {
	url, stop, err := h.startTarget(ctx)
	if err != nil {
		return err
	}
	defer stop()
	used, err := pinned(ctx, nil, h.self, "send", "--target", url, "--scenario", filepath.Join(h.dir, "get.yaml"), "--pairs", strconv.Itoa(5*h.rounds))
	if err != nil {
		return err
	}
	var lost []float64
	for line := range strings.Lines(used.stdout) {
		share, err := strconv.ParseFloat(strings.TrimSpace(line), 64)
		if err != nil {
			return fmt.Errorf("send says %q: %w", line, err)
		}
		lost = append(lost, 100*share)
	}
	h.atMost("a scrape each second: throughput lost", "%.1f %%", median(lost), 2)
	return nil
}
