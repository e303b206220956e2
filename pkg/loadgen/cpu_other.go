//go:build !unix

package loadgen

import "time"

// cpuTime is unknown here, so it never makes a run invalid.
func cpuTime() time.Duration { return 0 }
