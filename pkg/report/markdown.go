package report

import (
	"fmt"
	"io"
	"regexp"
	"strings"
)

// Markdown writes the report for a pull-request comment: the verdict first, then
// the guide's tables; the appendix is folded.
func Markdown(w io.Writer, r Report) error {
	text := markdown(r, true)
	if len(text) > longestComment {
		text = markdown(r, false)
	}
	_, err := io.WriteString(w, text)
	return err
}

// longestComment is a little less than GitHub takes; a longer report leaves its
// queries to the other formats.
const longestComment = 64_000

func markdown(r Report, withQueries bool) string {
	var b strings.Builder
	st := verdictStatuses[r.Verdict]
	fmt.Fprintf(&b, "**%s %s** · %s\n\n", st.Mark, strings.ToUpper(st.Word), mdText(r.Headline))
	for _, sentence := range r.Reading {
		fmt.Fprintf(&b, "%s\n\n", mdText(sentence))
	}
	fmt.Fprintf(&b, "# %s\n\n%s\n", mdText(heading(r)), mdText(subtitle(r.Run)))
	for _, s := range sections(r) {
		if !withQueries {
			s.Code = nil
		}
		markdownSection(&b, s)
	}
	return b.String()
}

func heading(r Report) string {
	if s := serviceText(r.Run); s != "" {
		return r.Run.ID + " · " + s
	}
	return r.Run.ID
}

func markdownSection(b *strings.Builder, s section) {
	if len(s.Tables) == 0 && len(s.Code) == 0 && s.Note == "" {
		return // charts only
	}
	fmt.Fprintf(b, "\n## %s\n", mdText(s.Title))
	if s.Note != "" {
		fmt.Fprintf(b, "\n%s\n", mdText(s.Note))
	}
	for _, t := range s.Tables {
		markdownTable(b, t)
	}
	if len(s.Code) > 0 {
		markdownCode(b, s.Code)
	}
}

func markdownTable(b *strings.Builder, t table) {
	if t.Title != "" {
		fmt.Fprintf(b, "\n**%s**\n", mdText(t.Title))
	}
	b.WriteString("\n|")
	for _, c := range t.Columns {
		fmt.Fprintf(b, " %s |", mdText(c.Title))
	}
	b.WriteString("\n|")
	for _, c := range t.Columns {
		if c.Right {
			b.WriteString(" ---: |")
		} else {
			b.WriteString(" --- |")
		}
	}
	b.WriteString("\n")
	for _, r := range t.Rows {
		b.WriteString("|")
		for _, c := range r.Cells {
			fmt.Fprintf(b, " %s |", mdCell(c))
		}
		b.WriteString("\n")
	}
	markdownNotes(b, t)
	if t.Note != "" {
		fmt.Fprintf(b, "\n%s\n", mdText(t.Note))
	}
}

func markdownNotes(b *strings.Builder, t table) {
	first := true
	for _, r := range t.Rows {
		if r.Note == "" {
			continue
		}
		if first {
			b.WriteString("\n")
			first = false
		}
		fmt.Fprintf(b, "- **%s**: %s\n", mdText(r.Cells[0].Text), mdText(r.Note))
	}
}

func markdownCode(b *strings.Builder, blocks []codeBlock) {
	fmt.Fprintf(b, "\n<details><summary>Queries (%d)</summary>\n", len(blocks))
	for _, c := range blocks {
		fence := fenceFor(c.Text)
		fmt.Fprintf(b, "\n%s\n\n%spromql\n%s\n%s\n", mdText(c.Note), fence, printable(c.Text, true), fence)
	}
	b.WriteString("\n</details>\n")
}

func mdCell(c cell) string {
	if c.Status != nil {
		return mdText(c.Status.String())
	}
	if c.Link {
		return "<" + strings.NewReplacer("<", "%3C", ">", "%3E", "|", "%7C", " ", "%20").Replace(printable(c.Text, false)) + ">"
	}
	if c.Small != "" {
		return mdText(c.Text) + " <sub>" + mdText(c.Small) + "</sub>"
	}
	return mdText(c.Text)
}

var mdEscapes = strings.NewReplacer(
	"&", "&amp;", "<", "&lt;", ">", "&gt;", "\\", "\\\\", "|", "\\|", "`", "\\`", "*", "\\*", "_", "\\_",
	"[", "\\[", "]", "\\]", "~", "\\~", "@", "@\u200b", // a mention would notify people
)

// mdText escapes everything that Markdown or HTML would act on.
func mdText(s string) string {
	s = mdEscapes.Replace(printable(s, false))
	return strings.ReplaceAll(s, "://", ":\u200b//") // a link stays text
}

var backticks = regexp.MustCompile("`+")

// fenceFor is a fence longer than any run of backticks in the code.
func fenceFor(code string) string {
	longest := 2
	for _, run := range backticks.FindAllString(code, -1) {
		longest = max(longest, len(run))
	}
	return strings.Repeat("`", longest+1)
}
