// Package loadgen sends the traffic of a scenario under a profile, and measures
// what its users see.
package loadgen

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/plumbline/plumbline/pkg/run"
)

// ErrNothingSent is the error of a run in which no request of a task could be
// sent, or none was answered.
type ErrNothingSent struct {
	Cause string
	Sent  bool // something was
}

func (e *ErrNothingSent) Error() string {
	if e.Sent {
		return "nothing was answered: " + e.Cause
	}
	return "nothing could be sent: " + e.Cause
}

// ErrTargetGone is the error of a run that ended early because the target stopped answering.
type ErrTargetGone struct {
	Since time.Time // the first request that got no answer ended
	Cause string
}

func (e *ErrTargetGone) Error() string {
	return fmt.Sprintf("the target has answered nothing since %s: %s", e.Since.UTC().Format(time.RFC3339), e.Cause)
}

// What Options mean by zero, where others need to know.
const (
	DefaultGrace    = 30 * time.Second
	DefaultPatience = 5 * time.Second
)

// Options say what a Generator does. Zero durations mean their defaults.
type Options struct {
	Scenario Scenario
	Profile  Profile
	Target   *url.URL
	RunID    string
	Seed     uint64
	Segment  Segment              // the share of the load that this process sends
	StartAt  time.Time            // when the load begins, after logins; zero: as soon as it can
	Registry *prometheus.Registry // where the metrics are registered; nil: nowhere

	AbortOn []AbortRule // what ends the run early, with *[ErrAborted]

	OnReady     func(context.Context) // the logins of an open model are over; its load begins when this returns
	OnStart     func(time.Time)       // the start of the load
	OnResult    func(Sample)          // called by many users at once
	OnIteration func(time.Duration)   // how long each took, without thinking; called by many users at once
	Phases      bool                  // take them, for OnResult
	OnWarning   func(string)          // each warning once; called by many users at once

	ConnectTimeout time.Duration                                                        // default 10 s
	Timeout        time.Duration                                                        // of a whole request, with connecting and redirects; default 60 s
	Grace          time.Duration                                                        // for requests that are in flight at the end; default [DefaultGrace]
	Patience       time.Duration                                                        // over how long requests, three or more, may fail without any answer between them until the run ends; default [DefaultPatience], negative: for ever
	TLS            *tls.Config                                                          // for https; nil: the system's authorities
	HTTP           HTTPVersion                                                          // "" for what the server offers
	Proxy          *url.URL                                                             // http or https, with a user where it wants one; nil: none
	Dial           func(ctx context.Context, network, address string) (net.Conn, error) // default net.Dialer's

	metronome func() metronome // for tests; nil: the best one of the system
}

// A Sample is one result, as it was measured.
type Sample struct {
	Request      string
	Method       string
	User         int
	Sent         time.Time
	ResponseTime time.Duration // from when it was due
	ServiceTime  time.Duration // from when it was sent
	Phases       Phases        // of the service time, where Options ask for them
	Status       int           // 0 without an answer
	Bytes        int           // of the answer's body
	Outcome      Outcome
	Cause        string // of a failure
}

// A Generator sends the load of one run.
type Generator struct {
	opts   Options
	rec    *recorder
	fleet  *fleet
	dialer *dialer
	kinds  []kind
	start  time.Time // of the load; zero until it begins

	startNano   atomic.Int64  // the same, for everybody
	loggingIn   atomic.Int64  // users who are doing their start requests
	ready       atomic.Int64  // users whose start has succeeded
	running     atomic.Int64  // of those, who have not left
	refused     atomic.Int64  // users whose start never succeeded, though they tried
	unconnected atomic.Int64  // users who were still connecting when their time was over
	sent        *tally        // what had been counted when the profile, or the user, had ended the load
	sentUntil   time.Time     // when that was
	graceEnd    time.Time     // when what is still in flight is cut off
	tails       []tail        // of the stages, in an open model
	doors       chan struct{} // holds one token for each user that is connecting
	wg          sync.WaitGroup
	watch       watch
	pace        pace

	mu      sync.Mutex
	dialers map[string]*dialer // to where redirects lead, by origin
	said    map[string]bool
	causes  []string // the first of each kind, in order
}

// New prepares a run: it compiles requests and registers the metrics, with the
// series of success at 0. It is an error when there can't be as many
// connections as users.
func New(opts Options) (*Generator, error) {
	if err := CheckTarget(opts.Target); err != nil {
		return nil, fmt.Errorf("target: %w", err)
	}
	if err := checkProxy(opts.Proxy); err != nil {
		return nil, err
	}
	if err := checkFiles(opts, raiseFileLimit); err != nil {
		return nil, err
	}
	if err := Fits(opts.Scenario, opts.Profile, opts.Segment); err != nil {
		return nil, err
	}
	if opts.Registry == nil {
		opts.Registry = prometheus.NewRegistry()
	}
	for _, d := range []struct {
		at       *time.Duration
		standard time.Duration
	}{{&opts.ConnectTimeout, 10 * time.Second}, {&opts.Timeout, time.Minute}, {&opts.Grace, DefaultGrace}} {
		if *d.at <= 0 {
			*d.at = d.standard
		}
	}
	if opts.Patience == 0 {
		opts.Patience = DefaultPatience
	}
	if opts.metronome == nil {
		opts.metronome = newMetronome
	}
	rec, err := newRecorder(opts)
	if err != nil {
		return nil, err
	}
	g := &Generator{opts: opts, rec: rec, fleet: newFleet(shortestTimeout(opts)), dialer: newDialer(opts.Target, opts),
		doors: make(chan struct{}, maxConnecting), dialers: map[string]*dialer{}, said: map[string]bool{}}
	rec.inFlight = g.fleet.inFlight
	rec.users = func() int { return int(g.running.Load()) }
	if opts.Profile.Open { // a pool is no measure of the users that a service has
		rec.users = g.fleet.inFlight
	}
	g.kinds = g.newKinds(opts.Scenario)
	return g, nil
}

// Run sends the load. When ctx ends, no further request is started and those in
// flight may finish within Grace; when hard ends, they are cut off. The Summary
// is that of the load so far, also beside an error: *[ErrNothingSent], *[ErrTargetGone].
func (g *Generator) Run(ctx, hard context.Context) (Summary, error) {
	stopped := ctx
	ctx, end := context.WithCancelCause(ctx)
	defer end(nil)
	hard, cut := context.WithCancel(hard)
	defer cut()
	stopAborting := context.AfterFunc(hard, func() {
		end(nil)
		g.fleet.abort()
	})
	defer stopAborting()
	go g.fleet.patrol(hard)
	if g.opts.Profile.Open {
		g.runOpen(ctx, hard, end)
	} else if start, ok := g.awaitStart(ctx); ok {
		g.begin(start)
		watched := g.startWatch(ctx, end)
		g.runClosed(ctx, hard)
		g.countSent()
		g.graceEnd = time.Now().Add(g.opts.Grace)
		end(nil)
		<-watched
	}
	interrupted := stopped.Err() != nil || hard.Err() != nil
	g.finish(cut)
	g.watch.look(g, g.mark(), validityWindow/5) // what is left at the end, unless it is too short to tell anything
	s := g.summary(time.Now())
	err := g.verdict(context.Cause(ctx), interrupted)
	if refused := g.refused.Load(); err == nil && refused > 0 {
		g.tell(fmt.Sprintf("%d of %d users never logged in", refused, refused+g.ready.Load()))
	}
	return s, err
}

// countSent takes down what had been counted by the end of the load: rates are of that.
func (g *Generator) countSent() {
	g.sent, g.sentUntil = g.rec.load(), time.Now()
}

// CheckTarget finds what a target can't have: it is where all requests go, and
// no part of any of them. The error holds no password.
func CheckTarget(target *url.URL) error {
	switch {
	case target == nil:
		return errors.New("want a URL such as http://127.0.0.1:8080")
	case target.Host == "" || target.Scheme != "http" && target.Scheme != "https":
		return fmt.Errorf("want a URL such as http://127.0.0.1:8080, got %q", target.Redacted())
	case !portExists(target.Port()):
		return fmt.Errorf("there is no port %s: the highest is 65535", target.Port())
	case target.User != nil:
		return errors.New(`want a URL without a user and password; write auth: {basic: {username: NAME, password: "${env.PASSWORD}"}} in the scenario`)
	case target.RawQuery != "" || target.Fragment != "":
		return fmt.Errorf("want a URL without a query, got %q; write it in the scenario, such as request: GET /path?key=value", target.Redacted())
	}
	return nil
}

func portExists(port string) bool {
	_, err := strconv.ParseUint(port, 10, 16)
	return port == "" || err == nil
}

func (g *Generator) verdict(cause error, interrupted bool) error {
	if cause != nil && !errors.Is(cause, context.Canceled) {
		return cause
	}
	_, answered := g.rec.reached()
	if why := g.firstCause(); why != "" && (!answered || g.ready.Load() == 0) {
		return g.nothingSent(why)
	}
	if n := g.unconnected.Load(); n > 0 && !answered && !interrupted {
		return g.nothingSent(fmt.Sprintf("%d users were still connecting at the end", n))
	}
	return nil
}

func (g *Generator) nothingSent(cause string) error {
	sent, answered := g.rec.reached()
	return &ErrNothingSent{cause, sent && !answered}
}

func (g *Generator) begin(start time.Time) {
	g.start = start
	g.startNano.Store(g.start.UnixNano())
	g.watch.begin(g)
	if g.opts.OnStart != nil {
		g.opts.OnStart(g.start)
	}
}

// underWay tells whether the load has begun, and its profile is not over.
func (g *Generator) underWay(now time.Time) bool {
	return g.startNano.Load() != 0 && now.Before(g.start.Add(g.opts.Profile.Duration()))
}

// finish waits for the users; those that take longer than Grace are cut off.
func (g *Generator) finish(cut func()) {
	timer := time.AfterFunc(time.Until(g.graceEnd), func() {
		if n := g.fleet.inFlight(); n > 0 {
			g.warn("cut off", func() string {
				had, were := "requests had", "were"
				if n == 1 {
					had, were = "request had", "was"
				}
				return fmt.Sprintf("%d %s no answer %s after the end, and %s cut off", n, had, g.opts.Grace.Round(time.Millisecond), were)
			})
		}
		cut()
	})
	defer timer.Stop()
	g.wg.Wait()
}

// dialerTo is the dialer to the origin of a URL that isn't the target's.
func (g *Generator) dialerTo(to *url.URL) *dialer {
	origin := to.Scheme + "://" + to.Host
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.dialers[origin] == nil {
		g.dialers[origin] = newDialer(&url.URL{Scheme: to.Scheme, Host: to.Host}, g.opts)
	}
	return g.dialers[origin]
}

// warn says a thing once.
func (g *Generator) warn(key string, say func() string) {
	text, first := g.firstSaid(key, say)
	if first && g.opts.OnWarning != nil {
		g.opts.OnWarning(text)
	}
}

// firstSaid takes a cause down that was not there.
func (g *Generator) firstSaid(key string, say func() string) (text string, first bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.said[key] {
		return "", false
	}
	g.said[key] = true
	text = say()
	g.causes = append(g.causes, text)
	return text, true
}

func (g *Generator) firstCause() string {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.causes) == 0 {
		return ""
	}
	return g.causes[0]
}

// Stages places the profile's stages where the run is, once it has begun.
func (g *Generator) Stages() []run.Stage {
	return g.opts.Profile.RunStages(time.Unix(0, g.startNano.Load()))
}

// Load is what the profile asks for.
func (g *Generator) Load() run.Load { return LoadOf(g.opts.Scenario, g.opts.Profile) }

// LoadOf is what a profile asks for when users do a scenario.
func LoadOf(s Scenario, p Profile) run.Load {
	l := run.Load{SpawnRate: p.SpawnRate, Iteration: s.StepsPerIteration(p.Open)}
	if p.Open {
		l.ArrivalRate = p.MaxRate()
		return l
	}
	l.Users, l.ThinkSeconds = p.MaxUsers(), s.MeanThink().Seconds()
	if len(s.Users) > 1 {
		for i, share := range s.weights() {
			u := s.Users[i]
			l.Kinds = append(l.Kinds, run.Kind{Share: share, ThinkSeconds: u.Think.Mean().Seconds(), Iteration: u.steps()})
		}
	}
	return l
}

// runClosed starts and stops users as the profile says, until it or ctx ends.
func (g *Generator) runClosed(ctx, hard context.Context) {
	var users []context.CancelFunc
	defer func() {
		for _, stop := range users {
			stop()
		}
	}()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	kinds := g.userKinds(g.opts.Profile.MaxUsers())
	lives := map[int]int{} // how often each user was started
	for {
		elapsed := time.Since(g.start)
		if elapsed >= g.opts.Profile.Duration() {
			return
		}
		want := g.opts.Segment.Share(g.opts.Profile.UsersAt(elapsed))
		for len(users) < want {
			stopCtx, stop := context.WithCancel(ctx)
			users = append(users, stop)
			id := g.opts.Segment.User(len(users) - 1)
			u := g.newUser(hard, id, kinds[id])
			life := lives[u.id]
			lives[u.id]++
			g.wg.Go(func() { u.runClosed(stopCtx, life) })
		}
		for len(users) > want {
			users[len(users)-1]()
			users = users[:len(users)-1]
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// runOpen logs a pool of users in, and then hands them the arrivals as they come due.
func (g *Generator) runOpen(ctx, hard context.Context, end context.CancelCauseFunc) {
	if slices.ContainsFunc(g.opts.Scenario.Users, User.thinks) {
		g.tell("think time is ignored: arrivals set the pace")
	}
	g.openQueues()
	pool := g.opts.Segment.Share(g.opts.Profile.pool())
	loggedIn := make(chan struct{}, pool)
	for i, k := range g.poolKinds(pool) {
		u := g.newUser(hard, g.opts.Segment.User(i), k)
		g.wg.Go(func() { u.runOpen(ctx, loggedIn) })
	}
	watched := g.startWatch(ctx, end)
	if g.awaitPool(ctx, loggedIn, pool) && g.settle(ctx) {
		if start, ok := g.awaitStart(ctx); ok {
			g.begin(start)
			g.arrive(ctx)
			g.countSent()
		}
	}
	g.graceEnd = time.Now().Add(g.opts.Grace)
	g.closeQueues()
	if ctx.Err() == nil {
		g.drain(ctx)
	}
	end(nil)
	<-watched
	unsent := uint64(0)
	for i := range g.kinds { // an early end leaves these
		for range g.kinds[i].queue {
			unsent++
		}
	}
	g.rec.shards[0].count(func(t *tally) { t.dropped += unsent })
}

func (g *Generator) tell(text string) {
	if g.opts.OnWarning != nil {
		g.opts.OnWarning(text)
	}
}

// poolPatience is how long the start of an open run waits for the last of the logins.
const poolPatience = 30 * time.Second

func (g *Generator) awaitPool(ctx context.Context, loggedIn <-chan struct{}, pool int) bool {
	patience := time.NewTimer(poolPatience)
	defer patience.Stop()
	for n := range pool {
		select {
		case <-loggedIn:
		case <-ctx.Done():
			return false
		case <-patience.C:
			g.tell(fmt.Sprintf("%d of %d users have logged in after %s; the load starts with those, and later logins count nowhere", n, pool, poolPatience))
			return true
		}
	}
	return true
}

// settle closes the logins' account, and lets others learn of them before the load begins.
func (g *Generator) settle(ctx context.Context) bool {
	g.rec.closeLogins()
	if g.opts.OnReady != nil && slices.ContainsFunc(g.kinds, func(k kind) bool { return len(k.start) > 0 }) {
		g.opts.OnReady(ctx)
	}
	return ctx.Err() == nil
}

// arrive queues every arrival when it is due; what finds the queue full is dropped, and counted.
func (g *Generator) arrive(ctx context.Context) {
	m := g.opts.metronome()
	defer m.close()
	stop := context.AfterFunc(ctx, m.interrupt)
	defer stop()
	arrivals := g.opts.Profile.Arrivals(g.opts.Seed, g.opts.Segment)
	begun := g.start.Sub(g.fleet.epoch)
	g.openTails(begun)
	stage := 0
	for ctx.Err() == nil {
		after, more := arrivals.Next()
		if !more { // the profile lasts until its end, whenever its last arrival is
			after = g.opts.Profile.Duration()
		}
		due := begun + after
		if wait := due - g.fleet.now(); wait > 0 && !m.wait(wait) {
			return
		}
		for ; stage < len(g.tails) && due >= g.tails[stage].end; stage++ {
			t := &g.tails[stage]
			g.wg.Go(func() { t.close(g.rec) })
		}
		if !more {
			return
		}
		of := &g.tails[min(stage, len(g.tails)-1)]
		of.due.Add(1)
		dropped, number := uint64(0), arrivals.Number()
		select {
		case g.kindOfArrival(number).queue <- arrival{number, due, of}:
		default:
			dropped = 1
		}
		g.rec.shards[0].count(func(t *tally) {
			t.due++
			t.dropped += dropped
		})
	}
}

// drain gives the users time to send what is still queued at the end.
func (g *Generator) drain(ctx context.Context) {
	grace := time.NewTimer(time.Until(g.graceEnd))
	defer grace.Stop()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for g.queued() > 0 {
		select {
		case <-ctx.Done():
			return
		case <-grace.C:
			return
		case <-tick.C:
		}
	}
}
