package loadgen

import (
	"fmt"
	"math"
	"math/rand/v2"
	"net/http"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"gopkg.in/yaml.v3"

	"github.com/plumbline/plumbline/pkg/strictyaml"
)

// A Scenario is what users do: their tasks, by weight, and what is expected of the answers.
type Scenario struct {
	Name  string
	Users []User
	data  map[string]*dataSet
}

// A User is a kind of user.
type User struct {
	Name   string
	Weight float64
	Think  Think
	Start  []Step // once per user, before its tasks
	Tasks  []Task
}

// A Task is a choice of a user: steps that are done in order.
type Task struct {
	Name   string
	Weight float64
	Steps  []Step
}

// A Step is one request, what is expected of its answer and what is kept of it.
type Step struct {
	Name    string
	Method  string
	expect  expectation
	extract map[string]extraction // by variable
	path    template
	headers []header
	body    template
	kind    string // content type of the body
}

type header struct {
	name  string
	value template
}

// Think is how long a user waits after a task.
type Think struct {
	Min, Max    time.Duration // uniform between them
	Exponential time.Duration // mean, when not 0
}

// Mean is the mean think time.
func (t Think) Mean() time.Duration {
	if t.Exponential > 0 {
		return t.Exponential
	}
	return (t.Min + t.Max) / 2
}

func (t Think) draw(rng *rand.Rand) time.Duration {
	if t.Exponential > 0 {
		return time.Duration(rng.ExpFloat64() * float64(t.Exponential))
	}
	return t.Min + time.Duration(rng.Float64()*float64(t.Max-t.Min))
}

// UnmarshalYAML reads a constant, {between: [a, b]} or {exponential: mean}.
func (t *Think) UnmarshalYAML(n *yaml.Node) error {
	if n.Kind == yaml.ScalarNode {
		d, err := strictyaml.ParseDuration(n.Value)
		t.Min, t.Max = d, d
		return err
	}
	var form struct {
		Between     []strictyaml.Duration `yaml:"between"`
		Exponential strictyaml.Duration   `yaml:"exponential"`
	}
	if err := n.Decode(&form); err != nil {
		return err
	}
	if len(form.Between) == 2 && form.Between[0] <= form.Between[1] {
		t.Min, t.Max = time.Duration(form.Between[0]), time.Duration(form.Between[1])
		return nil
	}
	t.Exponential = time.Duration(form.Exponential)
	if t.Exponential <= 0 || len(form.Between) > 0 {
		return fmt.Errorf("want a duration, {between: [1s, 5s]} or {exponential: 3s}")
	}
	return nil
}

// ScaleThink makes every think time f times as long.
func (s *Scenario) ScaleThink(f float64) {
	scale := func(d time.Duration) time.Duration { return time.Duration(float64(d) * f) }
	for i := range s.Users {
		t := &s.Users[i].Think
		t.Min, t.Max, t.Exponential = scale(t.Min), scale(t.Max), scale(t.Exponential)
	}
}

// The form of a scenario file.
type scenarioFile struct {
	strictyaml.Header `yaml:",inline"`
	Name              string              `yaml:"name"`
	Data              map[string]dataFile `yaml:"data"`
	Users             []userFile          `yaml:"users"`
}

type dataFile struct {
	File   string `yaml:"file"`
	Weight string `yaml:"weight"`
	Pick   string `yaml:"pick"`
}

type userFile struct {
	Name    string            `yaml:"name"`
	Weight  *float64          `yaml:"weight"`
	Think   Think             `yaml:"think"`
	Headers map[string]string `yaml:"headers"`
	Start   []stepFile        `yaml:"start"`
	Tasks   []taskFile        `yaml:"tasks"`
}

type taskFile struct {
	stepFile `yaml:",inline"`
	Weight   *float64   `yaml:"weight"`
	Steps    []stepFile `yaml:"steps"`
}

type stepFile struct {
	Name    string                `yaml:"name"`
	Request string                `yaml:"request"`
	Headers map[string]string     `yaml:"headers"`
	JSON    *yaml.Node            `yaml:"json"`
	Form    map[string]string     `yaml:"form"`
	Body    *string               `yaml:"body"`
	Expect  expectation           `yaml:"expect"`
	Extract map[string]extraction `yaml:"extract"`
}

// ParseScenario reads a scenario file; its data files lie beside dir, the
// folder of the file. The error holds every mistake with its place.
func ParseScenario(name string, text []byte, dir string) (Scenario, error) {
	var f scenarioFile
	s := Scenario{data: map[string]*dataSet{}}
	err := strictyaml.Decode(name, text, &f, func(at strictyaml.Path) strictyaml.Problems {
		ps := f.Problems(at, "Scenario")
		if f.Name == "" {
			ps.Addf(at.Field("name"), "give the scenario a name")
		}
		if len(f.Users) == 0 {
			ps.Addf(at.Field("users"), "want at least one kind of user")
		}
		known := s.readDataSets(f.Data, dir, at.Field("data"), &ps)
		for i, u := range f.Users {
			s.Users = append(s.Users, u.build(at.Field("users").Index(i), known, &ps))
		}
		return ps
	})
	s.Name = f.Name
	return s, err
}

func (s *Scenario) readDataSets(files map[string]dataFile, dir string, at strictyaml.Path, ps *strictyaml.Problems) names {
	known := names{data: map[string][]string{}}
	for name, f := range files {
		at := at.Field(name)
		if f.Pick != "" && !slices.Contains([]string{"random", "sequential", "weighted", "unique"}, f.Pick) {
			ps.Addf(at.Field("pick"), "want random, sequential, weighted or unique, got %q", f.Pick)
		}
		set, err := readData(filepath.Join(dir, f.File), f.Weight, f.Pick)
		if err != nil {
			ps.Addf(at.Field("file"), "%v", err)
			known.data[name] = nil
			continue
		}
		s.data[name], known.data[name] = set, set.columns
	}
	return known
}

func (u userFile) build(at strictyaml.Path, known names, ps *strictyaml.Problems) User {
	user := User{Name: u.Name, Weight: weightOr1(u.Weight, at, ps), Think: u.Think}
	known.vars = map[string]bool{}
	for _, st := range u.allSteps() {
		for v := range st.Extract {
			known.vars[v] = true
		}
	}
	if len(u.Tasks) == 0 {
		ps.Addf(at.Field("tasks"), "want at least one task")
	}
	for i, st := range u.Start {
		user.Start = append(user.Start, st.build(at.Field("start").Index(i), u.Headers, known, ps))
	}
	seen := map[string]bool{}
	for i, t := range u.Tasks {
		at := at.Field("tasks").Index(i)
		if t.Name != "" && seen[t.Name] {
			ps.Addf(at.Field("name"), "another task is already called %q", t.Name)
		}
		seen[t.Name] = true
		task := Task{Name: t.Name, Weight: weightOr1(t.Weight, at, ps)}
		if t.Steps == nil {
			task.Steps = []Step{t.stepFile.build(at, u.Headers, known, ps)}
		} else if t.Request != "" {
			ps.Addf(at.Field("steps"), "give a request or steps, not both")
		}
		for k, st := range t.Steps {
			if st.Name == "" {
				st.Name = t.Name
			}
			task.Steps = append(task.Steps, st.build(at.Field("steps").Index(k), u.Headers, known, ps))
		}
		user.Tasks = append(user.Tasks, task)
	}
	return user
}

func (u userFile) allSteps() []stepFile {
	steps := slices.Clone(u.Start)
	for _, t := range u.Tasks {
		steps = append(append(steps, t.stepFile), t.Steps...)
	}
	return steps
}

func weightOr1(w *float64, at strictyaml.Path, ps *strictyaml.Problems) float64 {
	if w == nil {
		return 1
	}
	if !(*w > 0) || math.IsInf(*w, 0) {
		ps.Addf(at.Field("weight"), "must be above 0, got %v", *w)
	}
	return *w
}

var methods = []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions}

func (f stepFile) build(at strictyaml.Path, common map[string]string, known names, ps *strictyaml.Problems) Step {
	if f.Name == "" {
		ps.Addf(at.Field("name"), "give the request a name; results are listed under it")
	}
	method, path, _ := strings.Cut(f.Request, " ")
	if !slices.Contains(methods, method) || !strings.HasPrefix(path, "/") {
		ps.Addf(at.Field("request"), "want a method and a path such as GET /api/v1/agents, got %q", f.Request)
	}
	s := Step{Name: f.Name, Method: method, expect: f.Expect, extract: f.Extract}
	s.expect.contains = []byte(f.Expect.Contains)
	compileAt := func(at strictyaml.Path, text string, in quoting) template {
		t, err := compile(text, known, in)
		if err != nil {
			ps.Addf(at, "%v", err)
		}
		return t
	}
	s.path = compileAt(at.Field("request"), path, insideURL)
	if bodies := count(f.JSON != nil, f.Form != nil, f.Body != nil); bodies > 1 {
		ps.Addf(at, "give one of json, form and body, not several")
	}
	for i, name := range slices.Sorted(mapKeys(f.Form)) {
		if i > 0 {
			s.body = append(s.body, part{literal: "&"})
		}
		s.body = append(append(s.body, part{literal: url.QueryEscape(name) + "="}), compileAt(at.Field("form").Field(name), f.Form[name], insideURL)...)
		s.kind = "application/x-www-form-urlencoded"
	}
	if f.Body != nil {
		s.body = compileAt(at.Field("body"), *f.Body, plain)
	}
	if f.JSON != nil {
		t, err := compileJSON(f.JSON, known)
		if err != nil {
			ps.Addf(at.Field("json"), "%v", err)
		}
		s.body, s.kind = t, "application/json"
	}
	for _, from := range []struct {
		headers map[string]string
		at      strictyaml.Path
	}{{common, at}, {f.Headers, at.Field("headers")}} {
		for _, name := range slices.Sorted(mapKeys(from.headers)) {
			s.headers = append(s.headers, header{name, compileAt(from.at, from.headers[name], insideHeader)})
		}
	}
	return s
}

func count(conditions ...bool) (n int) {
	for _, c := range conditions {
		if c {
			n++
		}
	}
	return n
}

func mapKeys[V any](m map[string]V) func(func(string) bool) {
	return func(yield func(string) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

// Requests lists the names of all requests, the starting ones first.
func (s Scenario) Requests() []string {
	var all []string
	for _, st := range s.steps() {
		if !slices.Contains(all, st.Name) {
			all = append(all, st.Name)
		}
	}
	return all
}

func (s Scenario) steps() (all []Step) {
	for _, u := range s.Users {
		all = append(all, u.Start...)
	}
	for _, u := range s.Users {
		for _, t := range u.Tasks {
			all = append(all, t.Steps...)
		}
	}
	return all
}

// MeanThink is the mean think time over the kinds of users, by weight.
func (s Scenario) MeanThink() time.Duration {
	sum, weights := 0.0, 0.0
	for _, u := range s.Users {
		sum += u.Weight * float64(u.Think.Mean())
		weights += u.Weight
	}
	return time.Duration(sum / weights)
}

// StepsPerIteration is the mean number of requests of an iteration.
func (s Scenario) StepsPerIteration() float64 {
	sum, weights := 0.0, 0.0
	for _, u := range s.Users {
		steps, tasks := 0.0, 0.0
		for _, t := range u.Tasks {
			steps += t.Weight * float64(len(t.Steps))
			tasks += t.Weight
		}
		sum += u.Weight * steps / tasks
		weights += u.Weight
	}
	return sum / weights
}
