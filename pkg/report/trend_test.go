package report_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/plumbline/plumbline/pkg/compare"
	"github.com/plumbline/plumbline/pkg/report"
	"github.com/plumbline/plumbline/pkg/trend"
)

// sampleTrend has a strict change for the worse at run 40, an outlier and a run
// without a value.
func sampleTrend() report.Trend {
	h := trend.History{Metric: "latency-p95", Unit: "s"}
	for i := range 60 {
		p := trend.Point{
			Run: fmt.Sprintf("PERF-%03d", i), Time: time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC).AddDate(0, 0, i),
			Value: 0.187 + 0.002*math.Sin(float64(i*i)), Labels: map[string]string{"version": "v1.0.0"},
		}
		if i >= 40 {
			p.Value += 0.025
			p.Labels = map[string]string{"version": "v1.0.3"}
		}
		h.Points = append(h.Points, p)
	}
	h.Points[12].Value, h.Points[30].Value = 0.26, math.NaN()
	t := report.NewTrend(h, "higher")
	t.Title, t.Subtitle, t.Generated = "Response time p95", "paracle-api · mixed · target", time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	return t
}

func TestTrendGolden(t *testing.T) {
	for _, f := range []struct {
		name   string
		render report.TrendRenderer
	}{
		{"term", report.TrendTerminal(report.TerminalOptions{Width: 80})},
		{"json", report.TrendJSON},
	} {
		var got bytes.Buffer
		if err := f.render(&got, sampleTrend()); err != nil {
			t.Fatalf("%s: %v", f.name, err)
		}
		path := filepath.Join("testdata", "trend."+f.name+".golden")
		if *update {
			if err := os.WriteFile(path, got.Bytes(), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), got.String()); diff != "" {
			t.Errorf("%s differs from its golden file (-want +got); rewrite it with -update:\n%s", f.name, diff)
		}
	}
}

func TestTrendOnATerminalFitsItsWidth(t *testing.T) {
	for _, width := range []int{40, 57, 80, 200} {
		var got bytes.Buffer
		if err := report.TrendTerminal(report.TerminalOptions{Width: width})(&got, sampleTrend()); err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(got.String()) {
			if n := len([]rune(strings.TrimSuffix(line, "\n"))); n > width {
				t.Errorf("width %d: got a line of %d: %q", width, n, line)
			}
		}
	}
}

func TestTrendPage(t *testing.T) {
	tr := sampleTrend()
	tr.Title = `<script>alert("p95")</script>`
	tr.Points[3].Run = "</script><b>"
	var got bytes.Buffer
	if err := report.TrendHTML(&got, tr); err != nil {
		t.Fatal(err)
	}
	page := got.String()
	for _, want := range []string{"REGRESSED", "PERF-040", "version v1.0.0 → v1.0.3", `class="mark"`} {
		if !strings.Contains(page, want) {
			t.Errorf("got a page without %s", want)
		}
	}
	for _, unwanted := range []string{"<script>alert", "</script><b>"} {
		if strings.Contains(page, unwanted) {
			t.Errorf("got a page with %s in it", unwanted)
		}
	}
	_, data, _ := strings.Cut(page, `id="charts-data">`)
	data, _, _ = strings.Cut(data, "</script>")
	var charts []struct {
		Names []string
		Times []float64
		Min   float64
		Max   float64
		Marks []report.Mark
		Lines []report.Line
	}
	if err := json.Unmarshal([]byte(data), &charts); err != nil || len(charts) != 1 {
		t.Fatalf("got charts %v, %v, want one", charts, err)
	}
	c := charts[0]
	if len(c.Names) != 60 || len(c.Times) != 60 || len(c.Lines) != 2 || len(c.Marks) != 1 || c.Marks[0].At != 40 {
		t.Errorf("got %d names, %d places, %d lines, marks %v, want 60, 60, 2 and one at 40", len(c.Names), len(c.Times), len(c.Lines), c.Marks)
	}
	if !(c.Min > 150 && c.Min < 187 && c.Max > 260 && c.Max < 300) { // ms
		t.Errorf("got an axis from %v to %v, want it around the values, in ms", c.Min, c.Max)
	}
}

func TestTrendVerdict(t *testing.T) {
	series := func(levels ...float64) (h trend.History) {
		for _, level := range levels {
			for i := range 20 {
				h.Points = append(h.Points, trend.Point{Value: level * (1 + 0.005*float64(i%3-1))})
			}
		}
		return h
	}
	nothing := trend.History{Points: make([]trend.Point, 12)}
	for i := range nothing.Points {
		nothing.Points[i].Value = math.NaN()
	}
	tests := []struct {
		name     string
		history  trend.History
		worse    string
		want     compare.Verdict
		headline string
	}{
		{"higher is worse, and it went up", series(100, 120), "higher", compare.Regressed, "1 strict change point in 40 runs; the last at #20, from 100 to 120 (+20 %): regressed."},
		{"lower is worse, and it went up", series(100, 120), "lower", compare.Improved, "improved."},
		{"not known which is worse", series(100, 120), "", compare.Inconclusive, "from 100 to 120 (+20 %)."},
		{"regressed, and repaired", series(100, 120, 100), "higher", compare.Improved, "2 strict change points in 60 runs; the last at #40"},
		{"no change", series(100, 100), "", compare.Unchanged, "No change point in 40 runs."},
		{"from nothing", series(0, 5), "higher", compare.Regressed, "from 0 to 5 (–): regressed."},
		{"one run", trend.History{Points: []trend.Point{{Value: 3}}}, "higher", compare.Inconclusive, "Nothing can be told: there is one run, and a change point needs at least 10"},
		{"no runs", trend.History{}, "higher", compare.Inconclusive, "Nothing can be told: there are no runs."},
		{"no values", nothing, "higher", compare.Inconclusive, "Nothing can be told: none of the 12 runs has a value."},
	}
	for _, tt := range tests {
		got := report.NewTrend(tt.history, tt.worse)
		if got.Verdict != tt.want || !strings.Contains(got.Headline, tt.headline) {
			t.Errorf("%s: got %v, %q, want %v, %q", tt.name, got.Verdict, got.Headline, tt.want, tt.headline)
		}
		for name, render := range map[string]report.TrendRenderer{"terminal": report.TrendTerminal(report.TerminalOptions{}), "json": report.TrendJSON, "html": report.TrendHTML} {
			var text bytes.Buffer
			if err := render(&text, got); err != nil || text.Len() == 0 || strings.Contains(text.String(), "NaN") && name != "html" {
				t.Errorf("%s as %s: got %v and\n%s", tt.name, name, err, text.String())
			}
		}
	}
}
