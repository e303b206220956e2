package loadgen

import (
	"fmt"
	"math"
	"math/rand/v2"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"gopkg.in/yaml.v3"

	"github.com/plumbline/plumbline/pkg/strictyaml"
)

// A Scenario is what users do: their tasks, by weight, and what is expected of the answers.
type Scenario struct {
	Name  string
	Users []User

	data     []*dataSet
	slots    int      // variables that a user has at most
	warnings []string // of what is allowed and hardly meant
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
	return t.Min + (t.Max-t.Min)/2
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
		var d strictyaml.Duration
		err := d.UnmarshalYAML(n)
		t.Min, t.Max = time.Duration(d), time.Duration(d)
		return err
	}
	var form struct {
		Between     []strictyaml.Duration `yaml:"between"`
		Exponential strictyaml.Duration   `yaml:"exponential"`
	}
	return strictyaml.DecodeNode("", n, &form, func(at strictyaml.Path) (ps strictyaml.Problems) {
		switch between := form.Between; {
		case len(between) == 0 && form.Exponential != 0:
			t.Exponential = time.Duration(form.Exponential)
		case len(between) != 2 || form.Exponential != 0:
			ps.Rulef(at, at, "want a duration, {between: [1s, 5s]} or {exponential: 3s}")
		case between[0] > between[1]:
			ps.Rulef(at, at.Field("between"), "want the shorter time first: [%s, %s]", time.Duration(between[1]), time.Duration(between[0]))
		default:
			t.Min, t.Max = time.Duration(between[0]), time.Duration(between[1])
		}
		return ps
	})
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
	settingsFile      `yaml:",inline"`
	Name              string              `yaml:"name"`
	Data              map[string]dataFile `yaml:"data"`
	Users             []userFile          `yaml:"users"`
}

type dataFile struct {
	strictyaml.Place
	File   string `yaml:"file"`
	Weight string `yaml:"weight"`
	Pick   string `yaml:"pick"`
}

type userFile struct {
	strictyaml.Place
	settingsFile `yaml:",inline"`
	Name         string     `yaml:"name"`
	Weight       *float64   `yaml:"weight"`
	Think        Think      `yaml:"think"`
	Start        []stepFile `yaml:"start"`
	Tasks        []taskFile `yaml:"tasks"`
}

type taskFile struct {
	stepFile `yaml:",inline"`
	Weight   *float64   `yaml:"weight"`
	Steps    []stepFile `yaml:"steps"`
}

// A builder is what the parts of a scenario are built with.
type builder struct {
	names names
	dir   string // of the scenario's file; paths of other files count from it
	ps    *strictyaml.Problems
}

// verbatim is a text in which no variables may stand; $${ is ${ there as well.
func (b *builder) verbatim(at strictyaml.Path, text string) string {
	text, err := verbatim(text)
	if err != nil {
		b.ps.Addf(at, "%v", err)
	}
	return text
}

// name is that of something which results, tables and files are about.
func (b *builder) name(at strictyaml.Path, text string) string {
	if text != "" {
		checkName(at, text, b.ps)
	}
	return b.verbatim(at, text)
}

// maxName is how many letters a name may have.
const maxName = 200

// checkName refuses names that would break the lines of a table.
func checkName(at strictyaml.Path, name string, ps *strictyaml.Problems) {
	switch {
	case strings.TrimSpace(name) == "":
		ps.Addf(at, "a name has letters, got %q", name)
	case strings.ContainsFunc(name, unicode.IsControl):
		ps.Addf(at, "a name holds no line breaks and other control characters, got %.60q", name)
	case utf8.RuneCountInString(name) > maxName:
		ps.Addf(at, "a name has at most %d letters, got %d", maxName, utf8.RuneCountInString(name))
	}
}

// variableForm is what can be named in ${…}.
var variableForm = regexp.MustCompile(`^[\pL_][\pL\pN_-]*$`)

// checkVariable refuses names that could not be told from others in ${…}.
func checkVariable(at strictyaml.Path, name string, ps *strictyaml.Problems) {
	switch {
	case name == "env":
		ps.Addf(at, "${env.NAME} is the environment's: choose another name")
	case !variableForm.MatchString(name):
		ps.Addf(at, "want a name of letters, digits, _ and -, which can stand in ${…}, got %q", name)
	}
}

// extracted checks the name of what a step extracts.
func (b *builder) extracted(at strictyaml.Path, name string) {
	checkVariable(at, name, b.ps)
	if b.names.set(name) >= 0 {
		b.ps.Addf(at, "there is a data set %s as well: give one of them another name", name)
	}
}

// beside is the path of another file that a scenario in a folder names.
func beside(dir, file string) (path string, err error) {
	switch {
	case strings.Contains(file, "://"):
		return "", fmt.Errorf("want the path of a file, got the URL %s: download it before", file)
	case filepath.IsAbs(file):
		return file, nil
	}
	return filepath.Join(dir, file), nil
}

func (b *builder) compile(at strictyaml.Path, text string, in quoting) template {
	return b.compileFrom(at, 0, text, in)
}

// compileFrom compiles a text that begins at a byte of what stands at the path.
func (b *builder) compileFrom(at strictyaml.Path, offset int, text string, in quoting) template {
	t, err := compile(text, b.names, in)
	for _, m := range misplaced(err) {
		b.ps.AddInf(at, offset+m.offset, "%v", m.error)
	}
	return t
}

// ParseScenario reads a scenario file; its data files lie beside dir, the
// folder of the file. The error holds every mistake with its place.
func ParseScenario(name string, text []byte, dir string) (Scenario, error) {
	var f scenarioFile
	var s Scenario
	err := strictyaml.Decode(name, text, &f, func(at strictyaml.Path) strictyaml.Problems {
		ps := f.Problems(at, "Scenario")
		if f.Name == "" {
			ps.Needf(at.Field("name"), "name: NAME", "give the scenario a name")
		}
		s.Name = (&builder{ps: &ps}).name(at.Field("name"), f.Name)
		if len(f.Users) == 0 {
			ps.Needf(at.Field("users"), "users: [{name: NAME, tasks: [{name: NAME, request: GET /}]}]", "want at least one kind of user")
		}
		s.data = readDataSets(f.Data, dir, at.Field("data"), &ps)
		seen := map[string]bool{}
		for i, u := range f.Users {
			if u.Name != "" && seen[u.Name] {
				ps.Addf(at.Field("users").Index(i).Field("name"), "another kind of user is already called %q", u.Name)
			}
			seen[u.Name] = true
			b := &builder{names: names{slots: u.slots(), sets: s.data}, dir: dir, ps: &ps}
			s.slots = max(s.slots, len(b.names.slots))
			s.Users = append(s.Users, u.build(f.settingsFile.within(settings{}, b, at), b, at.Field("users").Index(i)))
		}
		return withoutRepeats(ps)
	})
	s.warnings = f.warnings(name, s.data)
	return s, err
}

// warnings tell of what is allowed and hardly meant.
func (f scenarioFile) warnings(file string, sets []*dataSet) (all []string) {
	warn := func(at strictyaml.Place, format string, args ...any) {
		all = append(all, at.Errorf(format, args...).Error())
	}
	for _, set := range sets {
		if !set.used && !set.broken {
			warn(set.at, "data set %s is not used by any request", set.name)
		}
	}
	for i, u := range f.Users {
		if u.Name == "" {
			warn(u.Place, "users[%d] has no name, under which the shares of its tasks are listed", i)
		}
		for _, t := range u.Tasks {
			seen := map[string]bool{}
			for _, st := range t.Steps {
				if st.Name != "" && seen[st.Name] {
					warn(u.Place, "task %s has several steps called %s: their results are counted together", t.Name, st.Name)
				}
				seen[st.Name] = true
			}
		}
		for _, st := range u.allSteps() {
			if n := st.JSON; n != nil && n.Kind == yaml.ScalarNode && n.Tag == "!!str" && strings.IndexAny(strings.TrimSpace(n.Value), "[{") == 0 {
				warn(strictyaml.Place{File: file, Line: n.Line, Column: n.Column}, "json is text here, and sent as a string: leave the quotes around %.40s out, or write body", strings.TrimSpace(n.Value))
			}
		}
	}
	return all
}

// withoutRepeats leaves one of each: what a scenario sets for all of its users is built for each of them.
func withoutRepeats(ps strictyaml.Problems) (once strictyaml.Problems) {
	for _, p := range ps {
		if !slices.Contains(once, p) {
			once = append(once, p)
		}
	}
	return once
}

func readDataSets(files map[string]dataFile, dir string, at strictyaml.Path, ps *strictyaml.Problems) (sets []*dataSet) {
	for _, name := range slices.Sorted(mapKeys(files)) {
		f, at := files[name], at.Field(name)
		checkVariable(at, name, ps)
		if f.Pick != "" && !slices.Contains(picks, f.Pick) {
			ps.Addf(at.Field("pick"), "want one of %s, got %q", strings.Join(picks, ", "), f.Pick)
		}
		if f.Pick == pickWeighted && f.Weight == "" {
			ps.Addf(at.Field("pick"), "name the column of the weights: weight: COLUMN")
		}
		if f.Weight != "" && f.Pick != "" && f.Pick != pickWeighted {
			ps.Addf(at.Field("weight"), "does nothing when pick is %s", f.Pick)
		}
		path, err := beside(dir, f.File)
		switch {
		case f.File == "":
			ps.Needf(at.Field("file"), "file: PATH", "name the file that holds the data")
		case err != nil:
			ps.Addf(at.Field("file"), "%v", err)
		}
		if f.File == "" || err != nil {
			sets = append(sets, &dataSet{name: name, broken: true})
			continue
		}
		set, errs := readData(name, path, f.Weight, f.Pick)
		for _, err := range errs {
			ps.Addf(at.Field("file"), "%v", err)
		}
		set.at = f.Place
		sets = append(sets, set)
	}
	return sets
}

// slots numbers the variables that the steps of a user extract.
func (u userFile) slots() map[string]int {
	slots := map[string]int{}
	for _, st := range u.allSteps() {
		for _, name := range slices.Sorted(mapKeys(st.Extract)) {
			if _, has := slots[name]; !has {
				slots[name] = len(slots)
			}
		}
	}
	return slots
}

func (u userFile) allSteps() []stepFile {
	steps := slices.Clone(u.Start)
	for _, t := range u.Tasks {
		steps = append(append(steps, t.stepFile), t.Steps...)
	}
	return steps
}

func (u userFile) build(outer settings, b *builder, at strictyaml.Path) User {
	user := User{Name: b.name(at.Field("name"), u.Name), Weight: weightOr1(u.Weight, at, b.ps), Think: u.Think}
	common := u.settingsFile.within(outer, b, at)
	if len(u.Tasks) == 0 {
		b.ps.Needf(at.Field("tasks"), "tasks: [{name: NAME, request: GET /}]", "want at least one task")
	}
	for i, st := range u.Start {
		user.Start = append(user.Start, st.build(common, "", b, at.Field("start").Index(i)))
	}
	seen := map[string]bool{}
	for i, t := range u.Tasks {
		at := at.Field("tasks").Index(i)
		if t.Name != "" && seen[t.Name] {
			b.ps.Addf(at.Field("name"), "another task is already called %q", t.Name)
		}
		seen[t.Name] = true
		user.Tasks = append(user.Tasks, t.build(common, b, at))
	}
	return user
}

func (t taskFile) build(outer settings, b *builder, at strictyaml.Path) Task {
	task := Task{Name: t.Name, Weight: weightOr1(t.Weight, at, b.ps)}
	if t.Steps == nil {
		only := t.stepFile.build(outer, "", b, at)
		task.Name, task.Steps = only.Name, []Step{only}
		return task
	}
	if task.Name = b.name(at.Field("name"), t.Name); task.Name == "" {
		b.ps.Needf(at.Field("name"), "name: NAME", "give the task a name")
	}
	for _, key := range []struct {
		name  string
		given bool
	}{
		{"request", t.Request != ""}, {"json", t.JSON != nil}, {"form", t.Form != nil}, {"body", t.Body != nil},
		{"file", t.File != ""}, {"expect", t.Expect != nil}, {"extract", t.Extract != nil},
	} {
		if key.given {
			b.ps.Addf(at.Field(key.name), "belongs into one of the task's steps")
		}
	}
	if len(t.Steps) == 0 {
		b.ps.Addf(at.Field("steps"), "want at least one step")
	}
	common := t.settingsFile.within(outer, b, at)
	for k, st := range t.Steps {
		task.Steps = append(task.Steps, st.build(common, task.Name, b, at.Field("steps").Index(k)))
	}
	return task
}

// maxWeight keeps the sums of weights finite.
const maxWeight = 1_000_000_000

func weightOr1(w *float64, at strictyaml.Path, ps *strictyaml.Problems) float64 {
	if w == nil {
		return 1
	}
	if !(*w > 0 && *w <= maxWeight) {
		ps.Addf(at.Field("weight"), "must be above 0 and at most %d, got %v", maxWeight, *w)
	}
	return *w
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

// weights are the kinds' shares of all users and of all arrivals.
func (s Scenario) weights() []float64 {
	return shared(s.Users, func(u User) float64 { return u.Weight })
}

// iterations are the kinds' shares of all iterations: in an open model those of
// the arrivals; in a closed one those of users ÷ think time, with answers that
// take no time. Where some don't think, the weights stand in (see [Scenario.pausesInPart]).
func (s Scenario) iterations(open bool) []float64 {
	if open || slices.ContainsFunc(s.Users, User.hurries) {
		return s.weights()
	}
	return shared(s.Users, func(u User) float64 { return u.Weight / u.Think.Mean().Seconds() })
}

// shared divides 1 among the kinds.
func shared(users []User, part func(User) float64) []float64 {
	sum := 0.0
	for _, u := range users {
		sum += part(u)
	}
	shares := make([]float64, len(users))
	for i, u := range users {
		shares[i] = part(u) / sum
	}
	return shares
}

// pausesInPart reports whether some kinds of users think and others don't: then
// it depends on how fast the answers come who does how many of the iterations.
func (s Scenario) pausesInPart() bool {
	return slices.ContainsFunc(s.Users, User.thinks) && slices.ContainsFunc(s.Users, User.hurries)
}

func (u User) thinks() bool { return u.Think.Mean() > 0 }

// hurries reports whether a user goes on at once after a task.
func (u User) hurries() bool { return !u.thinks() }

// MeanThink is the mean think time after the iterations of a closed model.
func (s Scenario) MeanThink() time.Duration {
	mean := 0.0
	for i, share := range s.iterations(false) {
		mean += share * float64(s.Users[i].Think.Mean())
	}
	return time.Duration(math.Round(mean))
}

// StepsPerIteration is the mean number of requests of an iteration.
func (s Scenario) StepsPerIteration(open bool) (mean float64) {
	for i, share := range s.iterations(open) {
		mean += share * s.Users[i].steps()
	}
	return mean
}

// steps is the mean number of requests of an iteration.
func (u User) steps() float64 {
	steps, tasks := 0.0, 0.0
	for _, t := range u.Tasks {
		steps += t.Weight * float64(len(t.Steps))
		tasks += t.Weight
	}
	return steps / tasks
}
