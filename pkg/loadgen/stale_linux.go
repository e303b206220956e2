package loadgen

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// isStale reports whether the peer of a socket will send no more than what
// has arrived, and with plain, also whether anything has: under TLS its tickets may lie there.
func isStale(fd uintptr, plain bool) bool {
	gone := int16(unix.POLLRDHUP | unix.POLLHUP | unix.POLLERR)
	if plain {
		gone |= unix.POLLIN
	}
	p, atOnce := unix.PollFd{Fd: int32(fd), Events: gone}, unix.Timespec{}
	_, _, errno := syscall.RawSyscall6(syscall.SYS_PPOLL, uintptr(unsafe.Pointer(&p)), 1, uintptr(unsafe.Pointer(&atOnce)), 0, 0, 0) //nolint:gosec // the kernel takes addresses
	return errno == 0 && p.Revents&gone != 0
}
