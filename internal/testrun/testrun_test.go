package testrun

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/plumbline/plumbline/pkg/loadgen"
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
