package rules_test

import (
	"bytes"
	"flag"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	embedded "github.com/plumbline/plumbline/rules"

	"github.com/plumbline/plumbline/pkg/rules"
	"github.com/plumbline/plumbline/pkg/slo"
)

var update = flag.Bool("update", false, "write the rules, their tests and docs/alerts.md anew")

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
	set, err := rules.Make(a, rules.Options{})
	if err != nil {
		t.Fatal(err)
	}
	files, err := set.Files()
	if err != nil {
		t.Fatal(err)
	}
	wanted := map[string]bool{"tests": true}
	for _, f := range append(files, rules.File{Name: "../docs/alerts.md", Text: []byte(set.Document())}) {
		wanted[f.Name] = true
		if *update {
			if err := os.WriteFile(f.Name, f.Text, 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if got, err := os.ReadFile(f.Name); err != nil || !bytes.Equal(got, f.Text) {
			t.Errorf("%s is not what would be generated (%v): run `make golden`", f.Name, err)
		}
	}
	for _, pattern := range []string{"*", "tests/*"} {
		there, err := fs.Glob(embedded.Files, pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range there {
			if !wanted[name] {
				t.Errorf("%s is not generated: remove it", name)
			}
		}
	}
}

// TestWithPromtool lets Prometheus' own tool check the rules and run their tests.
func TestWithPromtool(t *testing.T) {
	promtool, err := exec.LookPath("promtool")
	if err != nil {
		if os.Getenv("PLUMBLINE_REQUIRE_SERVERS") != "" {
			t.Fatal(err)
		}
		t.Skip("promtool is not installed, so the rules' own tests don't run")
	}
	for _, c := range []struct{ verb, pattern string }{{"check", "*.yaml"}, {"test", "tests/*.yaml"}} {
		files, err := filepath.Glob(c.pattern)
		if err != nil || len(files) == 0 {
			t.Fatalf("got no files %s: %v", c.pattern, err)
		}
		for _, file := range files {
			t.Run(c.verb+" "+file, func(t *testing.T) {
				t.Parallel()
				if out, err := exec.CommandContext(t.Context(), promtool, c.verb, "rules", file).CombinedOutput(); err != nil {
					t.Errorf("promtool %s rules %s: %v\n%s", c.verb, file, err, out)
				}
			})
		}
	}
}
