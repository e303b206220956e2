package loadgen

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"strconv"
	"sync"
	"syscall"
	"time"
)

// Limits on an answer, so that no target can use up the generator's memory.
const (
	maxHeadBytes = 256 << 10
	maxBodyBytes = 64 << 20
)

var (
	errHeadTooLarge = fmt.Errorf("the answer's header is larger than %d bytes", maxHeadBytes)
	errBodyTooLarge = fmt.Errorf("the answer's body is larger than %d bytes", maxBodyBytes)
)

// A connectError is a failure to reach the target, before a request was sent.
type connectError struct{ err error }

func (e connectError) Error() string { return e.err.Error() }
func (e connectError) Unwrap() error { return e.err }

// A dialer opens connections to the one target of a run.
type dialer struct {
	address string
	tls     *tls.Config // nil for plain HTTP
	timeout time.Duration
	dial    func(ctx context.Context, network, address string) (net.Conn, error)
}

func newDialer(target *url.URL, opts Options) dialer {
	port := target.Port()
	d := dialer{timeout: opts.ConnectTimeout, dial: opts.Dial}
	if target.Scheme == "https" {
		d.tls = &tls.Config{}
		if opts.TLS != nil {
			d.tls = opts.TLS.Clone()
		}
		if d.tls.ServerName == "" {
			d.tls.ServerName = target.Hostname()
		}
		d.tls.NextProtos = []string{"http/1.1"}
		if port == "" {
			port = "443"
		}
	}
	if port == "" {
		port = "80"
	}
	d.address = net.JoinHostPort(target.Hostname(), port)
	if d.dial == nil {
		d.dial = (&net.Dialer{}).DialContext
	}
	return d
}

func (d dialer) connect(ctx context.Context) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, d.timeout)
	defer cancel()
	nc, err := d.dial(ctx, "tcp", d.address)
	if err != nil {
		return nil, connectError{err}
	}
	if d.tls == nil {
		return nc, nil
	}
	secure := tls.Client(nc, d.tls)
	if err := secure.HandshakeContext(ctx); err != nil {
		_ = nc.Close() // the handshake's error is the cause
		return nil, connectError{fmt.Errorf("TLS with %s: %w", d.address, err)}
	}
	return secure, nil
}

// A conn is one user's HTTP/1.1 connection: opened when needed, kept alive, and
// opened again when the server has closed it. One goroutine uses it; abort may
// be called by another.
type conn struct {
	dialer dialer
	reader *bufio.Reader
	in     byteCounter

	mu      sync.Mutex
	nc      net.Conn
	aborted bool
}

// byteCounter counts what is read through it.
type byteCounter struct {
	r io.Reader
	n int64
}

func (c *byteCounter) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}

// do sends a whole request and reads its answer. A kept connection that the
// server closed before answering anything is opened again, once.
func (c *conn) do(ctx context.Context, request []byte, head bool, timeout time.Duration, a *answer) error {
	deadline := time.Now().Add(timeout)
	reused := c.nc != nil
	err := c.try(ctx, request, head, deadline, a)
	if err != nil && reused && c.in.n == 0 && closedByPeer(err) {
		err = c.try(ctx, request, head, deadline, a)
	}
	return err
}

func (c *conn) try(ctx context.Context, request []byte, head bool, deadline time.Time, a *answer) error {
	if err := c.open(ctx); err != nil {
		return err
	}
	c.in.n = 0
	err := c.nc.SetDeadline(deadline)
	if err == nil {
		_, err = c.nc.Write(request)
	}
	if err == nil {
		err = a.read(c.reader, head)
	}
	a.received = c.in.n
	if err != nil || a.close {
		c.close()
	}
	return err
}

func closedByPeer(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.ErrClosedPipe) ||
		errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

func (c *conn) open(ctx context.Context) error {
	if c.nc != nil {
		return nil
	}
	nc, err := c.dialer.connect(ctx)
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.aborted {
		_ = nc.Close() // nothing was sent on it
		return connectError{context.Canceled}
	}
	c.nc, c.in.r = nc, nc
	if c.reader == nil {
		c.reader = bufio.NewReaderSize(&c.in, 4<<10)
	}
	c.reader.Reset(&c.in)
	return nil
}

func (c *conn) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.nc != nil {
		_ = c.nc.Close() // whatever it says, the connection is of no more use
		c.nc = nil
	}
}

// abort ends the request that is on its way, and every later one.
func (c *conn) abort() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.aborted = true
	if c.nc != nil {
		_ = c.nc.Close() // whatever it says, the connection is of no more use
	}
}

// An answer is an HTTP response. Its memory is used again for the next one.
type answer struct {
	status   int
	body     []byte
	received int64 // bytes

	head   []byte
	fields []field
	close  bool
}

// A field is a header field: offsets of its name and value in answer.head.
type field struct{ name, nameEnd, value, valueEnd int }

// header is the first field of a name; "" when there is none.
func (a *answer) header(name string) []byte {
	for _, f := range a.fields {
		if equalFold(a.head[f.name:f.nameEnd], name) {
			return a.head[f.value:f.valueEnd]
		}
	}
	return nil
}

func equalFold(b []byte, s string) bool {
	if len(b) != len(s) {
		return false
	}
	for i := range b {
		if lower(b[i]) != lower(s[i]) {
			return false
		}
	}
	return true
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}

// read reads one final answer; interim ones (1xx) are passed over.
func (a *answer) read(r *bufio.Reader, head bool) error {
	for {
		if err := a.readHead(r); err != nil {
			return err
		}
		if a.status == 101 {
			return errors.New("the answer switches protocols")
		}
		if a.status >= 200 {
			break
		}
	}
	if err := a.readBody(r, head || a.status == 204 || a.status == 304); err != nil {
		return err
	}
	if equalFold(a.header("Content-Encoding"), "gzip") && len(a.body) > 0 {
		return a.unzip()
	}
	return nil
}

func (a *answer) readHead(r *bufio.Reader) error {
	a.head, a.fields, a.body = a.head[:0], a.fields[:0], a.body[:0]
	start, end, err := a.readLine(r)
	if err != nil {
		return err
	}
	line := a.head[start:end]
	if len(line) < 12 || !bytes.HasPrefix(line, []byte("HTTP/1.")) || line[8] != ' ' || len(line) > 12 && line[12] != ' ' {
		return fmt.Errorf("malformed answer: status line %.60q", line)
	}
	if a.status, err = digits(line[9:12]); err != nil || a.status < 100 {
		return fmt.Errorf("malformed answer: status line %.60q", line)
	}
	a.close = line[7] == '0'
	for {
		start, end, err := a.readLine(r)
		if err != nil {
			return noEOF(err)
		}
		if start == end {
			break
		}
		colon := bytes.IndexByte(a.head[start:end], ':')
		if colon < 1 || a.head[start] == ' ' || a.head[start] == '\t' {
			return fmt.Errorf("malformed answer: header line %.60q", a.head[start:end])
		}
		f := field{start, start + colon, start + colon + 1, end}
		for f.value < f.valueEnd && isSpace(a.head[f.value]) {
			f.value++
		}
		for f.value < f.valueEnd && isSpace(a.head[f.valueEnd-1]) {
			f.valueEnd--
		}
		a.fields = append(a.fields, f)
	}
	switch connection := a.header("Connection"); {
	case equalFold(connection, "close"):
		a.close = true
	case equalFold(connection, "keep-alive"):
		a.close = false
	}
	return nil
}

func isSpace(c byte) bool { return c == ' ' || c == '\t' }

// readLine adds one line to head and gives its place, without the line's end.
func (a *answer) readLine(r *bufio.Reader) (start, end int, err error) {
	start = len(a.head)
	for {
		part, err := r.ReadSlice('\n')
		if len(a.head)+len(part) > maxHeadBytes {
			return 0, 0, errHeadTooLarge
		}
		a.head = append(a.head, part...)
		if err == nil {
			break
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			if len(a.head) > start {
				err = noEOF(err)
			}
			return 0, 0, err
		}
	}
	end = len(a.head) - 1
	if end > start && a.head[end-1] == '\r' {
		end--
	}
	return start, end, nil
}

func noEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// digits reads a number of digits alone.
func digits(b []byte) (int, error) {
	if len(b) == 0 || len(b) > 15 {
		return 0, strconv.ErrSyntax
	}
	n := 0
	for _, c := range b {
		if c < '0' || c > '9' {
			return 0, strconv.ErrSyntax
		}
		n = n*10 + int(c-'0')
	}
	return n, nil
}

func (a *answer) readBody(r *bufio.Reader, none bool) error {
	if none {
		return nil
	}
	if encoding := a.header("Transfer-Encoding"); encoding != nil {
		if !equalFold(encoding, "chunked") {
			return fmt.Errorf("malformed answer: transfer encoding %.60q", encoding)
		}
		return a.readChunks(r)
	}
	if length := a.header("Content-Length"); length != nil {
		n, err := digits(length)
		if err != nil {
			return fmt.Errorf("malformed answer: content length %.60q", length)
		}
		return a.readExactly(r, n)
	}
	a.close = true // only the end of the connection ends the body
	return a.readAll(r)
}

// readExactly adds n bytes to the body, growing as they come rather than as they are promised.
func (a *answer) readExactly(r *bufio.Reader, n int) error {
	if len(a.body)+n > maxBodyBytes {
		return errBodyTooLarge
	}
	for n > 0 {
		part := min(n, 64<<10)
		from := len(a.body)
		a.grow(part)
		if _, err := io.ReadFull(r, a.body[from:]); err != nil {
			return noEOF(err)
		}
		n -= part
	}
	return nil
}

func (a *answer) grow(n int) {
	for cap(a.body)-len(a.body) < n {
		a.body = append(a.body[:cap(a.body)], 0)[:len(a.body)]
	}
	a.body = a.body[:len(a.body)+n]
}

func (a *answer) readAll(r io.Reader) error {
	for {
		from := len(a.body)
		a.grow(4 << 10)
		n, err := r.Read(a.body[from:])
		a.body = a.body[:from+n]
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if len(a.body) > maxBodyBytes {
			return errBodyTooLarge
		}
	}
}

func (a *answer) readChunks(r *bufio.Reader) error {
	for {
		mark := len(a.head)
		start, end, err := a.readLine(r)
		if err != nil {
			return noEOF(err)
		}
		size, err := chunkSize(a.head[start:end])
		a.head = a.head[:mark]
		if err != nil {
			return err
		}
		if size == 0 {
			return a.skipTrailer(r)
		}
		if err := a.readExactly(r, size); err != nil {
			return err
		}
		if start, end, err = a.readLine(r); err != nil {
			return noEOF(err)
		}
		a.head = a.head[:mark]
		if start != end {
			return errors.New("malformed answer: a chunk is longer than it says")
		}
	}
}

func chunkSize(line []byte) (int, error) {
	number, _, _ := bytes.Cut(line, []byte(";"))
	number = bytes.TrimSpace(number)
	n := 0
	for _, c := range number {
		digit := bytes.IndexByte([]byte("0123456789abcdef"), lower(c))
		if digit < 0 || n > maxBodyBytes {
			return 0, fmt.Errorf("malformed answer: chunk size %.60q", line)
		}
		n = n<<4 | digit
	}
	if len(number) == 0 {
		return 0, fmt.Errorf("malformed answer: chunk size %.60q", line)
	}
	return n, nil
}

func (a *answer) skipTrailer(r *bufio.Reader) error {
	for {
		mark := len(a.head)
		start, end, err := a.readLine(r)
		if err != nil {
			return noEOF(err)
		}
		if start == end {
			a.head = a.head[:mark]
			return nil
		}
	}
}

func (a *answer) unzip() error {
	zr, err := gzip.NewReader(bytes.NewReader(bytes.Clone(a.body)))
	if err != nil {
		return fmt.Errorf("malformed answer: %w", err)
	}
	a.body = a.body[:0]
	if err := a.readAll(zr); err != nil {
		return fmt.Errorf("malformed answer: gzip: %w", err)
	}
	return nil
}
