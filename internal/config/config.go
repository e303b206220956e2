// Package config reads plumbline.yaml: what both programs know about a service.
package config

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	commonconfig "github.com/prometheus/common/config"
	prom "github.com/prometheus/prometheus/config"
	"gopkg.in/yaml.v3"

	"github.com/plumbline/plumbline/pkg/promql/catalog"
	"github.com/plumbline/plumbline/pkg/promql/embedded"
	"github.com/plumbline/plumbline/pkg/strictyaml"
)

// A Config holds what would otherwise be given as flags; every key is optional.
// Paths in the file count from its own folder, wherever a program is started.
type Config struct {
	Service       string            `yaml:"service"`
	Target        string            `yaml:"target"`
	SLA           string            `yaml:"sla"`      // file
	Profiles      string            `yaml:"profiles"` // file
	Baseline      string            `yaml:"baseline"`
	Preset        string            `yaml:"preset"` // of catalog.Presets: how the service's series are named
	Labels        map[string]string `yaml:"labels"`
	Environment   map[string]string `yaml:"environment"`
	ScrapeConfigs *yaml.Node        `yaml:"scrape_configs"` // as in Prometheus' own file
	Prometheus    Prometheus        `yaml:"prometheus"`
	Grafana       Prometheus        `yaml:"grafana"` // where dashboards go; it is spoken to in the same form

	dir string // of the file
}

// Prometheus says which server holds the series of runs without a recording, and
// how it is spoken to: credentials, TLS, headers, in Prometheus' own form.
type Prometheus struct {
	URL        string              `yaml:"url"`
	Timeout    strictyaml.Duration `yaml:"timeout"` // for each answer; 0 for the default
	HTTPConfig *yaml.Node          `yaml:"http_config"`

	http *commonconfig.HTTPClientConfig
}

// HTTP is how the server is spoken to.
func (p Prometheus) HTTP() *commonconfig.HTTPClientConfig {
	if p.http == nil {
		return &commonconfig.DefaultHTTPClientConfig
	}
	return p.http
}

// read reads http_config.
func (p *Prometheus) read(dir string, at strictyaml.Path) strictyaml.Problems {
	return strictyaml.ReadPart(p.HTTPConfig, at.Field("http_config"), commonconfig.HTTPClientConfig{}, func(text []byte) error {
		cfg, err := commonconfig.LoadHTTPConfig(string(text))
		if err != nil {
			return err
		}
		cfg.SetDirectory(dir)
		p.http = cfg
		return nil
	})
}

type file struct {
	strictyaml.Header `yaml:",inline"`
	Config            `yaml:",inline"`
}

// DefaultFile is read when no other is named; it may be missing.
const DefaultFile = "plumbline.yaml"

// Load reads a configuration file.
func Load(path string) (Config, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) && path == DefaultFile {
		return Config{}, nil
	} else if err != nil {
		return Config{}, fmt.Errorf("config: %w", err)
	}
	var f file
	f.dir = filepath.Dir(path)
	err = strictyaml.Decode(path, text, &f, func(at strictyaml.Path) strictyaml.Problems {
		ps := f.Problems(at, "Config")
		ps = append(ps, strictyaml.ReadPart(f.ScrapeConfigs, at.Field("scrape_configs"), []scrapeConfig{}, func(text []byte) error {
			_, err := embedded.ParseScrapeConfigs(text)
			return err
		})...)
		if _, known := catalog.Named(f.Preset); f.Preset != "" && !known {
			ps.Addf(at.Field("preset"), "there are %s, got %q", strings.Join(catalog.Names(), ", "), f.Preset)
		}
		ps = append(ps, f.Prometheus.read(f.dir, at.Field("prometheus"))...)
		return append(ps, f.Grafana.read(f.dir, at.Field("grafana"))...)
	})
	f.SLA, f.Profiles = commonconfig.JoinDir(f.dir, f.SLA), commonconfig.JoinDir(f.dir, f.Profiles)
	return f.Config, err
}

// A scrapeConfig has the keys of Prometheus' scrape configs, and those of the ways
// to find targets that are built in.
type scrapeConfig struct {
	prom.ScrapeConfig             `yaml:",inline"`
	commonconfig.HTTPClientConfig `yaml:",inline"`
	Static                        []struct {
		Targets []string          `yaml:"targets"`
		Labels  map[string]string `yaml:"labels"`
	} `yaml:"static_configs"`
	File []any `yaml:"file_sd_configs"`
	HTTP []any `yaml:"http_sd_configs"`
	DNS  []any `yaml:"dns_sd_configs"`
}

// Scrapes are the further targets that a run records.
func (c Config) Scrapes() ([]*prom.ScrapeConfig, error) {
	if c.ScrapeConfigs == nil {
		return nil, nil
	}
	text, err := yaml.Marshal(c.ScrapeConfigs)
	if err != nil {
		return nil, err
	}
	scrapes, err := embedded.ParseScrapeConfigs(text)
	for _, s := range scrapes {
		s.SetDirectory(c.dir)
	}
	return scrapes, err
}
