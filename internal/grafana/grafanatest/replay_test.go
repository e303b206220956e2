package grafanatest_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/plumbline/plumbline/internal/grafana/grafanatest"
)

// An exchange is one recorded with a real Grafana.
type exchange struct {
	Note    string
	Request struct {
		Method, Path, Auth string
		Body               json.RawMessage
	}
	Response struct {
		Status int
		Body   any
	}
}

// TestBehavesAsRecorded sends what was once sent to a real Grafana, in the same
// order, and holds the answers against those of then.
func TestBehavesAsRecorded(t *testing.T) {
	f, err := os.Open("../../../../shared/grafana/recorded-9.3.2.jsonl")
	if errors.Is(err, os.ErrNotExist) {
		t.Skip("the recordings of a real Grafana are not here")
	} else if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	srv := grafanatest.New(t)
	p := player{srv: srv, viewer: srv.Token(grafanatest.Viewer), editor: srv.Token(grafanatest.Editor), ids: map[string]string{}}
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var e exchange
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			t.Fatal(err)
		}
		t.Run(e.Note, func(t *testing.T) { p.play(t, e) })
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
}

type player struct {
	srv            *grafanatest.Server
	viewer, editor string
	ids            map[string]string // recorded id of a thing → the stand-in's
}

func (p player) play(t *testing.T, e exchange) {
	text := e.Request.Body
	var raw string
	if json.Unmarshal(text, &raw) == nil && raw != "" {
		text = []byte(raw) // it was sent as no JSON
	}
	req, err := http.NewRequestWithContext(t.Context(), e.Request.Method, p.srv.URL+p.path(e.Request.Path), bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	p.authorize(req, e)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var got any
	if err := json.NewDecoder(resp.Body).Decode(&got); err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode != e.Response.Status {
		t.Fatalf("got status %d, want %d: %v", resp.StatusCode, e.Response.Status, got)
	}
	p.learn(e.Response.Body, got)
	if diff := cmp.Diff(stable(e.Response.Body), stable(got)); diff != "" {
		t.Errorf("answer (-recorded +got):\n%s", diff)
	}
}

var idInPath = regexp.MustCompile(`(/(?:datasources|annotations|serviceaccounts)/|folderIds=)(\d+)`)

// path puts the stand-in's ids where the recorded ones were.
func (p player) path(recorded string) string {
	return idInPath.ReplaceAllStringFunc(recorded, func(m string) string {
		part := idInPath.FindStringSubmatch(m)
		if id, known := p.ids[part[2]]; known {
			return part[1] + id
		}
		return m
	})
}

func (p player) learn(recorded, got any) {
	r, ok1 := recorded.(map[string]any)
	g, ok2 := got.(map[string]any)
	if ok1 && ok2 && r["id"] != nil && g["id"] != nil {
		p.ids[fmt.Sprint(r["id"])] = fmt.Sprint(g["id"])
	}
}

func (p player) authorize(req *http.Request, e exchange) {
	switch {
	case e.Note == "wrong password":
		req.SetBasicAuth("admin", "wrong")
	case e.Note == "wrong token":
		req.Header.Set("Authorization", "Bearer glsa_wrong")
	case strings.HasPrefix(e.Note, "viewer"):
		req.Header.Set("Authorization", "Bearer "+p.viewer)
	case strings.HasPrefix(e.Note, "editor"):
		req.Header.Set("Authorization", "Bearer "+p.editor)
	case e.Request.Auth == "basic admin":
		req.SetBasicAuth(grafanatest.AdminUser, grafanatest.AdminPassword)
	}
}

// Keys whose values differ from one server to the next, and those that a first save says by itself.
var volatile = []string{"id", "created", "updated", "createdBy", "accessErrorId", "key", "url", "deleteKey", "deleteUrl", "dashboardId", "folderId", "parentVersion"}

// stable is an answer without what differs from one server to the next: values
// of volatile keys, and things in lists that others had made.
func stable(v any) any {
	switch v := v.(type) {
	case map[string]any:
		out := map[string]any{}
		for key, value := range v {
			if slices.Contains(volatile, key) {
				value = "…"
			}
			out[key] = stable(value)
		}
		if out["message"] == "Initial save" { // Grafana's own word for a first version
			out["message"] = "first"
		}
		return out
	case []any:
		var out []any
		seen := map[string]bool{}
		for _, item := range v {
			item = stable(item)
			if m, ok := item.(map[string]any); ok && m["uid"] != nil && !strings.HasPrefix(fmt.Sprint(m["uid"]), "plumbline") {
				continue
			}
			if text := fmt.Sprint(item); !seen[text] { // annotations of earlier recordings are alike
				seen[text] = true
				out = append(out, item)
			}
		}
		return out
	}
	return v
}
