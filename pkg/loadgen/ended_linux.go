package loadgen

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// peerEnded reports whether the peer of a socket will send no more than what
// has arrived, also where that hasn't been read: tickets of TLS may lie there.
func peerEnded(fd uintptr) bool {
	const gone = unix.POLLRDHUP | unix.POLLHUP | unix.POLLERR
	p, atOnce := unix.PollFd{Fd: int32(fd), Events: unix.POLLRDHUP}, unix.Timespec{}
	_, _, errno := syscall.RawSyscall6(syscall.SYS_PPOLL, uintptr(unsafe.Pointer(&p)), 1, uintptr(unsafe.Pointer(&atOnce)), 0, 0, 0) //nolint:gosec // the kernel takes addresses
	return errno == 0 && p.Revents&gone != 0
}
