package analysis

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/plumbline/plumbline/pkg/report"
	"github.com/plumbline/plumbline/pkg/run"
	"github.com/plumbline/plumbline/pkg/slo"
	"github.com/plumbline/plumbline/pkg/stats"
)

// A check asks whether the data can be trusted. One that does not apply to the
// run gives nothing.
type check struct {
	id, title string
	ask       func(*evidence, context.Context) (outcome, error)
}

// An outcome is what a check found; its zero value leaves the check out.
type outcome struct {
	verdict slo.Verdict
	detail  string
}

// evidence is what the checks look at.
type evidence struct {
	*analyzed
	requests    []report.Request
	percentiles []report.Percentile
}

// checkList is all data checks in their order. They inform; only coverage and the
// generator's validity change a verdict, and that where it is made.
var checkList = []check{
	{"state", "Run", (*evidence).state},
	{"steady", "Steady window", (*evidence).steadyState},
	{"coverage", "Coverage", (*evidence).coverage},
	{"resets", "Resets and restarts", (*evidence).restarts},
	{"one-series", "One series each", (*evidence).oneSeries},
	{"generator", "Load generator", (*evidence).generator},
	{"monotone-quantiles", "Quantiles", (*evidence).quantiles},
	{"littles-law", "Little's law", (*evidence).little},
	{"client-server", "Client and server", (*evidence).sides},
	{"client-server-latency", "Client and server times", (*evidence).sidesTimes},
	{"other-traffic", "Other traffic", (*evidence).otherTraffic},
	{"clock", "Clocks", (*evidence).clocks},
	{"limits", "Limits", (*evidence).limits},
	{"pool-limits", "Connection limits", (*evidence).pools},
	{"levels", "Averages", (*evidence).levels},
	{"dependency-share", "LLM calls", (*evidence).dependencies},
	{"prometheus", "Prometheus", (*evidence).prometheus},
}

func (x *analyzed) checks(ctx context.Context, requests []report.Request, percentiles []report.Percentile) ([]report.Check, error) {
	e := &evidence{x, requests, percentiles}
	checks := []report.Check{}
	for _, c := range checkList {
		f, err := c.ask(e, ctx)
		if err != nil {
			return nil, fmt.Errorf("check %s: %w", c.id, err)
		}
		if f.detail != "" {
			checks = append(checks, report.Check{ID: c.id, Title: c.title, Verdict: f.verdict, Detail: f.detail})
		}
	}
	return checks, nil
}

func (e *evidence) state(context.Context) (outcome, error) {
	switch e.run.State {
	case run.Aborted:
		return outcome{slo.Fail, "aborted: " + e.run.Reason + "; what was measured up to then is reported, and the run is never a pass"}, nil
	case run.Running:
		return outcome{slo.Inconclusive, "still under way; what was measured so far is reported, and is never a pass"}, nil
	case run.Complete:
	}
	return outcome{slo.Pass, "ran to its end"}, nil
}

func (e *evidence) steadyState(context.Context) (outcome, error) {
	f := outcome{slo.Pass, e.steady.Note()}
	switch {
	case e.steady.Window.IsZero() || !e.steady.Known || e.steady.Idle:
		f.verdict = slo.Inconclusive
	case !e.steady.Steady():
		f.verdict = slo.Warn
	}
	return f, nil
}

// coverage names the targets whose scrapes leave gaps.
func (e *evidence) coverage(context.Context) (outcome, error) {
	var gaps []string
	least := 1.0
	for _, t := range e.scores.Targets {
		if len(t.Gaps) == 0 {
			continue
		}
		least = min(least, t.Ratio)
		gaps = append(gaps, fmt.Sprintf("%s covers %.0f %%, with a gap of %s at %s", t.Labels, 100*t.Ratio,
			t.Gaps[0].Duration().Round(time.Second), t.Gaps[0].Start.UTC().Format("15:04:05")))
	}
	switch {
	case len(e.scores.Targets) == 0:
		return outcome{slo.Fail, "no target was scraped in the window"}, nil
	case len(gaps) == 0:
		return outcome{slo.Pass, fmt.Sprintf("no gap of more than two scrapes in any of %d targets", len(e.scores.Targets))}, nil
	case least < .9:
		return outcome{slo.Fail, enumerate(gaps) + e.otherInterval()}, nil
	}
	return outcome{slo.Warn, enumerate(gaps)}, nil
}

// otherInterval says that the scrape interval is another one than the run has it,
// where the gaps of a target are all alike: those of an outage are not.
func (e *evidence) otherInterval() string {
	const enough, alike = 4, 1.1
	for _, t := range e.scores.Targets {
		if len(t.Gaps) < enough {
			continue
		}
		var lengths []float64
		for _, g := range t.Gaps[1 : len(t.Gaps)-1] { // the window may cut the first and the last
			lengths = append(lengths, g.Duration().Seconds())
		}
		if slices.Max(lengths) < alike*slices.Min(lengths) {
			return fmt.Sprintf("; its scrapes are %s apart, and the run was recorded with an interval of %s: name the true one with --scrape-interval",
				quantity(math.Round(stats.Median(lengths)), "s"), e.meter.Scrape())
		}
	}
	return ""
}

// oneSeries finds expressions that gave several series where one is scored.
func (e *evidence) oneSeries(context.Context) (outcome, error) {
	var wrong []string
	for _, r := range e.scores.Objectives {
		if r.Several > 0 {
			wrong = append(wrong, fmt.Sprintf("%s has %d series", r.Objective.ID, r.Several))
		}
	}
	if len(wrong) == 0 {
		return outcome{slo.Pass, "every objective is scored on one series"}, nil
	}
	return outcome{slo.Fail, enumerate(wrong) + " where one is scored: aggregate the expression"}, nil
}

func (e *evidence) generator(context.Context) (outcome, error) {
	if problems := e.run.Generators.Problems(); len(problems) > 0 {
		return outcome{slo.Fail, strings.Join(problems, "; ")}, nil
	}
	if len(e.run.Generators.Segments) == 0 && e.run.State == run.Running {
		return outcome{slo.Inconclusive, "whether it keeps up, it tells at the end"}, nil
	}
	f := outcome{slo.Pass, "kept up"}
	for _, s := range e.run.Generators.Segments {
		f.detail = fmt.Sprintf("kept up; it used %.0f %% of its cores", 100*s.CPU)
	}
	return f, nil
}

// quantiles finds quantiles that decrease, which can't be.
func (e *evidence) quantiles(context.Context) (outcome, error) {
	var wrong []string
	for _, side := range []struct {
		name string
		of   func(report.Percentile) report.Number
	}{{"server", func(p report.Percentile) report.Number { return p.Server }}, {"client", func(p report.Percentile) report.Number { return p.Client }}} {
		for i := 1; i < len(e.percentiles); i++ {
			low, high := side.of(e.percentiles[i-1]), side.of(e.percentiles[i])
			if low > high {
				wrong = append(wrong, fmt.Sprintf("%s: %g %% (%.4g s) is above %g %% (%.4g s)", side.name, 100*e.percentiles[i-1].Q, low, 100*e.percentiles[i].Q, high))
			}
		}
	}
	for _, a := range e.scores.Objectives {
		for _, b := range e.scores.Objectives {
			qa, qb := a.Objective.Quantile, b.Objective.Quantile
			if qa != nil && qb != nil && qa.Of == qb.Of && qa.Q < qb.Q && a.Value > b.Value {
				wrong = append(wrong, fmt.Sprintf("%s (%.4g s) is above %s (%.4g s)", a.Objective.Title, a.Value, b.Objective.Title, b.Value))
			}
		}
	}
	if len(wrong) > 0 {
		return outcome{slo.Fail, enumerate(wrong) + ", which can't be"}, nil
	}
	return outcome{slo.Pass, fmt.Sprintf("none of %d is below a lower one, on either side", len(e.percentiles))}, nil
}

// littleTolerance is how far users and their requests may be apart.
const littleTolerance = .10

// little holds users against requests: X = N/(R + Z/n), for a closed model, over
// the scored window.
func (e *evidence) little(context.Context) (outcome, error) {
	if !e.run.Load.Closed() || len(e.requests) == 0 || e.run.Load.Users == 0 {
		return outcome{slo.Inconclusive, "needs a closed model and the generator's own series"}, nil
	}
	w := slo.Scored(e.run)
	all := e.requests[len(e.requests)-1]
	perRequest := float64(all.ResponseTime.Mean) + e.run.Load.ThinkPerRequest(float64(all.ResponseTime.Mean))
	users := e.userSeconds(w) / w.Duration().Seconds()
	could := users / perRequest
	measured := e.clientRate(w)
	if math.IsNaN(measured) || math.IsNaN(could) {
		return outcome{slo.Inconclusive, "the generator's series don't tell how many requests were sent"}, nil
	}
	f := outcome{slo.Pass, fmt.Sprintf("%s users who wait %s for a request and think %s can send %s, and %s were sent",
		quantity(math.Round(users), ""), quantity(float64(all.ResponseTime.Mean), "s"), quantity(perRequest-float64(all.ResponseTime.Mean), "s"), quantity(math.Round(could), "req/s"), quantity(math.Round(measured), ""))}
	if !(math.Abs(measured/could-1) <= littleTolerance) {
		f.verdict = slo.Warn
		f.detail += ": think time, user count or response time is not what was declared"
	}
	return f, nil
}

// userSeconds adds up the users over the stages in a window.
func (x *analyzed) userSeconds(w run.Window) (sum float64) {
	for _, s := range x.run.Stages {
		part := s.Intersect(w)
		if part.IsZero() {
			continue
		}
		at := func(t time.Time) float64 {
			return s.From + (s.To-s.From)*t.Sub(s.Start).Seconds()/s.Duration().Seconds()
		}
		sum += (at(part.Start) + at(part.End)) / 2 * part.Duration().Seconds()
	}
	return sum
}
