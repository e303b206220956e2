package compare

import (
	"maps"
	"slices"

	"github.com/plumbline/plumbline/pkg/run"
	"github.com/plumbline/plumbline/pkg/strictyaml"
)

// A Spec is the file of a baseline: it names one run, the last so many good
// runs of a test, or values from a document.
type Spec struct {
	Name   string
	Run    string             // id of the one run; "" when it is none
	Last   int                // number of runs, the newest; 0 when it is none
	Labels map[string]string  // that the last runs must have
	Values map[string]float64 // declared, by objective id, in base units; nil when there are none
}

// specFile is the form of the file.
type specFile struct {
	strictyaml.Header `yaml:",inline"`
	Name              string            `yaml:"name"`
	Run               string            `yaml:"run"`
	Last              *int              `yaml:"last"`
	Labels            map[string]string `yaml:"labels"`
	Values            map[string]string `yaml:"values"`
}

// ParseSpec reads the file of a baseline; name is how mistakes call it. The
// error holds every mistake with its place.
func ParseSpec(name string, data []byte) (Spec, error) {
	var f specFile
	if err := strictyaml.Decode(name, data, &f, f.problems); err != nil {
		return Spec{}, err
	}
	s := Spec{Name: f.Name, Run: f.Run, Labels: f.Labels}
	if f.Last != nil {
		s.Last = *f.Last
	}
	if f.Values != nil {
		s.Values = make(map[string]float64, len(f.Values))
	}
	for id, text := range f.Values {
		s.Values[id], _, _ = strictyaml.ParseQuantity(text) // problems has looked at it
	}
	return s, nil
}

func (f *specFile) problems(at strictyaml.Path) (ps strictyaml.Problems) {
	ps = f.Header.Problems(at, "Baseline")
	if run.CheckID(f.Name) != nil {
		ps.Addf(at.Field("name"), "use 1 to 64 letters, digits, '.', '_' or '-', the first a letter or digit, got %q", f.Name)
	}
	if kinds := f.kinds(); kinds != 1 {
		ps.Addf(at, "want one of run, last and values, got %d of them", kinds)
	}
	if f.Run != "" {
		if err := run.CheckID(f.Run); err != nil {
			ps.Addf(at.Field("run"), "%s", err)
		}
	}
	if f.Last != nil && *f.Last < 1 {
		ps.Addf(at.Field("last"), "want a number of runs from 1, got %d", *f.Last)
	}
	if f.Labels != nil && f.Last == nil {
		ps.Addf(at.Field("labels"), "labels narrow last, which is not there")
	}
	if f.Values != nil && len(f.Values) == 0 {
		ps.Addf(at.Field("values"), "declare at least one value")
	}
	for _, id := range slices.Sorted(maps.Keys(f.Values)) {
		if _, _, err := strictyaml.ParseQuantity(f.Values[id]); err != nil {
			ps.Addf(at.Field("values").Field(id), "%s", err)
		}
	}
	return ps
}

// kinds is how many of the three kinds of baseline the file is.
func (f *specFile) kinds() int {
	n := 0
	for _, given := range []bool{f.Run != "", f.Last != nil, f.Values != nil} {
		if given {
			n++
		}
	}
	return n
}
