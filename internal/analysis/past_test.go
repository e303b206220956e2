package analysis_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/plumbline/plumbline/internal/analysis"
	"github.com/plumbline/plumbline/pkg/compare"
	"github.com/plumbline/plumbline/pkg/run"
)

func commits(i int) string { return fmt.Sprintf("commit-%d", i) }

// levelled are values that go up and down a little around levels that begin at runs.
func levelled(n int, levels map[int]float64) []float64 {
	values, level := make([]float64, n), 0.0
	for i := range values {
		if to, begins := levels[i]; begins {
			level = to
		}
		values[i] = level * (1 + 0.004*math.Sin(float64(7*i)))
	}
	return values
}

// measureAll lets the store keep what each run measured.
func (h *history) measureAll(t *testing.T, n int) {
	t.Helper()
	for i := range n {
		h.compare(t, "r0", fmt.Sprintf("r%d", i))
	}
}

func TestRollingBaseline(t *testing.T) {
	gap := func(i, cell int) bool { return i == 3 && cell > 10 && cell < 15 }
	h := newHistory(t, levelled(10, map[int]float64{0: 0.3}), commits, gap)
	for id, change := range map[string]func(*run.Run){
		"r1": func(r *run.Run) { r.State, r.Reason = run.Aborted, "killed" },
		"r4": func(r *run.Run) { r.Load.Users = 7 },
	} {
		r, err := h.store.Load(id)
		if err != nil {
			t.Fatal(err)
		}
		change(&r)
		if err := h.store.Save(r); err != nil {
			t.Fatal(err)
		}
	}
	h.baseline(t, compare.Spec{Name: "main", Last: 3})
	for _, tt := range []struct {
		name            string
		candidates      []string
		baseline, notes []string
	}{
		{"several candidates stay out of it", []string{"r9", "r8"}, []string{"r5", "r6", "r7"}, nil},
		{"later runs do too, a stray with other users, and one with a gap", []string{"r6"}, []string{"r0", "r2", "r5"}, []string{"run r1 left out: aborted: killed", "run r3 left out: gaps between scrapes: they cover 79.2 % of the window (rps)"}},
		{"fewer than it takes", []string{"r2"}, []string{"r0"}, []string{"the baseline takes the last 3 good runs, and there are 1", "run r1 left out: aborted: killed"}},
		{"a candidate with a gap", []string{"r3", "r2"}, []string{"r0"}, []string{"the baseline takes the last 3 good runs, and there are 1", "run r1 left out: aborted: killed", "run r3 left out: gaps between scrapes: they cover 79.2 % of the window (rps)"}},
	} {
		c := h.compare(t, "main", tt.candidates...)
		if !c.Comparable || !slices.Equal(c.BaselineRuns, tt.baseline) {
			t.Errorf("%s: got %v, %q, want %v", tt.name, c.BaselineRuns, c.Reason, tt.baseline)
		}
		if diff := cmp.Diff(tt.notes, c.Notes); diff != "" {
			t.Errorf("%s: notes (-want +got):\n%s", tt.name, diff)
		}
	}
}

func TestRollingBaselineBeginsAtTheLastChange(t *testing.T) {
	h := newHistory(t, levelled(21, map[int]float64{0: 0.3, 12: 0.34}), commits, nil)
	h.baseline(t, compare.Spec{Name: "ten", Last: 10})
	h.baseline(t, compare.Spec{Name: "five", Last: 5})
	if c := h.compare(t, "ten", "r20"); len(c.BaselineRuns) != 10 {
		t.Errorf("before anything was measured: got %v, want the last ten", c.BaselineRuns)
	}
	h.measureAll(t, 21)
	c := h.compare(t, "ten", "r20")
	if want := []string{"r12", "r13", "r14", "r15", "r16", "r17", "r18", "r19"}; !slices.Equal(c.BaselineRuns, want) {
		t.Errorf("got %v, want %v", c.BaselineRuns, want)
	}
	if notes := strings.Join(c.Notes, "; "); !strings.Contains(notes, "the baseline begins with run r12, where the level of latency-p95 changed from 30") || !strings.Contains(notes, "takes the last 10 good runs, and there are 8") {
		t.Errorf("got %q, want to be told where it begins", notes)
	}
	if c := h.compare(t, "five", "r20"); len(c.BaselineRuns) != 5 || len(c.Notes) > 0 {
		t.Errorf("a baseline that doesn't reach back so far: got %v, %q, want five runs and no word of it", c.BaselineRuns, c.Notes)
	}
}

// TestNoiseOfRunsWithCommitsOfTheirOwn: no two runs have the same labels, and
// still the level on which they stay tells how noisy they are.
func TestNoiseOfRunsWithCommitsOfTheirOwn(t *testing.T) {
	h := newHistory(t, slices.Concat(levelled(24, map[int]float64{0: 0.3, 12: 0.34}), []float64{0.34, 0.36}), commits, nil)
	alone := delta(t, h.compare(t, "r24", "r25"), "latency-p95")
	h.measureAll(t, 24)
	with := delta(t, h.compare(t, "r24", "r25"), "latency-p95")
	if alone.Verdict != compare.Inconclusive || with.Verdict != compare.Regressed {
		t.Errorf("6 %% slower: got %v alone (sees %v) and %v with history (sees %v), want inconclusive and regressed", alone.Verdict, alone.Detectable, with.Verdict, with.Detectable)
	}
}

// TestNoiseOfLevelsRaisesNoFalseAlarms on simulated runs, each with a commit of
// its own, whose level moves by 15 % in the middle of the history.
func TestNoiseOfLevelsRaisesNoFalseAlarms(t *testing.T) {
	const rounds, length, sd = 400, 30, 0.04
	rng := rand.New(rand.NewPCG(5, 5))
	metrics := []compare.Metric{{ID: "latency", Gating: true}, {ID: "rps", Worse: compare.LowerIsWorse, Gating: true}}
	simulated := func(id string, latency float64) compare.RunValues {
		noisy := func(v float64) compare.Value { return compare.Value{Value: v * math.Exp(sd*rng.NormFloat64())} }
		return compare.RunValues{
			Run:    run.Run{ID: id, State: run.Complete},
			Values: map[string]compare.Value{"latency": noisy(latency), "rps": noisy(1000)},
		}
	}
	var labels []map[string]string
	for i := range length {
		labels = append(labels, map[string]string{"commit": commits(i)})
	}
	var falsely, rightly int
	for range rounds {
		var history []compare.RunValues
		for i := range length {
			history = append(history, simulated(commits(i), 0.2*math.Pow(1.15, float64(i/(length/2)))))
		}
		noise := analysis.NoiseOfPast(labels, history, metrics)
		against := compare.Baseline{Runs: []compare.RunValues{simulated("b", 0.23)}}
		regressed := func(latency float64) bool {
			return compare.Compare(against, []compare.RunValues{simulated("c", latency)}, metrics, noise).Verdict == compare.Regressed
		}
		if regressed(0.23) {
			falsely++
		}
		if regressed(0.23 * 1.25) {
			rightly++
		}
	}
	t.Logf("called regressed: %.1f %% of the same, %.1f %% of those 25 %% slower", 100*float64(falsely)/rounds, 100*float64(rightly)/rounds)
	if falsely > rounds*6/100 || rightly < rounds*80/100 {
		t.Errorf("got %d of %d falsely and %d rightly called regressed, want at most 6 %% and at least 80 %%", falsely, rounds, rightly)
	}
}
