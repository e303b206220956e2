package capacity_test

import (
	"math"
	"strings"
	"testing"

	"github.com/plumbline/plumbline/pkg/capacity"
)

// failing makes a share of the requests of a level fail.
func failing(l capacity.Level, share float64) capacity.Level {
	l.ErrorRatio, l.Throughput = share, l.Throughput*(1-share)
	l.Indicators = map[string]float64{"errors": share}
	return l
}

// twoLevels are 60/s and a higher rate, of which a share fails.
func twoLevels(rate, share float64) []capacity.Level {
	top := capacity.Level{ArrivalRate: rate, Throughput: rate, LatencySeconds: .06}
	return []capacity.Level{failing(open(60)[0], 0), failing(top, share)}
}

// early is a pool that has a smaller Max than the hot replica of api, 900, and is
// used to 80 % only after it.
func early() capacity.Resource {
	r := capacity.Resource{ID: "pool", Component: "Database", Name: "Pool", Limit: 1, Scaling: capacity.PoolLimit, Series: []capacity.Series{{}}}
	for i := range 120 {
		x := rising(i)
		r.Throughput, r.Series[0].Used = append(r.Throughput, x), append(r.Series[0].Used, 1.3*x/900-.3)
	}
	return r
}

func TestCarriesNoMoreThanWasSeenOrReckoned(t *testing.T) {
	p95 := capacity.Objective{ID: "p95", Title: "p95", Limit: .5}
	errors := capacity.Objective{ID: "errors", Title: "Error Rate", Limit: .02}
	cpu := api(.0005, rising) // the hot replica is used to 80 % at 750
	nan := math.NaN()
	for _, c := range []struct {
		name    string
		in      capacity.Input
		carries float64
		atLeast float64
		below   float64
		by      string
		reason  string
	}{
		{"bounds that are missed at the steady load", capacity.Input{Resources: []capacity.Resource{cpu}, Throughput: 500, Missed: []string{"p50", "p95", "p99", "API CPU"}},
			nan, 0, 500, "at that load it misses p50, p95, p99, 1 more", ""},
		{"bounds that are missed, and a level below that is crossed", capacity.Input{Levels: closed(50, 100, 200), Objectives: []capacity.Objective{p95}, Throughput: 500, Missed: []string{"p95"}},
			100/1.05 + (.5-.1)/(2-.1)*(100-100/1.05), 0, 0, "p95 would be missed", ""},
		{"an objective that is missed already at the lowest load", capacity.Input{Levels: closed(200, 300, 400), Objectives: []capacity.Objective{p95}},
			nan, 0, 100, "at that load p95 is missed", ""},
		{"levels too far apart to interpolate", capacity.Input{Levels: twoLevels(500, .25), Objectives: []capacity.Objective{errors}},
			nan, 60, 500, "at the higher Error Rate is missed", ""},
		{"levels a factor of two apart", capacity.Input{Levels: twoLevels(120, .04), Objectives: []capacity.Objective{errors}},
			60 + .5*(120*.96-60), 0, 0, "Error Rate would be missed", ""},
		{"levels too far apart, the higher with fewer requests", capacity.Input{Levels: append(twoLevels(500, 0)[:1], failing(capacity.Level{ArrivalRate: 500, Throughput: 40, LatencySeconds: 3}, .5)), Objectives: []capacity.Objective{errors}},
			60, 0, 0, "Error Rate would be missed", ""},
		{"nothing answered well at the lowest load", capacity.Input{Levels: []capacity.Level{failing(open(60)[0], 1), failing(open(90)[0], 1)}, Objectives: []capacity.Objective{errors}},
			nan, 0, 0, "", "Error Rate is missed already at the lowest load, 60/s"},
		{"the replica that is used to 80 % first, though another resource is full first", capacity.Input{Resources: []capacity.Resource{early(), cpu}, Throughput: 500},
			750, 0, 0, "API CPU (hot) would be used to more than 80 %", ""},
		{"nothing", capacity.Input{Throughput: 500}, nan, 0, 0, "", "no end of it was found"},
	} {
		got := capacity.Analyze(c.in).Carries
		if !about(got.Throughput, c.carries) || !about(got.AtLeast, c.atLeast) || !about(got.Below, c.below) || got.By != c.by || !strings.Contains(got.Reason, c.reason) || (c.reason == "") != (got.Reason == "") {
			t.Errorf("%s: got %+v, want %v, or from %v to below %v, by %q, reason %q", c.name, got, c.carries, c.atLeast, c.below, c.by, c.reason)
		}
	}
}

// about is near by a hundredth.
func about(a, b float64) bool {
	return math.IsNaN(a) && math.IsNaN(b) || math.Abs(a-b) <= .01*math.Abs(b)
}

// The plan must ask for more of what the limit says is used up, and not before.
func TestPlanAgreesWithWhatIsCarried(t *testing.T) {
	for _, c := range []struct{ target, replicas float64 }{{740, 3}, {760, 4}} {
		got := capacity.Analyze(capacity.Input{Resources: []capacity.Resource{early(), api(.0005, rising)}, Throughput: 500, Target: c.target})
		if got.Bottleneck.ID != "pool" || !about(got.Carries.Throughput, 750) {
			t.Fatalf("got bottleneck %s and %+v, want the pool to be full first and 750 req/s carried", got.Bottleneck.Title(), got.Carries)
		}
		for _, s := range got.Plan {
			if s.Component == "API" && s.Throughput == c.target && s.Needed.Value != c.replicas {
				t.Errorf("%v req/s: got %+v, want %v replicas", c.target, s, c.replicas)
			}
		}
	}
}
