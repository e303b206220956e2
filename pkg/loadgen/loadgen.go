// Package loadgen sends the traffic of a scenario, as a profile says, and
// records what came back. It is closed-model: users wait for their answers and
// think in between, as Locust's do, so response time equals service time.
package loadgen

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"runtime"
	"sync"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/plumbline/plumbline/pkg/run"
)

// Options is what a Generator needs to know.
type Options struct {
	Scenario Scenario
	Profile  Profile
	Target   *url.URL
	RunID    string
	Seed     uint64
	Registry *prometheus.Registry // the generator's metrics are registered here
	Timeout  time.Duration        // of a whole request; 0: 60 s
	Patience time.Duration        // without any answer, until the target counts as gone; 0: 5 s
	OnResult func(Result)         // sees every finished request; may be nil
}

// A Result is one finished request.
type Result struct {
	Request, Method string
	Status          int // 0 without an answer
	Outcome         Outcome
	ResponseTime    time.Duration // from the intended start to the last byte
	ServiceTime     time.Duration // from the actual start to the last byte
	Cause           string        // of a failure
}

// ErrNothingSent tells that no user got as far as its tasks.
type ErrNothingSent struct{ Cause string }

func (e *ErrNothingSent) Error() string { return "no user could start: " + e.Cause }

// ErrTargetGone tells that the target stopped answering in the middle.
type ErrTargetGone struct {
	Since time.Time
	Cause string
}

func (e *ErrTargetGone) Error() string {
	return fmt.Sprintf("the target has not answered since %s: %s", e.Since.UTC().Format("15:04:05"), e.Cause)
}

// drain is how long requests under way may take when the test ends.
const drain = 10 * time.Second

// A Generator runs one test.
type Generator struct {
	opts    Options
	metrics *metrics
	weights []float64 // of the kinds of users, cumulative

	mu      sync.Mutex
	started time.Time
	ended   time.Time
	cpu0    time.Duration
	active  []context.CancelFunc // users at work, in order of their start
	spawned int
	began   int       // users that got through their start
	heard   time.Time // when the target last answered
	silent  time.Time // the first failure to reach it since then
	cause   string    // of the first failure
}

// New makes a generator and its metrics.
func New(opts Options) (*Generator, error) {
	if opts.Timeout == 0 {
		opts.Timeout = time.Minute
	}
	if opts.Patience == 0 {
		opts.Patience = 5 * time.Second
	}
	if opts.Target == nil || opts.Target.Host == "" || (opts.Target.Scheme != "http" && opts.Target.Scheme != "https") {
		return nil, errors.New("target: want a URL such as http://127.0.0.1:8080")
	}
	g := &Generator{opts: opts, metrics: newMetrics(opts.Registry, opts.RunID, opts.Scenario.Name)}
	g.metrics.prepare(opts.Scenario.steps())
	sum := 0.0
	for _, u := range opts.Scenario.Users {
		sum += u.Weight
		g.weights = append(g.weights, sum)
	}
	return g, nil
}

// tick is how often the number of users is brought to what the profile says.
const tick = 20 * time.Millisecond

// Run sends the load until the profile is over or ctx ends; requests under way
// may then finish, unless hard ends too. The error is an *ErrNothingSent or an
// *ErrTargetGone; the summary holds whatever was measured.
func (g *Generator) Run(ctx, hard context.Context) (Summary, error) {
	g.begin()
	hard, stopNow := context.WithCancel(hard)
	defer stopNow()
	var users sync.WaitGroup
	err := g.steer(ctx, hard, &users)
	g.retire(0)
	waitOr(&users, drain, hard, stopNow)
	g.mu.Lock()
	g.ended = time.Now()
	g.mu.Unlock()
	return g.Summary(), err
}

func (g *Generator) begin() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.started, g.heard, g.cpu0 = time.Now(), time.Now(), cpuTime()
}

// steer keeps as many users as the profile says until it is over.
func (g *Generator) steer(ctx, hard context.Context, users *sync.WaitGroup) error {
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	for {
		elapsed := time.Since(g.started)
		if elapsed >= g.opts.Profile.Duration() || ctx.Err() != nil || hard.Err() != nil {
			return nil
		}
		want := g.opts.Profile.UsersAt(elapsed)
		g.retire(want)
		for g.count() < want {
			g.spawn(ctx, hard, users)
		}
		if err := g.silence(); err != nil {
			return err
		}
		g.metrics.cpu.Set(g.cpuRatio())
		select {
		case <-ticker.C:
		case <-ctx.Done():
		}
	}
}

// waitOr waits for the users; past the time they may take, they are cut off.
func waitOr(users *sync.WaitGroup, most time.Duration, hard context.Context, stopNow func()) {
	done := make(chan struct{})
	go func() { users.Wait(); close(done) }()
	select {
	case <-done:
	case <-hard.Done():
	case <-time.After(most):
	}
	stopNow()
	<-done
}

func (g *Generator) count() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.active)
}

func (g *Generator) spawn(ctx, hard context.Context, users *sync.WaitGroup) {
	g.mu.Lock()
	n := g.spawned
	g.spawned++
	ctx, leave := context.WithCancel(ctx)
	g.active = append(g.active, leave)
	g.metrics.users.Set(float64(len(g.active)))
	g.mu.Unlock()
	users.Go(func() { newVirtualUser(g, n).live(ctx, hard) })
}

// retire lets the users that came last leave until no more than want are there.
func (g *Generator) retire(want int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for len(g.active) > want {
		g.active[len(g.active)-1]()
		g.active = g.active[:len(g.active)-1]
	}
	g.metrics.users.Set(float64(len(g.active)))
}

// silence is the error when the target has not answered for too long.
func (g *Generator) silence() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	patience := g.opts.Patience
	switch {
	case !g.silent.IsZero() && time.Since(g.silent) > patience && g.began == 0:
		return &ErrNothingSent{g.cause}
	case !g.silent.IsZero() && time.Since(g.silent) > patience:
		return &ErrTargetGone{g.silent, g.cause}
	case g.began == 0 && g.cause != "" && time.Since(g.started) > 2*patience:
		return &ErrNothingSent{g.cause}
	}
	return nil
}

// note records a finished request.
func (g *Generator) note(r Result) {
	g.metrics.record(r)
	g.mu.Lock()
	switch {
	case r.Status > 0:
		g.heard, g.silent = time.Now(), time.Time{}
	case g.silent.IsZero():
		g.silent, g.cause = time.Now(), r.Request+": "+r.Cause
	}
	if r.Cause != "" && g.cause == "" {
		g.cause = r.Request + ": " + r.Cause
	}
	g.mu.Unlock()
	if g.opts.OnResult != nil {
		g.opts.OnResult(r)
	}
}

// Stages places the profile's stages where the run was.
func (g *Generator) Stages() []run.Stage { return g.opts.Profile.RunStages(g.started) }

// Window is the stretch of time in which load was sent.
func (g *Generator) Window() run.Window {
	g.mu.Lock()
	defer g.mu.Unlock()
	return run.Window{Start: g.started, End: g.ended}
}

// Load says what was asked for.
func (g *Generator) Load() run.Load {
	s, p := g.opts.Scenario, g.opts.Profile
	return run.Load{Users: p.MaxUsers(), SpawnRate: p.SpawnRate, ThinkSeconds: s.MeanThink().Seconds(), Iteration: s.StepsPerIteration()}
}

// maxCPU is the share of its cores above which a generator measures itself.
const maxCPU = 0.8

// Validity tells whether the generator kept up (METHODS, validity of the generator).
func (g *Generator) Validity() run.Generator {
	v := run.Generator{Segment: 1, Valid: true, CPU: g.cpuRatio()}
	if v.CPU > maxCPU {
		v.Valid = false
		v.Reasons = append(v.Reasons, fmt.Sprintf("the generator used %.0f %% of its %d cores; above %.0f %% it measures itself", 100*v.CPU, runtime.GOMAXPROCS(0), 100*maxCPU))
	}
	return v
}

func (g *Generator) cpuRatio() float64 {
	g.mu.Lock()
	end := g.ended
	if end.IsZero() {
		end = time.Now()
	}
	wall := end.Sub(g.started)
	g.mu.Unlock()
	if wall <= 0 {
		return 0
	}
	return float64(cpuTime()-g.cpu0) / float64(wall) / float64(runtime.GOMAXPROCS(0))
}

// cpuTime is what this process has used so far.
func cpuTime() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// newRand is the random stream of one user: the same for a seed, whatever the others do.
func newRand(seed uint64, user int) *rand.Rand {
	return rand.New(rand.NewPCG(seed, uint64(user))) //nolint:gosec // a schedule must be repeatable, not secret
}

// newTransport gives a user connections of its own, as real users have.
func newTransport() *http.Transport {
	return &http.Transport{MaxIdleConnsPerHost: 1, MaxConnsPerHost: 1, ForceAttemptHTTP2: false, IdleConnTimeout: 2 * time.Minute}
}
