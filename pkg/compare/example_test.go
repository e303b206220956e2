package compare_test

import (
	"fmt"

	"github.com/plumbline/plumbline/pkg/compare"
	"github.com/plumbline/plumbline/pkg/run"
)

// Three runs of a new version against three of the old one.
func ExampleCompare() {
	measured := func(id string, p95, rps, errors float64) compare.RunValues {
		return compare.RunValues{
			Run: run.Run{ID: id, Scenario: "mixed", Profile: "target", State: run.Complete},
			Values: map[string]compare.Value{
				"latency-p95": {Value: p95},
				"rps":         {Value: rps},
				"error-rate":  {Value: errors / 6000, Events: errors, Total: 6000},
			},
		}
	}
	baseline := compare.Baseline{Name: "v1.0.0", Runs: []compare.RunValues{
		measured("old-1", 0.890, 198, 2), measured("old-2", 0.861, 199, 0), measured("old-3", 0.874, 201, 1),
	}}
	candidates := []compare.RunValues{
		measured("new-1", 0.423, 200, 1), measured("new-2", 0.431, 202, 0), measured("new-3", 0.419, 201, 0),
	}
	metrics := []compare.Metric{
		{ID: "error-rate", Gating: true, Ratio: true},
		{ID: "rps", Gating: true, Worse: compare.LowerIsWorse},
		{ID: "latency-p95", Gating: true},
	}

	c := compare.Compare(baseline, candidates, metrics, compare.Noise{})
	fmt.Println(c.Verdict)
	for _, d := range c.Deltas {
		fmt.Printf("%-12s %-10s %+.0f %% (%+.0f to %+.0f)\n", d.ID, d.Verdict, 100*d.Change, 100*d.Low, 100*d.High)
	}
	// Output:
	// improved
	// error-rate   unchanged  -67 % (-99 to +202)
	// rps          unchanged  +1 % (-1 to +3)
	// latency-p95  improved   -52 % (-53 to -50)
}

// Runs under different load are not compared, but the change is given.
func ExampleCompare_notComparable() {
	side := func(id, profile string, p95 float64) []compare.RunValues {
		return []compare.RunValues{{
			Run:    run.Run{ID: id, Profile: profile, State: run.Complete},
			Values: map[string]compare.Value{"latency-p95": {Value: p95}},
		}}
	}
	baseline := compare.Baseline{Name: "v1.0.0", Runs: side("old", "target", 0.5)}
	c := compare.Compare(baseline, side("new", "peak", 0.6), []compare.Metric{{ID: "latency-p95", Gating: true}}, compare.Noise{})
	fmt.Println(c.Verdict, "because of the", c.Reason)
	fmt.Printf("%+.0f %%\n", 100*c.Deltas[0].Change)
	// Output:
	// inconclusive because of the profile: "target" (baseline), "peak" (candidate)
	// +20 %
}

func ExampleParseSpec() {
	spec, err := compare.ParseSpec("v1.0.0.yaml", []byte(`apiVersion: plumbline/v1
kind: Baseline
name: v1.0.0
values: {latency-p50: 280ms, error-rate: 0.23%, sustained-rps: 450 req/s}
`))
	declared := spec.Declared()
	fmt.Println(spec.Name, declared["latency-p50"], declared["error-rate"], err)

	_, err = compare.ParseSpec("main.yaml", []byte("apiVersion: plumbline/v1\nkind: Baseline\nname: main\nlast: -1\nlabel: {branch: main}\n"))
	fmt.Println(err)
	// Output:
	// v1.0.0 0.28 0.0023 <nil>
	// main.yaml:4:7: last: want a number of runs from 1, got -1
	// main.yaml:5:1: label: unknown key; did you mean labels?
}
