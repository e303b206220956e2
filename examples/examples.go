// Package examples holds the files that the demo needs, so that the analyzer brings them along.
package examples

import "embed"

// Files are the example files, from the folder examples down.
//
//go:embed paracle/scenarios paracle/demo
var Files embed.FS
