// Package dashboards holds the Grafana dashboards of the example service, as
// package dashboard makes them of its SLA.
package dashboards

import "embed"

// Files are the dashboards, one JSON model each.
//
//go:embed *.json
var Files embed.FS
