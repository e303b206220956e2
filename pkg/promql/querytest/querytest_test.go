package querytest_test

import (
	"net/http/httptest"
	"os"
	"testing"

	"github.com/prometheus/common/config"
	"github.com/prometheus/prometheus/promql/promqltest"

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
	onServer(t, "", false) // with native histograms on, 2.42 loses classic buckets
}

// TestClientOfPrometheus3 runs by hand, since building a Prometheus 3 takes minutes.
func TestClientOfPrometheus3(t *testing.T) {
	binary := os.Getenv("PLUMBLINE_PROMETHEUS_3")
	if binary == "" {
		t.Skip("PLUMBLINE_PROMETHEUS_3 names no binary; go install github.com/prometheus/prometheus/cmd/prometheus makes one")
	}
	t.Run("plain", func(t *testing.T) { onServer(t, binary, true) })
	t.Run("with extended range selectors", func(t *testing.T) {
		onServer(t, binary, true, "--enable-feature=promql-extended-range-selectors")
	})
}

func onServer(t *testing.T, binary string, native bool, flags ...string) {
	querytest.Test(t, func(t *testing.T, load string) promql.Querier {
		url := querytest.Serve(t, querytest.Setup{Binary: binary, Flags: append(flags, querytest.Receiver)}).URL
		querytest.Write(t, url, load, native)
		return client(t, url)
	}, native)
}

func client(t *testing.T, url string) *promql.Client {
	t.Helper()
	c, err := promql.NewClient(url, config.DefaultHTTPClientConfig)
	if err != nil {
		t.Fatal(err)
	}
	return c
}
