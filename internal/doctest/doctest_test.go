//go:build unix

package doctest_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/plumbline/plumbline/internal/doctest"
)

const document = "# Title\n" + // line 1
	"```console\n" +
	"$ analyzer demo\n" +
	"run 1 of 6\n" +
	"$ analyzer report \\\n" +
	">   --run X\n" +
	"```\n" +
	"```yaml\n$ not a command\n```\n" +
	"  ```console exit=1\n  $ false\n  ```\n" +
	"```sh\n# a comment\nmake demo\n\nloadgen run a.yaml \\\n  --profile peak\n```\n" +
	"````\n```sh\nmake nothing\n```\n````\n"

func TestBlocks(t *testing.T) {
	got, err := doctest.Blocks("README.md", document)
	if err != nil {
		t.Fatal(err)
	}
	want := []doctest.Block{
		{File: "README.md", Line: 2, Runs: true, Commands: []doctest.Command{{Line: 3, Text: "analyzer demo"}, {Line: 5, Text: "analyzer report   --run X"}}},
		{File: "README.md", Line: 11, Runs: true, Exit: 1, Commands: []doctest.Command{{Line: 12, Text: "false"}}},
		{File: "README.md", Line: 14, Commands: []doctest.Command{{Line: 16, Text: "make demo"}, {Line: 18, Text: "loadgen run a.yaml --profile peak"}}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestBlocksThatCannotBeRead(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"a block without an end", "text\n```sh\nmake demo\n", "README.md:2: block ``` is never closed"},
		{"an unknown option", "```console exits=1\n```\n", `README.md:1: console block: option "exits=1": want exit=CODE`},
		{"a code that is no number", "```console exit=no\n```\n", `README.md:1: console block: option "exit=no": want exit=CODE`},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := doctest.Blocks("README.md", c.text)
			if err == nil || err.Error() != c.want {
				t.Errorf("got %v, want %s", err, c.want)
			}
		})
	}
}

// block reads a document that is one block.
func block(t *testing.T, info, body string) doctest.Block {
	t.Helper()
	blocks, err := doctest.Blocks("README.md", "```"+info+"\n"+body+"\n```\n")
	if err != nil || len(blocks) != 1 {
		t.Fatalf("got %d blocks and %v, want one", len(blocks), err)
	}
	return blocks[0]
}

func TestRun(t *testing.T) {
	bin := t.TempDir()
	program := "#!/bin/sh\necho ran analyzer \"$@\"; exit ${1:-0}\n"
	for _, name := range []string{"analyzer", "loadgen"} {
		if err := os.WriteFile(filepath.Join(bin, name), []byte(program), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct{ name, info, body, want string }{
		{"success", "console", "$ analyzer 0\noutput", ""},
		{"a variable goes from line to line", "console", "$ x=1\n$ test $x = 1", ""},
		{"make is not run", "console", "$ make no-such-target", ""},
		{"the code that was asked for", "console exit=3", "$ true\n$ analyzer 3", ""},
		{"a load that a busy machine can't be trusted with", "console", "$ loadgen 3\n$ true", ""},
		{"another failure of loadgen", "console", "$ loadgen 2\n$ true", "README.md:2: got exit code 2, want 0 of line 3\nran analyzer 2\n"},
		{"what is left running is ended", "console", "$ sleep 600 &\n$ true", ""},
		{"a failure", "console", "$ analyzer 1\n$ true", "README.md:2: got exit code 1, want 0 of line 3\nran analyzer 1\n"},
		{"a failure in a pipe", "console", "$ analyzer 2 | cat", "README.md:2: got exit code 2, want 0 of line 2\nran analyzer 2\n"},
		{"another code", "console exit=1", "$ analyzer 2", "README.md:2: got exit code 2, want 1 of line 2\nran analyzer 2\n"},
		{"success where a failure is shown", "console exit=1", "$ true", "README.md:2: got exit code 0, want 1 of line 2\n"},
		{"the right code too early", "console exit=1", "$ false\n$ true", "README.md:2: got exit code 1, want 1 of line 3\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var got string
			if err := block(t, c.info, c.body).Run(t.Context(), t.TempDir(), bin); err != nil {
				got = err.Error()
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

const helpOfAnalyzer = `Reports on load tests

Usage:
  analyzer [command]

Available Commands:
  completion  Generate the autocompletion script
  report      Report on a run
  runs        The runs

Flags:
      --results folder   where
`

const helpOfRuns = `Usage:
  analyzer runs [command]

Available Commands:
  list        List them

Global Flags:
      --results folder   where
`

const helpOfReport = `Usage:
  analyzer report [flags]

Flags:
  -f, --format strings   of md, html
      --run ID           which

Global Flags:
      --results folder   where
      --web.config file  how
`

func fakeHelp(program string, words ...string) (string, error) {
	switch strings.Join(append([]string{program}, words...), " ") {
	case "analyzer":
		return helpOfAnalyzer, nil
	case "analyzer runs":
		return helpOfRuns, nil
	case "analyzer report", "analyzer runs list", "loadgen":
		return helpOfReport, nil
	}
	return "", errors.New("no such program")
}

func TestCheck(t *testing.T) {
	usage := doctest.Usage{Help: fakeHelp, Targets: doctest.Targets("VERSION := 1\nA ?= x\n.PHONY: demo\nbuild demo: x ## y\n\tgo: z\nbin/a:\n")}
	for _, c := range []struct{ line, want string }{
		{"analyzer report --run X --format md,html", ""},
		{"analyzer report --run=X -f md > out.md", ""},
		{"analyzer --results there runs list", ""},
		{"A=1 bin/analyzer report --web.config x | less -R", ""},
		{"analyzer --help", ""},
		{"analyzer report --run X -- --rnu", ""},
		{"analyzer --version", ""},
		{"kubectl apply --wrong", ""},
		{"make build && ./bin/analyzer report", ""},
		{"make -j2 demo bin/a X=1  # twice", ""},
		{"echo 'analyzer reprot; make nothing'", ""},
		{"make tset", `make tset: the Makefile has no target "tset"`},
		{"make VERSION", `make VERSION: the Makefile has no target "VERSION"`},
		{"make go", `make go: the Makefile has no target "go"`},
		{"analyzer reprot --run X", `analyzer reprot --run X: analyzer has no command "reprot"`},
		{"analyzer runs lsit", `analyzer runs lsit: analyzer runs has no command "lsit"`},
		{"analyzer report --rnu X", "analyzer report --rnu X: analyzer report has no flag --rnu"},
		{"true; analyzer report -x", "analyzer report -x: analyzer report has no flag -x"},
		{"loadgen --run X && loadgen --rum X", "loadgen --rum X: loadgen has no flag --rum"},
	} {
		t.Run(c.line, func(t *testing.T) {
			var got string
			if err := usage.Check(block(t, "sh", c.line)); err != nil {
				got = err.Error()
			}
			want := c.want
			if want != "" {
				want = fmt.Sprintf("README.md:2: %s", want)
			}
			if got != want {
				t.Errorf("got  %s\nwant %s", got, want)
			}
		})
	}
}

func TestCopy(t *testing.T) {
	from, to := t.TempDir(), t.TempDir()
	for _, name := range []string{"README.md", "bin/analyzer", ".git/HEAD", "examples/results/run.json", "results/old"} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(from, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(from, name), []byte(name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := doctest.Copy(to, from); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]bool{"README.md": true, "bin/analyzer": false, ".git/HEAD": false, "examples/results/run.json": true, "results/old": false} {
		_, err := os.Stat(filepath.Join(to, name))
		if got := err == nil; got != want {
			t.Errorf("%s: got %v, want %v", name, got, want)
		}
	}
}
