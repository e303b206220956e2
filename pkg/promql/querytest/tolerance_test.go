package querytest

import "testing"

func TestToleranceEndsAtItsCause(t *testing.T) {
	for _, c := range []struct {
		name   string
		got    float64
		onEdge bool
		wrong  bool
	}{
		{"Prometheus 3, a sample on the edge", 12, true, false},
		{"Prometheus 2, a sample on the edge", 13, true, false},
		{"one more than any edge explains", 14, true, true},
		{"one too few", 11, true, true},
		{"no sample on the edge", 12, false, false},
		{"no sample on the edge, and counted all the same", 13, false, true},
	} {
		if wrong := samplesDiffer(c.got, 12, c.onEdge); (wrong != "") != c.wrong {
			t.Errorf("%s: %v samples where 12 are wanted: got %q", c.name, c.got, wrong)
		}
	}
}
