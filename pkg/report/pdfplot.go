package report

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/plumbline/plumbline/pkg/run"
)

// How plots stand on paper, in mm.
const (
	plotHeight    = 38.0 // of the area in which lines are drawn
	leastHeight   = 22.0 // of it, where that saves going on with the next page
	plotGap       = 6.0  // between two beside each other
	plotHead      = 9.5  // title, above that area
	plotFoot      = 5.5  // clock, below it
	plotLeft      = 14.0 // room for the labels of the axis
	legendLine    = 4.0
	legendFoot    = 4.0
	mostInLegend  = 8
	plotClockStep = 4    // stretches between labels of time, at most
	leastClock    = 20.0 // between two labels of time
	limitLine     = 2.7  // of a bound's name
	nameGap       = 1.2  // before it
)

// A frame is the area of a plot in which lines are drawn.
type frame struct {
	left, top, width, height float64
	first, last, max         float64
}

func (f frame) x(t float64) float64 {
	return f.left + (t-f.first)/max(f.last-f.first, 1e-9)*f.width
}
func (f frame) y(v float64) float64 { return f.top + f.height - v/f.max*f.height }

// plots draws charts, two beside each other; an odd last one takes the full width.
func (p *paper) plots(charts []Chart, r run.Run) {
	for pair := range slices.Chunk(charts, 2) {
		var row []drawing
		for _, c := range pair {
			row = append(row, draw(c, r))
		}
		p.plotRow(row)
	}
}

func (p *paper) plotRow(row []drawing) {
	width := (textWidth - plotGap*float64(len(row)-1)) / float64(len(row))
	below := 0.0
	for _, d := range row {
		below = max(below, p.legendHeight(d, width))
	}
	height := p.heightLeft(plotHead + plotFoot + below)
	top := p.GetY()
	for i, d := range row {
		p.plot(d, marginX+float64(i)*(width+plotGap), top, width, height)
	}
	p.SetY(top + plotHead + height + plotFoot + below)
}

// heightLeft is how high lines can be drawn on this page, or else on the next, when
// so much stands around them.
func (p *paper) heightLeft(around float64) float64 {
	left := pageBottom - p.GetY() - around
	if left < leastHeight {
		p.AddPage()
		p.SetY(marginTop)
		return plotHeight
	}
	return min(plotHeight, left)
}

// plot draws a chart: its lines, its bounds dashed, and grey what is not scored.
func (p *paper) plot(d drawing, x, y, width, height float64) {
	p.colour(ink)
	p.font(8.5, true)
	title := d.Title
	if d.Unit != "" {
		title += ", " + d.Unit
	}
	p.put(x, y+6, p.clipped(title, width))
	names := p.limitNames(d.Limits, d.Max, width)
	f := frame{left: x + plotLeft, top: y + plotHead, width: width - plotLeft - names.width, height: height, first: d.Times[0], last: d.Times[len(d.Times)-1], max: d.Max}
	p.plotGrid(f, d)
	for i, l := range d.Lines {
		p.strokeOf(i, l)
		p.SetLineWidth(.35)
		p.line(f, d.Times, l.Values)
	}
	p.SetDashPattern([]float64{}, 0)
	p.plotLimits(f, d.Limits, names)
	p.legend(d, x, f.top+f.height+plotFoot, width)
}

// strokeOf is how a line is drawn: the baseline's grey and dashed.
func (p *paper) strokeOf(i int, l Line) {
	if l.Baseline {
		p.stroke(muted)
		p.SetDashPattern([]float64{1, .7}, 0)
		return
	}
	p.stroke(strokes[i%coloursOfLines])
	p.SetDashPattern([]float64{}, 0)
}

func (p *paper) plotGrid(f frame, d drawing) {
	p.fill(shade)
	for _, w := range d.Unscored {
		from, to := f.x(float64(w[0])), f.x(float64(w[1]))
		p.Rect(from, f.top, to-from, f.height, "F")
	}
	p.font(6.5, false)
	p.colour(muted)
	p.stroke(rule)
	p.SetLineWidth(.15)
	for _, v := range d.Ticks {
		y := f.y(v)
		p.Line(f.left, y, f.left+f.width, y)
		p.putRight(f.left-1.5, y+.9, p.clipped(thousands(v, d.Decimals), plotLeft-1.5))
	}
	stretches := max(1, min(plotClockStep, int(f.width/leastClock)))
	for i := range stretches + 1 {
		t := f.first + (f.last-f.first)*float64(i)/float64(stretches)
		label := time.Unix(int64(t), 0).UTC().Format(timeOfDay)
		x := f.x(t) - p.width(label)/2
		p.put(min(x, f.left+f.width-p.width(label)), f.top+f.height+3.6, label)
	}
}

// line draws known values; a gap in the data is a gap in the line, a value between two gaps a dot.
func (p *paper) line(f frame, times []float64, values []Number) {
	drawn := 0
	finish := func(i int) {
		if drawn == 1 {
			p.LineTo(f.x(times[i])+.2, f.y(float64(values[i])))
		}
		if drawn > 0 {
			p.DrawPath("D")
		}
		drawn = 0
	}
	for i, v := range values {
		switch {
		case !v.Known():
			finish(i - 1)
			continue
		case drawn == 0:
			p.MoveTo(f.x(times[i]), f.y(float64(v)))
		default:
			p.LineTo(f.x(times[i]), f.y(float64(v)))
		}
		drawn++
	}
	finish(len(values) - 1)
}

// limitNames are the names of bounds as they stand at the right of a plot, where no
// line goes through them.
type limitNames struct {
	lines [][]string // by bound
	width float64    // that they take, with the gap before them
}

// limitNames gives the names of bounds a quarter of a plot's width; one that is longer
// has its bound in a second line. The name of one above the axis says so.
func (p *paper) limitNames(limits []Limit, top, width float64) (names limitNames) {
	p.font(6.5, false)
	for _, l := range limits {
		lines := []string{l.Name}
		if float64(l.Value) > top {
			lines[0] += " ↑"
		}
		if at := strings.IndexAny(lines[0], "<>≤≥="); at > 0 && p.width(lines[0]) > width/4 {
			lines = []string{strings.TrimSpace(lines[0][:at]), lines[0][at:]}
		}
		for i := range lines {
			lines[i] = p.clipped(lines[i], width/4)
			names.width = max(names.width, nameGap+p.width(lines[i]))
		}
		names.lines = append(names.lines, lines)
	}
	return names
}

// plotLimits draws bounds that lie within the axis, and names all of them.
func (p *paper) plotLimits(f frame, limits []Limit, names limitNames) {
	p.SetDashPattern([]float64{1.2, .8}, 0)
	p.SetLineWidth(.3)
	p.stroke(colours["fail"])
	for _, l := range limits {
		if v := float64(l.Value); v <= f.max {
			p.Line(f.left, f.y(v), f.left+f.width, f.y(v))
		}
	}
	p.SetDashPattern([]float64{}, 0)
	p.colour(colours["fail"])
	p.font(6.5, false)
	for _, at := range f.namePlaces(limits, names) {
		for n, text := range names.lines[at.limit] {
			p.put(f.left+f.width+nameGap, at.y+(float64(n)+.75)*limitLine, text)
		}
	}
}

// A namePlace is where the name of a bound begins.
type namePlace struct {
	limit int
	y     float64
}

// namePlaces puts the names of bounds beside a plot, each as near to its line as those
// above and below it let it be. Names that there is no room for are left out.
func (f frame) namePlaces(limits []Limit, names limitNames) (all []namePlace) {
	order := make([]int, len(limits))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(limits[b].Value, limits[a].Value) })
	height := func(i int) float64 { return limitLine * float64(len(names.lines[i])) }
	from := f.top
	for n, i := range order {
		below := 0.0
		for _, next := range order[n+1:] {
			below += height(next)
		}
		wanted := f.y(min(float64(limits[i].Value), f.max)) - height(i)/2
		y := max(from, min(wanted, f.top+f.height-below-height(i)))
		if y+height(i) > f.top+f.height {
			break
		}
		all, from = append(all, namePlace{i, y}), y+height(i)
	}
	return all
}

// An entry is a name in a legend, and where it stands.
type entry struct {
	name string
	x, y float64
}

// entries are as many names as can be told apart, in lines of a width.
func (p *paper) entries(d drawing, width float64) (all []entry) {
	const swatch, gap = 5.2, 2.5
	p.font(6.5, false)
	x, y := 0.0, 0.0
	shared := sharedStart(d.Lines)
	for i, l := range d.Lines[:min(len(d.Lines), mostInLegend+1)] {
		name := l.Name
		if shared != "" {
			name = "…" + strings.TrimPrefix(name, shared)
		}
		if i == mostInLegend {
			name = "and " + thousands(float64(len(d.Lines)-i), 0) + " more"
		}
		name = p.clipped(name, width-swatch)
		if x > 0 && x+swatch+p.width(name) > width {
			x, y = 0, y+legendLine
		}
		all = append(all, entry{name, x, y})
		x += swatch + p.width(name) + gap
	}
	return all
}

// sharedStart is what the names of all lines begin with, up to a hyphen, such as the
// deployment of pods; "" where it is too short to be left out.
func sharedStart(lines []Line) string {
	const least = 8
	if len(lines) < 2 {
		return ""
	}
	shared := lines[0].Name
	for _, l := range lines[1:] {
		for !strings.HasPrefix(l.Name, shared) {
			shared = shared[:len(shared)-1]
		}
	}
	shared = shared[:strings.LastIndex(shared, "-")+1]
	if len(shared) < least {
		return ""
	}
	return shared
}

// legendHeight is what the legend of a drawing takes.
func (p *paper) legendHeight(d drawing, width float64) float64 {
	all := p.entries(d, width)
	if len(all) == 0 {
		return legendFoot
	}
	return all[len(all)-1].y + legendLine + legendFoot
}

// legend names the lines.
func (p *paper) legend(d drawing, x, y, width float64) {
	for i, e := range p.entries(d, width) {
		baseline := y + e.y + 2.5
		if i < mostInLegend {
			p.strokeOf(i, d.Lines[i])
			p.SetLineWidth(.7)
			p.Line(x+e.x, baseline-.8, x+e.x+4, baseline-.8)
			p.SetDashPattern([]float64{}, 0)
		}
		p.colour(ink)
		p.put(x+e.x+5.2, baseline, e.name)
	}
}
