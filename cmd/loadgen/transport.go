package main

import (
	"crypto/tls"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/common/config"
	"github.com/spf13/pflag"

	"github.com/plumbline/plumbline/internal/testrun"
	"github.com/plumbline/plumbline/pkg/loadgen"
	"github.com/plumbline/plumbline/pkg/promql"
)

// transportFlags say how requests reach the target.
type transportFlags struct {
	http                    string
	tls                     config.TLSConfig
	proxy                   string
	connectTimeout, timeout time.Duration
}

var httpVersions = map[string]loadgen.HTTPVersion{"1.1": loadgen.HTTP1, "2": loadgen.HTTP2, "h2c": loadgen.HTTP2, "auto": ""}

func (f *transportFlags) flags(fs *pflag.FlagSet) {
	fs.StringVar(&f.http, "http", "1.1", "`version` of HTTP: 1.1, 2 (over TLS), h2c (2 without TLS) or auto (over TLS the server chooses, else 1.1)")
	fs.StringVar(&f.tls.CAFile, "tls-ca", "", "`file` of the authorities to trust (default: the system's)")
	fs.StringVar(&f.tls.CertFile, "tls-cert", "", "`file` of the client's certificate")
	fs.StringVar(&f.tls.KeyFile, "tls-key", "", "`file` of its key")
	fs.StringVar(&f.tls.ServerName, "tls-server-name", "", "`name` that the target's certificate must have (default: the target's host)")
	fs.BoolVar(&f.tls.InsecureSkipVerify, "insecure", false, "take any certificate")
	fs.StringVar(&f.proxy, "proxy", "", "`URL` of an HTTP proxy (default: none, whatever the environment says)")
	fs.DurationVar(&f.connectTimeout, "connect-timeout", 10*time.Second, "of a connection, with its TLS handshake")
	fs.DurationVar(&f.timeout, "timeout", time.Minute, "of a whole request, unless the scenario says otherwise")
}

// transport checks the flags against the target, and each other.
func (f *transportFlags) transport(target *url.URL) (testrun.Transport, error) {
	version, known := httpVersions[f.http]
	t := testrun.Transport{HTTP: version, ConnectTimeout: f.connectTimeout, Timeout: f.timeout}
	var errs []error
	refuse := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	secure := target.Scheme == "https"
	switch {
	case !known:
		refuse("--http: want one of %s, got %q", strings.Join(slices.Sorted(maps.Keys(httpVersions)), ", "), f.http)
	case f.http == "2" && !secure:
		refuse("--http 2 goes over TLS: the target must begin with https://; for HTTP/2 without TLS write --http h2c")
	case f.http == "h2c" && secure:
		refuse("--http h2c goes without TLS: the target must begin with http://")
	}
	if f.connectTimeout <= 0 {
		refuse("--connect-timeout: must be above 0, got %s", f.connectTimeout)
	}
	if f.timeout <= 0 {
		refuse("--timeout: must be above 0, got %s", f.timeout)
	}
	if f.proxy != "" {
		proxy, err := url.Parse(f.proxy)
		if err != nil || proxy.Scheme != "http" || proxy.Host == "" {
			refuse("--proxy: want a URL such as http://127.0.0.1:3128, got %q", promql.Public(f.proxy))
		}
		t.Proxy = proxy
	}
	if f.tls != (config.TLSConfig{}) && !secure {
		refuse("--tls-… and --insecure need a target that begins with https://")
	} else if secure {
		cfg, err := f.tlsConfig()
		if err != nil {
			refuse("TLS: %w", err)
		}
		t.TLS, t.ScrapeTLS = cfg, f.tls
	}
	return t, errors.Join(errs...)
}

// tlsConfig reads the files at once: a run does not look for new ones.
func (f *transportFlags) tlsConfig() (*tls.Config, error) {
	if (f.tls.CertFile == "") != (f.tls.KeyFile == "") {
		return nil, errors.New("--tls-cert and --tls-key go together")
	}
	cfg, err := config.NewTLSConfig(&f.tls)
	if err != nil {
		return nil, err
	}
	if f.tls.CertFile != "" {
		pair, err := tls.LoadX509KeyPair(f.tls.CertFile, f.tls.KeyFile)
		if err != nil {
			return nil, err
		}
		cfg.Certificates, cfg.GetClientCertificate = []tls.Certificate{pair}, nil
	}
	return cfg, nil
}
