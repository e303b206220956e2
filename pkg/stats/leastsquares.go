package stats

import (
	"math"

	"gonum.org/v1/gonum/mat"
)

// NonNegativeLeastSquares is the x ≥ 0 that makes |A·x − b|² least, by the active
// sets of Lawson & Hanson (1974, ch. 23). A has a row for each element of b. It is
// nil when A has no columns or fewer rows than columns.
func NonNegativeLeastSquares(a [][]float64, b []float64) []float64 {
	if len(a) == 0 || len(a[0]) == 0 || len(a) < len(a[0]) || len(a) != len(b) {
		return nil
	}
	columns := len(a[0])
	x, free := make([]float64, columns), make([]bool, columns)
	for range 3 * columns * columns { // it ends long before; this guards against cycles of rounding
		next := steepest(a, b, x, free)
		if next < 0 {
			break
		}
		free[next] = true
		for {
			z := solveFree(a, b, free)
			if z == nil {
				free[next] = false
				return x
			}
			step, blocked := 1.0, false
			for j, isFree := range free {
				if isFree && z[j] <= 0 {
					step, blocked = math.Min(step, x[j]/(x[j]-z[j])), true
				}
			}
			for j, isFree := range free {
				if isFree {
					x[j] += step * (z[j] - x[j])
					if blocked && x[j] <= 1e-12*math.Abs(z[j]) {
						x[j], free[j] = 0, false
					}
				}
			}
			if !blocked {
				break
			}
		}
	}
	return x
}

// steepest is the bound variable whose release lessens the squares most; -1 when none does.
func steepest(a [][]float64, b, x []float64, free []bool) int {
	best, at := 0.0, -1
	for j := range x {
		if free[j] {
			continue
		}
		gradient, scale := 0.0, 0.0
		for i, row := range a {
			rest := b[i]
			for k, v := range row {
				rest -= v * x[k]
			}
			gradient += row[j] * rest
			scale += math.Abs(row[j] * b[i])
		}
		if gradient > best && gradient > 1e-12*scale {
			best, at = gradient, j
		}
	}
	return at
}

// solveFree solves the least squares over the free variables; the others are 0.
// It is nil when the columns depend on each other.
func solveFree(a [][]float64, b []float64, free []bool) []float64 {
	var columns []int
	for j, isFree := range free {
		if isFree {
			columns = append(columns, j)
		}
	}
	m := mat.NewDense(len(a), len(columns), nil)
	for i, row := range a {
		for k, j := range columns {
			m.Set(i, k, row[j])
		}
	}
	var solution mat.VecDense
	if err := solution.SolveVec(m, mat.NewVecDense(len(b), append([]float64(nil), b...))); err != nil {
		return nil
	}
	z := make([]float64, len(free))
	for k, j := range columns {
		z[j] = solution.AtVec(k)
	}
	return z
}

// A Fit is the parameters that a function was fitted with.
type Fit struct {
	Parameters []float64
	Squares    float64 // sum of the squared residuals
	Converged  bool
}

// FitNonNegative finds the parameters ≥ 0 for which the squares of the residuals
// are least, from a start, by the method of Levenberg (1944) and Marquardt (1963)
// with the scaling of Moré (1978). Parameters that would leave the bound are held
// at it while the others move. Residuals fills r for parameters p; jacobian fills
// the derivatives j[i][k] of r[i] by p[k].
func FitNonNegative(start []float64, n int, residuals func(p, r []float64), jacobian func(p []float64, j [][]float64)) Fit {
	m := newMarquardt(start, n)
	residuals(m.p, m.r)
	f := Fit{Parameters: m.p, Squares: sumOfSquares(m.r)}
	for range 200 {
		jacobian(m.p, m.j)
		m.linearize()
		before := f.Squares
		if !m.descend(&f.Squares, residuals) || before-f.Squares <= 1e-13*before {
			f.Converged = true
			break
		}
	}
	return f
}

// leastDamping and mostDamping bound the search for a step that descends.
const (
	leastDamping = 1e-12
	mostDamping  = 1e16
)

// A marquardt is the state of a fit, with room for its sums.
type marquardt struct {
	p, trial  []float64
	r, rTrial []float64
	j         [][]float64
	normal    [][]float64 // JᵀJ
	gradient  []float64   // −Jᵀr
	matrix    [][]float64
	step      []float64
	damping   float64
}

func newMarquardt(start []float64, n int) *marquardt {
	square := func(rows, columns int) [][]float64 {
		m := make([][]float64, rows)
		for i := range m {
			m[i] = make([]float64, columns)
		}
		return m
	}
	k := len(start)
	return &marquardt{
		p: append([]float64(nil), start...), trial: make([]float64, k), r: make([]float64, n), rTrial: make([]float64, n),
		j: square(n, k), normal: square(k, k), gradient: make([]float64, k), matrix: square(k, k), step: make([]float64, k), damping: 1e-3,
	}
}

func sumOfSquares(values []float64) (sum float64) {
	for _, v := range values {
		sum += v * v
	}
	return sum
}

// linearize sums up the normal equations.
func (m *marquardt) linearize() {
	for a := range m.gradient {
		m.gradient[a] = 0
		clear(m.normal[a])
	}
	for i, row := range m.j {
		for a := range m.gradient {
			m.gradient[a] -= row[a] * m.r[i]
			for b := range m.gradient {
				m.normal[a][b] += row[a] * row[b]
			}
		}
	}
}

// descend takes the longest step that makes the squares no larger; false when
// none does.
func (m *marquardt) descend(squares *float64, residuals func(p, r []float64)) bool {
	for ; m.damping < mostDamping; m.damping *= 10 {
		if !m.solve() {
			continue
		}
		for k := range m.p {
			m.trial[k] = math.Max(m.p[k]+m.step[k], 0)
		}
		residuals(m.trial, m.rTrial)
		if s := sumOfSquares(m.rTrial); s <= *squares {
			copy(m.p, m.trial)
			copy(m.r, m.rTrial)
			*squares, m.damping = s, math.Max(m.damping/10, leastDamping)
			return true
		}
	}
	return false
}

// solve finds the step with (JᵀJ + damping·diag(JᵀJ))·step = −Jᵀr over the
// parameters that move, scaled to a unit diagonal so that those of any size are
// solved for alike. It is false when the matrix is not positive definite.
func (m *marquardt) solve() bool {
	for a := range m.step {
		clear(m.matrix[a])
		m.matrix[a][a], m.step[a] = 1, 0
		if !m.moves(a) {
			continue
		}
		m.step[a] = m.gradient[a] / math.Sqrt(m.normal[a][a])
		for b := range m.step {
			if m.moves(b) {
				m.matrix[a][b] = m.normal[a][b] / math.Sqrt(m.normal[a][a]*m.normal[b][b])
			}
		}
		m.matrix[a][a] = 1 + m.damping
	}
	if !solveDefinite(m.matrix, m.step) {
		return false
	}
	for a := range m.step {
		if m.moves(a) {
			m.step[a] /= math.Sqrt(m.normal[a][a])
		}
	}
	return true
}

// moves tells whether a parameter has an effect and isn't held at its bound.
func (m *marquardt) moves(k int) bool {
	return m.normal[k][k] > 0 && (m.p[k] > 0 || m.gradient[k] > 0)
}

// solveDefinite solves a small symmetric positive definite system in place, by
// Cholesky: b becomes the solution, the matrix its factor. Refits of a bootstrap
// run it ten thousands of times.
func solveDefinite(matrix [][]float64, b []float64) bool {
	n := len(b)
	for i := range n {
		for k := 0; k <= i; k++ {
			sum := matrix[i][k]
			for l := range k {
				sum -= matrix[i][l] * matrix[k][l]
			}
			switch {
			case k < i:
				matrix[i][k] = sum / matrix[k][k]
			case !(sum > 0):
				return false
			default:
				matrix[i][i] = math.Sqrt(sum)
			}
		}
	}
	for i := range n {
		for l := range i {
			b[i] -= matrix[i][l] * b[l]
		}
		b[i] /= matrix[i][i]
	}
	for i := n - 1; i >= 0; i-- {
		for l := i + 1; l < n; l++ {
			b[i] -= matrix[l][i] * b[l]
		}
		b[i] /= matrix[i][i]
	}
	return true
}
