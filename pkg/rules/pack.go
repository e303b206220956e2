package rules

import (
	"slices"
	"strings"
)

// A testCase is a test, and the metrics that its alert depends on.
type testCase struct {
	testGroup
	needs []string
}

// metrics of the series of a test.
func (g testGroup) metrics() (names []string) {
	for _, s := range g.InputSeries {
		name, _, _ := strings.Cut(s.Series, "{")
		names = append(names, name)
	}
	return names
}

// pack puts tests together that don't disturb each other: promtool starts a
// Prometheus for each, and evaluates all rules in it.
func pack(cases []testCase) []testGroup {
	var packed []testCase
	for _, c := range cases {
		i := slices.IndexFunc(packed, func(p testCase) bool { return p.takes(c) })
		if i < 0 {
			packed = append(packed, c)
			continue
		}
		p := &packed[i]
		p.Name += "; " + c.Name
		for _, s := range c.InputSeries {
			if !slices.Contains(p.InputSeries, s) {
				p.InputSeries = append(p.InputSeries, s)
			}
		}
		p.AlertTests = append(p.AlertTests, c.AlertTests...)
		p.needs = append(p.needs, c.needs...)
	}
	groups := make([]testGroup, len(packed))
	for i, p := range packed {
		groups[i] = p.testGroup
	}
	return groups
}

// takes tells whether another test can be made at the same time on the series of both.
func (c testCase) takes(other testCase) bool {
	return c.undisturbed(other) && other.undisturbed(c)
}

// undisturbed tells whether a test has all series of another that its alert looks at.
func (c testCase) undisturbed(other testCase) bool {
	for i, metric := range other.metrics() {
		if slices.Contains(c.needs, metric) && !slices.Contains(c.InputSeries, other.InputSeries[i]) {
			return false
		}
	}
	return true
}
