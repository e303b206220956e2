package report_test

import (
	"bytes"
	"encoding/json"
	"io"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/plumbline/plumbline/pkg/capacity"
	"github.com/plumbline/plumbline/pkg/report"
)

// planned is a service of two replicas with a pool, and a component whose name is hostile.
func planned() *report.Capacity {
	var levels []capacity.Level
	cpu := capacity.Resource{ID: "cpu", Component: "API pods", Name: "CPU", Limit: 1, Scaling: capacity.Replicas, Series: []capacity.Series{{Name: "api-0"}, {Name: "api-1"}}}
	pool := capacity.Resource{ID: "pool", Component: "Database", Name: "Connections", Limit: 10, Scaling: capacity.PoolLimit, Series: []capacity.Series{{}}}
	for i, users := range []float64{10, 20, 40, 60, 80, 100, 200, 400} {
		x := math.Min(users, 100)
		levels = append(levels, capacity.Level{Users: users, Throughput: x, LatencySeconds: users/x - .9, ThinkSeconds: .9, Requests: 1e4, Steady: true, Indicators: map[string]float64{"p95": users / x}})
		for range 6 {
			cpu.Throughput, pool.Throughput = append(cpu.Throughput, x), append(pool.Throughput, x)
			cpu.Series[0].Used, cpu.Series[1].Used = append(cpu.Series[0].Used, .1+.004*x), append(cpu.Series[1].Used, .1+.003*x)
			pool.Series[0].Used = append(pool.Series[0].Used, x/10)
		}
		cpu.Levels = append(cpu.Levels, capacity.Stretch{From: 6 * i, To: 6*i + 6, Load: users})
	}
	pool.Levels = cpu.Levels
	return report.NewCapacity(capacity.Analyze(capacity.Input{
		Levels: levels, Throughput: 100, Target: 250, Objectives: []capacity.Objective{{ID: "p95", Title: "p95", Unit: "s", Bound: "< 2s", Limit: 2.5}},
		Resources: []capacity.Resource{cpu, pool, {ID: "x", Component: "\x1b[31m<b>|evil|</b>\u202e", Name: "CPU", Missing: "no series of x"}},
	}))
}

func TestCapacitySectionSaysWhatAPlannerNeeds(t *testing.T) {
	for _, width := range []int{100, 60} {
		var out bytes.Buffer
		if err := report.CapacityTerminal(&out, planned(), report.TerminalOptions{Width: width}); err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(out.String()) {
			if n := len([]rune(strings.TrimSuffix(line, "\n"))); n > width {
				t.Errorf("got a line of %d columns, want at most %d: %q", n, width, line)
			}
		}
		if strings.ContainsRune(out.String(), '\x1b') {
			t.Error("an escape sequence reached the terminal")
		}
		if width == 60 {
			continue
		}
		for _, want := range []string{
			"It carries              80 req/s: beyond, Database Connections would be used to more than 80 %",
			"Limiting resource       Database Connections, fully used at 100 req/s",
			"throughput is flat beyond 100 users (100 req/s)",
			"No load", "API pods CPU", "· api-0", "raise it from 10 to 32", "no series of x",
			"fitted to 8 levels from N = 10 to 400",
		} {
			if !strings.Contains(out.String(), want) {
				t.Errorf("want %q in\n%s", want, out.String())
			}
		}
	}
}

func TestCapacityInWords(t *testing.T) {
	nan := math.NaN()
	far := func(reach string) capacity.Demand {
		return capacity.Demand{Component: "API", Resource: "CPU", Max: capacity.Estimate{Value: 5000}, Reach: reach}
	}
	for name, c := range map[string]struct {
		of    capacity.Capacity
		says  string
		times int
	}{
		"a throughput":                 {capacity.Capacity{Carries: capacity.Limit{Throughput: 1364.2, By: "x would be missed"}}, "1,364.2 req/s: beyond, x would be missed", 1},
		"less than a throughput":       {capacity.Capacity{Carries: capacity.Limit{Throughput: nan, Below: 1029.2, By: "at that load it misses p95"}}, "less than 1,029.2 req/s: at that load it misses p95", 1},
		"between two throughputs":      {capacity.Capacity{Carries: capacity.Limit{Throughput: nan, AtLeast: 60, Below: 500, By: "at the higher p95 is missed"}}, "between 60 and 500 req/s: at the higher p95 is missed", 1},
		"demand above it":              {capacity.Capacity{Forecast: &capacity.Forecast{Now: 1400, Exceeded: true}}, "already exceeded: by its line it is 1,400 req/s", 1},
		"what all far bounds rest on":  {capacity.Capacity{Demands: []capacity.Demand{far("reach a"), far(""), far("reach a")}}, "reach a", 1},
		"what far bounds rest on each": {capacity.Capacity{Demands: []capacity.Demand{far("reach a"), far("reach b"), far("reach a")}}, "reach a", 2},
		"large parameters of the law":  {capacity.Capacity{USL: capacity.USL{PeakThroughput: capacity.Estimate{Value: 12343.4, Low: 1083.21, High: 1e6}}}, "12,343 | 1,083.2 to 1,000,000", 1},
		"parameters below a thousand":  {capacity.Capacity{USL: capacity.USL{Lambda: capacity.Estimate{Value: 995.654, Low: nan, High: nan}}}, "995.65", 1},
	} {
		var out bytes.Buffer
		if err := report.CapacityMarkdown(&out, report.NewCapacity(c.of)); err != nil {
			t.Fatal(err)
		}
		if got := strings.Count(out.String(), c.says); got != c.times {
			t.Errorf("%s: got %q %d times, want it %d times in\n%s", name, c.says, got, c.times, out.String())
		}
	}
	r := sample()
	r.Capacity = report.NewCapacity(capacity.Capacity{Carries: capacity.Limit{Throughput: nan, Below: 1029.2, By: "at that load it misses p95"}})
	r.Summarize()
	if want := "It carries less than 1,029.2 req/s: at that load it misses p95."; !slices.Contains(r.Reading, want) {
		t.Errorf("got the summary %q, want %q in it", r.Reading, want)
	}
}

func TestCapacityAsJSONHasNoNaN(t *testing.T) {
	for name, c := range map[string]*report.Capacity{
		"a plan": planned(), "nothing": report.NewCapacity(capacity.Analyze(capacity.Input{Throughput: math.NaN()})), "a refused curve": report.NewCurve(capacity.FitUSL(nil, 1)),
	} {
		var out bytes.Buffer
		if err := report.CapacityJSON(&out, c); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		var got struct {
			USL map[string]any `json:"usl"`
		}
		if err := json.Unmarshal(out.Bytes(), &got); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for _, field := range []string{"lambda", "sigma", "kappa", "n_star", "x_star"} {
			if estimate, is := got.USL[field].(map[string]any); !is || len(estimate) != 3 {
				t.Errorf("%s: got %s %v, want value, low and high", name, field, got.USL[field])
			}
		}
	}
}

func TestCapacityStandsInEveryFormat(t *testing.T) {
	r := sample()
	r.Capacity = planned()
	for _, f := range texts {
		got := render(t, f.Render, r)
		if f.Name == "junit" {
			continue // it holds verdicts alone
		}
		if !strings.Contains(got, "Universal Scalability Law") && f.Name != "json" || f.Name == "json" && !strings.Contains(got, `"n_star"`) {
			t.Errorf("%s: the chapter on capacity is missing", f.Name)
		}
		if strings.Contains(got, "<b>|evil|") && f.Name != "term" {
			t.Errorf("%s: markup of a name reached the page", f.Name)
		}
	}
	var out bytes.Buffer
	if err := report.CapacityMarkdown(&out, planned()); err != nil || !strings.Contains(out.String(), `\|evil\|`) {
		t.Errorf("markdown: got %v and %q, want the bars of a name escaped", err, out.String())
	}
}

func TestRefusalOfACapacity(t *testing.T) {
	if got := planned().Refusal(); got != "" {
		t.Errorf("got refusal %q of a run that tells much", got)
	}
	got := report.NewCapacity(capacity.Analyze(capacity.Input{Throughput: math.NaN()}))
	if !strings.Contains(got.Refusal(), "nothing could be told") {
		t.Errorf("got refusal %q, want that nothing could be told", got.Refusal())
	}
	if err := report.CapacityTerminal(io.Discard, got, report.TerminalOptions{}); err != nil {
		t.Error(err)
	}
}
