package querytest

import (
	"bytes"
	"context"
	"io"
	"math"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/klauspost/compress/snappy"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/prompb"
	"github.com/prometheus/prometheus/promql/promqltest"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
)

// Binary is the machine's own Prometheus. The test is skipped where there is none,
// unless PLUMBLINE_REQUIRE_SERVERS is 1.
func Binary(tb testing.TB) string {
	tb.Helper()
	binary, err := exec.LookPath("prometheus")
	if err != nil {
		if os.Getenv("PLUMBLINE_REQUIRE_SERVERS") == "1" {
			tb.Fatal("no prometheus: apt-get install --no-install-recommends prometheus")
		}
		tb.Skip("no prometheus: apt-get install --no-install-recommends prometheus")
	}
	return binary
}

// A Server is a Prometheus in a process of its own, which ends with the test.
type Server struct {
	URL string
	PID int
}

// A Setup is how a Server starts.
type Setup struct {
	Binary string   // "" for the machine's own
	Config string   // its configuration; "" scrapes nothing
	Data   string   // a recording that it is started on a copy of; "" for none
	Flags  []string // beside those that name its files and its address
}

// Serve starts a Server on loopback, and waits until it is ready.
func Serve(tb testing.TB, s Setup) Server {
	tb.Helper()
	if s.Binary == "" {
		s.Binary = Binary(tb)
	}
	if s.Config == "" {
		s.Config = "scrape_configs: []\n"
	}
	dir := tb.TempDir()
	config, data := filepath.Join(dir, "prometheus.yml"), filepath.Join(dir, "data")
	if err := os.WriteFile(config, []byte(s.Config), 0o600); err != nil {
		tb.Fatal(err)
	}
	if s.Data != "" {
		if err := os.CopyFS(data, os.DirFS(s.Data)); err != nil {
			tb.Fatal(err)
		}
	}
	address := freeAddress(tb)
	var log bytes.Buffer
	cmd := exec.Command(s.Binary, append([]string{"--config.file=" + config, "--web.listen-address=" + address, "--storage.tsdb.path=" + data}, s.Flags...)...)
	cmd.Stderr = &log
	if err := cmd.Start(); err != nil {
		tb.Fatal(err)
	}
	end := func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}
	url := "http://" + address
	if !ready(url) {
		end()
		tb.Fatalf("prometheus did not become ready: %s", log.String())
	}
	tb.Cleanup(end)
	return Server{url, cmd.Process.Pid}
}

// Receiver is the flag by which a Server takes what is written to it.
const Receiver = "--web.enable-remote-write-receiver"

// Prometheus starts the machine's own Prometheus, lets it hold the numbers of
// series in test notation, and gives its base URL. It is 2.42, which takes no
// native histograms beside the classic ones of a target.
func Prometheus(tb testing.TB, load string) string {
	tb.Helper()
	url := Serve(tb, Setup{Flags: []string{Receiver}}).URL
	Write(tb, url, load, false)
	return url
}

func freeAddress(tb testing.TB) string {
	tb.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	addr := l.Addr().String()
	_ = l.Close()
	return addr
}

func ready(url string) bool {
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		if res, err := http.Get(url + "/-/ready"); err == nil {
			_ = res.Body.Close()
			if res.StatusCode == http.StatusOK {
				return true
			}
		}
	}
	return false
}

// Write sends series in test notation by remote write, which keeps stale markers;
// native histograms only to a server that takes them.
func Write(tb testing.TB, url, load string, native bool) {
	tb.Helper()
	q, err := promqltest.LoadedStorage(tb, load).Querier(math.MinInt64, math.MaxInt64)
	if err != nil {
		tb.Fatal(err)
	}
	defer func() { _ = q.Close() }() // it was only read
	var req prompb.WriteRequest
	set := q.Select(context.Background(), true, nil, labels.MustNewMatcher(labels.MatchRegexp, "__name__", ".+"))
	for set.Next() {
		ts := prompb.TimeSeries{Labels: prompb.FromLabels(set.At().Labels(), nil)}
		it := set.At().Iterator(nil)
		for kind := it.Next(); kind != chunkenc.ValNone; kind = it.Next() {
			if kind == chunkenc.ValFloat {
				at, v := it.At()
				ts.Samples = append(ts.Samples, prompb.Sample{Timestamp: at, Value: v})
				continue
			}
			if native {
				at, h := it.AtFloatHistogram(nil)
				ts.Histograms = append(ts.Histograms, prompb.FromFloatHistogram(at, h))
			}
		}
		req.Timeseries = append(req.Timeseries, ts)
	}
	Send(tb, url+"/api/v1/write", req)
}

// Send sends series to where a server takes remote write.
func Send(tb testing.TB, url string, req prompb.WriteRequest) {
	tb.Helper()
	body, err := req.Marshal()
	if err != nil {
		tb.Fatal(err)
	}
	res, err := http.Post(url, "application/x-protobuf", bytes.NewReader(snappy.Encode(nil, body))) //nolint:gosec // where the test was told to write
	if err != nil {
		tb.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode/100 != 2 {
		text, _ := io.ReadAll(res.Body)
		tb.Fatalf("remote write to %s: %s: %s", url, res.Status, text)
	}
}
