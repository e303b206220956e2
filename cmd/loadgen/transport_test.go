package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"io"
	"log"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/prometheus/common/config"
)

// clientCertificate writes a certificate that vouches for itself, and its key.
func clientCertificate(t *testing.T, dir string) (certFile, keyFile string, pool *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	pool = x509.NewCertPool()
	parsed, err := x509.ParseCertificate(cert)
	if err != nil {
		t.Fatal(err)
	}
	pool.AddCert(parsed)
	write := func(name, kind string, der []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	return write("cert.pem", "CERTIFICATE", cert), write("key.pem", "PRIVATE KEY", private), pool
}

func TestTransportOverTLS(t *testing.T) {
	dir := t.TempDir()
	certFile, keyFile, clients := clientCertificate(t, dir)
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // handshakes that are meant to fail
	server.TLS = &tls.Config{ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: clients}
	server.StartTLS()
	defer server.Close()
	caFile := filepath.Join(dir, "ca.pem")
	if err := os.WriteFile(caFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	target, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name  string
		tls   config.TLSConfig
		works bool
	}{
		{"authority and certificate", config.TLSConfig{CAFile: caFile, CertFile: certFile, KeyFile: keyFile}, true},
		{"any server, and a certificate", config.TLSConfig{InsecureSkipVerify: true, CertFile: certFile, KeyFile: keyFile}, true},
		{"another name of the server", config.TLSConfig{CAFile: caFile, ServerName: "example.com", CertFile: certFile, KeyFile: keyFile}, true},
		{"a wrong name of the server", config.TLSConfig{CAFile: caFile, ServerName: "example.org", CertFile: certFile, KeyFile: keyFile}, false},
		{"no certificate", config.TLSConfig{CAFile: caFile}, false},
		{"no authority", config.TLSConfig{CertFile: certFile, KeyFile: keyFile}, false},
	} {
		f := transportFlags{http: "1.1", tls: c.tls, timeout: time.Second, connectTimeout: time.Second}
		way, err := f.transport(target)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		client := http.Client{Transport: &http.Transport{TLSClientConfig: way.TLS}}
		res, err := client.Get(server.URL)
		if err == nil {
			res.Body.Close()
		}
		if (err == nil) != c.works {
			t.Errorf("%s: got %v, want that it works: %v", c.name, err, c.works)
		}
		client.CloseIdleConnections()
	}
}
