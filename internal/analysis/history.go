package analysis

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/plumbline/plumbline/internal/store"
	"github.com/plumbline/plumbline/pkg/compare"
	"github.com/plumbline/plumbline/pkg/run"
	"github.com/plumbline/plumbline/pkg/slo"
	"github.com/plumbline/plumbline/pkg/strictyaml"
	"github.com/plumbline/plumbline/pkg/trend"
)

// A HistoryFilter chooses the runs of a history. What is empty is taken from the
// latest run that fits the rest, for only runs of one service, scenario and
// profile, under the same conditions, can be held against each other.
type HistoryFilter struct {
	Service, Scenario, Profile string
	Labels                     map[string]string // that a run must have
	Options                    Options           // SLA, its fallback, and where the series are
}

// A History is the value of an objective over comparable runs.
type History struct {
	trend.History
	Title                      string
	Worse                      string // higher or lower
	Service, Scenario, Profile string
	Warnings                   []string // runs that are left out or have no value, and why
}

// History measures an objective in every comparable run of the store, the
// oldest first. It is defined once, by the SLA that was asked for or else that of
// the latest run, so that all values are of one kind and unit. A run that can't
// be measured has no value, and a warning says why.
func (a *Analyzer) History(ctx context.Context, objective string, f HistoryFilter) (History, error) {
	runs, warnings, err := a.Store.List()
	if err != nil {
		return History{}, err
	}
	runs, left := f.choose(runs)
	if len(runs) == 0 {
		return History{}, fmt.Errorf("objective %s: there is no run%s in the store that can be measured; `analyzer runs list` shows those that there are%s", objective, f.describe(), inParentheses(left))
	}
	latest := runs[len(runs)-1]
	text, name, err := a.agreementText(latest.ID, f.Options)
	if err != nil {
		return History{}, err
	}
	agreement, err := slo.Parse(name, text)
	if err != nil {
		return History{}, err
	}
	one, err := only(agreement, objective, name)
	if err != nil {
		return History{}, err
	}
	h := History{
		History: trend.History{Metric: objective, Unit: one.Objectives[0].Unit},
		Title:   one.Objectives[0].Title, Worse: one.Objectives[0].Worse,
		Service: latest.Service, Scenario: latest.Scenario, Profile: latest.Profile, Warnings: append(warnings, left...),
	}
	return h, a.measureEach(ctx, &h, one, runs, f.Options)
}

// choose leaves the runs that can be held against the latest of those that fit,
// and says how many others were left out.
func (f HistoryFilter) choose(runs []run.Run) (chosen []run.Run, left []string) {
	fits := func(asked, has string) bool { return asked == "" || asked == has }
	for _, r := range runs {
		if fits(f.Service, r.Service) && fits(f.Scenario, r.Scenario) && fits(f.Profile, r.Profile) && store.Summarize(r).HasLabels(f.Labels) {
			chosen = append(chosen, r)
		}
	}
	unfit := len(chosen)
	chosen = slices.DeleteFunc(chosen, func(r run.Run) bool { return r.State != run.Complete || len(r.Generators.Problems()) > 0 })
	if unfit -= len(chosen); unfit > 0 {
		left = append(left, runsLeftOut(unfit)+" not complete, or with a load that can't be trusted")
	}
	if len(chosen) == 0 {
		return nil, left
	}
	latest, others := chosen[len(chosen)-1], len(chosen)
	chosen = slices.DeleteFunc(chosen, func(r run.Run) bool {
		return r.Service != latest.Service || r.Scenario != latest.Scenario || r.Profile != latest.Profile
	})
	if others -= len(chosen); others > 0 {
		left = append(left, runsLeftOut(others)+" of another service, scenario or profile than the latest; choose with --scenario and --profile")
	}
	return likeLatest(chosen, left)
}

// likeLatest leaves the runs of one test that ran under the conditions of the
// latest, and says why the first of the others did not.
func likeLatest(runs []run.Run, left []string) (chosen []run.Run, _ []string) {
	latest, why := runs[len(runs)-1], ""
	for _, r := range runs {
		differences := compare.Differences(r, latest)
		if len(differences) == 0 {
			chosen = append(chosen, r)
		} else if why == "" {
			why = fmt.Sprintf("run %s against %s: %s", r.ID, latest.ID, strings.Join(differences, ", "))
		}
	}
	if others := len(runs) - len(chosen); others > 0 {
		left = append(left, fmt.Sprintf("%s under other conditions than the latest, such as %s", runsLeftOut(others), why))
	}
	return chosen, left
}

func runsLeftOut(n int) string {
	if n == 1 {
		return "1 run left out:"
	}
	return fmt.Sprintf("%d runs left out:", n)
}

// describe says in a sentence's middle which runs were asked for.
func (f HistoryFilter) describe() string {
	var parts []string
	for _, p := range []struct{ name, value string }{{"service", f.Service}, {"scenario", f.Scenario}, {"profile", f.Profile}} {
		if p.value != "" {
			parts = append(parts, p.name+" "+p.value)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(f.Labels)) {
		parts = append(parts, "label "+name+"="+f.Labels[name])
	}
	if len(parts) == 0 {
		return ""
	}
	return " of " + strings.Join(parts, ", ")
}

func inParentheses(notes []string) string {
	if len(notes) == 0 {
		return ""
	}
	return " (" + strings.Join(notes, "; ") + ")"
}

// only is the agreement with nothing but one objective, which is cheap to measure.
func only(a slo.Agreement, objective, file string) (slo.Agreement, error) {
	i := slices.IndexFunc(a.Objectives, func(o slo.Objective) bool { return o.ID == objective })
	if i < 0 {
		var ids []string
		for _, o := range a.Objectives {
			ids = append(ids, o.ID)
		}
		if near := strictyaml.Nearest(objective, ids); near != "" {
			return a, fmt.Errorf("objective %s: %s has none; did you mean %s?", objective, file, near)
		}
		return a, fmt.Errorf("objective %s: %s has none; it has %s", objective, file, strings.Join(ids, ", "))
	}
	if by := a.Objectives[i].By; by != "" {
		return a, fmt.Errorf("objective %s: it has a value for each %s, and a trend follows one; take an objective without by", objective, by)
	}
	a.Objectives, a.Resources = a.Objectives[i:i+1], nil
	return a, nil
}

// measureEach adds a point for each run. When no run could be measured, that is
// the error.
func (a *Analyzer) measureEach(ctx context.Context, h *History, one slo.Agreement, runs []run.Run, opts Options) error {
	var last error
	measured := 0
	silent := map[string]error{} // servers that don't answer; each is asked once
	for _, r := range runs {
		server := cmp.Or(opts.Prometheus, r.Source.Prometheus)
		value, reason, err := math.NaN(), "", silent[server]
		if err == nil {
			value, reason, err = a.measureOne(ctx, one, r, opts)
		}
		if err != nil && server != "" {
			silent[server] = err
		}
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			last = fmt.Errorf("run %s: %w", r.ID, err)
			h.Warnings = append(h.Warnings, last.Error())
		default:
			measured++
			if reason != "" && math.IsNaN(value) {
				h.Warnings = append(h.Warnings, fmt.Sprintf("run %s has no value: %s", r.ID, reason))
			}
		}
		h.Points = append(h.Points, trend.Point{Run: r.ID, Time: r.Window.Start, Value: value, Labels: r.Labels})
	}
	if measured == 0 {
		return last
	}
	return nil
}

// measureOne gives the value of an agreement's one objective in a run, as it was
// kept, or measured now; NaN with the reason when there is none.
func (a *Analyzer) measureOne(ctx context.Context, one slo.Agreement, r run.Run, opts Options) (value float64, reason string, err error) {
	if kept, whole, err := a.keptOf(ctx, r, one); err == nil && whole && len(kept) == 1 && !math.IsNaN(kept[0].Value) {
		return kept[0].Value, "", nil
	}
	x := &analyzed{run: r, agreement: one}
	if err := a.measure(ctx, x, opts); err != nil {
		return math.NaN(), "", err
	}
	if len(x.scores.Objectives) == 0 {
		return math.NaN(), "the objective doesn't hold for its scenario and profile", nil
	}
	return x.scores.Objectives[0].Value, x.scores.Objectives[0].Reason, nil
}
