package loadgen

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// A protocol sends a request over an open connection and reads the answer: HTTP/1.1 or HTTP/2.
type protocol interface {
	// exchange counts the answer's bytes even if it fails. idle is how long the
	// connection has had nothing to do. The error is errUnsent when the server
	// had closed the connection before anything was sent.
	exchange(m *message, a *answer, idle time.Duration) error
	close()
}

// A link is one user's connection to one origin: opened when needed, kept
// alive, and opened again when the server has closed it. One goroutine uses
// it; the fleet may interrupt it.
type link struct {
	fleet    *fleet
	dialer   *dialer
	protocol protocol // nil while not connected
	lastUse  time.Duration
	opening  Phases // of the connection, until a request has been made on it

	// overdue is when the request under way has lasted too long, since the
	// fleet's epoch; 0 when there is none, expired when it has. It takes the place of a deadline
	// on the socket, which would cost a timer for every request.
	overdue atomic.Int64

	mu      sync.Mutex // guards what the fleet and the user both touch
	socket  net.Conn
	aborted bool
}

const expired = -1

var (
	errUnsent  error = connectError{err: errors.New("the connection was closed before the request was sent")}
	errDropped       = fmt.Errorf("the connection was closed before any answer: %w", io.EOF)
)

// do sends a whole request and reads its answer. A kept connection that the
// server closed while it was idle is opened again; what has been sent is never
// sent again, whatever its method: the server may have done it, and that no
// answer came is what is measured. start, since the fleet's epoch, is when the
// timeout began.
func (l *link) do(ctx context.Context, m *message, a *answer, start, timeout time.Duration) error {
	a.reset()
	a.watch.begin()
	deadline := int64(start + timeout)
	l.overdue.Store(deadline)
	reused := l.protocol != nil
	err := l.try(ctx, m, a, start, timeout)
	if reused && errors.Is(err, errUnsent) && l.overdue.Load() != expired {
		err = l.try(ctx, m, a, start, timeout)
	}
	a.watch.end(l.opening)
	l.opening = Phases{}
	if !l.overdue.CompareAndSwap(deadline, 0) {
		l.overdue.Store(0)
		l.close()
		return os.ErrDeadlineExceeded
	}
	return err
}

func (l *link) try(ctx context.Context, m *message, a *answer, start, timeout time.Duration) error {
	if l.protocol == nil {
		err := l.openWithin(ctx, start+timeout-l.fleet.now())
		if l.overdue.Load() == expired || l.fleet.now() >= start+timeout { // nobody would interrupt what is sent now
			return os.ErrDeadlineExceeded
		}
		if err != nil {
			return err
		}
	}
	a.reset()
	a.watch.connected()
	err := l.protocol.exchange(m, a, start-l.lastUse)
	if err != nil || a.close {
		l.close()
	}
	return err
}

func closedByPeer(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.ErrClosedPipe) ||
		errors.Is(err, net.ErrClosed) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

func (l *link) openWithin(ctx context.Context, left time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, left)
	defer cancel()
	return l.open(ctx)
}

// open connects, when the link isn't connected. It does so on a goroutine of
// its own: that needs a large stack, which would stay with the user.
func (l *link) open(ctx context.Context) error {
	if l.protocol != nil {
		return nil
	}
	failed := make(chan error)
	go func() { failed <- l.connect(ctx) }()
	return <-failed
}

func (l *link) connect(ctx context.Context) error {
	nc, isHTTP2, opening, err := l.dialer.connect(ctx)
	if err != nil {
		return err
	}
	var p protocol = newHTTP1(nc)
	if isHTTP2 {
		if p, err = newHTTP2(ctx, nc, l.dialer); err != nil {
			_ = nc.Close() // the error before is the cause
			return connectError{err: err}
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.aborted {
		p.close()
		return connectError{err: context.Canceled}
	}
	l.socket, l.protocol, l.opening = socketOf(nc), p, opening
	return nil
}

// socketOf is what lies under TLS: closing that waits for nothing.
func socketOf(nc net.Conn) net.Conn {
	for {
		secure, ok := nc.(*tls.Conn)
		if !ok {
			return nc
		}
		nc = secure.NetConn()
	}
}

func (l *link) close() {
	p := l.protocol
	l.mu.Lock()
	l.socket, l.protocol = nil, nil
	l.mu.Unlock()
	if p != nil {
		p.close()
	}
}

// abort ends the request that is on its way, and every later one.
func (l *link) abort() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.aborted = true
	if l.socket != nil {
		_ = l.socket.Close() // whatever it says, the connection is of no more use
	}
}

// expire ends the request that is on its way, when it is overdue.
func (l *link) expire(now time.Duration) {
	if due := l.overdue.Load(); due <= 0 || due > int64(now) || !l.overdue.CompareAndSwap(due, expired) {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.socket != nil {
		_ = l.socket.SetDeadline(time.Unix(1, 0)) // without it, the user waits until the connection ends
	}
}

// A fleet is the links of all users. It ends what is overdue.
type fleet struct {
	epoch    time.Time
	shortest time.Duration // of the timeouts of requests

	mu      sync.Mutex
	links   map[*link]struct{}
	aborted bool
}

func newFleet(shortest time.Duration) *fleet {
	return &fleet{epoch: time.Now(), shortest: shortest, links: map[*link]struct{}{}}
}

// now is the time since the epoch: cheaper than the time of day, and never set back.
func (f *fleet) now() time.Duration { return time.Since(f.epoch) }

func (f *fleet) link(d *dialer) *link {
	l := &link{fleet: f, dialer: d}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.links[l] = struct{}{}
	l.aborted = f.aborted
	return l
}

func (f *fleet) drop(l *link) {
	l.close()
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.links, l)
}

func (f *fleet) abort() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.aborted = true
	for l := range f.links {
		l.abort()
	}
}

// inFlight is how many requests wait for their answer.
func (f *fleet) inFlight() (n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for l := range f.links {
		if l.overdue.Load() != 0 {
			n++
		}
	}
	return n
}

// patrol ends overdue requests, at most 2 % of the shortest timeout or 250 ms late, until ctx ends.
func (f *fleet) patrol(ctx context.Context) {
	tick := time.NewTicker(min(max(f.shortest/50, time.Millisecond), 250*time.Millisecond))
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		now := f.now()
		f.mu.Lock()
		for l := range f.links {
			l.expire(now)
		}
		f.mu.Unlock()
	}
}

// shortestTimeout is that of the request that may take the least time.
func shortestTimeout(opts Options) time.Duration {
	shortest := opts.Timeout
	for _, st := range opts.Scenario.steps() {
		if st.Timeout > 0 {
			shortest = min(shortest, st.Timeout)
		}
	}
	return shortest
}
