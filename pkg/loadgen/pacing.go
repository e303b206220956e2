package loadgen

import "time"

// A metronome wakes one goroutine at given moments.
type metronome interface {
	// wait returns after d, or false after interrupt.
	wait(d time.Duration) bool
	interrupt() // ends the wait and all later ones; another goroutine calls it
	close()
}

// A ticker is the metronome of Go's own timers. They are up to a millisecond
// late when the process has nothing else to do.
type ticker struct {
	timer *time.Timer
	done  chan struct{}
}

func newTicker() metronome {
	t := &ticker{timer: time.NewTimer(time.Hour), done: make(chan struct{})}
	t.timer.Stop()
	return t
}

func (t *ticker) wait(d time.Duration) bool {
	t.timer.Reset(d)
	select {
	case <-t.timer.C:
		return true
	case <-t.done:
		return false
	}
}

func (t *ticker) interrupt() { close(t.done) }

func (t *ticker) close() { t.timer.Stop() }
