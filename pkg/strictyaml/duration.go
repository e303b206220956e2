package strictyaml

import (
	"fmt"
	"time"

	"github.com/prometheus/common/model"
	"gopkg.in/yaml.v3"
)

// A Duration is written as in Go (1m30s, 2.5s) or in Prometheus (1d). It is never negative.
type Duration time.Duration

// UnmarshalYAML reads a duration.
func (d *Duration) UnmarshalYAML(n *yaml.Node) error {
	v, err := ParseDuration(n.Value)
	if err != nil {
		return err
	}
	*d = Duration(v) // also when refused: to what is around it, it is not missing
	if v < 0 {
		return fmt.Errorf("must not be negative: want a duration such as 500ms, 10s or 1m30s, got %q", n.Value)
	}
	return nil
}

// ParseDuration reads a duration as Go or Prometheus writes it.
func ParseDuration(text string) (time.Duration, error) {
	if v, err := time.ParseDuration(text); err == nil {
		return v, nil
	}
	v, err := model.ParseDuration(text)
	if err != nil {
		return 0, fmt.Errorf("want a duration such as 500ms, 10s or 1m30s, got %q", text)
	}
	return time.Duration(v), nil
}
