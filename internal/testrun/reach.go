package testrun

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
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

// reachable tells early, and once, that nobody listens at the target, or that no
// TLS connection can be made with it. Behind a proxy only that is tried.
func (t Transport) reachable(ctx context.Context, target *url.URL) error {
	ctx, cancel := context.WithTimeout(ctx, dialPatience)
	defer cancel()
	via, what, flag := target, "target", "is the service running there? name another with --target"
	if t.Proxy != nil {
		via, what, flag = t.Proxy, "proxy", "name another with --proxy"
	}
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", hostPort(via))
	if err != nil {
		return fmt.Errorf("%s %s: %w; %s", what, via.Redacted(), err, flag)
	}
	defer func() { _ = conn.Close() }() //nolint:errcheck // it was only tried
	if target.Scheme != "https" || t.Proxy != nil {
		return nil
	}
	cfg := &tls.Config{MinVersion: tls.VersionTLS12}
	if t.TLS != nil {
		cfg = t.TLS.Clone()
	}
	if cfg.ServerName == "" {
		cfg.ServerName = target.Hostname()
	}
	cfg.NextProtos = t.HTTP.Protocols()
	if err := tls.Client(conn, cfg).HandshakeContext(ctx); err != nil {
		return fmt.Errorf("target %s: TLS: %w; --tls-ca, --tls-cert, --tls-server-name and --insecure say what to trust", target, err)
	}
	return nil
}

func hostPort(u *url.URL) string {
	if u.Port() != "" {
		return u.Host
	}
	return net.JoinHostPort(u.Hostname(), map[string]string{"http": "80", "https": "443", "socks5": "1080"}[u.Scheme])
}
