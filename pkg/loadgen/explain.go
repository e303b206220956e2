package loadgen

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
)

// An Explanation is what a scenario under a profile comes to, before it is run.
// Without a profile only the tasks are known.
type Explanation struct {
	Scenario string
	Profile  string // "" without one
	Open     bool
	Stages   []Stage
	Expected LoadRange // what the profile's author expects
	Tasks    []Share

	Users       int     // the most at one time; 0 for an open model
	ArrivalRate float64 // the highest, iterations per second; 0 for a closed model
	// RequestsPerSecond is the most that can come. In an open model it follows
	// from the arrival rate; in a closed one from Little's law, with answers that
	// take no time: users × requests per iteration ÷ think time, summed over the
	// kinds of users. It is infinite without think time, NaN without a profile.
	RequestsPerSecond float64
	Shortfall         string   // why the profile can't reach the expected load; "" when it can
	Warnings          []string // the shortfall among them
}

// A Share is the part that a task has in all iterations. Those of a closed model
// are taken where no profile says which it is.
type Share struct {
	User  string  `json:"user"`
	Task  string  `json:"task"`
	Share float64 `json:"share"` // in [0, 1]
	Steps int     `json:"requests_per_iteration"`
}

// Explain works out what load to expect.
func Explain(s Scenario, p *Profile) Explanation {
	e := Explanation{Scenario: s.Name, Tasks: shares(s, p != nil && p.Open), RequestsPerSecond: math.NaN(), Warnings: slices.Clone(s.warnings)}
	if p == nil {
		return e
	}
	e.Profile, e.Open, e.Stages, e.Expected = p.Name, p.Open, p.Stages, p.Expected
	if !slices.ContainsFunc(p.Stages, func(s Stage) bool { return s.Scored }) {
		e.warnf("no stage is scored, so that the whole run will be, ramps included: add scored: true where the load is to be judged")
	}
	if p.Open {
		e.explainOpen(s, *p)
	} else {
		e.explainClosed(s, *p)
	}
	return e
}

func (e *Explanation) explainOpen(s Scenario, p Profile) {
	e.ArrivalRate = p.MaxRate()
	e.RequestsPerSecond = e.ArrivalRate * s.StepsPerIteration(true)
	if p.arrivals() < 1 {
		e.warnf("in %s no more than one iteration starts at this rate", p.Duration())
	}
	if slices.ContainsFunc(s.Users, User.thinks) {
		e.warnf("think time is ignored: arrivals set the pace")
	}
	if longest := float64(p.pool()) / e.ArrivalRate; longest < 1 {
		e.warnf("max_in_flight %d reaches %s iterations/s only while they take less than %s on average; later ones queue",
			p.pool(), number(e.ArrivalRate), seconds(longest))
	}
	if e.RequestsPerSecond < e.Expected.Min {
		e.fallShort("an arrival rate of at most %s/s with %s requests each gives at most %s req/s; expected %s",
			number(e.ArrivalRate), number(s.StepsPerIteration(true)), number(e.RequestsPerSecond), e.Expected)
	}
}

func (e *Explanation) explainClosed(s Scenario, p Profile) {
	e.Users = p.MaxUsers()
	e.RequestsPerSecond = float64(e.Users) * s.perUser()
	e.warnOfTheFew(s)
	if s.pausesInPart() {
		e.warnf("some users think and others don't: how fast the answers come decides who sends how much; the shares are those of the users")
	}
	if math.IsInf(e.RequestsPerSecond, 1) || e.RequestsPerSecond >= e.Expected.Min {
		return
	}
	perUser := s.perUser()
	e.fallShort("%s users with %s think give at most %s req/s, however fast the target is; expected %s. That takes at least %s users, or a mean think time of at most %s",
		group(float64(e.Users)), s.thinkRange(), number(e.RequestsPerSecond), e.Expected,
		group(math.Ceil(e.Expected.Min/perUser)), seconds(s.MeanThink().Seconds()*e.RequestsPerSecond/e.Expected.Min))
}

// warnOfTheFew tells of kinds of users whose weight doesn't come to one user.
func (e *Explanation) warnOfTheFew(s Scenario) {
	const rounding = 1e-9
	for i, share := range s.weights() {
		if share*float64(e.Users) > 1-rounding {
			continue
		}
		e.warnf("the weight of %s comes to less than one of %s users, so there may be none; that takes at least %s users",
			cmp.Or(s.Users[i].Name, fmt.Sprintf("users[%d]", i)), group(float64(e.Users)), group(math.Ceil(1/share-rounding)))
	}
}

// perUser is the highest rate of requests, per second, that a user comes to on average.
func (s Scenario) perUser() float64 {
	rate := 0.0
	for i, share := range s.weights() {
		rate += share * s.Users[i].steps() / s.Users[i].Think.Mean().Seconds()
	}
	return rate
}

// thinkRange says how long users think.
func (s Scenario) thinkRange() string {
	if len(s.Users) != 1 {
		return seconds(s.MeanThink().Seconds()) + " mean"
	}
	t := s.Users[0].Think
	switch {
	case t.Exponential > 0:
		return seconds(t.Exponential.Seconds()) + " mean"
	case t.Min == t.Max:
		return seconds(t.Min.Seconds())
	}
	return fmt.Sprintf("%s–%s", strings.TrimSuffix(seconds(t.Min.Seconds()), " s"), seconds(t.Max.Seconds()))
}

func (e *Explanation) warnf(format string, args ...any) {
	e.Warnings = append(e.Warnings, fmt.Sprintf(format, args...))
}

func (e *Explanation) fallShort(format string, args ...any) {
	e.Shortfall = fmt.Sprintf(format, args...)
	e.Warnings = append(e.Warnings, e.Shortfall)
}

// Duration is the length of the profile.
func (e Explanation) Duration() time.Duration { return Profile{Stages: e.Stages}.Duration() }

func shares(s Scenario, open bool) (all []Share) {
	for i, part := range s.iterations(open) {
		u, sum := s.Users[i], 0.0
		for _, t := range u.Tasks {
			sum += t.Weight
		}
		for _, t := range u.Tasks {
			all = append(all, Share{u.Name, t.Name, part * t.Weight / sum, len(t.Steps)})
		}
	}
	return all
}

// MarshalJSON writes rates that are unknown or unbounded as null. Durations are in seconds.
func (e Explanation) MarshalJSON() ([]byte, error) {
	type stage struct {
		Seconds float64 `json:"seconds"`
		From    float64 `json:"from"`
		To      float64 `json:"to"`
		Scored  bool    `json:"scored"`
	}
	form := struct {
		Scenario    string     `json:"scenario"`
		Profile     string     `json:"profile,omitempty"`
		Open        bool       `json:"open"`
		Duration    float64    `json:"duration_seconds"`
		Stages      []stage    `json:"stages"`
		Users       int        `json:"users,omitempty"`
		ArrivalRate float64    `json:"arrival_rate,omitempty"`
		Requests    *float64   `json:"max_requests_per_second"`
		Expected    *LoadRange `json:"expected_load,omitempty"`
		Tasks       []Share    `json:"tasks"`
		Warnings    []string   `json:"warnings"`
	}{e.Scenario, e.Profile, e.Open, e.Duration().Seconds(), []stage{}, e.Users, e.ArrivalRate, nil, nil, e.Tasks, append([]string{}, e.Warnings...)}
	for _, s := range e.Stages {
		form.Stages = append(form.Stages, stage{s.Duration.Seconds(), s.From, s.To, s.Scored})
	}
	if r := e.RequestsPerSecond; !math.IsNaN(r) && !math.IsInf(r, 0) {
		form.Requests = &r
	}
	if e.Expected != (LoadRange{}) {
		form.Expected = &e.Expected
	}
	return json.Marshal(form)
}

// Write writes the explanation for people.
func (e Explanation) Write(w io.Writer) error {
	fmt.Fprintf(w, "scenario %s\n\n", e.Scenario)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	known := e.RequestsPerSecond > 0 && !math.IsInf(e.RequestsPerSecond, 1)
	perIteration := 0.0
	for _, s := range e.Tasks {
		perIteration += s.Share * float64(s.Steps)
	}
	head := "share\t requests\t"
	if known {
		head += " req/s at most\t"
	}
	fmt.Fprintln(t, head+"  task")
	for _, s := range e.Tasks {
		row := fmt.Sprintf("%.1f%%\t%d\t", s.Share*100, s.Steps)
		if known {
			row += number(e.RequestsPerSecond*s.Share*float64(s.Steps)/perIteration) + "\t"
		}
		fmt.Fprintf(t, "%s  %s: %s\n", row, s.User, s.Task)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	text := e.profileText()
	if e.Profile == "" && len(e.Warnings) > 0 {
		text = "\n"
	}
	for _, warning := range e.Warnings {
		text += "warning: " + warning + "\n"
	}
	_, err := io.WriteString(w, text)
	return err
}

func (e Explanation) profileText() string {
	if e.Profile == "" {
		return ""
	}
	unit := " users"
	if e.Open {
		unit = " iterations/s"
	}
	var b strings.Builder
	fmt.Fprintf(&b, "\nprofile %s, %s\n", e.Profile, e.Duration())
	var at time.Duration
	for _, s := range e.Stages {
		load := number(s.To)
		if s.From != s.To {
			load = number(s.From) + " → " + load
		}
		scored := ""
		if s.Scored {
			scored = ", scored"
		}
		fmt.Fprintf(&b, "  %s to %s: %s%s%s\n", at, at+s.Duration, load, unit, scored)
		at += s.Duration
	}
	switch {
	case math.IsInf(e.RequestsPerSecond, 1):
		b.WriteString("requests: as many as the target answers; its users don't think\n")
	case e.Open:
		fmt.Fprintf(&b, "requests: at most %s/s\n", number(e.RequestsPerSecond))
	default:
		fmt.Fprintf(&b, "requests: at most %s/s, by Little's law with answers that take no time\n", number(e.RequestsPerSecond))
	}
	if e.Expected != (LoadRange{}) {
		fmt.Fprintf(&b, "expected: %s\n", e.Expected)
	}
	return b.String()
}

func (r LoadRange) String() string {
	if r.Min == r.Max {
		return group(r.Min) + " req/s"
	}
	return fmt.Sprintf("%s–%s req/s", group(r.Min), group(r.Max))
}

// number prints with three significant digits, and all of those before the point.
func number(v float64) string {
	if v >= 100 {
		return group(math.Round(v))
	}
	return strconv.FormatFloat(v, 'g', 3, 64)
}

// group puts commas between the thousands of a whole number.
func group(v float64) string {
	text := strconv.FormatFloat(v, 'f', -1, 64)
	whole, rest, _ := strings.Cut(text, ".")
	for i := len(whole) - 3; i > 0; i -= 3 {
		whole = whole[:i] + "," + whole[i:]
	}
	if rest != "" {
		return whole + "." + rest
	}
	return whole
}

func seconds(v float64) string { return strconv.FormatFloat(v, 'g', 3, 64) + " s" }
