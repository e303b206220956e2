package report

import (
	"encoding/xml"
	"fmt"
	"io"
	"strings"

	"github.com/plumbline/plumbline/pkg/slo"
)

type junitSuites struct {
	XMLName  xml.Name     `xml:"testsuites"`
	Name     string       `xml:"name,attr"`
	Tests    int          `xml:"tests,attr"`
	Failures int          `xml:"failures,attr"`
	Skipped  int          `xml:"skipped,attr"`
	Suites   []junitSuite `xml:"testsuite"`
}

type junitSuite struct {
	Name       string      `xml:"name,attr"`
	Tests      int         `xml:"tests,attr"`
	Failures   int         `xml:"failures,attr"`
	Errors     int         `xml:"errors,attr"`
	Skipped    int         `xml:"skipped,attr"`
	Timestamp  string      `xml:"timestamp,attr,omitempty"`
	Time       float64     `xml:"time,attr"`
	Properties []junitPair `xml:"properties>property"`
	Cases      []junitCase `xml:"testcase"`
}

type junitPair struct {
	Name  string `xml:"name,attr"`
	Value string `xml:"value,attr"`
}

type junitCase struct {
	Class   string      `xml:"classname,attr"`
	Name    string      `xml:"name,attr"`
	Failure *junitCause `xml:"failure,omitempty"`
	Skipped *junitCause `xml:"skipped,omitempty"`
	Output  string      `xml:"system-out,omitempty"`
}

type junitCause struct {
	Message string `xml:"message,attr"`
}

// JUnit writes the judged objectives and resources as test cases, for the many
// programs that show those: failed ones as failures, inconclusive ones as skipped,
// with warnings in their output.
func JUnit(w io.Writer, r Report) error {
	s := junitSuite{Name: r.Run.ID, Time: r.Run.Window.Duration().Seconds(), Properties: []junitPair{
		{"verdict", r.Verdict.String()}, {"headline", junitText(r.Headline)}, {"scenario", junitText(r.Run.Scenario)}, {"profile", junitText(r.Run.Profile)},
	}}
	if !r.Run.Window.IsZero() {
		s.Timestamp = r.Run.Window.Start.UTC().Format("2006-01-02T15:04:05")
	}
	for _, o := range r.Objectives {
		s.add(objectiveCases(o)...)
	}
	for _, res := range r.Resources {
		if res.Judged {
			s.add(verdictCase(res.Component, res.Resource, res.Verdict,
				fmt.Sprintf("average %s, peak %s, limit %s, target %s", beside(res.Average, res.Unit, res.Must, res.Should), beside(res.Peak, res.Unit, res.Must, res.Should), quantity(res.Limit, res.Unit), bounds(res.Must, res.Should)), res.Reason, res.Query))
		}
	}
	all := junitSuites{Name: r.Run.Service, Tests: s.Tests, Failures: s.Failures, Skipped: s.Skipped, Suites: []junitSuite{s}}
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	e := xml.NewEncoder(w)
	e.Indent("", "  ")
	if err := e.Encode(all); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\n")
	return err
}

func (s *junitSuite) add(cases ...junitCase) {
	for _, c := range cases {
		s.Tests++
		if c.Failure != nil {
			s.Failures++
		}
		if c.Skipped != nil {
			s.Skipped++
		}
		s.Cases = append(s.Cases, c)
	}
}

// objectiveCases is a case for an objective, or one for each value of its label.
func objectiveCases(o Objective) (cases []junitCase) {
	if !o.Judged {
		return nil
	}
	rows := o.By
	if len(rows) == 0 {
		rows = []Objective{o}
	}
	for _, row := range rows {
		name := o.Title
		if len(row.Labels) > 0 {
			name += " " + labelsText(row.Labels)
		}
		cases = append(cases, verdictCase(o.Group, name, row.Verdict, beside(row.Value, o.Unit, o.Must, o.Should)+", target "+bounds(o.Must, o.Should), row.Reason, row.Query))
	}
	return cases
}

func verdictCase(group, name string, v slo.Verdict, measured, reason, query string) junitCase {
	text := strings.TrimSuffix(v.String()+": "+measured+"; "+reason, "; ")
	c := junitCase{Class: junitText(group), Name: junitText(name), Output: junitText(text + "\n" + query)}
	cause := &junitCause{Message: junitText(text)}
	switch v {
	case slo.Fail:
		c.Failure = cause
	case slo.Inconclusive:
		c.Skipped = cause
	case slo.Warn, slo.Pass:
	}
	return c
}

// junitText keeps what XML can hold.
func junitText(s string) string { return printable(s, true) }
