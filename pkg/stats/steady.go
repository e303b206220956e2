package stats

import (
	"math"
	"slices"
)

// mserBatch is the number of samples averaged into one batch by MSER-5.
const mserBatch = 5

// MSER5 is the number of samples at the start that belong to the warm-up and
// are best left out: a multiple of five, at most half of the samples.
//
// The samples are averaged in m batches of five, z₁…z_m; the cut is 5·d* with
//
//	d* = argmin over 0 ≤ d ≤ m/2 of Σ_{j>d} (z_j − z̄_d)² / (m − d)²
//
// and z̄_d the mean of the batches after d (White 1997; White, Cobb & Spratt
// 2000). Of equal cuts the shortest wins. Samples that are NaN are left out of
// their batch, batches without a sample out of the sums; samples at the end that
// fill no batch are not looked at. At least two batches are left, so fewer than 15
// samples are never cut.
func MSER5(samples []float64) int {
	batches := batchMeans(samples, mserBatch)
	best, cut := math.Inf(1), 0
	var rest moments // of the batches after d
	for d := len(batches) - 1; d >= 0; d-- {
		if z := batches[d]; !math.IsNaN(z) {
			rest.add(z)
		}
		if d > len(batches)/2 || rest.n < 2 {
			continue
		}
		if score := rest.squares / (rest.n * rest.n); score <= best {
			best, cut = score, d
		}
	}
	return cut * mserBatch
}

// WarmUp is the longest of the cuts that [MSER5] makes in several series over
// the same intervals, such as throughput and latency. It leaves at least half of
// the longest series, so a window that is not empty is never made so.
func WarmUp(series ...[]float64) int {
	cut := 0
	for _, samples := range series {
		cut = max(cut, MSER5(samples))
	}
	return cut
}

// MaxShift is the relative shift between the halves of a window from which on
// the window is called unsteady (METHODS 2).
const MaxShift = 0.05

// HalfShift is median(first half)/median(second half) − 1: how much higher the
// first half of a window lies than the second, relative to it. The window is
// steady when it lies within ±[MaxShift]. Samples that are NaN are left out; an
// odd sample in the middle belongs to the second half. The shift is NaN when a
// half has no samples or the second median is 0, except that there is none where
// all samples are 0: medians of 0 say nothing of the others.
func HalfShift(samples []float64) float64 {
	middle := len(samples) / 2
	first, second := Median(known(samples[:middle])), Median(known(samples[middle:]))
	switch {
	case first == 0 && second == 0 && !slices.ContainsFunc(known(samples), func(v float64) bool { return v != 0 }):
		return 0
	case second == 0:
		return math.NaN()
	}
	return first/second - 1
}

// batchMeans averages each full batch of samples that are not NaN.
func batchMeans(samples []float64, size int) []float64 {
	means := make([]float64, 0, len(samples)/size)
	for ; len(samples) >= size; samples = samples[size:] {
		means = append(means, Mean(known(samples[:size])))
	}
	return means
}

func known(samples []float64) []float64 {
	kept := make([]float64, 0, len(samples))
	for _, s := range samples {
		if !math.IsNaN(s) {
			kept = append(kept, s)
		}
	}
	return kept
}

// moments sums up values one by one without cancellation (Welford 1962).
type moments struct{ n, mean, squares float64 }

func (m *moments) add(x float64) {
	m.n++
	delta := x - m.mean
	m.mean += delta / m.n
	m.squares += delta * (x - m.mean)
}
