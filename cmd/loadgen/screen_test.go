package main

import (
	"fmt"
	"io"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/plumbline/plumbline/pkg/loadgen"
)

func TestScreenWithoutATerminal(t *testing.T) {
	var out strings.Builder
	s := newScreen(&out)
	at := time.Date(2026, 1, 18, 14, 0, 5, 0, time.UTC)
	for second := range 35 {
		p := loadgen.Progress{Elapsed: time.Duration(second) * time.Second, Total: time.Minute, Users: 5, Requests: int64(100 * second), Failures: 1, RequestsPerSecond: 7, Lately: 100, P50: 0.00042, P95: 0.0123, P99: 1.5}
		if second < 2 {
			p = loadgen.Progress{StartAt: at}
		}
		s.progress(p)
		if second == 15 {
			s.say("warning: x")
		}
	}
	s.end()
	line := func(at, n int) string {
		return fmt.Sprintf("%ds/1m0s  5 users  100 req/s  %d requests  1 failed (%.2f%%)  p50 0.42ms  p95 12ms  p99 1500ms\n", at, n, 100/float64(n))
	}
	if diff := cmp.Diff("waiting until 14:00:05Z\n"+line(10, 1000)+"warning: x\n"+line(20, 2000)+line(30, 3000), out.String()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// On a terminal the line stands last, and what stays is written above it.
func TestScreenOnATerminal(t *testing.T) {
	var out strings.Builder
	s := &screen{w: &out, live: true, width: 20}
	s.progress(loadgen.Progress{Elapsed: time.Second, Total: time.Minute})
	s.say("warning: x")
	s.progress(loadgen.Progress{Elapsed: 2 * time.Second, Total: time.Minute, RequestsPerSecond: 7})
	s.end()
	const erase = "\r\033[K"
	if want := "0 req/s" + erase + "warning: x\n" + "0 req/s" + erase + "7 req/s" + erase; out.String() != want {
		t.Errorf("got %q, want %q", out.String(), want)
	}
}

// Where there is little room whole fields go, and no number is cut.
func TestTheLiveLineFits(t *testing.T) {
	closed := loadgen.Progress{Elapsed: 754 * time.Second, Total: 30 * time.Minute, Users: 1000, Requests: 4095678, Failures: 12, RequestsPerSecond: 5432, P50: 0.021, P95: 0.210, P99: 1.021}
	open := loadgen.Progress{Elapsed: 11 * time.Second, Total: 4 * time.Second, Open: true, Users: 1, Waiting: 20, Requests: 1, Failures: 0, Dropped: 375, P50: math.NaN(), P95: math.NaN(), P99: math.NaN()}
	for _, tt := range []struct {
		progress loadgen.Progress
		width    int
		want     string
	}{
		{closed, 200, "12m34s/30m0s  1000 users  5432 req/s  4095678 requests  12 failed (0.0003%)  p50 21ms  p95 210ms  p99 1021ms"},
		{closed, 105, "12m34s/30m0s  1000 users  5432 req/s  12 failed (0.0003%)  p50 21ms  p95 210ms  p99 1021ms"},
		{closed, 80, "12m34s/30m0s  1000 users  5432 req/s  12 failed (0.0003%)  p95 210ms  p99 1021ms"},
		{closed, 79, "12m34s/30m0s  5432 req/s  12 failed (0.0003%)  p95 210ms  p99 1021ms"},
		{closed, 40, "5432 req/s  12 failed (0.0003%)"},
		{closed, 20, "5432 req/s"},
		{closed, 5, ""},
		{open, 200, "4s/4s +7s  1 in flight  0 req/s  1 request  0 failed (0.00%)  375 dropped  20 waiting  p50 -  p95 -  p99 -"},
		{open, 80, "4s/4s +7s  0 req/s  0 failed (0.00%)  375 dropped  20 waiting  p95 -  p99 -"},
		{loadgen.Progress{LoggedIn: 1}, 80, "before the load  1 user has logged in"},
		{loadgen.Progress{LoggedIn: 7}, 30, "7 users have logged in"},
	} {
		if got := fit(liveFields(tt.progress), tt.width); got != tt.want {
			t.Errorf("%d columns: got %q, want %q", tt.width, got, tt.want)
		}
	}
}

// A reader that is gone ends nothing.
func TestAScreenThatIsGone(t *testing.T) {
	r, w := io.Pipe()
	r.Close()
	if _, err := newScreen(w).Write([]byte("x\n")); err != nil {
		t.Errorf("got %v, want no error", err)
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
