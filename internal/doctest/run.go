//go:build unix

package doctest

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// patience is how long one block may take.
const patience = 3 * time.Minute

// Run runs the commands of a console block in a folder, as one script, so that
// a variable set by one command is there for the next. bin goes in front of
// PATH. What the block leaves running is ended with it.
func (b Block) Run(ctx context.Context, dir, bin string) error {
	ctx, stop := context.WithTimeout(ctx, patience)
	defer stop()
	output, err := os.CreateTemp("", "doctest")
	if err != nil {
		return err
	}
	defer func() { _, _ = output.Close(), os.Remove(output.Name()) }()

	// What runs at the end of a script writes the line of its last command there.
	last, end, err := os.Pipe()
	if err != nil {
		return err
	}
	defer func() { _ = last.Close() }()
	cmd := exec.CommandContext(ctx, "bash", "-c", b.script())
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "PATH="+bin+string(filepath.ListSeparator)+os.Getenv("PATH"), "NO_COLOR=1")
	cmd.Stdout, cmd.Stderr = output, output
	cmd.ExtraFiles = []*os.File{end}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	err = cmd.Run()
	_ = end.Close()
	if cmd.Process != nil {
		// An error means that nothing was left.
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
	}
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return fmt.Errorf("%s:%d: %w", b.File, b.Line, err)
	}
	if ctx.Err() != nil {
		return fmt.Errorf("%s:%d: the block did not end within %v", b.File, b.Line, patience)
	}
	var at int
	if _, err := fmt.Fscan(last, &at); err != nil {
		return fmt.Errorf("%s:%d: the block ended without saying where: %w", b.File, b.Line, err)
	}
	return b.judge(at, cmd.ProcessState.ExitCode(), output.Name())
}

// busy passes over loadgen's exit code 3: that the machine was too busy for its
// load to be trusted says nothing about a document.
const busy = "loadgen() { command loadgen \"$@\" || { code=$?; test $code = 3 || return $code; }; }\n"

// script is the block as bash runs it: it ends at the first command that fails.
func (b Block) script() string {
	var s strings.Builder
	s.WriteString("set -euo pipefail\ntrap 'echo $doctest_line >&3' EXIT\n" + busy)
	fmt.Fprintf(&s, "doctest_line=%d\n", b.Line)
	for _, c := range b.Commands {
		if !isMake(c.Text) {
			fmt.Fprintf(&s, "doctest_line=%d\n%s\n", c.Line, c.Text)
		}
	}
	return s.String()
}

// judge holds the exit code of a block, and the line where it ended, against
// what the block says of them.
func (b Block) judge(at, code int, output string) error {
	ending := b.Line
	for _, c := range b.Commands {
		if !isMake(c.Text) {
			ending = c.Line
		}
	}
	if code == b.Exit && at == ending {
		return nil
	}
	text, err := os.ReadFile(output)
	if err != nil {
		return err
	}
	return fmt.Errorf("%s:%d: got exit code %d, want %d of line %d\n%s", b.File, at, code, b.Exit, ending, text)
}

// notCopied are folders of the root that documents don't speak of.
var notCopied = []string{".git", ".bin", "bin", "results"}

// Copy copies a tree for documents to run in.
func Copy(to, from string) error {
	return filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		for _, skip := range notCopied {
			if name == skip && d.IsDir() {
				return fs.SkipDir
			}
		}
		target := filepath.Join(to, name)
		switch {
		case d.IsDir():
			return os.MkdirAll(target, 0o755)
		case !d.Type().IsRegular():
			return nil
		}
		return copyFile(target, path)
	})
}

func copyFile(to, from string) error {
	info, err := os.Stat(from)
	if err != nil {
		return err
	}
	text, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, text, info.Mode().Perm())
}
