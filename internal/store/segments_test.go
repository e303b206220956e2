package store

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/plumbline/plumbline/pkg/run"
)

func TestSegmentsOfOneRun(t *testing.T) {
	st := Open(t.TempDir())
	for _, n := range []int{2, 1} { // in any order
		if err := st.ReserveSegment("r", n); err != nil {
			t.Fatal(err)
		}
	}
	if err := st.ReserveSegment("r", 2); !errors.Is(err, ErrExists) || !strings.Contains(err.Error(), "segment 2 is taken") {
		t.Errorf("segment 2 again: got %v, want that it is taken", err)
	}
	r := run.Run{ID: "r", State: run.Complete, Generators: run.Generators{Expected: 2, Segments: []run.Generator{{Segment: 1, Valid: true}}}}
	if err := st.Save(r); err != nil {
		t.Fatal(err)
	}
	if err := st.ReserveSegment("r", 1); !errors.Is(err, ErrExists) {
		t.Errorf("a run that is there: got %v, want ErrExists", err)
	}
	for _, c := range []struct {
		name   string
		save   []Segment
		want   int // valid segments
		reason string
	}{
		{"segment 2 hasn't ended", []Segment{{State: run.Complete, Generator: run.Generator{Segment: 1, Valid: true}}}, 1, "segment 2: it has not told how it ended"},
		{"both are valid", []Segment{{State: run.Complete, Generator: run.Generator{Segment: 2, Valid: true}}}, 2, ""},
		{"segment 2 was slow", []Segment{{State: run.Complete, Generator: run.Generator{Segment: 2, Reasons: []string{"slow"}}}}, 1, "segment 2: slow"},
	} {
		for _, s := range c.save {
			if err := st.SaveSegment("r", s); err != nil {
				t.Fatal(err)
			}
		}
		got, err := st.Load("r")
		if err != nil {
			t.Fatal(err)
		}
		valid := 0
		for _, g := range got.Generators.Segments {
			if g.Valid {
				valid++
			}
		}
		if problems := strings.Join(got.Generators.Problems(), "; "); valid != c.want || problems != c.reason || len(got.Generators.Segments) != 2 {
			t.Errorf("%s: got %d valid of %+v, problems %q, want %d and %q", c.name, valid, got.Generators.Segments, problems, c.want, c.reason)
		}
	}
}

func TestAwaitSegments(t *testing.T) {
	st := Open(t.TempDir())
	if err := st.ReserveSegment("r", 3); err != nil {
		t.Fatal(err)
	}
	if err := st.AwaitSegments(t.Context(), "r", time.Millisecond, nil); err == nil || !strings.Contains(err.Error(), "segment 3 had not ended") {
		t.Errorf("got %v, want that segment 3 had not ended", err)
	}
	if err := st.SaveSegment("r", Segment{State: run.Aborted, Generator: run.Generator{Segment: 3}}); err != nil {
		t.Fatal(err)
	}
	if err := st.AwaitSegments(t.Context(), "r", time.Minute, nil); err != nil {
		t.Errorf("after its end: got %v", err)
	}
}

// Who waits is told for which segments, once, and may end it.
func TestAwaitSegmentsIsTold(t *testing.T) {
	st := Open(t.TempDir())
	for _, n := range []int{2, 3} {
		if err := st.ReserveSegment("r", n); err != nil {
			t.Fatal(err)
		}
	}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	told := 0
	err := st.AwaitSegments(ctx, "r", time.Hour, func(upTo time.Duration, why error) {
		told++
		if upTo != time.Hour || why.Error() != "run r: segments 2, 3 under way" {
			t.Errorf("got %s, %v, want an hour, for segments 2 and 3", upTo, why)
		}
		stop()
	})
	if told != 1 || err == nil || err.Error() != "run r: segments 2, 3 had not ended after 0s" {
		t.Errorf("got %v, told %d times, want what had not ended, and once", err, told)
	}
}

// A segment that is given back leaves those of others alone.
func TestDiscardSegment(t *testing.T) {
	st := Open(t.TempDir())
	for _, n := range []int{1, 2} {
		if err := st.ReserveSegment("r", n); err != nil {
			t.Fatal(err)
		}
	}
	if err := st.DiscardSegment("r", 1); err != nil {
		t.Fatal(err)
	}
	if all, err := st.Segments("r"); err != nil || len(all) != 1 || all[0].Generator.Segment != 2 {
		t.Errorf("got %+v, %v, want segment 2", all, err)
	}
	if err := st.DiscardSegment("r", 2); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(st.Dir("r")); !os.IsNotExist(err) {
		t.Errorf("got %v, want no folder left", err)
	}
}
