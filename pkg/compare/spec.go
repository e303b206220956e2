package compare

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/plumbline/plumbline/pkg/run"
	"github.com/plumbline/plumbline/pkg/strictyaml"
	"gopkg.in/yaml.v2"
)

// A Spec is the file of a baseline: it names one run, the last so many good
// runs of a test, or values from a document.
type Spec struct {
	Name   string
	Run    string            // id of the one run; "" when it is none
	Last   int               // number of runs, the newest; 0 when it is none
	Labels map[string]string // that the last runs must have
	Values map[string]string // declared, by objective id, as they are written (890ms); nil when there are none
	// Accepted are the changes that were accepted, the oldest first: with the run
	// of the last one the baseline began anew.
	Accepted []Acceptance
}

// An Acceptance is a change against a baseline that is the new normal.
type Acceptance struct {
	Run    string
	Reason string
	At     time.Time
}

// acceptanceFile is the form of an acceptance in the file.
type acceptanceFile struct {
	Run    string `yaml:"run"`
	Reason string `yaml:"reason"`
	At     string `yaml:"at"`
}

// specFile is the form of the file.
type specFile struct {
	strictyaml.Header `yaml:",inline"`
	Name              string            `yaml:"name"`
	Run               string            `yaml:"run"`
	Last              *int              `yaml:"last"`
	Labels            map[string]string `yaml:"labels"`
	Values            map[string]string `yaml:"values"`
	Accepted          []acceptanceFile  `yaml:"accepted"`
}

// ParseSpec reads the file of a baseline; name is how mistakes call it. The
// error holds every mistake with its place.
func ParseSpec(name string, data []byte) (Spec, error) {
	var f specFile
	if err := strictyaml.Decode(name, data, &f, f.problems); err != nil {
		return Spec{}, err
	}
	s := Spec{Name: f.Name, Run: f.Run, Labels: f.Labels, Values: f.Values}
	for _, a := range f.Accepted {
		at, _ := time.Parse(time.RFC3339, a.At) // problems has looked at it
		s.Accepted = append(s.Accepted, Acceptance{a.Run, a.Reason, at})
	}
	if f.Last != nil {
		s.Last = *f.Last
	}
	return s, nil
}

// Declared are the declared values in base units, by objective id; nil when there are none.
func (s Spec) Declared() map[string]float64 {
	if s.Values == nil {
		return nil
	}
	declared := make(map[string]float64, len(s.Values))
	for id, text := range s.Values {
		declared[id], _, _ = strictyaml.ParseQuantity(text) // problems has looked at it
	}
	return declared
}

// CheckValues holds the values that the file of a baseline declares against what
// the objectives measure, by id. The error holds every mistake with its place;
// ids that are not known are none.
func CheckValues(name string, data []byte, measured map[string]strictyaml.Dimension) error {
	var f specFile
	return strictyaml.Decode(name, data, &f, func(at strictyaml.Path) (ps strictyaml.Problems) {
		for _, id := range slices.Sorted(maps.Keys(f.Values)) {
			want, known := measured[id]
			if why := mismatch(f.Values[id], want); known && why != "" {
				ps.Addf(at.Field("values").Field(id), "%s", why)
			}
		}
		return ps
	})
}

// mismatch says why a value can't be one of what is measured. Numbers may go
// without a unit where there is but one that can be meant.
func mismatch(text string, want strictyaml.Dimension) string {
	_, got, err := strictyaml.ParseQuantity(text)
	switch {
	case err != nil || got == want:
		return ""
	case got != strictyaml.Plain:
		return fmt.Sprintf("%s is %s, and the objective measures %s", text, got, want)
	case want == strictyaml.Time:
		return fmt.Sprintf("the objective measures a time: write %sms or %ss", text, text)
	case want == strictyaml.Bytes:
		return fmt.Sprintf("the objective measures bytes: write %sMB or %sB", text, text)
	}
	return ""
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
	for i, a := range f.Accepted {
		at := at.Field("accepted").Index(i)
		if err := run.CheckID(a.Run); err != nil {
			ps.Addf(at.Field("run"), "%s", err)
		}
		if strings.TrimSpace(a.Reason) == "" {
			ps.Addf(at.Field("reason"), "say why the change was accepted")
		}
		if _, err := time.Parse(time.RFC3339, a.At); err != nil {
			ps.Addf(at.Field("at"), "want a time such as 2026-01-18T14:00:00Z, got %q", a.At)
		}
	}
	if len(f.Accepted) > 0 && f.Values != nil {
		ps.Addf(at.Field("accepted"), "declared values have no runs with which they could begin anew")
	}
	return ps
}

// Accept is the baseline after a change was accepted with a run: it begins anew there.
func (s Spec) Accept(a Acceptance) (Spec, error) {
	switch {
	case s.Values != nil:
		return s, fmt.Errorf("baseline %s: it has declared values and no runs with which it could begin anew; set it anew with `analyzer baseline set`", s.Name)
	case strings.TrimSpace(a.Reason) == "":
		return s, fmt.Errorf("baseline %s: say why the change is accepted", s.Name)
	}
	s.Accepted = append(slices.Clone(s.Accepted), a)
	if s.Run != "" {
		s.Run = a.Run
	}
	return s, nil
}

// Marshal writes the file of the baseline, as [ParseSpec] reads it.
func (s Spec) Marshal() ([]byte, error) {
	var last *int
	if s.Last > 0 {
		last = &s.Last
	}
	var accepted []acceptanceFile
	for _, a := range s.Accepted {
		accepted = append(accepted, acceptanceFile{a.Run, a.Reason, a.At.UTC().Format(time.RFC3339)})
	}
	text, err := yaml.Marshal(struct {
		APIVersion string            `yaml:"apiVersion"`
		Kind       string            `yaml:"kind"`
		Name       string            `yaml:"name"`
		Run        string            `yaml:"run,omitempty"`
		Last       *int              `yaml:"last,omitempty"`
		Labels     map[string]string `yaml:"labels,omitempty"`
		Values     map[string]string `yaml:"values,omitempty"`
		Accepted   []acceptanceFile  `yaml:"accepted,omitempty"`
	}{strictyaml.APIVersion, "Baseline", s.Name, s.Run, last, s.Labels, s.Values, accepted})
	if err != nil {
		return nil, fmt.Errorf("baseline %s: %w", s.Name, err)
	}
	_, err = ParseSpec(s.Name, text) // what is written can be read
	return text, err
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
