package report

import (
	"slices"
	"testing"
)

// Names that are too long are broken after their punctuation, and no mark is left
// alone on its line.
func TestPDFBreaksWordsWhereTheyCanBeRead(t *testing.T) {
	p := newPaper(Report{})
	p.font(8, false)
	for _, tt := range []struct {
		text  string
		most  float64 // mm
		lines int
		want  []string
	}{
		{"· paracle-api-7c9d8f6b5-4lcbh", 28, 3, []string{"· paracle-api-", "7c9d8f6b5-4lcbh"}},
		{"Requests/Second", 18, 3, []string{"Requests/", "Second"}},
		{"one two", 100, 1, []string{"one two"}},
		{"one two three", 14, 5, []string{"one two", "three"}},
		{"aaaaaaaaaaaa", 8, 2, []string{"aaaa", "aa…"}},
		{"", 10, 2, nil},
	} {
		if got := p.broken(tt.text, tt.most, tt.lines); !slices.Equal(got, tt.want) {
			t.Errorf("%q over %v mm: got %q, want %q", tt.text, tt.most, got, tt.want)
		}
	}
}
