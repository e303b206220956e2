package report

import (
	_ "embed"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/jung-kurt/gofpdf"
)

// The fonts of the PDF: they have ≥, ≤, ± and →, which the built-in ones lack.
var (
	//go:embed dejavu/DejaVuSans.ttf
	regularFont []byte
	//go:embed dejavu/DejaVuSans-Bold.ttf
	boldFont []byte
)

// Measures of a page, in mm.
const (
	pageWidth, pageHeight = 210.0, 297.0
	marginX               = 18.0
	marginTop             = 18.0
	pageBottom            = pageHeight - 18
	textWidth             = pageWidth - 2*marginX
)

// PDF writes the report for paper: a cover with the verdict and the contents, the
// guide's sections with their plots, and an appendix with the queries. A run that
// is reported again gives the same bytes.
func PDF(w io.Writer, r Report) error {
	r = timeless(r)
	p := newPaper(r)
	all := sections(r)
	p.cover(r)
	p.contents(all)
	if p.PageNo() == 1 { // the cover stands alone, contents that it has no room for don't
		p.AddPage()
		p.SetY(marginTop)
	}
	for _, s := range all {
		p.section(s, r)
	}
	return p.Output(w)
}

// timeless is the report without what differs each time that it is made: it is
// dated by the end of the run, and doesn't say how long its queries took.
func timeless(r Report) Report {
	r.Generated = r.Run.Window.End
	r.Queries = slices.Clone(r.Queries)
	for i := range r.Queries {
		r.Queries[i].Seconds = 0
	}
	return r
}

// paper is a document under way. Text is placed with its baseline in the middle
// of lines, and nothing is left to the library's automatic page breaks.
type paper struct {
	*gofpdf.Fpdf
	footer string
	marks  map[string]int // links by section
	size   float64        // of the font, in points
	bold   bool
	widths map[fontRune]float64
}

type fontRune struct {
	bold bool
	r    rune
}

func newPaper(r Report) *paper {
	p := &paper{Fpdf: gofpdf.New("P", "mm", "A4", ""), footer: heading(r), marks: map[string]int{}, widths: map[fontRune]float64{}}
	p.AddUTF8FontFromBytes(fontFamily, "", regularFont)
	p.AddUTF8FontFromBytes(fontFamily, "B", boldFont)
	p.SetMargins(marginX, marginTop, marginX)
	p.SetAutoPageBreak(false, 0)
	p.SetCellMargin(0)
	p.SetCatalogSort(true)
	made := r.Generated.UTC()
	if made.IsZero() {
		made = time.Unix(0, 0) // the library would take the time of the day
	}
	p.SetCreationDate(made)
	p.SetModificationDate(made)
	p.SetTitle(safe(heading(r)), true)
	p.SetSubject(safe(r.Headline), true)
	p.SetCreator("Plumbline", true)
	p.SetKeywords(safe(strings.Join([]string{r.Run.Service, r.Run.Scenario, r.Run.Profile, verdictStatuses[r.Verdict].Word}, " ")), true)
	p.AliasNbPages(pagesAlias)
	p.SetFooterFunc(p.writeFooter)
	return p
}

const (
	fontFamily = "DejaVu"
	pagesAlias = "{pages}"
)

// aliasOf stands for the page of a section until all pages are known.
func aliasOf(s section) string { return "{page of " + s.ID + "}" }

func (p *paper) writeFooter() {
	p.font(7.5, false)
	p.colour(muted)
	p.put(marginX, pageHeight-11, p.clipped(p.footer, textWidth-40))
	number := fmt.Sprintf("%d / %s", p.PageNo(), pagesAlias)
	p.put(pageWidth-marginX-14, pageHeight-11, number)
}

// An rgb is a colour.
type rgb [3]int

// The page's colours, as those of the HTML report in print.
var (
	ink     = rgb{29, 35, 41}
	muted   = rgb{93, 102, 112}
	rule    = rgb{208, 211, 207}
	shade   = rgb{244, 245, 243}
	colours = map[string]rgb{"pass": {26, 127, 75}, "warn": {152, 88, 0}, "fail": {179, 38, 30}, "inconclusive": {106, 74, 156}, "none": muted}
	strokes = [coloursOfLines]rgb{{31, 95, 191}, {194, 87, 26}, {122, 63, 176}, {15, 127, 134}, {168, 50, 107}, {92, 122, 20}, {138, 109, 59}, {89, 97, 107}}
)

func (p *paper) colour(c rgb) { p.SetTextColor(c[0], c[1], c[2]) }
func (p *paper) stroke(c rgb) { p.SetDrawColor(c[0], c[1], c[2]) }
func (p *paper) fill(c rgb)   { p.SetFillColor(c[0], c[1], c[2]) }

func (p *paper) font(points float64, bold bool) {
	style := ""
	if bold {
		style = "B"
	}
	p.size, p.bold = points, bold
	p.SetFont(fontFamily, style, points)
}

// lineHeight is the distance of lines at the current size, in mm.
func (p *paper) lineHeight() float64 { return p.size * .3528 * 1.36 }

// put writes one line with its baseline at y.
func (p *paper) put(x, y float64, text string) { p.Text(x, y, safe(text)) }

// putRight writes one line that ends at x.
func (p *paper) putRight(x, y float64, text string) { p.put(x-p.width(text), y, text) }

// room starts a new page when the current one has less than h left; it tells whether it did.
func (p *paper) room(h float64) bool {
	if p.GetY()+h <= pageBottom {
		return false
	}
	p.AddPage()
	p.SetY(marginTop)
	return true
}

// safe is text that the library can write: one line, no control characters, and
// nothing beyond the Basic Multilingual Plane, at which it would panic.
func safe(text string) string {
	return strings.Map(func(r rune) rune {
		if r > 0xFFFF {
			return '\uFFFD'
		}
		return r
	}, printable(text, false))
}

// width is the width of a line at the current font, in mm.
func (p *paper) width(text string) float64 {
	sum := 0.0
	for _, r := range safe(text) {
		key := fontRune{p.bold, r}
		w, known := p.widths[key]
		if !known {
			w = p.GetStringWidth(string(r)) / p.size
			p.widths[key] = w
		}
		sum += w
	}
	return sum * p.size
}

// clipped is as much of a line as fits, with an ellipsis for the rest.
func (p *paper) clipped(text string, most float64) string {
	text = safe(text)
	const rounding = .01
	if p.width(text) <= most+rounding {
		return text
	}
	used := p.width("…")
	for i, r := range text {
		if used += p.width(string(r)); used > most {
			return text[:i] + "…"
		}
	}
	return text
}

// broken breaks text into lines of at most a width, between words where it can;
// what is beyond the last line allowed is cut with an ellipsis.
func (p *paper) broken(text string, most float64, lines int) []string {
	var out []string
	line := ""
	for _, c := range p.chunks(text, most, lines) {
		switch {
		case line == "":
			line = c.text
		case p.width(line+c.glue+c.text) <= most:
			line += c.glue + c.text
		default:
			out, line = append(out, line), c.text
		}
	}
	if line != "" {
		out = append(out, line)
	}
	if len(out) > lines {
		out = out[:lines]
		out[lines-1] = p.clipped(out[lines-1]+"…", most)
	}
	return out
}

// A chunk of text is not broken; on one line with the chunk before it, glue stands between.
type chunk struct{ glue, text string }

// chunks are the words of a text; one that is too long is in parts, and those that
// still are, in pieces that fit. There are no more than so many lines need.
func (p *paper) chunks(text string, most float64, lines int) (all []chunk) {
	used := 0.0
	for _, word := range strings.Fields(safe(text)) {
		glue := " "
		for _, part := range p.parts(word, most) {
			for part != "" && used <= most*float64(lines+1) {
				piece := p.fitting(part, most)
				all = append(all, chunk{glue, piece})
				used += p.width(piece)
				part, glue = part[len(piece):], ""
			}
		}
	}
	return all
}

// parts are a word, or where it is too long what it consists of: names of pods,
// paths and expressions are read more easily when broken after their punctuation.
func (p *paper) parts(word string, most float64) (all []string) {
	if p.width(word) <= most {
		return []string{word}
	}
	for word != "" {
		end := strings.IndexAny(word, "-/_.,:;=|)}") + 1
		if end == 0 {
			end = len(word)
		}
		all, word = append(all, word[:end]), word[end:]
	}
	return all
}

// fitting is the longest start of a word that fits, at least one character.
func (p *paper) fitting(word string, most float64) string {
	used := 0.0
	for i, r := range word {
		if used += p.width(string(r)); used > most && i > 0 {
			return word[:i]
		}
	}
	return word
}

// paragraph writes text over the full width and moves below it.
func (p *paper) paragraph(text string, lines int) {
	for _, l := range p.broken(text, textWidth, lines) {
		p.room(p.lineHeight())
		p.put(marginX, p.GetY()+.75*p.lineHeight(), l)
		p.SetY(p.GetY() + p.lineHeight())
	}
}

// mark draws the mark of a status in a square of a size at (x, y).
func (p *paper) mark(s status, x, y, size float64) {
	c := colours[s.Colour]
	backX, backY := p.GetXY() // drawing moves the place
	defer p.SetXY(backX, backY)
	p.stroke(c)
	p.fill(c)
	p.SetLineWidth(size * .16)
	p.SetLineCapStyle("round")
	at := func(fx, fy float64) (float64, float64) { return x + fx*size, y + fy*size }
	line := func(points ...[2]float64) {
		p.MoveTo(at(points[0][0], points[0][1]))
		for _, q := range points[1:] {
			p.LineTo(at(q[0], q[1]))
		}
		p.DrawPath("D")
	}
	switch s.Mark {
	case "✔":
		line([2]float64{.1, .55}, [2]float64{.38, .85}, [2]float64{.9, .15})
	case "✘":
		line([2]float64{.15, .15}, [2]float64{.85, .85})
		line([2]float64{.85, .15}, [2]float64{.15, .85})
	case "▲":
		p.Polygon([]gofpdf.PointType{{X: x + .5*size, Y: y + .08*size}, {X: x + .95*size, Y: y + .9*size}, {X: x + .05*size, Y: y + .9*size}}, "F")
	case "=":
		line([2]float64{.15, .36}, [2]float64{.85, .36})
		line([2]float64{.15, .64}, [2]float64{.85, .64})
	case "?":
		p.Circle(x+.5*size, y+.5*size, .42*size, "D")
		line([2]float64{.5, .26}, [2]float64{.5, .54})
		p.Circle(x+.5*size, y+.72*size, .06*size, "F")
	default:
		line([2]float64{.2, .5}, [2]float64{.8, .5})
	}
	p.SetLineCapStyle("butt")
}

// cover is the first page: the verdict, what was tested, and what matters.
func (p *paper) cover(r Report) {
	p.AddPage()
	st := verdictStatuses[r.Verdict]
	const top, size = 30.0, 20.0
	p.mark(st, marginX, top, size)
	p.colour(colours[st.Colour])
	p.font(28, true)
	p.put(marginX+size+6, top+10.5, strings.ToUpper(st.Word))
	p.colour(muted)
	p.font(10.5, false)
	p.put(marginX+size+6, top+18, "Performance report")
	p.SetY(top + size + 10)
	p.colour(ink)
	p.font(20, true)
	p.paragraph(heading(r), 3)
	p.colour(muted)
	p.font(9.5, false)
	p.paragraph(subtitle(r.Run), 3)
	p.SetY(p.GetY() + 6)
	p.colour(ink)
	p.font(12, true)
	p.paragraph(r.Headline, 6)
	p.font(10.5, false)
	for _, sentence := range r.Reading {
		p.SetY(p.GetY() + 2)
		p.paragraph(sentence, 8)
	}
	p.SetY(p.GetY() + 8)
	p.tiles(tiles(r))
}

const (
	tileHeight = 27.0
	tileGap    = 3.0
)

func (p *paper) tiles(all []tile) {
	if len(all) == 0 {
		return
	}
	p.room(tileHeight)
	w := (textWidth - tileGap*(tilesShown-1)) / tilesShown
	y := p.GetY()
	for i, t := range all {
		x := marginX + float64(i)*(w+tileGap)
		p.stroke(rule)
		p.SetLineWidth(.25)
		p.RoundedRect(x, y, w, tileHeight, 1.5, "1234", "D")
		p.colour(muted)
		p.font(7, false)
		for n, l := range p.broken(t.Title, w-5, 2) {
			p.put(x+2.5, y+4.8+float64(n)*3.2, l)
		}
		p.colour(ink)
		p.font(12, true)
		for p.width(t.Value) > w-5 && p.size > 7 {
			p.font(p.size-.5, true)
		}
		p.put(x+2.5, y+14.5, p.clipped(t.Value, w-5))
		p.colour(muted)
		p.font(6.5, false)
		p.put(x+2.5, y+19, p.clipped(t.Target, w-5))
		p.status(t.Status, x+2.5, y+24, w-5)
	}
	p.SetY(y + tileHeight)
}

// status writes a mark and its word, with the baseline at y.
func (p *paper) status(s status, x, y, most float64) {
	p.font(7.5, true)
	size := p.size * .3528 * .85
	p.mark(s, x, y-size+.2, size)
	p.colour(colours[s.Colour])
	p.put(x+size+1.2, y, p.clipped(s.Word, most-size-1.2))
}

// contents lists the sections in two columns, with links to their pages.
func (p *paper) contents(all []section) {
	const line, gap, numberWidth = 5.8, 12.0, 8.0
	rows := (len(all) + 1) / 2
	p.SetY(p.GetY() + 10)
	p.room(13 + line*float64(rows))
	p.Bookmark("Contents", 0, -1)
	p.title("Contents")
	p.font(9.5, false)
	p.colour(ink)
	top, width := p.GetY(), (textWidth-gap)/2
	for i, s := range all {
		x, y := marginX+float64(i/rows)*(width+gap), top+float64(i%rows)*line
		p.marks[s.ID] = p.AddLink()
		p.put(x, y+.7*line, p.clipped(s.Title, width-numberWidth))
		p.put(x+width-numberWidth, y+.7*line, aliasOf(s))
		p.Link(x, y, width, line, p.marks[s.ID])
	}
	p.SetY(top + line*float64(rows))
}

func (p *paper) title(text string) {
	p.colour(ink)
	p.font(15, true)
	p.put(marginX, p.GetY()+6, text)
	p.stroke(rule)
	p.SetLineWidth(.3)
	p.Line(marginX, p.GetY()+9, pageWidth-marginX, p.GetY()+9)
	p.SetY(p.GetY() + 13)
}

// leastOfSection is what must fit below a section's title for it to start on a page.
const leastOfSection = 45.0

func (p *paper) section(s section, r Report) {
	if p.GetY() > marginTop && !p.room(leastOfSection) {
		p.SetY(p.GetY() + 5)
	}
	p.Bookmark(s.Title, 0, -1)
	p.SetLink(p.marks[s.ID], p.GetY(), -1)
	p.RegisterAlias(aliasOf(s), fmt.Sprint(p.PageNo()))
	p.title(s.Title)
	if s.Note != "" {
		p.colour(muted)
		p.font(8.5, false)
		p.paragraph(s.Note, 12)
		p.SetY(p.GetY() + 2)
	}
	for _, t := range s.Tables {
		p.table(t)
		p.SetY(p.GetY() + 5)
	}
	for _, b := range s.Bars {
		p.bars(b)
	}
	for _, c := range s.Curves {
		p.curve(c)
	}
	p.plots(s.Charts, r.Run)
	for _, c := range s.Code {
		p.code(c)
	}
}

// code writes a query in a grey box, with what came back under it.
func (p *paper) code(c codeBlock) {
	const inset = 2.0
	p.font(6.5, false)
	lines := p.broken(c.Text, textWidth-2*inset, 12)
	height := float64(len(lines))*p.lineHeight() + inset
	p.room(height + 6)
	y := p.GetY()
	p.fill(shade)
	p.Rect(marginX, y, textWidth, height, "F")
	p.colour(ink)
	for i, l := range lines {
		p.put(marginX+inset, y+inset/2+(float64(i)+.75)*p.lineHeight(), l)
	}
	if isWeb(c.Link) {
		p.LinkString(marginX, y, textWidth, height, c.Link)
	}
	p.SetY(y + height + .4)
	p.colour(muted)
	p.font(6, false)
	p.paragraph(c.Note, 3)
	p.SetY(p.GetY() + 1.4)
}

func isWeb(link string) bool {
	return strings.HasPrefix(link, "http://") || strings.HasPrefix(link, "https://")
}
