package report

import (
	"math"

	"github.com/jung-kurt/gofpdf"
)

const (
	figureHeight = 46.0 // mm, of the area in which is drawn
	barHeight    = 4.6
	nameOfBar    = 42.0
	textOfBar    = 24.0
)

// curve draws measured points, the line fitted to them, and bounds.
func (p *paper) curve(c curve) {
	p.room(figureHeight + 24)
	p.SetY(p.GetY() + 2)
	top := 0.0
	first, last := math.Inf(1), math.Inf(-1)
	for _, points := range [][][2]float64{c.Points, c.Line} {
		for _, q := range points {
			top, first, last = math.Max(top, q[1]), math.Min(first, q[0]), math.Max(last, q[0])
		}
	}
	for _, l := range c.Limits {
		if v := float64(l.Value); v < 2*top {
			top = math.Max(top, v)
		}
	}
	factor, unit := scale(c.Unit, top)
	y := niceAxis(top / factor)
	p.colour(ink)
	p.font(8.5, true)
	p.put(marginX, p.GetY()+4, p.clipped(c.Title+", "+unit, textWidth))
	var limits []Limit
	for _, l := range c.Limits {
		limits = append(limits, Limit{l.Name, l.Value / Number(factor)})
	}
	names := p.limitNames(limits, y[len(y)-1], textWidth)
	f := frame{left: marginX + plotLeft, top: p.GetY() + 7.5, width: textWidth - plotLeft - names.width, height: figureHeight, first: 0, last: last * 1.03, max: y[len(y)-1]}
	p.curveAxes(f, c.XTitle, y)
	p.curveLine(f, c.Line, factor)
	p.fill(strokes[0])
	for _, q := range c.Points {
		p.Circle(f.x(q[0]), f.y(q[1]/factor), .8, "F")
	}
	p.plotLimits(f, limits, names)
	p.SetY(f.top + f.height + 11)
}

// niceAxis are the ticks from 0 to the first round number at or above top.
func niceAxis(top float64) []float64 {
	step := niceStep(math.Max(top, 1e-12) / 4)
	var ticks []float64
	for v := 0.0; ; v += step {
		ticks = append(ticks, v)
		if v >= top {
			return ticks
		}
	}
}

func (p *paper) curveAxes(f frame, xTitle string, y []float64) {
	p.font(6.5, false)
	p.colour(muted)
	p.stroke(rule)
	p.SetLineWidth(.15)
	for _, v := range y {
		p.Line(f.left, f.y(v), f.left+f.width, f.y(v))
		p.putRight(f.left-1.5, f.y(v)+.9, plain(roundTo(v)))
	}
	for _, v := range niceAxis(f.last) {
		if v <= f.last {
			label := plain(roundTo(v))
			p.put(math.Min(f.x(v)-p.width(label)/2, f.left+f.width-p.width(label)), f.top+f.height+3.6, label)
		}
	}
	p.putRight(f.left+f.width, f.top+f.height+7, xTitle)
}

// roundTo takes out what sums of steps leave behind.
func roundTo(v float64) float64 { return math.Round(v*1e9) / 1e9 }

func (p *paper) curveLine(f frame, line [][2]float64, factor float64) {
	if len(line) < 2 {
		return
	}
	p.stroke(strokes[1])
	p.SetLineWidth(.4)
	p.MoveTo(f.x(line[0][0]), f.y(line[0][1]/factor))
	for _, q := range line[1:] {
		p.LineTo(f.x(q[0]), f.y(q[1]/factor))
	}
	p.DrawPath("D")
}

// bars draws changes as bars from a middle line: less to the left, more to the right.
func (p *paper) bars(b bars) {
	p.room(barHeight*math.Min(float64(len(b.Rows)), 6) + 10)
	p.colour(ink)
	p.font(8.5, true)
	p.put(marginX, p.GetY()+4, p.clipped(b.Title, textWidth))
	p.SetY(p.GetY() + 7)
	half := (textWidth - nameOfBar - textOfBar) / 2
	middle := marginX + nameOfBar + half
	reach := 0.0
	for _, r := range b.Rows {
		reach = math.Max(reach, math.Abs(r.Value))
	}
	x := func(v float64) float64 { return middle + v/math.Max(reach, 1e-9)*half*.97 }
	for _, r := range b.Rows {
		p.room(barHeight)
		top := p.GetY()
		p.colour(ink)
		p.font(7, false)
		p.put(marginX, top+3, p.clipped(r.Name, nameOfBar-2))
		p.fill(colours[r.Status.Colour])
		from, to := math.Min(x(0), x(r.Value)), math.Max(x(0), x(r.Value))
		p.Rect(from, top+.6, to-from, barHeight-2.2, "F")
		p.whisker(x, r, top+.6+(barHeight-2.2)/2)
		if r.outOfProportion {
			end := x(r.Value)
			tip := end + math.Copysign(1.8, r.Value)
			p.Polygon([]gofpdf.PointType{{X: end, Y: top + .2}, {X: tip, Y: top + .6 + (barHeight-2.2)/2}, {X: end, Y: top + barHeight - 1.2}}, "F")
		}
		p.colour(colours[r.Status.Colour])
		p.putRight(pageWidth-marginX, top+3, r.Text)
		p.SetY(top + barHeight)
		p.stroke(muted)
		p.SetLineWidth(.2)
		p.Line(middle, top, middle, top+barHeight)
	}
	p.SetY(p.GetY() + 4)
}

// whisker draws the interval of a change over its bar.
func (p *paper) whisker(x func(float64) float64, r bar, y float64) {
	if math.IsNaN(r.From) {
		return
	}
	p.stroke(ink)
	p.SetLineWidth(.25)
	limit := func(v float64) float64 {
		return math.Max(marginX+nameOfBar, math.Min(x(v), pageWidth-marginX-textOfBar))
	}
	p.Line(limit(r.From), y, limit(r.To), y)
	for _, end := range []float64{r.From, r.To} {
		p.Line(limit(end), y-.8, limit(end), y+.8)
	}
}
