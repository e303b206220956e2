package main

import (
	"encoding/json"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	gapi "github.com/grafana/grafana-api-golang-client"

	"github.com/plumbline/plumbline/internal/grafana/grafanatest"
)

// A site is the Grafana that commands speak to: the one at GRAFANA_URL, such as
// http://admin:admin@127.0.0.1:3000, or the stand-in.
type site struct {
	t            *testing.T
	url          string
	user         string
	passwordFile string
	raw          *gapi.Client
	standIn      *grafanatest.Server // nil for a real one
}

func newSite(t *testing.T) site {
	t.Helper()
	s := site{t: t, user: grafanatest.AdminUser}
	password := grafanatest.AdminPassword
	if text := os.Getenv("GRAFANA_URL"); text != "" {
		u, err := url.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		if u.User != nil {
			s.user = u.User.Username()
			password, _ = u.User.Password()
		}
		u.User = nil
		s.url = u.String()
	} else {
		s.standIn = grafanatest.New(t)
		s.url = s.standIn.URL
	}
	var err error
	if s.raw, err = gapi.New(s.url, gapi.Config{BasicAuth: url.UserPassword(s.user, password)}); err != nil {
		t.Fatal(err)
	}
	s.passwordFile = filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(s.passwordFile, []byte(password+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := s.raw.FolderByUID(folderUID); err == nil {
		t.Skip("this Grafana has a folder plumbline that isn't the test's")
	}
	t.Cleanup(func() { // a real one is left as it was
		boards, _ := s.raw.FolderDashboardSearch(url.Values{"tag": {"plumbline"}})
		for _, b := range boards {
			_ = s.raw.DeleteDashboardByUID(b.UID)
		}
		_ = s.raw.DeleteFolder(folderUID)
		if d, err := s.raw.DataSourceByName(newDataSource); err == nil {
			_ = s.raw.DeleteDataSource(d.ID)
		}
		notes, _ := s.raw.Annotations(url.Values{"tags": {"plumbline", reference}})
		for _, n := range notes {
			_, _ = s.raw.DeleteAnnotation(n.ID)
		}
	})
	return s
}

// analyzer runs a command, and holds its exit code and all it says against what is wanted.
func (s site) analyzer(code int, args []string, want ...string) string {
	s.t.Helper()
	var out, trouble strings.Builder
	if got := execute(s.t.Context(), args, &out, &trouble); got != code {
		s.t.Fatalf("analyzer %s: got exit code %d, want %d\n%s%s", strings.Join(args, " "), got, code, out.String(), trouble.String())
	}
	said := out.String() + trouble.String()
	for _, w := range want {
		if !strings.Contains(said, w) {
			s.t.Errorf("analyzer %s: got no %q in\n%s", strings.Join(args, " "), w, said)
		}
	}
	return said
}

// asAdmin are the flags of Grafana's administrator.
func (s site) asAdmin(args ...string) []string {
	return append(args, "--grafana", s.url, "--grafana-user", s.user, "--grafana-password-file", s.passwordFile)
}

func (s site) provision(args ...string) []string {
	return append(s.asAdmin("dashboards", "provision", "--prometheus", "http://127.0.0.1:19999"), args...)
}

// The reference run, which reports and snapshots are made of.
const (
	reference        = "PERF-2026-01-18-001"
	referenceResults = "../../examples/paracle/results"
)

// withReference gives a folder of results that holds the reference run.
func withReference(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(referenceResults)); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestProvisioningIsIdempotentAndKeepsWhatPeopleChanged(t *testing.T) {
	s := newSite(t)
	s.analyzer(0, s.provision("--dry-run"), "folder Plumbline: would be created", "dashboard Plumbline: Overview: would be created")
	s.analyzer(0, s.provision(), "folder Plumbline: created", "data source plumbline-prometheus (http://127.0.0.1:19999): created", "dashboard Plumbline: Overview: created", "/d/plumbline-overview")
	said := s.analyzer(0, s.provision())
	if strings.Contains(said, "created") || strings.Contains(said, "updated") || strings.Count(said, ": unchanged") != 8 {
		t.Errorf("second time: got\n%s, want all of it unchanged", said)
	}
	there, err := s.raw.DashboardByUID("plumbline-overview")
	if err != nil {
		t.Fatal(err)
	}
	there.Model["title"] = "Our overview"
	if _, err := s.raw.NewDashboard(gapi.Dashboard{Model: there.Model, FolderUID: folderUID, Overwrite: true}); err != nil {
		t.Fatal(err)
	}
	s.analyzer(0, s.provision(), "dashboard Plumbline: Overview: kept, since a person changed it", `title: "Our overview" → "Plumbline: Overview"`, "--force overwrites")
	s.analyzer(0, s.provision("--force"), "dashboard Plumbline: Overview: updated")
	s.analyzer(0, s.provision("--reports", "http://reports.example/", "--dry-run"), "would be updated", `"http://localhost:9595" → "http://reports.example"`)
}

func TestProvisioningAnnotatesRuns(t *testing.T) {
	results := withReference(t)
	s := newSite(t)
	args := s.provision("--results", results, "--run", reference, "--reports", "http://reports.example")
	s.analyzer(0, args, "annotation of run "+reference+": created")
	s.analyzer(0, args, "annotation of run "+reference+": unchanged", "/d/"+runBoard+"?from=", "&var-run="+reference)
	notes, err := s.raw.Annotations(url.Values{"tags": {"plumbline", reference}})
	if err != nil || len(notes) != 1 {
		t.Fatalf("got %d annotations, %v, want one", len(notes), err)
	}
	if n := notes[0]; n.TimeEnd-n.Time != 1805_000 || !strings.Contains(n.Text, "http://reports.example/runs/"+reference+"/report.html") {
		t.Errorf("got %+v, want the run's 1805 s and a link to its report", n)
	}
	s.analyzer(2, s.provision("--results", results, "--run", "nobodys"), "dashboard Plumbline: Overview: updated", "run nobodys: there is none")
}

func TestReportAnnotates(t *testing.T) {
	results := withReference(t)
	s := newSite(t)
	args := s.asAdmin("report", "--results", results, "--run", reference, "--format", "md", "--annotate", "--allow-inconclusive")
	s.analyzer(0, args, "annotation of run "+reference+": created")
}

func TestSnapshots(t *testing.T) {
	results := withReference(t)
	s := newSite(t)
	s.analyzer(0, s.asAdmin("dashboards", "snapshot", "--results", results, "--run", reference, "--expires", "1h"), "/dashboard/snapshot/")
	file := filepath.Join(t.TempDir(), "overview.json")
	s.analyzer(0, []string{"dashboards", "snapshot", "--results", results, "--run", reference, "--dashboard", "overview", "--out", file}, file)
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var model map[string]any
	if err := json.Unmarshal(text, &model); err != nil {
		t.Fatal(err)
	}
	model["uid"] = "plumbline-imported"
	if _, err := s.raw.NewDashboard(gapi.Dashboard{Model: model}); err != nil {
		t.Errorf("the file can't be imported: %v", err)
	}
	s.analyzer(2, []string{"dashboards", "snapshot", "--results", results, "--run", reference, "--dashboard", "overvew", "--out", file}, "--dashboard overvew: there are performance-baseline, overview")
	s.analyzer(2, []string{"dashboards", "snapshot", "--out", file}, "name a run with --run")
}

func TestCredentialsAndPermissions(t *testing.T) {
	s := newSite(t)
	if s.standIn == nil {
		t.Skip("a real Grafana is asked")
	}
	provision := []string{"dashboards", "provision", "--prometheus", "http://127.0.0.1:19999", "--grafana", s.url}
	file := filepath.Join(t.TempDir(), "token")
	token := func(text string) []string {
		if err := os.WriteFile(file, []byte(text+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		return append(provision, "--grafana-token-file", file)
	}
	said := s.analyzer(2, token("glsa_wrong"), "read folder plumbline: invalid API key (status 401); give a service account's token")
	if strings.Contains(said, "glsa_wrong") {
		t.Errorf("the token is shown: %s", said)
	}
	s.analyzer(2, token(s.standIn.Token(grafanatest.Viewer)), "create folder Plumbline", "must be Editor or Admin")
	s.analyzer(2, token(s.standIn.Token(grafanatest.Editor)), "folder Plumbline: created", "list data sources", "this needs the role Admin") // what was done is said
	s.analyzer(0, token(s.standIn.Token(grafanatest.Admin)), "folder Plumbline: unchanged", "dashboard Plumbline: Overview: created")
	t.Setenv(tokenVariable, s.standIn.Token(grafanatest.Admin))
	s.analyzer(0, provision, "dashboard Plumbline: Overview: unchanged")
	s.analyzer(2, append(provision, "--grafana-user", "admin"), "give a token or a user, not both")
	t.Setenv(tokenVariable, "")
	s.analyzer(2, append(provision, "--grafana-user", "admin"), "password of user admin with --grafana-password-file or in PLUMBLINE_GRAFANA_PASSWORD")
	t.Setenv(passwordVariable, grafanatest.AdminPassword)
	s.analyzer(0, append(provision, "--grafana-user", "admin"), "dashboard Plumbline: Overview: unchanged")
	s.analyzer(2, append(provision, "--grafana-token-file", filepath.Join(t.TempDir(), "gone")), "no such file")
	s.analyzer(2, token(""), "is empty")
}

func TestGrafanaOfTheConfiguration(t *testing.T) {
	s := newSite(t)
	dir := t.TempDir()
	for name, text := range map[string]string{
		"password": must(os.ReadFile(s.passwordFile)),
		"plumbline.yaml": "apiVersion: plumbline/v1\nkind: Config\nsla: " + filepath.Join(dir, "sla.yaml") + "\nprometheus: {url: http://127.0.0.1:19999}\ngrafana:\n  url: " + s.url +
			"\n  http_config: {basic_auth: {username: " + s.user + ", password_file: password}}\n",
		"sla.yaml": "apiVersion: plumbline/v1\nkind: SLA\nservice: shop\nvars: {api: 'job=\"shop\"'}\nobjectives:\n  - {id: rps, unit: req/s, rate: {of: 'orders_total{$api}'}, must: '>= 7'}\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(strings.TrimSpace(text)+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s.analyzer(0, []string{"dashboards", "provision", "--config", filepath.Join(dir, "plumbline.yaml")}, "dashboard Plumbline: Overview: created")
	there, err := s.raw.DashboardByUID("plumbline-overview")
	if err != nil {
		t.Fatal(err)
	}
	if text, _ := json.Marshal(there.Model); !strings.Contains(string(text), `orders_total{job=\"$service\"}`) {
		t.Errorf("got a dashboard without the SLA's own series: %s", text)
	}
}

func must(text []byte, err error) string {
	if err != nil {
		panic(err)
	}
	return string(text)
}

func TestWhatStandsInTheWay(t *testing.T) {
	s := newSite(t)
	if s.standIn == nil {
		t.Skip("a real Grafana is asked")
	}
	s.analyzer(2, []string{"dashboards", "provision", "--prometheus", "http://p:9090"}, "name Grafana with --grafana URL")
	s.analyzer(2, s.asAdmin("dashboards", "provision"), "--datasource UID of one that Grafana has, or --prometheus URL")
	s.analyzer(2, append(s.provision(), "--grafana", "http://127.0.0.1:1"), "connection refused", "is Grafana running there?")
	s.analyzer(2, s.asAdmin("dashboards", "provision", "--datasource", "nobodys"), "folder Plumbline: created", `it has no data source with the uid "nobodys"`)
	if err := s.raw.DeleteFolder(folderUID); err != nil {
		t.Fatal(err)
	}
	if _, err := s.raw.NewDashboard(gapi.Dashboard{Model: map[string]any{"uid": folderUID, "title": "Theirs"}}); err != nil {
		t.Fatal(err)
	}
	s.analyzer(2, s.provision(), "create folder Plumbline (uid plumbline)", "rename it, or choose another folder")
	old := grafanatest.New(t)
	old.Version = "8.5.27"
	s.analyzer(2, append(s.provision(), "--grafana", old.URL), "version 8.5.27", "9 or newer")
}
