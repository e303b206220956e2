// Package report holds the answer to a run, worked out, and renders it: for a
// terminal, as Markdown, JSON, JUnit, a self-contained HTML page and a PDF.
package report

import (
	"encoding/json"
	"io"
	"math"
	"strings"
	"time"

	"github.com/plumbline/plumbline/pkg/compare"
	"github.com/plumbline/plumbline/pkg/run"
	"github.com/plumbline/plumbline/pkg/slo"
)

// Schema names the form of the JSON report.
const Schema = "plumbline/report/v1"

// A Renderer writes a report in one format.
type Renderer func(w io.Writer, r Report) error

// A Report is all that is said about a run. Numbers are in base units (seconds,
// bytes, ratios from 0 to 1), worked out before they are rendered; NaN is no data.
type Report struct {
	Schema    string      `json:"schema"`
	Generated time.Time   `json:"generated"`
	Run       run.Run     `json:"run"`
	Verdict   slo.Verdict `json:"verdict"`
	// Headline is the verdict in a sentence; Reading says in a few more what matters.
	Headline string   `json:"headline"`
	Reading  []string `json:"reading,omitempty"`
	// Dashboard is the URL that shows the run in Grafana, where there is one.
	Dashboard string `json:"dashboard,omitempty"`
	// Steady says of the steady window in Run how it was found.
	Steady *Steady `json:"steady,omitempty"`

	Objectives   []Objective   `json:"objectives"`
	Resources    []Resource    `json:"resources"`
	Findings     []Finding     `json:"findings"`     // the most severe first
	Improvements []Improvement `json:"improvements"` // the nearest first
	// Undetermined says why no finding explains what was missed.
	Undetermined string      `json:"undetermined,omitempty"`
	Unexamined   []string    `json:"unexamined,omitempty"` // what could not be looked at for findings, and why
	Comparison   *Comparison `json:"comparison"`
	Requests     []Request   `json:"requests"`
	Checks       []Check     `json:"checks"`
	Capacity     *Capacity   `json:"capacity"` // null when it was not worked out
	// Percentiles is the distribution of the response time over the steady window.
	Percentiles []Percentile `json:"percentiles,omitempty"`
	Charts      []Chart      `json:"charts,omitempty"`
	// Catalogue are the guide's queries, as it writes them and as they should be asked.
	Catalogue []CatalogueQuery `json:"catalogue,omitempty"`
	Queries   []Query          `json:"queries"`
	Warnings  []string         `json:"warnings,omitempty"`
	Versions  []Pair           `json:"versions,omitempty"` // analyzer, Prometheus engine, …
}

// A Number is a float that is null in JSON when it is NaN or infinite.
type Number float64

// NoData is the absent number.
var NoData = Number(math.NaN())

// Known reports whether there is a number.
func (n Number) Known() bool { return !math.IsNaN(float64(n)) && !math.IsInf(float64(n), 0) }

// MarshalJSON writes null for no data.
func (n Number) MarshalJSON() ([]byte, error) {
	if !n.Known() {
		return []byte("null"), nil
	}
	return json.Marshal(float64(n))
}

// UnmarshalJSON reads null as no data.
func (n *Number) UnmarshalJSON(data []byte) error {
	if string(data) == "null" {
		*n = NoData
		return nil
	}
	return json.Unmarshal(data, (*float64)(n))
}

// A Question is PromQL that gives one number on any Prometheus, when it is asked for
// the time At: up to what rate and increase extrapolate at the edges of a window.
type Question struct {
	Query string    `json:"query"`
	At    time.Time `json:"at,omitzero"`
	Link  string    `json:"link,omitempty"` // asks it on the Prometheus that has the series
}

// An Objective is one row of the guide's result tables: a measured indicator and
// the bounds it is judged by.
type Objective struct {
	ID       string            `json:"id"`
	Group    string            `json:"group"` // throughput latency errors availability users llm …
	Title    string            `json:"title"`
	Unit     string            `json:"unit"`             // s, ratio, req/s, bytes, "" for a count
	Labels   map[string]string `json:"labels,omitempty"` // of a row of `by`
	Value    Number            `json:"value"`
	Low      Number            `json:"low"` // 95 % interval; null when the value is counted
	High     Number            `json:"high"`
	Coverage Number            `json:"coverage"` // of its window by scrapes, in [0, 1]
	Must     string            `json:"must,omitempty"`
	Should   string            `json:"should,omitempty"`
	Target   string            `json:"target,omitempty"` // of the comparison, where it is another one than Must
	Judged   bool              `json:"judged"`           // has a bound; else it is information
	Verdict  slo.Verdict       `json:"verdict"`
	Marginal bool              `json:"marginal"` // its interval contains the bound
	Reason   string            `json:"reason,omitempty"`
	Question                   // that gives the value
	By       []Objective       `json:"by,omitempty"` // one for each value of a label
}

// Steady is the part of a run that was scored, and whether it was one state.
type Steady struct {
	CutSeconds float64 `json:"cut_seconds"` // of the declared window, taken for warm-up
	Steady     bool    `json:"steady"`      // both halves are alike; false when that can't be told
	Throughput Number  `json:"throughput"`  // how much its first half lies above the second, relative to it
	Latency    Number  `json:"latency"`     // the same of the median
	Note       string  `json:"note"`
}

// A Finding is a resource in trouble.
type Finding struct {
	ID              string     `json:"id"`
	Severity        string     `json:"severity"` // HIGH, MEDIUM or LOW
	Component       string     `json:"component"`
	Resource        string     `json:"resource"`
	Symptom         string     `json:"symptom"`
	RootCause       string     `json:"root_cause"`
	Impact          string     `json:"impact"`
	Recommendations []string   `json:"recommendations"`
	Evidence        []Evidence `json:"evidence"`
	Page            string     `json:"page,omitempty"` // about how it was found
}

// Title names the resource.
func (f Finding) Title() string { return strings.TrimSpace(f.Component + " " + f.Resource) }

// Evidence is a measurement behind a finding.
type Evidence struct {
	Text      string    `json:"text"`
	Query     string    `json:"query"`
	Link      string    `json:"link,omitempty"`
	Threshold string    `json:"threshold,omitempty"` // what was expected
	Peak      Number    `json:"peak"`
	Onset     time.Time `json:"onset,omitzero"`
	Overlap   Number    `json:"overlap"` // share of the breaches that it covers, in [0, 1]
}

// An Improvement is what to do about a finding, and what that would bring.
type Improvement struct {
	Horizon  string `json:"horizon"` // quick wins, medium term or long term
	Action   string `json:"action"`
	Estimate string `json:"estimate"`          // computed from the run, or why it can't be
	Formula  string `json:"formula,omitempty"` // by which
	Finding  string `json:"finding"`           // id
}

// A Resource is one row of the guide's Resource Utilization tables.
type Resource struct {
	ID         string      `json:"id"`
	Component  string      `json:"component"`
	Resource   string      `json:"resource"`
	Unit       string      `json:"unit"`
	Average    Number      `json:"average"` // over series and time
	Peak       Number      `json:"peak"`    // of the highest series
	PeakSeries string      `json:"peak_series,omitempty"`
	Limit      Number      `json:"limit"`
	Must       string      `json:"must,omitempty"`
	Should     string      `json:"should,omitempty"`
	Judged     bool        `json:"judged"`
	Verdict    slo.Verdict `json:"verdict"`
	Reason     string      `json:"reason,omitempty"`
	Query      string      `json:"query"` // of what is used, series by series
	Link       string      `json:"link,omitempty"`
	// Asked has the questions that give average, peak and limit, by these names.
	Asked map[string]Question `json:"asked,omitempty"`
}

// A Request is the client's side of one request name of the scenario, as a row of Locust's table.
type Request struct {
	Request           string `json:"request"` // "" is the sum of all
	Requests          int64  `json:"requests"`
	Failures          int64  `json:"failures"`
	RequestsPerSecond Number `json:"requests_per_second"`
	ResponseTime      Times  `json:"response_time"`
	ServiceTime       Times  `json:"service_time"`
	// Reasons counts the failures by reason: status, slow, body, header, timeout, connect.
	Reasons map[string]int64 `json:"reasons,omitempty"`
	// Asked has the questions that give its numbers, by the names of their JSON fields;
	// those of times are of the response time.
	Asked map[string]Question `json:"asked,omitempty"`
}

// Times sums up a distribution of times, in seconds.
type Times struct {
	P50  Number `json:"p50"`
	P95  Number `json:"p95"`
	P99  Number `json:"p99"`
	P999 Number `json:"p999"`
	Max  Number `json:"max"`
	Mean Number `json:"mean"`
}

// A Comparison holds the run against its baseline.
type Comparison struct {
	Baseline      string          `json:"baseline"`
	BaselineRuns  []string        `json:"baseline_runs,omitempty"`
	CandidateRuns []string        `json:"candidate_runs,omitempty"`
	Comparable    bool            `json:"comparable"`
	Reason        string          `json:"reason,omitempty"` // why not comparable
	Notes         []string        `json:"notes,omitempty"`  // how the baseline's runs were chosen, and which were left out
	Verdict       compare.Verdict `json:"verdict"`
	Deltas        []Delta         `json:"deltas"` // worst regressions first
}

// A Delta is one row of Baseline vs Target vs Actual: the change and the target are judged apart.
type Delta struct {
	ID            string          `json:"id"`
	Title         string          `json:"title"`
	Group         string          `json:"group"`
	Unit          string          `json:"unit"`
	Baseline      Number          `json:"baseline"`
	Target        string          `json:"target,omitempty"`
	Actual        Number          `json:"actual"`
	Change        Number          `json:"change"` // relative: −0.33 is 33 % less
	Low           Number          `json:"low"`    // 90 % interval of the change: each end holds with 95 %
	High          Number          `json:"high"`
	P             Number          `json:"p"`
	Worse         string          `json:"worse"` // higher or lower: the direction that is worse
	Verdict       compare.Verdict `json:"verdict"`
	Reason        string          `json:"reason,omitempty"`
	TargetJudged  bool            `json:"target_judged"`
	TargetVerdict slo.Verdict     `json:"target_verdict"`
	RunsNeeded    int             `json:"runs_needed,omitempty"` // on each side, to settle an inconclusive change
	Detectable    Number          `json:"detectable"`            // smallest change that this comparison could have told
}

// A Check is one of the data checks: can the data be trusted?
type Check struct {
	ID      string      `json:"id"`
	Title   string      `json:"title"`
	Verdict slo.Verdict `json:"verdict"`
	Detail  string      `json:"detail"`
}

// A Percentile is a point of the percentile distribution.
type Percentile struct {
	Q      float64 `json:"q"` // in [0, 1]
	Server Number  `json:"server"`
	Client Number  `json:"client"`
	// Asked has the questions that give them: server, client.
	Asked map[string]Question `json:"asked,omitempty"`
}

// A Chart is a set of lines over time.
type Chart struct {
	ID       string      `json:"id"`
	Title    string      `json:"title"`
	Subtitle string      `json:"subtitle,omitempty"`
	Section  string      `json:"section"` // the group of objectives or the component that it stands with
	Unit     string      `json:"unit"`
	Times    []time.Time `json:"times"`
	Lines    []Line      `json:"lines"`
	Limits   []Limit     `json:"limits,omitempty"` // horizontal lines: bounds
}

// A Line is one series of a chart; a value for each of its times.
type Line struct {
	Name     string   `json:"name"`
	Values   []Number `json:"values"`
	Baseline bool     `json:"baseline,omitempty"` // of the baseline's latest run, from the start of this one
}

// A Limit is a bound drawn in a chart.
type Limit struct {
	Name  string `json:"name"`
	Value Number `json:"value"`
}

// Catalogue is the section of charts of catalogue queries.
const Catalogue = "catalogue"

// A CatalogueQuery is a query of the guide, with what came back.
type CatalogueQuery struct {
	ID    string `json:"id"`
	Title string `json:"title"`
	Unit  string `json:"unit"`
	Why   string `json:"why,omitempty"` // the guide's text does not answer the question
	Guide Answer `json:"guide"`         // to its text
	Form  Answer `json:"form"`          // to the form that answers the question
}

// An Answer is what an expression gave over the run: the least and the highest
// value of its series, each one number for the window.
type Answer struct {
	Query    string   `json:"query,omitempty"` // empty where the service has no names for it
	Link     string   `json:"link,omitempty"`
	Series   int      `json:"series"`
	Low      Number   `json:"low"`
	High     Number   `json:"high"`
	Error    string   `json:"error,omitempty"`
	Warnings []string `json:"warnings,omitempty"`
}

// A Query is one question that was asked for the report, with what came back.
type Query struct {
	Query    string    `json:"query"`
	At       time.Time `json:"at"`             // of an instant query, or the end of a range
	Start    time.Time `json:"start,omitzero"` // of a range
	Step     float64   `json:"step,omitempty"` // seconds
	Series   int       `json:"series"`
	Seconds  float64   `json:"seconds"` // that the answer took
	Error    string    `json:"error,omitempty"`
	Warnings []string  `json:"warnings,omitempty"`
	Link     string    `json:"link,omitempty"`
}

// A Pair is a name and its value.
type Pair struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}
