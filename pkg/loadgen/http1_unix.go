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
		h.write(int(fd))
		h.answer.watch.wrote()
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

// write writes what is pending, and waits where the kernel won't take it all at once.
func (h *http1) write(fd int) {
	n, err := rawWrite(fd, h.pending)
	if err == nil && n == len(h.pending) {
		h.pending = nil
		return
	}
	taken := max(n, 0)
	rest := h.pending[taken:]
	h.pending = nil
	if n, err = h.nc.Write(rest); err != nil { // which names the error as well
		h.err = writeError(taken+n, err)
	}
}
