package compare_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/plumbline/plumbline/pkg/compare"
	"github.com/plumbline/plumbline/pkg/run"
)

func TestComparableFirst(t *testing.T) {
	tests := []struct {
		name   string
		change func(r *compare.RunValues) // of the second candidate
		want   []string                   // reasons; none: comparable
	}{
		{"the same", func(*compare.RunValues) {}, nil},
		{"another version", func(r *compare.RunValues) { r.Run.Labels = map[string]string{"version": "v1.0.3"} }, nil},
		{"another scenario", func(r *compare.RunValues) { r.Run.Scenario = "read" }, []string{`scenario: "mixed" (b-1, b-2, c-1), "read" (c-2)`}},
		{"another profile", func(r *compare.RunValues) { r.Run.Profile = "peak" }, []string{`profile: "target" (b-1, b-2, c-1), "peak" (c-2)`}},
		{"more users", func(r *compare.RunValues) { r.Run.Load.Users = 200 }, []string{"users: 100 (b-1, b-2, c-1), 200 (c-2)"}},
		{"longer thoughts", func(r *compare.RunValues) { r.Run.Load.ThinkSeconds = 3.5 }, []string{"mean think time: 3s (b-1, b-2, c-1), 3.5s (c-2)"}},
		{
			"an open model", func(r *compare.RunValues) { r.Run.Load = run.Load{ArrivalRate: 30} },
			[]string{"load model: closed", "offered rate: 0/s (b-1, b-2, c-1), 30/s (c-2)", "users: ", "mean think time: "},
		},
		{"a longer run", func(r *compare.RunValues) { r.Run.Window.End = r.Run.Window.End.Add(time.Minute) }, []string{"duration: 10m0s (b-1, b-2, c-1), 11m0s (c-2)"}},
		{"a second longer, for the last answers", func(r *compare.RunValues) { r.Run.Window.End = r.Run.Window.End.Add(time.Second) }, nil},
		{
			"stages tell the duration that was asked for", func(r *compare.RunValues) {
				r.Run.Stages = []run.Stage{{Window: r.Run.Window}}
				r.Run.Window.End = r.Run.Window.End.Add(time.Hour)
			}, nil,
		},
		{
			"fewer replicas, and a database that the others don't tell", func(r *compare.RunValues) {
				r.Run.Environment = map[string]string{"replicas": "4", "database": "db.r6g"}
			},
			[]string{`environment database: not recorded (b-1, b-2, c-1), "db.r6g" (c-2)`, `environment replicas: "6" (b-1, b-2, c-1), "4" (c-2)`},
		},
		{"a run of the baseline", func(r *compare.RunValues) { r.Run.ID = "b-1" }, []string{"run b-1 stands in the comparison twice"}},
		{
			"all reasons together", func(r *compare.RunValues) { r.Run.Profile, r.Run.Load.Users = "peak", 200 },
			[]string{"profile: ", "users: "},
		},
	}
	for _, tt := range tests {
		baseline, candidates := runs("b", 100, 101), runs("c", 100, 101)
		tt.change(&candidates[1])
		c := compare.Compare(compare.Baseline{Name: "b", Runs: baseline}, candidates, []compare.Metric{{ID: "m", Gating: true}}, compare.Noise{})
		if c.Comparable != (len(tt.want) == 0) {
			t.Errorf("%s: comparable: got %v (%s)", tt.name, c.Comparable, c.Reason)
			continue
		}
		if c.Comparable {
			continue
		}
		reasons := strings.Split(c.Reason, "; ")
		if len(reasons) != len(tt.want) {
			t.Errorf("%s: got %d reasons, want %d: %s", tt.name, len(reasons), len(tt.want), c.Reason)
			continue
		}
		for i, want := range tt.want {
			if !strings.HasPrefix(reasons[i], want) {
				t.Errorf("%s: got %q, want %q", tt.name, reasons[i], want)
			}
		}
		d := c.Deltas[0]
		if c.Verdict != compare.Inconclusive || d.Verdict != compare.Inconclusive || d.Reason != c.Reason {
			t.Errorf("%s: got %v and %v (%s), want inconclusive with the reason", tt.name, c.Verdict, d.Verdict, d.Reason)
		}
		if !near(d.Change, 0, 1e-12) || d.Baseline != 100.5 {
			t.Errorf("%s: got a change of %v from %v, want it given all the same", tt.name, d.Change, d.Baseline)
		}
	}
}

// unfit makes runs that can't be compared with any other, and says why.
var unfit = []struct {
	name   string
	change func(r *compare.RunValues)
	want   string
}{
	{"a generator that could not keep up", func(r *compare.RunValues) {
		r.Run.Generators.Segments = []run.Generator{{Segment: 1, Reasons: []string{"start lag p99 30ms"}}}
	}, "load generator: segment 1: start lag p99 30ms"},
	{"a segment that is missing", func(r *compare.RunValues) { r.Run.Generators.Expected = 2 }, "load generator: 1 of 2 expected load generator segments are there"},
	{"an aborted run", func(r *compare.RunValues) { r.Run.State, r.Run.Reason = run.Aborted, "killed" }, "aborted: killed"},
	{"a run that still goes on", func(r *compare.RunValues) { r.Run.State = run.Running }, "running"},
	{"a run of unknown state", func(r *compare.RunValues) { r.Run.State = "" }, "its state is unknown"},
	{"a gap between scrapes", func(r *compare.RunValues) { r.Problems = []string{"no scrape for 40s"} }, "no scrape for 40s"},
}

func TestUnfitRunsAreLeftOutOfEitherSide(t *testing.T) {
	for _, tt := range unfit {
		baseline, candidates := runs("b", 100, 101, 500), runs("c", 500, 100)
		tt.change(&baseline[2])
		tt.change(&candidates[0])
		c := compare.Compare(compare.Baseline{Runs: baseline, Notes: []string{"chosen"}}, candidates, []compare.Metric{{ID: "m", Gating: true}}, compare.Noise{})
		want := []string{"chosen", "run b-3 left out: " + tt.want, "run c-1 left out: " + tt.want}
		if diff := cmp.Diff(want, c.Notes); diff != "" {
			t.Errorf("%s: notes: want −, got +:\n%s", tt.name, diff)
		}
		if !c.Comparable || !near(c.Deltas[0].Actual, 100, 1e-9) || len(c.BaselineRuns) != 2 || len(c.CandidateRuns) != 1 {
			t.Errorf("%s: got %v against %v, comparable: %v (%s), want the others compared", tt.name, c.CandidateRuns, c.BaselineRuns, c.Comparable, c.Reason)
		}
	}
}

func TestASideOfUnfitRunsIsNotComparable(t *testing.T) {
	for _, tt := range unfit {
		candidates := runs("c", 100, 102)
		for i := range candidates {
			tt.change(&candidates[i])
		}
		c := compare.Compare(compare.Baseline{Runs: runs("b", 100)}, candidates, []compare.Metric{{ID: "m", Gating: true}}, compare.Noise{})
		if want := fmt.Sprintf("run c-1: %s; run c-2: %s", tt.want, tt.want); c.Comparable || c.Reason != want || c.Deltas[0].Reason != want {
			t.Errorf("%s: got %v (%s), want not comparable: %s", tt.name, c.Comparable, c.Reason, want)
		}
		if !near(c.Deltas[0].Change, 0.01, 1e-9) || len(c.Notes) > 0 {
			t.Errorf("%s: got a change of %v and notes %q, want the change given all the same", tt.name, c.Deltas[0].Change, c.Notes)
		}
	}
}

func TestDifferences(t *testing.T) {
	b, c := goodRun("b"), goodRun("c")
	c.Labels, c.Window.End = map[string]string{"version": "2"}, c.Window.End.Add(time.Second)
	if got := compare.Differences(b, c); len(got) > 0 {
		t.Errorf("another version: got %q, want none", got)
	}
	c.Load.Users, c.Environment = 200, nil
	want := []string{"users: 100 (baseline), 200 (candidate)", `environment replicas: "6" (baseline), not recorded (candidate)`}
	if diff := cmp.Diff(want, compare.Differences(b, c)); diff != "" {
		t.Errorf("want −, got +:\n%s", diff)
	}
}

func TestSidesThatDifferAreNamed(t *testing.T) {
	candidates := runs("c", 1, 2)
	for i := range candidates {
		candidates[i].Run.Profile = "peak"
	}
	c := compare.Compare(compare.Baseline{Runs: runs("b", 1, 2)}, candidates, nil, compare.Noise{})
	if want := `profile: "target" (baseline), "peak" (candidate)`; c.Reason != want {
		t.Errorf("got %q, want %q", c.Reason, want)
	}
}

func TestOfferedRatesWithinTwoPercent(t *testing.T) {
	for rate, want := range map[float64]bool{1000: true, 1019: true, 981: true, 1021: false, 979: false} {
		baseline, candidates := runs("b", 1), runs("c", 1)
		baseline[0].Run.Load = run.Load{ArrivalRate: 1000}
		candidates[0].Run.Load = run.Load{ArrivalRate: rate}
		c := compare.Compare(compare.Baseline{Runs: baseline}, candidates, nil, compare.Noise{})
		if c.Comparable != want {
			t.Errorf("1000/s against %v/s: got %v (%s), want %v", rate, c.Comparable, c.Reason, want)
		}
	}
}

func TestNothingToCompare(t *testing.T) {
	tests := []struct {
		name                 string
		baseline, candidates []compare.RunValues
		want                 string
	}{
		{"no baseline", nil, runs("c", 1), "the baseline has no runs"},
		{"no candidate", runs("b", 1), nil, "there is no candidate run"},
		{"nothing", nil, nil, "the baseline has no runs; there is no candidate run"},
	}
	for _, tt := range tests {
		c := compare.Compare(compare.Baseline{Runs: tt.baseline}, tt.candidates, []compare.Metric{{ID: "m", Gating: true}}, compare.Noise{})
		if c.Comparable || c.Reason != tt.want || c.Verdict != compare.Inconclusive {
			t.Errorf("%s: got %v, %q, %v", tt.name, c.Comparable, c.Reason, c.Verdict)
		}
	}
}
