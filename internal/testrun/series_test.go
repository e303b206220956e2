package testrun

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/common/config"

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
	picky := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprint(w, `{"status":"error","errorType":"bad_data","error":"no subqueries here"}`)
	}))
	t.Cleanup(picky.Close)
	refusing := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUnauthorized) }))
	t.Cleanup(refusing.Close)
	noFile := config.HTTPClientConfig{BasicAuth: &config.BasicAuth{Username: "u", PasswordFile: "/nowhere/password"}}
	for _, tt := range []struct {
		name, prometheus string
		http             config.HTTPClientConfig
		said, want       time.Duration
		warned           bool
		err              string
	}{
		{"asked", server.URL, config.HTTPClientConfig{}, 0, 40 * time.Second, false, ""},
		{"said", server.URL, config.HTTPClientConfig{}, 10 * time.Second, time.Second, false, ""},
		{"a recording of its own", "", config.HTTPClientConfig{}, 0, time.Second, false, ""},
		{"one that can't tell", picky.URL, config.HTTPClientConfig{}, 0, time.Second, true, ""},
		{"nobody listens", "http://127.0.0.1:1", config.HTTPClientConfig{}, 0, time.Second, false, "prometheus http://127.0.0.1:1: dial tcp 127.0.0.1:1: connect: connection refused; name another with --prometheus"},
		{"nobody listens, and the interval is said", "http://127.0.0.1:1", config.HTTPClientConfig{}, 10 * time.Second, time.Second, false, "connection refused"},
		{"other credentials", refusing.URL, config.HTTPClientConfig{}, 0, time.Second, false, "401"},
		{"no password file", server.URL, noFile, 0, time.Second, false, "/nowhere/password"},
		{"no URL", "nowhere", config.HTTPClientConfig{}, 0, time.Second, false, "want a URL"},
	} {
		r := testRun{spec: Spec{Prometheus: tt.prometheus, HTTP: tt.http, Scrape: tt.said}, run: run.Run{Source: run.Source{ScrapeSeconds: 1}}}
		err := r.adoptScrape(t.Context())
		if got := r.run.Source.Scrape(); got != tt.want || len(r.run.Warnings) > 0 != tt.warned {
			t.Errorf("%s: got %s and warnings %q, want %s", tt.name, got, r.run.Warnings, tt.want)
		}
		if tt.err == "" && err != nil || tt.err != "" && (err == nil || !strings.Contains(err.Error(), tt.err)) {
			t.Errorf("%s: got %v, want %q", tt.name, err, tt.err)
		}
	}
}

func TestMissingSegments(t *testing.T) {
	for _, tt := range []struct {
		there []int
		want  string
	}{{[]int{1, 2, 3, 4}, ""}, {[]int{1, 2, 4}, "segment 3"}, {[]int{1, 3}, "segments 2 and 4"}, {[]int{1}, "segments 2, 3 and 4"}} {
		g := run.Generators{Expected: 4}
		for _, n := range tt.there {
			g.Segments = append(g.Segments, run.Generator{Segment: n})
		}
		if got := missingSegments(g); got != tt.want {
			t.Errorf("%v: got %q, want %q", tt.there, got, tt.want)
		}
	}
}

// That nobody scrapes a segment is said soon, and ends it before the others begin.
func TestNobodyScrapes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		said := make(chan string, 10)
		r := testRun{page: &page{url: "http://here/metrics"}, run: run.Run{Source: run.Source{ScrapeSeconds: 1}}, spec: Spec{StartAt: began.Add(time.Minute),
			OnWait: func(upTo time.Duration, why error) { said <- fmt.Sprintf("%s: %v", upTo, why) }}}
		err := r.awaitFirstScrape(t.Context())
		if took := time.Since(began); err == nil || !strings.Contains(err.Error(), "nobody has scraped http://here/metrics within 59s") || took >= time.Minute {
			t.Errorf("got %v after %s, want an error before the common start in a minute", err, took)
		}
		if got, want := <-said, "54s: nobody has scraped http://here/metrics yet"; got != want || len(said) > 0 {
			t.Errorf("got %q and %d more, want %q alone", got, len(said), want)
		}
	})
}
