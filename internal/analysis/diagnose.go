package analysis

import (
	"context"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/plumbline/plumbline/pkg/bottleneck"
	"github.com/plumbline/plumbline/pkg/promql"
	"github.com/plumbline/plumbline/pkg/report"
	"github.com/plumbline/plumbline/pkg/run"
	"github.com/plumbline/plumbline/pkg/slo"
)

// Diagnose looks for what held a run back.
func Diagnose(ctx context.Context, m *promql.Meter, r run.Run, a slo.Agreement, scores slo.Scores) (bottleneck.Diagnosis, error) {
	return bottleneck.Detect(ctx, m, examined(r, a, scores))
}

// examined is what the search for bottlenecks needs of a run's scores.
func examined(r run.Run, a slo.Agreement, scores slo.Scores) bottleneck.Scope {
	s := bottleneck.Scope{Run: r, Window: slo.Scored(r), Vars: map[string]string{"run": r.ID}, Requests: requestTimes(a)}
	for name, value := range a.Vars {
		s.Vars[name] = value
	}
	for _, o := range scores.Objectives {
		s.Symptoms = append(s.Symptoms, symptoms(o)...)
		if o.Judged && o.Verdict == slo.Pass {
			s.Held++
		}
	}
	for _, res := range scores.Resources {
		s.Resources = append(s.Resources, bottleneck.Resource{
			ID: res.Resource.ID, Component: res.Resource.Component, Resource: res.Resource.Resource, Unit: res.Resource.Unit,
			Limit: res.Limit, Unlimited: res.Resource.Limit == "", Query: res.Query, Series: res.Series, Failed: failed(res),
		})
	}
	return s
}

// failed says by what a resource missed a bound of its own that must hold; "" when it
// missed none.
func failed(r slo.ResourceResult) string {
	if r.Verdict != slo.Fail {
		return ""
	}
	for _, f := range []struct {
		figure string
		value  float64
		bounds *slo.Bounds
	}{{"peak", r.Peak, r.Resource.Peak}, {"average", r.Average, r.Resource.Average}} {
		if f.bounds == nil || f.bounds.Must == nil {
			continue
		}
		value, unit := f.value, r.Resource.Unit
		if f.bounds.Must.Percentage() && unit != "ratio" {
			value, unit = value/r.Limit, "ratio"
		}
		if !f.bounds.Must.Holds(value) {
			return fmt.Sprintf("%s %s, must be %s", f.figure, inUnit(value, unit), f.bounds.Must.Text)
		}
	}
	return ""
}

// demands puts what the capacity chapter says of resources beside them, so that both
// tell the same of them.
func demands(c *report.Capacity, resources []bottleneck.Resource) {
	for _, d := range c.Demands {
		for i := range resources {
			if resources[i].ID == d.ID && d.PerRequest.Value > 0 {
				resources[i].Demand = bottleneck.Demand{Idle: float64(d.Idle), PerRequest: float64(d.PerRequest.Value)}
			}
		}
	}
}

// requestTimes is the histogram of what requests take at the service: that of the
// first objective on latency that isn't about the client's side, nor about each of
// several dependencies; "" when there is none.
func requestTimes(a slo.Agreement) string {
	for _, o := range a.Objectives {
		of := ""
		switch {
		case o.Quantile != nil:
			of = o.Quantile.Of
		case o.Mean != nil:
			of = o.Mean.Of
		}
		if of != "" && o.Unit == "s" && o.By == "" && !strings.HasPrefix(of, "loadgen_") {
			return of
		}
	}
	return ""
}

// symptoms are the objective if it was missed, else the rows of its label that were.
func symptoms(r slo.Result) (all []bottleneck.Symptom) {
	kind, known := kindOf(r.Objective)
	if !known {
		return nil
	}
	if r.Missed == nil {
		for _, row := range r.By {
			all = append(all, symptoms(row)...)
		}
		return all
	}
	s := bottleneck.Symptom{
		ID: r.Objective.ID, Title: r.Objective.Title, Kind: kind, Fails: r.Verdict == slo.Fail, Limit: math.NaN(),
		Missed: fmt.Sprintf("%s, must be %s", inUnit(r.Value, r.Objective.Unit), r.Missed.Text), Values: r.Intervals,
		Query: r.Query,
	}
	if !s.Fails {
		s.Missed = fmt.Sprintf("%s, should be %s", inUnit(r.Value, r.Objective.Unit), r.Missed.Text)
	}
	if !r.Labels.IsEmpty() {
		s.Title += " (" + seriesName(r.Labels) + ")"
	}
	if kind == bottleneck.Latency {
		s.Limit = r.Missed.Limit()
		if q := r.Objective.Quantile; q != nil {
			s.Quantile = q.Q
		}
	}
	for _, v := range r.Intervals {
		s.Breached = append(s.Breached, !math.IsNaN(v) && !r.Missed.Holds(v))
	}
	return []bottleneck.Symptom{s}
}

// kindOf tells what an objective is about by what it measures; false for one that
// is about the load or a resource, such as the number of users.
func kindOf(o slo.Objective) (bottleneck.Kind, bool) {
	switch {
	case o.Unit == "s":
		return bottleneck.Latency, true
	case o.Ratio != nil, o.Count != nil && o.Worse == "higher", o.Unit == "ratio":
		return bottleneck.Errors, true
	case o.Rate != nil, o.Count != nil, o.Unit == "req/s":
		return bottleneck.Throughput, true
	}
	return 0, false
}

// inUnit writes a value as the bounds of an SLA do.
func inUnit(v float64, unit string) string {
	switch {
	case unit == "s" && v < 1:
		return fmt.Sprintf("%.3g ms", 1000*v)
	case unit == "s":
		return time.Duration(v * float64(time.Second)).Round(10 * time.Millisecond).String()
	case unit == "ratio":
		return fmt.Sprintf("%.3g %%", 100*v)
	case unit == "":
		return strconv.FormatFloat(math.Round(v), 'f', -1, 64)
	}
	return fmt.Sprintf("%.4g %s", v, unit)
}

// probePages is where the pages of the probes can be read.
const probePages = "https://github.com/plumbline/plumbline/blob/main/docs/probes/"

// diagnose puts into the report what held the run back, and what to do about it.
func (x *analyzed) diagnose(ctx context.Context, r *report.Report) error {
	scope := examined(x.run, x.agreement, x.scores)
	demands(r.Capacity, scope.Resources)
	d, err := bottleneck.Detect(ctx, x.meter, scope)
	if err != nil {
		return err
	}
	r.Undetermined, r.Unexamined = d.Undetermined, d.Gaps
	for _, f := range d.Findings {
		r.Findings = append(r.Findings, x.finding(f))
	}
	for _, i := range d.Improvements {
		r.Improvements = append(r.Improvements, report.Improvement{
			Horizon: string(i.Horizon), Action: i.Action, Estimate: i.Estimate, Formula: i.Formula, Finding: i.Finding,
		})
	}
	return nil
}

func (x *analyzed) finding(f bottleneck.Finding) report.Finding {
	out := report.Finding{
		ID: f.ID, Severity: f.Severity.String(), Component: f.Component, Resource: f.Resource, Symptom: f.Symptom,
		RootCause: f.RootCause, Impact: f.Impact, Recommendations: f.Recommendations, Page: probePages + f.Probe + ".md",
	}
	for _, e := range f.Evidence {
		out.Evidence = append(out.Evidence, report.Evidence{
			Text: e.Shows, Query: e.Query, Link: x.link(e.Query), Threshold: e.Threshold,
			Peak: report.Number(e.Peak), Onset: e.Onset, Overlap: report.Number(e.Overlap),
		})
	}
	if out.Recommendations == nil {
		out.Recommendations = []string{}
	}
	if out.Evidence == nil {
		out.Evidence = []report.Evidence{}
	}
	return out
}
