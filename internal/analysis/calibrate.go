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
	"github.com/plumbline/plumbline/pkg/run"
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

	FalseAlarms []Trial       `json:"false_alarms"` // of the build against itself
	Metrics     []MetricNoise `json:"metrics"`
	Detections  []Detection   `json:"detections,omitempty"` // of builds that are known to be worse
	Warnings    []string      `json:"warnings,omitempty"`
}

// A Trial is how often so many runs were called regressed against so many
// others.
type Trial struct {
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
	// odds of ratios; null where counts are compared, and where it is not known.
	SD report.Number `json:"sd"`
	// Counts tells that the metric is a share, which is compared by its counts.
	Counts bool    `json:"counts,omitempty"`
	DF     float64 `json:"df"` // degrees of freedom of SD
	// Detectable is the change for the worse that three runs show against five, relative.
	Detectable report.Number `json:"detectable"`
	Regressed  int           `json:"regressed"` // falsely, over all comparisons
}

// A Detection is how often a build that is known to be worse was called regressed.
type Detection struct {
	Build string   `json:"build"` // what its runs were chosen by
	Runs  []string `json:"runs"`
	Trial
	Metrics []MetricDetection `json:"metrics"` // those that decide
}

// MetricDetection is how often a metric of the worse build was called regressed.
type MetricDetection struct {
	ID           string        `json:"id"`
	Title        string        `json:"title"`
	Change       report.Number `json:"change"` // Hodges–Lehmann shift, relative to the median of the others
	Regressed    int           `json:"regressed"`
	Inconclusive int           `json:"inconclusive"`
}

// A Build is runs of one build, and what they were chosen by.
type Build struct {
	Name string
	Runs []string // ids
}

// The sizes that are calibrated: one run, and three, against five.
const (
	calibrationBaseline = 5
	detectionCandidates = 3
	calibrationRounds   = 20 // shuffles of the runs
	// leastCalibrationRuns leaves a few runs for each side.
	leastCalibrationRuns = 4
)

var calibrationCandidates = []int{1, detectionCandidates}

// Calibrate compares runs of one build with each other, in many ways, as reports
// compare them, and runs of builds that are known to be worse with those. They are
// measured by the SLA of the last one of the first build, whose name the
// calibration takes.
func (a *Analyzer) Calibrate(ctx context.Context, build Build, worse []Build, opts Options) (Calibration, error) {
	if len(build.Runs) < leastCalibrationRuns {
		return Calibration{}, fmt.Errorf("calibration: %d runs of one build are too few; %d are needed, and 20 or more say something", len(build.Runs), leastCalibrationRuns)
	}
	last, err := a.Store.Load(build.Runs[len(build.Runs)-1])
	if err != nil {
		return Calibration{}, err
	}
	agreement, err := a.agreement(last.ID, opts)
	if err != nil {
		return Calibration{}, err
	}
	c := Calibration{
		Schema: CalibrationSchema, Name: build.Name, Made: time.Now().UTC().Truncate(time.Second),
		Service: last.Service, Scenario: last.Scenario, Profile: last.Profile, Labels: last.Labels,
	}
	fitting := func(b Build, like []compare.RunValues) (runs []compare.RunValues, err error) {
		for _, id := range b.Runs {
			values, err := a.valuesOf(ctx, id, agreement, opts)
			if err != nil {
				return nil, err
			}
			if why := misfit(slices.Concat(like, runs), values); why != "" {
				c.Warnings = append(c.Warnings, fmt.Sprintf("run %s left out: %s", id, why))
				continue
			}
			runs = append(runs, values)
		}
		return runs, nil
	}
	runs, err := fitting(build, nil)
	if err != nil {
		return c, err
	}
	if len(runs) < leastCalibrationRuns {
		return c, errors.Join(fmt.Errorf("calibration: only %d of the runs can be compared with each other", len(runs)), asErrors(c.Warnings))
	}
	c.Runs = idsOf(runs)
	metrics := metricsOf(objectivesFor(agreement, last), nil)
	c.fill(runs, metrics)
	for _, b := range worse {
		found, err := fitting(b, runs[:1])
		if err != nil {
			return c, err
		}
		if len(found) == 0 {
			return c, errors.Join(fmt.Errorf("calibration: none of the %d runs of %s can be compared with the others", len(b.Runs), b.Name), asErrors(c.Warnings))
		}
		c.Detections = append(c.Detections, detect(b.Name, runs, found, metrics))
	}
	return c, a.saveCalibration(c)
}

func idsOf(runs []compare.RunValues) (ids []string) {
	for _, r := range runs {
		ids = append(ids, r.Run.ID)
	}
	return ids
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
	sees := compare.Compare(baseline, runs[len(baseline.Runs):min(len(baseline.Runs)+detectionCandidates, len(runs))], metrics, noise)
	for _, m := range metrics {
		x := MetricNoise{ID: m.ID, Title: m.Title, Unit: m.Unit, Gating: m.Gating, Mean: report.NoData, SD: report.NoData, Detectable: report.NoData, Regressed: falsely[m.ID]}
		if h, measured := noise.History[m.ID]; measured {
			x.SD, x.DF = report.Number(math.Sqrt(h.Variance)), h.DF
		} else {
			x.Counts = m.Ratio
		}
		x.Mean = report.Number(stats.Mean(known(runs, m.ID)))
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
func shuffle(runs []compare.RunValues, metrics []compare.Metric, k, m int, falsely map[string]int) Trial {
	t := Trial{Candidates: m, Baseline: k}
	mix := mixer(k, m)
	order := slices.Clone(runs)
	for range calibrationRounds {
		mix(order)
		for at := 0; at+m <= len(order); at += m {
			others := slices.Concat(order[:at], order[at+m:])
			mix(others)
			c := against(others, k, order[at:at+m], metrics)
			t.count(c)
			for _, d := range c.Deltas {
				if d.Verdict == compare.Regressed {
					falsely[d.ID]++
				}
			}
		}
	}
	t.rate(len(runs) / m)
	return t
}

// detect compares three runs of a worse build with five, again and again.
func detect(name string, runs, worse []compare.RunValues, metrics []compare.Metric) Detection {
	m, k := min(detectionCandidates, len(worse)), min(calibrationBaseline, len(runs)-1)
	d := Detection{Build: name, Runs: idsOf(worse), Trial: Trial{Candidates: m, Baseline: k}}
	mix := mixer(k, m)
	runs, worse = slices.Clone(runs), slices.Clone(worse)
	verdicts := map[string]map[compare.Verdict]int{}
	for range calibrationRounds {
		mix(worse)
		for at := 0; at+m <= len(worse); at += m {
			mix(runs)
			c := against(runs, k, worse[at:at+m], metrics)
			d.count(c)
			for _, x := range c.Deltas {
				if verdicts[x.ID] == nil {
					verdicts[x.ID] = map[compare.Verdict]int{}
				}
				verdicts[x.ID][x.Verdict]++
			}
		}
	}
	d.rate(len(worse) / m)
	for _, x := range metrics {
		if !x.Gating {
			continue
		}
		usual := known(runs, x.ID)
		change := stats.HodgesLehmann(usual, known(worse, x.ID)) / stats.Median(usual)
		d.Metrics = append(d.Metrics, MetricDetection{x.ID, x.Title, report.Number(change), verdicts[x.ID][compare.Regressed], verdicts[x.ID][compare.Inconclusive]})
	}
	return d
}

// known are the values that runs have of a metric.
func known(runs []compare.RunValues, id string) (values []float64) {
	for _, r := range runs {
		if v, ok := r.Values[id]; ok && !math.IsNaN(v.Value) {
			values = append(values, v.Value)
		}
	}
	return values
}

// against compares runs with the first k of others, the rest being what the store knows of the noise.
func against(others []compare.RunValues, k int, candidates []compare.RunValues, metrics []compare.Metric) compare.Comparison {
	noise := compare.MeasureNoise([][]compare.RunValues{others[k:]}, metrics)
	return compare.Compare(compare.Baseline{Runs: others[:k]}, candidates, metrics, noise)
}

// mixer shuffles runs the same way every time.
func mixer(k, m int) func([]compare.RunValues) {
	rng := rand.New(rand.NewPCG(uint64(k), uint64(m))) //nolint:gosec // G404, G115: the same every time, on purpose; both are small
	return func(runs []compare.RunValues) {
		rng.Shuffle(len(runs), func(i, j int) { runs[i], runs[j] = runs[j], runs[i] })
	}
}

func (t *Trial) count(c compare.Comparison) {
	t.Comparisons++
	switch c.Verdict {
	case compare.Regressed:
		t.Regressed++
	case compare.Improved:
		t.Improved++
	case compare.Inconclusive:
		t.Inconclusive++
	case compare.Unchanged:
	}
}

// rate works out the rate of a trial with so many sets of candidates that share no run.
func (t *Trial) rate(apart int) {
	share, n := float64(t.Regressed)/float64(t.Comparisons), float64(apart)
	low, high := stats.Wilson(share*n, n, 0.95)
	t.Rate, t.Low, t.High = report.Number(share), report.Number(low), report.Number(high)
}

func (a *Analyzer) saveCalibration(c Calibration) error {
	text, err := json.MarshalIndent(c, "", "  ")
	if err != nil {
		return fmt.Errorf("calibration %s: %w", c.Name, err)
	}
	return a.Store.SaveCalibration(c.Name, append(text, '\n'))
}

// calibration is the newest one of a run's test, under its conditions; nil when there is none.
func (a *Analyzer) calibration(r run.Run) (*Calibration, error) {
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
		if c.Schema == CalibrationSchema && of.SameTest(store.Summarize(r)) && a.ranLike(c, r) && (newest == nil || c.Made.After(newest.Made)) {
			newest = &c
		}
	}
	return newest, nil
}

// ranLike reports whether the runs of a calibration can be compared with a run, as
// far as the store still has them.
func (a *Analyzer) ranLike(c Calibration, r run.Run) bool {
	for _, id := range c.Runs {
		if made, err := a.Store.Load(id); err == nil {
			return len(compare.Differences(made, r)) == 0
		}
	}
	return true
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
	return fmt.Sprintf("calibrated on %d runs of one build: %s of comparisons of one run were called regressed falsely (95 %% interval %s to %s)",
		len(c.Runs), compare.Percent(float64(f.Rate)), compare.Percent(float64(f.Low)), compare.Percent(float64(f.High)))
}
