// Package embedded is Prometheus' own engine and storage in this process: it
// records a run by scraping, and answers PromQL over the recording.
package embedded

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	prom "github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
	"github.com/prometheus/prometheus/tsdb/fileutil"

	"github.com/plumbline/plumbline/pkg/promql"
	"github.com/plumbline/plumbline/pkg/run"
)

// What can stand in the way of opening a recording.
var (
	ErrLive        = errors.New("another process is still recording")
	ErrNoRecording = errors.New("no recording")
)

// A DB answers PromQL from a recording; it is a [promql.Querier] and a [promql.Sampler].
type DB struct {
	storage   storage.Queryable
	engine    *prom.Engine
	closers   []func() error
	recovered bool
}

// New makes a DB over any Prometheus storage.
func New(s storage.Queryable) *DB {
	return &DB{storage: s, engine: prom.NewEngine(prom.EngineOpts{
		Logger:               discardLogger(),
		MaxSamples:           200_000_000,
		Timeout:              2 * time.Minute,
		LookbackDelta:        5 * time.Minute,
		EnableAtModifier:     true,
		EnableNegativeOffset: true,
		Parser:               promql.NewParser(),
	})}
}

// Open opens the recording in a folder. A sealed one is read without a lock and
// without a write. One whose recorder was killed is recovered first: its log is
// replayed, once, and it is sealed; on a read-only folder that happens in a copy.
// The error is ErrLive while its recorder lives, ErrNoRecording without one.
func Open(dir string) (*DB, error) {
	unsealed, err := isUnsealed(dir)
	if err != nil {
		return nil, fmt.Errorf("recording %s: %w", dir, err)
	}
	if !unsealed {
		return openSealed(dir)
	}
	err = recoverIn(dir)
	if err == nil {
		db, err := openSealed(dir)
		if db != nil {
			db.recovered = true
		}
		return db, err
	}
	if !errors.Is(err, os.ErrPermission) && !errors.Is(err, syscall.EROFS) {
		return nil, fmt.Errorf("recording %s: %w", dir, err)
	}
	return openCopy(dir)
}

// Recovered reports whether the recorder had been killed before it could seal the recording.
func (db *DB) Recovered() bool { return db.recovered }

// Close lets go of the recording.
func (db *DB) Close() error {
	var errs []error
	for _, c := range slices.Backward(db.closers) {
		errs = append(errs, c())
	}
	return errors.Join(append(errs, db.engine.Close())...)
}

// openSealed reads blocks where they lie.
func openSealed(dir string) (*DB, error) {
	blocks, err := filepath.Glob(filepath.Join(dir, "*", "meta.json"))
	if err != nil || len(blocks) == 0 {
		return nil, fmt.Errorf("recording %s: %w", dir, ErrNoRecording)
	}
	var sealed blocksQueryable
	db := New(&sealed)
	for _, meta := range blocks {
		b, err := tsdb.OpenBlock(discardLogger(), filepath.Dir(meta), nil, nil)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("recording %s: block %s: %w", dir, filepath.Base(filepath.Dir(meta)), err), db.Close())
		}
		db.closers = append(db.closers, b.Close)
		sealed = append(sealed, b)
	}
	return db, nil
}

// openCopy recovers an unsealed recording beside a folder that can't be written.
func openCopy(dir string) (*DB, error) {
	tmp, err := os.MkdirTemp("", "plumbline-recording-*")
	if err != nil {
		return nil, fmt.Errorf("recording %s: read-only and unsealed, and no copy of it can be made: %w", dir, err)
	}
	remove := func() error { return os.RemoveAll(tmp) }
	if err := os.CopyFS(tmp, os.DirFS(dir)); err != nil {
		return nil, errors.Join(fmt.Errorf("recording %s: %w", dir, err), remove())
	}
	if err := recoverIn(tmp); err != nil {
		return nil, errors.Join(fmt.Errorf("recording %s: %w", dir, err), remove())
	}
	db, err := openSealed(tmp)
	if err != nil {
		return nil, errors.Join(err, remove())
	}
	db.recovered = true
	db.closers = slices.Insert(db.closers, 0, remove)
	return db, nil
}

// isUnsealed reports whether a write-ahead log is still there.
func isUnsealed(dir string) (bool, error) {
	if _, err := os.Stat(dir); errors.Is(err, os.ErrNotExist) {
		return false, ErrNoRecording
	} else if err != nil {
		return false, err
	}
	_, err := os.Stat(filepath.Join(dir, "wal"))
	if errors.Is(err, os.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// recoverIn replays the log of a killed recorder and seals.
func recoverIn(dir string) error {
	db, err := openTSDB(dir)
	if err != nil {
		return err
	}
	return seal(db, dir)
}

// openTSDB opens a recording for writing: it keeps everything and compacts only when sealed.
func openTSDB(dir string) (*tsdb.DB, error) {
	opts := tsdb.DefaultOptions()
	opts.RetentionDuration = 0
	opts.OutOfOrderTimeWindow = 0
	db, err := tsdb.Open(dir, discardLogger(), nil, opts, nil)
	if err != nil && strings.Contains(err.Error(), "lock DB directory") {
		if errors.Is(err, os.ErrPermission) || errors.Is(err, syscall.EROFS) {
			return nil, err
		}
		return nil, ErrLive
	}
	return db, err
}

// Abandoned tells whether a recording's process died while it recorded: nobody holds
// the lock that it left. It doesn't recover what there is, as [Open] would.
func Abandoned(dir string) bool {
	lock := filepath.Join(dir, "lock")
	if _, err := os.Stat(lock); err != nil {
		return false
	}
	held, _, err := fileutil.Flock(lock)
	return err == nil && held.Release() == nil
}

// seal turns the head into a block and leaves nothing but blocks. At every
// moment each sample is in the log or in a block.
func seal(db *tsdb.DB, dir string) error {
	head := db.Head()
	if head.NumSeries() > 0 {
		if err := db.CompactHead(tsdb.NewRangeHead(head, head.MinTime(), head.MaxTime())); err != nil {
			return errors.Join(fmt.Errorf("sealing: %w", err), db.Close())
		}
	}
	if err := db.Close(); err != nil {
		return fmt.Errorf("sealing: %w", err)
	}
	for _, rest := range []string{"wal", "wbl", "chunks_head", "lock", "queries.active"} {
		if err := os.RemoveAll(filepath.Join(dir, rest)); err != nil {
			return fmt.Errorf("sealing: %w", err)
		}
	}
	return nil
}

// blocksQueryable reads several blocks as one storage.
type blocksQueryable []*tsdb.Block

func (bs *blocksQueryable) Querier(mint, maxt int64) (storage.Querier, error) {
	var qs []storage.Querier
	for _, b := range *bs {
		q, err := tsdb.NewBlockQuerier(b, mint, maxt)
		if err != nil {
			return nil, err
		}
		qs = append(qs, q)
	}
	return storage.NewMergeQuerier(qs, nil, storage.ChainedSeriesMerge), nil
}

// Query implements [promql.Querier].
func (db *DB) Query(ctx context.Context, expr string, at time.Time) (promql.Result, error) {
	q, err := db.engine.NewInstantQuery(ctx, db.storage, nil, expr, at)
	return db.exec(ctx, expr, q, err)
}

// QueryRange implements [promql.Querier].
func (db *DB) QueryRange(ctx context.Context, expr string, r promql.Range) (promql.Result, error) {
	q, err := db.engine.NewRangeQuery(ctx, db.storage, nil, expr, r.Start, r.End, r.Step)
	return db.exec(ctx, expr, q, err)
}

// Samples implements [promql.Sampler].
func (db *DB) Samples(ctx context.Context, sel promql.Selector, w run.Window, visit promql.Visit) (err error) {
	mint, maxt := w.Start.UnixMilli(), w.End.UnixMilli()
	q, err := db.storage.Querier(mint, maxt)
	if err != nil {
		return promql.QueryError(sel.String(), err)
	}
	defer func() { err = errors.Join(err, q.Close()) }()
	set := q.Select(ctx, false, &storage.SelectHints{Start: mint, End: maxt}, sel.All()...)
	var it chunkenc.Iterator
	for n := 0; set.Next(); n++ {
		if n%1000 == 0 && ctx.Err() != nil {
			return promql.QueryError(sel.String(), ctx.Err())
		}
		s := set.At()
		it = s.Iterator(it)
		if err := visit(s.Labels(), it); err != nil {
			return promql.QueryError(sel.String(), err)
		}
	}
	if err := set.Err(); err != nil {
		return promql.QueryError(sel.String(), err)
	}
	return nil
}

func (db *DB) exec(ctx context.Context, expr string, q prom.Query, err error) (promql.Result, error) {
	if err != nil {
		return promql.Result{}, promql.QueryError(expr, fmt.Errorf("%w: %w", promql.ErrBadQuery, err))
	}
	defer q.Close()
	answer := q.Exec(ctx)
	if answer.Err != nil {
		err := answer.Err
		if errors.As(err, new(prom.ErrStorage)) || ctx.Err() != nil {
			return promql.Result{}, promql.QueryError(expr, err)
		}
		return promql.Result{}, promql.QueryError(expr, fmt.Errorf("%w: %w", promql.ErrBadQuery, err))
	}
	res := fromValue(answer.Value)
	warnings, infos := answer.Warnings.AsStrings(expr, 10, 10)
	res.Warnings = append(warnings, infos...)
	return res, nil
}

// fromValue copies a value out of the engine, which uses its memory again.
func fromValue(value parser.Value) promql.Result {
	var res promql.Result
	switch v := value.(type) {
	case prom.Scalar:
		res.Series = []promql.Series{{Points: []promql.Point{{Time: time.UnixMilli(v.T), Value: v.V}}}}
	case prom.Vector:
		for _, s := range v {
			p := promql.Point{Time: time.UnixMilli(s.T), Value: s.F}
			if s.H != nil {
				p.Histogram = s.H.Copy()
			}
			res.Series = append(res.Series, promql.Series{Labels: s.Metric.Copy(), Points: []promql.Point{p}})
		}
	case prom.Matrix:
		for _, s := range v {
			series := promql.Series{Labels: s.Metric.Copy()}
			for _, p := range s.Floats {
				series.Points = append(series.Points, promql.Point{Time: time.UnixMilli(p.T), Value: p.F})
			}
			for _, p := range s.Histograms {
				series.Points = append(series.Points, promql.Point{Time: time.UnixMilli(p.T), Histogram: p.H.Copy()})
			}
			slices.SortStableFunc(series.Points, func(a, b promql.Point) int { return a.Time.Compare(b.Time) })
			res.Series = append(res.Series, series)
		}
	}
	slices.SortFunc(res.Series, func(a, b promql.Series) int { return labels.Compare(a.Labels, b.Labels) })
	return res
}

func discardLogger() *slog.Logger { return slog.New(slog.NewTextHandler(io.Discard, nil)) }
