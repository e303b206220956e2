package loadgen

import (
	"context"
	"net/http/httptrace"
	"sync/atomic"
	"time"
)

// Phases are the parts of a request's time, as k6 divides it
// (https://grafana.com/docs/k6/latest/using-k6/metrics/reference/). Those of the
// redirects that were followed are added to them.
type Phases struct {
	Blocked        time.Duration // until a connection was ready, with what opening it took
	Connecting     time.Duration // of that, until TCP had connected, through a proxy if there is one
	TLSHandshaking time.Duration // of that, the handshake
	Sending        time.Duration // the request
	Waiting        time.Duration // for the first byte of the answer, or until that was given up
	Receiving      time.Duration // from then on
}

// InFlight is how long the request was on its way, with its answer: k6's http_req_duration.
func (p Phases) InFlight() time.Duration { return p.Sending + p.Waiting + p.Receiving }

// A stopwatch takes the phases of requests, one after another. A nil one takes
// none, and doesn't read the clock.
type stopwatch struct {
	sum                          Phases
	begun, ready, written, first time.Time // of the exchange under way; zero for what hasn't happened
}

func (w *stopwatch) phases() Phases {
	if w == nil {
		return Phases{}
	}
	return w.sum
}

// reset forgets what was summed up.
func (w *stopwatch) reset() {
	if w != nil {
		w.sum = Phases{}
	}
}

// begin starts an exchange.
func (w *stopwatch) begin() {
	if w != nil {
		*w = stopwatch{sum: w.sum, begun: time.Now()}
	}
}

// connected notes that the connection is ready.
func (w *stopwatch) connected() {
	if w != nil {
		w.ready = time.Now()
	}
}

// wrote notes that the whole request is on its way.
func (w *stopwatch) wrote() {
	if w != nil {
		w.written = time.Now()
	}
}

// wroteAt notes when the whole request was on its way, or was given up; an answer may come before.
func (w *stopwatch) wroteAt(at time.Time) {
	if w == nil {
		return
	}
	if w.written = at; !w.first.IsZero() && at.After(w.first) {
		w.written = w.first
	}
}

// got notes that some of the answer is there.
func (w *stopwatch) got() {
	if w != nil && w.first.IsZero() {
		w.first = time.Now()
	}
}

// end adds the exchange up. opening is what the connection took, if this is the
// first request on it: who connects early does so for that one.
func (w *stopwatch) end(opening Phases) {
	if w == nil {
		return
	}
	now := time.Now()
	w.sum.Connecting += opening.Connecting
	w.sum.TLSHandshaking += opening.TLSHandshaking
	if w.ready.IsZero() {
		w.sum.Blocked += now.Sub(w.begun)
		return
	}
	w.sum.Blocked += max(w.ready.Sub(w.begun), opening.Connecting+opening.TLSHandshaking)
	switch {
	case w.written.IsZero():
		w.sum.Sending += now.Sub(w.ready)
	case w.first.IsZero():
		w.sum.Sending += w.written.Sub(w.ready)
		w.sum.Waiting += now.Sub(w.written)
	default:
		w.sum.Sending += w.written.Sub(w.ready)
		w.sum.Waiting += w.first.Sub(w.written)
		w.sum.Receiving += now.Sub(w.first)
	}
}

// traced has the HTTP/2 library take the times of one exchange; done takes them
// over. The library may still call when the answer has long been there, so they
// are of this exchange alone.
func (w *stopwatch) traced(ctx context.Context) (of context.Context, done func()) {
	if w == nil {
		return ctx, func() {}
	}
	var written, first atomic.Pointer[time.Time]
	note := func(at *atomic.Pointer[time.Time]) {
		now := time.Now()
		at.CompareAndSwap(nil, &now)
	}
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		WroteRequest:         func(httptrace.WroteRequestInfo) { note(&written) },
		GotFirstResponseByte: func() { note(&first) },
	})
	return ctx, func() {
		if at := first.Load(); at != nil {
			w.first, w.written = *at, *at
		}
		if at := written.Load(); at != nil {
			w.wroteAt(*at)
		}
	}
}
