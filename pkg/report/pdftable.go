package report

import (
	"math"
	"slices"
	"strings"
)

// How tables stand on paper.
const (
	columnGap    = 3.0 // mm
	rowPadding   = 1.1 // mm above and below
	leastColumn  = 18.0
	linesOfCell  = 6
	linesOfNote  = 4
	barWidth     = 16.0
	leastPoints  = 6.0
	tablePoints  = 8.0
	pointsOfNote = 7.0
)

// table writes a table; its head stands again on every page that it reaches.
func (p *paper) table(t table) {
	g := p.grid(t)
	p.room(g.lineHeight()*3 + 14)
	if t.Title != "" {
		p.colour(ink)
		p.font(9.5, true)
		p.put(marginX, p.GetY()+4, p.clipped(t.Title, textWidth))
		p.SetY(p.GetY() + 6.5)
	}
	g.head()
	for _, r := range t.Rows {
		if p.room(g.rowHeight(r)) {
			g.head()
		}
		g.row(r)
	}
	if t.Note != "" {
		p.colour(muted)
		p.font(pointsOfNote, false)
		p.SetY(p.GetY() + 1)
		p.paragraph(t.Note, linesOfNote)
	}
}

// A grid is a table with the size of its text and the widths of its columns.
type grid struct {
	*paper
	table
	points float64
	widths []float64
}

// grid finds the largest text at which the columns of numbers fit unbroken,
// and gives the columns of text what is left.
func (p *paper) grid(t table) grid {
	g := grid{paper: p, table: t}
	for g.points = tablePoints; ; g.points -= .5 {
		if last := g.points <= leastPoints; g.fit(last) || last {
			return g
		}
	}
}

// fit sets the widths; false when a number would have to be cut, which it only is
// where nothing else helps.
func (g *grid) fit(cut bool) bool {
	g.widths = make([]float64, len(g.Columns))
	least := make([]float64, len(g.Columns))
	left := textWidth - columnGap*float64(len(g.Columns)-1)
	for i, c := range g.Columns {
		g.font(g.points, true)
		least[i] = leastColumn
		for _, word := range strings.Fields(c.Title) {
			g.widths[i] = math.Max(g.widths[i], g.width(word))
			least[i] = math.Max(least[i], g.width(word)) // or the head would be broken inside it
		}
		for _, r := range g.Rows {
			g.font(g.points, r.Head)
			g.widths[i] = math.Max(g.widths[i], g.natural(r.Cells[i]))
		}
		left -= g.widths[i]
	}
	step := func(i int) float64 { return math.Max(.5, g.widths[i]*.05) }
	for left < 0 { // taken from the widest columns of text
		i := g.widestColumn(func(i int) bool { return !g.Columns[i].Right && g.widths[i]-step(i) >= least[i] })
		if i < 0 && cut {
			i = g.widestColumn(func(int) bool { return true })
		}
		if i < 0 {
			return false
		}
		take := math.Min(-left, step(i))
		g.widths[i] -= take
		left += take
	}
	spare := len(g.widths) - 1
	if slices.ContainsFunc(g.Columns, func(c column) bool { return c.Right }) {
		spare = 0 // so that numbers end at the margin
	}
	g.widths[spare] += left
	return true
}

// widestColumn is the widest of the columns that may be narrower; -1 when none may.
func (g *grid) widestColumn(may func(i int) bool) int {
	widest := -1
	for i, width := range g.widths {
		if may(i) && (widest < 0 || width > g.widths[widest]) {
			widest = i
		}
	}
	return widest
}

// natural is the width of a cell that is not broken.
func (g *grid) natural(c cell) float64 {
	w := g.width(c.Text)
	if c.Status != nil {
		g.font(g.points-.5, true)
		w = g.width(c.Status.Word) + 4
	}
	if c.Small != "" {
		g.font(g.points-1.5, false)
		w = math.Max(w, g.width(c.Small))
	}
	if c.Bar.Known() {
		w += barWidth + 2
	}
	return w
}

func (g *grid) lineHeight() float64 { return g.points * .3528 * 1.36 }

func (g *grid) x(i int) float64 {
	x := marginX
	for _, w := range g.widths[:i] {
		x += w + columnGap
	}
	return x
}

func (g *grid) head() {
	titles := make([][]string, len(g.Columns))
	height := 0
	g.font(g.points, true)
	for i, c := range g.Columns {
		titles[i] = g.broken(c.Title, g.widths[i], 3)
		height = max(height, len(titles[i]))
	}
	if height == 0 {
		return
	}
	y := g.GetY()
	g.colour(muted)
	for i, lines := range titles {
		for n, text := range lines {
			g.align(i, y+rowPadding+(float64(height-len(lines)+n)+.75)*g.lineHeight(), text)
		}
	}
	g.SetY(y + float64(height)*g.lineHeight() + 2*rowPadding)
	g.line(g.GetY())
}

// line draws a rule over the table's width.
func (g *grid) line(y float64) {
	g.stroke(rule)
	g.SetLineWidth(.2)
	g.Line(marginX, y, pageWidth-marginX, y)
}

func (g *grid) align(i int, y float64, text string) {
	if g.Columns[i].Right {
		g.putRight(g.x(i)+g.widths[i], y, text)
	} else {
		g.put(g.x(i), y, text)
	}
}

// lines are a cell's text, broken to its column; a number is clipped instead.
func (g *grid) lines(i int, c cell) []string {
	most := g.widths[i]
	if c.Bar.Known() {
		most -= barWidth + 2
	}
	if g.Columns[i].Right {
		return []string{g.clipped(c.Text, most)}
	}
	return g.broken(c.Text, most, linesOfCell)
}

// textHeight is the height of a row's cells.
func (g *grid) textHeight(r row) float64 {
	height := 1
	g.font(g.points, r.Head)
	for i, c := range r.Cells {
		n := len(g.lines(i, c))
		if c.Small != "" {
			n++
		}
		height = max(height, n)
	}
	return float64(height)*g.lineHeight() + 2*rowPadding
}

func (g *grid) noteLines(r row) []string {
	g.font(pointsOfNote, false)
	return g.broken(r.Note, textWidth-4, linesOfNote)
}

func (g *grid) rowHeight(r row) float64 {
	return g.textHeight(r) + float64(len(g.noteLines(r)))*pointsOfNote*.3528*1.36
}

func (g *grid) row(r row) {
	y := g.GetY()
	height := g.textHeight(r)
	for i, c := range r.Cells {
		g.font(g.points, r.Head)
		g.cell(i, y+rowPadding, c)
	}
	y += height
	notes := g.noteLines(r)
	g.colour(muted)
	for _, l := range notes {
		g.put(marginX+4, y+.5*g.paper.lineHeight(), l)
		y += g.paper.lineHeight()
	}
	g.SetY(y)
	g.line(y)
}

func (g *grid) cell(i int, top float64, c cell) {
	baseline := top + .75*g.lineHeight()
	if c.Status != nil {
		g.status(*c.Status, g.x(i), baseline, g.widths[i])
		return
	}
	g.colour(ink)
	lines := g.lines(i, c)
	for n, text := range lines {
		y := baseline + float64(n)*g.lineHeight()
		if c.Bar.Known() {
			g.putRight(g.x(i)+g.widths[i]-barWidth-2, y, text)
		} else {
			g.align(i, y, text)
		}
	}
	if c.Bar.Known() {
		g.bar(g.x(i)+g.widths[i]-barWidth, top+.3*g.lineHeight(), float64(c.Bar))
	}
	if c.Small != "" {
		g.colour(muted)
		g.font(g.points-1.5, false)
		g.align(i, baseline+float64(len(lines))*g.lineHeight()*.95, g.clipped(c.Small, g.widths[i]))
	}
	if c.Source != nil && isWeb(c.Source.Link) {
		g.LinkString(g.x(i), top, g.widths[i], g.lineHeight(), c.Source.Link)
	}
}

// bar draws how much of a limit is used.
func (g *grid) bar(x, y, used float64) {
	const height = 1.8
	g.fill(rule)
	g.Rect(x, y, barWidth, height, "F")
	g.fill(strokes[0])
	if used >= hot {
		g.fill(colours["warn"])
	}
	g.Rect(x, y, barWidth*math.Min(math.Max(used, 0), 1), height, "F")
}
