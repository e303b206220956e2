package querytest_test

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/klauspost/compress/snappy"
	"github.com/prometheus/common/config"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/prompb"
	"github.com/prometheus/prometheus/promql/promqltest"
	"github.com/prometheus/prometheus/tsdb/chunkenc"

	"github.com/plumbline/plumbline/pkg/promql"
	"github.com/plumbline/plumbline/pkg/promql/embedded"
	"github.com/plumbline/plumbline/pkg/promql/querytest"
)

func TestEmbedded(t *testing.T) {
	querytest.Test(t, func(t *testing.T, load string) promql.Querier {
		return embedded.New(promqltest.LoadedStorage(t, load))
	}, true)
}

func TestClientOfOurHandler(t *testing.T) {
	querytest.Test(t, func(t *testing.T, load string) promql.Querier {
		s := httptest.NewServer(embedded.Handler(embedded.New(promqltest.LoadedStorage(t, load))))
		t.Cleanup(s.Close)
		return client(t, s.URL)
	}, true)
}

func TestClientOfPrometheus2(t *testing.T) {
	binary, err := exec.LookPath("prometheus")
	if err != nil {
		if os.Getenv("PLUMBLINE_REQUIRE_SERVERS") == "1" {
			t.Fatal("no prometheus: apt-get install --no-install-recommends prometheus")
		}
		t.Skip("no prometheus: apt-get install --no-install-recommends prometheus")
	}
	querytest.Test(t, func(t *testing.T, load string) promql.Querier {
		url := startPrometheus(t, binary)
		write(t, url, load)
		return client(t, url)
	}, false) // with native histograms on, 2.42 loses classic buckets
}

func client(t *testing.T, url string) *promql.Client {
	t.Helper()
	c, err := promql.NewClient(url, config.DefaultHTTPClientConfig)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func startPrometheus(t *testing.T, binary string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	l.Close()
	dir := t.TempDir()
	cfg := filepath.Join(dir, "prometheus.yml")
	if err := os.WriteFile(cfg, []byte("scrape_configs: []\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	cmd := exec.Command(binary, "--config.file="+cfg, "--web.listen-address="+addr,
		"--storage.tsdb.path="+filepath.Join(dir, "data"), "--web.enable-remote-write-receiver")
	cmd.Stderr = &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		if res, err := http.Get("http://" + addr + "/-/ready"); err == nil {
			res.Body.Close()
			if res.StatusCode == http.StatusOK {
				return "http://" + addr
			}
		}
	}
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	t.Fatalf("prometheus did not become ready: %s", log.String())
	return ""
}

// write sends series in test notation by remote write, which keeps stale markers.
func write(t *testing.T, url, load string) {
	t.Helper()
	q, err := promqltest.LoadedStorage(t, load).Querier(math.MinInt64, math.MaxInt64)
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	var req prompb.WriteRequest
	set := q.Select(context.Background(), true, nil, labels.MustNewMatcher(labels.MatchRegexp, "__name__", ".+"))
	for set.Next() {
		ts := prompb.TimeSeries{Labels: prompb.FromLabels(set.At().Labels(), nil)}
		for it := set.At().Iterator(nil); it.Next() == chunkenc.ValFloat; {
			at, v := it.At()
			ts.Samples = append(ts.Samples, prompb.Sample{Timestamp: at, Value: v})
		}
		req.Timeseries = append(req.Timeseries, ts)
	}
	body, err := req.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.Post(url+"/api/v1/write", "application/x-protobuf", bytes.NewReader(snappy.Encode(nil, body)))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusNoContent {
		t.Fatal(fmt.Errorf("remote write: %s", res.Status))
	}
}
