package loadgen

import (
	"math"
	"os"
	"path/filepath"
	"testing"
	"time"
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

func TestTheGuidesUsers(t *testing.T) {
	type weights map[string]float64
	for _, c := range []struct {
		file, user string
		min, max   time.Duration
		tasks      weights
	}{
		{"mixed.yaml", "MixedLoadUser", time.Second, 5 * time.Second, weights{"API - List Agents": 40, "API - Get Agent Details": 30,
			"Agent - Quick Task": 20, "Workflow - Execution": 8, "API - List Workflows": 2}},
		{"single-agent.yaml", "SingleAgentUser", time.Second, 3 * time.Second, weights{"Single Agent - Simple Task": 10, "Single Agent - Complex Task": 5, "Single Agent - With Tools": 3}},
		{"workflow.yaml", "WorkflowUser", 2 * time.Second, 5 * time.Second, weights{"Workflow - Feature Development": 10, "Workflow - Code Review": 5}},
	} {
		u := parseExample(t, c.file).Users[0]
		if u.Name != c.user || u.Think.Min != c.min || u.Think.Max != c.max || len(u.Tasks) != len(c.tasks) {
			t.Errorf("%s: got %s thinking %v with %d tasks, want %s, %v–%v, %d", c.file, u.Name, u.Think, len(u.Tasks), c.user, c.min, c.max, len(c.tasks))
		}
		for _, task := range u.Tasks {
			if task.Weight != c.tasks[task.Name] {
				t.Errorf("%s: %s: got weight %v, want %v", c.file, task.Name, task.Weight, c.tasks[task.Name])
			}
		}
	}
}

func TestTheGuidesProfiles(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(examples, "profiles.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	ps, err := ParseProfiles("profiles.yaml", text)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name  string
		users int
		spawn float64
		rate  float64
		long  time.Duration
	}{
		{"baseline", 100, 10, 0, 10 * time.Minute},
		{"target", 500, 25, 0, 20 * time.Minute},
		{"peak", 1000, 50, 0, 30 * time.Minute},
		{"stress", 2000, 100, 0, 15 * time.Minute},
		{"spike", 1000, 0, 0, 110 * time.Second},
		{"rate", 0, 0, 1000, 10 * time.Minute},
		{"ramp", 0, 0, 2000, 10 * time.Minute},
		{"poisson", 0, 0, 500, 10 * time.Minute},
		{"surge", 0, 0, 1000, 80 * time.Second},
		{"steps", 0, 0, 1200, 12 * time.Minute},
	} {
		p := ps[c.name]
		l := LoadOf(Scenario{Users: []User{{Weight: 1, Tasks: []Task{{Weight: 1, Steps: make([]Step, 1)}}}}}, p)
		if l.Users != c.users || l.SpawnRate != c.spawn || l.ArrivalRate != c.rate || p.Duration() != c.long {
			t.Errorf("%s: got %+v for %v, want %+v", c.name, l, p.Duration(), c)
		}
	}
	mixed := Explain(parseExample(t, "mixed.yaml"), ps["peak"])
	if got := mixed.RequestsPerSecond; math.Abs(got-1000/3.) > 1e-9 || len(mixed.Warnings) == 0 {
		t.Errorf("1,000 users thinking 1–5 s: got %v req/s and warnings %q, want 333.3 and a warning", got, mixed.Warnings)
	}
}
