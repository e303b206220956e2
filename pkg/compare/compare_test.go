package compare_test

import (
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/plumbline/plumbline/pkg/compare"
	"github.com/plumbline/plumbline/pkg/stats"
)

// TestWorkedExamples holds the whole path of one metric (METHODS 3.1 to 3.4, no
// history: ν₀ = 1, s₀ = 2 %) to numbers computed apart from it, with mpmath on
// the formulas.
func TestWorkedExamples(t *testing.T) {
	higher, lower := compare.Metric{Gating: true}, compare.Metric{Gating: true, Worse: compare.LowerIsWorse}
	tests := []struct {
		name                    string
		metric                  compare.Metric
		baseline, candidates    []float64
		verdict                 compare.Verdict
		center, actual, change  float64
		low, high, p, detecting float64
		runsNeeded              int
	}{
		{
			"five against three, 12 % more", higher,
			[]float64{100, 102, 98, 101, 99},
			[]float64{112, 110, 113},
			compare.Regressed, 99.9899988, 111.6596813, 0.1167084968, 0.09236591541, 0.1415935349, 1.509957738e-05, 0.03299578383, 0,
		},
		{
			"five against three, the same", higher,
			[]float64{100, 102, 98, 101, 99},
			[]float64{101, 100, 99},
			compare.Unchanged, 99.9899988, 99.99666656, 6.668422752e-05, -0.02063733638, 0.02120839404, 0.4976750757, 0.03129356936, 0,
		},
		{
			"one against one, 19 % more: only changes near 20 % can be told", higher,
			[]float64{100},
			[]float64{119},
			compare.Inconclusive, 100, 119, 0.19, -0.004615867295, 0.4226668413, 0.05130720097, 0.2429776355, 3,
		},
		{
			"one against one, 20 % more", higher,
			[]float64{100},
			[]float64{120},
			compare.Regressed, 100, 120, 0.2, 0.003748705249, 0.4346220249, 0.04899016661, 0.2429776355, 0,
		},
		{
			"one against one, the same: even that can't be told", higher,
			[]float64{100},
			[]float64{101},
			compare.Inconclusive, 100, 101, 0.01, -0.1551781731, 0.2074735376, 0.392323692, 0.2429776355, 3,
		},
		{
			"throughput fell by 19 %", lower,
			[]float64{500, 510, 490},
			[]float64{400, 410, 405},
			compare.Regressed, 499.9333244, 404.9794228, -0.189933131, -0.212730015, -0.1664761204, 1.244603078e-05, 0.04071971864, 0,
		},
		{
			"latency halved", higher,
			[]float64{0.28, 0.29, 0.30},
			[]float64{0.14, 0.15, 0.142},
			compare.Improved, 0.2898850119, 0.1439359283, -0.5034723343, -0.5296893891, -0.4757938326, 7.851881604e-07, 0.08220466171, 0,
		},
		{
			"two candidates: their mean", higher,
			[]float64{100, 102, 98},
			[]float64{104, 106},
			compare.Regressed, 99.98666489, 104.995238, 0.05009241087, 0.01279036136, 0.08876833097, 0.02248509709, 0.05351618923, 0,
		},
		{
			"too noisy: 8 % more", higher,
			[]float64{100, 110, 90, 105, 95},
			[]float64{108, 99, 112},
			compare.Inconclusive, 99.74924559, 106.1921281, 0.06459078946, -0.03272595275, 0.1716984987, 0.1279884445, 0.1516574671, 25,
		},
		{
			"a utilization, on the log odds", compare.Metric{Ratio: true},
			[]float64{0.5, 0.52, 0.48},
			[]float64{0.6, 0.62, 0.61},
			compare.Regressed, 0.5, 0.6100308391, 0.2200616782, 0.1743107323, 0.2648645586, 0.0001110038654, 0.06922806471, 0,
		},
	}
	for _, tt := range tests {
		d := only(tt.metric, runs("b", tt.baseline...), runs("c", tt.candidates...))
		if d.Verdict != tt.verdict {
			t.Errorf("%s: got %v (%s), want %v", tt.name, d.Verdict, d.Reason, tt.verdict)
		}
		for _, c := range []struct {
			what      string
			got, want float64
		}{
			{"baseline", d.Baseline, tt.center}, {"actual", d.Actual, tt.actual}, {"change", d.Change, tt.change},
			{"low", d.Low, tt.low}, {"high", d.High, tt.high}, {"p", d.P, tt.p}, {"detectable", d.Detectable, tt.detecting},
		} {
			if !math.IsNaN(c.want) && !near(c.got, c.want, 1e-6) {
				t.Errorf("%s: %s: got %v, want %v", tt.name, c.what, c.got, c.want)
			}
		}
		if d.RunsNeeded != tt.runsNeeded {
			t.Errorf("%s: runs needed: got %d, want %d", tt.name, d.RunsNeeded, tt.runsNeeded)
		}
		if want := len(tt.baseline) == 1; d.LowConfidence != want {
			t.Errorf("%s: low confidence: got %v, want %v", tt.name, d.LowConfidence, want)
		}
		if d.Verdict == compare.Inconclusive && d.Reason == "" {
			t.Errorf("%s: inconclusive without a reason", tt.name)
		}
	}
}

// TestErrorRatios compares counts among 10,000 requests in each run. The
// p-values are incomplete beta functions by mpmath, with the counts divided by
// the 1.0042 and 1.0018 that noise of 2 % between runs adds to chance.
func TestErrorRatios(t *testing.T) {
	errors := compare.Metric{Gating: true, Ratio: true}
	tests := []struct {
		name                 string
		baseline, candidates []float64
		verdict              compare.Verdict
		change, p            float64 // NaN: not looked at
		reason               string
	}{
		{"three times as many", []float64{6, 9, 6}, []float64{20, 24, 22}, compare.Regressed, 66.0/21 - 1, 7.4395884318700274e-7, ""},
		{"a third of them", []float64{20, 24, 22}, []float64{6, 9, 6}, compare.Improved, 21.0/66 - 1, 7.4395884318700274e-7, ""},
		{"none on both sides", []float64{0, 0, 0}, []float64{0, 0, 0}, compare.Unchanged, 0, 1, "no events in 30000 against 30000: the candidate's ratio is within 0.0001"},
		{"few on both sides are within 0.1 points", []float64{1, 0, 2}, []float64{2, 1, 2}, compare.Unchanged, nan, nan, "negligible"},
		{"errors appear", []float64{0, 0, 0}, []float64{9, 12, 8}, compare.Regressed, nan, nan, ""},
		{"errors vanish", []float64{9, 12, 8}, []float64{0, 0, 0}, compare.Improved, -1, nan, ""},
		{"one run each, 3 against 9", []float64{3}, []float64{9}, compare.Inconclusive, 2, 0.073257674423937478, "too noisy to tell"},
		{"clumps: runs of one side differ as much as the sides", []float64{5, 90, 10}, []float64{120, 20, 80}, compare.Inconclusive, nan, nan, "too noisy to tell"},
	}
	for _, tt := range tests {
		d := only(errors, counts("b", tt.baseline...), counts("c", tt.candidates...))
		if d.Verdict != tt.verdict {
			t.Errorf("%s: got %v (%s), want %v", tt.name, d.Verdict, d.Reason, tt.verdict)
		}
		if !math.IsNaN(tt.change) && !near(d.Change, tt.change, 1e-9) {
			t.Errorf("%s: change: got %v, want %v", tt.name, d.Change, tt.change)
		}
		if !math.IsNaN(tt.p) && !near(d.P, tt.p, 1e-9) {
			t.Errorf("%s: p: got %v, want %v", tt.name, d.P, tt.p)
		}
		if !strings.Contains(d.Reason, tt.reason) {
			t.Errorf("%s: reason: got %q, want %q in it", tt.name, d.Reason, tt.reason)
		}
	}
}

// TestErrorRatioBounds: 66 against 21 of 30,000, the exact binomial bounds by mpmath;
// the assumed noise between runs widens them by 0.4 % in variance.
func TestErrorRatioBounds(t *testing.T) {
	d := only(compare.Metric{Ratio: true}, counts("b", 6, 9, 6), counts("c", 20, 24, 22))
	if !near(d.Low, 1.04259, 0.01) || !near(d.High, 3.95928, 0.01) {
		t.Errorf("got %v to %v, want about 1.043 to 3.959", d.Low, d.High)
	}
}

// TestRatiosAreJudgedByTheirRarerSide: 99.98 % good is judged as 0.02 % bad is.
func TestRatiosAreJudgedByTheirRarerSide(t *testing.T) {
	for _, events := range [][2][]float64{
		{{6, 9, 6}, {20, 24, 22}},
		{{20, 24, 22}, {6, 9, 6}},
		{{0, 0, 0}, {0, 0, 0}},
		{{3, 4, 2}, {4, 5, 3}},
	} {
		bad := only(compare.Metric{Ratio: true}, counts("b", events[0]...), counts("c", events[1]...))
		good := only(compare.Metric{Ratio: true, Worse: compare.LowerIsWorse}, rest(counts("b", events[0]...)), rest(counts("c", events[1]...)))
		if good.Verdict != bad.Verdict || !near(good.P, bad.P, 1e-9) {
			t.Errorf("%v: good: got %v, p %v; want as bad: %v, p %v", events, good.Verdict, good.P, bad.Verdict, bad.P)
		}
		if good.Low > good.Change || good.Change > good.High {
			t.Errorf("%v: got a change of %v outside its bounds %v to %v", events, good.Change, good.Low, good.High)
		}
	}
}

// rest turns counts of errors into counts of successes.
func rest(list []compare.RunValues) []compare.RunValues {
	for _, r := range list {
		v := r.Values["m"]
		r.Values["m"] = compare.Value{Value: 1 - v.Value, Events: v.Total - v.Events, Total: v.Total}
	}
	return list
}

func TestDispersionInsideRunsWidens(t *testing.T) {
	calm := only(compare.Metric{Ratio: true}, counts("b", 20), counts("c", 45))
	clumped := counts("c", 45)
	clumped[0].Values["m"] = compare.Value{Value: 0.0045, Events: 45, Total: 10_000, Dispersion: 8}
	bursts := only(compare.Metric{Ratio: true}, counts("b", 20), clumped)
	if calm.Verdict != compare.Regressed || bursts.Verdict != compare.Inconclusive {
		t.Errorf("got %v without clumps and %v with, want regressed and inconclusive", calm.Verdict, bursts.Verdict)
	}
}

func TestEventsThatWereLeftOutFollowFromTheRatio(t *testing.T) {
	short := counts("c", 20, 24, 22)
	for _, r := range short {
		v := r.Values["m"]
		r.Values["m"] = compare.Value{Value: v.Value, Total: v.Total}
	}
	got := only(compare.Metric{Ratio: true}, counts("b", 6, 9, 6), short)
	want := only(compare.Metric{Ratio: true}, counts("b", 6, 9, 6), counts("c", 20, 24, 22))
	if got.P != want.P || got.Change != want.Change {
		t.Errorf("got p %v, change %v, want %v, %v", got.P, got.Change, want.P, want.Change)
	}
}

// TestSmallCountsAreNoisy: twice as many of three events is no regression, even
// where the assumed noise of 2 % would make it one.
func TestSmallCountsAreNoisy(t *testing.T) {
	few := func(side string, events ...float64) []compare.RunValues {
		list := runs(side, events...)
		for i, x := range events {
			list[i].Values["m"] = compare.Value{Value: x, Events: x}
		}
		return list
	}
	d := only(compare.Metric{}, few("b", 3, 3, 4), few("c", 6, 7, 6))
	if d.Verdict != compare.Inconclusive {
		t.Errorf("got %v, want inconclusive", d.Verdict)
	}
}

func TestWhatCannotBeTested(t *testing.T) {
	tests := []struct {
		name                 string
		metric               compare.Metric
		baseline, candidates []float64
		reason               string
	}{
		{"unknown in a candidate", compare.Metric{}, []float64{1, 2, 3}, []float64{1, nan, 1}, "no value in candidate run c-2"},
		{"infinite in a candidate", compare.Metric{}, []float64{1, 2, 3}, []float64{math.Inf(1)}, "no value in candidate run c-1"},
		{"unknown in the whole baseline", compare.Metric{}, []float64{nan, nan}, []float64{1}, "no value in the baseline"},
		{"zero in the baseline", compare.Metric{}, []float64{1, 0}, []float64{1}, "run b-2 has 0: only values above 0 can be compared"},
		{"zero in a candidate", compare.Metric{}, []float64{1, 2}, []float64{0}, "run c-1 has 0"},
		{"negative", compare.Metric{}, []float64{1, 2}, []float64{-3}, "run c-1 has -3"},
		{"a ratio above 1", compare.Metric{Ratio: true}, []float64{0.4, 0.5}, []float64{1.2}, "run c-1 has 1.2: only ratios between 0 and 1"},
		{"the same everywhere", compare.Metric{}, []float64{300, 300}, []float64{300}, "every run has the same value, 300"},
		{"zero everywhere", compare.Metric{}, []float64{0, 0}, []float64{0, 0}, "every run has the same value, 0"},
		{"a full ratio everywhere", compare.Metric{Ratio: true}, []float64{1, 1}, []float64{1}, "every run has the same value, 1"},
		{"a setting that was changed", compare.Metric{}, []float64{300, 300}, []float64{1000, 1000}, "every baseline run has the same value, 300: there is no noise"},
	}
	for _, tt := range tests {
		d := only(tt.metric, runs("b", tt.baseline...), runs("c", tt.candidates...))
		if d.Verdict != compare.Inconclusive {
			t.Errorf("%s: got %v, want inconclusive", tt.name, d.Verdict)
		}
		if !strings.Contains(d.Reason, tt.reason) {
			t.Errorf("%s: got %q, want %q in it", tt.name, d.Reason, tt.reason)
		}
		for _, number := range []float64{d.P, d.Low, d.High, d.Detectable} {
			if !math.IsNaN(number) {
				t.Errorf("%s: got %v, want no number that looks sure: %+v", tt.name, number, d)
				break
			}
		}
	}
}

func TestMetricThatNoRunHas(t *testing.T) {
	c := compare.Compare(compare.Baseline{Runs: runs("b", 1, 2)}, runs("c", 1), []compare.Metric{{ID: "other", Gating: true}}, compare.Noise{})
	d := c.Deltas[0]
	if d.Verdict != compare.Inconclusive || !math.IsNaN(d.Baseline) || !math.IsNaN(d.Actual) || !math.IsNaN(d.Change) {
		t.Errorf("got %+v, want inconclusive without numbers", d)
	}
	if c.Verdict != compare.Inconclusive {
		t.Errorf("got %v, want inconclusive", c.Verdict)
	}
}

func TestBaselineRunWithoutAValueIsLeftOut(t *testing.T) {
	got := only(compare.Metric{}, runs("b", 100, nan, 102, 98), runs("c", 120, 121, 119))
	want := only(compare.Metric{}, runs("b", 100, 102, 98), runs("c", 120, 121, 119))
	if got.P != want.P || got.Verdict != compare.Regressed {
		t.Errorf("got p %v, %v, want %v, regressed", got.P, got.Verdict, want.P)
	}
	if !strings.Contains(got.Reason, "b-2 left out") {
		t.Errorf("got reason %q, want it to name b-2", got.Reason)
	}
}

// TestOneWildRunIsNoRegression: it widens the noise that its side is held against.
func TestOneWildRunIsNoRegression(t *testing.T) {
	d := only(compare.Metric{}, runs("b", 100, 101, 99, 100.5, 99.5), runs("c", 100, 180, 100.7))
	if d.Verdict != compare.Inconclusive || d.RunsNeeded == 0 {
		t.Errorf("got %v, %d runs needed, want inconclusive and a number of runs", d.Verdict, d.RunsNeeded)
	}
}

// TestHistoryOfAMetric: seven earlier runs with a variance of (1 %)² join the
// assumed one of (2 %)², and the runs at hand join both.
func TestHistoryOfAMetric(t *testing.T) {
	noise := compare.Noise{History: map[string]stats.VariancePrior{"m": {Variance: 0.01 * 0.01, DF: 7}}}
	b := compare.Baseline{Runs: runs("b", 100, 101)}
	d := compare.Compare(b, runs("c", 104), []compare.Metric{{ID: "m"}}, noise).Deltas[0]
	mean := (math.Log(100) + math.Log(101)) / 2
	within := math.Pow(math.Log(100)-mean, 2) + math.Pow(math.Log(101)-mean, 2)
	variance := (1*0.02*0.02 + 7*0.01*0.01 + within) / 9
	if want := stats.StudentCDF(-(math.Log(104)-mean)/math.Sqrt(variance*1.5), 9); !near(d.P, want, 1e-12) {
		t.Errorf("got p %v, want %v", d.P, want)
	}
}

func TestHistorySettlesWhatTwoRunsCannot(t *testing.T) {
	baseline, candidates := compare.Baseline{Runs: runs("b", 100)}, runs("c", 108)
	metrics := []compare.Metric{{ID: "m"}}
	without := compare.Compare(baseline, candidates, metrics, compare.Noise{}).Deltas[0]
	with := compare.Compare(baseline, candidates, metrics, compare.Noise{Prior: stats.VariancePrior{Variance: 0.012 * 0.012, DF: 40}}).Deltas[0]
	if without.Verdict != compare.Inconclusive || with.Verdict != compare.Regressed {
		t.Errorf("got %v without history and %v with, want inconclusive and regressed", without.Verdict, with.Verdict)
	}
	// ln 1.08 / (0.012·√2) on ten degrees of freedom, however long the history.
	if want := stats.StudentCDF(-math.Log(1.08)/(0.012*math.Sqrt2), 10); !near(with.P, want, 1e-12) {
		t.Errorf("got p %v, want %v", with.P, want)
	}
}

func TestDeclaredValues(t *testing.T) {
	b := compare.Baseline{Name: "v1.0.0", Declared: map[string]float64{"m": 0.28, "zero": 0}}
	metrics := []compare.Metric{{ID: "m", Gating: true}, {ID: "zero"}, {ID: "absent"}}
	c := compare.Compare(b, runs("c", 0.187), metrics, compare.Noise{})
	if c.Comparable || c.Verdict != compare.Inconclusive || !strings.Contains(c.Reason, "declared values") {
		t.Errorf("got %+v, want not comparable, inconclusive, because of declared values", c)
	}
	d := c.Deltas[0]
	if d.Baseline != 0.28 || d.Actual != 0.187 || !near(d.Change, 0.187/0.28-1, 1e-12) {
		t.Errorf("got %v to %v, %v; want the guide's −33 %%", d.Baseline, d.Actual, d.Change)
	}
	for _, d := range c.Deltas {
		if d.Verdict != compare.Inconclusive || d.Reason == "" || !math.IsNaN(d.P) || !math.IsNaN(d.Low) {
			t.Errorf("%s: got %v, p %v, %q; want inconclusive with a reason and no p", d.ID, d.Verdict, d.P, d.Reason)
		}
	}
}

func TestOrderOfDeltas(t *testing.T) {
	values := map[string][2][]float64{
		"same-1":     {{100, 101, 99, 100.5, 99.5}, {100, 100.5, 99.6}},
		"better":     {{100, 101, 99, 100.5, 99.5}, {80, 81, 79}},
		"worse":      {{100, 101, 99, 100.5, 99.5}, {115, 116, 114}},
		"unknown-1":  {{100, 101, 99, 100.5, 99.5}, {nan, 1, 1}},
		"much-worse": {{100, 101, 99, 100.5, 99.5}, {50, 51, 49}}, // lower is worse
		"unknown-2":  {{0, 0, 0, 0, 1}, {1, 1, 1}},
		"same-2":     {{100, 101, 99, 100.5, 99.5}, {100, 100.2, 99.6}},
	}
	given := []string{"same-1", "better", "worse", "unknown-1", "much-worse", "unknown-2", "same-2"}
	want := []string{"much-worse", "worse", "unknown-1", "unknown-2", "same-1", "same-2", "better"}

	baseline, candidates := runs("b", 1, 1, 1, 1, 1), runs("c", 1, 1, 1)
	var metrics []compare.Metric
	for _, id := range given {
		m := compare.Metric{ID: id}
		if id == "much-worse" {
			m.Worse = compare.LowerIsWorse
		}
		metrics = append(metrics, m)
		for i, v := range values[id][0] {
			baseline[i].Values[id] = compare.Value{Value: v}
		}
		for i, v := range values[id][1] {
			candidates[i].Values[id] = compare.Value{Value: v}
		}
	}
	c := compare.Compare(compare.Baseline{Name: "b", Runs: baseline}, candidates, metrics, compare.Noise{})
	var got []string
	for _, d := range c.Deltas {
		got = append(got, d.ID)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("want −, got +:\n%s", diff)
	}
	if diff := cmp.Diff([]string{"b-1", "b-2", "b-3", "b-4", "b-5"}, c.BaselineRuns); diff != "" {
		t.Errorf("baseline runs: want −, got +:\n%s", diff)
	}
	if diff := cmp.Diff([]string{"c-1", "c-2", "c-3"}, c.CandidateRuns); diff != "" {
		t.Errorf("candidate runs: want −, got +:\n%s", diff)
	}
}

func TestOverall(t *testing.T) {
	gating := func(v compare.Verdict) compare.Delta {
		return compare.Delta{Metric: compare.Metric{Gating: true}, Verdict: v}
	}
	other := func(v compare.Verdict) compare.Delta { return compare.Delta{Verdict: v} }
	constant := gating(compare.Inconclusive)
	constant.Constant = true

	const (
		inconclusive = compare.Inconclusive
		regressed    = compare.Regressed
		unchanged    = compare.Unchanged
		improved     = compare.Improved
	)
	tests := []struct {
		name   string
		deltas []compare.Delta
		want   compare.Verdict
	}{
		{"nothing", nil, inconclusive},
		{"where nothing gates, all have a say", []compare.Delta{other(regressed), other(improved)}, regressed},
		{"one regressed, however many improved", []compare.Delta{gating(improved), gating(regressed), gating(improved)}, regressed},
		{"regressed over inconclusive", []compare.Delta{gating(inconclusive), gating(regressed)}, regressed},
		{"inconclusive may hide a regression", []compare.Delta{gating(improved), gating(inconclusive), gating(unchanged)}, inconclusive},
		{"improved over unchanged", []compare.Delta{gating(unchanged), gating(improved)}, improved},
		{"all unchanged", []compare.Delta{gating(unchanged), gating(unchanged)}, unchanged},
		{"what does not gate has no say", []compare.Delta{gating(unchanged), other(regressed), other(inconclusive)}, unchanged},
		{"what never varies has no say", []compare.Delta{gating(improved), constant}, improved},
		{"nothing that ever varies", []compare.Delta{constant, constant}, inconclusive},
	}
	for _, tt := range tests {
		if got := compare.Overall(tt.deltas); got != tt.want {
			t.Errorf("%s: got %v, want %v", tt.name, got, tt.want)
		}
	}
}

func TestArgumentsAreKept(t *testing.T) {
	baseline, candidates := rest(counts("b", 1, 2, 3)), rest(counts("c", 4, 5, 6))
	only(compare.Metric{Ratio: true}, baseline, candidates)
	if diff := cmp.Diff(rest(counts("b", 1, 2, 3)), baseline); diff != "" {
		t.Errorf("baseline: want −, got +:\n%s", diff)
	}
}

func TestTextOfDirectionsAndVerdicts(t *testing.T) {
	for _, want := range []string{"higher", "lower"} {
		var d compare.Direction
		if err := d.UnmarshalText([]byte(want)); err != nil || d.String() != want {
			t.Errorf("got %v, %v, want %s", d, err, want)
		}
	}
	for _, want := range []string{"inconclusive", "regressed", "unchanged", "improved"} {
		var v compare.Verdict
		if err := v.UnmarshalText([]byte(want)); err != nil || v.String() != want {
			t.Errorf("got %v, %v, want %s", v, err, want)
		}
	}
	var d compare.Direction
	if err := d.UnmarshalText([]byte("sideways")); err == nil {
		t.Error("sideways: got no error, want one")
	}
}

func TestNumbersAreReadable(t *testing.T) {
	for share, want := range map[float64]string{1.1: "110 %", 12.3: "1230 %", 0.25: "25 %", 0.031: "3.1 %", 0: "0 %", 9.4e-16: "< 0.01 %", -0.002: "-0.2 %"} {
		if got := compare.Percent(share); got != want {
			t.Errorf("%v: got %q, want %q", share, got, want)
		}
	}
	for value, want := range map[float64]string{1023.4310249307479: "1023.4", 5: "5", 1847293: "1847300"} {
		d := only(compare.Metric{}, runs("b", value, value), runs("c", value))
		if d.Reason != "every run has the same value, "+want {
			t.Errorf("got %q, want %s", d.Reason, want)
		}
	}
	if d := only(compare.Metric{}, runs("b", 100, 300), runs("c", 200)); !strings.Contains(d.Reason, "too noisy to tell changes below ") || strings.Contains(d.Reason, "e+") {
		t.Errorf("got %q, want a percentage in digits", d.Reason)
	}
}
