package promql

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/common/config"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/plumbline/plumbline/pkg/run"
)

// What a Client asks of a server at one time.
const (
	maxPoints     = 11_000 // that Prometheus gives for a series at once
	maxConcurrent = 8      // questions
)

// A Client asks a Prometheus server, or one that answers like it, through its
// HTTP API. It is a [Querier] and a [Sampler].
type Client struct {
	Timeout time.Duration // for the answer to one question, all tries taken together

	base  *url.URL
	name  string // the server in messages: its URL without a password
	http  *http.Client
	slots chan struct{} // one for each question under way

	firstPause time.Duration // between two tries, doubled after each

	mu         sync.Mutex
	reads      map[string]*kept // by selector
	keptBytes  atomic.Int64
	sampleless atomic.Bool // it was found to have no remote read
}

// NewClient makes a Client for the server at a base URL, with authentication,
// TLS and headers in Prometheus' own form.
func NewClient(address string, cfg config.HTTPClientConfig) (*Client, error) {
	base, err := url.Parse(address)
	if err != nil {
		return nil, fmt.Errorf("prometheus: %w", errors.Unwrap(err)) // the URL itself may hold a password
	}
	if base.Scheme != "http" && base.Scheme != "https" || base.Host == "" {
		return nil, fmt.Errorf("prometheus %s: want a URL such as http://localhost:9090", base.Redacted())
	}
	client, err := config.NewClientFromConfig(cfg, "plumbline")
	if err != nil {
		return nil, fmt.Errorf("prometheus %s: %w", base.Redacted(), err)
	}
	return &Client{
		Timeout: 2 * time.Minute, base: base, name: "prometheus " + base.Redacted(), http: client,
		slots: make(chan struct{}, maxConcurrent), firstPause: 250 * time.Millisecond, reads: map[string]*kept{},
	}, nil
}

// Public is a server's URL as it may be stored and shown: without the user and
// password that it may carry.
func Public(address string) string {
	u, err := url.Parse(address)
	if err == nil && u.Host != "" {
		if u.User == nil {
			return address
		}
		u.User = nil
		return u.String()
	}
	if at := strings.LastIndexByte(address, '@'); at >= 0 {
		return "…" + address[at:] // what stands before it may be a password, in a URL that was mistyped
	}
	return address
}

// Query implements [Querier].
func (c *Client) Query(ctx context.Context, expr string, at time.Time) (Result, error) {
	res, err := c.query(ctx, "query", url.Values{"query": {expr}, "time": {apiTime(at)}})
	if err != nil {
		return Result{}, QueryError(expr, err)
	}
	return res, nil
}

// QueryRange implements [Querier]. A range of more points than Prometheus gives
// at once is asked in parts, and so is one that the server finds too much.
func (c *Client) QueryRange(ctx context.Context, expr string, r Range) (Result, error) {
	if r.Step < time.Millisecond {
		return Result{}, QueryError(expr, fmt.Errorf("%w: step %s", ErrBadQuery, r.Step))
	}
	var parts []Result
	for start := r.Start; !start.After(r.End); start = start.Add(maxPoints * r.Step) {
		part, err := c.part(ctx, expr, Range{start, minTime(r.End, start.Add((maxPoints-1)*r.Step)), r.Step})
		if err != nil {
			return Result{}, QueryError(expr, err)
		}
		parts = append(parts, part)
	}
	return join(parts), nil
}

// part asks for a stretch, and for its halves if it is too much.
func (c *Client) part(ctx context.Context, expr string, r Range) (Result, error) {
	res, err := c.query(ctx, "query_range", url.Values{
		"query": {expr}, "start": {apiTime(r.Start)}, "end": {apiTime(r.End)},
		"step": {strconv.FormatFloat(r.Step.Seconds(), 'f', -1, 64)},
	})
	steps := r.End.Sub(r.Start) / r.Step
	if !errors.Is(err, errTooMuch) || steps < 1 {
		return res, err
	}
	half := steps / 2
	first, err := c.part(ctx, expr, Range{r.Start, r.Start.Add(half * r.Step), r.Step})
	if err != nil {
		return Result{}, err
	}
	second, err := c.part(ctx, expr, Range{r.Start.Add((half + 1) * r.Step), r.End, r.Step})
	if err != nil {
		return Result{}, err
	}
	return join([]Result{first, second}), nil
}

func (c *Client) query(ctx context.Context, path string, form url.Values) (res Result, err error) {
	form.Set("timeout", c.Timeout.String())
	form.Set("nocache", "1")          // else VictoriaMetrics asks at other times, which it caches
	form.Set("latency_offset", "1ms") // else it answers for the last 30 s what was before
	err = c.ask(ctx, c.post(path, form), func(a answer) (err error) {
		res, err = a.result()
		return err
	})
	return res, err
}

// apiTime is a time as the API takes it.
func apiTime(t time.Time) string {
	return strconv.FormatFloat(float64(t.UnixMilli())/1000, 'f', 3, 64)
}

// How [Client.WaitFor] waits for samples that are not there yet.
const (
	waitFor  = 30 * time.Second
	settling = time.Minute // after which nothing more is to be expected
)

// WaitFor waits, at most 30 s, until the server holds samples newer than t. It
// doesn't wait when t is long past, or for a server that scrapes nothing itself.
func (c *Client) WaitFor(ctx context.Context, t time.Time) error {
	ctx, cancel := context.WithTimeout(ctx, waitFor)
	defer cancel()
	for answered := false; time.Since(t) < settling; answered = true {
		res, err := c.Query(ctx, "max(timestamp(up))", time.Now())
		switch {
		case err != nil && !(answered && ctx.Err() != nil):
			return err
		case err == nil && (len(res.Series) == 0 || res.scalar() >= float64(t.UnixMilli())/1000):
			return nil
		case !pause(ctx, time.Second):
			return fmt.Errorf("%s: no sample after %s yet: is it still scraping?", c.name, t.UTC().Format(time.RFC3339))
		}
	}
	return nil
}

// Holds is an error that says so when the server holds nothing at all of a
// window, since it forgot it or never had it.
func (c *Client) Holds(ctx context.Context, w run.Window) error {
	now := time.Now()
	there, err := c.holdsAny(ctx, w)
	if there || err != nil {
		return err
	}
	if there, err = c.holdsAny(ctx, run.Window{Start: w.Start, End: now}); err != nil {
		return err
	}
	if !there {
		return fmt.Errorf("%s: it holds no series from %s or later: is it the one that scraped the run?", c.name, stamp(w.Start))
	}
	// Something is there between the window's start and now: halve until it's known since when.
	none, some := w.End, now
	for some.Sub(none) > time.Minute {
		middle := none.Add(some.Sub(none) / 2)
		there, err := c.holdsAny(ctx, run.Window{Start: w.Start, End: middle})
		if err != nil {
			return err
		}
		if there {
			some = middle
		} else {
			none = middle
		}
	}
	return fmt.Errorf("%s: it holds nothing from before %s, and the run was from %s to %s; `analyzer capture` keeps a run's series before they are forgotten", c.name, stamp(some), stamp(w.Start), stamp(w.End))
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// holdsAny reports whether any series has samples in a window, as far as the server tells.
func (c *Client) holdsAny(ctx context.Context, w run.Window) (there bool, err error) {
	form := url.Values{"start": {apiTime(w.Start)}, "end": {apiTime(w.End)}, "limit": {"1"}}
	there = true // unless it says otherwise
	err = c.ask(ctx, c.get("label/__name__/values", form), func(a answer) error {
		names, err := a.strings()
		there = len(names) > 0 || err != nil
		return err
	})
	if t := (*trouble)(nil); errors.As(err, &t) && !t.again {
		err = nil // it doesn't tell
	}
	return there, err
}

// join puts the parts of a range, in order of time, together again.
func join(parts []Result) Result {
	if len(parts) == 1 {
		return parts[0]
	}
	var out Result
	at := map[string]int{}
	for _, part := range parts {
		out.Warnings = merge(out.Warnings, part.Warnings)
		for _, s := range part.Series {
			key := s.Labels.String()
			i, known := at[key]
			if !known {
				i = len(out.Series)
				at[key] = i
				out.Series = append(out.Series, Series{Labels: s.Labels})
			}
			out.Series[i].Points = append(out.Series[i].Points, s.Points...)
		}
	}
	out.sort()
	return out
}

func (r *Result) sort() {
	slices.SortFunc(r.Series, func(a, b Series) int { return labels.Compare(a.Labels, b.Labels) })
}

// excerpt is the start of an answer, on one line.
func excerpt(text string) string {
	const most = 120
	text = strings.Join(strings.Fields(strings.ToValidUTF8(text[:min(len(text), 4*most)], "�")), " ")
	if runes := []rune(text); len(runes) > most {
		text = string(runes[:most]) + "…"
	}
	return text
}

// abridged is a server's message, on one line. Of a long one it is the start and
// the end, where the cause stands: those of VictoriaMetrics and Thanos tell the
// query and the way to the cause first.
func abridged(text string) string {
	const head, tail = 80, 300
	text = strings.Join(strings.Fields(strings.ToValidUTF8(text, "�")), " ")
	if runes := []rune(text); len(runes) > head+tail {
		text = string(runes[:head]) + " … " + string(runes[len(runes)-tail:])
	}
	return text
}
