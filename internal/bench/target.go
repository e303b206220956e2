package main

import (
	"bytes"
	"fmt"
	"net/http"
	"time"

	"github.com/spf13/cobra"
)

// body is what every target answers: that of the epoll target in C, so that both cost the same.
const body = `{"id":12345,"name":"widget","price":9.99,"stock":42,"tags":["a","b","c"]}`

var answer = fmt.Appendf(nil, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nDate: Mon, 02 Jan 2006 15:04:05 GMT\r\nContent-Length: %d\r\n\r\n%s", len(body), body)

// A target is an HTTP server of one thread that does as little as can be, so
// that the generator is what limits a measurement.
type target struct {
	work   time.Duration // processor time spent on each request
	freeze freeze
}

// A freeze is a stretch of time, from the first request on, in which nothing is answered; it comes again and again.
type freeze struct {
	every, length, first time.Duration
}

// left is how long the target stays frozen.
func (f freeze) left(sinceFirst time.Duration) time.Duration {
	if f.every == 0 || sinceFirst < f.first {
		return 0
	}
	return max(f.length-(sinceFirst-f.first)%f.every, 0)
}

func newTargetCommand() *cobra.Command {
	var t target
	var port int
	cmd := &cobra.Command{
		Use: "target", Short: "Serve one fixed answer", Args: cobra.NoArgs, Hidden: true,
		RunE: func(cmd *cobra.Command, _ []string) error { return t.serve(cmd.Context(), port) },
	}
	fs := cmd.Flags()
	fs.IntVar(&port, "port", 0, "`port` on loopback")
	fs.DurationVar(&t.work, "work", 0, "processor `time` spent on each request")
	fs.DurationVar(&t.freeze.length, "freeze", 0, "how `long` it freezes")
	fs.DurationVar(&t.freeze.every, "every", 10*time.Second, "how `often` it freezes")
	fs.DurationVar(&t.freeze.first, "after", 5*time.Second, "`time` from the first request to the first freeze")
	cmd.PreRun = func(*cobra.Command, []string) {
		if t.freeze.length == 0 {
			t.freeze = freeze{}
		}
	}
	return cmd
}

var headEnd = []byte("\r\n\r\n")

// requestsIn counts the requests that end in what was read, tail being the
// last bytes before it. A body may follow a request's head; no body holds an
// empty line.
func requestsIn(tail, read []byte) (n int, newTail []byte) {
	all := read
	if len(tail) > 0 {
		all = append(tail, read...)
	}
	n = bytes.Count(all, headEnd)
	rest := all
	if i := bytes.LastIndex(all, headEnd); i >= 0 {
		rest = all[i+len(headEnd):]
	}
	return n, append(tail[:0], rest[max(0, len(rest)-len(headEnd)+1):]...)
}

func burn(d time.Duration) {
	for from := time.Now(); time.Since(from) < d; { //nolint:revive // busy on purpose: it stands for the work of a real service
	}
}

// reachable waits until a target answers.
func reachable(url string) error {
	client := http.Client{Timeout: time.Second}
	var err error
	for range 100 {
		var resp *http.Response
		if resp, err = client.Get(url); err == nil {
			return resp.Body.Close()
		}
		time.Sleep(20 * time.Millisecond)
	}
	return err
}
