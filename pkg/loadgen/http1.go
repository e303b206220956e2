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
	ended  bool // what look saw

	// Of the request that is being sent: here, since a closure for each would have to be allocated.
	turn    func(fd uintptr) (done bool)
	answer  *answer
	pending []byte // what is still to be written
	n       int
	err     error
}

func newHTTP1(nc net.Conn) *http1 {
	h := &http1{nc: nc}
	if tcp, ok := socketOf(nc).(*net.TCPConn); ok && rawSockets {
		h.socket, _ = tcp.SyscallConn() // it only fails for a nil connection
		h.look = func(fd uintptr) { h.ended = peerEnded(fd) }
	}
	if socketOf(nc) == nc && h.socket != nil {
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
	if idle >= briefly && h.closedWhileIdle() {
		return errUnsent
	}
	a.sent = len(m.wire)
	if h.raw != nil {
		h.pending = m.wire
	} else {
		if n, err := h.nc.Write(m.wire); err != nil {
			return writeError(n, err)
		}
		a.watch.wrote()
	}
	err := a.read(h, m.isHead())
	if errors.Is(err, io.EOF) {
		return errDropped
	}
	return err
}

// closedWhileIdle asks the kernel whether the server has closed the connection,
// which after a pause takes the place of a read in vain.
func (h *http1) closedWhileIdle() bool {
	if h.socket == nil {
		return false
	}
	h.ended = false
	err := h.socket.Control(h.look)
	return err != nil || h.ended
}

// writeError is the error of a write that took n bytes.
func writeError(n int, err error) error {
	if n == 0 && closedByPeer(err) {
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
