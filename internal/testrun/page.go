package testrun

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// A page is the generator's own /metrics, which knows when it was last read, and
// PromQL over what has been recorded so far.
type page struct {
	base   string // URL
	url    string // of /metrics
	live   live
	server *http.Server

	mu   sync.Mutex
	read time.Time
}

func servePage(listen string, registry *prometheus.Registry) (*page, error) {
	if listen == "" {
		listen = "127.0.0.1:0"
	}
	l, err := net.Listen("tcp", listen)
	if err != nil {
		return nil, fmt.Errorf("metrics: %w; choose another address with --listen", err)
	}
	p := &page{base: "http://" + reachableAt(l.Addr())}
	p.url = p.base + "/metrics"
	handler := promhttp.HandlerFor(registry, promhttp.HandlerOpts{})
	mux := http.NewServeMux()
	mux.HandleFunc("/metrics", func(w http.ResponseWriter, r *http.Request) {
		at := time.Now()
		handler.ServeHTTP(w, r)
		p.mu.Lock()
		p.read = at
		p.mu.Unlock()
	})
	mux.Handle("/api/v1/", &p.live)
	p.server = &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = p.server.Serve(l) }() //nolint:errcheck // ends with Close
	return p, nil
}

// reachableAt is an address by which this machine reaches a listener: one on all
// interfaces is reached on loopback.
func reachableAt(a net.Addr) string {
	if tcp, ok := a.(*net.TCPAddr); ok && tcp.IP.IsUnspecified() {
		return net.JoinHostPort("localhost", strconv.Itoa(tcp.Port))
	}
	return a.String()
}

// lastRead is when the last reading began that has ended.
func (p *page) lastRead() time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.read
}

// awaitRead waits until the page has been read after a time; false when ctx ended before.
func (p *page) awaitRead(ctx context.Context, after time.Time) bool {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !p.lastRead().After(after) {
		select {
		case <-ctx.Done():
			return false
		case <-tick.C:
		}
	}
	return true
}

// close lets the readings that are under way end: the last one has the run's last counts.
func (p *page) close() error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	return errors.Join(p.server.Shutdown(ctx), p.server.Close())
}
