package loadgen

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"time"

	"github.com/plumbline/plumbline/pkg/strictyaml"
)

// A Segment is the share that one process has of a run's load: every Of-th user
// and every Of-th arrival. What a user or an arrival does depends on its number
// and the seed alone, so the segments of a run send together what one process
// would. The zero Segment is the whole load.
type Segment struct {
	Index int // from 1
	Of    int
}

var segmentForm = regexp.MustCompile(`^(\d{1,4})/(\d{1,4})$`)

// ParseSegment reads a segment such as 2/4; the text "" is the whole load.
func ParseSegment(text string) (Segment, error) {
	if text == "" {
		return Segment{}, nil
	}
	var s Segment
	if m := segmentForm.FindStringSubmatch(text); m != nil {
		s.Index, _ = strconv.Atoi(m[1]) //nolint:errcheck // the form has digits alone
		s.Of, _ = strconv.Atoi(m[2])    //nolint:errcheck // as above
	}
	if s.Index < 1 || s.Index > s.Of {
		return Segment{}, fmt.Errorf("want a segment such as 1/4, the first of four, got %q", text)
	}
	return s, nil
}

func (s Segment) String() string { return fmt.Sprintf("%d/%d", s.Number(), s.Total()) }

// Number is the segment's, from 1.
func (s Segment) Number() int { return max(s.Index, 1) }

// Total is how many segments there are.
func (s Segment) Total() int { return max(s.Of, 1) }

// Share is how many of the first n users are the segment's.
func (s Segment) Share(n int) int { return (n + s.Total() - s.Number()) / s.Total() }

// User is the number, among all users of the run, of the segment's own i-th; both from 0.
func (s Segment) User(i int) int { return i*s.Total() + s.Number() - 1 }

func (s Segment) has(arrival uint64) bool {
	return arrival%uint64(s.Total()) == uint64(s.Number()-1)
}

// An arrival is an iteration of an open model that is to start.
type arrival struct {
	number uint64        // among all of the run, from 0
	due    time.Duration // on the fleet's clock
	stage  *tail         // in which it is due
}

// closedIteration numbers the iterations of a closed model: the j-th of user k
// is k + j·users. A user that has been stopped and started again goes on with
// numbers that no earlier life of it can have reached.
func closedIteration(p Profile, user, life int, j uint64) uint64 {
	return uint64(user) + (uint64(life)<<32|j)*uint64(max(p.MaxUsers(), 1))
}

// awaitStart waits for the time at which all segments begin, and gives the one at
// which this one does; false when ctx ended before. Whoever was ready by then counts
// from then, however late it wakes: what was due meanwhile is late, and measured so.
func (g *Generator) awaitStart(ctx context.Context) (start time.Time, ok bool) {
	now := time.Now()
	if g.opts.StartAt.IsZero() {
		return now, ctx.Err() == nil
	}
	wait := g.opts.StartAt.Sub(now)
	if late := -wait; late > maxLateStart {
		g.tell(fmt.Sprintf("the load of segment %s begins %s after the common start: it took longer to get ready", g.opts.Segment, late.Round(time.Millisecond)))
		return now, ctx.Err() == nil
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return time.Now(), false
	case <-timer.C:
		return now.Add(wait), ctx.Err() == nil // with the reading of the monotonic clock
	}
}

// maxLateStart is how late a segment may be ready and still count from the common start.
const maxLateStart = 100 * time.Millisecond

// Fits tells whether a scenario can be run under a profile, split like this:
// there are rows for everybody, and users for every segment, in an open model of each kind.
func Fits(s Scenario, p Profile, seg Segment) error {
	users := p.mostUsers()
	var errs []error
	refuse := func(at strictyaml.Place, format string, args ...any) { errs = append(errs, at.Errorf(format, args...)) }
	for _, set := range s.data {
		if set.pick == pickUnique && len(set.rows) < users {
			refuse(set.at, "data set %s: %s has %d rows, but profile %s has %d users, and each needs a row of its own (pick: unique)", set.name, set.file, len(set.rows), p.Name, users)
		}
	}
	if seg.Of > 1 && users < seg.Of {
		refuse(p.at, "profile %s has %d users: too few for %d segments", p.Name, users, seg.Total())
	} else if need := seg.Total() * len(s.Users); p.Open && users < need {
		refuse(p.at, "profile %s has %d users: want max_in_flight to be at least %d, a user of each of %d kinds for each of %d segments", p.Name, users, need, len(s.Users), seg.Total())
	}
	return errors.Join(errs...)
}
