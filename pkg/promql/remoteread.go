package promql

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"net/http"
	"strings"
	"sync"

	"github.com/klauspost/compress/snappy"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/prompb"
	"github.com/prometheus/prometheus/tsdb/chunkenc"

	"github.com/plumbline/plumbline/pkg/run"
)

// How much of what was read a Client keeps for further questions about the same series.
const (
	mostKept    = 8 << 20  // bytes of one selector
	mostKeptAll = 64 << 20 // of all
)

// A kept is what was read of a selector, and when from and to.
type kept struct {
	sel    Selector
	mu     sync.Mutex // held while it is read, so that one of many askers reads
	window run.Window
	series []chunked
}

// covers reports whether what was read of k's selector tells all of w.
func (k *kept) covers(w run.Window) bool {
	return k.series != nil && !w.Start.Before(k.window.Start) && !w.End.After(k.window.End)
}

// picked are the kept series that a selector picks which k's is part of; false
// where they don't tell all of w.
func (k *kept) picked(sel Selector, w run.Window) ([]chunked, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if !k.covers(w) {
		return nil, false
	}
	picked := []chunked{}
	for _, s := range k.series {
		if sel.picks(s.labels) {
			picked = append(picked, s)
		}
	}
	return picked, true
}

// Samples implements [Sampler] by Prometheus' remote read: the server sends its
// chunks as they are stored, which costs it next to nothing and keeps the schema
// of native histograms. Labels that the server adds to everything it sends
// (external_labels) are on the series too.
func (c *Client) Samples(ctx context.Context, sel Selector, w run.Window, visit Visit) error {
	if c.sampleless.Load() {
		return ErrNoSamples
	}
	series, err := c.readOnce(ctx, sel, w)
	if errors.Is(err, errTooMuch) {
		return fmt.Errorf("%w: %w", ErrNoSamples, err)
	}
	if err != nil {
		c.sampleless.CompareAndSwap(false, errors.Is(err, ErrNoSamples))
		return QueryError(sel.String(), err)
	}
	it := chunksIterator{from: w.Start.UnixMilli(), to: w.End.UnixMilli()}
	for _, s := range series {
		it.reset(s.chunks)
		if err := visit(s.labels, &it); err != nil {
			return QueryError(sel.String(), fmt.Errorf("%s: %w", c.name, err))
		}
	}
	return nil
}

// readOnce reads series that were not read already, be it with others.
func (c *Client) readOnce(ctx context.Context, sel Selector, w run.Window) ([]chunked, error) {
	k, wider := c.keptOf(sel)
	for _, k := range wider {
		if series, ok := k.picked(sel, w); ok {
			return series, nil
		}
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.covers(w) {
		return k.series, nil
	}
	series := []chunked{}
	size := 0
	err := c.ask(ctx, c.read(sel, w), func(a answer) (err error) {
		size = len(a.body)
		series, err = a.chunks()
		return err
	})
	if err != nil {
		return nil, err
	}
	if size <= mostKept && c.keptBytes.Add(int64(size)) <= mostKeptAll {
		k.window, k.series = w, series
	}
	return series, nil
}

// keptOf is what is kept of a selector, and of those that pick its series and others.
func (c *Client) keptOf(sel Selector) (k *kept, wider []*kept) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, other := range c.reads {
		if other.sel.partOf(sel) {
			wider = append(wider, other)
		}
	}
	if k = c.reads[sel.String()]; k == nil {
		k = &kept{sel: sel}
		c.reads[sel.String()] = k
	}
	return k, wider
}

// read is a request of remote read.
func (c *Client) read(sel Selector, w run.Window) request {
	q := &prompb.Query{StartTimestampMs: w.Start.UnixMilli(), EndTimestampMs: w.End.UnixMilli()}
	for _, m := range sel.All() {
		q.Matchers = append(q.Matchers, &prompb.LabelMatcher{Type: matchTypes[m.Type], Name: m.Name, Value: m.Value})
	}
	message := prompb.ReadRequest{Queries: []*prompb.Query{q}, AcceptedResponseTypes: []prompb.ReadRequest_ResponseType{prompb.ReadRequest_STREAMED_XOR_CHUNKS}}
	return func(ctx context.Context) (*http.Request, error) {
		body, err := message.Marshal()
		if err != nil {
			return nil, err
		}
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.endpoint("read"), bytes.NewReader(snappy.Encode(nil, body)))
		if err != nil {
			return nil, err
		}
		req.Header.Set("Content-Type", "application/x-protobuf")
		req.Header.Set("Content-Encoding", "snappy")
		req.Header.Set("X-Prometheus-Remote-Read-Version", "0.1.0")
		return req, nil
	}
}

var matchTypes = map[labels.MatchType]prompb.LabelMatcher_Type{
	labels.MatchEqual: prompb.LabelMatcher_EQ, labels.MatchNotEqual: prompb.LabelMatcher_NEQ,
	labels.MatchRegexp: prompb.LabelMatcher_RE, labels.MatchNotRegexp: prompb.LabelMatcher_NRE,
}

// A chunked is a series as it is stored.
type chunked struct {
	labels labels.Labels
	chunks []chunkenc.Chunk
}

// chunks reads a streamed answer to remote read. A server that refuses, or
// answers in another form, is not asked for samples any more.
func (a answer) chunks() ([]chunked, error) {
	switch {
	case a.status == http.StatusTooManyRequests || a.status >= 500 && a.status != http.StatusNotImplemented:
		return nil, a.foreign(nil)
	case a.status == http.StatusUnauthorized:
		return nil, a.foreign(nil)
	case a.status/100 != 2, !strings.HasPrefix(a.header.Get("Content-Type"), "application/x-streamed-protobuf"):
		return nil, fmt.Errorf("%w: %s to remote read", ErrNoSamples, a.code())
	}
	series := []chunked{}
	var b labels.ScratchBuilder
	for rest := a.body; len(rest) > 0; {
		message, after, err := frame(rest)
		if err != nil {
			return nil, &trouble{error: err, again: true}
		}
		rest = after
		var res prompb.ChunkedReadResponse
		if err := res.Unmarshal(message); err != nil {
			return nil, &trouble{error: fmt.Errorf("remote read: %w", err), again: true}
		}
		for _, s := range res.ChunkedSeries {
			ls := s.ToLabels(&b, nil)
			if n := len(series); n == 0 || !labels.Equal(series[n-1].labels, ls) { // else it goes on with the series of the frame before
				series = append(series, chunked{labels: ls})
			}
			last := &series[len(series)-1]
			for _, c := range s.Chunks {
				chunk, err := decode(c)
				if err != nil {
					return nil, &trouble{error: fmt.Errorf("remote read: %s: %w", ls, err)}
				}
				last.chunks = append(last.chunks, chunk)
			}
		}
	}
	return series, nil
}

// decode reads a chunk; its header must be whole.
func decode(c prompb.Chunk) (chunkenc.Chunk, error) {
	const header = 2 // bytes that count the samples
	if len(c.Data) < header {
		return nil, errors.New("an empty chunk")
	}
	return chunkenc.FromData(chunkenc.Encoding(c.Type), c.Data) //nolint:gosec // a number of few
}

// frame takes one message off a stream: its length, its checksum, itself.
func frame(data []byte) (message, rest []byte, err error) {
	const checksum = 4
	size, n := binary.Uvarint(data)
	if n <= 0 || size > uint64(len(data)) || len(data) < n+checksum+int(size) { //nolint:gosec // not above len(data)
		return nil, nil, errors.New("remote read: the answer broke off")
	}
	sum := binary.BigEndian.Uint32(data[n:])
	message, rest = data[n+checksum:n+checksum+int(size)], data[n+checksum+int(size):] //nolint:gosec // as above
	if crc32.Checksum(message, crc32.MakeTable(crc32.Castagnoli)) != sum {
		return nil, nil, errors.New("remote read: the answer is damaged: its checksum is wrong")
	}
	return message, rest, nil
}

// A chunksIterator goes through the samples of chunks, from one time to another.
type chunksIterator struct {
	chunkenc.Iterator
	from, to int64 // in ms, both included
	rest     []chunkenc.Chunk
	err      error
}

// reset begins with the first chunk of a series.
func (it *chunksIterator) reset(chunks []chunkenc.Chunk) {
	it.Iterator, it.rest, it.err = chunkenc.NewNopIterator(), chunks, nil
}

// Next implements [Iterator].
func (it *chunksIterator) Next() chunkenc.ValueType {
	for it.err == nil {
		kind := it.Iterator.Next()
		switch {
		case kind != chunkenc.ValNone && it.AtT() > it.to:
			it.rest = nil
			return chunkenc.ValNone
		case kind != chunkenc.ValNone && it.AtT() >= it.from:
			return kind
		case kind != chunkenc.ValNone:
			continue
		}
		if it.err = it.Iterator.Err(); it.err != nil || len(it.rest) == 0 {
			break
		}
		it.Iterator, it.rest = it.rest[0].Iterator(it.Iterator), it.rest[1:]
	}
	return chunkenc.ValNone
}

// Err implements [Iterator].
func (it *chunksIterator) Err() error { return it.err }
