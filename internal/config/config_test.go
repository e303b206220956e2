package config_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/prometheus/prometheus/discovery/file"

	"github.com/plumbline/plumbline/internal/config"
)

// load reads a configuration file of a text.
func load(t *testing.T, text string) (config.Config, string, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "plumbline.yaml")
	if err := os.WriteFile(path, []byte("apiVersion: plumbline/v1\nkind: Config\n"+text), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, err := config.Load(path)
	return cfg, filepath.Dir(path), err
}

func TestHTTPConfigIsPrometheusOwn(t *testing.T) {
	cfg, dir, err := load(t, `prometheus:
  url: https://mimir.example/prometheus
  http_config: # as in Prometheus' remote_read
    authorization: {credentials_file: secrets/token}
    tls_config:
      ca_file: ca.pem
      insecure_skip_verify: false
    http_headers:
      X-Scope-OrgID: {values: [team-a]}
`)
	if err != nil {
		t.Fatal(err)
	}
	http := cfg.Prometheus.HTTP()
	if got, want := http.Authorization.CredentialsFile, filepath.Join(dir, "secrets/token"); got != want {
		t.Errorf("got the token in %s, want it in %s", got, want)
	}
	if got, want := http.TLSConfig.CAFile, filepath.Join(dir, "ca.pem"); got != want {
		t.Errorf("got the CA in %s, want it in %s", got, want)
	}
	if got := http.HTTPHeaders.Headers["X-Scope-OrgID"].Values; len(got) != 1 || got[0] != "team-a" {
		t.Errorf("got tenant %v, want team-a", got)
	}
	if !http.FollowRedirects || !http.EnableHTTP2 {
		t.Error("want Prometheus' own defaults for what isn't set")
	}
}

func TestPathsCountFromTheFilesFolder(t *testing.T) {
	cfg, dir, err := load(t, `sla: sla.yaml
profiles: /etc/profiles.yaml
scrape_configs:
  - job_name: x
    authorization: {credentials_file: token}
    file_sd_configs: [{files: [targets.yaml]}]
`)
	if err != nil {
		t.Fatal(err)
	}
	if want := filepath.Join(dir, "sla.yaml"); cfg.SLA != want || cfg.Profiles != "/etc/profiles.yaml" {
		t.Errorf("got %s and %s, want %s and /etc/profiles.yaml", cfg.SLA, cfg.Profiles, want)
	}
	scrapes, err := cfg.Scrapes()
	if err != nil || len(scrapes) != 1 {
		t.Fatalf("got %v, %v, want one", scrapes, err)
	}
	files := scrapes[0].ServiceDiscoveryConfigs[0].(*file.SDConfig).Files
	if got := []string{scrapes[0].HTTPClientConfig.Authorization.CredentialsFile, files[0]}; got[0] != filepath.Join(dir, "token") || got[1] != filepath.Join(dir, "targets.yaml") {
		t.Errorf("got %q, want both in %s", got, dir)
	}
}

func TestWithoutHTTPConfigPrometheusDefaultsHold(t *testing.T) {
	cfg, _, err := load(t, "prometheus: {url: http://localhost:9090}\n")
	if err != nil || !cfg.Prometheus.HTTP().FollowRedirects {
		t.Errorf("got %+v, %v, want the defaults", cfg.Prometheus.HTTP(), err)
	}
}

func TestMistakesInHTTPConfigHaveTheirPlaces(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"unknown key", "prometheus:\n  # a comment\n\n  http_config:\n    basic_auth:\n      usrname: me\n", "plumbline.yaml:8:7: prometheus.http_config.basic_auth.usrname: unknown key usrname"},
		{"two unknown keys", "prometheus:\n  http_config:\n    a: 1\n    b: 2\n", "plumbline.yaml:6:5: prometheus.http_config.b: unknown key b"},
		{"wrong type", "prometheus:\n  http_config:\n    basic_auth: hunter2\n", "plumbline.yaml:5:5: prometheus.http_config.basic_auth: cannot unmarshal !!str the value"},
		{"in one line", "prometheus: {http_config: {follow_redirects: maybe}}\n", "plumbline.yaml:3:28: prometheus.http_config.follow_redirects: cannot unmarshal"},
		{"contradiction", "prometheus:\n  http_config:\n    bearer_token: hunter2\n    bearer_token_file: x\n", "plumbline.yaml:5:5: prometheus.http_config: at most one of bearer_token & bearer_token_file must be configured"},
	} {
		_, _, err := load(t, c.text)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %s", c.name, err, c.want)
		}
		if err != nil && strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: the error shows a secret: %v", c.name, err)
		}
	}
}

func TestScrapeConfigsInEachStyle(t *testing.T) {
	for _, c := range []struct {
		text string
		jobs int
	}{
		{"scrape_configs: []\n", 0},
		{"scrape_configs: [{job_name: a}, {job_name: b, static_configs: [{targets: ['h:1']}]}]\n", 2},
		{"scrape_configs: [\n  {job_name: a},\n{job_name: b}]\n", 2},
		{"scrape_configs:\n- job_name: a\n  params: {'match[]': ['{x=\"y\"}']}\n", 1},
		{"scrape_configs:\n    - job_name: a\n", 1},
	} {
		cfg, _, err := load(t, c.text)
		if err != nil {
			t.Errorf("%s: %v", c.text, err)
			continue
		}
		if scrapes, err := cfg.Scrapes(); err != nil || len(scrapes) != c.jobs {
			t.Errorf("%s: got %v, %v, want %d jobs", c.text, scrapes, err, c.jobs)
		}
	}
}

func TestMistakesInScrapeConfigsHaveTheirPlaces(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"a typo", "scrape_configs:\n  # mine\n\n  - job_nam: a\n", "6:5: scrape_configs[0].job_nam: unknown key job_nam; did you mean job_name?"},
		{"a typo in brackets", "scrape_configs: [{job_name: a}, {job_name: b, scrape_intervall: 1s}]\n", "3:47: scrape_configs[1].scrape_intervall: unknown key scrape_intervall; did you mean scrape_interval?"},
		{"a typo further in", "scrape_configs:\n  - job_name: a\n    relabel_configs:\n      - {source_labels: [x], target_label: y}\n      - {source_labls: [x]}\n", "7:10: scrape_configs[0].relabel_configs[1].source_labls: unknown key source_labls; did you mean source_labels?"},
		{"a way to find targets", "scrape_configs:\n  - job_name: a\n    static_config: [{targets: ['h:1']}]\n", "5:5: scrape_configs[0].static_config: unknown key static_config; did you mean static_configs?"},
		{"a wrong type", "scrape_configs:\n  - job_name: a\n    honor_labels: often\n", "5:5: scrape_configs[0].honor_labels: cannot unmarshal !!str the value"},
		{"no list", "scrape_configs: a\n", "3:17: scrape_configs: cannot unmarshal !!str the value"},
		{"no name", "scrape_configs: [{scheme: http}]\n", "3:17: scrape_configs: job_name is empty"},
		{"nothing", "scrape_configs:\n", "3:16: scrape_configs: has no value; give it one, or leave it out"},
	} {
		_, dir, err := load(t, c.text)
		if want := filepath.Join(dir, "plumbline.yaml") + ":" + c.want; err == nil || err.Error() != want {
			t.Errorf("%s:\ngot  %v\nwant %s", c.name, err, want)
		}
	}
}

func TestGrafanaIsSpokenToAsPrometheusIs(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "plumbline.yaml")
	write := func(http string) (config.Config, error) {
		text := "apiVersion: plumbline/v1\nkind: Config\ngrafana: {url: http://g:3000, http_config: " + http + "}\n"
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return config.Load(path)
	}
	cfg, err := write("{authorization: {credentials_file: token}}")
	if err != nil {
		t.Fatal(err)
	}
	if http := cfg.Grafana.HTTP(); http.Authorization.CredentialsFile != filepath.Join(dir, "token") {
		t.Errorf("got %+v, want the token beside the configuration", http.Authorization)
	}
	if _, err := write("{authorisation: {}}"); err == nil || !strings.Contains(err.Error(), "grafana.http_config") {
		t.Errorf("got %v, want an unknown key in grafana.http_config", err)
	}
}
