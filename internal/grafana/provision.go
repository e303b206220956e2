package grafana

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	gapi "github.com/grafana/grafana-api-golang-client"

	"github.com/plumbline/plumbline/pkg/promql"
	"github.com/plumbline/plumbline/pkg/run"
)

// A Plan is what is to be in a Grafana.
type Plan struct {
	Folder     Folder
	DataSource DataSource
	Dashboards []Dashboard
	Force      bool // overwrite what a person changed
	DryRun     bool // change nothing, and say what would be
}

// A Folder holds the dashboards. Its uid shares one name space with theirs.
type Folder struct{ UID, Title string }

// A DataSource is the Prometheus that the dashboards ask.
type DataSource struct {
	UID    string        // of one that is there; "" to find or make one for URL
	Name   string        // of one that is made; its uid is made of it
	URL    string        // of the Prometheus
	Scrape time.Duration // interval at which it scrapes
}

// A Dashboard is a dashboard's JSON model; it has a uid and a title.
type Dashboard map[string]any

// A Step is what was done with one thing in Grafana.
type Step struct {
	What        string // such as "dashboard Overview"
	Did         Deed
	Differences []string // by path, of what is or would be changed
	URL         string   // where it can be looked at
}

// A Deed is what a step did.
type Deed string

// The deeds. A kept thing was changed by a person.
const (
	Created   Deed = "created"
	Updated   Deed = "updated"
	Unchanged Deed = "unchanged"
	Kept      Deed = "kept"
)

// Provision carries out a plan, step by step. Steps done before an error are given beside it.
func (c *Client) Provision(p Plan) (steps []Step, err error) {
	folder, err := c.folder(p)
	if err != nil {
		return steps, err
	}
	steps = append(steps, folder)
	uid, source, err := c.dataSource(p)
	if err != nil {
		return steps, err
	}
	steps = append(steps, source)
	for _, d := range p.Dashboards {
		step, err := c.dashboard(p, d.asking(uid))
		if err != nil {
			return steps, err
		}
		steps = append(steps, step)
	}
	return steps, nil
}

func (c *Client) folder(p Plan) (Step, error) {
	step := Step{What: "folder " + p.Folder.Title, Did: Unchanged}
	found, err := c.api.FolderByUID(p.Folder.UID)
	switch {
	case err == nil:
		step.What, step.URL = "folder "+found.Title, c.url+found.URL // a person may have named it otherwise
		return step, nil
	case !isMissing(err):
		return step, c.explain("read folder "+p.Folder.UID, err)
	}
	step.Did = Created
	if p.DryRun {
		return step, nil
	}
	made, err := c.api.NewFolder(p.Folder.Title, p.Folder.UID)
	if err != nil {
		return step, c.explainConflict(fmt.Sprintf("create folder %s (uid %s)", p.Folder.Title, p.Folder.UID), err,
			"a folder or dashboard there has that title or uid: rename it, or choose another folder")
	}
	step.URL = c.url + made.URL
	return step, nil
}

// dataSource finds the data source of a Prometheus, or makes one. It gives its uid.
func (c *Client) dataSource(p Plan) (uid string, step Step, err error) {
	want := p.DataSource
	all, err := c.api.DataSources()
	if err != nil {
		return "", step, c.explain("list data sources", err)
	}
	for _, d := range all {
		named := want.UID != "" && d.UID == want.UID
		fitting := want.UID == "" && d.Type == "prometheus" && trim(d.URL) == trim(want.URL)
		if named || fitting {
			return d.UID, Step{What: fmt.Sprintf("data source %s (%s)", d.Name, promql.Public(d.URL)), Did: Unchanged}, nil
		}
	}
	if want.UID != "" {
		return "", step, fmt.Errorf("grafana %s: it has no data source with the uid %q; there are %s", c.url, want.UID, sourceList(all))
	}
	step = Step{What: fmt.Sprintf("data source %s (%s)", want.Name, want.URL), Did: Created}
	made := gapi.DataSource{UID: want.Name, Name: want.Name, Type: "prometheus", URL: want.URL, Access: "proxy",
		JSONData: map[string]any{"httpMethod": "POST", "timeInterval": fmt.Sprintf("%ds", int(max(want.Scrape, time.Second).Seconds()))}}
	if p.DryRun {
		return made.UID, step, nil
	}
	if _, err := c.api.NewDataSource(&made); err != nil {
		return "", step, c.explainConflict(fmt.Sprintf("create data source %s for %s", want.Name, want.URL), err,
			"name one of those that there are by its uid: "+sourceList(all))
	}
	return made.UID, step, nil
}

func trim(address string) string { return strings.TrimSuffix(address, "/") }

func sourceList(all []*gapi.DataSource) string {
	var list []string
	for _, d := range all {
		if d.Type == "prometheus" {
			list = append(list, fmt.Sprintf("%s (%s, %s)", d.UID, d.Name, promql.Public(d.URL)))
		}
	}
	if len(list) == 0 {
		return "no Prometheus yet"
	}
	return strings.Join(list, ", ")
}

// SourceVariable is the dashboards' variable for the data source, and writtenVariable
// a hidden one that holds a hash of what was written: by it one tells whether a
// person has changed a dashboard since, in every version of Grafana.
const (
	SourceVariable  = "datasource"
	writtenVariable = "plumbline_written"
)

// asking is the dashboard with a data source as its choice.
func (d Dashboard) asking(uid string) Dashboard {
	d = d.clone()
	for _, v := range d.variables() {
		if v["name"] == SourceVariable {
			v["current"] = map[string]any{"text": uid, "value": uid}
		}
	}
	return d
}

// clone is a copy that shares nothing, with the types that JSON has.
func (d Dashboard) clone() Dashboard {
	var out Dashboard
	text, err := json.Marshal(d)
	if err == nil {
		err = json.Unmarshal(text, &out)
	}
	if err != nil {
		panic(fmt.Sprintf("dashboard %v is no JSON: %v", d["title"], err)) // it was made by a program
	}
	return out
}

func (d Dashboard) text(key string) string {
	text, _ := d[key].(string)
	return text
}

func (d Dashboard) variables() (all []map[string]any) {
	templating, _ := d["templating"].(map[string]any)
	list, _ := templating["list"].([]any)
	for _, v := range list {
		if v, ok := v.(map[string]any); ok {
			all = append(all, v)
		}
	}
	return all
}

// signed is the dashboard with the hash of itself.
func (d Dashboard) signed() Dashboard {
	d = d.bare()
	hash := d.hash()
	templating, _ := d["templating"].(map[string]any)
	if templating == nil {
		templating = map[string]any{}
		d["templating"] = templating
	}
	list, _ := templating["list"].([]any)
	const hidden = 2
	templating["list"] = append(list, map[string]any{"name": writtenVariable, "type": "constant", "hide": hidden, "query": hash, "skipUrlSync": true})
	return d.clone()
}

// bare is the dashboard without what Grafana or signing adds to it.
func (d Dashboard) bare() Dashboard {
	d = d.clone()
	delete(d, "id")
	delete(d, "version")
	if templating, ok := d["templating"].(map[string]any); ok {
		if list, ok := templating["list"].([]any); ok {
			templating["list"] = slices.DeleteFunc(list, func(v any) bool {
				m, ok := v.(map[string]any)
				return ok && m["name"] == writtenVariable
			})
		}
	}
	return d
}

func (d Dashboard) hash() string {
	text, err := json.Marshal(d.bare())
	if err != nil {
		panic(err) // clone went through
	}
	return fmt.Sprintf("%x", sha256.Sum256(text))[:16]
}

// signature is the hash that a dashboard was written with; "" when it wasn't written by us.
func (d Dashboard) signature() string {
	for _, v := range d.variables() {
		if v["name"] == writtenVariable {
			hash, _ := v["query"].(string)
			return hash
		}
	}
	return ""
}

func (c *Client) dashboard(p Plan, want Dashboard) (Step, error) {
	step := Step{What: "dashboard " + want.text("title"), Did: Created}
	folder := p.Folder.UID
	there, err := c.api.DashboardByUID(want.text("uid"))
	switch {
	case err == nil:
		stored := Dashboard(there.Model)
		step.URL = c.url + there.Meta.URL
		step.Differences = differences("", stored.bare().generic(), want.generic())
		if len(step.Differences) == 0 {
			step.Did = Unchanged
			return step, nil
		}
		if stored.signature() != stored.hash() && !p.Force {
			step.Did = Kept
			return step, nil
		}
		step.Did, folder = Updated, there.Meta.FolderUID // a person may have moved it
	case !isMissing(err):
		return step, c.explain("read "+step.What, err)
	}
	if p.DryRun {
		return step, nil
	}
	saved, err := c.api.NewDashboard(gapi.Dashboard{Model: want.signed(), FolderUID: folder, Overwrite: step.Did == Updated, Message: "plumbline"})
	if err != nil {
		return step, c.explainConflict("save "+step.What, err,
			fmt.Sprintf("a folder has its uid %q, or another dashboard in the folder its title: rename that one", want.text("uid")))
	}
	step.URL = fmt.Sprintf("%s/d/%s/%s", c.url, saved.UID, saved.Slug)
	return step, nil
}

func (d Dashboard) generic() map[string]any { return d }

// differences lists by path where what is there lacks or contradicts what is
// wanted. What is there besides is left alone: Grafana fills defaults in.
func differences(path string, there, wanted any) []string {
	switch w := wanted.(type) {
	case map[string]any:
		t, ok := there.(map[string]any)
		if !ok {
			break
		}
		var all []string
		for _, key := range slices.Sorted(maps.Keys(w)) {
			all = append(all, differences(strings.TrimPrefix(path+"."+key, "."), t[key], w[key])...)
		}
		return all
	case []any:
		t, ok := there.([]any)
		if !ok && there != nil || len(t) != len(w) {
			break
		}
		var all []string
		for i := range w {
			all = append(all, differences(fmt.Sprintf("%s[%d]", path, i), t[i], w[i])...)
		}
		return all
	default:
		if there == wanted {
			return nil
		}
	}
	return []string{fmt.Sprintf("%s: %s → %s", path, short(there), short(wanted))}
}

func short(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprint(v)
	}
	const most = 60
	if runes := []rune(string(text)); len(runes) > most {
		return string(runes[:most]) + "…"
	}
	return string(text)
}

// An Annotation marks a run's window in the dashboards.
type Annotation struct {
	Run     string
	Window  run.Window
	Verdict string
	Text    string
}

// tag is what all of our annotations carry; dashboards ask for it.
const tag = "plumbline"

// Annotate marks a run's window, once: another verdict replaces the one that is there.
func (c *Client) Annotate(a Annotation, dryRun bool) (Step, error) {
	step := Step{What: "annotation of run " + a.Run, Did: Created}
	want := gapi.Annotation{Time: a.Window.Start.UnixMilli(), TimeEnd: a.Window.End.UnixMilli(), Text: a.Text, Tags: []string{tag, a.Run, "verdict:" + a.Verdict}}
	there, err := c.api.Annotations(map[string][]string{"tags": {tag, a.Run}, "limit": {"100"}})
	if err != nil {
		return step, c.explain("look for the "+step.What, err)
	}
	there = slices.DeleteFunc(there, func(b gapi.Annotation) bool { return b.DashboardUID != "" }) // a person's own note on a dashboard
	if len(there) > 0 {
		old := there[0]
		if old.Time == want.Time && old.TimeEnd == want.TimeEnd && old.Text == want.Text && slices.Equal(old.Tags, want.Tags) {
			step.Did = Unchanged
			return step, nil
		}
		step.Did, step.Differences = Updated, []string{fmt.Sprintf("%s → %s", short(old.Text), short(want.Text))}
	}
	if dryRun {
		return step, nil
	}
	if step.Did == Updated {
		_, err = c.api.UpdateAnnotation(there[0].ID, &want)
	} else {
		_, err = c.api.NewAnnotation(&want)
	}
	if err != nil {
		return step, c.explain("write the "+step.What, err)
	}
	return step, nil
}

// RunURL is where a dashboard of the Grafana at a URL shows a run, and nothing before and after it.
func RunURL(grafana, dashboard, id string, w run.Window) string {
	q := url.Values{"var-run": {id}, "from": {strconv.FormatInt(w.Start.UnixMilli(), 10)}, "to": {strconv.FormatInt(w.End.UnixMilli(), 10)}}
	return fmt.Sprintf("%s/d/%s?%s", strings.TrimSuffix(grafana, "/"), url.PathEscape(dashboard), q.Encode())
}

// Snapshot keeps a dashboard with the data in it, readable after Prometheus has
// forgotten; it gives the snapshot's URL. A lifetime of 0 keeps it for good.
func (c *Client) Snapshot(d Dashboard, lifetime time.Duration) (string, error) {
	made, err := c.api.NewSnapshot(gapi.Snapshot{Model: d.clone(), Expires: int64(lifetime.Seconds())})
	if err != nil {
		return "", c.explain("make a snapshot of "+d.text("title"), err)
	}
	if made.URL == "" {
		return "", errors.New("grafana " + c.url + ": it made a snapshot, and didn't say where")
	}
	return made.URL, nil
}
