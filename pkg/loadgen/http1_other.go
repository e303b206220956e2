//go:build !unix

package loadgen

// writeAndRead is never called here: connections are no file descriptors.
func (h *http1) writeAndRead(uintptr) bool { return true }

// isStale is never called here either.
func isStale(uintptr, bool) bool { return false }

const rawSockets = false
