package capacity_test

import (
	"math"
	"strings"
	"testing"

	"github.com/plumbline/plumbline/pkg/capacity"
)

// spiked is a minute at rest, half a minute of a spike, and a minute after, in
// which latency comes back in so many seconds.
func spiked(back int, after int) capacity.Spike {
	s := capacity.Spike{BeforeFrom: 10, BeforeTo: 60, End: 90, IntervalSeconds: 1}
	throughput, latency, errors := capacity.Signal{Name: "throughput"}, capacity.Signal{Name: "p95 latency", OneSided: true}, capacity.Signal{Name: "errors", OneSided: true}
	for i := range 90 + after {
		wobble := .02 * math.Sin(float64(7*i))
		x, r, e := 100*(1+wobble), .1*(1+wobble), 0.0
		switch {
		case i >= 60 && i < 90:
			x, r, e = 400, 2, .05
		case i >= 90 && i < 90+back:
			r = 1
		case i == 90+back+20:
			r = 3 // a single outlier is not a relapse
		}
		throughput.Values, latency.Values, errors.Values = append(throughput.Values, x), append(latency.Values, r), append(errors.Values, e)
	}
	s.Signals = []capacity.Signal{throughput, latency, errors}
	return s
}

func TestRecovery(t *testing.T) {
	r := capacity.MeasureRecovery(spiked(12, 60))
	if r.Reason != "" || math.Abs(r.Seconds-12) > 2 {
		t.Fatalf("got %v s (%s), want 12", r.Seconds, r.Reason)
	}
	if got := r.Signals[0]; got.Name != "throughput" || got.Seconds != 0 || got.Low > 98 || got.High < 102 {
		t.Errorf("got %+v, want throughput to be back at once", got)
	}
	if r := capacity.MeasureRecovery(spiked(60, 60)); !strings.Contains(r.Reason, "p95 latency did not come back within 60 s") || !math.IsNaN(r.Seconds) {
		t.Errorf("got %v s and %q, want that it did not come back", r.Seconds, r.Reason)
	}
}

func TestRecoveryWithoutALoadBefore(t *testing.T) {
	s := spiked(12, 60)
	s.BeforeFrom, s.BeforeTo = 0, 0
	r := capacity.MeasureRecovery(s)
	if r.Reason != "" || math.Abs(r.Seconds-12) > 2 || !strings.Contains(r.Note, "no load before the spike") {
		t.Errorf("got %v s (%s), note %q, want 12 and to be told of it", r.Seconds, r.Reason, r.Note)
	}
}

func TestRecoveryRefuses(t *testing.T) {
	short := spiked(2, 4)
	neither := spiked(2, 12)
	neither.BeforeFrom, neither.BeforeTo = 0, 0
	gone := spiked(2, 30)
	for i := range gone.Signals[1].Values {
		gone.Signals[1].Values[i] = math.NaN()
	}
	dead := spiked(2, 30)
	for i := 90; i < 120; i++ {
		dead.Signals[1].Values[i] = math.NaN() // nothing is answered any more
	}
	for _, c := range []struct {
		name   string
		spike  capacity.Spike
		reason string
	}{
		{"nothing", capacity.Spike{}, "no series"},
		{"no time after", short, "4 intervals after the spike"},
		{"neither before nor long after", neither, "let the profile hold before the spike"},
		{"a signal without data", gone, "of p95 latency there is nothing to come back to"},
		{"a service that died", dead, "p95 latency did not come back"},
	} {
		if r := capacity.MeasureRecovery(c.spike); !strings.Contains(r.Reason, c.reason) || !math.IsNaN(r.Seconds) {
			t.Errorf("%s: got %v s and %q, want %q", c.name, r.Seconds, r.Reason, c.reason)
		}
	}
}
