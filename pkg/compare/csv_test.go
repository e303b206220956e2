package compare_test

import (
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/plumbline/plumbline/pkg/compare"
)

func TestReadTable(t *testing.T) {
	table, err := compare.ReadTable("t.csv", strings.NewReader("metric,run,worse,value\np95,a,,0.5\nrps,a,lower,100\np95,b,,\nrps,b,,nan\np95,c,higher,0.6\n"))
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]map[string]float64{}
	for _, r := range table.Runs {
		got[r.Run.ID] = map[string]float64{}
		for id, v := range r.Values {
			got[r.Run.ID][id] = v.Value
		}
	}
	want := map[string]map[string]float64{"a": {"p95": 0.5, "rps": 100}, "b": {"p95": nan, "rps": nan}, "c": {"p95": 0.6}}
	if diff := cmp.Diff(want, got, cmp.Comparer(func(a, b float64) bool { return a == b || math.IsNaN(a) && math.IsNaN(b) })); diff != "" {
		t.Errorf("values (-want +got):\n%s", diff)
	}
	if m := table.Metrics; m[0].ID != "p95" || m[0].Worse != compare.HigherIsWorse || m[1].ID != "rps" || m[1].Worse != compare.LowerIsWorse {
		t.Errorf("got metrics %+v, want p95, worse higher, and rps, worse lower", m)
	}
}

func TestMistakesInATable(t *testing.T) {
	tests := []struct{ name, text, want string }{
		{"an empty file", "", "t.csv: it is empty"},
		{"no header", "a,p95,0.5\nb,p95,0.6\n", `t.csv:1: unknown column "a"`},
		{"a mistyped column", "run,metrik,value\n", `unknown column "metrik" (did you mean metric?)`},
		{"a column is missing", "run,value\n", "t.csv:1: there is no column metric"},
		{"a column twice", "run,metric,value,value\n", "t.csv:1: column value stands twice"},
		{"only a header", "run,metric,value\n", "there are no rows under the header"},
		{"no number", "run,metric,value\na,p95,fast\n", `t.csv:2: want a number as value, got "fast"`},
		{"infinite", "run,metric,value\na,p95,inf\n", `t.csv:2: want a number as value, got "inf"`},
		{"a field short", "run,metric,value\na,p95\nb,p95,1\n", "t.csv:2: has 2 fields, and the header 3"},
		{"no run", "run,metric,value\n,p95,1\n", "t.csv:2: run and metric must not be empty"},
		{"a value twice", "run,metric,value\na,p95,1\na,p95,2\n", "t.csv:3: run a has a second value of metric p95"},
		{"an unknown direction", "run,metric,value,worse\na,p95,1,up\n", `t.csv:2: unknown direction "up"`},
		{"two directions", "run,metric,value,worse\na,p95,1,lower\nb,p95,1,higher\n", "t.csv:3: metric p95: worse is higher here, and lower in a row before"},
		{"a quote left open", "run,metric,value\n\"a,p95,1\n", "t.csv:2:"},
		{"several at once", "run,metric,value\na,p95,x\nb,p95,y\n", "t.csv:2: want a number as value, got \"x\"\nt.csv:3: want"},
	}
	for _, tt := range tests {
		_, err := compare.ReadTable("t.csv", strings.NewReader(tt.text))
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %v, want %s", tt.name, err, tt.want)
		}
	}
}

func TestSplit(t *testing.T) {
	table, err := compare.ReadTable("t.csv", strings.NewReader("run,metric,value\na,m,1\nb,m,2\nc,m,3\n"))
	if err != nil {
		t.Fatal(err)
	}
	b, candidates, err := table.Split([]string{"b"}, nil)
	if err != nil || len(b.Runs) != 2 || b.Runs[1].Run.ID != "c" || candidates[0].Run.ID != "b" {
		t.Errorf("got %v, %v, %v, want a and c against b", b, candidates, err)
	}
	if _, _, err := table.Split([]string{"bb"}, nil); err == nil || !strings.Contains(err.Error(), "there are a, b, c") {
		t.Errorf("got %v, want the runs that there are", err)
	}
	if _, _, err := table.Split(nil, nil); err == nil {
		t.Error("got no error without a candidate")
	}
}

func FuzzReadTable(f *testing.F) {
	f.Add("run,metric,value,worse\na,p95,1,lower\nb,p95,,\n")
	f.Add("run,metric,value\n\"a\"\"b\",p95,1e400\n")
	f.Fuzz(func(t *testing.T, text string) {
		table, err := compare.ReadTable("t.csv", strings.NewReader(text))
		if err == nil && len(table.Runs) == 0 {
			t.Error("got neither runs nor an error")
		}
	})
}
