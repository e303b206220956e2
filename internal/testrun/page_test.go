package testrun

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

func TestPageKnowsWhenItWasRead(t *testing.T) {
	registry := prometheus.NewRegistry()
	registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "g"}, func() float64 { return 7 }))
	p, err := servePage("", registry)
	if err != nil {
		t.Fatal(err)
	}
	defer p.close()
	gone, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
	defer cancel()
	if p.awaitRead(gone, time.Time{}) {
		t.Error("before anybody came: got that it was read")
	}
	res, err := http.Get(p.url)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if text, err := io.ReadAll(res.Body); err != nil || !strings.Contains(string(text), "g 7") {
		t.Errorf("got %s, %v, want the metric", text, err)
	}
	if !p.awaitRead(t.Context(), time.Time{}) {
		t.Error("got that it was not read")
	}
	gone, cancel = context.WithTimeout(t.Context(), 30*time.Millisecond)
	defer cancel()
	if p.awaitRead(gone, time.Now()) {
		t.Error("after a later time: got that it was read")
	}
}

func TestSpecsThatDoNotFit(t *testing.T) {
	now := time.Date(2026, 1, 18, 14, 0, 0, 0, time.UTC)
	if err := (Spec{StartAt: now.Add(-time.Minute)}).check(now); err == nil || !strings.Contains(err.Error(), "was 1m0s ago") {
		t.Errorf("a start that is past: got %v", err)
	}
	if err := (Spec{StartAt: now.Add(time.Minute)}).check(now); err != nil {
		t.Errorf("a start to come: got %v", err)
	}
}
