// Package check reads the files that people write about a service (SLA, rules,
// dashboards, scenarios, profiles, configuration), and says what is wrong with
// them and with the queries in them, and where.
package check

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/common/model"
	"golang.org/x/sync/errgroup"
	"gopkg.in/yaml.v3"

	"github.com/plumbline/plumbline/pkg/promql"
	"github.com/plumbline/plumbline/pkg/promql/lint"
	"github.com/plumbline/plumbline/pkg/strictyaml"
)

// A Find is one thing that is wrong, at a place of a file.
type Find struct {
	File     string        `json:"file"`
	Line     int           `json:"line"`   // from 1
	Column   int           `json:"column"` // from 1, in characters
	Severity lint.Severity `json:"severity"`
	Rule     string        `json:"rule"` // a lint rule's id, or file for what the file's own form forbids
	Text     string        `json:"text"`
	Mend     string        `json:"mend,omitempty"`
}

func (f Find) String() string {
	return fmt.Sprintf("%s:%d:%d: %s: %s (%s)", f.File, f.Line, f.Column, f.Severity, f.Text, f.Rule)
}

// fileRule names finds that a file's own form makes; they are mistakes.
const (
	fileRule = "file"
	mistake  = lint.Error
)

// A Checker checks files. The zero Checker looks at their text only.
type Checker struct {
	Scrape time.Duration // at which series are scraped; 0: 15 s
	Live   *lint.Live    // the server to ask; nil: none
}

// defaultScrape is what Grafana assumes of a Prometheus, too.
const defaultScrape = 15 * time.Second

// An expression is a query in a file.
type expression struct {
	node   *yaml.Node // the scalar that holds it
	query  lint.Query
	origin func(offset int) int // of a byte of the query, in the scalar's value
}

// A kind is a sort of file, told by what it holds.
type kind struct {
	name string
	is   func(root *yaml.Node) bool
	read func(c *Checker, d document) (problems []Find, queries []expression)

	manifest bool // a Kubernetes object: each document of a file is one
}

var kinds = []kind{
	{name: "SLA", is: ofKind("SLA"), read: (*Checker).readSLA},
	{name: "scenario", is: ofKind("Scenario"), read: (*Checker).readScenario},
	{name: "profiles", is: ofKind("Profiles"), read: (*Checker).readProfiles},
	{name: "configuration", is: ofKind("Config"), read: (*Checker).readConfig},
	{name: "baseline", is: ofKind("Baseline"), read: (*Checker).readBaseline},
	{name: "PrometheusRule of the operator", is: ofKind("PrometheusRule"), read: (*Checker).readOperatorRules, manifest: true},
	{name: "Prometheus rules", is: func(n *yaml.Node) bool { return get(n, "groups") != nil }, read: (*Checker).readRules},
	{name: "Grafana dashboard", is: func(n *yaml.Node) bool { return panelsOf(n) != nil }, read: (*Checker).readDashboard},
}

func ofKind(name string) func(*yaml.Node) bool {
	return func(n *yaml.Node) bool { return text(get(n, "kind")) == name }
}

// Files checks files; what each is shows by what it holds. Finds come in order of
// file and place. The error is trouble with the server, or with some of the files;
// the others are checked all the same.
func (c *Checker) Files(ctx context.Context, paths ...string) ([]Find, error) {
	var trouble []error
	var names []string
	var texts [][]byte
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			trouble = append(trouble, fmt.Errorf("check: %w", err))
			continue
		}
		names, texts = append(names, path), append(texts, text)
	}
	finds, err := c.texts(ctx, names, texts)
	return finds, errors.Join(append(trouble, err)...)
}

// texts checks the texts of files, which may use the metrics that others of them record.
func (c *Checker) texts(ctx context.Context, names []string, texts [][]byte) (finds []Find, err error) {
	if c.Live != nil {
		if _, err := c.Live.Metrics(ctx); err != nil {
			return nil, fmt.Errorf("check: %w", err)
		}
	}
	var all []reading
	var unknown []error
	for i, name := range names {
		r, err := c.read(name, texts[i])
		if err != nil {
			unknown = append(unknown, err)
			continue
		}
		all = append(all, r)
	}
	for _, r := range all {
		more, err := c.lintAll(ctx, r)
		finds = append(finds, more...)
		if err != nil {
			return finds, fmt.Errorf("check %s: %w", r.file.name, err)
		}
	}
	return finds, errors.Join(unknown...)
}

// A reading is what the readers of a file's documents say of it.
type reading struct {
	file    document // without a root
	finds   []Find
	queries []expression
}

// read reads a file. The error is that nothing tells what it is.
func (c *Checker) read(name string, text []byte) (reading, error) {
	r := reading{file: document{name: name, text: text}}
	docs, unreadable := readDocuments(name, text)
	if unreadable != nil {
		r.finds = []Find{*unreadable}
		return r, nil
	}
	if !slices.ContainsFunc(docs, func(d document) bool { _, known := kindOf(d); return known }) {
		return r, fmt.Errorf("check %s: can't tell what it is; there are %s", name, strings.Join(kindNames(), ", "))
	}
	for i, d := range docs {
		k, known := kindOf(d)
		switch {
		case !known:
			r.finds = append(r.finds, d.find(d.root, lint.Warning, "can't tell what this document is, so it is not checked"))
			continue
		case i > 0 && !k.manifest:
			r.finds = append(r.finds, d.find(d.root, mistake, "keep the "+k.name+" in a file of its own"))
			continue
		}
		finds, queries := k.read(c, d)
		r.finds, r.queries = append(r.finds, finds...), append(r.queries, queries...)
		if !k.manifest {
			break // its reader says that there are more
		}
	}
	return r, nil
}

// kindOf tells what a document is.
func kindOf(d document) (kind, bool) {
	i := slices.IndexFunc(kinds, func(k kind) bool { return k.is(d.root) })
	if i < 0 {
		return kind{}, false
	}
	return kinds[i], true
}

func kindNames() []string {
	names := make([]string, len(kinds))
	for i, k := range kinds {
		names[i] = k.name
	}
	return names
}

// concurrency is how many queries are asked about at one time.
const concurrency = 8

// lintAll adds to the finds of a file's own reader those of its queries.
func (c *Checker) lintAll(ctx context.Context, r reading) ([]Find, error) {
	found, finds := make([][]lint.Find, len(r.queries)), r.finds
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(concurrency)
	for i, q := range r.queries {
		g.Go(func() (err error) {
			found[i], err = c.lint(ctx, q)
			return err
		})
	}
	err := g.Wait()
	for i, q := range r.queries {
		for _, f := range found[i] {
			if f.Rule == "parse" || f.Rule == "rate-of-sum" {
				finds = withoutSyntaxAt(finds, q.node)
			}
			finds = append(finds, r.file.located(q, f))
		}
	}
	return together(inOrder(finds)), err
}

// lint looks at one query, and asks the server where there is one.
func (c *Checker) lint(ctx context.Context, e expression) ([]lint.Find, error) {
	e.query.Scrape = c.scrape()
	if c.Live == nil {
		return lint.Check(e.query), nil
	}
	e.query.Exists = c.Live.Known
	finds := lint.Check(e.query)
	live, err := c.Live.Check(ctx, e.query)
	return append(finds, live...), err
}

func (c *Checker) scrape() time.Duration {
	if c.Scrape > 0 {
		return c.Scrape
	}
	return defaultScrape
}

// located gives a find of a query its place in the file.
func (d document) located(e expression, f lint.Find) Find {
	end := len(strings.TrimRight(e.node.Value, " \n")) // what is missing at the end is missing there
	line, column := strictyaml.PlaceIn(d.text, e.node, min(e.origin(f.Start), end))
	return Find{d.name, line, column, f.Severity, f.Rule, f.Text, f.Mend}
}

// withoutSyntaxAt takes out what the file's own reader says of an expression that
// it can't read: the lint knows where in the expression the trouble is.
func withoutSyntaxAt(finds []Find, n *yaml.Node) []Find {
	return slices.DeleteFunc(finds, func(f Find) bool {
		return f.Rule == fileRule && f.Line == n.Line && f.Column == n.Column && strings.Contains(f.Text, "PromQL: ")
	})
}

// inOrder sorts finds by place; the same find twice is one.
func inOrder(finds []Find) []Find {
	slices.SortStableFunc(finds, func(a, b Find) int {
		return cmp.Or(a.Line-b.Line, a.Column-b.Column, int(b.Severity-a.Severity))
	})
	return slices.Compact(finds)
}

// ofTargets are the rules that find something out about targets, and so say it again
// of each selector of their series.
var ofTargets = []string{"target-restart", "scrape-gap"}

// together makes one find of those that say the same of the same targets, at the first selector.
func together(finds []Find) (out []Find) {
	first, again := map[string]int{}, map[int]int{} // by text and by place in out
	for _, f := range finds {
		i, said := first[f.Text]
		switch {
		case !slices.Contains(ofTargets, f.Rule):
		case said:
			again[i]++
			continue
		default:
			first[f.Text] = len(out)
		}
		out = append(out, f)
	}
	for i, n := range again {
		out[i].Text += fmt.Sprintf("; found by %d selectors", n+1)
	}
	return out
}

// mistakes are the mistakes that a strict reader found.
func (d document) mistakes(err error) (finds []Find) {
	var e *strictyaml.Error
	switch {
	case err == nil:
		return nil
	case !errors.As(err, &e):
		return []Find{{File: d.name, Line: 1, Column: 1, Severity: mistake, Rule: fileRule, Text: err.Error()}}
	}
	for _, p := range e.Problems {
		text := p.Message
		if p.Path != "" {
			text = string(p.Path) + ": " + text
		}
		finds = append(finds, Find{File: d.name, Line: p.Line, Column: max(p.Column, 1), Severity: mistake, Rule: fileRule, Text: text})
	}
	return finds
}

// duration writes a duration as PromQL does.
func duration(d time.Duration) string { return model.Duration(d).String() }

// plain is an expression that stands in the file as it is, but for variables.
func plain(n *yaml.Node, e promql.Expansion, q lint.Query) expression {
	q.Expr = e.Text
	return expression{node: n, query: q, origin: e.Origin}
}
