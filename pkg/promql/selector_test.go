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
