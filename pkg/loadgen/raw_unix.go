//go:build unix && (!linux || race)

package loadgen

import "syscall"

// The race detector knows what these order, between the ends of a socket in one process.
func rawRead(fd int, to []byte) (int, error)    { return syscall.Read(fd, to) }
func rawWrite(fd int, from []byte) (int, error) { return syscall.Write(fd, from) }
