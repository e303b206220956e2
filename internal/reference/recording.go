package reference

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"time"

	"github.com/oklog/ulid/v2"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb"
)

// before the run each target was scraped this often.
const leadIn = 2

// resolution keeps sums of seconds at 1/1024 s, so that they take little room.
const resolution = 1024

// A recording is series with a sample at every scrape.
type recording struct {
	clock
	series []series
}

type series struct {
	labels     labels.Labels
	values     []float64
	histograms []*histogram.Histogram
}

// A target is what is scraped: its series carry these labels.
type target []string

func (t target) named(name string, more ...string) labels.Labels {
	pairs := append([]string{model.MetricNameLabel, name}, t...)
	return labels.FromStrings(append(pairs, more...)...)
}

// counter records a counter that stood at some value and then gains.
func (r *recording) counter(ls labels.Labels, from float64, gains []float64) {
	r.counting(ls, from, 0, gains)
}

// counting records a counter that had always gained, scrape by scrape, before.
func (r *recording) counting(ls labels.Labels, from, always float64, gains []float64) {
	values := make([]float64, 0, leadIn+1+r.n)
	for k := range leadIn + 1 {
		values = append(values, from-float64(leadIn-k)*always)
	}
	total := from
	for _, g := range gains[:r.n] {
		total += g
		values = append(values, math.Round(total*resolution)/resolution)
	}
	r.series = append(r.series, series{labels: ls, values: values})
}

// gauge records a level; before the run it stood at idle.
func (r *recording) gauge(ls labels.Labels, idle float64, levels []float64) {
	values := make([]float64, 0, leadIn+1+r.n)
	for range leadIn + 1 {
		values = append(values, idle)
	}
	r.series = append(r.series, series{labels: ls, values: append(values, levels[:r.n]...)})
}

// constant records what doesn't change.
func (r *recording) constant(ls labels.Labels, value float64) {
	levels := make([]float64, r.n)
	for i := range levels {
		levels[i] = value
	}
	r.gauge(ls, value, levels)
}

// buckets records a classic histogram: gains[b][i] new values of bucket b in interval i.
func (r *recording) buckets(t target, name string, edges []float64, gains [][]int, sums []float64, more ...string) {
	cumulated := make([]float64, r.n)
	for b := range gains {
		for i := range cumulated {
			cumulated[i] += float64(gains[b][i])
		}
		if b < len(edges) {
			r.counter(t.named(name+"_bucket", append(more, model.BucketLabel, fmt.Sprintf("%g", edges[b]))...), 0, cumulated)
		}
	}
	r.counter(t.named(name+"_bucket", append(more, model.BucketLabel, "+Inf")...), 0, cumulated)
	r.counter(t.named(name+"_count", more...), 0, cumulated)
	r.counter(t.named(name+"_sum", more...), 0, sums)
}

// native records a native histogram whose bucket b is the one of index first + b.
func (r *recording) native(ls labels.Labels, first int, gains [][]int, sums []float64) {
	s := series{labels: ls}
	counts := make([]int64, len(gains))
	total, n := 0.0, int64(0)
	snapshot := func() *histogram.Histogram {
		h := &histogram.Histogram{Schema: nativeSchema, ZeroThreshold: 2.938735877055719e-39, Count: uint64(n), Sum: math.Round(total*resolution) / resolution, //nolint:gosec // counts are not negative
			PositiveSpans: []histogram.Span{{Offset: int32(first), Length: uint32(len(gains))}}} //nolint:gosec // a few hundred buckets
		last := int64(0)
		for _, c := range counts {
			h.PositiveBuckets = append(h.PositiveBuckets, c-last)
			last = c
		}
		return h
	}
	for range leadIn + 1 {
		s.histograms = append(s.histograms, snapshot())
	}
	for i := range r.n {
		for b := range gains {
			counts[b] += int64(gains[b][i])
			n += int64(gains[b][i])
		}
		total += sums[i]
		s.histograms = append(s.histograms, snapshot())
	}
	r.series = append(r.series, s)
}

// up records that a target was always there.
func (r *recording) up(t target) { r.constant(t.named("up"), 1) }

// write makes the recording's one block. Equal series give equal bytes.
func (r *recording) write(dir string) (err error) {
	w, err := tsdb.NewBlockWriter(slog.New(slog.NewTextHandler(io.Discard, nil)), dir, (24 * time.Hour).Milliseconds())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.Close()) }()
	ctx := context.Background()
	for k := range leadIn + 1 + r.n {
		a := w.AppenderV2(ctx)
		at := r.start.Add(time.Duration(k-leadIn) * r.step).UnixMilli()
		for _, s := range r.series {
			var v float64
			var h *histogram.Histogram
			if s.histograms != nil {
				h = s.histograms[k]
			} else {
				v = s.values[k]
			}
			if _, err := a.Append(0, s.labels, 0, at, v, h, nil, storage.AOptions{}); err != nil {
				return fmt.Errorf("%s: %w", s.labels, err)
			}
		}
		if err := a.Commit(); err != nil {
			return err
		}
	}
	id, err := w.Flush(ctx)
	if err != nil {
		return err
	}
	return rename(dir, id, r.start)
}

// rename gives a block the id that belongs to a time alone; Flush takes one at random.
func rename(dir string, id ulid.ULID, at time.Time) error {
	fixed, err := ulid.New(ulid.Timestamp(at), zeros{})
	if err != nil {
		return err
	}
	path := filepath.Join(dir, id.String(), "meta.json")
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	var meta tsdb.BlockMeta
	if err := json.Unmarshal(text, &meta); err != nil {
		return fmt.Errorf("block %s: %w", id, err)
	}
	meta.ULID, meta.Compaction.Sources = fixed, []ulid.ULID{fixed}
	text, err = json.MarshalIndent(meta, "", "\t")
	if err != nil {
		return err
	}
	if err := os.WriteFile(path, text, 0o644); err != nil { //nolint:gosec // others may read it
		return err
	}
	return os.Rename(filepath.Dir(path), filepath.Join(dir, fixed.String()))
}

// zeros is the randomness of a fixed id.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}
