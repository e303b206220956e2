package slo

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/plumbline/plumbline/pkg/strictyaml"
)

const goodFile = `apiVersion: plumbline/v1
kind: SLA
service: shop
vars:
  svc: job="api"
objectives:
  - id: errors
    title: Failed requests
    group: Reliability
    unit: ratio
    ratio:
      bad: http_requests_total{$svc,status=~"5.."}
      total: http_requests_total{$svc}
    must: < 1%
    should: < 0.5%
    tolerance: 5%
    when: {scenario: checkout, profile: [load, soak]}
  - id: sustained
    unit: req/s
    rate: {of: "http_requests_total{$svc}", over: 1m30s, reduce: min}
    must: ">= 100 req/s"
  - id: p99
    unit: s
    quantile: {q: 0.99, of: "http_request_duration_seconds{$svc}"}
    must: < 500ms
    target: <= baseline * 1.10
    by: route
  - id: mean
    unit: s
    mean: {of: http_request_duration_seconds}
    worse: lower
  - id: all
    count: {of: http_requests_total}
  - id: queue
    gauge: {of: "max(queue_length{$svc})", reduce: max}
  - id: asked
    query: sum(increase(http_requests_total{$svc}[$window]))
resources:
  - id: cpu
    used: rate(process_cpu_seconds_total[$rate])
    limit: "4"
    peak: {must: < 90%, should: < 70%}
`

func TestParseAGoodFile(t *testing.T) {
	a, err := Parse("f.yaml", []byte(goodFile))
	if err != nil {
		t.Fatal(err)
	}
	if len(a.Objectives) != 7 || len(a.Resources) != 1 || a.Service != "shop" || a.Vars["svc"] != `job="api"` {
		t.Fatalf("got %+v, want 7 objectives and 1 resource of shop", a)
	}
	errors, sustained, p99 := a.Objectives[0], a.Objectives[1], a.Objectives[2]
	if errors.Title != "Failed requests" || errors.Group != "Reliability" || errors.Unit != "ratio" || errors.Tolerance == nil || !near(float64(*errors.Tolerance), .05) {
		t.Errorf("got %+v, want a title, a group, a unit and a tolerance of .05", errors)
	}
	if diff := cmp.Diff(&When{Scenario: oneOrMore{"checkout"}, Profile: oneOrMore{"load", "soak"}}, errors.When); diff != "" {
		t.Error("want -, got +:\n" + diff)
	}
	if diff := cmp.Diff(&Rate{Of: "http_requests_total{$svc}", Over: strictyaml.Duration(90 * time.Second), Reduce: "min"}, sustained.Rate); diff != "" {
		t.Error("want -, got +:\n" + diff)
	}
	if sustained.Title != "sustained" {
		t.Errorf("got title %q, want the id where there is none", sustained.Title)
	}
	if errors.Target == nil || *errors.Target != *errors.Must {
		t.Errorf("got target %v, want what must say", errors.Target)
	}
	if p99.Target == nil || !p99.Target.Relative() || p99.Target.Text != "<= baseline * 1.10" {
		t.Errorf("got target %v, want the one that is written", p99.Target)
	}
	for i, want := range []string{"higher", "lower", "higher", "lower", "higher", "higher", "higher"} {
		if o := a.Objectives[i]; o.Worse != want {
			t.Errorf("%s: got %s is worse, want %s", o.ID, o.Worse, want)
		}
	}
	if peak := a.Resources[0].Peak; peak == nil || peak.Must == nil || peak.Must.Limit() != .9 {
		t.Errorf("got peak %+v, want must < 90%%", peak)
	}
}

const badFile = `apiVersion: plumbline/v1
kind: SLA
objectives:
  - id: two
    count: {of: x}
    query: sum(x)
  - id: unit
    count: {of: x}
    must: < 5 parsecs
  - id: promql
    query: sum(x
  - id: two
    colour: red
    unit: ratio
    count: {of: x}
    must: < 5s
`

func TestParseNamesAllMistakesAtOnce(t *testing.T) {
	_, err := Parse("f.yaml", []byte(badFile))
	if err == nil {
		t.Fatal("got no error")
	}
	want := []string{
		"f.yaml:4:5: objectives[0]: want exactly one of rate, ratio, quantile, mean, count, gauge, query; got 2",
		`f.yaml:9:11: objectives[1].must: unknown unit "parsecs"`,
		"f.yaml:11:12: objectives[2].query: PromQL: ",
		"f.yaml:12:9: objectives[3].id: two stands twice",
		"f.yaml:13:5: objectives[3].colour: unknown key",
		`f.yaml:16:11: objectives[3].must: "< 5s" is a time, the objective's unit is "ratio"`,
	}
	got := strings.Split(err.Error(), "\n")
	if len(got) != len(want) {
		t.Fatalf("got %d mistakes, want %d:\n%v", len(got), len(want), err)
	}
	for i := range want {
		if !strings.HasPrefix(got[i], want[i]) {
			t.Errorf("got %s, want %s", got[i], want[i])
		}
	}
}

func TestParseMistakes(t *testing.T) {
	for _, c := range []struct{ name, objective, want string }{
		{"a time without a unit", "quantile: {q: .95, of: x}\n    unit: s\n    must: < 500", `f.yaml:7:11: objectives[0].must: "< 500": the objective measures a time: write < 500ms or < 500s`},
		{"a range of times without a unit", "mean: {of: x}\n    unit: s\n    should: 10..15", `objectives[0].should: "10..15": the objective measures a time: write 10..15ms or 10..15s`},
		{"more than the baseline, without a unit", "mean: {of: x}\n    unit: s\n    must: <= baseline + 50", `write <= baseline + 50ms or <= baseline + 50s`},
		{"bytes without a unit", "query: x\n    unit: bytes\n    must: < 5", `objectives[0].must: "< 5": the objective measures bytes: write < 5MB or < 5B`},
		{"a ratio above 1", "ratio: {bad: x, total: z}\n    unit: ratio\n    must: < 5", `f.yaml:7:11: objectives[0].must: "< 5": a ratio is at most 1: write < 5%`},
		{"a ratio above 100 %", "ratio: {bad: x, total: z}\n    unit: ratio\n    must: < 150%", `objectives[0].must: "< 150%": a ratio is at most 100%`},
		{"a should that never warns", "count: {of: x}\n    must: < 5\n    should: < 6", `f.yaml:7:13: objectives[0].should: "< 6" is looser than must, "< 5", so that it would never warn`},
		{"a lower should that never warns", "count: {of: x}\n    must: \">= 5\"\n    should: \">= 4\"", `is looser than must, ">= 5"`},
		{"a resource's should that never warns", "count: {of: x}\nresources:\n  - id: r\n    used: x\n    peak: {must: < 5, should: < 6}", `f.yaml:9:31: resources[0].peak.should: "< 6" is looser than must, "< 5"`},
		{"no total", "ratio: {bad: x}", "f.yaml:5:12: objectives[0].ratio.total: is missing; write total: METRIC, the name of a counter or histogram"},
		{"no quantile", "quantile: {of: x}", "f.yaml:5:15: objectives[0].quantile.q: is missing; write q: 0.95"},
		{"no reduce", "gauge: {of: x}", "objectives[0].gauge.reduce: is missing; write reduce: max, min, mean or last"},
		{"no use of a resource", "count: {of: x}\nresources:\n  - id: r", "resources[0].used: is missing; write used: EXPRESSION, in PromQL"},
		{"no indicator", "unit: s", "objectives[0]: want exactly one of rate, ratio, quantile, mean, count, gauge, query; got 0"},
		{"an unknown unit of the value", "count: {of: x}\n    unit: furlongs", `f.yaml:6:11: objectives[0].unit: want s, ratio, req/s, ops/s, bytes, bytes/s or none, got "furlongs"`},
		{"an odd id", "count: {of: x}\nresources:\n  - id: a b\n    used: x", `f.yaml:7:9: resources[0].id: want a name`},
		{"an objective's id at a resource", "count: {of: x}\nresources:\n  - id: o\n    used: x", "f.yaml:7:9: resources[0].id: o stands twice"},
		{"over without reduce", "rate: {of: x, over: 1m}", "f.yaml:5:11: objectives[0].rate: give over a duration and reduce min or max, or neither"},
		{"reduce without over", "rate: {of: x, reduce: min}", "f.yaml:5:11: objectives[0].rate: give over"},
		{"reduce by something else", "rate: {of: x, over: 1m, reduce: mean}", "f.yaml:5:11: objectives[0].rate: give over"},
		{"bad and good", "ratio: {bad: x, good: y, total: z}", "f.yaml:5:12: objectives[0].ratio: give bad or good, and total"},
		{"neither bad nor good", "ratio: {total: z}", "f.yaml:5:12: objectives[0].ratio: give bad or good, and total"},
		{"bad per interval", "ratio: {bad: x, total: z, per: interval}", "objectives[0].ratio.per: want interval, with good"},
		{"per something else", "ratio: {good: x, total: z, per: hour}", "objectives[0].ratio.per: want interval, with good"},
		{"a bad selector in a ratio", "ratio: {bad: x, total: 'z{'}", "f.yaml:5:28: objectives[0].ratio.total: selector"},
		{"an expression where a selector is wanted", "count: {of: sum(x)}", "f.yaml:5:17: objectives[0].count.of: selector"},
		{"a selector without a metric", `mean: {of: '{job="api"}'}`, "f.yaml:5:16: objectives[0].mean.of: selector"},
		{"a quantile of 1", "quantile: {q: 1, of: x}", "f.yaml:5:19: objectives[0].quantile.q: must lie between 0 and 1, got 1"},
		{"a quantile of 0", "quantile: {q: 0, of: x}", "must lie between 0 and 1, got 0"},
		{"a gauge reduced by something else", "gauge: {of: x, reduce: p99}", `f.yaml:5:28: objectives[0].gauge.reduce: want max, min, mean or last, got "p99"`},
		{"bad PromQL in a gauge", "gauge: {of: x +, reduce: max}", "f.yaml:5:17: objectives[0].gauge.of: PromQL:"},
		{"a tolerance of nothing", "count: {of: x}\n    tolerance: 0%", "f.yaml:6:16: objectives[0].tolerance: must be above 0%"},
		{"a range of two kinds", "count: {of: x}\n    unit: s\n    must: 5%..15s", "one end is a percentage, the other a time"},
		{"a worse that is no direction", "count: {of: x}\n    worse: bigger", `f.yaml:6:12: objectives[0].worse: want higher or lower, got "bigger"`},
		{"a should of another dimension", "count: {of: x}\n    unit: s\n    should: < 5%", `objectives[0].should: "< 5%" is a percentage, the objective's unit is "s"`},
		{"a target of another dimension", "count: {of: x}\n    unit: bytes\n    target: < 5s", `objectives[0].target: "< 5s" is a time, the objective's unit is "bytes"`},
		{"a tolerance that is no percentage", "count: {of: x}\n    tolerance: 5", `f.yaml:6:16: objectives[0].tolerance: want a percentage such as 5%, got "5"`},
		{"bad PromQL in a resource", "count: {of: x}\nresources:\n  - id: r\n    used: x)", "f.yaml:8:11: resources[0].used: PromQL:"},
		{"a share of no limit", "count: {of: x}\nresources:\n  - id: r\n    used: x\n    peak: {must: < 80%}", `f.yaml:9:18: resources[0].peak.must: "< 80%" is a share of the limit, and there is no limit`},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Parse("f.yaml", []byte("apiVersion: plumbline/v1\nkind: SLA\nobjectives:\n  - id: o\n    "+c.objective+"\n"))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %s", err, c.want)
			}
		})
	}
}

func TestBoundsThatAreFine(t *testing.T) {
	for _, objective := range []string{
		"mean: {of: x}\n    unit: s\n    must: \">= 0\"",
		"mean: {of: x}\n    unit: s\n    must: <= baseline * 1.1",
		"mean: {of: x}\n    unit: s\n    must: < 5s\n    should: <= baseline",
		"ratio: {bad: x, total: z}\n    unit: ratio\n    must: < 0.5\n    should: < 0.5",
		"ratio: {bad: x, total: z}\n    unit: ratio\n    must: <= baseline * 2",
		"query: x\n    unit: ratio\n    must: < 300%", // cores in use of one, for example
		"count: {of: x}\n    must: < 5\n    should: \"> 7\"",
	} {
		if _, err := Parse("f.yaml", []byte("apiVersion: plumbline/v1\nkind: SLA\nobjectives:\n  - id: o\n    "+objective+"\n")); err != nil {
			t.Errorf("%s: %v", objective, err)
		}
	}
	_, err := Parse("f.yaml", []byte("apiVersion: plumbline/v1\nkind: SLA\nobjectives:\n  - id: o\n    quantil: {q: 0.95, of: x}\n"))
	if want := "f.yaml:5:5: objectives[0].quantil: unknown key; did you mean quantile?"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestParseWantsTheRightHeader(t *testing.T) {
	_, err := Parse("f.yaml", []byte("apiVersion: plumbline/v1\nkind: Profile\n"))
	if err == nil || !strings.Contains(err.Error(), `f.yaml:2:7: kind: must be SLA, got "Profile"`) {
		t.Errorf("got %v, want kind to be SLA", err)
	}
}
