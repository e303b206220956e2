package report

import (
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"
)

// TerminalOptions say what the terminal can show.
type TerminalOptions struct {
	Width   int  // columns; 0 means 100
	Colours bool // ANSI colours, in addition to words and marks
}

const (
	defaultWidth = 100
	leastWidth   = 40
	gap          = 2 // spaces between columns
)

// Terminal writes the report as plain text that fits the width.
func Terminal(o TerminalOptions) Renderer {
	if o.Width == 0 {
		o.Width = defaultWidth
	}
	o.Width = max(o.Width, leastWidth)
	return func(w io.Writer, r Report) error {
		t := &terminal{TerminalOptions: o}
		t.report(r)
		_, err := io.WriteString(w, t.String())
		return err
	}
}

type terminal struct {
	TerminalOptions
	strings.Builder
}

var ansi = map[string]string{"pass": "32", "warn": "33", "fail": "31", "inconclusive": "35", "none": "2"}

func (t *terminal) report(r Report) {
	st := verdictStatuses[r.Verdict]
	t.line(t.paint(strings.ToUpper(st.Mark+" "+st.Word), st.Colour) + "  " + cut(printable(heading(r), false), t.Width-4-width(st.Word)))
	t.paragraph(subtitle(r.Run), "")
	t.line("")
	t.paragraph(r.Headline, "")
	for _, sentence := range r.Reading {
		t.paragraph(sentence, "")
	}
	for _, s := range sections(r) {
		t.section(s)
	}
}

func (t *terminal) section(s section) {
	if len(s.Tables) == 0 && s.Note == "" {
		return // charts and queries are for the other formats
	}
	t.line("\n" + s.Title)
	t.line(strings.Repeat("─", width(s.Title)))
	t.paragraph(s.Note, "")
	for i, table := range s.Tables {
		if i > 0 {
			t.line("")
		}
		t.table(table)
	}
}

func (t *terminal) table(tb table) {
	t.paragraph(tb.Title, "")
	grid := make([][]string, 0, len(tb.Rows)+1)
	var titles []string
	for _, c := range tb.Columns {
		titles = append(titles, printable(c.Title, false))
	}
	grid = append(grid, titles)
	for _, r := range tb.Rows {
		var cells []string
		for _, c := range r.Cells {
			cells = append(cells, plainCell(c))
		}
		grid = append(grid, cells)
	}
	widths := fit(grid, tb.Columns, t.Width)
	if strings.TrimSpace(strings.Join(titles, "")) != "" {
		t.row(tb, titles, nil, widths)
	}
	for i, r := range tb.Rows {
		t.row(tb, grid[i+1], r.Cells, widths)
		t.paragraph(r.Note, "    ")
	}
	t.paragraph(tb.Note, "")
}

// row writes a row; text that is too long for its column goes on in the next
// lines, a number that is too long is cut.
func (t *terminal) row(tb table, texts []string, cells []cell, widths []int) {
	lines := make([][]string, len(texts))
	height := 1
	for i, text := range texts {
		lines[i] = []string{cut(text, widths[i])}
		if !tb.Columns[i].Right && width(text) > widths[i] {
			lines[i] = wrap(text, widths[i])
		}
		height = max(height, len(lines[i]))
	}
	for n := range height {
		var b strings.Builder
		for i := range texts {
			text := ""
			if n < len(lines[i]) {
				text = lines[i][n]
			}
			padding := strings.Repeat(" ", max(0, widths[i]-width(text)))
			if cells != nil && cells[i].Status != nil && text != "" {
				text = t.paint(text, cells[i].Status.Colour)
			}
			if tb.Columns[i].Right {
				text = padding + text
			} else {
				text += padding
			}
			b.WriteString(text + strings.Repeat(" ", gap))
		}
		t.line(strings.TrimRight(b.String(), " "))
	}
}

func (t *terminal) paragraph(text, indent string) {
	if text == "" {
		return
	}
	for _, l := range wrap(printable(text, false), t.Width-len(indent)) {
		t.line(indent + l)
	}
}

func (t *terminal) line(s string) { t.WriteString(s + "\n") }

func (t *terminal) paint(s, colour string) string {
	if !t.Colours {
		return s
	}
	return fmt.Sprintf("\x1b[%sm%s\x1b[0m", ansi[colour], s)
}

func plainCell(c cell) string {
	s := c.Text
	if c.Status != nil {
		s = c.Status.String()
	}
	if c.Small != "" {
		s += " (" + c.Small + ")"
	}
	return printable(s, false)
}

// leastText is the width below which columns of text give no more to numbers.
const leastText = 14

// fit gives every column its widest cell, then takes from the widest until all
// fit: from columns of text, which wrap, before numbers, which would be cut.
func fit(grid [][]string, columns []column, total int) []int {
	widths := make([]int, len(grid[0]))
	sum := gap * (len(widths) - 1)
	for _, r := range grid {
		for i, text := range r {
			widths[i] = max(widths[i], width(text))
		}
	}
	for _, w := range widths {
		sum += w
	}
	for ; sum > total; sum-- {
		widest := widestOf(widths, func(i int) bool { return !columns[i].Right && widths[i] > leastText })
		if widest < 0 {
			widest = widestOf(widths, func(i int) bool { return widths[i] > 3 })
		}
		if widest < 0 {
			break
		}
		widths[widest]--
	}
	return widths
}

// widestOf is the widest of the columns that may shrink; -1 when none may.
func widestOf(widths []int, mayShrink func(i int) bool) int {
	widest := -1
	for i, w := range widths {
		if mayShrink(i) && (widest < 0 || w > widths[widest]) {
			widest = i
		}
	}
	return widest
}

// wrap breaks text at spaces, and words that are too long where they must.
func wrap(text string, total int) []string {
	var lines []string
	line := ""
	for _, word := range strings.Fields(text) {
		for width(word) > total {
			if line != "" {
				lines, line = append(lines, line), ""
			}
			head := clip(word, total)
			lines, word = append(lines, head), word[len(head):]
		}
		switch {
		case line == "":
			line = word
		case width(line)+1+width(word) <= total:
			line += " " + word
		default:
			lines, line = append(lines, line), word
		}
	}
	if line != "" {
		lines = append(lines, line)
	}
	return lines
}

// cut shortens text to the columns there are.
func cut(text string, columns int) string {
	if width(text) <= columns {
		return text
	}
	return clip(text, max(columns-1, 0)) + "…"
}

func clip(text string, columns int) string {
	used := 0
	for i, r := range text {
		used += runeWidth(r)
		if used > columns {
			return text[:max(i, 0)]
		}
	}
	return text
}

func width(text string) int {
	n := 0
	for _, r := range text {
		n += runeWidth(r)
	}
	return n
}

// runeWidth is the columns that a terminal gives a rune.
func runeWidth(r rune) int {
	switch {
	case unicode.In(r, unicode.Mn, unicode.Me, unicode.Cf):
		return 0
	case r >= 0x1100 && r <= 0x115f, r >= 0x2e80 && r <= 0xa4cf, r >= 0xac00 && r <= 0xd7a3,
		r >= 0xf900 && r <= 0xfaff, r >= 0xfe30 && r <= 0xfe6f, r >= 0xff00 && r <= 0xff60, r >= 0x1f300 && r <= 0x1faff:
		return 2
	}
	return 1
}

// printable replaces what a terminal or a page would act on: escape sequences,
// line breaks (unless they are kept), text direction overrides, broken UTF-8.
func printable(s string, keepLines bool) string {
	if !utf8.ValidString(s) {
		s = strings.ToValidUTF8(s, "\uFFFD")
	}
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' && keepLines:
			return r
		case r == '\n', r == '\r', r == '\t', r == '\u2028', r == '\u2029':
			return ' '
		case unicode.IsControl(r), r >= '\u202a' && r <= '\u202e', r >= '\u2066' && r <= '\u2069':
			return '\uFFFD'
		}
		return r
	}, s)
}
