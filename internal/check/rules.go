package check

import (
	"strings"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/rulefmt"
	"gopkg.in/yaml.v3"

	"github.com/plumbline/plumbline/pkg/promql"
	"github.com/plumbline/plumbline/pkg/promql/lint"
	"github.com/plumbline/plumbline/pkg/strictyaml"
)

func (c *Checker) readRules(d document) ([]Find, []expression) {
	var file rulefmt.RuleGroups
	finds := d.ruleMistakes(d.root, &file, func() []rulefmt.RuleGroup { return file.Groups })
	if d.next != nil {
		finds = append(finds, d.find(d.next, mistake, "Prometheus reads only the first document of a file"))
	}
	return finds, c.rulesIn(d.root)
}

// operatorRules are the rules in a Kubernetes object, which may be meant for Thanos.
type operatorRules struct {
	Groups []struct {
		rulefmt.RuleGroup `yaml:",inline"`
		PartialResponse   string `yaml:"partial_response_strategy"`
	} `yaml:"groups"`
}

func (o *operatorRules) plain() []rulefmt.RuleGroup {
	groups := make([]rulefmt.RuleGroup, len(o.Groups))
	for i, g := range o.Groups {
		groups[i] = g.RuleGroup
	}
	return groups
}

// readOperatorRules reads the rules of a Kubernetes object.
func (c *Checker) readOperatorRules(d document) ([]Find, []expression) {
	spec := get(d.root, "spec")
	if spec == nil {
		return []Find{d.find(d.root, mistake, "it has no spec with groups of rules")}, nil
	}
	var rules operatorRules
	return d.ruleMistakes(spec, &rules, rules.plain), c.rulesIn(spec)
}

// ruleMistakes reads groups of rules into a value, and gives what Prometheus would
// not take of them.
func (d document) ruleMistakes(n *yaml.Node, into any, groups func() []rulefmt.RuleGroup) []Find {
	dropNulls(n)
	return d.mistakes(strictyaml.DecodeNode(d.name, n, into, func(at strictyaml.Path) strictyaml.Problems {
		return groupProblems(at.Field("groups"), groups())
	}))
}

// dropNulls takes out keys without a value, which Prometheus takes for keys that are not there.
func dropNulls(n *yaml.Node) {
	if n.Kind == yaml.MappingNode {
		kept := n.Content[:0]
		for i := 0; i+1 < len(n.Content); i += 2 {
			if n.Content[i+1].Tag != "!!null" {
				kept = append(kept, n.Content[i], n.Content[i+1])
			}
		}
		n.Content = kept
	}
	for _, below := range n.Content {
		dropNulls(below)
	}
}

func groupProblems(at strictyaml.Path, groups []rulefmt.RuleGroup) (ps strictyaml.Problems) {
	seen := map[string]bool{}
	for i, g := range groups {
		switch {
		case g.Name == "":
			ps.Addf(at.Index(i), "the group has no name")
		case seen[g.Name]:
			ps.Addf(at.Index(i).Field("name"), "there is another group %s", g.Name)
		}
		seen[g.Name] = true
		for k, r := range g.Rules {
			ps = append(ps, ruleProblems(at.Index(i).Field("rules").Index(k), r)...)
		}
	}
	return ps
}

// ruleProblems are what Prometheus itself says of a rule.
func ruleProblems(at strictyaml.Path, r rulefmt.Rule) (ps strictyaml.Problems) {
	errs := r.Validate(rulefmt.RuleNode{}, model.UTF8Validation, promql.NewParser())
	for i := range errs {
		message := errs[i].Unwrap().Error()
		if strings.Contains(message, "could not parse expression") {
			continue // the lint says so, and where
		}
		place := at
		if key := complainedOf(message); key != "" {
			place = at.Field(key)
		}
		ps.Addf(place, "%s", message)
	}
	return ps
}

// complainedOf is the key of a rule that a message of Prometheus is about; "" for the whole rule.
func complainedOf(message string) string {
	for _, c := range []struct{ part, key string }{
		{"recording rule name", "record"}, {"only one of", "alert"}, {"'expr'", "expr"}, {"'for'", "for"},
		{"'keep_firing_for'", "keep_firing_for"}, {"annotation", "annotations"}, {"label", "labels"},
	} {
		if strings.Contains(message, c.part) {
			return c.key
		}
	}
	return ""
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
