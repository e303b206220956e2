package slo

import (
	"strings"
	"testing"
)

func TestOverall(t *testing.T) {
	for _, c := range []struct {
		name     string
		verdicts []Verdict
		want     Verdict
	}{
		{"nothing judged is inconclusive", nil, Inconclusive},
		{"all pass is pass", []Verdict{Pass, Pass}, Pass},
		{"a warning outweighs a pass", []Verdict{Pass, Warn, Pass}, Warn},
		{"inconclusive outweighs a warning", []Verdict{Warn, Inconclusive, Pass}, Inconclusive},
		{"inconclusive outweighs a pass", []Verdict{Pass, Inconclusive}, Inconclusive},
		{"a failure outweighs inconclusive", []Verdict{Inconclusive, Fail}, Fail},
		{"a failure that comes first stays", []Verdict{Fail, Pass, Warn, Inconclusive}, Fail},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := Overall(c.verdicts...); got != c.want {
				t.Errorf("got %v, want %v", got, c.want)
			}
		})
	}
}

func TestTheZeroVerdictIsInconclusive(t *testing.T) {
	var v Verdict
	if v.String() != "inconclusive" {
		t.Errorf("got %v, want inconclusive", v)
	}
}

func TestVerdictsAreWrittenAndReadByName(t *testing.T) {
	for v, name := range map[Verdict]string{Inconclusive: "inconclusive", Fail: "fail", Warn: "warn", Pass: "pass"} {
		text, err := v.MarshalText()
		if err != nil || string(text) != name {
			t.Errorf("got %q, %v, want %q", text, err, name)
		}
		back := Verdict(-1)
		if err := back.UnmarshalText([]byte(name)); err != nil || back != v {
			t.Errorf("%s: got %d, %v, want %d", name, back, err, v)
		}
	}
	var v Verdict
	if err := v.UnmarshalText([]byte("passed")); err == nil || !strings.Contains(err.Error(), `"passed"`) {
		t.Errorf("got %v, want an error that names passed", err)
	}
}

func TestScoresCountOnlyWhatIsJudged(t *testing.T) {
	for _, c := range []struct {
		name   string
		scores Scores
		want   Verdict
	}{
		{"without a bound there is nothing to pass", Scores{Objectives: []Result{{Verdict: Pass}}}, Inconclusive},
		{"an objective without a bound does not count", Scores{Objectives: []Result{{Verdict: Inconclusive}, {Judged: true, Verdict: Pass}}}, Pass},
		{"a resource counts as an objective does", Scores{Objectives: []Result{{Judged: true, Verdict: Pass}}, Resources: []ResourceResult{{Judged: true, Verdict: Fail}}}, Fail},
		{"a resource without a bound does not count", Scores{Objectives: []Result{{Judged: true, Verdict: Pass}}, Resources: []ResourceResult{{Verdict: Fail}}}, Pass},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := c.scores.Verdict(); got != c.want {
				t.Errorf("got %v, want %v", got, c.want)
			}
		})
	}
}
