package loadgen

import (
	"bufio"
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/iotest"
)

func TestReadAnswer(t *testing.T) {
	var deflatedBody, bare bytes.Buffer
	zlw := zlib.NewWriter(&deflatedBody)
	_, _ = zlw.Write([]byte("hello")) // into memory
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
		{name: "gzip", wire: "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n" + zip("hello"), status: 200, body: "hello", close: true},
		{name: "deflate", wire: "HTTP/1.1 200 OK\r\nContent-Encoding: deflate\r\n\r\n" + deflatedBody.String(), status: 200, body: "hello", close: true},
		{name: "bare deflate", wire: "HTTP/1.1 200 OK\r\nContent-Encoding: deflate\r\n\r\n" + bare.String(), status: 200, body: "hello", close: true},
		{name: "close among others", wire: "HTTP/1.1 200 OK\r\nConnection: X-Foo ,Close, Y\r\nContent-Length: 0\r\n\r\n", status: 200, close: true},
		{name: "close, and then something else", wire: "HTTP/1.1 200 OK\r\nConnection: close\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n", status: 200, close: true},
		{name: "HTTP/1.0 that keeps the connection", wire: "HTTP/1.0 200 OK\r\nConnection: X-Foo, Keep-Alive\r\nContent-Length: 0\r\n\r\n", status: 200},
		{name: "chunks in HTTP/1.0", wire: "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", status: 200, body: "ok", close: true},
		{name: "a length told twice", wire: "HTTP/1.1 200 OK\r\nContent-Length: 2, 2\r\nContent-Length: 2\r\n\r\nok", status: 200, body: "ok"},
		{name: "a length on a line of its own", wire: "HTTP/1.1 200 OK\r\nContent-Length:\r\n 2\r\n\r\nok", status: 200, body: "ok"},
		{name: "two lengths in a list", wire: "HTTP/1.1 200 OK\r\nContent-Length: 2, 3\r\n\r\nok", fails: "content length"},
		{name: "no length at a comma", wire: "HTTP/1.1 200 OK\r\nContent-Length: 2,\r\n\r\nok", fails: "content length"},
		{name: "a blank before the colon", wire: "HTTP/1.1 200 OK\r\nContent-Length : 2\r\n\r\nok", fails: "header line"},
		{name: "a header that begins with a blank", wire: "HTTP/1.1 200 OK\r\n A: b\r\n\r\n", fails: "header line"},
		{name: "chunks twice", wire: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", fails: "transfer encoding"},
		{name: "a version that isn't one", wire: "HTTP/1.x 200 OK\r\nContent-Length: 0\r\n\r\n", fails: "status line"},
		{name: "endless interim answers", wire: strings.Repeat("HTTP/1.1 102 Processing\r\n\r\n", maxHeadBytes/20), fails: "header is larger"},
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

func zip(text string) string {
	var to bytes.Buffer
	w := gzip.NewWriter(&to)
	_, _ = io.WriteString(w, text) // into memory
	_ = w.Close()
	return to.String()
}

// Answers that are odd, and legal, or were so once. Where differs says nothing, net/http's client takes each the same way.
var oddAnswers = []struct {
	name, method, wire string
	differs            string // why
}{
	{name: "chunk extensions", wire: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;a=b;c=\"d\"\r\nok\r\n0;e\r\n\r\n"},
	{name: "blanks after a chunk's size", wire: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2 \t\r\nok\r\n0 \r\n\r\n"},
	{name: "sizes with zeros before them", wire: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0002\r\nok\r\n000\r\n\r\n"},
	{name: "sizes in capitals", wire: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nA\r\n0123456789\r\n0\r\n\r\n"},
	{name: "a trailer", wire: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X\r\n\r\n2\r\nok\r\n0\r\nX: y\r\n\r\n"},
	{name: "no chunks", wire: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"},
	{name: "chunks and a length", wire: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 9\r\n\r\n2\r\nok\r\n0\r\n\r\n"},
	{name: "chunks that end with LF alone", wire: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\nok\n0\n\n",
		differs: "lenient: it guards servers behind proxies against smuggled requests, and here is neither"},
	{name: "chunks that are cut", wire: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n"},
	{name: "chunks in chunks", wire: "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n"},
	{name: "identity", wire: "HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\nContent-Length: 2\r\n\r\nok"},
	{name: "chunks in HTTP/1.0", wire: "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
		differs: "net/http gives the chunks as they are; RFC 9112, section 6.1, leaves it open, and curl reads them"},
	{name: "204 with a length", wire: "HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n"},
	{name: "204 with chunks", wire: "HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n"},
	{name: "304 with a length", wire: "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n"},
	{name: "HEAD with a length", method: http.MethodHead, wire: "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"},
	{name: "HEAD with chunks", method: http.MethodHead, wire: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"},
	{name: "HEAD in gzip", method: http.MethodHead, wire: "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 25\r\n\r\n"},
	{name: "205 with a body", wire: "HTTP/1.1 205 Reset Content\r\nContent-Length: 2\r\n\r\nok"},
	{name: "HTTP/1.0 until the end", wire: "HTTP/1.0 200 OK\r\n\r\nok"},
	{name: "HTTP/1.0 that keeps the connection", wire: "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok"},
	{name: "until the end", wire: "HTTP/1.1 200 OK\r\n\r\nok"},
	{name: "no reason", wire: "HTTP/1.1 200\r\nContent-Length: 2\r\n\r\nok"},
	{name: "an empty reason", wire: "HTTP/1.1 200 \r\nContent-Length: 2\r\n\r\nok"},
	{name: "a status of no class", wire: "HTTP/1.1 799 Odd\r\nContent-Length: 2\r\n\r\nok"},
	{name: "two blanks before the status", wire: "HTTP/1.1  200 OK\r\nContent-Length: 2\r\n\r\nok", differs: "strict: it was never legal"},
	{name: "LF alone", wire: "HTTP/1.1 200 OK\nContent-Length: 2\n\nok"},
	{name: "a folded header", wire: "HTTP/1.1 200 OK\r\nX: a\r\n\t b \r\n  c\r\nContent-Length: 2\r\n\r\nok"},
	{name: "a folded length", wire: "HTTP/1.1 200 OK\r\nContent-Length:\r\n 2\r\n\r\nok"},
	{name: "folded chunks", wire: "HTTP/1.1 200 OK\r\nTransfer-Encoding:\r\n\tchunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"},
	{name: "names in odd case", wire: "HTTP/1.1 200 OK\r\nx: a\r\ncONTENT-lENGTH: 2\r\n\r\nok"},
	{name: "no blank after the colon", wire: "HTTP/1.1 200 OK\r\nX:a\r\nContent-Length:2\r\n\r\nok"},
	{name: "a value of blanks", wire: "HTTP/1.1 200 OK\r\nX:  \t \r\nContent-Length: 2 \t\r\n\r\nok"},
	{name: "bytes beyond ASCII", wire: "HTTP/1.1 200 D'accord \xe9\r\nX: \xe9\r\nContent-Length: 2\r\n\r\nok"},
	{name: "a header twice", wire: "HTTP/1.1 200 OK\r\nX: a\r\nX: b\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nok"},
	{name: "a list of equal lengths", wire: "HTTP/1.1 200 OK\r\nContent-Length: 2, 2\r\n\r\nok",
		differs: "lenient: RFC 9112, section 6.3, takes it for one, as it does two equal lines"},
	{name: "an empty length", wire: "HTTP/1.1 200 OK\r\nContent-Length:\r\n\r\nok"},
	{name: "a length with a sign", wire: "HTTP/1.1 200 OK\r\nContent-Length: +2\r\n\r\nok"},
	{name: "a blank before the colon", wire: "HTTP/1.1 200 OK\r\nContent-Length : 2\r\n\r\nok",
		differs: "strict: net/http takes it for another header, and the body to last until the end"},
	{name: "an early hint", wire: "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"},
	{name: "empty lines before the answer", wire: "\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"},
	{name: "gzip", wire: "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n" + zip("ok")},
	{name: "gzip in two members", wire: "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n" + zip("o") + zip("k")},
	{name: "gzip of nothing", wire: "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n" + zip("")},
	{name: "nothing instead of gzip", wire: "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 0\r\n\r\n"},
	{name: "gzip and more", wire: "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n" + zip("ok") + "more"},
	{name: "gzip and zeros", wire: "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n" + zip("ok") + "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"},
	{name: "gzip that is cut", wire: "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n" + zip("ok")[:20]},
	{name: "a coding by another name", wire: "HTTP/1.1 200 OK\r\nContent-Encoding: br\r\nContent-Length: 2\r\n\r\nok"},
	{name: "a protocol that nobody asked for", wire: "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
		differs: "an answer of HTTP never comes then"},
}

func TestOddAnswers(t *testing.T) {
	for _, c := range oddAnswers {
		var a answer
		err := a.read(readerSource{strings.NewReader(c.wire)}, c.method == http.MethodHead)
		got := "an error"
		if err == nil {
			got = fmt.Sprintf("%d %q, X %q", a.status, a.body, a.header("X"))
		}
		want := readByNetHTTP(t, c.method, c.wire)
		if (got == want) != (c.differs == "") {
			t.Errorf("%s: got %s (%v), and net/http %s, want that they differ: %v", c.name, got, err, want, c.differs != "")
		}
	}
}

// readByNetHTTP is an answer, as net/http's client takes it.
func readByNetHTTP(t *testing.T, method, wire string) string {
	t.Helper()
	transport := &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) {
		client, server := net.Pipe()
		go func() {
			defer server.Close()
			if _, err := http.ReadRequest(bufio.NewReader(server)); err == nil {
				_, _ = io.WriteString(server, wire) // the client may have had enough
			}
		}()
		return client, nil
	}}
	defer transport.CloseIdleConnections()
	req, err := http.NewRequestWithContext(t.Context(), method, "http://target", nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := transport.RoundTrip(req)
	if err != nil {
		return "an error"
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return "an error"
	}
	return fmt.Sprintf("%d %q, X %q", resp.StatusCode, body, resp.Header.Get("X"))
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
	for _, c := range oddAnswers {
		f.Add([]byte(c.wire))
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
				for name := range resp.Header {
					if got, want := whole.header(name), resp.Header.Get(name); got != nil && words(string(got)) != words(want) {
						t.Fatalf("%s: got %q, net/http reads %q", name, got, want)
					}
				}
				return
			}
		}
	})
}

// words are those of a header's value: how many blanks a folded line leaves is nobody's business.
func words(value string) string {
	return strings.Join(strings.FieldsFunc(value, func(c rune) bool { return c == ' ' || c == '\t' }), " ")
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
