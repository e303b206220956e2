// Package paracle is the sample API that the demo and the tests put under load:
// real handlers with real CPU work, a connection pool that queues, and simulated
// LLM calls with a heavy tail.
package paracle

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Config is how well the service is built.
type Config struct {
	Version   string
	Pool      int           // database connections
	Query     time.Duration // that a query holds its connection
	Work      int           // rounds of hashing for a request
	LLMScale  float64       // of the guide's LLM times of about 2 s
	FaultRate float64       // share of requests that fail by themselves
	Registry  time.Duration // that the agent registry, a service downstream, takes to answer
	Seed      uint64

	// What faults do; see Faults.
	hogCores, lockSeconds, burstRate, slowdown float64
	leakBytes, garbageBytes                    int
}

// rareFaults is the usual share of requests that fail by themselves: so small
// that by chance alone two versions don't seem to differ in it in a short test.
const rareFaults = 0.00005

// ForVersion is the configuration of a release: v1.0.3, or v1.0.0 with a
// smaller pool and a slower path.
func ForVersion(version string) (Config, error) {
	c := Config{Version: version, Pool: 40, Query: 4 * time.Millisecond, Work: 1500, LLMScale: 0.04, FaultRate: rareFaults, Registry: 2 * time.Millisecond, Seed: 1}
	switch version {
	case "v1.0.3":
	case "v1.0.0":
		c.Pool, c.Query, c.Work = 6, 9*time.Millisecond, 4000
	default:
		return c, fmt.Errorf("version %q: there are v1.0.3 and v1.0.0", version)
	}
	return c, nil
}

// A Server is the API and its metrics.
type Server struct {
	cfg     Config
	metrics *metrics
	pool    chan struct{} // a token for each connection in use
	mux     *http.ServeMux
	started time.Time
	stop    context.CancelFunc
	lock    sync.Mutex // that contended requests hold while they work

	mu     sync.Mutex
	rng    *rand.Rand
	leaked [][]byte
}

// New makes a Server; Close ends what it does in the background.
func New(cfg Config) *Server {
	ctx, stop := context.WithCancel(context.Background())
	s := &Server{cfg: cfg, metrics: newMetrics(cfg), pool: make(chan struct{}, cfg.Pool), mux: http.NewServeMux(), started: time.Now(), stop: stop,
		rng: rand.New(rand.NewPCG(cfg.Seed, 2))} //nolint:gosec // simulation
	hog(ctx, cfg.hogCores)
	for _, r := range []struct {
		method, path string
		open         bool
		handle       func(context.Context, *http.Request) (any, error)
	}{
		{"POST", "/api/v1/auth/token", true, s.token},
		{"GET", "/api/v1/agents", false, s.listAgents},
		{"GET", "/api/v1/agents/{id}", false, s.getAgent},
		{"POST", "/api/v1/agents/run", false, s.runAgent},
		{"GET", "/api/v1/workflows", false, s.listWorkflows},
		{"POST", "/api/v1/workflows/run", false, s.runWorkflow},
		{"GET", "/api/v1/tools", false, s.listTools},
	} {
		handle := r.handle
		if !r.open {
			handle = authorized(handle)
		}
		s.mux.Handle(r.method+" "+r.path, s.instrument(r.path, handle))
	}
	s.mux.Handle("/metrics", s.metrics.handler())
	s.mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	s.mux.Handle("/", s.instrument("other", func(context.Context, *http.Request) (any, error) {
		return nil, status(http.StatusNotFound, "no such path")
	}))
	return s
}

// Close ends what the server does beside answering.
func (s *Server) Close() { s.stop() }

func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.mux.ServeHTTP(w, r) }

// A problem is an answer other than 200.
type problem struct {
	status int
	text   string
}

func (p *problem) Error() string { return p.text }

func status(code int, format string, args ...any) error {
	return &problem{code, fmt.Sprintf(format, args...)}
}

// instrument counts and times a route. The count is made before the answer's
// last byte leaves, so that a client never knows of a request that isn't counted.
func (s *Server) instrument(endpoint string, handle func(context.Context, *http.Request) (any, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := time.Now()
		s.metrics.inFlight.Inc()
		defer s.metrics.inFlight.Dec()
		var answer any
		err := s.fault()
		if err == nil {
			s.spoil()
			answer, err = handle(r.Context(), r)
		}
		s.linger(r.Context(), start)
		code := http.StatusOK
		if err != nil {
			var p *problem
			code = http.StatusInternalServerError
			if errors.As(err, &p) {
				code = p.status
			}
			answer = map[string]string{"status": "error", "error": err.Error()}
		}
		var body bytes.Buffer
		if err := json.NewEncoder(&body).Encode(answer); err != nil {
			code = http.StatusInternalServerError
		}
		s.metrics.requests.WithLabelValues(endpoint, r.Method, strconv.Itoa(code)).Inc()
		s.metrics.duration.WithLabelValues(endpoint, r.Method).Observe(time.Since(start).Seconds())
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(code)
		_, _ = w.Write(body.Bytes()) //nolint:errcheck // the client has gone
	})
}

func (s *Server) draw() float64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.rng.Float64()
}

// work burns CPU, as rendering and validation would.
func (s *Server) work(rounds int) [32]byte {
	sum := sha256.Sum256([]byte(s.cfg.Version))
	for range rounds {
		sum = sha256.Sum256(sum[:])
	}
	return sum
}

// query does a database query: it waits for a connection and holds it.
func (s *Server) query(ctx context.Context, took time.Duration) error {
	start := time.Now()
	select {
	case s.pool <- struct{}{}:
	case <-ctx.Done():
		return status(http.StatusServiceUnavailable, "no database connection in time")
	}
	s.metrics.poolWait.Observe(time.Since(start).Seconds())
	s.metrics.poolInUse.Inc()
	defer func() { s.metrics.poolInUse.Dec(); <-s.pool }()
	return pause(ctx, took)
}

// registry asks the agent registry, a service downstream.
func (s *Server) registry(ctx context.Context) error {
	start := time.Now()
	err := pause(ctx, s.cfg.Registry)
	s.metrics.downstream.WithLabelValues("registry").Observe(time.Since(start).Seconds())
	return err
}

// llm calls a provider: about 2 s at scale 1, log-normal, and rarely much longer.
func (s *Server) llm(ctx context.Context, model string) error {
	provider := "openai"
	if strings.HasPrefix(model, "claude") {
		provider = "anthropic"
	}
	s.mu.Lock()
	seconds := 1.9 * math.Exp(0.35*s.rng.NormFloat64())
	if s.rng.Float64() < 0.004 {
		seconds *= 3
	}
	luck, tokens := s.rng.Float64(), 50+s.rng.IntN(100)
	s.mu.Unlock()
	took := time.Duration(seconds * s.cfg.LLMScale * float64(time.Second))
	err := pause(ctx, took)
	s.metrics.llmDuration.WithLabelValues(provider).Observe(took.Seconds())
	s.metrics.llmRequests.WithLabelValues(provider).Inc()
	if luck < s.cfg.FaultRate {
		s.metrics.llmErrors.WithLabelValues(provider).Inc()
		return status(http.StatusBadGateway, "%s failed", provider)
	}
	s.metrics.llmTokens.WithLabelValues(provider).Add(float64(tokens))
	return err
}

func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return status(http.StatusServiceUnavailable, "given up by the client")
	}
}

// secret signs tokens; the sample keeps nothing that is worth one.
var secret = []byte("paracle sample API")

const tokenLife = 12 * time.Hour

func sign(text string) string {
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte(text))
	return text + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

func (s *Server) token(_ context.Context, r *http.Request) (any, error) {
	var login struct{ Username, Password string }
	if err := readJSON(r, &login); err != nil {
		return nil, err
	}
	if login.Username == "" || login.Password != "test_password" {
		return nil, status(http.StatusUnauthorized, "wrong username or password")
	}
	s.work(s.cfg.Work)
	claim := base64.RawURLEncoding.EncodeToString([]byte(login.Username)) + "." + strconv.FormatInt(time.Now().Add(tokenLife).Unix(), 10)
	return map[string]any{"access_token": sign(claim), "token_type": "bearer", "expires_in": int(tokenLife.Seconds())}, nil
}

// authorized lets only bearers of a valid token through.
func authorized(next func(context.Context, *http.Request) (any, error)) func(context.Context, *http.Request) (any, error) {
	return func(ctx context.Context, r *http.Request) (any, error) {
		token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		claim, _, cut := cutLast(token, ".")
		_, expires, _ := cutLast(claim, ".")
		until, err := strconv.ParseInt(expires, 10, 64)
		if !ok || !cut || err != nil || !hmac.Equal([]byte(sign(claim)), []byte(token)) || time.Now().Unix() > until {
			return nil, status(http.StatusUnauthorized, "a valid token is needed: POST /api/v1/auth/token")
		}
		return next(ctx, r)
	}
}

func cutLast(text, sep string) (before, after string, found bool) {
	i := strings.LastIndex(text, sep)
	if i < 0 {
		return text, "", false
	}
	return text[:i], text[i+len(sep):], true
}

func readJSON(r *http.Request, into any) error {
	if err := json.NewDecoder(http.MaxBytesReader(nil, r.Body, 1<<20)).Decode(into); err != nil {
		return status(http.StatusBadRequest, "the body is not the JSON that is wanted: %v", err)
	}
	return nil
}

var agents = []string{"coder", "architect", "tester", "reviewer", "documenter", "security"}

// workflows are the agents that each runs, one after another.
var workflows = map[string][]string{
	"feature_development": {"architect", "coder", "tester"},
	"code_review":         {"reviewer", "security"},
	"bugfix":              {"coder", "tester"},
}

func (s *Server) listAgents(ctx context.Context, _ *http.Request) (any, error) {
	if err := s.query(ctx, s.cfg.Query); err != nil {
		return nil, err
	}
	s.work(s.cfg.Work)
	return map[string]any{"agents": agents}, nil
}

func (s *Server) getAgent(ctx context.Context, r *http.Request) (any, error) {
	id := r.PathValue("id")
	if !isAgent(id) {
		return nil, status(http.StatusNotFound, "no agent %q", id)
	}
	if err := s.registry(ctx); err != nil {
		return nil, err
	}
	if err := s.query(ctx, s.cfg.Query); err != nil {
		return nil, err
	}
	sum := s.work(s.cfg.Work)
	return map[string]any{"agent_id": id, "revision": fmt.Sprintf("%x", sum[:4])}, nil
}

func isAgent(id string) bool {
	for _, a := range agents {
		if a == id {
			return true
		}
	}
	return false
}

func (s *Server) runAgent(ctx context.Context, r *http.Request) (any, error) {
	var in struct {
		AgentID string   `json:"agent_id"`
		Task    string   `json:"task"`
		Model   string   `json:"model"`
		Tools   []string `json:"tools"`
	}
	if err := readJSON(r, &in); err != nil {
		return nil, err
	}
	if !isAgent(in.AgentID) {
		return nil, status(http.StatusNotFound, "no agent %q", in.AgentID)
	}
	start := time.Now()
	if err := s.runOne(ctx, in.Model); err != nil {
		return nil, err
	}
	return map[string]any{"status": "success", "agent_id": in.AgentID, "execution_time_seconds": time.Since(start).Seconds()}, nil
}

// runOne is an agent at work: it reads its state, thinks with an LLM and stores what came out.
func (s *Server) runOne(ctx context.Context, model string) error {
	if err := s.query(ctx, s.cfg.Query); err != nil {
		return err
	}
	if err := s.llm(ctx, model); err != nil {
		return err
	}
	s.work(2 * s.cfg.Work)
	return s.query(ctx, s.cfg.Query)
}

func (s *Server) listWorkflows(ctx context.Context, _ *http.Request) (any, error) {
	if err := s.query(ctx, s.cfg.Query); err != nil {
		return nil, err
	}
	s.work(s.cfg.Work)
	return map[string]any{"workflows": workflows}, nil
}

func (s *Server) runWorkflow(ctx context.Context, r *http.Request) (any, error) {
	var in struct {
		WorkflowID string         `json:"workflow_id"`
		Inputs     map[string]any `json:"inputs"`
	}
	if err := readJSON(r, &in); err != nil {
		return nil, err
	}
	steps, ok := workflows[in.WorkflowID]
	if !ok {
		return nil, status(http.StatusNotFound, "no workflow %q", in.WorkflowID)
	}
	start := time.Now()
	for i := range steps {
		if err := s.runOne(ctx, []string{"gpt-4-turbo-preview", "claude-sonnet-4-20250514"}[i%2]); err != nil {
			return nil, err
		}
	}
	return map[string]any{"status": "success", "workflow_id": in.WorkflowID, "execution_time_seconds": time.Since(start).Seconds()}, nil
}

func (s *Server) listTools(context.Context, *http.Request) (any, error) {
	s.work(s.cfg.Work)
	return map[string]any{"tools": []string{"read_file", "list_directory", "run_tests"}}, nil
}
