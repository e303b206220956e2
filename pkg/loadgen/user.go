package loadgen

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/cookiejar"
	"slices"
	"time"

	"github.com/tidwall/gjson"
)

// maxBody is the longest answer that is read.
const maxBody = 64 << 20

// A virtualUser does the tasks of its kind, one after another.
type virtualUser struct {
	g      *Generator
	kind   User
	tasks  []float64 // weights, cumulative
	scope  scope
	client *http.Client
	buf    bytes.Buffer
	text   []byte
}

func newVirtualUser(g *Generator, n int) *virtualUser {
	rng := newRand(g.opts.Seed, n)
	jar, err := cookiejar.New(nil)
	if err != nil { // can't be without options
		jar = nil
	}
	u := &virtualUser{g: g, kind: g.opts.Scenario.Users[pick(g.weights, rng)], client: &http.Client{Transport: newTransport(), Jar: jar, Timeout: g.opts.Timeout}}
	u.scope = scope{map[string]value{}, &dataPicks{sets: g.opts.Scenario.data, user: n, picked: map[string]int{}}, rng}
	sum := 0.0
	for _, t := range u.kind.Tasks {
		sum += t.Weight
		u.tasks = append(u.tasks, sum)
	}
	return u
}

// pick chooses by cumulative weights.
func pick(weights []float64, rng *rand.Rand) int {
	i, _ := slices.BinarySearch(weights, rng.Float64()*weights[len(weights)-1])
	return min(i, len(weights)-1)
}

// live starts the user and does tasks until ctx ends; a request under way is cut off only by hard.
func (u *virtualUser) live(ctx, hard context.Context) {
	defer u.client.CloseIdleConnections()
	if !u.start(ctx, hard) {
		return
	}
	for ctx.Err() == nil {
		u.g.metrics.iterations.Inc()
		u.scope.data.reset()
		for _, st := range u.kind.Tasks[pick(u.tasks, u.scope.rng)].Steps {
			if ctx.Err() != nil || !u.do(hard, st) {
				break // what follows would rest on an answer that failed
			}
		}
		if !sleep(ctx, u.kind.Think.draw(u.scope.rng)) {
			return
		}
	}
}

// start does the starting steps, again and again with longer pauses until they succeed.
func (u *virtualUser) start(ctx, hard context.Context) bool {
	for pause := 100 * time.Millisecond; ctx.Err() == nil; pause = min(2*pause, 5*time.Second) {
		u.scope.data.reset()
		if u.all(hard, u.kind.Start) {
			u.g.mu.Lock()
			u.g.began++
			u.g.mu.Unlock()
			return true
		}
		sleep(ctx, pause)
	}
	return false
}

func (u *virtualUser) all(hard context.Context, steps []Step) bool {
	for _, st := range steps {
		if !u.do(hard, st) {
			return false
		}
	}
	return true
}

// do sends one request, judges its answer and records it.
func (u *virtualUser) do(ctx context.Context, st Step) bool {
	req, err := u.request(ctx, st)
	if err != nil {
		u.g.note(Result{Request: st.Name, Method: st.Method, Outcome: BadBody, Cause: err.Error()})
		return false
	}
	u.g.metrics.inFlight.Inc()
	start := time.Now()
	status, h, body, err := u.send(req)
	took := time.Since(start)
	u.g.metrics.inFlight.Dec()
	if ctx.Err() != nil && err != nil {
		return false // cut off by the end of the test: neither a success nor the target's failure
	}
	r := Result{Request: st.Name, Method: st.Method, Status: status, ResponseTime: took, ServiceTime: took}
	if err != nil {
		r.Status, r.Outcome, r.Cause = 0, failure(err), err.Error()
	} else if r.Outcome = st.expect.judge(status, h, body, took); r.Outcome != Success {
		r.Cause = fmt.Sprintf("%s (HTTP status %d)", r.Outcome, status)
	}
	if r.Outcome == Success && !u.extract(st, body) {
		r.Outcome, r.Cause = BadBody, "the answer lacks what is to be extracted"
	}
	u.g.note(r)
	return r.Outcome == Success
}

// request fills the step's templates in.
func (u *virtualUser) request(ctx context.Context, st Step) (*http.Request, error) {
	var set bool
	if u.text, set = st.path.append(u.text[:0], &u.scope); !set {
		return nil, errors.New("its path uses a variable that no step has set yet")
	}
	target := u.g.opts.Target.String() + string(u.text)
	if u.text, set = st.body.append(u.text[:0], &u.scope); !set {
		return nil, errors.New("its body uses a variable that no step has set yet")
	}
	req, err := http.NewRequestWithContext(ctx, st.Method, target, bytes.NewReader(u.text))
	if err != nil {
		return nil, err
	}
	u.g.metrics.sent.Add(float64(len(u.text)))
	if st.kind != "" {
		req.Header.Set("Content-Type", st.kind)
	}
	for _, h := range st.headers {
		if text, set := h.value.append(nil, &u.scope); set {
			req.Header.Set(h.name, string(text))
		}
	}
	return req, nil
}

// send gives the answer; its body is valid until the next call.
func (u *virtualUser) send(req *http.Request) (int, http.Header, []byte, error) {
	resp, err := u.client.Do(req)
	if err != nil {
		return 0, nil, nil, err
	}
	defer resp.Body.Close()
	u.buf.Reset()
	n, err := u.buf.ReadFrom(io.LimitReader(resp.Body, maxBody))
	u.g.metrics.received.Add(float64(n))
	return resp.StatusCode, resp.Header, u.buf.Bytes(), err
}

func (u *virtualUser) extract(st Step, body []byte) bool {
	for name, path := range st.extract {
		got := gjson.GetBytes(body, path)
		if !got.Exists() {
			return false
		}
		u.scope.vars[name] = value{got.String(), got.Type == gjson.Number}
	}
	return true
}

// failure tells why no answer came.
func failure(err error) Outcome {
	var netErr net.Error
	if errors.As(err, &netErr) && netErr.Timeout() || errors.Is(err, context.DeadlineExceeded) {
		return TimedOut
	}
	return NotReached
}

// sleep waits; false when ctx ended first.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
