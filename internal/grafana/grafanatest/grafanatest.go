// Package grafanatest is a stand-in for a Grafana 9.3, as strict as the real one
// in what provisioning asks of it: permissions, versions, conflicts, and the one
// name space that folders and dashboards share.
package grafanatest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// A Role is what a user or token may do.
type Role int

// The roles, each with the permissions of those before.
const (
	Viewer Role = iota + 1
	Editor
	Admin
)

// The stand-in's administrator.
const (
	AdminUser     = "admin"
	AdminPassword = "admin"
)

// A Server is the stand-in.
type Server struct {
	URL     string
	Version string // that it says it is

	mu          sync.Mutex
	tokens      map[string]Role
	accounts    map[int]Role
	nextID      int
	sources     []*source
	folders     map[string]*folder
	dashboards  map[string]*dashboard
	annotations []map[string]any
}

type source struct {
	id, version int
	body        map[string]any
}

type folder struct {
	id, version int
	title       string
	created     time.Time
}

type dashboard struct {
	id, version int
	folder      string
	created     time.Time
	model       map[string]any
	messages    []string // of its versions
}

// New starts a stand-in that ends with the test.
func New(t testing.TB) *Server {
	s := &Server{Version: "9.3.2", tokens: map[string]Role{}, accounts: map[int]Role{}, folders: map[string]*folder{}, dashboards: map[string]*dashboard{}}
	srv := httptest.NewServer(s.routes())
	t.Cleanup(srv.Close)
	s.URL = srv.URL
	return s
}

// Token makes the token of a service account.
func (s *Server) Token(r Role) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	token := fmt.Sprintf("glsa_%d_%d", r, len(s.tokens))
	s.tokens[token] = r
	return token
}

func (s *Server) id() int { s.nextID++; return s.nextID }

// A reply is a status and a body.
type reply struct {
	status int
	body   any
}

type object = map[string]any

func message(status int, text string) reply { return reply{status, object{"message": text}} }

// traced is a message as newer parts of Grafana send it.
func traced(status int, text string) reply {
	return reply{status, object{"message": text, "traceID": ""}}
}

func (s *Server) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /api/health", func(w http.ResponseWriter, _ *http.Request) {
		send(w, reply{200, object{"commit": "21c1d14e91", "database": "ok", "version": s.Version}})
	})
	for _, r := range []struct {
		pattern string
		need    Role
		may     string // the permission that a refusal names
		do      func(r *http.Request, body object) reply
	}{
		{"GET /api/org", Viewer, "orgs:read", func(*http.Request, object) reply {
			return reply{200, object{"id": 1, "name": "Main Org.", "address": object{"address1": "", "address2": "", "city": "", "zipCode": "", "state": "", "country": ""}}}
		}},
		{"POST /api/serviceaccounts", Admin, "serviceaccounts:create", s.newAccount},
		{"POST /api/serviceaccounts/{id}/tokens", Admin, "serviceaccounts:write", s.newToken},
		{"DELETE /api/serviceaccounts/{id}", Admin, "serviceaccounts:delete", func(*http.Request, object) reply { return message(200, "Service account deleted") }},
		{"GET /api/datasources", Admin, "datasources:read", s.listSources},
		{"POST /api/datasources", Admin, "datasources:create", s.newSource},
		{"GET /api/datasources/uid/{uid}", Admin, "datasources:read", s.readSource},
		{"GET /api/datasources/name/{name}", Admin, "datasources:read", s.readSource},
		{"PUT /api/datasources/uid/{uid}", Admin, "datasources:write", s.putSource},
		{"PUT /api/datasources/{id}", Admin, "datasources:write", s.putSource},
		{"DELETE /api/datasources/uid/{uid}", Admin, "datasources:delete", s.deleteSource},
		{"GET /api/folders", Viewer, "", s.listFolders},
		{"POST /api/folders", Editor, "folders:create", s.newFolder},
		{"GET /api/folders/{uid}", Viewer, "", s.readFolder},
		{"PUT /api/folders/{uid}", Editor, "folders:write", s.putFolder},
		{"DELETE /api/folders/{uid}", Editor, "folders:delete", s.deleteFolder},
		{"GET /api/dashboards/uid/{uid}", Viewer, "", s.readDashboard},
		{"GET /api/dashboards/uid/{uid}/versions", Editor, "dashboards:write", s.dashboardVersions},
		{"POST /api/dashboards/db", Editor, "any of dashboards:create, dashboards:write", s.saveDashboard},
		{"DELETE /api/dashboards/uid/{uid}", Editor, "dashboards:delete", s.deleteDashboard},
		{"GET /api/search", Viewer, "", s.search},
		{"GET /api/annotations", Viewer, "", s.listAnnotations},
		{"POST /api/annotations", Editor, "annotation", s.newAnnotation},
		{"PUT /api/annotations/{id}", Editor, "annotation", s.putAnnotation},
		{"PATCH /api/annotations/{id}", Editor, "annotation", s.patchAnnotation},
		{"DELETE /api/annotations/{id}", Editor, "annotation", s.deleteAnnotation},
		{"POST /api/snapshots", Viewer, "", s.newSnapshot},
	} {
		mux.HandleFunc(r.pattern, func(w http.ResponseWriter, req *http.Request) { send(w, s.handle(req, r.need, r.may, r.do)) })
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { send(w, message(404, "Not found")) })
	return mux
}

func send(w http.ResponseWriter, r reply) {
	w.Header().Set("Content-Type", "application/json; charset=UTF-8")
	w.WriteHeader(r.status)
	_ = json.NewEncoder(w).Encode(r.body) //nolint:errcheck // the client has gone
}

// handle checks who asks, and what, before the route does its work.
func (s *Server) handle(r *http.Request, need Role, may string, do func(*http.Request, object) reply) reply {
	s.mu.Lock()
	defer s.mu.Unlock()
	role, refused := s.role(r)
	if role == 0 {
		return refused
	}
	if role < need {
		if may == "annotation" {
			return message(403, "Access denied to this dashboard")
		}
		return reply{403, object{"accessErrorId": "ACE0000000001", "title": "Access denied",
			"message": "You'll need additional permissions to perform this action. Permissions needed: " + may}}
	}
	var body object
	if r.Method == http.MethodPost || r.Method == http.MethodPut || r.Method == http.MethodPatch {
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
			return traced(400, "bad request data")
		}
	}
	return do(r, body)
}

func (s *Server) role(r *http.Request) (Role, reply) {
	if token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "); ok {
		return s.tokens[token], traced(401, "invalid API key")
	}
	user, password, ok := r.BasicAuth()
	switch {
	case !ok:
		return 0, message(401, "Unauthorized")
	case user == AdminUser && password == AdminPassword:
		return Admin, reply{}
	}
	return 0, traced(401, "invalid username or password")
}

func (s *Server) newAccount(_ *http.Request, body object) reply {
	id := s.id()
	roles := map[any]Role{"Viewer": Viewer, "Editor": Editor, "Admin": Admin}
	s.accounts[id] = roles[body["role"]]
	name, _ := body["name"].(string)
	return reply{201, object{"id": id, "name": name, "login": "sa-" + name, "orgId": -1, "isDisabled": false, "role": body["role"], "tokens": 0, "avatarUrl": ""}}
}

func (s *Server) newToken(r *http.Request, body object) reply {
	id, _ := strconv.Atoi(r.PathValue("id")) //nolint:errcheck // 0 has no role
	token := fmt.Sprintf("glsa_%d_%d", s.accounts[id], len(s.tokens))
	s.tokens[token] = s.accounts[id]
	return reply{200, object{"id": s.id(), "name": body["name"], "key": token}}
}

func (s *Server) findSource(r *http.Request) *source {
	i := slices.IndexFunc(s.sources, func(d *source) bool {
		uid, name, id := r.PathValue("uid"), r.PathValue("name"), r.PathValue("id")
		return uid != "" && d.body["uid"] == uid || name != "" && d.body["name"] == name || id != "" && strconv.Itoa(d.id) == id
	})
	if i < 0 {
		return nil
	}
	return s.sources[i]
}

// show is a data source as the API gives it.
func (d *source) show(listed bool) object {
	out := object{"id": d.id, "orgId": 1, "typeLogoUrl": "", "user": "", "database": "", "basicAuth": false, "isDefault": false, "jsonData": object{}, "readOnly": false}
	if listed {
		out["typeName"], out["typeLogoUrl"] = "Prometheus", "public/app/plugins/datasource/prometheus/img/prometheus_logo.svg"
	} else {
		out["basicAuthUser"], out["withCredentials"], out["secureJsonFields"], out["version"] = "", false, object{}, d.version
	}
	for _, key := range []string{"uid", "name", "type", "access", "url", "jsonData"} {
		if v, ok := d.body[key]; ok {
			out[key] = v
		}
	}
	return out
}

func (s *Server) listSources(*http.Request, object) reply {
	list := []object{}
	for _, d := range s.sources {
		list = append(list, d.show(true))
	}
	return reply{200, list}
}

func (s *Server) newSource(_ *http.Request, body object) reply {
	for _, d := range s.sources {
		for _, key := range []string{"name", "uid"} {
			if d.body[key] == body[key] {
				return traced(409, "data source with the same "+key+" already exists")
			}
		}
	}
	d := &source{id: s.id(), version: 1, body: body}
	s.sources = append(s.sources, d)
	return reply{200, object{"datasource": d.show(false), "id": d.id, "message": "Datasource added", "name": body["name"]}}
}

func (s *Server) readSource(r *http.Request, _ object) reply {
	if d := s.findSource(r); d != nil {
		return reply{200, d.show(false)}
	}
	return message(404, "Data source not found")
}

func (s *Server) putSource(r *http.Request, body object) reply {
	d := s.findSource(r)
	version, _ := body["version"].(float64)
	switch {
	case d == nil:
		return message(404, "Data source not found")
	case version != 0 && int(version) != d.version:
		return traced(409, "Datasource has already been updated by someone else. Please reload and try again")
	}
	d.version, d.body = int(version)+1, body
	return reply{200, object{"datasource": d.show(false), "id": d.id, "message": "Datasource updated", "name": body["name"]}}
}

func (s *Server) deleteSource(r *http.Request, _ object) reply {
	d := s.findSource(r)
	if d == nil {
		return message(404, "Data source not found")
	}
	s.sources = slices.DeleteFunc(s.sources, func(e *source) bool { return e == d })
	return reply{200, object{"id": d.id, "message": "Data source deleted"}}
}

func slug(title string) string { return strings.ReplaceAll(strings.ToLower(title), " ", "-") }

func (f *folder) show(uid string) object {
	at := f.created.Format(time.RFC3339)
	return object{"id": f.id, "uid": uid, "title": f.title, "url": "/dashboards/f/" + uid + "/" + slug(f.title), "hasAcl": false,
		"canSave": true, "canEdit": true, "canAdmin": true, "canDelete": true, "createdBy": "admin", "created": at, "updatedBy": "admin", "updated": at,
		"version": f.version, "parentUid": ""}
}

func (s *Server) listFolders(*http.Request, object) reply {
	list := []object{}
	for uid, f := range s.folders {
		list = append(list, object{"id": f.id, "uid": uid, "title": f.title})
	}
	return reply{200, list}
}

func (s *Server) newFolder(_ *http.Request, body object) reply {
	uid, _ := body["uid"].(string)
	title, _ := body["title"].(string)
	if s.folders[uid] != nil || s.dashboards[uid] != nil {
		return reply{412, object{"message": "the folder has been changed by someone else", "status": "version-mismatch"}}
	}
	for _, f := range s.folders {
		if f.title == title {
			return message(409, "a folder or dashboard in the general folder with the same name already exists")
		}
	}
	f := &folder{s.id(), 1, title, time.Now()}
	s.folders[uid] = f
	return reply{200, f.show(uid)}
}

var noFolder = reply{404, object{"message": "folder not found", "status": "not-found"}}

func (s *Server) readFolder(r *http.Request, _ object) reply {
	if f := s.folders[r.PathValue("uid")]; f != nil {
		return reply{200, f.show(r.PathValue("uid"))}
	}
	return noFolder
}

func (s *Server) putFolder(r *http.Request, body object) reply {
	f := s.folders[r.PathValue("uid")]
	version, _ := body["version"].(float64)
	switch {
	case f == nil:
		return noFolder
	case body["overwrite"] != true && int(version) != f.version:
		return reply{412, object{"message": "the folder has been changed by someone else", "status": "version-mismatch"}}
	}
	f.version++
	f.title, _ = body["title"].(string)
	return reply{200, f.show(r.PathValue("uid"))}
}

func (s *Server) deleteFolder(r *http.Request, _ object) reply {
	if s.folders[r.PathValue("uid")] == nil {
		return noFolder
	}
	delete(s.folders, r.PathValue("uid"))
	return reply{200, ""}
}

func (s *Server) readDashboard(r *http.Request, _ object) reply {
	uid := r.PathValue("uid")
	d := s.dashboards[uid]
	if d == nil {
		return traced(404, "Dashboard not found")
	}
	at := d.created.Format(time.RFC3339)
	title, _ := d.model["title"].(string)
	rights := object{"canAdd": true, "canEdit": true, "canDelete": true}
	meta := object{"type": "db", "canSave": true, "canEdit": true, "canAdmin": true, "canStar": true, "canDelete": true, "slug": slug(title),
		"url": "/d/" + uid + "/" + slug(title), "expires": "0001-01-01T00:00:00Z", "created": at, "updated": at, "updatedBy": "admin", "createdBy": "admin",
		"version": d.version, "hasAcl": false, "isFolder": false, "folderId": 0, "folderUid": "", "folderTitle": "General", "folderUrl": "",
		"provisioned": false, "provisionedExternalId": "", "annotationsPermissions": object{"dashboard": rights, "organization": rights},
		"hasPublicDashboard": false, "publicDashboardAccessToken": "", "publicDashboardUid": "", "publicDashboardEnabled": false}
	if f := s.folders[d.folder]; f != nil {
		meta["folderId"], meta["folderUid"], meta["folderTitle"], meta["folderUrl"] = f.id, d.folder, f.title, "/dashboards/f/"+d.folder+"/"+slug(f.title)
	}
	return reply{200, object{"meta": meta, "dashboard": d.model}}
}

func (s *Server) dashboardVersions(r *http.Request, _ object) reply {
	d := s.dashboards[r.PathValue("uid")]
	if d == nil {
		return traced(404, "Dashboard not found")
	}
	list := []object{}
	for i, text := range slices.Backward(d.messages) {
		list = append(list, object{"id": i + 1, "dashboardId": d.id, "dashboardUid": "", "parentVersion": i, "restoredFrom": 0, "version": i + 1,
			"created": d.created.Format(time.RFC3339), "createdBy": "admin", "message": text})
	}
	return reply{200, list}
}

const longestUID = 40

func (s *Server) saveDashboard(_ *http.Request, body object) reply {
	model, ok := body["dashboard"].(object)
	if !ok {
		return traced(400, "bad request data")
	}
	uid, _ := model["uid"].(string)
	title, _ := model["title"].(string)
	in, _ := body["folderUid"].(string)
	overwrite := body["overwrite"] == true
	d := s.dashboards[uid]
	switch {
	case title == "":
		return reply{400, object{"message": "Dashboard title cannot be empty", "status": "empty-name"}}
	case len(uid) > longestUID:
		return message(400, "uid too long, max 40 characters")
	case in != "" && s.folders[in] == nil:
		return traced(400, "Folder not found")
	case s.folders[uid] != nil:
		return message(400, "Dashboard cannot be changed to a folder")
	case d != nil && !overwrite:
		return reply{412, object{"message": "The dashboard has been changed by someone else", "status": "version-mismatch"}}
	}
	for other, e := range s.dashboards {
		if other != uid && e.folder == in && e.model["title"] == title {
			return reply{412, object{"message": "A dashboard with the same name in the folder already exists", "status": "name-exists"}}
		}
	}
	if d == nil {
		d = &dashboard{id: s.id(), created: time.Now()}
		s.dashboards[uid] = d
	}
	said, _ := body["message"].(string)
	d.version, d.folder, d.model, d.messages = d.version+1, in, model, append(d.messages, said)
	model["id"], model["version"] = d.id, d.version
	return reply{200, object{"id": d.id, "slug": slug(title), "status": "success", "uid": uid, "url": "/d/" + uid + "/" + slug(title), "version": d.version}}
}

func (s *Server) deleteDashboard(r *http.Request, _ object) reply {
	d := s.dashboards[r.PathValue("uid")]
	if d == nil {
		return traced(404, "Dashboard not found")
	}
	delete(s.dashboards, r.PathValue("uid"))
	return reply{200, object{"id": d.id, "message": fmt.Sprintf("Dashboard %v deleted", d.model["title"]), "title": d.model["title"]}}
}

func (s *Server) search(r *http.Request, _ object) reply {
	list := []object{}
	for uid, d := range s.dashboards {
		tags, _ := d.model["tags"].([]any)
		f := s.folders[d.folder]
		if tag := r.FormValue("tag"); tag != "" && !slices.Contains(tags, any(tag)) {
			continue
		}
		if id := r.FormValue("folderIds"); id != "" && (f == nil || strconv.Itoa(f.id) != id) {
			continue
		}
		title, _ := d.model["title"].(string)
		row := object{"id": d.id, "uid": uid, "title": title, "uri": "db/" + slug(title), "url": "/d/" + uid + "/" + slug(title), "slug": "", "type": "dash-db",
			"tags": tags, "isStarred": false, "sortMeta": 0}
		if f != nil {
			row["folderId"], row["folderUid"], row["folderTitle"], row["folderUrl"] = f.id, d.folder, f.title, "/dashboards/f/"+d.folder+"/"+slug(f.title)
		}
		list = append(list, row)
	}
	return reply{200, list}
}

func (s *Server) listAnnotations(r *http.Request, _ object) reply {
	list := []object{}
	for _, a := range slices.Backward(s.annotations) {
		tags, _ := a["tags"].([]any)
		has := func(tag string) bool { return slices.Contains(tags, any(tag)) }
		if !slices.ContainsFunc(r.URL.Query()["tags"], func(tag string) bool { return !has(tag) }) {
			list = append(list, a)
		}
	}
	return reply{200, list}
}

func (s *Server) newAnnotation(_ *http.Request, body object) reply {
	if text, _ := body["text"].(string); text == "" {
		return traced(400, "Failed to save annotation")
	}
	a := object{"id": s.id(), "alertId": 0, "alertName": "", "dashboardId": 0, "dashboardUID": nil, "panelId": 0, "userId": 0, "newState": "", "prevState": "",
		"created": time.Now().UnixMilli(), "updated": time.Now().UnixMilli(), "login": "admin", "email": "admin@localhost", "avatarUrl": "/public/img/user_profile.png", "data": object{}}
	if uid, _ := body["dashboardUID"].(string); uid != "" {
		a["dashboardUID"] = uid
		if d := s.dashboards[uid]; d != nil {
			a["dashboardId"] = d.id
		}
	}
	for _, key := range []string{"time", "timeEnd", "text", "tags"} {
		a[key] = body[key]
	}
	s.annotations = append(s.annotations, a)
	return reply{200, object{"id": a["id"], "message": "Annotation added"}}
}

func (s *Server) findAnnotation(r *http.Request) int {
	return slices.IndexFunc(s.annotations, func(a object) bool { return fmt.Sprint(a["id"]) == r.PathValue("id") })
}

func (s *Server) putAnnotation(r *http.Request, body object) reply {
	return s.changeAnnotation(r, body, "Annotation updated")
}

func (s *Server) patchAnnotation(r *http.Request, body object) reply {
	return s.changeAnnotation(r, body, "Annotation patched")
}

func (s *Server) changeAnnotation(r *http.Request, body object, said string) reply {
	i := s.findAnnotation(r)
	if i < 0 {
		return message(404, "Annotation not found")
	}
	for _, key := range []string{"time", "timeEnd", "text", "tags"} {
		if v, ok := body[key]; ok {
			s.annotations[i][key] = v
		}
	}
	return message(200, said)
}

func (s *Server) deleteAnnotation(r *http.Request, _ object) reply {
	i := s.findAnnotation(r)
	if i < 0 {
		return message(404, "Annotation not found")
	}
	s.annotations = slices.Delete(s.annotations, i, i+1)
	return message(200, "Annotation deleted")
}

func (s *Server) newSnapshot(_ *http.Request, body object) reply {
	if _, ok := body["dashboard"].(object); !ok {
		return traced(400, "bad request data")
	}
	key := url.PathEscape(fmt.Sprintf("snapshot%d", s.id()))
	return reply{200, object{"deleteKey": "delete" + key, "deleteUrl": s.URL + "/api/snapshots-delete/delete" + key, "id": s.id(), "key": key, "url": s.URL + "/dashboard/snapshot/" + key}}
}
