package loadgen

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"strings"
	"testing"
)

func TestReadAnswer(t *testing.T) {
	var zipped bytes.Buffer
	zw := gzip.NewWriter(&zipped)
	_, _ = zw.Write([]byte("hello")) // into memory
	_ = zw.Close()
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
		{name: "no HTTP", wire: "SSH-2.0-OpenSSH_9.2\r\n", fails: "malformed answer"},
		{name: "cut short", wire: "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel", fails: "unexpected EOF"},
		{name: "negative length", wire: "HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n", fails: "content length"},
		{name: "bad chunk size", wire: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", fails: "chunk size"},
		{name: "huge length", wire: "HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n", fails: "body is larger"},
		{name: "endless header", wire: "HTTP/1.1 200 OK\r\nA: " + strings.Repeat("x", maxHeadBytes), fails: "header is larger"},
		{name: "no gzip", wire: "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 20\r\n\r\nhellohellohellohello", fails: "gzip"},
	} {
		var a answer
		err := a.read(bufio.NewReader(strings.NewReader(c.wire)), c.head)
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

func FuzzReadAnswer(f *testing.F) {
	f.Add([]byte("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"))
	f.Add([]byte("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n0\r\n\r\n"))
	f.Fuzz(func(_ *testing.T, wire []byte) {
		var a answer
		_ = a.read(bufio.NewReader(bytes.NewReader(wire)), false) // must not panic
	})
}
