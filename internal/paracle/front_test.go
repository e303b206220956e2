package paracle

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
)

func TestFrontSharesRequestsOut(t *testing.T) {
	var served [3]atomic.Int64
	var replicas []*url.URL
	for i := range served {
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			served[i].Add(1)
			_, _ = io.WriteString(w, r.Method+" "+r.URL.Path) //nolint:errcheck // a test server
		}))
		t.Cleanup(srv.Close)
		u, err := url.Parse(srv.URL)
		if err != nil {
			t.Fatal(err)
		}
		replicas = append(replicas, u)
	}
	front := httptest.NewServer(Front(replicas))
	t.Cleanup(front.Close)
	get := func(path string) string {
		resp, err := http.Get(front.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return string(body)
	}
	for range 9 {
		if got, want := get("/api/v1/agents"), "GET /api/v1/agents"; got != want {
			t.Fatalf("got %q, want %q", got, want)
		}
	}
	if got := get("/metrics"); !strings.Contains(got, "process_cpu_seconds_total") {
		t.Errorf("got %q, want the metrics of the front itself", got)
	}
	for i := range served {
		if got := served[i].Load(); got != 3 {
			t.Errorf("replica %d: got %d requests, want 3 of 9", i, got)
		}
	}
}
