//go:build !unix

package loadgen

// writeAndRead is never called here: connections are no file descriptors.
func (h *http1) writeAndRead(uintptr) bool { return true }

// peerEnded is never called here either.
func peerEnded(uintptr) bool { return false }

const rawSockets = false
