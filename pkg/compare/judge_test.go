package compare

import (
	"math"
	"slices"
	"testing"

	"github.com/plumbline/plumbline/pkg/stats"
)

// TestVerdict is the rule of METHODS 3.4, at its edges; tolerance 5 %.
func TestVerdict(t *testing.T) {
	half, whole := math.Log(1.025), math.Log(1.05)
	const sure, unsure = 0.049, 0.051
	tests := []struct {
		name                string
		worse, better       float64 // adjusted p-values
		effect, high        float64
		negligible, surplus float64 // and the bound on the absolute change
		want                Verdict
	}{
		{"sure and more than half the tolerance", sure, 1, half + 1e-9, 1, 0, 1, Regressed},
		{"sure, but no more than half the tolerance", sure, 1, half, 1, 0, 1, Inconclusive},
		{"large, but not sure", unsure, 1, 0.5, 1, 0, 1, Inconclusive},
		{"at the level is not below it", 0.05, 1, 0.5, 1, 0, 1, Inconclusive},
		{"sure of a small regression that is surely small", sure, 1, half / 2, whole - 1e-9, 0, 1, Unchanged},
		{"sure of more than half, although surely within the tolerance", sure, 1, half + 1e-9, whole - 1e-9, 0, 1, Regressed},
		{"sure and better", 1, sure, -half - 1e-9, 0, 0, 1, Improved},
		{"sure, but hardly better", 1, sure, -half, 0, 0, 1, Unchanged},
		{"better, not sure, but surely not worse", 1, unsure, -0.2, 0.01, 0, 1, Unchanged},
		{"within the tolerance", 1, 1, 0, whole - 1e-9, 0, 1, Unchanged},
		{"at the tolerance is not within it", 1, 1, 0, whole, 0, 1, Inconclusive},
		{"too little to matter", 1, 1, 0.3, 1, 0.001, 0.0009, Unchanged},
		{"enough to matter", 1, 1, 0.3, 1, 0.001, 0.001, Inconclusive},
		{"a regression is one, however small its number", sure, 1, 0.3, 1, 0.001, 0.0009, Regressed},
		{"unknown", math.NaN(), math.NaN(), math.NaN(), math.NaN(), 0, math.NaN(), Inconclusive},
	}
	for _, tt := range tests {
		f := finding{Delta: Delta{Metric: Metric{Negligible: tt.negligible}, effect: tt.effect}, high: tt.high, level: Alpha, difference: tt.surplus}
		f.worse.adjusted, f.better.adjusted = tt.worse, tt.better
		if got := f.verdict(); got != tt.want {
			t.Errorf("%s: got %v, want %v", tt.name, got, tt.want)
		}
	}
}

func TestAdjust(t *testing.T) {
	type test struct {
		family string
		p      float64
	}
	tests := []struct {
		name   string
		gating bool
		tests  []test
		want   []float64
	}{
		{"one metric", true, []test{{"", 0.02}}, []float64{0.02}},
		{"gating ones by Holm", true, []test{{"", 0.01}, {"", 0.04}, {"", 0.03}, {"", 0.005}}, []float64{0.03, 0.06, 0.06, 0.02}},
		{"the rest by Benjamini–Hochberg", false, []test{{"", 0.01}, {"", 0.04}, {"", 0.03}, {"", 0.005}}, []float64{0.02, 0.04, 0.04, 0.02}},
		{"quantiles that moved together count once", true, []test{{"h", 0.01}, {"", 0.5}, {"h", 0.01}, {"h", 0.01}}, []float64{0.02, 0.5, 0.02, 0.02}},
		{"one quantile of three is corrected inside", true, []test{{"h", 0.004}, {"h", 0.9}, {"h", 0.8}, {"", 0.5}}, []float64{0.024, 0.9, 0.9, 0.5}},
		{"a member counts only with its family", true, []test{{"h", 0.03}, {"h", 0.03}, {"", 0.001}, {"", 0.02}}, []float64{0.04, 0.04, 0.003, 0.04}},
	}
	for _, tt := range tests {
		findings := make([]finding, len(tt.tests))
		for i, x := range tt.tests {
			findings[i].Gating, findings[i].Family, findings[i].worse.alone, findings[i].better.alone = tt.gating, x.family, x.p, 1
		}
		adjust(findings)
		var got []float64
		for _, f := range findings {
			got = append(got, f.worse.adjusted)
		}
		if !slices.EqualFunc(got, tt.want, func(a, b float64) bool { return math.Abs(a-b) < 1e-12 }) {
			t.Errorf("%s: got %v, want %v", tt.name, got, tt.want)
		}
	}
}

func TestAdjustLeavesOutWhatCannotBeTested(t *testing.T) {
	findings := make([]finding, 3)
	for i := range findings {
		findings[i].Gating, findings[i].worse.alone = true, 0.03
	}
	findings[0].untestable = true
	findings[1].Gating = false
	adjust(findings)
	if got := findings[2].worse.adjusted; got != 0.03 || findings[2].tests != 1 {
		t.Errorf("got p %v of %d tests, want 0.03 of one", got, findings[2].tests)
	}
	if got := findings[1].level; got != FalseDiscoveryRate {
		t.Errorf("level of a metric that does not gate: got %v, want %v", got, FalseDiscoveryRate)
	}
}

func TestRunsNeededOfRareErrors(t *testing.T) {
	values := func(n int) []RunValues {
		list := make([]RunValues, n)
		for i := range list {
			list[i].Values = map[string]Value{"m": {Value: 0.001, Events: 1, Total: 1000}}
		}
		return list
	}
	findings := []finding{measure(Metric{ID: "m", Ratio: true}, values(2), values(2), Noise{})}
	adjust(findings)
	d := findings[0].judge()
	// By the tolerance of 5 % it would take thousands of runs; within 0.1 points
	// 2·(1.645+0.842)²·0.001·0.999/1000/0.001² = 12.4.
	if d.Verdict != Inconclusive || d.RunsNeeded != 13 {
		t.Errorf("got %v, %d runs, want inconclusive, 13", d.Verdict, d.RunsNeeded)
	}
}

func TestThroughStudent(t *testing.T) {
	if got := throughStudent(0.05, math.Inf(1)); math.Abs(got-0.05) > 1e-12 {
		t.Errorf("known variance: got %v, want 0.05", got)
	}
	if got, want := throughStudent(0.05, 4), stats.StudentCDF(-1.6448536269514722, 4); math.Abs(got-want) > 1e-9 {
		t.Errorf("four degrees: got %v, want %v", got, want)
	}
	if got := throughStudent(1, 4); got != 1 {
		t.Errorf("certain: got %v, want 1", got)
	}
}
