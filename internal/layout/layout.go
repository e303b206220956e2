// Package layout holds the picture of the tree: which packages there are, in
// which row each of them stands, and which imports that allows. Its test reads
// the tree and says where it leaves the picture.
package layout

import (
	"fmt"
	"path"
	"slices"
	"strings"
)

// Module is the path that our imports begin with.
const Module = "github.com/plumbline/plumbline"

// A Row is a height in the picture. Imports go down only: to a row above this
// one in the list.
type Row int

// The rows, from the bottom up.
const (
	Files    Row = iota // embedded files; they import nothing of ours
	Words               // what everything is told in
	Asking              // where values come from, and the load that makes them
	Judging             // what the values mean
	Result              // what the reader gets
	Programs            // how our programs use the library
	Wiring              // the programs
	Holding             // what holds the tree together; nothing imports it
)

func (r Row) String() string {
	return [...]string{"files", "words", "asking", "judging", "result", "programs", "wiring", "holding"}[r]
}

// A Package is a line of the picture.
type Package struct {
	Path     string // from the root of the module
	Row      Row
	Arrows   []string // packages of the same row that it may import
	Planned  bool     // not there yet
	Sentence string   // what ARCHITECTURE.md says of it
}

// Packages is the picture, in the order in which ARCHITECTURE.md lists it. A
// new package gets a line here and there.
var Packages = []Package{
	{Path: "cmd/analyzer", Row: Wiring, Sentence: "one file per command: baseline calibrate capacity capture check compare dashboards demo init report rules runs trend"},
	{Path: "cmd/loadgen", Row: Wiring, Sentence: "run validate"},
	{Path: "pkg/run", Row: Words, Sentence: "Run, Window, Stage — what was tested, and when"},
	{Path: "pkg/loadgen", Row: Asking, Sentence: "Scenario, Profile, Generator — sends the traffic and measures it"},
	{Path: "pkg/promql", Row: Asking, Sentence: "Querier, Sampler, Meter, Selector; Client, for a Prometheus server"},
	{Path: "pkg/promql/catalog", Row: Asking, Arrows: []string{"pkg/promql"}, Sentence: "the guide's queries, verbatim and as they should be asked"},
	{Path: "pkg/promql/lint", Row: Asking, Arrows: []string{"pkg/promql"}, Sentence: "what is wrong with a query, and where"},
	{Path: "pkg/promql/embedded", Row: Asking, Arrows: []string{"pkg/promql"}, Sentence: "Prometheus' own engine and storage: recordings, live and sealed"},
	{Path: "pkg/promql/querytest", Row: Asking, Arrows: []string{"pkg/promql"}, Sentence: "the tests every Querier passes"},
	{Path: "pkg/slo", Row: Judging, Sentence: "Agreement, Objective, Indicator — measures and judges"},
	{Path: "pkg/bottleneck", Row: Judging, Sentence: "Probe, Finding — what held the run back, and what to do about it"},
	{Path: "pkg/capacity", Row: Judging, Sentence: "USL, service demand, headroom, forecast"},
	{Path: "pkg/compare", Row: Judging, Sentence: "Baseline, Delta, Noise — better or worse, and how sure"},
	{Path: "pkg/trend", Row: Judging, Sentence: "change points over a history of runs"},
	{Path: "pkg/dashboard", Row: Result, Sentence: "Grafana dashboards of an agreement, and snapshots of a run in them"},
	{Path: "pkg/rules", Row: Result, Sentence: "recording rules, alerts and burn rates of an agreement, with their tests"},
	{Path: "pkg/report", Row: Result, Sentence: "Report, and its formats: terminal md html pdf json junit"},
	{Path: "pkg/stats", Row: Words, Sentence: "the statistics that the judges share"},
	{Path: "pkg/strictyaml", Row: Words, Sentence: "YAML read strictly; every mistake with file:line:column"},
	{Path: "internal/testrun", Row: Programs, Arrows: []string{"internal/store"}, Sentence: "the life of a run: id, recorder, first scrape, load, last scrape, seal, register"},
	{Path: "internal/analysis", Row: Programs, Arrows: []string{"internal/store"}, Sentence: "Analyzer — takes a run to its report; knows the order of steps"},
	{Path: "internal/store", Row: Programs, Sentence: "runs, recordings, baselines: folders, indexed in SQLite or PostgreSQL"},
	{Path: "internal/reference", Row: Programs, Arrows: []string{"internal/store"}, Sentence: "makes the series of a run from the numbers that a document tells of it"},
	{Path: "internal/config", Row: Programs, Sentence: "plumbline.yaml"},
	{Path: "internal/check", Row: Programs, Arrows: []string{"internal/config"}, Sentence: "reads SLA, rules, dashboards and the rest, and says what is wrong and where"},
	{Path: "internal/draft", Row: Programs, Sentence: "the first configuration and SLA from what a live Prometheus has"},
	{Path: "internal/cli", Row: Programs, Sentence: "what both command lines share: exit codes, flags from the environment"},
	{Path: "internal/server", Row: Programs, Arrows: []string{"internal/analysis", "internal/store"}, Planned: true, Sentence: "the HTTP API and the web page"},
	{Path: "internal/grafana", Row: Programs, Sentence: "provisions dashboards, data source, annotations"},
	{Path: "internal/grafana/grafanatest", Row: Programs, Sentence: "a strict stand-in for Grafana, for tests"},
	{Path: "internal/paracle", Row: Programs, Sentence: "the sample API that the demo and the tests put under load"},
	{Path: "internal/paracle/cmd/paracle", Row: Wiring, Sentence: "the sample API alone"},
	{Path: "internal/tcpdbench", Row: Programs, Sentence: "scores change points against the marks of people"},
	{Path: "internal/tcpdbench/cmd/score", Row: Wiring, Sentence: "prints these scores for pkg/trend"},
	{Path: "internal/bench", Row: Wiring, Sentence: "measures loadgen beside wrk and hey; `make bench`"},
	{Path: "internal/chaos", Row: Programs, Arrows: []string{"internal/analysis", "internal/paracle", "internal/store", "internal/testrun"}, Sentence: "the sample API with faults under load: is what was injected found?"},
	{Path: "internal/chaos/cmd/chaos", Row: Wiring, Sentence: "the matrix of faults and loads"},
	{Path: "internal/trials", Row: Programs, Arrows: []string{"internal/analysis", "internal/paracle", "internal/store", "internal/testrun"}, Sentence: "the same build and slower ones under load: how often are comparisons right?"},
	{Path: "internal/trials/cmd/trials", Row: Wiring, Sentence: "prints these rates"},
	{Path: "internal/layout", Row: Holding, Sentence: "the test that imports keep to the picture below"},
	{Path: "internal/doctest", Row: Holding, Sentence: "the test that the commands in README.md and docs/ work"},
	{Path: "dashboards", Row: Files, Sentence: "Grafana dashboards, embedded"},
	{Path: "rules", Row: Files, Sentence: "Prometheus rules, embedded"},
	{Path: "examples", Row: Files, Sentence: "scenarios, profiles, SLA, data and the reference run; embeds what the demo needs"},
	{Path: "examples/paracle/reference", Row: Wiring, Sentence: "writes the guide's own example run"},
}

// Check holds a tree against the picture and gives a sentence for every place
// where it leaves it, in the order of the tree.
func Check(picture []Package, tree []Folder) []string {
	var wrong []string
	say := func(format string, args ...any) { wrong = append(wrong, fmt.Sprintf(format, args...)) }
	for _, f := range tree {
		p, ok := find(picture, f.Path)
		switch {
		case !ok:
			say("%s: has no line in the picture: give it one in internal/layout/layout.go and in ARCHITECTURE.md", f.Path)
			continue
		case p.Planned:
			say("%s: is there now: take Planned off its line in internal/layout/layout.go", f.Path)
		}
		for _, i := range f.Imports {
			if reason := objection(picture, p, i); reason != "" {
				say("%s: imports %q: %s", i.At, strings.TrimPrefix(i.Path, Module+"/"), reason)
			}
		}
		for _, c := range f.Calls {
			if reason := p.forbids(c); reason != "" {
				say("%s: %s: %s", c.At, c.Name, reason)
			}
		}
	}
	return append(wrong, missing(picture, tree)...)
}

// objection is why a package may not import what it imports; empty if it may.
func objection(picture []Package, p Package, i Import) string {
	ours, ok := strings.CutPrefix(i.Path, Module+"/")
	switch {
	case !ok && p.library() && !i.Test && slices.Contains([]string{"log", "flag"}, i.Path):
		return "pkg/ is a library: it logs nothing and has no flags; return an error, a warning or an option"
	case !ok:
		return ""
	case p.library() && strings.HasPrefix(ours, "internal/"):
		return "pkg/ stands on its own and imports nothing of internal/"
	}
	q, ok := find(picture, ours)
	switch {
	case ours == p.Path && i.Test, // the tests beside a package
		p.Row == Files && i.Test: // that files are what would be generated
		return ""
	case !ok:
		return "it has no line in the picture"
	case q.Row < p.Row, slices.Contains(p.Arrows, q.Path):
		return ""
	case q.Row == p.Row && i.Test: // a test may bring both sides of a seam together
		return ""
	case q.Row == p.Row:
		return fmt.Sprintf("both stand in row %s, whose packages don't import each other; %s", p.Row, p.allowed())
	}
	return fmt.Sprintf("it stands in row %s, above row %s, and imports go down only; %s", q.Row, p.Row, p.allowed())
}

// forbids is why a package may not say what it says; empty if it may.
func (p Package) forbids(c Call) string {
	switch {
	case c.Name == "func init":
		return "who runs when? Make it a function that is called, or a table"
	case p.Row != Wiring:
		return "only main ends the program; return an error"
	}
	return ""
}

func (p Package) library() bool { return strings.HasPrefix(p.Path, "pkg/") }

// allowed says what the picture lets a package import.
func (p Package) allowed() string {
	var rows []string
	for r := range p.Row {
		rows = append(rows, r.String())
	}
	what := "nothing of ours"
	if len(rows) > 0 {
		what = "rows " + strings.Join(rows, ", ")
	}
	if len(p.Arrows) > 0 {
		what += " and " + strings.Join(p.Arrows, ", ")
	}
	return fmt.Sprintf("%s may import %s", p.Path, what)
}

// missing are the lines of the picture that no folder stands behind.
func missing(picture []Package, tree []Folder) []string {
	var wrong []string
	for _, p := range picture {
		there := slices.ContainsFunc(tree, func(f Folder) bool { return f.Path == p.Path })
		if !there && !p.Planned {
			wrong = append(wrong, p.Path+": has a line in internal/layout/layout.go, and no Go files")
		}
	}
	return wrong
}

func find(picture []Package, name string) (Package, bool) {
	i := slices.IndexFunc(picture, func(p Package) bool { return p.Path == path.Clean(name) })
	if i < 0 {
		return Package{}, false
	}
	return picture[i], true
}
