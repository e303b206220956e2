package report

import (
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"html/template"
	"io"
	"strings"
)

//go:embed page/* uplot/*
var assets embed.FS

// HTML writes the report as one page that needs no network: styles, scripts and
// data are inside, and its policy forbids everything else.
func HTML(w io.Writer, r Report) error {
	return newPage(r).write(w)
}

// write writes the page with its styles and scripts.
func (p page) write(w io.Writer) error {
	if err := p.dress(); err != nil {
		return err
	}
	t, err := template.New("page.html").Funcs(template.FuncMap{"upper": strings.ToUpper}).ParseFS(assets, "page/page.html")
	if err != nil {
		return err
	}
	return t.Execute(w, p)
}

type page struct {
	Title, Heading, Service string
	Subtitle                string
	Verdict                 status
	Headline                string
	Reading                 []string
	Tiles                   []tile
	Sections                []pageSection
	Sources                 []pageSource
	Drawings                []drawing
	Generated               string
	Policy                  string
	Style                   template.CSS
	Library, Script         template.JS
}

type pageSection struct {
	section
	Tables   []pageTable
	Drawings []drawing
}

type pageTable struct {
	table
	Plain bool // pairs, without a head
	Rows  []pageRow
}

type pageRow struct {
	row
	Cells []pageCell
}

// A pageCell knows the popover of its source and the width of its bar.
type pageCell struct {
	cell
	Title    string // of its column, for narrow pages
	Right    bool
	SourceID int // 0: none
	HasBar   bool
	BarWidth float64 // of 100
	Hot      bool
}

type pageSource struct {
	source
	ID int
}

func newPage(r Report) page {
	p := page{
		Title: r.Run.ID + " · " + r.Run.Service + " · " + verdictStatuses[r.Verdict].Word, Heading: r.Run.ID, Service: serviceText(r.Run),
		Subtitle: subtitle(r.Run), Verdict: verdictStatuses[r.Verdict], Headline: r.Headline, Reading: r.Reading,
		Tiles: tiles(r), Drawings: []drawing{}, Generated: r.Generated.UTC().Format(dayAndTime) + " UTC",
	}
	for _, s := range sections(r) {
		p.add(s, r)
	}
	return p
}

// dress puts styles, scripts and the policy that allows them into the page.
func (p *page) dress() error {
	texts := map[string]string{}
	for _, name := range []string{"uplot/uPlot.iife.min.js", "uplot/uPlot.min.css", "page/page.css", "page/page.js"} {
		data, err := assets.ReadFile(name)
		if err != nil {
			return err
		}
		texts[name] = string(data)
	}
	p.Style = template.CSS(texts["uplot/uPlot.min.css"] + texts["page/page.css"])
	p.Library = template.JS(texts["uplot/uPlot.iife.min.js"])
	p.Script = template.JS(texts["page/page.js"])
	p.Policy = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'; script-src " +
		digest(string(p.Library)) + " " + digest(string(p.Script))
	return nil
}

// digest lets the browser run this script and no other.
func digest(script string) string {
	sum := sha256.Sum256([]byte(script))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}

func (p *page) add(s section, r Report) {
	ps := pageSection{section: s}
	for _, t := range s.Tables {
		ps.Tables = append(ps.Tables, p.table(t))
	}
	for _, c := range s.Charts {
		d := draw(c, r.Run)
		d.Index = len(p.Drawings)
		p.Drawings = append(p.Drawings, d)
		ps.Drawings = append(ps.Drawings, d)
	}
	p.Sections = append(p.Sections, ps)
}

func (p *page) table(t table) pageTable {
	pt := pageTable{table: t, Plain: true}
	for _, c := range t.Columns {
		pt.Plain = pt.Plain && c.Title == ""
	}
	for _, r := range t.Rows {
		pr := pageRow{row: r}
		for i, c := range r.Cells {
			pr.Cells = append(pr.Cells, p.cell(c, t.Columns[i]))
		}
		pt.Rows = append(pt.Rows, pr)
	}
	return pt
}

// hot is the share of a limit from which its bar is drawn in the colour of a warning.
const hot = 0.85

func (p *page) cell(c cell, at column) pageCell {
	pc := pageCell{cell: c, Title: at.Title, Right: at.Right, HasBar: c.Bar.Known(), Hot: c.Bar >= hot}
	if pc.HasBar {
		pc.BarWidth = round1(100 * float64(max(0, min(c.Bar, 1))))
	}
	if c.Source != nil {
		pc.SourceID = len(p.Sources) + 1
		p.Sources = append(p.Sources, pageSource{source: *c.Source, ID: pc.SourceID})
	}
	return pc
}
