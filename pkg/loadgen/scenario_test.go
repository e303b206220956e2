package loadgen

import (
	"encoding/json"
	"math/rand/v2"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func scenarioText(step string) string {
	return "apiVersion: plumbline/v1\nkind: Scenario\nname: s\nusers:\n  - name: u\n    tasks:\n      - name: t\n" + step
}

func TestScenarioMistakes(t *testing.T) {
	for _, c := range []struct{ step, want string }{
		{"        request: GET /x/${nope}", "s.yaml:8:25: users[0].tasks[0].request: ${nope}: neither extracted"},
		{"        request: GET /x/${tokn}\n        extract: {token: a}", "did you mean token?"},
		{"        request: GET /x/${dice(6)}", "unknown function dice; there are randInt"},
		{"        request: GET /x/${randInt(6)}", "randInt wants two whole numbers"},
		{"        request: GET /x/${randInt(6, 1)}", "the lower first"},
		{"        request: GET /x/${randInt(1, 2.5)}", "two whole numbers"},
		{"        request: GET /x/${oneOf()}", "at least one choice"},
		{"        request: GET /x/${oneOf(a, b)}", "want 'text' or numbers"},
		{"        request: GET /x/${oneOf('a',)}", "want 'text' or numbers"},
		{"        request: GET /x/${uuid(4)}", "takes nothing"},
		{"        request: GET /x/${a | upper}\n        extract: {a: b}", "after a | want default('text'), got \"upper\""},
		{"        request: GET /x/${a", "a ${ without its }"},
		{"        request: FETCH /x", "s.yaml:8:18: users[0].tasks[0].request: want a method and a path"},
		{"        request: get /x", "methods are GET, HEAD"},
		{"        request: GET x", "want a method and a path"},
		{"        request: GET http://host/x", "give the path alone"},
		{"        request: GET /a b", "without spaces"},
		{"        request: GET /a#b", "without spaces or #"},
		{"        request: GET /\n        weight: 0", "must be above 0"},
		{"        request: GET /\n        weight: -1", "must be above 0"},
		{"        request: GET /\n        expect: {within: soon}", "want a duration"},
		{"        request: GET /\n        expect: {within: -1s}", "must not be negative"},
		{"        request: GET /\n        expect: {status: 700}", "want a status such as 200, a class such as 2xx"},
		{"        request: GET /\n        expect: {status: 2x}", "want a status such as 200"},
		{"        request: GET /\n        expect: {status: [200, ok]}", "got \"ok\""},
		{"        request: GET /\n        expect: {body: {a: {less: 3}}}", "unknown comparison \"less\"; there are eq, ne, lt"},
		{"        request: GET /\n        expect: {body: {a: {lt: fast}}}", "lt: want a number, got \"fast\""},
		{"        request: GET /\n        expect: {body: {a: {matches: '['}}}", "matches: error parsing regexp"},
		{"        request: GET /\n        expect: {header: {a: {exists: maybe}}}", "exists: want true or false"},
		{"        request: GET /\n        expect: {body: {a: []}}", "want a value, or comparisons"},
		{"        request: GET /\n        expext: {}", "s.yaml:9:9: users[0].tasks[0].expext: unknown key; did you mean expect"},
		{"        request: GET /\n        extract: {a: {regex: '('}}", "error parsing regexp"},
		{"        request: GET /\n        extract: {a: {header: X, cookie: Y}}", "want a gjson path"},
		{"        request: GET /\n        extract: {a: {heder: X}}", "want a gjson path"},
		{"        request: GET /\n        extract: {a: {regex: ''}}", "want a gjson path"},
		{"        request: GET /\n        extract: {a: {header: 'X Y'}}", "\"X Y\" can't be the name of a header"},
		{"        request: GET /\n        expect: {header: {'X Y': a}}", "s.yaml:9:34: users[0].tasks[0].expect.header.X Y: \"X Y\" can't be the name of a header"},
		{"        request: GET /\n      - name: t\n        request: GET /", "already called"},
		{"        steps: []", "want at least one step"},
		{"        steps: [{request: GET /}]\n        expect: {status: 200}", "s.yaml:9:17: users[0].tasks[0].expect: belongs into one of the task's steps"},
		{"        request: POST /\n        json: {a: '${env.PLUMBLINE_UNSET}'}", "s.yaml:9:19: users[0].tasks[0].json.a: ${env.PLUMBLINE_UNSET}: the environment variable PLUMBLINE_UNSET is not set"},
		{"        request: POST /\n        json:\n          a:\n            - ok\n            - '${nope}'", "s.yaml:12:15: users[0].tasks[0].json.a[1]: ${nope}"},
		{"        request: POST /\n        json: {a: .inf}", "can't stand in JSON"},
		{"        request: POST /\n        json:\n          a: 017", "s.yaml:10:14: users[0].tasks[0].json.a: want a number without leading zeros and other bases, got \"017\": write 17, or put it in quotes as text"},
		{"        request: POST /\n        json: [1, 0x10]", "s.yaml:9:19: users[0].tasks[0].json[1]: want a number without leading zeros and other bases, got \"0x10\": write 16, or put it in quotes as text"},
		{"        request: POST /\n        json: {a: 1_000}", "or 1000"},
		{"        request: POST /\n        json: {a: +5}", "or 5"},
		{"        request: POST /\n        json: {a: .5}", "or 0.5"},
		{"        request: POST /\n        json: &a {x: [*a]}", "s.yaml:9:23: *a stands inside of &a itself, without an end"},
		{"        request: POST /\n        json: {a: &a [1,1,1,1,1,1,1,1,1,1], b: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a,*a], c: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b,*b], d: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c,*c], e: [*d,*d,*d,*d,*d,*d,*d,*d,*d,*d]}", "too many values"},
		{"        request: GET /\n        headers: {A: \"x\\r\\nB: y\"}", "s.yaml:9:22: users[0].tasks[0].headers.A: \"x\\r\\nB: y\": a header holds no line breaks"},
		{"        request: POST /\n        json: {}\n        form: {}", "give one of json, form, body and file"},
		{"        request: POST /\n        file: nowhere.bin", "nowhere.bin: no such file"},
		{"        request: GET /\n        headers: {'a b': c}", "can't be the name of a header"},
		{"        request: GET /\n        headers: {content-length: 3}", "is set by loadgen itself"},
		{"        request: GET /\n        headers: {Cookie: a=b}", "give cookies under cookies"},
		{"        request: GET /\n        cookies: {'a;b': c}", "can't be the name of a cookie"},
		{"        request: GET /\n        auth: {}", "want {bearer: TOKEN} or {basic:"},
		{"        request: GET /\n        auth: {bearer: a, basic: {username: a, password: b}}", "want {bearer: TOKEN} or {basic:"},
		{"        request: GET /\n        auth: {bearer: a}\n        headers: {authorization: b}", "headers already has Authorization"},
		{"        request: GET /\n        auth: {basic: {username: 'a:b', password: c}}", "must not contain a colon"},
		{"        request: GET /\n        timeout: -1s", "s.yaml:9:18: users[0].tasks[0].timeout: must not be negative: want a duration such as 500ms"},
		{"        request: GET /\n        timeout: 0s", "s.yaml:9:18: users[0].tasks[0].timeout: must be above 0; leave it out for the one of --timeout"},
		{"        request: GET /\n        expect: {within: 0s}", "s.yaml:9:26: users[0].tasks[0].expect.within: must be above 0; leave it out when any time will do"},
		{"        request: GET /\n        weight: .inf", "s.yaml:9:17: users[0].tasks[0].weight: want a number, got \".inf\""},
		{"        request: GET /\n        weight: 1e300", "weight: must be above 0 and at most 1000000000"},
		{"        request: GET /${randInt(1, 99999999999999999999)}", "randInt wants two whole numbers"},
		{"        request: GET /\n        expect: {body: {a: {lt: .inf}}}", "lt: want a number, got \".inf\""},
		{"        request: GET /\n        expect: {body: {a: {gt: nan}}}", "gt: want a number, got \"nan\""},
		{"        request: GET /\n        redirects: 50", "must be between 0 and 20"},
		{"        request: GET /\n        redirects: 2.5", "redirects: want a whole number, got \"2.5\": write 2 or 3"},
		{"        request: GET /\n        weight: 010", "weight: want a number without leading zeros and other bases, got \"010\": write 10"},
		{"        request: GET /\n        weight:", "s.yaml:9:16: users[0].tasks[0].weight: has no value"},
		{"        request: POST /\n        json: {a: 010}", "s.yaml:9:19: users[0].tasks[0].json.a: want a number without leading zeros and other bases, got \"010\": write 10, or put it in quotes as text"},
		{"        request: GET /\n        expect: {body: {a: 0x10}}", "got \"0x10\": write 16, or put it in quotes as text"},
		{"        request: POST /\n        file: http://h/x.bin", "s.yaml:9:15: users[0].tasks[0].file: want the path of a file, got the URL http://h/x.bin"},
		{"        json: {a: 1}", "s.yaml:7:9: users[0].tasks[0].request: is missing; write request: GET /api/v1/agents"},
		{"        request: GET /\n        auth: {basic: {username: a}}", "s.yaml:9:23: users[0].tasks[0].auth.basic.password: is missing; write password: WORD"},
		{"        request: GET /\n        extract: {env: a}", "extract.env: ${env.NAME} is the environment's: choose another name"},
		{"        request: GET /\n        extract: {a b: a}", "want a name of letters, digits, _ and -, which can stand in ${…}, got \"a b\""},
		{"        request: GET /\n        extract: {a: 'items[0].id'}", "extract.a: gjson paths have no [ ]: write items.0.id"},
		{"        request: GET /\n        extract: {a: 'items.#(id==\")\"'}", "extract.a: ( in items.#(id==\")\" is never closed"},
		{"        request: GET /\n        expect: {body: {'{a,b': 1}}", "body.{a,b: { in {a,b is never closed"},
		{"        steps: [{name: \"a\\nb\", request: GET /}]", "steps[0].name: a name holds no line breaks and other control characters, got \"a\\nb\""},
		{"        steps: [{name: " + strings.Repeat("ä", 201) + ", request: GET /}]", "steps[0].name: a name has at most 200 letters, got 201"},
		{"        steps: [{name: Aggregated, request: GET /}]", "Aggregated is what the total of all requests is called: choose another name"},
		{"        request: GET /\n  - name: u\n    tasks: [{name: t, request: GET /}]", "s.yaml:9:11: users[1].name: another kind of user is already called \"u\""},
	} {
		_, err := ParseScenario("s.yaml", []byte(scenarioText(c.step)), ".")
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), "s.yaml:") {
			t.Errorf("%s:\ngot  %v\nwant s.yaml:…%s", c.step, err, c.want)
		}
	}
}

// Each bad variable is told, where it stands.
func TestPlacesOfVariables(t *testing.T) {
	for step, places := range map[string][]string{
		"request: GET /x/${one}/${two}":  {"8:25: users[0].tasks[0].request: ${one}", "8:32: users[0].tasks[0].request: ${two}"},
		"request: \"GET /\\x41/${one}\"": {"8:29: users[0].tasks[0].request: ${one}"},
		"request: GET   /x/${one}":       {"8:27: users[0].tasks[0].request: ${one}"},
		"request: POST /\n        body: |\n          a\n          b ${one}\n\n          ${two": {"11:13: users[0].tasks[0].body: ${one}", "13:11: users[0].tasks[0].body: \"a"},
		"request: POST /\n        json: {a: {b: 'ä ${one} ${two}'}}":                           {"9:26: users[0].tasks[0].json.a.b: ${one}", "9:33: users[0].tasks[0].json.a.b: ${two}"},
		"request: POST /\n        form: {a: 'x${one}'}":                                        {"9:21: users[0].tasks[0].form.a: ${one}"},
	} {
		_, err := ParseScenario("s.yaml", []byte(scenarioText("        "+step)), ".")
		if err == nil {
			t.Errorf("%s: got no error", step)
			continue
		}
		got := strings.Split(err.Error(), "\n")
		for i, want := range places {
			if len(got) != len(places) || !strings.HasPrefix(got[i], "s.yaml:"+want) {
				t.Errorf("%s:\ngot  %v\nwant %q", step, err, places)
				break
			}
		}
	}
}

// What follows from one mistake is not told as well.
func TestOneMistakeIsToldOnce(t *testing.T) {
	const head = "apiVersion: plumbline/v1\nkind: Scenario\nname: s\n"
	for text, want := range map[string]string{
		head + "user: [{name: u, tasks: [{name: t, request: GET /}]}]":                              "4:1: user: unknown key; did you mean users?",
		head + "users: [{name: u, taskz: [{name: t, request: GET /}]}]":                             "4:19: users[0].taskz: unknown key; did you mean tasks?",
		head + "users: [{name: u, tasks: [{name: t, requests: GET /}]}]":                            "4:37: users[0].tasks[0].requests: unknown key; did you mean request?",
		head + "users: [{name: u, tasks: [GET /]}]":                                                 "4:27: users[0].tasks[0]: want keys with values, got a value \"GET /\"",
		head + "data: {a: x.csv}\nusers: [{name: u, tasks: [{name: t, request: 'GET /${a.b}'}]}]":   "4:11: data.a: want keys with values, got a value \"x.csv\"",
		head + "users: [{name: u, think: {uniform: [1s, 2s]}, tasks: [{name: t, request: GET /}]}]": "4:27: users[0].think.uniform: unknown key; allowed are between, exponential",
		head + "auth: {oauth: x}\nusers: [{name: u, tasks: [{name: t, request: GET /}]}]":           "4:8: auth.oauth: unknown key; allowed are basic, bearer",
		head:                     "1:1: users: is missing; write users: [{name: NAME, tasks: [{name: NAME, request: GET /}]}]",
		"hello":                  "1:1: want keys with values, got a value \"hello\"",
		"- a\n- b":               "1:1: want keys with values, got a list",
		"kind: Profiles\na: 1\n": "1:7: kind: must be Scenario, got \"Profiles\"",
	} {
		_, err := ParseScenario("s.yaml", []byte(text), ".")
		if err == nil || err.Error() != "s.yaml:"+want {
			t.Errorf("%s:\ngot  %v\nwant s.yaml:%s", text, err, want)
		}
	}
}

// Null in expect is JSON's.
func TestExpectedNull(t *testing.T) {
	s := mustParse(t, scenarioText("        request: GET /\n        expect: {body: {error: null}}"))
	e := s.Users[0].Tasks[0].Steps[0].expect
	for body, want := range map[string]Outcome{`{"error": null}`: Success, `{"error": "x"}`: BadBody} {
		if got := e.judge(answered(t, 200, "", body), 0); got != want {
			t.Errorf("%s: got %s, want %s", body, got, want)
		}
	}
}

func TestAbsolutePaths(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"d.csv": "a\n1\n", "b.txt": "body"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	text := func(data, body string) string {
		return "apiVersion: plumbline/v1\nkind: Scenario\nname: s\ndata: {d: {file: " + data + "}}\nusers: [{name: u, tasks: [{name: t, request: 'POST /${d.a}', file: " + body + "}]}]"
	}
	s, err := ParseScenario("s.yaml", []byte(text(filepath.Join(dir, "d.csv"), filepath.Join(dir, "b.txt"))), "elsewhere")
	if err != nil {
		t.Fatal(err)
	}
	if got := s.Users[0].Tasks[0].Steps[0].body[0].literal; got != "body" || len(s.data[0].rows) != 1 {
		t.Errorf("got body %q and %d rows, want those of the files", got, len(s.data[0].rows))
	}
	_, err = ParseScenario("s.yaml", []byte(text("http://h/d.csv", "b.txt")), dir)
	if want := "s.yaml:4:18: data.d.file: want the path of a file, got the URL http://h/d.csv: download it before"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

// What is allowed and hardly meant is told by Explain, with its place.
func TestWarningsOfAScenario(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "d.csv"), []byte("a\n1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := ParseScenario("s.yaml", []byte(`apiVersion: plumbline/v1
kind: Scenario
name: s
data:
  used: {file: d.csv}
  other: {file: d.csv}
users:
  - tasks:
      - name: t
        steps:
          - {name: a, request: POST /, json: '{"a": 1}'}
          - {name: a, request: "GET /${used.a}"}
          - {name: b, request: POST /, json: plain text}
`), dir)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"s.yaml:6:10: data set other is not used by any request",
		"s.yaml:8:5: users[0] has no name, under which the shares of its tasks are listed",
		"s.yaml:8:5: task t has several steps called a: their results are counted together",
		`s.yaml:11:46: json is text here, and sent as a string: leave the quotes around {"a": 1} out, or write body`,
	}
	var out strings.Builder
	e := Explain(s, nil)
	if diff := cmp.Diff(want, e.Warnings); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if err := e.Write(&out); err != nil || !strings.Contains(out.String(), "\n\nwarning: "+want[0]+"\nwarning: ") {
		t.Errorf("got %s, %v, want the warnings", out.String(), err)
	}
}

// Where a text is the same for every request, a variable would be taken as it is written.
func TestWhereNoVariablesStand(t *testing.T) {
	for step, at := range map[string]string{
		"expect: {body: {a: '${id}'}}":              "9:28: users[0].tasks[0].expect.body.a: \"${id}\"",
		"expect: {body: {a: {gte: '${id}'}}}":       "9:28: users[0].tasks[0].expect.body.a: \"${id}\"",
		"expect: {body: {a: {matches: '^${id}'}}}":  "9:28: users[0].tasks[0].expect.body.a: \"^${id}\"",
		"expect: {body: {'a.${id}': 3}}":            "9:36: users[0].tasks[0].expect.body.a.${id}: \"a.${id}\"",
		"expect: {contains: 'a ${id}'}":             "9:28: users[0].tasks[0].expect.contains: \"a ${id}\"",
		"expect: {header: {a: '${id}'}}":            "9:30: users[0].tasks[0].expect.header.a: \"${id}\"",
		"expect: {header: {'a-${id}': b}}":          "9:38: users[0].tasks[0].expect.header.a-${id}: \"a-${id}\"",
		"extract: {v: 'a.${id}'}":                   "9:22: users[0].tasks[0].extract.v: \"a.${id}\"",
		"extract: {v: {path: 'a.${id}'}}":           "9:22: users[0].tasks[0].extract.v: \"a.${id}\"",
		"extract: {v: {header: '${id}'}}":           "9:22: users[0].tasks[0].extract.v: \"${id}\"",
		"extract: {v: {cookie: '${id}'}}":           "9:22: users[0].tasks[0].extract.v: \"${id}\"",
		"extract: {v: {regex: '${id}'}}":            "9:22: users[0].tasks[0].extract.v: \"${id}\"",
		"extract: {v: {path: a, default: '${id}'}}": "9:22: users[0].tasks[0].extract.v: \"${id}\"",
		"json: {'${id}': 1}":                        "9:16: users[0].tasks[0].json.${id}: \"${id}\"",
		"form: {'${id}': a}":                        "9:25: users[0].tasks[0].form.${id}: \"${id}\"",
	} {
		_, err := ParseScenario("s.yaml", []byte(scenarioText("        request: POST /\n        "+step)), ".")
		want := "s.yaml:" + at + ": no variables here; ${…} may stand in a request's path, headers, cookies, auth, json, form and body. Write $${ for ${ itself"
		if err == nil || err.Error() != want {
			t.Errorf("%s:\ngot  %v\nwant %s", step, err, want)
		}
	}
	_, err := ParseScenario("s.yaml", []byte(`apiVersion: plumbline/v1
kind: Scenario
name: ${user()}
users:
  - name: ${user()}
    start: [{name: "a ${user()}", request: GET /}]
    tasks:
      - {name: "b ${user()}", request: GET /}
      - name: c ${user()}
        steps: [{request: GET /}, {name: "d ${user()}", request: GET /}]
`), ".")
	if err == nil {
		t.Fatal("got no error for names with variables")
	}
	var places []string
	for _, line := range strings.Split(err.Error(), "\n") {
		place, _, _ := strings.Cut(line, ": \"")
		places = append(places, strings.TrimPrefix(place, "s.yaml:"))
	}
	want := []string{"3:7: name", "5:11: users[0].name", "6:20: users[0].start[0].name", "8:16: users[0].tasks[0].name", "9:15: users[0].tasks[1].name", "10:42: users[0].tasks[1].steps[1].name"}
	if diff := cmp.Diff(want, places); diff != "" {
		t.Errorf("names (-want +got):\n%s", diff)
	}

	s := mustParse(t, scenarioText("        request: POST /\n        json: {'$${a}': 1}\n        expect: {contains: '$${x}', body: {a: '$${y}'}}\n        extract: {v: {header: a, default: '$${z}'}}"))
	st := s.Users[0].Tasks[0].Steps[0]
	body, _ := st.body.append(nil, nil)
	if got := string(body) + string(st.expect.contains) + st.expect.body[0].want[0].want + *st.extract[0].standard; got != `{"${a}":1}${x}${y}${z}` {
		t.Errorf("$${ gave %s, want ${ each time", got)
	}
}

func TestPathsOfJSONPath(t *testing.T) {
	for path, write := range map[string]string{
		"$.id": "id", "$.items[0].id": "items.0.id", "$['a']['b']": "a.b", "$[*].id": "#.id", "$.items.*.id": "items.#.id", "$": "@this",
	} {
		for step, at := range map[string]string{
			"extract: {v: \"" + path + "\"}":         "9:22: users[0].tasks[0].extract.v",
			"extract: {v: {path: \"" + path + "\"}}": "9:22: users[0].tasks[0].extract.v",
			"expect: {body: {\"" + path + "\": x}}":  "users[0].tasks[0].expect.body." + path,
		} {
			_, err := ParseScenario("s.yaml", []byte(scenarioText("        request: GET /\n        "+step)), ".")
			if want := at + ": gjson paths have no $.: write " + write; err == nil || !strings.HasPrefix(err.Error(), "s.yaml:9:") || !strings.HasSuffix(err.Error(), want) {
				t.Errorf("%s: got %v, want s.yaml:9:…%s", step, err, want)
			}
		}
	}
	for _, path := range []string{"$.a[?(@.b == 1)]", "$..id", "$.items[-1].id", "$.a[0:2]", "$['a.b']"} {
		_, err := ParseScenario("s.yaml", []byte(scenarioText("        request: GET /\n        extract: {v: \""+path+"\"}")), ".")
		if want := "gjson paths have no $. and other filters: see https://"; err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %s", path, err, want)
		}
	}
	mustParse(t, scenarioText("        request: GET /\n        extract: {v: $id, w: a.$ref}\n        expect: {body: {$type: x}}"))
}

func TestThinkMistakes(t *testing.T) {
	for think, want := range map[string]string{
		"-1s":                                  "6:12: users[0].think: must not be negative: want a duration such as 500ms, 10s or 1m30s, got \"-1s\"",
		"{between: [-1s, 2s]}":                 "6:23: users[0].think.between[0]: must not be negative: want a duration such as 500ms, 10s or 1m30s, got \"-1s\"",
		"{between: [5s, 2s]}":                  "6:22: users[0].think.between: want the shorter time first: [2s, 5s]",
		"{between: [5s]}":                      "6:12: users[0].think: want a duration, {between: [1s, 5s]} or {exponential: 3s}",
		"{between: [1s, 2s], exponential: 3s}": "6:12: users[0].think: want a duration, {between: [1s, 5s]} or {exponential: 3s}",
		"{exponential: -3s}":                   "6:26: users[0].think.exponential: must not be negative: want a duration such as 500ms, 10s or 1m30s, got \"-3s\"",
		"{exponential: 0s}":                    "6:12: users[0].think: want a duration, {between: [1s, 5s]} or {exponential: 3s}",
		"{exponential: 3s, max: 9s}":           "6:30: users[0].think.max: unknown key; allowed are between, exponential",
		"[1s, 2s]":                             "6:12: users[0].think: want keys with values, got a list",
	} {
		_, err := ParseScenario("s.yaml", []byte("apiVersion: plumbline/v1\nkind: Scenario\nname: s\nusers:\n  - name: u\n    think: "+think+"\n    tasks: [{name: t, request: GET /}]"), ".")
		if err == nil || !strings.HasPrefix(err.Error(), "s.yaml:"+want) {
			t.Errorf("%s:\ngot  %v\nwant s.yaml:%s", think, err, want)
		}
	}
}

func TestMeanOfLongThinkTimes(t *testing.T) {
	const year = 365 * 24 * time.Hour
	if got := (Think{Min: 150 * year, Max: 250 * year}).Mean(); got != 200*year {
		t.Errorf("got %s, want 200 years", got)
	}
}

func TestAllMistakesComeAtOnce(t *testing.T) {
	_, err := ParseScenario("s.yaml", []byte(`apiVersion: plumbline/v2
kind: Scenario
name: s
headers: {X: "${nope}"}
data: {d: {file: missing.csv, pick: often}}
users:
  - {name: a, think: long, tasks: [{name: t, request: GET}]}
  - {name: b, tasks: []}
`), ".")
	want := `s.yaml:1:13: apiVersion: must be plumbline/v1, got "plumbline/v2"
s.yaml:4:14: headers.X: ${nope}: neither extracted by a step of this user nor a data set; there are d; functions are randInt(a, b), oneOf('a', 'b', …), uuid(), user(), iteration(), and env.NAME
s.yaml:5:18: data.d.file: open missing.csv: no such file or directory
s.yaml:5:37: data.d.pick: want one of random, sequential, weighted, unique, got "often"
s.yaml:7:22: users[0].think: want a duration such as 500ms, 10s or 1m30s, got "long"
s.yaml:7:55: users[0].tasks[0].request: want a method and a path such as GET /api/v1/agents?limit=10, without spaces or #, got "GET"
s.yaml:8:22: users[1].tasks: want at least one task`
	if err == nil {
		t.Fatal("got no error")
	}
	if diff := cmp.Diff(want, err.Error()); diff != "" {
		t.Error(diff)
	}
}

func TestDataMistakes(t *testing.T) {
	for _, c := range []struct{ name, file, text, keys, want string }{
		{"no array", "a.json", `{"x": 1}`, "", "a.json:1:1: want an array of objects"},
		{"no object", "a.json", "[{\"x\": 1},\n  3]", "", "a.json:2:3: want an object"},
		{"broken JSON", "a.json", "[{\"x\": 1},\n {\"x\" 2}]", "", "a.json:2:7: not JSON"},
		{"no end", "a.json", "[{\"x\": 1}", "", "a.json:1:9: not JSON: unexpected end"},
		{"rest", "a.json", "[{\"x\": 1}] 5", "", "a.json:1:12: not JSON: invalid character '5' after top-level value"},
		{"a missing column", "a.json", "[{\"x\": 1, \"y\": 2},\n{\"x\": 1}]", "", "a.json:2:1: row 2 has no y"},
		{"no rows", "a.json", "[]", "", "a.json:1:1: holds no rows"},
		{"a short line", "a.csv", "x,y\n1,2\n3\n", "", "a.csv:3:1: row has 1 columns, the head has 2"},
		{"a long line", "a.csv", "x,y\n1,2\n3,4,5\n", "", "a.csv:3:1: row has 3 columns, the head has 2"},
		{"semicolons", "a.csv", "x;y\n1;2\n", "", "s.yaml:4:18: data.d.file: DIR/a.csv:1:2: columns are separated by commas, got \";\" between them"},
		{"tabs", "a.csv", "xy\tz\n1\t2\n", "", "a.csv:1:3: columns are separated by commas, got \"\\t\" between them"},
		{"Latin 1", "a.csv", "x,y\n1,caf\xe9\n", "", "a.csv:2:6: is not UTF-8 (byte 0xe9): save it as UTF-8"},
		{"Latin 1 in JSON", "a.json", "[{\"x\": \"\xe9\"}]", "", "a.json:1:9: is not UTF-8 (byte 0xe9): save it as UTF-8"},
		{"UTF-16", "a.csv", "\xff\xfex\x00,\x00y\x00\n\x00", "", "a.csv:1:1: is UTF-16: save it as UTF-8"},
		{"UTF-16 without its mark", "a.txt", "\x00x\x00\n", "", "a.txt:1:1: is UTF-16: save it as UTF-8"},
		{"a program", "a.csv", "\x7fELF\x02\x00\x00", "", "a.csv:1:6: is no text: it holds a byte 0"},
		{"a quote in text", "a.csv", "x,y\n1,a\"b\n", "", "a.csv:2:4: a quote inside of a value"},
		{"an open quote", "a.csv", "x,y\n1,\"2\n", "", "a.csv:2:6: a quote of the row that begins in line 2 is never closed"},
		{"a column twice", "a.csv", "x,x\n1,2\n", "", "a.csv:1:1: the first line names the columns; column 2 is \"x\""},
		{"a header alone", "a.csv", "x,y\n", "", "holds no rows"},
		{"empty lines", "a.txt", "\n \n", "", "holds no rows"},
		{"no such weight", "a.csv", "x\n1\n", ", weight: w", "has no column w for the weight; it has x"},
		{"bad weights, each", "a.csv", "x,w\n1,2\n1,heavy\n1,-3\n", ", weight: w", "a.csv:3:1: column w is \"heavy\", want a weight from 0 to 1000000000\ns.yaml:4:20: data.d.file: DIR/a.csv:4:1: column w is \"-3\""},
		{"a weight that is too great", "a.csv", "x,w\n1,1e300\n", ", weight: w", "a.csv:2:1: column w is \"1e300\", want a weight from 0 to 1000000000"},
		{"no weight at all", "a.csv", "x,w\n1,0\n", ", weight: w", "all weights are 0"},
		{"weighted by what", "a.txt", "x\n", ", pick: weighted", "name the column of the weights"},
		{"weight for nothing", "a.csv", "x,w\n1,1\n", ", weight: w, pick: random", "does nothing when pick is random"},
		{"a column of text", "a.txt", "x\n", "", "holds lines of text, which have no columns: write ${d}"},
	} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, c.file), []byte(c.text), 0o600); err != nil {
			t.Fatal(err)
		}
		text := "apiVersion: plumbline/v1\nkind: Scenario\nname: s\ndata: {d: {file: " + c.file + c.keys + "}}\nusers: [{name: u, tasks: [{name: t, request: 'GET /${d.x}'}]}]"
		_, err := ParseScenario("s.yaml", []byte(text), dir)
		want := strings.ReplaceAll(c.want, "DIR", dir)
		if c.name == "bad weights, each" {
			want = strings.Replace(want, "s.yaml:4:20", "s.yaml:4:18", 1)
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want …%s", c.name, err, want)
		}
	}
}

// rendered is the first step's request as it would go over the wire.
func rendered(t *testing.T, text string, vars ...string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "body.json"), []byte(`{"raw": "${x}"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := ParseScenario("s.yaml", []byte(text), dir)
	if err != nil {
		t.Fatal(err)
	}
	sc := newScope(&s, 1, 3)
	for i, v := range vars {
		sc.vars[i] = variable{value{text: v}, true}
	}
	r, to := requestTo("target", s.Users[0].Tasks[0].Steps[0])
	var m message
	if !r.render(&m, to, &sc, nil) {
		t.Fatalf("%s: a variable is not set", text)
	}
	return strings.ReplaceAll(string(m.wire), "\r\n", "\n")
}

// requestTo is a step that is sent to a host.
func requestTo(host string, st Step) (request, destination) {
	target := &url.URL{Scheme: "http", Host: host}
	return request{Step: st, target: target}, destination{method: st.Method, origin: newDialer(target, Options{Target: target}), withBody: true}
}

func TestRequestsOnTheWire(t *testing.T) {
	const top = "POST /a HTTP/1.1\nHost: target\nUser-Agent: plumbline\n"
	for _, c := range []struct{ name, step, want string }{
		{"a form", "form: {b: 'x y&z', a: \"1${x}\"}", top + "Content-Type: application/x-www-form-urlencoded\nContent-Length: 25\n\na=1v%22%20%2F&b=x%20y%26z"},
		{"raw text", "body: 'n=${x}'", top + "Content-Type: text/plain; charset=utf-8\nContent-Length: 6\n\nn=v\" /"},
		{"a file, as it is", "file: body.json", top + "Content-Type: application/json\nContent-Length: 15\n\n{\"raw\": \"${x}\"}"},
		{"a content type of one's own", "body: '<a/>'\n        headers: {content-type: text/xml}", top + "content-type: text/xml\nContent-Length: 4\n\n<a/>"},
		{"basic authorization", "auth: {basic: {username: Aladdin, password: open sesame}}", top + "Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==\nContent-Length: 0\n\n"}, // RFC 7617, section 2
		{"basic authorization from data", "auth: {basic: {username: '${x}', password: 'p'}}", top + "Authorization: Basic diIgLzpw\nContent-Length: 0\n\n"},
		{"a bearer", "auth: {bearer: 'tok-${user()}'}", top + "Authorization: Bearer tok-3\nContent-Length: 0\n\n"},
		{"cookies", "cookies: {a: '1', b: '${x}'}", top + "Cookie: a=1; b=v\" /\nContent-Length: 0\n\n"},
		{"a header that isn't set yet", "headers: {A: '${later}', B: '${later | default(''none'')}'}\n        extract: {later: a, x: b}", top + "B: none\nContent-Length: 0\n\n"},
	} {
		step := "        request: POST /a\n        " + c.step
		vars := []string{`v" /`}
		if !strings.Contains(c.step, "extract:") {
			step += "\n        extract: {x: x}"
		} else {
			vars = nil
		}
		if diff := cmp.Diff(c.want, strings.Replace(rendered(t, scenarioText(step), vars...), "application/json; charset=utf-8", "application/json", 1)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, diff)
		}
	}
}

func TestTheInnermostSettingCounts(t *testing.T) {
	s := mustParse(t, `apiVersion: plumbline/v1
kind: Scenario
name: s
headers: {A: scenario, B: scenario, C: scenario, D: scenario}
timeout: 10s
redirects: 5
users:
  - name: u
    headers: {b: user, c: user, d: user}
    auth: {bearer: user}
    tasks:
      - name: t
        headers: {C: task, D: task}
        timeout: 3s
        steps:
          - {request: GET /, headers: {d: step, Authorization: step}, redirects: 0}
          - {name: second, request: GET /}
`)
	first, second := s.Users[0].Tasks[0].Steps[0], s.Users[0].Tasks[0].Steps[1]
	got := map[string]string{}
	for _, h := range first.headers {
		v, _ := h.value.append(nil, nil)
		got[strings.ToUpper(h.name[:1])] = got[strings.ToUpper(h.name[:1])] + string(v)
	}
	if diff := cmp.Diff(map[string]string{"A": "scenariostep", "B": "user", "C": "task", "D": "step"}, got); diff != "" {
		t.Errorf("headers (-want +got), A with Authorization:\n%s", diff)
	}
	if first.Name != "t" || first.Timeout != 3*time.Second || first.Redirects != 0 || second.Name != "second" || second.Redirects != 5 {
		t.Errorf("got %+v and %+v", first, second)
	}
}

// Numbers are sent as they are written.
func TestNumbersInJSON(t *testing.T) {
	const numbers = `[0,-0,1.10,1.0,1e3,1E+3,123e-2,9007199254740993,18446744073709551615,12345678901234567890123]`
	s := mustParse(t, scenarioText("        request: POST /\n        json: "+strings.ReplaceAll(numbers, ",", ", ")))
	if got, _ := s.Users[0].Tasks[0].Steps[0].body.append(nil, nil); string(got) != numbers {
		t.Errorf("got %s, want %s", got, numbers)
	}
}

func TestRenderedJSON(t *testing.T) {
	const step = `        request: POST /ä/${x}
        json: {z: "${n}", a: "n is ${n}", quoted: "${x}", price: "$${n}", list: [1, true, null, "${oneOf('}')}", "${oneOf(5)}"], id: "${uuid()}", html: "<&>", on: 2026-01-18, r: "${randInt(7, 7)}", "k\"": ~}
        extract: {n: n, x: x}`
	s := mustParse(t, scenarioText(step))
	st := s.Users[0].Tasks[0].Steps[0]
	sc := newScope(&s, 1, 0)
	sc.vars[0], sc.vars[1] = variable{value{"7", true}, true}, variable{value{text: "a \"b\"/\n\xff"}, true}
	body, _ := st.body.append(nil, &sc)
	var got struct{ ID string }
	if err := json.Unmarshal(body, &got); err != nil {
		t.Fatalf("%s: %v", body, err)
	}
	if id := strings.Split(got.ID, "-"); len(got.ID) != 36 || len(id) != 5 || id[2][0] != '4' || !strings.Contains("89ab", id[3][:1]) {
		t.Errorf("uuid: got %s, want version 4", got.ID)
	}
	want := `{"z":7,"a":"n is 7","quoted":"a \"b\"/\u000a�","price":"${n}","list":[1,true,null,"}",5],"id":"` + got.ID + `","html":"<&>","on":"2026-01-18","r":7,"k\"":null}`
	if string(body) != want {
		t.Errorf("body: got %s, want %s", body, want)
	}
	path, _ := st.path.append(nil, &sc)
	if want := "/%C3%A4/a%20%22b%22%2F%0A%FF"; string(path) != want {
		t.Errorf("path: got %s, want %s", path, want)
	}
}

// fullStep renders and judges a step with a token, a row of data, chance, and checks of the answer.
func fullStep(t testing.TB) func() Outcome {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "d.csv"), []byte("id,w\na,1\nb,9\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := ParseScenario("s.yaml", []byte(`apiVersion: plumbline/v1
kind: Scenario
name: s
data: {d: {file: d.csv, weight: w}}
users:
  - name: u
    auth: {bearer: "${token}"}
    start: [{name: l, request: GET /, extract: {token: t}}]
    tasks:
      - name: t
        request: POST /x/${d.id}?n=${randInt(1, 1000000)}
        json: {id: "${d.id}", call: "${uuid()}", one: "${oneOf('a', 'b')}", quoted: "\"${d.w}\""}
        expect: {status: 2xx, within: 1s, contains: success, body: {status: success, seconds: {lt: 60}}, header: {Content-Type: {contains: json}}}
`), dir)
	if err != nil {
		t.Fatal(err)
	}
	sc := newScope(&s, 1, 0)
	sc.vars[0] = variable{value{text: "secret"}, true}
	r, to := requestTo("target", s.Users[0].Tasks[0].Steps[0])
	a := answered(t, 200, "Content-Type: application/json\r\n", `{"status": "success", "seconds": 1.5}`)
	var m message
	n := uint64(0)
	return func() Outcome {
		n++
		sc.begin(n)
		r.render(&m, to, &sc, nil)
		return r.expect.judge(a, time.Millisecond)
	}
}

func TestFullStepAllocatesNothing(t *testing.T) {
	step := fullStep(t)
	if got := testing.AllocsPerRun(1000, func() {
		if step() != Success {
			t.Error("got a failure")
		}
	}); got != 0 {
		t.Errorf("got %v allocations, want 0", got)
	}
}

func BenchmarkFullStep(b *testing.B) {
	step := fullStep(b)
	b.ReportAllocs()
	for b.Loop() {
		step()
	}
}

func TestRandInt(t *testing.T) {
	sc := newScope(&Scenario{}, 1, 0)
	for _, text := range []string{"${randInt(-9223372036854775808, 9223372036854775807)}", "${randInt(1, 6)}"} {
		tmpl, err := compile(text, names{}, plain)
		if err != nil {
			t.Fatal(err)
		}
		seen := map[string]bool{}
		for range 1000 {
			got, _ := tmpl.append(nil, &sc)
			seen[string(got)] = true
		}
		if text == "${randInt(1, 6)}" && (len(seen) != 6 || !seen["1"] || !seen["6"]) {
			t.Errorf("%s: got %v, want 1 to 6", text, seen)
		}
		if text != "${randInt(1, 6)}" && len(seen) != 1000 {
			t.Errorf("%s: got %d different numbers of 1000", text, len(seen))
		}
	}
}

func TestPicks(t *testing.T) {
	set := func(pick string) *dataSet {
		return &dataSet{rows: [][]value{{{text: "a"}}, {{text: "b"}}, {{text: "c"}}}, weights: []float64{0, 1, 10}, pick: pick}
	}
	rng := rand.New(rand.NewPCG(1, 1))
	var counts [3]int
	for range 10_000 {
		counts[set(pickWeighted).choose(0, 0, rng)]++
	}
	if counts[0] != 0 || counts[1] < 900 || counts[1] > 1100 { // binomial, ±3.3 sd
		t.Errorf("weights 0, 1, 9: got %v of 10,000, want 0, about 1,000, about 9,000", counts)
	}
	for i, want := range []int{0, 1, 2, 0, 1} {
		if got := set(pickSequential).choose(5, uint64(i), rng); got != want {
			t.Errorf("sequential, iteration %d: got row %d, want %d", i, got, want)
		}
		if got := set(pickUnique).choose(2, uint64(i), rng); got != 2 {
			t.Errorf("unique, user 2: got row %d, want 2", got)
		}
	}
}

func FuzzParseScenario(f *testing.F) {
	f.Add(scenarioText("        request: GET /x/${randInt(1, 2)}"))
	f.Add(scenarioText("        request: POST /x\n        form: {a: '${b | default(1)}'}\n        expect: {status: [2xx, 404], body: {a: {lt: 3}}}\n        extract: {b: {regex: 'x(.)'}}"))
	f.Add("apiVersion: plumbline/v1\nkind: Scenario\nusers: [{tasks: [{json: *a}]}]")
	f.Fuzz(func(t *testing.T, text string) {
		s, err := ParseScenario("s.yaml", []byte(text), "testdata")
		if err != nil {
			return
		}
		sc := newScope(&s, 1, 0)
		sc.begin(1)
		for _, st := range s.steps() {
			r, to := requestTo("h", st)
			var m message
			ok := r.render(&m, to, &sc, nil)
			if head, _, _ := strings.Cut(string(m.wire), "\r\n\r\n"); ok && strings.Count(head, "\n") != strings.Count(head, "\r\n") {
				t.Errorf("%q: a line of the header is broken: %q", text, head)
			}
		}
		var out strings.Builder
		if err := Explain(s, nil).Write(&out); err != nil {
			t.Error(err)
		}
	})
}

func FuzzTemplate(f *testing.F) {
	f.Add("a ${oneOf('x', 'y')} $${z} ${randInt(1, 3)}")
	f.Add(`${v | default("\")}`)
	f.Add("${lines} ${uuid()}")
	f.Fuzz(func(t *testing.T, text string) {
		known := names{slots: map[string]int{"v": 0}, sets: []*dataSet{{name: "lines", columns: []string{""}, rows: [][]value{{{text: text}}}}}}
		sc := newScope(&Scenario{data: known.sets, slots: 1}, 1, 0)
		sc.vars[0] = variable{value{text: text}, true}
		for in := plain; in <= insideHeader; in++ {
			tmpl, err := compile(text, known, in)
			if err != nil {
				continue
			}
			got, ok := tmpl.append(nil, &sc)
			if in == insideJSON && (!ok || !json.Valid([]byte(`"`+string(got)+`"`))) {
				t.Errorf("%q: %q is not inside a JSON string", text, got)
			}
		}
	})
}

func FuzzReadData(f *testing.F) {
	f.Add(".json", "[{\"a\": 1}, {\"a\": \"b\"}]", "a")
	f.Add(".csv", "a,b\n1,2\n", "b")
	f.Add(".txt", "a\nb\n", "")
	f.Fuzz(func(t *testing.T, ext, text, weight string) {
		if ext != ".json" && ext != ".csv" {
			ext = ".txt"
		}
		path := filepath.Join(t.TempDir(), "d"+ext)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		s, errs := readData("d", path, weight, "")
		if len(errs) > 0 {
			return
		}
		rng := rand.New(rand.NewPCG(1, 1))
		for i := range 10 {
			if row := s.rows[s.choose(i, uint64(i), rng)]; len(row) != len(s.columns) {
				t.Errorf("%q: got a row of %d values for %d columns", text, len(row), len(s.columns))
			}
		}
	})
}
