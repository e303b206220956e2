// Package lint finds what is wrong with a PromQL expression before anything is
// scored by it, and where. [Check] needs only the text; [Live] asks a server
// which series there are.
package lint

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"time"

	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/promql/parser/posrange"

	"github.com/plumbline/plumbline/pkg/promql"
)

// A Severity says how much a find matters.
type Severity int

// The severities.
const (
	Info    Severity = iota // good to know
	Warning                 // wrong under circumstances that the text does not tell
	Error                   // the answer is not what is asked for
)

func (s Severity) String() string { return [...]string{"info", "warning", "error"}[s] }

// MarshalText writes the severity as its name.
func (s Severity) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// A Find is one thing that is wrong with an expression.
type Find struct {
	Rule       string
	Severity   Severity
	Start, End int    // bytes of the expression, from Start up to End, exclusive
	Text       string // what is wrong
	Mend       string // what to do about it
}

// A Rule is one way for an expression to be wrong.
type Rule struct {
	ID       string
	Severity Severity // the usual one; a find may be milder
	What     string
	Why      string
	Mend     string

	static func(p *pass)                                           // needs the text alone
	live   func(ctx context.Context, l *Live, p *pass) (err error) // asks a server
}

// Live tells that the rule needs a server to ask.
func (r Rule) Live() bool { return r.static == nil }

// Any stands, as a label's value or a part of it, for one that is not known; the
// live rules leave such a matcher out.
const Any = "__any__"

// A Query is an expression, and what its answer is taken for.
type Query struct {
	Expr   string        // with its variables expanded
	Scrape time.Duration // between two samples; 0: unknown
	Unit   string        // in which the answer is read: s, ms, ratio, percent, bytes, GB, GiB, …; empty: unknown
	One    bool          // one number is scored, so one series must answer
	Bounds []float64     // thresholds for the answer, in its unit

	// Exists tells whether a metric is there; nil: unknown.
	Exists func(metric string) bool
}

// Check finds what the text of a query alone tells, in order of place.
func Check(q Query) []Find {
	p := &pass{query: q}
	if !p.parse() {
		return p.finds
	}
	for i := range Rules {
		if p.rule = &Rules[i]; p.rule.static != nil {
			p.rule.static(p)
		}
	}
	return p.sorted()
}

// pass is one look at one query.
type pass struct {
	query Query
	root  parser.Expr
	rule  *Rule
	finds []Find
}

// parse reads the expression; what it can't read is a find.
func (p *pass) parse() bool {
	var err error
	p.root, err = promql.NewParser().ParseExpr(p.query.Expr)
	if err == nil {
		return true
	}
	p.rule = &parseRule
	if m := rateOfSumText.FindStringSubmatchIndex(p.query.Expr); m != nil {
		p.rule = &rateOfSumRule
		p.at(m[0], m[1], p.rule.Severity, "a rate of a sum can't see resets, and PromQL takes no range of a sum")
		return false
	}
	var all parser.ParseErrors
	if !errors.As(err, &all) || len(all) == 0 {
		p.at(0, len(p.query.Expr), Error, "%v", err)
		return false
	}
	first := all[0] // what follows is mostly its consequence
	p.at(int(first.PositionRange.Start), int(first.PositionRange.End), Error, "%v", first.Err)
	return false
}

// rateOfSumText is how people write the rate of a sum.
var rateOfSumText = regexp.MustCompile(`\b(?:rate|irate|increase)\s*\(\s*(?:sum|avg|min|max|count)\b`)

// report notes a find at a node, with the usual severity.
func (p *pass) report(n parser.Node, format string, args ...any) {
	p.reportAs(p.rule.Severity, n, format, args...)
}

func (p *pass) reportAs(s Severity, n parser.Node, format string, args ...any) {
	r := rangeOf(n)
	p.at(int(r.Start), int(r.End), s, format, args...)
}

func (p *pass) at(start, end int, s Severity, format string, args ...any) {
	size := len(p.query.Expr)
	start = min(max(start, 0), size)
	end = min(max(end, start), size)
	f := Find{p.rule.ID, s, start, end, fmt.Sprintf(format, args...), p.rule.Mend}
	if !slices.Contains(p.finds, f) {
		p.finds = append(p.finds, f)
	}
}

func rangeOf(n parser.Node) posrange.PositionRange {
	if s, ok := n.(*parser.StepInvariantExpr); ok {
		n = s.Expr
	}
	return n.PositionRange()
}

func (p *pass) sorted() []Find {
	slices.SortStableFunc(p.finds, func(a, b Find) int {
		return cmp.Or(a.Start-b.Start, int(b.Severity-a.Severity))
	})
	return p.finds
}

// each visits every node with the nodes above it, the nearest last.
func (p *pass) each(visit func(n parser.Node, above []parser.Node)) {
	parser.Inspect(p.root, func(n parser.Node, above []parser.Node) error {
		if n != nil {
			visit(n, above)
		}
		return nil
	})
}
