package loadgen

import (
	"cmp"
	"math"
	"net/url"
	"slices"
	"time"
)

// A kind is a User of the scenario, ready to be run.
type kind struct {
	share float64 // of all users or arrivals, in (0, 1]
	think Think
	start []request
	tasks []task
	total float64      // of the tasks' weights
	queue chan arrival // those that are due and wait for a user of this kind; nil in a closed model
}

type task struct {
	upTo  float64 // cumulative weight
	steps []request
}

// A request is a Step, ready to be sent.
type request struct {
	Step
	channel
	target  *url.URL
	prefix  string   // path of the target
	static  *message // the whole request, when it never changes
	timeout time.Duration
}

func (g *Generator) newKinds(s Scenario) (kinds []kind) {
	for i, share := range s.weights() {
		kinds = append(kinds, g.newKind(s.Users[i], share))
	}
	return kinds
}

func (g *Generator) newKind(u User, share float64) kind {
	k := kind{share: share, think: u.Think, start: g.newRequests(u.Start)}
	for _, t := range u.Tasks {
		k.total += t.Weight
		k.tasks = append(k.tasks, task{k.total, g.newRequests(t.Steps)})
	}
	return k
}

func (g *Generator) newRequests(steps []Step) []request {
	requests := make([]request, len(steps))
	for i, st := range steps {
		r := request{Step: st, channel: g.rec.channelOf(st.Name, st.Method, st.expect.wanted()), target: g.opts.Target,
			prefix: trimSlash(g.opts.Target.EscapedPath()), timeout: cmp.Or(st.Timeout, g.opts.Timeout)}
		if st.isStatic() {
			r.static = &message{}
			r.render(r.static, destination{method: st.Method, origin: g.dialer, withBody: true}, &scope{}, nil)
		}
		requests[i] = r
	}
	return requests
}

func (st Step) isStatic() bool {
	static := st.path.isStatic() && st.body.isStatic()
	for _, h := range slices.Concat(st.headers, st.cookies) {
		static = static && h.value.isStatic()
	}
	return static
}

// kindAt divides [0, 1) among the kinds by their weights.
func (g *Generator) kindAt(at float64) *kind {
	for i := range g.kinds {
		if at -= g.kinds[i].share; at < 0 {
			return &g.kinds[i]
		}
	}
	return &g.kinds[len(g.kinds)-1] // the shares add up to a little less than 1
}

// userKinds are the kinds of so many users of a closed model, the same in every
// run. The golden ratio's multiples, which are evenly spread, give them their
// order, so that any first of them, and those of any segment, are of all kinds;
// their places in it make each kind's number its share, to the next whole one.
func (g *Generator) userKinds(users int) []*kind {
	const goldenRatio = 0.6180339887498949
	order := make([]int, users)
	for id := range order {
		order[id] = id
	}
	slices.SortFunc(order, func(a, b int) int {
		return cmp.Compare(math.Mod(goldenRatio*float64(a), 1), math.Mod(goldenRatio*float64(b), 1))
	})
	kinds := make([]*kind, users)
	for place, id := range order {
		kinds[id] = g.kindAt((float64(place) + 0.5) / float64(users))
	}
	return kinds
}

// neighbours are so many arrivals in a row that each kind gets its share of
// them, to the next whole one. A power of two.
const neighbours = 64

// kindOfArrival is the kind of user that does an arrival: whoever may be free,
// arrivals are of a kind in proportion to its weight. It takes neighbours in an
// order drawn from the seed, since in a regular one every n-th arrival, as
// segments have them, could be of the same kind.
func (g *Generator) kindOfArrival(number uint64) *kind {
	drawn := mix(g.opts.Seed ^ mix(number/neighbours))
	place := (number*(drawn|1) + drawn>>32) % neighbours // an odd multiple meets every place
	offset := float64(drawn>>11) / (1 << 53)
	return g.kindAt((float64(place) + offset) / neighbours)
}

// poolKinds are the kinds of the users of a pool: one user of each, and then
// always of the kind that has fewest for its weight.
func (g *Generator) poolKinds(users int) []*kind {
	pool := make([]*kind, users)
	counts := make([]float64, len(g.kinds))
	for n := range pool {
		next := 0
		for i := range g.kinds {
			if g.kinds[i].share/counts[i] > g.kinds[next].share/counts[next] {
				next = i
			}
		}
		pool[n] = &g.kinds[next]
		counts[next]++
	}
	return pool
}

// openQueues divides the places for arrivals that wait among the kinds, as the arrivals themselves.
func (g *Generator) openQueues() {
	places := float64(g.opts.Segment.Share(g.opts.Profile.queueBound()))
	for i := range g.kinds {
		k := &g.kinds[i]
		k.queue = make(chan arrival, max(int(k.share*places), 1))
	}
}

func (g *Generator) closeQueues() {
	for i := range g.kinds {
		close(g.kinds[i].queue)
	}
}

// queued is how many due iterations wait for a user.
func (g *Generator) queued() (n int) {
	for i := range g.kinds {
		n += len(g.kinds[i].queue)
	}
	return n
}
