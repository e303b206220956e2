package embedded

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb"

	"github.com/plumbline/plumbline/pkg/promql"
)

// A Writer makes a sealed recording of series that were recorded elsewhere.
type Writer struct {
	dir   string
	block *tsdb.BlockWriter
	app   storage.AppenderV2
	n     int // samples appended since the last commit
	all   int
}

// commitAfter bounds the memory of samples that are not committed.
const commitAfter = 100_000

// Create begins a recording in a folder that must not exist; the span of its
// samples is at most span.
func Create(dir string, span time.Duration) (*Writer, error) {
	if err := os.Mkdir(dir, 0o755); err != nil {
		return nil, fmt.Errorf("recording: %w", err)
	}
	// Samples come series by series; within half of the block's range their order doesn't matter.
	block, err := tsdb.NewBlockWriter(discardLogger(), dir, 2*max(span, time.Hour).Milliseconds()+1)
	if err != nil {
		return nil, fmt.Errorf("recording %s: %w", dir, err)
	}
	w := &Writer{dir: dir, block: block}
	w.begin()
	return w, nil
}

func (w *Writer) begin() { w.app = w.block.AppenderV2(context.Background()) }

// Append adds samples of a series, in order of time; one that is there already is left out.
func (w *Writer) Append(ls labels.Labels, points ...promql.Point) error {
	var ref storage.SeriesRef
	for _, p := range points {
		var err error
		ref, err = w.app.Append(ref, ls, 0, p.Time.UnixMilli(), p.Value, nil, p.Histogram, storage.AOptions{})
		switch {
		case errors.Is(err, storage.ErrOutOfOrderSample), errors.Is(err, storage.ErrDuplicateSampleForTimestamp):
			continue
		case err != nil:
			return fmt.Errorf("recording %s: %s: %w", w.dir, ls, err)
		}
		w.n++
		w.all++
	}
	if w.n < commitAfter {
		return nil
	}
	w.n = 0
	if err := w.app.Commit(); err != nil {
		return fmt.Errorf("recording %s: %w", w.dir, err)
	}
	w.begin()
	return nil
}

// Samples is how many samples were added.
func (w *Writer) Samples() int { return w.all }

// Seal leaves a folder of blocks.
func (w *Writer) Seal() error {
	err := w.app.Commit()
	if err == nil && w.all > 0 {
		_, err = w.block.Flush(context.Background())
	}
	if err = errors.Join(err, w.block.Close()); err != nil {
		return fmt.Errorf("recording %s: %w", w.dir, err)
	}
	return nil
}

// Abandon gives up and takes the folder away.
func (w *Writer) Abandon() error {
	return errors.Join(w.app.Rollback(), w.block.Close(), os.RemoveAll(filepath.Clean(w.dir)))
}
