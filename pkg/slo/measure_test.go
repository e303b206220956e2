package slo

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/promql/promqltest"

	"github.com/plumbline/plumbline/pkg/promql"
	"github.com/plumbline/plumbline/pkg/promql/embedded"
	"github.com/plumbline/plumbline/pkg/run"
)

const scrape = 5 * time.Second

// tenMinutes is a run of ten minutes, the first of which is ramp-up.
func tenMinutes() run.Run {
	at := func(m int) time.Time { return time.Unix(60, 0).Add(time.Duration(m) * time.Minute) }
	return run.Run{
		ID: "r", Scenario: "mixed", Profile: "peak", State: run.Complete,
		Window: run.Window{Start: at(0), End: at(10)}, Steady: run.Window{Start: at(1), End: at(10)},
		Generators: run.Generators{Expected: 1, Segments: []run.Generator{{Segment: 1, Valid: true}}},
	}
}

// The service of most cases: 50 good requests in each scrape, from 0 s to 750 s.
const healthy = `
up{job="api",instance="a"} 1x150
http_requests_total{job="api",instance="a",status="200"} 0+50x150
http_requests_total{job="api",instance="a",status="404"} 0x150
d_seconds_bucket{job="api",instance="a",le="0.1"} 0+40x150
d_seconds_bucket{job="api",instance="a",le="0.5"} 0+50x150
d_seconds_bucket{job="api",instance="a",le="+Inf"} 0+50x150
d_seconds_sum{job="api",instance="a"} 0+5x150
d_seconds_count{job="api",instance="a"} 0+50x150
queue{job="api",instance="a"} 3x60 9x1 3x90
`

func parse(t *testing.T, objective string) Agreement {
	t.Helper()
	a, err := Parse("sla.yaml", []byte("apiVersion: plumbline/v1\nkind: SLA\nservice: s\nvars: {api: 'job=\"api\"'}\nobjectives:\n  - {id: x, "+objective+"}\n"))
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func measure(t *testing.T, series, objective string, change func(*Scope)) (Result, bool) {
	t.Helper()
	storage := promqltest.LoadedStorage(t, "load 5s\n"+strings.TrimSpace(strings.ReplaceAll("\n"+series, "\n", "\n  ")))
	t.Cleanup(func() { storage.Close() })
	scope := Scope{Run: tenMinutes()}
	if change != nil {
		change(&scope)
	}
	scores, err := parse(t, objective).Measure(t.Context(), promql.NewMeter(embedded.New(storage), scrape), scope)
	if err != nil {
		t.Fatal(err)
	}
	if len(scores.Objectives) == 0 {
		return Result{}, false
	}
	return scores.Objectives[0], true
}

func TestValuesAndVerdicts(t *testing.T) {
	nan := math.NaN()
	without := func(part string) string { return strings.ReplaceAll(healthy, part, "") }
	errors := `ratio: {bad: 'http_requests_total{$api,status=~"5.."}', total: 'http_requests_total{$api}'}, unit: ratio, must: "< 1%"`
	for _, c := range []struct {
		name, series, objective string
		change                  func(*Scope)
		value                   float64
		verdict                 Verdict
		reason                  string
	}{
		// The closing scrape, one interval after the end, belongs to the window.
		{"a count is what the counter gained", healthy, `count: {of: 'http_requests_total{$api}'}, must: "> 6000"`, nil, 6050, Pass, ""},
		{"a rate is the count by the window", healthy, `rate: {of: 'http_requests_total{$api}'}, unit: req/s, must: ">= 10"`, nil, 6050.0 / 600, Pass, ""},
		{"a sustained rate is the least stretch", healthy, `rate: {of: 'http_requests_total{$api}', over: 2m, reduce: min}, unit: req/s, must: ">= 11"`, nil, 10, Fail, ""},
		{"what came before the steady window lowers no sustained rate", strings.Replace(healthy, `0+50x150`, `0+5x25 175+50x124`, 1), `rate: {of: 'http_requests_total{$api}', over: 2m, reduce: min}, unit: req/s, must: ">= 11"`, func(s *Scope) {
			s.Run.Window.Start, s.Run.Steady.Start = s.Run.Window.Start.Add(time.Second), s.Run.Steady.Start.Add(time.Second)
		}, 10, Fail, ""},
		{"a stretch longer than the window can't be told", healthy, `rate: {of: 'http_requests_total{$api}', over: 15m, reduce: min}, unit: req/s, must: ">= 1"`, nil, nan, Inconclusive, "15m0s are needed"},
		{"a stretch between two scrapes can't be told", healthy, `rate: {of: 'http_requests_total{$api}', over: 2s, reduce: max}, unit: req/s, must: ">= 1"`, nil, nan, Inconclusive, "2s is shorter than the scrape interval of 5s"},
		{"a counter that was reset goes on", strings.Replace(healthy, `0+50x150`, `0+50x74 0+50x75`, 1), `count: {of: 'http_requests_total{$api,status="200"}'}, must: "> 1"`, nil, 6000, Pass, ""},
		{"no errors are 0 where requests are", healthy, errors, nil, 0, Pass, ""},
		{"errors that are born in the middle count", healthy + "http_requests_total{job=\"api\",instance=\"a\",status=\"500\"} _x60 61x90\n", errors, nil, 61.0 / 6111, Pass, ""},
		{"a dropped label can't be told from no errors", strings.ReplaceAll(strings.ReplaceAll(healthy, `,status="200"`, ""), `,status="404"`, `,x="y"`), errors, nil, nan, Inconclusive, "label status"},
		{"no requests at all is no data", without("http_requests_total"), errors, nil, nan, Inconclusive, "no series"},
		{"a gap in one series loses nothing of what it gained", strings.Replace(healthy, `status="200"} 0+50x150`, `status="200"} 0+50x40 _x40 4000+50x69`, 1), `count: {of: 'http_requests_total{$api,status="200"}'}, must: "> 1"`, nil, 6000, Pass, ""},
		{"a quantile of a classic histogram", healthy, `quantile: {q: 0.9, of: 'd_seconds{$api}'}, unit: s, must: "< 500ms"`, nil, .3, Pass, ""},
		{"a bound at a bucket's edge is counted", healthy, `quantile: {q: 0.81, of: 'd_seconds{$api}'}, unit: s, must: "< 100ms"`, nil, .12, Fail, ""},
		{"a quantile without a histogram is no data", healthy, `quantile: {q: 0.9, of: 'gone{$api}'}, unit: s, must: "< 500ms"`, nil, nan, Inconclusive, "no histogram"},
		{"a mean is sum by count", healthy, `mean: {of: 'd_seconds{$api}'}, unit: s, should: "< 50ms"`, nil, .1, Warn, ""},
		{"the highest of a gauge", healthy, `gauge: {of: 'max(queue)', reduce: max}, must: "< 5"`, nil, 9, Fail, ""},
		{"a query is what it says", healthy, `query: 'sum(queue) * 2', must: "== 6"`, nil, 6, Pass, ""},
		{"several series where one is scored", healthy, `query: 'http_requests_total', must: "> 6"`, nil, nan, Inconclusive, "2 series"},
		{"0/0 is no data", healthy, `query: 'sum(queue) * 0 / 0', must: "< 6"`, nil, nan, Inconclusive, "no data"},
		{"relative to a baseline that is there", healthy, `mean: {of: 'd_seconds{$api}'}, unit: s, must: "<= baseline * 1.10"`, func(s *Scope) { s.Baseline = map[string]float64{"x": .08} }, .1, Fail, ""},
		{"relative to none", healthy, `mean: {of: 'd_seconds{$api}'}, unit: s, must: "<= baseline * 1.10"`, nil, .1, Inconclusive, "no baseline value"},
		{"an invalid generator takes a pass away", healthy, errors, func(s *Scope) {
			s.Run.Generators.Segments[0] = run.Generator{Segment: 1, Reasons: []string{"too slow"}}
		}, 0, Inconclusive, "too slow"},
		{"but not a failure that the service shows", healthy, `count: {of: 'http_requests_total{$api}'}, must: "> 9000"`, func(s *Scope) { s.Run.Generators.Segments = nil }, 6050, Fail, ""},
		{"an aborted run never passes", healthy, errors, func(s *Scope) { s.Run.State, s.Run.Reason = run.Aborted, "killed" }, 0, Inconclusive, "killed"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, _ := measure(t, c.series, c.objective, c.change)
			if !(math.Abs(got.Value-c.value) <= 1e-9*math.Abs(c.value)) && !(math.IsNaN(c.value) && math.IsNaN(got.Value)) {
				t.Errorf("got value %v, want %v", got.Value, c.value)
			}
			if got.Verdict != c.verdict || !strings.Contains(got.Reason, c.reason) {
				t.Errorf("got %s (%q), want %s (%q)", got.Verdict, got.Reason, c.verdict, c.reason)
			}
		})
	}
}

func TestCoverageOfAllTargetsCounts(t *testing.T) {
	// Every series of the target is gone for 200 of 600 s: what is left can't be judged.
	gone := strings.NewReplacer("1x150", "1x40 _x40 1x69", "0+50x150", "0+50x40 _x40 4000+50x69", "0x150", "0x40 _x40 0x69").Replace(healthy)
	got, _ := measure(t, gone, `count: {of: 'http_requests_total{$api}'}, must: "> 1"`, nil)
	if got.Verdict != Inconclusive || !strings.Contains(got.Reason, "scrapes cover") {
		t.Errorf("got %s (%q), want inconclusive for its coverage", got.Verdict, got.Reason)
	}
}

func TestWhenLeavesOut(t *testing.T) {
	if _, there := measure(t, healthy, `count: {of: 'http_requests_total{$api}'}, when: {profile: [stress]}`, nil); there {
		t.Error("an objective for another profile was measured")
	}
	if _, there := measure(t, healthy, `count: {of: 'http_requests_total{$api}'}, when: {profile: [stress, peak], scenario: mixed}`, nil); !there {
		t.Error("an objective for this profile was left out")
	}
}

func TestByJudgesEachValue(t *testing.T) {
	got, _ := measure(t, healthy, `count: {of: 'http_requests_total{$api}'}, by: status, must: "> 1"`, nil)
	if len(got.By) != 2 || got.By[0].Verdict != Pass || got.By[1].Verdict != Fail || got.Verdict != Fail {
		t.Errorf("got %+v", got.By)
	}
}

// Several series of a gauge are judged one by one; the worst stands for all.
func TestByOfAGauge(t *testing.T) {
	series := healthy + "queue{job=\"api\",instance=\"b\"} 4x150\n"
	got, _ := measure(t, series, `gauge: {of: 'queue{$api}', reduce: max}, by: instance, must: "< 5"`, nil)
	if len(got.By) != 2 || got.By[0].Verdict != Fail || got.By[1].Verdict != Pass || got.Value != 9 || got.Verdict != Fail {
		t.Errorf("got %v %s of %+v, want 9, fail, of two rows", got.Value, got.Verdict, got.By)
	}
	got, _ = measure(t, series, `gauge: {of: 'queue{$api}', reduce: max}, by: job, must: "< 50"`, nil)
	if got.Verdict != Inconclusive || len(got.By) == 0 || !strings.Contains(got.By[len(got.By)-1].Reason, "the same job") {
		t.Errorf("got %+v, want it inconclusive: two series have one job", got)
	}
}

func TestResources(t *testing.T) {
	series := strings.TrimSpace(healthy) + `
up{job="node",instance="n"} 1x150
cpu{job="node",instance="n",pod="a"} 0+10x150
cpu{job="node",instance="n",pod="b"} 0+4x150
limit{job="node",instance="n",pod="a"} 4x150
limit{job="node",instance="n",pod="b"} 2x150
`
	for _, c := range []struct {
		name, resource       string
		average, peak, limit float64
		verdict              Verdict
		reason               string
	}{
		{"a ratio is what is used of each series' own limit", `unit: ratio, used: 'sum by (pod) (rate(cpu[20s]))', limit: 'sum by (pod) (limit)', peak: {must: "< 60%"}`, .45, .5, 1, Pass, ""},
		{"its average is judged apart", `unit: ratio, used: 'sum by (pod) (rate(cpu[20s]))', limit: 'sum by (pod) (limit)', average: {should: "< 40%"}`, .45, .5, 1, Warn, ""},
		{"other units keep theirs, and the least limit counts", `used: 'sum by (pod) (rate(cpu[20s]))', limit: 'sum by (pod) (limit)', peak: {must: "< 90%"}`, 1.4, 2, 2, Fail, ""},
		{"a limit may be a number", `used: 'max(queue)', limit: "12", peak: {must: "< 80%"}, average: {must: "< 4"}`, 3.1100917, 9, 12, Pass, ""},
		{"a limit of 0 tells nothing", `unit: ratio, used: 'max(queue)', limit: "0", peak: {must: "< 80%"}`, math.NaN(), math.NaN(), math.NaN(), Inconclusive, "its limit is 0, which means none is set"},
		{"nor does one of 0 in units", `used: 'max(queue)', limit: "0", peak: {must: "< 80%"}`, 3.1100917, 9, 0, Inconclusive, "its limit is 0, which means none is set"},
		{"an infinite limit is none", `used: 'max(queue)', limit: "+Inf", peak: {must: "< 80%"}`, 3.1100917, 9, math.Inf(1), Inconclusive, "it has no limit (+Inf)"},
		{"nor is one for a ratio", `unit: ratio, used: 'max(queue)', limit: "+Inf", peak: {must: "< 80%"}`, math.NaN(), math.NaN(), math.NaN(), Inconclusive, "it has no limit (+Inf)"},
		{"a limit that is mistyped", `used: 'max(queue)', limit: 'max(limt)', peak: {must: "< 80%"}`, 3.1100917, 9, math.NaN(), Inconclusive, "its limit is not known: no series of limt in the window"},
		{"a bound in units needs no limit", `used: 'max(queue)', limit: "+Inf", peak: {must: "< 10"}`, 3.1100917, 9, math.Inf(1), Pass, ""},
		{"a share that was divided by 0", `unit: ratio, used: 'max(queue) / 0', peak: {must: "< 80%"}`, math.Inf(1), math.Inf(1), math.NaN(), Inconclusive, "its value is infinite"},
		{"no series, no verdict", `used: 'max(gone)', limit: "12", peak: {must: "< 80%"}`, math.NaN(), math.NaN(), math.NaN(), Inconclusive, "no series of gone"},
	} {
		t.Run(c.name, func(t *testing.T) {
			storage := promqltest.LoadedStorage(t, "load 5s\n"+strings.TrimSpace(strings.ReplaceAll("\n"+series, "\n", "\n  ")))
			t.Cleanup(func() { storage.Close() })
			a, err := Parse("sla.yaml", []byte("apiVersion: plumbline/v1\nkind: SLA\nresources:\n  - {id: x, "+c.resource+"}\n"))
			if err != nil {
				t.Fatal(err)
			}
			scores, err := a.Measure(t.Context(), promql.NewMeter(embedded.New(storage), scrape), Scope{Run: tenMinutes()})
			if err != nil {
				t.Fatal(err)
			}
			got := scores.Resources[0]
			same := func(a, b float64) bool { return math.IsNaN(a) && math.IsNaN(b) || a == b || math.Abs(a-b) < 1e-6 }
			if !same(got.Average, c.average) || !same(got.Peak, c.peak) || !same(got.Limit, c.limit) || got.Verdict != c.verdict || !strings.HasPrefix(got.Reason, c.reason) || c.reason == "" && got.Reason != "" {
				t.Errorf("got average %v, peak %v, limit %v, %s (%s); want %v, %v, %v, %s (%s)", got.Average, got.Peak, got.Limit, got.Verdict, got.Reason, c.average, c.peak, c.limit, c.verdict, c.reason)
			}
		})
	}
}

func TestEventsThatNeverHappenDontClump(t *testing.T) {
	got, _ := measure(t, healthy, `ratio: {bad: 'http_requests_total{$api,status="404"}', total: 'http_requests_total{$api}'}, unit: ratio`, nil)
	if got.Value != 0 || got.Dispersion != 1 {
		t.Errorf("got %v with dispersion %v, want 0 with 1", got.Value, got.Dispersion)
	}
}

func TestMarginal(t *testing.T) {
	got, _ := measure(t, healthy, `ratio: {bad: 'http_requests_total{$api,status="200"}', total: 'http_requests_total{$api}'}, unit: ratio, must: "> 99.99%"`, nil)
	if !got.Marginal {
		t.Errorf("got interval %v to %v, want it to contain the bound", got.Low, got.High)
	}
}

func TestParseNamesEveryMistake(t *testing.T) {
	_, err := Parse("sla.yaml", []byte(`apiVersion: plumbline/v1
kind: SLA
objectives:
  - {id: a, unit: s, mean: {of: 'x{'}, must: "< 1"}
  - {id: a, unit: ratio, count: {of: x}, must: "< 500ms"}
  - {id: b, unit: furlong, count: {of: x}, mean: {of: x}, must: "soon"}
  - {id: c, quantile: {q: 95, of: x}, msut: "< 1"}
`))
	if err == nil {
		t.Fatal("got no error")
	}
	for _, want := range []string{
		`sla.yaml:4:33: objectives[0].mean.of: selector "x{"`,
		`sla.yaml:5:10: objectives[1].id: a stands twice`,
		`sla.yaml:5:48: objectives[1].must: "< 500ms" is a time, the objective's unit is "ratio"`,
		`sla.yaml:6:5: objectives[2]: want exactly one of rate`,
		`sla.yaml:6:19: objectives[2].unit: want s, ratio, req/s, ops/s, bytes, bytes/s or none, got "furlong"`,
		`sla.yaml:6:65: objectives[2].must: want a bound such as`,
		`sla.yaml:7:27: objectives[3].quantile.q: must lie between 0 and 1, got 95`,
		`sla.yaml:7:39: objectives[3].msut: unknown key; did you mean must?`,
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("want %s\nin %s", want, err)
		}
	}
}

func TestMissedBoundsAndIntervals(t *testing.T) {
	failing := healthy + "http_requests_total{job=\"api\",instance=\"a\",status=\"500\"} 0x60 0+50x90\n"
	for _, c := range []struct {
		name, series, objective string
		change                  func(*Scope)
		missed                  string  // as written; "" when the bound holds
		limit                   float64 // of what was missed
		first, last             float64 // value of the first interval and of the last of the window
	}{
		{"a quantile that holds", healthy, `quantile: {q: 0.9, of: 'd_seconds{$api}'}, unit: s, must: "< 500ms"`, nil, "", 0, .3, .3},
		{"a mean that warns", healthy, `mean: {of: 'd_seconds{$api}'}, unit: s, should: "< 50ms", must: "< 200ms"`, nil, "< 50ms", .05, .1, .1},
		{"a mean against the baseline", healthy, `mean: {of: 'd_seconds{$api}'}, unit: s, must: "<= baseline * 1.10"`, func(s *Scope) { s.Baseline = map[string]float64{"x": .08} }, "<= baseline * 1.10", .088, .1, .1},
		{"errors from the middle on", failing, `ratio: {bad: 'http_requests_total{$api,status=~"5.."}', total: 'http_requests_total{$api}'}, unit: ratio, must: "< 1%"`, nil, "< 1%", .01, 0, .5},
		{"a rate", healthy, `rate: {of: 'http_requests_total{$api}'}, unit: req/s, must: ">= 11"`, nil, ">= 11", 11, 10, 10},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, _ := measure(t, c.series, c.objective, c.change)
			switch {
			case c.missed == "" && got.Missed != nil:
				t.Errorf("got %q missed, want it to hold", got.Missed.Text)
			case c.missed != "" && (got.Missed == nil || got.Missed.Text != c.missed || math.Abs(got.Missed.Limit()-c.limit) > 1e-9):
				t.Errorf("got %+v missed, want %q, which is %v", got.Missed, c.missed, c.limit)
			}
			if n := len(got.Intervals); n != 121 || math.Abs(got.Intervals[0]-c.first) > 1e-9 || math.Abs(got.Intervals[n-2]-c.last) > 1e-9 {
				t.Errorf("got intervals %v, want 121 from %v to %v", got.Intervals, c.first, c.last)
			}
		})
	}
}
