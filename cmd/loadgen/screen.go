package main

import (
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/plumbline/plumbline/internal/cli"
	"github.com/plumbline/plumbline/pkg/loadgen"
)

// A screen shows how far a run is: on a terminal in one live line, elsewhere in
// a line every ten seconds. Many may write to it at once.
type screen struct {
	w     io.Writer
	live  bool
	width int

	mu   sync.Mutex
	line string // the live one, as it stands there
	last time.Duration
}

// lineInterval is how often a line comes where none can be live.
const lineInterval = 10 * time.Second

func newScreen(w io.Writer) *screen {
	width, live := cli.Terminal(w)
	return &screen{w: w, live: live, width: width}
}

// Write writes text that stays.
func (s *screen) Write(text []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.clear()
	n, err := s.w.Write(text)
	s.draw()
	return n, err
}

// say writes a line that stays.
func (s *screen) say(text string) { fmt.Fprintln(s, text) }

func (s *screen) progress(p loadgen.Progress) {
	s.mu.Lock()
	defer s.mu.Unlock()
	line := progressLine(p)
	switch {
	case s.live:
		s.clear()
		s.line = fit(line, s.width-1)
		s.draw()
	case p.Elapsed-s.last >= lineInterval:
		s.last = p.Elapsed.Truncate(lineInterval)
		fmt.Fprintln(s.w, line)
	}
}

// end takes the live line away.
func (s *screen) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.clear()
	s.line = ""
}

func (s *screen) clear() {
	if s.line != "" {
		fmt.Fprint(s.w, "\r\033[K")
	}
}

func (s *screen) draw() { fmt.Fprint(s.w, s.line) }

func progressLine(p loadgen.Progress) string {
	share := 100 * float64(p.Failures) / max(float64(p.Requests), 1)
	return fmt.Sprintf("%s/%s  %d users  %.0f req/s  %d requests  %d failed (%.2f%%)  p50 %s  p95 %s  p99 %s ms",
		p.Elapsed.Round(time.Second), p.Total, p.Users, p.RequestsPerSecond, p.Requests, p.Failures, share,
		loadgen.Milliseconds(p.P50), loadgen.Milliseconds(p.P95), loadgen.Milliseconds(p.P99))
}

// fit cuts a line to the width of the terminal, so that it can be written over.
func fit(line string, width int) string {
	if runes := []rune(line); width > 0 && len(runes) > width {
		return string(runes[:width])
	}
	return line
}
