package compare

import "fmt"

// A Direction is the way in which a change of a metric is for the worse.
type Direction int

// The directions.
const (
	HigherIsWorse Direction = iota // latency, errors, utilization
	LowerIsWorse                   // throughput, availability
)

var directionNames = [...]string{"higher", "lower"}

func (d Direction) String() string { return directionNames[d] }

// MarshalText writes the direction that is worse: higher or lower.
func (d Direction) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText reads the direction that is worse.
func (d *Direction) UnmarshalText(text []byte) error {
	for i, name := range directionNames {
		if name == string(text) {
			*d = Direction(i)
			return nil
		}
	}
	return fmt.Errorf("unknown direction %q: worse is higher or lower", text)
}

// sign is +1 when higher values are worse, −1 when lower ones are.
func (d Direction) sign() float64 {
	if d == LowerIsWorse {
		return -1
	}
	return 1
}
