package loadgen

import (
	"math"
	"math/rand/v2"
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
	data  []*dataSet
	slots int // variables that a user has at most
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
			ps.Addf(at, "want a duration, {between: [1s, 5s]} or {exponential: 3s}")
		case between[0] > between[1]:
			ps.Addf(at.Field("between"), "want the shorter time first: [%s, %s]", time.Duration(between[1]), time.Duration(between[0]))
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
	dir   string // of the scenario's file; other files lie beside it
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

func (b *builder) compile(at strictyaml.Path, text string, in quoting) template {
	t, err := compile(text, b.names, in)
	if err != nil {
		b.ps.Addf(at, "%v", err)
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
			ps.Addf(at.Field("name"), "give the scenario a name")
		}
		s.Name = (&builder{ps: &ps}).verbatim(at.Field("name"), f.Name)
		if len(f.Users) == 0 {
			ps.Addf(at.Field("users"), "want at least one kind of user")
		}
		s.data = readDataSets(f.Data, dir, at.Field("data"), &ps)
		for i, u := range f.Users {
			b := &builder{names: names{slots: u.slots(), sets: s.data}, dir: dir, ps: &ps}
			s.slots = max(s.slots, len(b.names.slots))
			s.Users = append(s.Users, u.build(f.settingsFile.within(settings{}, b, at), b, at.Field("users").Index(i)))
		}
		return withoutRepeats(ps)
	})
	return s, err
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
		if f.Pick != "" && !slices.Contains(picks, f.Pick) {
			ps.Addf(at.Field("pick"), "want one of %s, got %q", strings.Join(picks, ", "), f.Pick)
		}
		if f.Pick == pickWeighted && f.Weight == "" {
			ps.Addf(at.Field("pick"), "name the column of the weights: weight: COLUMN")
		}
		if f.Weight != "" && f.Pick != "" && f.Pick != pickWeighted {
			ps.Addf(at.Field("weight"), "does nothing when pick is %s", f.Pick)
		}
		if f.File == "" {
			ps.Addf(at.Field("file"), "name the file that holds the data")
			sets = append(sets, &dataSet{name: name, broken: true})
			continue
		}
		set, errs := readData(name, filepath.Join(dir, f.File), f.Weight, f.Pick)
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
	user := User{Name: b.verbatim(at.Field("name"), u.Name), Weight: weightOr1(u.Weight, at, b.ps), Think: u.Think}
	common := u.settingsFile.within(outer, b, at)
	if len(u.Tasks) == 0 {
		b.ps.Addf(at.Field("tasks"), "want at least one task")
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
	if task.Name = b.verbatim(at.Field("name"), t.Name); task.Name == "" {
		b.ps.Addf(at.Field("name"), "give the task a name")
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
