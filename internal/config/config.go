// Package config reads plumbline.yaml: what both programs know about a service.
package config

import (
	"errors"
	"fmt"
	"os"
	"strings"

	prom "github.com/prometheus/prometheus/config"
	"gopkg.in/yaml.v3"

	"github.com/plumbline/plumbline/pkg/promql/catalog"
	"github.com/plumbline/plumbline/pkg/promql/embedded"
	"github.com/plumbline/plumbline/pkg/strictyaml"
)

// A Config holds what would otherwise be given as flags; every key is optional.
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
}

// Prometheus says which server holds the series of runs without a recording.
type Prometheus struct {
	URL string `yaml:"url"`
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
	err = strictyaml.Decode(path, text, &f, func(at strictyaml.Path) strictyaml.Problems {
		ps := f.Problems(at, "Config")
		if _, err := f.Scrapes(); err != nil {
			ps.Addf(at.Field("scrape_configs"), "%v", err)
		}
		if _, known := catalog.Named(f.Preset); f.Preset != "" && !known {
			ps.Addf(at.Field("preset"), "there are %s, got %q", strings.Join(catalog.Names(), ", "), f.Preset)
		}
		return ps
	})
	return f.Config, err
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
	return embedded.ParseScrapeConfigs(text)
}
