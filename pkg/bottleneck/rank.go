package bottleneck

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/plumbline/plumbline/pkg/stats"
)

// leastOverlap is the share of an objective's missed intervals that a finding must
// cover to be its cause.
const leastOverlap = .5

// overlap is the share of a symptom's missed intervals that are covered. A symptom
// whose intervals can't be told, or that misses only as a whole, is covered by the
// share of the window.
func (e *exam) overlap(covers []bool, s Symptom) float64 {
	both, missed := 0.0, 0.0
	for i := e.from; i < e.to && i < len(covers); i++ {
		if s.Breached != nil && s.Breached[i] {
			missed++
			if covers[i] {
				both++
			}
		}
	}
	if missed == 0 {
		return e.timeAbove(covers)
	}
	return both / missed
}

// concerns tells whether a finding can be the cause of a symptom: errors don't
// make answers slow, nor slow answers errors, and what is kept makes nothing wait,
// however full it is. A dependency makes a quantile miss
// its bound where its slow calls alone are enough for that, or where without the
// requests that call it too few slow ones would be left.
func (e *exam) concerns(f Finding, s Symptom) bool {
	switch f.class {
	case stock:
		return false
	case ownErrors:
		return s.Kind == Errors
	case dependency:
		enough := 1 - s.Quantile // of the requests beyond the limit
		return s.Kind != Errors && (s.Quantile == 0 || f.slows(s.Limit) > enough || !(e.beyond(s.Limit)-f.reach > enough))
	}
	return true
}

// beyond is the share of the scored window's requests that took longer; NaN when not known.
func (e *exam) beyond(limit float64) float64 {
	below, _ := e.times.FractionBelow(limit)
	return 1 - below
}

// judge sets a finding's severity, and says what it had to do with what was missed.
func (e *exam) judge(f Finding) Finding {
	most, of := math.NaN(), Symptom{}
	for _, s := range e.Symptoms {
		if !e.concerns(f, s) {
			continue
		}
		o := e.overlap(f.covers, s)
		if o >= leastOverlap {
			f.Severity = max(f.Severity, map[bool]Severity{true: High, false: Medium}[s.Fails])
		}
		if !(o <= most) || s.Fails && !of.Fails && o >= leastOverlap {
			most, of = o, s
		}
	}
	switch {
	case f.Impact != "":
	case len(e.Symptoms) == 0 && e.Held == 0:
		f.Impact = "not known: no objective was judged"
	case len(e.Symptoms) == 0:
		f.Impact = "none on the objectives: all bounds that were judged held"
	case !(most >= leastOverlap):
		f.Impact = "minor: it does not go with the times at which bounds were missed"
	default:
		f.Impact = fmt.Sprintf("it covers %s of the time in which %s (%s) missed its bound", percent(most), of.Title, of.Missed)
	}
	if f.failed != "" {
		f.Severity, f.Impact = High, fmt.Sprintf("the bound on it failed (%s); %s", f.failed, f.Impact)
	}
	for i := range f.Evidence {
		f.Evidence[i].Overlap = most
	}
	return f
}

// evidence puts a query together with what it showed.
func (e *exam) evidence(query string, values []float64, covers []bool, shows, threshold string) Evidence {
	return Evidence{Query: query, Shows: shows, Threshold: threshold, Onset: e.onset(covers), Peak: e.peak(values), Overlap: math.NaN()}
}

// lasting is for how many intervals in a row trouble must last to have begun.
const lasting = 3

// onset is when the first stretch of intervals that are set began; zero when there is none.
func (e *exam) onset(set []bool) time.Time {
	if i := e.onsetAt(set); i >= 0 {
		return e.grid.End(i - 1)
	}
	return time.Time{}
}

func (e *exam) onsetAt(set []bool) int {
	for i := e.from; i+lasting <= e.to && i+lasting <= len(set); i++ {
		if !slices.Contains(set[i:i+lasting], false) {
			return i
		}
	}
	return slices.Index(set[:min(e.to, len(set))], true)
}

// latest is how many intervals after the symptom a cause may show.
const latest = 5

// late tells whether a finding began too long after what was missed to be its cause.
func (e *exam) late(f Finding) bool {
	for _, s := range e.Symptoms {
		if began, missed := e.onsetAt(f.covers), e.onsetAt(s.Breached); e.concerns(f, s) && missed >= 0 && began > missed+latest {
			return true
		}
	}
	return false
}

// weight is a finding's strength, raised by how closely it moves with what was
// missed beyond what the load explains of both (partial rank correlation).
func (e *exam) weight(f Finding) float64 {
	most := 0.0
	for _, s := range e.Symptoms {
		if f.values != nil && s.Values != nil && e.requests != nil {
			if rho := stats.PartialRankCorrelation(f.values[e.from:e.to], s.Values[e.from:e.to], e.requests[e.from:e.to]); rho > most {
				most = rho
			}
		}
	}
	return f.strength * (1 + most)
}

// rank puts the most important finding first: by severity, by the kind of its
// evidence, what came before what was missed, and its weight.
func (e *exam) rank(found []Finding) []Finding {
	slices.SortStableFunc(found, func(a, b Finding) int {
		return cmp.Or(
			cmp.Compare(b.Severity, a.Severity),
			cmp.Compare(a.class, b.class),
			cmp.Compare(number(e.late(a)), number(e.late(b))),
			cmp.Compare(e.weight(b), e.weight(a)),
		)
	})
	return causesFirst(found)
}

// causesFirst puts a finding that explains another one before it, and makes it as
// severe: what uses a resource up matters as much as that it is used up.
func causesFirst(found []Finding) []Finding {
	for i := 0; i < len(found); i++ {
		first := slices.IndexFunc(found[:i], func(f Finding) bool { return slices.Contains(found[i].causes, f.ID) })
		if first >= 0 {
			cause := found[i]
			if effect := found[first]; effect.Severity > cause.Severity {
				cause.Severity, cause.Impact = effect.Severity, effect.Impact
			}
			found = slices.Insert(slices.Delete(found, i, i+1), first, cause)
		}
	}
	return found
}

func number(b bool) int {
	if b {
		return 1
	}
	return 0
}
