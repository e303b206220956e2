package report_test

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"flag"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/plumbline/plumbline/pkg/report"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// texts are the formats whose files a person can read.
var texts = slices.DeleteFunc(slices.Clone(report.Formats), func(f report.Format) bool { return f.Name == "pdf" })

func TestGolden(t *testing.T) {
	formats := append(slices.Clone(texts),
		report.Format{Name: "term-60", Render: report.Terminal(report.TerminalOptions{Width: 60})},
		report.Format{Name: "term-colours", Render: report.Terminal(report.TerminalOptions{Width: 120, Colours: true})})
	for _, f := range formats {
		t.Run(f.Name, func(t *testing.T) {
			got := render(t, f.Render, sample())
			if again := render(t, f.Render, sample()); again != got {
				t.Error("got other bytes for an equal report, want the same")
			}
			path := filepath.Join("testdata", "report."+f.Name+".golden")
			if *update {
				if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("%s differs from its golden file (-want +got); rewrite it with -update:\n%s", f.Name, diff)
			}
		})
	}
}

// An empty report has nothing to show, and shows no empty table for it.
func TestEmptyReport(t *testing.T) {
	for _, f := range texts {
		got := render(t, f.Render, report.Report{})
		if !strings.Contains(strings.ToLower(got), "inconclusive") {
			t.Errorf("%s of an empty report: got %q, want it inconclusive", f.Name, got)
		}
		if strings.Contains(got, "<table") || strings.Contains(got, "| ---") {
			t.Errorf("%s of an empty report: got a table, want none", f.Name)
		}
	}
}

// A finding shows in every format by what it was found.
func TestFindingsShowTheirEvidence(t *testing.T) {
	r := sample()
	r.Findings = r.Findings[:1]
	shown := map[string]string{
		"md":   strings.ReplaceAll(render(t, report.Markdown, r), `\`, ""),
		"term": render(t, report.Terminal(report.TerminalOptions{Width: 400}), r),
		"pdf":  poppler(t, "pdftotext", "-layout", pdfFile(t, r), "-"),
	}
	for format, text := range shown {
		text = strings.Join(strings.Fields(text), " ")
		for _, want := range []string{
			"p95 of llm_request_duration_seconds · threshold: below 2 s · since 12:04:00 · covers 100 % of the breaches",
			"histogram_quantile(0.95, sum by (le, provider) (rate(llm_request_duration_seconds_bucket[1m])))",
		} {
			if !strings.Contains(text, want) {
				t.Errorf("%s: got no %q", format, want)
			}
		}
	}
}

// Nothing in a label may reach the terminal as an escape sequence.
// What was not looked at can't be said to have been well, and the place of the
// findings says so in every format.
func TestNoFindingsSayWhatWasLookedAt(t *testing.T) {
	for name, tc := range map[string]struct {
		unexamined   []string
		undetermined string
		want         string
	}{
		"everything looked at": {nil, "", "No resource was in trouble."},
		"some without series":  {[]string{"api-cpu: there are no series of it"}, "", "Nothing that could be looked at was in trouble. Not examined: api-cpu: there are no series of it."},
		"nothing explains it":  {nil, "nothing explains p95", "Undetermined: nothing explains p95."},
	} {
		t.Run(name, func(t *testing.T) {
			r := sample()
			r.Findings, r.Unexamined, r.Undetermined = nil, tc.unexamined, tc.undetermined
			for _, f := range texts {
				if f.Name != "md" && f.Name != "html" && f.Name != "term" {
					continue
				}
				if got := strings.Join(strings.Fields(render(t, f.Render, r)), " "); !strings.Contains(got, tc.want) {
					t.Errorf("%s: got no %q", f.Name, tc.want)
				}
			}
		})
	}
}

func TestTerminalStaysPlain(t *testing.T) {
	got := render(t, report.Terminal(report.TerminalOptions{Width: 80}), sample())
	if strings.ContainsRune(got, '\x1b') {
		t.Error("got an escape sequence, want none without colours")
	}
	for line := range strings.Lines(got) {
		if n := len([]rune(strings.TrimSuffix(line, "\n"))); n > 80 {
			t.Errorf("got a line of %d columns, want at most 80: %q", n, line)
		}
	}
}

// The names of JSON fields are a promise to other programs.
func TestJSONFieldNames(t *testing.T) {
	var got map[string]any
	if err := json.Unmarshal([]byte(render(t, report.JSON, sample())), &got); err != nil {
		t.Fatal(err)
	}
	first := func(name string) map[string]any { return got[name].([]any)[0].(map[string]any) }
	comparison := got["comparison"].(map[string]any)
	for _, tt := range []struct {
		of    string
		value map[string]any
		want  string
	}{
		{"report", got, "run verdict objectives resources requests comparison checks queries schema"},
		{"objective", first("objectives"), "id group title unit value low high coverage verdict marginal query"},
		{"resource", first("resources"), "id component resource unit average peak limit verdict"},
		{"request", first("requests"), "request requests failures requests_per_second response_time service_time"},
		{"comparison", comparison, "baseline comparable deltas"},
		{"delta", comparison["deltas"].([]any)[1].(map[string]any), "id baseline target actual change low high p verdict target_verdict runs_needed reason"},
		{"check", first("checks"), "id verdict detail"},
	} {
		for _, name := range strings.Fields(tt.want) {
			if _, ok := tt.value[name]; !ok {
				t.Errorf("%s: got fields %v, want %s among them", tt.of, slices.Sorted(maps.Keys(tt.value)), name)
			}
		}
	}
	if got := first("objectives")["low"]; got != nil {
		t.Errorf("interval of a counted value: got %v, want null", got)
	}
}

// Judged rows are test cases; a program that shows those must find them well-formed and counted.
func TestJUnit(t *testing.T) {
	var got struct {
		Failures int `xml:"failures,attr"`
		Skipped  int `xml:"skipped,attr"`
		Tests    int `xml:"tests,attr"`
		Cases    []struct {
			Name    string `xml:"name,attr"`
			Failure *struct {
				Message string `xml:"message,attr"`
			} `xml:"failure"`
			Skipped *struct{} `xml:"skipped"`
		} `xml:"testsuite>testcase"`
	}
	if err := xml.Unmarshal([]byte(render(t, report.JUnit, sample())), &got); err != nil {
		t.Fatal(err)
	}
	if got.Tests != len(got.Cases) || got.Tests != 18 || got.Failures != 1 || got.Skipped != 1 {
		t.Errorf("got %d tests (%d cases), %d failures, %d skipped; want 15 judged objectives and 3 resources, one failed, one inconclusive", got.Tests, len(got.Cases), got.Failures, got.Skipped)
	}
	for _, c := range got.Cases {
		if c.Failure != nil && (c.Name != "Timeout errors" || !strings.Contains(c.Failure.Message, "89, target < 50")) {
			t.Errorf("got the failure %s: %s, want that of the timeouts with its value and bound", c.Name, c.Failure.Message)
		}
	}
}

// A comment that the forge would refuse is no report: what doesn't fit is left to other formats.
func TestMarkdownFitsAComment(t *testing.T) {
	r := sample()
	for range 500 {
		r.Queries = append(r.Queries, r.Queries[0])
	}
	got := render(t, report.Markdown, r)
	if len(got) > 65_536 || !strings.Contains(got, "Baseline vs Target vs Actual") || strings.Contains(got, "<details>") {
		t.Errorf("got %d bytes, want at most 65,536 with all tables and without queries", len(got))
	}
}

func TestTheSeedIsShownWhereItIsKnown(t *testing.T) {
	r := sample()
	if got := render(t, report.Markdown, r); strings.Contains(got, "| Seed") {
		t.Errorf("got %s, want no seed", got)
	}
	seed := uint64(0)
	r.Run.Seed = &seed
	if got := render(t, report.Markdown, r); !strings.Contains(got, "| Seed | 0 |") {
		t.Errorf("got %s, want the seed", got)
	}
}

func TestNumberKeepsNoData(t *testing.T) {
	var got report.Number
	if err := json.Unmarshal([]byte("null"), &got); err != nil || !math.IsNaN(float64(got)) {
		t.Errorf("null: got %v, %v, want no data", got, err)
	}
}

// TestTheBaselineIsDrawnDashed: grey and dashed, apart from the colours of the run's lines.
func TestTheBaselineIsDrawnDashed(t *testing.T) {
	r := sample()
	for _, c := range r.Charts {
		c.Lines[0].Baseline = true
	}
	got := render(t, report.HTML, r)
	for _, want := range []string{`<path class="line before" d="M`, `<li class="before">`, `"baseline":true`, `.still .before{stroke:var(--muted);stroke-dasharray`} {
		if !strings.Contains(got, want) {
			t.Errorf("the page has no %s", want)
		}
	}
}

func TestHTMLIsInert(t *testing.T) {
	got := render(t, report.HTML, sample())
	for _, bad := range []string{"<script>window.hacked", "<img src=x", `href="javascript:`, "@import", `src="http`, `<link`} {
		if strings.Contains(got, bad) {
			t.Errorf("got %q in the page, want it escaped or absent", bad)
		}
	}
}

// Queries of the guide that a service has no series for take one line.
func TestUnansweredQueriesAreFolded(t *testing.T) {
	r := sample()
	none := report.Answer{Query: "x", Low: nan, High: nan}
	r.Catalogue = append(r.Catalogue, report.CatalogueQuery{Title: "Redis memory", Guide: none, Form: none}, report.CatalogueQuery{Title: "Redis ops", Guide: none, Form: none})
	got := render(t, report.Markdown, r)
	if n := strings.Count(got, "no data | no data"); n != 1 || !strings.Contains(got, "Redis memory, Redis ops") {
		t.Errorf("got %d lines without data, want one that names both", n)
	}
}

// A change that looks large and counts as none has its reason beside it.
func TestUnchangedSaysWhy(t *testing.T) {
	r := sample()
	for i := range r.Comparison.Deltas {
		r.Comparison.Deltas[i].Reason = "negligible: " + r.Comparison.Deltas[i].Verdict.String()
	}
	got := render(t, report.Markdown, r)
	for reason, want := range map[string]bool{"negligible: unchanged": true, "negligible: improved": false} {
		if strings.Contains(got, reason) != want {
			t.Errorf("%s: got it %v, want %v", reason, !want, want)
		}
	}
}

// A number's popover has its query, when to ask it, and where.
func TestNumbersOpenTheirQueries(t *testing.T) {
	r := sample()
	link := "http://prometheus.example/graph?g0.expr=up"
	q := report.Question{Query: "sum(failures)", At: start, Link: link}
	r.Requests[0].Asked = map[string]report.Question{"failures": q}
	r.Percentiles[0].Asked = map[string]report.Question{"server": q}
	r.Resources[0].Asked = map[string]report.Question{"limit": q}
	got := render(t, report.HTML, r)
	if n := strings.Count(got, "<code>sum(failures)</code>"); n != 3 {
		t.Errorf("got %d popovers, want 3", n)
	}
	if n := strings.Count(got, "<p class=\"muted\">at 18 Jan 2026 12:00:00 UTC</p>"); n != 3 {
		t.Errorf("got %d times to ask, want 3", n)
	}
	if n := strings.Count(got, `href="`+link); n < 3 {
		t.Errorf("got %d links, want 3", n)
	}
}

func render(t *testing.T, f report.Renderer, r report.Report) string {
	t.Helper()
	var b bytes.Buffer
	if err := f(&b, r); err != nil {
		t.Fatal(err)
	}
	return b.String()
}
