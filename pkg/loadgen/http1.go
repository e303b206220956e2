package loadgen

import (
	"net"
	"syscall"
	"time"
)

// http1 speaks HTTP/1.1 over a connection.
type http1 struct {
	nc  net.Conn
	raw syscall.RawConn // nil for TLS, and for what is no socket

	// Of the request that is being sent: here, since a closure for each would have to be allocated.
	turn    func(fd uintptr) (done bool)
	answer  *answer
	pending []byte // what is still to be written
	n       int
	err     error
}

func newHTTP1(nc net.Conn) *http1 {
	h := &http1{nc: nc}
	if tcp, ok := nc.(*net.TCPConn); ok && rawSockets {
		h.raw, _ = tcp.SyscallConn() // it only fails for a nil connection
		h.turn = h.writeAndRead
	}
	return h
}

func (h *http1) close() {
	_ = h.nc.Close() // whatever it says, the connection is of no more use
}

// briefly is how long a connection may idle to be taken for alive.
const briefly = 5 * time.Millisecond

func (h *http1) exchange(m *message, a *answer, idle time.Duration) error {
	a.sent = len(m.wire)
	if h.raw != nil && idle < briefly {
		h.pending = m.wire
	} else if _, err := h.nc.Write(m.wire); err != nil {
		return err
	}
	return a.read(h, m.isHead())
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
