package report

import (
	"github.com/plumbline/plumbline/pkg/compare"
	"github.com/plumbline/plumbline/pkg/slo"
)

// A status is a judgement as it is shown: a word with a mark, which say it
// without colour, and the name of its colour.
type status struct {
	Word, Mark, Colour string
}

var information = status{"info", "–", "none"}

var verdictStatuses = map[slo.Verdict]status{
	slo.Pass:         {"pass", "✔", "pass"},
	slo.Warn:         {"warn", "▲", "warn"},
	slo.Fail:         {"fail", "✘", "fail"},
	slo.Inconclusive: {"inconclusive", "?", "inconclusive"},
}

var changeStatuses = map[compare.Verdict]status{
	compare.Improved:     {"improved", "✔", "pass"},
	compare.Unchanged:    {"unchanged", "=", "none"},
	compare.Regressed:    {"regressed", "✘", "fail"},
	compare.Inconclusive: {"inconclusive", "?", "inconclusive"},
}

var targetStatuses = map[slo.Verdict]status{
	slo.Pass:         {"met", "✔", "pass"},
	slo.Warn:         {"warn", "▲", "warn"},
	slo.Fail:         {"missed", "✘", "fail"},
	slo.Inconclusive: {"inconclusive", "?", "inconclusive"},
}

func (s status) String() string { return s.Mark + " " + s.Word }

// judged is the status of a verdict, or information where nothing was asked for.
func judged(v slo.Verdict, isJudged bool) status {
	if !isJudged {
		return information
	}
	return verdictStatuses[v]
}
