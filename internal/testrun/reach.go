package testrun

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/prometheus/common/config"

	"github.com/plumbline/plumbline/pkg/loadgen"
)

// A Transport is how requests reach the target. Zero durations mean the generator's defaults.
type Transport struct {
	HTTP                    loadgen.HTTPVersion // "" for what the server offers
	TLS                     *tls.Config
	ScrapeTLS               config.TLSConfig // the same, for the target's /metrics
	Proxy                   *url.URL
	ConnectTimeout, Timeout time.Duration
}

// await waits until somebody listens at the target; waiting, if any, is told once why it has to.
func (t Transport) await(ctx context.Context, target *url.URL, patience time.Duration, waiting func(upTo time.Duration, why error)) error {
	deadline := time.Now().Add(patience)
	for {
		err := t.reachable(ctx, target)
		if err == nil || time.Now().After(deadline) {
			return err
		}
		if waiting != nil {
			waiting(patience, err)
			waiting = nil
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// reachable tells early, and once, that a user can't connect to the target, and what to do about it.
func (t Transport) reachable(ctx context.Context, target *url.URL) error {
	hop, err := loadgen.Reach(ctx, loadgen.Options{Target: target, TLS: t.TLS, HTTP: t.HTTP, Proxy: t.Proxy, ConnectTimeout: dialPatience, Timeout: dialPatience})
	if err != nil {
		var plain tls.RecordHeaderError
		if errors.As(err, &plain) {
			return fmt.Errorf("target %s: %w: does it speak HTTP without TLS? then write http://%s", target.Redacted(), err, target.Host)
		}
		return fmt.Errorf("target %s: %w; %s", target.Redacted(), err, advice[hop])
	}
	return nil
}

// advice is what may help where a hop fails.
var advice = map[loadgen.Hop]string{
	loadgen.ToProxy:  "name another with --proxy",
	loadgen.ToTarget: "is the service running there? name another with --target",
	loadgen.OverTLS:  "--tls-ca, --tls-cert, --tls-server-name and --insecure say what to trust",
}
