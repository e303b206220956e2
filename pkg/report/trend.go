package report

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"strings"
	"time"

	"github.com/plumbline/plumbline/pkg/compare"
	"github.com/plumbline/plumbline/pkg/stats"
	"github.com/plumbline/plumbline/pkg/trend"
)

// TrendSchema names the form of the JSON of a trend.
const TrendSchema = "plumbline/trend/v1"

// A Trend is a history of runs with its change points, worked out. Numbers are
// in base units; null is no data.
type Trend struct {
	Schema    string    `json:"schema"`
	Generated time.Time `json:"generated"`
	Metric    string    `json:"metric"`
	Title     string    `json:"title"`
	Subtitle  string    `json:"subtitle,omitempty"` // service, scenario, profile; or the file
	Unit      string    `json:"unit"`
	Worse     string    `json:"worse,omitempty"` // higher or lower: the direction that is worse; "" when unknown

	Runs         int           `json:"runs"`
	Missing      int           `json:"missing"` // runs without a value
	Points       []TrendPoint  `json:"points"`
	ChangePoints []TrendChange `json:"change_points"`
	Level        Number        `json:"level"` // the latest: the median since the last change point
	// Verdict is on the latest strict change: regressed, improved, or unchanged when
	// there is none; inconclusive when nothing can be told, or not which direction is worse.
	Verdict  compare.Verdict `json:"verdict"`
	Headline string          `json:"headline"`
	Reason   string          `json:"reason,omitempty"` // why it is inconclusive
	Warnings []string        `json:"warnings,omitempty"`
}

// A TrendPoint is the value of one run.
type TrendPoint struct {
	Index  int               `json:"index"`
	Run    string            `json:"run"`
	Time   time.Time         `json:"time,omitzero"`
	Value  Number            `json:"value"`
	Labels map[string]string `json:"labels,omitempty"`
}

// A TrendChange is a change point.
type TrendChange struct {
	Index    int             `json:"index"` // from 0; the first run of the new level
	Run      string          `json:"run"`
	Time     time.Time       `json:"time,omitzero"`
	Strength trend.Strength  `json:"strength"`
	Before   Number          `json:"before"` // medians of the levels on either side
	After    Number          `json:"after"`
	Change   Number          `json:"change"` // relative: −0.33 is 33 % less
	Effect   Number          `json:"effect"` // in standard deviations; null when the values don't vary
	Verdict  compare.Verdict `json:"verdict"`
	// Labels are those that the run has otherwise than the one before it.
	Labels   []trend.LabelChange `json:"labels"`
	Evidence []TrendEvidence     `json:"evidence"`
}

// TrendEvidence is what one of the detectors that agree says.
type TrendEvidence struct {
	Detector  string `json:"detector"`
	Index     int    `json:"index"`
	Statistic Number `json:"statistic"` // null when it is infinite
}

// NewTrend finds the change points of a history and judges them: worse is
// higher, lower, or "" when it isn't known.
func NewTrend(h trend.History, worse string) Trend {
	values := h.Values()
	t := Trend{
		Schema: TrendSchema, Metric: h.Metric, Title: h.Metric, Unit: h.Unit, Worse: worse, Runs: len(values),
		ChangePoints: []TrendChange{}, Points: []TrendPoint{}, Reason: trend.Insufficient(values),
	}
	for i, p := range h.Points {
		t.Points = append(t.Points, TrendPoint{Index: i, Run: p.Run, Time: p.Time, Value: Number(p.Value), Labels: p.Labels})
		if !Number(p.Value).Known() {
			t.Missing++
		}
	}
	for _, c := range trend.Detect(values) {
		t.ChangePoints = append(t.ChangePoints, t.change(h, c))
	}
	t.Level = t.level()
	t.judge()
	t.Headline = t.headline()
	return t
}

// level is the median since the last change point.
func (t Trend) level() Number {
	if n := len(t.ChangePoints); n > 0 {
		return t.ChangePoints[n-1].After
	}
	var known []float64
	for _, p := range t.Points {
		if p.Value.Known() {
			known = append(known, float64(p.Value))
		}
	}
	return Number(stats.Median(known))
}

func (t Trend) change(h trend.History, c trend.ChangePoint) TrendChange {
	p := h.Points[c.Index]
	tc := TrendChange{
		Index: c.Index, Run: p.Run, Time: p.Time, Strength: c.Strength, Before: Number(c.Before), After: Number(c.After),
		Change: Number(c.Change()), Effect: Number(c.Effect), Labels: present(h.Changed(c.Index)),
	}
	switch {
	case t.Worse == "" || c.After == c.Before:
	case (c.After > c.Before) == (t.Worse == "higher"):
		tc.Verdict = compare.Regressed
	default:
		tc.Verdict = compare.Improved
	}
	for _, e := range c.Evidence {
		tc.Evidence = append(tc.Evidence, TrendEvidence{e.Detector, e.Index, Number(e.Statistic)})
	}
	return tc
}

// judge takes the verdict from the last strict change point.
func (t *Trend) judge() {
	last, ok := t.lastStrict()
	switch {
	case t.Reason != "":
	case !ok:
		t.Verdict = compare.Unchanged
	case t.Worse == "":
		t.Reason = "it isn't known which direction is worse"
	default:
		t.Verdict = last.Verdict
	}
}

func (t Trend) lastStrict() (TrendChange, bool) {
	for i := len(t.ChangePoints) - 1; i >= 0; i-- {
		if t.ChangePoints[i].Strength == trend.Strict {
			return t.ChangePoints[i], true
		}
	}
	return TrendChange{}, false
}

// headline says in a sentence what matters.
func (t Trend) headline() string {
	last, ok := t.lastStrict()
	weak := 0
	for _, c := range t.ChangePoints {
		if c.Strength == trend.Weak {
			weak++
		}
	}
	switch {
	case len(t.ChangePoints) == 0 && t.Reason != "":
		return "Nothing can be told: " + t.Reason + "."
	case !ok && weak == 0:
		return fmt.Sprintf("No change point in %s.", counted(t.Runs, "run"))
	case !ok:
		return fmt.Sprintf("No strict change point in %s; %s to look at.", counted(t.Runs, "run"), counted(weak, "weak mark"))
	}
	text := fmt.Sprintf("%s in %s; the last at %s, from %s to %s (%s)", counted(len(t.ChangePoints)-weak, "strict change point"), counted(t.Runs, "run"),
		last.name(), quantity(last.Before, t.Unit), quantity(last.After, t.Unit), change(last.Change))
	if last.Verdict != compare.Inconclusive {
		text += ": " + last.Verdict.String()
	}
	if weak > 0 {
		text += "; besides, " + counted(weak, "weak mark")
	}
	return text + "."
}

func counted(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return thousands(float64(n), 0) + " " + what + "s"
}

// name is what a change point is called: its run, else its place.
func (c TrendChange) name() string { return nameOf(c.Run, c.Index) }

func nameOf(run string, index int) string {
	if run != "" {
		return run
	}
	return fmt.Sprintf("#%d", index)
}

// A TrendRenderer writes a trend in one format.
type TrendRenderer func(w io.Writer, t Trend) error

// TrendJSON writes the trend in the form that TrendSchema names.
func TrendJSON(w io.Writer, t Trend) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(t)
}

// TrendHTML writes the trend as one page that needs no network.
func TrendHTML(w io.Writer, t Trend) error {
	st := t.status()
	p := page{
		Title: t.Title + " · trend · " + st.Word, Heading: printable(t.Title, false), Service: "trend", Subtitle: printable(t.Subtitle, false),
		Verdict: st, Headline: printable(t.Headline, false), Reading: t.reading(), Drawings: []drawing{}, Generated: t.Generated.UTC().Format(dayAndTime) + " UTC",
	}
	history := pageSection{section: section{ID: "history", Title: "History"}}
	if t.Runs > t.Missing {
		d := t.drawing()
		p.Drawings, history.Drawings = append(p.Drawings, d), append(history.Drawings, d)
		p.Sections = append(p.Sections, history)
	}
	if len(t.ChangePoints) > 0 {
		s := t.changes()
		p.Sections = append(p.Sections, pageSection{section: s, Tables: []pageTable{p.table(s.Tables[0])}})
	}
	return p.write(w)
}

// status is the verdict as it is shown.
func (t Trend) status() status {
	if _, ok := t.lastStrict(); ok && t.Verdict == compare.Inconclusive {
		return status{"changed", "▲", "warn"}
	}
	return changeStatuses[t.Verdict]
}

// reading is what a reader must know besides the headline.
func (t Trend) reading() (sentences []string) {
	if t.Missing > 0 {
		sentences = append(sentences, fmt.Sprintf("%s without a value.", counted(t.Missing, "run")))
	}
	if t.Level.Known() {
		sentences = append(sentences, fmt.Sprintf("The level now is %s.", quantity(t.Level, t.Unit)))
	}
	for _, w := range t.Warnings {
		sentences = append(sentences, printable(w, false)+".")
	}
	return sentences
}

// changes is the table of change points, the latest first.
func (t Trend) changes() section {
	tb := table{Columns: joined(left("Run", "Strength"), right("Before", "After", "Change"), left("Judged", "Labels that changed"))}
	for i := len(t.ChangePoints) - 1; i >= 0; i-- {
		c := t.ChangePoints[i]
		run := text(c.name())
		if !c.Time.IsZero() {
			run.Small = c.Time.UTC().Format(time.DateOnly)
		} else if c.Run != "" {
			run.Small = fmt.Sprintf("#%d", c.Index)
		}
		judged := text(noData)
		if c.Verdict != compare.Inconclusive {
			judged = statusCell(changeStatuses[c.Verdict])
		}
		tb.Rows = append(tb.Rows, row{Cells: []cell{
			run, text(c.Strength.String()), text(quantity(c.Before, t.Unit)), text(quantity(c.After, t.Unit)), text(change(c.Change)), judged, text(orNone(labelText(c.Labels))),
		}})
	}
	return section{
		ID: "changes", Title: "Change points", Tables: []table{tb},
		Note: "Strict: two of three detectors agree by high thresholds, and the change exceeds the scatter of single runs. Weak: a mark to look at.",
	}
}

func labelText(changes []trend.LabelChange) string {
	var parts []string
	for _, c := range changes {
		if c.From == "" {
			parts = append(parts, c.Name+" "+c.To)
			continue
		}
		parts = append(parts, fmt.Sprintf("%s %s → %s", c.Name, c.From, c.To))
	}
	return strings.Join(parts, ", ")
}

// drawing is the history over the numbers of the runs, with the levels and the
// change points. Its axis covers the values only: a change of a few percent
// could not be seen from 0.
func (t Trend) drawing() drawing {
	low, high := t.extent()
	factor, unit := scale(t.Unit, math.Max(math.Abs(low), math.Abs(high)))
	low, high = low/factor, high/factor
	d := drawing{Title: printable(t.Title, false), Subtitle: "by run; broken lines are change points", Unit: unit, Limits: []Limit{}, Unscored: [][2]Number{}}
	values, levels := Line{Name: "value"}, Line{Name: "level"}
	next, level := 0, t.Level
	if len(t.ChangePoints) > 0 {
		level = t.ChangePoints[0].Before
	}
	for i, p := range t.Points {
		if next < len(t.ChangePoints) && t.ChangePoints[next].Index == i {
			level = t.ChangePoints[next].After
			next++
		}
		d.Times = append(d.Times, float64(i))
		d.Names = append(d.Names, p.label())
		values.Values = append(values.Values, p.Value/Number(factor))
		levels.Values = append(levels.Values, level/Number(factor))
	}
	d.Lines = []Line{values, levels}
	for _, c := range t.ChangePoints {
		d.Marks = append(d.Marks, Mark{Name: printable(c.name()+" "+change(c.Change), false), At: float64(c.Index), Weak: c.Strength == trend.Weak})
	}
	d.axis(low, high)
	d.SVG = drawSVG(d)
	return d
}

// axis sets ticks that enclose the values.
func (d *drawing) axis(low, high float64) {
	step := niceStep(math.Max(high-low, math.Max(math.Abs(high)*1e-3, 1e-12)) / 4)
	d.Decimals = decimalsOf(step)
	first := math.Floor(low/step - 0.1)
	for i := first; ; i++ {
		d.Ticks = append(d.Ticks, i*step)
		if i*step >= high+0.05*step {
			break
		}
	}
	d.Min, d.Max = d.Ticks[0], d.Ticks[len(d.Ticks)-1]
}

// extent is the least and the greatest value.
func (t Trend) extent() (low, high float64) {
	low, high = math.Inf(1), math.Inf(-1)
	for _, p := range t.Points {
		if p.Value.Known() {
			low, high = math.Min(low, float64(p.Value)), math.Max(high, float64(p.Value))
		}
	}
	return low, high
}

// label is what is shown of a run where its value is pointed at.
func (p TrendPoint) label() string {
	name := nameOf(p.Run, p.Index)
	if !p.Time.IsZero() {
		name += " " + p.Time.UTC().Format("2006-01-02 15:04")
	}
	return printable(name, false)
}
