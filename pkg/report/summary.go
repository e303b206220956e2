package report

import (
	"fmt"
	"slices"
	"sort"
	"strings"

	"github.com/plumbline/plumbline/pkg/run"
)

const (
	dayAndTime = "2 Jan 2006 15:04:05"
	timeOfDay  = "15:04:05"
)

// summary is the guide's Test Run Summary.
func summary(r Report) section {
	t := pairsTable("", append(summaryPairs(r.Run), steadyPair(r)...))
	if r.Dashboard != "" {
		t.Rows = append(t.Rows, row{Cells: []cell{text("Dashboard"), link(r.Dashboard)}})
	}
	return section{Tables: []table{t}}
}

func summaryPairs(r run.Run) []Pair {
	pairs := []Pair{
		{"Test ID", r.ID},
		{"Date", windowText(r.Window)},
		{"Duration", durationText(r)},
		{"Scenario", r.Scenario},
		{"Profile", r.Profile},
		{"Service", r.Service},
		{"State", stateText(r)},
		{"Problems of the load", strings.Join(r.Generators.Problems(), "; ")},
	}
	if r.Repeat != nil {
		pairs = append(pairs, Pair{"Repetition", fmt.Sprintf("%d of %d (%s)", r.Repeat.N, r.Repeat.Of, r.Repeat.Group)})
	}
	return pairs
}

// steadyPair says how the scored window was found.
func steadyPair(r Report) []Pair {
	if r.Steady == nil {
		return nil
	}
	return []Pair{{"Scored window", r.Steady.Note}}
}

// environment is the guide's Configuration, and where the service ran.
func environment(r Report) section {
	return section{Tables: []table{
		pairsTable("Configuration", configurationPairs(r.Run)),
		pairsTable("Environment", sortedPairs(r.Run.Environment)),
		pairsTable("Labels", sortedPairs(r.Run.Labels)),
	}}
}

func configurationPairs(r run.Run) []Pair {
	pairs := []Pair{{"Target", r.Target}, {"Load model", loadModelText(r.Load)}}
	for _, p := range []struct {
		name  string
		value float64
		unit  string
	}{
		{"Users", float64(r.Load.Users), ""},
		{"Arrival rate", r.Load.ArrivalRate, "iterations/s"},
		{"Spawn rate", r.Load.SpawnRate, "users/s"},
		{"Mean think time", r.Load.ThinkSeconds, "s"},
	} {
		if p.value != 0 {
			pairs = append(pairs, Pair{p.name, quantity(Number(p.value), p.unit)})
		}
	}
	if r.Seed != nil {
		pairs = append(pairs, Pair{"Seed", fmt.Sprint(*r.Seed)})
	}
	return append(pairs, Pair{"Series from", sourceText(r.Source)})
}

// loadModelText says what a response time means; "" when it isn't known who sent the load.
func loadModelText(l run.Load) string {
	switch {
	case l.ArrivalRate > 0:
		return "open: arrivals come whatever the answers do, and response time counts from when they were due"
	case l.Users > 0:
		return "closed: the server sets the pace, since users send nothing while they wait"
	}
	return ""
}

func pairsTable(title string, pairs []Pair) table {
	t := table{Title: title, Columns: left("", "")}
	for _, p := range pairs {
		if p.Value != "" {
			t.Rows = append(t.Rows, row{Cells: []cell{text(p.Name), text(p.Value)}})
		}
	}
	return t
}

func sortedPairs(values map[string]string) []Pair {
	var pairs []Pair
	for name, value := range values {
		pairs = append(pairs, Pair{name, value})
	}
	slices.SortFunc(pairs, func(a, b Pair) int { return strings.Compare(a.Name, b.Name) })
	return pairs
}

func windowText(w run.Window) string {
	if w.IsZero() {
		return ""
	}
	start, end := w.Start.UTC(), w.End.UTC()
	if start.YearDay() == end.YearDay() && start.Year() == end.Year() {
		return start.Format(dayAndTime) + "–" + end.Format(timeOfDay) + " UTC"
	}
	return start.Format(dayAndTime) + " – " + end.Format(dayAndTime) + " UTC"
}

func durationText(r run.Run) string {
	if r.Window.IsZero() {
		return ""
	}
	if r.Steady.IsZero() {
		return duration(r.Window.Duration())
	}
	return fmt.Sprintf("%s, of which %s are scored (%s–%s)", duration(r.Window.Duration()), duration(r.Steady.Duration()),
		r.Steady.Start.UTC().Format(timeOfDay), r.Steady.End.UTC().Format(timeOfDay))
}

func stateText(r run.Run) string {
	if r.Reason == "" {
		return string(r.State)
	}
	return string(r.State) + ": " + r.Reason
}

func sourceText(s run.Source) string {
	from := "its own recording"
	if !s.Recording {
		if s.Prometheus == "" {
			return ""
		}
		from = s.Prometheus
	}
	if s.ScrapeSeconds > 0 {
		from += ", scraped every " + quantity(Number(s.ScrapeSeconds), "s")
	}
	return from
}

// subtitle is the line under the name of the run.
func subtitle(r run.Run) string {
	var parts []string
	for _, p := range []string{r.Scenario, r.Profile, windowText(r.Window), steadyText(r)} {
		if p != "" {
			parts = append(parts, p)
		}
	}
	return strings.Join(parts, " · ")
}

func steadyText(r run.Run) string {
	if r.Steady.IsZero() {
		return ""
	}
	return "scored " + r.Steady.Start.UTC().Format(timeOfDay) + "–" + r.Steady.End.UTC().Format(timeOfDay)
}

// serviceText names the service with its version.
func serviceText(r run.Run) string {
	if v := r.Labels["version"]; v != "" {
		return strings.TrimSpace(r.Service + " " + v)
	}
	return r.Service
}

func labelsText(labels map[string]string) string {
	var parts []string
	for name, value := range labels {
		parts = append(parts, name+"="+value)
	}
	sort.Strings(parts)
	return strings.Join(parts, " ")
}
