package testrun

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/plumbline/plumbline/internal/store"
	"github.com/plumbline/plumbline/pkg/loadgen"
	"github.com/plumbline/plumbline/pkg/run"
)

func TestARunKeepsItsSeed(t *testing.T) {
	for _, seed := range []uint64{0, 7} { // 0 is one as well
		text, err := json.Marshal(newRun("a", Spec{Target: &url.URL{}, Seed: seed}))
		if want := fmt.Sprintf(`"seed":%d,`, seed); err != nil || !strings.Contains(string(text), want) {
			t.Errorf("got %s, %v, want %s", text, err, want)
		}
	}
}

// Segments are waited for as long as their last requests may take.
func TestSegmentPatience(t *testing.T) {
	ended, end := context.WithCancel(t.Context())
	end()
	for _, tt := range []struct {
		name  string
		hard  context.Context
		grace time.Duration
		want  time.Duration
	}{
		{"the default", t.Context(), 0, 40 * time.Second},
		{"a long grace", t.Context(), 5 * time.Minute, 5*time.Minute + 10*time.Second},
		{"the user is impatient", ended, 5 * time.Minute, 0},
	} {
		if got := (&testRun{spec: Spec{Grace: tt.grace}}).segmentPatience(tt.hard); got != tt.want {
			t.Errorf("%s: got %s, want %s", tt.name, got, tt.want)
		}
	}
}

func TestARunKeepsNoPassword(t *testing.T) {
	target, err := url.Parse("http://me:hunter2@api.test:8080/v1")
	if err != nil {
		t.Fatal(err)
	}
	r := newRun("a", Spec{Target: target, Prometheus: "http://me:hunter2@p.test:9090", Scenario: loadgen.Scenario{}})
	if text := fmt.Sprintf("%+v", r); strings.Contains(text, "hunter2") {
		t.Errorf("got %s, want no password", text)
	}
	if r.Target != "http://api.test:8080/v1" || r.Source.Prometheus != "http://p.test:9090" {
		t.Errorf("got %s and %s, want all but the user", r.Target, r.Source.Prometheus)
	}
}

// A stop after the end of the profile stopped nothing.
func TestStoppedAt(t *testing.T) {
	began := time.Now()
	profile := loadgen.Profile{Stages: []loadgen.Stage{{From: 1, To: 1, Duration: 3 * time.Second}}}
	for _, tt := range []struct {
		name  string
		start time.Time
		after time.Duration
		want  string
	}{
		{"before the load", time.Time{}, 0, "stopped by the user before the load began"},
		{"under way", began, 2 * time.Second, "stopped by the user after 2s of 3s"},
		{"in the grace", began, 5 * time.Second, ""},
	} {
		r := testRun{spec: Spec{Profile: profile}, run: run.Run{Window: run.Window{Start: tt.start}}}
		if err := r.stoppedAt(began.Add(tt.after), nil); err == nil && tt.want != "" || err != nil && err.Error() != tt.want {
			t.Errorf("%s: got %v, want %q", tt.name, err, tt.want)
		}
	}
}

// Prometheus spreads the first scrapes over an interval.
func TestFirstPatience(t *testing.T) {
	for _, tt := range []struct {
		scrape, start, want time.Duration
	}{
		{time.Second, 0, 15 * time.Second},
		{time.Minute, 0, 3 * time.Minute},
		{time.Second, time.Hour, time.Hour - scrapeLead},
	} {
		r := testRun{run: run.Run{Source: run.Source{ScrapeSeconds: tt.scrape.Seconds()}}}
		if tt.start > 0 {
			r.spec.StartAt = time.Now().Add(tt.start)
		}
		if got := r.firstPatience().Round(time.Second); got != tt.want {
			t.Errorf("every %s, start in %s: got %s, want %s", tt.scrape, tt.start, got, tt.want)
		}
	}
}

// Users who still log in may warn while the run is registered; the race detector judges.
func TestWarningsWhileTheRunIsSaved(t *testing.T) {
	st := store.Open(t.TempDir())
	id, err := st.Reserve("r", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	r := testRun{store: st, run: run.Run{ID: id, State: run.Running}}
	var warning sync.WaitGroup
	warning.Go(func() {
		for range 1000 {
			r.warn("late")
		}
	})
	for range 20 {
		r.started(time.Now())
	}
	warning.Wait()
	if r.saveErr != nil || len(r.run.Warnings) != 1000 {
		t.Errorf("got %v and %d warnings, want 1000", r.saveErr, len(r.run.Warnings))
	}
}
