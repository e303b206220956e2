package report

import (
	"fmt"
	"strings"

	"github.com/plumbline/plumbline/pkg/compare"
	"github.com/plumbline/plumbline/pkg/run"
	"github.com/plumbline/plumbline/pkg/slo"
)

// Quantity writes a number in base units as a person would: 187 ms, 2.1 s,
// 1,023.5 req/s, 0.010 %, 4.2 GB, 1,847,293; "–" when there is none.
func Quantity(n Number, unit string) string { return quantity(n, unit) }

// BoundText writes a bound of an SLA file as a person would: "<500ms" is "< 500 ms".
func BoundText(text string) string { return bound(text) }

// few is how many things a sentence lists before it only counts the rest.
const few = 4

// Few are the first things of a list, and how many more there are.
func Few(names []string) []string {
	if len(names) <= few {
		return names
	}
	return append(append([]string{}, names[:few]...), fmt.Sprintf("%d more", len(names)-few))
}

// Summarize puts the verdict into a sentence, and what matters into a few more.
func (r *Report) Summarize() {
	by, all := map[slo.Verdict][]string{}, 0
	note := func(v slo.Verdict, name string) { by[v], all = append(by[v], name), all+1 }
	for _, o := range r.Objectives {
		if o.Judged {
			note(o.Verdict, o.Title)
		}
	}
	for _, res := range r.Resources {
		if res.Judged {
			note(res.Verdict, res.Component+" "+res.Resource)
		}
	}
	switch {
	case all == 0:
		r.Headline = "Nothing was judged: no SLA has bounds for this run; name one with --sla FILE."
	case r.Verdict == slo.Pass:
		r.Headline = fmt.Sprintf("Every SLA bound holds (%d of %d).", len(by[slo.Pass]), all)
	case r.Verdict == slo.Warn:
		r.Headline = fmt.Sprintf("Every bound that must hold does; %s should be watched.", enumerate(by[slo.Warn]))
	case r.Verdict == slo.Fail:
		r.Headline = fmt.Sprintf("The SLA was missed: %s.", enumerate(by[slo.Fail]))
	case r.Run.State == run.Aborted:
		r.Headline = "The run was aborted: " + r.Run.Reason + "."
	case r.Run.State == run.Running:
		r.Headline = fmt.Sprintf("The run is still under way; it began %s ago.", duration(r.Run.Window.Duration()))
	default:
		r.Headline = fmt.Sprintf("It can't be told whether the SLA was met: %s.", enumerate(by[slo.Inconclusive]))
	}
	r.Reading = nil
	r.read(r.sayMissed())
	for _, c := range r.Checks {
		if c.Verdict == slo.Fail {
			r.read(c.Title + ": " + c.Detail + ".")
		}
	}
	r.read(r.sayHeldBack())
	if r.Comparison != nil {
		r.read(r.Comparison.say())
		r.read(r.Comparison.sayTargets())
	}
	r.read(r.sayCapacity())
	r.read(r.sayDoubts())
}

func (r *Report) read(sentence string) {
	if sentence != "" {
		r.Reading = append(r.Reading, sentence)
	}
}

// sayMissed gives the values behind a warning or a failure.
func (r *Report) sayMissed() string {
	var missed []string
	for _, o := range r.Objectives {
		if !o.Judged || !o.Value.Known() || len(o.By) > 0 {
			continue
		}
		switch o.Verdict {
		case slo.Fail:
			missed = append(missed, fmt.Sprintf("%s is %s (must be %s)", o.Title, valueText(o), bound(o.Must)))
		case slo.Warn:
			missed = append(missed, fmt.Sprintf("%s is %s (should be %s)", o.Title, valueText(o), bound(o.Should)))
		case slo.Pass, slo.Inconclusive:
		}
	}
	if len(missed) == 0 {
		return ""
	}
	return enumerate(missed) + "."
}

// sayHeldBack names the findings that matter most, or says that none explains what was missed.
func (r *Report) sayHeldBack() string {
	var worst []string
	for _, f := range r.Findings {
		if f.Severity == r.Findings[0].Severity && f.Severity != "LOW" {
			worst = append(worst, f.Title()+" ("+f.Symptom+")")
		}
	}
	switch {
	case len(worst) > 0:
		return "What held it back: " + enumerate(worst) + "."
	case r.Undetermined != "":
		return "What held it back is not known: " + r.Undetermined + "."
	}
	return ""
}

// sayCapacity says how much load the service carries, where that is known.
func (r *Report) sayCapacity() string {
	if r.Capacity == nil || r.Capacity.Carries == nil || r.Capacity.Carries.Reason != "" {
		return ""
	}
	return "It carries " + r.Capacity.Carries.text() + "."
}

// sayDoubts names the data checks that warn.
func (r *Report) sayDoubts() string {
	var doubts []string
	for _, c := range r.Checks {
		if c.Verdict == slo.Warn {
			doubts = append(doubts, c.Title)
		}
	}
	if len(doubts) == 0 {
		return ""
	}
	return "Data checks that warn: " + strings.Join(doubts, ", ") + "."
}

// say tells what became of the baseline.
func (c Comparison) say() string {
	if !c.Comparable {
		var changes []string
		for _, d := range c.Deltas {
			if d.Change.Known() {
				changes = append(changes, d.Title+" "+change(d.Change))
			}
		}
		if len(changes) == 0 {
			return fmt.Sprintf("Against %s no verdict can be given: %s.", c.Baseline, c.Reason)
		}
		return fmt.Sprintf("Against %s (%s): %s.", c.Baseline, c.Reason, strings.Join(Few(changes), ", "))
	}
	by := map[compare.Verdict][]string{}
	for _, d := range c.Deltas {
		if d.TargetJudged {
			by[d.Verdict] = append(by[d.Verdict], d.Title+" "+change(d.Change))
		}
	}
	text := fmt.Sprintf("Against %s (%d runs, %d here) it is %s", c.Baseline, len(c.BaselineRuns), len(c.CandidateRuns), c.Verdict)
	if listed := by[c.Verdict]; len(listed) > 0 && (c.Verdict == compare.Regressed || c.Verdict == compare.Improved) {
		text += ": " + enumerate(listed)
	}
	return text + "."
}

// sayTargets counts the targets that were missed.
func (c Comparison) sayTargets() string {
	var missed []string
	targets := 0
	for _, d := range c.Deltas {
		if !d.TargetJudged {
			continue
		}
		targets++
		if d.TargetVerdict == slo.Fail {
			missed = append(missed, fmt.Sprintf("%s (%s, target %s)", d.Title, beside(d.Actual, d.Unit, d.Target), bound(d.Target)))
		}
	}
	if len(missed) == 0 {
		return ""
	}
	return fmt.Sprintf("%d of %d targets missed: %s.", len(missed), targets, enumerate(missed))
}

// enumerate lists a few names as a sentence does.
func enumerate(names []string) string {
	names = Few(names)
	if len(names) < 2 {
		return strings.Join(names, "")
	}
	return strings.Join(names[:len(names)-1], ", ") + " and " + names[len(names)-1]
}
