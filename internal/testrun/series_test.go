package testrun

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/plumbline/plumbline/pkg/run"
)

// A Prometheus that has the run's series knows how often it scrapes them.
func TestScrapeIntervalIsThatOfThePrometheus(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		value := "1000" // of the last scrape
		switch query := r.FormValue("query"); {
		case strings.Contains(query, "changes"):
			value = "15"
		case strings.Contains(query, "min_over_time"):
			value = "400"
		}
		fmt.Fprintf(w, `{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":[1000,%q]}]}}`, value)
	}))
	t.Cleanup(server.Close)
	for _, tt := range []struct {
		name, prometheus string
		said, want       time.Duration
		warned           bool
	}{
		{"asked", server.URL, 0, 40 * time.Second, false},
		{"said", server.URL, 10 * time.Second, time.Second, false},
		{"a recording of its own", "", 0, time.Second, false},
		{"one that can't tell", "http://127.0.0.1:1", 0, time.Second, true},
	} {
		r := testRun{spec: Spec{Prometheus: tt.prometheus, Scrape: tt.said}, run: run.Run{Source: run.Source{ScrapeSeconds: 1}}}
		r.adoptScrape(t.Context())
		if got := r.run.Source.Scrape(); got != tt.want || len(r.run.Warnings) > 0 != tt.warned {
			t.Errorf("%s: got %s and warnings %q, want %s", tt.name, got, r.run.Warnings, tt.want)
		}
	}
}
