package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/plumbline/plumbline/pkg/loadgen"
)

// The target runs on one core, what sends the load on another.
const (
	targetCore    = "0"
	generatorCore = "1"
)

// startTarget starts a target and gives its URL. C is the epoll target in C, where there is one.
func (h *harness) startTarget(ctx context.Context, args ...string) (url string, stop func(), err error) {
	port, err := freePort()
	if err != nil {
		return "", nil, err
	}
	command := []string{"taskset", "-c", targetCore}
	if h.epollTarget != "" && len(args) == 0 {
		command = append(command, h.epollTarget, port)
	} else {
		command = append(append(command, h.self, "target", "--port", port), args...)
	}
	cmd := exec.CommandContext(ctx, command[0], command[1:]...) //nolint:gosec // our own words
	if err := cmd.Start(); err != nil {
		return "", nil, fmt.Errorf("target: %w", err)
	}
	stop = func() {
		_ = cmd.Process.Kill() // it runs until then
		_ = cmd.Wait()         // and says so
	}
	url = "http://127.0.0.1:" + port
	if len(args) > 0 {
		time.Sleep(300 * time.Millisecond) // its clock starts with the first request: ask nothing
		return url, stop, nil
	}
	if err := reachable(url); err != nil {
		stop()
		return "", nil, fmt.Errorf("target: %w", err)
	}
	return url, stop, nil
}

// keepAwake keeps both cores from sleeping until stop, with loops that run when
// nothing else wants to. A virtual core takes milliseconds to come back to its
// speed from sleep, whoever asks for it.
func keepAwake(ctx context.Context) (stop func(), err error) {
	ctx, cancel := context.WithCancel(ctx)
	var loops []*exec.Cmd
	stop = func() {
		cancel()
		for _, loop := range loops {
			_ = loop.Wait() // it was killed
		}
	}
	for _, core := range []string{targetCore, generatorCore} {
		loop := exec.CommandContext(ctx, "chrt", "--idle", "0", "taskset", "-c", core, "sh", "-c", "while :; do :; done") //nolint:gosec // our own words
		if err := loop.Start(); err != nil {
			stop()
			return nil, err
		}
		loops = append(loops, loop)
	}
	return stop, nil
}

func freePort() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		return "", err
	}
	return port, l.Close()
}

// A usage is what a process cost.
type usage struct {
	cpu    time.Duration
	stdout string
}

// pinned runs a command on the generator's core until it ends.
func pinned(ctx context.Context, watch func(pid int), command ...string) (usage, error) {
	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, "taskset", append([]string{"-c", generatorCore}, command...)...) //nolint:gosec // our own words
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Start(); err != nil {
		return usage{}, err
	}
	if watch != nil {
		watching, stop := context.WithCancel(ctx)
		done := make(chan struct{})
		go func() {
			defer close(done)
			for watching.Err() == nil {
				watch(cmd.Process.Pid)
				select {
				case <-watching.Done():
				case <-time.After(time.Second):
				}
			}
		}()
		defer func() { stop(); <-done }()
	}
	err := cmd.Wait()
	used := usage{cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime(), stdout.String()}
	if code := cmd.ProcessState.ExitCode(); err != nil && code != 3 { // 3: its core was busy, as it should be
		return used, fmt.Errorf("%s: %w\n%s", filepath.Base(command[0]), err, stderr.String())
	}
	return used, nil
}

// A sent load is a run of loadgen.
type sentLoad struct {
	loadgen.Summary
	cpu time.Duration
}

func (s sentLoad) cpuPerRequest() float64 { return s.cpu.Seconds() / float64(s.Requests) }

// send runs loadgen as a user does: with its metrics served, and recorded each second; extra are further flags.
func (h *harness) send(ctx context.Context, url, scenario, profile string, watch func(pid int), extra ...string) (sentLoad, error) {
	results := filepath.Join(h.dir, "results")
	defer func() { _ = os.RemoveAll(results) }() // it goes with its parent
	used, err := pinned(ctx, watch, append([]string{h.loadgen, "run", filepath.Join(h.dir, scenario+".yaml"),
		"--profiles", filepath.Join(h.dir, "profiles.yaml"), "--profile", profile, "--target", url, "--results", results, "--summary", "-"}, extra...)...)
	if err != nil {
		return sentLoad{}, err
	}
	s := sentLoad{cpu: used.cpu}
	if err := json.Unmarshal([]byte(used.stdout), &s.Summary); err != nil {
		return s, fmt.Errorf("summary: %w", err)
	}
	if s.Failures > 0 {
		return s, fmt.Errorf("%d of %d requests failed", s.Failures, s.Requests)
	}
	return s, nil
}

// residentBytes is the resident memory of a process; 0 when it has gone.
func residentBytes(pid int) float64 {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/status")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(text)) {
		if fields := strings.Fields(line); len(fields) >= 2 && fields[0] == "VmRSS:" {
			kilobytes, err := strconv.ParseFloat(fields[1], 64)
			if err == nil {
				return kilobytes * 1024
			}
		}
	}
	return 0
}
