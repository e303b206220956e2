package promql

import (
	"strings"
	"testing"
)

func TestAnExpansionKnowsWhereThingsStood(t *testing.T) {
	vars := map[string]string{"run": "R1", "api": `job="a",zone="b"`, "none": "", "rate": "20000ms"}
	for _, text := range []string{
		`sum(rate(x{$api}[$rate]))`,
		`x{$none,a="b"} / y`,
		`x{run="$run",$none} + sum(y)`,
		`x{$none,$none,a="b"} + sum(y)`,
		`x{a="{,,$other"} and y`,
	} {
		e := Trace(text, vars)
		for i := range e.Text {
			from := e.Origin(i)
			if text[from] != e.Text[i] && text[from] != '$' {
				t.Errorf("%s → %s: byte %d comes from %d: got %q, want %q or a variable", text, e.Text, i, from, text[from], e.Text[i])
			}
		}
		if got := e.Origin(len(e.Text)); got != len(text) {
			t.Errorf("%s: the end comes from %d, want %d", text, got, len(text))
		}
		last := e.Text[strings.LastIndexAny(e.Text, "xy"):]
		if got, want := e.Origin(len(e.Text)-len(last)), strings.LastIndexAny(text, "xy"); got != want {
			t.Errorf("%s: the last metric comes from %d, want %d", text, got, want)
		}
	}
}
