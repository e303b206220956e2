// Package compare holds runs against a baseline: is it better or worse, and how sure?
//
// Noise between runs of the same build is far larger than noise inside one, so
// each run counts as one value, and the variance is that between runs, moderated
// by a prior as limma does (METHODS, section 3).
package compare

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/plumbline/plumbline/pkg/run"
	"github.com/plumbline/plumbline/pkg/stats"
)

// RunValues is one run and what was measured in it, by metric id.
type RunValues struct {
	Run    run.Run
	Values map[string]Value
}

// A Value of a metric in one run; of a ratio also the events that it rests on.
type Value struct {
	Value float64
	Total float64 // events, for a ratio
}

// A Metric is what is compared.
type Metric struct {
	ID, Title, Group, Unit string
	HigherIsWorse          bool
	Tolerance              float64 // relative change that does not matter, such as 0.05
	Gating                 bool    // a regression of it is one of the run
	Ratio                  bool    // events among events: compared by counts
}

// A Baseline is what is held against: runs, or declared values without runs.
type Baseline struct {
	Name     string
	Runs     []RunValues
	Declared map[string]float64
}

// Noise is what is known beforehand about the noise between runs of one build.
type Noise struct {
	S0  float64 // relative standard deviation between runs
	Nu0 float64 // how many degrees of freedom that knowledge is worth
}

// NoHistory is the noise that is taken when no runs are known.
var NoHistory = Noise{S0: .02, Nu0: 1}

// Alpha is the chance of a false alarm that a verdict may have.
const Alpha = .05

// power is the chance to find a change of the tolerance, for the number of runs needed.
const power = .8

// A Comparison is all deltas of the candidates against a baseline.
type Comparison struct {
	Baseline                    string
	BaselineRuns, CandidateRuns []string
	Comparable                  bool
	Reason                      string // why not comparable
	Verdict                     Verdict
	Deltas                      []Delta // worst regressions first
}

// A Delta is the change of one metric. Change, Low and High are relative; NaN is no data.
type Delta struct {
	Metric        Metric
	Baseline      float64
	Actual        float64
	Change        float64
	Low, High     float64 // 95 % interval of the change
	P             float64 // of "not worse", adjusted for the number of metrics
	Verdict       Verdict
	Reason        string
	RunsNeeded    int     // on each side, to settle an inconclusive change
	Detectable    float64 // smallest relative change that these runs could have told
	LowConfidence bool    // one baseline run: the noise is assumed, not measured

	pBetter, effect, se, nu float64 // on the log scale; effect > 0 is worse
	tested                  bool
}

// Compare holds candidates, repeats of one test, against a baseline.
func Compare(b Baseline, candidates []RunValues, metrics []Metric, noise Noise) Comparison {
	c := Comparison{Baseline: b.Name, BaselineRuns: ids(b.Runs), CandidateRuns: ids(candidates)}
	c.Reason = incomparable(b, candidates)
	c.Comparable = c.Reason == ""
	for _, m := range metrics {
		c.Deltas = append(c.Deltas, delta(b, candidates, m, noise, c.Reason))
	}
	adjust(c.Deltas)
	for i := range c.Deltas {
		c.Deltas[i].decide()
	}
	slices.SortStableFunc(c.Deltas, worstFirst)
	c.Verdict = overall(c)
	return c
}

func ids(runs []RunValues) (ids []string) {
	for _, r := range runs {
		ids = append(ids, r.Run.ID)
	}
	return ids
}

// delta works out a change, without its verdict.
func delta(b Baseline, candidates []RunValues, m Metric, noise Noise, incomparable string) Delta {
	nan := math.NaN()
	d := Delta{Metric: m, Baseline: nan, Change: nan, Low: nan, High: nan, P: nan, Detectable: nan}
	xs := values(candidates, m.ID)
	d.Actual = center(xs)
	if b.Declared != nil {
		if v, ok := b.Declared[m.ID]; ok {
			d.Baseline, d.Change = v, d.Actual/v-1
		}
		d.Reason = "the baseline is declared values without runs: no significance can be given"
		return d
	}
	ys := values(b.Runs, m.ID)
	d.Baseline = center(ys)
	d.Change = d.Actual/d.Baseline - 1
	switch {
	case len(ys) == 0 || len(xs) == 0:
		d.Reason = "no value on one side"
	case incomparable != "":
		d.Reason = "not comparable: " + incomparable
	case m.Ratio && rare(b.Runs, m.ID) && rare(candidates, m.ID):
		d.testCounts(counts(b.Runs, m.ID), counts(candidates, m.ID))
	case slices.Min(ys) <= 0 || slices.Min(xs) <= 0:
		d.Reason = "a value is not above 0: relative changes have no meaning"
	default:
		d.testMeans(ys, xs, noise)
	}
	return d
}

func values(runs []RunValues, id string) (out []float64) {
	for _, r := range runs {
		if v, ok := r.Values[id]; ok && !math.IsNaN(v.Value) && !math.IsInf(v.Value, 0) {
			out = append(out, v.Value)
		}
	}
	return out
}

// center is the mean; of positive values the geometric one, since changes are relative.
func center(xs []float64) float64 {
	if len(xs) == 0 {
		return math.NaN()
	}
	if slices.Min(xs) <= 0 {
		mean, _ := stats.MeanVariance(xs)
		return mean
	}
	mean, _ := stats.MeanVariance(logs(xs))
	return math.Exp(mean)
}

func logs(xs []float64) []float64 {
	out := make([]float64, len(xs))
	for i, x := range xs {
		out[i] = math.Log(x)
	}
	return out
}

// testMeans is the moderated t-test of METHODS 3.3 on logarithms.
func (d *Delta) testMeans(ys, xs []float64, noise Noise) {
	k, m := float64(len(ys)), float64(len(xs))
	ybar, s2 := stats.MeanVariance(logs(ys))
	xbar, _ := stats.MeanVariance(logs(xs))
	shrunk, nu := stats.Shrink(s2, k-1, noise.S0*noise.S0, noise.Nu0)
	d.LowConfidence = len(ys) == 1
	d.se, d.nu = math.Sqrt(shrunk*(1/m+1/k)), nu
	d.effect = xbar - ybar
	half := d.se * stats.StudentQuantile(1-Alpha/2, nu)
	d.Low, d.High = math.Expm1(d.effect-half), math.Expm1(d.effect+half)
	if !d.Metric.HigherIsWorse {
		d.effect = -d.effect
	}
	t := d.effect / d.se
	d.P, d.pBetter = stats.StudentTail(t, nu), stats.StudentTail(-t, nu)
	d.Detectable = math.Expm1(d.se * (stats.StudentQuantile(1-Alpha, nu) + stats.StudentQuantile(power, nu)))
	d.RunsNeeded = runsNeeded(math.Sqrt(shrunk), d.Metric.Tolerance)
	d.tested = true
}

// runsNeeded on each side, n ≥ 2(z₁₋α + z₁₋β)²σ²/ln²(1+δ), at least 3.
func runsNeeded(sigma, tolerance float64) int {
	zz := stats.NormalQuantile(1-Alpha) + stats.NormalQuantile(power)
	return max(3, int(math.Ceil(2*zz*zz*sigma*sigma/math.Pow(math.Log1p(tolerance), 2))))
}

// rareShare is the share of events below which a ratio is compared by counting them.
const rareShare = .05

func rare(runs []RunValues, id string) bool {
	for _, r := range runs {
		v := r.Values[id]
		if v.Total == 0 || math.Min(v.Value, 1-v.Value) > rareShare {
			return false
		}
	}
	return true
}

// counts gives the rarer events, and all events, over all runs.
type eventCounts struct {
	x, n float64
	good bool // the rarer events are the good ones' complement
	phi  float64
}

func counts(runs []RunValues, id string) eventCounts {
	var c eventCounts
	var xs, ns []float64
	for _, r := range runs {
		v := r.Values[id]
		share := v.Value
		if share > .5 {
			share, c.good = 1-share, true
		}
		xs, ns = append(xs, math.Round(share*v.Total)), append(ns, v.Total)
		c.x, c.n = c.x+math.Round(share*v.Total), c.n+v.Total
	}
	c.phi = 1
	if p := c.x / c.n; len(xs) > 1 && p > 0 {
		chi2 := 0.0
		for i := range xs {
			chi2 += (xs[i] - ns[i]*p) * (xs[i] - ns[i]*p) / (ns[i] * p * (1 - p))
		}
		c.phi = max(1, chi2/float64(len(xs)-1))
	}
	return c
}

// testCounts is the conditional binomial of METHODS 3.6: of all the rare events,
// how many would fall to the candidates if both sides had the same rate?
func (d *Delta) testCounts(base, cand eventCounts) {
	phi := max(base.phi, cand.phi)
	x1, x2 := cand.x/phi, base.x/phi
	share := cand.n / (cand.n + base.n)
	d.P, d.pBetter = stats.BinomialTail(math.Round(x1), math.Round(x1+x2), share), stats.BinomialTail(math.Round(x2), math.Round(x1+x2), 1-share)
	d.effect = math.Log((cand.x + .5) / (cand.n + 1) / ((base.x + .5) / (base.n + 1)))
	d.tested = true
	if base.x+cand.x == 0 {
		d.Change = 0
		d.Reason = fmt.Sprintf("none among %.0f and %.0f events; with 95 %% confidence the candidate's share is below %.2g", base.n, cand.n, 3/cand.n)
	}
	d.se = math.Sqrt(phi * (1/(cand.x+.5) + 1/(base.x+.5)))
	d.nu = math.Inf(1)
	if !cand.good && !base.good {
		half := d.se * stats.NormalQuantile(1-Alpha/2)
		d.Low, d.High = math.Expm1(d.effect-half), math.Expm1(d.effect+half)
	}
}

// adjust corrects the p-values for the number of metrics: Holm over the gating
// ones, Benjamini–Hochberg over the rest.
func adjust(deltas []Delta) {
	for _, gating := range []bool{true, false} {
		var worse, better []float64
		var at []int
		for i, d := range deltas {
			if d.tested && d.Metric.Gating == gating {
				worse, better, at = append(worse, d.P), append(better, d.pBetter), append(at, i)
			}
		}
		correct := stats.Holm
		if !gating {
			correct = stats.BenjaminiHochberg
		}
		worse, better = correct(worse), correct(better)
		for k, i := range at {
			deltas[i].P, deltas[i].pBetter = worse[k], better[k]
		}
	}
}

// falseDiscoveries is the share of false alarms allowed among metrics that don't gate.
const falseDiscoveries = .10

// decide is the rule of METHODS 3.4.
func (d *Delta) decide() {
	if !d.tested {
		return
	}
	alpha := Alpha
	if !d.Metric.Gating {
		alpha = falseDiscoveries
	}
	enough := math.Log1p(d.Metric.Tolerance / 2)
	unchanged := math.Log1p(d.Metric.Tolerance)
	reach := d.se * quantileFor(1-Alpha, d.nu)
	switch {
	case d.P < alpha && d.effect > enough:
		d.Verdict, d.Reason = Regressed, ""
	case d.pBetter < alpha && -d.effect > enough:
		d.Verdict, d.Reason = Improved, ""
	case d.effect+reach < unchanged && -d.effect+reach < unchanged:
		d.Verdict, d.Reason = Unchanged, ""
	case d.Reason == "" && d.RunsNeeded > 0:
		d.Reason = "too noisy to tell"
	case d.Reason == "":
		d.Reason = "too few events to tell"
	}
	if d.Verdict != Inconclusive {
		d.RunsNeeded = 0
	}
}

func quantileFor(p, nu float64) float64 {
	if math.IsInf(nu, 1) {
		return stats.NormalQuantile(p)
	}
	return stats.StudentQuantile(p, nu)
}

// worstFirst orders regressions, the largest first, then what is inconclusive, unchanged and improved.
func worstFirst(a, b Delta) int {
	rank := [...]int{Regressed: 0, Inconclusive: 1, Unchanged: 2, Improved: 3}
	if rank[a.Verdict] != rank[b.Verdict] {
		return rank[a.Verdict] - rank[b.Verdict]
	}
	if a.Verdict == Regressed && a.effect != b.effect {
		if a.effect > b.effect {
			return -1
		}
		return 1
	}
	return 0
}

// overall is regressed when a gating metric is, improved when one is and none
// regressed, unchanged when all that could be told are; else inconclusive.
func overall(c Comparison) Verdict {
	seen := map[Verdict]bool{}
	for _, d := range c.Deltas {
		if d.Metric.Gating {
			seen[d.Verdict] = true
		}
	}
	switch {
	case !c.Comparable:
		return Inconclusive
	case seen[Regressed]:
		return Regressed
	case seen[Improved]:
		return Improved
	case seen[Unchanged] && !seen[Inconclusive]:
		return Unchanged
	}
	return Inconclusive
}

// incomparable is why the two sides can't be compared; "" when they can.
func incomparable(b Baseline, candidates []RunValues) string {
	if b.Declared != nil {
		return "the baseline is declared values without runs"
	}
	if len(b.Runs) == 0 || len(candidates) == 0 {
		return "no runs on one side"
	}
	var reasons []string
	add := func(reason string) {
		if !slices.Contains(reasons, reason) {
			reasons = append(reasons, reason)
		}
	}
	first := b.Runs[0].Run
	for _, r := range append(slices.Clone(b.Runs), candidates...) {
		x := r.Run
		if x.State != run.Complete {
			add(fmt.Sprintf("%s is not complete", x.ID))
		}
		if problems := x.Generators.Problems(); len(problems) > 0 {
			add(fmt.Sprintf("%s: %s", x.ID, problems[0]))
		}
		for _, f := range []struct{ what, got, want string }{
			{"scenario", x.Scenario, first.Scenario}, {"profile", x.Profile, first.Profile},
			{"users", fmt.Sprint(x.Load.Users), fmt.Sprint(first.Load.Users)},
			{"think time", fmt.Sprintf("%.2fs", x.Load.ThinkSeconds), fmt.Sprintf("%.2fs", first.Load.ThinkSeconds)},
		} {
			if f.got != f.want {
				add(fmt.Sprintf("%s of %s is %s, of %s %s", f.what, x.ID, f.got, first.ID, f.want))
			}
		}
		if a, b := x.Window.Duration().Seconds(), first.Window.Duration().Seconds(); math.Abs(a/b-1) > .1 {
			add(fmt.Sprintf("%s took %.0f s, %s %.0f s", x.ID, a, first.ID, b))
		}
		if !maps.Equal(x.Environment, first.Environment) {
			add(fmt.Sprintf("the environments of %s and %s differ", x.ID, first.ID))
		}
	}
	return strings.Join(reasons, "; ")
}
