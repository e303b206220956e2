package promql

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// How a Client deals with a server in trouble.
const (
	tries     = 4
	maxAnswer = 256 << 20 // bytes
)

// errTooMuch tells that a server refuses a question for its size.
var errTooMuch = errors.New("the server refuses to do so much for one query; narrow the selector or raise its limit")

// A trouble is why a try failed, and whether another may do better.
type trouble struct {
	error
	again bool
	after time.Duration // that the server asks to wait
}

func (t *trouble) Unwrap() error { return t.error }

// A request makes a request to the server; it is made anew for each try.
type request func(ctx context.Context) (*http.Request, error)

// post asks the API as a form, which may be longer than a URL.
func (c *Client) post(path string, form url.Values) request {
	body := form.Encode()
	return func(ctx context.Context) (*http.Request, error) {
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.endpoint(path), strings.NewReader(body))
		if err == nil {
			req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		}
		return req, err
	}
}

func (c *Client) get(path string, query url.Values) request {
	return func(ctx context.Context) (*http.Request, error) {
		return http.NewRequestWithContext(ctx, http.MethodGet, c.endpoint(path)+"?"+query.Encode(), http.NoBody)
	}
}

// endpoint is the URL of a part of the API, below the base URL's own path.
func (c *Client) endpoint(path string) string { return c.base.JoinPath("api/v1", path).String() }

// ask sends a request until take finds its answer good. Errors of connections,
// of a server that is down or busy, and answers cut short are tried again, with
// growing pauses or as long as the server asks; a refusal is not.
func (c *Client) ask(ctx context.Context, r request, take func(answer) error) error {
	began := time.Now()
	ctx, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	select {
	case c.slots <- struct{}{}:
		defer func() { <-c.slots }()
	case <-ctx.Done():
		return c.failed(ctx, began, ctx.Err())
	}
	wait := c.firstPause
	var last error // of the tries before
	for n := 1; ; n++ {
		err := c.try(ctx, r, take)
		var t *trouble
		switch {
		case err == nil:
			return nil
		case last != nil && errors.Is(ctx.Err(), context.DeadlineExceeded):
			return fmt.Errorf("%w (the try before: %w)", c.failed(ctx, began, err), plain(ctx, began, last))
		case !errors.As(err, &t) || !t.again || n == tries || ctx.Err() != nil:
			return c.failed(ctx, began, err)
		}
		if deadline, _ := ctx.Deadline(); time.Until(deadline) < t.after {
			return c.failed(ctx, began, fmt.Errorf("%w; it asks to come back in %s", err, t.after))
		}
		last = err
		jittered := wait/2 + rand.N(wait) //nolint:gosec // so that many clients don't come back at once
		if !pause(ctx, max(jittered, t.after)) {
			return c.failed(ctx, began, err)
		}
		wait *= 2
	}
}

// failed is the error that a person can act on.
func (c *Client) failed(ctx context.Context, began time.Time, err error) error {
	return fmt.Errorf("%s: %w", c.name, plain(ctx, began, err))
}

// plain is an error without the layers around its cause, and without the URL's password.
func plain(ctx context.Context, began time.Time, err error) error {
	var op *net.OpError
	var u *url.Error
	switch {
	case errors.Is(ctx.Err(), context.Canceled):
		return context.Canceled
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("no answer within %s: is it overloaded, or the query too wide? %w", time.Since(began).Round(time.Second), context.DeadlineExceeded)
	case errors.As(err, &op):
		return op
	case errors.As(err, &u) && errors.Is(err, io.EOF):
		return fmt.Errorf("the connection was closed without an answer: %w", u.Err)
	case errors.As(err, &u):
		return u.Err // its URL may hold a password
	}
	return err
}

// pause waits; false when ctx ended first.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// try sends a request once.
func (c *Client) try(ctx context.Context, r request, take func(answer) error) error {
	req, err := r(ctx)
	if err != nil {
		return err
	}
	a, err := c.send(req)
	if err == nil && req.Method == http.MethodPost && (a.status == http.StatusMethodNotAllowed || a.status == http.StatusNotImplemented) {
		if form, isForm := asGet(req); isForm { // a proxy that lets only reading through
			a, err = c.send(form)
		}
	}
	if err != nil {
		return err
	}
	return take(a)
}

func (c *Client) send(req *http.Request) (answer, error) {
	res, err := c.http.Do(req)
	if err != nil {
		return answer{}, &trouble{error: err, again: true}
	}
	defer res.Body.Close()
	var body bytes.Buffer
	n, err := body.ReadFrom(io.LimitReader(res.Body, maxAnswer+1))
	if err != nil {
		return answer{}, &trouble{error: fmt.Errorf("the answer broke off after %d bytes: %w", n, err), again: true}
	}
	if n > maxAnswer {
		return answer{}, fmt.Errorf("%w: its answer is larger than %d MB", errTooMuch, maxAnswer>>20)
	}
	return answer{res.StatusCode, res.Header, body.Bytes()}, nil
}

// asGet is a posted form as a GET.
func asGet(req *http.Request) (get *http.Request, isForm bool) {
	if req.Header.Get("Content-Type") != "application/x-www-form-urlencoded" {
		return nil, false
	}
	body, err := req.GetBody()
	if err != nil {
		return nil, false
	}
	form, err := io.ReadAll(body)
	if err != nil {
		return nil, false
	}
	get, err = http.NewRequestWithContext(req.Context(), http.MethodGet, req.URL.String()+"?"+string(form), http.NoBody)
	return get, err == nil
}

// retryAfter reads the header of that name: seconds, or a date.
func retryAfter(h http.Header) time.Duration {
	text := h.Get("Retry-After")
	if s, err := strconv.Atoi(text); err == nil {
		return time.Duration(min(max(s, 0), 86_400)) * time.Second
	}
	if at, err := http.ParseTime(text); err == nil {
		return max(time.Until(at), 0)
	}
	return 0
}
