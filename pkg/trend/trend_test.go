package trend_test

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/plumbline/plumbline/pkg/trend"
)

var nan = math.NaN()

// A stretch is a number of runs on a level.
type stretch struct {
	n     int
	level float64
}

// history draws values with normal noise of a standard deviation.
func history(seed uint64, noise float64, levels ...stretch) []float64 {
	r := rand.New(rand.NewPCG(seed, 0))
	var values []float64
	for _, l := range levels {
		for range l.n {
			values = append(values, l.level+noise*r.NormFloat64())
		}
	}
	return values
}

// with puts values in the place of some.
func with(values []float64, at map[int]float64) []float64 {
	for i, v := range at {
		values[i] = v
	}
	return values
}

func strict(values []float64) (at []int) {
	for _, c := range trend.Detect(values) {
		if c.Strength == trend.Strict {
			at = append(at, c.Index)
		}
	}
	return at
}

func TestDetect(t *testing.T) {
	tests := []struct {
		name   string
		values []float64
		want   []int // strict ones
	}{
		{"a step of 10 % in noise of 2 %", history(2, 2, stretch{50, 100}, stretch{50, 110}), []int{50}},
		{"down and up again", history(2, 1, stretch{40, 100}, stretch{40, 80}, stretch{40, 100}), []int{40, 80}},
		{"a level that lasts seven runs", history(3, 1, stretch{40, 100}, stretch{7, 120}, stretch{40, 100}), []int{40, 47}},
		{"ten runs before the end", history(4, 1, stretch{60, 100}, stretch{10, 110}), []int{60}},
		{"five runs before the end, 20 %", history(5, 1, stretch{60, 100}, stretch{5, 120}), []int{60}},
		{"ten runs after the start", history(6, 1, stretch{10, 100}, stretch{60, 110}), []int{10}},
		{"four runs before the end are too few to tell from outliers", history(7, 1, stretch{60, 100}, stretch{4, 110}), nil},
		{"ten runs, five on each level", history(8, 1, stretch{5, 100}, stretch{5, 150}), []int{5}},
		{"nine runs", history(8, 1, stretch{5, 100}, stretch{4, 150}), nil},
		{"noise alone", history(9, 5, stretch{200, 100}), nil},
		{"one outlier", with(history(10, 1, stretch{80, 100}), map[int]float64{40: 300}), nil},
		{"two outliers in a row", with(history(11, 1, stretch{80, 100}), map[int]float64{40: 300, 41: 280}), nil},
		{"an outlier just before the step hides it from nobody", with(history(12, 1, stretch{40, 100}, stretch{40, 110}), map[int]float64{37: 40}), []int{40}},
		{"a step without noise", history(0, 0, stretch{20, 3}, stretch{20, 4}), []int{20}},
		{"from nothing", history(0, 0, stretch{20, 0}, stretch{20, 7}), []int{20}},
		{"down to nothing, in noise before", append(history(13, 1, stretch{30, 50}), make([]float64, 30)...), []int{30}},
		{"negative values", history(14, 1, stretch{40, -100}, stretch{40, -80}), []int{40}},
		{"through 0", history(15, 0.1, stretch{40, -1}, stretch{40, 1}), []int{40}},
		{"constant", history(0, 0, stretch{100, 0.1}), nil},
		{"all 0", make([]float64, 100), nil},
		{"very large", history(16, 1e300, stretch{40, 1e302}, stretch{40, 2e302}), nil}, // squares overflow
		{"very small", history(17, 1e-12, stretch{40, 1e-9}, stretch{40, 2e-9}), []int{40}},
		{"a step of less than a percent in little noise", history(18, 0.01, stretch{60, 100}, stretch{60, 100.5}), []int{60}},
		{"none", nil, nil},
		{"one", []float64{1}, nil},
		{"nothing known", []float64{nan, nan, nan, nan, nan, nan, nan, nan, nan, nan, nan, nan}, nil},
	}
	for _, tt := range tests {
		if got := strict(tt.values); !slices.Equal(got, tt.want) {
			t.Errorf("%s: got %v, want %v: %+v", tt.name, got, tt.want, trend.Detect(tt.values))
		}
	}
}

// Missing runs count in the index, and no change point lies on one.
func TestMissingRunsAreLeftOut(t *testing.T) {
	values := history(1, 1, stretch{40, 100}, stretch{40, 120})
	for _, i := range []int{3, 20, 39, 40, 41, 70} {
		values[i] = nan
	}
	values[10] = math.Inf(1)
	points := trend.Detect(values)
	if len(points) != 1 || points[0].Index != 42 {
		t.Fatalf("got %+v, want one change point at 42, the first known run of the new level", points)
	}
	for _, e := range points[0].Evidence {
		if math.IsNaN(values[e.Index]) || math.Abs(float64(e.Index-42)) > 8 {
			t.Errorf("%s: got index %d, want a known run near 42", e.Detector, e.Index)
		}
	}
}

func TestArgumentIsKept(t *testing.T) {
	values := history(1, 1, stretch{40, 100}, stretch{40, 120})
	kept := slices.Clone(values)
	trend.Detect(values)
	if !slices.Equal(values, kept) {
		t.Error("got other values than before")
	}
}

func TestLevelsAndEvidence(t *testing.T) {
	points := trend.Detect(history(0, 0, stretch{20, 200}, stretch{20, 150}, stretch{20, 300}))
	if len(points) != 2 {
		t.Fatalf("got %+v, want two change points", points)
	}
	for i, want := range []struct{ before, after, change float64 }{{200, 150, -0.25}, {150, 300, 1}} {
		p := points[i]
		if p.Before != want.before || p.After != want.after || p.Change() != want.change || !math.IsInf(p.Effect, 1) {
			t.Errorf("got %v → %v (%v), effect %v, want %v → %v (%v) of infinite effect", p.Before, p.After, p.Change(), p.Effect, want.before, want.after, want.change)
		}
		if len(p.Evidence) < 2 {
			t.Errorf("got %+v, want two detectors that agree", p.Evidence)
		}
	}
}

func TestChange(t *testing.T) {
	for _, tt := range []struct{ before, after, want float64 }{
		{100, 67, -0.33}, {-100, -80, 0.2}, {-100, -150, -0.5}, {0, 5, nan}, {5, 0, -1},
	} {
		got := trend.ChangePoint{Before: tt.before, After: tt.after}.Change()
		if math.Abs(got-tt.want) > 1e-15 || math.IsNaN(got) != math.IsNaN(tt.want) {
			t.Errorf("from %v to %v: got %v, want %v", tt.before, tt.after, got, tt.want)
		}
	}
}

// TestQuietHistoriesRaiseNoAlarm draws 120 histories of noise, half of them
// with heavy tails or correlated from run to run, as real ones are.
func TestQuietHistoriesRaiseNoAlarm(t *testing.T) {
	alarms, marks := 0, 0
	for seed := range uint64(120) {
		r := rand.New(rand.NewPCG(seed, 1))
		values := make([]float64, 150)
		drift := 0.0
		for i := range values {
			noise := r.NormFloat64()
			switch seed % 4 {
			case 1:
				noise /= math.Sqrt(r.ExpFloat64()) // heavy tails
			case 2:
				drift = 0.4*drift + noise
				noise = drift
			}
			values[i] = 100 + 2*noise
		}
		points := trend.Detect(values)
		if len(points) > 0 {
			marks++
		}
		if len(strict(values)) > 0 {
			alarms++
		}
	}
	if alarms > 0 || marks > 3 {
		t.Errorf("got alarms in %d and marks in %d of 120 quiet histories, want none and at most 3", alarms, marks)
	}
}

// TestPower finds steps of four standard deviations where they are, and hardly anything else.
func TestPower(t *testing.T) {
	found, elsewhere := 0, 0
	for seed := range uint64(100) {
		at := 20 + int(seed)
		for _, c := range strict(history(seed, 2.5, stretch{at, 100}, stretch{140 - at, 110})) {
			if max(c-at, at-c) <= 5 {
				found++
			} else {
				elsewhere++
			}
		}
	}
	if found < 98 || elsewhere > 0 {
		t.Errorf("got %d of 100 steps and %d others, want at least 98 and none", found, elsewhere)
	}
}

func TestInsufficient(t *testing.T) {
	tests := []struct {
		name   string
		values []float64
		want   string
	}{
		{"none", nil, "there are no runs"},
		{"one", []float64{1}, "there is one run, and a change point needs at least 10, 5 on either side"},
		{"all missing", []float64{nan, nan}, "none of the 2 runs has a value"},
		{"too many missing", append(make([]float64, 9), nan, nan), "9 of 11 runs have a value, and a change point needs at least 10, 5 on either side"},
		{"enough", make([]float64, 10), ""},
	}
	for _, tt := range tests {
		if got := trend.Insufficient(tt.values); got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.name, got, tt.want)
		}
	}
}

func TestStrengthIsWrittenAndReadByName(t *testing.T) {
	text, err := json.Marshal([]trend.Strength{trend.Weak, trend.Strict})
	if err != nil || string(text) != `["weak","strict"]` {
		t.Errorf("got %s, %v", text, err)
	}
	var back []trend.Strength
	if err := json.Unmarshal(text, &back); err != nil || !slices.Equal(back, []trend.Strength{trend.Weak, trend.Strict}) {
		t.Errorf("got %v, %v", back, err)
	}
	if err := json.Unmarshal([]byte(`["sure"]`), &back); err == nil {
		t.Error("got no error for a strength that isn't one")
	}
}

func FuzzDetect(f *testing.F) {
	f.Add([]byte{1, 1, 1, 1, 1, 200, 200, 200, 200, 200, 200, 0, 0, 0, 0, 0, 0, 0})
	f.Add([]byte{255, 1, 255, 1, 7, 7, 7, 7, 7, 7, 7, 7, 7})
	f.Fuzz(func(t *testing.T, bytes []byte) {
		values := make([]float64, len(bytes))
		for i, b := range bytes {
			values[i] = float64(b) - 20
			if b == 255 {
				values[i] = nan
			}
		}
		last := 0
		for _, c := range trend.Detect(values) {
			if c.Index <= last || c.Index >= len(values) || math.IsNaN(values[c.Index]) || math.IsNaN(c.Before) || math.IsNaN(c.After) || math.IsNaN(c.Effect) || len(c.Evidence) < 2 {
				t.Errorf("%v: got %+v after %d, want it later, on a known run, between known levels", values, c, last)
			}
			last = c.Index
		}
	})
}

// A history of 10,000 runs is to take less than a second.
func BenchmarkDetect(b *testing.B) {
	for _, c := range []struct {
		name   string
		values []float64
	}{
		{"quiet", history(1, 2, stretch{10000, 100})},
		{"a step every 100 runs", slices.Concat(slices.Repeat([][]float64{history(2, 2, stretch{100, 100}, stretch{100, 110})}, 50)...)},
		{"constant", history(1, 0, stretch{10000, 100})},
	} {
		b.Run(c.name, func(b *testing.B) {
			for b.Loop() {
				trend.Detect(c.values)
			}
		})
	}
}
