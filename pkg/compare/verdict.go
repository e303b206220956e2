package compare

import "fmt"

// A Verdict is the judgement on a change of one metric, or of a whole comparison.
type Verdict int

// The verdicts; the zero value is the safe one.
const (
	Inconclusive Verdict = iota // too few runs, or too noisy, to tell
	Regressed
	Unchanged
	Improved
)

var verdictNames = [...]string{"inconclusive", "regressed", "unchanged", "improved"}

func (v Verdict) String() string { return verdictNames[v] }

// MarshalText writes the verdict's name.
func (v Verdict) MarshalText() ([]byte, error) { return []byte(v.String()), nil }

// UnmarshalText reads the verdict's name.
func (v *Verdict) UnmarshalText(text []byte) error {
	for i, name := range verdictNames {
		if name == string(text) {
			*v = Verdict(i)
			return nil
		}
	}
	return fmt.Errorf("unknown verdict %q: want improved, unchanged, regressed or inconclusive", text)
}
