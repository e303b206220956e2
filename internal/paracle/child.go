package paracle

import (
	"bufio"
	"context"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"time"
)

// Command is the first argument with which a program is started again as the
// sample API: it hands the rest to [Run].
const Command = "sample-api"

// Child is the command that starts this program again as the sample API on a
// free port of loopback, with further arguments of [Run]. before are the words
// of a command that starts another, such as nice; nil for none.
func Child(ctx context.Context, before []string, args ...string) (*exec.Cmd, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	words := slices.Concat(before, []string{self, Command, "--listen", "127.0.0.1:0", "--exit-with-parent"}, args)
	child := exec.CommandContext(ctx, words[0], words[1:]...) //nolint:gosec // our own words
	child.Stderr = os.Stderr
	return child, nil
}

// Start starts a [Child], or another program that comes to [Run] with
// --exit-with-parent. It ends with stop, or with this process however that ends.
func Start(child *exec.Cmd) (address *url.URL, stop func(), err error) {
	child.Cancel = func() error { return child.Process.Signal(syscall.SIGTERM) }
	child.WaitDelay = 5 * time.Second
	hold, err := child.StdinPipe()
	if err != nil {
		return nil, nil, err
	}
	said, err := child.StdoutPipe()
	if err != nil {
		return nil, nil, err
	}
	if err := child.Start(); err != nil {
		return nil, nil, fmt.Errorf("sample API: %w", err)
	}
	stop = func() {
		_ = hold.Close() //nolint:errcheck // its end is the signal
		_ = child.Wait() //nolint:errcheck // it was told to end
	}
	line, err := bufio.NewReader(said).ReadString('\n')
	text, ok := strings.CutPrefix(strings.TrimSpace(line), "listening on ")
	if err != nil || !ok {
		stop()
		return nil, nil, fmt.Errorf("sample API: it did not start: %q", line)
	}
	address, err = url.Parse(text)
	return address, stop, err
}
