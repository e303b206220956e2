package paracle

import (
	"bufio"
	"fmt"
	"net/url"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// Start starts the sample API, or a front of it, as a child: a command of this
// or another program that comes to [Run] with --exit-with-parent among its
// arguments. The child ends with stop, or with this process however that ends.
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
