package loadgen

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestParseSegment(t *testing.T) {
	for _, c := range []struct {
		text  string
		want  Segment
		fails bool
	}{
		{text: "", want: Segment{}},
		{text: "1/1", want: Segment{1, 1}},
		{text: "2/4", want: Segment{2, 4}},
		{text: "0/4", fails: true},
		{text: "5/4", fails: true},
		{text: "2", fails: true},
		{text: "2/0", fails: true},
		{text: "-1/4", fails: true},
		{text: "a/b", fails: true},
	} {
		got, err := ParseSegment(c.text)
		if got != c.want || (err != nil) != c.fails {
			t.Errorf("%q: got %v, %v, want %v", c.text, got, err, c.want)
		}
	}
}

func TestSegmentsShareEverything(t *testing.T) {
	for of := 1; of <= 7; of++ {
		for n := range 30 {
			var users []int
			for i := 1; i <= of; i++ {
				s := Segment{i, of}
				for k := range s.Share(n) {
					users = append(users, s.User(k))
				}
			}
			slices.Sort(users)
			for k := range n {
				if len(users) != n || users[k] != k {
					t.Fatalf("%d users in %d segments: got %v, want each once", n, of, users)
				}
			}
		}
	}
}

const segmentScenario = `apiVersion: plumbline/v1
kind: Scenario
name: s
data:
  accounts: {file: accounts.txt, pick: unique}
  queue: {file: queue.csv, pick: sequential}
  agents: {file: agents.json, weight: weight}
users:
  - name: reader
    weight: 3
    think: {between: [100ms, 900ms]}
    headers: {X-Account: "${accounts}"}
    start: [{name: login, request: "POST /login/${randInt(1, 1000000)}"}]
    tasks:
      - {name: list, weight: 3, request: "GET /list/${queue.id}?n=${randInt(1, 1000000)}"}
      - {name: run, weight: 1, request: POST /run, json: {agent: "${agents.id}", call: "${uuid()}", i: "${iteration()}"}}
`

const secondKind = `  - name: writer
    weight: 1
    think: {exponential: 400ms}
    tasks: [{name: write, request: "PUT /write/${accounts}/${queue.id}"}]
`

const openKinds = `  - name: writer
    weight: 1.5
    tasks: [{name: write, request: "PUT /write/${iteration()}/${queue.id}"}]
  - name: auditor
    weight: 0.5
    tasks: [{name: audit, request: "GET /audit/${randInt(1, 1000000)}"}]
`

func segmentedScenario(t *testing.T, text string) Scenario {
	t.Helper()
	dir := t.TempDir()
	var accounts, queue strings.Builder
	queue.WriteString("id\n")
	for i := range 40 {
		fmt.Fprintf(&accounts, "account-%d\n", i)
	}
	for i := range 7 {
		fmt.Fprintf(&queue, "q%d\n", i)
	}
	for name, content := range map[string]string{"accounts.txt": accounts.String(), "queue.csv": queue.String(), "agents.json": `[{"id": "a", "weight": 9}, {"id": "b", "weight": 1}]`} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s, err := ParseScenario("s.yaml", []byte(text), dir)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// sentBy gives every request of a segment: when, to what, by whom, with what.
func sentBy(t *testing.T, s Scenario, p Profile, seg Segment, identity bool) []string {
	t.Helper()
	var mu sync.Mutex
	var all []string
	var start time.Time
	sum, err := runInBubble(t, s, p, func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		mu.Lock()
		defer mu.Unlock()
		if strings.HasPrefix(r.URL.Path, "/login") && p.Open {
			return // the pool's, before the load
		}
		line := fmt.Sprintf("%s %s %s %s", time.Since(start).Round(time.Millisecond), r.Method, r.URL, body)
		if identity {
			line += " " + r.Header.Get("X-Account")
		}
		all = append(all, line)
	}, func(o *Options, _ *pipes) {
		o.Seed, o.Segment, start = 7, seg, time.Now()
		o.OnStart = func(at time.Time) { start = at }
	})
	if err != nil || sum.Failures > 0 {
		t.Fatalf("segment %s: %v, %d failures", seg, err, sum.Failures)
	}
	return all
}

// The union of the segments is the whole, request for request.
func TestSegmentsAreTheWhole(t *testing.T) {
	for _, c := range []struct {
		name     string
		scenario string
		profile  Profile
		identity bool // an open model doesn't say which user takes an arrival
		atLeast  int
	}{
		{"users", segmentScenario + secondKind, Profile{Stages: []Stage{{0, 20, time.Second, false}, {20, 20, 5 * time.Second, true}}}, true, 150},
		{"users that leave and return", segmentScenario + secondKind, Profile{Stages: []Stage{{20, 20, 2 * time.Second, true}, {20, 3, time.Second, true}, {3, 20, time.Second, true}, {20, 20, 2 * time.Second, true}}}, true, 100},
		{"arrivals", segmentScenario, Profile{Open: true, MaxInFlight: 20, Stages: []Stage{{20, 100, 5 * time.Second, true}}}, false, 300},
		{"arrivals of several kinds", segmentScenario + openKinds, Profile{Open: true, MaxInFlight: 20, Stages: []Stage{{20, 100, 5 * time.Second, true}}}, false, 300},
		{"random arrivals", segmentScenario, Profile{Open: true, Poisson: true, MaxInFlight: 20, Stages: []Stage{{50, 50, 5 * time.Second, true}}}, false, 200},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := segmentedScenario(t, c.scenario)
			whole := sentBy(t, s, c.profile, Segment{}, c.identity)
			var union []string
			for i := 1; i <= 4; i++ {
				part := sentBy(t, s, c.profile, Segment{i, 4}, c.identity)
				if len(part) < len(whole)/8 {
					t.Errorf("segment %d of 4: got %d of %d requests, want about a quarter", i, len(part), len(whole))
				}
				union = append(union, part...)
			}
			slices.Sort(whole)
			slices.Sort(union)
			if diff := cmp.Diff(whole, union); diff != "" || len(whole) < c.atLeast {
				t.Errorf("%d requests of one process (-), %d of four (+):\n%.2000s", len(whole), len(union), diff)
			}
		})
	}
}

// Segments that are ready in time, or nearly so, count from the common start.
func TestCommonStart(t *testing.T) {
	for _, c := range []struct {
		name  string
		ready time.Duration // after the common start
		late  bool
	}{
		{"in time", -5 * time.Second, false},
		{"nearly in time", 50 * time.Millisecond, false},
		{"too late", 3 * time.Second, true},
	} {
		for _, p := range []Profile{{Stages: []Stage{{1, 1, time.Second, true}}}, {Open: true, Stages: []Stage{{1, 1, time.Second, true}}}} {
			var common, ready, start time.Time
			var warnings []string
			_, err := runInBubble(t, mustParse(t, scenarioOf("{name: t, request: GET /}")), p, func(http.ResponseWriter, *http.Request) { time.Sleep(100 * time.Millisecond) }, func(o *Options, _ *pipes) {
				ready = time.Now()
				common = ready.Add(-c.ready)
				o.StartAt, o.Segment = common, Segment{1, 1}
				o.OnStart = func(at time.Time) { start = at }
				o.OnWarning = func(text string) { warnings = append(warnings, text) }
			})
			want := common
			if c.late {
				want = ready
			}
			if told := strings.Contains(strings.Join(warnings, "\n"), "begins 3s after the common start"); err != nil || !start.Equal(want) || told != c.late {
				t.Errorf("%s, open %v: got %v, a start %s after the common one and warnings %q, want %s", c.name, p.Open, err, start.Sub(common), warnings, want.Sub(common))
			}
		}
	}
}

func TestFits(t *testing.T) {
	s := segmentedScenario(t, segmentScenario+secondKind)
	for _, c := range []struct {
		name    string
		profile Profile
		segment Segment
		want    string
	}{
		{"a row for each user", Profile{Name: "p", Stages: []Stage{{0, 40, time.Second, true}}}, Segment{}, ""},
		{"more users than rows", Profile{Name: "p", Stages: []Stage{{0, 41, time.Second, true}}}, Segment{}, "accounts.txt has 40 rows, but profile p has 41 users"},
		{"a larger pool than rows", Profile{Name: "p", Open: true, MaxInFlight: 50, Stages: []Stage{{1, 1, time.Second, true}}}, Segment{}, "has 50 users"},
		{"fewer users than kinds", Profile{Name: "p", Open: true, MaxInFlight: 7, Stages: []Stage{{1, 1, time.Second, true}}}, Segment{1, 4}, "want max_in_flight to be at least 8, a user of each of 2 kinds for each of 4 segments"},
		{"a user of each kind", Profile{Name: "p", Open: true, MaxInFlight: 8, Stages: []Stage{{1, 1, time.Second, true}}}, Segment{1, 4}, ""},
		{"fewer users than segments", Profile{Name: "p", Stages: []Stage{{0, 3, time.Second, true}}}, Segment{1, 4}, "too few for 4 segments"},
	} {
		err := Fits(s, c.profile, c.segment)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", c.name, err, c.want)
		}
	}
}

// What doesn't fit is told with its places in both files.
func TestFitsNamesThePlaces(t *testing.T) {
	s := segmentedScenario(t, segmentScenario+secondKind)
	ps, err := ParseProfiles("p.yaml", []byte("apiVersion: plumbline/v1\nkind: Profiles\nprofiles:\n  many: {users: 41, spawn_rate: 41, duration: 1m}\n  small:\n    arrival_rate: 5/s\n    duration: 1m\n    max_in_flight: 7\n"))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		profile string
		segment Segment
		want    string
	}{
		{"many", Segment{}, "s.yaml:5:13: data set accounts: "},
		{"many", Segment{1, 50}, "p.yaml:4:9: profile many has 41 users: too few for 50 segments"},
		{"small", Segment{1, 4}, "p.yaml:6:5: profile small has 7 users: want max_in_flight to be at least 8"},
	} {
		if err := Fits(s, ps[c.profile], c.segment); err == nil || !strings.Contains("\n"+err.Error(), "\n"+c.want) {
			t.Errorf("%s in %v: got %v, want %s…", c.profile, c.segment, err, c.want)
		}
	}
}

// Streams of neighbouring iterations are independent: tasks come in proportion.
func TestStreamsAreSpread(t *testing.T) {
	sc := newScope(&Scenario{}, 1, 0)
	const n = 100_000
	var counts [10]int
	repeats := 0
	last := -1
	for i := range uint64(n) {
		sc.begin(i)
		at := sc.rng.IntN(10)
		counts[at]++
		if at == last {
			repeats++
		}
		last = at
	}
	chi := 0.0
	for _, c := range counts {
		d := float64(c) - n/10
		chi += d * d / (n / 10)
	}
	if chi > 27.88 { // χ² of 9 degrees of freedom, p = 0.001
		t.Errorf("χ² of the first draws: got %v, want at most 27.88; counts %v", chi, counts)
	}
	if repeats < 9700 || repeats > 10300 { // binomial, ±3.2 sd
		t.Errorf("draws equal to the one before: got %d of %d, want about a tenth", repeats, n)
	}
}

// No two iterations have the same number, and a user's number can be told from it.
func TestClosedIterations(t *testing.T) {
	p := Profile{Stages: []Stage{{0, 7, time.Second, false}}}
	seen := map[uint64]bool{}
	for user := range 7 {
		for life := range 3 {
			for j := range uint64(50) {
				n := closedIteration(p, user, life, j)
				if seen[n] || n%7 != uint64(user) || life == 0 && n != uint64(user)+7*j {
					t.Fatalf("user %d, life %d, iteration %d: got number %d, want one of its own", user, life, j, n)
				}
				seen[n] = true
			}
		}
	}
}
