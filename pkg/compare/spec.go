package compare

import (
	"regexp"
	"strconv"
	"time"

	"github.com/plumbline/plumbline/pkg/strictyaml"
)

// A Spec says which runs, or which values, a baseline is.
type Spec struct {
	Name   string
	Run    string             // one run
	Last   int                // the last so many good runs of the same scenario and profile
	Labels map[string]string  // that the last runs must have
	Values map[string]float64 // declared values, in base units
}

type specFile struct {
	strictyaml.Header `yaml:",inline"`
	Name              string            `yaml:"name"`
	Run               string            `yaml:"run"`
	Last              int               `yaml:"last"`
	Labels            map[string]string `yaml:"labels"`
	Values            map[string]string `yaml:"values"`
}

// ParseSpec reads a baseline file. The error holds every mistake with its place.
func ParseSpec(name string, text []byte) (Spec, error) {
	var f specFile
	s := Spec{}
	err := strictyaml.Decode(name, text, &f, func(at strictyaml.Path) strictyaml.Problems {
		ps := f.Problems(at, "Baseline")
		kinds := 0
		for _, given := range []bool{f.Run != "", f.Last != 0, f.Values != nil} {
			if given {
				kinds++
			}
		}
		if kinds != 1 {
			ps.Addf(at, "want one of run, last and values")
		}
		if f.Last < 0 {
			ps.Addf(at.Field("last"), "want a number of runs, got %d", f.Last)
		}
		for id, text := range f.Values {
			v, ok := parseValue(text)
			if !ok {
				ps.Addf(at.Field("values").Field(id), "want a value such as 280ms, 0.23%% or 450, got %q", text)
			}
			if s.Values == nil {
				s.Values = map[string]float64{}
			}
			s.Values[id] = v
		}
		return ps
	})
	s.Name, s.Run, s.Last, s.Labels = f.Name, f.Run, f.Last, f.Labels
	return s, err
}

var valueForm = regexp.MustCompile(`^(-?[\d.]+)\s*(%|req/s)?$`)

// parseValue reads a number, a percentage, a rate or a duration, in base units.
func parseValue(text string) (float64, bool) {
	if m := valueForm.FindStringSubmatch(text); m != nil {
		v, err := strconv.ParseFloat(m[1], 64)
		if m[2] == "%" {
			v /= 100
		}
		return v, err == nil
	}
	d, err := time.ParseDuration(text)
	return d.Seconds(), err == nil
}
