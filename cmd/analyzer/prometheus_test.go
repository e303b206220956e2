package main

import (
	"context"
	"math"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/promqltest"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
	"github.com/prometheus/prometheus/util/teststorage"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/plumbline/plumbline/pkg/promql/embedded"
)

// scriptPrometheus is a command of scripts: `prometheus FILE` answers Prometheus'
// API, at $PROMETHEUS, from series in its test notation, whose first half hour
// ends now.
func scriptPrometheus(t *testing.T) func(ts *testscript.TestScript, neg bool, args []string) {
	return func(ts *testscript.TestScript, neg bool, args []string) {
		if neg || len(args) != 1 {
			ts.Fatalf("usage: prometheus FILE")
		}
		recorded := untilNow(t, promqltest.LoadedStorage(t, ts.ReadFile(args[0])))
		s := httptest.NewServer(embedded.Handler(embedded.New(recorded)))
		ts.Defer(s.Close)
		ts.Setenv("PROMETHEUS", s.URL)
	}
}

// untilNow copies numbers to where their half hour from 1970 on ends now.
func untilNow(t *testing.T, from storage.Queryable) storage.Queryable {
	t.Helper()
	to := teststorage.New(t)
	q, err := from.Querier(math.MinInt64, math.MaxInt64)
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	shift := time.Since(time.Unix(1800, 0)).Milliseconds()
	app := to.Appender(context.Background())
	set := q.Select(context.Background(), true, nil, labels.MustNewMatcher(labels.MatchRegexp, model.MetricNameLabel, ".+"))
	for set.Next() {
		for it := set.At().Iterator(nil); it.Next() == chunkenc.ValFloat; {
			at, v := it.At()
			if _, err := app.Append(0, set.At().Labels(), at+shift, v); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := app.Commit(); err != nil {
		t.Fatal(err)
	}
	return to
}
