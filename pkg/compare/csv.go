package compare

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/plumbline/plumbline/pkg/run"
	"github.com/plumbline/plumbline/pkg/strictyaml"
)

// A Table is values of runs from elsewhere, such as repeats of benchmarks: one of
// each metric per run.
type Table struct {
	Runs    []RunValues // in order of their first rows
	Metrics []Metric    // likewise; none gates
}

// maxCSVProblems is how many mistakes in a file are told at once.
const maxCSVProblems = 20

// ReadTable reads CSV with the columns run, metric, value and, if need be, worse,
// in any order, under a header with these names; name is how mistakes call the
// file. A value that is empty or NaN is none. Worse is higher or lower; of a
// metric that does not say, it is higher. The error holds the mistakes with their lines.
func ReadTable(name string, r io.Reader) (Table, error) {
	c := csv.NewReader(r)
	c.TrimLeadingSpace = true
	c.ReuseRecord = true
	t := tableReader{name: name, csv: c, runs: map[string]int{}, metrics: map[string]int{}}
	if err := t.header(); err != nil {
		return Table{}, err
	}
	for t.row() && len(t.problems) < maxCSVProblems {
		continue
	}
	if len(t.problems) == 0 && len(t.table.Runs) == 0 {
		t.addf("there are no rows under the header")
	}
	return t.table, errors.Join(t.problems...)
}

// A tableReader reads a table row by row.
type tableReader struct {
	name     string
	csv      *csv.Reader
	columns  map[string]int // place of each column
	table    Table
	runs     map[string]int // places of the runs in the table
	metrics  map[string]int
	worse    map[string]string // as far as told, by metric
	problems []error
}

func (t *tableReader) addf(format string, args ...any) {
	line, _ := t.csv.FieldPos(0)
	t.problems = append(t.problems, fmt.Errorf("%s:%d: %s", t.name, line, fmt.Sprintf(format, args...)))
}

var tableColumns = []string{"run", "metric", "value", "worse"}

func (t *tableReader) header() error {
	record, err := t.csv.Read()
	if errors.Is(err, io.EOF) {
		return fmt.Errorf("%s: it is empty; want the header run,metric,value and a row for each value", t.name)
	} else if err != nil {
		return t.broken(err)
	}
	t.columns, t.worse = map[string]int{}, map[string]string{}
	for i, field := range record {
		column := strings.ToLower(strings.TrimSpace(strings.TrimPrefix(field, "\ufeff")))
		if !slices.Contains(tableColumns, column) {
			t.addf("unknown column %q%s; want the header run,metric,value or run,metric,value,worse", field, meant(column, tableColumns))
		} else if _, twice := t.columns[column]; twice {
			t.addf("column %s stands twice", column)
		}
		t.columns[column] = i
	}
	for _, column := range tableColumns[:3] {
		if _, there := t.columns[column]; !there && len(t.problems) == 0 {
			t.addf("there is no column %s; want the header run,metric,value or run,metric,value,worse", column)
		}
	}
	return errors.Join(t.problems...)
}

func meant(word string, of []string) string {
	if near := strictyaml.Nearest(word, of); near != "" {
		return fmt.Sprintf(" (did you mean %s?)", near)
	}
	return ""
}

// row reads a row; false at the end, and where reading can't go on.
func (t *tableReader) row() bool {
	record, err := t.csv.Read()
	switch {
	case errors.Is(err, io.EOF):
		return false
	case errors.Is(err, csv.ErrFieldCount):
		t.addf("has %d fields, and the header %d", len(record), len(t.columns))
		return true
	case err != nil:
		t.problems = append(t.problems, t.broken(err))
		return false
	}
	field := func(column string) string {
		if at, there := t.columns[column]; there {
			return strings.TrimSpace(strings.Clone(record[at]))
		}
		return ""
	}
	id, metric := field("run"), field("metric")
	if id == "" || metric == "" {
		t.addf("run and metric must not be empty")
		return true
	}
	value, err := number(field("value"))
	if err != nil {
		t.addf("%v", err)
		return true
	}
	t.setDirection(t.metric(metric), field("worse"))
	t.setValue(t.run(id), metric, value)
	return true
}

func (t *tableReader) broken(err error) error {
	var parse *csv.ParseError
	if errors.As(err, &parse) {
		return fmt.Errorf("%s:%d:%d: %w", t.name, parse.Line, parse.Column, parse.Err)
	}
	return fmt.Errorf("%s: %w", t.name, err)
}

// number reads a value; an empty one is NaN.
func number(text string) (float64, error) {
	if text == "" {
		return math.NaN(), nil
	}
	v, err := strconv.ParseFloat(text, 64)
	if err != nil || math.IsInf(v, 0) {
		return 0, fmt.Errorf("want a number as value, got %q", text)
	}
	return v, nil
}

func (t *tableReader) metric(id string) *Metric {
	at, known := t.metrics[id]
	if !known {
		at = len(t.table.Metrics)
		t.metrics[id] = at
		t.table.Metrics = append(t.table.Metrics, Metric{ID: id, Title: id})
	}
	return &t.table.Metrics[at]
}

func (t *tableReader) run(id string) *RunValues {
	at, known := t.runs[id]
	if !known {
		at = len(t.table.Runs)
		t.runs[id] = at
		t.table.Runs = append(t.table.Runs, RunValues{Run: run.Run{ID: id, State: run.Complete}, Values: map[string]Value{}})
	}
	return &t.table.Runs[at]
}

func (t *tableReader) setDirection(m *Metric, worse string) {
	if worse == "" {
		return
	}
	var d Direction
	if err := d.UnmarshalText([]byte(worse)); err != nil {
		t.addf("%v", err)
		return
	}
	if before, told := t.worse[m.ID]; told && before != worse {
		t.addf("metric %s: worse is %s here, and %s in a row before", m.ID, worse, before)
		return
	}
	t.worse[m.ID], m.Worse = worse, d
}

func (t *tableReader) setValue(r *RunValues, metric string, value float64) {
	if _, twice := r.Values[metric]; twice {
		t.addf("run %s has a second value of metric %s; a run is one observation, so give one value, such as the mean of its samples", r.Run.ID, metric)
		return
	}
	r.Values[metric] = Value{Value: value}
}

// Split parts the runs of a table into two sides. Without baseline ids it is all
// runs that are no candidates.
func (t Table) Split(candidates, baseline []string) (Baseline, []RunValues, error) {
	if len(candidates) == 0 {
		return Baseline{}, nil, errors.New("name the run or runs that are judged")
	}
	b := Baseline{}
	cand, err := t.pick(candidates)
	if err != nil {
		return Baseline{}, nil, err
	}
	if len(baseline) > 0 {
		b.Runs, err = t.pick(baseline)
		b.Name = strings.Join(baseline, ", ")
		return b, cand, err
	}
	for _, r := range t.Runs {
		if !slices.Contains(candidates, r.Run.ID) {
			b.Runs = append(b.Runs, r)
		}
	}
	b.Name = "all other runs"
	return b, cand, nil
}

func (t Table) pick(ids []string) ([]RunValues, error) {
	var list []RunValues
	for _, id := range ids {
		i := slices.IndexFunc(t.Runs, func(r RunValues) bool { return r.Run.ID == id })
		if i < 0 {
			known := ids[:0:0]
			for _, r := range t.Runs {
				known = append(known, r.Run.ID)
			}
			return nil, fmt.Errorf("run %s: there is none%s; there are %s", id, meant(id, known), few(known))
		}
		list = append(list, t.Runs[i])
	}
	return list, nil
}

// few lists the first of many.
func few(names []string) string {
	const most = 8
	if len(names) <= most {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
}
