package loadgen

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"gopkg.in/yaml.v3"

	"github.com/plumbline/plumbline/pkg/strictyaml"
)

func TestExpectations(t *testing.T) {
	const body = `{"status": "success", "n": 3, "price": 2.50, "ok": true, "none": null, "list": [1, 2], "deep": {"er": "x\"y"}}`
	for _, c := range []struct {
		expect string
		status int
		took   time.Duration
		want   Outcome
		why    string
	}{
		{expect: "{}", status: 200, want: Success},
		{expect: "{}", status: 302, want: Success},
		{expect: "{}", status: 400, want: BadStatus, why: "status 400"},
		{expect: "{status: 200}", status: 201, want: BadStatus, why: "status 201"},
		{expect: "{status: 404}", status: 404, want: Success},
		{expect: "{status: 2xx}", status: 204, want: Success},
		{expect: "{status: 2xx}", status: 304, want: BadStatus, why: "status 304"},
		{expect: "{status: [2xx, 404]}", status: 404, want: Success},
		{expect: "{within: 1s}", status: 200, took: time.Second, want: Success},
		{expect: "{within: 1s}", status: 200, took: time.Second + 1, want: Slow, why: "slow: the answer took longer than 1s"},
		{expect: "{within: 1s}", status: 500, took: time.Minute, want: BadStatus, why: "status 500"},
		{expect: "{contains: success}", status: 200, want: Success},
		{expect: "{contains: Success}", status: 200, want: BadBody, why: `body: does not contain "Success"`},
		{expect: "{body: {status: success}}", status: 200, want: Success},
		{expect: "{body: {status: failed}}", status: 200, want: BadBody, why: "body: status is not failed"},
		{expect: "{body: {nothing: x}}", status: 200, want: BadBody, why: "body: nothing is missing"},
		{expect: "{body: {nothing: {ne: x}}}", status: 200, want: BadBody, why: "body: nothing is missing"},
		{expect: "{body: {nothing: {exists: false}}}", status: 200, want: Success},
		{expect: "{body: {n: {exists: false}}}", status: 200, want: BadBody, why: "body: n is there"},
		{expect: "{body: {none: {exists: true}}}", status: 200, want: Success},
		{expect: "{body: {none: null}}", status: 200, want: Success},
		{expect: "{body: {n: 3.0}}", status: 200, want: Success},
		{expect: "{body: {price: 2.5}}", status: 200, want: Success},
		{expect: "{body: {n: {lt: 3}}}", status: 200, want: BadBody, why: "body: n is not below 3"},
		{expect: "{body: {n: {lte: 3, gte: 3, gt: 2.9, ne: 4}}}", status: 200, want: Success},
		{expect: "{body: {n: {gt: 3}}}", status: 200, want: BadBody, why: "body: n is not above 3"},
		{expect: "{body: {status: {gt: 0}}}", status: 200, want: BadBody, why: "body: status is not above 0"},
		{expect: "{body: {ok: true}}", status: 200, want: Success},
		{expect: `{body: {deep.er: 'x"y', list.1: 2, 'list.#': 2}}`, status: 200, want: Success},
		{expect: "{body: {status: {contains: ucc, matches: '^s.*s$'}}}", status: 200, want: Success},
		{expect: "{body: {status: {matches: '^f'}}}", status: 200, want: BadBody, why: "body: status does not match ^f"},
		{expect: "{header: {content-type: application/json}}", status: 200, want: Success},
		{expect: "{header: {Content-Type: {contains: json}}}", status: 200, want: Success},
		{expect: "{header: {Content-Type: {matches: xml}}}", status: 200, want: BadHeader, why: "header: Content-Type does not match xml"},
		{expect: "{header: {X-Left: {gte: 5}}}", status: 200, want: Success},
		{expect: "{header: {X-Left: {lt: 5}}}", status: 200, want: BadHeader, why: "header: X-Left is not below 5"},
		{expect: "{header: {X-Gone: {exists: true}}}", status: 200, want: BadHeader, why: "header: X-Gone is missing"},
	} {
		var f expectFile
		if err := yaml.Unmarshal([]byte(c.expect), &f); err != nil {
			t.Errorf("%s: %v", c.expect, err)
			continue
		}
		var ps strictyaml.Problems
		e := f.build("", &ps)
		a := answered(t, c.status, "Content-Type: application/json\r\nX-Left: 5\r\n", body)
		got := e.judge(a, c.took)
		if got != c.want || len(ps) > 0 {
			t.Errorf("%s, status %d after %s: got %s %v, want %s", c.expect, c.status, c.took, got, ps, c.want)
		}
		if got != Success {
			why, instead := e.why(a, got)
			if why != c.why {
				t.Errorf("%s: got %q, want %q", c.expect, why, c.why)
			}
			if wants := strings.Contains(why, "status") && c.status != 304 || strings.Contains(why, " is ") && !strings.Contains(why, "missing") || strings.Contains(why, "does not match"); wants != (instead != "") || instead != "" && !strings.Contains(body+"application/json 5", instead) {
				t.Errorf("%s: got %q instead, want what there was", c.expect, instead)
			}
		}
	}
}

func answered(t testing.TB, status int, header, body string) *answer {
	t.Helper()
	var a answer
	wire := fmt.Sprintf("HTTP/1.1 %d X\r\n%sContent-Length: %d\r\n\r\n%s", status, header, len(body), body)
	if status == 204 || status == 304 {
		wire = fmt.Sprintf("HTTP/1.1 %d X\r\n%s\r\n", status, header)
	}
	if err := a.read(readerSource{strings.NewReader(wire)}, false); err != nil {
		t.Fatal(err)
	}
	return &a
}

func TestExtractions(t *testing.T) {
	for _, c := range []struct {
		extract string
		want    value
		outcome Outcome
		missing string
	}{
		{"{v: token}", value{text: "abc"}, Success, ""},
		{"{v: items.1.id}", value{"7", true}, Success, ""},
		{"{v: {path: items.1.id}}", value{"7", true}, Success, ""},
		{"{v: flags.on}", value{"true", true}, Success, ""},
		{"{v: flags.none}", value{"null", true}, Success, ""},
		{"{v: flags.list}", value{"[1, \"a\"]", true}, Success, ""},
		{"{v: flags.price}", value{"2.50", true}, Success, ""},
		{"{v: flags}", value{`{"on": true, "none": null, "list": [1, "a"], "price": 2.50, "text": "true"}`, true}, Success, ""},
		{"{v: flags.text}", value{text: "true"}, Success, ""},
		{"{v: {header: location}}", value{text: "/jobs/9"}, Success, ""},
		{"{v: {cookie: sid}}", value{text: "s3cret"}, Success, ""},
		{"{v: {regex: 'csrf=(\\w+)'}}", value{text: "x1"}, Success, ""},
		{"{v: {regex: 'csrf'}}", value{text: "csrf"}, Success, ""},
		{"{v: nowhere}", value{}, BadBody, "nothing for ${v}: no field nowhere in the answer"},
		{"{v: {regex: nowhere}}", value{}, BadBody, `nothing for ${v}: no match of "nowhere" in the answer`},
		{"{v: {header: nowhere}}", value{}, BadHeader, "nothing for ${v}: no header nowhere in the answer"},
		{"{v: {cookie: nowhere}}", value{}, BadHeader, "nothing for ${v}: no cookie nowhere in the answer"},
		{"{v: {path: nowhere, default: none}}", value{text: "none"}, Success, ""},
		{"{v: {header: nowhere, default: ''}}", value{}, Success, ""},
	} {
		s := mustParse(t, scenarioText("        request: GET /\n        extract: "+c.extract))
		u := &user{answer: *answered(t, 200, "Location: /jobs/9\r\nSet-Cookie: a=b\r\nSet-Cookie: sid=s3cret; Path=/; HttpOnly\r\n",
			`{"token": "abc", "items": [{"id": 5}, {"id": 7}], "html": "csrf=x1",
			"flags": {"on": true, "none": null, "list": [1, "a"], "price": 2.50, "text": "true"}}`), scope: newScope(&s, 1, 0)}
		outcome := u.extract(&request{Step: s.Users[0].Tasks[0].Steps[0]})
		if missing := (&request{Step: s.Users[0].Tasks[0].Steps[0]}).missing(&u.answer); missing != c.missing {
			t.Errorf("%s: got %q, want %q", c.extract, missing, c.missing)
		}
		if got := u.scope.vars[0]; outcome != c.outcome || got.value != c.want || got.set != (outcome == Success) {
			t.Errorf("%s: got %s %+v, want %s %+v", c.extract, outcome, got, c.outcome, c.want)
		}
	}
}

func TestTheBeginningOfABody(t *testing.T) {
	for text, want := range map[string]string{
		"":                                    "",
		" \x00\x01\n":                         "",
		"<html>\r\n\t<b>503  busy</b>\x1b[2J": "<html> <b>503 busy</b> [2J",
		"\xff\xfegr\u00fc\u00dfe":             "gr\u00fc\u00dfe",
		strings.Repeat("é", 300):              strings.Repeat("é", 100) + "…",
	} {
		if got := beginning(text); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}
