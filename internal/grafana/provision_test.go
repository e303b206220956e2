package grafana_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	gapi "github.com/grafana/grafana-api-golang-client"
	promconfig "github.com/prometheus/common/config"

	"github.com/plumbline/plumbline/internal/grafana"
	"github.com/plumbline/plumbline/internal/grafana/grafanatest"
	"github.com/plumbline/plumbline/pkg/run"
)

// A site is the Grafana that the tests speak to: the one at GRAFANA_URL, such as
// http://admin:admin@127.0.0.1:3000, or the stand-in.
type site struct {
	url            string
	user, password string
	raw            *gapi.Client        // a person at Grafana's own pages
	standIn        *grafanatest.Server // nil for a real one
}

func newSite(t *testing.T) site {
	t.Helper()
	s := site{user: grafanatest.AdminUser, password: grafanatest.AdminPassword}
	if text := os.Getenv("GRAFANA_URL"); text != "" {
		u, err := url.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		if u.User != nil {
			s.user = u.User.Username()
			s.password, _ = u.User.Password()
		}
		u.User = nil
		s.url = u.String()
	} else {
		s.standIn = grafanatest.New(t)
		s.url = s.standIn.URL
	}
	var err error
	if s.raw, err = gapi.New(s.url, gapi.Config{BasicAuth: url.UserPassword(s.user, s.password)}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { // a real one is left as it was
		_ = s.raw.DeleteFolder("plumbline-test")
		_ = s.raw.DeleteDashboardByUID("plumbline-test-a")
		_ = s.raw.DeleteDashboardByUID("plumbline-test-b")
		if d, err := s.raw.DataSourceByName("plumbline-test"); err == nil {
			_ = s.raw.DeleteDataSource(d.ID)
		}
	})
	return s
}

func (s site) dial(t *testing.T, auth promconfig.HTTPClientConfig) *grafana.Client {
	t.Helper()
	c, err := grafana.Dial(t.Context(), grafana.Options{URL: s.url, HTTP: auth})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func (s site) admin(t *testing.T) *grafana.Client {
	t.Helper()
	return s.dial(t, promconfig.HTTPClientConfig{BasicAuth: &promconfig.BasicAuth{Username: s.user, Password: promconfig.Secret(s.password)}})
}

func bearer(token string) promconfig.HTTPClientConfig {
	return promconfig.HTTPClientConfig{Authorization: &promconfig.Authorization{Type: "Bearer", Credentials: promconfig.Secret(token)}}
}

func dashboard(uid, title, expr string) grafana.Dashboard {
	return grafana.Dashboard{
		"uid": uid, "title": title, "schemaVersion": 37, "tags": []any{"plumbline"}, "time": map[string]any{"from": "now-30m", "to": "now"},
		"templating": map[string]any{"list": []any{map[string]any{"name": grafana.SourceVariable, "type": "datasource", "query": "prometheus"}}},
		"panels": []any{map[string]any{"id": 1, "type": "timeseries", "title": "Request Rate (req/s)", "gridPos": map[string]any{"x": 0, "y": 0, "w": 12, "h": 8},
			"datasource": map[string]any{"type": "prometheus", "uid": "${datasource}"}, "targets": []any{map[string]any{"refId": "A", "expr": expr}}}},
	}
}

func plan() grafana.Plan {
	return grafana.Plan{
		Folder:     grafana.Folder{UID: "plumbline-test", Title: "Plumbline test"},
		DataSource: grafana.DataSource{Name: "plumbline-test", URL: "http://127.0.0.1:19999/", Scrape: 5 * time.Second},
		Dashboards: []grafana.Dashboard{dashboard("plumbline-test-a", "A", "sum(rate(http_requests_total[1m]))"), dashboard("plumbline-test-b", "B", "up")},
	}
}

func deeds(steps []grafana.Step) (list []string) {
	for _, s := range steps {
		list = append(list, s.What+": "+string(s.Did))
	}
	return list
}

// provision carries out a plan and holds what was done against what is wanted.
func provision(t *testing.T, c *grafana.Client, p grafana.Plan, want ...string) []grafana.Step {
	t.Helper()
	steps, err := c.Provision(p)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, deeds(steps)); diff != "" {
		t.Fatalf("steps (-want +got):\n%s", diff)
	}
	return steps
}

const (
	folderStep = "folder Plumbline test: "
	sourceStep = "data source plumbline-test (http://127.0.0.1:19999/): "
)

// version is how often dashboard A has been saved.
func (s site) version(t *testing.T) float64 {
	t.Helper()
	d, err := s.raw.DashboardByUID("plumbline-test-a")
	if err != nil {
		t.Fatal(err)
	}
	version, _ := d.Model["version"].(float64)
	return version
}

func TestProvisioningTwiceChangesNothing(t *testing.T) {
	s := newSite(t)
	c := s.admin(t)
	p := plan()
	p.DryRun = true
	provision(t, c, p, folderStep+"created", sourceStep+"created", "dashboard A: created", "dashboard B: created")
	p.DryRun = false
	provision(t, c, p, folderStep+"created", sourceStep+"created", "dashboard A: created", "dashboard B: created")
	before := s.version(t)
	provision(t, c, p, folderStep+"unchanged", sourceStep+"unchanged", "dashboard A: unchanged", "dashboard B: unchanged")
	if after := s.version(t); after != before {
		t.Errorf("got version %v of a dashboard that did not change, want %v", after, before)
	}
	saved, err := s.raw.DashboardByUID("plumbline-test-a")
	if err != nil {
		t.Fatal(err)
	}
	variables := saved.Model["templating"].(map[string]any)["list"].([]any)
	if got := variables[0].(map[string]any)["current"].(map[string]any)["value"]; got != "plumbline-test" {
		t.Errorf("got data source %v chosen in the dashboard, want plumbline-test", got)
	}
}

func TestNewerDashboardsReplaceOurOwn(t *testing.T) {
	s := newSite(t)
	c := s.admin(t)
	if _, err := c.Provision(plan()); err != nil {
		t.Fatal(err)
	}
	p := plan()
	p.Dashboards[0] = dashboard("plumbline-test-a", "A", "sum(rate(http_requests_total[2m]))")
	p.DryRun = true
	steps := provision(t, c, p, folderStep+"unchanged", sourceStep+"unchanged", "dashboard A: updated", "dashboard B: unchanged")
	if diff := cmp.Diff([]string{`panels[0].targets[0].expr: "sum(rate(http_requests_total[1m]))" → "sum(rate(http_requests_total[2m]))"`}, steps[2].Differences); diff != "" {
		t.Errorf("differences (-want +got):\n%s", diff)
	}
	before := s.version(t)
	p.DryRun = false
	provision(t, c, p, folderStep+"unchanged", sourceStep+"unchanged", "dashboard A: updated", "dashboard B: unchanged")
	if after := s.version(t); after != before+1 {
		t.Errorf("got version %v after one update, want %v", after, before+1)
	}
}

func TestWhatAPersonChangedIsKept(t *testing.T) {
	s := newSite(t)
	c := s.admin(t)
	if _, err := c.Provision(plan()); err != nil {
		t.Fatal(err)
	}
	there, err := s.raw.DashboardByUID("plumbline-test-a")
	if err != nil {
		t.Fatal(err)
	}
	there.Model["title"] = "A, our way"
	if _, err := s.raw.NewDashboard(gapi.Dashboard{Model: there.Model, FolderUID: "plumbline-test", Overwrite: true}); err != nil {
		t.Fatal(err)
	}
	steps := provision(t, c, plan(), folderStep+"unchanged", sourceStep+"unchanged", "dashboard A: kept", "dashboard B: unchanged")
	if diff := cmp.Diff([]string{`title: "A, our way" → "A"`}, steps[2].Differences); diff != "" {
		t.Errorf("differences (-want +got):\n%s", diff)
	}
	p := plan()
	p.Force = true
	provision(t, c, p, folderStep+"unchanged", sourceStep+"unchanged", "dashboard A: updated", "dashboard B: unchanged")
	provision(t, c, plan(), folderStep+"unchanged", sourceStep+"unchanged", "dashboard A: unchanged", "dashboard B: unchanged")
}

func TestADataSourceThatIsThereIsUsed(t *testing.T) {
	s := newSite(t)
	if _, err := s.raw.NewDataSource(&gapi.DataSource{Name: "plumbline-test", UID: "theirs", Type: "prometheus", URL: "http://127.0.0.1:19999", Access: "proxy"}); err != nil {
		t.Fatal(err)
	}
	provision(t, s.admin(t), plan(), folderStep+"created", "data source plumbline-test (http://127.0.0.1:19999): unchanged", "dashboard A: created", "dashboard B: created")
	p := plan()
	p.DataSource.UID = "nobodys"
	_, err := s.admin(t).Provision(p)
	wantError(t, err, `no data source with the uid "nobodys"`, "theirs (plumbline-test")
	p = plan()
	p.DataSource.URL = "http://127.0.0.1:19998" // another Prometheus, and the name is taken
	steps, err := s.admin(t).Provision(p)
	wantError(t, err, "create data source plumbline-test for http://127.0.0.1:19998", "same name", "theirs")
	if diff := cmp.Diff([]string{folderStep + "unchanged"}, deeds(steps)); diff != "" {
		t.Errorf("steps before the error (-want +got):\n%s", diff)
	}
}

func wantError(t *testing.T, err error, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("got error %v, want %q in it", err, part)
		}
	}
}

func TestUIDsThatAreTaken(t *testing.T) {
	s := newSite(t)
	if _, err := s.raw.NewFolder("Plumbline test", "plumbline-test"); err != nil {
		t.Fatal(err)
	}
	p := plan()
	p.Dashboards = []grafana.Dashboard{dashboard("plumbline-test", "A", "up")}
	_, err := s.admin(t).Provision(p)
	wantError(t, err, "save dashboard A", `a folder has its uid "plumbline-test"`)
	p = plan()
	p.Folder.UID = "plumbline-test-b"
	_, err = s.admin(t).Provision(p)
	wantError(t, err, "create folder Plumbline test (uid plumbline-test-b)", "rename it, or choose another folder")
}

func TestAnnotationOfARun(t *testing.T) {
	s := newSite(t)
	c := s.admin(t)
	start := time.Date(2026, 1, 18, 10, 0, 0, 0, time.UTC)
	a := grafana.Annotation{Run: "PERF-TEST-" + time.Now().Format("150405.000"), Window: run.Window{Start: start, End: start.Add(1805 * time.Second)}, Verdict: "warn", Text: "warn: p99.9 should be watched"}
	annotate := func(a grafana.Annotation, dryRun bool, want grafana.Deed) {
		t.Helper()
		step, err := c.Annotate(a, dryRun)
		if err != nil || step.Did != want {
			t.Fatalf("got %s, %v, want %s", step.Did, err, want)
		}
	}
	annotate(a, true, grafana.Created)
	annotate(a, false, grafana.Created)
	annotate(a, false, grafana.Unchanged)
	a.Verdict, a.Text = "pass", "pass"
	annotate(a, false, grafana.Updated)
	annotate(a, false, grafana.Unchanged)
	all, err := s.raw.Annotations(url.Values{"tags": {a.Run}})
	if err != nil || len(all) != 1 || all[0].Text != "pass" || all[0].TimeEnd-all[0].Time != 1805_000 {
		t.Errorf("got %+v, %v, want one annotation of 1805 s that says pass", all, err)
	}
	for _, one := range all {
		_, _ = s.raw.DeleteAnnotation(one.ID)
	}
}

func TestWhereARunIsShown(t *testing.T) {
	start := time.UnixMilli(1768737600000)
	got := grafana.RunURL("http://127.0.0.1:3000/", "plumbline-overview", "R 1", run.Window{Start: start, End: start.Add(time.Minute)})
	if want := "http://127.0.0.1:3000/d/plumbline-overview?from=1768737600000&to=1768737660000&var-run=R+1"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestSnapshot(t *testing.T) {
	s := newSite(t)
	at, err := s.admin(t).Snapshot(dashboard("plumbline-test-a", "A", "up"), time.Hour)
	if err != nil || !strings.Contains(at, "/dashboard/snapshot/") {
		t.Errorf("got %q, %v, want the URL of a snapshot", at, err)
	}
}

// TestRefusals needs tokens and versions that only the stand-in can give.
func TestRefusals(t *testing.T) {
	s := newSite(t)
	if s.standIn == nil {
		t.Skip("a real Grafana is asked")
	}
	attempt := func(auth promconfig.HTTPClientConfig) ([]grafana.Step, error) {
		return s.dial(t, auth).Provision(plan())
	}
	_, err := attempt(bearer("glsa_wrong"))
	wantError(t, err, "read folder plumbline-test", "invalid API key (status 401)", "service account's token")
	if strings.Contains(err.Error(), "glsa_wrong") {
		t.Errorf("the error shows the token: %v", err)
	}
	_, err = attempt(bearer(s.standIn.Token(grafanatest.Viewer)))
	wantError(t, err, "create folder Plumbline test", "folders:create", "Editor or Admin")
	steps, err := attempt(bearer(s.standIn.Token(grafanatest.Editor)))
	wantError(t, err, "list data sources", "datasources:read", "Admin")
	if diff := cmp.Diff([]string{folderStep + "created"}, deeds(steps)); diff != "" {
		t.Errorf("steps before the error (-want +got):\n%s", diff)
	}
	_, err = s.dial(t, bearer(s.standIn.Token(grafanatest.Viewer))).Annotate(grafana.Annotation{Run: "x", Text: "x"}, false)
	wantError(t, err, "write the annotation of run x", "Access denied")
}

func TestWhatIsNoGrafana(t *testing.T) {
	dial := func(url string) error {
		_, err := grafana.Dial(t.Context(), grafana.Options{URL: url})
		return err
	}
	old := grafanatest.New(t)
	old.Version = "8.5.27"
	wantError(t, dial(old.URL), "version 8.5.27", "9 or newer")
	for name, c := range map[string]struct {
		answer func(http.ResponseWriter, *http.Request)
		want   string
	}{
		"a web page":     {func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<html>")) }, "/api/health"},
		"something else": {func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(`{"status":"ok"}`)) }, "not as a Grafana does"},
		"nothing there":  {http.NotFound, "is the URL Grafana's base URL?"},
		"in trouble": {func(w http.ResponseWriter, _ *http.Request) {
			http.Error(w, "database is locked", http.StatusInternalServerError)
		}, "database is locked"},
	} {
		srv := httptest.NewServer(http.HandlerFunc(c.answer))
		defer srv.Close()
		if err := dial(srv.URL); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q in it", name, err, c.want)
		}
	}
	down := httptest.NewServer(http.NotFoundHandler())
	down.Close()
	wantError(t, dial(down.URL), "connection refused", "is Grafana running there?")
	wantError(t, dial("localhost:3000"), "want a URL such as http://127.0.0.1:3000")
	wantError(t, dial("http://admin:secret@127.0.0.1:3000"), "by a file or the environment")
}

func TestRequestsEndWithTheirContext(t *testing.T) {
	hang := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
	defer hang.Close()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := grafana.Dial(ctx, grafana.Options{URL: hang.URL}); err == nil {
		t.Error("got no error from a request whose context has ended")
	}
}
