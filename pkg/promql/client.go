package promql

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/api"
	v1 "github.com/prometheus/client_golang/api/prometheus/v1"
	"github.com/prometheus/common/config"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
)

// How a Client deals with a server in trouble.
const (
	queryTimeout = 2 * time.Minute
	tries        = 4
	firstPause   = 250 * time.Millisecond // doubled after each try
	maxPoints    = 11_000                 // that Prometheus gives for a series at once
)

// A Client asks a Prometheus server through its HTTP API.
type Client struct {
	url string
	api v1.API
}

// NewClient makes a Client for the server at a base URL, with authentication,
// TLS and headers in Prometheus' own form.
func NewClient(url string, cfg config.HTTPClientConfig) (*Client, error) {
	rt, err := config.NewRoundTripperFromConfig(cfg, "plumbline")
	if err != nil {
		return nil, fmt.Errorf("prometheus %s: %w", url, err)
	}
	c, err := api.NewClient(api.Config{Address: url, RoundTripper: rt})
	if err != nil {
		return nil, fmt.Errorf("prometheus %s: %w", url, err)
	}
	return &Client{url: url, api: v1.NewAPI(c)}, nil
}

// Query implements [Querier].
func (c *Client) Query(ctx context.Context, expr string, at time.Time) (Result, error) {
	return c.ask(ctx, expr, func(ctx context.Context) (model.Value, v1.Warnings, v1.Infos, error) {
		return c.api.Query(ctx, expr, at)
	})
}

// QueryRange implements [Querier]; a range of more points than Prometheus gives at once is asked in parts.
func (c *Client) QueryRange(ctx context.Context, expr string, r Range) (Result, error) {
	var parts []Result
	for start := r.Start; !start.After(r.End); start = start.Add(maxPoints * r.Step) {
		part := v1.Range{Start: start, End: minTime(r.End, start.Add((maxPoints-1)*r.Step)), Step: r.Step}
		res, err := c.ask(ctx, expr, func(ctx context.Context) (model.Value, v1.Warnings, v1.Infos, error) {
			return c.api.QueryRange(ctx, expr, part)
		})
		if err != nil {
			return Result{}, err
		}
		parts = append(parts, res)
	}
	return join(parts), nil
}

// ask tries until the server answers; a bad query is not asked again.
func (c *Client) ask(ctx context.Context, expr string, try func(context.Context) (model.Value, v1.Warnings, v1.Infos, error)) (Result, error) {
	pause := firstPause
	for n := 1; ; n++ {
		tryCtx, cancel := context.WithTimeout(ctx, queryTimeout)
		value, warnings, infos, err := try(tryCtx)
		cancel()
		if err == nil {
			res, err := fromModel(value)
			if err != nil {
				return Result{}, QueryError(expr, fmt.Errorf("prometheus %s: %w", c.url, err))
			}
			res.Warnings = append(warnings, infos...)
			return res, nil
		}
		cause := err
		err = c.explain(err)
		if n == tries || !worthRetrying(cause) || ctx.Err() != nil {
			return Result{}, QueryError(expr, err)
		}
		select {
		case <-ctx.Done():
			return Result{}, QueryError(expr, ctx.Err())
		case <-time.After(pause):
			pause *= 2
		}
	}
}

// worthRetrying is true of connection errors, 429 and 5xx, and of an answer cut
// short; not of a bad query, nor of any other refusal.
func worthRetrying(err error) bool {
	var apiErr *v1.Error
	if !errors.As(err, &apiErr) {
		return true
	}
	switch apiErr.Type {
	case v1.ErrBadData, v1.ErrExec:
		return false
	case v1.ErrClient:
		return strings.Contains(apiErr.Msg, "429")
	}
	return true
}

// explain makes an error of the API one that a person can act on.
func (c *Client) explain(err error) error {
	var netErr *net.OpError
	var apiErr *v1.Error
	switch {
	case errors.As(err, &netErr):
		return fmt.Errorf("prometheus %s: %w", c.url, netErr)
	case !errors.As(err, &apiErr):
		return fmt.Errorf("prometheus %s: %w", c.url, err)
	case apiErr.Type == v1.ErrBadData || apiErr.Type == v1.ErrExec:
		return fmt.Errorf("prometheus %s: %w: %s", c.url, ErrBadQuery, apiErr.Msg)
	}
	return fmt.Errorf("prometheus %s: %s: %s", c.url, apiErr.Msg, excerpt(apiErr.Detail))
}

// excerpt is the start of an answer, on one line.
func excerpt(text string) string {
	const most = 120
	text = strings.Join(strings.Fields(text), " ")
	if len(text) > most {
		text = text[:most] + "…"
	}
	return text
}

// waitFor is the longest that [Client.WaitFor] waits.
const waitFor = 30 * time.Second

// WaitFor waits, at most 30 s, until the server holds samples newer than t.
func (c *Client) WaitFor(ctx context.Context, t time.Time) error {
	ctx, cancel := context.WithTimeout(ctx, waitFor)
	defer cancel()
	for {
		res, err := c.Query(ctx, "max(timestamp(up))", time.Now())
		if err != nil {
			return err
		}
		if newest := res.scalar(); newest >= float64(t.UnixMilli())/1000 {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("prometheus %s: no sample after %s yet: is it still scraping?", c.url, t.UTC().Format(time.RFC3339))
		case <-time.After(time.Second):
		}
	}
}

// fromModel takes over what the API's client decoded.
func fromModel(value model.Value) (Result, error) {
	var res Result
	switch v := value.(type) {
	case *model.Scalar:
		res.Series = []Series{{Points: []Point{{Time: v.Timestamp.Time(), Value: float64(v.Value)}}}}
	case model.Vector:
		for _, s := range v {
			p := Point{Time: s.Timestamp.Time(), Value: float64(s.Value)}
			if s.Histogram != nil {
				p = histogramPoint(s.Timestamp, s.Histogram)
			}
			res.Series = append(res.Series, Series{fromMetric(s.Metric), []Point{p}})
		}
	case model.Matrix:
		for _, s := range v {
			series := Series{Labels: fromMetric(s.Metric)}
			for _, p := range s.Values {
				series.Points = append(series.Points, Point{Time: p.Timestamp.Time(), Value: float64(p.Value)})
			}
			for _, p := range s.Histograms {
				series.Points = append(series.Points, histogramPoint(p.Timestamp, p.Histogram))
			}
			slices.SortStableFunc(series.Points, func(a, b Point) int { return a.Time.Compare(b.Time) })
			res.Series = append(res.Series, series)
		}
	default:
		return Result{}, fmt.Errorf("answered with a %T, not with numbers", value)
	}
	res.sort()
	return res, nil
}

func fromMetric(m model.Metric) labels.Labels {
	b := labels.NewBuilder(labels.EmptyLabels())
	for name, value := range m {
		b.Set(string(name), string(value))
	}
	return b.Labels()
}

func (r *Result) sort() {
	slices.SortFunc(r.Series, func(a, b Series) int { return labels.Compare(a.Labels, b.Labels) })
}

// histogramPoint recovers a native histogram from the API's list of buckets. The
// API drops the schema; the ratio of a bucket's bounds tells it.
func histogramPoint(at model.Time, sh *model.SampleHistogram) Point {
	h := &histogram.FloatHistogram{Count: float64(sh.Count), Sum: float64(sh.Sum)}
	h.Schema = schemaOf(sh.Buckets)
	next := map[bool]int{}
	add := func(positive bool, spans *[]histogram.Span, counts *[]float64, bound, count float64) {
		index := int(math.Round(math.Log2(bound) * math.Pow(2, float64(h.Schema))))
		offset := index
		if len(*spans) > 0 {
			offset = index - next[positive]
		}
		if len(*spans) > 0 && offset == 0 {
			(*spans)[len(*spans)-1].Length++
		} else {
			*spans = append(*spans, histogram.Span{Offset: int32(offset), Length: 1})
		}
		next[positive] = index + 1
		*counts = append(*counts, count)
	}
	for _, b := range sh.Buckets {
		switch lo, hi := float64(b.Lower), float64(b.Upper); {
		case lo <= 0 && hi >= 0:
			h.ZeroThreshold, h.ZeroCount = hi, float64(b.Count)
		case lo > 0:
			add(true, &h.PositiveSpans, &h.PositiveBuckets, hi, float64(b.Count))
		}
	}
	for _, b := range slices.Backward(sh.Buckets) {
		if float64(b.Upper) < 0 {
			add(false, &h.NegativeSpans, &h.NegativeBuckets, -float64(b.Lower), float64(b.Count))
		}
	}
	return Point{Time: at.Time(), Value: 0, Histogram: h}
}

// schemaOf tells the schema from the first bucket that has two finite bounds of one
// sign: their ratio is 2^(2^-schema). 0 when there is none.
func schemaOf(buckets model.HistogramBuckets) int32 {
	for _, b := range buckets {
		lo, hi := math.Abs(float64(b.Lower)), math.Abs(float64(b.Upper))
		if float64(b.Lower)*float64(b.Upper) > 0 && !math.IsInf(lo, 0) && !math.IsInf(hi, 0) {
			return int32(math.Round(-math.Log2(math.Abs(math.Log2(hi / lo)))))
		}
	}
	return 0
}

// join puts the parts of a range, in order of time, together again.
func join(parts []Result) Result {
	if len(parts) == 1 {
		return parts[0]
	}
	var out Result
	at := map[string]int{}
	for _, part := range parts {
		out.Warnings = append(out.Warnings, part.Warnings...)
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
