package loadgen

import (
	"errors"
	"io"
	"net"
	"syscall"
	"time"
)

// http1 speaks HTTP/1.1 over a connection.
type http1 struct {
	nc     net.Conn
	socket syscall.RawConn // under TLS as well; nil for what is no socket
	raw    syscall.RawConn // the socket that is read and written here, past the runtime; nil for TLS
	look   func(fd uintptr)
	stale  bool // what look saw
	used   bool // a request has been answered on it

	// Of the request that is being sent: here, since a closure for each would have to be allocated.
	turn    func(fd uintptr) (done bool)
	answer  *answer
	pending []byte  // what is still to be written
	upload  *upload // nil for a request that could be written at once
	n       int
	err     error
}

func newHTTP1(nc net.Conn) *http1 {
	h := &http1{nc: nc}
	tcp, isTCP := socketOf(nc).(*net.TCPConn)
	if !isTCP || !rawSockets {
		return h
	}
	h.socket, _ = tcp.SyscallConn() // it only fails for a nil connection
	plain := nc == net.Conn(tcp)
	h.look = func(fd uintptr) { h.stale = isStale(fd, plain) }
	if plain {
		h.raw, h.turn = h.socket, h.writeAndRead
	}
	return h
}

func (h *http1) close() {
	_ = h.nc.Close() // whatever it says, the connection is of no more use
}

// briefly is how long a connection may idle to be taken for alive: no server
// closes one so soon for being idle.
const briefly = 5 * time.Millisecond

func (h *http1) exchange(m *message, a *answer, idle time.Duration) error {
	if idle >= briefly && h.staleAfterIdling() {
		return h.unsent(a)
	}
	a.sent = len(m.wire)
	if h.raw != nil {
		h.pending = m.wire
	} else if err := h.write(m.wire, a); err != nil {
		return err
	}
	err := a.read(h, m.isHead())
	if h.upload != nil {
		err = h.endUpload(a, err)
	}
	h.used = true
	if errors.Is(err, io.EOF) {
		return errDropped
	}
	return err
}

// staleAfterIdling asks the kernel whether the server has closed the connection,
// which after a pause takes the place of a read in vain. Without TLS, a server
// that has said something is as bad: nobody has asked it anything.
func (h *http1) staleAfterIdling() bool {
	if h.socket == nil {
		return false
	}
	h.stale = false
	err := h.socket.Control(h.look)
	return err != nil || h.stale
}

// unsent is the error of a request for which the connection is stale. A server
// that speaks before the first one may speak another protocol: that is told.
func (h *http1) unsent(a *answer) error {
	if h.raw != nil && !h.used {
		if err := a.read(readerSource{h.nc}, false); err != nil && !closedByPeer(err) {
			return err
		}
	}
	return errUnsent
}

// atOnce is how much any connection takes without waiting for the server to read.
const atOnce = 16 << 10

// write writes a request before its answer is read, but for a large one.
func (h *http1) write(wire []byte, a *answer) error {
	if len(wire) > atOnce {
		h.startUpload(wire, 0)
		return nil
	}
	if n, err := h.nc.Write(wire); err != nil {
		return writeError(n, err)
	}
	a.watch.wrote()
	return nil
}

// writeError is the error of a write that took n bytes.
func writeError(n int, err error) error {
	if n == 0 && closedByPeer(err) {
		return errUnsent
	}
	return err
}

// An upload writes a large request while its answer is awaited: a server may
// answer before it has read all, and close.
type upload struct {
	ended chan struct{}
	taken int // bytes, by the connection
	err   error
	at    time.Time // of its end
}

// startUpload writes the rest of a request, of which some bytes have been taken already.
func (h *http1) startUpload(rest []byte, taken int) {
	u := &upload{ended: make(chan struct{}), taken: taken}
	h.upload = u
	go func() {
		defer close(u.ended)
		n, err := h.nc.Write(rest)
		u.taken, u.err, u.at = u.taken+n, err, time.Now()
	}()
}

// endUpload ends the upload, whose answer has come or failed with an error, and
// gives the error of both. A request that was answered is one without error.
func (h *http1) endUpload(a *answer, err error) error {
	u := h.upload
	h.upload = nil
	_ = h.nc.SetWriteDeadline(time.Unix(1, 0)) // ends a write that waits, and none that has been done
	<-u.ended
	a.sent = u.taken
	a.watch.wroteAt(u.at)
	if u.err == nil {
		_ = h.nc.SetWriteDeadline(time.Time{}) // if it fails, so does the next write
		return err
	}
	a.close = true
	_ = socketOf(h.nc).Close() // TLS would wait to say goodbye
	if err != nil && u.taken == 0 && closedByPeer(u.err) {
		return errUnsent
	}
	return err
}

// readInto is for [source]. The first read of an answer sends the request as well.
func (h *http1) readInto(a *answer) (int, error) {
	if h.raw == nil {
		return h.nc.Read(a.space())
	}
	h.answer, h.n, h.err = a, 0, nil
	err := h.raw.Read(h.turn)
	h.answer, h.pending = nil, nil
	if err != nil {
		return 0, err
	}
	return h.n, h.err
}
