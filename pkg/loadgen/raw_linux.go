//go:build !race

package loadgen

import (
	"syscall"
	"unsafe"
)

// rawRead and rawWrite are for sockets and timers that never block. Go's own
// calls tell the scheduler that they may, which wakes its monitor out of deep
// sleep; for milliseconds after a pause that one then looks in every few tens of
// microseconds, and takes a seventh of the core just when a backlog is to be worked off.
func rawRead(fd int, to []byte) (int, error)    { return rawCall(syscall.SYS_READ, fd, to) }
func rawWrite(fd int, from []byte) (int, error) { return rawCall(syscall.SYS_WRITE, fd, from) }

func rawCall(number uintptr, fd int, b []byte) (int, error) {
	n, _, errno := syscall.RawSyscall(number, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b))) //nolint:gosec // the kernel takes an address
	if errno != 0 {
		return -1, errno
	}
	return int(n), nil
}
