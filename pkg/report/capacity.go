package report

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/plumbline/plumbline/pkg/capacity"
)

// A Capacity says how much load the service carries. Throughputs are requests
// per second, loads users or iterations started per second. A reason stands where
// a result can't be told.
type Capacity struct {
	USL           USL             `json:"usl"`
	Levels        []CapacityLevel `json:"levels,omitempty"` // by rising load
	Saturation    *CapacityPoint  `json:"saturation,omitempty"`
	Knee          *CapacityPoint  `json:"knee,omitempty"`
	Crossings     []Crossing      `json:"crossings,omitempty"`
	BreakingPoint *BreakingPoint  `json:"breaking_point,omitempty"`
	Recovery      *Recovery       `json:"recovery,omitempty"`
	Demands       []Demand        `json:"demands,omitempty"`
	Bottleneck    *Demand         `json:"bottleneck,omitempty"`
	Carries       *CapacityLimit  `json:"carries,omitempty"`
	Throughput    Number          `json:"throughput"` // today's
	Target        Number          `json:"target"`
	Plan          []Scale         `json:"plan,omitempty"`
	PlanReason    string          `json:"plan_reason,omitempty"`
	Forecast      *Forecast       `json:"forecast,omitempty"`
	Warnings      []string        `json:"warnings,omitempty"`
}

// An Estimate is a value with its 95 % interval; an end that is null is not bounded.
type Estimate struct {
	Value Number `json:"value"`
	Low   Number `json:"low"`
	High  Number `json:"high"`
}

// A USL is the Universal Scalability Law fitted to throughput over concurrency.
type USL struct {
	Lambda     Estimate `json:"lambda"`
	Sigma      Estimate `json:"sigma"`
	Kappa      Estimate `json:"kappa"`
	NStar      Estimate `json:"n_star"` // concurrency at which throughput peaks
	XStar      Estimate `json:"x_star"` // throughput there
	R2         Number   `json:"r2"`
	Levels     int      `json:"levels"`
	Lowest     Number   `json:"lowest"` // concurrencies measured
	Highest    Number   `json:"highest"`
	Reason     string   `json:"reason,omitempty"`      // why there is no fit
	PeakReason string   `json:"peak_reason,omitempty"` // why there is no peak
}

// A CapacityLevel is what was measured at one load.
type CapacityLevel struct {
	Users       Number `json:"users,omitzero"`
	ArrivalRate Number `json:"arrival_rate,omitzero"`
	Concurrency Number `json:"concurrency"`
	Throughput  Number `json:"throughput"`
	Latency     Number `json:"latency_mean"`
	ErrorRatio  Number `json:"error_ratio"`
	Little      Number `json:"little"` // users, or requests under way, that Little's law accounts for
	LittleOff   Number `json:"little_off"`
	LittleNote  string `json:"little_note,omitempty"` // why it is suspect, or was not checked
	Suspect     bool   `json:"suspect"`               // by Little's law
	Steady      bool   `json:"steady"`
	Reason      string `json:"reason,omitempty"`
}

// A CapacityPoint is a load and the throughput there.
type CapacityPoint struct {
	Load       Number `json:"load"`
	Throughput Number `json:"throughput"`
	Reason     string `json:"reason,omitempty"`
}

// A Crossing is the load at which an objective is first missed.
type Crossing struct {
	ID         string `json:"id"`
	Title      string `json:"title"`
	Bound      string `json:"bound"`
	Load       Number `json:"load"` // interpolated between From and To
	From       Number `json:"from"`
	To         Number `json:"to"`
	Throughput Number `json:"throughput"`
	Reason     string `json:"reason,omitempty"`
}

// A BreakingPoint is the first level that the service did not stand.
type BreakingPoint struct {
	Load       Number   `json:"load"`
	LastGood   Number   `json:"last_good"`
	Throughput Number   `json:"throughput"`
	Broke      []string `json:"broke,omitempty"` // first
	Reason     string   `json:"reason,omitempty"`
}

// A Recovery is how long after a spike everything was back where it had been.
type Recovery struct {
	Seconds Number           `json:"seconds"`
	Signals []RecoverySignal `json:"signals,omitempty"`
	Note    string           `json:"note,omitempty"`
	Reason  string           `json:"reason,omitempty"`
}

// A RecoverySignal is one of throughput, latency and errors.
type RecoverySignal struct {
	Name    string `json:"name"`
	Seconds Number `json:"seconds"`
	Low     Number `json:"low"` // the band that it came back to
	High    Number `json:"high"`
}

// A Demand is how a resource's utilization follows the throughput.
type Demand struct {
	ID         string   `json:"id"`
	Component  string   `json:"component"`
	Resource   string   `json:"resource"`
	Replica    string   `json:"replica,omitempty"`
	Idle       Number   `json:"idle"`
	PerRequest Estimate `json:"per_request"` // share of the limit that one request per second takes
	R2         Number   `json:"r2"`
	Max        Estimate `json:"max"`      // throughput at which it is fully used
	Planning   Estimate `json:"planning"` // … used to 80 %
	Headroom   Number   `json:"headroom"`
	Replicas   []Demand `json:"replicas,omitempty"`
	Reach      string   `json:"reach,omitempty"` // what Max rests on when it lies far beyond what was measured
	Note       string   `json:"note,omitempty"`
	Reason     string   `json:"reason,omitempty"`
}

// A CapacityLimit is the throughput that the service carries, and what ends it.
// Where only bounds of it were seen they stand in its place.
type CapacityLimit struct {
	Throughput Number `json:"throughput"`
	AtLeast    Number `json:"at_least,omitzero"` // so much was carried
	Below      Number `json:"below,omitzero"`    // so much was not
	By         string `json:"by,omitempty"`
	Reason     string `json:"reason,omitempty"`
}

// A Scale is what a component needs for more throughput.
type Scale struct {
	Component   string   `json:"component"`
	Resource    string   `json:"resource,omitempty"`
	Factor      Number   `json:"factor"` // of today's throughput; null for the target
	Throughput  Number   `json:"throughput"`
	Now         int      `json:"now,omitempty"` // replicas
	Needed      Estimate `json:"needed"`        // replicas
	Utilization Number   `json:"utilization"`   // at that throughput with what there is now
	Limit       Number   `json:"limit"`         // that a pool needs instead of its own
	Note        string   `json:"note,omitempty"`
	Reason      string   `json:"reason,omitempty"`
}

// A Forecast is when demand outgrows what the service carries.
type Forecast struct {
	PerDay   Estimate  `json:"per_day"` // growth of the throughput asked for
	P        Number    `json:"p"`
	Capacity Number    `json:"capacity"`
	Now      Number    `json:"now"` // by the line, at the last sample
	Exceeded bool      `json:"exceeded"`
	Exceeds  time.Time `json:"exceeds,omitzero"`
	Earliest time.Time `json:"earliest,omitzero"` // by the 95 % prediction band
	Latest   time.Time `json:"latest,omitzero"`
	Reason   string    `json:"reason,omitempty"`
}

// NewCapacity puts what was worked out into the form of the report.
func NewCapacity(c capacity.Capacity) *Capacity {
	out := &Capacity{
		USL: newUSL(c.USL), Throughput: Number(c.Throughput), Target: NoData, PlanReason: c.PlanReason, Warnings: c.Warnings,
		Saturation: &CapacityPoint{Number(c.Saturation.Load), Number(c.Saturation.Throughput), c.Saturation.Reason},
		Knee:       &CapacityPoint{Number(c.Knee.Load), Number(c.Knee.Throughput), c.Knee.Reason},
		BreakingPoint: &BreakingPoint{
			Load: Number(c.Breaking.Load), LastGood: Number(c.Breaking.LastGood), Throughput: Number(c.Breaking.Throughput),
			Broke: c.Breaking.Broke, Reason: c.Breaking.Reason,
		},
		Carries: &CapacityLimit{Number(c.Carries.Throughput), Number(c.Carries.AtLeast), Number(c.Carries.Below), c.Carries.By, c.Carries.Reason},
	}
	if c.Target > 0 {
		out.Target = Number(c.Target)
	}
	for i, l := range c.Levels {
		out.Levels = append(out.Levels, newLevel(l, c.Little[i]))
	}
	for _, x := range c.Crossings {
		out.Crossings = append(out.Crossings, Crossing{
			ID: x.Objective.ID, Title: x.Objective.Title, Bound: x.Objective.Bound, Load: Number(x.Load),
			From: Number(x.From), To: Number(x.To), Throughput: Number(x.Throughput), Reason: x.Reason,
		})
	}
	for _, d := range c.Demands {
		out.Demands = append(out.Demands, newDemand(d))
	}
	bottleneck := newDemand(c.Bottleneck)
	out.Bottleneck = &bottleneck
	for _, s := range c.Plan {
		out.Plan = append(out.Plan, Scale{
			Component: s.Component, Resource: s.Resource, Factor: Number(s.Factor), Throughput: Number(s.Throughput), Now: s.Now,
			Needed: newEstimate(s.Needed), Utilization: Number(s.Utilization), Limit: Number(s.Limit), Note: s.Note, Reason: s.Reason,
		})
	}
	out.Forecast = newForecast(c.Forecast)
	out.Recovery = newRecovery(c.Recovery)
	return out
}

// NewCurve is the part of a Capacity that a curve of throughput alone tells.
func NewCurve(u capacity.USL) *Capacity {
	return &Capacity{USL: newUSL(u), Throughput: NoData, Target: NoData}
}

func newEstimate(e capacity.Estimate) Estimate {
	return Estimate{Number(e.Value), Number(e.Low), Number(e.High)}
}

func newUSL(u capacity.USL) USL {
	return USL{
		Lambda: newEstimate(u.Lambda), Sigma: newEstimate(u.Sigma), Kappa: newEstimate(u.Kappa), NStar: newEstimate(u.Peak), XStar: newEstimate(u.PeakThroughput),
		R2: Number(u.R2), Levels: u.Levels, Lowest: Number(u.Lowest), Highest: Number(u.Highest), Reason: u.Reason, PeakReason: u.PeakReason,
	}
}

func newLevel(l capacity.Level, c capacity.Little) CapacityLevel {
	return CapacityLevel{
		Users: Number(l.Users), ArrivalRate: Number(l.ArrivalRate), Concurrency: Number(l.Concurrency()), Throughput: Number(l.Throughput),
		Latency: Number(l.LatencySeconds), ErrorRatio: Number(l.ErrorRatio), Little: Number(c.Implied), LittleOff: Number(c.Off), LittleNote: c.Reason, Suspect: c.Suspect,
		Steady: l.Steady, Reason: l.Reason,
	}
}

func newDemand(d capacity.Demand) Demand {
	out := Demand{
		ID: d.ID, Component: d.Component, Resource: d.Resource, Replica: d.Name, Idle: Number(d.Idle), PerRequest: newEstimate(d.PerRequest),
		R2: Number(d.R2), Max: newEstimate(d.Max), Planning: newEstimate(d.Planning), Headroom: Number(d.Headroom), Reach: d.Reach, Note: d.Note, Reason: d.Reason,
	}
	for _, s := range d.Series {
		out.Replicas = append(out.Replicas, newDemand(s))
	}
	return out
}

func newForecast(f *capacity.Forecast) *Forecast {
	if f == nil {
		return nil
	}
	return &Forecast{PerDay: newEstimate(f.PerDay), P: Number(f.P), Capacity: Number(f.Capacity), Now: Number(f.Now), Exceeded: f.Exceeded, Exceeds: f.Exceeds, Earliest: f.Earliest, Latest: f.Latest, Reason: f.Reason}
}

func newRecovery(r *capacity.Recovery) *Recovery {
	if r == nil {
		return nil
	}
	out := &Recovery{Seconds: Number(r.Seconds), Note: r.Note, Reason: r.Reason}
	for _, s := range r.Signals {
		out.Signals = append(out.Signals, RecoverySignal{s.Name, Number(s.Seconds), Number(s.Low), Number(s.High)})
	}
	return out
}

// CapacityTerminal writes the capacity alone as plain text that fits the width.
func CapacityTerminal(w io.Writer, c *Capacity, o TerminalOptions) error {
	if o.Width == 0 {
		o.Width = defaultWidth
	}
	o.Width = max(o.Width, leastWidth)
	t := &terminal{TerminalOptions: o}
	s := capacitySection(Report{Capacity: c})
	s.Title, s.Tables = "Capacity", filled(s.Tables)
	t.section(s)
	_, err := io.WriteString(w, strings.TrimPrefix(t.String(), "\n"))
	return err
}

// CapacityMarkdown writes the capacity alone as Markdown.
func CapacityMarkdown(w io.Writer, c *Capacity) error {
	var b strings.Builder
	s := capacitySection(Report{Capacity: c})
	s.Title, s.Tables = "Capacity", filled(s.Tables)
	markdownSection(&b, s)
	_, err := io.WriteString(w, strings.TrimPrefix(b.String(), "\n"))
	return err
}

// CapacityJSON writes the capacity alone, in the form of the report's field.
func CapacityJSON(w io.Writer, c *Capacity) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(c)
}

// capacitySection is the report's chapter for planning.
func capacitySection(r Report) section {
	c := r.Capacity
	switch {
	case c == nil:
		return section{}
	case c.Carries == nil: // a curve from a file, and no run
		return section{Tables: []table{lawTable(*c)}}
	}
	return section{
		Note:   strings.Join(c.Warnings, " · "),
		Tables: []table{endsTable(*c), headroomTable(*c), planTable(*c), crossingTable(*c), lawTable(*c), levelTable(*c)},
		Curves: capacityCurves(c),
	}
}

// unit of the loads: the profile counts users, or arrivals.
func (c Capacity) loadText(load Number) string {
	if !load.Known() {
		return noData
	}
	if len(c.Levels) > 0 && c.Levels[0].Users == 0 {
		return plain(float64(load)) + "/s"
	}
	return plain(float64(load)) + " users"
}

func rps(n Number) string { return quantity(n, "req/s") }

// endsTable says where the throughput ends, and how that is known.
func endsTable(c Capacity) table {
	pairs := []Pair{
		{"Throughput of this run", rps(c.Throughput)},
		{"It carries", orReason(c.Carries.Reason, c.Carries.text())},
		{"Limiting resource", orReason(c.Bottleneck.Reason, c.Bottleneck.title()+", fully used at "+rps(c.Bottleneck.Max.Value)+ofInterval(c.Bottleneck.Max, rps))},
		{"Saturation", orReason(c.Saturation.Reason, "throughput is flat beyond "+c.loadText(c.Saturation.Load)+" ("+rps(c.Saturation.Throughput)+")")},
		{"Knee (Kneedle)", orReason(c.Knee.Reason, c.loadText(c.Knee.Load)+" ("+rps(c.Knee.Throughput)+")")},
		{"Breaking point", orReason(c.BreakingPoint.Reason, c.breakingText())},
	}
	if r := c.Recovery; r != nil {
		pairs = append(pairs, Pair{"Recovery from the spike", orReason(r.Reason, recoveryText(*r))})
	}
	if f := c.Forecast; f != nil {
		pairs = append(pairs, Pair{"Demand exceeds it", orReason(f.Reason, forecastText(*f))})
	}
	if !c.Throughput.Known() {
		pairs[0].Value = "not known"
	}
	return pairsTable("", pairs)
}

// text says how much is carried and what happens beyond.
func (l CapacityLimit) text() string {
	switch {
	case l.AtLeast > 0:
		return "between " + plain(float64(l.AtLeast)) + " and " + rps(l.Below) + ": " + l.By
	case l.Below > 0:
		return "less than " + rps(l.Below) + ": " + l.By
	}
	return rps(l.Throughput) + ": beyond, " + l.By
}

// orReason is the text, or the reason why there is none.
func orReason(reason, text string) string {
	if reason != "" {
		return "? " + reason
	}
	return text
}

func ofInterval(e Estimate, show func(Number) string) string {
	if i := interval(e.Low, e.High, show); i != "" {
		return " (95 %: " + i + ")"
	}
	return ""
}

func (d Demand) title() string {
	title := d.Component + " " + d.Resource
	if d.Replica != "" {
		title += " (" + d.Replica + ")"
	}
	return title
}

func (c Capacity) breakingText() string {
	b := c.BreakingPoint
	text := c.loadText(b.Load) + ": " + strings.Join(b.Broke, ", ")
	if b.LastGood.Known() {
		text += "; it stood " + c.loadText(b.LastGood)
	}
	return text
}

func recoveryText(r Recovery) string {
	var parts []string
	for _, s := range r.Signals {
		parts = append(parts, s.Name+" "+quantity(s.Seconds, "s"))
	}
	text := quantity(r.Seconds, "s") + " (" + strings.Join(parts, ", ") + ")"
	if r.Note != "" {
		text += "; " + r.Note
	}
	return text
}

func forecastText(f Forecast) string {
	if f.Exceeded {
		return "already exceeded: by its line it is " + rps(f.Now) + " at the end of what was given"
	}
	text := "on " + f.Exceeds.Format("2 Jan 2006")
	var ends []string
	if !f.Earliest.IsZero() {
		ends = append(ends, "not before "+f.Earliest.Format("2 Jan 2006"))
	}
	if !f.Latest.IsZero() {
		ends = append(ends, "by "+f.Latest.Format("2 Jan 2006"))
	}
	if len(ends) > 0 {
		text += " (95 %: " + strings.Join(ends, ", ") + ")"
	}
	return text + "; it grows by " + rps(f.PerDay.Value) + " a day"
}

// headroomTable has a row for each resource and each of its replicas.
func headroomTable(c Capacity) table {
	t := table{Title: "Headroom", Columns: joined(left("Resource"), right("No load", "Per 100 req/s", "80 % at", "Full at", "95 % interval", "Headroom", "R²"))}
	t.Note = sharedReach(c.Demands)
	for _, d := range c.Demands {
		t.Rows = append(t.Rows, headroomRow(d, d.Component+" "+d.Resource, t.Note))
		for _, one := range d.Replicas {
			t.Rows = append(t.Rows, headroomRow(one, "· "+one.Replica, t.Note))
		}
	}
	return t
}

// sharedReach is what all bounds that lie far out rest on; empty when that differs.
func sharedReach(demands []Demand) (reach string) {
	for _, d := range demands {
		for _, one := range append([]Demand{d}, d.Replicas...) {
			switch {
			case one.Reach == "" || one.Reach == reach:
			case reach == "":
				reach = one.Reach
			default:
				return ""
			}
		}
	}
	return reach
}

// headroomRow has no note of what the table says for all.
func headroomRow(d Demand, title, said string) row {
	headroom := text(quantity(d.Headroom, "ratio"))
	headroom.Bar = 1 - d.Headroom
	note := d.Reason
	if note == "" {
		note = d.Note
		if d.Reach != "" && d.Reach != said {
			note = strings.TrimPrefix(note+"; "+d.Reach, "; ")
		}
	}
	return row{
		Cells: []cell{text(title), text(quantity(d.Idle, "ratio")), text(quantity(100*d.PerRequest.Value, "ratio")), text(rps(d.Planning.Value)), text(rps(d.Max.Value)), text(orNone(interval(d.Max.Low, d.Max.High, threeDigits))), headroom, text(twoDigits(max(d.R2, 0)))},
		Note:  note, Head: len(d.Replicas) > 0,
	}
}

func twoDigits(n Number) string {
	if !n.Known() {
		return noData
	}
	return strconv.FormatFloat(float64(n), 'f', 2, 64)
}

// planTable says what each component needs for more load. What holds for every
// load is said once.
func planTable(c Capacity) table {
	t := table{Title: "Replicas for more load", Columns: joined(left("Component", "By", "Load"), right("Throughput", "Now", "Needed")), Note: c.PlanReason}
	said := map[string]bool{}
	once := func(s Scale, note string) string {
		if key := s.Component + note; note == "" || said[key] {
			return ""
		}
		said[s.Component+note] = true
		return note
	}
	for _, component := range planned(c.Plan) {
		for _, s := range c.Plan {
			if s.Component != component || s.Reason != "" && said[component+s.Reason] {
				continue
			}
			t.Rows = append(t.Rows, planRow(s, once(s, strings.TrimPrefix(strings.TrimSuffix(s.Reason+"; "+s.Note, "; "), "; "))))
		}
	}
	return t
}

func planned(plan []Scale) (components []string) {
	for _, s := range plan {
		if !slices.Contains(components, s.Component) {
			components = append(components, s.Component)
		}
	}
	return components
}

func planRow(s Scale, note string) row {
	load, throughput, now, needed := "target", rps(s.Throughput), noData, noData
	if s.Factor.Known() {
		load = plain(float64(s.Factor)) + " × this run"
	}
	if s.Now > 0 {
		now = strconv.Itoa(s.Now)
	}
	switch {
	case s.Reason != "" && !s.Utilization.Known():
		load, throughput = "any", noData
	case s.Needed.Value.Known():
		needed = plain(float64(s.Needed.Value))
	case s.Limit.Known():
		needed = "limit " + plain(float64(s.Limit))
	}
	need := text(needed)
	need.Small = interval(s.Needed.Low, s.Needed.High, func(n Number) string { return plain(float64(n)) })
	return row{Cells: []cell{text(s.Component), text(orNone(s.Resource)), text(load), text(throughput), text(now), need}, Note: note}
}

func crossingTable(c Capacity) table {
	t := table{Title: "Where objectives are crossed", Columns: joined(left("Objective"), right("Bound", "Crossed at", "Between", "Throughput there"))}
	if reason := sharedReason(c.Crossings); reason != "" {
		return pairsTable(t.Title, []Pair{{"All of " + strconv.Itoa(len(c.Crossings)), reason}})
	}
	for _, x := range c.Crossings {
		between := noData
		if x.From.Known() && x.To.Known() {
			between = plain(float64(x.From)) + "–" + plain(float64(x.To))
		}
		t.Rows = append(t.Rows, row{Cells: []cell{text(x.Title), text(bound(x.Bound)), text(c.loadText(x.Load)), text(between), text(rps(x.Throughput))}, Note: x.Reason})
	}
	return t
}

// sharedReason is the reason that all of several objectives have for no crossing.
func sharedReason(crossings []Crossing) string {
	if len(crossings) < 2 {
		return ""
	}
	for _, x := range crossings {
		if x.Reason != crossings[0].Reason {
			return ""
		}
	}
	return crossings[0].Reason
}

// lawTable has the parameters of the scalability law, or why there are none.
func lawTable(c Capacity) table {
	u := c.USL
	t := table{Title: "Universal Scalability Law", Columns: joined(left("Parameter"), right("Value", "95 % interval"), left("Meaning"))}
	if u.Reason != "" {
		return pairsTable(t.Title, []Pair{{"Not fitted", u.Reason}})
	}
	for _, p := range []struct {
		name, meaning string
		e             Estimate
	}{
		{"λ", "req/s of one", u.Lambda}, {"σ", "contention: what waits for its turn", u.Sigma}, {"κ", "coherency: what must agree with the others", u.Kappa},
		{"N*", "concurrency at which throughput peaks", u.NStar}, {"X*", "req/s at the peak", u.XStar},
	} {
		t.Rows = append(t.Rows, row{Cells: []cell{text(p.name), text(digits(p.e.Value)), text(orNone(ends(p.e))), text(p.meaning)}})
	}
	t.Note = fmt.Sprintf("X(N) = λN / (1 + σ(N−1) + κN(N−1)), fitted to %d levels from N = %s to %s, R² %s.", u.Levels, digits(u.Lowest), digits(u.Highest), twoDigits(u.R2))
	if u.PeakReason != "" {
		t.Note += " No peak: " + u.PeakReason + "."
	}
	return t
}

// digits prints a parameter, of which five digits are known at best.
func digits(n Number) string {
	if !n.Known() {
		return noData
	}
	text := strconv.FormatFloat(float64(n), 'g', 5, 64)
	if v, err := strconv.ParseFloat(text, 64); err == nil && math.Abs(v) >= 1000 {
		return trimZeros(thousands(v, 1))
	}
	return text
}

func ends(e Estimate) string {
	switch {
	case e.Low.Known() && e.High.Known():
		return digits(e.Low) + " to " + digits(e.High)
	case e.Low.Known():
		return "from " + digits(e.Low)
	}
	return ""
}

func levelTable(c Capacity) table {
	t := table{Title: "Levels of load", Columns: joined(right("Load", "Concurrency", "Throughput", "Mean latency", "Errors", "By Little's law"), left("State"))}
	for _, l := range c.Levels {
		load := l.Users
		if load == 0 {
			load = l.ArrivalRate
		}
		state := "steady"
		switch {
		case l.Suspect:
			state = "suspect"
		case !l.Steady:
			state = "not steady"
		}
		t.Rows = append(t.Rows, row{
			Cells: []cell{text(c.loadText(load)), text(threeDigits(l.Concurrency)), text(rps(l.Throughput)), text(quantity(l.Latency, "s")), text(quantity(l.ErrorRatio, "ratio")), text(threeDigits(l.Little)), text(state)},
			Note:  l.Reason,
		})
	}
	return t
}

// threeDigits prints a number that is known to no more.
func threeDigits(n Number) string {
	if !n.Known() {
		return noData
	}
	v, err := strconv.ParseFloat(strconv.FormatFloat(float64(n), 'g', 3, 64), 64)
	if err != nil {
		return noData
	}
	return plain(v)
}

// Refusal is why nothing could be told about the capacity; empty when something could.
func (c *Capacity) Refusal() string {
	if c.USL.Reason == "" || c.Carries == nil || c.Carries.Reason == "" {
		return ""
	}
	return "nothing could be told: " + strings.Join([]string{c.Carries.Reason, c.USL.Reason, c.Bottleneck.Reason}, "; ")
}
