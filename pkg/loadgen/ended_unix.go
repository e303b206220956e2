//go:build unix && !linux

package loadgen

import "syscall"

// peerEnded reports whether the peer of a socket will send no more, and all it
// has sent was read. What was not read yet, tickets of TLS, hides it.
func peerEnded(fd uintptr) bool {
	n, _, err := syscall.Recvfrom(int(fd), make([]byte, 1), syscall.MSG_PEEK)
	return n == 0 && err == nil
}
