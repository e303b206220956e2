package strictyaml_test

import (
	"errors"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"

	"github.com/plumbline/plumbline/pkg/strictyaml"
)

// foreign is what another library reads.
type foreign struct {
	List []struct {
		A    int `yaml:"a"`
		Seen int `yaml:"seen,omitempty"`
	} `yaml:"list"`
}

func TestPartOfAnotherLibrary(t *testing.T) {
	const text = "name: x\n\nforeign:\n  # the copy keeps this comment, and not the empty line below\n  list:\n\n    - a: 1\n    - {b: 2, see: 3}\n"
	for _, c := range []struct{ name, says, want string }{
		{"a key of a line", "line 4: field b not found in type other.T", "f.yaml:8:8: foreign.list[1].b: unknown key b"},
		{"another key of the same line", "line 5: field see not found in type other.T", "f.yaml:8:14: foreign.list[1].see: unknown key see; did you mean seen?"},
		{"a value, which may be secret", "line 3: cannot unmarshal !!int `1` into other.T", "f.yaml:7:7: foreign.list[0].a: cannot unmarshal !!int the value"},
		{"two mistakes", "unmarshal errors:\n  line 3: first\n  line 4: second", "f.yaml:7:7: foreign.list[0].a: first\nf.yaml:8:8: foreign.list[1].b: second"},
		{"no line", "at most one of a & b", "f.yaml:5:3: foreign: at most one of a & b"},
		{"a line that isn't there", "line 99: far away", "f.yaml:5:3: foreign: far away"},
		{"nothing", "", ""},
	} {
		var f struct {
			Name    string     `yaml:"name"`
			Foreign *yaml.Node `yaml:"foreign"`
		}
		err := strictyaml.Decode("f.yaml", []byte(text), &f, func(at strictyaml.Path) strictyaml.Problems {
			return strictyaml.ReadPart(f.Foreign, at.Field("foreign"), foreign{}, func(part []byte) error {
				if !strings.Contains(string(part), "b: 2") {
					t.Errorf("%s: the part is %q", c.name, part)
				}
				if c.says == "" {
					return nil
				}
				return errors.New("yaml: " + c.says)
			})
		})
		got := ""
		if err != nil {
			got = err.Error()
		}
		if got != c.want {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
	}
}
