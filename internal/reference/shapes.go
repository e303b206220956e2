package reference

import (
	"math"
	"math/rand/v2"
)

// noise is n values of mean 0, without slope, and of standard deviation 1, in which each is a share
// rho of the one before; equal seeds give equal noise.
func noise(seed uint64, n int, rho float64) []float64 {
	rng := rand.New(rand.NewPCG(seed, 0x9e3779b97f4a7c15)) //nolint:gosec // it must be the same each time
	values := make([]float64, n)
	last := 0.0
	for i := range values {
		last = rho*last + math.Sqrt(1-rho*rho)*rng.NormFloat64()
		values[i] = last
	}
	level(values)
	squares := 0.0
	for _, v := range values {
		squares += v * v / float64(n)
	}
	for i := range values {
		values[i] /= math.Sqrt(squares)
	}
	return values
}

// level takes mean and slope away: what only flutters must not look as if it grew.
func level(values []float64) {
	n, mean, slope, spread := float64(len(values)), 0.0, 0.0, 0.0
	for _, v := range values {
		mean += v / n
	}
	for i, v := range values {
		at := float64(i) - (n-1)/2
		slope += at * (v - mean)
		spread += at * at
	}
	for i := range values {
		values[i] -= mean + slope/spread*(float64(i)-(n-1)/2)
	}
}

// A measure says what a report would read off a series of intervals: its average
// and its peak in the steady window.
type measure func(values []float64) (average, peak float64)

// calibrate stretches and moves a shape until it measures as wanted. It never
// falls below a small part of the average: nothing real uses less than nothing.
func calibrate(shape []float64, want Usage, read measure) []float64 {
	average, peak := read(shape)
	b := (want.Peak - want.Average) / (peak - average)
	a := want.Average - b*average
	values := make([]float64, len(shape))
	for range 60 {
		for i, s := range shape {
			values[i] = math.Max(a+b*s, want.Average/20)
		}
		average, peak = read(values)
		if math.Abs(average/want.Average-1) < 1e-7 && math.Abs(peak/want.Peak-1) < 1e-7 {
			break
		}
		grow := (want.Peak - want.Average) / (peak - average)
		b *= grow
		a = a*grow + want.Average - average*grow
	}
	return values
}

// fit scales a matrix until its rows and columns add up as wanted (iterative
// proportional fitting, Deming & Stephan 1940). The sums must agree.
func fit(prior [][]float64, rows, columns []float64) {
	for range 80 {
		for i, row := range prior {
			scaleTo(row, rows[i])
		}
		for j := range columns {
			sum := 0.0
			for i := range prior {
				sum += prior[i][j]
			}
			if sum > 0 {
				for i := range prior {
					prior[i][j] *= columns[j] / sum
				}
			}
		}
	}
	for i, row := range prior {
		scaleTo(row, rows[i])
	}
}

func scaleTo(row []float64, want float64) {
	sum := 0.0
	for _, v := range row {
		sum += v
	}
	if sum > 0 {
		for j := range row {
			row[j] *= want / sum
		}
	}
}

// A dither turns wished-for parts into whole numbers, time after time, and carries
// over what rounding owes.
type dither struct{ owed []float64 }

// split shares out total; the parts come as near to the wishes as whole numbers can.
func (d *dither) split(wish []float64, total int) []int {
	if d.owed == nil {
		d.owed = make([]float64, len(wish))
	}
	parts := make([]int, len(wish))
	left := total
	for i, w := range wish {
		d.owed[i] += w
		parts[i] = int(math.Max(math.Floor(d.owed[i]), 0))
		left -= parts[i]
	}
	for ; left != 0; left -= sign(left) {
		best := -1
		for i := range parts {
			if left < 0 && parts[i] == 0 {
				continue
			}
			due := (d.owed[i] - float64(parts[i])) * float64(sign(left))
			if best < 0 || due > (d.owed[best]-float64(parts[best]))*float64(sign(left)) {
				best = i
			}
		}
		parts[best] += sign(left)
	}
	for i := range parts {
		d.owed[i] -= float64(parts[i])
	}
	return parts
}

func sign(n int) int {
	if n < 0 {
		return -1
	}
	return 1
}

// spread shares total whole events out over intervals by weight.
func spread(total int, weights []float64) []int {
	sum := 0.0
	for _, w := range weights {
		sum += w
	}
	counts := make([]int, len(weights))
	done, cumulated := 0, 0.0
	for i, w := range weights {
		cumulated += w
		upTo := int(math.Floor(float64(total)*cumulated/sum + 0.5))
		if i == len(weights)-1 {
			upTo = total
		}
		counts[i], done = upTo-done, upTo
	}
	return counts
}

func floats(values []int) []float64 {
	out := make([]float64, len(values))
	for i, v := range values {
		out[i] = float64(v)
	}
	return out
}

func sum[T int | float64](values []T) (total T) {
	for _, v := range values {
		total += v
	}
	return total
}
