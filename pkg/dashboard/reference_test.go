package dashboard_test

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/tsdb"

	"github.com/plumbline/plumbline/pkg/dashboard"
	"github.com/plumbline/plumbline/pkg/promql"
	"github.com/plumbline/plumbline/pkg/promql/catalog"
	"github.com/plumbline/plumbline/pkg/promql/embedded"
	"github.com/plumbline/plumbline/pkg/promql/lint"
	"github.com/plumbline/plumbline/pkg/run"
	"github.com/plumbline/plumbline/pkg/slo"
)

const (
	example      = "../../examples/paracle"
	referenceID  = "PERF-2026-01-18-001"
	otherID      = "PERF-2026-01-18-002"
	otherIsOfOne = 0.5 // what the other run counted, of the reference's
)

// reference is the guide's own run, and the dashboards of its SLA.
type reference struct {
	agreement slo.Agreement
	run       run.Run
	boards    []dashboard.Dashboard
	db        *embedded.DB
}

func agreement(t *testing.T) slo.Agreement {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(example, "sla.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	a, err := slo.Parse("sla.yaml", text)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// openReference opens the reference run's recording beside one of another run.
func openReference(t *testing.T) reference {
	t.Helper()
	ref := reference{agreement: agreement(t)}
	ref.boards = dashboard.All(ref.agreement, catalog.Presets[0])
	dir := filepath.Join(example, "results/runs", referenceID)
	text, err := os.ReadFile(filepath.Join(dir, "run.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &ref.run); err != nil {
		t.Fatal(err)
	}
	both := t.TempDir()
	blocks, err := filepath.Glob(filepath.Join(dir, "recording/*/meta.json"))
	if err != nil || len(blocks) == 0 {
		t.Fatalf("got %d blocks of the reference run, %v", len(blocks), err)
	}
	for _, meta := range blocks {
		block, err := filepath.Abs(filepath.Dir(meta))
		if err == nil {
			err = os.Symlink(block, filepath.Join(both, filepath.Base(block)))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	writeOtherRun(t, both, ref.run.Window)
	if ref.db, err = embedded.Open(both); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ref.db.Close() })
	return ref
}

// writeOtherRun adds a block with the load generator's series of another run.
func writeOtherRun(t *testing.T, dir string, w run.Window) {
	t.Helper()
	db, err := embedded.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	res, err := db.Query(t.Context(), fmt.Sprintf(`{__name__=~"loadgen_.*"}[%ds]`, int(w.Duration().Seconds())+60), w.End.Add(30*time.Second))
	if err != nil {
		t.Fatal(err)
	}
	block, err := tsdb.NewBlockWriter(slog.New(slog.DiscardHandler), dir, 4*time.Hour.Milliseconds())
	if err != nil {
		t.Fatal(err)
	}
	app := block.Appender(t.Context())
	for _, s := range res.Series {
		ls := labels.NewBuilder(s.Labels).Set("run", otherID).Labels()
		for _, p := range s.Points {
			if p.Histogram != nil {
				continue
			}
			if _, err := app.Append(0, ls, p.Time.UnixMilli(), p.Value*otherIsOfOne); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := app.Commit(); err != nil {
		t.Fatal(err)
	}
	if _, err := block.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := block.Close(); err != nil {
		t.Fatal(err)
	}
}

func (ref reference) view() dashboard.View {
	return dashboard.View{Querier: ref.db, Run: ref.run, Choices: map[string]string{"baseline_run": otherID}}
}

func TestOnTheReferenceRun(t *testing.T) {
	ref := openReference(t)
	t.Run("every panel answers", ref.everyPanelAnswers)
	t.Run("panels show the report's numbers", ref.panelsShowTheReportsNumbers)
	t.Run("the comparison shows both runs", ref.comparisonShowsBothRuns)
	t.Run("snapshots hold its data", ref.snapshotsHoldItsData)
}

// openModelOnly are the panels' queries that a closed model, as the reference
// run's, has no series for: it is due nothing and drops nothing.
var openModelOnly = []string{"due", "dropped"}

func (ref reference) everyPanelAnswers(t *testing.T) {
	v := ref.view()
	for _, d := range ref.boards {
		for _, p := range d.Panels {
			for _, target := range p.Targets {
				res, err := v.Answer(t.Context(), target, 15*time.Second)
				if err != nil {
					t.Errorf("%s: %s: %s: %v", d.Title, p.Title, target.Legend, err)
					continue
				}
				if !shows(res) && !slices.Contains(openModelOnly, target.Legend) {
					t.Errorf("%s: %s: %s shows nothing: %s", d.Title, p.Title, target.Legend, v.Fill(target.Expr, 15*time.Second))
				}
			}
		}
	}
}

// shows tells whether there is a number to be seen.
func shows(res promql.Result) bool {
	for _, s := range res.Series {
		for _, p := range s.Points {
			if !math.IsNaN(p.Value) {
				return true
			}
		}
	}
	return false
}

// rateTolerance is how far a rate over a whole window may lie from what is
// counted in it: the window's first and last scrape don't fall on its edges, so
// rate extrapolates by up to half a scrape at each, of 361.
const rateTolerance = 0.004

func (ref reference) panelsShowTheReportsNumbers(t *testing.T) {
	meter := promql.NewMeter(ref.db, ref.run.Source.Scrape())
	scores, err := ref.agreement.Measure(t.Context(), meter, slo.Scope{Run: ref.run})
	if err != nil {
		t.Fatal(err)
	}
	rows := map[string]slo.Result{}
	for _, r := range scores.Objectives {
		rows[r.Objective.ID] = r
	}
	resources := map[string]slo.ResourceResult{}
	for _, r := range scores.Resources {
		resources[r.Resource.ID] = r
	}
	objectives, figures := 0, 0
	for _, d := range ref.boards {
		for _, p := range d.Panels {
			for _, target := range p.Targets {
				at := d.Title + ": " + p.Title + ": " + target.Legend
				if target.Objective != "" {
					objectives++
					row, ok := rows[target.Objective]
					if !ok {
						t.Errorf("%s: the report has no row %s", at, target.Objective)
						continue
					}
					ref.holdAgainstRow(t, at, target, row)
				}
				if target.Resource != "" {
					figures++
					ref.holdAgainstResource(t, at, target, resources[target.Resource])
				}
			}
		}
	}
	if objectives < 10 || figures < 15 {
		t.Errorf("got %d panels of objectives and %d of resources, want those of the SLA", objectives, figures)
	}
}

// holdAgainstRow asks a panel's query over the window of the row.
func (ref reference) holdAgainstRow(t *testing.T, at string, target dashboard.Target, row slo.Result) {
	t.Helper()
	w := ref.run.Window
	if o := row.Objective; o.Quantile != nil || o.Mean != nil || o.Gauge != nil {
		w = ref.run.Steady
	}
	v := ref.view()
	v.Choices["__rate_interval"] = fmt.Sprintf("%dms", w.Duration().Milliseconds())
	res, err := v.Querier.Query(t.Context(), v.Fill(target.Expr, 0), w.End)
	if err != nil {
		t.Fatalf("%s: %v", at, err)
	}
	want := []slo.Result{row}
	if row.Objective.By != "" {
		want = row.By
	}
	if len(res.Series) != len(want) {
		t.Errorf("%s: got %d lines, want %d", at, len(res.Series), len(want))
	}
	for _, r := range want {
		i := slices.IndexFunc(res.Series, func(s promql.Series) bool { return labels.Equal(s.Labels, r.Labels) })
		if i < 0 {
			t.Errorf("%s: no line for %v", at, r.Labels)
			continue
		}
		if got := res.Series[i].Points[0].Value; !(math.Abs(got-r.Value) <= rateTolerance*math.Abs(r.Value)) {
			t.Errorf("%s %v: the panel shows %v, the report's %s is %v", at, r.Labels, got, r.Objective.ID, r.Value)
		}
	}
}

// holdAgainstResource looks at every scrape, as the report does, so the greatest
// value is the very same.
func (ref reference) holdAgainstResource(t *testing.T, at string, target dashboard.Target, row slo.ResourceResult) {
	t.Helper()
	scrape := ref.run.Source.Scrape()
	v := ref.view()
	v.Choices["__rate_interval"] = fmt.Sprintf("%dms", (4 * scrape).Milliseconds())
	v.Run.Window = ref.run.Steady
	res, err := v.Answer(t.Context(), target, scrape)
	if err != nil {
		t.Fatalf("%s: %v", at, err)
	}
	got := math.NaN()
	for _, s := range res.Series {
		for _, p := range s.Points {
			if !(p.Value <= got) {
				got = p.Value
			}
		}
	}
	want := row.Peak
	if target.Share {
		want /= row.Limit
	}
	if !(math.Abs(got-want) <= 1e-9*math.Abs(want)) {
		t.Errorf("%s: the panel shows %v at the most, the report's %s peaks at %v", at, got, row.Resource.ID, want)
	}
}

func (ref reference) comparisonShowsBothRuns(t *testing.T) {
	v := ref.view()
	board := ref.boards[slices.IndexFunc(ref.boards, func(d dashboard.Dashboard) bool { return d.File == "run-comparison.json" })]
	for _, p := range board.Panels {
		for _, target := range p.Targets {
			res, err := v.Answer(t.Context(), target, 15*time.Second)
			if err != nil {
				t.Fatal(err)
			}
			var runs []string
			for _, s := range res.Series {
				runs = append(runs, s.Labels.Get("run"))
			}
			if !slices.Equal(runs, []string{referenceID, otherID}) {
				t.Errorf("%s: got runs %v, want the reference and the other", p.Title, runs)
				continue
			}
			if p.Title == "Requests of each run" {
				one, other := res.Series[0].Points[0].Value, res.Series[1].Points[0].Value
				if math.Abs(other/one-otherIsOfOne) > 1e-6 || one < 1.8e6 {
					t.Errorf("%s: got %v and %v, want half of 1,847,293 for the other run", p.Title, one, other)
				}
			}
		}
	}
}

func TestExpressionsAreLinted(t *testing.T) {
	a := agreement(t)
	const scrape = 5 * time.Second
	v := dashboard.View{Run: run.Run{ID: lint.Any, Service: lint.Any, Source: run.Source{ScrapeSeconds: 5}, Window: run.Window{Start: time.Unix(0, 0), End: time.Unix(1800, 0)}}}
	units := map[string]string{"s": "s", "percentunit": "ratio", "decbytes": "bytes", "reqps": "req/s", "Bps": "bytes/s"}
	for _, p := range catalog.Presets {
		for _, d := range dashboard.All(a, p) {
			for _, panel := range d.Panels {
				for _, target := range panel.Targets {
					expr := v.Fill(target.Expr, scrape)
					if strings.Contains(expr, "$") {
						t.Errorf("%s: %s: a variable is left: %s", d.Title, panel.Title, expr)
					}
					for _, f := range lint.Check(lint.Query{Expr: expr, Scrape: scrape, Unit: units[panel.Unit]}) {
						if f.Severity > lint.Info {
							t.Errorf("%s, %s: %s: %s: %s (%s): %s", p.Name, d.Title, panel.Title, f.Severity, f.Text, f.Rule, expr)
						}
					}
				}
			}
		}
	}
}
