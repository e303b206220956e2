package analysis

import (
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/plumbline/plumbline/pkg/compare"
	"github.com/plumbline/plumbline/pkg/report"
	"github.com/plumbline/plumbline/pkg/run"
	"github.com/plumbline/plumbline/pkg/slo"
)

// checks tell whether the data can be trusted. They inform; only coverage and
// the generator's validity change a verdict, and that where it is made.
func (x *analyzed) checks(requests []report.Request) []report.Check {
	return []report.Check{x.checkState(), x.checkCoverage(), x.checkGenerator(), x.checkQuantiles(), x.checkLittle(requests), x.checkSides(requests)}
}

func (x *analyzed) checkState() report.Check {
	c := report.Check{ID: "state", Title: "Run", Verdict: slo.Pass, Detail: "ran to its end"}
	switch x.run.State {
	case run.Aborted:
		c.Verdict, c.Detail = slo.Fail, "aborted: "+x.run.Reason+"; what was measured up to then is reported, and the run is never a pass"
	case run.Running:
		c.Verdict, c.Detail = slo.Inconclusive, "still under way; what was measured so far is reported, and is never a pass"
	case run.Complete:
	}
	return c
}

func (x *analyzed) checkCoverage() report.Check {
	least, where := 1.0, ""
	for _, r := range x.scores.Objectives {
		if r.Coverage < least {
			least, where = r.Coverage, r.Objective.ID
		}
	}
	c := report.Check{ID: "coverage", Title: "Coverage", Verdict: slo.Pass, Detail: "no gap of more than two scrapes in any target"}
	if least < 1 {
		c.Verdict, c.Detail = slo.Warn, fmt.Sprintf("scrapes cover %.0f %% of the window at the least (%s)", 100*least, where)
	}
	if least < .9 {
		c.Verdict = slo.Fail
	}
	return c
}

func (x *analyzed) checkGenerator() report.Check {
	c := report.Check{ID: "generator", Title: "Load generator", Verdict: slo.Pass, Detail: "kept up"}
	for _, s := range x.run.Generators.Segments {
		c.Detail = fmt.Sprintf("kept up; it used %.0f %% of its cores", 100*s.CPU)
	}
	if problems := x.run.Generators.Problems(); len(problems) > 0 {
		c.Verdict, c.Detail = slo.Fail, strings.Join(problems, "; ")
	}
	return c
}

// checkQuantiles finds quantiles that decrease, which can't be.
func (x *analyzed) checkQuantiles() report.Check {
	c := report.Check{ID: "monotone-quantiles", Title: "Quantiles", Verdict: slo.Pass, Detail: "none is below a lower one"}
	for _, a := range x.scores.Objectives {
		for _, b := range x.scores.Objectives {
			qa, qb := a.Objective.Quantile, b.Objective.Quantile
			if qa != nil && qb != nil && qa.Of == qb.Of && qa.Q < qb.Q && a.Value > b.Value {
				c.Verdict = slo.Fail
				c.Detail = fmt.Sprintf("%s (%.4g s) is above %s (%.4g s), which can't be", a.Objective.Title, a.Value, b.Objective.Title, b.Value)
			}
		}
	}
	return c
}

// littleTolerance is how far users and their requests may be apart.
const littleTolerance = .10

// checkLittle holds users against requests: N = X·(R + Z/n), for a closed model.
func (x *analyzed) checkLittle(requests []report.Request) report.Check {
	c := report.Check{ID: "littles-law", Title: "Little's law", Verdict: slo.Inconclusive, Detail: "needs a closed model and the generator's own series"}
	if !x.run.Load.Closed() || len(requests) == 0 || x.run.Load.Users == 0 {
		return c
	}
	all := requests[len(requests)-1]
	perRequest := float64(all.ResponseTime.Mean) + x.run.Load.ThinkSeconds/max(x.run.Load.Iteration, 1)
	userSeconds := x.userSeconds()
	implied := float64(all.Requests) * perRequest / x.run.Window.Duration().Seconds()
	present := userSeconds / x.run.Window.Duration().Seconds()
	off := math.Abs(implied/present - 1)
	c.Verdict = slo.Pass
	c.Detail = fmt.Sprintf("%.0f users on average, and %d requests with their answers and think times account for %.0f", present, all.Requests, implied)
	if !(off <= littleTolerance) {
		c.Verdict = slo.Warn
		c.Detail += ": think time, user count or response time is not what it seems"
	}
	return c
}

// userSeconds adds up the users over the stages.
func (x *analyzed) userSeconds() (sum float64) {
	for _, s := range x.run.Stages {
		sum += (s.From + s.To) / 2 * s.Intersect(x.run.Window).Duration().Seconds()
	}
	return sum
}

// checkSides holds the server's count of requests against the client's.
func (x *analyzed) checkSides(requests []report.Request) report.Check {
	c := report.Check{ID: "client-server", Title: "Client and server", Verdict: slo.Inconclusive, Detail: "needs the count of requests on both sides"}
	server := math.NaN()
	for _, r := range x.scores.Objectives {
		if r.Objective.ID == "total-requests" {
			server = r.Value
		}
	}
	if len(requests) == 0 || math.IsNaN(server) {
		return c
	}
	client := requests[len(requests)-1].Requests
	c.Verdict, c.Detail = slo.Pass, fmt.Sprintf("both counted %d requests", client)
	if int64(math.Round(server)) != client {
		c.Verdict, c.Detail = slo.Warn, fmt.Sprintf("the server counted %.0f requests, the client %d: other traffic, or answers that were lost", server, client)
	}
	return c
}

// say puts the verdict into a sentence, and what matters into a few more.
func say(r report.Report) (headline string, reading []string) {
	by := map[slo.Verdict][]string{}
	for _, o := range r.Objectives {
		if o.Judged {
			by[o.Verdict] = append(by[o.Verdict], o.Title)
		}
	}
	for _, res := range r.Resources {
		if res.Judged {
			by[res.Verdict] = append(by[res.Verdict], res.Component+" "+res.Resource)
		}
	}
	judged := len(by[slo.Pass]) + len(by[slo.Warn]) + len(by[slo.Fail]) + len(by[slo.Inconclusive])
	switch {
	case judged == 0:
		headline = "Nothing was judged: the SLA has no bounds for this run."
	case r.Verdict == slo.Pass:
		headline = fmt.Sprintf("Every SLA bound holds (%d of %d).", len(by[slo.Pass]), judged)
	case r.Verdict == slo.Warn:
		headline = fmt.Sprintf("Every bound that must hold does; %s should be watched.", enumerate(by[slo.Warn]))
	case r.Verdict == slo.Fail:
		headline = fmt.Sprintf("The SLA was missed: %s.", enumerate(by[slo.Fail]))
	case r.Run.State == run.Aborted:
		headline = "The run was aborted: " + r.Run.Reason + "."
	case r.Run.State == run.Running:
		headline = fmt.Sprintf("The run is still under way; it began %s ago.", r.Run.Window.Duration().Round(time.Second))
	default:
		headline = fmt.Sprintf("It can't be told whether the SLA was met: %s.", enumerate(by[slo.Inconclusive]))
	}
	for _, c := range r.Checks {
		if c.Verdict == slo.Fail {
			reading = append(reading, c.Title+": "+c.Detail+".")
		}
	}
	if c := r.Comparison; c != nil {
		reading = append(reading, sayComparison(*c))
	}
	return headline, reading
}

func sayComparison(c report.Comparison) string {
	if !c.Comparable {
		return fmt.Sprintf("Against %s no verdict can be given: %s.", c.Baseline, c.Reason)
	}
	by := map[compare.Verdict][]string{}
	for _, d := range c.Deltas {
		if d.TargetJudged {
			by[d.Verdict] = append(by[d.Verdict], fmt.Sprintf("%s %s %%", d.Title, signed(100*float64(d.Change))))
		}
	}
	text := fmt.Sprintf("Against %s (%d runs, %d here) it is %s", c.Baseline, len(c.BaselineRuns), len(c.CandidateRuns), c.Verdict)
	if listed := by[c.Verdict]; len(listed) > 0 && (c.Verdict == compare.Regressed || c.Verdict == compare.Improved) {
		text += ": " + enumerate(listed)
	}
	return text + "."
}

// enumerate lists a few names as a sentence does.
func enumerate(names []string) string {
	const most = 4
	if len(names) > most {
		return strings.Join(names[:most], ", ") + fmt.Sprintf(" and %d more", len(names)-most)
	}
	if len(names) < 2 {
		return strings.Join(names, "")
	}
	return strings.Join(names[:len(names)-1], ", ") + " and " + names[len(names)-1]
}

// signed writes a whole number with its sign, as the tables do.
func signed(v float64) string {
	return strings.Replace(fmt.Sprintf("%+.0f", v), "-", "−", 1)
}
