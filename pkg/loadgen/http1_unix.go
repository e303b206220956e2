//go:build unix

package loadgen

import (
	"io"
	"net"
	"os"
	"syscall"
)

const rawSockets = true

// writeAndRead is called when the runtime has made ready for news of the
// socket, and again at the news. So it writes at first and reads later: an
// ordinary Read would ask the kernel at once, in vain, since no answer is that
// fast. That the runtime was ready before the write is what makes it safe: the
// news of the answer can't get lost.
func (h *http1) writeAndRead(fd uintptr) (done bool) {
	if len(h.pending) > 0 {
		h.send(int(fd))
		return h.err != nil
	}
	for {
		n, err := rawRead(int(fd), h.answer.space())
		switch {
		case err == syscall.EINTR: //nolint:errorlint // as the kernel gave it
		case err == syscall.EAGAIN: //nolint:errorlint // as the kernel gave it
			h.answer.yield()
			return false
		case err != nil:
			h.err = &net.OpError{Op: "read", Net: "tcp", Source: h.nc.LocalAddr(), Addr: h.nc.RemoteAddr(), Err: os.NewSyscallError("read", err)}
			return true
		case n == 0:
			h.err = io.EOF
			return true
		default:
			h.n = n
			return true
		}
	}
}

// send writes what is pending, and leaves to an upload what the kernel won't take at once.
func (h *http1) send(fd int) {
	wire := h.pending
	h.pending = nil
	n, err := rawWrite(fd, wire)
	switch {
	case n == len(wire):
		h.answer.watch.wrote()
	case err == nil || err == syscall.EAGAIN || err == syscall.EINTR: //nolint:errorlint // as the kernel gave it
		h.startUpload(wire[max(n, 0):], max(n, 0))
	default:
		h.err = writeError(0, &net.OpError{Op: "write", Net: "tcp", Source: h.nc.LocalAddr(), Addr: h.nc.RemoteAddr(), Err: os.NewSyscallError("write", err)})
	}
}
