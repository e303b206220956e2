package loadgen

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/plumbline/plumbline/pkg/run"
	"github.com/plumbline/plumbline/pkg/strictyaml"
)

// A Profile is how many users there are, when: stages one after another.
type Profile struct {
	Name      string
	Stages    []Stage
	SpawnRate float64 // users started per second while ramping up; 0 when stages say it
}

// A Stage is a stretch over which the number of users holds or changes linearly.
type Stage struct {
	From, To float64 // users
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

// Scale is the profile f times as long; its users are spawned faster or slower to match.
func (p Profile) Scale(f float64) Profile {
	p.Stages = slices.Clone(p.Stages)
	for i := range p.Stages {
		p.Stages[i].Duration = time.Duration(float64(p.Stages[i].Duration) * f)
	}
	p.SpawnRate /= f
	return p
}

// RunStages places the stages in time.
func (p Profile) RunStages(start time.Time) []run.Stage {
	var stages []run.Stage
	for _, s := range p.Stages {
		end := start.Add(s.Duration)
		stages = append(stages, run.Stage{Window: run.Window{Start: start, End: end}, From: s.From, To: s.To, Scored: s.Scored})
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
	Users     int                 `yaml:"users"`
	SpawnRate float64             `yaml:"spawn_rate"`
	Duration  strictyaml.Duration `yaml:"duration"`
	Stages    []stageFile         `yaml:"stages"`
}

type stageFile struct {
	To     *int                `yaml:"to"`
	Over   strictyaml.Duration `yaml:"over"`
	Hold   strictyaml.Duration `yaml:"hold"`
	Scored *bool               `yaml:"scored"`
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
			ps.Addf(at.Field("profiles"), "want at least one profile")
		}
		for name, pf := range f.Profiles {
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
	if len(f.Stages) > 0 {
		if f.Users != 0 || f.SpawnRate != 0 || f.Duration != 0 {
			ps.Addf(at, "give stages, or users with spawn_rate and duration, not both")
		}
		return Profile{Stages: buildStages(f.Stages, at.Field("stages"), ps)}
	}
	if f.Users < 1 {
		ps.Addf(at.Field("users"), "must be at least 1, got %d", f.Users)
	}
	if f.SpawnRate <= 0 {
		ps.Addf(at.Field("spawn_rate"), "must be above 0 users per second, got %v", f.SpawnRate)
	}
	ramp := time.Duration(float64(f.Users) / f.SpawnRate * float64(time.Second))
	hold := time.Duration(f.Duration) - ramp
	if hold <= 0 {
		ps.Addf(at.Field("duration"), "must be longer than the %s in which %d users are spawned at %v per second, got %s", ramp, f.Users, f.SpawnRate, time.Duration(f.Duration))
	}
	users := float64(f.Users)
	return Profile{SpawnRate: f.SpawnRate, Stages: []Stage{{0, users, ramp, false}, {users, users, hold, true}}}
}

func buildStages(files []stageFile, at strictyaml.Path, ps *strictyaml.Problems) []Stage {
	var stages []Stage
	users := 0.0
	for i, f := range files {
		at := at.Index(i)
		s := Stage{From: users, To: users}
		switch {
		case f.To != nil && f.Over > 0 && f.Hold == 0 && *f.To >= 0:
			s.To, s.Duration = float64(*f.To), time.Duration(f.Over)
		case f.To == nil && f.Over == 0 && f.Hold > 0:
			s.Duration, s.Scored = time.Duration(f.Hold), true
		default:
			ps.Addf(at, "want {to: users, over: duration} or {hold: duration}")
		}
		if f.Scored != nil {
			s.Scored = *f.Scored
		}
		users = s.To
		stages = append(stages, s)
	}
	return stages
}
