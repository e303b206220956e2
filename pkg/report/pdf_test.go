package report_test

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/plumbline/plumbline/pkg/report"
	"github.com/plumbline/plumbline/pkg/slo"
)

// poppler runs one of the tools that read a PDF as others do.
func poppler(t *testing.T, tool string, args ...string) string {
	t.Helper()
	if _, err := exec.LookPath(tool); err != nil {
		if os.Getenv("PLUMBLINE_REQUIRE_SERVERS") == "1" {
			t.Fatalf("no %s: PLUMBLINE_REQUIRE_SERVERS=1 asks for it", tool)
		}
		t.Skipf("no %s: the PDF is not looked at", tool)
	}
	var out, trouble bytes.Buffer
	cmd := exec.CommandContext(t.Context(), tool, args...)
	cmd.Stdout, cmd.Stderr = &out, &trouble
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s: %v\n%s", tool, err, trouble.String())
	}
	if trouble.Len() > 0 {
		t.Errorf("%s complains: %s", tool, trouble.String())
	}
	return out.String()
}

func pdfFile(t *testing.T, r report.Report) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "report.pdf")
	if err := os.WriteFile(path, []byte(render(t, report.PDF, r)), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

const dotsPerInch = 72

// pages are the pages of a PDF as pictures of 72 dots per inch.
func pages(t *testing.T, path string) []image.Image {
	t.Helper()
	prefix := filepath.Join(t.TempDir(), "page")
	poppler(t, "pdftoppm", "-r", fmt.Sprint(dotsPerInch), "-png", path, prefix)
	names, err := filepath.Glob(prefix + "*.png")
	if err != nil || len(names) == 0 {
		t.Fatalf("no pages: %v", err)
	}
	slices.Sort(names)
	var all []image.Image
	for _, name := range names {
		f, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		img, err := png.Decode(f)
		f.Close()
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, img)
	}
	return all
}

// dots counts the dots of a colour, nearly, in a part of a page.
func dots(img image.Image, in image.Rectangle, want color.RGBA) (n int) {
	near := func(a, b uint32) bool { d := int(a>>8) - int(b>>8); return d > -24 && d < 24 }
	wr, wg, wb, _ := want.RGBA()
	for y := in.Min.Y; y < in.Max.Y; y++ {
		for x := in.Min.X; x < in.Max.X; x++ {
			if r, g, b, _ := img.At(x, y).RGBA(); near(r, wr) && near(g, wg) && near(b, wb) {
				n++
			}
		}
	}
	return n
}

// mm is a rectangle of a page in millimetres.
func mm(x0, y0, x1, y1 float64) image.Rectangle {
	dot := func(v float64) int { return int(v / 25.4 * dotsPerInch) }
	return image.Rect(dot(x0), dot(y0), dot(x1), dot(y1))
}

var (
	paperWhite = color.RGBA{255, 255, 255, 255}
	failRed    = color.RGBA{179, 38, 30, 255}
	passGreen  = color.RGBA{26, 127, 75, 255}
	lineBlue   = color.RGBA{31, 95, 191, 255}
)

// The verdict's mark is drawn, not written: a font without the sign shows an empty box.
func TestPDFMarksTheVerdict(t *testing.T) {
	for verdict, want := range map[slo.Verdict]color.RGBA{slo.Fail: failRed, slo.Pass: passGreen, slo.Warn: {152, 88, 0, 255}, slo.Inconclusive: {106, 74, 156, 255}} {
		r := sample()
		r.Verdict = verdict
		cover := pages(t, pdfFile(t, r))[0]
		mark := mm(18, 30, 38, 50)
		n, all := dots(cover, mark, want), mark.Dx()*mark.Dy()
		if share := float64(n) / float64(all); share < .05 || share > .7 {
			t.Errorf("%s: got %.0f %% of the mark's square in its colour, want 5 to 70 %%", verdict, 100*share)
		}
	}
}

func TestPDFDrawsPlots(t *testing.T) {
	blue := 0
	for _, page := range pages(t, pdfFile(t, sample())) {
		blue += dots(page, page.Bounds(), lineBlue)
	}
	without := sample()
	without.Charts = nil
	bare := 0
	for _, page := range pages(t, pdfFile(t, without)) {
		bare += dots(page, page.Bounds(), lineBlue)
	}
	if blue < bare+len(sample().Charts)*100 {
		t.Errorf("got %d dots of the first line's colour, and %d without charts, want each chart to have its line", blue, bare)
	}
	dashed := sample()
	for _, c := range dashed.Charts {
		c.Lines[0].Baseline = true
	}
	left := 0
	for _, page := range pages(t, pdfFile(t, dashed)) {
		left += dots(page, page.Bounds(), lineBlue)
	}
	if left > bare*11/10 { // the rest may lie a little otherwise
		t.Errorf("got %d dots of the first line's colour where it is the baseline's, want none but the %d without charts", left, bare)
	}
}

// hostileReport has text that no layout expects.
func hostileReport() report.Report {
	r := sample()
	long := strings.Repeat("x", 10_000)
	r.Run.Service = long
	r.Run.Labels["emoji"] = "🚀✅❌ 𝔘𝔫𝔦"
	r.Run.Labels["rtl"] = "\u202eabc עברית العربية"
	r.Run.Labels["control"] = "a\x00b\x07c\x1b[31m\r\nd"
	r.Run.Labels[long] = long
	r.Headline = long
	r.Reading = append(r.Reading, strings.Repeat("ä ", 5000))
	r.Objectives[0].Title, r.Objectives[1].Reason = long, long
	r.Objectives[2].Value = 1e300
	r.Charts[0].Title, r.Charts[0].Lines[0].Name = long, long
	r.Queries[0].Query = long
	r.Requests[1].Request = strings.Repeat("word ", 2000)
	return r
}

// Nothing is drawn in the margins, whatever the text.
func TestPDFDoesNotSpill(t *testing.T) {
	for name, r := range map[string]report.Report{"sample": sample(), "hostile": hostileReport(), "empty": {}} {
		for i, page := range pages(t, pdfFile(t, r)) {
			for side, margin := range map[string]image.Rectangle{
				"left": mm(0, 0, 16.5, 297), "right": mm(193.5, 0, 210, 297), "top": mm(0, 0, 210, 13), "bottom": mm(0, 289, 210, 297), "above the footer": mm(0, 280.5, 210, 282),
			} {
				if spilt := margin.Dx()*margin.Dy() - dots(page, margin, paperWhite); spilt > 0 {
					t.Errorf("%s report, page %d: got %d dots in the margin %s, want none", name, i+1, spilt, side)
				}
			}
		}
	}
}

// A word is where poppler finds it on a page, in points.
type word struct {
	XMin float64 `xml:"xMin,attr"`
	YMin float64 `xml:"yMin,attr"`
	XMax float64 `xml:"xMax,attr"`
	YMax float64 `xml:"yMax,attr"`
	Text string  `xml:",chardata"`
}

func words(t *testing.T, path string) (byPage [][]word) {
	t.Helper()
	var doc struct {
		Pages []struct {
			Words []word `xml:"word"`
		} `xml:"body>doc>page"`
	}
	if err := xml.Unmarshal([]byte(poppler(t, "pdftotext", "-bbox", path, "-")), &doc); err != nil {
		t.Fatal(err)
	}
	for _, p := range doc.Pages {
		byPage = append(byPage, p.Words)
	}
	return byPage
}

func TestPDFWordsDoNotOverlap(t *testing.T) {
	const allowed = .6 // points; boxes are a little larger than what is drawn
	for page, all := range words(t, pdfFile(t, sample())) {
		for i, a := range all {
			for _, b := range all[i+1:] {
				across := min(a.XMax, b.XMax) - max(a.XMin, b.XMin)
				down := min(a.YMax, b.YMax) - max(a.YMin, b.YMin)
				if height := min(a.YMax-a.YMin, b.YMax-b.YMin); across > allowed && down > .45*height {
					t.Errorf("page %d: %q and %q overlap by %.1f × %.1f points", page+1, a.Text, b.Text, across, down)
				}
			}
		}
	}
}

func TestPDFSaysWhatTheReportSays(t *testing.T) {
	path := pdfFile(t, sample())
	var text strings.Builder
	for _, page := range words(t, path) {
		for _, w := range page {
			text.WriteString(w.Text + " ")
		}
	}
	for _, want := range []string{"FAIL", "1,847,293", "423 ms", "≥ 1,000", "Baseline vs Target vs Actual", "Contents", "−52 %"} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("got no %q in the PDF", want)
		}
	}
	if strings.Contains(text.String(), "{page") {
		t.Error("got a page number of the contents that was not filled in")
	}
	info := poppler(t, "pdfinfo", path)
	for _, want := range []string{"Title:", "PERF-2026-01-18-001", "Creator:", "Plumbline", "A4"} {
		if !strings.Contains(info, want) {
			t.Errorf("got no %q in the PDF's own description:\n%s", want, info)
		}
	}
}

// A table that goes on to the next page has its head there again.
func TestPDFRepeatsTableHeads(t *testing.T) {
	r := sample()
	for i := range 120 {
		q := r.Requests[1]
		q.Request = fmt.Sprintf("GET /%d", i)
		r.Requests = append(r.Requests, q)
	}
	heads := 0
	for _, page := range words(t, pdfFile(t, r)) {
		for _, w := range page {
			if w.Text == "Requests/s" {
				heads++
			}
		}
	}
	if heads < 3 {
		t.Errorf("got %d heads of a table over more than two pages, want one a page", heads)
	}
}

// Neither when it was made nor how long its queries took is in the file.
func TestPDFIsReproducible(t *testing.T) {
	later := sample()
	later.Generated = later.Generated.AddDate(0, 0, 1)
	for i := range later.Queries {
		later.Queries[i].Seconds += 1.5
	}
	if once, again := render(t, report.PDF, sample()), render(t, report.PDF, later); once != again {
		t.Error("got other bytes for the same run, want the same")
	}
	if info, want := poppler(t, "pdfinfo", "-isodates", pdfFile(t, later)), "2026-01-18T12:30:05Z"; !strings.Contains(info, want) {
		t.Errorf("got another date than the end of the run, %s:\n%s", want, info)
	}
}

func TestPDFHasItsContentsOnTheCover(t *testing.T) {
	r := sample()
	r.Reading = slices.Repeat(r.Reading, 3) // about as much as there is to say of a run
	all := words(t, pdfFile(t, r))
	if _, ok := wordOf(all[0], "Contents"); !ok {
		t.Error("got a cover without the contents")
	}
	if _, ok := wordOf(all[1], "Summary"); !ok {
		t.Error("got a second page that doesn't begin with the summary")
	}
}

// wordOf is where a word stands first on a page.
func wordOf(page []word, text string) (word, bool) {
	i := slices.IndexFunc(page, func(w word) bool { return w.Text == text })
	if i < 0 {
		return word{}, false
	}
	return page[i], true
}

// crowded is a report with two charts whose lines and bounds leave their bounds'
// names no room: the line runs along them, and one bound is far above it.
func crowded() report.Report {
	r := sample()
	chart := r.Charts[0]
	chart.Lines = slices.Clone(chart.Lines)
	chart.Lines[0].Values = slices.Clone(chart.Lines[0].Values)
	for i := range chart.Lines[0].Values {
		chart.Lines[0].Values[i] = 1000 + report.Number(20*(i%2))
	}
	chart.Limits = []report.Limit{{Name: "nearbound", Value: 1010}, {Name: "nextbound", Value: 1000}, {Name: "farbound", Value: 1e5}}
	first, second := chart, chart
	first.Title, second.Title = "Leftchart", "Rightchart"
	r.Charts = []report.Chart{first, second}
	return r
}

// The names of bounds stand beside the lines, those close to each other one below
// the other, and one above the axis is named, too.
func TestPDFNamesBoundsWhereNothingIsDrawn(t *testing.T) {
	path := pdfFile(t, crowded())
	drawn := pages(t, path)
	named := 0
	for i, page := range words(t, path) {
		for _, w := range page {
			if w.Text != "nearbound" && w.Text != "nextbound" && w.Text != "farbound" {
				continue
			}
			named++
			box := image.Rect(int(w.XMin), int(w.YMin), int(w.XMax)+1, int(w.YMax)+1)
			if n := dots(drawn[i], box, lineBlue); n > 0 {
				t.Errorf("page %d: got %d dots of a line over %q, want none", i+1, n, w.Text)
			}
			for _, other := range page {
				if other != w && min(w.XMax, other.XMax)-max(w.XMin, other.XMin) > .6 && min(w.YMax, other.YMax)-max(w.YMin, other.YMin) > 3 {
					t.Errorf("page %d: got %q over %q", i+1, other.Text, w.Text)
				}
			}
		}
	}
	if named != 6 {
		t.Errorf("got %d names of bounds, want three for each of two charts", named)
	}
}

func TestPDFHasTwoChartsBesideEachOther(t *testing.T) {
	for _, page := range words(t, pdfFile(t, crowded())) {
		leftmost, ok := wordOf(page, "Leftchart,")
		if !ok {
			continue
		}
		other, ok := wordOf(page, "Rightchart,")
		if !ok || other.YMin != leftmost.YMin || other.XMin < leftmost.XMax {
			t.Errorf("got the second chart at %v, want it beside the first at %v", other, leftmost)
		}
		return
	}
	t.Error("got no chart")
}

// Everything stays fast and small enough to be sent around.
func TestPDFIsSmall(t *testing.T) {
	if n := len(render(t, report.PDF, sample())); n > 1<<20 {
		t.Errorf("got %d bytes, want at most 1 MiB", n)
	}
}

func BenchmarkPDF(b *testing.B) {
	r := sample()
	for b.Loop() {
		if err := report.PDF(io.Discard, r); err != nil {
			b.Fatal(err)
		}
	}
}
