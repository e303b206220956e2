package trend_test

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/plumbline/plumbline/pkg/trend"
)

// january is a time in January 2024.
func january(day, hour int) time.Time {
	return time.Date(2024, time.January, day, hour, 0, 0, 0, time.UTC)
}

func TestRead(t *testing.T) {
	type labels = map[string]string
	tests := []struct {
		name, text, metric string
		want               trend.History
	}{
		{
			"one value a line", "1\n2.5\n-3e-2\n", "",
			trend.History{Metric: "value", Points: []trend.Point{{Value: 1}, {Value: 2.5}, {Value: -0.03}}},
		},
		{
			"with a header, Windows' line ends, a mark of the byte order, and missing runs", "\ufeffp95\r\n1\r\n\r\nNaN\r\n2\r\n\r\n", "",
			trend.History{Metric: "p95", Points: []trend.Point{{Value: 1}, {Value: nan}, {Value: nan}, {Value: 2}}},
		},
		{
			"time,value", "2024-01-01T03:00:00+01:00,1\n2024-01-02,\n1704240000,3\n", "",
			trend.History{Metric: "value", Points: []trend.Point{{Time: january(1, 2), Value: 1}, {Time: january(2, 0), Value: nan}, {Time: january(3, 0), Value: 3}}},
		},
		{
			"time,value with a header", "time,value\n2024-01-01,1\n2024-01-02,2", "",
			trend.History{Metric: "value", Points: []trend.Point{{Time: january(1, 0), Value: 1}, {Time: january(2, 0), Value: 2}}},
		},
		{
			"names of runs", "build 1,1\nbuild 2,2\n", "",
			trend.History{Metric: "value", Points: []trend.Point{{Run: "build 1", Value: 1}, {Run: "build 2", Value: 2}}},
		},
		{
			"numbers of runs", "n;value\n17;0.5\n18;0.6\n", "",
			trend.History{Metric: "value", Points: []trend.Point{{Run: "17", Value: 0.5}, {Run: "18", Value: 0.6}}},
		},
		{
			"Otava's example", "time,commit,metric1,metric2\n2024.01.01 3:00:00 +0100,aaa0,154023,10.43\n2024.01.02 3:00:00 +0100,aaa1,138455,10.23\n", "metric2",
			trend.History{Metric: "metric2", Points: []trend.Point{
				{Time: january(1, 2), Value: 10.43, Labels: labels{"commit": "aaa0"}}, {Time: january(2, 2), Value: 10.23, Labels: labels{"commit": "aaa1"}},
			}},
		},
		{
			"commits that look like numbers, and quotes", "run,commit,p95,rps\nr1,12,\"1.5\",9\nr2,13,n/a,8\n", "p95",
			trend.History{Metric: "p95", Points: []trend.Point{
				{Run: "r1", Value: 1.5, Labels: labels{"commit": "12"}}, {Run: "r2", Value: nan, Labels: labels{"commit": "13"}},
			}},
		},
		{
			"an array of runs", `[{"time": "2024-01-01", "commit": "a", "p95": 1.5, "n": 3}, {"time": 1704153600000, "commit": 7, "p95": null}]`, "p95",
			trend.History{Metric: "p95", Points: []trend.Point{
				{Time: january(1, 0), Value: 1.5, Labels: labels{"commit": "a"}}, {Time: january(2, 0), Value: nan, Labels: labels{"commit": "7"}},
			}},
		},
		{
			"one run a line", "{\"run\": \"r1\", \"p95\": 1, \"ok\": true}\n{\"run\": \"r2\", \"p95\": 2, \"ok\": false}\n", "",
			trend.History{Metric: "p95", Points: []trend.Point{{Run: "r1", Value: 1, Labels: labels{"ok": "true"}}, {Run: "r2", Value: 2, Labels: labels{"ok": "false"}}}},
		},
		{
			"Nyrkiö's lists of metrics", `[{"timestamp": 1704067200, "metrics": [{"name": "p50", "unit": "us", "value": 56}], "attributes": {"branch": "main", "size": 3}}]`, "p50",
			trend.History{Metric: "p50", Unit: "us", Points: []trend.Point{{Time: january(1, 0), Value: 56, Labels: labels{"branch": "main", "size": "3"}}}},
		},
		{
			"Bencher's metric format", `[{"login": {"latency": {"value": 88.0, "lower_value": 87.42, "upper_value": 88.88}, "throughput": {"value": 5.55}}}, {"commit": "b", "login": {"latency": {"value": 90}}}]`, "login/latency",
			trend.History{Metric: "login/latency", Points: []trend.Point{{Value: 88}, {Value: 90, Labels: labels{"commit": "b"}}}},
		},
		{
			"an answer of Bencher's API, the latest first",
			`{"results": [{"branch": {"name": "main"}, "testbed": {"name": "ci"}, "benchmark": {"name": "login"}, "measure": {"name": "Latency", "units": "nanoseconds (ns)"}, "metrics": [
				{"start_time": "2024-01-02T00:00:00Z", "version": {"number": 2, "hash": "bbb"}, "metric": {"value": 90}},
				{"start_time": "2024-01-01T00:00:00Z", "version": {"number": 1, "hash": "aaa"}, "metric": {"value": 88}}]}]}`, "",
			trend.History{Metric: "login/Latency", Unit: "nanoseconds (ns)", Points: []trend.Point{
				{Time: january(1, 0), Value: 88, Labels: labels{"commit": "aaa"}}, {Time: january(2, 0), Value: 90, Labels: labels{"commit": "bbb"}},
			}},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			table, err := trend.Read("f", []byte(tt.text))
			if err != nil {
				t.Fatal(err)
			}
			got, err := table.History(tt.metric)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got, cmpopts.EquateNaNs(), cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestMistakesAreNamedAllAtOnceWithTheirLine(t *testing.T) {
	tests := []struct{ name, text, want string }{
		{"no numbers", "1\nx\n3\n1.5.2\n", "f:2: value: \"x\" is no number; leave it empty when the run is missing\nf:4: value: \"1.5.2\" is no number; leave it empty when the run is missing"},
		{"infinite", "1\ninf\n", `f:2: value: "inf" is no number; leave it empty when the run is missing`},
		{"columns", "time,value\n2024-01-01,1\n2024-01-02,1,5\n", "f:3: there are 3 columns, and 2 before"},
		{"a time", "time,value\n2024-01-01,1\nyesterday,2\n", `f:3: time: "yesterday" is no time; write 2006-01-02T15:04:05Z or seconds since 1970`},
		{"a quote", "a,b\n1,\"2\n", "f:2:6: extraneous or missing \" in quoted-field"},
		{"no object", "[\n{\"a\": 1},\n3]", `f:3: a run must be an object, like {"time": "2006-01-02T15:04:05Z", "latency": 0.187}`},
		{"JSON that ends", "[\n{\"a\": 1},\n", "f:3: the file ends in the middle of a run or before the end of the array"},
		{"JSON that ends in a run", "[\n{\"a\": 1", "f:2: the file ends in the middle"},
		{"bad JSON", "[\n{\"a\": 1},\n{\"a\" 2}]", "f:3: invalid character '2' after object key"},
		{"more after the end", "[{\"a\": 1}]\n[{\"a\": 2}]", "f:2: there is more after the end of the array"},
		{"too large a number", "[{\"a\": 1},\n{\"a\": 1e999}]", "f:2: a: 1e999 is no number"},
		{"a bad time", "[{\"a\": 1},\n{\"time\": 5}]", `f:2: time: "5" is no time`},
		{"units that differ", `[{"metrics": [{"name": "p", "unit": "ms", "value": 1}]},` + "\n" + `{"metrics": [{"name": "p", "unit": "s", "value": 1}]}]`, `f:2: p: its unit is "s", and "ms" before`},
	}
	for _, tt := range tests {
		_, err := trend.Read("f", []byte(tt.text))
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %v, want %q", tt.name, err, tt.want)
		}
	}
}

func TestMetricsAreChosenByName(t *testing.T) {
	tests := []struct{ name, text, metric, want string }{
		{"none named of two", "run,p95,rps\nr,1,2\n", "", "f: it holds several metrics; name one with --metric: p95, rps"},
		{"a typing mistake", "run,p95,rps\nr,1,2\n", "p59", "f: it holds no metric p59; did you mean p95?"},
		{"another one", "run,p95,rps\nr,1,2\n", "availability", "f: it holds no metric availability; there are p95, rps"},
		{"an empty file", "", "", "f: it holds no values"},
		{"blank lines", "\n\n", "", "f: it holds no values"},
		{"an empty array", "[]", "", "f: it holds no values"},
		{"labels only", `[{"commit": "a"}]`, "", "f: it holds no values"},
	}
	for _, tt := range tests {
		table, err := trend.Read("f", []byte(tt.text))
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		if _, err := table.History(tt.metric); err == nil || err.Error() != tt.want {
			t.Errorf("%s: got %v, want %q", tt.name, err, tt.want)
		}
	}
}

func TestChangedLabels(t *testing.T) {
	h := trend.History{Points: []trend.Point{
		{Value: 1, Labels: map[string]string{"commit": "a", "branch": "main"}},
		{Value: nan, Labels: map[string]string{"commit": "b"}},
		{Value: 1, Labels: map[string]string{"commit": "c", "branch": "main", "version": "2"}},
	}}
	want := []trend.LabelChange{{Name: "commit", From: "a", To: "c"}, {Name: "version", To: "2"}}
	if diff := cmp.Diff(want, h.Changed(2)); diff != "" {
		t.Errorf("against the last known run (-want +got):\n%s", diff)
	}
	if got := h.Changed(0); got != nil {
		t.Errorf("of the first run: got %v, want none", got)
	}
}

func TestDisorder(t *testing.T) {
	at := func(days ...int) (h trend.History) {
		for _, d := range days {
			p := trend.Point{}
			if d > 0 {
				p.Time = january(d, 0)
			}
			h.Points = append(h.Points, p)
		}
		return h
	}
	for _, tt := range []struct {
		days []int
		want int
	}{{[]int{1, 2, 2, 3}, 0}, {[]int{3, 2, 1}, 1}, {[]int{1, 0, 3, 0, 2}, 4}, {nil, 0}} {
		if got := at(tt.days...).Disorder(); got != tt.want {
			t.Errorf("days %v: got %d, want %d", tt.days, got, tt.want)
		}
	}
}

func FuzzRead(f *testing.F) {
	for _, text := range []string{
		"1\n2\n\n3", "time,value\n2024-01-01,1\n", "a;b;c\n1;x;2\n", "\"1", "[{\"a\": 1, \"b\": {\"c\": {\"value\": 2}}}]",
		"{\"metrics\": [{\"name\": \"p\", \"value\": null}]}", "{\"results\": [{\"benchmark\": {\"name\": \"b\"}, \"measure\": {\"name\": \"m\"}, \"metrics\": [{}]}]}", "[", "{}", "[[1]]",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		table, err := trend.Read("f", []byte(text))
		if err != nil {
			return
		}
		for _, metric := range table.Metrics {
			h, err := table.History(metric)
			if err != nil && metric != "" {
				t.Fatalf("%q: metric %q: %v", text, metric, err)
			}
			if err == nil && len(h.Points) != len(table.Rows) {
				t.Errorf("%q: got %d points of %d runs", text, len(h.Points), len(table.Rows))
			}
			for _, p := range h.Points {
				if math.IsInf(p.Value, 0) {
					t.Errorf("%q: got an infinite value", text)
				}
			}
			trend.Detect(h.Values())
		}
	})
}
