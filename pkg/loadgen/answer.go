package loadgen

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"errors"
	"fmt"
	"io"
	"strconv"
	"sync"
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

// A page is the memory that an answer is read into. Users who think have none.
type page struct {
	data   []byte
	fields []field
	plain  []byte // an unzipped body
}

// Pages start small and grow with the answers; those that have grown large aren't kept.
const (
	smallPage   = 4 << 10
	largestKept = 1 << 20
)

var pages = sync.Pool{New: func() any { return &page{data: make([]byte, smallPage)} }}

// An answer is an HTTP response. What its slices hold is gone when the next one
// is read, and when it is released.
type answer struct {
	status         int
	head, body     []byte
	fields         []field
	sent, received int  // bytes on the wire, of the request and of the answer
	close          bool // the connection is of no more use
	keepAlive      bool // the server says that it keeps the connection
	setsCookies    bool

	watch       *stopwatch // nil: the phases aren't asked for
	page        *page
	from, to    int // of page.data: what was read from the connection and isn't used yet
	length      int // of the body; -1: not told
	chunked     bool
	compression compression
}

type compression uint8

const (
	uncompressed compression = iota
	gzipped
	deflated
)

// A field is a header field: offsets of its name and value in answer.head.
type field struct{ name, nameEnd, value, valueEnd int }

// A source is where an answer comes from. It reads into the answer's space
// once there is something to read, so that who only waits holds no memory.
type source interface {
	readInto(a *answer) (int, error)
}

// A readerSource is a reader as a source.
type readerSource struct{ io.Reader }

func (s readerSource) readInto(a *answer) (int, error) { return s.Read(a.space()) }

// header is the first field of a name; nil when there is none.
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

// reset forgets the answer and keeps its memory.
func (a *answer) reset() {
	*a = answer{page: a.page, watch: a.watch, length: -1}
}

// release gives the memory back.
func (a *answer) release() {
	if p := a.page; p != nil && len(p.data)+cap(p.plain) <= largestKept {
		pages.Put(p)
	}
	*a = answer{watch: a.watch}
}

// yield gives the memory back for as long as nothing has come.
func (a *answer) yield() {
	if a.to == 0 && a.page != nil {
		pages.Put(a.page)
		a.page = nil
	}
}

// space is memory to read into; there always is some.
func (a *answer) space() []byte {
	if a.page == nil {
		a.page, _ = pages.Get().(*page)
	}
	if a.to == len(a.page.data) {
		a.page.data = append(a.page.data, make([]byte, len(a.page.data))...)
	}
	return a.page.data[a.to:]
}

// fill reads some more.
func (a *answer) fill(src source) error {
	const patience = 100
	for range patience {
		n, err := src.readInto(a)
		a.to += n
		a.received += n
		if n > 0 {
			a.watch.got()
			return nil
		}
		if err != nil {
			return err
		}
	}
	return io.ErrNoProgress
}

// read reads one final answer; interim ones (1xx) are passed over.
func (a *answer) read(src source, isHead bool) error {
	for {
		if err := a.readHead(src); err != nil {
			return err
		}
		if a.status == 101 {
			return errors.New("the answer switches protocols")
		}
		if a.status >= 200 {
			break
		}
		if a.from > maxHeadBytes { // all of them together
			return errHeadTooLarge
		}
	}
	if err := a.readBody(src, isHead || a.status == 204 || a.status == 304); err != nil {
		return err
	}
	if a.from < a.to {
		a.close = true // what follows belongs to no request
	}
	return a.decompress()
}

func (a *answer) readHead(src source) error {
	start := a.from
	a.length, a.chunked, a.close, a.keepAlive, a.compression, a.setsCookies = -1, false, false, false, uncompressed, false
	line, err := a.readLine(src, start)
	if err != nil {
		return err
	}
	if len(line) < 12 || !bytes.HasPrefix(line, []byte("HTTP/1.")) || line[7] < '0' || line[7] > '9' || line[8] != ' ' || len(line) > 12 && line[12] != ' ' {
		return fmt.Errorf("malformed answer: status line %.60q", line)
	}
	if a.status, err = digits(line[9:12]); err != nil || a.status < 100 {
		return fmt.Errorf("malformed answer: status line %.60q", line)
	}
	old := line[7] == '0'
	a.fields = a.page.fields[:0]
	for {
		at := a.from - start
		line, err := a.readLine(src, start)
		if err != nil {
			return noEOF(err)
		}
		if len(line) == 0 {
			break
		}
		if isSpace(line[0]) && len(a.fields) > 0 {
			a.unfold(line, start)
		} else if err := a.addField(line, at); err != nil {
			return err
		}
	}
	a.page.fields = a.fields
	a.head = a.page.data[start:a.from]
	for _, f := range a.fields { // not before all of their lines are there
		if err := a.understand(a.head[f.name:f.nameEnd], a.head[f.value:f.valueEnd]); err != nil {
			return err
		}
	}
	if old && (!a.keepAlive || a.chunked) { // HTTP/1.0 has no chunks: what else of it can be trusted (RFC 9112, section 6.1)?
		a.close = true
	}
	return nil
}

// readLine reads one line and gives it without its end; start is where the head starts.
func (a *answer) readLine(src source, start int) ([]byte, error) {
	searched := a.from
	for {
		if a.page != nil {
			if i := bytes.IndexByte(a.page.data[searched:a.to], '\n'); i >= 0 {
				line := a.page.data[a.from : searched+i]
				a.from = searched + i + 1
				if n := len(line); n > 0 && line[n-1] == '\r' {
					line = line[:n-1]
				}
				return line, nil
			}
		}
		if a.to-start > maxHeadBytes {
			return nil, errHeadTooLarge
		}
		searched = a.to
		if err := a.fill(src); err != nil {
			if a.to > start {
				err = noEOF(err)
			}
			return nil, err
		}
	}
}

// addField adds a header line that stands at a place of the head.
func (a *answer) addField(line []byte, at int) error {
	colon := bytes.IndexByte(line, ':')
	if colon < 1 || isSpace(line[0]) || isSpace(line[colon-1]) {
		return fmt.Errorf("malformed answer: header line %.60q", line)
	}
	from, to := trim(line, colon+1)
	a.fields = append(a.fields, field{at, at + colon, at + from, at + to})
	return nil
}

// unfold adds a line that goes on with the field before it to that one's value,
// after a blank (RFC 9112, section 5.2).
func (a *answer) unfold(line []byte, start int) {
	f := &a.fields[len(a.fields)-1]
	from, to := trim(line, 0)
	end := start + f.valueEnd
	if f.value < f.valueEnd && from < to {
		a.page.data[end] = ' '
		end++
	}
	f.valueEnd = end + copy(a.page.data[end:], line[from:to]) - start
}

// understand notes what a field says about the answer itself.
func (a *answer) understand(name, value []byte) error {
	switch {
	case len(name) == len("Content-Length") && equalFold(name, "Content-Length"):
		for item, rest, more := cutItem(value); ; item, rest, more = cutItem(rest) {
			n, err := digits(item)
			if err != nil || a.length >= 0 && a.length != n { // equal ones are one (RFC 9112, section 6.3)
				return fmt.Errorf("malformed answer: content length %.60q", value)
			}
			if a.length = n; !more {
				break
			}
		}
	case len(name) == len("Transfer-Encoding") && equalFold(name, "Transfer-Encoding"):
		if a.chunked || !equalFold(value, "chunked") {
			return fmt.Errorf("malformed answer: transfer encoding %.60q", value)
		}
		a.chunked = true
	case len(name) == len("Connection") && equalFold(name, "Connection"):
		for item, rest, more := cutItem(value); ; item, rest, more = cutItem(rest) {
			a.close = a.close || equalFold(item, "close")
			a.keepAlive = a.keepAlive || equalFold(item, "keep-alive")
			if !more {
				break
			}
		}
	case len(name) == len("Set-Cookie") && equalFold(name, "Set-Cookie"):
		a.setsCookies = true
	case len(name) == len("Content-Encoding") && equalFold(name, "Content-Encoding"):
		switch {
		case equalFold(value, "gzip"), equalFold(value, "x-gzip"):
			a.compression = gzipped
		case equalFold(value, "deflate"):
			a.compression = deflated
		}
	}
	return nil
}

func isSpace(c byte) bool { return c == ' ' || c == '\t' }

// trim tells where the text of a line begins and ends, from a place on, without the blanks around it.
func trim(line []byte, from int) (begin, end int) {
	begin, end = from, len(line)
	for begin < end && isSpace(line[begin]) {
		begin++
	}
	for begin < end && isSpace(line[end-1]) {
		end--
	}
	return begin, end
}

// cutItem takes the first item off a list (RFC 9110, section 5.6.1).
func cutItem(list []byte) (item, rest []byte, more bool) {
	item, rest, more = bytes.Cut(list, []byte(","))
	begin, end := trim(item, 0)
	return item[begin:end], rest, more
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

func (a *answer) readBody(src source, none bool) error {
	start, headLength := a.from, len(a.head)
	end := start
	var err error
	switch {
	case none:
	case a.chunked:
		end, err = a.readChunks(src)
	case a.length >= 0:
		err = a.need(src, a.length)
		end = start + a.length
		a.from = end
	default:
		a.close = true // only the end of the connection ends the body
		err = a.readAll(src)
		end = a.to
		a.from = end
	}
	if err != nil {
		return err
	}
	a.head = a.page.data[start-headLength : start] // the page may have moved
	a.body = a.page.data[start:end]
	return nil
}

// need reads until n bytes are there. The page grows as they come rather than as they are promised.
func (a *answer) need(src source, n int) error {
	if n > maxBodyBytes {
		return errBodyTooLarge
	}
	for a.to-a.from < n {
		if err := a.fill(src); err != nil {
			return noEOF(err)
		}
	}
	return nil
}

func (a *answer) readAll(src source) error {
	for {
		if a.to-a.from > maxBodyBytes {
			return errBodyTooLarge
		}
		if err := a.fill(src); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
	}
}

// readChunks reads a chunked body, moves its parts together and gives their end.
func (a *answer) readChunks(src source) (end int, err error) {
	start := a.from
	end = start
	for {
		line, err := a.readLine(src, a.from)
		if err != nil {
			return 0, noEOF(err)
		}
		size, err := chunkSize(line)
		if err != nil {
			return 0, err
		}
		if size == 0 {
			return end, a.skipTrailer(src)
		}
		if end-start+size > maxBodyBytes {
			return 0, errBodyTooLarge
		}
		if err := a.need(src, size); err != nil {
			return 0, err
		}
		end += copy(a.page.data[end:], a.page.data[a.from:a.from+size])
		a.from += size
		if line, err = a.readLine(src, a.from); err != nil {
			return 0, noEOF(err)
		}
		if len(line) > 0 {
			return 0, errors.New("malformed answer: a chunk is longer than it says")
		}
		a.compact(end)
	}
}

// compact moves what isn't used yet down to the end of the body, when the page
// would otherwise grow though much of it is used up.
func (a *answer) compact(end int) {
	if a.from-end > len(a.page.data)/2 {
		a.to = end + copy(a.page.data[end:], a.page.data[a.from:a.to])
		a.from = end
	}
}

func chunkSize(line []byte) (int, error) {
	number, _, _ := bytes.Cut(line, []byte(";"))
	number = bytes.TrimSpace(number)
	n := 0
	for _, c := range number {
		var digit int
		switch c = lower(c); {
		case '0' <= c && c <= '9':
			digit = int(c - '0')
		case 'a' <= c && c <= 'f':
			digit = int(c-'a') + 10
		default:
			return 0, fmt.Errorf("malformed answer: chunk size %.60q", line)
		}
		if n > maxBodyBytes {
			return 0, errBodyTooLarge
		}
		n = n<<4 | digit
	}
	if len(number) == 0 {
		return 0, fmt.Errorf("malformed answer: chunk size %.60q", line)
	}
	return n, nil
}

func (a *answer) skipTrailer(src source) error {
	start := a.from
	for {
		line, err := a.readLine(src, start)
		if err != nil {
			return noEOF(err)
		}
		if len(line) == 0 {
			return nil
		}
	}
}

// decompress replaces a compressed body with what it holds.
func (a *answer) decompress() error {
	if a.compression == uncompressed || len(a.body) == 0 {
		return nil
	}
	open, name := openGzip, "gzip"
	if a.compression == deflated {
		open, name = openDeflate, "deflate"
	}
	r, err := open(bytes.NewReader(a.body))
	if err != nil {
		return fmt.Errorf("malformed answer: %s: %w", name, err)
	}
	plain := bytes.NewBuffer(a.page.plain[:0])
	_, err = io.Copy(plain, io.LimitReader(r, maxBodyBytes+1))
	a.page.plain = plain.Bytes()
	a.body = a.page.plain
	switch {
	case err != nil:
		return fmt.Errorf("malformed answer: %s: %w", name, err)
	case len(a.body) > maxBodyBytes:
		return errBodyTooLarge
	}
	return nil
}

func openGzip(r *bytes.Reader) (io.Reader, error) { return gzip.NewReader(r) }

// openDeflate takes both forms that servers send as deflate: zlib's, as the
// standard has it (RFC 9110, section 8.4.1.2), and the bare one.
func openDeflate(r *bytes.Reader) (io.Reader, error) {
	if zr, err := zlib.NewReader(r); err == nil {
		return zr, nil
	}
	_, err := r.Seek(0, io.SeekStart)
	return flate.NewReader(r), err
}
