package promql

import "testing"

func TestExpand(t *testing.T) {
	vars := map[string]string{"run": "R1", "api": `job="a"`, "none": ""}
	for text, want := range map[string]string{
		`x{run="$run",$api}`: `x{run="R1",job="a"}`,
		`x{$none,a="b"}`:     `x{a="b"}`,
		`x{a=~"b.*$",$api}`:  `x{a=~"b.*$",job="a"}`,
		`x{a=~"${run}$1"}`:   `x{a=~"R1$1"}`,
		`x{a="{,,$other"}`:   `x{a="{,,$other"}`,
	} {
		if got := Expand(text, vars); got != want {
			t.Errorf("%s: got %s, want %s", text, got, want)
		}
	}
}

func TestPopulation(t *testing.T) {
	vars := map[string]string{"run": "R1", "api": `job="a"`}
	for text, want := range map[string]string{
		`x{$api,status=~"[45].."}`:     `x{job="a",status!=""}`,
		`x{run="$run",status!~"5.."}`:  `x{run="R1",status!~"5.."}`,
		`x{run="$run",name="a\"b\nc"}`: `x{run="R1",name!=""}`,
	} {
		s, err := ParseSelector(text, vars)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if got := s.Population().String(); got != want {
			t.Errorf("%s: got %s, want %s", text, got, want)
		}
	}
}

func TestPartOf(t *testing.T) {
	for _, c := range []struct {
		name, wide, narrow string
		want               bool
	}{
		{"one more matcher", `x{job="a"}`, `x{status=~"5..",job="a"}`, true},
		{"the metric alone", `x`, `x{job="a"}`, true},
		{"itself", `x{job="a"}`, `x{job="a"}`, false},
		{"fewer matchers", `x{job="a",status="5"}`, `x{job="a"}`, false},
		{"another value", `x{job="b"}`, `x{job="a",status="5"}`, false},
		{"another kind of match", `x{job=~"a"}`, `x{job="a",status="5"}`, false},
		{"another metric", `y`, `x{job="a"}`, false},
	} {
		wide, err := ParseSelector(c.wide, nil)
		if err != nil {
			t.Fatal(err)
		}
		narrow, err := ParseSelector(c.narrow, nil)
		if err != nil {
			t.Fatal(err)
		}
		if got := wide.partOf(narrow); got != c.want {
			t.Errorf("%s: %s is part of %s: got %v, want %v", c.name, wide, narrow, got, c.want)
		}
	}
}
