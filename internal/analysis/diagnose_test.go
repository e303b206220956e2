package analysis

import (
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/plumbline/plumbline/pkg/bottleneck"
	"github.com/plumbline/plumbline/pkg/promql"
	"github.com/plumbline/plumbline/pkg/report"
	"github.com/plumbline/plumbline/pkg/run"
	"github.com/plumbline/plumbline/pkg/slo"
)

func bound(t *testing.T, text string) *slo.Bound {
	t.Helper()
	b, err := slo.ParseBound(text)
	if err != nil {
		t.Fatal(err)
	}
	return &b
}

func TestMissedObjectivesAreSymptoms(t *testing.T) {
	nan := math.NaN()
	p95 := slo.Objective{ID: "p95", Title: "p95", Unit: "s", Indicator: slo.Indicator{Quantile: &slo.Quantile{Q: .95}}}
	for name, tc := range map[string]struct {
		result slo.Result
		want   []bottleneck.Symptom
	}{
		"a quantile that fails": {
			slo.Result{Objective: p95, Value: .623, Verdict: slo.Fail, Missed: bound(t, "< 500ms"), Intervals: []float64{.4, .7, nan}, Query: "histogram_quantile(…)"},
			[]bottleneck.Symptom{{ID: "p95", Title: "p95", Kind: bottleneck.Latency, Fails: true, Missed: "623 ms, must be < 500ms", Limit: .5, Quantile: .95, Query: "histogram_quantile(…)", Values: []float64{.4, .7, nan}, Breached: []bool{false, true, false}}},
		},
		"a ratio that warns": {
			slo.Result{Objective: slo.Objective{ID: "e", Title: "Error Rate", Unit: "ratio", Indicator: slo.Indicator{Ratio: &slo.Ratio{}}}, Value: .02, Verdict: slo.Warn, Missed: bound(t, "< 1%"), Intervals: []float64{.02}},
			[]bottleneck.Symptom{{ID: "e", Title: "Error Rate", Kind: bottleneck.Errors, Missed: "2 %, should be < 1%", Limit: nan, Values: []float64{.02}, Breached: []bool{true}}},
		},
		"too little throughput": {
			slo.Result{Objective: slo.Objective{ID: "rps", Title: "RPS", Unit: "req/s", Worse: "lower", Indicator: slo.Indicator{Rate: &slo.Rate{}}}, Value: 80, Verdict: slo.Fail, Missed: bound(t, ">= 100")},
			[]bottleneck.Symptom{{ID: "rps", Title: "RPS", Kind: bottleneck.Throughput, Fails: true, Missed: "80 req/s, must be >= 100", Limit: nan}},
		},
		"one of several rows": {
			slo.Result{Objective: p95, Verdict: slo.Fail, By: []slo.Result{
				{Objective: p95, Labels: labels.FromStrings("endpoint", "/a"), Value: .1, Verdict: slo.Pass},
				{Objective: p95, Labels: labels.FromStrings("endpoint", "/b"), Value: 2, Verdict: slo.Fail, Missed: bound(t, "< 500ms")},
			}},
			[]bottleneck.Symptom{{ID: "p95", Title: "p95 (/b)", Kind: bottleneck.Latency, Fails: true, Missed: "2s, must be < 500ms", Limit: .5, Quantile: .95}},
		},
		"a bound that holds":  {slo.Result{Objective: p95, Value: .1, Verdict: slo.Pass}, nil},
		"the number of users": {slo.Result{Objective: slo.Objective{ID: "u", Indicator: slo.Indicator{Gauge: &slo.Gauge{}}}, Verdict: slo.Fail, Missed: bound(t, ">= 100")}, nil},
	} {
		if diff := cmp.Diff(tc.want, symptoms(tc.result), cmpopts.EquateNaNs()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestWhatIsExamined(t *testing.T) {
	at := func(s int64) time.Time { return time.Unix(s, 0) }
	r := run.Run{ID: "r", Window: run.Window{Start: at(0), End: at(60)}, Steady: run.Window{Start: at(10), End: at(50)}}
	series := []promql.Series{{Points: []promql.Point{{Time: at(0), Value: 1}}}}
	a := slo.Agreement{Vars: map[string]string{"api": `job="api"`}, Objectives: []slo.Objective{
		{Unit: "s", Indicator: slo.Indicator{Quantile: &slo.Quantile{Of: "loadgen_response_time_seconds"}}},
		{Unit: "s", By: "provider", Indicator: slo.Indicator{Mean: &slo.Of{Of: "llm_request_duration_seconds"}}},
		{Unit: "s", Indicator: slo.Indicator{Quantile: &slo.Quantile{Of: "http_request_duration_seconds{$api}"}}},
	}}
	scores := slo.Scores{Resources: []slo.ResourceResult{{Resource: slo.Resource{ID: "cpu", Component: "API", Resource: "CPU", Unit: "cores", Limit: "2"}, Limit: 2, Query: "q", Series: series}}}
	want := bottleneck.Scope{
		Run: r, Window: r.Steady, Vars: map[string]string{"run": "r", "api": `job="api"`}, Requests: "http_request_duration_seconds{$api}",
		Resources: []bottleneck.Resource{{ID: "cpu", Component: "API", Resource: "CPU", Unit: "cores", Limit: 2, Query: "q", Series: series}},
	}
	if diff := cmp.Diff(want, examined(r, a, scores), cmp.Comparer(labels.Equal)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got := requestTimes(slo.Agreement{Objectives: a.Objectives[:2]}); got != "" {
		t.Errorf("got %q, want nothing where only the client's side and dependencies are timed", got)
	}
}

func TestWhatAResourceMissedOfItsOwn(t *testing.T) {
	must := func(text string) *slo.Bounds { return &slo.Bounds{Must: bound(t, text)} }
	for name, tc := range map[string]struct {
		result slo.ResourceResult
		want   string
	}{
		"a share of a ratio":      {slo.ResourceResult{Resource: slo.Resource{Unit: "ratio", Peak: must("< 90%")}, Peak: .97, Limit: 1, Verdict: slo.Fail}, "peak 97 %, must be < 90%"},
		"a share of a limit":      {slo.ResourceResult{Resource: slo.Resource{Peak: must("< 90%")}, Peak: 380, Limit: 400, Verdict: slo.Fail}, "peak 95 %, must be < 90%"},
		"in its own unit":         {slo.ResourceResult{Resource: slo.Resource{Unit: "s", Peak: must("< 100ms")}, Peak: .128, Verdict: slo.Fail}, "peak 128 ms, must be < 100ms"},
		"on average":              {slo.ResourceResult{Resource: slo.Resource{Unit: "ratio", Peak: must("< 90%"), Average: must("< 50%")}, Peak: .8, Average: .6, Limit: 1, Verdict: slo.Fail}, "average 60 %, must be < 50%"},
		"a bound that only warns": {slo.ResourceResult{Resource: slo.Resource{Unit: "ratio", Peak: &slo.Bounds{Should: bound(t, "< 90%")}}, Peak: .97, Limit: 1, Verdict: slo.Warn}, ""},
	} {
		if got := failed(tc.result); got != tc.want {
			t.Errorf("%s: got %q, want %q", name, got, tc.want)
		}
	}
}

// What is said of a resource's saturation is what the capacity chapter says.
func TestDemandsAreThoseOfTheCapacityChapter(t *testing.T) {
	resources := []bottleneck.Resource{{ID: "cpu"}, {ID: "memory"}, {ID: "pool"}}
	unknown := report.Number(math.NaN())
	demands(&report.Capacity{Demands: []report.Demand{
		{ID: "cpu", Idle: .1, PerRequest: report.Estimate{Value: .002}},
		{ID: "memory", Idle: unknown, PerRequest: report.Estimate{Value: unknown}},
	}}, resources)
	want := []bottleneck.Resource{{ID: "cpu", Demand: bottleneck.Demand{Idle: .1, PerRequest: .002}}, {ID: "memory"}, {ID: "pool"}}
	if diff := cmp.Diff(want, resources); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
