package promql

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/config"
)

func TestClientOfAServerInTrouble(t *testing.T) {
	const bad = `{"status":"error","errorType":"bad_data","error":"parse error"}`
	const good = `{"status":"success","data":{"resultType":"vector","result":[]}}`
	for _, c := range []struct {
		name   string
		code   int
		body   string
		calls  int
		bad    bool
		answer bool // the second call answers
	}{
		{"unavailable, then there", 503, "busy", 2, false, true},
		{"too many requests, then there", 429, "busy", 2, false, true},
		{"bad query", 400, bad, 1, true, false},
		{"HTML of something else", 404, "<html>not here</html>", 1, false, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			calls := 0
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				if calls++; calls > 1 && c.answer {
					_, _ = w.Write([]byte(good))
					return
				}
				w.WriteHeader(c.code)
				_, _ = w.Write([]byte(c.body))
			}))
			defer s.Close()
			client, err := NewClient(s.URL, config.DefaultHTTPClientConfig)
			if err != nil {
				t.Fatal(err)
			}
			_, err = client.Query(t.Context(), "up", time.Unix(0, 0))
			if calls != c.calls || (err == nil) != c.answer || errors.Is(err, ErrBadQuery) != c.bad {
				t.Errorf("got %d calls, error %v", calls, err)
			}
			if err != nil && (!strings.Contains(err.Error(), s.URL) || !strings.Contains(err.Error(), `query "up"`)) {
				t.Errorf("got %v, want the server and the query named", err)
			}
		})
	}
}
