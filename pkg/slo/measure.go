package slo

import (
	"context"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
	"golang.org/x/sync/errgroup"

	"github.com/plumbline/plumbline/pkg/promql"
	"github.com/plumbline/plumbline/pkg/run"
)

// minCoverage is the share of its window that an objective needs scrapes for.
const minCoverage = 0.9

// maxGroups caps the values of a label that `by` judges.
const maxGroups = 50

// concurrency is how many objectives are measured at one time.
const concurrency = 8

// A Scope is the run that is judged.
type Scope struct {
	Run      run.Run
	Baseline map[string]float64 // by objective id; nil without a baseline
}

// Scores is an agreement, measured and judged.
type Scores struct {
	Objectives []Result
	Resources  []ResourceResult
	// Targets are those whose series were read, each with its lowest coverage.
	Targets []promql.TargetCoverage
}

// Verdict is the verdict on the run.
func (s Scores) Verdict() Verdict {
	var vs []Verdict
	for _, r := range s.Objectives {
		if r.Judged {
			vs = append(vs, r.Verdict)
		}
	}
	for _, r := range s.Resources {
		if r.Judged {
			vs = append(vs, r.Verdict)
		}
	}
	return Overall(vs...)
}

// A Result is an objective, measured and judged. Values are in base units; NaN is no data.
type Result struct {
	Objective Objective
	Labels    labels.Labels // of a row of `by`
	Value     float64
	Low, High float64 // 95 % interval; NaN for a counted value
	Events    float64 // that the value rests on
	// Dispersion is by how much a ratio's events vary more over the intervals than
	// independent ones would, at least 1; 0 for others.
	Dispersion float64
	Samples    []float64 // the value's events interval by interval
	Intervals  []float64 // its value in each interval of the run's grid; nil when it has none there
	Coverage   float64   // in [0, 1]
	Judged     bool      // it has a bound
	Verdict    Verdict
	Missed     *Bound // that it fails or warns by, made absolute; nil when it does neither
	Marginal   bool   // the interval contains the bound
	Reason     string
	Query      string // PromQL that gives the value on any Prometheus, when it is asked for the time At
	At         time.Time
	By         []Result
	Several    int // series of an expression that must give one; else 0

	TargetJudged  bool
	TargetVerdict Verdict

	form  promql.HistogramForm                        // that a quantile or a mean was read from
	below func(x float64) (share float64, exact bool) // of a quantile's events
}

// Measure measures and judges everything that holds for the run.
func (a Agreement) Measure(ctx context.Context, m *promql.Meter, s Scope) (Scores, error) {
	ms := measurer{meter: m, scope: s, vars: variables(a.Vars, s.Run, m.Scrape()), whole: s.Run.Window, steady: Scored(s.Run), answered: Answered(s.Run), targets: &targets{}}
	objectives := slices.DeleteFunc(slices.Clone(a.Objectives), func(o Objective) bool { return !o.When.Matches(s.Run) })
	scores := Scores{Objectives: make([]Result, len(objectives)), Resources: make([]ResourceResult, len(a.Resources))}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(concurrency)
	for i, o := range objectives {
		g.Go(func() (err error) {
			scores.Objectives[i], err = ms.objective(ctx, o)
			if err != nil {
				return fmt.Errorf("slo %s: %w", o.ID, err)
			}
			return nil
		})
	}
	for i, r := range a.Resources {
		g.Go(func() (err error) {
			scores.Resources[i], err = ms.resource(ctx, r)
			if err != nil {
				return fmt.Errorf("resource %s: %w", r.ID, err)
			}
			return nil
		})
	}
	err := g.Wait()
	scores.Targets = ms.targets.sorted()
	return scores, err
}

type measurer struct {
	meter                   *promql.Meter
	scope                   Scope
	vars                    map[string]string
	whole, steady, answered run.Window
	targets                 *targets
}

// targets collects the coverage of all targets that were read.
type targets struct {
	mu  sync.Mutex
	all map[string]promql.TargetCoverage
}

func (t *targets) add(c promql.Coverage) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.all == nil {
		t.all = map[string]promql.TargetCoverage{}
	}
	for _, target := range c.Targets {
		key := target.Labels.String()
		if known, ok := t.all[key]; !ok || target.Ratio < known.Ratio {
			t.all[key] = target
		}
	}
}

func (t *targets) sorted() []promql.TargetCoverage {
	return slices.SortedFunc(maps.Values(t.all), func(a, b promql.TargetCoverage) int { return labels.Compare(a.Labels, b.Labels) })
}

// coverage asks how much of a window the targets of a selector cover, and takes note of them.
func (ms measurer) coverage(ctx context.Context, sel promql.Selector, w run.Window) (promql.Coverage, error) {
	c, err := ms.meter.Coverage(ctx, sel, w)
	if err == nil {
		ms.targets.add(c)
	}
	return c, err
}

func (ms measurer) selector(text string) (promql.Selector, error) {
	return promql.ParseSelector(text, ms.vars)
}

// objective measures an objective, and each value of its label.
func (ms measurer) objective(ctx context.Context, o Objective) (Result, error) {
	rows, err := ms.measure(ctx, o, nil)
	if err != nil {
		return Result{}, err
	}
	res := ms.judge(rows[0])
	if o.By == "" {
		return res, nil
	}
	if rows, err = ms.measure(ctx, o, []string{o.By}); err != nil {
		return Result{}, err
	}
	if o.Gauge != nil || o.Query != nil {
		res = ms.judge(worst(o, rows)) // what several series amount to, only the expression could say
	}
	if len(rows) > maxGroups {
		res.Reason = fmt.Sprintf("%s has %d values; all are judged, the first %d are shown", o.By, len(rows), maxGroups)
	}
	var verdicts []Verdict
	for _, row := range rows {
		if row.Labels.IsEmpty() {
			continue
		}
		row.Coverage = res.Coverage
		row = ms.judge(row)
		if len(res.By) < maxGroups {
			res.By = append(res.By, row)
		}
		verdicts = append(verdicts, row.Verdict)
	}
	if res.Judged && len(verdicts) > 0 {
		res.Verdict = Overall(verdicts...)
	}
	return res, nil
}

// worst is the value that lies farthest in the direction that is worse, to stand for all.
func worst(o Objective, rows []Result) Result {
	res := rows[0]
	for _, r := range rows[1:] {
		if math.IsNaN(res.Value) || (o.Worse == "lower") == (r.Value < res.Value) {
			res = r
		}
	}
	res.Labels = labels.EmptyLabels()
	return res
}

// measure gives a row for each group; without labels exactly one.
func (ms measurer) measure(ctx context.Context, o Objective, by []string) ([]Result, error) {
	var rows []Result
	var err error
	switch {
	case o.Rate != nil:
		rows, err = ms.rate(ctx, *o.Rate, by)
	case o.Count != nil:
		rows, err = ms.count(ctx, o.Count.Of, by)
	case o.Ratio != nil:
		rows, err = ms.ratio(ctx, *o.Ratio, by)
	case o.Quantile != nil:
		rows, err = ms.quantile(ctx, *o.Quantile, by)
	case o.Mean != nil:
		rows, err = ms.mean(ctx, o.Mean.Of, by)
	case o.Gauge != nil:
		rows, err = ms.gauge(ctx, *o.Gauge, by)
	default:
		rows, err = ms.query(ctx, *o.Query, by)
	}
	if len(rows) == 0 {
		rows = []Result{noData("")}
	}
	for i := range rows {
		rows[i].Objective = o
		rows[i].Query, rows[i].At = ms.shown(o, rows[i].form, by)
	}
	return rows, err
}

func noData(reason string) Result {
	return Result{Value: nan, Low: nan, High: nan, Reason: reason}
}

// events reads the increments of a selector. Nothing counted is 0 only where the
// population is there, whole: present tells.
func (ms measurer) events(ctx context.Context, text string, by []string) (inc promql.Increments, present string, coverage float64, err error) {
	sel, err := ms.selector(text)
	if err != nil {
		return inc, "", 0, err
	}
	if inc, err = ms.meter.Increments(ctx, sel, by, ms.whole); err != nil {
		return inc, "", 0, err
	}
	c, err := ms.coverage(ctx, sel.Population(), ms.whole)
	if err != nil {
		return inc, "", 0, err
	}
	if len(c.Targets) == 0 {
		present = fmt.Sprintf("no series of %s in the window", sel.Population())
		if labels := sel.PicksBy(); len(labels) > 0 {
			present += ": is the label " + strings.Join(labels, ", ") + " missing?"
		}
	}
	if len(inc.Groups) == 0 && len(by) == 0 {
		inc.Groups = []promql.Gain{{Values: make([]float64, inc.Grid.N)}}
	}
	return inc, present, c.Ratio, nil
}

func (ms measurer) count(ctx context.Context, of string, by []string) ([]Result, error) {
	inc, missing, coverage, err := ms.events(ctx, of, by)
	if err != nil || missing != "" {
		return []Result{noData(missing)}, err
	}
	var rows []Result
	for _, g := range inc.Groups {
		n := g.Total(0, inc.Grid.N)
		rows = append(rows, Result{Labels: g.Labels, Value: n, Low: nan, High: nan, Events: n, Samples: g.Values, Coverage: coverage})
	}
	return rows, nil
}

func (ms measurer) rate(ctx context.Context, r Rate, by []string) ([]Result, error) {
	rows, err := ms.count(ctx, r.Of, by)
	if err != nil || len(rows) == 0 || math.IsNaN(rows[0].Value) {
		return rows, err
	}
	sel, err := ms.selector(r.Of)
	if err != nil {
		return nil, err
	}
	sent, err := ms.meter.Sent(ctx, sel, ms.scope.Run)
	if err != nil {
		return nil, err
	}
	over := time.Duration(r.Over)
	for i := range rows {
		row := &rows[i]
		if over == 0 {
			row.Value = sent.PerSecond(row.Samples)
			row.Intervals = quotients(row.Samples, slices.Repeat([]float64{ms.meter.Scrape().Seconds()}, len(row.Samples)))
			continue
		}
		ms.slide(row, r.Reduce, over)
	}
	return rows, nil
}

// slid is the window in which a stretch slides: the least mean is looked for
// inside the steady window, the greatest anywhere.
func (ms measurer) slid(reduce string) run.Window {
	if reduce == "min" {
		return ms.steady
	}
	return ms.whole
}

// slide puts the least or greatest sliding mean over a stretch into row.
func (ms measurer) slide(row *Result, reduce string, over time.Duration) {
	grid := promql.Grid{Start: ms.whole.Start, Step: ms.meter.Scrape(), N: len(row.Samples)}
	cells := int(math.Round(float64(over) / float64(grid.Step)))
	from, to := 0, grid.N
	if reduce == "min" {
		from, to = grid.Cells(ms.steady)
		if ms.steady.Start.After(ms.whole.Start) && to-from > cells {
			from++ // the first scrape inside also shows what happened since the one before
		}
	}
	switch stretch := time.Duration(to-from) * grid.Step; {
	case over < grid.Step:
		row.Value, row.Reason = nan, fmt.Sprintf("a stretch of %s is shorter than the scrape interval of %s, so nothing tells what happened in one", over, grid.Step)
		return
	case to-from < cells:
		row.Value, row.Reason = nan, fmt.Sprintf("the window has %s in one piece, and %s are needed", stretch.Round(time.Second), over)
		return
	}
	best := nan
	for i := from; i+cells <= to; i++ {
		total := 0.0
		for _, v := range row.Samples[i : i+cells] {
			total += v
		}
		if mean := total / (time.Duration(cells) * grid.Step).Seconds(); math.IsNaN(best) || reduce == "min" && mean < best || reduce == "max" && mean > best {
			best = mean
		}
	}
	row.Value = best
}

func (ms measurer) ratio(ctx context.Context, r Ratio, by []string) ([]Result, error) {
	part := r.Part()
	totals, missing, coverage, err := ms.events(ctx, r.Total, by)
	if err != nil || missing != "" {
		return []Result{noData(missing)}, err
	}
	if reason, err := ms.unlabelled(ctx, part, totals); err != nil || reason != "" {
		return []Result{noData(reason)}, err
	}
	parts, _, _, err := ms.events(ctx, part, by)
	if err != nil {
		return nil, err
	}
	var rows []Result
	for _, g := range totals.Groups {
		x := make([]float64, totals.Grid.N) // absent, where all is covered: nothing happened
		for _, p := range parts.Groups {
			if labels.Equal(p.Labels, g.Labels) {
				x = p.Values
			}
		}
		row := ratioRow(x, g.Values, r.Per == "interval")
		row.Labels, row.Coverage = g.Labels, coverage
		rows = append(rows, row)
	}
	return rows, nil
}

// unlabelled is the reason why the part can't be told from the whole: the label that picks it is missing.
func (ms measurer) unlabelled(ctx context.Context, part string, totals promql.Increments) (string, error) {
	sel, err := ms.selector(part)
	if err != nil {
		return "", err
	}
	picks := sel.PicksBy()
	if len(picks) == 0 {
		return "", nil
	}
	population, err := ms.meter.Increments(ctx, sel.Population(), nil, ms.whole)
	if err != nil {
		return "", err
	}
	all, labelled := 0.0, 0.0
	for _, v := range totals.Values() {
		all += v
	}
	for _, v := range population.Values() {
		labelled += v
	}
	if len(population.Groups) > 0 && labelled >= minCoverage*all {
		return "", nil
	}
	return fmt.Sprintf("only %.0f %% of the events of %s carry the label %s, so failures can't be told from successes", 100*labelled/max(all, 1), sel.Metric, strings.Join(picks, ", ")), nil
}

// quotients divides interval by interval; 0/0 is no data.
func quotients(x, n []float64) []float64 {
	out := make([]float64, len(x))
	for i := range x {
		out[i] = x[i] / n[i]
	}
	return out
}

// ratioRow divides, with a Wilson interval widened by the overdispersion over time.
func ratioRow(x, n []float64, perInterval bool) Result {
	row := Result{Value: nan, Low: nan, High: nan, Samples: x}
	if perInterval {
		good, busy := 0.0, 0.0
		for i := range n {
			if n[i] > 0 {
				busy++
				if x[i] > 0 {
					good++
				}
			}
		}
		row.Value, row.Events = good/busy, busy
		return row
	}
	row.Intervals = quotients(x, n)
	bad, all := 0.0, 0.0
	for i := range n {
		bad, all = bad+x[i], all+n[i]
	}
	row.Value, row.Events = bad/all, all
	row.Dispersion, _ = dispersion(x, n)
	if all > 0 {
		row.Low, row.High = shareInterval(x, n)
	}
	return row
}

func (ms measurer) quantile(ctx context.Context, q Quantile, by []string) ([]Result, error) {
	sel, err := ms.selector(q.Of)
	if err != nil {
		return nil, err
	}
	grid, spreads, err := ms.meter.Spreads(ctx, sel, by, ms.whole)
	if err != nil {
		return nil, err
	}
	coverage, err := ms.histogramCoverage(ctx, sel)
	if err != nil {
		return nil, err
	}
	from, to := grid.Cells(ms.answered)
	var rows []Result
	for _, s := range spreads {
		d := s.Over(from, to)
		row := Result{Labels: s.Labels, Value: d.Quantile(q.Q), Events: d.Count(), Coverage: coverage, form: d.Form()}
		row.Low, row.High = quantileInterval(s, from, to, q.Q, row.Value)
		for _, part := range s.Intervals {
			row.Samples = append(row.Samples, part.Quantile(q.Q))
		}
		row.below = d.FractionBelow
		row.Intervals = row.Samples
		if math.IsNaN(row.Value) {
			row.Reason = ms.empty(from, to)
		}
		rows = append(rows, row)
	}
	if len(rows) == 0 {
		return []Result{noData(fmt.Sprintf("no histogram %s in the window", sel))}, nil
	}
	return rows, nil
}

// empty is why the intervals [from, to) of the window have no events.
func (ms measurer) empty(from, to int) string {
	if from == to {
		return fmt.Sprintf("no scrape interval of %s lies in the window of %s", ms.meter.Scrape(), ms.answered.Duration().Round(time.Millisecond))
	}
	return "no events in the window"
}

// histogramCoverage is the coverage of a histogram, native or classic.
func (ms measurer) histogramCoverage(ctx context.Context, sel promql.Selector) (float64, error) {
	c, err := ms.coverage(ctx, sel, ms.steady)
	if err == nil && len(c.Targets) == 0 {
		c, err = ms.coverage(ctx, sel.Named(sel.Metric+"_count"), ms.steady)
	}
	return c.Ratio, err
}

func (ms measurer) mean(ctx context.Context, of string, by []string) ([]Result, error) {
	sel, err := ms.selector(of)
	if err != nil {
		return nil, err
	}
	sums, err := ms.meter.Increments(ctx, sel.Named(sel.Metric+"_sum"), by, ms.whole)
	if err != nil {
		return nil, err
	}
	counts, err := ms.meter.Increments(ctx, sel.Named(sel.Metric+"_count"), by, ms.whole)
	if err != nil {
		return nil, err
	}
	coverage, err := ms.histogramCoverage(ctx, sel)
	if err != nil {
		return nil, err
	}
	from, to := counts.Grid.Cells(ms.answered)
	if len(counts.Groups) == 0 {
		return ms.nativeMean(ctx, sel, by, coverage)
	}
	var rows []Result
	for _, g := range counts.Groups {
		i := slices.IndexFunc(sums.Groups, func(s promql.Gain) bool { return labels.Equal(s.Labels, g.Labels) })
		if i < 0 {
			continue // a count without its sum has no mean
		}
		row := ms.meanRow(g.Labels, sums.Groups[i].Values, g.Values, from, to, coverage)
		row.Intervals = quotients(sums.Groups[i].Values, g.Values)
		rows = append(rows, row)
	}
	return rows, nil
}

// nativeMean is the mean of a histogram that has only its native form.
func (ms measurer) nativeMean(ctx context.Context, sel promql.Selector, by []string, coverage float64) ([]Result, error) {
	grid, spreads, err := ms.meter.Spreads(ctx, sel, by, ms.whole)
	if err != nil {
		return nil, err
	}
	from, to := grid.Cells(ms.answered)
	var rows []Result
	for _, s := range spreads {
		sums, counts := make([]float64, len(s.Intervals)), make([]float64, len(s.Intervals))
		for i, d := range s.Intervals {
			sums[i], counts[i] = d.Sum(), d.Count()
		}
		row := ms.meanRow(s.Labels, sums, counts, from, to, coverage)
		row.form = promql.Native
		rows = append(rows, row)
	}
	if len(rows) == 0 {
		return []Result{noData(fmt.Sprintf("no histogram %s in the window", sel))}, nil
	}
	return rows, nil
}

func (ms measurer) meanRow(ls labels.Labels, sums, counts []float64, from, to int, coverage float64) Result {
	n := total(counts[from:to])
	row := Result{Labels: ls, Value: total(sums[from:to]) / n, Low: nan, High: nan, Events: n, Coverage: coverage}
	for i := range counts {
		row.Samples = append(row.Samples, sums[i]/counts[i])
	}
	if math.IsNaN(row.Value) {
		row.Reason = ms.empty(from, to)
		return row
	}
	row.Low, row.High = meanInterval(sums, counts, from, to)
	return row
}

// reduced is the window that a gauge is reduced over, up to the scrape that follows, which
// sees what it was at the end. What is highest may have been when late answers came.
func (ms measurer) reduced(reduce string) run.Window {
	w := ms.steady
	if reduce == "max" {
		w = ms.answered
	}
	w.End = w.End.Add(ms.meter.Scrape())
	return w
}

// gauge reduces an expression over the steady window, series by series of a label.
func (ms measurer) gauge(ctx context.Context, g Gauge, by []string) ([]Result, error) {
	expr := promql.Expand(g.Of, ms.vars)
	coverage, missing, err := ms.exprCoverage(ctx, expr)
	if err != nil || missing != "" {
		return []Result{noData(missing)}, err
	}
	w := ms.reduced(g.Reduce)
	res, err := ms.meter.QueryRange(ctx, expr, promql.Range{Start: w.Start, End: w.End, Step: ms.meter.Scrape()})
	if err != nil {
		return nil, err
	}
	return exprRows(res, by, coverage, func(row *Result, points []promql.Point) {
		for _, p := range points {
			row.Samples = append(row.Samples, p.Value)
		}
		row.Value = reduce(g.Reduce, row.Samples)
		if g.Reduce == "mean" {
			ones := slices.Repeat([]float64{1}, len(row.Samples))
			row.Low, row.High = meanInterval(row.Samples, ones, 0, len(ones))
		}
	}), nil
}

func (ms measurer) query(ctx context.Context, text string, by []string) ([]Result, error) {
	expr := promql.Expand(text, ms.vars)
	coverage, missing, err := ms.exprCoverage(ctx, expr)
	if err != nil || missing != "" {
		return []Result{noData(missing)}, err
	}
	res, err := ms.meter.Query(ctx, expr, ms.whole.End)
	if err != nil {
		return nil, err
	}
	return exprRows(res, by, coverage, func(row *Result, points []promql.Point) {
		if len(points) == 1 {
			row.Value = points[0].Value
		}
	}), nil
}

// exprRows makes a row of each series of an expression; without a label to tell
// them apart there may be only one.
func exprRows(res promql.Result, by []string, coverage float64, read func(*Result, []promql.Point)) []Result {
	row := Result{Value: nan, Low: nan, High: nan, Coverage: coverage}
	if len(by) == 0 {
		if len(res.Series) > 1 {
			row.Several = len(res.Series)
			row.Reason = fmt.Sprintf("%d series where one is scored: aggregate the expression, or split it with by", row.Several)
		} else if len(res.Series) == 1 {
			read(&row, res.Series[0].Points)
		}
		return []Result{row}
	}
	seen := map[string]bool{}
	var rows []Result
	for _, s := range res.Series {
		row := row
		row.Labels = labels.FromStrings(by[0], s.Labels.Get(by[0]))
		if value := s.Labels.Get(by[0]); seen[value] {
			row.Reason = fmt.Sprintf("several series have the same %s: aggregate the expression by it", by[0])
		} else {
			read(&row, s.Points)
			seen[value] = true
		}
		rows = append(rows, row)
	}
	return rows
}

// exprCoverage is the least coverage of the series that an expression reads.
func (ms measurer) exprCoverage(ctx context.Context, expr string) (coverage float64, missing string, err error) {
	tree, err := promql.NewParser().ParseExpr(expr)
	if err != nil {
		return 0, "", err
	}
	coverage = 1
	for _, matchers := range parser.ExtractSelectors(tree) {
		sel := promql.Selector{}
		for _, m := range matchers {
			if m.Name == model.MetricNameLabel {
				sel.Metric = m.Value
			} else {
				sel.Matchers = append(sel.Matchers, m)
			}
		}
		c, err := ms.coverage(ctx, sel, ms.steady)
		if err != nil {
			return 0, "", err
		}
		if len(c.Targets) == 0 {
			return 0, fmt.Sprintf("no series of %s in the window", sel), nil
		}
		coverage = min(coverage, c.Ratio)
	}
	return coverage, "", nil
}

func (ms measurer) text(selector string) string { return promql.Expand(selector, ms.vars) }

// promDuration writes a duration in whole seconds where it can.
func promDuration(d time.Duration) string {
	if d%time.Second == 0 {
		return fmt.Sprintf("%ds", int(d.Seconds()))
	}
	return fmt.Sprintf("%dms", d.Milliseconds())
}

func reduce(how string, values []float64) float64 {
	if len(values) == 0 {
		return nan
	}
	switch how {
	case "max":
		return slices.Max(values)
	case "min":
		return slices.Min(values)
	case "last":
		return values[len(values)-1]
	}
	total := 0.0
	for _, v := range values {
		total += v
	}
	return total / float64(len(values))
}
