package loadgen

import (
	"math/rand/v2"
	"strings"
	"testing"
)

func scenarioText(step string) string {
	return "apiVersion: plumbline/v1\nkind: Scenario\nname: s\nusers:\n  - name: u\n    tasks:\n      - name: t\n" + step
}

func TestScenarioMistakes(t *testing.T) {
	for _, c := range []struct{ step, want string }{
		{"        request: GET /x/${nope}", "nope"},
		{"        request: GET /x/${dice(6)}", "unknown function"},
		{"        request: FETCH /x", "want a method and a path"},
		{"        request: GET x", "want a method and a path"},
		{"        request: GET /\n        weight: 0", "must be above 0"},
		{"        request: GET /\n        weight: -1", "must be above 0"},
		{"        request: GET /\n        expect: {within: soon}", "want a duration"},
		{"        request: GET /\n        expect: {body: {a: {less: 3}}}", "unknown comparison"},
		{"        request: GET /\n        expext: {}", "did you mean expect"},
		{"        request: GET /\n      - name: t\n        request: GET /", "already called"},
		{"        request: POST /\n        json: {a: '${env.PLUMBLINE_UNSET}'}", "PLUMBLINE_UNSET is not set"},
	} {
		_, err := ParseScenario("s.yaml", []byte(scenarioText(c.step)), ".")
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), "s.yaml:") {
			t.Errorf("%s: got %v, want s.yaml:…%s", c.step, err, c.want)
		}
	}
}

func TestRenderedJSON(t *testing.T) {
	const step = `        request: POST /a/${x}
        json: {z: "${n}", a: "n is ${n}", quoted: "${x}", price: "$${n}", list: [1, true, null]}
        extract: {n: n, x: x}`
	s, err := ParseScenario("s.yaml", []byte(scenarioText(step)), ".")
	if err != nil {
		t.Fatal(err)
	}
	st := s.Users[0].Tasks[0].Steps[0]
	sc := &scope{vars: map[string]value{"n": {"7", true}, "x": {text: `a "b"/`}}, rng: rand.New(rand.NewPCG(1, 1))}
	body, _ := st.body.append(nil, sc)
	if want := `{"z":7,"a":"n is 7","quoted":"a \"b\"/","price":"${n}","list":[1,true,null]}`; string(body) != want {
		t.Errorf("body: got %s, want %s", body, want)
	}
	path, _ := st.path.append(nil, sc)
	if want := "/a/a%20%22b%22%2F"; string(path) != want {
		t.Errorf("path: got %s, want %s", path, want)
	}
}

func FuzzParseScenario(f *testing.F) {
	f.Add(scenarioText("        request: GET /x/${randInt(1, 2)}"))
	f.Add("apiVersion: plumbline/v1\nkind: Scenario\nusers: [{tasks: [{json: *a}]}]")
	f.Fuzz(func(_ *testing.T, text string) {
		_, _ = ParseScenario("s.yaml", []byte(text), "testdata") // must not panic
	})
}

func FuzzTemplate(f *testing.F) {
	f.Add("a ${oneOf('x', 'y')} $${z} ${randInt(1, 3)}")
	f.Fuzz(func(_ *testing.T, text string) {
		t, err := compile(text, names{}, insideJSON)
		if err == nil {
			_, _ = t.append(nil, &scope{rng: rand.New(rand.NewPCG(1, 1))}) // must not panic
		}
	})
}
