package report

import (
	"io"
	"math"
	"slices"
	"strings"

	"github.com/plumbline/plumbline/pkg/trend"
)

// TrendTerminal writes the trend as plain text that fits the width, with a chart.
func TrendTerminal(o TerminalOptions) TrendRenderer {
	if o.Width == 0 {
		o.Width = defaultWidth
	}
	o.Width = max(o.Width, leastWidth)
	return func(w io.Writer, tr Trend) error {
		t := &terminal{TerminalOptions: o}
		st := tr.status()
		t.line(t.paint(strings.ToUpper(st.String()), st.Colour) + "  " + cut(printable(tr.Title, false), t.Width-4-width(st.Word)))
		t.paragraph(tr.Subtitle, "")
		t.line("")
		t.paragraph(tr.Headline, "")
		t.paragraph(strings.Join(tr.reading(), " "), "")
		if tr.Runs > tr.Missing {
			t.line("")
			t.chart(tr)
		}
		if len(tr.ChangePoints) > 0 {
			t.section(tr.changes())
		}
		_, err := io.WriteString(w, t.String())
		return err
	}
}

// chartHeight is in lines of text; a line has four dots.
const chartHeight = 8

// chart draws every value as a dot of braille, and below the change points. Its
// axis leaves out outliers, which would press all else into a line: they are
// drawn at its ends, and said.
func (t *terminal) chart(tr Trend) {
	low, high, beyond := tr.ordinary()
	top, bottom := quantity(Number(high), tr.Unit), quantity(Number(low), tr.Unit)
	margin := max(width(top), width(bottom)) + 1
	columns := min(t.Width-margin-1, max(1, (len(tr.Points)+1)/2))
	c := newCanvas(columns, chartHeight)
	for i, p := range tr.Points {
		if p.Value.Known() {
			share := 0.5
			if high > low {
				share = max(0, min((float64(p.Value)-low)/(high-low), 1))
			}
			c.dot(c.column(i, len(tr.Points)), share)
		}
	}
	for i, line := range c.lines() {
		label := map[int]string{0: top, chartHeight - 1: bottom}[i]
		t.line(strings.TrimRight(strings.Repeat(" ", margin-1-width(label))+label+" "+line, " "))
	}
	if len(tr.ChangePoints) > 0 {
		indent := strings.Repeat(" ", margin)
		t.line(indent + strings.TrimRight(c.marks(tr), " "))
		t.line(indent + "▲ strict, △ weak")
	}
	if beyond > 0 {
		least, greatest := tr.extent()
		t.paragraph(counted(beyond, "outlier")+" at the ends of the axis; all values lie within "+valueInterval(Number(least), Number(greatest), tr.Unit)+".", "")
	}
}

// ordinary is the range of the values without outliers, and how many there are.
func (t Trend) ordinary() (low, high float64, beyond int) {
	var known []float64
	for _, p := range t.Points {
		if p.Value.Known() {
			known = append(known, float64(p.Value))
		}
	}
	kept := trend.Clip(known)
	low, high = slices.Min(kept), slices.Max(kept)
	for _, v := range known {
		if v < low || v > high {
			beyond++
		}
	}
	return low, high, beyond
}

// A canvas holds dots in cells of braille, two wide and four high.
type canvas struct {
	width, height int // in cells
	cells         []byte
}

func newCanvas(width, height int) canvas {
	return canvas{width, height, make([]byte, width*height)}
}

// column is the column of dots in which the i-th of n values stands.
func (c canvas) column(i, n int) int {
	if n <= 2*c.width {
		return i
	}
	return i * 2 * c.width / n
}

// brailleBits are the dots of a cell, by row and column (Unicode, Braille Patterns).
var brailleBits = [4][2]byte{{0x01, 0x08}, {0x02, 0x10}, {0x04, 0x20}, {0x40, 0x80}}

// dot sets a dot; the share of the height is in [0, 1] from the bottom.
func (c canvas) dot(x int, share float64) {
	y := int(math.Round((1 - share) * float64(4*c.height-1)))
	c.cells[y/4*c.width+x/2] |= brailleBits[y%4][x%2]
}

// marks is the line below, with the change points.
func (c canvas) marks(tr Trend) string {
	line := []rune(strings.Repeat(" ", c.width))
	for _, strength := range []trend.Strength{trend.Weak, trend.Strict} { // a strict one covers a weak one
		for _, p := range tr.ChangePoints {
			if p.Strength == strength {
				line[c.column(p.Index, len(tr.Points))/2] = [...]rune{'△', '▲'}[strength]
			}
		}
	}
	return string(line)
}

func (c canvas) lines() []string {
	lines := make([]string, c.height)
	for y := range lines {
		var b strings.Builder
		for _, bits := range c.cells[y*c.width : (y+1)*c.width] {
			if bits == 0 {
				b.WriteByte(' ')
				continue
			}
			b.WriteRune(0x2800 + rune(bits))
		}
		lines[y] = b.String()
	}
	return lines
}
