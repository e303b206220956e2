package loadgen

import (
	"math"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

const threeKinds = `apiVersion: plumbline/v1
kind: Scenario
name: s
users:
  - {name: fast, weight: 6, tasks: [{name: fast, request: GET /fast}]}
  - {name: slow, weight: 3, tasks: [{name: slow, request: GET /slow}]}
  - {name: rare, weight: 1, tasks: [{name: rare, request: GET /rare}]}
`

// generatorOf is a generator of [threeKinds].
func generatorOf(t *testing.T, seed uint64) *Generator {
	t.Helper()
	g, err := New(Options{Scenario: mustParse(t, threeKinds), Target: testTarget, RunID: "r", Seed: seed})
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// Among neighbours each kind has its share of the arrivals, to the next whole one.
func TestKindsOfNeighbours(t *testing.T) {
	for seed := range uint64(20) {
		g := generatorOf(t, seed)
		counts := map[*kind]float64{}
		for n := range uint64(100 * neighbours) {
			counts[g.kindOfArrival(n)]++
			if (n+1)%neighbours != 0 {
				continue
			}
			for i := range g.kinds {
				k := &g.kinds[i]
				if want := k.share * neighbours; math.Abs(counts[k]-want) >= 1 {
					t.Fatalf("seed %d, arrivals up to %d: got %v of %d of kind %d, want %.1f", seed, n, counts[k], neighbours, i, want)
				}
			}
			clear(counts)
		}
	}
}

// No segment has more of a kind than chance would give it, however many there are.
func TestKindsOfSegments(t *testing.T) {
	const arrivals = 10_000 // of each segment
	g := generatorOf(t, 7)
	for of := uint64(1); of <= 70; of++ {
		for index := range of {
			counts := map[*kind]float64{}
			for i := range uint64(arrivals) {
				counts[g.kindOfArrival(i*of+index)]++
			}
			for i := range g.kinds {
				k := &g.kinds[i]
				if sd := math.Sqrt(arrivals * k.share * (1 - k.share)); math.Abs(counts[k]-k.share*arrivals) > 4.5*sd {
					t.Errorf("segment %d of %d: got %v arrivals of kind %d, want %v ± %.0f", index+1, of, counts[k], i, k.share*arrivals, 4.5*sd)
				}
			}
		}
	}
}

// Other seeds have other orders, and the same seed the same one.
func TestKindsFollowTheSeed(t *testing.T) {
	order := func(seed uint64) string {
		g := generatorOf(t, seed)
		var b strings.Builder
		for n := range uint64(2 * neighbours) {
			b.WriteString(g.kindOfArrival(n).tasks[0].steps[0].name)
		}
		return b.String()
	}
	first, again, other := order(1), order(1), order(2)
	if first != again || first == other {
		t.Errorf("kinds by seed 1, by seed 1 and by seed 2: got\n%s\n%s\n%s, want the first two equal", first, again, other)
	}
}

// That a kind is slow doesn't make its arrivals fewer.
func TestSharesFollowTheWeights(t *testing.T) {
	slow := func(_ http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			time.Sleep(190 * time.Millisecond)
		}
	}
	for _, c := range []struct {
		name string
		pool int
	}{{"enough users", 20}, {"so few that arrivals wait", 10}} {
		var mu sync.Mutex
		got := map[string]float64{}
		p := Profile{Open: true, MaxInFlight: c.pool, Stages: []Stage{{100, 100, 32 * time.Second, true}}}
		sum, err := runInBubble(t, mustParse(t, threeKinds), p, slow, func(o *Options, _ *pipes) {
			o.Seed, o.Grace = 7, time.Minute
			o.OnResult = func(s Sample) {
				mu.Lock()
				defer mu.Unlock()
				got[s.Request]++
			}
		})
		if err != nil || sum.Dropped > 0 {
			t.Fatalf("%s: %v, %d dropped", c.name, err, sum.Dropped)
		}
		for name, want := range map[string]float64{"fast": 1920, "slow": 960, "rare": 320} {
			if math.Abs(got[name]-want) > 10 {
				t.Errorf("%s: got %v of 3200 arrivals of kind %s, want %v", c.name, got[name], name, want)
			}
		}
	}
}

func TestPoolKinds(t *testing.T) {
	g := generatorOf(t, 0)
	for _, c := range []struct {
		users int
		want  [3]int
	}{{3, [3]int{1, 1, 1}}, {5, [3]int{3, 1, 1}}, {10, [3]int{6, 3, 1}}, {1000, [3]int{600, 300, 100}}} {
		var got [3]int
		for _, k := range g.poolKinds(c.users) {
			for i := range g.kinds {
				if k == &g.kinds[i] {
					got[i]++
				}
			}
		}
		if got != c.want {
			t.Errorf("%d users: got %v of the kinds, want %v", c.users, got, c.want)
		}
	}
}

// Of the users of a closed model each kind has its share to the next whole one,
// and so have, nearly, the first of them and those of a segment.
func TestUserKinds(t *testing.T) {
	of := func(kinds []*kind, g *Generator) (counts [3]float64) {
		for _, k := range kinds {
			for i := range g.kinds {
				if k == &g.kinds[i] {
					counts[i]++
				}
			}
		}
		return counts
	}
	for _, weights := range [][3]float64{{6, 3, 1}, {49, 0.5, 0.5}, {1, 1, 1}, {98, 1, 1}} {
		g := generatorOf(t, 0)
		total := weights[0] + weights[1] + weights[2]
		for i := range g.kinds {
			g.kinds[i].share = weights[i] / total
		}
		for _, users := range []int{1, 10, 20, 50, 100, 1000} {
			all := g.userKinds(users)
			counts := of(all, g)
			for i, n := range counts {
				share := g.kinds[i].share * float64(users)
				if math.Abs(n-share) > 1 || share >= 1 && n == 0 {
					t.Errorf("weights %v, %d users: got %v of kind %d, want %.2f", weights, users, n, i, share)
				}
			}
			if users < 100 {
				continue
			}
			var segment []*kind
			for id := 0; id < users; id += 4 {
				segment = append(segment, all[id])
			}
			for i, n := range of(segment, g) {
				if share := g.kinds[i].share * float64(len(segment)); math.Abs(n-share) > 3 {
					t.Errorf("weights %v, segment 1/4 of %d users: got %v of kind %d, want about %.2f", weights, users, n, i, share)
				}
			}
			for i, n := range of(all[:users/4], g) {
				if share := g.kinds[i].share * float64(users/4); math.Abs(n-share) > 3 {
					t.Errorf("weights %v, the first quarter of %d users: got %v of kind %d, want about %.2f", weights, users, n, i, share)
				}
			}
		}
	}
}
