package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestHTTPConfig(t *testing.T) {
	for _, c := range []struct{ name, http, fails string }{
		{"none", "", ""},
		{"basic authorization", "{basic_auth: {username: u, password_file: word}}", ""},
		{"unknown key", "{basic_auht: {}}", "http_config: field basic_auht not found"},
		{"two authorizations", "{basic_auth: {username: u}, authorization: {credentials: x}}", "at most one of"},
	} {
		dir := t.TempDir()
		path := filepath.Join(dir, "plumbline.yaml")
		text := "apiVersion: plumbline/v1\nkind: Config\nprometheus: {url: http://p:9090"
		if c.http != "" {
			text += ", http_config: " + c.http
		}
		if err := os.WriteFile(path, []byte(text+"}\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		cfg, err := Load(path)
		if c.fails != "" {
			if err == nil || !strings.Contains(err.Error(), c.fails) || !strings.HasPrefix(err.Error(), path+":3:") {
				t.Errorf("%s: got %v, want %s:3:…%s", c.name, err, path, c.fails)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		how, err := cfg.Prometheus.HTTP()
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
		if c.http != "" && how.BasicAuth.PasswordFile != filepath.Join(dir, "word") {
			t.Errorf("%s: got password file %s, want it beside the configuration", c.name, how.BasicAuth.PasswordFile)
		}
	}
}
