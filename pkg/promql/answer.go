package promql

import (
	"errors"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	jsoniter "github.com/json-iterator/go"
	"github.com/prometheus/prometheus/model/labels"
)

// An answer is what a server sent.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// An envelope is what the API wraps its data in.
type envelope struct {
	status, kind, message string
	warnings              []string
}

// read takes an answer apart; data reads what is inside of a good one.
func (a answer) read(data func(*jsoniter.Iterator)) (envelope, error) {
	var e envelope
	text := strings.TrimSpace(string(a.body[:min(len(a.body), 64)]))
	if !strings.HasPrefix(text, "{") {
		return e, a.foreign(nil)
	}
	it := jsoniter.ParseBytes(jsoniter.ConfigDefault, a.body)
	it.ReadObjectCB(func(it *jsoniter.Iterator, field string) bool {
		switch field {
		case "status":
			e.status = it.ReadString()
		case "errorType":
			e.kind = it.ReadString()
		case "error":
			e.message = it.ReadString()
		case "warnings", "infos":
			readStrings(it, func(w string) { e.warnings = append(e.warnings, w) })
		case "isPartial": // VictoriaMetrics
			if it.ReadBool() {
				e.warnings = append(e.warnings, "partial answer: a part of the server's storage did not answer")
			}
		case "data":
			if it.WhatIsNext() == jsoniter.NilValue {
				it.Skip()
				return true
			}
			data(it)
		default:
			it.Skip()
		}
		return it.Error == nil
	})
	switch {
	case it.Error != nil || !closes(a.body):
		return e, a.foreign(it.Error)
	case e.status == "success" && a.status/100 == 2:
		return e, nil
	case e.status == "" && e.message == "":
		return e, a.foreign(nil)
	}
	return e, a.refusal(e)
}

// closes reports whether the JSON object is whole.
func closes(body []byte) bool {
	return strings.HasSuffix(strings.TrimSpace(string(body[max(len(body)-64, 0):])), "}")
}

func readStrings(it *jsoniter.Iterator, take func(string)) {
	if it.WhatIsNext() == jsoniter.NilValue {
		it.Skip()
		return
	}
	for it.ReadArray() {
		take(it.ReadString())
	}
}

// foreign says that an answer isn't the API's, and what it is instead.
func (a answer) foreign(cause error) error {
	what := a.header.Get("Content-Type")
	if what == "" {
		what = "something without a content type"
	}
	start, said := excerpt(string(a.body)), ""
	if start != "" {
		said = fmt.Sprintf(": %q", start)
	}
	t := &trouble{again: a.status == http.StatusTooManyRequests || a.status >= 500, after: retryAfter(a.header)}
	switch {
	case a.status == http.StatusUnauthorized, a.status == http.StatusForbidden:
		t.error = fmt.Errorf("%s: %s%s", a.code(), wantsCredentials, said)
	case a.status == http.StatusNotFound:
		t.error = fmt.Errorf("%s: no Prometheus answers under this URL (is a path prefix missing?)%s", a.code(), said)
	case a.status/100 != 2:
		t.error = errors.New(a.code() + said)
	case len(a.body) == 0:
		t.again, t.error = true, fmt.Errorf("%s with an empty body", a.code())
	case cause != nil || strings.HasPrefix(start, "{") && !closes(a.body):
		t.again, t.error = true, fmt.Errorf("%s with broken JSON, %d bytes of %s, starting %q", a.code(), len(a.body), what, start)
	default:
		t.error = fmt.Errorf("%s, but not of Prometheus' API: %s, starting %q; is this the URL of a Prometheus?", a.code(), what, start)
	}
	return t
}

// wantsCredentials says where they belong; no run keeps them.
const wantsCredentials = "it wants other credentials; give them in the URL of --prometheus or PLUMBLINE_PROMETHEUS, or as prometheus.http_config of plumbline.yaml"

func (a answer) code() string {
	return strings.TrimSpace(fmt.Sprintf("answered %d %s", a.status, http.StatusText(a.status)))
}

// limits are what servers say when a question is too much for them: Prometheus,
// Mimir and Cortex, Thanos, VictoriaMetrics.
var limits = []string{
	"maximum resolution", "too many samples", "query timed out",
	"err-mimir-max", "exceeded the maximum", "exceeds the limit", "exceeds limit", "limit exceeded", "the limit of",
	"exceeded series limit", "exceeded samples limit", "exceeded chunks limit",
	"-search.max", "not enough memory",
}

// refusal says why the server gave no data.
func (a answer) refusal(e envelope) error {
	t := &trouble{after: retryAfter(a.header)}
	has := func(part string) bool { return strings.Contains(e.message, part) }
	said := abridged(e.message)
	switch {
	case slices.ContainsFunc(limits, has) && a.status != http.StatusTooManyRequests:
		t.error = fmt.Errorf("%w: %s", errTooMuch, said)
	case has("rpc error: code = "): // Thanos blames the query, with 422
		t.again, t.error = true, fmt.Errorf("%s: a part of it did not answer: %s", a.code(), said)
	case e.kind == "bad_data", e.kind == "execution", a.status == http.StatusBadRequest, a.status == http.StatusUnprocessableEntity:
		t.error = fmt.Errorf("%w: %s", ErrBadQuery, said)
	case a.status == http.StatusUnauthorized, a.status == http.StatusForbidden:
		t.error = fmt.Errorf("%s: %s: %s", a.code(), wantsCredentials, said)
	default:
		t.again = a.status == http.StatusTooManyRequests || a.status >= 500
		t.error = fmt.Errorf("%s: %s: %s", a.code(), e.kind, said)
	}
	return t
}

// strings reads an answer that is a list of names.
func (a answer) strings() (names []string, err error) {
	_, err = a.read(func(it *jsoniter.Iterator) {
		readStrings(it, func(name string) { names = append(names, name) })
	})
	return names, err
}

// result reads the answer to a query.
func (a answer) result() (Result, error) {
	var d decoded
	e, err := a.read(d.data)
	if err != nil {
		return Result{}, err
	}
	res, err := d.result()
	if err != nil {
		return Result{}, &trouble{error: fmt.Errorf("%s with what is no result: %w; it starts %q", a.code(), err, excerpt(string(a.body)))}
	}
	res.Warnings = e.warnings
	return res, nil
}

// decoded is a result on its way: the schema of native histograms, which the
// API leaves out, can only be told from all of them together.
type decoded struct {
	series     []Series
	histograms []apiHistogram
	places     []place // of the histograms
}

type place struct{ series, point int }

// data reads {"resultType": …, "result": …}; the shape of the result says its type.
func (d *decoded) data(it *jsoniter.Iterator) {
	it.ReadObjectCB(func(it *jsoniter.Iterator, field string) bool {
		if field != "result" {
			it.Skip()
			return it.Error == nil
		}
		for it.ReadArray() {
			if it.WhatIsNext() != jsoniter.ObjectValue { // a scalar: [time, "value"]
				d.series = append(d.series, Series{})
				d.rest(it, it.ReadFloat64())
				break
			}
			d.element(it)
		}
		return it.Error == nil
	})
}

// element reads a series of a vector or matrix.
func (d *decoded) element(it *jsoniter.Iterator) {
	d.series = append(d.series, Series{})
	it.ReadObjectCB(func(it *jsoniter.Iterator, field string) bool {
		switch field {
		case "metric":
			metric := map[string]string{}
			it.ReadMapCB(func(it *jsoniter.Iterator, name string) bool {
				metric[name] = it.ReadString()
				return it.Error == nil
			})
			d.series[len(d.series)-1].Labels = labels.FromMap(metric)
		case "value", "histogram":
			d.sample(it)
		case "values", "histograms":
			for it.ReadArray() {
				d.sample(it)
			}
		default:
			it.Skip()
		}
		return it.Error == nil
	})
}

// sample reads [time, "value"] or [time, {histogram}].
func (d *decoded) sample(it *jsoniter.Iterator) {
	if !it.ReadArray() {
		it.ReportError("sample", "want [time, value]")
		return
	}
	d.rest(it, it.ReadFloat64())
}

// rest reads what follows the time of a sample.
func (d *decoded) rest(it *jsoniter.Iterator, seconds float64) {
	if !(math.Abs(seconds) < 1e13) || !it.ReadArray() {
		it.ReportError("sample", "want [time, value]")
		return
	}
	s := &d.series[len(d.series)-1]
	p := Point{Time: time.UnixMilli(int64(math.Round(seconds * 1000)))}
	if it.WhatIsNext() == jsoniter.ObjectValue {
		d.histograms = append(d.histograms, readHistogram(it))
		d.places = append(d.places, place{len(d.series) - 1, len(s.Points)})
	} else {
		p.Value = readNumber(it)
	}
	s.Points = append(s.Points, p)
	if it.Error == nil && it.ReadArray() {
		it.ReportError("sample", "want [time, value]")
	}
}

// readNumber reads a number in quotes, as JSON has no NaN and no Inf.
func readNumber(it *jsoniter.Iterator) float64 {
	text := it.ReadString()
	v, err := strconv.ParseFloat(text, 64)
	if err != nil && it.Error == nil {
		it.ReportError("number", "want a number in quotes, got "+strconv.Quote(text))
	}
	return v
}

// result puts histograms in their places and everything in order.
func (d *decoded) result() (Result, error) {
	histograms, err := restore(d.histograms)
	if err != nil {
		return Result{}, err
	}
	for i, at := range d.places {
		d.series[at.series].Points[at.point].Histogram = histograms[i]
	}
	for i := range d.series {
		s := &d.series[i]
		slices.SortStableFunc(s.Points, func(a, b Point) int { return a.Time.Compare(b.Time) })
		s.Points = slices.CompactFunc(s.Points, func(a, b Point) bool { return a.Time.Equal(b.Time) })
	}
	res := Result{Series: d.series}
	res.sort()
	return res, nil
}
