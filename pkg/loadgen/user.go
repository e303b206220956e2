package loadgen

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"slices"
	"sort"
	"strconv"
	"time"

	"github.com/tidwall/gjson"
)

// A kind is a User of the scenario, ready to be run.
type kind struct {
	weight float64
	think  Think
	start  []request
	tasks  []task
	total  float64 // of the tasks' weights
}

type task struct {
	upTo  float64 // cumulative weight
	steps []request
}

// A request is a Step, ready to be sent.
type request struct {
	Step
	channel
	target *url.URL
	host   string
	prefix string // path of the target
	static []byte // the whole request, when it never changes
}

func newKind(u User, target *url.URL, rec *recorder) kind {
	k := kind{weight: u.Weight, think: u.Think, start: newRequests(u.Start, target, rec)}
	for _, t := range u.Tasks {
		k.total += t.Weight
		k.tasks = append(k.tasks, task{k.total, newRequests(t.Steps, target, rec)})
	}
	return k
}

func newRequests(steps []Step, target *url.URL, rec *recorder) []request {
	requests := make([]request, len(steps))
	for i, st := range steps {
		r := request{Step: st, channel: rec.channelOf(st), target: target, host: target.Host, prefix: trimSlash(target.EscapedPath())}
		if st.isStatic() {
			r.static, _ = r.render(nil, &scope{}, nil)
		}
		requests[i] = r
	}
	return requests
}

func trimSlash(path string) string {
	if n := len(path); n > 0 && path[n-1] == '/' {
		return path[:n-1]
	}
	return path
}

func (st Step) isStatic() bool {
	static := st.path.isStatic() && st.body.isStatic()
	for _, h := range append(slices.Clone(st.headers), st.cookies...) {
		static = static && h.value.isStatic()
	}
	return static
}

// render writes the request; false when a variable of its path or body isn't set yet.
// A header whose variable isn't set is left out.
func (r *request) render(dst []byte, s *scope, cookies []*http.Cookie) ([]byte, bool) {
	dst = append(dst, r.Method...)
	dst = append(dst, ' ')
	dst = append(dst, r.prefix...)
	dst, ok := r.path.append(dst, s)
	if !ok {
		return dst, false
	}
	dst = append(dst, " HTTP/1.1\r\nHost: "...)
	dst = append(dst, r.host...)
	dst = append(dst, "\r\nUser-Agent: plumbline\r\n"...)
	for _, h := range r.headers {
		mark := len(dst)
		dst = append(append(dst, h.name...), ": "...)
		if dst, ok = h.value.append(dst, s); !ok {
			dst = dst[:mark]
			continue
		}
		dst = append(dst, "\r\n"...)
	}
	dst = r.appendCookies(dst, s, cookies)
	if r.kind != "" {
		dst = append(append(append(dst, "Content-Type: "...), r.kind...), "\r\n"...)
	}
	return r.renderBody(dst, s)
}

func (r *request) renderBody(dst []byte, s *scope) ([]byte, bool) {
	if len(r.body) == 0 && (r.Method == http.MethodGet || r.Method == http.MethodHead || r.Method == http.MethodOptions) {
		return append(dst, "\r\n"...), true
	}
	body, ok := r.body.append(s.body[:0], s)
	s.body = body
	dst = append(dst, "Content-Length: "...)
	dst = strconv.AppendInt(dst, int64(len(body)), 10)
	dst = append(dst, "\r\n\r\n"...)
	return append(dst, body...), ok
}

// A user does tasks, over a connection of its own.
type user struct {
	g      *Generator
	id     int
	kind   *kind
	rng    *rand.Rand
	scope  scope
	conn   *conn
	hard   context.Context
	answer answer
	buf    []byte
	jar    *cookiejar.Jar // nil before the first cookie
	timer  *time.Timer
}

func (g *Generator) newUser(hard context.Context, id int) *user {
	u := &user{g: g, id: id, hard: hard, conn: &conn{dialer: g.dialer}}
	u.kind = g.pickKind(id)
	u.scope = newScope(&g.opts.Scenario, g.opts.Seed, id)
	u.rng = u.scope.rng
	u.timer = time.NewTimer(time.Hour)
	u.timer.Stop()
	g.mu.Lock()
	defer g.mu.Unlock()
	g.conns[u.conn] = struct{}{}
	if hard.Err() != nil {
		u.conn.abort()
	}
	return u
}

// pickKind spreads users over the kinds in proportion to their weights, the
// same way in every run: the golden ratio's multiples are evenly spread.
func (g *Generator) pickKind(id int) *kind {
	total := 0.0
	for _, k := range g.kinds {
		total += k.weight
	}
	const goldenRatio = 0.6180339887498949
	at := goldenRatio * float64(id)
	at = (at - float64(int(at))) * total
	for i := range g.kinds {
		if at -= g.kinds[i].weight; at < 0 {
			return &g.kinds[i]
		}
	}
	return &g.kinds[len(g.kinds)-1]
}

func (u *user) leave() {
	u.conn.close()
	u.g.mu.Lock()
	defer u.g.mu.Unlock()
	delete(u.g.conns, u.conn)
}

// wait waits; false when ctx ended.
func (u *user) wait(ctx context.Context, d time.Duration) bool {
	if d > 0 {
		u.timer.Reset(d)
		defer u.timer.Stop()
		select {
		case <-ctx.Done():
			return false
		case <-u.timer.C:
		}
	}
	return ctx.Err() == nil
}

// The waits between attempts of a user to start.
const (
	firstBackoff = 100 * time.Millisecond
	lastBackoff  = 10 * time.Second
)

// begin does the start requests until they all succeed; false when ctx ended before.
func (u *user) begin(ctx context.Context) bool {
	backoff := firstBackoff
	for ctx.Err() == nil {
		u.scope.data.begin(uint64(u.id))
		if u.runSteps(ctx, u.kind.start, time.Time{}) {
			u.g.ready.Add(1)
			return true
		}
		jitter := 0.75 + u.rng.Float64()/2
		if !u.wait(ctx, time.Duration(float64(backoff)*jitter)) {
			return false
		}
		backoff = min(2*backoff, lastBackoff)
	}
	return false
}

// life counts how often the user has been started before.
func (u *user) runClosed(ctx context.Context, life int) {
	defer u.leave()
	if !u.begin(ctx) {
		return
	}
	due := time.Now()
	for j := uint64(0); ctx.Err() == nil; j++ {
		u.scope.begin(closedIteration(u.g.opts.Profile, u.id, life, j))
		u.g.rec.dueOne()
		u.g.rec.lagged(time.Since(due))
		u.iterate(ctx, time.Time{})
		think := u.kind.think.draw(u.rng)
		due = time.Now().Add(think)
		if !u.wait(ctx, think) {
			return
		}
	}
}

func (u *user) runOpen(ctx context.Context, queue <-chan arrival, loggedIn chan<- struct{}) {
	defer u.leave()
	if !u.begin(ctx) {
		return
	}
	loggedIn <- struct{}{}
	for {
		select {
		case <-ctx.Done():
			return
		case a, ok := <-queue:
			if !ok {
				return
			}
			u.scope.begin(a.number)
			u.iterate(ctx, a.due)
		}
	}
}

// iterate does one task; due is when it should have started, zero for now.
func (u *user) iterate(ctx context.Context, due time.Time) {
	u.g.rec.iterate()
	at := u.rng.Float64() * u.kind.total
	i := sort.Search(len(u.kind.tasks)-1, func(i int) bool { return at < u.kind.tasks[i].upTo })
	u.runSteps(ctx, u.kind.tasks[i].steps, due)
}

// runSteps does steps in order, until one fails or ctx ends.
func (u *user) runSteps(ctx context.Context, steps []request, due time.Time) bool {
	for i := range steps {
		if i > 0 && ctx.Err() != nil {
			return false
		}
		if !u.send(&steps[i], due) {
			return false
		}
		due = time.Time{}
	}
	return true
}

// send does one request and records its result.
func (u *user) send(r *request, due time.Time) bool {
	g := u.g
	wire, ok := u.wire(r)
	if !ok {
		g.warn("unset "+r.Name, r.Name+": not sent: a variable of its path or body has not been extracted yet")
		return false
	}
	g.rec.inFlight.Inc()
	sent := time.Now()
	if due.IsZero() {
		due = sent
	}
	u.answer.status = 0
	err := u.conn.do(u.hard, wire, r.Method == http.MethodHead, cmp.Or(r.Timeout, g.opts.Timeout), &u.answer)
	end := time.Now()
	g.rec.inFlight.Dec()
	if err != nil && u.hard.Err() != nil {
		g.cutOff.Add(1)
		return false
	}
	g.rec.sent.Add(float64(len(wire)))
	g.rec.received.Add(float64(u.answer.received))
	if g.rec.reached(err == nil) {
		cause := fmt.Sprintf("%s: %v", r.Name, err)
		g.silence.Store(&cause)
	}
	outcome := u.outcome(r, err, end.Sub(due))
	status := u.answer.status
	if err != nil {
		status = 0
	}
	g.rec.record(&r.channel, status, outcome, end.Sub(due), end.Sub(sent))
	cause := ""
	if outcome != Success {
		cause = describe(r, outcome, &u.answer, err)
		g.warn(r.Name+string(outcome), r.Name+": "+cause)
	}
	if g.opts.OnResult != nil {
		g.opts.OnResult(Sample{Request: r.Name, Method: r.Method, User: u.id, Sent: sent, ResponseTime: end.Sub(due), ServiceTime: end.Sub(sent),
			Status: status, Bytes: len(u.answer.body), Outcome: outcome, Cause: cause})
	}
	return outcome == Success
}

// wire is the request as it goes over the connection.
func (u *user) wire(r *request) ([]byte, bool) {
	if r.static != nil && u.jar == nil {
		return r.static, true
	}
	var cookies []*http.Cookie
	if u.jar != nil {
		cookies = u.jar.Cookies(r.target)
	}
	var ok bool
	u.buf, ok = r.render(u.buf[:0], &u.scope, cookies)
	return u.buf, ok
}

func describe(r *request, outcome Outcome, a *answer, err error) string {
	if err != nil {
		return fmt.Sprintf("%s: %v", outcome, err)
	}
	return r.expect.why(a, outcome)
}

func (u *user) outcome(r *request, err error, took time.Duration) Outcome {
	if err != nil {
		return failure(err)
	}
	u.keepCookies(r)
	if outcome := r.expect.judge(&u.answer, took); outcome != Success {
		return outcome
	}
	return u.extract(r)
}

// failure tells why no whole answer came.
func failure(err error) Outcome {
	var network net.Error
	var unreached connectError
	switch {
	case errors.As(err, &unreached):
		return NotReached
	case errors.As(err, &network) && network.Timeout():
		return TimedOut
	case closedByPeer(err) || network != nil:
		return NotReached
	}
	return BadBody // malformed
}

func (u *user) keepCookies(r *request) {
	var h http.Header
	for _, f := range u.answer.fields {
		if equalFold(u.answer.head[f.name:f.nameEnd], "Set-Cookie") {
			if h == nil {
				h = http.Header{}
			}
			h.Add("Set-Cookie", string(u.answer.head[f.value:f.valueEnd]))
		}
	}
	if h == nil {
		return
	}
	if u.jar == nil {
		u.jar, _ = cookiejar.New(nil) // it has no way to fail
	}
	u.jar.SetCookies(r.target, (&http.Response{Header: h}).Cookies())
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
	return value{got.String(), got.Type == gjson.Number}, got.Exists()
}
