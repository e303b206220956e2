// Package promql asks PromQL: of a Prometheus server by [Client], or of a
// recording by the Querier of package embedded. A [Meter] reads counters and
// histograms through either, exactly and with their coverage.
package promql

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/tsdb/chunkenc"

	"github.com/plumbline/plumbline/pkg/run"
)

// A Querier evaluates PromQL. [Client] asks a Prometheus server; embedded.DB is one.
// A query that matches no series is not an error: its result is empty.
type Querier interface {
	// Query evaluates expr at one time. A range selector such as x[5m] gives the raw samples.
	Query(ctx context.Context, expr string, at time.Time) (Result, error)
	// QueryRange evaluates expr at r.Start, r.Start+r.Step, … up to and including r.End.
	QueryRange(ctx context.Context, expr string, r Range) (Result, error)
}

// A Sampler gives raw samples where it has them at hand: embedded.DB from its
// storage, [Client] by Prometheus' remote read. A [Meter] prefers them to PromQL,
// since walking over the samples of a run once costs less than evaluating it.
type Sampler interface {
	// Samples visits each series of sel that has samples in w, both ends
	// included. The error is ErrNoSamples where PromQL has to do.
	Samples(ctx context.Context, sel Selector, w run.Window, visit Visit) error
}

// A Visit is called for a series, with its samples in order of time.
type Visit func(ls labels.Labels, it Iterator) error

// An Iterator goes through the samples of a series: what a walk needs of [chunkenc.Iterator].
type Iterator interface {
	Next() chunkenc.ValueType
	At() (int64, float64) // time in ms
	AtHistogram(*histogram.Histogram) (int64, *histogram.Histogram)
	AtFloatHistogram(*histogram.FloatHistogram) (int64, *histogram.FloatHistogram)
	AtT() int64
	Err() error
}

// ErrNoSamples tells that raw samples can't be had, or are too many.
var ErrNoSamples = errors.New("no raw samples")

// A Range is the times at which a range query is evaluated.
type Range struct {
	Start, End time.Time
	Step       time.Duration
}

// A Result is what a query answered.
type Result struct {
	Series   []Series // sorted by labels
	Warnings []string // Prometheus' own warnings and infos
}

// A Series is a set of labels and its points in order of time.
type Series struct {
	Labels labels.Labels // empty for a scalar
	Points []Point
}

// A Point is one sample: a number, or a native histogram.
type Point struct {
	Time      time.Time
	Value     float64
	Histogram *histogram.FloatHistogram // nil for a number
}

// ErrBadQuery tells that a query can't be answered however often it is asked.
var ErrBadQuery = errors.New("bad query")

// QueryError names the query, shortened, that an error is about.
func QueryError(expr string, err error) error {
	const most = 160
	if len(expr) > most {
		expr = expr[:most] + "…"
	}
	return fmt.Errorf("query %q: %w", expr, err)
}

// merge appends warnings that were not there.
func merge(warnings, more []string) []string {
	for _, w := range more {
		if !slices.Contains(warnings, w) {
			warnings = append(warnings, w)
		}
	}
	return warnings
}

// scalar is the value of a result that has just one; 0 of an empty one.
func (r Result) scalar() float64 {
	if len(r.Series) == 0 || len(r.Series[0].Points) == 0 {
		return 0
	}
	return r.Series[0].Points[0].Value
}
