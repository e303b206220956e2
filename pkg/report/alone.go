package report

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/plumbline/plumbline/pkg/compare"
)

// A ComparisonRenderer writes a comparison alone, without the report on a run.
type ComparisonRenderer func(w io.Writer, c Comparison) error

// ComparisonTerminal writes a comparison as plain text that fits the width.
func ComparisonTerminal(o TerminalOptions) ComparisonRenderer {
	if o.Width == 0 {
		o.Width = defaultWidth
	}
	o.Width = max(o.Width, leastWidth)
	return func(w io.Writer, c Comparison) error {
		t := &terminal{TerminalOptions: o}
		st := changeStatuses[c.Verdict]
		t.line(t.paint(strings.ToUpper(st.Mark+" "+st.Word), st.Colour) + "  " + cut(printable(sides(c), false), o.Width-4-width(st.Word)))
		t.section(comparisonAlone(c))
		_, err := io.WriteString(w, t.String())
		return err
	}
}

// ComparisonMarkdown writes a comparison for a pull-request comment.
func ComparisonMarkdown(w io.Writer, c Comparison) error {
	var b strings.Builder
	st := changeStatuses[c.Verdict]
	fmt.Fprintf(&b, "**%s %s** · %s\n", st.Mark, strings.ToUpper(st.Word), mdText(sides(c)))
	markdownSection(&b, comparisonAlone(c))
	_, err := io.WriteString(w, b.String())
	return err
}

// ComparisonJSON writes a comparison as it stands in the report.
func ComparisonJSON(w io.Writer, c Comparison) error {
	c.Deltas = present(c.Deltas)
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(c)
}

func comparisonAlone(c Comparison) section {
	s := comparison(Report{Comparison: &c})
	s.Title = "Baseline vs Target vs Actual"
	return s
}

// sides says how many runs are held against how many.
func sides(c Comparison) string {
	text := fmt.Sprintf("%s against %s", numberOfRuns(len(c.CandidateRuns)), c.Baseline)
	if n := len(c.BaselineRuns); n > 0 {
		text += fmt.Sprintf(" (%s)", numberOfRuns(n))
	}
	regressed := 0
	for _, d := range c.Deltas {
		if d.Verdict == compare.Regressed {
			regressed++
		}
	}
	if regressed > 0 {
		text += fmt.Sprintf(", %d of %d metrics regressed", regressed, len(c.Deltas))
	}
	return text
}

func numberOfRuns(n int) string {
	if n == 1 {
		return "1 run"
	}
	return fmt.Sprintf("%d runs", n)
}
