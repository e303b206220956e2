package promql

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/tsdb/chunkenc"

	"github.com/plumbline/plumbline/pkg/run"
)

// A limited gives a sample a minute, and refuses windows of more than its limit.
type limited struct {
	Querier
	limit time.Duration
	why   error
}

func (l limited) Samples(_ context.Context, _ Selector, w run.Window, visit Visit) error {
	if w.Duration() > l.limit {
		return fmt.Errorf("%w: %w", ErrNoSamples, l.why)
	}
	c := chunkenc.NewXORChunk()
	app, err := c.Appender()
	if err != nil {
		return err
	}
	for at := w.Start; !at.After(w.End); at = at.Add(time.Minute) {
		app.Append(0, at.UnixMilli(), float64(at.Unix()))
	}
	return visit(labels.FromStrings("__name__", "x"), c.Iterator(nil))
}

func (l limited) Query(_ context.Context, _ string, at time.Time) (Result, error) {
	return Result{Series: []Series{{Points: []Point{{Time: at, Value: -1}}}}, Warnings: []string{"a store is down"}}, nil
}

func TestRawSamplesComeInPartsThatTheServerTakes(t *testing.T) {
	w := run.Window{Start: time.Unix(0, 0), End: time.Unix(480, 0)}
	for _, c := range []struct {
		name   string
		q      limited
		stored bool
		want   []float64
	}{
		{"at once", limited{limit: time.Hour}, true, []float64{0, 60, 120, 180, 240, 300, 360, 420, 480}},
		{"in halves", limited{limit: 4 * time.Minute, why: errTooMuch}, true, []float64{0, 60, 120, 180, 240, 240, 300, 360, 420, 480}},
		{"page by page", limited{why: errors.New("no remote read")}, false, []float64{-1, -1}},
		{"page by page, since even a minute is too much", limited{why: errTooMuch}, false, []float64{-1, -1, -1, -1}},
	} {
		var got []float64
		stored, warnings, err := Raw(t.Context(), c.q, Selector{Metric: "x"}, w, func(s Series) error {
			for _, p := range s.Points {
				got = append(got, p.Value)
			}
			return nil
		})
		if diff := cmp.Diff(c.want, got); err != nil || stored != c.stored || diff != "" {
			t.Errorf("%s: got stored %v, %v (-want +got)\n%s", c.name, stored, err, diff)
		}
		if want := map[bool][]string{false: {"a store is down"}}[c.stored]; !cmp.Equal(want, warnings) {
			t.Errorf("%s: got warnings %q, want %q", c.name, warnings, want)
		}
	}
}
