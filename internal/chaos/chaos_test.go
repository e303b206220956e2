package chaos

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/plumbline/plumbline/internal/paracle"
	"github.com/plumbline/plumbline/internal/store"
	"github.com/plumbline/plumbline/pkg/bottleneck"
	"github.com/plumbline/plumbline/pkg/run"
)

// TestMain lets the test program be started again as the sample API.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == paracle.Command {
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
		code := paracle.Run(ctx, os.Args[2:], os.Stdout, os.Stderr)
		stop()
		os.Exit(code)
	}
	os.Exit(m.Run())
}

// Two cells of the matrix that make chaos runs as a whole: a resource that is used
// up, and a dependency that is slow.
func TestFaultsAreFoundUnderLoad(t *testing.T) {
	if testing.Short() {
		t.Skip("it measures, so it runs alone: see the Makefile")
	}
	for _, name := range []string{"small-pool", "slow-llm"} {
		t.Run(name, func(t *testing.T) {
			c := cell(Known, Loads[0], 1, fault(t, name))
			o, err := Lab{Store: store.Open(t.TempDir()), Length: .6}.Try(t.Context(), c)
			if err != nil {
				t.Fatal(err)
			}
			generators := func(f bottleneck.Finding) bool { return f.Probe == "generator" }
			o.Diagnosis.Findings = slices.DeleteFunc(o.Diagnosis.Findings, generators)
			switch {
			case o.Invalid != "" && !o.Right():
				t.Skipf("inconclusive after %d tries: something else on this machine kept the load generator from its work: %s", tries, o.Invalid)
			case !o.Right():
				var table strings.Builder
				o.all(&table)
				t.Errorf("the first finding does not name the fault:\n%s", table.String())
			case o.Diagnosis.Findings[0].Severity != bottleneck.High:
				t.Errorf("got severity %s, want HIGH: objectives failed", o.Diagnosis.Findings[0].Severity)
			}
		})
	}
}

// What a starved load generator recorded tells nothing of the service, so it is run again.
func TestStarvedCellsAreRunOnceMore(t *testing.T) {
	valid, starved, stuck := Outcome{}, Outcome{Invalid: "start lag"}, errors.New("stuck")
	for name, tc := range map[string]struct {
		outcomes []Outcome
		err      error // of the last
		want     Outcome
	}{
		"a valid load":                     {[]Outcome{valid}, nil, valid},
		"starved once":                     {[]Outcome{starved, valid}, nil, valid},
		"starved each time":                {[]Outcome{starved, starved}, nil, starved},
		"an error is not tried again":      {[]Outcome{valid}, stuck, valid},
		"an error after a starved attempt": {[]Outcome{starved, valid}, stuck, valid},
	} {
		t.Run(name, func(t *testing.T) {
			n := 0
			got, err := untilValid(func() (Outcome, error) {
				n++
				if n > len(tc.outcomes) {
					t.Fatalf("tried %d times, want %d", n, len(tc.outcomes))
				}
				if n == len(tc.outcomes) {
					return tc.outcomes[n-1], tc.err
				}
				return tc.outcomes[n-1], nil
			})
			if n != len(tc.outcomes) || got.Invalid != tc.want.Invalid || !errors.Is(err, tc.err) {
				t.Errorf("got %q, %v after %d tries, want %q, %v after %d", got.Invalid, err, n, tc.want.Invalid, tc.err, len(tc.outcomes))
			}
		})
	}
}

func fault(t *testing.T, name string) Fault {
	t.Helper()
	i := slices.IndexFunc(Faults, func(f Fault) bool { return f.Name == name })
	if i < 0 {
		t.Fatalf("there is no fault %s", name)
	}
	return Faults[i]
}

// Every fault that the sample can be built with is in the matrix, under two loads
// and more; slower is a change of version, not a bottleneck.
func TestMatrixHasEveryFault(t *testing.T) {
	matrix := Matrix(1)
	for _, f := range paracle.Faults {
		n := 0
		for _, c := range matrix {
			if len(c.Faults) == 1 && c.Faults[0].Name == f.Name {
				n++
			}
		}
		if want := len(Loads) + 1; n != want && f.Name != "slower" {
			t.Errorf("%s stands in %d cells alone, want %d", f.Name, n, want)
		}
	}
	names := map[string]bool{}
	for _, c := range matrix {
		for _, f := range c.Faults {
			if err := new(paracle.Config).AddFault(f.Built); err != nil {
				t.Error(err)
			}
		}
		if err := run.CheckID(c.Name); err != nil {
			t.Error(err)
		}
		if names[c.Name] {
			t.Errorf("%s stands twice", c.Name)
		}
		names[c.Name] = true
	}
}

func TestOutcomesAreTold(t *testing.T) {
	pool, llm, hog := fault(t, "small-pool"), fault(t, "slow-llm"), fault(t, "cpu-hog")
	found := func(severity bottleneck.Severity, ids ...string) (d bottleneck.Diagnosis) {
		for _, id := range ids {
			id, symptom, _ := strings.Cut(id, ": ")
			d.Findings = append(d.Findings, bottleneck.Finding{ID: id, Symptom: symptom, Severity: severity})
		}
		return d
	}
	for name, tc := range map[string]struct {
		faults []Fault
		found  bottleneck.Diagnosis
		right  bool
	}{
		"the fault first":              {[]Fault{pool}, found(bottleneck.High, "pool/db-pool", "lock/mutex"), true},
		"the fault second":             {[]Fault{pool}, found(bottleneck.High, "lock/mutex", "pool/db-pool"), false},
		"nothing":                      {[]Fault{pool}, found(bottleneck.High), false},
		"one of two faults":            {[]Fault{pool, llm}, found(bottleneck.High, "dependency/llm_request_duration_seconds/openai"), true},
		"the replica that has it":      {[]Fault{hog}, found(bottleneck.Low, "utilization/api-cpu: CPU of h:1 is full"), true},
		"another replica":              {[]Fault{hog}, found(bottleneck.Low, "utilization/api-cpu: CPU of h:2 is full"), false},
		"another pool":                 {[]Fault{pool}, found(bottleneck.High, "pool/redis-clients"), false},
		"healthy and silent":           {nil, found(bottleneck.Low), true},
		"healthy with a remark":        {nil, found(bottleneck.Low, "growth/api-memory"), true},
		"healthy with a false alarm":   {nil, found(bottleneck.Medium, "growth/api-memory"), false},
		"healthy, and objectives fail": {nil, bottleneck.Diagnosis{Undetermined: "p95"}, false},
	} {
		if got := (Outcome{Cell: Cell{Faults: tc.faults}, Faulty: "h:1", Diagnosis: tc.found}).Right(); got != tc.right {
			t.Errorf("%s: got right = %v, want %v", name, got, tc.right)
		}
	}
}
