package compare

import "github.com/plumbline/plumbline/pkg/stats"

// maxPriorDF bounds the weight of history, so that the runs themselves always have a say.
const maxPriorDF = 10

// Without history, the noise between runs is taken for what it commonly is: a
// standard deviation of 2 %, with the weight of one degree of freedom.
const (
	assumedSD = 0.02
	assumedDF = 1
)

// Noise is what is known of the noise between runs of the same build before the
// runs that are compared are looked at. The zero value is: nothing.
type Noise struct {
	// Prior is the variance between runs of ln(value), or of the log odds of
	// ratios, fitted to the history of all metrics (see [stats.FitVariancePrior]).
	// It counts as ten degrees of freedom at most. Zero or NaN is no history.
	Prior stats.VariancePrior
}

// prior is the measured prior, or the assumed one.
func (n Noise) prior() stats.VariancePrior {
	if n.Prior.Variance > 0 && n.Prior.DF > 0 {
		return n.Prior.Capped(maxPriorDF)
	}
	return stats.VariancePrior{Variance: assumedSD * assumedSD, DF: assumedDF}
}
