package querytest

import (
	"bytes"
	"context"
	"math"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/klauspost/compress/snappy"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/prompb"
	"github.com/prometheus/prometheus/promql/promqltest"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
)

// Prometheus starts the machine's own Prometheus, lets it hold series in test
// notation, and gives its base URL. The test is skipped where there is none,
// unless PLUMBLINE_REQUIRE_SERVERS is 1.
func Prometheus(t *testing.T, load string) string {
	t.Helper()
	binary, err := exec.LookPath("prometheus")
	if err != nil {
		if os.Getenv("PLUMBLINE_REQUIRE_SERVERS") == "1" {
			t.Fatal("no prometheus: apt-get install --no-install-recommends prometheus")
		}
		t.Skip("no prometheus: apt-get install --no-install-recommends prometheus")
	}
	dir := t.TempDir()
	cfg := filepath.Join(dir, "prometheus.yml")
	if err := os.WriteFile(cfg, []byte("scrape_configs: []\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	addr := freeAddress(t)
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
	url := "http://" + addr
	if !ready(url) {
		t.Fatal("prometheus did not become ready in 20 s")
	}
	writeSeries(t, url, load)
	return url
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	_ = l.Close()
	return addr
}

func ready(url string) bool {
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		if res, err := http.Get(url + "/-/ready"); err == nil {
			res.Body.Close()
			if res.StatusCode == http.StatusOK {
				return true
			}
		}
	}
	return false
}

// writeSeries sends numbers in test notation by remote write.
func writeSeries(t *testing.T, url, load string) {
	t.Helper()
	q, err := promqltest.LoadedStorage(t, load).Querier(math.MinInt64, math.MaxInt64)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = q.Close() })
	var req prompb.WriteRequest
	set := q.Select(context.Background(), true, nil, labels.MustNewMatcher(labels.MatchRegexp, model.MetricNameLabel, ".+"))
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
		t.Fatalf("remote write: %s", res.Status)
	}
}
