package promql

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/plumbline/plumbline/pkg/run"
)

// An exchange is one recorded with a real server; testdata/README.md says how.
type exchange struct {
	Server  string // its version, and the flags that it was started with for this
	Request struct {
		Path string
		Form url.Values // nil for a request of remote read
	}
	Response struct {
		Status int
		Type   string
		Body   string
	}
}

// A tape answers what was asked when it was recorded, as it was answered then.
type tape struct {
	exchanges []exchange
	calls     int
}

func (p *tape) RoundTrip(r *http.Request) (*http.Response, error) {
	p.calls++
	if err := r.ParseForm(); err != nil {
		return nil, err
	}
	i := slices.IndexFunc(p.exchanges, func(e exchange) bool {
		return e.Request.Path == r.URL.Path && e.Request.Form.Encode() == r.Form.Encode()
	})
	if i < 0 {
		return nil, fmt.Errorf("not on the tape: %s %s", r.URL.Path, r.Form.Encode())
	}
	answer := p.exchanges[i].Response
	return fakeReply(answer.Status, http.Header{"Content-Type": {answer.Type}}, answer.Body), nil
}

// replay makes a Client of what was recorded.
func replay(t *testing.T, file string) (*Client, *tape) {
	t.Helper()
	f, err := os.Open("testdata/" + file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	p := &tape{}
	for lines := bufio.NewReader(f); ; {
		line, err := lines.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			break
		}
		var e exchange
		if err := errors.Join(err, json.Unmarshal(line, &e)); err != nil {
			t.Fatal(err)
		}
		p.exchanges = append(p.exchanges, e)
	}
	client := newClient(t, "http://recorded.example")
	client.http, client.firstPause = &http.Client{Transport: p}, time.Millisecond
	return client, p
}

// recordedStart is shortly after the run whose series the servers held began.
var recordedStart = time.Date(2026, 11, 24, 9, 1, 30, 137e6, time.UTC)

func TestRecordedTroubles(t *testing.T) {
	for _, c := range []struct {
		name, file, query string
		calls             int
		is                error    // that the error is
		says              []string // in the error
	}{
		{name: "Thanos that gives no partial answers", file: "thanos-no-partial-response.jsonl", query: "sum(up)", calls: tries,
			says: []string{"answered 422", "a part of it did not answer", "connect: connection refused"}},
		{name: "Thanos' timeout", file: "thanos-timeout.jsonl", query: "sum_over_time(sum(up)[5m:1ms])", calls: 1,
			is: errTooMuch, says: []string{"query timed out"}},
		{name: "VictoriaMetrics' limit of samples", file: "victoriametrics-max-samples.jsonl", query: "http_requests_total[5m]", calls: 1,
			is: errTooMuch, says: []string{"-search.maxSamplesPerQuery=10 ", "raise its limit"}},
		{name: "VictoriaMetrics' limit of series", file: "victoriametrics-max-series.jsonl", query: "http_requests_total[5m]", calls: 1,
			is: errTooMuch, says: []string{"timeseries exceeds 3", "-search.maxUniqueTimeseries"}},
		{name: "VictoriaMetrics that is busy", file: "victoriametrics-busy.jsonl", query: "sum(up)", calls: tries,
			says: []string{"-search.maxConcurrentRequests=1"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			client, p := replay(t, c.file)
			_, err := client.Query(t.Context(), c.query, recordedStart.Add(20*time.Second))
			if p.calls != c.calls {
				t.Errorf("got %d calls, want %d", p.calls, c.calls)
			}
			if errors.Is(err, ErrBadQuery) || c.is != nil && !errors.Is(err, c.is) {
				t.Errorf("got %v, want it to be %v", err, c.is)
			}
			for _, part := range c.says {
				if err == nil || !strings.Contains(err.Error(), part) {
					t.Errorf("got %v, want it to say %s", err, part)
				}
			}
		})
	}
}

func TestRecordedPartialAnswer(t *testing.T) {
	client, _ := replay(t, "thanos-one-store-down.jsonl")
	res, err := client.Query(t.Context(), "sum(up)", recordedStart.Add(20*time.Second))
	if err != nil || res.scalar() != 2 || len(res.Warnings) != 1 || !strings.Contains(res.Warnings[0], "connect: connection refused") {
		t.Errorf("got %v, %v, want 2 and a warning of the store that is down", res, err)
	}
}

// Servers without remote read and exact increments give what Prometheus 3.16 gave
// of the same 20 s, by remote read: 191 requests in 0.851276004 s, and from its
// native histogram a p95 of 4.707 ms. VictoriaMetrics has the classic histogram
// alone, beside what it makes of the native one, which counts nothing twice.
func TestRecordedIncrements(t *testing.T) {
	for _, c := range []struct {
		file   string
		native bool
		p95    float64
	}{
		{"thanos-receive.jsonl", true, 0.004707381929595895},
		{"victoriametrics.jsonl", false, 0.00480026455026455},
	} {
		t.Run(c.file, func(t *testing.T) {
			client, _ := replay(t, c.file)
			w := run.Window{Start: recordedStart, End: recordedStart.Add(20 * time.Second)}
			agents := Selector{Metric: "http_requests_total", Matchers: []*labels.Matcher{labels.MustNewMatcher(labels.MatchEqual, "endpoint", "/api/v1/agents")}}
			if err := client.Samples(t.Context(), agents, w, nil); !errors.Is(err, ErrNoSamples) {
				t.Errorf("remote read: got %v, want that there is none", err)
			}
			m := NewMeter(client, 5*time.Second)
			inc, err := m.Increments(t.Context(), agents, []string{"status"}, w)
			if diff := cmp.Diff([]float64{41, 38, 31, 42, 39}, inc.Values()); err != nil || len(inc.Groups) != 1 || diff != "" {
				t.Errorf("got %v, %v, want one group (-want +got)\n%s", inc.Groups, err, diff)
			}
			grid, spreads, err := m.Spreads(t.Context(), agents.Named("http_request_duration_seconds"), nil, w)
			if err != nil || len(spreads) != 1 {
				t.Fatalf("got %v, %v, want one group", spreads, err)
			}
			d := spreads[0].Over(0, grid.N)
			native := d.Form() == Native
			if native != c.native || d.Count() != 191 || math.Abs(d.Sum()-0.851276004) > 1e-9 || math.Abs(d.Quantile(0.95)-c.p95) > 1e-9 {
				t.Errorf("got native %v, %v values, sum %v, p95 %v; want %v, 191, 0.851276004, %v", native, d.Count(), d.Sum(), d.Quantile(0.95), c.native, c.p95)
			}
		})
	}
}

// VictoriaMetrics shifts the times of a range of 50 steps or more, to cache it, unless told not to.
func TestRecordedRangeIsAnsweredAtItsTimes(t *testing.T) {
	client, _ := replay(t, "victoriametrics-range.jsonl")
	res, err := client.QueryRange(t.Context(), "count(up)", Range{recordedStart, recordedStart.Add(59 * time.Second), time.Second})
	if err != nil || len(res.Series) != 1 {
		t.Fatalf("got %v, %v, want one series", res, err)
	}
	for i, p := range res.Series[0].Points {
		if want := recordedStart.Add(time.Duration(i) * time.Second); !p.Time.Equal(want) {
			t.Fatalf("point %d: got %s, want %s", i, p.Time, want)
		}
	}
}
