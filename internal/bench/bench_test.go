package main

import (
	"math"
	"strings"
	"testing"
	"time"
)

func TestRequestsIn(t *testing.T) {
	for _, c := range []struct {
		name  string
		parts []string
		want  []int
	}{
		{"one at a time", []string{"GET / HTTP/1.1\r\n\r\n", "GET / HTTP/1.1\r\n\r\n"}, []int{1, 1}},
		{"two at once", []string{"GET / HTTP/1.1\r\n\r\nGET / HTTP/1.1\r\n\r\n"}, []int{2}},
		{"cut inside its end", []string{"GET / HTTP/1.1\r\n\r", "\nGET / HTTP/1.1\r\n", "\r\n"}, []int{0, 1, 1}},
		{"with a body", []string{"POST / HTTP/1.1\r\nContent-Length: 7\r\n\r\n{\"a\":1}", "POST / HTTP/1.1\r\n\r\n"}, []int{1, 1}},
	} {
		var tail []byte
		for i, part := range c.parts {
			var got int
			if got, tail = requestsIn(tail, []byte(part)); got != c.want[i] {
				t.Errorf("%s, part %d: got %d requests, want %d", c.name, i, got, c.want[i])
			}
		}
	}
}

func TestFreeze(t *testing.T) {
	f := freeze{every: 10 * time.Second, length: time.Second, first: 5 * time.Second}
	for _, c := range []struct{ at, want time.Duration }{
		{0, 0}, {5 * time.Second, time.Second}, {5500 * time.Millisecond, 500 * time.Millisecond}, {6 * time.Second, 0},
		{14 * time.Second, 0}, {15250 * time.Millisecond, 750 * time.Millisecond},
	} {
		if got := f.left(c.at); got != c.want {
			t.Errorf("%v after the first request: got %v left, want %v", c.at, got, c.want)
		}
	}
	if got := (freeze{}).left(time.Hour); got != 0 {
		t.Errorf("a target that never freezes: got %v left, want 0", got)
	}
}

func TestTable(t *testing.T) {
	h := &harness{}
	h.show("speed", "%d req/s", 5)
	h.atLeast("ratio", "%.2f", 0.71, 0.70)
	h.atMost("lag", "%.0f µs", 501, 500)
	h.atMost("nothing measured", "%.0f", median(nil), 1)
	var out strings.Builder
	h.print(&out)
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	for i, want := range []string{"5 req/s", "≥ 0.70  met", "≤ 500 µs  NOT MET", "NaN                 ≤ 1  NOT MET"} {
		if !strings.HasSuffix(strings.TrimRight(lines[i], " "), want) {
			t.Errorf("line %d: got %q, want it to end in %q", i, lines[i], want)
		}
	}
	if got := median([]float64{3, 1, 2, 10}); got != 2.5 || !math.IsNaN(median(nil)) {
		t.Errorf("median: got %v, want 2.5", got)
	}
}
