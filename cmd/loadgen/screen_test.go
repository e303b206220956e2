package main

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/plumbline/plumbline/pkg/loadgen"
)

func TestScreenWithoutATerminal(t *testing.T) {
	var out strings.Builder
	s := newScreen(&out)
	for second := range 35 {
		s.progress(loadgen.Progress{Elapsed: time.Duration(second) * time.Second, Total: time.Minute, Users: 5, Requests: int64(100 * second), Failures: 1, RequestsPerSecond: 100, P50: 0.00042, P95: 0.0123, P99: 1.5})
		if second == 15 {
			s.say("warning: x")
		}
	}
	s.end()
	line := func(at, n int) string {
		return fmt.Sprintf("%ds/1m0s  5 users  100 req/s  %d requests  1 failed (%.2f%%)  p50 0.42  p95 12  p99 1500 ms\n", at, n, 100/float64(n))
	}
	if diff := cmp.Diff(line(10, 1000)+"warning: x\n"+line(20, 2000)+line(30, 3000), out.String()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// On a terminal the line stands last, and what stays is written above it.
func TestScreenOnATerminal(t *testing.T) {
	var out strings.Builder
	s := &screen{w: &out, live: true, width: 20}
	s.progress(loadgen.Progress{Elapsed: time.Second, Total: time.Minute})
	s.say("warning: x")
	s.progress(loadgen.Progress{Elapsed: 2 * time.Second, Total: time.Minute})
	s.end()
	const erase = "\r\033[K"
	if want := "1s/1m0s  0 users  0" + erase + "warning: x\n" + "1s/1m0s  0 users  0" + erase + "2s/1m0s  0 users  0" + erase; out.String() != want {
		t.Errorf("got %q, want %q", out.String(), want)
	}
}

func TestSlowLog(t *testing.T) {
	var said []string
	l := newSlowLog(5*time.Second, func(text string) { said = append(said, text) })
	at := time.Date(2026, 1, 18, 14, 0, 0, 0, time.UTC)
	sample := func(at time.Time, response, service time.Duration, status int) loadgen.Sample {
		return loadgen.Sample{Request: "a", User: 7, Sent: at, ResponseTime: response, ServiceTime: service, Status: status}
	}
	l.observe(sample(at, 5*time.Second, 5*time.Second, 200)) // not longer than that
	for range 8 {
		l.observe(sample(at, 6*time.Second, 6*time.Second, 200))
	}
	l.observe(sample(at.Add(time.Second), 9*time.Second, 6*time.Second, 0))
	for range 6 {
		l.observe(sample(at.Add(2*time.Second), 6*time.Second, 6*time.Second, 200))
	}
	l.end()
	want := []string{
		"slow: 14:00:06.000  a took 6s, status 200, user 7", "slow: 14:00:06.000  a took 6s, status 200, user 7", "slow: 14:00:06.000  a took 6s, status 200, user 7",
		"slow: 14:00:06.000  a took 6s, status 200, user 7", "slow: 14:00:06.000  a took 6s, status 200, user 7",
		"slow: 3 more in that second",
		"slow: 14:00:07.000  a took 9s, 3s of it waiting to be sent, user 7",
		"slow: 14:00:08.000  a took 6s, status 200, user 7", "slow: 14:00:08.000  a took 6s, status 200, user 7", "slow: 14:00:08.000  a took 6s, status 200, user 7",
		"slow: 14:00:08.000  a took 6s, status 200, user 7", "slow: 14:00:08.000  a took 6s, status 200, user 7",
		"slow: 1 more in that second",
	}
	if diff := cmp.Diff(want, said); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
