package main

import (
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/plumbline/plumbline/internal/cli"
	"github.com/plumbline/plumbline/pkg/loadgen"
)

// A screen shows how far a run is: on a terminal in one live line, elsewhere in
// a line every ten seconds. Many may write to it at once. That its reader has
// gone away ends no run: what can't be shown is lost.
type screen struct {
	w     io.Writer
	live  bool
	width int

	mu      sync.Mutex
	line    string // the live one, as it stands there
	last    time.Duration
	waiting bool // for the common start, and it has been said
}

// lineInterval is how often a line comes where none can be live.
const lineInterval = 10 * time.Second

func newScreen(w io.Writer) *screen {
	width, live := cli.Terminal(w)
	return &screen{w: w, live: live, width: width}
}

// Write writes text that stays. It never fails.
func (s *screen) Write(text []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keep(string(text))
	return len(text), nil
}

func (s *screen) keep(text string) {
	s.clear()
	fmt.Fprint(s.w, text)
	s.draw()
}

// say writes a line that stays.
func (s *screen) say(text string) { fmt.Fprintln(s, text) }

func (s *screen) progress(p loadgen.Progress) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case p.Elapsed == 0 && !p.StartAt.IsZero():
		if !s.waiting {
			s.waiting = true
			s.keep("waiting until " + p.StartAt.Format("15:04:05Z07:00") + "\n")
		}
	case s.live:
		if width, is := cli.Terminal(s.w); is { // it may have changed
			s.width = width
		}
		s.clear()
		s.line = fit(liveFields(p), s.width-1)
		s.draw()
	case p.Elapsed-s.last >= lineInterval:
		s.last = p.Elapsed.Truncate(lineInterval)
		p.RequestsPerSecond = p.Lately // of all the time since the last line
		fmt.Fprintln(s.w, fit(liveFields(p), 0))
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

// A field is a part of the live line.
type field struct {
	text  string
	worth int // the least goes first where there is too little room
}

// liveFields are what is told of a run under way, in their order.
func liveFields(p loadgen.Progress) []field {
	if p.Elapsed == 0 {
		return []field{{"before the load", 1}, {several(int64(p.LoggedIn), "user has", "users have") + " logged in", 2}}
	}
	users := several(int64(p.Users), "user", "users")
	if p.Open {
		users = fmt.Sprintf("%d in flight", p.Users)
	}
	fields := []field{
		{elapsed(p), 6},
		{users, 2},
		{fmt.Sprintf("%.0f req/s", p.RequestsPerSecond), 9},
		{several(p.Requests, "request", "requests"), 0},
		{fmt.Sprintf("%d failed (%s)", p.Failures, loadgen.Percent(p.Failures, p.Requests)), 8},
	}
	if p.Dropped > 0 {
		fields = append(fields, field{fmt.Sprintf("%d dropped", p.Dropped), 7})
	}
	if p.Waiting > 0 {
		fields = append(fields, field{fmt.Sprintf("%d waiting", p.Waiting), 5})
	}
	return append(fields, field{"p50 " + milliseconds(p.P50), 1}, field{"p95 " + milliseconds(p.P95), 3}, field{"p99 " + milliseconds(p.P99), 4})
}

// elapsed is how much of a run is over, and what it takes longer than its profile.
func elapsed(p loadgen.Progress) string {
	if over := (p.Elapsed - p.Total).Round(time.Second); over > 0 {
		return fmt.Sprintf("%s/%s +%s", p.Total, p.Total, over)
	}
	return fmt.Sprintf("%s/%s", p.Elapsed.Round(time.Second), p.Total)
}

func milliseconds(seconds float64) string {
	if math.IsNaN(seconds) {
		return "-"
	}
	return loadgen.Milliseconds(seconds) + "ms"
}

// fit puts fields into a line that is no wider than the terminal, so that it can
// be written over; 0 or less for any width.
func fit(fields []field, width int) string {
	for {
		var texts []string
		for _, f := range fields {
			texts = append(texts, f.text)
		}
		line := strings.Join(texts, "  ")
		if width <= 0 || utf8.RuneCountInString(line) <= width {
			return line
		}
		least := slices.MinFunc(fields, func(a, b field) int { return a.worth - b.worth })
		fields = slices.DeleteFunc(fields, func(f field) bool { return f == least })
	}
}
