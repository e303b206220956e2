package embedded_test

import (
	"math"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/value"
	"github.com/prometheus/prometheus/tsdb/chunkenc"

	"github.com/plumbline/plumbline/pkg/promql"
	"github.com/plumbline/plumbline/pkg/promql/embedded"
	"github.com/plumbline/plumbline/pkg/run"
)

func TestWrittenRecordingHoldsWhatWasAppended(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "recording")
	w, err := embedded.Create(dir, 3*time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	at := func(s int64) time.Time { return time.Unix(1_800_000_000+s, 0) }
	h := &histogram.FloatHistogram{Schema: histogram.CustomBucketsSchema, Count: 3, Sum: 2, CustomValues: []float64{.1, .5}, PositiveSpans: []histogram.Span{{Length: 3}}, PositiveBuckets: []float64{1, 1, 1}}
	write := func(name string, points ...promql.Point) {
		t.Helper()
		if err := w.Append(labels.FromStrings("__name__", name), points...); err != nil {
			t.Fatal(err)
		}
	}
	write("late", promql.Point{Time: at(10_000), Value: 1})
	write("x", promql.Point{Time: at(0), Value: 1}, promql.Point{Time: at(5), Value: math.Float64frombits(value.StaleNaN)}, promql.Point{Time: at(10_000), Value: 3})
	write("x", promql.Point{Time: at(10_000), Value: 3}, promql.Point{Time: at(10_005), Value: 4}) // the next page
	write("h", promql.Point{Time: at(0), Histogram: h})
	if err := w.Seal(); err != nil {
		t.Fatal(err)
	}
	db, err := embedded.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	got := map[string][]string{}
	err = db.Samples(t.Context(), promql.Selector{Matchers: []*labels.Matcher{labels.MustNewMatcher(labels.MatchRegexp, "__name__", ".+")}}, run.Window{Start: at(0), End: at(20_000)}, func(ls labels.Labels, it promql.Iterator) error {
		for kind := it.Next(); kind != chunkenc.ValNone; kind = it.Next() {
			if kind == chunkenc.ValFloat {
				_, v := it.At()
				got[ls.Get("__name__")] = noted(got[ls.Get("__name__")], v)
				continue
			}
			_, fh := it.AtFloatHistogram(nil)
			if !fh.Equals(h) {
				t.Errorf("got %v, want %v", fh, h)
			}
		}
		return it.Err()
	})
	want := map[string][]string{"late": {"1"}, "x": {"1", "stale", "3", "4"}}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("got %v (-want +got)\n%s", err, diff)
	}
}

func noted(to []string, v float64) []string {
	if value.IsStaleNaN(v) {
		return append(to, "stale")
	}
	return append(to, map[float64]string{1: "1", 3: "3", 4: "4"}[v])
}
