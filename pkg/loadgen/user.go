package loadgen

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"sort"
	"sync"
	"time"

	"github.com/tidwall/gjson"
)

// A user does tasks, over connections of its own.
type user struct {
	g      *Generator
	id     int
	kind   *kind
	rng    *rand.Rand
	scope  scope
	shard  *shard
	link   *link            // to the target
	others map[string]*link // to where redirects lead, by origin; nil before the first
	hard   context.Context
	answer answer
	draft  *draft         // nil while nothing is being sent
	jar    *cookiejar.Jar // nil before the first cookie
	timer  *time.Timer
	ready  bool // its start has succeeded
}

// A draft is the memory that requests are rendered in. Users who think have none.
type draft struct {
	message
	body []byte
}

var drafts = sync.Pool{New: func() any { return &draft{} }}

func (g *Generator) newUser(hard context.Context, id int, k *kind) *user {
	u := &user{g: g, id: id, hard: hard, kind: k, shard: g.rec.shards[id%len(g.rec.shards)], link: g.fleet.link(g.dialer)}
	u.scope = newScope(&g.opts.Scenario, g.opts.Seed, id)
	u.rng = u.scope.rng
	if g.opts.Phases {
		u.answer.watch = &stopwatch{}
	}
	return u
}

func (u *user) leave() {
	u.rest()
	if u.ready {
		u.g.running.Add(-1)
	}
	u.g.fleet.drop(u.link)
	for _, l := range u.others {
		u.g.fleet.drop(l)
	}
}

// rest gives back the memory that only requests need.
func (u *user) rest() {
	u.answer.release()
	if d := u.draft; d != nil {
		u.draft, u.scope.body = nil, nil
		if cap(d.wire)+cap(d.body) <= largestKept {
			drafts.Put(d)
		}
	}
}

// wait waits; false when ctx ended.
func (u *user) wait(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	u.rest()
	if u.timer == nil {
		u.timer = time.NewTimer(d)
	} else {
		u.timer.Reset(d)
	}
	select {
	case <-ctx.Done():
		u.timer.Stop()
		return false
	case <-u.timer.C:
		return ctx.Err() == nil
	}
}

// The waits between attempts of a user to start.
const (
	firstBackoff = 100 * time.Millisecond
	lastBackoff  = 10 * time.Second
)

// begin does the start requests until they all succeed; false when ctx ended before.
func (u *user) begin(ctx context.Context) bool {
	if !u.connectEarly(ctx) {
		return false
	}
	backoff := firstBackoff
	for ctx.Err() == nil {
		u.scope.data.begin(uint64(u.id))
		if u.logIn(ctx) {
			u.g.ready.Add(1)
			u.g.running.Add(1)
			u.ready = true
			return true
		}
		jitter := 0.75 + u.rng.Float64()/2
		if !u.wait(ctx, time.Duration(float64(backoff)*jitter)) {
			u.g.refused.Add(1)
			return false
		}
		backoff = min(2*backoff, lastBackoff)
	}
	return false
}

// logIn tries once to start.
func (u *user) logIn(ctx context.Context) bool {
	u.g.loggingIn.Add(1)
	defer u.g.loggingIn.Add(-1)
	ok, _ := u.runSteps(ctx, u.kind.start, asap)
	if ok {
		u.g.rec.refusals.success()
	} else {
		u.g.rec.refusals.failure(u.g.firstCause)
	}
	return ok
}

// life counts how often the user has been started before.
func (u *user) runClosed(ctx context.Context, life int) {
	defer u.leave()
	if !u.begin(ctx) {
		return
	}
	lag := time.Duration(0)
	for j := uint64(0); ctx.Err() == nil; j++ {
		u.scope.begin(closedIteration(u.g.opts.Profile, u.id, life, j))
		u.shard.iterate(true, lag)
		end := u.iterate(ctx, asap)
		think := u.kind.think.draw(u.rng)
		if !u.wait(ctx, think) {
			return
		}
		if lag = 0; think > 0 {
			lag = u.g.fleet.now() - (end + think)
		}
	}
}

// runOpen does the arrivals of the user's kind, as long as there are any.
func (u *user) runOpen(ctx context.Context, loggedIn chan<- struct{}) {
	defer u.leave()
	of := u.shard
	u.shard = &u.g.rec.logins
	if !u.begin(ctx) {
		return
	}
	u.shard = of
	loggedIn <- struct{}{}
	queue := u.kind.queue
	free := u.g.fleet.now()
	for {
		if len(queue) == 0 {
			u.rest()
		}
		select {
		case <-ctx.Done():
			return
		case a, ok := <-queue:
			if !ok {
				return
			}
			u.scope.begin(a.number)
			u.shard.iterate(false, u.g.fleet.now()-max(a.due, free))
			free = u.iterate(ctx, a.due)
			if u.hard.Err() == nil { // else it may have been cut off
				a.stage.ended(free)
			}
		}
	}
}

// maxConnecting bounds the users that connect at one time, so that starting
// many is no attack.
const maxConnecting = 128

// connectEarly connects a user before its first request; false when ctx ended
// before. Should it fail, that is told, and the first request tries again.
func (u *user) connectEarly(ctx context.Context) bool {
	err := u.connect(ctx)
	switch {
	case err == nil:
		return ctx.Err() == nil
	case ctx.Err() != nil:
		u.g.unconnected.Add(1)
		return false
	}
	u.g.rec.silence.failure(func() string { return err.Error() })
	u.g.warn(string(NotReached), func() string { return fmt.Sprintf("%s: %v", NotReached, err) })
	return true
}

func (u *user) connect(ctx context.Context) error {
	select {
	case u.g.doors <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-u.g.doors }()
	return u.link.open(ctx)
}

// asap stands for a due time of now.
const asap = time.Duration(-1)

// iterate does one task and gives the time of its end. due is when it should have started.
func (u *user) iterate(ctx context.Context, due time.Duration) (end time.Duration) {
	at := u.rng.Float64() * u.kind.total
	i := sort.Search(len(u.kind.tasks)-1, func(i int) bool { return at < u.kind.tasks[i].upTo })
	begun := time.Duration(0)
	if u.g.opts.OnIteration != nil { // reading the clock takes a while
		begun = u.g.fleet.now()
	}
	_, end = u.runSteps(ctx, u.kind.tasks[i].steps, due)
	if u.g.opts.OnIteration != nil {
		u.g.opts.OnIteration(end - begun)
	}
	return end
}

// runSteps does steps in order, until one fails or ctx ends.
func (u *user) runSteps(ctx context.Context, steps []request, due time.Duration) (ok bool, end time.Duration) {
	for i := range steps {
		if i > 0 && ctx.Err() != nil {
			return false, end
		}
		if ok, end = u.send(&steps[i], due); !ok {
			return false, end
		}
		due = asap
	}
	return true, end
}

// send does one request and records its result.
func (u *user) send(r *request, due time.Duration) (ok bool, end time.Duration) {
	g := u.g
	m, ok := u.message(r)
	sent := g.fleet.now()
	if !ok {
		u.withhold(r, sent)
		return false, sent
	}
	if due == asap {
		due = sent
	}
	u.answer.watch.reset()
	err := u.exchange(r, m, sent)
	end = g.fleet.now()
	u.link.lastUse = end
	if err != nil && u.hard.Err() != nil {
		u.shard.count(func(t *tally) { t.cutOff++ })
		return false, end
	}
	if err == nil {
		g.rec.silence.success()
	} else {
		g.rec.silence.failure(func() string { return fmt.Sprintf("%s: %v", r.Name, err) })
	}
	got := result{status: u.answer.status, answered: err == nil, response: end - due, service: end - sent,
		sent: u.answer.sent, received: u.answer.received}
	if err != nil {
		got.status = 0
	}
	got.outcome = u.outcome(r, err, got.response)
	g.rec.record(u.shard, &r.channel, &got)
	cause, instead := "", ""
	if got.outcome != Success {
		cause, instead = describe(r, got.outcome, &u.answer, err)
	}
	u.tell(r, sent, &got, cause, instead)
	return got.outcome == Success, end
}

// withhold counts a request that can't be sent as a failure. It took no time, so it has none.
func (u *user) withhold(r *request, at time.Duration) {
	u.g.rec.withhold(u.shard, &r.channel)
	u.answer.reset()
	u.answer.watch.reset()
	u.tell(r, at, &result{outcome: Unset}, fmt.Sprintf("%s: not sent: ${%s} has no value yet", Unset, r.unset(&u.scope)), "")
}

// tell passes a result on, and warns of the first failure of a kind, with what there was instead.
func (u *user) tell(r *request, sent time.Duration, got *result, cause, instead string) {
	g := u.g
	if got.outcome != Success {
		key := r.Name + string(got.outcome)
		if got.outcome == NotReached { // all requests go to the same target
			key = string(NotReached)
		}
		g.warn(key, func() string {
			if instead = beginning(instead); instead != "" {
				return r.Name + ": " + cause + " (got " + instead + ")"
			}
			return r.Name + ": " + cause
		})
	}
	if g.opts.OnResult != nil && !u.isLate() {
		g.opts.OnResult(Sample{Request: r.Name, Method: r.Method, User: u.id, Sent: g.fleet.epoch.Add(sent), ResponseTime: got.response, ServiceTime: got.service, Phases: u.answer.watch.phases(),
			Status: got.status, Bytes: len(u.answer.body), Outcome: got.outcome, Cause: cause})
	}
}

// isLate tells that a user logs in though the load of an open model has begun: that is no part of it.
func (u *user) isLate() bool {
	return u.shard == &u.g.rec.logins && u.g.rec.loginsClosed()
}

// message is the request as it goes over the connection.
func (u *user) message(r *request) (m *message, ok bool) {
	if r.static != nil && u.jar == nil {
		return r.static, true
	}
	return u.render(r, destination{method: r.Method, origin: u.g.dialer, withBody: true})
}

func (u *user) render(r *request, to destination) (m *message, ok bool) {
	if u.draft == nil {
		u.draft, _ = drafts.Get().(*draft)
		u.scope.body = u.draft.body
	}
	ok = r.render(&u.draft.message, to, &u.scope, u.jar)
	u.draft.body = u.scope.body
	return &u.draft.message, ok
}

// exchange sends a request, and keeps the cookies of the answer and of those on the way to it.
func (u *user) exchange(r *request, m *message, start time.Duration) error {
	err := u.link.do(u.hard, m, &u.answer, start, r.timeout)
	if err == nil && u.answer.setsCookies {
		u.keepCookies(m.url(u.g.dialer))
	}
	if err == nil && r.Redirects > 0 && u.answer.status/100 == 3 {
		return u.follow(r, m, start)
	}
	return err
}

// follow does what redirects ask for, as often as the request allows.
func (u *user) follow(r *request, m *message, start time.Duration) error {
	from := m.url(u.g.dialer)
	method, body := m.method, bytes.Clone(m.wire[m.body:])
	for range r.Redirects {
		to, next, withBody, ok := redirectOf(&u.answer, from, method)
		if !ok {
			return nil
		}
		if !withBody {
			body = nil
		}
		l := u.linkTo(to)
		onward, _ := u.render(r, destination{method: next, origin: l.dialer, path: to.RequestURI(), withBody: withBody, body: body})
		sent, received := u.answer.sent, u.answer.received
		err := l.do(u.hard, onward, &u.answer, start, r.timeout)
		u.answer.sent += sent
		u.answer.received += received
		if err != nil {
			return err
		}
		l.lastUse = u.g.fleet.now()
		if u.answer.setsCookies {
			u.keepCookies(to)
		}
		from, method = to, next
	}
	return nil
}

// linkTo is the user's link to the origin of a URL.
func (u *user) linkTo(to *url.URL) *link {
	target := u.g.opts.Target
	if to.Scheme == target.Scheme && to.Host == target.Host {
		return u.link
	}
	origin := to.Scheme + "://" + to.Host
	if u.others[origin] == nil {
		if u.others == nil {
			u.others = map[string]*link{}
		}
		u.others[origin] = u.g.fleet.link(u.g.dialerTo(to))
	}
	return u.others[origin]
}

func describe(r *request, outcome Outcome, a *answer, err error) (cause, instead string) {
	if err != nil {
		return fmt.Sprintf("%s: %v", outcome, err), ""
	}
	if cause, instead = r.expect.why(a, outcome); cause == "" {
		cause = fmt.Sprintf("%s: %s (status %d)", outcome, r.missing(a), a.status)
	}
	return cause, instead
}

func (u *user) outcome(r *request, err error, took time.Duration) Outcome {
	if err != nil {
		return failure(err)
	}
	if outcome := r.expect.judge(&u.answer, took); outcome != Success {
		return outcome
	}
	return u.extract(r)
}

// failure tells why no whole answer came.
func failure(err error) Outcome {
	var network net.Error
	var unreached connectError
	var unanswered http2Error
	switch {
	case errors.As(err, &unreached):
		return NotReached
	case errors.As(err, &network) && network.Timeout():
		return TimedOut
	case closedByPeer(err) || network != nil || errors.As(err, &unanswered):
		return NotReached
	}
	return BadBody // malformed
}

// keepCookies keeps the cookies that the answer of a URL sets.
func (u *user) keepCookies(at *url.URL) {
	h := http.Header{}
	for _, f := range u.answer.fields {
		if equalFold(u.answer.head[f.name:f.nameEnd], "Set-Cookie") {
			h.Add("Set-Cookie", string(u.answer.head[f.value:f.valueEnd]))
		}
	}
	if u.jar == nil {
		u.jar, _ = cookiejar.New(nil) // it has no way to fail
	}
	u.jar.SetCookies(at, (&http.Response{Header: h}).Cookies())
}

// extract keeps what the step asks for; an answer without it is a failure.
func (u *user) extract(r *request) Outcome {
	for i := range r.Step.extract {
		from := &r.Step.extract[i]
		v, found := from.find(&u.answer)
		switch {
		case found:
			u.scope.vars[from.slot] = variable{v, true}
		case from.standard != nil:
			u.scope.vars[from.slot] = variable{value{text: *from.standard}, true}
		case from.Header != "" || from.Cookie != "":
			return BadHeader
		default:
			return BadBody
		}
	}
	return Success
}

// missing says which variable could not be extracted from an answer.
func (r *request) missing(a *answer) string {
	for i := range r.Step.extract {
		e := &r.Step.extract[i]
		if _, found := e.find(a); !found && e.standard == nil {
			return fmt.Sprintf("nothing for ${%s}: no %s in the answer", e.name, e.where())
		}
	}
	return ""
}

func (e *extraction) find(a *answer) (value, bool) {
	switch {
	case e.Header != "":
		v := a.header(e.Header)
		return value{text: string(v)}, v != nil
	case e.Cookie != "":
		for _, f := range a.fields {
			if equalFold(a.head[f.name:f.nameEnd], "Set-Cookie") {
				if c, err := http.ParseSetCookie(string(a.head[f.value:f.valueEnd])); err == nil && c.Name == e.Cookie {
					return value{text: c.Value}, true
				}
			}
		}
		return value{}, false
	case e.pattern != nil:
		m := e.pattern.FindSubmatch(a.body)
		if m == nil {
			return value{}, false
		}
		return value{text: string(bytes.Clone(m[len(m)-1]))}, true
	}
	got := gjson.GetBytes(a.body, e.path)
	if got.Type == gjson.String {
		return value{text: got.Str}, true
	}
	return value{got.Raw, true}, got.Exists()
}
