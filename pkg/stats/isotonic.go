package stats

// Isotonic is the sequence that never falls and lies nearest to the values in
// squares: pooled adjacent violators (Ayer et al. 1955, Barlow et al. 1972).
// Values must not be NaN.
func Isotonic(values []float64) []float64 {
	type block struct{ sum, n float64 }
	var blocks []block
	for _, v := range values {
		b := block{v, 1}
		for len(blocks) > 0 && blocks[len(blocks)-1].sum*b.n >= b.sum*blocks[len(blocks)-1].n {
			last := blocks[len(blocks)-1]
			b.sum, b.n = b.sum+last.sum, b.n+last.n
			blocks = blocks[:len(blocks)-1]
		}
		blocks = append(blocks, b)
	}
	smooth := make([]float64, 0, len(values))
	for _, b := range blocks {
		for range int(b.n) {
			smooth = append(smooth, b.sum/b.n)
		}
	}
	return smooth
}
