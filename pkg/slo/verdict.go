package slo

import "fmt"

// A Verdict is the judgement on an objective, a resource or a run.
type Verdict int

// The verdicts; the zero value is the safe one.
const (
	Inconclusive Verdict = iota // too little data to tell
	Fail
	Warn
	Pass
)

var verdictNames = [...]string{"inconclusive", "fail", "warn", "pass"}

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
	return fmt.Errorf("unknown verdict %q: want pass, warn, fail or inconclusive", text)
}

// Overall is the verdict of a run on its objectives: fail over inconclusive
// over warn over pass. Nothing judged is inconclusive.
func Overall(verdicts ...Verdict) Verdict {
	if len(verdicts) == 0 {
		return Inconclusive
	}
	rank := [...]int{Inconclusive: 1, Fail: 0, Warn: 2, Pass: 3}
	worst := Pass
	for _, v := range verdicts {
		if rank[v] < rank[worst] {
			worst = v
		}
	}
	return worst
}
