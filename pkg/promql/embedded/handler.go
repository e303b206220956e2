package embedded

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/common/model"

	"github.com/plumbline/plumbline/pkg/promql"
)

// Handler answers /api/v1/query and /api/v1/query_range as Prometheus does, so
// that a [promql.Client] or Grafana can ask a recording, even while it is live.
func Handler(q promql.Querier) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/api/v1/query", func(w http.ResponseWriter, r *http.Request) {
		at, err := parseTime(r.FormValue("time"))
		if err != nil {
			refuse(w, http.StatusBadRequest, "bad_data", err)
			return
		}
		res, err := q.Query(r.Context(), r.FormValue("query"), at)
		answer(w, "vector", res, err)
	})
	mux.HandleFunc("/api/v1/query_range", func(w http.ResponseWriter, r *http.Request) {
		start, err1 := parseTime(r.FormValue("start"))
		end, err2 := parseTime(r.FormValue("end"))
		step, err3 := parseStep(r.FormValue("step"))
		if err := errors.Join(err1, err2, err3); err != nil {
			refuse(w, http.StatusBadRequest, "bad_data", err)
			return
		}
		res, err := q.QueryRange(r.Context(), r.FormValue("query"), promql.Range{Start: start, End: end, Step: step})
		answer(w, "matrix", res, err)
	})
	return mux
}

func answer(w http.ResponseWriter, kind string, res promql.Result, err error) {
	switch {
	case errors.Is(err, promql.ErrBadQuery):
		refuse(w, http.StatusBadRequest, "bad_data", err)
		return
	case err != nil:
		refuse(w, http.StatusInternalServerError, "internal", err)
		return
	}
	if kind == "vector" && hasRanges(res) { // the query was a range selector
		kind = "matrix"
	}
	writeJSON(w, http.StatusOK, response{Status: "success", Data: &data{kind, seriesJSON(kind, res)}, Warnings: res.Warnings})
}

func refuse(w http.ResponseWriter, code int, kind string, err error) {
	writeJSON(w, code, response{Status: "error", ErrorType: kind, Error: err.Error()})
}

func writeJSON(w http.ResponseWriter, code int, r response) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(r) //nolint:errcheck // the client has gone
}

// response is the API's envelope; Grafana wants resultType before result.
type response struct {
	Status    string   `json:"status"`
	Data      *data    `json:"data,omitempty"`
	ErrorType string   `json:"errorType,omitempty"`
	Error     string   `json:"error,omitempty"`
	Warnings  []string `json:"warnings,omitempty"`
}

type data struct {
	ResultType string       `json:"resultType"`
	Result     []seriesData `json:"result"`
}

type seriesData struct {
	Metric     map[string]string `json:"metric"`
	Value      *sample           `json:"value,omitempty"`
	Histogram  *sample           `json:"histogram,omitempty"`
	Values     []sample          `json:"values,omitempty"`
	Histograms []sample          `json:"histograms,omitempty"`
}

type sample [2]any

func hasRanges(res promql.Result) bool {
	for _, s := range res.Series {
		if len(s.Points) != 1 {
			return true
		}
	}
	return false
}

func seriesJSON(kind string, res promql.Result) []seriesData {
	out := []seriesData{}
	for _, s := range res.Series {
		d := seriesData{Metric: s.Labels.Map()}
		for _, p := range s.Points {
			v := toSample(p)
			switch {
			case kind == "vector" && p.Histogram != nil:
				d.Histogram = &v
			case kind == "vector":
				d.Value = &v
			case p.Histogram != nil:
				d.Histograms = append(d.Histograms, v)
			default:
				d.Values = append(d.Values, v)
			}
		}
		out = append(out, d)
	}
	return out
}

func toSample(p promql.Point) sample {
	at := float64(p.Time.UnixMilli()) / 1000
	if p.Histogram == nil {
		return sample{at, formatFloat(p.Value)}
	}
	buckets := [][4]any{}
	for it := p.Histogram.AllBucketIterator(); it.Next(); {
		b := it.At()
		if b.Count == 0 {
			continue
		}
		closed := 2 // both bounds open
		switch {
		case b.LowerInclusive && b.UpperInclusive:
			closed = 3
		case b.UpperInclusive:
			closed = 0
		case b.LowerInclusive:
			closed = 1
		}
		buckets = append(buckets, [4]any{closed, formatFloat(b.Lower), formatFloat(b.Upper), formatFloat(b.Count)})
	}
	return sample{at, map[string]any{"count": formatFloat(p.Histogram.Count), "sum": formatFloat(p.Histogram.Sum), "buckets": buckets}}
}

func formatFloat(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }

func parseTime(text string) (time.Time, error) {
	if text == "" {
		return time.Now(), nil
	}
	if v, err := strconv.ParseFloat(text, 64); err == nil {
		return time.UnixMilli(int64(math.Round(v * 1000))), nil
	}
	t, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		return t, fmt.Errorf("time %q: want seconds or RFC 3339", text)
	}
	return t, nil
}

func parseStep(text string) (time.Duration, error) {
	if v, err := strconv.ParseFloat(text, 64); err == nil && v > 0 {
		return time.Duration(v * float64(time.Second)), nil
	}
	d, err := model.ParseDuration(text)
	if err != nil || d <= 0 {
		return 0, fmt.Errorf("step %q: want seconds or a duration", text)
	}
	return time.Duration(d), nil
}
