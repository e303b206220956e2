package run_test

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/plumbline/plumbline/pkg/run"
)

func TestIDsNameFoldersAndStandInQueries(t *testing.T) {
	for id, valid := range map[string]bool{
		"PERF-2026-01-18-001":   true,
		"nightly_7.1":           true,
		"a":                     true,
		strings.Repeat("a", 64): true,
		strings.Repeat("a", 65): false,
		"":                      false,
		".":                     false,
		"..":                    false,
		"-rf":                   false,
		"a/b":                   false,
		`a\b`:                   false,
		`a"b`:                   false,
		"a b":                   false,
		"a\n":                   false,
		"prüfung":               false,
	} {
		if err := run.CheckID(id); (err == nil) != valid {
			t.Errorf("id %q: got %v, want valid: %v", id, err, valid)
		}
	}
}

func TestIntersect(t *testing.T) {
	at := func(s int) time.Time { return time.Unix(int64(s), 0) }
	window := func(from, to int) run.Window { return run.Window{Start: at(from), End: at(to)} }
	for name, tc := range map[string]struct{ a, b, want run.Window }{
		"inside":           {window(0, 10), window(2, 5), window(2, 5)},
		"around":           {window(2, 5), window(0, 10), window(2, 5)},
		"over the end":     {window(0, 10), window(8, 12), window(8, 10)},
		"apart":            {window(0, 10), window(11, 12), run.Window{}},
		"touching":         {window(0, 10), window(10, 12), run.Window{}},
		"with an empty":    {window(0, 10), run.Window{}, run.Window{}},
		"with a backwards": {window(0, 10), window(5, 2), run.Window{}},
	} {
		if got := tc.a.Intersect(tc.b); !cmp.Equal(got, tc.want) {
			t.Errorf("%s: got %v, want %v", name, got, tc.want)
		}
	}
}

func TestThinkPerRequest(t *testing.T) {
	for _, c := range []struct {
		name           string
		load           run.Load
		response, want float64
	}{
		{"one request an iteration", run.Load{ThinkSeconds: 3, Iteration: 1}, 0.5, 3},
		{"several", run.Load{ThinkSeconds: 3, Iteration: 2}, 0.5, 1.5},
		{"how many isn't known", run.Load{ThinkSeconds: 3}, 0.5, 3},
		{"two kinds, answers at once", run.Load{Kinds: []run.Kind{{0.5, 0.2, 1}, {0.5, 5, 1}}}, 0, 1 / (0.5/0.2 + 0.5/5)},
		{"two kinds, slow answers", run.Load{Kinds: []run.Kind{{0.5, 0.2, 1}, {0.5, 5, 2}}}, 1, 1/(0.5/1.2+0.5*2/7) - 1},
	} {
		if got := c.load.ThinkPerRequest(c.response); math.Abs(got-c.want) > 1e-12 {
			t.Errorf("%s: got %v s, want %v", c.name, got, c.want)
		}
	}
}

func TestProblemsOfGenerators(t *testing.T) {
	valid, slow := run.Generator{Segment: 1, Valid: true}, run.Generator{Segment: 2, Reasons: []string{"too slow"}}
	for name, tc := range map[string]struct {
		generators run.Generators
		want       []string
	}{
		"all there":     {run.Generators{Expected: 1, Segments: []run.Generator{valid}}, nil},
		"one too slow":  {run.Generators{Expected: 2, Segments: []run.Generator{valid, slow}}, []string{"segment 2: too slow"}},
		"one missing":   {run.Generators{Expected: 2, Segments: []run.Generator{valid}}, []string{"1 of 2 expected load generator segments are there"}},
		"none there":    {run.Generators{Expected: 1}, []string{"0 of 1 expected load generator segments are there"}},
		"none expected": {run.Generators{}, nil},
	} {
		if diff := cmp.Diff(tc.want, tc.generators.Problems()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestProblemsIn(t *testing.T) {
	at := func(seconds int) time.Time { return time.Unix(0, 0).Add(time.Duration(seconds) * time.Second) }
	between := func(from, to int) run.Window { return run.Window{Start: at(from), End: at(to)} }
	judged := run.Generator{Segment: 1, Valid: true, WindowSeconds: 10, Suspect: []run.Suspect{{Window: between(10, 20), Reasons: []string{"too slow"}}}}
	for _, c := range []struct {
		name     string
		segments []run.Generator
		expected int
		in       run.Window
		want     string
	}{
		{"a suspect window outside does no harm", []run.Generator{judged}, 1, between(20, 60), ""},
		{"one that overlaps does", []run.Generator{judged}, 1, between(15, 60), "segment 1: from 00:00:10 to 00:00:20 too slow"},
		{"windows speak for the run as a whole", []run.Generator{{Segment: 1, Reasons: []string{"all too slow"}, WindowSeconds: 10}}, 1, between(0, 60), ""},
		{"without windows, the run speaks for each of its parts", []run.Generator{{Segment: 1, Reasons: []string{"all too slow"}}}, 1, between(20, 60), "segment 1: all too slow"},
		{"a segment that is missing is missing everywhere", []run.Generator{judged}, 2, between(20, 60), "1 of 2 expected load generator segments are there"},
	} {
		g := run.Generators{Expected: c.expected, Segments: c.segments}
		if got := strings.Join(g.ProblemsIn(c.in), "; "); got != c.want {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
	}
	g := run.Generators{Expected: 2, Segments: []run.Generator{{Segment: 1, Reasons: []string{"all too slow"}}}}
	if got, want := strings.Join(g.Problems(), "; "), "segment 1: all too slow; 1 of 2 expected load generator segments are there"; got != want {
		t.Errorf("whole run: got %q, want %q", got, want)
	}
}
