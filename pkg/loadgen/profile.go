package loadgen

import (
	"cmp"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"gopkg.in/yaml.v3"

	"github.com/plumbline/plumbline/pkg/run"
	"github.com/plumbline/plumbline/pkg/strictyaml"
)

// A Profile is how much load there is, when: stages one after another. In a
// closed model they count users, in an open one arrivals per second.
type Profile struct {
	Name        string
	Stages      []Stage
	SpawnRate   float64 // users started per second while ramping up; 0 when stages say it
	Open        bool
	Poisson     bool // arrivals are random at the stages' rate
	MaxInFlight int  // users in the pool of an open model; 0: as many as arrive in a second, at least 100
	MaxQueue    int  // arrivals that may wait for a user of the pool; 0: defaultQueue
	Expected    LoadRange

	at strictyaml.Place // in its file
}

// A LoadRange is the load, in requests per second, that somebody expects of a
// profile; zero when nobody has said.
type LoadRange struct {
	Min float64 `json:"min"`
	Max float64 `json:"max"`
}

var loadRangeForm = regexp.MustCompile(`^(\d+(?:\.\d+)?)(?:\s*\.\.\s*(\d+(?:\.\d+)?))?\s*/s$`)

// UnmarshalYAML reads 800..1200/s or 1000/s.
func (r *LoadRange) UnmarshalYAML(n *yaml.Node) error {
	m := loadRangeForm.FindStringSubmatch(n.Value)
	if m == nil || n.Kind != yaml.ScalarNode {
		return fmt.Errorf("want requests per second such as 1000/s or 800..1200/s, got %q", n.Value)
	}
	if m[2] == "" {
		m[2] = m[1]
	}
	low, err1 := strconv.ParseFloat(m[1], 64)
	high, err2 := strconv.ParseFloat(m[2], 64)
	if err1 != nil || err2 != nil || !(low > 0) || high < low {
		return fmt.Errorf("want requests per second such as 1000/s or 800..1200/s, the lower first, got %q", n.Value)
	}
	*r = LoadRange{low, high}
	return nil
}

// A Stage is a stretch over which the load holds or changes linearly.
type Stage struct {
	From, To float64 // users, or arrivals per second
	Duration time.Duration
	Scored   bool
}

// Duration is the length of the profile.
func (p Profile) Duration() (sum time.Duration) {
	for _, s := range p.Stages {
		sum += s.Duration
	}
	return sum
}

// MaxUsers is the most users there are at one time.
func (p Profile) MaxUsers() int {
	most := 0.0
	for _, s := range p.Stages {
		most = max(most, s.From, s.To)
	}
	return int(math.Ceil(most))
}

// UsersAt is how many users there are at a time after the start.
func (p Profile) UsersAt(t time.Duration) int {
	for _, s := range p.Stages {
		if t < s.Duration {
			return int(s.From + (s.To-s.From)*float64(t)/float64(s.Duration))
		}
		t -= s.Duration
	}
	return 0
}

// MaxRate is the highest arrival rate, per second.
func (p Profile) MaxRate() float64 {
	most := 0.0
	for _, s := range p.Stages {
		most = max(most, s.From, s.To)
	}
	return most
}

// minLength is the least to which a profile may be shortened: below, nothing may be sent at all.
const minLength = 100 * time.Millisecond

// arrivals is how many there are from start to end, on average.
func (p Profile) arrivals() (sum float64) {
	for _, s := range p.Stages {
		sum += (s.From + s.To) / 2 * s.Duration.Seconds()
	}
	return sum
}

// Scale is the profile f times as long; its users are spawned faster or slower to match.
func (p Profile) Scale(f float64) (Profile, error) {
	before := p.Duration().Seconds()
	after := before * f
	switch {
	case !(f > 0) || math.IsInf(f, 0):
		return p, fmt.Errorf("want a number above 0, got %v", f)
	case f < 1 && after < minLength.Seconds():
		return p, fmt.Errorf("%v makes profile %s last %s, want at least %s", f, p.Name, time.Duration(after*float64(time.Second)), minLength)
	case f > 1 && after > maxLength.Seconds():
		return p, fmt.Errorf("%v makes profile %s, of %s, last longer than %s: want at most %g", f, p.Name, p.Duration(), maxLength, math.Floor(maxLength.Seconds()/before))
	}
	p.Stages = slices.Clone(p.Stages)
	for i := range p.Stages {
		p.Stages[i].Duration = time.Duration(float64(p.Stages[i].Duration) * f)
	}
	p.SpawnRate /= f
	return p, nil
}

// RunStages places the stages in time.
func (p Profile) RunStages(start time.Time) []run.Stage {
	var stages []run.Stage
	for _, s := range p.Stages {
		end := start.Add(s.Duration)
		stages = append(stages, run.Stage{Window: run.Window{Start: start, End: end}, From: s.From, To: s.To, Open: p.Open, Scored: s.Scored})
		start = end
	}
	return stages
}

// Steady is the one stage that is scored; zero when there are several or none.
func (p Profile) Steady(start time.Time) run.Window {
	var steady []run.Window
	for _, s := range p.RunStages(start) {
		if s.Scored {
			steady = append(steady, s.Window)
		}
	}
	if len(steady) != 1 {
		return run.Window{}
	}
	return steady[0]
}

// The form of a profiles file.
type profilesFile struct {
	strictyaml.Header `yaml:",inline"`
	Profiles          map[string]profileFile `yaml:"profiles"`
}

type profileFile struct {
	strictyaml.Place
	Users       int                 `yaml:"users"`
	SpawnRate   float64             `yaml:"spawn_rate"`
	Duration    strictyaml.Duration `yaml:"duration"`
	Stages      []stageFile         `yaml:"stages"`
	Arrival     *arrivalFile        `yaml:"arrival_rate"`
	Over        strictyaml.Duration `yaml:"over"`
	Each        strictyaml.Duration `yaml:"each"`
	Arrivals    string              `yaml:"arrivals"`
	MaxInFlight *int                `yaml:"max_in_flight"`
	MaxQueue    *int                `yaml:"max_queue"`
	Expected    LoadRange           `yaml:"expected_load"`
}

type stageFile struct {
	To     *level              `yaml:"to"`
	Over   strictyaml.Duration `yaml:"over"`
	Hold   strictyaml.Duration `yaml:"hold"`
	Scored *bool               `yaml:"scored"`
}

// A level is a number of users (100), or an arrival rate (100/s).
type level struct {
	value   float64
	rate    bool
	tooHigh bool // it is one, and not to be had
}

// UnmarshalYAML reads a number of users or a rate.
func (l *level) UnmarshalYAML(n *yaml.Node) error {
	number, unit, isRate := strings.Cut(n.Value, "/")
	per := map[string]float64{"s": 1, "m": 60, "h": 3600}[unit]
	v, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
	if err != nil || !(v >= 0) || n.Kind != yaml.ScalarNode || isRate && per == 0 {
		return fmt.Errorf("want users such as 100, or an arrival rate such as 100/s, got %q", n.Value)
	}
	if err := strictyaml.CheckNumber(n); err != nil {
		return err
	}
	if isRate {
		v /= per
	}
	if v > maxUsers {
		l.tooHigh = true
		return fmt.Errorf("want at most %d users or arrivals per second, got %q", maxUsers, n.Value)
	}
	if !isRate && v != math.Trunc(v) {
		return fmt.Errorf("want a whole number of users, got %q", n.Value)
	}
	*l = level{value: v, rate: isRate}
	return nil
}

// An arrivalFile is one rate, or {from: 100/s, to: 1200/s} with steps or not.
// It is zero when it could not be read.
type arrivalFile struct {
	from, to rate
	steps    int
}

// A rate is an arrival rate per second.
type rate float64

// UnmarshalYAML reads 100/s, or a rate per m or h.
func (r *rate) UnmarshalYAML(n *yaml.Node) error {
	var l level
	if err := l.UnmarshalYAML(n); err != nil && l.tooHigh {
		return err
	} else if err != nil || !l.rate {
		return fmt.Errorf("want a rate such as 100/s, 100/m or 100/h, got %s", shown(n))
	}
	*r = rate(l.value)
	return nil
}

// shown is a value as messages show it.
func shown(n *yaml.Node) string {
	if n.Kind == yaml.ScalarNode {
		return strconv.Quote(n.Value)
	}
	return "a list"
}

// UnmarshalYAML reads one rate or a range of them.
func (a *arrivalFile) UnmarshalYAML(n *yaml.Node) error {
	if n.Kind != yaml.MappingNode {
		err := a.from.UnmarshalYAML(n)
		if a.to = a.from; err == nil && a.from == 0 {
			err = fmt.Errorf("must be above 0, such as 100/s, got %q", n.Value)
		}
		return err
	}
	var form struct {
		From  rate `yaml:"from"`
		To    rate `yaml:"to"`
		Steps *int `yaml:"steps"`
	}
	err := strictyaml.DecodeNode("", n, &form, func(at strictyaml.Path) (ps strictyaml.Problems) {
		if steps := form.Steps; steps != nil && (*steps < 2 || *steps > maxSteps) {
			ps.Addf(at.Field("steps"), "must be between 2 and %d, got %d", maxSteps, *steps)
		}
		ps.Need(at.Field("from"), "from: 100/s")
		ps.Need(at.Field("to"), "to: 2000/s")
		if form.From+form.To == 0 {
			ps.Rulef(at, at, "nothing arrives from 0/s to 0/s: want a rate above 0")
		}
		return ps
	})
	if err != nil {
		return err
	}
	a.from, a.to = form.From, form.To
	if form.Steps != nil {
		a.steps = *form.Steps
	}
	return nil
}

// Profiles are the profiles of one file, by name.
type Profiles map[string]Profile

// ParseProfiles reads a profiles file. The error holds every mistake with its place.
func ParseProfiles(name string, text []byte) (Profiles, error) {
	var f profilesFile
	profiles := Profiles{}
	err := strictyaml.Decode(name, text, &f, func(at strictyaml.Path) strictyaml.Problems {
		ps := f.Problems(at, "Profiles")
		if len(f.Profiles) == 0 {
			ps.Needf(at.Field("profiles"), "profiles: {NAME: {users: 100, spawn_rate: 10, duration: 10m}}", "want at least one profile")
		}
		for name, pf := range f.Profiles {
			checkName(at.Field("profiles").Field(name), name, &ps)
			p := pf.build(at.Field("profiles").Field(name), &ps)
			p.Name = name
			profiles[name] = p
		}
		return ps
	})
	return profiles, err
}

// Get finds a profile by name; the error names those that there are.
func (ps Profiles) Get(name string) (Profile, error) {
	p, ok := ps[name]
	if ok {
		return p, nil
	}
	known := slices.Sorted(mapKeys(ps))
	if near := strictyaml.Nearest(name, known); near != "" {
		return p, fmt.Errorf("profile %q: there is none of that name; did you mean %s?", name, near)
	}
	return p, fmt.Errorf("profile %q: there is none of that name; there are %s", name, strings.Join(known, ", "))
}

func (f profileFile) build(at strictyaml.Path, ps *strictyaml.Problems) Profile {
	forms := count(f.Stages != nil, f.Arrival != nil, f.Users != 0 || f.SpawnRate != 0)
	if forms > 1 {
		ps.Rulef(at, at, "give one of stages, arrival_rate, and users with spawn_rate")
	}
	p := Profile{MaxInFlight: atMost(maxUsers, f.MaxInFlight, at.Field("max_in_flight"), ps), MaxQueue: atMost(maxWaiting, f.MaxQueue, at.Field("max_queue"), ps),
		Poisson: f.Arrivals == "poisson", Expected: f.Expected, at: f.Place}
	switch {
	case forms == 0:
		ps.Rulef(at, at, "give one of stages, arrival_rate, and users with spawn_rate and duration, such as {users: 100, spawn_rate: 10, duration: 10m}")
		return p
	case f.Stages != nil:
		p.Stages, p.Open = buildStages(f.Stages, at.Field("stages"), ps)
	case f.Arrival != nil:
		p.Stages, p.Open = f.buildArrivals(at, ps), true
	default:
		p.Stages, p.SpawnRate = f.buildUsers(at, ps), f.SpawnRate
	}
	f.checkRest(p, at, ps)
	return p
}

// atMost is a number from 1 to a limit; 0 when it isn't given.
func atMost(limit int, n *int, at strictyaml.Path, ps *strictyaml.Problems) int {
	if n == nil {
		return 0
	}
	if *n < 1 || *n > limit {
		ps.Addf(at, "must be between 1 and %d, got %d", limit, *n)
	}
	return *n
}

// checkRest finds keys that do nothing in this form of profile.
func (f profileFile) checkRest(p Profile, at strictyaml.Path, ps *strictyaml.Problems) {
	if f.Arrivals != "" && f.Arrivals != "poisson" && f.Arrivals != "regular" {
		ps.Addf(at.Field("arrivals"), "want regular or poisson, got %q", f.Arrivals)
	}
	if !p.Open && (f.Arrivals != "" || f.MaxInFlight != nil || f.MaxQueue != nil) {
		ps.Rulef(at, at, "arrivals, max_in_flight and max_queue belong to an arrival rate, not to users")
	}
	if f.Arrival == nil && (f.Over != 0 || f.Each != 0) {
		ps.Rulef(at, at, "over and each belong to an arrival_rate with from and to")
	}
	if f.Stages != nil && f.Duration != 0 {
		ps.Addf(at.Field("duration"), "stages say how long they are")
	}
	length := 0.0
	for _, s := range p.Stages {
		length += s.Duration.Seconds()
	}
	if length > maxLength.Seconds() {
		ps.Rulef(at, at, "must not last longer than %s", maxLength)
	}
}

// Each limit is more than one generator can do.
const (
	maxUsers   = 1_000_000 // and arrivals per second
	maxWaiting = 10_000_000
	maxSteps   = 1000
	maxLength  = 365 * 24 * time.Hour
)

func (f profileFile) buildUsers(at strictyaml.Path, ps *strictyaml.Problems) []Stage {
	enough := f.Users >= 1 && f.Users <= maxUsers
	if !enough {
		ps.Needf(at.Field("users"), "users: 100", "must be between 1 and %d, got %d", maxUsers, f.Users)
	}
	starts := f.SpawnRate > 0 && f.SpawnRate <= maxUsers
	if !starts {
		ps.Needf(at.Field("spawn_rate"), "spawn_rate: 10", "must be above 0 and at most %d users per second, got %v", maxUsers, f.SpawnRate)
	}
	if !enough || !starts {
		ps.Need(at.Field("duration"), "duration: 10m")
		return nil
	}
	ramp := time.Duration(min(float64(f.Users)/f.SpawnRate, 2*maxLength.Seconds()) * float64(time.Second))
	hold := time.Duration(f.Duration) - ramp
	if hold <= 0 {
		ps.Needf(at.Field("duration"), "duration: 10m", "must be longer than the %s in which %d users are spawned at %v per second, got %s", ramp, f.Users, f.SpawnRate, time.Duration(f.Duration))
	}
	users := float64(f.Users)
	return []Stage{{0, users, ramp, false}, {users, users, hold, true}}
}

func (f profileFile) buildArrivals(at strictyaml.Path, ps *strictyaml.Problems) []Stage {
	from, to, steps := float64(f.Arrival.from), float64(f.Arrival.to), f.Arrival.steps
	if from+to == 0 {
		return nil // it could not be read, which has been told
	}
	length, name := f.Duration, "duration"
	switch {
	case steps > 0:
		length, name = f.Each, "each"
	case from != to:
		length, name = f.Over, "over"
	}
	others := 0
	for _, other := range []struct {
		name string
		d    strictyaml.Duration
	}{{"duration", f.Duration}, {"over", f.Over}, {"each", f.Each}} {
		if other.name != name && other.d != 0 {
			others++
			ps.Addf(at.Field(other.name), "this form of arrival_rate takes %s alone: write %s: %s", name, name, time.Duration(cmp.Or(length, other.d)))
		}
	}
	if length <= 0 && others == 0 {
		ps.Needf(at.Field(name), name+": 10m", "must be above 0")
	}
	if steps == 0 {
		return []Stage{{from, to, time.Duration(length), true}}
	}
	var stages []Stage
	for i := range min(steps, maxSteps) {
		rate := from + (to-from)*float64(i)/float64(steps-1)
		stages = append(stages, Stage{rate, rate, time.Duration(length), true})
	}
	return stages
}

func buildStages(files []stageFile, at strictyaml.Path, ps *strictyaml.Problems) (stages []Stage, open bool) {
	if len(files) == 0 {
		ps.Addf(at, "want at least one, such as {to: 100, over: 10s}")
		return nil, false
	}
	now, most := 0.0, 0.0
	rates, users := 0, 0
	for i, f := range files {
		all, at := at, at.Index(i)
		s := Stage{From: now, To: now}
		switch {
		case f.To != nil && f.Over != 0 && f.Hold == 0:
			s.To, s.Duration = f.To.value, time.Duration(f.Over)
			if f.To.rate {
				rates++
			} else {
				users++
			}
		case f.To == nil && f.Over == 0 && f.Hold != 0:
			s.Duration, s.Scored = time.Duration(f.Hold), true
			if i == 0 {
				ps.Rulef(at, at, "there is no load to hold yet: begin with {to: users or rate, over: duration}")
			}
		default:
			ps.Rulef(at, at, "want {to: users or rate, over: duration} or {hold: duration}")
		}
		if f.Scored != nil {
			s.Scored = *f.Scored
		}
		if i > 0 && s.Scored && s.From+s.To == 0 {
			ps.Rulef(all, at, "there is no load to score: go up before, or add scored: false")
		}
		now, most = s.To, max(most, s.To)
		stages = append(stages, s)
	}
	switch {
	case rates > 0 && users > 0:
		ps.Rulef(at, at, "count users (100) or arrivals (100/s) in all stages, not both")
	case most == 0:
		ps.Rulef(at, at, "no stage has a load: want {to: users or rate, over: duration}")
	}
	return stages, rates > 0
}
