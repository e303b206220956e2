//go:build race

package loadgen

// raceDetector reports whether the race detector is on: it allocates, and pools forget on purpose.
const raceDetector = true
