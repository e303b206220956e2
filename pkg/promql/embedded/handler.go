package embedded

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	prom "github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/storage"

	"github.com/plumbline/plumbline/pkg/promql"
)

// Handler answers the part of Prometheus' HTTP API that a [promql.Client] and
// Grafana ask: queries, labels, series; and, since a recording has none, that
// there are no rules, alerts, metadata and exemplars. The recording may be live.
func Handler(db *DB) http.Handler {
	mux := http.NewServeMux()
	for path, answer := range map[string]func(*http.Request) (any, []string, error){
		"query":               db.answerQuery,
		"query_range":         db.answerRange,
		"labels":              db.answerLabels,
		"label/{name}/values": db.answerLabels,
		"series":              db.answerSeries,
		"metadata":            nothing(struct{}{}),
		"query_exemplars":     nothing([]string{}),
		"rules":               nothing(map[string][]string{"groups": {}}),
		"alerts":              nothing(map[string][]string{"alerts": {}}),
		"status/buildinfo":    nothing(buildInfo()),
	} {
		mux.HandleFunc("/api/v1/"+path, func(w http.ResponseWriter, r *http.Request) {
			data, warnings, err := answer(r)
			write(w, data, warnings, err)
		})
	}
	for _, path := range []string{"/-/healthy", "/-/ready"} {
		mux.HandleFunc(path, func(http.ResponseWriter, *http.Request) {})
	}
	return mux
}

func nothing(data any) func(*http.Request) (any, []string, error) {
	return func(*http.Request) (any, []string, error) { return data, nil, nil }
}

// buildInfo tells the version of Prometheus' engine that answers.
func buildInfo() map[string]string {
	info := map[string]string{"version": "", "revision": "", "branch": "", "buildUser": "", "buildDate": "", "goVersion": runtime.Version()}
	if build, ok := debug.ReadBuildInfo(); ok {
		for _, m := range build.Deps {
			if v, is := strings.CutPrefix(m.Version, "v0."); is && m.Path == "github.com/prometheus/prometheus" {
				major, rest := v[:1], v[1:] // v0.316.0 is the library of Prometheus 3.16.0
				info["version"] = major + "." + strings.TrimLeft(rest, "0")
			}
		}
	}
	return info
}

func (db *DB) answerQuery(r *http.Request) (any, []string, error) {
	at, err := parseTime(r.FormValue("time"), time.Now())
	if err != nil {
		return nil, nil, bad(err)
	}
	ctx, cancel, err := within(r)
	if err != nil {
		return nil, nil, bad(err)
	}
	defer cancel()
	res, err := db.Query(ctx, r.FormValue("query"), at)
	if err != nil {
		return nil, nil, err
	}
	kind := "vector"
	if tree, err := promql.NewParser().ParseExpr(r.FormValue("query")); err == nil {
		kind = string(tree.Type())
	}
	if kind == "scalar" && len(res.Series) == 1 && len(res.Series[0].Points) == 1 {
		return data{kind, toSample(res.Series[0].Points[0])}, res.Warnings, nil
	}
	return data{kind, seriesJSON(kind, res)}, res.Warnings, nil
}

// maxPoints is how many points of a series are given at once, as by Prometheus.
const maxPoints = 11_000

func (db *DB) answerRange(r *http.Request) (any, []string, error) {
	start, err1 := parseTime(r.FormValue("start"), time.Time{})
	end, err2 := parseTime(r.FormValue("end"), time.Time{})
	step, err3 := parseStep(r.FormValue("step"))
	ctx, cancel, err4 := within(r)
	if err := errors.Join(err1, err2, err3, err4); err != nil {
		return nil, nil, bad(err)
	}
	defer cancel()
	switch {
	case end.Before(start):
		return nil, nil, bad(errors.New("end lies before start"))
	case end.Sub(start)/step >= maxPoints:
		return nil, nil, bad(fmt.Errorf("exceeded maximum resolution of %d points per timeseries; a larger step asks for less", maxPoints))
	}
	res, err := db.QueryRange(ctx, r.FormValue("query"), promql.Range{Start: start, End: end, Step: step})
	return data{"matrix", seriesJSON("matrix", res)}, res.Warnings, err
}

// within is the time that a client gives for an answer.
func within(r *http.Request) (context.Context, context.CancelFunc, error) {
	text := r.FormValue("timeout")
	if text == "" {
		return r.Context(), func() {}, nil
	}
	d, err := parseStep(text)
	if err != nil {
		return nil, nil, fmt.Errorf("timeout: %w", err)
	}
	ctx, cancel := context.WithTimeout(r.Context(), d)
	return ctx, cancel, nil
}

// selection is the series and the time that a question about labels is limited to.
type selection struct {
	storage.Querier
	matchers   [][]*labels.Matcher // series of any of them
	mint, maxt int64
}

func (db *DB) selection(r *http.Request) (s selection, err error) {
	start, err1 := parseTime(r.FormValue("start"), time.UnixMilli(math.MinInt64/2))
	end, err2 := parseTime(r.FormValue("end"), time.UnixMilli(math.MaxInt64/2))
	matchers, err3 := promql.NewParser().ParseMetricSelectors(r.Form["match[]"])
	if err := errors.Join(err1, err2, err3); err != nil {
		return s, bad(err)
	}
	s = selection{matchers: matchers, mint: start.UnixMilli(), maxt: end.UnixMilli()}
	s.Querier, err = db.storage.Querier(s.mint, s.maxt)
	return s, err
}

// answerLabels gives the names of labels, or the values of one.
func (db *DB) answerLabels(r *http.Request) (any, []string, error) {
	s, err := db.selection(r)
	if err != nil {
		return nil, nil, err
	}
	defer func() { _ = s.Close() }() //nolint:errcheck // it was only read
	found := []string{}
	if len(s.matchers) == 0 {
		s.matchers = [][]*labels.Matcher{nil}
	}
	for _, ms := range s.matchers {
		var more []string
		if name := r.PathValue("name"); name != "" {
			more, _, err = s.LabelValues(r.Context(), name, nil, ms...)
		} else {
			more, _, err = s.LabelNames(r.Context(), nil, ms...)
		}
		if err != nil {
			return nil, nil, err
		}
		found = append(found, more...)
	}
	slices.Sort(found)
	found = slices.Compact(found)
	return found[:min(len(found), limit(r))], nil, nil
}

// limit is how many results a client wants at most.
func limit(r *http.Request) int {
	if n, err := strconv.Atoi(r.FormValue("limit")); err == nil && n > 0 {
		return n
	}
	return math.MaxInt
}

func (db *DB) answerSeries(r *http.Request) (any, []string, error) {
	s, err := db.selection(r)
	if err != nil {
		return nil, nil, err
	}
	defer func() { _ = s.Close() }() //nolint:errcheck // it was only read
	if len(s.matchers) == 0 {
		return nil, nil, bad(errors.New("no match[] parameter provided"))
	}
	found := []map[string]string{}
	seen := map[string]bool{}
	for _, ms := range s.matchers {
		set := s.Select(r.Context(), true, &storage.SelectHints{Start: s.mint, End: s.maxt, Func: "series"}, ms...)
		for set.Next() && len(found) < limit(r) {
			if ls := set.At().Labels(); !seen[ls.String()] {
				seen[ls.String()] = true
				found = append(found, ls.Map())
			}
		}
		if err := set.Err(); err != nil {
			return nil, nil, err
		}
	}
	return found, nil, nil
}

// bad marks an error as the client's own.
func bad(err error) error { return fmt.Errorf("%w: %w", promql.ErrBadQuery, err) }

// write answers in the API's envelope.
func write(w http.ResponseWriter, data any, warnings []string, err error) {
	switch {
	case errors.Is(err, promql.ErrBadQuery):
		writeJSON(w, http.StatusBadRequest, response{Status: "error", ErrorType: "bad_data", Error: err.Error()})
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, new(prom.ErrQueryTimeout)):
		writeJSON(w, http.StatusServiceUnavailable, response{Status: "error", ErrorType: "timeout", Error: err.Error()})
	case err != nil:
		writeJSON(w, http.StatusInternalServerError, response{Status: "error", ErrorType: "internal", Error: err.Error()})
	default:
		writeJSON(w, http.StatusOK, response{Status: "success", Data: data, Warnings: warnings})
	}
}

func writeJSON(w http.ResponseWriter, code int, r response) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(r) //nolint:errcheck // the client has gone
}

// response is the API's envelope.
type response struct {
	Status    string   `json:"status"`
	Data      any      `json:"data,omitempty"`
	ErrorType string   `json:"errorType,omitempty"`
	Error     string   `json:"error,omitempty"`
	Warnings  []string `json:"warnings,omitempty"`
}

// data is the answer to a query; Grafana wants resultType before result.
type data struct {
	ResultType string `json:"resultType"`
	Result     any    `json:"result"`
}

type seriesData struct {
	Metric     map[string]string `json:"metric"`
	Value      *sample           `json:"value,omitempty"`
	Histogram  *sample           `json:"histogram,omitempty"`
	Values     []sample          `json:"values,omitempty"`
	Histograms []sample          `json:"histograms,omitempty"`
}

type sample [2]any

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

// parseTime reads a time of the API.
func parseTime(text string, otherwise time.Time) (time.Time, error) {
	if text == "" && !otherwise.IsZero() {
		return otherwise, nil
	}
	if v, err := strconv.ParseFloat(text, 64); err == nil && math.Abs(v) < math.MaxInt64/1e6 {
		return time.UnixMilli(int64(math.Round(v * 1000))), nil
	}
	t, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		return t, fmt.Errorf("time %q: want seconds or RFC 3339", text)
	}
	return t, nil
}

// parseStep reads a duration of the API.
func parseStep(text string) (time.Duration, error) {
	if v, err := strconv.ParseFloat(text, 64); err == nil && v >= 1e-3 && v < math.MaxInt64/1e9 {
		return time.Duration(v * float64(time.Second)), nil
	}
	d, err := model.ParseDuration(text)
	if err != nil || d <= 0 {
		return 0, fmt.Errorf("%q: want seconds or a duration", text)
	}
	return time.Duration(d), nil
}
