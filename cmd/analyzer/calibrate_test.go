package main

import (
	"strings"
	"testing"

	"github.com/plumbline/plumbline/internal/analysis"
	"github.com/plumbline/plumbline/internal/store"
	"github.com/plumbline/plumbline/pkg/report"
	"github.com/plumbline/plumbline/pkg/run"
)

func TestCalibrationIsReadable(t *testing.T) {
	none := report.NoData
	c := analysis.Calibration{Name: "api.mixed.peak", Metrics: []analysis.MetricNoise{
		{ID: "latency-p95", Unit: "s", Mean: 0.4234, SD: 0.031, Detectable: 0.062, Gating: true},
		{ID: "peak-rps", Unit: "req/s", Mean: 1456, SD: none, Detectable: none},
		{ID: "rps", Unit: "req/s", Mean: 1000, SD: 9.4e-16, Detectable: 0.025},
		{ID: "error-rate", Unit: "ratio", Mean: 0.0001, SD: none, Detectable: 1.1, Counts: true},
	}}
	var out strings.Builder
	if err := writeCalibration(&out, c); err != nil {
		t.Fatal(err)
	}
	for id, want := range map[string]string{
		"latency-p95": "423 ms 3.1 % ≥ 6.2 % yes",
		"peak-rps":    "1,456 req/s – – no",
		"rps":         "1,000 req/s < 0.01 % ≥ 2.5 % no",
		"error-rate":  "0.010 % by counts – no",
	} {
		if line := id + " " + want; !strings.Contains(strings.Join(strings.Fields(out.String()), " "), line) {
			t.Errorf("got\n%s\nwant %q", out.String(), line)
		}
	}
}

func TestCalibrationTakesTheNameOfItsTest(t *testing.T) {
	for want, s := range map[string]store.Summary{
		"paracle-api.mixed.peak": {Service: "paracle-api", Scenario: "mixed", Profile: "peak"},
		"mixed":                  {Scenario: "mixed"},
		"a-b.c-d":                {Service: "a b", Scenario: "c[d"},
		"calibration":            {},
	} {
		got := calibrationName([]store.Summary{s})
		if got != want || run.CheckID(got) != nil {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
