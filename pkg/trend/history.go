package trend

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/plumbline/plumbline/pkg/strictyaml"
)

// A History is one value of each run, the oldest first.
type History struct {
	Metric string
	Unit   string // "" when it isn't known
	Points []Point
}

// A Point is a run and its value.
type Point struct {
	Run    string    // its name; "" when it has none
	Time   time.Time // zero when it isn't known
	Value  float64   // NaN when the run is missing
	Labels map[string]string
}

// Values are the values of the runs.
func (h History) Values() []float64 {
	values := make([]float64, len(h.Points))
	for i, p := range h.Points {
		values[i] = p.Value
	}
	return values
}

// A LabelChange is a label that differs between two runs that follow each other.
type LabelChange struct {
	Name string `json:"name"`
	From string `json:"from"` // "" when the run before doesn't have it
	To   string `json:"to"`
}

// Changed are the labels that the run at an index has and the last known one
// before it has otherwise, by name.
func (h History) Changed(index int) []LabelChange {
	before := index - 1
	for before >= 0 && math.IsNaN(h.Points[before].Value) {
		before--
	}
	if before < 0 {
		return nil
	}
	var changes []LabelChange
	from, to := h.Points[before].Labels, h.Points[index].Labels
	for _, name := range slices.Sorted(maps.Keys(to)) {
		if from[name] != to[name] {
			changes = append(changes, LabelChange{name, from[name], to[name]})
		}
	}
	return changes
}

// A Table is what a file of histories holds: the runs, and of each the values of
// several metrics.
type Table struct {
	name    string
	Metrics []string          // in the order of the file
	Units   map[string]string // of those metrics that say theirs
	Rows    []Row
}

// A Row is one run.
type Row struct {
	Run    string
	Time   time.Time
	Labels map[string]string
	Values map[string]float64 // by metric; one that is absent is missing
}

// History takes one metric out of the table. The name may be left out when there
// is one metric, or one that is named value.
func (t Table) History(metric string) (History, error) {
	switch {
	case len(t.Metrics) == 0:
		return History{}, fmt.Errorf("%s: it holds no values", t.name)
	case metric == "" && len(t.Metrics) == 1:
		metric = t.Metrics[0]
	case metric == "" && slices.Contains(t.Metrics, "value"):
		metric = "value"
	case metric == "":
		return History{}, fmt.Errorf("%s: it holds several metrics; name one with --metric: %s", t.name, listed(t.Metrics))
	case !slices.Contains(t.Metrics, metric):
		if near := strictyaml.Nearest(metric, t.Metrics); near != "" {
			return History{}, fmt.Errorf("%s: it holds no metric %s; did you mean %s?", t.name, metric, near)
		}
		return History{}, fmt.Errorf("%s: it holds no metric %s; there are %s", t.name, metric, listed(t.Metrics))
	}
	h := History{Metric: metric, Unit: t.Units[metric]}
	for _, r := range t.Rows {
		value, ok := r.Values[metric]
		if !ok {
			value = math.NaN()
		}
		h.Points = append(h.Points, Point{Run: r.Run, Time: r.Time, Value: value, Labels: r.Labels})
	}
	return h, nil
}

// listed are names for a sentence, not too many.
func listed(names []string) string {
	const most = 20
	if len(names) <= most {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
}

// Disorder is the index of the first run that is older than a run before it; 0
// when the runs are in order, as far as their times are known.
func (h History) Disorder() int {
	var last time.Time
	for i, p := range h.Points {
		if p.Time.IsZero() {
			continue
		}
		if p.Time.Before(last) {
			return i
		}
		last = p.Time
	}
	return 0
}
