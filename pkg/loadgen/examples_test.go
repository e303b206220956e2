package loadgen

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

const examples = "../../examples/paracle"

func parseExample(t *testing.T, name string) Scenario {
	t.Helper()
	path := filepath.Join(examples, "scenarios", name)
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	s, err := ParseScenario(name, text, filepath.Dir(path))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func exampleProfiles(t *testing.T) Profiles {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(examples, "profiles.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	ps, err := ParseProfiles("profiles.yaml", text)
	if err != nil {
		t.Fatal(err)
	}
	return ps
}

// A sent is what an example says of a step: @task(weight), its name, what it
// calls a success, and every request that can come of it.
type sent struct {
	Name     string
	Weight   float64 // of its task; 0 for a start
	Expect   string
	Requests []string
}

// stepsOf lists the steps of an example's one kind of user.
func stepsOf(t *testing.T, s Scenario) (all []sent) {
	t.Helper()
	u := s.Users[0]
	for _, st := range u.Start {
		all = append(all, sent{st.Name, 0, expected(t, st), requestsOf(t, s, st, "")})
	}
	for _, task := range u.Tasks {
		for _, st := range task.Steps {
			name := st.Name
			if name != task.Name {
				name = task.Name + ": " + name
			}
			all = append(all, sent{name, task.Weight, expected(t, st), requestsOf(t, s, st, "T")})
		}
	}
	return all
}

// expected is all that a step wants of its answer, and keeps of it.
func expected(t *testing.T, st Step) string {
	t.Helper()
	if st.Timeout != 0 || st.Redirects != 0 || st.expect.contains != nil || len(st.expect.header) > 0 {
		t.Errorf("%s: got %+v, want neither a timeout, redirects nor such checks", st.Name, st)
	}
	text := st.expect.status.String()
	if st.expect.within > 0 {
		text += " within " + st.expect.within.String()
	}
	for _, c := range st.expect.body {
		for _, w := range c.want {
			text += ", " + c.name + " " + w.op + " " + w.want
		}
	}
	for _, e := range st.extract {
		text += ", keeps " + e.path
	}
	return text
}

var (
	drawnUser  = regexp.MustCompile(`user_\d+`)
	bodyLength = regexp.MustCompile(`Content-Length: \d+\r\n`)
)

// requestsOf are the different requests of a step in 2,000 iterations, with
// user_N for all user names, and without the lengths that follow from these.
func requestsOf(t *testing.T, s Scenario, st Step, extracted string) []string {
	t.Helper()
	seen := map[string]bool{}
	sc := newScope(&s, 1, 7)
	for i := range sc.vars {
		sc.vars[i] = variable{value{text: extracted}, extracted != ""}
	}
	r, to := requestTo("target", st)
	for i := range uint64(2000) {
		sc.begin(i)
		var m message
		if !r.render(&m, to, &sc, nil) {
			t.Fatalf("%s: a variable is not set", st.Name)
		}
		text := bodyLength.ReplaceAllString(drawnUser.ReplaceAllString(string(m.wire), "user_N"), "")
		seen[strings.ReplaceAll(text, "\r\n", "\n")] = true
	}
	return slices.Sorted(mapKeys(seen))
}

// wired is a request as it goes over the wire, with or without a token and a body.
func wired(request, token, body string) string {
	text := request + " HTTP/1.1\nHost: target\nUser-Agent: plumbline\n"
	if token != "" {
		text += "Authorization: Bearer " + token + "\n"
	}
	if body != "" {
		text += "Content-Type: application/json\n"
	}
	return text + "\n" + body
}

// each is a request with each of the values in the place of its %s.
func each(request string, values ...string) (all []string) {
	for _, v := range values {
		all = append(all, fmt.Sprintf(request, v))
	}
	return all
}

// Requests as the guide has them: a token is sent with all but the login.
func gets(paths ...string) (all []string) {
	for _, path := range paths {
		all = append(all, wired("GET /api/v1/"+path, "T", ""))
	}
	slices.Sort(all)
	return all
}

func posts(path string, bodies ...string) (all []string) {
	for _, body := range bodies {
		all = append(all, wired("POST /api/v1/"+path, "T", body))
	}
	slices.Sort(all)
	return all
}

func login(user string) []string {
	return []string{wired("POST /api/v1/auth/token", "", `{"username":"`+user+`","password":"test_password"}`)}
}

var guidePrompts = []string{
	"Write a Python function to calculate factorial",
	"Design a microservices architecture for e-commerce",
	"Create unit tests for a FastAPI endpoint",
	"Review this code for security vulnerabilities",
	"Document this API endpoint with OpenAPI schema",
	"Explain the difference between async and sync in Python",
	"Implement a rate limiting middleware for FastAPI",
	"Create a Docker Compose file for local development",
	"Write a GitHub Actions workflow for CI/CD",
	"Design a database schema for user authentication",
}

// The first three are the guide's, weights and bodies to the letter; it names the groups of the others.
func TestTheExamplesUsers(t *testing.T) {
	t.Setenv("TEST_PASSWORD", "") // puts it back after the test
	if err := os.Unsetenv("TEST_PASSWORD"); err != nil {
		t.Fatal(err)
	}
	const agents, workflows = "agents/run", "workflows/run"
	var prompted, inTurn []string
	for _, agent := range []string{"coder", "architect", "tester", "reviewer", "documenter"} {
		prompted = append(prompted, each(`{"agent_id":"`+agent+`","task":"%s","model":"gpt-4-turbo-preview"}`, guidePrompts...)...)
	}
	for _, workflow := range []string{"feature_development", "code_review", "bugfix"} {
		inTurn = append(inTurn, each(`{"workflow_id":"`+workflow+`","inputs":{"task":"%s"}}`, guidePrompts...)...)
	}
	for _, c := range []struct {
		file, user string
		min, max   time.Duration
		steps      []sent
	}{
		{"single-agent.yaml", "SingleAgentUser", time.Second, 3 * time.Second, []sent{
			{"Auth - Token", 0, "200, keeps access_token", login("test_user")},
			{"Single Agent - Simple Task", 10, "200, status eq success", posts(agents,
				`{"agent_id":"coder","task":"Write a Python function to calculate factorial","model":"gpt-4-turbo-preview","temperature":0.7}`)},
			{"Single Agent - Complex Task", 5, "200", posts(agents,
				`{"agent_id":"architect","task":"Design a microservices architecture for an e-commerce platform with 10+ services","model":"claude-sonnet-4-20250514","temperature":0.8}`)},
			{"Single Agent - With Tools", 3, "200", posts(agents,
				`{"agent_id":"coder","task":"Read the README.md file and summarize its contents","model":"gpt-4-turbo-preview","tools":["read_file","list_directory"]}`)},
		}},
		{"workflow.yaml", "WorkflowUser", 2 * time.Second, 5 * time.Second, []sent{
			{"Auth - Token", 0, "200, keeps access_token", login("test_user")},
			{"Workflow - Feature Development", 10, "200, execution_time_seconds lt 60", posts(workflows,
				`{"workflow_id":"feature_development","inputs":{"feature_description":"Add user authentication with JWT tokens","target_language":"Python","framework":"FastAPI"}}`)},
			{"Workflow - Code Review", 5, "200", posts(workflows,
				`{"workflow_id":"code_review","inputs":{"file_path":"packages/paracle_api/main.py","check_security":true,"check_performance":true}}`)},
		}},
		{"mixed.yaml", "MixedLoadUser", time.Second, 5 * time.Second, []sent{
			{"Auth - Token", 0, "200, keeps access_token", login("user_N")},
			{"API - List Agents", 40, "200 within 500ms", gets("agents")},
			{"API - Get Agent Details", 30, "200 within 1s", gets("agents/coder", "agents/architect", "agents/tester", "agents/reviewer")},
			{"Agent - Quick Task", 20, "200", posts(agents,
				`{"agent_id":"coder","task":"Explain what a decorator is in Python","model":"gpt-4-turbo-preview"}`)},
			{"Workflow - Execution", 8, "200", posts(workflows,
				each(`{"workflow_id":"%s","inputs":{"task":"Sample task"}}`, "feature_development", "code_review", "bugfix")...)},
			{"API - List Workflows", 2, "200 within 300ms", gets("workflows")},
		}},
		{"agents.yaml", "DataUser", time.Second, 3 * time.Second, []sent{
			{"Auth - Token", 0, "200, keeps access_token", login("user_N")},
			{"Agent - Prompt", 10, "200, status eq success", posts(agents, prompted...)},
			{"Agent - Details", 5, "200 within 1s", gets("agents/coder", "agents/architect", "agents/tester", "agents/reviewer", "agents/documenter")},
			{"Workflow - In Turn", 1, "200, execution_time_seconds lt 60", posts(workflows, inTurn...)},
		}},
		{"tools.yaml", "ToolUser", time.Second, 3 * time.Second, []sent{
			{"Auth - Token", 0, "200, keeps access_token", login("user_N")},
			{"Tools - List", 10, "200 within 300ms, tools.# gte 1", gets("tools")},
			{"Tools - Use One: Tools - Find", 5, "200, keeps tools.0", gets("tools")},
			{"Tools - Use One: Tools - Run Agent With Tool", 5, "200, status eq success", posts(agents,
				each(`{"agent_id":"coder","task":"%s","model":"gpt-4-turbo-preview","tools":["T"]}`, guidePrompts...)...)},
			{"Tools - Use Several", 3, "200, status eq success", posts(agents,
				each(`{"agent_id":"tester","task":"%s","model":"claude-sonnet-4-20250514","tools":["read_file","list_directory","run_tests"]}`, guidePrompts...)...)},
		}},
		{"auth.yaml", "AuthUser", time.Second, 3 * time.Second, []sent{
			{"Auth - Log In: Auth - Token", 10, "200 within 500ms, expires_in gt 0, token_type eq bearer, keeps access_token", login("user_N")},
			{"Auth - Log In: Auth - Use Token", 10, "200", gets("tools")},
			{"Auth - Wrong Password", 2, "401", []string{wired("POST /api/v1/auth/token", "", `{"username":"test_user","password":"not the password"}`)}},
			{"Auth - Forged Token", 1, "401", []string{wired("GET /api/v1/agents", "forged.0.token", "")}},
		}},
	} {
		s := parseExample(t, c.file)
		u := s.Users[0]
		if u.Name != c.user || u.Weight != 1 || u.Think != (Think{Min: c.min, Max: c.max}) || len(s.Users) != 1 {
			t.Errorf("%s: got %s of weight %v thinking %v, want %s, %v to %v", c.file, u.Name, u.Weight, u.Think, c.user, c.min, c.max)
		}
		if diff := cmp.Diff(c.steps, stepsOf(t, s)); diff != "" {
			t.Errorf("%s (-want +file):\n%s", c.file, diff)
		}
	}
}

// The guide's user names are user_1 to user_10000, drawn; those of our own examples are the users' numbers.
func TestTheExamplesUserNames(t *testing.T) {
	for file, drawn := range map[string]bool{"mixed.yaml": true, "auth.yaml": true, "agents.yaml": false, "tools.yaml": false} {
		s := parseExample(t, file)
		low, high := math.MaxInt, 0
		for i := range uint64(20_000) {
			sc := newScope(&s, 1, 7)
			sc.begin(i)
			body, _ := s.steps()[0].body.append(nil, &sc)
			n, err := strconv.Atoi(strings.TrimPrefix(drawnUser.FindString(string(body)), "user_"))
			if err != nil {
				t.Fatal(err)
			}
			low, high = min(low, n), max(high, n)
		}
		if drawn && (low < 1 || low > 20 || high < 9980 || high > 10_000) || !drawn && (low != 7 || high != 7) {
			t.Errorf("%s: got user_%d to user_%d", file, low, high)
		}
	}
}

func TestTheGuidesData(t *testing.T) {
	s := parseExample(t, "agents.yaml")
	var got []string
	for _, set := range s.data {
		for _, row := range set.rows {
			text := set.name
			for _, v := range row {
				text += " " + v.text
			}
			got = append(got, text)
		}
		got = append(got, set.pick)
	}
	want := []string{"agents coder 40", "agents architect 20", "agents tester 15", "agents reviewer 15", "agents documenter 10", "weighted"}
	want = append(append(want, each("prompts %s", guidePrompts...)...), "random",
		"workflows feature_development", "workflows code_review", "workflows bugfix", "sequential")
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-guide +file):\n%s", diff)
	}
}

// The first five are the guide's; the others are ours.
func TestTheExamplesProfiles(t *testing.T) {
	const second, minute = time.Second, time.Minute
	closed := func(spawn float64, expected LoadRange, stages ...Stage) Profile {
		return Profile{Stages: stages, SpawnRate: spawn, Expected: expected}
	}
	open := func(stages ...Stage) Profile { return Profile{Open: true, Stages: stages} }
	want := Profiles{
		"baseline": closed(10, LoadRange{200, 400}, Stage{0, 100, 10 * second, false}, Stage{100, 100, 10*minute - 10*second, true}),
		"target":   closed(25, LoadRange{800, 1200}, Stage{0, 500, 20 * second, false}, Stage{500, 500, 20*minute - 20*second, true}),
		"peak":     closed(50, LoadRange{1500, 2000}, Stage{0, 1000, 20 * second, false}, Stage{1000, 1000, 30*minute - 20*second, true}),
		"stress":   closed(100, LoadRange{}, Stage{0, 2000, 20 * second, false}, Stage{2000, 2000, 15*minute - 20*second, true}),
		"spike":    closed(0, LoadRange{}, Stage{0, 1000, 10 * second, false}, Stage{1000, 1000, minute, true}, Stage{1000, 100, 10 * second, false}, Stage{100, 100, 30 * second, true}),
		"smoke":    closed(10, LoadRange{}, Stage{0, 20, 2 * second, false}, Stage{20, 20, 18 * second, true}),
		"rate":     open(Stage{1000, 1000, 10 * minute, true}),
		"ramp":     open(Stage{100, 2000, 10 * minute, true}),
		"poisson":  open(Stage{500, 500, 10 * minute, true}),
		"surge":    open(Stage{0, 1000, 10 * second, false}, Stage{1000, 1000, minute, true}, Stage{1000, 100, 10 * second, false}),
		"steps":    open(),
	}
	for name, p := range want {
		p.Name = name
		switch name {
		case "rate":
			p.MaxInFlight = 2000
		case "poisson":
			p.Poisson, p.MaxQueue = true, 10_000
		case "steps":
			for rate := 100.0; rate <= 1200; rate += 100 {
				p.Stages = append(p.Stages, Stage{rate, rate, minute, true})
			}
		}
		want[name] = p
	}
	if diff := cmp.Diff(want, exampleProfiles(t), cmpopts.IgnoreUnexported(Profile{})); diff != "" {
		t.Errorf("(-want +file):\n%s", diff)
	}
}

// The guide expects 5 to 13 times what its users can send.
func TestTheGuidesExpectedLoads(t *testing.T) {
	mixed, ps := parseExample(t, "mixed.yaml"), exampleProfiles(t)
	for _, c := range []struct {
		profile string
		most    float64
		needed  string // users
	}{
		{"baseline", 100 / 3.0, "600"},
		{"target", 500 / 3.0, "2,400"},
		{"peak", 1000 / 3.0, "4,500"},
	} {
		p := ps[c.profile]
		e := Explain(mixed, &p)
		if math.Abs(e.RequestsPerSecond-c.most) > 1e-9 || len(e.Warnings) != 1 || !strings.Contains(e.Warnings[0], "at least "+c.needed+" users") {
			t.Errorf("%s: got %v req/s and %q, want %v, and that it takes %s users", c.profile, e.RequestsPerSecond, e.Warnings, c.most, c.needed)
		}
	}
	for _, name := range []string{"stress", "spike", "rate"} {
		p := ps[name]
		for _, w := range Explain(mixed, &p).Warnings {
			if strings.Contains(w, "expected") {
				t.Errorf("%s: got %q, but nobody expects anything of it", name, w)
			}
		}
	}
}
