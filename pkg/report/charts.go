package report

import (
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/plumbline/plumbline/pkg/run"
)

// chartsOf are the charts that stand with the given groups or components.
func chartsOf(r Report, at ...string) []Chart {
	var found []Chart
	for _, c := range r.Charts {
		if slices.Contains(at, c.Section) && drawable(c) {
			found = append(found, c)
		}
	}
	return found
}

// otherCharts are those that no other section shows.
func otherCharts(r Report) section {
	placed := slices.Clone(guideGroups)
	placed = append(placed, "resources", Catalogue)
	for _, res := range r.Resources {
		placed = append(placed, res.Component)
	}
	for _, o := range r.Objectives {
		placed = append(placed, o.Group)
	}
	var s section
	for _, c := range r.Charts {
		if !slices.Contains(placed, c.Section) && drawable(c) {
			s.Charts = append(s.Charts, c)
		}
	}
	return s
}

func drawable(c Chart) bool {
	return len(c.Times) > 1 && slices.ContainsFunc(c.Lines, func(l Line) bool {
		return slices.ContainsFunc(l.Values, Number.Known)
	})
}

// A drawing is a chart worked out: scaled to the unit that is printed, with its
// ticks, for uPlot and as SVG.
type drawing struct {
	Title    string      `json:"title"`
	Subtitle string      `json:"-"`
	Unit     string      `json:"unit"`
	Times    []float64   `json:"times"` // Unix seconds
	Lines    []Line      `json:"lines"`
	Limits   []Limit     `json:"limits"`
	Unscored [][2]Number `json:"unscored"`        // Unix seconds
	Names    []string    `json:"names,omitempty"` // of what stands at 0, 1, … of the axis; times are the indexes then
	Marks    []Mark      `json:"marks,omitempty"`
	Min      float64     `json:"min,omitempty"`
	Max      float64     `json:"max"`
	Ticks    []float64   `json:"ticks"`
	Decimals int         `json:"decimals"`
	SVG      svg         `json:"-"`
	Index    int         `json:"-"`
}

// A Mark is a vertical line in a drawing.
type Mark struct {
	Name string  `json:"name"`
	At   float64 `json:"at"`
	Weak bool    `json:"weak,omitempty"`
}

func draw(c Chart, r run.Run) drawing {
	top := highest(c)
	factor, unit := scale(c.Unit, top)
	d := drawing{Title: printable(c.Title, false), Subtitle: c.Subtitle, Unit: unit, Limits: []Limit{}, Unscored: [][2]Number{}}
	for _, t := range c.Times {
		d.Times = append(d.Times, float64(t.UnixMilli())/1000)
	}
	for _, l := range c.Lines {
		scaled := Line{Name: printable(l.Name, false), Values: make([]Number, len(c.Times)), Baseline: l.Baseline}
		for i := range scaled.Values {
			scaled.Values[i] = NoData
			if i < len(l.Values) {
				scaled.Values[i] = l.Values[i] / Number(factor)
			}
		}
		d.Lines = append(d.Lines, scaled)
	}
	for _, l := range c.Limits {
		if l.Value.Known() {
			d.Limits = append(d.Limits, Limit{printable(l.Name, false), l.Value / Number(factor)})
		}
	}
	for _, w := range unscored(c, r) {
		d.Unscored = append(d.Unscored, [2]Number{Number(w.Start.Unix()), Number(w.End.Unix())})
	}
	step := niceStep(top / factor / 4)
	d.Decimals = decimalsOf(step)
	for v := 0.0; ; v += step {
		d.Ticks = append(d.Ticks, math.Round(v/step)*step)
		if v >= top/factor {
			d.Max = d.Ticks[len(d.Ticks)-1]
			break
		}
	}
	d.SVG = drawSVG(d)
	return d
}

// highest is what the axis must reach: all lines, and limits that are not far off.
func highest(c Chart) float64 {
	top := 0.0
	for _, l := range c.Lines {
		for _, v := range l.Values {
			if v.Known() {
				top = math.Max(top, float64(v))
			}
		}
	}
	data := top
	for _, l := range c.Limits {
		if v := float64(l.Value); l.Value.Known() && (data == 0 || v <= 3*data) {
			top = math.Max(top, v)
		}
	}
	if top == 0 {
		return 1
	}
	return top * 1.02
}

// scale is the factor and name of the unit in which values up to top are drawn.
func scale(unit string, top float64) (float64, string) {
	switch unit {
	case "s":
		p := fitting(top, secondPrefixes)
		return p.factor, p.name
	case "bytes":
		p := fitting(top, bytePrefixes)
		return p.factor, p.name
	case "bytes/s":
		p := fitting(top, bytePrefixes)
		return p.factor, p.name + "/s"
	case "ratio":
		return 0.01, "%"
	}
	return 1, unit
}

func niceStep(raw float64) float64 {
	power := math.Pow(10, math.Floor(math.Log10(raw)))
	for _, m := range []float64{1, 2, 2.5, 5} {
		if raw <= m*power*1.0001 {
			return m * power
		}
	}
	return 10 * power
}

// decimalsOf are as many as the ticks of an axis need that are a step apart.
func decimalsOf(step float64) int {
	decimals := 0
	for shifted := step; math.Abs(shifted-math.Round(shifted)) > 1e-6*shifted && decimals < 9; shifted *= 10 {
		decimals++
	}
	return decimals
}

// unscored are the stretches of the chart that no objective counts.
func unscored(c Chart, r run.Run) []run.Window {
	whole := run.Window{Start: c.Times[0], End: c.Times[len(c.Times)-1]}
	var all []run.Window
	if !r.Steady.IsZero() {
		all = []run.Window{{Start: whole.Start, End: r.Steady.Start}, {Start: r.Steady.End, End: whole.End}}
	} else {
		for _, s := range r.Stages {
			if !s.Scored {
				all = append(all, s.Window)
			}
		}
	}
	var inside []run.Window
	for _, w := range all {
		if w = w.Intersect(whole); !w.IsZero() {
			inside = append(inside, w)
		}
	}
	return inside
}

// An svg is a chart as coordinates, for paper and for pages without scripts.
type svg struct {
	Grid   []svgTick
	Clock  []svgTick
	Paths  []svgPath
	Limits []svgTick
	Grey   []svgTick // At and Width
	Marks  []svgMark
}

// A svgMark is a vertical line; its name stands beside it.
type svgMark struct {
	At   float64
	Name string
	Weak bool
}

type svgTick struct {
	At, Width float64
	Label     string
}

type svgPath struct {
	Class, D string
}

const (
	svgLeft, svgRight  = 52.0, 632.0
	svgTop, svgBottom  = 10.0, 170.0
	coloursOfLines     = 8
	clockTicksPerChart = 5
)

func drawSVG(d drawing) svg {
	var s svg
	first, last := d.Times[0], d.Times[len(d.Times)-1]
	x := func(t float64) float64 {
		return round1(svgLeft + (t-first)/math.Max(last-first, 1e-9)*(svgRight-svgLeft))
	}
	y := func(v float64) float64 { return round1(svgBottom - (v-d.Min)/(d.Max-d.Min)*(svgBottom-svgTop)) }
	for _, v := range d.Ticks {
		s.Grid = append(s.Grid, svgTick{At: y(v), Label: thousands(v, d.Decimals)})
	}
	for _, t := range d.places() {
		s.Clock = append(s.Clock, svgTick{At: x(t), Label: d.at(t)})
	}
	for _, w := range d.Unscored {
		from, to := x(float64(w[0])), x(float64(w[1]))
		s.Grey = append(s.Grey, svgTick{At: from, Width: round1(to - from)})
	}
	for _, l := range d.Limits {
		if float64(l.Value) <= d.Max {
			s.Limits = append(s.Limits, svgTick{At: y(float64(l.Value)), Label: l.Name})
		}
	}
	for _, m := range d.Marks {
		s.Marks = append(s.Marks, svgMark{At: x(m.At), Name: m.Name, Weak: m.Weak})
	}
	for i, l := range d.Lines {
		class := fmt.Sprintf("l%d", i%coloursOfLines+1)
		if l.Baseline {
			class = "before"
		}
		s.Paths = append(s.Paths, svgPath{Class: class, D: path(d.Times, l.Values, x, y)})
	}
	return s
}

// places are where the axis below has its labels: evenly, but on whole runs.
func (d drawing) places() []float64 {
	first, last := d.Times[0], d.Times[len(d.Times)-1]
	var all []float64
	for i := range clockTicksPerChart {
		t := first + (last-first)*float64(i)/(clockTicksPerChart-1)
		if d.Names != nil {
			t = math.Round(t)
		}
		all = append(all, t)
	}
	return slices.Compact(all)
}

// at is the label of a place on the axis.
func (d drawing) at(t float64) string {
	if d.Names == nil {
		return time.Unix(int64(t), 0).UTC().Format(timeOfDay)
	}
	return "#" + thousands(t, 0)
}

// path draws known values; a gap in the data is a gap in the line.
func path(times []float64, values []Number, x, y func(float64) float64) string {
	var b []byte
	pen := "M"
	for i, v := range values {
		if !v.Known() {
			pen = "M"
			continue
		}
		b = fmt.Appendf(b, "%s%g %g", pen, x(times[i]), y(float64(v)))
		pen = "L"
	}
	return string(b)
}

func round1(v float64) float64 { return math.Round(v*10) / 10 }
