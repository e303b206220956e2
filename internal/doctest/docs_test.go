//go:build unix

package doctest_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"github.com/plumbline/plumbline/internal/doctest"
)

const root = "../.."

// TestDocuments runs and checks every command that the documents show.
func TestDocuments(t *testing.T) {
	documents := blocks(t, "README.md", "CONTRIBUTING.md", "docs/*.md")
	if len(documents) == 0 {
		t.Skip("no document shows a command")
	}
	bin := build(t)
	makefile, err := os.ReadFile(filepath.Join(root, "Makefile"))
	if err != nil {
		t.Fatal(err)
	}
	usage := doctest.Usage{Targets: doctest.Targets(string(makefile)), Help: help(bin)}
	for file, blocks := range documents {
		t.Run(file, func(t *testing.T) {
			dir := t.TempDir()
			if slices.ContainsFunc(blocks, func(b doctest.Block) bool { return b.Runs }) {
				if err := doctest.Copy(dir, root); err != nil {
					t.Fatal(err)
				}
			}
			for _, b := range blocks {
				if err := usage.Check(b); err != nil {
					t.Error(err)
					continue
				}
				if !b.Runs {
					continue
				}
				if err := b.Run(t.Context(), dir, bin); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

// blocks gives the documents that have blocks of commands.
func blocks(t *testing.T, patterns ...string) map[string][]doctest.Block {
	t.Helper()
	all := map[string][]doctest.Block{}
	for _, p := range patterns {
		names, err := filepath.Glob(filepath.Join(root, p))
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			text, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			file, err := filepath.Rel(root, name)
			if err != nil {
				t.Fatal(err)
			}
			found, err := doctest.Blocks(file, string(text))
			if err != nil {
				t.Error(err)
			}
			if len(found) > 0 {
				all[file] = found
			}
		}
	}
	return all
}

// build builds our programs into a folder of their own.
func build(t *testing.T) string {
	t.Helper()
	bin := t.TempDir()
	cmd := exec.CommandContext(t.Context(), "go", "build", "-buildvcs=false", "-o", bin, "./cmd/...")
	cmd.Dir = root
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return bin
}

func help(bin string) func(string, ...string) (string, error) {
	return func(program string, words ...string) (string, error) {
		var out, trouble bytes.Buffer
		cmd := exec.Command(filepath.Join(bin, program), append(words, "--help")...)
		cmd.Stdout, cmd.Stderr = &out, &trouble
		if err := cmd.Run(); err != nil {
			return "", fmt.Errorf("%s --help: %w: %s", program, err, trouble.String())
		}
		return out.String(), nil
	}
}
