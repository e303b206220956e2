package loadgen

import (
	"bufio"
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/iotest"
)

func TestReadAnswer(t *testing.T) {
	var zipped bytes.Buffer
	zw := gzip.NewWriter(&zipped)
	_, _ = zw.Write([]byte("hello")) // into memory
	_ = zw.Close()
	var deflatedBody, bare bytes.Buffer
	zlw := zlib.NewWriter(&deflatedBody)
	_, _ = zlw.Write([]byte("hello"))
	_ = zlw.Close()
	fw, _ := flate.NewWriter(&bare, flate.BestSpeed) // the level is a good one
	_, _ = fw.Write([]byte("hello"))
	_ = fw.Close()
	for _, c := range []struct {
		name, wire string
		head       bool
		status     int
		body       string
		close      bool
		fails      string
	}{
		{name: "content length", wire: "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", status: 200, body: "hello"},
		{name: "chunks and a trailer", wire: "HTTP/1.1 200 OK\r\ntransfer-encoding: Chunked\r\n\r\n3;x=y\r\nhel\r\n2\r\nlo\r\n0\r\nA: b\r\n\r\n", status: 200, body: "hello"},
		{name: "until the end", wire: "HTTP/1.1 200 OK\r\n\r\nhello", status: 200, body: "hello", close: true},
		{name: "no reason phrase", wire: "HTTP/1.1 204\r\n\r\n", status: 204},
		{name: "answer to HEAD", wire: "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", head: true, status: 200},
		{name: "not modified", wire: "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", status: 304},
		{name: "interim answers", wire: "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", status: 200},
		{name: "connection close", wire: "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n", status: 200, close: true},
		{name: "HTTP/1.0", wire: "HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", status: 200, close: true},
		{name: "gzip", wire: "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n" + zipped.String(), status: 200, body: "hello", close: true},
		{name: "deflate", wire: "HTTP/1.1 200 OK\r\nContent-Encoding: deflate\r\n\r\n" + deflatedBody.String(), status: 200, body: "hello", close: true},
		{name: "bare deflate", wire: "HTTP/1.1 200 OK\r\nContent-Encoding: deflate\r\n\r\n" + bare.String(), status: 200, body: "hello", close: true},
		{name: "two lengths", wire: "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", fails: "content length"},
		{name: "no HTTP", wire: "SSH-2.0-OpenSSH_9.2\r\n", fails: "malformed answer"},
		{name: "cut short", wire: "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel", fails: "unexpected EOF"},
		{name: "negative length", wire: "HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n", fails: "content length"},
		{name: "bad chunk size", wire: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", fails: "chunk size"},
		{name: "huge length", wire: "HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n", fails: "body is larger"},
		{name: "endless header", wire: "HTTP/1.1 200 OK\r\nA: " + strings.Repeat("x", maxHeadBytes), fails: "header is larger"},
		{name: "no gzip", wire: "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 20\r\n\r\nhellohellohellohello", fails: "gzip"},
	} {
		var a answer
		err := a.read(readerSource{strings.NewReader(c.wire)}, c.head)
		if c.fails != "" {
			if err == nil || !strings.Contains(err.Error(), c.fails) {
				t.Errorf("%s: got %v, want %s", c.name, err, c.fails)
			}
			continue
		}
		if err != nil || a.status != c.status || string(a.body) != c.body || a.close != c.close {
			t.Errorf("%s: got %d %q close %v (%v), want %d %q close %v", c.name, a.status, a.body, a.close, err, c.status, c.body, c.close)
		}
	}
}

// However an answer is cut into parts on its way, it is the same answer, and
// the one that the standard library reads.
func FuzzReadAnswer(f *testing.F) {
	for _, wire := range []string{
		"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2;x\r\nlo\r\n0\r\nA: b\r\n\r\n",
		"HTTP/1.1 200 OK\r\nA: b\r\n folded\r\nContent-Length: 0\r\n\r\n",
		"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\nContent-Length: 1\n\nx",
		"HTTP/1.0 200 OK\r\n\r\nuntil the end",
		"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel",
		"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\n\x1f\x8b\x08",
	} {
		f.Add([]byte(wire))
	}
	f.Fuzz(func(t *testing.T, wire []byte) {
		var whole, parts answer
		err := whole.read(readerSource{bytes.NewReader(wire)}, false)
		partsErr := parts.read(readerSource{iotest.OneByteReader(bytes.NewReader(wire))}, false)
		if (err == nil) != (partsErr == nil) || whole.status != parts.status || !bytes.Equal(whole.body, parts.body) {
			t.Fatalf("whole: %d %q (%v), in parts: %d %q (%v)", whole.status, whole.body, err, parts.status, parts.body, partsErr)
		}
		if err != nil || whole.compression != uncompressed || bytes.Contains(wire, []byte("HTTP/1.0")) {
			return // net/http reads no chunks of HTTP/1.0
		}
		r := bufio.NewReader(bytes.NewReader(wire))
		for {
			resp, err := http.ReadResponse(r, nil)
			if err != nil {
				return // we are more lenient with what does no harm
			}
			if resp.StatusCode >= 200 {
				body, err := io.ReadAll(resp.Body)
				if err == nil && (resp.StatusCode != whole.status || !bytes.Equal(body, whole.body)) {
					t.Fatalf("got %d %q, net/http reads %d %q", whole.status, whole.body, resp.StatusCode, body)
				}
				return
			}
		}
	})
}

func TestAnswersLargerThanAPage(t *testing.T) {
	body := strings.Repeat("0123456789", 50_000)
	var chunked strings.Builder
	for i := 0; i < len(body); i += 1000 {
		fmt.Fprintf(&chunked, "%x\r\n%s\r\n", 1000, body[i:i+1000])
	}
	for _, wire := range []string{
		fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(body), body),
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked.String() + "0\r\n\r\n",
		"HTTP/1.1 200 OK\r\n\r\n" + body,
	} {
		var a answer
		if err := a.read(readerSource{iotest.HalfReader(strings.NewReader(wire))}, false); err != nil || string(a.body) != body {
			t.Errorf("%.60q: got %d bytes (%v), want %d", wire, len(a.body), err, len(body))
		}
		if got := string(a.head); !strings.HasPrefix(got, "HTTP/1.1 200 OK\r\n") || !strings.HasSuffix(got, "\r\n\r\n") {
			t.Errorf("%.60q: got the head %.60q, want it whole", wire, got)
		}
		if size := len(a.page.data); size > 4*len(body) {
			t.Errorf("%.60q: took %d bytes for a body of %d", wire, size, len(body))
		}
		a.release()
	}
}

func TestFollowingBytesEndTheConnection(t *testing.T) {
	var a answer
	if err := a.read(readerSource{strings.NewReader("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nxHTTP/1.1 200 OK\r\n")}, false); err != nil || !a.close {
		t.Errorf("bytes that nobody asked for: got close %v (%v), want it closed", a.close, err)
	}
}
