package chaos

import (
	"fmt"
	"math/rand/v2"
	"strings"

	"github.com/plumbline/plumbline/pkg/bottleneck"
)

// A Fault is one that the sample API can be built with, large enough to be the
// bottleneck, and the findings that name it.
type Fault struct {
	Name       string
	Built      string // as for --fault
	OneReplica bool   // only the first replica has it
	Found      []string
}

// Faults are the faults of the matrix. What names a fault is the resource that it
// takes away, by the probe and the id that the SLA or the metric gives it.
var Faults = []Fault{
	{"small-pool", "small-pool=1", false, []string{"pool/db-pool"}},
	{"cpu-hog", "cpu-hog=1", true, []string{"utilization/api-cpu", "imbalance/api-cpu"}},
	{"slow-llm", "slow-llm", false, []string{"dependency/llm_request_duration_seconds/"}},
	{"memory-leak", "memory-leak", false, []string{"growth/api-memory"}},
	{"lock-contention", "lock-contention=0.006", false, []string{"lock/mutex"}},
	{"error-burst", "error-burst", false, []string{"errors/error-rate"}},
	{"gc-pressure", "gc-pressure=3e6", false, []string{"gc/collector"}},
	{"slow-downstream", "slow-downstream=0.5", false, []string{"dependency/http_client_request_duration_seconds/registry"}},
}

// names tells whether a finding names the fault, and the replica if only one has it.
func (f Fault) names(found bottleneck.Finding, faulty string) bool {
	for _, id := range f.Found {
		if strings.HasPrefix(found.ID, id) {
			return !f.OneReplica || strings.Contains(found.Symptom, faulty)
		}
	}
	return false
}

// A Load is how much is sent.
type Load struct {
	Name    string
	Profile string  // as in a profiles file
	Think   float64 // what think times are multiplied by
}

// length of a run. Loads are modest, so that a machine of two cores bears them beside the service.
const length = "24s"

func users(n int, think float64) Load {
	return Load{fmt.Sprintf("%d-users", n), fmt.Sprintf("{users: %d, spawn_rate: %d, duration: %s}", n, n, length), think}
}

func arrivals(rate int, kind string) Load {
	return Load{fmt.Sprintf("%s-%d", kind, rate), fmt.Sprintf("{arrival_rate: %d/s, arrivals: %s, duration: %s, max_in_flight: 4000}", rate, kind, length), .1}
}

func ramp(from, to int) Load {
	return Load{fmt.Sprintf("ramp-%d-%d", from, to), fmt.Sprintf("{arrival_rate: {from: %d/s, to: %d/s}, over: %s, max_in_flight: 4000}", from, to, length), .1}
}

// Loads are those that the faults' sizes were chosen for.
var Loads = []Load{users(60, .1), users(120, .1)}

// A Cell is a service built with faults, under a load.
type Cell struct {
	Name     string // of the run, too
	Group    string
	Faults   []Fault
	Load     Load
	Replicas int
	Cores    int // of each replica
	Seed     uint64
}

func cell(group string, l Load, seed uint64, faults ...Fault) Cell {
	c := Cell{Group: group, Faults: faults, Load: l, Replicas: 1, Cores: 2, Seed: seed}
	names := []string{"healthy"}
	if len(faults) > 0 {
		names = nil
	}
	for _, f := range faults {
		names = append(names, f.Name)
		if f.OneReplica {
			c.Replicas, c.Cores = 2, 1
		}
	}
	c.Name = strings.Join(names, "_") + "." + l.Name
	return c
}

// replicated is a cell whose service has two replicas, of one core each.
func (c Cell) replicated() Cell {
	c.Name += ".2"
	c.Replicas, c.Cores = 2, 1
	return c
}

// The groups of cells, in the order in which they are run.
const (
	Known  = "known"  // each fault at the loads that its size was chosen for
	Unseen = "unseen" // each fault at another load
	Pairs  = "pairs"  // two faults at once
)

// Matrix is every cell. Which pairs of faults there are, and the loads that
// nothing was tuned on, depend on the seed.
func Matrix(seed uint64) (all []Cell) {
	for _, l := range Loads {
		healthy := cell(Known, l, seed)
		all = append(all, healthy, healthy.replicated())
		for _, f := range Faults {
			all = append(all, cell(Known, l, seed, f))
		}
	}
	rng := rand.New(rand.NewPCG(seed, 6)) //nolint:gosec // a choice of tests
	add := func(c Cell) {
		c.Name = fmt.Sprintf("%s.%s%d-%d", c.Name, c.Group, seed, len(all)) // chance may repeat itself
		all = append(all, c)
	}
	for range 2 {
		add(cell(Unseen, anyLoad(rng), seed))
	}
	for _, f := range Faults {
		add(cell(Unseen, anyLoad(rng), seed, f))
	}
	for range len(Faults) {
		pair := rng.Perm(len(Faults))[:2]
		add(cell(Pairs, anyLoad(rng), seed, Faults[pair[0]], Faults[pair[1]]))
	}
	return all
}

// anyLoad is a load by chance, of a shape by chance.
func anyLoad(rng *rand.Rand) Load {
	switch rate := 160 + 10*rng.IntN(20); rng.IntN(4) {
	case 0:
		return arrivals(rate, "poisson")
	case 1:
		return arrivals(rate, "regular")
	case 2:
		return ramp(rate/2, rate*5/4)
	default:
		return users(rate*2/5, .1)
	}
}

// Right tells whether the first finding names what was injected; where nothing
// was, whether nothing above LOW was found.
func (o Outcome) Right() bool {
	found := o.Diagnosis.Findings
	if len(o.Cell.Faults) == 0 {
		return o.Diagnosis.Undetermined == "" && (len(found) == 0 || found[0].Severity == bottleneck.Low)
	}
	for _, f := range o.Cell.Faults {
		if len(found) > 0 && f.names(found[0], o.Faulty) {
			return true
		}
	}
	return false
}
