package rules_test

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/plumbline/plumbline/pkg/promql"
	"github.com/plumbline/plumbline/pkg/promql/embedded"
	"github.com/plumbline/plumbline/pkg/rules"
	"github.com/plumbline/plumbline/pkg/run"
	"github.com/plumbline/plumbline/pkg/slo"
)

const example = "../../examples/paracle"

// rateTolerance is how far a rate over a whole window may lie from what is
// counted in it: rate extrapolates by up to half a scrape at each edge, of 361.
const rateTolerance = 0.004

// TestRulesAnswerOnTheReferenceRun asks every recording rule of the guide's own
// run, over the run's window instead of its last minutes: it must give the
// report's number.
func TestRulesAnswerOnTheReferenceRun(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(example, "sla.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	a, err := slo.Parse("sla.yaml", text)
	if err != nil {
		t.Fatal(err)
	}
	set, err := rules.Make(a, rules.Options{})
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(example, "results/runs/PERF-2026-01-18-001")
	if text, err = os.ReadFile(filepath.Join(dir, "run.json")); err != nil {
		t.Fatal(err)
	}
	var r run.Run
	if err := json.Unmarshal(text, &r); err != nil {
		t.Fatal(err)
	}
	db, err := embedded.Open(filepath.Join(dir, "recording"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	scores, err := a.Measure(t.Context(), promql.NewMeter(db, r.Source.Scrape()), slo.Scope{Run: r})
	if err != nil {
		t.Fatal(err)
	}
	held := 0
	for _, rule := range byName(set.Indicators) {
		i := slices.IndexFunc(scores.Objectives, func(s slo.Result) bool { return s.Objective.ID == rule.Labels["objective"] })
		switch {
		case i >= 0:
			held++
			holdAgainst(t, db, r, rule, scores.Objectives[i])
		case rule.Labels["resource"] != "" && !answers(t, db, rule.Expr, r.Window.End):
			t.Errorf("%s: nothing answers %s", rule.Record, rule.Expr)
		}
	}
	if held < 25 {
		t.Errorf("got %d indicators with a row in the report, want those of the run's scenario", held)
	}
	for _, rule := range byName(set.BurnRates) { // they look at what is recorded, or at events
		o := slices.IndexFunc(scores.Objectives, func(s slo.Result) bool { return s.Objective.ID == rule.Labels["objective"] })
		if rule.Record != "" && o >= 0 && !strings.Contains(rule.Expr, "plumbline:") && !answers(t, db, rule.Expr, r.Window.End) {
			t.Errorf("%s: nothing answers %s", rule.Record, rule.Expr)
		}
	}
}

func answers(t *testing.T, q promql.Querier, expr string, at time.Time) bool {
	t.Helper()
	res, err := q.Query(t.Context(), expr, at)
	if err != nil {
		t.Error(err)
	}
	return len(res.Series) > 0 && !math.IsNaN(res.Series[0].Points[0].Value)
}

// holdAgainst asks a rule over the window of a row of the report.
func holdAgainst(t *testing.T, q promql.Querier, r run.Run, rule rules.Rule, row slo.Result) {
	t.Helper()
	o, w := row.Objective, r.Window
	if o.Quantile != nil || o.Mean != nil || o.Gauge != nil {
		w = r.Steady
	}
	window := fmt.Sprintf("[%dms]", w.Duration().Milliseconds())
	expr := strings.NewReplacer("[5m]", window, "[1h]", window, "[5m:1m]", fmt.Sprintf("[%dms:1m]", w.Duration().Milliseconds())).Replace(rule.Expr)
	if o.Rate != nil && o.Rate.Over > 0 {
		expr = fmt.Sprintf("%s_over_time(%s[%dms:5s])", o.Rate.Reduce, rule.Expr, w.Duration().Milliseconds()-time.Duration(o.Rate.Over).Milliseconds())
	}
	res, err := q.Query(t.Context(), expr, w.End)
	if err != nil {
		t.Errorf("%s: %v", rule.Record, err)
		return
	}
	want := []slo.Result{row}
	if o.By != "" {
		want = row.By
	}
	if len(res.Series) != len(want) {
		t.Errorf("%s: got %d series, want %d: %s", rule.Record, len(res.Series), len(want), expr)
		return
	}
	tolerance := rateTolerance
	if o.Rate != nil && o.Rate.Over > 0 { // rate lacks the first interval of its stretch, and extrapolates over it
		tolerance = float64(r.Source.Scrape()) / float64(o.Rate.Over)
	}
	for i, s := range res.Series { // both are sorted by labels
		if got := s.Points[0].Value; !(math.Abs(got-want[i].Value) <= tolerance*math.Abs(want[i].Value)) {
			t.Errorf("%s: got %v, and the report says %v: %s", rule.Record, got, want[i].Value, expr)
		}
	}
}
