//go:build !linux

package loadgen

func newMetronome() metronome { return newTicker() }
