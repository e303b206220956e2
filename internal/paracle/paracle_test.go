package paracle

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
)

func newTestServer(t *testing.T, change func(*Config)) (*Server, *httptest.Server) {
	t.Helper()
	cfg, err := ForVersion("v1.0.3")
	if err != nil {
		t.Fatal(err)
	}
	cfg.FaultRate, cfg.LLMScale = 0, .001
	if change != nil {
		change(&cfg)
	}
	s := New(cfg)
	srv := httptest.NewServer(s)
	t.Cleanup(srv.Close)
	return s, srv
}

func ask(t *testing.T, srv *httptest.Server, method, path, token, body string) (int, map[string]any) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, srv.URL+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var answer map[string]any
	_ = json.NewDecoder(resp.Body).Decode(&answer) //nolint:errcheck // some answers have no JSON
	return resp.StatusCode, answer
}

func login(t *testing.T, srv *httptest.Server) string {
	t.Helper()
	code, answer := ask(t, srv, "POST", "/api/v1/auth/token", "", `{"username":"user_1","password":"test_password"}`)
	token, _ := answer["access_token"].(string)
	if code != 200 || token == "" {
		t.Fatalf("login: got %d %v", code, answer)
	}
	return token
}

func TestAnswers(t *testing.T) {
	s, srv := newTestServer(t, nil)
	token := login(t, srv)
	for _, c := range []struct {
		name, method, path, token, body string
		want                            int
	}{
		{"a wrong password", "POST", "/api/v1/auth/token", "", `{"username":"x","password":"y"}`, 401},
		{"no JSON", "POST", "/api/v1/auth/token", "", `password`, 400},
		{"no token", "GET", "/api/v1/agents", "", "", 401},
		{"a forged token", "GET", "/api/v1/agents", token[:len(token)-2] + "xx", "", 401},
		{"the agents", "GET", "/api/v1/agents", token, "", 200},
		{"one agent", "GET", "/api/v1/agents/coder", token, "", 200},
		{"no such agent", "GET", "/api/v1/agents/cook", token, "", 404},
		{"an agent at work", "POST", "/api/v1/agents/run", token, `{"agent_id":"coder","task":"x","model":"gpt-4-turbo-preview"}`, 200},
		{"the workflows", "GET", "/api/v1/workflows", token, "", 200},
		{"a workflow", "POST", "/api/v1/workflows/run", token, `{"workflow_id":"bugfix"}`, 200},
		{"no such workflow", "POST", "/api/v1/workflows/run", token, `{"workflow_id":"x"}`, 404},
		{"the tools", "GET", "/api/v1/tools", token, "", 200},
		{"no such path", "GET", "/api/v2", token, "", 404},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got, answer := ask(t, srv, c.method, c.path, c.token, c.body); got != c.want {
				t.Errorf("got %d %v, want %d", got, answer, c.want)
			}
		})
	}
	if got := testutil.ToFloat64(s.metrics.requests.WithLabelValues("/api/v1/agents/{id}", "GET", "404")); got != 1 {
		t.Errorf("got %v counted for an unknown agent under its route, want 1", got)
	}
	if got := testutil.ToFloat64(s.metrics.llmRequests.WithLabelValues("openai")); got != 2 { // the agent, and one step of bugfix
		t.Errorf("got %v calls of openai, want 2", got)
	}
}

func TestPoolQueues(t *testing.T) {
	s, srv := newTestServer(t, func(c *Config) { c.Pool, c.Query = 1, 20*time.Millisecond })
	token := login(t, srv)
	start := time.Now()
	var users sync.WaitGroup
	for range 5 {
		users.Go(func() {
			if code, _ := ask(t, srv, "GET", "/api/v1/agents", token, ""); code != 200 {
				t.Errorf("got %d", code)
			}
		})
	}
	users.Wait()
	if took := time.Since(start); took < 100*time.Millisecond {
		t.Errorf("five queries of 20 ms on one connection took %s", took)
	}
	if got := testutil.ToFloat64(s.metrics.poolInUse); got != 0 {
		t.Errorf("got %v connections in use afterwards", got)
	}
}

func TestVersionsDiffer(t *testing.T) {
	old, err := ForVersion("v1.0.0")
	if err != nil {
		t.Fatal(err)
	}
	current, err := ForVersion("v1.0.3")
	if err != nil {
		t.Fatal(err)
	}
	if !(old.Pool < current.Pool && old.Query > current.Query && old.Work > current.Work) {
		t.Errorf("got %+v and %+v, want the older one with less and slower", old, current)
	}
	if _, err := ForVersion("v9"); err == nil {
		t.Error("got no error for an unknown version")
	}
}
