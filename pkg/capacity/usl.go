package capacity

import (
	"fmt"
	"math"
	"slices"

	"github.com/plumbline/plumbline/pkg/stats"
)

// What the fit of the scalability law needs (METHODS 5).
const (
	leastLevels  = 6
	leastSpan    = 4.0   // highest load over lowest
	farthestPeak = 1.5   // of the highest load measured, up to which a peak is reported
	sameLoad     = 1.001 // loads within this factor of each other are one level
)

// draws of the bootstrap: enough for the far quantiles that few levels need.
const draws = 2000

// A Point is a throughput at a concurrency: users, or requests under way.
type Point struct{ Concurrency, Throughput float64 }

// A USL is Gunther's Universal Scalability Law,
//
//	X(N) = λN / (1 + σ(N−1) + κN(N−1))
//
// with the throughput λ of one user, the contention σ and the coherency κ. Its
// throughput peaks at N* = √((1−σ)/κ).
type USL struct {
	Lambda, Sigma, Kappa Estimate
	Peak                 Estimate // N*
	PeakThroughput       Estimate // X*
	R2                   float64  // of the fit
	Levels               int      // that it rests on
	Lowest, Highest      float64  // loads measured
	Reason               string   // why there is no fit
	PeakReason           string   // why there is no peak
}

// At is the throughput that the law gives for a concurrency.
func (u USL) At(n float64) float64 {
	return law([]float64{u.Lambda.Value, u.Sigma.Value, u.Kappa.Value}, n)
}

func law(p []float64, n float64) float64 {
	return p[0] * n / (1 + p[1]*(n-1) + p[2]*n*(n-1))
}

// peak is N* and X*: infinite and its limit when throughput never falls, 1 when it never rises.
func peak(p []float64) (n, x float64) {
	switch {
	case p[1] >= 1:
		return 1, law(p, 1)
	case p[2] > 0:
		n = math.Sqrt((1 - p[1]) / p[2])
		return n, law(p, n)
	case p[1] > 0:
		return math.Inf(1), p[0] / p[1]
	}
	return math.Inf(1), math.Inf(1)
}

// FitUSL fits the law: non-negative least squares on N/X = a + b(N−1) + cN(N−1)
// for a start, then non-linear least squares on X with σ and κ held at 0 or
// above. Intervals are by residual bootstrap with the seed. It refuses fewer than
// six levels, and loads that span less than a factor of four; N* and X* are given
// only up to 1.5 times the highest load measured.
func FitUSL(points []Point, seed uint64) USL { return fitUSL(points, seed, runSteps) }

// runSteps is what levels of load take.
const runSteps = "run a steps profile"

// fitUSL is [FitUSL] with the advice that ends a refusal.
func fitUSL(points []Point, seed uint64, advice string) USL {
	u := USL{Lambda: Unknown(), Sigma: Unknown(), Kappa: Unknown(), Peak: Unknown(), PeakThroughput: Unknown(), R2: math.NaN()}
	points = slices.Clone(points)
	points = slices.DeleteFunc(points, func(p Point) bool {
		return !(p.Concurrency > 0) || !(p.Throughput > 0) || math.IsInf(p.Concurrency+p.Throughput, 0)
	})
	slices.SortFunc(points, func(a, b Point) int {
		if a.Concurrency < b.Concurrency {
			return -1
		}
		return 1
	})
	if u.Levels = countLevels(points); u.Levels > 0 {
		u.Lowest, u.Highest = points[0].Concurrency, points[len(points)-1].Concurrency
	}
	if u.Reason = refuseLevels(u); u.Reason != "" {
		u.Reason += ": " + advice
		u.PeakReason = u.Reason
		return u
	}
	fit, ok := fitLaw(points, nil)
	if !ok {
		u.Reason = "the law could not be fitted: the throughputs follow no curve of its form"
		u.PeakReason = u.Reason
		return u
	}
	u.estimate(points, fit, seed)
	return u
}

func countLevels(points []Point) (n int) {
	last := 0.0
	for _, p := range points {
		if p.Concurrency > last*sameLoad {
			n, last = n+1, p.Concurrency
		}
	}
	return n
}

func refuseLevels(u USL) string {
	switch {
	case u.Levels == 0:
		return fmt.Sprintf("no level of load with a throughput; at least %d levels over a factor of %g are needed", leastLevels, leastSpan)
	case u.Levels < leastLevels:
		return fmt.Sprintf("%s of load, and at least %d over a factor of %g are needed", plural(u.Levels, "level"), leastLevels, leastSpan)
	case u.Highest < leastSpan*u.Lowest:
		return fmt.Sprintf("the loads reach from %s to %s, a factor of %s, and %g is needed", number(u.Lowest), number(u.Highest), under(u.Highest/u.Lowest, leastSpan, 1), leastSpan)
	}
	return ""
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// fitLaw gives λ, σ, κ. A start spares the linear fit; it is used as it is.
func fitLaw(points []Point, start []float64) ([]float64, bool) {
	if start == nil {
		a, b := make([][]float64, len(points)), make([]float64, len(points))
		for i, p := range points {
			n := p.Concurrency
			a[i], b[i] = []float64{1, n - 1, n * (n - 1)}, n/p.Throughput
		}
		z := stats.NonNegativeLeastSquares(a, b)
		if z == nil || !(z[0] > 0) { // throughput that rises faster than the load has no start of this form
			z = []float64{points[0].Concurrency / points[0].Throughput, 0, 0}
		}
		start = []float64{1 / z[0], z[1] / z[0], z[2] / z[0]}
	}
	fit := stats.FitNonNegative(start, len(points), func(p, r []float64) {
		for i, at := range points {
			r[i] = law(p, at.Concurrency) - at.Throughput
		}
	}, func(p []float64, j [][]float64) {
		for i, at := range points {
			n := at.Concurrency
			d := 1 + p[1]*(n-1) + p[2]*n*(n-1)
			x := p[0] * n / d
			j[i][0], j[i][1], j[i][2] = n/d, -x*(n-1)/d, -x*n*(n-1)/d
		}
	})
	return fit.Parameters, fit.Converged && fit.Parameters[0] > 0
}

// estimate fills in what the fit says, with the intervals that refits to
// resampled residuals give.
func (u *USL) estimate(points []Point, fit []float64, seed uint64) {
	predicted, residuals, throughputs := make([]float64, len(points)), make([]float64, len(points)), make([]float64, len(points))
	squares := 0.0
	for i, p := range points {
		predicted[i], throughputs[i] = law(fit, p.Concurrency), p.Throughput
		residuals[i] = p.Throughput - predicted[i]
		squares += residuals[i] * residuals[i]
	}
	u.R2 = 1 - squares/(stats.Variance(throughputs)*float64(len(points)-1))
	resampled := slices.Clone(points)
	refits := stats.ResidualBootstrap(predicted, residuals, len(fit), draws, seed, func(y []float64) []float64 {
		for i := range resampled {
			resampled[i].Throughput = y[i]
		}
		p, ok := fitLaw(resampled, fit)
		if !ok {
			return nil
		}
		n, x := peak(p)
		return []float64{p[0], p[1], p[2], n, x}
	})
	n, x := peak(fit)
	freedom := float64(len(points) - len(fit))
	for k, into := range []*Estimate{&u.Lambda, &u.Sigma, &u.Kappa, &u.Peak, &u.PeakThroughput} {
		figures := make([]float64, len(refits))
		for i, p := range refits {
			figures[i] = p[k]
		}
		into.Value = []float64{fit[0], fit[1], fit[2], n, x}[k]
		into.Low, into.High = stats.BootstrapInterval(figures, confidence, freedom)
	}
	if u.PeakReason = u.refusePeak(); u.PeakReason != "" {
		u.Peak, u.PeakThroughput = Unknown(), Unknown()
	}
}

// refusePeak is why a peak is not reported.
func (u *USL) refusePeak() string {
	switch {
	case math.IsInf(u.Peak.Value, 1) && u.Sigma.Value == 0:
		return fmt.Sprintf("throughput grows with the load all the way up to %s: no end of it was seen, so raise the load", number(u.Highest))
	case math.IsInf(u.Peak.Value, 1):
		return fmt.Sprintf("throughput flattens and never falls: by the fit it approaches λ/σ = %s and has no peak", number(u.Lambda.Value/u.Sigma.Value))
	case u.Peak.Value > farthestPeak*u.Highest:
		return fmt.Sprintf("the fit peaks at N = %s, more than %g times the highest load measured (%s): that far out it is a guess, so raise the load", number(u.Peak.Value), farthestPeak, number(u.Highest))
	}
	return ""
}

// fitLevels fits the law to the steady levels.
func fitLevels(levels []Level, seed uint64) USL {
	var points []Point
	for _, l := range levels {
		if l.Steady {
			points = append(points, Point{l.Concurrency(), l.Throughput})
		}
	}
	return fitUSL(points, seed, advice(levels))
}

// advice is what a run whose levels are too few would have needed: longer steps,
// where it had enough of them and too few held still.
func advice(levels []Level) string {
	held, steady := 0, 0
	for _, l := range levels {
		if !l.Moving {
			held++
		}
		if l.Steady {
			steady++
		}
	}
	switch {
	case held >= leastLevels && steady < leastLevels:
		return fmt.Sprintf("hold each step longer: %d of %d were not steady", held-steady, held)
	case steady < len(levels):
		return fmt.Sprintf("%s; %s left out as not steady", runSteps, plural(len(levels)-steady, "level"))
	}
	return runSteps
}
