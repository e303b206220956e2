package compare

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/plumbline/plumbline/pkg/run"
)

var p95 = Metric{ID: "p95", Title: "p95", Unit: "s", HigherIsWorse: true, Tolerance: .05, Gating: true}

// runs makes complete runs of one test that measured these values.
func runs(id string, values ...float64) (out []RunValues) {
	for i, v := range values {
		r := run.Run{ID: fmt.Sprintf("%s-%d", id, i), Scenario: "mixed", Profile: "peak", State: run.Complete, Load: run.Load{Users: 100, ThinkSeconds: 3},
			Window:     run.Window{Start: time.Unix(0, 0), End: time.Unix(600, 0)},
			Generators: run.Generators{Expected: 1, Segments: []run.Generator{{Segment: 1, Valid: true}}}}
		out = append(out, RunValues{r, map[string]Value{"p95": {Value: v, Total: 100000}}})
	}
	return out
}

func one(t *testing.T, b Baseline, candidates []RunValues, m Metric) (Comparison, Delta) {
	t.Helper()
	c := Compare(b, candidates, []Metric{m}, NoHistory)
	if len(c.Deltas) != 1 {
		t.Fatalf("got %d deltas, want 1", len(c.Deltas))
	}
	return c, c.Deltas[0]
}

func TestVerdictsOnAChange(t *testing.T) {
	higher, ratio := p95, p95
	higher.HigherIsWorse = false
	ratio.Ratio = true
	for _, c := range []struct {
		name       string
		metric     Metric
		base, cand []float64
		want       Verdict
		reason     string
	}{
		{"half as slow again is regressed", p95, []float64{.40, .41, .405}, []float64{.60, .62, .61}, Regressed, ""},
		{"a third faster is improved", p95, []float64{.60, .62, .61}, []float64{.40, .41, .405}, Improved, ""},
		{"less throughput is regressed", higher, []float64{.60, .62, .61}, []float64{.40, .41, .405}, Regressed, ""},
		{"the same within a little noise is unchanged", p95, []float64{.400, .401, .402, .400, .401}, []float64{.401, .400, .402}, Unchanged, ""},
		{"noise hides a change", p95, []float64{.3, .5, .4}, []float64{.45, .5, .4}, Inconclusive, "too noisy"},
		{"no value on one side", p95, []float64{math.NaN()}, []float64{.4}, Inconclusive, "no value"},
		{"zero has no relative change", p95, []float64{0, .1}, []float64{.4}, Inconclusive, "not above 0"},
		{"200 errors instead of 8 in 300,000", ratio, []float64{2e-5, 3e-5, 3e-5}, []float64{66e-5, 67e-5, 67e-5}, Regressed, ""},
		{"8 errors instead of 200 in 300,000", ratio, []float64{66e-5, 67e-5, 67e-5}, []float64{2e-5, 3e-5, 3e-5}, Improved, ""},
		{"3 errors instead of 2 tell nothing", ratio, []float64{1e-5, 1e-5, 0}, []float64{1e-5, 1e-5, 1e-5}, Inconclusive, "too few events"},
		{"none at all on both sides", ratio, []float64{0, 0, 0}, []float64{0, 0, 0}, Inconclusive, "none among"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, d := one(t, Baseline{Name: "b", Runs: runs("b", c.base...)}, runs("c", c.cand...), c.metric)
			if d.Verdict != c.want || !strings.Contains(d.Reason, c.reason) {
				t.Errorf("got %s (%q), want %s (%q); change %v, p %v", d.Verdict, d.Reason, c.want, c.reason, d.Change, d.P)
			}
		})
	}
}

// METHODS 3.2 and 3.3 by hand: baseline logs have s² = 0.0004 with k−1 = 2
// degrees; with ν₀ = 1 and s₀ = 0.02, s̃² = (1·0.0004 + 2·0.0004)/3 = 0.0004 and
// ν = 3. SE = 0.02·√(1/3 + 1/3) = 0.01632993, the effect is ln 1.1 = 0.09531018,
// t = 5.836533, and 95 % of t₃ lies within ±3.182446: 1.1·e^±0.05196913.
func TestModeratedTByHand(t *testing.T) {
	base := runs("b", .4*math.Exp(-.02), .4, .4*math.Exp(.02))
	cand := runs("c", .44, .44, .44)
	_, d := one(t, Baseline{Name: "b", Runs: base}, cand, p95)
	for _, c := range []struct {
		what      string
		got, want float64
	}{
		{"change", d.Change, .1}, {"standard error", d.se, .01632993}, {"degrees", d.nu, 3},
		{"low", d.Low, 1.1*math.Exp(-.05196913) - 1}, {"high", d.High, 1.1*math.Exp(.05196913) - 1},
	} {
		if math.Abs(c.got-c.want) > 1e-6 {
			t.Errorf("%s: got %.8f, want %.8f", c.what, c.got, c.want)
		}
	}
	if !(d.P > .004 && d.P < .006) { // t₃ beyond 5.84: 0.005 (tables: t(.995, 3) = 5.841)
		t.Errorf("p: got %v, want about 0.005", d.P)
	}
}

func TestOneBaselineRunIsLowConfidence(t *testing.T) {
	_, d := one(t, Baseline{Name: "b", Runs: runs("b", .4)}, runs("c", .42), p95)
	if !d.LowConfidence || d.Verdict != Inconclusive || d.RunsNeeded < 3 {
		t.Errorf("got %+v", d)
	}
}

func TestComparableFirst(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*run.Run)
		reason string
	}{
		{"scenario", func(r *run.Run) { r.Scenario = "single" }, "scenario of c-0 is single"},
		{"users", func(r *run.Run) { r.Load.Users = 300 }, "users of c-0 is 300"},
		{"duration", func(r *run.Run) { r.Window.End = time.Unix(60, 0) }, "c-0 took 60 s"},
		{"environment", func(r *run.Run) { r.Environment = map[string]string{"nodes": "6"} }, "environments"},
		{"state", func(r *run.Run) { r.State = run.Aborted }, "c-0 is not complete"},
		{"generator", func(r *run.Run) { r.Generators.Segments = nil }, "0 of 1 expected"},
	} {
		t.Run(c.name, func(t *testing.T) {
			cand := runs("c", .8)
			c.change(&cand[0].Run)
			got, d := one(t, Baseline{Name: "b", Runs: runs("b", .4, .4, .4)}, cand, p95)
			if got.Comparable || !strings.Contains(got.Reason, c.reason) || got.Verdict != Inconclusive {
				t.Errorf("got comparable %v, %q, %s", got.Comparable, got.Reason, got.Verdict)
			}
			if d.Verdict != Inconclusive || math.Abs(d.Change-1) > 1e-9 {
				t.Errorf("got %s and change %v, want inconclusive with the change of 100 %%", d.Verdict, d.Change)
			}
		})
	}
}

func TestDeclaredValuesHaveNoSignificance(t *testing.T) {
	c, d := one(t, Baseline{Name: "v1.0.0", Declared: map[string]float64{"p95": .89}}, runs("c", .423), p95)
	if c.Comparable || d.Verdict != Inconclusive || math.Abs(d.Change+.5247) > 1e-3 || !strings.Contains(d.Reason, "declared") {
		t.Errorf("got %+v", d)
	}
}

func TestManyMetricsAreHeldToMore(t *testing.T) {
	base, cand := runs("b", .400, .404, .396, .402, .398), runs("c", .413, .414, .412)
	alone := Compare(Baseline{Name: "b", Runs: base}, cand, []Metric{p95}, NoHistory)
	metrics := []Metric{p95}
	for i := range 19 {
		m := p95
		m.ID = fmt.Sprint("m", i)
		metrics = append(metrics, m)
		for k := range base {
			base[k].Values[m.ID] = Value{Value: .4 + .001*float64(k)}
		}
		for k := range cand {
			cand[k].Values[m.ID] = Value{Value: .401 + .001*float64(k)}
		}
	}
	among := Compare(Baseline{Name: "b", Runs: base}, cand, metrics, NoHistory)
	i := slices.IndexFunc(among.Deltas, func(d Delta) bool { return d.Metric.ID == "p95" })
	if alone.Deltas[0].Verdict != Regressed || among.Deltas[i].Verdict == Regressed {
		t.Errorf("got %s alone (p %v) and %s among twenty (p %v); want regressed only alone", alone.Deltas[0].Verdict, alone.Deltas[0].P, among.Deltas[i].Verdict, among.Deltas[i].P)
	}
}

// Same-build noise of 2 %, eight gating metrics, five runs against three.
func TestFalseAlarmsAndPower(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	const rounds = 1000
	alarms, found := 0, 0
	for range rounds {
		var metrics []Metric
		base, same, worse := runs("b", 0, 0, 0, 0, 0), runs("c", 0, 0, 0), runs("c", 0, 0, 0)
		for i := range 8 {
			m := p95
			m.ID = fmt.Sprint("m", i)
			metrics = append(metrics, m)
			for _, side := range []struct {
				runs []RunValues
				mean float64
			}{{base, 1}, {same, 1}, {worse, 1.1}} {
				for _, r := range side.runs {
					r.Values[m.ID] = Value{Value: side.mean * math.Exp(.02*rng.NormFloat64())}
				}
			}
		}
		if Compare(Baseline{Name: "b", Runs: base}, same, metrics, NoHistory).Verdict == Regressed {
			alarms++
		}
		if Compare(Baseline{Name: "b", Runs: base}, worse, metrics, NoHistory).Verdict == Regressed {
			found++
		}
	}
	t.Logf("false alarms %.1f %%, found at +10 %%: %.1f %%", 100*float64(alarms)/rounds, 100*float64(found)/rounds)
	if alarms > .05*rounds || found < .8*rounds {
		t.Errorf("got %d false alarms and %d found of %d, want at most 5 %% and at least 80 %%", alarms, found, rounds)
	}
}

func TestParseSpec(t *testing.T) {
	s, err := ParseSpec("b.yaml", []byte("apiVersion: plumbline/v1\nkind: Baseline\nname: v1.0.0\nvalues: {latency-p50: 280ms, error-rate: 0.23%, sustained-rps: 450}"))
	if err != nil || s.Values["latency-p50"] != .28 || math.Abs(s.Values["error-rate"]-.0023) > 1e-12 || s.Values["sustained-rps"] != 450 {
		t.Errorf("got %+v, %v", s, err)
	}
	_, err = ParseSpec("b.yaml", []byte("apiVersion: plumbline/v1\nkind: Baseline\nrun: x\nlast: 3\nvalues: {p: soon}"))
	for _, want := range []string{"want one of run, last and values", `b.yaml:5:13: values.p: want a value such as`} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q in %v", want, err)
		}
	}
}
