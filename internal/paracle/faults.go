package paracle

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"runtime"
	"strconv"
	"strings"
	"time"
)

// A Fault is a way in which the service can be built badly. Nothing that it
// exports tells which faults it has: they show in what it does.
type Fault struct {
	Name   string
	Does   string
	Amount float64 // when none is given
	apply  func(c *Config, amount float64)
}

// Faults are the faults that there are.
var Faults = []Fault{
	{"small-pool", "the pool has this many database connections", 3,
		func(c *Config, n float64) { c.Pool = max(int(n), 1) }},
	{"cpu-hog", "something else in the process burns this many cores", 1,
		func(c *Config, cores float64) { c.hogCores = cores }},
	{"slow-llm", "LLM providers take this many times as long", 6,
		func(c *Config, times float64) { c.LLMScale *= times }},
	{"memory-leak", "each request leaves this many bytes behind", 64 << 10,
		func(c *Config, bytes float64) { c.leakBytes = int(bytes) }},
	{"lock-contention", "each request holds one lock for this many seconds of work", 0.004,
		func(c *Config, seconds float64) { c.lockSeconds = seconds }},
	{"error-burst", "for 4 of every 10 seconds this share of the requests fails", 0.3,
		func(c *Config, share float64) { c.burstRate = share }},
	{"gc-pressure", "each request makes this many bytes of short-lived objects", 1 << 20,
		func(c *Config, bytes float64) { c.garbageBytes = int(bytes) }},
	{"slow-downstream", "the agent registry takes this many seconds to answer", 0.15,
		func(c *Config, seconds float64) { c.Registry = time.Duration(seconds * float64(time.Second)) }},
	{"slower", "every answer takes this share longer", 0.10,
		func(c *Config, share float64) { c.slowdown = share }},
}

// AddFault builds a fault, NAME or NAME=AMOUNT, into the service.
func (c *Config) AddFault(text string) error {
	name, number, given := strings.Cut(text, "=")
	var names []string
	for _, f := range Faults {
		names = append(names, f.Name)
		if f.Name != name {
			continue
		}
		amount := f.Amount
		if given {
			var err error
			if amount, err = strconv.ParseFloat(number, 64); err != nil || !(amount > 0) {
				return fmt.Errorf("fault %s: %q: want a number above 0: %s", name, number, f.Does)
			}
		}
		f.apply(c, amount)
		return nil
	}
	return fmt.Errorf("fault %q: there are %s", name, strings.Join(names, ", "))
}

// The rhythm of error bursts.
const (
	burstEvery  = 10 * time.Second
	burstLength = 4 * time.Second
)

// fault fails a request by chance, and more often in a burst.
func (s *Server) fault() error {
	rate := s.cfg.FaultRate
	if time.Since(s.started)%burstEvery >= burstEvery-burstLength {
		rate = max(rate, s.cfg.burstRate)
	}
	if s.draw() < rate {
		return status(http.StatusInternalServerError, "something went wrong")
	}
	return nil
}

// spoil does to a request what the faults of the service's build do to each.
func (s *Server) spoil() {
	if s.cfg.lockSeconds > 0 {
		s.lock.Lock()
		spin(time.Duration(s.cfg.lockSeconds * float64(time.Second)))
		s.lock.Unlock()
	}
	if s.cfg.leakBytes > 0 {
		left := make([]byte, s.cfg.leakBytes)
		for i := 0; i < len(left); i += 4 << 10 { // touched, or it takes no memory
			left[i] = 1
		}
		s.mu.Lock()
		s.leaked = append(s.leaked, left)
		s.mu.Unlock()
	}
	if s.cfg.garbageBytes > 0 {
		litter(s.cfg.garbageBytes)
	}
}

// linger makes an answer take a share longer than it did.
func (s *Server) linger(ctx context.Context, start time.Time) {
	if s.cfg.slowdown > 0 {
		_ = pause(ctx, time.Duration(s.cfg.slowdown*float64(time.Since(start)))) //nolint:errcheck // the answer goes out anyway
	}
}

// A scrap is an object that the collector has to follow.
type scrap struct {
	next *scrap
	_    [6]uint64
}

// litter makes a list of small objects that nobody keeps.
func litter(bytes int) {
	const size = 56
	var head *scrap
	for range bytes / size {
		head = &scrap{next: head}
	}
	runtime.KeepAlive(head)
}

// spin burns a processor.
func spin(d time.Duration) {
	for end := time.Now().Add(d); time.Now().Before(end); {
		_ = rand.Uint64() //nolint:gosec // it only passes the time
	}
}

// hog burns cores until ctx ends.
func hog(ctx context.Context, cores float64) {
	const turn = 10 * time.Millisecond
	for ; cores > 0; cores-- {
		busy := time.Duration(min(cores, 1) * float64(turn))
		go func() {
			for ctx.Err() == nil {
				spin(busy)
				time.Sleep(turn - busy)
			}
		}()
	}
}
