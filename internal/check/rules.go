package check

import (
	"io"
	"log/slog"
	"strings"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/rulefmt"
	"gopkg.in/yaml.v3"

	"github.com/plumbline/plumbline/pkg/promql"
	"github.com/plumbline/plumbline/pkg/promql/lint"
)

func (c *Checker) readRules(d document) (finds []Find, queries []expression) {
	_, errs := rulefmt.Parse(d.text, false, model.UTF8Validation, promql.NewParser(), slog.New(slog.NewTextHandler(io.Discard, nil)))
	for _, err := range errs {
		if strings.Contains(err.Error(), "could not parse expression") {
			continue // the lint says so, and where
		}
		text := strings.TrimPrefix(err.Error(), "yaml: unmarshal errors:\n  ")
		for line := range strings.Lines(text) {
			finds = append(finds, *yamlMistake(d.name, strings.TrimSpace(line)))
		}
	}
	return finds, c.rulesIn(d.root)
}

// readOperatorRules reads the rules of a Kubernetes object.
func (c *Checker) readOperatorRules(d document) ([]Find, []expression) {
	return nil, c.rulesIn(get(d.root, "spec"))
}

// rulesIn are the expressions of groups of rules. What they record is taken to be
// there, though no server has it yet.
func (c *Checker) rulesIn(n *yaml.Node) (queries []expression) {
	for _, g := range items(get(n, "groups")) {
		for _, r := range items(get(g, "rules")) {
			if name := text(get(r, "record")); name != "" && c.Live != nil {
				c.Live.Expect(name)
			}
			if expr := get(r, "expr"); text(expr) != "" {
				queries = append(queries, plain(expr, promql.Trace(expr.Value, nil), lint.Query{}))
			}
		}
	}
	return queries
}
