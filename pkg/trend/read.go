package trend

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Read reads histories from a file, whose name is for errors; it finds out by
// itself in which form they are:
//
//   - CSV: one value a line, or columns of times, run names, labels and values,
//     separated by commas, semicolons or tabs, with or without a header (Otava).
//   - JSON: an array of runs, or one run after the other, each an object of times,
//     labels and values (Otava, Nyrkiö, Bencher's BMF), or what Bencher's API
//     answers to a perf query.
//
// Empty cells, NaN and null are runs that are missing. Mistakes are named all at
// once, with file:line.
func Read(name string, text []byte) (Table, error) {
	text = bytes.TrimPrefix(text, []byte("\ufeff"))
	if start := bytes.TrimSpace(text); len(start) > 0 && (start[0] == '[' || start[0] == '{') {
		return readJSON(name, text)
	}
	return readCSV(name, text)
}

// mistakes are the errors in a file, each with its line.
type mistakes struct {
	file string
	errs []error
}

// mostMistakes are named; more are no help.
const mostMistakes = 20

func (m *mistakes) add(line int, format string, args ...any) {
	switch {
	case len(m.errs) < mostMistakes:
		m.errs = append(m.errs, fmt.Errorf("%s:%d: "+format, append([]any{m.file, line}, args...)...))
	case len(m.errs) == mostMistakes:
		m.errs = append(m.errs, fmt.Errorf("%s: and more mistakes", m.file))
	}
}

func (m *mistakes) err() error { return errors.Join(m.errs...) }

// A line of a CSV file.
type csvLine struct {
	number int // from 1
	cells  []string
}

func readCSV(name string, text []byte) (Table, error) {
	lines, err := csvLines(name, text)
	if err != nil || len(lines) == 0 {
		return Table{name: name}, err
	}
	m := &mistakes{file: name}
	columns, lines := columnsOf(lines)
	t := Table{name: name}
	for _, c := range columns {
		if c.role == valueColumn {
			t.Metrics = append(t.Metrics, c.name)
		}
	}
	for _, l := range lines {
		if len(l.cells) != len(columns) {
			m.add(l.number, "there are %d columns, and %d before", len(l.cells), len(columns))
			continue
		}
		t.Rows = append(t.Rows, rowOf(l, columns, m))
	}
	return t, m.err()
}

// csvLines splits a file into cells. Where there is one column, an empty line
// between others is a run that is missing.
func csvLines(name string, text []byte) ([]csvLine, error) {
	plain := strings.Split(strings.TrimRight(string(text), " \t\r\n"), "\n")
	first := strings.TrimSpace(plain[0])
	if first == "" && len(plain) == 1 {
		return nil, nil
	}
	separator := rune(0)
	for _, s := range []rune{',', ';', '\t'} {
		if separator == 0 && strings.ContainsRune(first, s) {
			separator = s
		}
	}
	var lines []csvLine
	if separator == 0 {
		for i, l := range plain {
			lines = append(lines, csvLine{i + 1, []string{strings.Trim(strings.TrimSpace(l), `"`)}})
		}
		return lines, nil
	}
	r := csv.NewReader(bytes.NewReader(text))
	r.Comma, r.FieldsPerRecord, r.TrimLeadingSpace = separator, -1, separator != '\t'
	for {
		cells, err := r.Read()
		var mistake *csv.ParseError
		switch {
		case errors.Is(err, io.EOF):
			return lines, nil
		case errors.As(err, &mistake):
			return nil, fmt.Errorf("%s:%d:%d: %w", name, mistake.Line, mistake.Column, mistake.Err)
		case err != nil:
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		number, _ := r.FieldPos(0)
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		lines = append(lines, csvLine{number, cells})
	}
}

// A column of a CSV file and what it holds.
type column struct {
	name string
	role role
}

type role int

const (
	labelColumn role = iota
	valueColumn
	timeColumn
	runColumn
)

// columnsOf finds out what the columns are, and takes off the header. Without a
// header the last column is the value and the first a time or the name of a run;
// with one, names tell times and runs, and columns of numbers are metrics.
func columnsOf(lines []csvLine) ([]column, []csvLine) {
	first := lines[0].cells
	n := len(first)
	header := !numeric(first[n-1])
	body := lines
	if header {
		body = lines[1:]
	}
	columns := make([]column, n)
	for i := range columns {
		columns[i] = column{name: "column " + strconv.Itoa(i+1)}
		if header {
			columns[i] = column{first[i], namedRoles[strings.ToLower(first[i])]}
		}
	}
	last := &columns[n-1]
	switch {
	case n == 1:
		last.role = valueColumn
	case n == 2 || !header:
		last.role = valueColumn
		if columns[0].role == labelColumn {
			columns[0].role = firstRole(body)
		}
	default:
		for i := range columns {
			isLabel := slices.Contains(labelNames, strings.ToLower(columns[i].name))
			if columns[i].role == labelColumn && !isLabel && allNumeric(body, i) {
				columns[i].role = valueColumn
			}
		}
	}
	if !header {
		last.name = "value"
	}
	return columns, body
}

// namedRoles are the names by which a header tells times and runs.
var namedRoles = map[string]role{
	"time": timeColumn, "timestamp": timeColumn, "date": timeColumn, "datetime": timeColumn,
	"run": runColumn, "id": runColumn,
}

// labelNames are columns that are labels even if they hold numbers.
var labelNames = []string{"commit", "version", "build", "branch", "revision", "index"}

// firstRole tells whether the first column is a time or names a run.
func firstRole(lines []csvLine) role {
	for _, l := range lines {
		if _, ok := parseTime(l.cells[0]); !ok {
			return runColumn
		}
	}
	return timeColumn
}

// numeric tells whether a cell can be a value; an empty one is a missing one.
func numeric(cell string) bool {
	_, err := parseValue(cell)
	return err == nil
}

// allNumeric tells whether a column holds nothing but values, and at least one.
func allNumeric(lines []csvLine, column int) bool {
	some := false
	for _, l := range lines {
		if column >= len(l.cells) {
			continue
		}
		if !numeric(l.cells[column]) {
			return false
		}
		some = some || l.cells[column] != ""
	}
	return some
}

func rowOf(l csvLine, columns []column, m *mistakes) Row {
	r := Row{Labels: map[string]string{}, Values: map[string]float64{}}
	for i, c := range columns {
		cell := l.cells[i]
		switch c.role {
		case valueColumn:
			value, err := parseValue(cell)
			if err != nil {
				m.add(l.number, "%s: %q is no number; leave it empty when the run is missing", c.name, cell)
			}
			r.Values[c.name] = value
		case timeColumn:
			at, ok := parseTime(cell)
			if !ok && cell != "" {
				m.add(l.number, "%s: %q is no time; write 2006-01-02T15:04:05Z or seconds since 1970", c.name, cell)
			}
			r.Time = at
		case runColumn:
			r.Run = cell
		case labelColumn:
			if cell != "" {
				r.Labels[c.name] = cell
			}
		}
	}
	return r
}

// parseValue reads a number; what stands for none is NaN.
func parseValue(cell string) (float64, error) {
	switch strings.ToLower(cell) {
	case "", "nan", "null", "na", "n/a", "none", "-":
		return math.NaN(), nil
	}
	value, err := strconv.ParseFloat(cell, 64)
	if err != nil || math.IsInf(value, 0) {
		return math.NaN(), fmt.Errorf("%q is no number", cell)
	}
	return value, nil
}

// timeLayouts are the forms of a time that are read, besides seconds since 1970.
var timeLayouts = []string{
	time.RFC3339Nano, "2006-01-02 15:04:05Z07:00", "2006-01-02 15:04:05 -0700", "2006-01-02T15:04:05-0700",
	"2006-01-02T15:04:05", "2006-01-02 15:04:05", "2006-01-02 15:04", "2006-01-02",
	"2006.01.02 15:04:05 -0700", "2006.01.02 15:04:05", "2006.01.02", // as in Otava's examples
}

// The seconds since 1970 that are taken for a time: from 2000 to 2100; and from
// there on a thousand times as many, which are milliseconds.
const earliest, latest = 946684800, 4102444800

func parseTime(cell string) (time.Time, bool) {
	if seconds, err := strconv.ParseFloat(cell, 64); err == nil {
		switch {
		case seconds >= earliest && seconds < latest:
			return time.UnixMilli(int64(seconds * 1000)).UTC(), true
		case seconds >= 1000*earliest && seconds < 1000*latest:
			return time.UnixMilli(int64(seconds)).UTC(), true
		}
		return time.Time{}, false
	}
	for _, layout := range timeLayouts {
		if at, err := time.Parse(layout, cell); err == nil {
			return at.UTC(), true
		}
	}
	return time.Time{}, false
}
