package testrun

import (
	"net/http"
	"sync"
)

// live answers PromQL over a recording while it is being written. Its zero value
// is closed.
type live struct {
	mu      sync.RWMutex
	answers http.Handler
}

func (l *live) open(answers http.Handler) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.answers = answers
}

// close waits for the questions that are being answered: the storage under them
// must not be sealed before.
func (l *live) close() { l.open(nil) }

func (l *live) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	if l.answers == nil {
		http.Error(w, "nothing is being recorded here", http.StatusServiceUnavailable)
		return
	}
	l.answers.ServeHTTP(w, r)
}
