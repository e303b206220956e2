package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"time"

	"github.com/plumbline/plumbline/pkg/compare"
	"github.com/plumbline/plumbline/pkg/run"
)

// conditions are what must be the same in runs of one test for them to be compared.
type conditions struct {
	Load        run.Load          `json:"load"`
	Seconds     float64           `json:"seconds"` // that the profile asked for, or the run took
	Environment map[string]string `json:"environment,omitempty"`
}

func conditionsOf(r run.Run) *conditions {
	const shortest = 100 * time.Millisecond // difference that counts, so that runs share a text
	return &conditions{r.Load, compare.Duration(r).Round(shortest).Seconds(), r.Environment}
}

// Comparable reports whether two runs are of one test, under conditions under
// which a comparison holds them against each other.
func (s Summary) Comparable(other Summary) bool {
	return s.SameTest(other) && (s.conditions == other.conditions || len(compare.Differences(s.underConditions(), other.underConditions())) == 0)
}

// underConditions is a run of which nothing but its conditions is known.
func (s Summary) underConditions() run.Run {
	c := s.conditions
	return run.Run{
		Scenario: s.Scenario, Profile: s.Profile, Load: c.Load, Environment: c.Environment,
		Window: run.Window{End: time.Time{}.Add(time.Duration(c.Seconds * float64(time.Second)))},
	}
}

// Earlier are the runs that can be compared with the first of the candidates,
// began before the last of them, and are neither candidates nor their repeats.
func Earlier(all []Summary, candidates []run.Run) (earlier []Summary) {
	like, groups, last := Summarize(candidates[0]), map[string]bool{}, candidates[0].Window.Start
	for _, c := range candidates {
		groups[Summarize(c).Group] = true
		if c.Window.Start.After(last) {
			last = c.Window.Start
		}
	}
	for _, x := range all {
		if x.Window.Start.Before(last) && !groups[x.Group] && x.Comparable(like) {
			earlier = append(earlier, x)
		}
	}
	return earlier
}

// fillConditions puts in the conditions of runs that were written when the table had no place for them.
func (d *database) fillConditions(ctx context.Context, tx *sql.Tx) error {
	documents, err := d.withoutConditions(ctx, tx)
	if err != nil {
		return err
	}
	for id, document := range documents {
		var r run.Run
		if err := json.Unmarshal([]byte(document), &r); err != nil {
			return fmt.Errorf("run %s: %w", id, err)
		}
		text, err := json.Marshal(conditionsOf(r))
		if err != nil {
			return fmt.Errorf("run %s: %w", id, err)
		}
		if _, err := tx.ExecContext(ctx, d.sql(`UPDATE runs SET conditions = ? WHERE id = ?`), string(text), id); err != nil {
			return fmt.Errorf("run %s: %w", id, err)
		}
	}
	return nil
}

func (d *database) withoutConditions(ctx context.Context, tx *sql.Tx) (map[string]string, error) {
	rows, err := tx.QueryContext(ctx, `SELECT id, document FROM runs WHERE conditions = ''`)
	if err != nil {
		return nil, err
	}
	defer rows.Close() //nolint:errcheck // rows.Err tells
	documents := map[string]string{}
	for rows.Next() {
		var id, document string
		if err := rows.Scan(&id, &document); err != nil {
			return nil, err
		}
		documents[id] = document
	}
	return documents, rows.Err()
}
