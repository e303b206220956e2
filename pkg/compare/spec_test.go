package compare_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/plumbline/plumbline/pkg/compare"
	"github.com/plumbline/plumbline/pkg/strictyaml"
)

const header = "apiVersion: plumbline/v1\nkind: Baseline\n"

func TestParseSpec(t *testing.T) {
	tests := []struct {
		name, text string
		want       compare.Spec
	}{
		{"one run", "name: good\nrun: PERF-2026-01-18-001\n", compare.Spec{Name: "good", Run: "PERF-2026-01-18-001"}},
		{"the last five", "name: main\nlast: 5\nlabels: {branch: main, version: 1.0}\n",
			compare.Spec{Name: "main", Last: 5, Labels: map[string]string{"branch": "main", "version": "1.0"}}},
		{"declared values, as the guide's v1.0.0", `name: v1.0.0
values: {latency-p50: 280ms, latency-p99: 2.1s, error-rate: 0.23%, sustained-rps: 450, peak-rps: 680 req/s, memory: 1.5 GiB, down: -1e3us}
`, compare.Spec{Name: "v1.0.0", Values: map[string]string{
			"latency-p50": "280ms", "latency-p99": "2.1s", "error-rate": "0.23%", "sustained-rps": "450",
			"peak-rps": "680 req/s", "memory": "1.5 GiB", "down": "-1e3us",
		}}},
	}
	for _, tt := range tests {
		got, err := compare.ParseSpec("b.yaml", []byte(header+tt.text))
		if err != nil {
			t.Errorf("%s: got error %v", tt.name, err)
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s: want −, got +:\n%s", tt.name, diff)
		}
	}
}

func TestDeclaredValuesAreInBaseUnits(t *testing.T) {
	s := compare.Spec{Values: map[string]string{"latency-p50": "280ms", "error-rate": "0.23%", "peak-rps": "680 req/s", "memory": "1.5 GiB", "down": "-1e3us"}}
	want := map[string]float64{"latency-p50": 0.28, "error-rate": 0.0023, "peak-rps": 680, "memory": 1610612736, "down": -1e-3}
	if diff := cmp.Diff(want, s.Declared(), cmp.Comparer(func(a, b float64) bool { return near(a, b, 1e-12) })); diff != "" {
		t.Errorf("want −, got +:\n%s", diff)
	}
	if got := (compare.Spec{Last: 5}).Declared(); got != nil {
		t.Errorf("a baseline of runs: got %v, want none", got)
	}
}

func TestDeclaredValuesAreHeldAgainstTheirUnits(t *testing.T) {
	measured := map[string]strictyaml.Dimension{
		"latency-p95": strictyaml.Time, "memory": strictyaml.Bytes, "peak-rps": strictyaml.Rate, "error-rate": strictyaml.Share, "users": strictyaml.Plain,
	}
	good := header + "name: x\nvalues: {latency-p95: 890ms, memory: 2GiB, peak-rps: 680, error-rate: 0.0023, users: 300, elsewhere: 3s}\n"
	if err := compare.CheckValues("b.yaml", []byte(good), measured); err != nil {
		t.Errorf("got %v, want none: only times and bytes need a unit, and other objectives may be declared", err)
	}
	bad := header + "name: x\nvalues:\n  latency-p95: 890\n  memory: 2\n  peak-rps: 680ms\n  users: 5%\n"
	want := `b.yaml:5:16: values.latency-p95: the objective measures a time: write 890ms or 890s
b.yaml:6:11: values.memory: the objective measures bytes: write 2MB or 2B
b.yaml:7:13: values.peak-rps: 680ms is a time, and the objective measures a rate
b.yaml:8:10: values.users: 5% is a percentage, and the objective measures a number`
	if err := compare.CheckValues("b.yaml", []byte(bad), measured); err == nil || err.Error() != want {
		t.Errorf("got %v\nwant %s", err, want)
	}
}

func TestParseSpecMistakes(t *testing.T) {
	tests := []struct {
		name, text string
		want       []string
	}{
		{"none of the three", header + "name: x\n", []string{"b.yaml:1:1: want one of run, last and values, got 0 of them"}},
		{"two of the three", header + "name: x\nrun: a\nlast: 3\n", []string{"b.yaml:1:1: want one of run, last and values, got 2 of them"}},
		{"all at once, each with its place", "apiVersion: plumbline/v2\nkind: Basline\nname: a b\nrun: ../../etc\n", []string{
			`b.yaml:1:13: apiVersion: must be plumbline/v1, got "plumbline/v2"`,
			`b.yaml:2:7: kind: must be Baseline, got "Basline"`,
			`b.yaml:3:7: name: use 1 to 64 letters`,
			`b.yaml:4:6: run: run id "../../etc"`,
		}},
		{"no runs at all", header + "name: x\nlast: 0\n", []string{"b.yaml:4:7: last: want a number of runs from 1, got 0"}},
		{"labels of nothing", header + "name: x\nrun: a\nlabels: {k: v}\n", []string{"b.yaml:5:9: labels: labels narrow last"}},
		{"no values", header + "name: x\nvalues: {}\n", []string{"b.yaml:4:9: values: declare at least one value"}},
		{"values that are none", header + "name: x\nvalues:\n  a: fast\n  b: 3 parsecs\n  c:\n  d: NaN\n  e: 1e999\n", []string{
			`b.yaml:5:6: values.a: want a value such as 280ms`,
			`b.yaml:6:6: values.b: unknown unit "parsecs"`,
			`b.yaml:7:5: values.c: has no value; give it one`,
			`b.yaml:8:6: values.d: want a value such as`,
			`b.yaml:9:6: values.e: "1e999" is out of range`,
		}},
		{"unknown key", header + "name: x\nrun: a\nlabel: {}\n", []string{"b.yaml:5:1: label: unknown key; did you mean labels?"}},
	}
	for _, tt := range tests {
		got, err := compare.ParseSpec("b.yaml", []byte(tt.text))
		if err == nil {
			t.Errorf("%s: got %+v, want an error", tt.name, got)
			continue
		}
		lines := strings.Split(err.Error(), "\n")
		if len(lines) != len(tt.want) {
			t.Errorf("%s: got %d mistakes, want %d:\n%v", tt.name, len(lines), len(tt.want), err)
			continue
		}
		for i, want := range tt.want {
			if !strings.Contains(lines[i], want) {
				t.Errorf("%s: got %q, want %q", tt.name, lines[i], want)
			}
		}
	}
}

func FuzzParseSpec(f *testing.F) {
	f.Add([]byte(header + "name: x\nvalues: {latency-p50: 280ms, error-rate: 0.23%}\n"))
	f.Add([]byte(header + "name: x\nlast: 5\nlabels: {a: b}\n"))
	f.Add([]byte(header + "name: x\nrun: *a\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		spec, err := compare.ParseSpec("b.yaml", data)
		if err != nil {
			return
		}
		if (spec.Run != "") == (spec.Last != 0) && len(spec.Values) == 0 {
			t.Errorf("accepted a baseline of nothing: %+v", spec)
		}
	})
}

func TestSpecIsWrittenAsItIsRead(t *testing.T) {
	at := time.Date(2026, 1, 18, 14, 0, 0, 0, time.UTC)
	for _, want := range []compare.Spec{
		{Name: "one", Run: "PERF-1"},
		{Name: "rolling", Last: 5, Labels: map[string]string{"version": "1.0"}, Accepted: []compare.Acceptance{{Run: "PERF-2", Reason: "TLS is on now: 3 % slower", At: at}}},
		{Name: "declared", Values: map[string]string{"latency-p50": "280ms", "error-rate": "0.23%"}},
	} {
		text, err := want.Marshal()
		if err != nil {
			t.Errorf("%s: %v", want.Name, err)
			continue
		}
		got, err := compare.ParseSpec("b.yaml", text)
		if err != nil {
			t.Errorf("%s: %v", want.Name, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", want.Name, diff)
		}
	}
}

func TestAccept(t *testing.T) {
	a := compare.Acceptance{Run: "PERF-9", Reason: "TLS is on now", At: time.Date(2026, 1, 18, 14, 0, 0, 0, time.UTC)}
	for _, tt := range []struct {
		name    string
		spec    compare.Spec
		a       compare.Acceptance
		run     string
		refused string
	}{
		{"one run becomes the other", compare.Spec{Name: "b", Run: "PERF-1"}, a, "PERF-9", ""},
		{"a rolling one begins anew", compare.Spec{Name: "b", Last: 5}, a, "", ""},
		{"declared values can't", compare.Spec{Name: "b", Values: map[string]string{"p50": "1s"}}, a, "", "declared values"},
		{"not without a reason", compare.Spec{Name: "b", Last: 5}, compare.Acceptance{Run: "PERF-9", Reason: " "}, "", "say why"},
	} {
		got, err := tt.spec.Accept(tt.a)
		if tt.refused != "" {
			if err == nil || !strings.Contains(err.Error(), tt.refused) {
				t.Errorf("%s: got %v, want %q", tt.name, err, tt.refused)
			}
			continue
		}
		if err != nil || got.Run != tt.run || len(got.Accepted) != 1 || len(tt.spec.Accepted) != 0 {
			t.Errorf("%s: got %+v, %v, want run %q and one acceptance", tt.name, got, err, tt.run)
		}
	}
}
