package promql

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/prompb"
	"github.com/prometheus/prometheus/tsdb/chunkenc"

	"github.com/plumbline/plumbline/pkg/run"
)

// stream writes series as remote read does, one frame each.
func stream(t *testing.T, series ...prompb.ChunkedSeries) string {
	t.Helper()
	var out []byte
	for i := range series {
		message, err := (&prompb.ChunkedReadResponse{ChunkedSeries: []*prompb.ChunkedSeries{&series[i]}}).Marshal()
		if err != nil {
			t.Fatal(err)
		}
		out = binary.AppendUvarint(out, uint64(len(message)))
		out = binary.BigEndian.AppendUint32(out, crc32.Checksum(message, crc32.MakeTable(crc32.Castagnoli)))
		out = append(out, message...)
	}
	return string(out)
}

// chunkOf is a chunk of a sample a second.
func chunkOf(t *testing.T, from int64, values ...float64) prompb.Chunk {
	t.Helper()
	c := chunkenc.NewXORChunk()
	app, err := c.Appender()
	if err != nil {
		t.Fatal(err)
	}
	for i, v := range values {
		app.Append(0, from+1000*int64(i), v)
	}
	return prompb.Chunk{MinTimeMs: from, Type: prompb.Chunk_XOR, Data: c.Bytes()}
}

func TestRemoteRead(t *testing.T) {
	x := []prompb.Label{{Name: "__name__", Value: "x"}}
	whole := stream(t,
		prompb.ChunkedSeries{Labels: x, Chunks: []prompb.Chunk{chunkOf(t, 0, 1, 2, 3), chunkOf(t, 3000, 4, 5)}},
		prompb.ChunkedSeries{Labels: x, Chunks: []prompb.Chunk{chunkOf(t, 5000, 6, 7, 8)}}, // goes on
		prompb.ChunkedSeries{Labels: []prompb.Label{{Name: "__name__", Value: "y"}}, Chunks: []prompb.Chunk{chunkOf(t, 0, 9)}})
	damaged := []byte(whole)
	damaged[20] ^= 1
	const kind = "application/x-streamed-protobuf; proto=prometheus.ChunkedReadResponse"
	for _, c := range []struct {
		name    string
		replies []reply
		calls   int32
		says    string // of the error
		is      error
	}{
		{"whole", []reply{{kind: kind, body: whole}}, 1, "", nil},
		{"cut short, then whole", []reply{{kind: kind, body: whole[:len(whole)-3]}, {kind: kind, body: whole}}, 2, "", nil},
		{"damaged, then whole", []reply{{kind: kind, body: string(damaged)}, {kind: kind, body: whole}}, 2, "", nil},
		{"damaged, again and again", []reply{{kind: kind, body: string(damaged)}}, 4, "its checksum is wrong", nil},
		{"busy, then there", []reply{{code: 503, body: "busy"}, {kind: kind, body: whole}}, 2, "", nil},
		{"an empty chunk", []reply{{kind: kind, body: stream(t, prompb.ChunkedSeries{Labels: x, Chunks: []prompb.Chunk{{Type: prompb.Chunk_XOR}}})}}, 1, "an empty chunk", nil},
		{"no such thing", []reply{{code: 404, body: "not here"}}, 1, "404", ErrNoSamples},
		{"in the old form", []reply{{kind: "application/x-protobuf", body: "x"}}, 1, "remote read", ErrNoSamples},
		{"a login page", []reply{{kind: "text/html", body: "<html>"}}, 1, "remote read", ErrNoSamples},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			client, calls, _ := serve(t, c.replies...)
			got := map[string][]float64{}
			read := func() error {
				return client.Samples(t.Context(), Selector{Metric: "x"}, run.Window{Start: time.Unix(1, 0), End: time.Unix(6, 0)}, func(ls labels.Labels, it Iterator) error {
					got[ls.String()] = nil
					for it.Next() == chunkenc.ValFloat {
						_, v := it.At()
						got[ls.String()] = append(got[ls.String()], v)
					}
					return it.Err()
				})
			}
			err := read()
			if calls.Load() != c.calls {
				t.Errorf("got %d calls, want %d", calls.Load(), c.calls)
			}
			if c.says == "" {
				want := map[string][]float64{`{__name__="x"}`: {2, 3, 4, 5, 6, 7}, `{__name__="y"}`: nil}
				if diff := cmp.Diff(want, got); err != nil || diff != "" {
					t.Errorf("got %v (-want +got)\n%s", err, diff)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), c.says) || c.is != nil && !errors.Is(err, c.is) {
				t.Errorf("got %v, want it to say %q and be %v", err, c.says, c.is)
			}
			if errors.Is(err, ErrNoSamples) {
				if err := read(); !errors.Is(err, ErrNoSamples) || calls.Load() != c.calls {
					t.Errorf("asked again: got %v after %d calls, want it remembered", err, calls.Load())
				}
			}
		})
	}
}

// What was read of a selector tells of those that pick from its series.
func TestWhatWasReadIsNotReadAgain(t *testing.T) {
	of := func(status string) prompb.ChunkedSeries {
		return prompb.ChunkedSeries{Labels: []prompb.Label{{Name: "__name__", Value: "x"}, {Name: "status", Value: status}}, Chunks: []prompb.Chunk{chunkOf(t, 0, 1, 2, 3)}}
	}
	all := reply{kind: "application/x-streamed-protobuf; proto=prometheus.ChunkedReadResponse", body: stream(t, of("200"), of("404"), of("500"))}
	client, calls, _ := serve(t, all, all)
	for _, c := range []struct {
		selector string
		to       int64 // seconds
		series   int
		calls    int32
	}{
		{`x`, 2, 3, 1},
		{`x{status=~"[45].."}`, 2, 2, 1},
		{`x{status="200"}`, 1, 1, 1},
		{`x{status="503"}`, 2, 0, 1},
		{`x{status=~"[45].."}`, 3, 3, 2}, // longer: the server picks
	} {
		sel, err := ParseSelector(c.selector, nil)
		if err != nil {
			t.Fatal(err)
		}
		series := 0
		err = client.Samples(t.Context(), sel, run.Window{Start: time.Unix(0, 0), End: time.Unix(c.to, 0)}, func(labels.Labels, Iterator) error {
			series++
			return nil
		})
		if err != nil || series != c.series || calls.Load() != c.calls {
			t.Errorf("%s: got %d series and %d calls so far, %v, want %d and %d", c.selector, series, calls.Load(), err, c.series, c.calls)
		}
	}
}

// A custom-bucket histogram shows only its filled buckets; those of all together tell the bounds.
func TestHistogramsOfTheAPI(t *testing.T) {
	body := `{"status":"success","data":{"resultType":"matrix","result":[{"metric":{},"histograms":[
		[1,{"count":"0","sum":"0"}],
		[2,{"count":"3","sum":"1","buckets":[[0,"-Inf","0.1","1"],[0,"0.5","1","2"]]}],
		[3,{"count":"9","sum":"9","buckets":[[0,"-Inf","0.1","1"],[0,"0.1","0.5","3"],[0,"0.5","1","3"],[0,"1","+Inf","2"]]}]]},
		{"metric":{"schema":"3"},"histograms":[[1,{"count":"6","sum":"6","buckets":[[1,"-1.0905077326652577","-1","1"],[3,"-0.001","0.001","2"],[0,"1","1.0905077326652577","3"]]}]]}]}}`
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, body) }))
	defer s.Close()
	res, err := newClient(t, s.URL).QueryRange(t.Context(), "x", Range{time.Unix(1, 0), time.Unix(3, 0), time.Second})
	if err != nil {
		t.Fatal(err)
	}
	custom, exponential := res.Series[0].Points, res.Series[1].Points[0].Histogram
	if got := custom[2].Histogram; !cmp.Equal(got.CustomValues, []float64{0.1, 0.5, 1}) || !cmp.Equal(got.PositiveBuckets, []float64{1, 3, 3, 2}) {
		t.Errorf("got bounds %v with %v, want 0.1 0.5 1 with 1 3 3 2", got.CustomValues, got.PositiveBuckets)
	}
	_, gained := difference(0, 0, custom[1].Histogram, custom[2].Histogram)
	if got := (Distribution{native: gained}); got.Count() != 6 {
		t.Errorf("got a gain of %v, want 6", got.Count())
	}
	if n, exact := (Distribution{native: gained}).CountBelow(0.5); n != 3 || !exact {
		t.Errorf("got %v up to 0.5 (exact: %v), want 3", n, exact)
	}
	if exponential.Schema != 3 || exponential.ZeroCount != 2 || !cmp.Equal(exponential.PositiveBuckets, []float64{3}) || !cmp.Equal(exponential.NegativeBuckets, []float64{1}) {
		t.Errorf("got %v, want schema 3 with 1 below, 2 around and 3 above zero", exponential)
	}
}

// FuzzRemoteRead reads messages whose checksums are right and whose contents may be anything.
func FuzzRemoteRead(f *testing.F) {
	c := chunkenc.NewXORChunk()
	if app, err := c.Appender(); err == nil {
		app.Append(0, 1000, 1)
		app.Append(0, 2000, 3)
	}
	for _, kind := range []prompb.Chunk_Encoding{prompb.Chunk_XOR, prompb.Chunk_HISTOGRAM, prompb.Chunk_FLOAT_HISTOGRAM} {
		message, err := (&prompb.ChunkedReadResponse{ChunkedSeries: []*prompb.ChunkedSeries{{
			Labels: []prompb.Label{{Name: "a", Value: "b"}}, Chunks: []prompb.Chunk{{Type: kind, Data: c.Bytes()}},
		}}}).Marshal()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(message, false)
		f.Add(message, true)
	}
	f.Fuzz(func(t *testing.T, message []byte, raw bool) {
		body := message
		if !raw {
			body = binary.AppendUvarint(nil, uint64(len(message)))
			body = binary.BigEndian.AppendUint32(body, crc32.Checksum(message, crc32.MakeTable(crc32.Castagnoli)))
			body = append(body, message...)
		}
		a := answer{status: http.StatusOK, header: http.Header{"Content-Type": {"application/x-streamed-protobuf"}}, body: body}
		series, err := a.chunks()
		if err != nil && err.Error() == "" {
			t.Error("got an error that says nothing")
		}
		it := chunksIterator{from: 0, to: 1 << 40}
		for _, s := range series {
			it.reset(s.chunks)
			_, _ = readPoints(&it)
		}
	})
}
