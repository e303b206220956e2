package promql

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/tsdb/chunkenc"

	"github.com/plumbline/plumbline/pkg/run"
)

// History is the time over which series must be known to measure a window at a
// scrape interval: some of what was before tells what was born in it.
func History(w run.Window, scrape time.Duration) run.Window {
	grid := gridOver(w, scrape)
	return grid.since(grid.history())
}

// Raw takes the raw samples of sel over w as they are stored where the Querier
// gives them so, else page by page as PromQL shows them: without stale markers,
// and without the schema of native histograms. A series may come in several
// parts, in order of time, which repeat samples at their edges. The warnings are
// the server's own, such as that not all of it answered.
func Raw(ctx context.Context, q Querier, sel Selector, w run.Window, take func(Series) error) (stored bool, warnings []string, err error) {
	sampler, can := q.(Sampler)
	if !can {
		warnings, err = Pages(ctx, q, sel, w, take)
		return false, warnings, err
	}
	err = sampler.Samples(ctx, sel, w, func(ls labels.Labels, it Iterator) error {
		points, err := readPoints(it)
		if err != nil || len(points) == 0 {
			return err
		}
		return take(Series{ls, points})
	})
	const least = time.Minute
	switch half := w.Duration() / 2; {
	case errors.Is(err, errTooMuch) && half > least:
		middle := w.Start.Add(half)
		_, before, err := Raw(ctx, q, sel, run.Window{Start: w.Start, End: middle}, take)
		if err != nil {
			return false, before, err
		}
		stored, after, err := Raw(ctx, q, sel, run.Window{Start: middle, End: w.End}, take)
		return stored, merge(before, after), err
	case errors.Is(err, ErrNoSamples):
		warnings, err = Pages(ctx, q, sel, w, take)
		return false, warnings, err
	}
	return true, nil, err
}

// readPoints reads the rest of an iterator.
func readPoints(it Iterator) (points []Point, err error) {
	for kind := it.Next(); kind != chunkenc.ValNone; kind = it.Next() {
		var p Point
		switch kind {
		case chunkenc.ValFloat:
			_, p.Value = it.At()
		case chunkenc.ValHistogram, chunkenc.ValFloatHistogram:
			_, p.Histogram = it.AtFloatHistogram(nil)
		default:
			return nil, fmt.Errorf("a sample of an unknown kind, %s", kind)
		}
		p.Time = time.UnixMilli(it.AtT())
		points = append(points, p)
	}
	return points, it.Err()
}
