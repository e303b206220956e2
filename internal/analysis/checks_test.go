package analysis

import (
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/promqltest"

	"github.com/plumbline/plumbline/pkg/promql"
	"github.com/plumbline/plumbline/pkg/promql/embedded"
	"github.com/plumbline/plumbline/pkg/report"
	"github.com/plumbline/plumbline/pkg/run"
	"github.com/plumbline/plumbline/pkg/slo"
)

// sound is ten minutes, from 60 s on, of ten users whose every second request a
// second the service answers in 0.9 s; the load has a bump by which clocks can be told.
const sound = `
up{job="api",instance="a"} 1x150
up{job="loadgen",instance="g"} 1x150
process_start_time_seconds{job="api",instance="a"} 5x150
http_requests_total{job="api",instance="a",status="200"} 0x12 25+25x60 1625+100x4 2050+25x71
http_requests_total{job="api",instance="a",status="500"} 0x150
d_seconds_bucket{job="api",instance="a",le="0.1"} 0x12 20+20x60 1300+80x4 1640+20x71
d_seconds_bucket{job="api",instance="a",le="0.5"} 0x12 25+25x60 1625+100x4 2050+25x71
d_seconds_bucket{job="api",instance="a",le="+Inf"} 0x12 25+25x60 1625+100x4 2050+25x71
d_seconds_sum{job="api",instance="a"} 0x12 2+2x60 130+8x4 164+2x71
d_seconds_count{job="api",instance="a"} 0x12 25+25x60 1625+100x4 2050+25x71
loadgen_requests_total{job="loadgen",instance="g",run="r",request="x",outcome="success"} 0x12 25+25x60 1625+100x4 2050+25x71
loadgen_response_time_seconds_bucket{job="loadgen",instance="g",run="r",request="x",le="0.1"} 0x12 20+20x60 1300+80x4 1640+20x71
loadgen_response_time_seconds_bucket{job="loadgen",instance="g",run="r",request="x",le="0.5"} 0x12 25+25x60 1625+100x4 2050+25x71
loadgen_response_time_seconds_bucket{job="loadgen",instance="g",run="r",request="x",le="+Inf"} 0x12 25+25x60 1625+100x4 2050+25x71
loadgen_response_time_seconds_sum{job="loadgen",instance="g",run="r",request="x"} 0x12 2+2x60 130+8x4 164+2x71
loadgen_response_time_seconds_count{job="loadgen",instance="g",run="r",request="x"} 0x12 25+25x60 1625+100x4 2050+25x71
loadgen_response_time_max_seconds{job="loadgen",instance="g",run="r",request="x"} 0.4x150
memory{job="api",instance="a"} 100x150
`

const soundSLA = `apiVersion: plumbline/v1
kind: SLA
service: s
vars: {api: 'job="api"'}
objectives:
  - {id: total-requests, count: {of: 'http_requests_total{$api}'}}
  - {id: rps, group: throughput, unit: req/s, rate: {of: 'http_requests_total{$api}'}}
  - {id: client-rps, group: throughput, unit: req/s, rate: {of: 'loadgen_requests_total{run="$run"}'}}
  - {id: p95, group: latency, unit: s, quantile: {q: 0.95, of: 'd_seconds{$api}'}}
  - {id: client-p95, group: latency, unit: s, quantile: {q: 0.95, of: 'loadgen_response_time_seconds{run="$run"}'}}
resources:
  - {id: memory, component: API, resource: Memory, used: 'max(memory)', limit: "150"}
`

// soundRun fits the series: 20 users at full load all the time.
func soundRun() run.Run {
	start, end := time.Unix(60, 0), time.Unix(660, 0)
	w := run.Window{Start: start, End: end}
	return run.Run{ID: "r", State: run.Complete, Window: w, Steady: w,
		Stages:     []run.Stage{{Window: w, From: 20, To: 20, Scored: true}},
		Load:       run.Load{Users: 20, ThinkSeconds: 3.5, Iteration: 1},
		Generators: run.Generators{Expected: 1, Segments: []run.Generator{{Segment: 1, Valid: true}}},
		Source:     run.Source{Recording: true, ScrapeSeconds: 5}}
}

// checked gives the data checks of series, by id.
func checked(t *testing.T, series, sla string, r run.Run) map[string]report.Check {
	t.Helper()
	got := map[string]report.Check{}
	for _, c := range assembled(t, series, sla, r).Checks {
		got[c.ID] = c
	}
	return got
}

// assembled gives the report on series.
func assembled(t *testing.T, series, sla string, r run.Run) report.Report {
	t.Helper()
	storage := promqltest.LoadedStorage(t, "load 5s\n  "+strings.ReplaceAll(strings.TrimSpace(series), "\n", "\n  "))
	t.Cleanup(func() { storage.Close() })
	agreement, err := slo.Parse("sla.yaml", []byte(sla))
	if err != nil {
		t.Fatal(err)
	}
	x := &analyzed{run: r, agreement: agreement, meter: promql.NewMeter(embedded.New(storage), 5*time.Second)}
	if err := x.measure(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	rep, err := (&Analyzer{}).assemble(t.Context(), x, nil)
	if err != nil {
		t.Fatal(err)
	}
	return rep
}

func TestSoundDataPassAllChecks(t *testing.T) {
	got := checked(t, sound, soundSLA, soundRun())
	for _, id := range []string{"state", "steady", "coverage", "resets", "one-series", "generator", "monotone-quantiles", "littles-law", "client-server", "client-server-latency", "other-traffic", "clock", "limits", "levels", "prometheus"} {
		if got[id].Verdict != slo.Pass {
			t.Errorf("%s: got %s (%s), want pass", id, got[id].Verdict, got[id].Detail)
		}
	}
}

// Each flaw in the data is found by its check, and told in words.
func TestChecksFindFlaws(t *testing.T) {
	series := func(old, now string) func() (string, string, run.Run) {
		return func() (string, string, run.Run) {
			changed := strings.ReplaceAll(sound, old, now)
			if changed == sound {
				t.Fatalf("%q is not in the series", old)
			}
			return changed, soundSLA, soundRun()
		}
	}
	of := func(change func(*run.Run)) func() (string, string, run.Run) {
		return func() (string, string, run.Run) {
			r := soundRun()
			change(&r)
			return sound, soundSLA, r
		}
	}
	shift := func(lines string) string { // two scrapes later
		return strings.NewReplacer("0x12 25+25x60", "0x14 25+25x60", "2050+25x71", "2050+25x69").Replace(lines)
	}
	client := func(change func(string) string) func() (string, string, run.Run) {
		return func() (string, string, run.Run) {
			var lines []string
			for _, l := range strings.Split(sound, "\n") {
				if strings.HasPrefix(l, "loadgen_") {
					l = change(l)
				}
				lines = append(lines, l)
			}
			return strings.Join(lines, "\n"), soundSLA, soundRun()
		}
	}
	for _, tt := range []struct {
		name, check string
		with        func() (string, string, run.Run)
		verdict     slo.Verdict
		detail      string
	}{
		{"an aborted run", "state", of(func(r *run.Run) { r.State, r.Reason = run.Aborted, "killed" }), slo.Fail, "killed"},
		{"a load that drops in the middle", "steady", series("1625+100x4 2050+25x71", "1625+100x4 2050+5x71"), slo.Warn, "throughput was"},
		{"a load that is over soon", "steady", series("0x12 25+25x60 1625+100x4 2050+25x71", "0x12 25+25x8 225x128"), slo.Inconclusive, "in most intervals nothing was answered"},
		{"a target that vanished for a while", "coverage", series(`up{job="api",instance="a"} 1x150
`, `up{job="api",instance="a"} 1x150
http_requests_total{job="api",instance="b",status="200"} 0+1x30 _x9 41+1x100
`), slo.Warn, `instance="b"`},
		{"a counter that started again", "resets", series(`status="200"} 0x12 25+25x60 1625+100x4 2050+25x71`, `status="200"} 0x12 25+25x60 1625+100x4 5+25x71`), slo.Warn, "counters of api at a started again 1 times"},
		{"a process that was restarted", "resets", series(`process_start_time_seconds{job="api",instance="a"} 5x150`, `process_start_time_seconds{job="api",instance="a"} 5x80 400x69`), slo.Warn, "api at a was restarted 1 times"},
		{"several series where one is scored", "one-series", func() (string, string, run.Run) {
			return sound, strings.Replace(soundSLA, "resources:", "  - {id: several, query: 'up', must: \"> 0\"}\nresources:", 1), soundRun()
		}, slo.Fail, "several has 2 series"},
		{"a generator that didn't keep up", "generator", of(func(r *run.Run) {
			r.Generators.Segments[0] = run.Generator{Segment: 1, Reasons: []string{"start lag 40 ms"}}
		}), slo.Fail, "start lag 40 ms"},
		{"a segment that is missing", "generator", of(func(r *run.Run) { r.Generators.Expected = 2 }), slo.Fail, "1 of 2"},
		{"a think time that isn't the declared one", "littles-law", of(func(r *run.Run) { r.Load.ThinkSeconds = 1 }), slo.Warn, "is not what was declared"},
		{"an open model", "littles-law", of(func(r *run.Run) { r.Load = run.Load{ArrivalRate: 5} }), slo.Inconclusive, "closed model"},
		{"requests that the client didn't send", "client-server", series(`status="500"} 0x150`, `status="500"} 0+1x150`), slo.Warn, "other traffic"},
		{"answers that take long on their way", "client-server-latency", client(func(l string) string {
			return strings.NewReplacer(`le="0.1"} 0x12 20+20x60 1300+80x4 1640+20x71`, `le="0.1"} 0x12 2+2x60 130+8x4 164+2x71`).Replace(l)
		}), slo.Warn, "time is lost"},
		{"traffic before the run", "other-traffic", series(`status="200"} 0x12`, `status="200"} 0+1x12`), slo.Warn, "before the run"},
		{"clocks that differ", "clock", client(shift), slo.Warn, "different clocks"},
		{"a host that knows its clock is off", "clock", series("memory{", "node_time_seconds{job=\"api\",instance=\"n\"} 7+5x150\nmemory{"), slo.Warn, "the clock of n is 7.0 s off"},
		{"more used than the limit", "limits", func() (string, string, run.Run) {
			return sound, strings.Replace(soundSLA, `limit: "150"`, `limit: "50"`, 1), soundRun()
		}, slo.Warn, "the limit is another one"},
		{"pools larger than the database", "pool-limits", series("memory{", "db_pool_connections_max{job=\"api\",instance=\"a\"} 600x150\npg_settings_max_connections{job=\"api\",instance=\"d\"} 400x150\nmemory{"), slo.Warn, "the pools may open 600 connections, the database takes 400"},
		{"a level that moves", "levels", series("100x150", "100+1x150"), slo.Warn, "went from"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := checked3(t, tt.with)[tt.check]
			if got.Verdict != tt.verdict || !strings.Contains(got.Detail, tt.detail) {
				t.Errorf("got %s (%s), want %s with %q", got.Verdict, got.Detail, tt.verdict, tt.detail)
			}
		})
	}
}

func checked3(t *testing.T, with func() (string, string, run.Run)) map[string]report.Check {
	t.Helper()
	series, sla, r := with()
	return checked(t, series, sla, r)
}

// What decreases where it can't is a fault of the data; our own quantiles never do.
func TestQuantilesThatDecrease(t *testing.T) {
	e := &evidence{analyzed: &analyzed{}, percentiles: []report.Percentile{{Q: .9, Server: .512, Client: .4}, {Q: .95, Server: .423, Client: .5}}}
	got, err := e.quantiles(t.Context())
	if err != nil || got.verdict != slo.Fail || !strings.Contains(got.detail, "server: 90 % (0.512 s) is above 95 % (0.423 s)") {
		t.Errorf("got %s (%s), %v; want the guide's 90 %% refused", got.verdict, got.detail, err)
	}
}

// In the bucket of the longest time quantiles are interpolated up to the bucket's
// end: none is shown above the time that the generator knows to be the longest.
func TestNoQuantileIsAboveTheMaximum(t *testing.T) {
	withMax := strings.Replace(soundSLA, "resources:", `  - {id: max, group: latency, unit: s, gauge: {of: 'max(loadgen_response_time_max_seconds{run="$run"})', reduce: max}}`+"\nresources:", 1)
	r := assembled(t, sound, withMax, soundRun())
	all := r.Requests[len(r.Requests)-1].ResponseTime
	if all.P999 != .4 || all.Max != .4 {
		t.Errorf("got p99.9 %v and max %v of the requests, want .4 for both: the bucket reaches to .5", all.P999, all.Max)
	}
	for _, p := range r.Percentiles {
		if p.Server > .4 || p.Client > .4 {
			t.Errorf("%v %%: got %v at the server and %v at the client, want no more than the .4 that were seen", 100*p.Q, p.Server, p.Client)
		}
	}
	if top := r.Percentiles[len(r.Percentiles)-1]; !strings.Contains(top.Asked["client"].Query, "loadgen_response_time_max_seconds") {
		t.Errorf("got %q behind the longest time, want the query that gives it", top.Asked["client"].Query)
	}
	// Slower answers at the server are of other requests: their maximum is not known.
	slower := strings.Replace(sound, `d_seconds_bucket{job="api",instance="a",le="0.5"} 0x12 25+25x60 1625+100x4 2050+25x71`, `d_seconds_bucket{job="api",instance="a",le="0.5"} 0x12 20+20x60 1300+80x4 1640+20x71
d_seconds_bucket{job="api",instance="a",le="2"} 0x12 25+25x60 1625+100x4 2050+25x71`, 1)
	for _, p := range assembled(t, slower, withMax, soundRun()).Percentiles {
		if p.Q == 1 && p.Server != 2 {
			t.Errorf("got %v as the server's longest, want the end of its last bucket", p.Server)
		}
	}
}

// Scrapes that lie apart by more than the run says are told from an outage.
func TestCoverageNamesTheScrapeInterval(t *testing.T) {
	gaps := func(lengths ...time.Duration) *evidence {
		target := promql.TargetCoverage{Labels: labels.FromStrings("job", "api"), Ratio: .1}
		at := time.Unix(60, 0)
		for _, l := range lengths {
			target.Gaps = append(target.Gaps, run.Window{Start: at, End: at.Add(l)})
			at = at.Add(l)
		}
		return &evidence{analyzed: &analyzed{meter: promql.NewMeter(nil, 15*time.Second), scores: slo.Scores{Targets: []promql.TargetCoverage{target}}}}
	}
	const hint = "scrapes are 40 s apart, and the run was recorded with an interval of 15s"
	for _, tt := range []struct {
		name string
		e    *evidence
		want bool
	}{
		{"every 40 s", gaps(12*time.Second, 40*time.Second, 39*time.Second, 40*time.Second, 40*time.Second, 33*time.Second), true},
		{"outages", gaps(40*time.Second, 90*time.Second, 40*time.Second, 300*time.Second, 40*time.Second), false},
		{"one outage", gaps(200 * time.Second), false},
	} {
		got, err := tt.e.coverage(t.Context())
		if err != nil || got.verdict != slo.Fail || strings.Contains(got.detail, hint) != tt.want {
			t.Errorf("%s: got %s (%s), %v; want a failure, with the interval: %v", tt.name, got.verdict, got.detail, err, tt.want)
		}
	}
}

// A number opens its query as a table, at the time for which it was asked.
func TestLinksAskForTheNumber(t *testing.T) {
	x := &analyzed{url: "http://prometheus:9090/base/", run: soundRun()}
	got := x.question("sum(up)", time.Unix(90, 0)).Link
	if want := "http://prometheus:9090/base/graph?g0.end_input=1970-01-01+00%3A01%3A30&g0.expr=sum%28up%29&g0.tab=1"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got, want := x.link("up"), "http://prometheus:9090/base/graph?g0.end_input=1970-01-01+00%3A11%3A00&g0.expr=up&g0.range_input=10m&g0.tab=0"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestWarmUpIsCutAndSaid(t *testing.T) {
	// Two minutes of a slow start that the profile does not declare.
	slow := strings.NewReplacer("0x12 25+25x60 1625+100x4 2050+25x71", "0x12 5+5x24 150+25x113",
		"0x12 20+20x60 1300+80x4 1640+20x71", "0x12 4+4x24 120+20x113").Replace(sound)
	storage := promqltest.LoadedStorage(t, "load 5s\n  "+strings.ReplaceAll(strings.TrimSpace(slow), "\n", "\n  "))
	t.Cleanup(func() { storage.Close() })
	agreement, err := slo.Parse("sla.yaml", []byte(soundSLA))
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name string
		run  func(*run.Run)
		cut  time.Duration
	}{
		{"a profile with one steady window", func(*run.Run) {}, 125 * time.Second},
		{"one without: ramp, steps or spike", func(r *run.Run) { r.Steady = run.Window{} }, 0},
		{"one whose declared window begins later", func(r *run.Run) { r.Steady.Start = r.Window.Start.Add(3 * time.Minute) }, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := soundRun()
			tt.run(&r)
			x := &analyzed{run: r, agreement: agreement, meter: promql.NewMeter(embedded.New(storage), 5*time.Second)}
			if err := x.measure(t.Context(), nil); err != nil {
				t.Fatal(err)
			}
			if x.steady.Cut != tt.cut || tt.cut > 0 && (x.run.Steady.Start.Sub(r.Window.Start) != tt.cut || !strings.Contains(x.steady.Note(), "2 min 5 s of warm-up")) {
				t.Errorf("got a cut of %s (%s), want %s", x.steady.Cut, x.steady.Note(), tt.cut)
			}
		})
	}
}
