package loadgen

import (
	"fmt"
	"io"
	"time"
)

// Explain writes what a scenario does and what load a profile makes of it:
// weights in percent, and the request rate by Little's law for answers that
// take response on average.
func Explain(w io.Writer, s Scenario, p *Profile, response time.Duration) {
	fmt.Fprintf(w, "Scenario %s\n", s.Name)
	users := 0.0
	for _, u := range s.Users {
		users += u.Weight
	}
	for _, u := range s.Users {
		fmt.Fprintf(w, "  %s: %.0f %% of users, %s think time on average\n", u.Name, 100*u.Weight/users, u.Think.Mean())
		tasks := 0.0
		for _, t := range u.Tasks {
			tasks += t.Weight
		}
		for _, st := range u.Start {
			fmt.Fprintf(w, "    once    %s\n", st.Name)
		}
		for _, t := range u.Tasks {
			fmt.Fprintf(w, "    %4.1f %%  %s\n", 100*t.Weight/tasks, t.Name)
		}
	}
	if p == nil {
		return
	}
	rate := ExpectedRate(s, *p, response)
	fmt.Fprintf(w, "Profile %s: up to %d users for %s\n", p.Name, p.MaxUsers(), p.Duration())
	fmt.Fprintf(w, "  about %.0f req/s when an answer takes %s (Little's law: users × requests ÷ (think + response))\n", rate, response)
	fmt.Fprintf(w, "  at most %.0f req/s however fast the service is\n", ExpectedRate(s, *p, 0))
}

// ExpectedRate is the requests per second that the profile's most users make, by Little's law.
func ExpectedRate(s Scenario, p Profile, response time.Duration) float64 {
	n := s.StepsPerIteration()
	return float64(p.MaxUsers()) * n / (s.MeanThink().Seconds() + n*response.Seconds())
}
