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
		{"missing field stands at its parent", "name: x", []string{`s.yaml:1:1: apiVersion: is missing; write apiVersion: plumbline/v1`, `s.yaml:1:1: kind: is missing; write kind: Sample`}},
		{"empty", "", []string{"s.yaml:1:1: the file is empty"}},
		{"two documents", "name: a\n---\nname: b", []string{"s.yaml:2:1: more than one document; keep each in a file of its own"}},
		{"a later document", "name: a\n---\n\nb: 1\n---\nc: 2", []string{"s.yaml:2:1: more than one document; keep each in a file of its own"}},
		{"numbers that are none", "apiVersion: plumbline/v1\nkind: Sample\nitems: [{target: .inf}, {target: .nan}, {target: 1e999}]", []string{
			`s.yaml:3:18: items[0].target: want a number, got ".inf"`,
			`s.yaml:3:34: items[1].target: want a number, got ".nan"`,
			`s.yaml:3:50: items[2].target: want a number, got "1e999"`}},
		{"numbers that aren't whole", "apiVersion: plumbline/v1\nkind: Sample\ncount: 2.5", []string{`s.yaml:3:8: count: want a whole number, got "2.5": write 2 or 3`}},
		{"an octal number", "apiVersion: plumbline/v1\nkind: Sample\ncount: 010\nitems: [{target: 00.5}]", []string{
			`s.yaml:3:8: count: want a number without leading zeros and other bases, got "010": write 10`,
			`s.yaml:4:18: items[0].target: want a number without leading zeros and other bases, got "00.5": write 0.5`}},
		{"numbers of other bases", "apiVersion: plumbline/v1\nkind: Sample\ncount: -0x10\nitems: [{target: 0b11}, {target: 0o17}]", []string{
			`s.yaml:3:8: count: want a number without leading zeros and other bases, got "-0x10": write -16`,
			`s.yaml:4:18: items[0].target: want a number without leading zeros and other bases, got "0b11": write 3`,
			`s.yaml:4:34: items[1].target: want a number without leading zeros and other bases, got "0o17": write 15`}},
		{"keys without a value", "apiVersion: plumbline/v1\nkind: Sample\nname:\ncount: ~\nwait:\ndeep: {x: }\nlabels: {a: }\neither:", []string{
			`s.yaml:3:6: name: has no value; give it one ("" is empty text), or leave it out`,
			`s.yaml:4:8: count: has no value; give it one, or leave it out`,
			`s.yaml:5:6: wait: has no value; give it one, or leave it out`,
			`s.yaml:6:11: deep.x: has no value; give it one, or leave it out`,
			`s.yaml:7:13: labels.a: has no value; give it one ("" is empty text), or leave it out`,
			`s.yaml:8:8: either: has no value; give it one, or leave it out`}},
		{"text as the whole file", "hello", []string{`s.yaml:1:1: want keys with values, got a value "hello"`}},
		{"a list as the whole file", "- a", []string{`s.yaml:1:1: want keys with values, got a list`}},
		{"the kind of another file", "apiVersion: plumbline/v0\nkind: Profiles\nnmae: a\nitems: [{target: 3}]", []string{`s.yaml:2:7: kind: must be Sample, got "Profiles"`}},
		{"a kind with a typo", "apiVersion: plumbline/v1\nkind: sampel\nnmae: a", []string{`s.yaml:2:7: kind: must be Sample, got "sampel"`, "s.yaml:3:1: nmae: unknown key; did you mean name?"}},
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

// What only follows from another mistake is not told.
func TestFollowUps(t *testing.T) {
	check := func(s sample) func(at Path) Problems {
		return func(at Path) (ps Problems) {
			ps.Need(at.Field("name"), "name: NAME")
			if s.Count < 1 {
				ps.Needf(at.Field("count"), "count: 3", "must be above 0, got %d", s.Count)
			}
			sum := 0.0
			for i, it := range s.Items {
				if sum += it.Target; it.Target < 0 {
					ps.Addf(at.Field("items").Index(i).Field("target"), "must not be negative")
				}
			}
			if sum < 1 {
				ps.Rulef(at.Field("items"), at.Field("items").Index(0), "the targets come to %v", sum)
			}
			return ps
		}
	}
	const good = "name: x\ncount: 1\nitems: [{target: 1}]\n"
	for _, c := range []struct {
		name, old, new string
		want           []string
	}{
		{"nothing wrong", "", "", nil},
		{"missing", "name: x\ncount: 1\n", "", []string{"1:1: name: is missing; write name: NAME", "1:1: count: is missing; write count: 3"}},
		{"there and wrong", "count: 1", "count: 0", []string{"2:8: count: must be above 0, got 0"}},
		{"a typo in a key that must be there", "count: 1", "cuont: 1", []string{"2:1: cuont: unknown key; did you mean count?"}},
		{"a rule", "target: 1", "target: 0", []string{"3:9: items[0]: the targets come to 0"}},
		{"a rule over what could not be read", "target: 1", "target: one", []string{`3:18: items[0].target: want a number, got "one"`}},
		{"a rule over what is wrong", "target: 1", "target: -1", []string{"3:18: items[0].target: must not be negative"}},
		{"a rule over keys that are unknown", "target: 1", "other: 1", []string{"3:10: items[0].other: unknown key; allowed are target"}},
		{"below a value that could not be read", "[{target: 1}]", "5", []string{`3:8: items: want a list, got a value "5"`}},
	} {
		var s sample
		err := Decode("f.yaml", []byte(strings.Replace(good, c.old, c.new, 1)), &s, func(at Path) Problems { return check(s)(at) })
		var got []string
		if err != nil {
			got = strings.Split(strings.ReplaceAll(err.Error(), "f.yaml:", ""), "\n")
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s: want -, got +:\n%s", c.name, diff)
		}
	}
}

func TestNearest(t *testing.T) {
	for _, c := range []struct{ key, want string }{{"tokn", "token"}, {"Token", "token"}, {"a", "A"}, {"b", ""}, {"xy", ""}, {"ids", "id"}} {
		if got := Nearest(c.key, []string{"A", "id", "token"}); got != c.want {
			t.Errorf("%s: got %q, want %q", c.key, got, c.want)
		}
	}
}

// The place is the one that has to be changed.
func TestSyntaxMistakes(t *testing.T) {
	const quotes = ": " + quoteMe
	for _, c := range []struct{ name, yaml, want string }{
		{"a question mark in braces", "a: 1\nb:\n  - {x: 1}\n  - {name: a, request: GET /x?y=1}\nc: 2\n", "4:30: text can't hold ? here" + quotes},
		{"in the first line", "{request: GET /x?y=1}\n", "1:17: text can't hold ? here" + quotes},
		{"after Windows' line ends", "a: 1\r\nb: {request: GET /x?y=1}\r\nc: 2\r\n", "2:20: text can't hold ? here" + quotes},
		{"after other letters than ASCII's", "a: 1\nb: {ä: GET /ö?y=1}\nc: 2\n", "2:14: text can't hold ? here" + quotes},
		{"a variable in braces", "a: 1\nb: {auth: ${token}x}\nc: 2\n", "2:12: text can't hold { here" + quotes},
		{"a comment in braces", "a: 1\nb: {c: #d}\ne: 2\nf: 3\n", "2:8: a comment begins here; " + quoteMe},
		{"a comma twice", "a: 1\nb: {c: , d: ]}\ne: 2\n", "2:8: a value is missing before the comma; " + quoteMe},
		{"a list that doesn't end", "a: [b\nc: d", "1:4: this [ is never closed"},
		{"a list that doesn't end, and others after it", "a:\n  - b: [c, d\n    e: {f: \"${g}\"}\n    h: [i]\n", "2:8: this [ is never closed"},
		{"braces that don't end", "a: 1\nb: {c: d, e: {f: 1}\n", "2:4: this { is never closed"},
		{"a bracket that a brace closes", "a: {b: [1s, 5s}\nc: d\n", "1:8: this [ is never closed"},
		{"a mistake in a long list", "a: 1\nb: [\n  c,\n  {d: e?f},\n  g]\nh: 2\n", "4:8: text can't hold ? here" + quotes},
		{"beside JSON and text in blocks", "a: {\"b\":{\"c\":[1]}}\nd: |\n  it's [\n# isn't\ne: it's [ok\nf: g: h\n", "6:5: a colon in text needs quotes: write f: \"g: h\""},
		{"less indentation", "a: 1\nb:\n  - c: 1\n  d: 2\ne: 3\nf: 4\n", "4:3: indented as the list above, but no item of it: begin it with a dash, or indent it as the keys that it belongs to"},
		{"more indentation", "a: 1\nb:\n  c: 1\n   d: 2\ne: 3\n", "4:4: the indentation fits none of the lines above: keys of one thing stand in one column"},
		{"indentation in between", "a:\n    b: 1\n  c: 2\n", "3:3: the indentation fits none of the lines above: keys of one thing stand in one column"},
		{"a tab", "a: 1\n\tb: 2\nc: 3\n", "2:1: a tab can't indent: use spaces"},
		{"a tab below a key", "a:\n  b: 1\n \tc: 2\n", "3:2: a tab can't indent: use spaces"},
		{"a no-break space", "a:\n  b: 1\n \u00a0c: 2\n", "3:2: this is a no-break space: write a plain one"},
		{"quotes of prose", "a: 1\nb: {c: “${d}”}\n", "2:8: this is a quotation mark of prose: write \" or '"},
		{"an at sign", "a: 1\nb: @c\n", "2:4: no text begins with @: put it in quotes"},
		{"no colon", "a: 1\nb\nc: 2\n", "2:1: a colon is missing: want KEY: VALUE"},
		{"no blank after a colon", "a:\n  - name: b\n    weight:10\n    c: 2\n", "3:11: a blank is missing after the colon: write weight: 10"},
		{"no blank after a colon of an item", "a:\n  - weight:10\n    c: 2\n", "2:11: a blank is missing after the colon: write weight: 10"},
		{"no blank after a dash", "a:\n  - name: b\n    c: 1\n  -name: d\n    c: 2\n", "4:3: a blank is missing after the dash: write - name: "},
		{"a colon in text", "a:\n  - name: Browse: all\n    b: 1\n", "2:17: a colon in text needs quotes: write name: \"Browse: all\""},
		{"text after a quote", "a: 1\nb: \"c\" d\n", "2:8: text goes on after its closing quote: put all of it in quotes"},
		{"an open quote", "a: 1\nb: \"c\nd: 1\n", "2:4: this \" is never closed"},
		{"an open quote, and another one later", "a:\n  - b: \"c\n    d: 1\n    e: \"f\"\n", "2:8: this \" is never closed"},
		{"an unknown anchor", "a: 1\nb: *c\nd: 1\n", "2:4: no &c stands before *c; text that begins with * needs quotes"},
		{"an alias of what is around it", "a: 1\nb: &b {c: [*b]}\n", "2:12: *b stands inside of &b itself, without an end"},
		{"no UTF-8", "a: 1\nb: ä\xff\nd: 1\n", "2:5: is not UTF-8 (byte 0xff): save it as UTF-8"},
		{"in a second document", "a: 1\n---\nb: c: d\ne: 1\n", "3:5: a colon in text needs quotes: write b: \"c: d\""},
	} {
		var into map[string]any
		err := Decode("f.yaml", []byte(c.yaml), &into, nil)
		if err == nil || err.Error() != "f.yaml:"+c.want {
			t.Errorf("%s:\ngot  %v\nwant f.yaml:%s", c.name, err, c.want)
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
	f.Add("a:\n  - {b: 'c, d: [e?f]}\n  -g: \"h\n\ti: @j: k\n")
	f.Add("a: |\n  b\nc: *d\ne:f\ng\n")
	f.Fuzz(func(t *testing.T, text string) {
		var s sample
		if err := Decode("f.yaml", []byte(text), &s, func(at Path) Problems { return s.problems(at) }); err != nil && !strings.Contains(err.Error(), "f.yaml:") {
			t.Errorf("error without a place: %v", err)
		}
	})
}
