package stats

import (
	"math"
	"testing"
)

// The wanted cuts are those of mser_m in kim-convergence, which follows White
// (1997) and Spratt (1998): of the Nile as it is, whose flow is known to fall about
// 1898, and with warm-ups that decay.
func TestMSER5OnTheNile(t *testing.T) {
	for _, tt := range []struct {
		name          string
		from          int // sample
		height, decay float64
		want          int
	}{
		{"as it is", 0, 0, 1, 45},
		{"a warm-up of six samples", 0, 2000, 6, 45},
		{"the level after the fall, with one of four", 40, 5000, 4, 15},
	} {
		var samples []float64
		for i, flow := range nile[tt.from:] {
			samples = append(samples, flow+tt.height*math.Exp(-float64(i)/tt.decay))
		}
		if got := MSER5(samples); got != tt.want {
			t.Errorf("%s: got %d, want %d", tt.name, got, tt.want)
		}
	}
}
