package dashboard_test

import (
	"context"
	"encoding/json"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/prometheus/model/labels"

	"github.com/plumbline/plumbline/pkg/dashboard"
	"github.com/plumbline/plumbline/pkg/promql"
	"github.com/plumbline/plumbline/pkg/run"
)

// fixed answers every range query with the same points.
type fixed struct{ points []promql.Point }

func (f fixed) Query(context.Context, string, time.Time) (promql.Result, error) {
	return promql.Result{}, nil
}

func (f fixed) QueryRange(context.Context, string, promql.Range) (promql.Result, error) {
	return promql.Result{Series: []promql.Series{{Labels: labels.FromStrings("pod", "a"), Points: f.points}}}, nil
}

func TestSnapshotKeepsValuesAndGaps(t *testing.T) {
	start := time.Unix(1000, 0)
	at := func(s int) time.Time { return start.Add(time.Duration(s) * time.Second) }
	v := dashboard.View{
		Run:     run.Run{ID: "R1", Window: run.Window{Start: start, End: at(60)}, Source: run.Source{ScrapeSeconds: 5}},
		Querier: fixed{[]promql.Point{{Time: at(0), Value: 1}, {Time: at(5), Value: math.NaN()}, {Time: at(20), Value: 3}}},
	}
	d := dashboard.Dashboard{Title: "T", Panels: []dashboard.Panel{{Title: "P", Targets: []dashboard.Target{{Expr: "x", Legend: "pod {{pod}}"}}}},
		Model: map[string]any{"uid": "u", "title": "T", "panels": []any{map[string]any{"title": "P"}}}}
	got, err := d.Snapshot(t.Context(), v)
	if err != nil {
		t.Fatal(err)
	}
	panel := got["panels"].([]any)[0].(map[string]any)
	times, values := []any{1000000.0, 1005000.0, 1010000.0, 1020000.0}, []any{1.0, nil, nil, 3.0}
	when := map[string]any{"name": "Time", "type": "time", "config": map[string]any{}}
	value := map[string]any{"name": "Value", "type": "number", "labels": map[string]any{"pod": "a"}, "config": map[string]any{"displayNameFromDS": "pod a"}}
	source := map[string]any{"type": "grafana", "uid": "grafana"}
	want := []any{map[string]any{"refId": "A", "queryType": "snapshot", "datasource": source, "snapshot": []any{
		map[string]any{"schema": map[string]any{"refId": "A", "fields": []any{when, value}}, "data": map[string]any{"values": []any{times, values}}}}}}
	if diff := cmp.Diff(want, panel["targets"]); diff != "" {
		t.Errorf("as Grafana's own data source gives it (-want +got):\n%s", diff)
	}
	when["values"], value["values"] = times, values
	if diff := cmp.Diff([]any{map[string]any{"refId": "A", "name": "pod a", "fields": []any{when, value}}}, panel["snapshotData"]); diff != "" {
		t.Errorf("as Grafana up to 10 reads it (-want +got):\n%s", diff)
	}
	if got["uid"] != nil || got["title"] != "T, run R1" {
		t.Errorf("got uid %v and title %v, want none and the run's", got["uid"], got["title"])
	}
	if diff := cmp.Diff(map[string]any{"from": "1970-01-01T00:16:40Z", "to": "1970-01-01T00:17:40Z"}, got["time"]); diff != "" {
		t.Errorf("time (-want +got):\n%s", diff)
	}
}

func (ref reference) snapshotsHoldItsData(t *testing.T) {
	for _, d := range ref.boards {
		m, err := d.Snapshot(t.Context(), ref.view())
		if err != nil {
			t.Fatal(err)
		}
		text, err := json.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(text), "$") {
			t.Errorf("%s: a variable is left in the snapshot", d.Title)
		}
		if size := len(text); size > 3<<20 {
			t.Errorf("%s: got a snapshot of %d bytes, want at most 3 MiB", d.Title, size)
		}
		for _, p := range m["panels"].([]any) {
			if frames := p.(map[string]any)["snapshotData"].([]any); len(frames) == 0 {
				t.Errorf("%s: %v has no data", d.Title, p.(map[string]any)["title"])
			}
		}
		if len(d.Model["templating"].(map[string]any)["list"].([]any)) == 0 {
			t.Errorf("%s: making a snapshot changed the dashboard", d.Title)
		}
	}
}
