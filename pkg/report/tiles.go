package report

import (
	"slices"
	"strings"

	"github.com/plumbline/plumbline/pkg/slo"
)

// A tile is one of the numbers at the top.
type tile struct {
	Title, Value, Target string
	Status               status
}

const tilesShown = 5

// tileIDs are the objectives that a reader wants first; of each line the first
// that the run has.
var tileIDs = [][]string{
	{"sustained-rps", "rps", "client-rps", "total-requests"},
	{"latency-p95", "client-latency-p95"},
	{"latency-p999", "latency-p99", "client-latency-p99"},
	{"error-rate", "client-error-rate"},
	{"uptime", "success-rate", "concurrent-users"},
}

// tiles are five numbers; where the run lacks one, another objective that is judged stands in.
func tiles(r Report) []tile {
	var chosen []string
	choose := func(o *Objective) {
		if o != nil && len(chosen) < tilesShown && !slices.Contains(chosen, o.ID) && o.Value.Known() {
			chosen = append(chosen, o.ID)
		}
	}
	for _, ids := range tileIDs {
		before := len(chosen)
		for _, id := range ids {
			if len(chosen) == before {
				choose(find(r.Objectives, id))
			}
		}
	}
	for _, wantJudged := range []bool{true, false} {
		for i := range r.Objectives {
			if r.Objectives[i].Judged == wantJudged && !strings.HasPrefix(r.Objectives[i].ID, clientPrefix) {
				choose(&r.Objectives[i])
			}
		}
	}
	var shown []tile
	for _, id := range chosen {
		shown = append(shown, tileOf(r, *find(r.Objectives, id)))
	}
	return shown
}

func tileOf(r Report, o Objective) tile {
	t := tile{Title: o.Title, Value: valueText(o), Target: bounds(o.Must, o.Should), Status: objectiveStatus(o)}
	if client := find(r.Objectives, clientPrefix+o.ID); o.Group == "latency" && client != nil && client.Value.Known() {
		t.Title += ", server / client"
		t.Value = pairOf(t.Value, valueText(*client))
		if client.Judged && o.Judged && client.Verdict != o.Verdict && worse(*client, o) {
			t.Status = objectiveStatus(*client)
		}
	}
	if t.Target == noData {
		t.Target = ""
	}
	return t
}

// pairOf writes two quantities; a unit that they share stands once.
func pairOf(a, b string) string {
	number, unit, _ := strings.Cut(a, " ")
	if _, other, _ := strings.Cut(b, " "); other == unit {
		return number + " / " + b
	}
	return a + " / " + b
}

func worse(a, b Objective) bool { return slo.Overall(a.Verdict, b.Verdict) == a.Verdict }
