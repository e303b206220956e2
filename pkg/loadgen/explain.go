package loadgen

import (
	"fmt"
	"io"
	"time"
)

// An Explanation is what a scenario under a profile comes to, before it is run.
type Explanation struct {
	Scenario, Profile string
	Users             int     // the most at one time; 0 for an open model
	ArrivalRate       float64 // the highest, iterations per second; 0 for a closed model
	Duration          time.Duration
	Tasks             []Share
	// RequestsPerSecond is the most that can be expected. In a closed model it is
	// users × requests per iteration ÷ think time (Little's law with answers that take no time);
	// infinite without think time.
	RequestsPerSecond float64
	Warnings          []string
}

// A Share is the part that a task has in all iterations.
type Share struct {
	User, Task string
	Share      float64 // in [0, 1]
}

// Explain works out what load to expect.
func Explain(s Scenario, p Profile) Explanation {
	e := Explanation{Scenario: s.Name, Profile: p.Name, Duration: p.Duration(), Tasks: shares(s)}
	if p.Open {
		e.ArrivalRate = p.MaxRate()
		e.RequestsPerSecond = e.ArrivalRate * s.StepsPerIteration()
		if s.MeanThink() > 0 {
			e.Warnings = append(e.Warnings, "think time is ignored: arrivals set the pace")
		}
		if longest := float64(p.pool()) / e.ArrivalRate; longest < 1 {
			e.Warnings = append(e.Warnings, fmt.Sprintf("max_in_flight %d reaches %.0f iterations per second only while they take less than %.3gs; later ones queue", p.pool(), e.ArrivalRate, longest))
		}
		return e
	}
	e.Users = p.MaxUsers()
	e.RequestsPerSecond = float64(e.Users) * s.StepsPerIteration() / s.MeanThink().Seconds()
	if think := s.MeanThink(); think > 0 {
		e.Warnings = append(e.Warnings, fmt.Sprintf("%d users who think %s between tasks can't send more than %.0f req/s, however fast the target is", e.Users, think, e.RequestsPerSecond))
	}
	return e
}

func shares(s Scenario) (all []Share) {
	total := 0.0
	for _, u := range s.Users {
		total += u.Weight
	}
	for _, u := range s.Users {
		sum := 0.0
		for _, t := range u.Tasks {
			sum += t.Weight
		}
		for _, t := range u.Tasks {
			all = append(all, Share{u.Name, t.Name, u.Weight / total * t.Weight / sum})
		}
	}
	return all
}

// Write writes the explanation for people.
func (e Explanation) Write(w io.Writer) error {
	text := fmt.Sprintf("scenario %s, profile %s, %s\n", e.Scenario, e.Profile, e.Duration)
	if e.Users > 0 {
		text += fmt.Sprintf("up to %d users, at most %.0f req/s\n", e.Users, e.RequestsPerSecond)
	} else {
		text += fmt.Sprintf("up to %.0f iterations/s, %.0f req/s\n", e.ArrivalRate, e.RequestsPerSecond)
	}
	for _, t := range e.Tasks {
		text += fmt.Sprintf("%6.1f%%  %s: %s\n", t.Share*100, t.User, t.Task)
	}
	for _, warning := range e.Warnings {
		text += "warning: " + warning + "\n"
	}
	_, err := io.WriteString(w, text)
	return err
}
