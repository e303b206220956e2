package trend

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"
)

func readJSON(name string, text []byte) (Table, error) {
	runs, err := jsonRuns(name, text)
	if err != nil {
		return Table{name: name}, err
	}
	if answer, ok := perfAnswer(runs); ok {
		return answer.table(name), nil
	}
	t := jsonTable{Table: Table{name: name, Units: map[string]string{}}, mistakes: mistakes{file: name}}
	for _, r := range runs {
		t.run(r)
	}
	return t.Table, t.err()
}

// A jsonRun is an object of the file and the line on which it starts.
type jsonRun struct {
	line int
	text json.RawMessage
}

// jsonRuns are the objects of a file: of an array, or one after the other.
func jsonRuns(name string, text []byte) ([]jsonRun, error) {
	d := json.NewDecoder(bytes.NewReader(text))
	inArray := bytes.TrimSpace(text)[0] == '['
	line := func(offset int64) int { return 1 + bytes.Count(text[:min(int(offset), len(text))], []byte("\n")) }
	fail := func(err error) error {
		at := d.InputOffset()
		var syntax *json.SyntaxError
		if errors.As(err, &syntax) {
			at = syntax.Offset
		}
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return fmt.Errorf("%s:%d: the file ends in the middle of a run or before the end of the array", name, line(int64(len(text))))
		}
		return fmt.Errorf("%s:%d: %w", name, line(at), err)
	}
	if inArray {
		if _, err := d.Token(); err != nil {
			return nil, fail(err)
		}
	}
	var runs []jsonRun
	for d.More() {
		var r jsonRun
		if err := d.Decode(&r.text); err != nil {
			return nil, fail(err)
		}
		r.line = line(d.InputOffset() - int64(len(r.text)))
		if r.text[0] != '{' {
			return nil, fmt.Errorf("%s:%d: a run must be an object, like {\"time\": \"2006-01-02T15:04:05Z\", \"latency\": 0.187}", name, r.line)
		}
		runs = append(runs, r)
	}
	if inArray {
		if _, err := d.Token(); err != nil {
			return nil, fail(err)
		}
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%s:%d: there is more after the end of the array", name, line(d.InputOffset()))
	}
	return runs, nil
}

// A jsonTable is a table that is being read.
type jsonTable struct {
	Table
	mistakes
}

// run adds the row of a run.
func (t *jsonTable) run(r jsonRun) {
	row := &jsonRow{table: t, line: r.line, Row: Row{Labels: map[string]string{}, Values: map[string]float64{}}}
	row.object(place{}, r.text)
	t.Rows = append(t.Rows, row.Row)
}

// value sets a value, and names the metric when it is new.
func (t *jsonTable) value(r *jsonRow, metric string, value float64) {
	if !slices.Contains(t.Metrics, metric) {
		t.Metrics = append(t.Metrics, metric)
	}
	r.Values[metric] = value
}

// A jsonRow is a run that is being read.
type jsonRow struct {
	Row
	table *jsonTable
	line  int
}

// A place is where in a run an object stands.
type place struct {
	path   string // of its values, "" or ending in /
	labels bool   // it holds labels only
}

// A jsonField is a member of an object, in the order of the file.
type jsonField struct {
	name string
	text json.RawMessage
}

// fields are the members of an object that is known to be one.
func fields(text json.RawMessage) []jsonField {
	d := json.NewDecoder(bytes.NewReader(text))
	var all []jsonField
	if _, err := d.Token(); err != nil {
		return nil
	}
	for d.More() {
		token, err := d.Token()
		name, ok := token.(string)
		var f jsonField
		if err != nil || !ok || d.Decode(&f.text) != nil {
			return all
		}
		f.name = name
		all = append(all, f)
	}
	return all
}

// object puts the members of an object where they belong: numbers are values,
// texts labels, and an object that has a value is a measure, as in Bencher's
// format. What other objects hold is named by the path to it: benchmark/measure.
func (r *jsonRow) object(at place, text json.RawMessage) {
	for _, f := range fields(text) {
		switch f.text[0] {
		case '{':
			r.inner(at, f)
		case '[':
			r.list(f)
		default:
			r.scalar(at, f)
		}
	}
}

// inner is a member that is an object itself.
func (r *jsonRow) inner(at place, f jsonField) {
	for _, measure := range fields(f.text) {
		if measure.name == "value" {
			r.number(at.path+f.name, measure.text) // its bounds are not made use of
			return
		}
	}
	switch f.name {
	case "attributes", "labels", "extra_info":
		at.labels = true
	case "metrics", "results":
	default:
		at.path += f.name + "/"
	}
	r.object(at, f.text)
}

// scalar is a member that is a text, a number, true, false or null.
func (r *jsonRow) scalar(at place, f jsonField) {
	text, isText := string(f.text), f.text[0] == '"'
	if isText && json.Unmarshal(f.text, &text) != nil {
		return
	}
	name := strings.ToLower(f.name)
	isLabel := at.labels || isText || text == "true" || text == "false" || slices.Contains(labelNames, name)
	switch role := namedRoles[name]; {
	case role != labelColumn && text == "null" && !isText:
	case role == timeColumn:
		when, ok := parseTime(text)
		if !ok {
			r.table.add(r.line, "%s: %q is no time; write 2006-01-02T15:04:05Z or seconds since 1970", f.name, text)
		}
		r.Time = when
	case role == runColumn:
		r.Run = text
	case isLabel && (isText || text != "null"):
		r.Labels[at.path+f.name] = text
	case !isLabel:
		r.number(at.path+f.name, f.text)
	}
}

// number is a value; null is a missing one.
func (r *jsonRow) number(metric string, text json.RawMessage) {
	value, err := parseValue(string(text))
	if err != nil {
		r.table.add(r.line, "%s: %s is no number", metric, text)
	}
	r.table.value(r, metric, value)
}

// list is a member that lists metrics by name, as Nyrkiö has them. Other lists
// hold no values of a run.
func (r *jsonRow) list(f jsonField) {
	var metrics []struct {
		Name  string          `json:"name"`
		Unit  string          `json:"unit"`
		Value json.RawMessage `json:"value"`
	}
	if json.Unmarshal(f.text, &metrics) != nil {
		return
	}
	for _, m := range metrics {
		if m.Name == "" {
			r.table.add(r.line, "%s: a metric has no name", f.name)
			continue
		}
		if m.Value == nil {
			m.Value = json.RawMessage("null")
		}
		r.number(m.Name, m.Value)
		if known, ok := r.table.Units[m.Name]; ok && known != m.Unit {
			r.table.add(r.line, "%s: its unit is %q, and %q before", m.Name, m.Unit, known)
		}
		r.table.Units[m.Name] = m.Unit
	}
}

// A bencherAnswer is what Bencher's API answers to a perf query: a line for each
// branch, testbed, benchmark and measure.
type bencherAnswer struct {
	Results []struct {
		Branch    bencherName `json:"branch"`
		Testbed   bencherName `json:"testbed"`
		Benchmark bencherName `json:"benchmark"`
		Measure   bencherName `json:"measure"`
		Metrics   []struct {
			Start   time.Time `json:"start_time"`
			Version struct {
				Hash string `json:"hash"`
			} `json:"version"`
			Metric struct {
				Value float64 `json:"value"`
			} `json:"metric"`
		} `json:"metrics"`
	} `json:"results"`
}

type bencherName struct {
	Name  string `json:"name"`
	Units string `json:"units"`
}

// perfAnswer reads the runs as an answer of Bencher's API, if they are one.
func perfAnswer(runs []jsonRun) (bencherAnswer, bool) {
	var a bencherAnswer
	if len(runs) != 1 || json.Unmarshal(runs[0].text, &a) != nil || len(a.Results) == 0 {
		return a, false
	}
	return a, a.Results[0].Benchmark.Name != "" && a.Results[0].Measure.Name != ""
}

// table makes each line a metric benchmark/measure; where several branches or
// testbeds have one, these are named too.
func (a bencherAnswer) table(file string) Table {
	t := Table{name: file, Units: map[string]string{}}
	short := map[string]int{}
	for _, r := range a.Results {
		short[r.Benchmark.Name+"/"+r.Measure.Name]++
	}
	type commit struct {
		at   int64
		hash string
	}
	rows := map[commit]Row{}
	for _, r := range a.Results {
		metric := r.Benchmark.Name + "/" + r.Measure.Name
		if short[metric] > 1 {
			metric = strings.Join([]string{r.Branch.Name, r.Testbed.Name, metric}, "/")
		}
		t.Metrics = append(t.Metrics, metric)
		t.Units[metric] = r.Measure.Units
		for _, m := range r.Metrics {
			key := commit{m.Start.UnixNano(), m.Version.Hash}
			row, ok := rows[key]
			if !ok {
				row = Row{Time: m.Start.UTC(), Labels: map[string]string{}, Values: map[string]float64{}}
				if m.Version.Hash != "" {
					row.Labels["commit"] = m.Version.Hash
				}
				rows[key] = row
			}
			row.Values[metric] = m.Metric.Value
		}
	}
	t.Rows = slices.SortedFunc(maps.Values(rows), func(a, b Row) int {
		return cmp.Or(a.Time.Compare(b.Time), cmp.Compare(a.Labels["commit"], b.Labels["commit"]))
	})
	return t
}
