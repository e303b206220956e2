//go:build unix && !linux

package loadgen

import "syscall"

// isStale reports whether the peer of a socket will send no more, and all it
// has sent was read. What was not read yet hides it: with plain it is as bad,
// under TLS its tickets may lie there.
func isStale(fd uintptr, plain bool) bool {
	n, _, err := syscall.Recvfrom(int(fd), make([]byte, 1), syscall.MSG_PEEK)
	return err == nil && (n == 0 || plain)
}
