package compare_test

import (
	"fmt"
	"math"
	"time"

	"github.com/plumbline/plumbline/pkg/compare"
	"github.com/plumbline/plumbline/pkg/run"
)

var nan = math.NaN()

func near(got, want, tolerance float64) bool {
	return math.IsNaN(want) && math.IsNaN(got) || got == want || math.Abs(got-want) <= tolerance*math.Abs(want)
}

// goodRun is a complete run of the mixed scenario.
func goodRun(id string) run.Run {
	start := time.Date(2026, 1, 18, 14, 0, 0, 0, time.UTC)
	return run.Run{
		ID: id, Scenario: "mixed", Profile: "target", State: run.Complete,
		Environment: map[string]string{"replicas": "6"},
		Window:      run.Window{Start: start, End: start.Add(10 * time.Minute)},
		Load:        run.Load{Users: 100, ThinkSeconds: 3},
		Generators:  run.Generators{Expected: 1, Segments: []run.Generator{{Segment: 1, Valid: true}}},
	}
}

// runs have one value each of the metric "m".
func runs(side string, values ...float64) []compare.RunValues {
	list := make([]compare.RunValues, len(values))
	for i, v := range values {
		list[i] = compare.RunValues{
			Run:    goodRun(fmt.Sprintf("%s-%d", side, i+1)),
			Values: map[string]compare.Value{"m": {Value: v}},
		}
	}
	return list
}

// counts have events among 10,000 requests each of the ratio "m".
func counts(side string, events ...float64) []compare.RunValues {
	list := runs(side, events...)
	for i, x := range events {
		list[i].Values["m"] = compare.Value{Value: x / 10_000, Events: x, Total: 10_000}
	}
	return list
}

// only is the one delta of a comparison of the metric "m".
func only(m compare.Metric, baseline, candidates []compare.RunValues) compare.Delta {
	m.ID = "m"
	c := compare.Compare(compare.Baseline{Name: "b", Runs: baseline}, candidates, []compare.Metric{m}, compare.Noise{})
	return c.Deltas[0]
}
