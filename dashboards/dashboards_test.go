package dashboards_test

import (
	"bytes"
	"flag"
	"io/fs"
	"os"
	"testing"

	"github.com/plumbline/plumbline/dashboards"
	"github.com/plumbline/plumbline/pkg/dashboard"
	"github.com/plumbline/plumbline/pkg/promql/catalog"
	"github.com/plumbline/plumbline/pkg/slo"
)

var update = flag.Bool("update", false, "write the dashboards anew")

// TestCommitted holds the files to what would be generated from the example's SLA.
func TestCommitted(t *testing.T) {
	const file = "../examples/paracle/sla.yaml"
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	a, err := slo.Parse(file, text)
	if err != nil {
		t.Fatal(err)
	}
	wanted := map[string]bool{}
	for _, d := range dashboard.All(a, catalog.Presets[0]) {
		wanted[d.File] = true
		want, err := d.JSON()
		if err != nil {
			t.Fatal(err)
		}
		if *update {
			if err := os.WriteFile(d.File, want, 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		got, err := fs.ReadFile(dashboards.Files, d.File)
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s is not what would be generated (%v): run `make golden`", d.File, err)
		}
	}
	there, err := fs.Glob(dashboards.Files, "*")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range there {
		if !wanted[name] {
			t.Errorf("%s is not generated: remove it", name)
		}
	}
}
