package slo

import (
	"math"
	"strings"
	"testing"
)

func FuzzParse(f *testing.F) {
	f.Add(goodFile)
	f.Add(badFile)
	f.Add("")
	f.Add("objectives: [{id: a, rate: {of: x, over: 1m}, must: '< 5%', when: {scenario: [a]}}]")
	f.Add("objectives: [null, {query: null}]\nresources: [{peak: {must: '< 80%'}}]")
	f.Add("objectives: &a [*a]\nvars: {run: '$run'}")
	f.Fuzz(func(t *testing.T, text string) {
		if _, err := Parse("f.yaml", []byte(text)); err != nil && !strings.Contains(err.Error(), "f.yaml:") {
			t.Errorf("got an error without a place: %v", err)
		}
	})
}

func FuzzParseBound(f *testing.F) {
	for _, text := range []string{"< 500ms", "10s..15s", "<= baseline * 1.10", "== 5%", "..", "< 1e999"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		b, err := ParseBound(text)
		if err != nil {
			return
		}
		if math.IsNaN(b.low) || math.IsNaN(b.high) || b.op == "" || b.dimension == "" {
			t.Errorf("%q: got %+v, want a whole bound", text, b)
		}
		if again, err := ParseBound(b.Text); err != nil || again != b {
			t.Errorf("%q: got %+v, %v when read again, want %+v", text, again, err, b)
		}
	})
}
