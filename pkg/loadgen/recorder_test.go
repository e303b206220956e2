package loadgen

import (
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
)

var testTarget = &url.URL{Scheme: "http", Host: "target"}

// scenarioOf is a scenario of one kind of user with the given tasks, in YAML's flow form.
func scenarioOf(tasks string) string {
	return "apiVersion: plumbline/v1\nkind: Scenario\nname: s\nusers:\n  - {name: u, tasks: [" + tasks + "]}"
}

func gather(t *testing.T, registry *prometheus.Registry) map[string]*dto.MetricFamily {
	t.Helper()
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	byName := map[string]*dto.MetricFamily{}
	for _, f := range families {
		byName[f.GetName()] = f
	}
	return byName
}

// Every way to count comes to the same.
func TestCountersHistogramsAndSummaryAgree(t *testing.T) {
	registry := prometheus.NewRegistry()
	g, err := New(Options{Scenario: mustParse(t, scenarioOf("{name: a, request: GET /a}, {name: b, request: GET /b}")), Target: testTarget, RunID: "r", Registry: registry})
	if err != nil {
		t.Fatal(err)
	}
	a, b := &g.kinds[0].tasks[0].steps[0].channel, &g.kinds[0].tasks[1].steps[0].channel
	g.begin(time.Now())
	want := map[string]int{}
	for i, d := range someDurations(5000) {
		c, got := a, result{status: 200, outcome: Success, answered: true, response: d, service: d / 2, sent: 1, received: 2}
		switch {
		case i%7 == 0:
			c, got.status, got.outcome = b, 503, BadStatus
		case i%11 == 0:
			got.status, got.outcome, got.answered = 0, TimedOut, false
		case i%13 == 0:
			got.outcome = Slow
		}
		want[c.name+" "+string(got.outcome)]++
		g.rec.record(g.rec.shards[i%len(g.rec.shards)], c, &got)
	}
	families := gather(t, registry)
	for _, family := range []string{"loadgen_response_time_seconds", "loadgen_service_time_seconds"} {
		for _, m := range families[family].GetMetric() {
			key := label(m, "request") + " " + label(m, "outcome")
			native, classic := int64(m.GetHistogram().GetZeroCount()), m.GetHistogram().GetBucket()
			for _, n := range nativeBuckets(m.GetHistogram()) {
				native += n
			}
			above := m.GetHistogram().GetSampleCount() - classic[len(classic)-1].GetCumulativeCount()
			if got := m.GetHistogram().GetSampleCount(); int(got) != want[key] || native != int64(got) || above > got {
				t.Errorf("%s of %s: got %d samples, %d of them native, %d above all classic bounds, want %d", family, key, got, native, above, want[key])
			}
		}
	}
	counted := map[string]int{}
	for _, m := range families["loadgen_requests_total"].GetMetric() {
		counted[label(m, "request")+" "+label(m, "outcome")] += int(m.GetCounter().GetValue())
	}
	g.countSent()
	s := g.summary(time.Now())
	for key, n := range want {
		if counted[key] != n {
			t.Errorf("loadgen_requests_total of %s: got %d, want %d", key, counted[key], n)
		}
		name, outcome, _ := strings.Cut(key, " ")
		for _, r := range s.ByRequest {
			if r.Request == name && outcome != string(Success) && r.Reasons[Outcome(outcome)] != int64(n) {
				t.Errorf("summary of %s: got %d, want %d", key, r.Reasons[Outcome(outcome)], n)
			}
		}
	}
	if s.Requests != 5000 || s.Failures != 5000-int64(want["a success"]+want["b success"]) {
		t.Errorf("summary: got %d requests and %d failures, want 5000 and %d", s.Requests, s.Failures, 5000-want["a success"]-want["b success"])
	}
}

func label(m *dto.Metric, name string) string {
	for _, l := range m.GetLabel() {
		if l.GetName() == name {
			return l.GetValue()
		}
	}
	return ""
}

func TestNamesBeyondTheCapAreOther(t *testing.T) {
	registry := prometheus.NewRegistry()
	r, err := newRecorder(Options{RunID: "r", Registry: registry})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 1000 {
		c := r.channelOf(fmt.Sprint("request ", i), "GET", 200)
		r.record(r.shards[0], &c, &result{status: 200, outcome: Success})
	}
	families := gather(t, registry)
	if got := len(families["loadgen_requests_total"].GetMetric()); got != maxRequestNames+1 {
		t.Errorf("got %d series, want %d and other", got, maxRequestNames)
	}
	sum := 0.0
	for _, m := range families["loadgen_requests_total"].GetMetric() {
		sum += m.GetCounter().GetValue()
		if label(m, "request") == "other" && m.GetCounter().GetValue() != 1000-maxRequestNames {
			t.Errorf("other: got %v, want %d", m.GetCounter().GetValue(), 1000-maxRequestNames)
		}
	}
	if sum != 1000 {
		t.Errorf("got %v requests in all, want 1000", sum)
	}
}
