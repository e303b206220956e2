package analysis

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/plumbline/plumbline/internal/store"
	"github.com/plumbline/plumbline/pkg/compare"
	"github.com/plumbline/plumbline/pkg/report"
	"github.com/plumbline/plumbline/pkg/stats"
)

// CalibrationSchema names the form of a calibration's JSON.
const CalibrationSchema = "plumbline/calibration/v1"

// A Calibration is what repeats of one build say about comparisons of a test: how
// often they call it regressed, which is always false, and how noisy each metric is.
type Calibration struct {
	Schema   string            `json:"schema"`
	Name     string            `json:"name"`
	Made     time.Time         `json:"made"`
	Service  string            `json:"service"`
	Scenario string            `json:"scenario"`
	Profile  string            `json:"profile"`
	Labels   map[string]string `json:"labels,omitempty"`
	Runs     []string          `json:"runs"`

	FalseAlarms []FalseAlarms `json:"false_alarms"`
	Metrics     []MetricNoise `json:"metrics"`
	Warnings    []string      `json:"warnings,omitempty"`
}

// FalseAlarms is how often so many runs were called regressed against so many
// others of the same build.
type FalseAlarms struct {
	Candidates   int `json:"candidates"`
	Baseline     int `json:"baseline"`
	Comparisons  int `json:"comparisons"`
	Regressed    int `json:"regressed"`
	Improved     int `json:"improved"`
	Inconclusive int `json:"inconclusive"`
	// Rate is Regressed/Comparisons. Low and High are its 95 % interval: that of as
	// many comparisons as there are candidates which share no run.
	Rate report.Number `json:"rate"`
	Low  report.Number `json:"low"`
	High report.Number `json:"high"`
}

// MetricNoise is how a metric varies between runs of the build.
type MetricNoise struct {
	ID     string        `json:"id"`
	Title  string        `json:"title"`
	Unit   string        `json:"unit"`
	Gating bool          `json:"gating"`
	Mean   report.Number `json:"mean"`
	// SD is the standard deviation of ln(value), which is relative, or of the log
	// odds of ratios; null where counts are compared.
	SD report.Number `json:"sd"`
	DF float64       `json:"df"` // degrees of freedom of SD
	// Detectable is the change for the worse that three runs show against five, relative.
	Detectable report.Number `json:"detectable"`
	Regressed  int           `json:"regressed"` // falsely, over all comparisons
}

// The sizes that are calibrated: one run, and three, against five.
const (
	calibrationBaseline = 5
	calibrationRounds   = 20 // shuffles of the runs
	// leastCalibrationRuns leaves a few runs for each side.
	leastCalibrationRuns = 4
)

var calibrationCandidates = []int{1, 3}

// Calibrate compares runs of one build with each other, in many ways, as reports
// compare them. They are measured by the SLA of the last one.
func (a *Analyzer) Calibrate(ctx context.Context, name string, ids []string, opts Options) (Calibration, error) {
	if len(ids) < leastCalibrationRuns {
		return Calibration{}, fmt.Errorf("calibration: %d runs of one build are too few; %d are needed, and 20 or more say something", len(ids), leastCalibrationRuns)
	}
	last, err := a.Store.Load(ids[len(ids)-1])
	if err != nil {
		return Calibration{}, err
	}
	agreement, err := a.agreement(last.ID, opts)
	if err != nil {
		return Calibration{}, err
	}
	c := Calibration{
		Schema: CalibrationSchema, Name: name, Made: time.Now().UTC().Truncate(time.Second),
		Service: last.Service, Scenario: last.Scenario, Profile: last.Profile, Labels: last.Labels,
	}
	metrics := metricsOf(objectivesFor(agreement, last), nil)
	var runs []compare.RunValues
	for _, id := range ids {
		values, err := a.valuesOf(ctx, id, agreement, opts)
		if err != nil {
			return c, err
		}
		if why := misfit(runs, values); why != "" {
			c.Warnings = append(c.Warnings, fmt.Sprintf("run %s left out: %s", id, why))
			continue
		}
		runs = append(runs, values)
		c.Runs = append(c.Runs, id)
	}
	if len(runs) < leastCalibrationRuns {
		return c, errors.Join(fmt.Errorf("calibration: only %d of the runs can be compared with each other", len(runs)), asErrors(c.Warnings))
	}
	c.fill(runs, metrics)
	return c, a.saveCalibration(c)
}

// misfit is why a run can't be compared with those before it, or with any other.
func misfit(before []compare.RunValues, r compare.RunValues) string {
	if len(before) == 0 {
		before = []compare.RunValues{r}
		before[0].Run.ID += " itself"
	}
	return compare.Compare(compare.Baseline{Runs: before}, []compare.RunValues{r}, nil, compare.Noise{}).Reason
}

func asErrors(texts []string) error {
	var errs []error
	for _, t := range texts {
		errs = append(errs, errors.New(t))
	}
	return errors.Join(errs...)
}

// fill works out the false alarms and the noise.
func (c *Calibration) fill(runs []compare.RunValues, metrics []compare.Metric) {
	noise := compare.MeasureNoise([][]compare.RunValues{runs}, metrics)
	falsely := map[string]int{}
	for _, m := range calibrationCandidates {
		if k := min(calibrationBaseline, len(runs)-m); k >= 1 {
			c.FalseAlarms = append(c.FalseAlarms, shuffle(runs, metrics, k, m, falsely))
		}
	}
	baseline := compare.Baseline{Runs: runs[:min(calibrationBaseline, len(runs)-1)]}
	sees := compare.Compare(baseline, runs[len(baseline.Runs):min(len(baseline.Runs)+3, len(runs))], metrics, noise)
	for _, m := range metrics {
		x := MetricNoise{ID: m.ID, Title: m.Title, Unit: m.Unit, Gating: m.Gating, Mean: report.NoData, SD: report.NoData, Detectable: report.NoData, Regressed: falsely[m.ID]}
		if h, known := noise.History[m.ID]; known {
			x.SD, x.DF = report.Number(math.Sqrt(h.Variance)), h.DF
		}
		var values []float64
		for _, r := range runs {
			if v := r.Values[m.ID].Value; !math.IsNaN(v) {
				values = append(values, v)
			}
		}
		x.Mean = report.Number(stats.Mean(values))
		for _, d := range sees.Deltas {
			if d.ID == m.ID {
				x.Detectable = report.Number(d.Detectable)
			}
		}
		c.Metrics = append(c.Metrics, x)
	}
}

// shuffle compares m runs with k others, again and again, the way a report does
// that finds the remaining runs in the store.
func shuffle(runs []compare.RunValues, metrics []compare.Metric, k, m int, falsely map[string]int) FalseAlarms {
	f := FalseAlarms{Candidates: m, Baseline: k}
	rng := rand.New(rand.NewPCG(uint64(k), uint64(m))) //nolint:gosec // G404: the same every time, on purpose
	order := slices.Clone(runs)
	for range calibrationRounds {
		rng.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
		for at := 0; at+m <= len(order); at += m {
			others := slices.Concat(order[:at], order[at+m:])
			rng.Shuffle(len(others), func(i, j int) { others[i], others[j] = others[j], others[i] })
			noise := compare.MeasureNoise([][]compare.RunValues{others[k:]}, metrics)
			c := compare.Compare(compare.Baseline{Runs: others[:k]}, order[at:at+m], metrics, noise)
			f.count(c)
			for _, d := range c.Deltas {
				if d.Verdict == compare.Regressed {
					falsely[d.ID]++
				}
			}
		}
	}
	apart := float64(len(runs) / m)
	low, high := stats.Wilson(float64(f.Regressed)/float64(f.Comparisons)*apart, apart, 0.95)
	f.Rate, f.Low, f.High = report.Number(float64(f.Regressed)/float64(f.Comparisons)), report.Number(low), report.Number(high)
	return f
}

func (f *FalseAlarms) count(c compare.Comparison) {
	f.Comparisons++
	switch c.Verdict {
	case compare.Regressed:
		f.Regressed++
	case compare.Improved:
		f.Improved++
	case compare.Inconclusive:
		f.Inconclusive++
	case compare.Unchanged:
	}
}

func (a *Analyzer) saveCalibration(c Calibration) error {
	text, err := json.MarshalIndent(c, "", "  ")
	if err != nil {
		return fmt.Errorf("calibration %s: %w", c.Name, err)
	}
	return a.Store.SaveCalibration(c.Name, append(text, '\n'))
}

// calibration is the newest one of a test; nil when there is none.
func (a *Analyzer) calibration(test store.Summary) (*Calibration, error) {
	var newest *Calibration
	for _, name := range a.Store.Calibrations() {
		text, err := a.Store.Calibration(name)
		if err != nil {
			return nil, fmt.Errorf("calibration %s: %w", name, err)
		}
		var c Calibration
		if err := json.Unmarshal(text, &c); err != nil {
			return nil, fmt.Errorf("calibration %s: %w", name, err)
		}
		of := store.Summary{Service: c.Service, Scenario: c.Scenario, Profile: c.Profile}
		if c.Schema == CalibrationSchema && of.SameTest(test) && (newest == nil || c.Made.After(newest.Made)) {
			newest = &c
		}
	}
	return newest, nil
}

// addTo puts the noise of a calibration in where the store knows less.
func (c *Calibration) addTo(n *compare.Noise) {
	for _, m := range c.Metrics {
		if m.SD.Known() && m.DF > n.History[m.ID].DF {
			n.History[m.ID] = stats.VariancePrior{Variance: float64(m.SD * m.SD), DF: m.DF}
		}
	}
}

// say is the calibration in a sentence, for reports.
func (c *Calibration) say() string {
	if len(c.FalseAlarms) == 0 {
		return ""
	}
	f := c.FalseAlarms[0]
	return fmt.Sprintf("calibrated on %d runs of one build: %.2g %% of comparisons of one run were called regressed falsely (95 %% interval %.2g to %.2g %%)",
		len(c.Runs), 100*float64(f.Rate), 100*float64(f.Low), 100*float64(f.High))
}
