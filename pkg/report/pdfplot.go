package report

import "time"

// How a plot stands on paper, in mm.
const (
	plotHeight    = 42.0 // of the area in which lines are drawn
	plotLeft      = 16.0 // room for the labels of the axis
	legendLine    = 4.2
	mostInLegend  = 8
	plotClockStep = 4 // stretches between labels of time
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

// plot draws a chart over the full width: its lines, its bounds dashed, and grey
// what is not scored.
func (p *paper) plot(d drawing) {
	p.room(plotHeight + 30)
	p.SetY(p.GetY() + 2)
	p.colour(ink)
	p.font(8.5, true)
	title := d.Title
	if d.Unit != "" {
		title += ", " + d.Unit
	}
	p.put(marginX, p.GetY()+4, p.clipped(title, textWidth))
	f := frame{left: marginX + plotLeft, top: p.GetY() + 7.5, width: textWidth - plotLeft, height: plotHeight, first: d.Times[0], last: d.Times[len(d.Times)-1], max: d.Max}
	p.plotGrid(f, d)
	for i, l := range d.Lines {
		p.stroke(strokes[i%coloursOfLines])
		p.SetLineWidth(.35)
		p.line(f, d.Times, l.Values)
	}
	p.plotLimits(f, d)
	p.SetY(f.top + f.height + 5.5)
	p.legend(d)
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
		p.putRight(f.left-1.5, y+.9, thousands(v, d.Decimals))
	}
	for i := range plotClockStep + 1 {
		t := f.first + (f.last-f.first)*float64(i)/plotClockStep
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

func (p *paper) plotLimits(f frame, d drawing) {
	p.SetDashPattern([]float64{1.2, .8}, 0)
	p.SetLineWidth(.3)
	p.stroke(colours["fail"])
	for _, l := range d.Limits {
		if v := float64(l.Value); v <= d.Max {
			p.Line(f.left, f.y(v), f.left+f.width, f.y(v))
			p.colour(colours["fail"])
			p.font(6.5, false)
			p.putRight(f.left+f.width-1, f.y(v)-.8, p.clipped(l.Name, f.width/2))
		}
	}
	p.SetDashPattern([]float64{}, 0)
}

// legend names the lines, as many as can be told apart.
func (p *paper) legend(d drawing) {
	p.font(7, false)
	x, y := marginX+plotLeft, p.GetY()+2.5
	for i, l := range d.Lines {
		name := l.Name
		if i == mostInLegend {
			name = "and " + thousands(float64(len(d.Lines)-i), 0) + " more"
		}
		if i > mostInLegend {
			break
		}
		name = p.clipped(name, textWidth/2)
		w := p.width(name) + 9
		if x+w > pageWidth-marginX {
			x, y = marginX+plotLeft, y+legendLine
		}
		if i < mostInLegend {
			p.stroke(strokes[i%coloursOfLines])
			p.SetLineWidth(.7)
			p.Line(x, y-1, x+4, y-1)
		}
		p.colour(ink)
		p.put(x+5.2, y, name)
		x += w
	}
	p.SetY(y + 5)
}
