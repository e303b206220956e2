package embedded_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/prometheus/prometheus/promql/promqltest"

	"github.com/plumbline/plumbline/pkg/promql/embedded"
)

// What Grafana and other clients of Prometheus ask, and how Prometheus answers.
func TestHandlerAnswersAsPrometheusDoes(t *testing.T) {
	db := embedded.New(promqltest.LoadedStorage(t, "load 5s\n  x{a=\"1\",job=\"j\"} 0+1x20\n  x{a=\"2\",job=\"j\"} 5\n  y{b=\"<\\\"\"} 1\n"))
	s := httptest.NewServer(embedded.Handler(db))
	defer s.Close()
	for _, c := range []struct {
		name, path, form string
		code             int
		want             string // all of the answer, or the start of it with …
	}{
		{"vector", "query", "query=x{a='1'}&time=10", 200, `{"status":"success","data":{"resultType":"vector","result":[{"metric":{"__name__":"x","a":"1","job":"j"},"value":[10,"2"]}]}}`},
		{"empty vector", "query", "query=z&time=10", 200, `{"status":"success","data":{"resultType":"vector","result":[]}}`},
		{"scalar", "query", "query=1%2B1&time=10", 200, `{"status":"success","data":{"resultType":"scalar","result":[10,"2"]}}`},
		{"range selector", "query", "query=x{a='1'}[6s]&time=6", 200, `{"status":"success","data":{"resultType":"matrix","result":[{"metric":{"__name__":"x","a":"1","job":"j"},"values":[[5,"1"]]}]}}`},
		{"range selector of one sample is no vector", "query", "query=x{a='2'}[10s]&time=6", 200, `{"status":"success","data":{"resultType":"matrix",…`},
		{"range", "query_range", "query=x{a='1'}&start=0&end=5&step=5", 200, `{"status":"success","data":{"resultType":"matrix","result":[{"metric":{"__name__":"x","a":"1","job":"j"},"values":[[0,"0"],[5,"1"]]}]}}`},
		{"empty range", "query_range", "query=z&start=0&end=5&step=5s", 200, `{"status":"success","data":{"resultType":"matrix","result":[]}}`},
		{"labels", "labels", "", 200, `{"status":"success","data":["__name__","a","b","job"]}`},
		{"labels of some", "labels", "match[]=y", 200, `{"status":"success","data":["__name__","b"]}`},
		{"values", "label/a/values", "", 200, `{"status":"success","data":["1","2"]}`},
		{"values of some", "label/__name__/values", "match[]=x{a='1'}&match[]=y&start=0&end=100", 200, `{"status":"success","data":["x","y"]}`},
		{"values of none", "label/none/values", "", 200, `{"status":"success","data":[]}`},
		{"no more than asked for", "label/a/values", "limit=1", 200, `{"status":"success","data":["1"]}`},
		{"series", "series", "match[]=x{a='1'}&match[]={job='j',a='1'}", 200, `{"status":"success","data":[{"__name__":"x","a":"1","job":"j"}]}`},
		{"no series", "series", "match[]=z", 200, `{"status":"success","data":[]}`},
		{"hostile labels", "series", "match[]=y", 200, `{"status":"success","data":[{"__name__":"y","b":"\u003c\""}]}`},
		{"metadata", "metadata", "", 200, `{"status":"success","data":{}}`},
		{"rules", "rules", "", 200, `{"status":"success","data":{"groups":[]}}`},
		{"alerts", "alerts", "", 200, `{"status":"success","data":{"alerts":[]}}`},
		{"exemplars", "query_exemplars", "query=x", 200, `{"status":"success","data":[]}`},
		{"build", "status/buildinfo", "", 200, `{"status":"success","data":{"branch":"",…`},
		{"bad query", "query", "query=sum(", 400, `{"status":"error","errorType":"bad_data",…`},
		{"bad time", "query", "query=x&time=noon", 400, `{"status":"error","errorType":"bad_data",…`},
		{"no step", "query_range", "query=x&start=0&end=5", 400, `{"status":"error","errorType":"bad_data",…`},
		{"no start", "query_range", "query=x&end=5&step=1", 400, `{"status":"error","errorType":"bad_data",…`},
		{"too many points", "query_range", "query=x&start=0&end=11000&step=1", 400, `{"status":"error","errorType":"bad_data",…`},
		{"series of nothing", "series", "", 400, `{"status":"error","errorType":"bad_data",…`},
		{"bad selector", "labels", "match[]=x{", 400, `{"status":"error","errorType":"bad_data",…`},
		{"bad timeout", "query", "query=x&timeout=soon", 400, `{"status":"error","errorType":"bad_data",…`},
		{"something else", "targets", "", 404, `404 page not found`},
	} {
		for method, ask := range map[string]func() (*http.Response, error){
			"GET": func() (*http.Response, error) {
				return http.Get(s.URL + "/api/v1/" + c.path + "?" + strings.NewReplacer("{", "%7B", "}", "%7D", "'", "%22").Replace(c.form))
			},
			"POST": func() (*http.Response, error) {
				form, err := url.ParseQuery(strings.ReplaceAll(c.form, "'", "%22"))
				if err != nil {
					t.Fatal(err)
				}
				return http.PostForm(s.URL+"/api/v1/"+c.path, form)
			},
		} {
			res, err := ask()
			if err != nil {
				t.Fatal(err)
			}
			body, err := io.ReadAll(res.Body)
			res.Body.Close()
			got := strings.TrimSpace(string(body))
			start, partly := strings.CutSuffix(c.want, "…")
			if err != nil || res.StatusCode != c.code || got != c.want && !(partly && strings.HasPrefix(got, start)) {
				t.Errorf("%s by %s: got %d %s, want %d %s", c.name, method, res.StatusCode, got, c.code, c.want)
			}
		}
	}
}
