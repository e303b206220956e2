package stats

import "math"

// RankCorrelation is Spearman's: the correlation of the ranks, in [−1, 1].
// Pairs with a NaN are left out. NaN with fewer than three pairs, or when one
// side does not vary.
func RankCorrelation(x, y []float64) float64 {
	x, y = knownPairs(x, y)
	if len(x) < 3 {
		return math.NaN()
	}
	return correlation(ranks(x), ranks(y))
}

// PartialRankCorrelation is Spearman's between x and y with what z explains of
// both taken out (Kendall 1942, on ranks):
//
//	(r_xy − r_xz·r_yz) / √((1 − r_xz²)(1 − r_yz²))
//
// Where z does not vary it is that of x and y alone. Triples with a NaN are left out.
func PartialRankCorrelation(x, y, z []float64) float64 {
	var kx, ky, kz []float64
	for i := range x {
		if !math.IsNaN(x[i]) && !math.IsNaN(y[i]) && !math.IsNaN(z[i]) {
			kx, ky, kz = append(kx, x[i]), append(ky, y[i]), append(kz, z[i])
		}
	}
	xy, xz, yz := RankCorrelation(kx, ky), RankCorrelation(kx, kz), RankCorrelation(ky, kz)
	if math.IsNaN(xz) || math.IsNaN(yz) {
		return xy
	}
	return (xy - xz*yz) / math.Sqrt((1-xz*xz)*(1-yz*yz))
}

// correlation is Pearson's.
func correlation(x, y []float64) float64 {
	mx, my := Mean(x), Mean(y)
	xy, xx, yy := 0.0, 0.0, 0.0
	for i := range x {
		xy += (x[i] - mx) * (y[i] - my)
		xx += (x[i] - mx) * (x[i] - mx)
		yy += (y[i] - my) * (y[i] - my)
	}
	return xy / math.Sqrt(xx*yy)
}
