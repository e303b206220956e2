package strictyaml

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"gopkg.in/yaml.v3"
)

type sample struct {
	Header `yaml:",inline"`
	Name   string            `yaml:"name"`
	Count  int               `yaml:"count"`
	Wait   Duration          `yaml:"wait"`
	Items  []item            `yaml:"items"`
	Labels map[string]string `yaml:"labels"`
	Deep   map[string]*item  `yaml:"deep"`
	Raw    yaml.Node         `yaml:"raw"`
	Either either            `yaml:"either"`
}

// either is a duration or a list of them.
type either []Duration

func (e *either) UnmarshalYAML(n *yaml.Node) error {
	if n.Kind == yaml.ScalarNode {
		*e = make(either, 1)
		return (*e)[0].UnmarshalYAML(n)
	}
	var form struct {
		List []Duration `yaml:"list"`
	}
	err := DecodeNode("", n, &form, nil)
	*e = form.List
	return err
}

type item struct {
	Target float64 `yaml:"target"`
}

func (s sample) problems(at Path) (ps Problems) {
	ps = s.Header.Problems(at, "Sample")
	for i, it := range s.Items {
		if it.Target <= 0 || it.Target >= 1 {
			ps.Addf(at.Field("items").Index(i).Field("target"), "must lie between 0 and 1, got %v", it.Target)
		}
	}
	return ps
}

func TestDecodeReadsAllKinds(t *testing.T) {
	var s sample
	err := Decode("s.yaml", []byte("apiVersion: plumbline/v1\nkind: Sample\nname: 1.0\ncount: 3\nwait: 1d\nitems: [{target: .5}]\nlabels: {a: b}\ndeep: {x: {target: 0.25}}\nraw: {b: 1, a: 2}\n"), &s, func(at Path) Problems { return s.problems(at) })
	if err != nil {
		t.Fatal(err)
	}
	if s.Name != "1.0" || s.Count != 3 || time.Duration(s.Wait) != 24*time.Hour || s.Deep["x"].Target != .25 || s.Raw.Content[0].Value != "b" {
		t.Errorf("got %+v", s)
	}
}

func TestDecodeNamesEveryMistakeWithItsPlace(t *testing.T) {
	for _, c := range []struct {
		name, yaml string
		want       []string
	}{
		{"unknown key", "apiVersion: plumbline/v1\nkind: Sample\nnmae: x", []string{"s.yaml:3:1: nmae: unknown key; did you mean name?"}},
		{"unknown far key", "apiVersion: plumbline/v1\nkind: Sample\nitems: [{completely: 1}]", []string{"s.yaml:3:10: items[0].completely: unknown key; allowed are target", "s.yaml:3:9: items[0].target: must lie between 0 and 1, got 0"}},
		{"repeated key", "apiVersion: plumbline/v1\nkind: Sample\nname: a\nname: b", []string{"s.yaml:4:1: name: stands twice, first in line 3"}},
		{"wrong types", "apiVersion: plumbline/v1\nkind: Sample\ncount: many\nwait: soon\nitems: 3\nlabels: [a]", []string{
			`s.yaml:3:8: count: want a whole number, got "many"`,
			`s.yaml:4:7: wait: want a duration such as 500ms, 10s or 1m30s, got "soon"`,
			`s.yaml:5:8: items: want a list, got a value "3"`,
			`s.yaml:6:9: labels: want keys with values, got a list`}},
		{"checks and places", "apiVersion: v9\nkind: Sample\nitems:\n  - target: .5\n  - target: 99.9", []string{
			`s.yaml:1:13: apiVersion: must be plumbline/v1, got "v9"`,
			"s.yaml:5:13: items[1].target: must lie between 0 and 1, got 99.9"}},
		{"missing field stands at its parent", "name: x", []string{`s.yaml:1:1: apiVersion: must be plumbline/v1, got ""`, `s.yaml:1:1: kind: must be Sample, got ""`}},
		{"empty", "", []string{"s.yaml:1:1: the file is empty"}},
		{"two documents", "name: a\n---\nname: b", []string{"s.yaml:2:1: more than one document; keep each in a file of its own"}},
		{"a later document", "name: a\n---\n\nb: 1\n---\nc: 2", []string{"s.yaml:2:1: more than one document; keep each in a file of its own"}},
		{"numbers that are none", "apiVersion: plumbline/v1\nkind: Sample\nitems: [{target: .inf}, {target: .nan}, {target: 1e999}]", []string{
			`s.yaml:3:18: items[0].target: want a number, got ".inf"`,
			`s.yaml:3:34: items[1].target: want a number, got ".nan"`,
			`s.yaml:3:50: items[2].target: want a number, got "1e999"`}},
		{"a negative time", "apiVersion: plumbline/v1\nkind: Sample\nwait: -1s", []string{
			`s.yaml:3:7: wait: must not be negative: want a duration such as 500ms, 10s or 1m30s, got "-1s"`}},
		{"a form that is read strictly", "apiVersion: plumbline/v1\nkind: Sample\neither: {list: [1s, -2s], other: 3}", []string{
			`s.yaml:3:21: either.list[1]: must not be negative: want a duration such as 500ms, 10s or 1m30s, got "-2s"`,
			"s.yaml:3:27: either.other: unknown key; allowed are list"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var s sample
			err := Decode("s.yaml", []byte(c.yaml), &s, func(at Path) Problems { return s.problems(at) })
			if err == nil {
				t.Fatal("got no error")
			}
			got := strings.Split(err.Error(), "\n")
			want := c.want
			if c.name == "unknown far key" { // in order of place
				want = []string{c.want[1], c.want[0]}
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error("want -, got +:\n" + diff)
			}
		})
	}
}

// The line is the one that has to be changed. No column is better than a wrong one.
func TestSyntaxMistakes(t *testing.T) {
	const quotes = `; put text that holds any of ? : , { } [ ] # in quotes, such as {request: "GET /x?y=1"}`
	for _, c := range []struct{ name, yaml, want string }{
		{"a question mark in braces", "a: 1\nb:\n  - {x: 1}\n  - {name: a, request: GET /x?y=1}\nc: 2\n", "f.yaml:4: did not find expected ',' or '}'" + quotes},
		{"in the first line", "{request: GET /x?y=1}\n", "f.yaml:1: did not find expected ',' or '}'" + quotes},
		{"after Windows' line ends", "a: 1\r\nb: {request: GET /x?y=1}\r\nc: 2\r\n", "f.yaml:2: did not find expected ',' or '}'" + quotes},
		{"a variable in braces", "a: 1\nb: {auth: ${token}x}\nc: 2\n", "f.yaml:2: did not find expected ',' or '}'" + quotes},
		{"a comment in braces", "a: 1\nb: {c: #d}\ne: 2\nf: 3\n", "f.yaml:3: did not find expected ',' or '}'" + quotes},
		{"a comma twice", "a: 1\nb: {c: , d: ]}\ne: 2\n", "f.yaml:2: did not find expected node content" + quotes},
		{"a list that doesn't end", "a: [b\nc: d", "f.yaml:1: did not find expected ',' or ']'" + quotes},
		{"a mistake in a long list", "a: 1\nb: [\n  c,\n  {d: e?f},\n  g]\nh: 2\n", "f.yaml:4: did not find expected ',' or '}'" + quotes},
		{"less indentation", "a: 1\nb:\n  - c: 1\n  d: 2\ne: 3\nf: 4\n", "f.yaml:4: did not find expected '-' indicator"},
		{"more indentation", "a: 1\nb:\n  c: 1\n   d: 2\ne: 3\n", "f.yaml:4: mapping values are not allowed in this context"},
		{"a tab", "a: 1\n\tb: 2\nc: 3\n", "f.yaml:2: found a tab character that violates indentation"},
		{"no colon", "a: 1\nb\nc: 2\n", "f.yaml:2: could not find expected ':'"},
		{"an open quote", "a: 1\nb: \"c\nd: 1\n", "f.yaml:2: found unexpected end of stream"},
		{"an unknown anchor", "a: 1\nb: *c\nd: 1\n", "f.yaml:2: unknown anchor 'c' referenced"},
		{"no UTF-8", "a: 1\nb: c\xff\nd: 1\n", "f.yaml:2: invalid leading UTF-8 octet"},
		{"in a second document", "a: 1\n---\nb: c: d\ne: 1\n", "f.yaml:3: mapping values are not allowed in this context"},
	} {
		var into map[string]any
		err := Decode("f.yaml", []byte(c.yaml), &into, nil)
		if err == nil || err.Error() != c.want {
			t.Errorf("%s:\ngot  %v\nwant %s", c.name, err, c.want)
		}
	}
}

func TestPlacesOfMaps(t *testing.T) {
	var f struct {
		Deep map[string]struct {
			Place
			A int `yaml:"a"`
		} `yaml:"deep"`
	}
	if err := Decode("f.yaml", []byte("deep:\n  x: {a: 1}\n  y:\n    a: 2\n"), &f, nil); err != nil {
		t.Fatal(err)
	}
	if x, y := f.Deep["x"].String(), f.Deep["y"].String(); x != "f.yaml:2:6" || y != "f.yaml:4:5" {
		t.Errorf("got %s and %s, want f.yaml:2:6 and f.yaml:4:5", x, y)
	}
	if got := f.Deep["x"].Errorf("no %s", "b").Error() + ", " + (Place{}).Errorf("no c").Error(); got != "f.yaml:2:6: no b, no c" {
		t.Errorf("got %s, want the place where there is one", got)
	}
}

func TestQuantitiesAreFinite(t *testing.T) {
	for _, text := range []string{"1e999", "1e300TB"} {
		if v, _, err := ParseQuantity(text); err == nil || !strings.Contains(err.Error(), "is out of range") {
			t.Errorf("%s: got %v, %v, want that it is out of range", text, v, err)
		}
	}
}

func TestDecodeSurvivesAliasBombs(t *testing.T) {
	bomb := "a: &a [x,x,x,x,x,x,x,x,x]\n"
	for c := 'b'; c < 'k'; c++ {
		prev := string(c - 1)
		bomb += string(c) + ": &" + string(c) + " [" + strings.TrimSuffix(strings.Repeat("*"+prev+",", 9), ",") + "]\n"
	}
	var into map[string]any
	if err := Decode("bomb.yaml", []byte(bomb), &into, nil); err == nil {
		t.Error("got no error")
	}
}

func FuzzDecode(f *testing.F) {
	f.Add("name: x\ncount: 1\nitems: [{target: .5}]")
	f.Add("a: &a [*a]")
	f.Add("{}: []\n? [a]\n: b")
	f.Fuzz(func(t *testing.T, text string) {
		var s sample
		if err := Decode("f.yaml", []byte(text), &s, func(at Path) Problems { return s.problems(at) }); err != nil && !strings.Contains(err.Error(), "f.yaml:") {
			t.Errorf("error without a place: %v", err)
		}
	})
}
