package promql

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/common/config"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/plumbline/plumbline/pkg/run"
)

const goodVector = `{"status":"success","data":{"resultType":"vector","result":[{"metric":{"a":"b"},"value":[1,"7"]}]}}`

// A reply is what a server in trouble answers to one request.
type reply struct {
	code       int
	kind, body string
	after      string // Retry-After
	broken     bool   // the connection breaks off in the middle
}

// serve answers with one reply after the other; the last one stays.
func serve(t *testing.T, replies ...reply) (c *Client, calls *atomic.Int32, address string) {
	t.Helper()
	calls = &atomic.Int32{}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		r := replies[min(int(calls.Add(1)), len(replies))-1]
		if r.after != "" {
			w.Header().Set("Retry-After", r.after)
		}
		if r.kind != "" {
			w.Header().Set("Content-Type", r.kind)
		}
		if r.broken {
			w.Header().Set("Content-Length", "100000")
		}
		w.WriteHeader(max(r.code, http.StatusOK))
		_, _ = io.WriteString(w, r.body)
		if r.broken {
			_ = http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler)
		}
	}))
	t.Cleanup(s.Close)
	c = newClient(t, s.URL)
	c.firstPause = time.Millisecond
	return c, calls, s.URL
}

func newClient(t *testing.T, address string) *Client {
	t.Helper()
	c, err := NewClient(address, config.DefaultHTTPClientConfig)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestClientOfAServerInTrouble(t *testing.T) {
	ok := reply{body: goodVector, kind: "application/json"}
	for _, c := range []struct {
		name    string
		replies []reply
		calls   int32
		says    []string // of the error; none for an answer
		is      error
	}{
		{"unavailable, then there", []reply{{code: 503, body: "busy"}, ok}, 2, nil, nil},
		{"too many requests, then there", []reply{{code: 429, body: "busy", after: "0"}, ok}, 2, nil, nil},
		{"killed in the middle, then there", []reply{{broken: true, body: goodVector[:40]}, ok}, 2, nil, nil},
		{"killed in the middle, again and again", []reply{{broken: true, body: goodVector[:40]}}, 4, []string{"broke off after 40 bytes"}, nil},
		{"JSON cut short, then whole", []reply{{body: goodVector[:50], kind: "application/json"}, ok}, 2, nil, nil},
		{"JSON cut short, again and again", []reply{{body: goodVector[:50], kind: "application/json"}}, 4, []string{"broken JSON", "50 bytes of application/json", `{\"status\":\"success\"`}, nil},
		{"empty body", []reply{{kind: "application/json"}}, 4, []string{"answered 200 OK with an empty body"}, nil},
		{"bad query", []reply{{code: 400, body: `{"status":"error","errorType":"bad_data","error":"1:5: parse error"}`}}, 1, []string{"bad query: 1:5: parse error"}, ErrBadQuery},
		{"bad query that only shows when it runs", []reply{{code: 422, body: `{"status":"error","errorType":"execution","error":"many-to-many matching"}`}}, 1, []string{"many-to-many"}, ErrBadQuery},
		{"a login page", []reply{{kind: "text/html", body: "<html><title>Sign in</title>"}}, 1, []string{"text/html", "<html><title>Sign in", "is this the URL of a Prometheus?"}, nil},
		{"HTML of something else", []reply{{code: 404, kind: "text/html", body: "<html>not here</html>"}}, 1, []string{"answered 404 Not Found", "path prefix", "<html>not here"}, nil},
		{"garbage", []reply{{kind: "application/octet-stream", body: "\x00\xff\x7f garbage"}}, 1, []string{"application/octet-stream", "garbage"}, nil},
		{"JSON of another API", []reply{{kind: "application/json", body: `{"name":"grafana"}`}}, 1, []string{"not of Prometheus' API", "grafana"}, nil},
		{"not allowed in", []reply{{code: 401, body: "no"}}, 1, []string{"401 Unauthorized", "PLUMBLINE_PROMETHEUS", "prometheus.http_config"}, nil},
		{"a number that is none", []reply{{body: `{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":[1,"x"]}]}}`}}, 4, []string{"broken JSON"}, nil},
		{"too many samples", []reply{{code: 422, body: `{"status":"error","errorType":"execution","error":"query processing would load too many samples into memory in query execution"}`}}, 1, []string{"narrow the selector or raise its limit", "too many samples"}, errTooMuch},
		{"Mimir's limit", []reply{{code: 422, body: `{"status":"error","errorType":"execution","error":"the query exceeded the maximum number of series (limit: 100000 series) (err-mimir-max-series-per-query)"}`}}, 1, []string{"raise its limit", "err-mimir-max-series-per-query"}, errTooMuch},
		{"VictoriaMetrics' limit", []reply{{code: 422, body: `{"status":"error","errorType":"422","error":"cannot select more than -search.maxSamplesPerQuery=1000000000 samples"}`}}, 1, []string{"raise its limit"}, errTooMuch},
		{"busy, without a word", []reply{{code: 429}}, 4, []string{"answered 429 Too Many Requests"}, nil},
		{"asked to come back in an hour", []reply{{code: 429, body: "busy", after: "3600"}}, 1, []string{"429 Too Many Requests", "come back in 1h0m0s"}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			client, calls, address := serve(t, c.replies...)
			res, err := client.Query(t.Context(), "up", time.Unix(0, 0))
			if calls.Load() != c.calls {
				t.Errorf("got %d calls, want %d", calls.Load(), c.calls)
			}
			if c.says == nil {
				if err != nil || len(res.Series) != 1 || res.scalar() != 7 {
					t.Errorf("got %v, %v, want 7", res, err)
				}
				return
			}
			if c.is != nil && !errors.Is(err, c.is) || c.is == nil && (errors.Is(err, ErrBadQuery) || errors.Is(err, errTooMuch)) {
				t.Errorf("got %v, want it to be %v", err, c.is)
			}
			if err != nil && strings.Contains(err.Error(), `""`) {
				t.Errorf("got %v, want no quotes around nothing", err)
			}
			for _, part := range append(c.says, address, `query "up"`) {
				if err == nil || !strings.Contains(err.Error(), part) {
					t.Errorf("got %v, want it to say %s", err, part)
				}
			}
		})
	}
}

func TestClientOfNobody(t *testing.T) {
	s := httptest.NewServer(nil)
	s.Close()
	_, err := newClient(t, s.URL).Query(t.Context(), "up", time.Unix(0, 0))
	if err == nil || !strings.Contains(err.Error(), "connection refused") {
		t.Errorf("got %v, want the refusal", err)
	}
}

// A transport answers in place of a network, so that time can be the test's own.
type transport func(*http.Request) (*http.Response, error)

func (f transport) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func fakeReply(code int, header http.Header, body string) *http.Response {
	return &http.Response{StatusCode: code, Header: header, Body: io.NopCloser(strings.NewReader(body))}
}

func TestPausesGrowAndRetryAfterIsKept(t *testing.T) {
	for _, c := range []struct {
		name     string
		after    string
		min, max time.Duration // of all pauses together
	}{
		{"growing", "", (250 + 500 + 1000) * time.Millisecond / 2, (250 + 500 + 1000) * time.Millisecond * 3 / 2},
		{"as asked, in seconds", "7", 21 * time.Second, 22 * time.Second},
		{"as asked, by date", "date", 15 * time.Second, 18 * time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				client := newClient(t, "http://prometheus.example")
				client.http = &http.Client{Transport: transport(func(*http.Request) (*http.Response, error) {
					h := http.Header{}
					if c.after == "date" {
						h.Set("Retry-After", time.Now().Add(6*time.Second).UTC().Format(http.TimeFormat))
					} else if c.after != "" {
						h.Set("Retry-After", c.after)
					}
					return fakeReply(http.StatusServiceUnavailable, h, "busy"), nil
				})}
				start := time.Now()
				_, err := client.Query(t.Context(), "up", time.Unix(0, 0))
				if took := time.Since(start); err == nil || took < c.min || took > c.max {
					t.Errorf("got %v after %s, want an error after %s to %s", err, took, c.min, c.max)
				}
			})
		})
	}
}

func TestSlowServerIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client := newClient(t, "http://prometheus.example")
		client.http = &http.Client{Transport: transport(func(r *http.Request) (*http.Response, error) {
			<-r.Context().Done()
			return nil, r.Context().Err()
		})}
		start := time.Now()
		_, err := client.Query(t.Context(), "up", time.Unix(0, 0))
		if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "no answer within 2m0s") || time.Since(start) != 2*time.Minute {
			t.Errorf("got %v after %s, want to be told after 2m", err, time.Since(start))
		}
	})
}

// When the time is up in a later try, both what went wrong before and that the time is up are told.
func TestServerThatBreaksOffAndThenHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client := newClient(t, "http://prometheus.example")
		first := true
		client.http = &http.Client{Transport: transport(func(r *http.Request) (*http.Response, error) {
			if first {
				first = false
				res := fakeReply(http.StatusOK, http.Header{}, "")
				res.Body = io.NopCloser(iotest.ErrReader(io.ErrUnexpectedEOF))
				return res, nil
			}
			<-r.Context().Done()
			return nil, r.Context().Err()
		})}
		_, err := client.Query(t.Context(), "up", time.Unix(0, 0))
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v, want the time to be up", err)
		}
		for _, part := range []string{"http://prometheus.example", "no answer within 2m0s", "the try before: the answer broke off after 0 bytes"} {
			if err == nil || !strings.Contains(err.Error(), part) {
				t.Errorf("got %v, want it to say %s", err, part)
			}
		}
	})
}

func TestNoMoreThanEightQuestionsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var now, most atomic.Int32
		client := newClient(t, "http://prometheus.example")
		client.http = &http.Client{Transport: transport(func(*http.Request) (*http.Response, error) {
			n := now.Add(1)
			for old := most.Load(); n > old && !most.CompareAndSwap(old, n); old = most.Load() {
			}
			time.Sleep(time.Second)
			now.Add(-1)
			return fakeReply(http.StatusOK, http.Header{}, goodVector), nil
		})}
		for range 40 {
			go func() { _, _ = client.Query(t.Context(), "up", time.Unix(0, 0)) }()
		}
		start := time.Now()
		synctest.Wait()
		time.Sleep(10 * time.Second)
		if most.Load() != maxConcurrent || now.Load() != 0 || time.Since(start) > 11*time.Second {
			t.Errorf("got up to %d at once, want %d", most.Load(), maxConcurrent)
		}
	})
}

// points answers range queries with a point for each step, refusing more than limit steps.
func points(limit int, asked *[]int) transport {
	return func(r *http.Request) (*http.Response, error) {
		_ = r.ParseForm()
		var start, end, step float64
		_, _ = fmt.Sscan(r.Form.Get("start"), &start)
		_, _ = fmt.Sscan(r.Form.Get("end"), &end)
		_, _ = fmt.Sscan(r.Form.Get("step"), &step)
		n := int(math.Round((end-start)/step)) + 1
		*asked = append(*asked, n)
		if n > limit {
			return fakeReply(http.StatusUnprocessableEntity, http.Header{}, `{"status":"error","errorType":"execution","error":"query processing would load too many samples into memory in query execution"}`), nil
		}
		var values []string
		for i := range n {
			values = append(values, fmt.Sprintf(`[%.3f,"1"]`, start+float64(i)*step))
		}
		return fakeReply(http.StatusOK, http.Header{}, `{"status":"success","warnings":["some store did not answer"],"data":{"resultType":"matrix","result":[{"metric":{},"values":[`+strings.Join(values, ",")+`]}]}}`), nil
	}
}

func TestRangesAreAskedInParts(t *testing.T) {
	for _, c := range []struct {
		name         string
		steps, limit int
		asked        []int
	}{
		{"as many as Prometheus gives", 11_000, 1 << 30, []int{11_000}},
		{"one more", 11_001, 1 << 30, []int{11_000, 1}},
		{"more than the server wants to load", 10, 5, []int{10, 5, 5}},
		{"far more", 10, 1, []int{10, 5, 3, 2, 1, 1, 1, 2, 1, 1, 5, 3, 2, 1, 1, 1, 2, 1, 1}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var asked []int
			client := newClient(t, "http://prometheus.example")
			client.http = &http.Client{Transport: points(c.limit, &asked)}
			start := time.Unix(1000, 0)
			res, err := client.QueryRange(t.Context(), "x", Range{start, start.Add(time.Duration(c.steps-1) * 5 * time.Second), 5 * time.Second})
			if err != nil || len(res.Series) != 1 || len(res.Series[0].Points) != c.steps {
				t.Fatalf("got %d series, %v, want one of %d points", len(res.Series), err, c.steps)
			}
			for i, p := range res.Series[0].Points {
				if want := start.Add(time.Duration(i) * 5 * time.Second); !p.Time.Equal(want) {
					t.Fatalf("point %d: got %s, want %s", i, p.Time, want)
				}
			}
			if diff := cmp.Diff(c.asked, asked); diff != "" {
				t.Errorf("points asked for at a time (-want +got)\n%s", diff)
			}
			if diff := cmp.Diff([]string{"some store did not answer"}, res.Warnings); diff != "" {
				t.Errorf("warnings (-want +got)\n%s", diff)
			}
		})
	}
	t.Run("not even one point", func(t *testing.T) {
		var asked []int
		client := newClient(t, "http://prometheus.example")
		client.http = &http.Client{Transport: points(0, &asked)}
		_, err := client.QueryRange(t.Context(), "x", Range{time.Unix(0, 0), time.Unix(40, 0), 5 * time.Second})
		if !errors.Is(err, errTooMuch) || len(asked) > 6 {
			t.Errorf("got %v after %d questions, want the limit after a few", err, len(asked))
		}
	})
}

func TestAnswers(t *testing.T) {
	for _, c := range []struct {
		name, body string
		want       []Series
		warnings   []string
	}{
		{"empty", `{"status":"success","data":{"resultType":"vector","result":[]}}`, nil, nil},
		{"null", `{"status":"success","data":{"resultType":"matrix","result":null}}`, nil, nil},
		{"scalar", `{"status":"success","data":{"resultType":"scalar","result":[1.5,"2"]}}`, []Series{{Points: []Point{{Time: time.UnixMilli(1500), Value: 2}}}}, nil},
		{"result before its type", `{"data":{"result":[1,"2"],"resultType":"scalar"},"status":"success"}`, []Series{{Points: []Point{{Time: time.UnixMilli(1000), Value: 2}}}}, nil},
		{"no numbers", `{"status":"success","data":{"resultType":"matrix","result":[{"metric":{},"values":[[1,"NaN"],[2,"+Inf"],[3,"-Inf"]]}]}}`,
			[]Series{{Points: []Point{{Time: time.UnixMilli(1000), Value: math.NaN()}, {Time: time.UnixMilli(2000), Value: math.Inf(1)}, {Time: time.UnixMilli(3000), Value: math.Inf(-1)}}}}, nil},
		{"times twice and out of order", `{"status":"success","data":{"resultType":"matrix","result":[{"metric":{},"values":[[2,"5"],[1,"3"],[2,"6"]]}]}}`,
			[]Series{{Points: []Point{{Time: time.UnixMilli(1000), Value: 3}, {Time: time.UnixMilli(2000), Value: 5}}}}, nil},
		{"hostile labels", `{"status":"success","data":{"resultType":"vector","result":[{"metric":{"a":"<b>\"'\n\u0000","__name__":"x"},"value":[1,"1"]}]}}`,
			[]Series{{Labels: labels.FromStrings("a", "<b>\"'\n\x00", "__name__", "x"), Points: []Point{{Time: time.UnixMilli(1000), Value: 1}}}}, nil},
		{"Thanos without a part of its stores", `{"status":"success","data":{"resultType":"vector","result":[]},"warnings":["No StoreAPIs matched for this query"],"infos":["PromQL info: metric might not be a counter"]}`,
			nil, []string{"No StoreAPIs matched for this query", "PromQL info: metric might not be a counter"}},
		{"VictoriaMetrics without a part of its storage", `{"status":"success","isPartial":true,"data":{"resultType":"vector","result":[]},"stats":{"seriesFetched":"1"}}`,
			nil, []string{"partial answer: a part of the server's storage did not answer"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			client, _, _ := serve(t, reply{body: c.body, kind: "application/json"})
			res, err := client.Query(t.Context(), "x", time.Unix(0, 0))
			if err != nil {
				t.Fatal(err)
			}
			nan := cmp.Comparer(func(a, b float64) bool { return a == b || math.IsNaN(a) && math.IsNaN(b) })
			if diff := cmp.Diff(Result{Series: c.want, Warnings: c.warnings}, res, nan, cmp.Comparer(labels.Equal)); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

// What a server sees of a client that is set up in Prometheus' own form.
func TestClientIntroducesItself(t *testing.T) {
	type seen struct{ path, auth, tenant, form string }
	var got seen
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got = seen{r.URL.Path, r.Header.Get("Authorization"), r.Header.Get("X-Scope-OrgID"), r.FormValue("query")}
		_, _ = io.WriteString(w, goodVector)
	}))
	defer s.Close()
	cfg, err := config.LoadHTTPConfig("basic_auth: {username: me, password: hunter2}\nhttp_headers: {X-Scope-OrgID: {values: [team-a]}}\n")
	if err != nil {
		t.Fatal(err)
	}
	client, err := NewClient(s.URL+"/prometheus/", *cfg)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.Query(t.Context(), `x{a="ä&b"}`, time.Unix(0, 0)); err != nil {
		t.Fatal(err)
	}
	want := seen{"/prometheus/api/v1/query", "Basic " + base64.StdEncoding.EncodeToString([]byte("me:hunter2")), "team-a", `x{a="ä&b"}`}
	if got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestProxyThatTakesNoPOST(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet {
			http.Error(w, "no", http.StatusMethodNotAllowed)
			return
		}
		_, _ = io.WriteString(w, goodVector)
	}))
	defer s.Close()
	if res, err := newClient(t, s.URL).Query(t.Context(), "x", time.Unix(0, 0)); err != nil || res.scalar() != 7 {
		t.Errorf("got %v, %v, want 7", res, err)
	}
}

func TestPasswordsAreNotPrinted(t *testing.T) {
	s := httptest.NewServer(nil)
	s.Close()
	for _, address := range []string{strings.Replace(s.URL, "http://", "http://me:hunter2@", 1), "ftp://me:hunter2@host", "http://me:hunter2@host:port"} {
		client, err := NewClient(address, config.DefaultHTTPClientConfig)
		if err == nil {
			_, err = client.Query(t.Context(), "up", time.Unix(0, 0))
		}
		if err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: got %v, want an error without the password", address, err)
		}
	}
}

func TestHolds(t *testing.T) {
	since := time.Now().Add(-24 * time.Hour)
	holding := func(from time.Time) *Client {
		client := newClient(t, "http://prometheus.example")
		client.http = &http.Client{Transport: transport(func(r *http.Request) (*http.Response, error) {
			var end float64
			_, _ = fmt.Sscan(r.URL.Query().Get("end"), &end)
			names := `[]`
			if end >= float64(from.Unix()) {
				names = `["up"]`
			}
			return fakeReply(http.StatusOK, http.Header{}, `{"status":"success","data":`+names+`}`), nil
		})}
		return client
	}
	hour := func(hoursAgo time.Duration) run.Window {
		start := time.Now().Add(-hoursAgo * time.Hour)
		return run.Window{Start: start, End: start.Add(30 * time.Minute)}
	}
	if err := holding(since).Holds(t.Context(), hour(2)); err != nil {
		t.Errorf("a window it holds: got %v", err)
	}
	err := holding(since).Holds(t.Context(), hour(100))
	if err == nil || !strings.Contains(err.Error(), "holds nothing from before "+since.UTC().Format("2006-01-02T15:04")) && !strings.Contains(err.Error(), "holds nothing from before "+since.Add(time.Minute).UTC().Format("2006-01-02T15:04")) {
		t.Errorf("a window before its retention: got %v, want to be told since when it holds series (%s)", err, since.UTC())
	}
	err = holding(time.Now().Add(time.Hour)).Holds(t.Context(), hour(2))
	if err == nil || !strings.Contains(err.Error(), "is it the one that scraped the run?") {
		t.Errorf("an empty server: got %v", err)
	}
	client, _, _ := serve(t, reply{code: 404, body: "no such API"})
	if err := client.Holds(t.Context(), hour(2)); err != nil {
		t.Errorf("a server that doesn't tell: got %v", err)
	}
}

func TestWaitFor(t *testing.T) {
	for _, c := range []struct {
		name string
		past time.Duration // since the end of the run
		lag  time.Duration // of the newest sample behind now; none when negative
		took time.Duration
		says string
	}{
		{"the newest sample is there at once", 0, 0, 0, ""},
		{"it comes a little later", 0, 4 * time.Second, 4 * time.Second, ""},
		{"it doesn't come", 0, time.Hour, 30 * time.Second, "no sample after"},
		{"the run is long over", time.Hour, 2 * time.Hour, 0, ""},
		{"a server that scrapes nothing itself", 0, -1, 0, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				client := newClient(t, "http://prometheus.example")
				client.http = &http.Client{Transport: transport(func(*http.Request) (*http.Response, error) {
					result := fmt.Sprintf(`{"metric":{},"value":[1,"%d"]}`, time.Now().Add(-c.lag).Unix())
					if c.lag < 0 {
						result = ""
					}
					return fakeReply(http.StatusOK, http.Header{}, `{"status":"success","data":{"resultType":"vector","result":[`+result+`]}}`), nil
				})}
				start := time.Now()
				err := client.WaitFor(t.Context(), start.Add(-c.past))
				if took := time.Since(start); took.Round(time.Second) != c.took || (err == nil) != (c.says == "") || err != nil && !strings.Contains(err.Error(), c.says) {
					t.Errorf("got %v after %s, want %q after %s", err, took, c.says, c.took)
				}
			})
		})
	}
}

func FuzzAnswer(f *testing.F) {
	for _, body := range []string{
		goodVector, `{"status":"success","data":{"resultType":"scalar","result":[1,"2"]}}`,
		`{"status":"success","data":{"resultType":"matrix","result":[{"metric":{"a":"\u0000"},"values":[[1e300,"NaN"],[2,"1"]],"histograms":[[3,{"count":"5","sum":"1","buckets":[[0,"1","2","2"],[0,"4","+Inf","1"]]}]]}]}}`,
		`{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"histogram":[3,{"count":"5","sum":"1","buckets":[[3,"-0.1","0.1","2"],[0,"0.5","0.75","1"]]}]}]}}`,
		`{"status":"error","errorType":"bad_data","error":"no"}`, `<html>`, `{`, `{"data":{"result":[[`, `{"status":"success","data":"x"}`,
	} {
		f.Add([]byte(body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		a := answer{status: http.StatusOK, header: http.Header{}, body: body}
		res, err := a.result()
		if err != nil && err.Error() == "" {
			t.Error("got an error that says nothing")
		}
		for _, s := range res.Series {
			last := time.Time{}
			for i, p := range s.Points {
				if i > 0 && !p.Time.After(last) {
					t.Errorf("got %s after %s", p.Time, last)
				}
				last = p.Time
				if p.Histogram != nil {
					d := Distribution{native: p.Histogram}
					d.Quantile(.5)
					_, _ = d.Edges(1)
				}
			}
		}
		_, _ = a.strings()
	})
}

func TestPublic(t *testing.T) {
	for address, want := range map[string]string{ //nolint:gosec // passwords of nobody
		"":                                    "",
		"http://prometheus:9090":              "http://prometheus:9090",
		"http://me:hunter2@prometheus:9090/x": "http://prometheus:9090/x",
		"me:hunter2@prometheus:9090":          "…@prometheus:9090",
		"http://me:hunt er2@prometheus":       "…@prometheus",
		"prometheus":                          "prometheus",
	} {
		if got := Public(address); got != want {
			t.Errorf("%s: got %s, want %s", address, got, want)
		}
	}
}
