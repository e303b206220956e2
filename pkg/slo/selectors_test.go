package slo_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/plumbline/plumbline/pkg/run"
	"github.com/plumbline/plumbline/pkg/slo"
)

func TestSelectorsAreAllThatMeasuringReads(t *testing.T) {
	a, err := slo.Parse("sla.yaml", []byte(`apiVersion: plumbline/v1
kind: SLA
vars: {api: 'job="api"'}
objectives:
  - {id: errors, unit: ratio, ratio: {bad: 'x_total{$api,code=~"5.."}', total: 'x_total{$api}'}}
  - {id: p95, unit: s, quantile: {q: 0.95, of: 'h_seconds{run="$run"}'}}
  - {id: other, when: {profile: stress}, count: {of: other_total}}
  - {id: queue, gauge: {of: 'max(queue{$api}) - min({__name__=~"q.*"})', reduce: max}}
resources:
  - {id: cpu, used: 'rate(cpu_total{$api}[$rate])', limit: "2"}
`))
	if err != nil {
		t.Fatal(err)
	}
	sels, err := a.Selectors(run.Run{ID: "R1", Profile: "peak"}, time.Second)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, s := range sels {
		got = append(got, s.String())
	}
	want := []string{
		`x_total{job="api",code!=""}`, `x_total{job="api"}`,
		`h_seconds{run="R1"}`, `h_seconds_bucket{run="R1"}`, `h_seconds_sum{run="R1"}`, `h_seconds_count{run="R1"}`,
		`queue{job="api"}`, `{__name__=~"q.*"}`, `cpu_total{job="api"}`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}
