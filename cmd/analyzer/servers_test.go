package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/common/config"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/prompb"

	"github.com/plumbline/plumbline/internal/analysis"
	"github.com/plumbline/plumbline/internal/store"
	"github.com/plumbline/plumbline/pkg/promql"
	"github.com/plumbline/plumbline/pkg/promql/embedded"
	"github.com/plumbline/plumbline/pkg/promql/querytest"
	"github.com/plumbline/plumbline/pkg/report"
	"github.com/plumbline/plumbline/pkg/run"
)

// onRecording starts a Prometheus on a copy of a recording.
func onRecording(tb testing.TB, recording string) querytest.Server {
	tb.Helper()
	return querytest.Serve(tb, querytest.Setup{Data: recording, Flags: []string{"--storage.tsdb.retention.time=100y"}})
}

// numbers are what a report says, without where and how it was asked.
func numbers(t *testing.T, r report.Report) string {
	t.Helper()
	for i := range r.Objectives {
		r.Objectives[i].Link = ""
		for k := range r.Objectives[i].By {
			r.Objectives[i].By[k].Link = ""
		}
	}
	for i := range r.Resources {
		r.Resources[i].Link, r.Resources[i].Asked = "", nil
	}
	for i := range r.Requests {
		r.Requests[i].Asked = nil
	}
	for i := range r.Percentiles {
		r.Percentiles[i].Asked = nil
	}
	// The order in which a server adds up shows in the last digit of its own sums.
	r.Charts = slices.DeleteFunc(r.Charts, func(c report.Chart) bool { return c.Section == report.Catalogue })
	text, err := json.MarshalIndent([]any{r.Verdict, r.Objectives, r.Resources, r.Requests, r.Percentiles, r.Checks, r.Charts}, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// onServer is a run without a recording, whose series a Prometheus holds.
func onServer(t *testing.T, r run.Run, sla []byte, url string) *analysis.Analyzer {
	t.Helper()
	st := store.Open(t.TempDir())
	if _, err := st.Reserve(r.ID, r.Window.Start); err != nil {
		t.Fatal(err)
	}
	r.Source = run.Source{Prometheus: url, ScrapeSeconds: r.Source.ScrapeSeconds}
	if err := errors.Join(st.WriteFile(r.ID, "sla.yaml", sla), st.Save(r)); err != nil {
		t.Fatal(err)
	}
	return &analysis.Analyzer{Store: st}
}

// TestScoresOnTheServerNamed holds the server at PLUMBLINE_PROMETHEUS_URL to what
// is scored of a recording. It writes a run of six minutes to it by remote write,
// at PLUMBLINE_REMOTE_WRITE_URL where that is elsewhere. Resources and charts
// aren't compared: rate() is the server's own.
func TestScoresOnTheServerNamed(t *testing.T) {
	url := os.Getenv("PLUMBLINE_PROMETHEUS_URL")
	if url == "" {
		t.Skip("PLUMBLINE_PROMETHEUS_URL names no server")
	}
	write := os.Getenv("PLUMBLINE_REMOTE_WRITE_URL")
	if write == "" {
		write = url + "/api/v1/write"
	}
	dir := t.TempDir()
	now := newCopy(t, store.Open(dir), bigRun(t, dir, 6*time.Minute, 400))
	querytest.Send(t, write, now.series)
	awaitJob(t, url, now.job)
	scored := func(opts analysis.Options) string {
		t.Helper()
		rep, err := (&analysis.Analyzer{Store: now.store}).Report(t.Context(), now.run.ID, opts)
		if err != nil {
			t.Fatal(err)
		}
		rep.Resources, rep.Charts, rep.Checks, rep.Verdict = nil, nil, nil, 0
		return numbers(t, rep)
	}
	if diff := cmp.Diff(scored(analysis.Options{}), scored(analysis.Options{Prometheus: url})); diff != "" {
		t.Errorf("from the recording (-) and from the server (+):\n%s", diff)
	}
}

// A copied run is one whose samples end now, under a job of its own, so that a
// server which holds others takes it.
type copied struct {
	store  *store.Store
	run    run.Run
	job    string
	series prompb.WriteRequest
}

// newCopy copies the numbers of a run: native histograms are not kept by every server.
func newCopy(t *testing.T, from *store.Store, r run.Run) copied {
	t.Helper()
	later := time.Since(r.Window.End).Truncate(time.Second) - 30*time.Second // the series go on for 20 s
	c := copied{store: store.Open(t.TempDir()), run: r, job: fmt.Sprintf("paracle-api-%d", time.Now().Unix())}
	c.run.ID = c.job
	c.run.Stages = slices.Clone(r.Stages)
	for _, w := range []*run.Window{&c.run.Window, &c.run.Steady, &c.run.Stages[0].Window} {
		*w = run.Window{Start: w.Start.Add(later), End: w.End.Add(later)}
	}
	sla, err := os.ReadFile(filepath.Join(from.Dir(r.ID), "sla.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	sla = bytes.ReplaceAll(sla, []byte(`job="paracle-api"`), fmt.Appendf(nil, "job=%q", c.job))
	if _, err := c.store.Reserve(c.run.ID, c.run.Window.Start); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(c.store.WriteFile(c.run.ID, "sla.yaml", sla), c.store.Save(c.run), c.copySeries(t, from.Recording(r.ID), promql.History(r.Window, r.Source.Scrape()), later)); err != nil {
		t.Fatal(err)
	}
	return c
}

// copySeries copies what a recording has in a window to a later time.
func (c *copied) copySeries(t *testing.T, recording string, w run.Window, later time.Duration) error {
	t.Helper()
	from, err := embedded.Open(recording)
	if err != nil {
		return err
	}
	defer from.Close()
	to, err := embedded.Create(c.store.Recording(c.run.ID), w.Duration())
	if err != nil {
		return err
	}
	everything := promql.Selector{Matchers: []*labels.Matcher{labels.MustNewMatcher(labels.MatchRegexp, model.MetricNameLabel, ".+")}}
	_, _, err = promql.Raw(t.Context(), from, everything, run.Window{Start: w.Start, End: w.End.Add(time.Minute)}, func(s promql.Series) error {
		if s.Points[0].Histogram != nil {
			return nil
		}
		ls := labels.NewBuilder(s.Labels).Set(model.JobLabel, c.job)
		if s.Labels.Has("run") {
			ls.Set("run", c.run.ID)
		}
		ts := prompb.TimeSeries{Labels: prompb.FromLabels(ls.Labels(), nil)}
		for i := range s.Points {
			p := &s.Points[i]
			p.Time = p.Time.Add(later)
			ts.Samples = append(ts.Samples, prompb.Sample{Timestamp: p.Time.UnixMilli(), Value: p.Value})
		}
		c.series.Timeseries = append(c.series.Timeseries, ts)
		return to.Append(ls.Labels(), s.Points...)
	})
	return errors.Join(err, to.Seal())
}

// awaitJob waits until a server shows the series of a job.
func awaitJob(t *testing.T, url, job string) {
	t.Helper()
	client, err := promql.NewClient(url, config.DefaultHTTPClientConfig)
	if err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(500 * time.Millisecond) {
		res, err := client.Query(t.Context(), fmt.Sprintf("up{job=%q}", job), time.Now())
		if err != nil {
			t.Fatal(err)
		}
		if len(res.Series) > 0 {
			return
		}
	}
	t.Fatalf("%s shows no series of job %s within 30 s of their being written", url, job)
}

func TestCaptureChangesNoNumber(t *testing.T) {
	dir := t.TempDir()
	r := bigRun(t, dir, 6*time.Minute, 400)
	sla, err := os.ReadFile(filepath.Join(store.Open(dir).Dir(r.ID), "sla.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	made := func(a *analysis.Analyzer) string {
		t.Helper()
		rep, err := a.Report(t.Context(), r.ID, analysis.Options{})
		if err != nil {
			t.Fatal(err)
		}
		return numbers(t, rep)
	}
	recorded := made(&analysis.Analyzer{Store: store.Open(dir)})
	server := onRecording(t, store.Open(dir).Recording(r.ID))
	for _, c := range []struct {
		name, url string
		warns     bool
	}{
		{"by remote read", server.URL, false},
		{"page by page", withoutRemoteRead(t, server.URL), true},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := onServer(t, r, sla, c.url)
			before := made(a)
			if diff := cmp.Diff(recorded, before); diff != "" {
				t.Errorf("from the recording (-) and from the server (+):\n%s", diff)
			}
			done, err := a.Capture(t.Context(), r.ID, analysis.Capture{})
			if err != nil || done.Already || done.Samples == 0 || (len(done.Warnings) > 0) != c.warns {
				t.Fatalf("got %+v, %v", done, err)
			}
			captured, err := a.Store.Load(r.ID)
			if err != nil || !captured.Source.Recording {
				t.Fatalf("got source %+v, %v, want a recording", captured.Source, err)
			}
			if diff := cmp.Diff(before, made(a)); diff != "" {
				t.Errorf("before (-) and after (+) the capture:\n%s", diff)
			}
			if again, err := a.Capture(t.Context(), r.ID, analysis.Capture{}); err != nil || !again.Already {
				t.Errorf("again: got %+v, %v, want nothing to be done", again, err)
			}
			if forced, err := a.Capture(t.Context(), r.ID, analysis.Capture{Force: true}); err != nil || forced.Samples != done.Samples {
				t.Errorf("forced: got %+v, %v, want the same again", forced, err)
			}
			if rest, _ := filepath.Glob(filepath.Join(a.Store.Dir(r.ID), ".capture-*")); len(rest) > 0 {
				t.Errorf("left behind: %v", rest)
			}
		})
	}
	t.Run("its own recording is not replaced", func(t *testing.T) {
		_, err := (&analysis.Analyzer{Store: store.Open(dir)}).Capture(t.Context(), r.ID, analysis.Capture{Options: analysis.Options{Prometheus: server.URL}})
		if err == nil || !strings.Contains(err.Error(), "--force") {
			t.Errorf("got %v, want to be told of --force", err)
		}
	})
	t.Run("interrupted before it was registered", func(t *testing.T) {
		a := onServer(t, r, sla, server.URL)
		if err := os.CopyFS(a.Store.Recording(r.ID), os.DirFS(store.Open(dir).Recording(r.ID))); err != nil {
			t.Fatal(err)
		}
		if done, err := a.Capture(t.Context(), r.ID, analysis.Capture{}); err != nil || !done.Already {
			t.Errorf("got %+v, %v, want it registered", done, err)
		}
		if got := made(a); got != recorded {
			t.Error("got another report after it was registered")
		}
	})
}

// proxy stands before a server and sees every request.
func proxy(t *testing.T, to string, see func(w http.ResponseWriter, r *http.Request) (handled bool)) string {
	t.Helper()
	u, err := url.Parse(to)
	if err != nil {
		t.Fatal(err)
	}
	through := httputil.NewSingleHostReverseProxy(u)
	through.ErrorHandler = func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) }
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// Else the answer's first byte may close a request that is read but not seen to be over,
		// and with it the connection to the server.
		if err := http.NewResponseController(w).EnableFullDuplex(); err != nil {
			t.Error(err)
		}
		if !see(w, r) {
			through.ServeHTTP(w, r)
		}
	}))
	t.Cleanup(s.Close)
	return s.URL
}

func withoutRemoteRead(t *testing.T, to string) string {
	return proxy(t, to, func(w http.ResponseWriter, r *http.Request) bool {
		if !strings.HasSuffix(r.URL.Path, "/read") {
			return false
		}
		http.NotFound(w, r)
		return true
	})
}

// A Prometheus that dies, or hangs, in the middle of a report is an error that says so.
func TestPrometheusInTroubleInTheMiddleOfAReport(t *testing.T) {
	dir := t.TempDir()
	r := bigRun(t, dir, 6*time.Minute, 400)
	sla, err := os.ReadFile(filepath.Join(store.Open(dir).Dir(r.ID), "sla.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name    string
		signal  syscall.Signal
		timeout time.Duration
		says    string
	}{
		{"killed", syscall.SIGKILL, time.Minute, "connection"},
		{"hangs", syscall.SIGSTOP, 2 * time.Second, "no answer within"},
	} {
		for _, after := range []int32{1, 12} {
			t.Run(fmt.Sprintf("%s at request %d", c.name, after), func(t *testing.T) {
				t.Parallel()
				server := onRecording(t, store.Open(dir).Recording(r.ID))
				var n atomic.Int32
				address := proxy(t, server.URL, func(http.ResponseWriter, *http.Request) bool {
					if n.Add(1) == after {
						if err := syscall.Kill(server.PID, c.signal); err != nil {
							t.Error(err)
						}
					}
					return false
				})
				rep, err := onServer(t, r, sla, address).Report(t.Context(), r.ID, analysis.Options{Timeout: c.timeout})
				if err == nil || !strings.Contains(err.Error(), c.says) || !strings.Contains(err.Error(), address) {
					t.Errorf("got verdict %v and error %v, want an error that names the server and says %q", rep.Verdict, err, c.says)
				}
				if errors.Is(err, context.Canceled) {
					t.Errorf("got %v, want the cause, not what followed from it", err)
				}
			})
		}
	}
}
