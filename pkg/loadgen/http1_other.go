//go:build !unix

package loadgen

// writeAndRead is never called here: connections are no file descriptors.
func (h *http1) writeAndRead(uintptr) bool { return true }

const rawSockets = false
