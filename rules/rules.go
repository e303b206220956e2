// Package rules holds the Prometheus rules of the example service, and their
// tests for promtool, as package rules of the library makes them of its SLA.
package rules

import "embed"

// Files are the rules, and under tests what promtool test rules reads.
//
//go:embed *.yaml tests/*.yaml
var Files embed.FS
