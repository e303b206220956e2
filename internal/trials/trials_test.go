package trials

import (
	"net/url"
	"strings"
	"testing"

	"github.com/plumbline/plumbline/internal/analysis"
	"github.com/plumbline/plumbline/internal/paracle"
	"github.com/plumbline/plumbline/pkg/loadgen"
)

// What is sent fits together, and the sample API knows the faults of the builds.
func TestBuildsCanBeRun(t *testing.T) {
	for _, b := range builds {
		spec, err := specOf(b, &url.URL{Scheme: "http", Host: "127.0.0.1:1"})
		if err != nil {
			t.Fatal(err)
		}
		if err := loadgen.Fits(spec.Scenario, spec.Profile, spec.Segment); err != nil {
			t.Error(err)
		}
		if b.fault == "" {
			continue
		}
		if err := new(paracle.Config).AddFault(b.fault); err != nil {
			t.Error(err)
		}
		if _, known := seenAtLeast[label+"="+b.name]; !known {
			t.Errorf("%s: no goal says how often it must be seen", b.name)
		}
	}
}

func TestTable(t *testing.T) {
	c := analysis.Calibration{
		Runs:        make([]string, 60),
		FalseAlarms: []analysis.Trial{{Candidates: 1, Baseline: 5, Comparisons: 1200, Regressed: 25, Rate: 25. / 1200, Low: .003, High: .08}},
		Metrics:     []analysis.MetricNoise{{ID: "latency-p95", Gating: true, SD: .0123}, {ID: "latency-p999", SD: .5}},
		Detections: []analysis.Detection{{
			Build: "build=slower-5", Trial: analysis.Trial{Candidates: 3, Baseline: 5, Comparisons: 100},
			Metrics: []analysis.MetricDetection{{ID: "rps", Change: -.048, Regressed: 60, Inconclusive: 21}, {ID: "latency-p99", Change: .05}},
		}},
		Warnings: []string{"run same-3 left out: gaps"},
	}
	var out strings.Builder
	if err := Write(&out, c); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	want := []string{
		"60 runs of one build",
		"same build, 1 against 5: called regressed 2.1 % 0.3 to 8.0 % ≤ 2 % NOT MET",
		"rps -4.8 %, 3 against 5: called regressed 60.0 % ≥ 60 % met",
		"rps -4.8 %, 3 against 5: inconclusive 21.0 % ≤ 20 % NOT MET",
		"noise between runs: latency-p95 1.23 %",
		"warning: run same-3 left out: gaps",
	}
	if len(lines) != len(want) {
		t.Fatalf("got\n%s\nwant %d lines", out.String(), len(want))
	}
	for i := range want {
		if got := strings.Join(strings.Fields(lines[i]), " "); got != want[i] {
			t.Errorf("line %d: got %q, want %q", i+1, got, want[i])
		}
	}
}
