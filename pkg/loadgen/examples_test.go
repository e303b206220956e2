package loadgen

import (
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
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

// A taskRow is what the guide says of a task: @task(weight), its name, its
// request, and what it calls a success.
type taskRow struct {
	Name    string
	Weight  float64
	Request string
	Status  string
	Within  time.Duration
	Body    string
}

func taskRows(s Scenario) (rows []taskRow) {
	sc := newScope(&s, 1, 0)
	for _, task := range s.Users[0].Tasks {
		st := task.Steps[0]
		path, _ := st.path.append(nil, &sc)
		row := taskRow{task.Name, task.Weight, st.Method + " " + string(path), st.expect.status.String(), st.expect.within, ""}
		for _, c := range st.expect.body {
			for _, w := range c.want {
				row.Body += c.name + " " + w.op + " " + w.want
			}
		}
		rows = append(rows, row)
	}
	return rows
}

func TestTheGuidesUsers(t *testing.T) {
	const agents, workflows = "POST /api/v1/agents/run", "POST /api/v1/workflows/run"
	for _, c := range []struct {
		file, user string
		min, max   time.Duration
		tasks      []taskRow
	}{
		{"single-agent.yaml", "SingleAgentUser", time.Second, 3 * time.Second, []taskRow{
			{"Single Agent - Simple Task", 10, agents, "200", 0, "status eq success"},
			{"Single Agent - Complex Task", 5, agents, "200", 0, ""},
			{"Single Agent - With Tools", 3, agents, "200", 0, ""},
		}},
		{"workflow.yaml", "WorkflowUser", 2 * time.Second, 5 * time.Second, []taskRow{
			{"Workflow - Feature Development", 10, workflows, "200", 0, "execution_time_seconds lt 60"},
			{"Workflow - Code Review", 5, workflows, "200", 0, ""},
		}},
		{"mixed.yaml", "MixedLoadUser", time.Second, 5 * time.Second, []taskRow{
			{"API - List Agents", 40, "GET /api/v1/agents", "200", 500 * time.Millisecond, ""},
			{"API - Get Agent Details", 30, "GET /api/v1/agents/", "200", time.Second, ""},
			{"Agent - Quick Task", 20, agents, "200", 0, ""},
			{"Workflow - Execution", 8, workflows, "200", 0, ""},
			{"API - List Workflows", 2, "GET /api/v1/workflows", "200", 300 * time.Millisecond, ""},
		}},
	} {
		s := parseExample(t, c.file)
		u := s.Users[0]
		if u.Name != c.user || u.Think != (Think{Min: c.min, Max: c.max}) || len(s.Users) != 1 {
			t.Errorf("%s: got %s thinking %v, want %s, %v to %v", c.file, u.Name, u.Think, c.user, c.min, c.max)
		}
		if got := len(u.Start); got != 1 || u.Start[0].Name != "Auth - Token" || len(u.Start[0].extract) != 1 {
			t.Errorf("%s: got start %+v, want a login that keeps the token", c.file, u.Start)
		}
		rows := taskRows(s)
		for i := range rows { // a path that ends in ${oneOf(…)} ends with one of the choices
			for _, agent := range []string{"coder", "architect", "tester", "reviewer"} {
				rows[i].Request = strings.TrimSuffix(rows[i].Request, agent)
			}
		}
		if diff := cmp.Diff(c.tasks, rows); diff != "" {
			t.Errorf("%s (-guide +file):\n%s", c.file, diff)
		}
	}
}

func TestTheGuidesData(t *testing.T) {
	s := parseExample(t, "agents.yaml")
	var got []string
	for _, set := range s.data {
		for i, row := range set.rows {
			text := set.name
			for _, v := range row {
				text += " " + v.text
			}
			if i < 5 {
				got = append(got, text)
			}
		}
		got = append(got, set.pick)
	}
	want := []string{
		"agents coder 40", "agents architect 20", "agents tester 15", "agents reviewer 15", "agents documenter 10", "weighted",
		"prompts Write a Python function to calculate factorial", "prompts Design a microservices architecture for e-commerce",
		"prompts Create unit tests for a FastAPI endpoint", "prompts Review this code for security vulnerabilities",
		"prompts Document this API endpoint with OpenAPI schema", "random",
		"workflows feature_development", "workflows code_review", "workflows bugfix", "sequential",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-guide +file):\n%s", diff)
	}
	if got := len(s.data[1].rows); got != 10 {
		t.Errorf("prompts: got %d, want the guide's 10", got)
	}
}

func TestTheOtherExamples(t *testing.T) {
	for file, requests := range map[string][]string{
		"tools.yaml": {"Auth - Token", "Tools - List", "Tools - Find", "Tools - Run Agent With Tool", "Tools - Use Several"},
		"auth.yaml":  {"Auth - Token", "Auth - Use Token", "Auth - Wrong Password", "Auth - Forged Token"},
	} {
		if diff := cmp.Diff(requests, parseExample(t, file).Requests()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", file, diff)
		}
	}
}

func TestTheGuidesProfiles(t *testing.T) {
	ps := exampleProfiles(t)
	one := Scenario{Users: []User{{Weight: 1, Tasks: []Task{{Weight: 1, Steps: make([]Step, 1)}}}}}
	for _, c := range []struct {
		name     string
		users    int
		spawn    float64
		rate     float64
		long     time.Duration
		expected LoadRange
	}{
		{"baseline", 100, 10, 0, 10 * time.Minute, LoadRange{200, 400}},
		{"target", 500, 25, 0, 20 * time.Minute, LoadRange{800, 1200}},
		{"peak", 1000, 50, 0, 30 * time.Minute, LoadRange{1500, 2000}},
		{"stress", 2000, 100, 0, 15 * time.Minute, LoadRange{}},
		{"spike", 1000, 0, 0, 110 * time.Second, LoadRange{}},
		{"rate", 0, 0, 1000, 10 * time.Minute, LoadRange{}},
		{"ramp", 0, 0, 2000, 10 * time.Minute, LoadRange{}},
		{"poisson", 0, 0, 500, 10 * time.Minute, LoadRange{}},
		{"surge", 0, 0, 1000, 80 * time.Second, LoadRange{}},
		{"steps", 0, 0, 1200, 12 * time.Minute, LoadRange{}},
	} {
		p := ps[c.name]
		l := LoadOf(one, p)
		if l.Users != c.users || l.SpawnRate != c.spawn || l.ArrivalRate != c.rate || p.Duration() != c.long || p.Expected != c.expected {
			t.Errorf("%s: got %+v for %v, expecting %v, want %+v", c.name, l, p.Duration(), p.Expected, c)
		}
	}
	spike := []Stage{{0, 1000, 10 * time.Second, false}, {1000, 1000, time.Minute, true}, {1000, 100, 10 * time.Second, false}, {100, 100, 30 * time.Second, true}}
	if diff := cmp.Diff(spike, ps["spike"].Stages); diff != "" {
		t.Errorf("spike (-guide +file):\n%s", diff)
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
