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
		{"syntax", "name: [a\nkind: b", []string{"s.yaml:1:1: did not find expected ',' or ']'"}},
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
